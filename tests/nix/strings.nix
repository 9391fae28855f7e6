# Double-quoted strings: escapes, interpolation, line ends.
let name = "world"; n = 3; in [
  "hello ${name}" "a\nb\tc\\d\"e" "\${name} $name $${name}" "${toString (n + 1)} is ${if n > 2 then "big" else "small"}"
  "nested ${"in ${"inner ${name}"}"}" ("a" + "b" + "c") "line
break" "ünï ☃" "" "$" "a$" "\x"
]
# expect: [ "hello world" "a\nb\tc\\d\"e" "\${name} $name $\${name}" "4 is big" "nested in inner world" "abc" "line\nbreak" "ünï ☃" "" "$" "a$" "x" ]
