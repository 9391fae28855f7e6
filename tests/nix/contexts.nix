# What a string depends on goes with it.
let
  plain = "text";
  file = builtins.toFile "note" "contents";
  both = "${file} and ${plain}";
in {
  has = map builtins.hasContext [ plain file both (builtins.unsafeDiscardStringContext both) ];
  same = builtins.getContext both == builtins.getContext file;
  value = builtins.attrValues (builtins.getContext both);
  carried = builtins.hasContext (builtins.substring 0 3 both);
}
# expect: { carried = true; has = [ false true true false ]; same = true; value = [ { path = true; } ]; }
