# The right side wins; nothing is evaluated for it.
let base = { a = 1; b = { x = 1; }; }; in {
  simple = base // { a = 2; c = 3; };
  shallow = base // { b = { y = 2; }; };
  chain = { a = 1; } // { a = 2; } // { a = 3; };
  lazy = (base // { a = throw "unused"; }).b;
  empty = base // { };
  long = builtins.attrNames (builtins.foldl' (s: i: s // { "k${toString i}" = i; }) { } (builtins.genList (i: i) 12));
}
# expect: { chain = { a = 3; }; empty = { a = 1; b = { x = 1; }; }; lazy = «repeated»; long = [ "k0" "k1" "k10" "k11" "k2" "k3" "k4" "k5" "k6" "k7" "k8" "k9" ]; shallow = { a = 1; b = { y = 2; }; }; simple = { a = 2; b = «repeated»; c = 3; }; }
