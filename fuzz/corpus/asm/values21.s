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
type $29 = Function<value, i32, Dict<String, i64>, value, Dict<String, i64>>
type $30 = Function<Tuple<i64, String>, Cell<i64>, Dict<String, i64>, Node, i64>
type $31 = Function<List<i64>, List<i64>, List<bool>>
type $32 = Function<Function<i64, i64>, value, Cell<i64>, Function<i64, i64>>
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
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58-r59 i64, r60-r63 ptr, r64 i64, r65-r67 ptr, r68 i64, r69-r70 ptr, r71 value, r72 ptr, r73-r76 i64, r77-r80 value
    @21:1-10:9
    v.str r41, 0, 'a'
    v.selo r42, r41, b
    @39:1-8:9
    lnew r27, r0, List<String>
    lds r22, 'a'
    lpush r27, r22
    llen r2, r27
    @21:1-35:9
    dnew r27, Dict<String, i64>
    dlen r2, r27
    @38:1-6:9
    v.str r41, 0, 'a'
    v.const r42, 1
    v.rget r43, r41, #0:a
  L1:
    @12:1-5:9
    ldk.w r20, 9.125f
    sub.f32 r20, r20, r20
  L2:
    @5:1-34:9
    jmp L3
  L3:
    @14:1-17:9
    ldk r2, 12
    ret r2
    handler L1 to L2 goto L3 with r27 depth 0
}

func f1(value, i32, Dict<String, i64>, value) -> Dict<String, i64> {
    from 'random'
    regs r6-r11 i64, r12-r13 i32, r14-r15 i8, r16 i16, r17-r19 bool, r20-r23 f64, r24-r25 f32, r26-r30 string, r31-r44 ptr, r45-r51 value, r52-r56 i64, r57 string, r58 ptr, r59-r61 value, r62-r63 i64, r64-r67 ptr, r68 i64, r69-r71 ptr, r72-r75 i64, r76-r79 value
    @20:1-36:9
    ldk r6, 0
    lds r26, 'a longer text, of more than a word'
    ldnull r31, Node?
    mov r58, r31
    mov r56, r6
    mov r57, r26
    new r4, r56, 3, Node
    set.p r4, r26, 1
    @8:1-2:9
    ldi r52, 0
  L1:
    @18:1-13:9
    max r6, r6, r6
    ldi r55, 4
    loop r52, r55, 1, L1
    @7:1-39:9
    gget r6, number
    @7:1-11:9
    mov r56, r6
    mov r57, r26
    closure r31, r56, 2, closure
    mov r74, r6
    callc r72, r31
    mov r10, r73
    @6:1-11:9
    v.rget r45, r2, #0:b
    @35:1-11:9
    dnew r38, Dict<String, i64>
    ret r38
}

func f2(Tuple<i64, String>, Cell<i64>, Dict<String, i64>, Node) -> i64 {
    from 'random'
    regs r6-r11 i64, r12-r13 i32, r14-r15 i8, r16 i16, r17-r19 bool, r20-r23 f64, r24-r25 f32, r26-r30 string, r31-r44 ptr, r45-r51 value, r52-r56 i64, r57 string, r58 ptr, r59-r61 value, r62-r65 i64, r66-r69 value
    @17:1-6:9
    ldk r20, 1e+300
    neg.f64 r20, r20
    @28:1-37:9
    v.str r46, 1, 'a'
    v.le r47, r46, r46, Test.binary
    @1:1-25:9
    ldi r52, 0
  L1:
    @24:1-32:9
    lds r26, 'a longer text, of more than a word'
    ldk r6, 3
    dset r4, r26, r6
    @13:1-1:9
    lnew r33, r0, List<i8>
    ldi r14, 20
    lpush r33, r14
    llen r6, r33
    loop.i r52, 3, L1
    @9:1-10:9
    lds.w r26, 'été'
    some r2, r5, Node?
    unwrap r31, r2
    @40:1-5:9
    v.int r45, 9
    v.lget r46, r45, 2
    @33:1-13:9
    v.rget r46, r45, #1:b
    ret r6
}

func f3(List<i64>, List<i64>) -> List<bool> {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r62 ptr, r63 value, r64 ptr, r65-r68 i64, r69-r72 value
    @16:1-33:9
    v.ldk r43, 127
    v.sel r44, r43, a
    @19:1-16:9
    ldk.w r22, 9.5f
    sub.f32 r22, r22, r22
    @14:1-15:9
    v.tsub r44, r43, r43, L1
    @8:1-9:9
    ldk r4, -32768
    v.take r45, r4
    mov r57, r45
    mov r58, r43
    v.thunk r44, r57, 2, thunk
    v.lget r46, r43, 1
  L1:
    @16:1-32:9
    ldk r4, -1
    lds r24, 'theta'
    ldnull r41, Node?
    mov r56, r41
    mov r54, r4
    mov r55, r24
    new r34, r54, 3, Node
    some r33, r34, Node?
    mov r56, r33
    mov r54, r4
    mov r55, r24
    new r36, r54, 3, Node
    some r29, r36, Node?
    jnnull r29, L2
    @9:1-2:9
    v.const r43, 2
    v.add r48, r43, r43, Test.binary
    jmp L2
  L2:
    @16:1-27:9
    lnew r29, r0, List<bool>
    ret r29
}

func f4(Function<i64, i64>, value, Cell<i64>) -> Function<i64, i64> {
    from 'random'
    regs r5-r10 i64, r11-r12 i32, r13-r14 i8, r15 i16, r16-r18 bool, r19-r22 f64, r23-r24 f32, r25-r29 string, r30-r43 ptr, r44-r50 value, r51-r55 i64, r56 string, r57 ptr, r58-r60 value, r61-r64 i64, r65-r68 value
    @18:1-4:9
    ldi r51, 0
  L1:
    @26:1-40:9
    v.lnew r44, 3
    v.lset r44, r3, 0
    v.lset r44, r3, 1
    v.lset r44, r3, 2
    v.tadd r45, r44, r44, L2
    @4:1-36:9
    ldk r5, -5
    v.take r44, r5
    v.ldk r45, 0
    v.selo r46, r44, a
  L2:
    @26:1-4:9
    lnew r30, r0, List<Node>
    ldk r5, 4
    lds.w r25, 'theta'
    ldk r6, 5
    ldnull r34, Node?
    mov r57, r34
    mov r55, r6
    mov r56, r25
    new r33, r55, 3, Node
    some r32, r33, Node?
    mov r57, r32
    mov r55, r5
    mov r56, r25
    new r31, r55, 3, Node
    lpop r35, r30
    llen r7, r30
    @5:1-21:9
    switch r5, [L3, L5, L6, L7]
    jmp L7
  L3:
    @6:1-8:9
    ldi r52, 0
  L4:
    @4:1-25:9
    mov r58, r44
    mov r59, r44
    v.thunk r49, r58, 2, thunk
    v.tsel r45, r44, b
    @2:1-18:9
    loop.i r52, 1, L4
    @11:1-27:9
    jmp L7
  L5:
    @17:1-17:9
    jmp L7
  L6:
    @32:1-11:9
    jmp L7
  L7:
    @6:1-35:9
    loop.i r51, 3, L1
    ret r2
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r48 value, r49-r53 i64, r54 string, r55 ptr, r56-r58 value, r59 i64, r60-r63 value
    ldcap r3, 0
    ldcap r23, 1
    @25:1-31:9
    lnew r28, r0, List<bool>
    ldi r14, 0
    lpush r28, r14
    llen r2, r28
    @26:1-4:9
    ldk r2, 127
    ret r2
}

func thunk() -> value {
    from 'random'
    captures value, value
    note 'a'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r47 value, r48-r52 i64, r53 string, r54 ptr, r55-r57 value, r58 i64, r59-r62 value
    v.cap r41, 0
    v.cap r41, 1
    @4:1-3:9
    lnew r33, r0, List<Node>
    ldk r2, 9
    lds r22, 'été'
    ldnull r35, Node?
    mov r54, r35
    mov r52, r2
    mov r53, r22
    new r27, r52, 3, Node
    lset.p r33, r0, r27
    llen r3, r33
  L1:
    @21:1-15:9
    ldi r13, 0
    jf r13, L2
    trap r22, E_ASSERT
  L2:
    jmp L4
  L3:
    get r26, r27, 1
  L4:
    @21:1-27:9
    v.func r41, Test.binary
    v.ret r41
    handler L1 to L2 goto L3 with r27 depth 0
}

func value(value, value) -> value {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    @15:1-16:9
    ldk r4, -3
    lds.w r24, ''
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
    vget r25, r33, 1
    @22:1-26:9
    gset r29, node
    gset r4, number
    gget r35, node
    v.ret r2
}

func captures(value, value) -> value {
    from 'random'
    captures value
    note 'a'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r49 value, r50-r54 i64, r55 string, r56 ptr, r57-r59 value, r60 i64, r61-r64 value
    v.cap r43, 0
    @22:1-15:9
    v.lnew r43, 2
    v.lset r43, r2, 1
    mov r57, r43
    mov r58, r43
    v.thunk r44, r57, 2, thunk
    v.rget r45, r43, #0:a
    @22:1-19:9
    v.str r44, 1, 'a'
    v.tadd r45, r43, r44, L1
  L1:
    @18:1-36:9
    mov r62, r43
    mov r63, r43
    mov r64, r43
    v.tcall r60, r43, 3
}
