let check = n: if n > 2 then throw "n is ${toString n}" else n; in map check [ 1 2 3 ]
# expect-error: thrown.nix:1:30: error: thrown: n is 3
