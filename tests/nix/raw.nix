# args: --raw
# --raw prints a string as it is.
"first line\nsecond \"line\"\n"
# expect: first line
# expect: second "line"
