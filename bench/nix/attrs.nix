# Sets built, read and updated by name.
let
  point = x: y: { inherit x y; z = x + y; };
  step = p: i: p // { x = p.x + i; y = p.y - i; };
  sum = p: p.x + p.y + p.z;
in
builtins.foldl' (acc: i: acc + sum (step (point i (i + 1)) 3)) 0 (builtins.genList (i: i) 200000)
