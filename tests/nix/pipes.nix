# The pipe operators, as in `a |> f` and `f <| a`.
[ (3 |> (x: x + 1) |> toString) (toString <| builtins.add 1 <| 2) ]
# expect: [ "4" "3" ]
