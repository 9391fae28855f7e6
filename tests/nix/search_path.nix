# args: -I . -I mine=data
# <...> looks along the search path; so does findFile along any list.
let found = builtins.findFile [ { prefix = "here"; path = toString ./data; } { prefix = ""; path = toString ./.; } ]; in {
  angle = builtins.readFile <data/hello.txt>;
  prefixed = builtins.readFile <mine/hello.txt>;
  list = map (e: e.prefix) builtins.nixPath;
  find = [ (baseNameOf (found "here/hello.txt")) (baseNameOf (found "data")) ];
}
# expect: { angle = "hello\n"; find = [ "hello.txt" "data" ]; list = [ "" "mine" ]; prefixed = "hello\n"; }
