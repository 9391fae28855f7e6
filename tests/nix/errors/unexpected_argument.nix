({ a }: a) { a = 1; c = 2; }
# expect-error: unexpected_argument.nix:1:
# expect-error: 'c'
