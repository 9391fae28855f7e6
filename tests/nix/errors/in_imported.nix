import ./in_imported_part.nix
# expect-error: in_imported_part.nix:2:3: error: thrown: from the part
