# if and assert.
let sign = n: if n < 0 then "minus" else if n == 0 then "zero" else "plus"; in
assert sign 0 == "zero"; [ (map sign [ (-1) 0 1 ]) (if true then 1 else throw "no") (assert true; "held") ]
# expect: [ [ "minus" "zero" "plus" ] 1 "held" ]
