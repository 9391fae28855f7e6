# Texts: interpolation, concatenation, pieces, replacement.
let
  line = i: "line ${toString i}: ${builtins.substring 0 3 "abcdef"}-${toString (i * 7)}\n";
  text = builtins.concatStringsSep "" (builtins.genList line 60000);
  shorter = builtins.replaceStrings [ "line" "abc" ] [ "l" "" ] text;
in
builtins.stringLength text + builtins.stringLength shorter
