# JSON both ways.
let value = { a = [ 1 2.5 true null "q\"\n" ]; b.c = { }; e = [ ]; }; in {
  text = builtins.toJSON value;
  back = builtins.fromJSON (builtins.toJSON value) == value;
  read = builtins.fromJSON ''{ "x": [1, -2, 3.5e2, "\u00fc\n", false, null], "y": {"z": {}} }'';
  to_string = builtins.toJSON { __toString = self: "text"; a = 1; };
  out_path = builtins.toJSON { outPath = "/o"; a = 1; };
}
# expect: { back = true; out_path = "\"/o\""; read = { x = [ 1 -2 350 "ü\n" false null ]; y = { z = { }; }; }; text = "{\"a\":[1,2.5,true,null,\"q\\\"\\n\"],\"b\":{\"c\":{}},\"e\":[]}"; to_string = "\"text\""; }
