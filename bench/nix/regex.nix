# Regular expressions: a whole match with groups, and splitting.
let
  names = builtins.genList (i: "package-${toString i}-1.${toString (i / 7)}.${toString (i * 3)}") 20000;
  parts = map (builtins.match "([a-z]+)-([0-9]+)-([0-9]+)\\.([0-9.]+)") names;
  pieces = builtins.filter builtins.isString (builtins.split "[-.]" (builtins.concatStringsSep "." names));
in
[ (builtins.length (builtins.filter (m: m != null) parts)) (builtins.length pieces) ]
