# genericClosure follows keys breadth first, each key once.
let
  edges = { a = [ "b" "c" ]; b = [ "d" ]; c = [ "d" "a" ]; d = [ ]; };
  closure = builtins.genericClosure {
    startSet = [ { key = "a"; depth = 0; } ];
    operator = { key, depth }: map (k: { key = k; depth = depth + 1; }) edges.${key};
  };
in map (e: "${e.key}${toString e.depth}") closure
# expect: [ "a0" "b1" "c1" "d2" ]
