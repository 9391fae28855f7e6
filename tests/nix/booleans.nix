# Logic is lazy in its right operand.
{
  and = [ (true && true) (false && throw "no") ];
  or = [ (false || true) (true || throw "no") ];
  implies = [ (true -> false) (false -> throw "no") (true -> true) ];
  not = [ (!true) (!(!true)) ];
  order = [ (1 < 2) (2 <= 2) (1 > 2) (1 >= 2) ("a" < "b") ("a" < "B") (1 < 1.5) ([ 1 2 ] < [ 1 3 ]) ([ ] < [ 1 ]) (/a < /b) ];
  precedence = !false && 1 + 1 == 2 || throw "no";
}
# expect: { and = [ true false ]; implies = [ false true true ]; not = [ false true ]; or = [ true true ]; order = [ true true false false true false true true true true ]; precedence = true; }
