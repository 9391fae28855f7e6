program 'the \'name\''
; a comment
type struct Node { value: i64, next: Node?, 'odd name': List<Colour> }
type enum Colour { red, green, '' }
type opaque File type variable T type List<$15>
type struct 'List' { } type List<'List'> type struct 'a b' { }
global total: i64 global 'strange global': 'a b'?
import String.split: Function<String, String, List<String>>
import String.split: Function<String, i64, List<String>>
source 'a.theta' 'line 1\n' 'line \'2\'\n' 'no end' source b source b 'two of a name'
export main = Demo.gcd export 'the rest' = #1
start init
func Demo.gcd(i64, i64) -> i64 {
    from 'a.theta'
  again: @3:4-3:9
    jeq.i r3, 0, done
    rem r4, r2, r3
    mov r2, r3
    @ mov r3, r4 jmp again
  done: ret r2
}
func init() -> void {
    from #2
    regs r1 f64, r2 f64, r3 i64, r5-r9 ptr, r10-r12 string, r13 f32, r255 i64
  start:
    ldk r2, 0.1 ldk r3, 12345678901 ldk.w r3, -7 ldk r13, 0.1f ldk r2, -0.0 ldk r2, 1e+300 ldk r2, inf
    ldk r2, -inf ldk r2, nan ldk r13, nanf ldk r13, -inff ldk r13, 16777216f ldk r3, -9223372036854775808
    ldi r3, -5 lds r10, 'x\ny\x00\xff\\ \'q\' é' lds.w r11, '' lds r11, 'x'
    gset r3, total ldnull r5, Node? ldnull r6, 'a b'? gset r6, 'strange global'
    lnew r6, r3, List<Colour> new r7, r0, 0, 'List' dnew r7, Dict<String, Dict<i64, Node?>>
    renter rleave {r5, r10} renter rloop {r5, r10} rleave {r10}
  end:
    switch r3, [start, end, out] switch r3, []
    add.i r3, r3, -128 loop r3, r3, 127, start jmp out
  caught: throw r9
  out: trap r10, E_INDEX
    handler start to end goto caught with r9 depth 0
    handler start to out goto caught with r9 depth 0
}
func 'twice'(i64) -> void { captures i64, Cell<i64> regs r3 i64 ldcap r3, 0 ret.v }
func 'twice'(i64) -> void { regs r4-r5 i64 mov r5, r2  ret.v }
