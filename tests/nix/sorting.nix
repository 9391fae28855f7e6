# Sorting is stable and takes any order.
{
  numbers = builtins.sort (a: b: a < b) [ 3 1 2 1 ];
  down = builtins.sort (a: b: a > b) [ 3 1 2 1 ];
  texts = builtins.sort builtins.lessThan [ "b" "a" "B" "" ];
  stable = map (p: p.n) (builtins.sort (a: b: a.k < b.k) [ { k = 1; n = "a"; } { k = 0; n = "b"; } { k = 1; n = "c"; } { k = 0; n = "d"; } ]);
  many = builtins.foldl' (a: x: a + x) 0 (builtins.genList (i: builtins.elemAt (builtins.sort (a: b: a < b) (builtins.genList (k: builtins.bitAnd (k * 7919) 1023) 300)) i) 10);
}
# expect: { down = [ 3 2 1 1 ]; many = 45; numbers = [ 1 1 2 3 ]; stable = [ "b" "d" "a" "c" ]; texts = [ "" "B" "a" "b" ]; }
