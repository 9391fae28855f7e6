# args: --lazy
# --lazy evaluates no more than the head.
{ a = 1; b = 1 + 1; c = throw "never"; d = [ ]; }
# expect: { a = 1; b = <CODE>; c = <CODE>; d = [ ]; }
