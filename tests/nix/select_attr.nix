# args: -A pkgs.1.meta -A pkgs.0.name
# -A walks into sets and lists.
{ pkgs = [ { name = "a"; } { name = "b"; meta = { lines = 10 * 10; }; } ]; broken = throw "not selected"; }
# expect: { lines = 100; }
# expect: "a"
