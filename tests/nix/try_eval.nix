# tryEval catches throw and assert, at the head only.
[
  (builtins.tryEval (throw "x")) (builtins.tryEval (assert false; 1)) (builtins.tryEval 5)
  (builtins.tryEval [ (throw "inside") ]).success
  (builtins.tryEval (builtins.deepSeq { a = throw "deep"; } 1)).success
  (builtins.tryEval (let f = x: if x > 3 then throw "far" else f (x + 1); in f 0)).value
]
# expect: [ { success = false; value = false; } { success = false; value = false; } { success = true; value = 5; } true false false ]
