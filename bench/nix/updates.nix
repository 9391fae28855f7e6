# A long chain of updates of one set, a field at a time.
let
  built = builtins.foldl' (acc: i: acc // { "key${toString i}" = i; }) { } (builtins.genList (i: i) 4000);
in
builtins.foldl' (acc: name: acc + built.${name}) 0 (builtins.attrNames built)
