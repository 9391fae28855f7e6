# with: the innermost wins, but never over what is bound by let or as an argument.
let a = "let"; in [
  (with { a = "with"; b = "with"; }; [ a b ])
  (with { x = 1; y = 1; }; with { x = 2; }; x + y)
  ((a: with { a = "with"; }; a) "argument")
  (with { inherit (builtins) add; }; add 1 2)
  (with { deep = { v = 5; }; }; with deep; v)
  (with throw "unused"; 1)
]
# expect: [ [ "let" "with" ] 3 "argument" 3 5 1 ]
