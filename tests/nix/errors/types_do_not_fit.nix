let f = x: x + 1; in
[ (f 1) (f "a") ]
# expect-error: types_do_not_fit.nix:1:16: error:
