# helper: imports.nix reads it
{ double = x: x * 2; marker = [ "m" ]; }
