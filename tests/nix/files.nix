# Reading files and folders.
{
  text = builtins.readFile ./data/hello.txt;
  entries = builtins.readDir ./data;
  there = map builtins.pathExists [ ./data ./data/hello.txt ./data/none ];
  hash = builtins.hashFile "sha256" ./data/hello.txt;
  json = (builtins.fromJSON (builtins.readFile ./data/config.json)).port;
}
# expect: { entries = { "config.json" = "regular"; "hello.txt" = "regular"; sub = "directory"; }; hash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; json = 8080; text = "hello\n"; there = [ true true false ]; }
