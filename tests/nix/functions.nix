# Functions: currying, patterns, defaults that see other arguments, the rest.
let
  add = a: b: a + b;
  area = { w, h ? w, unit ? "cm" }: "${toString (w * h)}${unit}";
  all = { a, ... }@args: args;
  first = args@{ b, ... }: args.a or b;
in [
  (add 1 2) (map (add 10) [ 1 2 ]) (area { w = 2; }) (area { w = 2; h = 3; unit = "m"; })
  (all { a = 1; z = 2; }) (first { b = 5; }) (({ }: "none") { }) ((x: y: x) 1 (throw "unused"))
  (builtins.functionArgs area) (builtins.functionArgs add) (builtins.isFunction map)
]
# expect: [ 3 [ 11 12 ] "4cm" "6m" { a = 1; z = 2; } 5 "none" 1 { h = true; unit = true; w = false; } { } true ]
