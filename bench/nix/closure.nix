# A graph walked by genericClosure.
let
  node = key: { inherit key; };
  after = x: let a = x.key * 3 + 1; b = x.key * 5 + 2; in
    builtins.filter (n: n.key < 60000) [ (node a) (node b) (node (x.key + 1)) ];
in
builtins.length (builtins.genericClosure { startSet = [ (node 1) ]; operator = after; })
