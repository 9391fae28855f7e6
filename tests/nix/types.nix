# The name of each type, and the questions about them.
let vs = [ 1 1.0 "s" ./p true null { } [ ] (x: x) map ]; in {
  names = map builtins.typeOf vs;
  ints = map builtins.isInt vs;
  strings = map builtins.isString vs;
  paths = map builtins.isPath vs;
  sets = map builtins.isAttrs vs;
  functions = map builtins.isFunction vs;
  nulls = map isNull vs;
}
# expect: { functions = [ false false false false false false false false true true ]; ints = [ true false false false false false false false false false ]; names = [ "int" "float" "string" "path" "bool" "null" "set" "list" "lambda" "lambda" ]; nulls = [ false false false false false true false false false false ]; paths = [ false false false true false false false false false false ]; sets = [ false false false false false false true false false false ]; strings = [ false false true false false false false false false false ]; }
