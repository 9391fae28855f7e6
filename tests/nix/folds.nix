# The strict left fold, and one written by hand from the right.
let
  foldr = f: z: l: let go = i: if i == builtins.length l then z else f (builtins.elemAt l i) (go (i + 1)); in go 0;
in [
  (builtins.foldl' (a: b: a + b) 0 [ 1 2 3 4 ])
  (builtins.foldl' (a: b: "(${a}${b})") "" [ "x" "y" "z" ])
  (foldr (x: a: [ x ] ++ a) [ ] [ 1 2 3 ])
  (builtins.foldl' (a: b: b) (throw "not needed") [ 1 ])
]
# expect: [ 10 "(((x)y)z)" [ 1 2 3 ] 1 ]
