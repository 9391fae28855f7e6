/* Comments of both kinds, and where they may stand. */
[ # after a bracket
  1 /* between */ 2 /**/ 3 /* * ** / */ 4
  # a line with "quotes" and ${dollars}
  "not # a comment" "nor /* this */"
]
# expect: [ 1 2 3 4 "not # a comment" "nor /* this */" ]
