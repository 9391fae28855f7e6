# Operators bind as they should.
let f = x: x + 1; s = { a = { b = 2; }; }; in {
  application = f 1 + f 2 * 2;
  unary = - f 1 * 2;
  not = !s ? a == false;
  concat = [ 1 ] ++ [ 2 ] ++ [ 3 ] == [ 1 2 3 ];
  update = { a = 1; } // { b = 2; } == { a = 1; b = 2; };
  select = s.a.b * 3;
  question = s ? a && s.a ? b;
  comparison = 1 + 1 < 3 && 2 * 2 == 4;
  implication = false -> true -> false;
  minus = [ (1 - 1) (-1) ];
  list = builtins.length [ f s.a.b (-1) ];
}
# expect: { application = 8; comparison = true; concat = true; implication = true; list = 3; minus = [ 0 -1 ]; not = true; question = true; select = 6; unary = -4; update = true; }
