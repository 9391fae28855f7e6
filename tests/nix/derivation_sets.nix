# What the set that `derivation` gives looks like, and how lazy it is.
let
  d = derivation { name = "a"; builder = "b"; system = "s"; outputs = [ "bin" "out" ]; extra = 1; };
in
{
  names = builtins.attrNames d;
  first = d.outputName;
  all = map (x: x.outputName) d.all;
  other = d.out.outputName;
  cyclic = d.out.bin.out.outPath == d.out.outPath;
  lazy = (derivation { name = throw "never"; builder = "b"; system = "s"; }).type;
  arguments = d.drvAttrs;
  context = builtins.getContext "${d}";
  deep = builtins.getContext d.drvPath;
  equal = d == d // { extra = 2; };
  other_equal = d == d.out;
  caught = builtins.tryEval (derivation { name = "a"; builder = "b"; system = "s"; x = throw "no"; }).outPath;
  text = "${d.out}";
  json = builtins.toJSON d;
  floating = (derivation { name = "f"; builder = "b"; system = "s"; __contentAddressed = true; }).outPath == "${derivation { name = "f"; builder = "b"; system = "s"; __contentAddressed = true; }}";
}
# expect: { all = [ "bin" "out" ]; arguments = { builder = "b"; extra = 1; name = "a"; outputs = [ "bin" "out" ]; system = "s"; }; caught = { success = false; value = false; }; context = { "/nix/store/nya5c3x10lp9ljzdhb2r1446j1vcafld-a.drv" = { outputs = [ "bin" ]; }; }; cyclic = true; deep = { "/nix/store/nya5c3x10lp9ljzdhb2r1446j1vcafld-a.drv" = { allOutputs = true; }; }; equal = true; first = "bin"; floating = true; json = "\"/nix/store/8398m33vcas73jjcp8s343p9k3zlrz2y-a-bin\""; lazy = "derivation"; names = [ "all" "bin" "builder" "drvAttrs" "drvPath" "extra" "name" "out" "outPath" "outputName" "outputs" "system" "type" ]; other = "out"; other_equal = false; text = "/nix/store/frhxny7nv9pr1lx729iqc7ji54af4j15-a"; }
