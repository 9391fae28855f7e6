import ./cyclic_import.nix
# expect-error: error: infinite recursion
