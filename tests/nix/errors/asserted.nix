let n = 1; in
assert n == 2; n
# expect-error: asserted.nix:2:1: error: assertion
