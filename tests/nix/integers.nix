# Whole numbers: signs, division towards zero, the largest and the smallest.
let
  max = 9223372036854775807;
  min = -max - 1;
in {
  sum = 1 + 2 * 3 - 4;
  quotients = [ (7 / 2) (-7 / 2) (7 / -2) (-7 / -2) ];
  inherit max min;
  negated = [ (-5) (- (-5)) (3 - -2) (3 - 2) ];
  bits = [ (builtins.bitAnd 12 10) (builtins.bitOr 12 10) (builtins.bitXor 12 10) (builtins.bitAnd (-1) 255) ];
  functions = [ (builtins.add 1 2) (builtins.sub 1 2) (builtins.mul 3 4) (builtins.div 9 4) ];
  rounded = map builtins.ceil [ 1.2 (-1.2) 3.0 ] ++ map builtins.floor [ 1.8 (-1.2) 3.0 ];
}
# expect: { bits = [ 8 14 6 255 ]; functions = [ 3 -1 12 2 ]; max = 9223372036854775807; min = -9223372036854775808; negated = [ -5 5 5 1 ]; quotients = [ 3 -3 -3 3 ]; rounded = [ 2 -1 3 1 -2 3 ]; sum = 3; }
