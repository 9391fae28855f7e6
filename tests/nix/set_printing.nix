# Names are printed in the order of their bytes, quoted where they must be.
{ b = 1; a = 2; B = 3; "1a" = 4; "a-b" = 5; "a'" = 6; "if" = 7; "x y" = 8; _ = 9; "ü" = 10; "\n" = 11; }
# expect: { "\n" = 11; "1a" = 4; B = 3; _ = 9; a = 2; a' = 6; a-b = 5; b = 1; "if" = 7; "x y" = 8; "ü" = 10; }
