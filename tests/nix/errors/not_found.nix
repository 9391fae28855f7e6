import <there/is/none>
# expect-error: not_found.nix:1:8: error:
# expect-error: was not found in the Nix search path
