{ a = builtins.tryEval (abort "all of it"); }
# expect-error: aborted.nix:1:25: error:
# expect-error: all of it
