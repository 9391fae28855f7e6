# The module system of nixpkgs' lib: 1000 options, declared by one module and set by another. <nixpkgs> is not part of this
# folder: bench/nix says where it looks for it.
let
  lib = import <nixpkgs/lib>;
  names = builtins.genList (i: "option${toString i}") 1000;
  declare = {
    options = builtins.listToAttrs (map (name: {
      inherit name;
      value = lib.mkOption { type = lib.types.int; default = 1; description = name; };
    }) names);
  };
  define = {
    config = builtins.listToAttrs (lib.imap0 (i: name: { inherit name; value = lib.mkDefault i; }) names);
  };
  result = lib.evalModules { modules = [ declare define ]; };
in
builtins.foldl' (acc: name: acc + result.config.${name}) 0 names
