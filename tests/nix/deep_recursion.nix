# Depth is bounded by memory, not by a stack.
let
  count = n: if n == 0 then 0 else 1 + count (n - 1);
  nest = n: if n == 0 then [ ] else [ (nest (n - 1)) ];
  chain = builtins.foldl' (f: i: x: f (x + 1)) (x: x) (builtins.genList (i: i) 50000);
in [ (count 200000) (nest 20000 == nest 20000) (chain 0) (builtins.deepSeq (nest 20000) "walked") ]
# expect: [ 200000 true 50000 "walked" ]
