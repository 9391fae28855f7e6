# How what cannot be written is printed.
[ (x: x) map (builtins.add 1) { f = { a }: a; } /some/path "a\\b\"c\${d}\n\r\t" [ [ ] { } ] null (-1) (-0.5) ]
# expect: [ <LAMBDA> <PRIMOP> <PRIMOP-APP> { f = <LAMBDA>; } /some/path "a\\b\"c\${d}\n\r\t" [ [ ] { } ] null -1 -0.5 ]
