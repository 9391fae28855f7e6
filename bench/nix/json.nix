# JSON written and read again.
let
  data = builtins.genList (i: {
    id = i;
    name = "entry ${toString i}";
    tags = [ "a" "b" (toString (i * 2)) ];
    nested = { value = i + 0.5; ok = i > 100; none = null; };
  }) 20000;
  text = builtins.toJSON data;
  back = builtins.fromJSON text;
in
[ (builtins.stringLength text) (builtins.length back) (back == data) ]
