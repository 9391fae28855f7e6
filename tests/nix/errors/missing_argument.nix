({ a, b }: a) { a = 1; }
# expect-error: missing_argument.nix:1:
# expect-error: 'b'
