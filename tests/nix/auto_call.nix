# args: --argstr who you --arg times "1 + 1"
# A function whose arguments all have defaults, or are given, is called.
{ who ? "nobody", times ? 1 }: builtins.concatStringsSep " " (builtins.genList (i: who) times)
# expect: "you you"
