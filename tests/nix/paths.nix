# Paths: relative ones start at the file's folder; arithmetic with strings.
let base = ./data; in {
  kinds = map builtins.typeOf [ ./a ../b /c/d ./. ];
  names = map baseNameOf [ ./a/b.txt /x/y "p/q/" "plain" ];
  parents = [ (dirOf /a/b/c) (dirOf "x/y") (dirOf "z") ];
  joined = /a + "/b" + "/../c";
  interpolated = /a/${"b" + "c"}/d;
  text = toString /a/./b/../c;
  equal = /a/b == /a/./b;
  relative = baseNameOf (toString base);
  concatenated = "${toString /etc}/passwd";
}
# expect: { concatenated = "/etc/passwd"; equal = true; interpolated = /a/bc/d; joined = /a/c; kinds = [ "path" "path" "path" "path" ]; names = [ "b.txt" "y" "q" "plain" ]; parents = [ /a/b "x" "." ]; relative = "data"; text = "/a/c"; }
