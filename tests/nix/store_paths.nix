# toFile and sources copied to the store.
{
  file = builtins.toFile "a.txt" "some text\n";
  source = "${./data/hello.txt}";
  named = builtins.path { path = ./data/hello.txt; name = "other"; };
  filtered = builtins.filterSource (p: t: t == "regular") ./data;
}
# expect: { file = "/nix/store/k4wy6q0hkm0ysn6rabwni4pg76q1xd00-a.txt"; filtered = "/nix/store/4licjgr5c975xabibv0aaq52n16pv3qx-data"; named = "/nix/store/9s9k2sai2v1fih1ayiyy428m8b8hs578-other"; source = "/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"; }
