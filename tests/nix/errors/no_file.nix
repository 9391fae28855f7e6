import ./no_such_file.nix
# expect-error: no_file.nix:1:1: error:
# expect-error: does not exist
