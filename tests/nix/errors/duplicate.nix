{ a = 1; b.c = 2; a = 3; }
# expect-error: duplicate.nix:1:19: error:
# expect-error: already defined
