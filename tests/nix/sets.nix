# Attribute sets: every way of writing one.
let a = 1; from = { x = 10; y = 20; }; dyn = "computed"; in {
  inherit a;
  inherit (from) x y;
  nested.deep.er = true;
  nested.other = false;
  "quoted name" = 2;
  "with ${dyn}" = 3;
  ${dyn} = 4;
  ${null} = "left out";
  rec1 = rec { p = q + 1; q = 2; };
  empty = { };
  merged = { m.a = 1; m.b = 2; };
  "" = "no name";
}
# expect: { "" = "no name"; a = 1; computed = 4; empty = { }; merged = { m = { a = 1; b = 2; }; }; nested = { deep = { er = true; }; other = false; }; "quoted name" = 2; rec1 = { p = 3; q = 2; }; "with computed" = 3; x = 10; y = 20; }
