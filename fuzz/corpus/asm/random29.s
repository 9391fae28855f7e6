program 'random'
type $12 = struct Node { value: i64, text: String, next: Node? }
type $13 = Node?
type $14 = enum Colour { red, green, blue }
type $15 = List<i64>
type $16 = List<String>
type $17 = List<bool>
type $18 = List<f32>
type $19 = List<i8>
type $20 = i64?
type $21 = String?
type $22 = Dict<String, i64>
type $23 = List<Node>
type $24 = Cell<i64>
type $25 = Tuple<i64, String>
type $26 = Variadic<i64, String>
type $27 = Function<i64, i64>
type $28 = Function<i64>
type $29 = Function<i64?, i64>
global number: i64
global node: Node?
source 'random'
    'made from a seed\n'
export main = f0

func f0() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48-r50 i64
    @7:1-29:9
    ldk r5, 13
    lds.w r24, 'été'
    ldnull r30, Node?
    mov r47, r30
    mov r45, r5
    mov r46, r24
    new r29, r45, 3, Node
    some r28, r29, Node?
    mov r47, r28
    mov r45, r5
    mov r46, r24
    new r27, r45, 3, Node
    set.p r27, r27, 2
    @19:1-17:9
    lnew r27, r0, List<Node>
    lpop r28, r27
    llen r2, r27
    @17:1-5:9
    ldi r10, 78
    jeq.i r10, -2, L2
    @27:1-25:9
    ldi r8, 6
    jlt r0, r8, L1
    @23:1-2:9
    jmp L1
  L1:
    @2:1-2:9
    jmp L2
  L2:
    ret r2
}

func f1(i64?) -> i64 {
    from 'random'
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr, r49-r51 i64
    @29:1-4:9
    dnew r39, Dict<String, i64>
    lds r23, 'a longer text, of more than a word'
    dget r28, r39, r23
  L1:
    @38:1-34:9
    ldi r11, -11
    wrap.i16 r13, r11
  L2:
    jmp L3
  L3:
    @17:1-7:9
    lnew r28, r0, List<i8>
    ldi r11, -98
    lpush r28, r11
    llen r6, r28
    @24:1-39:9
    lnew r38, r0, List<bool>
    ldi r14, 0
    lpop r15, r38
    llen r3, r38
    @4:1-27:9
    ldi r42, 0
  L4:
    @9:1-11:9
    loop.i r42, 4, L4
    ldk r3, 1
    ret r3
    handler L1 to L2 goto L3 with r35 depth 0
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr
    ldcap r2, 0
    ldcap r23, 1
    @36:1-17:9
    renter
    @31:1-12:9
    rloop {}
    @17:1-24:9
    rleave {}
    ret r2
}
