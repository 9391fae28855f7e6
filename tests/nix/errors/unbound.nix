let known = 1; in knwon
# expect-error: unbound.nix:1:19: error:
# expect-error: undefined variable 'knwon'
