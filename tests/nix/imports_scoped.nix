# helper: imports.nix reads it
"${greeting} there"
