# Overlays: a fixed point over a chain of extensions.
let
  fix = f: let x = f x; in x;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
  base = final: { a = 1; b = final.a + 1; };
  over = final: prev: { a = 10; c = prev.b * 100; };
in fix (extends over base)
# expect: { a = 10; b = 11; c = 1100; }
