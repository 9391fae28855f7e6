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
type $29 = Function<List<i64>>
type $30 = Function<List<String>, String, Variadic<i64, String>>
type $31 = Function<Colour>
global number: i64
global node: Node?
source 'random'
    'made from a seed\n'
export main = f0

func f0() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48 i64, r49 ptr, r50-r54 i64
    @5:1-21:9
    ldi r8, -61
    jgt.i r8, 19, L1
    @15:1-38:9
    ldi r10, -42
    ldk r2, 11
    le r13, r10, r2
    @23:1-14:9
    renter
    @22:1-6:9
    lnew r27, r0, List<i64>
    lpush r27, r2
    llen r3, r27
    rloop {r27}
    @25:1-33:9
    lds r22, 'été'
    lds.w r23, 'a'
    eq.str r13, r22, r23
    rleave {r23, r27}
    @32:1-37:9
    ldnull r40, Node?
    mov r47, r40
    mov r45, r2
    mov r46, r23
    new r29, r45, 3, Node
    some r27, r29, Node?
    mov r47, r27
    mov r45, r2
    mov r46, r23
    new r28, r45, 3, Node
    ldnull r30, Node?
    unwrap r31, r30
    jmp L1
  L1:
    @38:1-39:9
    ldk r2, 8
    ret r2
}

func f1() -> List<i64> {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48 i64, r49-r50 ptr, r51 string, r52-r54 i64
    @15:1-29:9
    ldi r8, 101
    ldi r10, 29
    jne r8, r10, L1
    @17:1-2:9
    ldk r2, 3
    lds r22, 'a'
    ldnull r30, Node?
    mov r47, r30
    mov r45, r2
    mov r46, r22
    new r29, r45, 3, Node
    some r28, r29, Node?
    mov r47, r28
    mov r45, r2
    mov r46, r22
    new r27, r45, 3, Node
    get r31, r27, 2
    jmp L1
  L1:
    @25:1-7:9
    lnew r27, r0, List<String>
    lds r22, 'theta'
    lpop r23, r27
    llen r2, r27
    @21:1-14:9
    lnew r31, r0, List<String>
    mov r50, r31
    lds r22, 'theta'
    mov r51, r22
    call r48, f2
    mov r28, r49
    @22:1-33:9
    lds.w r22, 'a longer text, of more than a word'
    ldnull r30, Node?
    mov r47, r30
    mov r45, r2
    mov r46, r22
    new r29, r45, 3, Node
    some r28, r29, Node?
    mov r47, r28
    mov r45, r2
    mov r46, r22
    new r27, r45, 3, Node
    unwrap r31, r28
    @15:1-32:9
    jgt.i r2, 13, L3
    @17:1-37:9
    jle.i r2, -7, L2
    @18:1-32:9
    jmp L2
  L2:
    @26:1-32:9
    jmp L3
  L3:
    lnew r35, r0, List<i64>
    ret r35
}

func f2(List<String>, String) -> Variadic<i64, String> {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r47 i64, r48 string, r49 ptr, r50-r54 i64
    @5:1-25:9
    call r50, f3
    mov r8, r51
    @23:1-21:9
    lds r24, 'été'
    ldnull r29, Node?
    mov r49, r29
    mov r47, r8
    mov r48, r24
    new r30, r47, 3, Node
    some r2, r30, Node?
    mov r49, r2
    mov r47, r8
    mov r48, r3
    new r42, r47, 3, Node
    vnew r36, r0, 0, Variadic<i64, String>
    vtag r4, r36
    @9:1-4:9
    some r29, r30, Node?
    @4:1-32:9
    ldi r12, -39
    jle.i r12, 9, L2
    @1:1-16:9
    ldi r43, 0
  L1:
    @9:1-33:9
    gset r30, node
    gset r4, number
    gget r29, node
    @11:1-26:9
    loop.i r43, 2, L1
    @21:1-27:9
    jmp L2
  L2:
    ret r36
}

func f3() -> Colour {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48-r50 i64
    @13:1-4:9
    ldk r2, 2147483647
    lds.w r22, 'a'
    lds r23, 'theta'
    ldnull r29, Node?
    mov r47, r29
    mov r45, r2
    mov r46, r23
    new r28, r45, 3, Node
    some r27, r28, Node?
    mov r47, r27
    mov r45, r2
    mov r46, r22
    new r37, r45, 3, Node
    set.p r37, r22, 1
    @27:1-4:9
    dnew r30, Dict<String, i64>
    dhas r13, r30, r22
    @29:1-10:9
    ldk r2, -128
    ldi r10, 47
    max r2, r2, r10
    @37:1-23:9
    ldi r41, 0
  L1:
    @1:1-30:9
    gset r37, node
    gset r2, number
    gget r3, number
    @4:1-10:9
    jne.str r22, r22, L2
    @15:1-27:9
    jmp L2
  L2:
    @33:1-34:9
    jmp L4
  L3:
    get r2, r40, 3
  L4:
    @1:1-17:9
    loop.i r41, 1, L1
    ret r2
    handler L1 to L2 goto L3 with r40 depth 0
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr
    ldcap r3, 0
    ldcap r23, 1
    @11:1-2:9
    ldnull r29, Node?
    mov r48, r29
    mov r46, r2
    mov r47, r23
    new r28, r46, 3, Node
    some r36, r28, Node?
    mov r48, r36
    mov r46, r2
    mov r47, r23
    new r34, r46, 3, Node
    get r3, r34, 0
    @26:1-25:9
    ldi r42, 0
  L1:
    @39:1-25:9
    loop.i r42, 1, L1
    ret r2
}
