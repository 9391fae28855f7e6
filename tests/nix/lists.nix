# Lists: literals, concatenation, and the usual functions.
let l = [ 5 3 8 1 ]; in {
  joined = l ++ [ ] ++ [ "x" [ ] ];
  ends = [ (builtins.head l) (builtins.tail l) (builtins.elemAt l 2) (builtins.length l) ];
  mapped = map (x: x * x) l;
  kept = builtins.filter (x: x > 2) l;
  found = [ (builtins.elem 8 l) (builtins.elem 9 l) (builtins.any (x: x > 7) l) (builtins.all (x: x > 7) l) ];
  flat = builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ] ++ builtins.concatMap (x: [ x x ]) [ "a" "b" ];
  made = builtins.genList (i: i * 2) 5;
  halves = builtins.partition (x: x > 4) l;
  groups = builtins.groupBy (x: if x > 4 then "big" else "small") l;
}
# expect: { ends = [ 5 [ 3 8 1 ] 8 4 ]; flat = [ 1 2 3 "a" "a" "b" "b" ]; found = [ true false true false ]; groups = { big = [ 5 8 ]; small = [ 3 1 ]; }; halves = { right = [ 5 8 ]; wrong = [ 3 1 ]; }; joined = [ 5 3 8 1 "x" [ ] ]; kept = [ 5 3 8 ]; made = [ 0 2 4 6 8 ]; mapped = [ 25 9 64 1 ]; }
