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
type $29 = Function<i32, f64, i64>
type $30 = Function<List<f32>, List<Node>, i64>
type $31 = Function<value>
type $32 = Function<value, value, value>
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
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58-r59 i64, r60 i32, r61 f64, r62-r63 i64, r64-r65 ptr, r66-r71 i64, r72-r75 value
    @15:1-21:9
    ldk r16, nan
    jne.f64 r16, r16, L1
    @17:1-28:9
    jmp L1
  L1:
    @15:1-39:9
    lnew r32, r0, List<String>
    lds r22, 'été'
    lset.p r32, r0, r22
    llen r4, r32
    @15:1-28:9
    v.ldk r42, -0.0
    mov r55, r42
    v.close r41, r55, 1, captures
    v.tadd r43, r41, r41, L2
    @21:1-25:9
    v.rget r42, r41, #1:a
  L2:
    @36:1-7:9
    v.int r41, 26
    mov r73, r41
    mov r74, r41
    v.call r71, r41, 2
    mov r46, r72
    @23:1-23:9
    renter
    @21:1-32:9
    rloop {r22, r32}
    @4:1-11:9
    rleave {}
    ret r4
}

func f1(i32, f64) -> i64 {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60-r61 i64, r62-r63 ptr, r64-r69 i64, r70-r73 value
    @13:1-30:9
    lnew r32, r0, List<Node>
    ldk r4, -5
    lds r24, 'été'
    ldk r5, 1
    ldnull r33, Node?
    mov r56, r33
    mov r54, r5
    mov r55, r24
    new r31, r54, 3, Node
    some r30, r31, Node?
    mov r56, r30
    mov r54, r4
    mov r55, r24
    new r29, r54, 3, Node
    lget.64 r34, r32, r4
    llen r6, r32
    @15:1-10:9
    v.take r43, r4
    mov r71, r43
    v.call r69, r43, 1
    mov r48, r70
    @8:1-15:9
    get r25, r29, 1
    @13:1-4:9
    lds r24, 'theta'
    mov r54, r4
    mov r55, r24
    closure r29, r54, 2, closure
    mov r68, r4
    callc r66, r29
    mov r5, r67
    @10:1-36:9
    ldi r50, 0
  L1:
    @16:1-36:9
    ldi r51, 0
  L2:
    @35:1-37:9
    dnew r35, Dict<String, i64>
    dget r36, r35, r24
    @11:1-9:9
    ldi r52, 0
  L3:
    @30:1-26:9
    loop.i r52, 4, L3
    ldi r53, 2
    loop r51, r53, 3, L2
    ldi r53, 3
    loop r50, r53, 3, L1
    lnew r29, r0, List<f32>
    mov r62, r29
    mov r63, r32
    tcall r60, f2
}

func f2(List<f32>, List<Node>) -> i64 {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60-r63 i64, r64-r67 value
    @24:1-20:9
    lnew r41, r0, List<i8>
    ldi r12, -17
    lpush r41, r12
    llen r4, r41
    @9:1-16:9
    ldk r4, -4
    lds.w r24, 'theta'
    ldnull r3, Node?
    mov r56, r3
    mov r54, r4
    mov r55, r24
    new r30, r54, 3, Node
    some r29, r30, Node?
    mov r56, r29
    mov r54, r4
    mov r55, r24
    new r2, r54, 3, Node
    some r25, r24, String?
    isnull r15, r25
    @7:1-37:9
    dnew r29, Dict<String, i64>
    lds r24, 'été'
    dhas r15, r29, r24
    @1:1-15:9
    ldk.w r22, 6.25f
    mul.f32 r22, r22, r22
    @38:1-35:9
    gset r30, node
    gset r4, number
    gget r3, node
    @8:1-15:9
    ldi r50, 0
  L1:
    @29:1-16:9
    ldi r53, 1
    loop r50, r53, 3, L1
    ret r4
}

func f3() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58-r61 i64, r62-r65 value
    @37:1-10:9
    v.ldk r43, 0.0
    mov r55, r43
    v.close r42, r55, 1, captures
    mov r55, r42
    mov r56, r42
    v.thunk r41, r55, 2, thunk
    v.tadd r44, r41, r41, L1
  L1:
    @25:1-39:9
    ldk r2, 13
    lds r22, 'a'
    lds r23, 'a'
    ldnull r30, Node?
    mov r54, r30
    mov r52, r2
    mov r53, r23
    new r29, r52, 3, Node
    some r28, r29, Node?
    mov r54, r28
    mov r52, r2
    mov r53, r22
    new r27, r52, 3, Node
    vnew r31, r22, 1, Variadic<i64, String>
    vtag r3, r31
    @16:1-23:9
    v.const r42, 4
    v.rget r43, r41, #1:'a longer name'
    @39:1-8:9
    lds r22, 'été'
    vnew r28, r0, 0, Variadic<i64, String>
    vget r2, r28, 0
    @33:1-13:9
    ldk r16, -2.25
    mov r17, r16
    madd.f64 r17, r16, r16
    @32:1-10:9
    mov r63, r41
    v.call r61, r41, 1
    mov r42, r62
    ret r2
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r48 value, r49-r53 i64, r54 string, r55 ptr, r56-r58 value, r59 i64, r60-r63 value
    ldcap r3, 0
    ldcap r23, 1
    @20:1-18:9
    v.const r43, 5
    mov r56, r43
    mov r56, r43
    mov r57, r43
    v.thunk r44, r56, 2, thunk
    mov r57, r44
    v.rec r42, r56, 2, #0
    v.tmul r45, r42, r42, L1
    @21:1-25:9
    wrap.i8 r11, r2
  L1:
    ldk r2, 9
    ret r2
}

func thunk() -> value {
    from 'random'
    captures value, value
    note 'a'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58 i64, r59-r62 value
    v.cap r41, 0
    v.cap r45, 1
    @33:1-8:9
    ldk r2, 12
    lds r22, 'été'
    ldnull r38, Node?
    mov r54, r38
    mov r52, r2
    mov r53, r22
    new r28, r52, 3, Node
    some r37, r28, Node?
    mov r54, r37
    mov r52, r2
    mov r53, r22
    new r27, r52, 3, Node
    ldnull r29, i64?
    unwrap r5, r29
    @36:1-26:9
    v.div r42, r41, r41, Test.binary
    mov r60, r41
    v.tcall r58, r41, 1
}

func value(value, value) -> value {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    @10:1-28:9
    v.tsub r43, r2, r2, L1
  L1:
    @14:1-31:9
    mov r62, r43
    mov r63, r43
    v.int r44, 63
    mov r64, r44
    v.tcall r60, r43, 3
}

func captures(value, value) -> value {
    from 'random'
    captures value
    note 'a'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    v.cap r45, 0
    @13:1-19:9
    renter
    @33:1-35:9
    v.rnew r43, #0
    v.rset r43, r45, #0:b
    v.func r44, Test.binary
    v.tmul r46, r43, r44, L1
  L1:
    @38:1-23:9
    rloop {}
    @25:1-27:9
    rleave {}
    mov r62, r43
    v.tcall r60, r43, 1
}
