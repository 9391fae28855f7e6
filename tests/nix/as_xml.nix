# args: --xml --no-location
# --xml prints the value as XML.
{ a = [ 1 "two" ]; b = x: x; }
# expect: <?xml version='1.0' encoding='utf-8'?>
# expect: <expr>
# expect:   <attrs>
# expect:     <attr name="a">
# expect:       <list>
# expect:         <int value="1" />
# expect:         <string value="two" />
# expect:       </list>
# expect:     </attr>
# expect:     <attr name="b">
# expect:       <function>
# expect:         <varpat name="x" />
# expect:       </function>
# expect:     </attr>
# expect:   </attrs>
# expect: </expr>
