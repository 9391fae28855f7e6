# Paths in the store of texts, files and folders.
{
  text = builtins.toFile "a.txt" "hello";
  refers = builtins.toFile "b" "${builtins.toFile "a.txt" "hello"} ${./tree/file.sh}";
  context = builtins.getContext (builtins.toFile "a.txt" "hello");
  file = "${./tree/file.sh}";
  link = "${./tree/link}";
  folder = "${./tree}";
  below = "${./tree}/sub";
  named = builtins.path { path = ./tree; name = "other"; };
  flat = builtins.path { path = ./tree/file.sh; recursive = false; };
  expected = builtins.path { path = ./tree/file.sh; recursive = false; sha256 = builtins.hashFile "sha256" ./tree/file.sh; };
  filtered = builtins.filterSource (path: type: type == "directory" || baseNameOf path == "d.txt") ./tree;
  nothing = builtins.filterSource (path: type: false) ./tree;
  one = builtins.filterSource (path: type: throw "the root is not asked about") ./tree/file.sh;
  placeholder = map builtins.placeholder [ "out" "dev" ];
  same = "${./tree}" == builtins.path { path = ./tree; };
}
# expect: { below = "/nix/store/zsxi2d19wlqpm9ynnqwmrgzyl6a7yyq0-tree/sub"; context = { "/nix/store/wzflyq5q9kjg4p27yck2nnispnblxsnh-a.txt" = { path = true; }; }; expected = "/nix/store/pm5xz05r663w82gridcccshy666z12s7-file.sh"; file = "/nix/store/6fchhyhv5xyv68pcmsg49hrryy0zdlfk-file.sh"; filtered = "/nix/store/fblfdnj2vvgzh8bd6bsmxd94hmalhp3m-tree"; flat = "/nix/store/pm5xz05r663w82gridcccshy666z12s7-file.sh"; folder = "/nix/store/zsxi2d19wlqpm9ynnqwmrgzyl6a7yyq0-tree"; link = "/nix/store/jxiswgslczygzzsk45xv15qfvc4slfbv-link"; named = "/nix/store/lp3i9i1nzbcxkd25l5farwqbqn0k05cz-other"; nothing = "/nix/store/42w0fdvrafxfyb76rr8bayd7zw3w8ban-tree"; one = "/nix/store/6fchhyhv5xyv68pcmsg49hrryy0zdlfk-file.sh"; placeholder = [ "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9" "/02qcpld1y6xhs5gz9bchpxaw0xdhmsp5dv88lh25r2ss44kh8dxz" ]; refers = "/nix/store/yy2ndrakysbzzpdp0linlz3w3gi1whdp-b"; same = true; text = "/nix/store/wzflyq5q9kjg4p27yck2nnispnblxsnh-a.txt"; }
