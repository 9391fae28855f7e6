# Sorting with a comparison written in the language.
let
  next = x: let y = x * 1103515245 + 12345; in y - (y / 2147483648) * 2147483648;
  numbers = builtins.genList (i: next (next (next (i * 7919 + 17)))) 60000;
  sorted = builtins.sort (a: b: a < b) numbers;
in
[ (builtins.head sorted) (builtins.elemAt sorted 30000) (builtins.elemAt sorted 59999) ]
