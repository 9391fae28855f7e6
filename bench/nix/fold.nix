# Lists: generated, mapped, filtered, folded.
let
  numbers = builtins.genList (i: i) 400000;
  even = builtins.filter (x: (x / 2) * 2 == x) (builtins.map (x: x * 3 + 1) numbers);
in
builtins.foldl' (a: b: a + b) 0 even
