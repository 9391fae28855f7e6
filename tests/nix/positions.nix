# Where things are written.
let
  s = {
    a = 1;
      b.c = 2;
  };
  place = name: set: removeAttrs (builtins.unsafeGetAttrPos name set) [ "file" ];
in {
  a = place "a" s;
  b = place "b" s;
  none = builtins.unsafeGetAttrPos "z" s;
  here = { inherit (__curPos) line column; file = baseNameOf __curPos.file; };
}
# expect: { a = { column = 5; line = 4; }; b = { column = 7; line = 5; }; here = { column = 21; file = "positions.nix"; line = 12; }; none = null; }
