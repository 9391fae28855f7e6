let
  inner = x: throw "deep";
  outer = x: 1 + inner x;
in builtins.addErrorContext "while doing it" (outer 1)
# args: --show-trace
# expect-error: traced.nix:2:14: error: thrown: deep
# expect-error: … while doing it
# expect-error: … while evaluating an expression
