/*
** program_verify.c - what the verifier refuses, a case per rule, and what it must not refuse.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "program/program.h"

static const char prelude[] = "type struct P { x: i64, s: String, next: P? }\n"
                              "type enum Color { red, green }\n"
                              "type i64?  type String?  type Symbol?\n"
                              "global total: i64\n"
                              "global names: List<String>\n"
                              "global maybe: P?\n"
                              "import String.len: Function<String, i64>\n"
                              "func add(i64, i64) -> i64 { add r1, r2, r3 ret r1 }\n"
                              "func nothing() -> void { ret.v }\n"
                              "func cap(i64) -> i64 { captures i64, P ldcap r1, 0 ret r1 }\n"
                              "func takes(P?) -> void { ret.v }\n";

typedef struct hostile {
    const char *text;    /* after the prelude */
    const char *message; /* what the error must contain; NULL: it loads */
} hostile;

static th_mem memory;

static uint8_t *assemble(const char *text, size_t *len) {
    char whole[16384];
    th_error err = {0};
    uint8_t *bytes;
    snprintf(whole, sizeof whole, "%s%s", prelude, text);
    if (th_program_assemble(&memory, th_view_of("test"), th_view_of(whole), &bytes, len, &err) != TH_OK)
        fail_msg("%s\ndoes not assemble: %u:%u: %s", text, err.span.line, err.span.column, err.message);
    return bytes;
}

static void check(const hostile *c) {
    size_t len;
    th_error err = {0};
    th_program *program = NULL;
    uint8_t *bytes = assemble(c->text, &len);
    th_status status = th_program_load(&memory, bytes, len, &program, &err);
    if (c->message == NULL && status != TH_OK) fail_msg("%s\nis refused: %s", c->text, err.message);
    if (c->message != NULL && status == TH_OK) fail_msg("%s\nis not refused", c->text);
    if (c->message != NULL && (status != TH_E_VERIFY || strstr(err.message, c->message) == NULL))
        fail_msg("%s\nis refused with another message: %s", c->text, err.message);
    for (uint32_t i = 0; status == TH_OK && i < program->nfunctions; i++) /* what the quick walk takes is right */
        if (th_verify_function(&memory, program, i, &err) != TH_OK) fail_msg("%s: %s", c->text, err.message);
    th_program_release(program);
    th_mem_free(&memory, bytes, len);
    assert_int_equal(memory.used_bytes, 0);
}

static void check_all(const hostile *cases, size_t count) {
    for (size_t i = 0; i < count; i++) check(&cases[i]);
}

static void registers_must_be_written_before_they_are_read(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f() -> i64 { regs r4-r5 i64 mov r4, r5 ret r4 }",
         "function \"f\", instruction 0 (mov): register r5 is read before it is written"},
        {"func f(bool) -> i64 { regs r4 i64 jf r2, L ldi r4, 1 L: ret r4 }",
         "instruction 3 (ret): register r4 is read before it is written"},
        {"func f(bool) -> i64 { regs r4 i64 jf r2, L ldi r4, 1 jmp M L: ldi r4, 2 M: ret r4 }", NULL},
        {"func f() -> i64 { regs r4 i64 ldi r4, 0 L: loop.i r4, 9, L ret r4 }", NULL},
        {"func f() -> i64 { regs r4-r5 i64 ldi r4, 0 L: add.i r5, r5, 1 loop.i r4, 9, L ret r4 }",
         "register r5 is read before it is written"},
        {"func f() -> i64 { ret r0 }", NULL},
        {"func f() -> void { ldi r0, 1 ret.v }", "register r0 cannot be written"},
        {"func f() -> void { loop.i r0, 1, L L: ret.v }", "register r0 cannot be written"},
        {"func f() -> i64 { ret r1 }", "register r1 is read before it is written"},
        {"func f() -> void { regs r3 none mov r3, r0 ret.v }", "register r3 has no class"},
        {"func f() -> void { regs r2 i64 mov r2, r7 ret.v }", "register r7 is outside the frame of 3"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void operands_must_have_their_class(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f(f64) -> void { regs r3 i64 add r3, r2, r0 ret.v }", "register r2 has class f64, an integer is needed"},
        {"func f(i64) -> void { regs r3 f64 add.f64 r3, r2, r2 ret.v }", "register r2 has class i64, f64 is needed"},
        {"func f(i64) -> void { regs r3 f64 add r3, r2, r2 ret.v }", "register r3 has class f64, i64 is needed"},
        {"func f(i32) -> void { regs r3 i64 add r3, r2, r2 ret.v }", NULL},
        {"func f(i32) -> void { loop.i r2, 5, L L: ret.v }", "register r2 has class i32, i64 is needed"},
        {"func f(Color) -> i64 { add r1, r2, r2 ret r1 }", NULL},
        {"func f(i64) -> void { jt r2, L L: ret.v }", "register r2 has class i64, bool is needed"},
        {"func f(f64) -> void { regs r3 i64 mov r3, r2 ret.v }", "r3 has class i64 and r2 class f64"},
        {"func f(i64) -> void { regs r3 i64 div.i r3, r2, 0 ret.v }", "division by a constant zero"},
        {"func f(i64) -> void { regs r3 i64 rem.i r3, r2, 0 ret.v }", "division by a constant zero"},
        {"func f(i64) -> void { regs r3 bool same r3, r2, r2 ret.v }", "register r2 is no pointer"},
        {"func f(P, P?) -> void { regs r4 bool same r4, r2, r3 ret.v }", NULL},
        {"func f(i64) -> void { jnull r2, L L: ret.v }", "register r2 is no option"},
        {"func f(i64?) -> void { jnull r2, L L: ret.v }", NULL},
        {"func f(i64) -> void { regs r3 bool isnull r3, r2 ret.v }", "register r2 is no option"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void constants_must_fit_their_register(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f() -> void { regs r2 i8 ldi r2, 128 ret.v }", "128 does not fit r2 of class i8"},
        {"func f() -> void { regs r2 i8 ldi r2, -128 ret.v }", NULL},
        {"func f() -> void { regs r2 bool ldi r2, 2 ret.v }", "2 does not fit r2 of class bool"},
        {"func f() -> void { regs r2 f64 ldi r2, 0 ret.v }", "0 does not fit r2 of class f64"},
        {"func f() -> void { regs r2 f64 ldk r2, 5 ret.v }", "constant 0 (i64) does not fit r2 of class f64"},
        {"func f() -> void { regs r2 f32 ldk r2, 5.0 ret.v }", "constant 0 (f64) does not fit r2 of class f32"},
        {"func f() -> void { regs r2 f32 ldk.w r2, 5.0f ret.v }", NULL},
        {"func f() -> void { regs r2 i32 ldk r2, 2147483648 ret.v }", "does not fit r2 of class i32"},
        {"func f() -> void { regs r2 i32 ldk r2, -2147483648 ret.v }", NULL},
        {"func f() -> void { regs r2 bool ldk r2, 1 ret.v }", "does not fit r2 of class bool"},
        {"func f() -> void { regs r2 ptr ldnull r2, P ret.v }", "P has no null"},
        {"func f() -> void { regs r2 ptr ldnull r2, String? ret.v }",
         "register r2 has class ptr and cannot hold String?"},
        {"func f() -> void { regs r2 string ldnull r2, String? ret.v }", NULL},
        {"func f() -> void { regs r2 ptr ldnull r2, i64? ret.v }", NULL},
    };
    check_all(cases, TH_COUNT(cases));
}

static void strings_that_may_be_null_are_no_strings(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f(String?) -> i64 { slen r1, r2 ret r1 }", "register r2 holds String?, which may be null"},
        {"func f(String?) -> i64 { regs r3 string unwrap r3, r2 slen r1, r3 ret r1 }", NULL},
        {"func f(Symbol) -> i64 { slen r1, r2 ret r1 }", NULL},
        {"func f(Symbol) -> String { ret r2 }", NULL},
        {"func f(Symbol?) -> String? { ret r2 }", NULL},
        {"func f(String?) -> String { ret r2 }", "register r2 holds String?, String is needed"},
        {"func f(String) -> String? { ret r2 }", NULL},
        {"func f(bool, String, String?) -> i64 { regs r5 string mov r5, r3 jt r2, L mov r5, r4 L: slen r1, r5 ret r1 }",
         "register r5 holds String?, which may be null"},
        {"func f(String?, String) -> void { sappend r2, r3 ret.v }", "which may be null"},
        {"func f(String?) -> void { trap r2, E_TRAP }", "which may be null"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void pointees_are_followed_through_the_code(void **state) {
    (void)state;
    static const hostile cases[] = {
        /* the same where ways meet, an option of it, and something else */
        {"func f(bool, P, P) -> i64 { regs r5 ptr mov r5, r3 jt r2, L mov r5, r4 L: get r1, r5, 0 ret r1 }", NULL},
        {"func f(bool, P, P?) -> i64 { regs r5 ptr mov r5, r3 jt r2, L mov r5, r4 L: get r1, r5, 0 ret r1 }",
         "register r5 holds P?, which has no field 0"},
        {"func f(bool, P, P?) -> i64 { regs r5 ptr mov r5, r3 jt r2, L mov r5, r4 L: unwrap r5, r5 get r1, r5, 0 "
         "ret r1 }",
         NULL},
        {"func f(bool, P, List<i64>) -> i64 { regs r5 ptr mov r5, r3 jt r2, L mov r5, r4 L: get r1, r5, 0 ret r1 }",
         "register r5 is read before it is written"},
        {"func f(P) -> i64 { get r1, r2, 3 ret r1 }", "register r2 holds P, which has no field 3"},
        {"func f(P) -> i64 { get r1, r2, 1 ret r1 }", "register r1 has class i64 and cannot hold String"},
        {"func f(List<i64>) -> i64 { get r1, r2, 0 ret r1 }", "which has no field 0"},
        {"func f(Error) -> i64 { get r1, r2, 3 ret r1 }", NULL},
        {"func f(Error) -> String { get r1, r2, 5 ret r1 }", NULL},
        {"func f(Error) -> String { get r1, r2, 6 ret r1 }", "has no field 6"},
        {"func f(Error) -> void { set r2, r0, 3 ret.v }", "the fields of an error cannot be set"},
        {"func f(P) -> void { set r2, r0, 0 ret.v }", NULL},
        {"func f(P, String) -> void { set r2, r3, 1 ret.v }", "field 1 of P is a pointer"},
        {"func f(P) -> void { set.p r2, r0, 0 ret.v }", "field 0 of P is no pointer"},
        {"func f(P, String) -> void { set.p r2, r3, 1 ret.v }", NULL},
        {"func f(P, String?) -> void { set.p r2, r3, 1 ret.v }", "register r3 holds String?, String is needed"},
        {"func f(P, f64) -> void { set r2, r3, 0 ret.v }", "register r3 has class f64, i64 is needed"},
        {"func f(P) -> void { set.p r2, r2, 2 ret.v }", NULL},
        {"func f(Cell<P>, List<P>) -> void { set.p r2, r3, 0 ret.v }", "register r3 holds List<P>, P is needed"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void objects_are_made_of_their_parts(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f(i64, String, P?) -> P { regs r1 ptr new r1, r2, 3, P ret r1 }", NULL},
        {"func f(i64, String, P) -> P { regs r1 ptr new r1, r2, 3, P ret r1 }", NULL},
        {"func f(i64, String, P?) -> P { new r1, r2, 2, P ret r1 }", "P has 3 fields, not 2"},
        {"func f(i64, String) -> P { new r1, r2, 3, P ret r1 }", "its operands reach past the frame"},
        {"func f(i64, i64, P?) -> P { new r1, r2, 3, P ret r1 }", "register r3 has class i64, String is needed"},
        {"func f(i64) -> List<i64> { new r1, r2, 1, List<i64> ret r1 }", "List<i64> is no struct, tuple or cell"},
        {"func f(i64) -> Cell<i64> { new r1, r2, 1, Cell<i64> ret r1 }", NULL},
        {"func f(i64) -> void { regs r3 i64 new r3, r2, 1, Cell<i64> ret.v }",
         "register r3 has class i64 and cannot hold Cell<i64>"},
        {"func f(i64) -> Variadic<i64, P> { vnew r1, r2, 0, Variadic<i64, P> ret r1 }", NULL},
        {"func f(i64) -> Variadic<i64, P> { vnew r1, r2, 2, Variadic<i64, P> ret r1 }", "has no alternative 2"},
        {"func f(i64) -> Variadic<i64, P> { vnew r1, r2, 1, Variadic<i64, P> ret r1 }",
         "register r2 has class i64, P is needed"},
        {"func f(P) -> i64 { vtag r1, r2 ret r1 }", "register r2 holds P, a variant is needed"},
        {"func f(Variadic<i64, P>) -> i64 { vtag r1, r2 ret r1 }", NULL},
        {"func f(Variadic<i64, P>) -> i64 { vget r1, r2, 0 ret r1 }", NULL},
        {"func f(Variadic<i64, P>) -> i64 { vget r1, r2, 1 ret r1 }", "register r1 has class i64 and cannot hold P"},
        {"func f(Variadic<i64, P>) -> i64 { vget r1, r2, 9 ret r1 }", "has no alternative 9"},
        {"func f(i64) -> i64? { some r1, r2, i64? ret r1 }", NULL},
        {"func f(i64) -> i64? { some r1, r2, P ret r1 }", "P is no option"},
        {"func f(f64) -> i64? { some r1, r2, i64? ret r1 }", "register r2 has class f64, i64 is needed"},
        {"func f(i64?) -> i64 { unwrap r1, r2 ret r1 }", NULL},
        {"func f(i64?) -> f64 { unwrap r1, r2 ret r1 }", "register r1 has class f64 and cannot hold i64"},
        {"func f(i64) -> i64 { unwrap r1, r2 ret r1 }", "register r2 is no option"},
        {"type opaque File func f(File) -> void { new r2, r0, 0, File ret.v }", "File is no struct, tuple or cell"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void lists_and_dicts_keep_their_element_types(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f(i64) -> List<i64> { lnew r1, r2, List<i64> ret r1 }", NULL},
        {"func f(i64) -> P { lnew r1, r2, P ret r1 }", "P is no list"},
        {"func f(P) -> i64 { llen r1, r2 ret r1 }", "register r2 holds P, a list is needed"},
        {"func f(List<i64>) -> i64 { lget.64 r1, r2, r0 ret r1 }", NULL},
        {"func f(List<i64>) -> i64 { lget.32 r1, r2, r0 ret r1 }", "it does not fit the elements of List<i64>"},
        {"func f(List<f64>) -> i64 { lget.64 r1, r2, r0 ret r1 }", "register r1 has class i64 and cannot hold f64"},
        {"func f(List<Color>) -> Color { lget.64 r1, r2, r0 ret r1 }", NULL},
        {"func f(List<bool>) -> bool { lget.8 r1, r2, r0 ret r1 }", "it does not fit the elements of List<bool>"},
        {"func f(List<bool>) -> bool { lget.b r1, r2, r0 ret r1 }", NULL},
        {"func f(List<i8>) -> i8 { lget.8 r1, r2, r0 ret r1 }", NULL},
        {"func f(List<f32>) -> f32 { lget.32 r1, r2, r0 ret r1 }", "it does not fit the elements of List<f32>"},
        {"func f(List<f32>) -> f32 { lget.f r1, r2, r0 ret r1 }", NULL},
        {"func f(List<f32>, f32) -> void { lset.32 r2, r0, r3 ret.v }", NULL},
        {"func f(List<String>, String) -> void { lset.64 r2, r0, r3 ret.v }", "it does not fit the elements"},
        {"func f(List<String>, String) -> void { lset.p r2, r0, r3 ret.v }", NULL},
        {"func f(List<i64>, i64) -> void { lset.p r2, r0, r3 ret.v }", "it does not fit the elements"},
        {"func f(List<P>, List<P>) -> void { lset.p r2, r0, r3 ret.v }", "register r3 holds List<P>, P is needed"},
        {"func f(List<P>?) -> i64 { llen r1, r2 ret r1 }", "register r2 holds List<P>?, a list is needed"},
        {"func f(List<P?>, P) -> void { lpush r2, r3 ret.v }", NULL},
        {"func f(List<P>, P?) -> void { lpush r2, r3 ret.v }", "register r3 holds P?, P is needed"},
        {"func f(List<i16>) -> i64 { lpop r1, r2 ret r1 }", "register r1 has class i64 and cannot hold i16"},
        {"func f(List<i16>) -> i16 { lpop r1, r2 ret r1 }", NULL},
        {"func f() -> Dict<String, i64> { dnew r1, Dict<String, i64> ret r1 }", NULL},
        {"func f() -> P { dnew r1, P ret r1 }", "P is no dict"},
        {"func f(List<i64>) -> i64 { dlen r1, r2 ret r1 }", "a dict is needed"},
        {"func f(Dict<String, i64>, String) -> i64? { dget r1, r2, r3 ret r1 }", NULL},
        {"func f(Dict<String, i64>, String) -> i64 { dget r1, r2, r3 ret r1 }", "cannot hold i64?"},
        {"func f(Dict<String, f32>, String) -> P { dget r1, r2, r3 ret r1 }", "the program has no option type of f32"},
        {"func f(Dict<String, i64>, i64) -> i64? { dget r1, r2, r3 ret r1 }", "register r3 has class i64, String"},
        {"func f(Dict<String, i64>, String?) -> i64? { dget r1, r2, r3 ret r1 }", "register r3 holds String?"},
        {"func f(Dict<i64, i64>, i64, i64) -> i64 { dget.or r4, r2, r3 ret r4 }", NULL},
        {"func f(Dict<i64, i64>, i64) -> i64 { regs r4 i64 dget.or r4, r2, r3 ret r4 }", "register r4 is read before"},
        {"func f(Dict<i64, P>, i64, List<i64>) -> void { dget.or r4, r2, r3 ret.v }", "register r4 holds List<i64>, P"},
        {"func f(Dict<i64, P>, i64, List<i64>) -> void { dset r2, r3, r4 ret.v }", "register r4 holds List<i64>, P"},
        {"func f(Dict<i64, P>, i64) -> bool { dhas r1, r2, r3 ret r1 }", NULL},
        {"func f(Dict<i64, P>, i8) -> bool { dhas r1, r2, r3 ret r1 }", "register r3 has class i8, i64 is needed"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void calls_fit_their_signatures(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f() -> i64 { regs r3-r6 i64 ldi r5, 1 ldi r6, 2 call r3, add ret r4 }", NULL},
        {"func f() -> i64 { regs r3-r5 i64 ldi r5, 1 call r3, add ret r4 }", "reaches past the frame"},
        {"func f() -> i64 { regs r3-r6 i64 ldi r5, 1 call r3, add ret r4 }", "register r6 is read before"},
        {"func f() -> i64 { regs r3-r5 i64, r6 f64 ldi r5, 1 call r3, add ret r4 }",
         "register r6 has class f64, i64 is needed"},
        {"func f() -> void { regs r3 i64, r4 f64, r5-r6 i64 ldi r5, 1 ldi r6, 1 call r3, add ret.v }",
         "register r4 has class f64 and cannot hold i64"},
        {"func f() -> i64 { regs r3-r6 i64 ldi r5, 1 ldi r6, 2 call r3, add ret r5 }", "register r5 is read before"},
        {"func f() -> i64 { regs r3-r6 i64 call r3, nothing ret r4 }", "register r4 is read before"},
        {"func f(i64) -> i64 { regs r3-r6 i64 call r3, nothing ret r2 }", NULL},
        {"func f(i64, i64) -> void { call r0, add ret.v }", "a window cannot start at r0"},
        {"func f() -> i64 { regs r3-r5 i64 call r3, cap ret r4 }", "has captures and can only be called as a closure"},
        {"func f(P) -> void { regs r3-r4 i64, r5 ptr mov r5, r2 call r3, takes ret.v }", NULL},
        {"func f(List<i64>) -> void { regs r3-r4 i64, r5 ptr mov r5, r2 call r3, takes ret.v }",
         "register r5 holds List<i64>, P? is needed"},
        {"func f(String) -> i64 { regs r3-r4 i64, r5 string mov r5, r2 callb r3, String.len ret r4 }", NULL},
        {"func f(String?) -> i64 { regs r3-r4 i64, r5 string mov r5, r2 callb r3, String.len ret r4 }",
         "register r5 holds String?, String is needed"},
        {"func f(Function<i64, i64>, i64) -> i64 { regs r4-r6 i64 mov r6, r3 callc r4, r2 ret r5 }", NULL},
        {"func f(P, i64) -> i64 { regs r4-r6 i64 mov r6, r3 callc r4, r2 ret r5 }",
         "register r2 holds P, a function is needed"},
        {"func f(Function<i64, i64>?, i64) -> i64 { regs r4-r6 i64 callc r4, r2 ret r5 }", "a function is needed"},
        {"func f(Function<f64, i64>, i64) -> i64 { regs r4-r6 i64 mov r6, r3 callc r4, r2 ret r5 }",
         "register r6 has class i64, f64 is needed"},
        {"func f(i64, i64) -> i64 { tcall r0, add }", NULL},
        {"func f(i64, i64) -> f64 { tcall r0, add }", "it gives i64, the function has to give f64"},
        {"func f(i64, i64) -> void { tcall r0, add }", "it gives i64, the function has to give void"},
        {"func f() -> void { tcall r0, nothing }", NULL},
        {"func f() -> i64 { tcall r0, cap }", "has captures"},
        {"func f(i64) -> i64 { tcall r0, add }", "reaches past the frame"},
        {"func f(Function<i64>) -> i64 { tcallc r0, r2 }", NULL},
        {"func f(Function<f64>) -> i64 { tcallc r0, r2 }", "it gives f64"},
        {"func f() -> i64 { ret.v }", "the function has to give i64"},
        {"func f() -> void { ret r0 }", "the function has no result"},
        {"func f(f64) -> i64 { ret r2 }", "register r2 has class f64, i64 is needed"},
        {"func f(P?) -> P { ret r2 }", "register r2 holds P?, P is needed"},
        {"func f(i64, P) -> Function<i64, i64> { closure r1, r2, 2, cap ret r1 }", NULL},
        {"func f(i64, P) -> Function<i64, i64> { closure r1, r2, 1, cap ret r1 }", "captures 2 values, not 1"},
        {"func f(P, i64) -> Function<i64, i64> { closure r1, r2, 2, cap ret r1 }",
         "register r2 has class ptr, i64 is needed"},
        {"func f(i64, P?) -> Function<i64, i64> { closure r1, r2, 2, cap ret r1 }",
         "register r3 holds P?, P is needed"},
        {"func f(i64, P) -> Function<f64, i64> { closure r1, r2, 2, cap ret r1 }",
         "holds Function<i64, i64>, Function<f64, i64> is needed"},
        {"func f() -> Function<i64, i64, i64> { closure r1, r0, 0, add ret r1 }", NULL},
        {"func f() -> i64 { ldcap r1, 0 ret r1 }", "there is no capture 0 (the function has 0)"},
        {"func f() -> P { captures i64 ldcap r1, 0 ret r1 }", "register r1 has class ptr and cannot hold i64"},
        {"func f() -> i64 { gget r1, total ret r1 }", NULL},
        {"func f() -> f64 { gget r1, total ret r1 }", "register r1 has class f64 and cannot hold i64"},
        {"func f(P) -> void { gset r2, maybe ret.v }", NULL},
        {"func f(P) -> void { gset r2, names ret.v }", "register r2 holds P, List<String> is needed"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void regions_nest_and_lose_what_is_not_kept(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f() -> void { renter rleave {} ret.v }", NULL},
        {"func f() -> void { renter ret.v }", "the function is left with 1 regions open"},
        {"func f() -> void { renter tcall r0, nothing }", "the function is left with 1 regions open"},
        {"func f() -> void { rleave {} ret.v }", "no region is open"},
        {"func f() -> void { rloop {} ret.v }", "no region is open"},
        {"func f(P) -> i64 { renter rleave {r2} get r1, r2, 0 ret r1 }", NULL},
        {"func f(P) -> i64 { renter rleave {} get r1, r2, 0 ret r1 }", "register r2 is read before it is written"},
        {"func f(String) -> i64 { renter rloop {} slen r1, r2 rleave {} ret r1 }", "register r2 is read before"},
        {"func f(i64, P) -> i64 { renter rleave {} ret r2 }", NULL},
        {"func f(i64) -> void { renter rleave {r2} ret.v }", "keep set 0 names r2, which is no pointer register"},
        {"func f() -> void { renter rleave {r9} ret.v }", "keep set 0 names r9, which is no pointer register"},
        {"func f() -> void { regs r2 ptr renter rleave {r2} ret.v }", "register r2 is read before"},
        {"func f(bool) -> void { jt r2, L renter L: ret.v }",
         "instruction 3 is reached with 1 regions open, elsewhere with 0"},
        {"func f(bool) -> void { L: renter jt r2, L rleave {} ret.v }", "regions open, elsewhere with"},
        {"func f(i64) -> void { renter L: loop.i r2, 9, L rleave {} ret.v }", NULL},
    };
    check_all(cases, TH_COUNT(cases));
}

static void handlers_see_only_what_is_certain(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f(i64) -> i64 { regs r3 i64, r4 ptr A: div r3, r2, r2 ret r3 B: H: get r1, r4, 3 ret r1 "
         "handler A to B goto H with r4 depth 0 }",
         NULL},
        /* what the body writes may not be there */
        {"func f(i64) -> i64 { regs r3 i64, r4 ptr A: div r3, r2, r2 ret r3 B: H: ret r3 "
         "handler A to B goto H with r4 depth 0 }",
         "register r3 is read before"},
        /* what a call takes away may be gone */
        {"func f(P) -> i64 { regs r3 ptr, r4-r6 i64 A: call r3, nothing jmp C B: H: get r1, r2, 0 ret r1 C: ret r0 "
         "handler A to B goto H with r3 depth 0 }",
         NULL},
        {"func f() -> i64 { regs r2 ptr, r4-r6 i64 ldi r6, 1 A: call r4, nothing jmp C B: H: ret r6 C: ret r0 "
         "handler A to B goto H with r2 depth 0 }",
         "register r6 is read before"},
        {"func f(P) -> i64 { regs r3 ptr renter A: rloop {} B: rleave {} ret r0 H: get r1, r2, 0 ret r1 "
         "handler A to B goto H with r3 depth 0 }",
         "register r2 is read before"},
        /* an object that changes within the body */
        {"func f(P, List<i64>) -> i64 { regs r4-r5 ptr mov r4, r2 A: mov r4, r3 B: ret r0 H: get r1, r4, 0 ret r1 "
         "handler A to B goto H with r5 depth 0 }",
         "register r4 is read before"},
        {"func f() -> void { regs r2 ptr A: nop B: ret.v H: ret.v handler A to B goto H with r2 depth 1 }",
         "0 regions are open here, its handler expects 1"},
        {"func f() -> void { regs r2 ptr renter A: nop B: rleave {} ret.v H: rleave {} ret.v "
         "handler A to B goto H with r2 depth 1 }",
         NULL},
        {"func f() -> void { regs r2 ptr renter A: rleave {} nop B: ret.v H: rleave {} ret.v "
         "handler A to B goto H with r2 depth 1 }",
         "0 regions are open here, its handler expects 1"},
        {"func f() -> void { regs r2 i64 A: nop B: ret.v H: ret.v handler A to B goto H with r2 depth 0 }",
         "handler 0 has no register of class ptr"},
        {"func f() -> void { A: nop B: ret.v H: ret.v handler A to B goto H with r9 depth 0 }",
         "handler 0 has no register of class ptr"},
        {"func f() -> void { regs r2 ptr A: nop B: ret.v H: throw r2 handler A to B goto H with r2 depth 0 }", NULL},
        {"func f() -> void { regs r2 ptr A: nop ret.v B: H: ret.v handler A to E goto H with r2 depth 5 E: }",
         "its handler expects 5"},
        /* the first handler in order takes the error, the second never sees it */
        {"func f() -> i64 { regs r2 i64, r3 ptr A: nop B: ldi r2, 1 C: ret r2 H: ret r0 "
         "handler A to C goto H with r3 depth 0 handler A to C goto H with r3 depth 9 }",
         NULL},
        {"func f(P) -> void { throw r2 }", "register r2 holds P, an error is needed"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void code_must_leave_the_function(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"func f() -> void { }", "it has no code"},
        {"func f() -> void { nop }", "the code ends without leaving the function"},
        {"func f(bool) -> void { L: nop jt r2, L }", "the code ends without leaving the function"},
        {"func f() -> void { ret.v jmp L L: }", "the target 2 is outside the code"},
        {"func f(i64) -> void { switch r2, [A, B] A: ret.v B: ret.v }", NULL},
        {"func f(i64) -> void { switch r2, [A, B] A: ret.v B: }", "the target 4 is outside the code"},
        {"func f(f64) -> void { switch r2, [A] A: ret.v }", "an integer is needed"},
        {"func f() -> i64 { ret r0 get r1, r0, 7 ret r1 }", NULL}, /* never reached, but decodable */
        {"func f() -> i64 { ret r0 get r1, r99, 7 ret r1 }", "register r99 is outside the frame"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void programs_are_entered_through_plain_functions(void **state) {
    (void)state;
    static const hostile cases[] = {
        {"export x = cap", "export \"x\" is no function that can be called from outside"},
        {"export x = add", NULL},
        {"start add", "the start function \"add\" takes or gives something"},
        {"start nothing", NULL},
        {"func g() -> void { captures i64 ret.v } start g", "the start function \"g\" takes or gives something"},
    };
    check_all(cases, TH_COUNT(cases));
}

#define VALUE_PRELUDE                                                                                                  \
    "import op: Function<value, value, value> import half: Function<value, i64> import none: Function<value> "         \
    "shape {a, b} shape {a, b, c} shape {} "                                                                           \
    "func thunk() -> value { captures value, value v.cap r2, 0 v.ret r2 } "                                            \
    "func bare() -> value { v.int r2, 1 v.ret r2 } "                                                                   \
    "func lambda(value) -> value { captures value v.ret r2 } "                                                         \
    "func plain(value, value) -> value { v.ret r2 } "

static void values_keep_their_class(void **state) {
    (void)state;
    static const hostile cases[] = {
        {VALUE_PRELUDE "func f(value) -> value { v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(i64) -> value { v.ret r2 }", "register r2 has class i64, value is needed"},
        {VALUE_PRELUDE "func f(value) -> i64 { v.ret r2 }", "the function gives i64, not a value"},
        {VALUE_PRELUDE "func f(value) -> value { ret r2 }", "a value is given with v.ret"},
        {VALUE_PRELUDE "func f(value) -> value { renter v.ret r2 }", "left with 1 regions open"},
        {VALUE_PRELUDE "func f() -> value { regs r2 value v.ret r2 }", "register r2 is read before it is written"},
        {VALUE_PRELUDE "func f() -> value { regs r2 value v.force r2 v.ret r2 }", "register r2 is read before"},
        {VALUE_PRELUDE "func f() -> value { regs r2 value ldi r2, 1 v.ret r2 }", "1 does not fit r2 of class value"},
        {VALUE_PRELUDE "func f(i64) -> value { regs r3 value mov r3, r2 v.ret r3 }",
         "r3 has class value and r2 class i64"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 value mov r3, r2 v.ret r3 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 bool same r3, r2, r2 v.ret r2 }", "register r2 is no pointer"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 bool isnull r3, r2 v.ret r2 }", "register r2 is no option"},
        {VALUE_PRELUDE "func f(bool) -> value { regs r3 value jt r2, L v.int r3, 1 L: v.ret r3 }",
         "register r3 is read before"},
        {VALUE_PRELUDE
         "func f(value) -> value { regs r3 value v.jt r2, L v.int r3, 1 jmp M L: v.const r3, 1 M: v.ret r3 }",
         NULL},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 value v.tadd r3, r2, r2, L L: v.ret r3 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 value v.tadd r3, r2, r3, L L: v.ret r3 }",
         "register r3 is read before"},
        {VALUE_PRELUDE "func f(i32) -> value { v.take r3, r2 v.ret r3 }", "register r2 has class i32, i64 is needed"},
        {VALUE_PRELUDE "func f(value) -> i64 { v.give r1, r2 ret r1 }", NULL},
        {VALUE_PRELUDE "func f(value) -> i64 { regs r3 f64 v.give r3, r2 ret r0 }",
         "register r3 has class f64, i64 is needed"},
        {VALUE_PRELUDE "global held: value func f(value) -> value { gset r2, held gget r3, held v.ret r3 }",
         "register r3 is outside the frame of 3"},
        {VALUE_PRELUDE
         "global held: value func f(value) -> value { regs r3 value gset r2, held gget r3, held v.ret r3 }",
         NULL},
        {VALUE_PRELUDE "func f(value) -> value { renter rleave {} v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { renter rloop {r2} rleave {} v.ret r2 }",
         "keep set 0 names r2, which is no pointer register"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void constants_and_tables_of_values_fit(void **state) {
    (void)state;
    static const hostile cases[] = {
        {VALUE_PRELUDE "func f() -> value { v.ldk r2, 5 v.ldk r2, 0.5 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.ldk r2, 5.0f v.ret r2 }", "constant 0 (f32) is no i64 or f64"},
        {VALUE_PRELUDE "func f() -> value { v.str r2, 15, 'x' v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.str r2, 16, 'x' v.ret r2 }", "there is no sort 16 of texts"},
        {VALUE_PRELUDE "func f() -> value { v.const r2, 0 v.ret r2 }", "there is no constant 0"},
        {VALUE_PRELUDE "func f() -> value { v.const r2, 6 v.ret r2 }", "there is no constant 6"},
        {VALUE_PRELUDE "func f() -> value { v.const r2, 5 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.lnew r2, 16777216 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.lnew r2, 16777217 v.ret r2 }", "16777217 is more than 16777216"},
        {VALUE_PRELUDE "func f(value) -> value { v.rget r2, r2, #1:2 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { v.rget r2, r2, #1:3 v.ret r2 }", "shape 1 has no name 3 (it has 3)"},
        {VALUE_PRELUDE "func f(value) -> value { v.rget r2, r2, #2:0 v.ret r2 }", "shape 2 has no name 0 (it has 0)"},
        {VALUE_PRELUDE "func f(value, value) -> value { v.rec r2, r2, 2, #0 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value, value) -> value { v.rec r2, r2, 2, #1 v.ret r2 }", "shape 1 has 3 names, not 2"},
        {VALUE_PRELUDE "func f(value, value) -> value { v.rec r2, r2, 3, #1 v.ret r2 }",
         "its operands reach past the frame"},
        {VALUE_PRELUDE "func f(value, i64) -> value { v.list r2, r2, 2 v.ret r2 }",
         "register r3 has class i64, value is needed"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 value v.list r2, r2, 2 v.ret r2 }",
         "register r3 is read before"},
        {VALUE_PRELUDE "func f() -> value { v.list r2, r0, 0 v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.list r2, r0, 1 v.ret r2 }", "register r0 has class i64, value is needed"},
        {VALUE_PRELUDE "func f() -> value { v.list r2, r77, 0 v.ret r2 }", "register r77 is outside the frame"},
        {VALUE_PRELUDE "func f() -> value { v.rec r2, r0, 0, #2 v.ret r2 }", NULL},
        {VALUE_PRELUDE "shape {a, a} func f() -> value { v.rnew r2, #3 v.ret r2 }", "shape 3 has the name \"a\" twice"},
        {VALUE_PRELUDE "shape {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, h, p}", "shape 3 has the name \"h\" twice"},
        {VALUE_PRELUDE "shape {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, 'a b', ''}", NULL},
    };
    check_all(cases, TH_COUNT(cases));
}

static void thunks_and_function_values_fit_their_functions(void **state) {
    (void)state;
    static const hostile cases[] = {
        {VALUE_PRELUDE "func f(value, value) -> value { v.thunk r2, r2, 2, thunk v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value, value) -> value { v.thunk r2, r2, 1, thunk v.ret r2 }",
         "function \"thunk\" captures 2 values, not 1"},
        {VALUE_PRELUDE "func f() -> value { v.thunk r2, r0, 0, bare v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { v.thunk r2, r2, 1, lambda v.ret r2 }",
         "function \"lambda\" cannot be a thunk"},
        {VALUE_PRELUDE "func f(value) -> value { v.close r2, r2, 1, lambda v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.close r2, r0, 0, plain v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value, value) -> value { v.close r2, r2, 2, thunk v.ret r2 }",
         "function \"thunk\" cannot be a function value"},
        {VALUE_PRELUDE "func f() -> value { v.close r2, r0, 0, add v.ret r2 }",
         "function \"add\" cannot be a function value"},
        {VALUE_PRELUDE "func f() -> value { v.thunk r2, r0, 0, nothing v.ret r2 }",
         "function \"nothing\" cannot be a thunk"},
        {VALUE_PRELUDE "func t(P) -> value { captures P v.int r2, 1 v.ret r2 }", "register r2 has class ptr"},
        {VALUE_PRELUDE
         "func t() -> value { captures P v.int r2, 1 v.ret r2 } func f(P) -> value { v.thunk r3, r2, 1, t v.ret r3 }",
         "register r2 has class ptr, value is needed"},
        {VALUE_PRELUDE "func t() -> value { captures i64 v.int r2, 1 v.ret r2 } "
                       "func f(value) -> value { v.thunk r2, r2, 1, t v.ret r2 }",
         "function \"t\" cannot be a thunk"},
        {VALUE_PRELUDE "func f() -> value { captures value, i64 v.cap r2, 0 v.ret r2 }", "all of its captures"},
        {VALUE_PRELUDE "func f(i64) -> value { captures value v.cap r3, 0 v.ret r3 }", "all of its captures"},
        {VALUE_PRELUDE "func f() -> i64 { captures value ret r0 }", "all of its captures"},
        {VALUE_PRELUDE "func f() -> value { captures value v.cap r2, 1 v.ret r2 }",
         "there is no capture 1 (the function has 1)"},
        {VALUE_PRELUDE "func f() -> value { v.cap r2, 0 v.ret r2 }", "there is no capture 0 (the function has 0)"},
        {VALUE_PRELUDE "func f() -> value { captures i64 v.cap r2, 0 v.ret r2 }", "the function captures no values"},
        {VALUE_PRELUDE "func f() -> value { captures value regs r2 value ldcap r2, 0 v.ret r2 }",
         "captured values are read with v.cap"},
        {VALUE_PRELUDE "func f(value) -> void { regs r3 ptr closure r3, r2, 1, lambda ret.v }",
         "captures values: it is for v.thunk or v.close"},
        {VALUE_PRELUDE "func f() -> void { regs r3 ptr closure r3, r0, 0, plain ret.v }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 call r3, lambda v.ret r4 }",
         "has captures and can only be called as a closure"},
        {VALUE_PRELUDE
         "func f(value) -> value { regs r3 i64, r4-r6 value mov r5, r2 mov r6, r2 call r3, plain v.ret r4 }",
         NULL},
        {VALUE_PRELUDE "func f(value, value) -> value { tcall r0, plain }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.func r2, op v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f() -> value { v.func r2, half v.ret r2 }",
         "import \"half\" is Function<value, i64>, a function of"},
        {VALUE_PRELUDE "func f() -> value { v.func r2, none v.ret r2 }",
         "import \"none\" is Function<value>, a function of one"},
        {VALUE_PRELUDE "func f(value) -> value { v.add r2, r2, r2, op v.ret r2 }", NULL},
        {VALUE_PRELUDE "func f(value) -> value { v.add r2, r2, r2, half v.ret r2 }",
         "import \"half\" is Function<value, i64>, Function<value, value, value> is needed"},
    };
    check_all(cases, TH_COUNT(cases));
}

static void applications_have_a_window_of_values(void **state) {
    (void)state;
    static const hostile cases[] = {
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r6 value mov r5, r2 v.call r3, r2, 1 v.ret r4 }",
         NULL},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r6 value mov r5, r2 v.call r3, r2, 1 v.ret r5 }",
         "register r5 is read before it is written, or after a call"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r6 value mov r5, r2 v.call r3, r2, 2 v.ret r4 }",
         "register r6 is read before"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 v.call r3, r2, 2 v.ret r4 }",
         "the window at r3 with 2 arguments reaches past the frame"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 v.call r3, r2, 0 v.ret r4 }",
         "a function value is applied to one argument or more"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 v.call r3, r5, 1 v.ret r4 }",
         "what is applied, r5, lies in the window at r3"},
        {VALUE_PRELUDE
         "func f(value) -> value { regs r3 value, r4 i64, r5 value mov r5, r2 v.call r3, r2, 1 v.ret r2 }",
         "register r4 has class i64 and cannot hold value"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3-r4 value, r5 i64 v.call r3, r2, 1 v.ret r4 }",
         "register r5 has class i64, value is needed"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 v.tcall r3, r2, 1 }", NULL},
        {VALUE_PRELUDE "func f(value, value) -> value { v.tcall r0, r2, 1 }",
         "what is applied, r2, lies in the window at r0"},
        {VALUE_PRELUDE "func f(value) -> i64 { regs r3 i64, r4-r5 value mov r5, r2 v.tcall r3, r2, 1 }",
         "the function gives i64, not a value"},
        {VALUE_PRELUDE "func f(value) -> value { regs r3 i64, r4-r5 value mov r5, r2 renter v.tcall r3, r2, 1 }",
         "left with 1 regions open"},
        {VALUE_PRELUDE
         "func f(value) -> value { regs r3 i64, r4-r6 value, r7 ptr mov r6, r2 A: mov r5, r2 v.call r3, r2, 1 B: "
         "v.ret r4 C: v.ret r6 handler A to B goto C with r7 depth 0 }",
         "register r6 is read before"},
        {VALUE_PRELUDE
         "func f(value) -> value { regs r3-r4 value, r5 i64, r6-r7 value, r8 ptr mov r3, r2 A: mov r7, r2 "
         "v.call r5, r2, 1 B: v.ret r6 C: v.ret r3 handler A to B goto C with r8 depth 0 }",
         NULL},
    };
    check_all(cases, TH_COUNT(cases));
}

/* ---- Words that no assembler writes ------------------------------------------------------------------------- */

/* Loads `text` with word `at` of the last function replaced. */
static void check_patched(const char *text, uint32_t old, uint32_t word, const char *message) {
    size_t len;
    th_error err = {0};
    th_program *program = NULL;
    uint8_t *bytes = assemble(text, &len);
    unsigned found = 0;
    for (size_t i = 0; i + 4 <= len; i += 4) {
        if (memcmp(bytes + i, &old, 4) != 0) continue;
        memcpy(bytes + i, &word, 4);
        found++;
    }
    assert_int_equal(found, 1);
    th_status status = th_program_load(&memory, bytes, len, &program, &err);
    if (status != TH_E_VERIFY || strstr(err.message, message) == NULL)
        fail_msg("%s\npatched to %08x gives status %d: %s", text, word, status, err.message);
    th_mem_free(&memory, bytes, len);
    assert_int_equal(memory.used_bytes, 0);
}

static void malformed_words_are_refused(void **state) {
    (void)state;
    static const char text[] = "func f(i64) -> i64 { jeq.i r2, 12345, L L: ldi r2, 23456 ret r2 }";
    uint32_t ldi = th_insn_ai(TH_OP_LDI, 2, 23456), branch = th_insn_ai(TH_OP_JEQI, 2, 12345);
    check_patched(text, ldi, 0xfffffffe, "instruction 2 (?): there is no operation 254");
    check_patched(text, ldi, th_insn_ai(TH_OP_LDK, 2, 0), "there is no constant 0 (the program has 0)");
    check_patched(text, ldi, th_insn_ai(TH_OP_LDS, 2, 0), "register r2 has class i64, string is needed");
    check_patched(text, ldi, th_insn_ai(TH_OP_GGET, 2, 7), "there is no global 7 (the program has 3)");
    check_patched(text, ldi, th_insn_ai(TH_OP_CALL, 1, 9), "there is no function 9 (the program has 5)");
    check_patched(text, ldi, th_insn_ai(TH_OP_CALLB, 1, 1), "there is no import 1 (the program has 1)");
    check_patched(text, ldi, th_insn_ai(TH_OP_LDNULL, 2, 999), "there is no type 999");
    check_patched(text, ldi, th_insn_ai(TH_OP_LDNULL, 2, 0), "no value can have the type void");
    check_patched(text, ldi, th_insn_ai(TH_OP_RLOOP, 0, 0), "there is no keep set 0");
    check_patched(text, ldi, th_insn_ai(TH_OP_RLOOP, 1, 0), "an unused field is not zero");
    check_patched(text, ldi, th_insn_abc(TH_OP_NOP, 0, 0, 1), "an unused field is not zero");
    check_patched(text, ldi, th_insn_i(TH_OP_RENTER, 5), "an unused field is not zero");
    check_patched(text, ldi, th_insn_i(TH_OP_JMP, 1), "the target 1 is not the start of an instruction");
    check_patched(text, ldi, th_insn_i(TH_OP_JMP, 4000), "the target 4000 is outside the code");
    check_patched(text, ldi, th_insn_ai(TH_OP_SWITCH, 2, 40000), "it reaches past the end of the code");
    check_patched(text, ldi, th_insn_ai(TH_OP_SWITCH, 2, 1), "the code ends without leaving");
    check_patched(text, branch, th_insn_ai(TH_OP_LDI, 2, 1), "instruction 1");
    check_patched("func f(String) -> void { trap r2, E_HOST }", th_insn_ai(TH_OP_TRAP, 2, TH_E_HOST),
                  th_insn_ai(TH_OP_TRAP, 2, 0), "0 is no error's number");
    check_patched("func f(String) -> void { trap r2, E_HOST }", th_insn_ai(TH_OP_TRAP, 2, TH_E_HOST),
                  th_insn_ai(TH_OP_TRAP, 2, 999), "999 is no error's number");
    check_patched("func f(value) -> value { v.lget r2, r2, 12345 v.ret r2 }", th_insn_abc(TH_OP_VLGET, 2, 2, 0),
                  th_insn_abc(TH_OP_VSEL, 2, 2, 0), "there is no site 12345 (the program has 0)");
    check_patched("func f() -> value { v.lnew r2, 12345 v.ret r2 }", th_insn_abc(TH_OP_VLNEW, 2, 0, 0),
                  th_insn_abc(TH_OP_VRNEW, 2, 0, 0), "there is no shape 12345 (the program has 0)");
    check_patched("func f(value) -> value { v.lget r2, r2, 12345 v.ret r2 }", th_insn_abc(TH_OP_VLGET, 2, 2, 0),
                  th_insn_abc(TH_OP_VRGET, 2, 2, 0), "there is no shape 0 (the program has 0)");
    check_patched("func f() -> void { lds.w r2, 'text' ret.v }", th_insn_abc(TH_OP_LDSW, 2, 0, 0),
                  th_insn_abc(TH_OP_LDKW, 2, 0, 0), "there is no constant 0");
}

static void the_state_before_an_instruction_can_be_asked(void **state) {
    (void)state;
    size_t len;
    th_error err;
    th_program *program;
    th_type_id types[256];
    uint32_t depth;
    uint8_t *bytes = assemble("func f(bool, P, P?, Symbol) -> i64 { regs r6 ptr mov r6, r3 jt r2, L mov r6, r4 "
                              "L: renter rleave {r6} ret r0 nop ret r0 }",
                              &len);
    assert_int_equal(th_program_load(&memory, bytes, len, &program, &err), TH_OK);
    uint32_t f = program->nfunctions - 1;
    const th_type_id *params = th_types_get(&program->types, program->functions[f].type)->args;
    assert_int_equal(th_verify_state_at(&memory, program, f, 0, types, &depth), TH_OK);
    assert_int_equal(types[0], TH_TYPE_I64);
    assert_int_equal(types[1], TH_TYPE_UNDEFINED);
    assert_int_equal(types[2], TH_TYPE_BOOL);
    assert_int_equal(types[3], params[1]);
    assert_int_equal(types[5], TH_TYPE_STRING);
    assert_int_equal(types[6], TH_TYPE_UNDEFINED);
    assert_int_equal(depth, 0);
    assert_int_equal(th_verify_state_at(&memory, program, f, 1, types, &depth), TH_OK);
    assert_int_equal(types[6], params[1]);
    assert_int_equal(th_verify_state_at(&memory, program, f, 5, types, &depth), TH_OK); /* rleave */
    assert_int_equal(types[6], params[2]);
    assert_int_equal(types[3], params[1]);
    assert_int_equal(depth, 1);
    assert_int_equal(th_verify_state_at(&memory, program, f, 6, types, &depth), TH_OK); /* ret */
    assert_int_equal(types[6], params[2]);
    assert_int_equal(types[3], TH_TYPE_UNDEFINED);
    assert_int_equal(depth, 0);
    assert_int_equal(th_verify_state_at(&memory, program, f, 7, types, NULL), TH_OK); /* never reached */
    assert_int_equal(types[6], TH_TYPE_UNDEFINED);
    assert_int_equal(th_verify_state_at(&memory, program, f, 2, types, NULL), TH_E_ARGUMENT); /* a target word */
    assert_int_equal(th_verify_state_at(&memory, program, f, 99, types, NULL), TH_E_ARGUMENT);
    th_program_release(program);
    th_mem_free(&memory, bytes, len);
}

int main(void) {
    th_mem_init(&memory, NULL, NULL, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_must_be_written_before_they_are_read),
        cmocka_unit_test(operands_must_have_their_class),
        cmocka_unit_test(constants_must_fit_their_register),
        cmocka_unit_test(strings_that_may_be_null_are_no_strings),
        cmocka_unit_test(pointees_are_followed_through_the_code),
        cmocka_unit_test(objects_are_made_of_their_parts),
        cmocka_unit_test(lists_and_dicts_keep_their_element_types),
        cmocka_unit_test(calls_fit_their_signatures),
        cmocka_unit_test(regions_nest_and_lose_what_is_not_kept),
        cmocka_unit_test(handlers_see_only_what_is_certain),
        cmocka_unit_test(code_must_leave_the_function),
        cmocka_unit_test(programs_are_entered_through_plain_functions),
        cmocka_unit_test(values_keep_their_class),
        cmocka_unit_test(constants_and_tables_of_values_fit),
        cmocka_unit_test(thunks_and_function_values_fit_their_functions),
        cmocka_unit_test(applications_have_a_window_of_values),
        cmocka_unit_test(malformed_words_are_refused),
        cmocka_unit_test(the_state_before_an_instruction_can_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
