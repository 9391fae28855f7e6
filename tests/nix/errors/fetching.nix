builtins.fetchTarball "https://example.org/x.tar.gz"
# expect-error: fetching.nix:1:1: error:
