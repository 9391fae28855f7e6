let a = 5; in a 1
# expect-error: not_a_function.nix:1:15: error:
# expect-error: not a function
