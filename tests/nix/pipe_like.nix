# Chains of functions without an operator for it.
let
  pipe = builtins.foldl' (x: f: f x);
  compose = f: g: x: f (g x);
  flip = f: a: b: f b a;
in [ (pipe 3 [ (x: x + 1) (x: x * 2) toString ]) (compose (x: x * 2) (x: x + 1) 5) (flip (a: b: a - b) 1 10) ]
# expect: [ "8" 12 9 ]
