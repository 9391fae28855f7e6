# A derivation is a set; its paths follow from what it is made of.
let
  d = derivation { name = "demo"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; };
  many = derivation { name = "many"; system = "x86_64-linux"; builder = "${d}/bin/b"; outputs = [ "out" "dev" ]; flag = true; };
  fixed = derivation { name = "fixed"; system = "x86_64-linux"; builder = "b"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "x"; };
in {
  inherit (d) type name outPath drvPath;
  outputs = map (o: o.outPath) many.all;
  names = [ many.dev.outputName (many == many.out) ];
  fixed = fixed.outPath;
  depends = builtins.attrValues (builtins.getContext "${many}") == [ { outputs = [ "out" ]; } ];
  placeholder = builtins.placeholder "out";
}
# expect: { depends = true; drvPath = "/nix/store/qjgcybnmlnzvhwi0lrmdnawbwa3hl3rf-demo.drv"; fixed = "/nix/store/19fh7wyy68shhsscywmgxdxxfwsyf4jp-fixed"; name = "demo"; names = [ "dev" true ]; outPath = "/nix/store/7qanz2jgyjfiddixn1asx5qxn4dpjq0n-demo"; outputs = [ "/nix/store/mmdnb63jw90013grvn75im5s5lsja2c9-many" "/nix/store/4kcnmi9qxyszifsxnb121hb2590v09c7-many-dev" ]; placeholder = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"; type = "derivation"; }
