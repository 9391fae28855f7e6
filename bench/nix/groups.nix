# Sets made from lists: listToAttrs, groupBy, mapAttrs, attrValues, intersectAttrs.
let
  entries = builtins.genList (i: { name = "n${toString i}"; value = i; }) 50000;
  set = builtins.listToAttrs entries;
  groups = builtins.groupBy (e: toString (e.value - (e.value / 100) * 100)) entries;
  sizes = builtins.mapAttrs (_: builtins.length) groups;
  common = builtins.intersectAttrs set (builtins.mapAttrs (_: v: v + 1) set);
in
[
  (builtins.foldl' (a: b: a + b) 0 (builtins.attrValues sizes))
  (builtins.foldl' (a: n: a + common.${n}) 0 (builtins.attrNames common))
]
