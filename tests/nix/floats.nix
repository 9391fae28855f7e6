# Floats: literals, mixed arithmetic, how they are printed.
[
  1.0 0.5 .5 1.e2 1.5e-3 123456.0 1234567.0 1.0e30 (1.0 / 3) (2 / 4.0) (0.1 + 0.2) (1 + 0.5) (3 * 1.0) (- 0.5)
  (builtins.toString 2.5) (builtins.toString 1.0) (builtins.toJSON 2.5)
]
# expect: [ 1 0.5 0.5 100 0.0015 123456 1.23457e+06 1e+30 0.333333 0.5 0.3 1.5 3 -0.5 "2.500000" "1.000000" "2.5" ]
