# A little parser over characters, written in the language.
let
  chars = s: builtins.genList (i: builtins.substring i 1 s) (builtins.stringLength s);
  digits = { "0" = 0; "1" = 1; "2" = 2; "3" = 3; "4" = 4; "5" = 5; "6" = 6; "7" = 7; "8" = 8; "9" = 9; };
  step = state: c:
    if c == "(" then state // { stack = [ 0 ] ++ state.stack; }
    else if c == ")" then state // { stack = [ (builtins.head state.stack + builtins.elemAt state.stack 1) ] ++ builtins.tail (builtins.tail state.stack); }
    else if digits ? ${c} then state // { stack = [ (builtins.head state.stack + digits.${c}) ] ++ builtins.tail state.stack; }
    else state // { other = state.other + 1; };
in builtins.foldl' step { stack = [ 0 ]; other = 0; } (chars "1(2(3)x4)5")
# expect: { other = 1; stack = [ 15 ]; }
