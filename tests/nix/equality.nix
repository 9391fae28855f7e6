# Equality is deep, and numbers compare by value; functions are equal to nothing.
let f = x: x; s = { inherit f; }; in [
  (1 == 1.0) ("a" == "a") ([ 1 [ 2 ] ] == [ 1 [ 2 ] ]) ({ a = 1; b.c = 2; } == { b = { c = 2; }; a = 1; })
  (null == false) ("1" == 1) ([ ] == { }) (f == f) (s == s) ([ f ] == [ f ]) (1 != 2) ({ } != { a = 1; })
  ({ type = "derivation"; outPath = "/x"; a = 1; } == { type = "derivation"; outPath = "/x"; a = 2; })
]
# expect: [ true true true true false false false false true true true true true ]
