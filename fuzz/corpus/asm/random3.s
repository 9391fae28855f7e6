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
type $29 = Function<bool, Colour>
type $30 = Function<Dict<String, i64>>
type $31 = Function<Function<i64, i64>, List<Node>, i64>
type $32 = Function<List<i64>, Colour, List<bool>>
global number: i64
global node: Node?
source 'random'
    'made from a seed\n'
export main = f0

func f0() -> i64 {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48-r49 i64, r50 bool, r51 i64, r52 ptr, r53 i64, r54-r55 ptr, r56-r59 i64
    @6:1-5:9
    dnew r27, Dict<String, i64>
    lds r22, 'a longer text, of more than a word'
    ldk r2, -2147483648
    dget.or r2, r27, r22
    ret r2
}

func f1(bool) -> Colour {
    from 'random'
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr, r49 i64, r50 ptr, r51-r52 i64, r53-r54 ptr, r55 i64, r56-r57 ptr, r58-r61 i64
    @39:1-27:9
    lnew r28, r0, List<f32>
    ldk.w r21, 0.5f
    lset.32 r28, r0, r21
    llen r3, r28
    @22:1-24:9
    ldi r11, 6
    ldi r9, 66
    jle r11, r9, L1
    @3:1-2:9
    jmp L1
  L1:
    ret r3
}

func f2() -> Dict<String, i64> {
    from 'random'
    regs r2-r7 i64, r8-r9 i32, r10-r11 i8, r12 i16, r13-r15 bool, r16-r19 f64, r20-r21 f32, r22-r26 string, r27-r40 ptr, r41-r45 i64, r46 string, r47 ptr, r48-r49 i64, r50-r51 ptr, r52 i64, r53-r54 ptr, r55-r58 i64
    @37:1-3:9
    lnew r28, r0, List<i64>
    mov r54, r28
    ldi r4, 0
    mov r55, r4
    call r52, f4
    mov r27, r53
    dnew r27, Dict<String, i64>
    ret r27
}

func f3(Function<i64, i64>, List<Node>) -> i64 {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r47 i64, r48 string, r49 ptr, r50-r52 i64
    @14:1-17:9
    lds r24, 'a'
    jne.str r24, r24, L2
    @11:1-23:9
    ldi r43, 0
  L1:
    @40:1-13:9
    loop.i r43, 1, L1
    jmp L2
  L2:
    @40:1-15:9
    ldk r4, 9223372036854775807
    ret r4
}

func f4(List<i64>, Colour) -> List<bool> {
    from 'random'
    regs r4-r9 i64, r10-r11 i32, r12-r13 i8, r14 i16, r15-r17 bool, r18-r21 f64, r22-r23 f32, r24-r28 string, r29-r42 ptr, r43-r47 i64, r48 string, r49 ptr, r50-r52 i64
    @8:1-13:9
    ldi r10, 37
    wrap.i8 r12, r10
    @33:1-35:9
    lds r24, 'été'
    ldnull r29, Node?
    mov r49, r29
    mov r47, r3
    mov r48, r24
    new r33, r47, 3, Node
    set.p r33, r24, 1
    lnew r35, r0, List<bool>
    ret r35
}

func closure(i64) -> i64 {
    from 'random'
    captures i64, String
    regs r3-r8 i64, r9-r10 i32, r11-r12 i8, r13 i16, r14-r16 bool, r17-r20 f64, r21-r22 f32, r23-r27 string, r28-r41 ptr, r42-r46 i64, r47 string, r48 ptr
    ldcap r2, 0
    ldcap r25, 1
    ret r2
}
