# A set with __functor is called as a function; __toString makes a string of a set.
let
  counter = { n = 1; __functor = self: x: self.n + x; };
  twice = counter // { n = 100; };
  shown = { name = "thing"; __toString = self: "<${self.name}>"; };
in [ (counter 5) (twice 5) (map counter [ 1 2 ]) "${shown}" (toString shown) ("a" + shown) (toString { outPath = "/out"; }) ]
# expect: [ 6 105 [ 2 3 ] "<thing>" "<thing>" "a<thing>" "/out" ]
