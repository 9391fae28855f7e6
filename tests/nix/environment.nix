# The environment, and what a pure evaluation is without.
[ (builtins.getEnv "THETA_TEST_NONE") (builtins.isString (builtins.getEnv "PATH")) (builtins.isInt builtins.currentTime) builtins.langVersion ]
# expect: [ "" true true 6 ]
