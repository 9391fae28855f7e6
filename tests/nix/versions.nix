# Versions and names of packages.
[
  (builtins.compareVersions "1.0" "1.1") (builtins.compareVersions "2.3pre1" "2.3") (builtins.compareVersions "1.10" "1.9")
  (builtins.compareVersions "2.3" "2.3a") (builtins.compareVersions "1.0" "1.0")
  (builtins.splitVersion "1.2.3-rc4") (builtins.parseDrvName "nix-0.12pre12876") (builtins.parseDrvName "noversion")
  (builtins.parseDrvName "a-b-c-1.2")
]
# expect: [ -1 -1 1 -1 0 [ "1" "2" "3" "rc" "4" ] { name = "nix"; version = "0.12pre12876"; } { name = "noversion"; version = ""; } { name = "a-b-c"; version = "1.2"; } ]
