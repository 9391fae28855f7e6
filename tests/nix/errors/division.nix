let half = x: x / 0; in half 4
# expect-error: division.nix:1:
# expect-error: zero
