# Nothing is evaluated that is not needed, and nothing twice.
let
  xs = [ (throw "a") 2 (throw "c") ];
  ones = { head = 1; tail = ones; };
  s = rec { big = builtins.genList (i: throw "item") 1000; n = builtins.length big; };
  loop = loop;
in [ (builtins.elemAt xs 1) (builtins.length xs) ones.tail.tail.head s.n ((x: 5) loop) (builtins.isInt (let v = 7; in v)) ]
# expect: [ 2 3 1 1000 5 true ]
