# A small system of options with defaults, merged from several files' worth of settings.
let
  options = { port = { default = 80; check = builtins.isInt; }; host = { default = "localhost"; check = builtins.isString; }; tags = { default = [ ]; check = builtins.isList; }; };
  modules = [ ({ config }: { port = 8080; }) ({ config }: { tags = [ "p${toString config.port}" ]; }) ({ config }: { tags = [ config.host ]; }) ];
  config = builtins.mapAttrs (name: option:
    let given = builtins.concatMap (m: let v = m { inherit config; }; in if v ? ${name} then [ v.${name} ] else [ ]) modules;
        value = if given == [ ] then option.default else if builtins.isList option.default then builtins.concatLists given else builtins.head given;
    in assert option.check value; value) options;
in config
# expect: { host = "localhost"; port = 8080; tags = [ "p8080" "localhost" ]; }
