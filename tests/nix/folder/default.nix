# helper: imports.nix reads it
"the folder's ${baseNameOf (toString ./.)}"
