# match is of the whole text, split of any part; groups that took no part are null.
[
  (builtins.match "ab" "abc") (builtins.match "ab.*" "abc") (builtins.match "(a+)(b*)(c)?" "aab")
  (builtins.match "([[:alpha:]]+)-([0-9]{2,3})" "nix-123") (builtins.match "a|b|(c)" "c")
  (builtins.split "," "a,b,,c") (builtins.split "(x)(y)?" "axbxyc") (builtins.split "z" "abc") (builtins.split "" "ab")
  (builtins.match "[^/]*/(.*)" "a/b/c") (builtins.match "\\.(.*)" ".hidden")
]
# expect: [ null [ ] [ "aa" "b" null ] [ "nix" "123" ] [ "c" ] [ "a" [ ] "b" [ ] "" [ ] "c" ] [ "a" [ "x" null ] "b" [ "x" "y" ] "c" ] [ "abc" ] [ "" [ ] "a" [ ] "b" [ ] "" ] [ "b/c" ] [ "hidden" ] ]
