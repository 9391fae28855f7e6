# args: --pure
# --pure: no clock, no environment, no search path.
[ (builtins ? currentTime) (builtins ? currentSystem) (builtins.getEnv "HOME") builtins.nixPath ]
# expect: [ false false "" [ ] ]
