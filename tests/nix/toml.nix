# TOML is read into sets.
builtins.fromTOML ''
  title = "TOML"
  [owner]
  name = 'x'
  ages = [ 1, 2, 3 ]
  pi = 3.25
  ok = true
  [owner.more]
  "quoted key" = """
  two
  lines"""
  [[items]]
  n = 1
  [[items]]
  n = 0xff
''
# expect: { items = [ { n = 1; } { n = 255; } ]; owner = { ages = [ 1 2 3 ]; more = { "quoted key" = "two\nlines"; }; name = "x"; ok = true; pi = 3.25; }; title = "TOML"; }
