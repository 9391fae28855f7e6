# rec, and names that mean the one outside.
let x = "outer"; in {
  rec_wins = rec { x = "inner"; y = x; };
  plain = { x = "inner"; y = x; };
  inherited = rec { inherit x; y = x + "!"; };
  fib = (rec { fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); }).fib 15;
  old = rec { __overrides = { a = 2; }; a = 1; b = a; }.b;
}
# expect: { fib = 610; inherited = { x = "outer"; y = "outer!"; }; old = 2; plain = { x = "inner"; y = "outer"; }; rec_wins = { x = "inner"; y = "inner"; }; }
