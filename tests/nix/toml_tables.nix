# TOML: every kind of value, and tables that are added to from several places.
builtins.fromTOML ''
  title = "T\u00e9"
  n = [1_000, 0xff, 0o17, 0b101, -3]
  f = [1.5, 5e+3, -0.25]
  t = true
  l = 'raw\n'
  m = ${"'''"}
  two
  lines${"'''"}
  inline = { a.b = 1, c = { d = [] } }
  [x.y]
  z = 1
  "quoted key" = 2
  [[list]]
  a = 1
  [[list.sub]]
  b = 2
  [[list]]
  a = 3
''
# expect: { f = [ 1.5 5000 -0.25 ]; inline = { a = { b = 1; }; c = { d = [ ]; }; }; l = "raw\\n"; list = [ { a = 1; sub = [ { b = 2; } ]; } { a = 3; } ]; m = "two\nlines"; n = [ 1000 255 15 5 -3 ]; t = true; title = "Té"; x = { y = { "quoted key" = 2; z = 1; }; }; }
