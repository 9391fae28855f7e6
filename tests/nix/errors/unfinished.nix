{ a = "never closed
# expect-error: unfinished.nix:1:
# expect-error: error: syntax error
