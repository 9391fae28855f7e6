# helper: in_imported.nix reads it
  throw "from the part"
