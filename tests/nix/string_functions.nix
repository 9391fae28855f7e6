# What builtins do with strings.
{
  length = map builtins.stringLength [ "" "abc" "ü" ];
  parts = [ (builtins.substring 1 2 "hello") (builtins.substring 3 100 "hello") (builtins.substring 9 1 "hello") (builtins.substring 2 (-1) "hello") ];
  joined = builtins.concatStringsSep ", " [ "a" "b" "c" ];
  replaced = [ (builtins.replaceStrings [ "o" "l" ] [ "0" "1" ] "hello world") (builtins.replaceStrings [ "" ] [ "-" ] "abc") (builtins.replaceStrings [ "ab" "a" ] [ "1" "2" ] "aab") ];
  shown = map toString [ 1 1.5 true false null "s" [ 1 [ 2 "x" ] ] /p ];
  split = builtins.filter builtins.isString (builtins.split " +" "one  two   three");
}
# expect: { joined = "a, b, c"; length = [ 0 3 2 ]; parts = [ "el" "lo" "" "llo" ]; replaced = [ "he110 w0r1d" "-a-b-c-" "21" ]; shown = [ "1" "1.500000" "1" "" "" "s" "1 2 x" "/p" ]; split = [ "one" "two" "three" ]; }
