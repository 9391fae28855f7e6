let s = { name = 1; }; in
  s.nmae
# expect-error: missing_attribute.nix:2:5: error:
# expect-error: attribute 'nmae' missing
