# seq and deepSeq evaluate their first argument, to the head or whole.
[
  (builtins.seq 1 2) (builtins.seq [ (throw "no") ] 3) (builtins.deepSeq [ 1 { a = 2; } ] 4)
  (builtins.tryEval (builtins.seq (throw "yes") 5)).success
]
# expect: [ 2 3 4 false ]
