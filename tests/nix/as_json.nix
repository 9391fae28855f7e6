# args: --json
# --json prints the value as JSON.
{ list = [ 1 2.5 "x" null true ]; set.deep = { }; text = "a\"b\n"; path = "/p"; }
# expect: {"list":[1,2.5,"x",null,true],"path":"/p","set":{"deep":{}},"text":"a\"b\n"}
