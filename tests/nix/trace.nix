# trace writes to standard error, where it is evaluated.
let x = builtins.trace "once" 5; in builtins.trace { a = [ 1 ]; } (x + x)
# expect-error: trace: { a = [ 1 ]; }
# expect-error: trace: once
# expect-status: 0
# expect: 10
