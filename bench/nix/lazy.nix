# Laziness: an endless list of primes, taken from.
let
  cons = head: tail: { inherit head tail; };
  from = n: cons n (from (n + 1));
  filter = p: xs: if p xs.head then cons xs.head (filter p xs.tail) else filter p xs.tail;
  sieve = xs: cons xs.head (sieve (filter (x: x - (x / xs.head) * xs.head != 0) xs.tail));
  nth = n: xs: if n == 0 then xs.head else nth (n - 1) xs.tail;
in
nth 700 (sieve (from 2))
