# A module as packages write them.
{ config, lib, pkgs ? import <nixpkgs> { }, ... }@args:
with lib;
let
  cfg = config.services.example;
  inherit (lib) mkIf mkOption types;
  settings = { port = 80; } // cfg.settings or { };
in
{
  options.services.example.enable = mkOption { type = types.bool; default = false; };
  options.services.example.settings = mkOption { description = ''
      Settings of the ''${example} service.
        Indented, with ${toString settings.port} in it.
    ''; };
  config = mkIf cfg.enable { systemd.services."example-${cfg.name}" = { script = "exec ${pkgs.hello}/bin/hello"; }; };
}
