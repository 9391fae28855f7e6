# Indented strings: the common indentation goes, escapes are others.
let x = "X"; in [
  ''
    first
      second
    third
  ''
  ''no newline''
  ''
    ${x} starts
      ${x}
  ''
  '' '${x}' ''' $''' ''${x} ''\n ''\t| ''
  ''
    a

    b
   less
  ''
  ''
	tab stays
  ''
]
# expect: [ "first\n  second\nthird\n" "no newline" "X starts\n  X\n" "'X' '' $'' \${x} \n\t| " " a\n\n b\nless\n" "\ttab stays\n" ]
