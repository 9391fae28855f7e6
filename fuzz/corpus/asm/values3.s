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
type $29 = Function<List<String>, String>
type $30 = Function<Function<i64, i64>>
type $31 = Function<List<Node>, List<i8>, i64>
type $32 = Function<Cell<i64>, f64, Function<i64, i64>>
type $33 = Function<value>
type $34 = Function<value, value, value>
global number: i64
global node: Node?
import Test.binary: Function<value, value, value>
source 'random'
    'made from a seed\n'
shape {a @1:2-1:3, b @} from 'random'
shape {a, b, 'a longer name'}
export main = f0

func f0() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58 i64, r59 string, r60 ptr, r61 i64, r62 ptr, r63 i64, r64-r65 ptr, r66 f64, r67-r70 i64, r71-r74 value
    @7:1-12:9
    v.func r41, Test.binary
    v.rnew r42, #1
    v.rset r42, r41, #1:b
    v.rset r42, r41, #1:'a longer name'
    v.tsub r43, r41, r42, L1
    @36:1-18:9
    lnew r33, r0, List<bool>
    ldi r13, 1
    lpush r33, r13
    llen r2, r33
  L1:
    @24:1-25:9
    v.tsel r43, r41, a
    @6:1-6:9
    ldi r10, -126
    ldi r8, -93
    jlt r10, r8, L2
    @13:1-5:9
    mov r55, r41
    mov r56, r41
    v.thunk r42, r55, 2, thunk
    v.div r43, r41, r42, Test.binary
    @31:1-30:9
    v.lnew r42, 3
    v.lset r42, r41, 0
    v.rnew r43, #0
    v.str r44, 0, 'a text that is a value'
    v.rset r43, r44, #0:b
    v.lset r42, r43, 1
    ldk r2, 7
    v.take r45, r2
    v.lset r42, r45, 2
    v.rget r46, r41, #1:b
    jmp L2
  L2:
    @18:1-14:9
    ldk r16, -1e-300
    f64.i64 r2, r16
    @3:1-30:9
    ldk r2, -9223372036854775808
    lds r22, 'a longer text, of more than a word'
    ldnull r34, Node?
    mov r54, r34
    mov r52, r2
    mov r53, r22
    new r35, r52, 3, Node
    set.p r35, r22, 1
    ret r2
}

func f1(List<String>) -> String {
    from 'random'
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r48 value, r49-r53 i64, r54 string, r55 ptr, r56-r58 value, r59 i64, r60 ptr, r61 i64, r62-r63 ptr, r64 f64, r65-r68 i64, r69-r72 value
    @32:1-36:9
    lds r23, 'theta'
    jne.str r23, r23, L1
    @9:1-36:9
    v.close r42, r0, 0, value
    v.lget r43, r42, 2
    @16:1-7:9
    dnew r37, Dict<String, i64>
    ldk r3, 9
    dset r37, r23, r3
    jmp L5
  L1:
    @17:1-17:9
    ldk r17, -1e-300
    jnlt.f64 r17, r17, L5
    @38:1-12:9
    ldi r3, 2
    switch r3, [L2, L3]
    jmp L4
  L2:
    @39:1-3:9
    v.rnew r43, #1
    ldk r3, 3
    v.take r44, r3
    v.rset r43, r44, #1:a
    v.rset r43, r44, #1:b
    v.rset r43, r44, #1:'a longer name'
    mov r56, r43
    mov r57, r43
    v.rnew r45, #0
    v.rset r45, r43, #0:a
    mov r58, r45
    v.list r42, r56, 3
    v.add r46, r42, r42, Test.binary
    @6:1-16:9
    dnew r28, Dict<String, i64>
    dget r29, r28, r23
    jmp L4
  L3:
    @12:1-3:9
    ldk r4, 13
    lds r24, 'été'
    ldnull r2, Node?
    mov r55, r2
    mov r53, r4
    mov r54, r24
    new r29, r53, 3, Node
    some r40, r29, Node?
    mov r55, r40
    mov r53, r3
    mov r54, r23
    new r28, r53, 3, Node
    gset r28, node
    ldk r5, -9223372036854775808
    gset r5, number
    gget r41, node
  L4:
    jmp L5
  L5:
    ret r23
}

func f2() -> Function<i64, i64> {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58-r61 i64, r62-r65 value
    @1:1-28:9
    v.int r41, 18
    v.tsub r42, r41, r41, L1
    @21:1-11:9
    v.sub r42, r41, r41, Test.binary
  L1:
    @2:1-18:9
    ldk r3, -128
    lds r22, 'a'
    ldk r2, -2
    lds r23, 'a'
    ldnull r40, Node?
    mov r54, r40
    mov r52, r2
    mov r53, r23
    new r29, r52, 3, Node
    some r28, r29, Node?
    mov r54, r28
    mov r52, r3
    mov r53, r22
    new r27, r52, 3, Node
    some r30, r2, i64?
    unwrap r4, r30
    @12:1-30:9
    mov r55, r42
    mov r56, r42
    mov r57, r42
    v.list r41, r55, 3
    v.str r43, 1, 'a'
    v.lget r44, r41, 0
    @32:1-16:9
    get r28, r27, 2
    @33:1-13:9
    v.jt r41, L3
    @25:1-23:9
    v.tadd r45, r41, r41, L2
  L2:
    @25:1-3:9
    jmp L3
  L3:
    @33:1-27:9
    mov r52, r3
    mov r53, r22
    closure r27, r52, 2, closure
    ret r27
}

func f3(List<Node>, List<i8>) -> i64 {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r62 ptr, r63 f64, r64-r67 i64, r68-r71 value
  L1:
    @4:1-4:9
    ldi r50, 0
  L2:
    @25:1-6:9
    ldk r4, -9223372036854775808
    lds r24, 'été'
    ldnull r31, Node?
    mov r56, r31
    mov r54, r4
    mov r55, r24
    new r30, r54, 3, Node
    some r29, r30, Node?
    jnnull r29, L3
    @24:1-32:9
    new r29, r4, 1, Cell<i64>
    mov r62, r29
    ldk r18, -1e-300
    mov r63, r18
    call r60, f4
    mov r30, r61
    @17:1-8:9
    ldk r7, 3
    v.take r44, r7
    mov r57, r44
    mov r57, r44
    mov r58, r44
    v.thunk r49, r57, 2, thunk
    mov r58, r49
    mov r59, r44
    v.list r43, r57, 3
    v.eq r45, r43, r49, Test.binary
    jmp L3
  L3:
    @20:1-6:9
    loop.i r50, 1, L2
    @26:1-3:9
    jgt.i r4, -8, L4
    trap r24, E_ASSERT
  L4:
    jmp L6
  L5:
    get r5, r29, 3
  L6:
    @1:1-6:9
    ldk r5, 65536
    ret r5
    handler L1 to L4 goto L5 with r29 depth 0
}

func f4(Cell<i64>, f64) -> Function<i64, i64> {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60-r63 i64, r64-r67 value
    @3:1-19:9
    ldk r4, -9223372036854775808
    ldk r5, 9
    max r4, r4, r5
    @7:1-23:9
    sqrt.f64 r18, r3
    @4:1-30:9
    lnew r38, r0, List<f32>
    ldk.w r22, 4.0f
    lset.32 r38, r0, r22
    llen r4, r38
    @17:1-36:9
    v.str r43, 1, 'a text that is a value'
    mov r65, r43
    mov r66, r43
    v.lnew r45, 3
    v.lset r45, r43, 0
    v.lset r45, r43, 1
    v.lset r45, r43, 2
    mov r67, r45
    v.call r63, r43, 3
    mov r44, r64
    @29:1-4:9
    v.tsub r44, r43, r43, L1
    @17:1-31:9
    jgt.i r4, 2, L1
    @39:1-16:9
    v.rget r44, r43, #1:a
    @29:1-35:9
    jmp L1
  L1:
    lds r24, 'a longer text, of more than a word'
    mov r54, r4
    mov r55, r24
    closure r29, r54, 2, closure
    ret r29
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r48 value, r49-r53 i64, r54 string, r55 ptr, r56-r58 value, r59 i64, r60-r63 value
    ldcap r2, 0
    ldcap r23, 1
    @3:1-34:9
    jne.i r2, 1, L1
    @11:1-40:9
    v.str r42, 1, 'a text that is a value'
    v.mul r43, r42, r42, Test.binary
    @5:1-17:9
    jmp L1
  L1:
    ret r2
}

func thunk() -> value {
    from 'random'
    captures value, value
    note 'a'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58 i64, r59-r62 value
    v.cap r41, 0
    v.cap r41, 1
    @28:1-32:9
    ldi r48, 0
  L1:
    @30:1-19:9
    renter
    @32:1-18:9
    rleave {}
    loop.i r48, 4, L1
    mov r60, r41
    mov r61, r41
    v.tcall r58, r41, 2
}

func value(value, value) -> value {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    @15:1-26:9
    ldk r4, 7
    div.i r4, r4, -8
    @36:1-6:9
    v.str r43, 0, 'a text that is a value'
    v.lget r44, r2, 0
    mov r62, r43
    mov r63, r43
    mov r64, r43
    v.tcall r60, r43, 3
}

func captures(value, value) -> value {
    from 'random'
    captures value
    note 'a'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    v.cap r44, 0
    @24:1-4:9
    lnew r29, r0, List<bool>
    ldi r15, 1
    lpush r29, r15
    llen r4, r29
    @16:1-33:9
    lds r24, ''
    ldnull r32, Node?
    mov r56, r32
    mov r54, r4
    mov r55, r24
    new r31, r54, 3, Node
    some r30, r31, Node?
    mov r56, r30
    mov r54, r4
    mov r55, r24
    new r29, r54, 3, Node
    vnew r33, r0, 0, Variadic<i64, String>
    vtag r5, r33
    v.take r43, r4
    mov r62, r43
    mov r63, r2
    mov r64, r43
    v.tcall r60, r44, 3
}
