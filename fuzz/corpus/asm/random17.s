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
type $29 = Function<i64, Function<i64, i64>, Node?, i64>
type $30 = Function<List<i64>, List<Node>, Node?, List<i8>, i64>
type $31 = Function<String, Variadic<i64, String>, Node>
type $32 = Function<List<bool>, i32, List<i8>, List<bool>>
type $33 = Function<List<i64>, bool, Node, String?, i64>
global number: i64
global node: Node?
source 'random'
    'made from a seed\n'
export main = f0

func f0() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48-r50 i64, r51-r52 ptr, r53 i64, r54 ptr, r55 string, r56 ptr, r57-r58 i64, r59 ptr, r60 bool, r61 ptr, r62 string, r63-r65 i64
    @25:1-28:9
    lnew r29, r0, List<Node>
    ldk r2, 10
    lds r22, 'a'
    ldnull r30, Node?
    mov r47, r30
    mov r45, r2
    mov r46, r22
    new r39, r45, 3, Node
    lpush r29, r39
    llen r3, r29
    @9:1-40:9
    mov r50, r2
    mov r45, r2
    mov r46, r22
    closure r27, r45, 2, closure
    mov r51, r27
    mov r52, r30
    call r48, f1
    mov r5, r49
    @7:1-29:9
    lds r22, 'a longer text, of more than a word'
    ldk r3, 7
    new r31, r3, 1, Cell<i64>
    ldk r2, 32767
    set r31, r2, 0
    get r4, r31, 0
    same r13, r31, r39
    ret r2
}

func f1(i64, Function<i64, i64>, Node?) -> i64 {
    from 'random'
    regs r5-r10 i64, r11-r12 i32, r13-r14 i8, r15 i16, r16-r18 bool, r19-r22 f64, r23-r24 f32, r25-r29 string, r30-r43 ptr, r44-r48 i64, r49 string, r50 ptr, r51-r52 i64, r53-r56 ptr, r57 i64, r58 ptr, r59 string, r60 ptr, r61 i64, r62-r63 ptr, r64 i32, r65 ptr, r66-r68 i64
    @2:1-13:9
    dnew r38, Dict<String, i64>
    lds.w r25, 'a'
    dhas r16, r38, r25
    @4:1-22:9
    dget r3, r38, r25
    @3:1-29:9
    switch r2, [L1, L2]
    jmp L2
  L1:
    @1:1-19:9
    jmp L2
  L2:
    @17:1-7:9
    ret r2
}

func f2(List<i64>, List<Node>, Node?, List<i8>) -> i64 {
    from 'random'
    regs r6-r11 i64, r12-r13 i32, r14-r15 i8, r16 i16, r17-r19 bool, r20-r23 f64, r24-r25 f32, r26-r30 string, r31-r44 ptr, r45-r49 i64, r50 string, r51 ptr, r52 i64, r53 ptr, r54 string, r55 ptr, r56-r57 i64, r58 ptr, r59 bool, r60 ptr, r61 string, r62-r64 i64
    @36:1-23:9
    mov r58, r2
    ldi r17, 1
    mov r59, r17
    ldk r6, -1
    lds r26, 'a'
    mov r51, r4
    mov r49, r6
    mov r50, r26
    new r3, r49, 3, Node
    mov r60, r3
    lds.w r28, 'été'
    some r27, r28, String?
    mov r61, r27
    call r56, f5
    mov r7, r57
    @14:1-6:9
    gset r3, node
    gset r6, number
    gget r31, node
    @18:1-31:9
    switch r6, [L1]
    jmp L1
  L1:
    @24:1-16:9
    ldk r6, -32768
    ret r6
}

func f3(String, Variadic<i64, String>) -> Node {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r47 i64, r48 string, r49 ptr, r50-r52 i64
    @15:1-14:9
    lnew r29, r0, List<f32>
    ldk.w r22, 4.125f
    lget.f r23, r29, r0
    llen r4, r29
    @37:1-13:9
    ldnull r29, Node?
    mov r49, r29
    mov r47, r4
    mov r48, r2
    new r31, r47, 3, Node
    ldk r5, 7
    set r31, r5, 0
    @2:1-26:9
    lnew r29, r0, List<String>
    lget.64 r24, r29, r4
    llen r5, r29
    @22:1-12:9
    lds r24, 'a'
    some r30, r31, Node?
    mov r49, r30
    mov r47, r4
    mov r48, r24
    new r29, r47, 3, Node
    ret r29
}

func f4(List<bool>, i32, List<i8>) -> List<bool> {
    from 'random'
    regs r5-r10 i64, r11-r12 i32, r13-r14 i8, r15 i16, r16-r18 bool, r19-r22 f64, r23-r24 f32, r25-r29 string, r30-r43 ptr, r44-r48 i64, r49 string, r50 ptr, r51-r52 i64, r53 ptr, r54 bool, r55 ptr, r56 string, r57-r59 i64
    @4:1-34:9
    lnew r30, r0, List<i64>
    ldk r5, -9223372036854775808
    lpop r6, r30
    llen r6, r30
    @5:1-31:9
    jgt.i r5, 11, L1
    @7:1-17:9
    ldi r16, 0
    lpush r2, r16
    llen r5, r2
    @4:1-27:9
    jmp L1
  L1:
    @21:1-10:9
    ret r2
}

func f5(List<i64>, bool, Node, String?) -> i64 {
    from 'random'
    regs r6-r11 i64, r12-r13 i32, r14-r15 i8, r16 i16, r17-r19 bool, r20-r23 f64, r24-r25 f32, r26-r30 string, r31-r44 ptr, r45-r49 i64, r50 string, r51 ptr, r52-r54 i64
    @11:1-17:9
    ldi r17, 0
    @27:1-13:9
    lds r5, 'a'
    some r26, r5, String?
    isnull r17, r26
    @24:1-3:9
    some r31, r4, Node?
    jnnull r31, L1
    @23:1-38:9
    jmp L1
  L1:
    ldk r6, 9223372036854775807
    ret r6
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr
    ldcap r2, 0
    ldcap r23, 1
    @3:1-39:9
    lds.w r23, 'theta'
    ldnull r28, Node?
    mov r48, r28
    mov r46, r2
    mov r47, r23
    new r35, r46, 3, Node
    some r29, r35, Node?
    jnull r29, L1
    @1:1-7:9
    jmp L1
  L1:
    @36:1-24:9
    ret r2
}
