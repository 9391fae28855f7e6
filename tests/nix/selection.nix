# Selecting: deep, dynamic, with a default; and asking.
let s = { a.b.c = 1; "x y" = 2; f = x: x; }; n = "b"; in {
  deep = s.a.b.c;
  quoted = s."x y";
  dynamic = s.a.${n}.c;
  default = [ (s.nope or 3) (s.a.nope.more or 4) (s.a.b or 5).c ];
  of_function = (s.f or (x: 0)) 7;
  has = [ (s ? a) (s ? a.b.c) (s ? a.x) (s ? "x y") (s.a ? ${n}) (5 ? a) ];
  get = builtins.getAttr "a" s;
  has_attr = builtins.hasAttr "z" s;
}
# expect: { deep = 1; default = [ 3 4 1 ]; dynamic = 1; get = { b = { c = 1; }; }; has = [ true true false true true false ]; has_attr = false; of_function = 7; quoted = 2; }
