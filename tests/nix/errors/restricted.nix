builtins.readFile /etc/hostname
# args: --restrict-eval
# expect-error: restricted.nix:1:1: error:
# expect-error: restricted
