# helper: imports.nix reads it
{ a, b ? 10 }: c: a + b + c
