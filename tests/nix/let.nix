# let: in any order, mutually recursive, shadowing.
let
  even = n: if n == 0 then true else odd (n - 1);
  odd = n: if n == 0 then false else even (n - 1);
  total = a + b;
  a = 1;
  b = a * 2;
  inner = let a = 10; in a + b;
  inherit (builtins) length;
  s.x = 1;
  s.y = s.x + 1;
in [ (even 10) total inner (length [ a b ]) s (let { body = x; x = "old style"; }) ]
# expect: [ true 3 12 2 { x = 1; y = 2; } "old style" ]
