# What builtins do with sets.
let s = { c = 3; a = 1; b = 2; }; in {
  names = builtins.attrNames s;
  values = builtins.attrValues s;
  mapped = builtins.mapAttrs (n: v: "${n}${toString v}") s;
  without = builtins.removeAttrs s [ "a" "zz" ];
  common = builtins.intersectAttrs { a = null; b = null; q = null; } s;
  listed = builtins.listToAttrs [ { name = "x"; value = 1; } { name = "y"; value = 2; } { name = "x"; value = 3; } ];
  cat = builtins.catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ];
  zipped = builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ];
}
# expect: { cat = [ 1 3 ]; common = { a = 1; b = 2; }; listed = { x = 1; y = 2; }; mapped = { a = "a1"; b = "b2"; c = "c3"; }; names = [ "a" "b" "c" ]; values = [ 1 2 3 ]; without = { b = 2; c = 3; }; zipped = { a = { n = "a"; vs = [ 1 2 ]; }; b = { n = "b"; vs = [ 3 ]; }; }; }
