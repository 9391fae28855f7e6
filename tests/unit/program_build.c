/*
** program_build.c - builder and loader: what is built is what is loaded, limits, bad files, failing memory.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/counted_mem.h"
#include "../support/faulty.h"
#include "program/program.h"

/* A program with some of everything; gcd is function 0, `init` function 1, `inner` (captures) function 2. */
static th_status build_sample(th_mem *mem, uint8_t **bytes, size_t *len) {
    th_builder *b;
    th_fn_builder *f;
    th_type_id type, nothing, args[2] = {TH_TYPE_I64, TH_TYPE_I64}, list, thunk, value = TH_TYPE_VALUE;
    uint32_t gcd, init, inner, lazy, index, names[2] = {0, 0};
    th_span spans[2] = {{1, 2, 1, 3}, {4, 5, 6, 7}};
    TH_TRY(th_builder_new(mem, th_view_of("sample"), &b));
    th_types *types = th_builder_types(b);
    th_status status = th_types_function(types, args, 2, TH_TYPE_I64, &type);
    if (status == TH_OK) status = th_types_function(types, NULL, 0, TH_TYPE_VOID, &nothing);
    if (status == TH_OK) status = th_types_list(types, TH_TYPE_STRING, &list);
    if (status == TH_OK) status = th_types_function(types, NULL, 0, TH_TYPE_VALUE, &thunk);
    if (status == TH_OK) status = th_builder_declare(b, th_view_of("Demo.gcd"), type, &gcd);
    if (status == TH_OK) status = th_builder_declare(b, th_view_of("init"), nothing, &init);
    if (status == TH_OK) status = th_builder_declare(b, th_view_of("inner"), type, &inner);
    if (status == TH_OK) status = th_builder_declare(b, th_view_of("lazy"), thunk, &lazy);
    if (status == TH_OK) status = th_builder_source(b, th_view_of("a.theta"), th_view_of("text\n"), &index);
    if (status == TH_OK) status = th_builder_global(b, th_view_of("total"), TH_TYPE_I64, &index);
    if (status == TH_OK) status = th_builder_import(b, th_view_of("Math.gcd"), type, &index);
    if (status == TH_OK) status = th_builder_begin(b, gcd, NULL, 0, 1, &f);
    if (status == TH_OK) {
        th_label loop = th_fn_label(f), done = th_fn_label(f);
        th_fn_class(f, 4, TH_CLASS_I64);
        th_fn_span(f, (th_span){3, 1, 3, 9});
        th_fn_bind(f, loop);
        th_fn_branch_i(f, TH_OP_JEQI, 3, 0, done);
        th_fn_abc(f, TH_OP_REM, 4, 2, 3);
        th_fn_span(f, (th_span){4, 1, 4, 9});
        th_fn_abc(f, TH_OP_MOV, 2, 3, 0);
        th_fn_abc(f, TH_OP_MOV, 3, 4, 0);
        th_fn_jump(f, loop);
        th_fn_bind(f, done);
        th_fn_abc(f, TH_OP_RET, 2, 0, 0);
        status = th_fn_end(f);
    }
    if (status == TH_OK) status = th_builder_begin(b, init, NULL, 0, 0, &f);
    if (status == TH_OK) {
        uint32_t k = 0, s = 0;
        th_label from = th_fn_label(f), to = th_fn_label(f), caught = th_fn_label(f);
        status = th_builder_f64(b, 0.5, &k);
        if (status == TH_OK) status = th_builder_string(b, (th_view){"a\0b", 3}, &s);
        th_fn_class(f, 2, TH_CLASS_F64);
        th_fn_class(f, 3, TH_CLASS_STRING);
        th_fn_class(f, 4, TH_CLASS_PTR);
        th_fn_class(f, 5, TH_CLASS_I64);
        uint8_t kept[1] = {3};
        th_fn_bind(f, from);
        th_fn_ai(f, TH_OP_LDK, 2, (int32_t)k);
        th_fn_ai(f, TH_OP_LDS, 3, (int32_t)s);
        th_fn_abc(f, TH_OP_RENTER, 0, 0, 0);
        th_fn_ai(f, TH_OP_RLEAVE, 0, (int32_t)th_fn_keep(f, kept, 1));
        th_fn_bind(f, to);
        th_fn_ai(f, TH_OP_LDI, 5, -1);
        th_fn_switch(f, 5, (th_label[]){caught, to}, 2);
        th_fn_ai(f, TH_OP_GSET, 5, 0);
        th_fn_bind(f, caught);
        th_fn_abc(f, TH_OP_RETV, 0, 0, 0);
        th_fn_handler(f, from, to, caught, 4, 0);
        if (status == TH_OK) status = th_fn_end(f);
    }
    if (status == TH_OK) status = th_builder_begin(b, inner, &list, 1, 0, &f);
    if (status == TH_OK) {
        th_fn_ai(f, TH_OP_TCALL, 0, (int32_t)gcd);
        status = th_fn_end(f);
    }
    if (status == TH_OK) status = th_builder_string(b, th_view_of("one"), &names[0]);
    if (status == TH_OK) status = th_builder_string(b, th_view_of("two"), &names[1]);
    if (status == TH_OK) status = th_builder_shape(b, names, spans, 2, 1, &index);
    if (status == TH_OK) status = th_builder_shape(b, names, NULL, 1, 0, &index);
    if (status == TH_OK) status = th_builder_site(b, names[1], &index);
    if (status == TH_OK) status = th_builder_begin(b, lazy, &value, 1, 1, &f);
    if (status == TH_OK) {
        th_fn_class(f, 2, TH_CLASS_VALUE);
        th_fn_note(f, names[0]);
        th_fn_ai(f, TH_OP_VCAP, 2, 0);
        th_fn_abcw(f, TH_OP_VSEL, 2, 2, 0, index);
        th_fn_abc(f, TH_OP_VRET, 2, 0, 0);
        status = th_fn_end(f);
    }
    if (status == TH_OK) status = th_builder_export(b, th_view_of("gcd"), gcd);
    if (status == TH_OK) status = th_builder_start(b, init);
    if (status == TH_OK) status = th_builder_finish(b, bytes, len, NULL);
    th_builder_free(b);
    return status;
}

static void what_is_built_is_what_is_loaded(void **state) {
    (void)state;
    uint8_t *bytes, *again;
    size_t len, again_len;
    th_program *p;
    th_error err = {0};
    assert_int_equal(build_sample(&mem, &bytes, &len), TH_OK);
    assert_int_equal(build_sample(&mem, &again, &again_len), TH_OK);
    assert_int_equal(len, again_len);
    assert_memory_equal(bytes, again, len);
    if (th_program_load(&mem, bytes, len, &p, &err) != TH_OK) fail_msg("%s", err.message);
    memset(bytes, 0xee, len); /* the program has its own copy */
    assert_string_equal(p->name->bytes, "sample");
    assert_int_equal(p->nfunctions, 4);
    assert_int_equal(th_program_find(p, th_view_of("gcd")), 0);
    assert_int_equal(th_program_find(p, th_view_of("gc")), -1);
    assert_int_equal(p->start, 2);
    const th_function *f = &p->functions[0];
    assert_string_equal(f->name->bytes, "Demo.gcd");
    assert_int_equal(f->nregs, 5);
    assert_int_equal(f->nparams, 2);
    assert_int_equal(f->ncode, 7);
    assert_int_equal(f->code[0], th_insn_ai(TH_OP_JEQI, 3, 0));
    assert_int_equal(f->code[1], 6);
    assert_int_equal(f->code[5], th_insn_i(TH_OP_JMP, 0));
    assert_int_equal(f->source, 1);
    assert_int_equal(th_function_span(f, 0).line, 3);
    assert_int_equal(th_function_span(f, 2).line, 3);
    assert_int_equal(th_function_span(f, 3).line, 4);
    assert_int_equal(th_function_span(f, 6).end_column, 9);
    assert_int_equal(th_function_span(&p->functions[1], 0).line, 0);
    assert_int_equal(p->nconstants, 1);
    assert_int_equal(p->constants[0], 0x3fe0000000000000);
    assert_int_equal(p->strings[0]->len, 3);
    assert_memory_equal(p->strings[0]->bytes, "a\0b", 4);
    assert_string_equal(p->globals[0].name->bytes, "total");
    assert_string_equal(p->imports[0].name->bytes, "Math.gcd");
    assert_string_equal(p->source_texts[0]->bytes, "text\n");
    assert_int_equal(p->functions[1].nhandlers, 1);
    assert_int_equal(p->functions[1].handlers[0].reg, 4);
    assert_int_equal(p->functions[1].keeps[0].regs[0], 3);
    assert_int_equal(p->functions[2].ncaptures, 1);
    assert_null(p->functions[2].note);
    assert_string_equal(p->functions[3].note->bytes, "one");
    assert_int_equal(p->nshapes, 2);
    assert_int_equal(p->shapes[0].count, 2);
    assert_string_equal(p->strings[p->shapes[0].names[1]]->bytes, "two");
    assert_int_equal(p->shapes[0].positions[0].column, 2);
    assert_int_equal(p->shapes[0].positions[1].end_column, 7);
    assert_int_equal(p->shapes[0].source, 1);
    assert_null(p->shapes[1].positions);
    assert_int_equal(p->shapes[1].source, 0);
    assert_int_equal(p->nsites, 1);
    assert_string_equal(p->strings[p->sites[0]]->bytes, "two");
    assert_int_equal((uintptr_t)p->bytes % 16, 0);
    th_digest digest, loaded;
    th_digest_of(again, len, &digest);
    th_program_digest(p, &loaded);
    assert_memory_equal(&digest, &loaded, sizeof digest);
    th_program *shared = th_program_retain(p);
    th_program_release(p);
    assert_int_equal(shared->nfunctions, 4);
    th_program_release(shared);
    th_program_release(NULL);
    th_mem_free(&mem, bytes, len);
    th_mem_free(&mem, again, len);
}

static void equal_parts_are_kept_once(void **state) {
    (void)state;
    th_builder *b;
    uint32_t a, c, d;
    th_type_id type;
    assert_int_equal(th_builder_new(&mem, th_view_of(""), &b), TH_OK);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 300; i++) {
            char text[8] = {'s', (char)(i & 255), (char)(i >> 8)};
            assert_int_equal(th_builder_i64(b, (int64_t)i - 150, &a), TH_OK);
            assert_int_equal(th_builder_string(b, (th_view){text, 3}, &c), TH_OK);
            assert_int_equal(a, i);
            assert_int_equal(c, i);
        }
    assert_int_equal(th_builder_f64(b, 0.0, &a), TH_OK); /* the bits of i64 0, another class */
    assert_int_equal(th_builder_f64(b, -0.0, &c), TH_OK);
    assert_int_equal(th_builder_f32(b, 0.0f, &d), TH_OK);
    assert_int_equal(a, 300);
    assert_int_equal(c, 301);
    assert_int_equal(d, 302);
    assert_int_equal(th_builder_f64(b, __builtin_nan(""), &a), TH_OK);
    assert_int_equal(th_builder_f64(b, -__builtin_nan("1"), &c), TH_OK);
    assert_int_equal(a, c);
    assert_int_equal(th_types_function(th_builder_types(b), NULL, 0, TH_TYPE_I64, &type), TH_OK);
    assert_int_equal(th_builder_import(b, th_view_of("x"), type, &a), TH_OK);
    assert_int_equal(th_builder_import(b, th_view_of("y"), type, &c), TH_OK);
    assert_int_equal(th_builder_import(b, th_view_of("x"), type, &d), TH_OK);
    assert_int_equal(a, d);
    assert_int_not_equal(a, c);
    th_builder_free(b);
}

/* A builder with one open function of type () -> i64. */
static th_builder *new_function(th_fn_builder **f) {
    th_builder *b;
    th_type_id type;
    uint32_t index;
    assert_int_equal(th_builder_new(&mem, th_view_of("t"), &b), TH_OK);
    assert_int_equal(th_types_function(th_builder_types(b), NULL, 0, TH_TYPE_I64, &type), TH_OK);
    assert_int_equal(th_builder_declare(b, th_view_of("f"), type, &index), TH_OK);
    assert_int_equal(th_builder_begin(b, index, NULL, 0, 0, f), TH_OK);
    return b;
}

/* The function ends with `status`, and the builder refuses everything from then on, with the same message. */
static void expect_poison(th_builder *b, th_fn_builder *f, th_status status, const char *message) {
    uint8_t *bytes;
    size_t len;
    uint32_t index;
    th_error err = {0};
    assert_int_equal(th_fn_end(f), status);
    assert_int_equal(th_builder_i64(b, 1, &index), status);
    assert_int_equal(th_builder_export(b, th_view_of("x"), 0), status);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), status);
    if (strstr(err.message, message) == NULL) fail_msg("another message: %s", err.message);
    th_builder_free(b);
}

static void what_does_not_fit_its_field_is_refused(void **state) {
    (void)state;
    th_fn_builder *f;
    th_builder *b = new_function(&f);
    th_fn_abc(f, TH_OP_ADD, 256, 0, 0);
    expect_poison(b, f, TH_E_LIMIT, "function \"f\", word 0: an operand does not fit its eight bits");
    b = new_function(&f);
    th_fn_abc(f, TH_OP_ADDI, 1, 1, (uint32_t)-129);
    expect_poison(b, f, TH_E_LIMIT, "an operand does not fit");
    b = new_function(&f);
    th_fn_ai(f, TH_OP_LDI, 1, 32768);
    expect_poison(b, f, TH_E_LIMIT, "an operand does not fit");
    b = new_function(&f);
    th_fn_ai(f, TH_OP_LDK, 1, 65536);
    expect_poison(b, f, TH_E_LIMIT, "an operand does not fit");
    b = new_function(&f);
    assert_false(th_fn_class(f, 256, TH_CLASS_I64));
    expect_poison(b, f, TH_E_LIMIT, "more than 256 registers");
    b = new_function(&f);
    for (uint32_t i = 0; i <= 1u << 20; i++) th_fn_abc(f, TH_OP_NOP, 0, 0, 0);
    expect_poison(b, f, TH_E_LIMIT, "too much code");
    b = new_function(&f);
    for (uint32_t i = 0; i <= 65536; i++) {
        uint8_t regs[3] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
        uint32_t set = th_fn_keep(f, regs, 3);
        if (i < 65536) assert_int_equal(set, i);
    }
    expect_poison(b, f, TH_E_LIMIT, "too many keep sets");
    b = new_function(&f);
    assert_int_equal(th_fn_keep(f, (uint8_t[]){1, 2}, 2), 0);
    assert_int_equal(th_fn_keep(f, NULL, 0), 1);
    assert_int_equal(th_fn_keep(f, (uint8_t[]){1, 2}, 2), 0);
    assert_int_equal(th_fn_keep(f, NULL, 0), 1);
    th_builder_free(b);
}

static void misuse_is_refused(void **state) {
    (void)state;
    th_fn_builder *f;
    th_builder *b = new_function(&f);
    th_fn_jump(f, th_fn_label(f));
    expect_poison(b, f, TH_E_ARGUMENT, "a label is used and never bound");
    b = new_function(&f);
    th_label l = th_fn_label(f);
    th_fn_bind(f, l);
    th_fn_bind(f, l);
    expect_poison(b, f, TH_E_ARGUMENT, "the label is bound twice");
    b = new_function(&f);
    th_fn_jump(f, (th_label){7});
    expect_poison(b, f, TH_E_ARGUMENT, "there is no such label");
    b = new_function(&f);
    th_fn_ai(f, TH_OP_ADD, 1, 1);
    expect_poison(b, f, TH_E_ARGUMENT, "another format");
    b = new_function(&f);
    th_fn_abc(f, TH_OP_LDKW, 1, 0, 0);
    expect_poison(b, f, TH_E_ARGUMENT, "another format");
    b = new_function(&f);
    th_fn_ai(f, TH_OP_SWITCH, 1, 0);
    expect_poison(b, f, TH_E_ARGUMENT, "another format");
    b = new_function(&f);
    th_label start = th_fn_label(f), end = th_fn_label(f);
    th_fn_bind(f, end);
    th_fn_abc(f, TH_OP_NOP, 0, 0, 0);
    th_fn_bind(f, start);
    th_fn_handler(f, start, end, start, 2, 0);
    expect_poison(b, f, TH_E_ARGUMENT, "a handler ends before it starts");
}

static void what_was_announced_must_come(void **state) {
    (void)state;
    th_fn_builder *f;
    uint8_t *bytes;
    size_t len;
    th_type_id id;
    th_error err;
    th_builder *b = new_function(&f);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), TH_E_ARGUMENT);
    assert_non_null(strstr(err.message, "function \"f\" is declared and has no finished body"));
    th_builder_free(b);
    assert_int_equal(th_builder_new(&mem, th_view_of("t"), &b), TH_OK);
    assert_int_equal(th_types_declare(th_builder_types(b), TH_KIND_STRUCT, th_view_of("S"), &id), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), TH_E_ARGUMENT);
    assert_non_null(strstr(err.message, "type \"S\" is declared and not defined"));
    th_builder_free(b);
    assert_int_equal(th_builder_new(&mem, th_view_of("t"), &b), TH_OK);
    assert_int_equal(th_builder_export(b, th_view_of("e"), 3), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), TH_E_ARGUMENT);
    th_builder_free(b);
    assert_int_equal(th_builder_new(&mem, th_view_of("t"), &b), TH_OK);
    assert_int_equal(th_builder_export(b, th_view_of("e"), 0), TH_OK);
    assert_int_equal(th_builder_export(b, th_view_of("e"), 0), TH_E_ARGUMENT);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), TH_E_ARGUMENT);
    assert_non_null(strstr(err.message, "\"e\" is exported twice"));
    th_builder_free(b);
}

static void handlers_over_nothing_are_left_out(void **state) {
    (void)state;
    th_fn_builder *f;
    th_builder *b = new_function(&f);
    uint8_t *bytes;
    size_t len;
    th_program *p;
    th_label here = th_fn_label(f);
    th_fn_bind(f, here);
    th_fn_handler(f, here, here, here, 2, 0);
    th_fn_abc(f, TH_OP_RET, 0, 0, 0);
    assert_int_equal(th_fn_end(f), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, NULL), TH_OK);
    assert_int_equal(th_program_load(&mem, bytes, len, &p, NULL), TH_OK);
    assert_int_equal(p->functions[0].nhandlers, 0);
    th_program_release(p);
    th_mem_free(&mem, bytes, len);
    th_builder_free(b);
}

/* Calls that take away one register after the other, in blocks that all reach each other. */
static void code_made_to_be_slow_is_refused_soon(void **state) {
    (void)state;
    enum { BLOCKS = 30000, REGISTERS = 250 };
    th_fn_builder *f;
    th_builder *b;
    th_type_id type, nothing, params[1] = {TH_TYPE_I64};
    uint32_t slow, callee, random = 1;
    uint8_t *bytes;
    size_t len;
    th_program *p;
    th_error err;
    assert_int_equal(th_builder_new(&mem, th_view_of("t"), &b), TH_OK);
    assert_int_equal(th_types_function(th_builder_types(b), params, 1, TH_TYPE_VOID, &type), TH_OK);
    assert_int_equal(th_types_function(th_builder_types(b), NULL, 0, TH_TYPE_VOID, &nothing), TH_OK);
    assert_int_equal(th_builder_declare(b, th_view_of("slow"), type, &slow), TH_OK);
    assert_int_equal(th_builder_declare(b, th_view_of("callee"), nothing, &callee), TH_OK);
    assert_int_equal(th_builder_begin(b, callee, NULL, 0, 0, &f), TH_OK);
    th_fn_abc(f, TH_OP_RETV, 0, 0, 0);
    assert_int_equal(th_fn_end(f), TH_OK);
    assert_int_equal(th_builder_begin(b, slow, NULL, 0, 0, &f), TH_OK);
    for (uint32_t r = 3; r < REGISTERS; r++) {
        assert_true(th_fn_class(f, r, TH_CLASS_I64));
        th_fn_ai(f, TH_OP_LDI, r, 1);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) assert_int_equal(th_fn_label(f).id, i);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        th_fn_bind(f, (th_label){i});
        if (i % 3 == 0) th_fn_ai(f, TH_OP_CALL, REGISTERS - 3 - i * (REGISTERS - 6) / BLOCKS, (int32_t)callee);
        random = random * 1664525 + 1013904223;
        th_fn_branch_i(f, TH_OP_JEQI, 2, 1, (th_label){(random >> 8) % BLOCKS});
    }
    th_fn_abc(f, TH_OP_RETV, 0, 0, 0);
    assert_int_equal(th_fn_end(f), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, NULL), TH_OK);
    assert_int_equal(th_program_load(&mem, bytes, len, &p, &err), TH_E_LIMIT);
    assert_string_equal(err.message, "function \"slow\": its control flow is too complex to verify");
    th_mem_free(&mem, bytes, len);
    th_builder_free(b);
}

static void type_variables_may_stay_in_the_table(void **state) {
    (void)state;
    th_fn_builder *f;
    th_builder *b = new_function(&f);
    uint8_t *bytes;
    size_t len;
    uint32_t index;
    th_program *p;
    th_type_id id;
    assert_int_equal(th_type_parse(th_builder_types(b), th_view_of("Function<List<T>, T>"), &id, NULL), TH_OK);
    th_fn_abc(f, TH_OP_RET, 0, 0, 0);
    assert_int_equal(th_fn_end(f), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, NULL), TH_OK);
    assert_int_equal(th_program_load(&mem, bytes, len, &p, NULL), TH_OK);
    assert_true(th_types_get(&p->types, id)->generic);
    th_program_release(p);
    th_mem_free(&mem, bytes, len);
    assert_int_equal(th_builder_import(b, th_view_of("i"), id, &index), TH_E_ARGUMENT); /* no value has it */
    th_builder_free(b);
}

static void other_files_are_told_from_programs(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t len;
    th_program *p = NULL;
    th_error err;
    assert_int_equal(build_sample(&mem, &bytes, &len), TH_OK);
    assert_int_equal(th_program_load(&mem, "", 0, &p, &err), TH_E_FORMAT);
    assert_string_equal(err.message, "this is no Theta program");
    assert_int_equal(th_program_load(&mem, "#!/bin/sh\n\n\n", 12, &p, &err), TH_E_FORMAT);
    for (size_t cut = 0; cut < len; cut += 7)
        assert_int_equal(th_program_load(&mem, bytes, cut, &p, &err), TH_E_FORMAT);
    assert_null(p);
    th_mem_free(&mem, bytes, len);
}

static void an_unknown_major_version_is_refused_a_newer_minor_loads(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t len;
    th_program *p;
    th_error err;
    assert_int_equal(build_sample(&mem, &bytes, &len), TH_OK);
    uint32_t root;
    int32_t back;
    uint16_t major, minor;
    memcpy(&root, bytes, 4);
    memcpy(&back, bytes + root, 4);
    const uint8_t *vtable = bytes + root - back;
    memcpy(&major, vtable + 4, 2); /* field 0 */
    memcpy(&minor, vtable + 6, 2); /* field 1 */
    assert_int_not_equal(major, 0);
    assert_int_not_equal(minor, 0);
    bytes[root + major] = 9;
    assert_int_equal(th_program_load(&mem, bytes, len, &p, &err), TH_E_VERSION);
    assert_string_equal(err.message, "the program has format version 9.1, this Theta reads 1.x");
    bytes[root + major] = 1;
    bytes[root + minor] = 77;
    assert_int_equal(th_program_load(&mem, bytes, len, &p, &err), TH_OK);
    th_program_release(p);
    th_mem_free(&mem, bytes, len);
}

/* Files that a Theta of format 1.0 wrote. */
static void programs_of_an_older_minor_version_load(void **state) {
    (void)state;
    static const char *const names[] = {"random3", "random17", "random29", "random58", "sample"};
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        char path[1000];
        static uint8_t bytes[8192];
        th_error err = {0};
        th_program *p;
        snprintf(path, sizeof path, "%s/../fuzz/corpus/program_load/%s.thb", TEST_DATA, names[i]);
        FILE *in = fopen(path, "rb");
        assert_non_null(in);
        size_t len = fread(bytes, 1, sizeof bytes, in);
        fclose(in);
        if (th_program_load(&mem, bytes, len, &p, &err) != TH_OK) fail_msg("%s: %s", names[i], err.message);
        assert_int_equal(p->nsites + p->nshapes, 0);
        assert_true(p->nfunctions > 0);
        assert_null(p->functions[0].note);
        th_program_release(p);
    }
}

/* Every byte set to a few other values: refused or loaded, and nothing else. What loads is printed as well. */
static void damaged_files_are_refused_or_load(void **state) {
    (void)state;
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    uint8_t *bytes;
    size_t len, loaded = 0, refused = 0;
    assert_int_equal(build_sample(&mem, &bytes, &len), TH_OK);
    size_t before = mem.used_bytes;
    for (size_t at = 0; at < len; at++) {
        uint8_t old = bytes[at];
        for (size_t v = 0; v < TH_COUNT(values) + 8; v++) {
            th_program *p = NULL;
            th_error err = {0};
            bytes[at] = v < TH_COUNT(values) ? values[v] : (uint8_t)(old ^ 1u << (v - TH_COUNT(values)));
            th_status status = th_program_load(&mem, bytes, len, &p, &err);
            if (status == TH_OK) {
                th_buf text;
                th_buf_init(&text, &mem);
                assert_int_equal(th_program_print(p, &text), TH_OK);
                th_buf_clear(&text);
                loaded++;
            } else {
                assert_true(err.message[0] != 0);
                assert_null(p);
                refused++;
            }
            th_program_release(p);
            assert_int_equal(mem.used_bytes, before);
        }
        bytes[at] = old;
    }
    assert_true(loaded > 100 && refused > 1000);
    th_mem_free(&mem, bytes, len);
}

static void every_allocation_may_fail_fault(void **state) {
    (void)state;
    th_status status = TH_E_NOMEM;
    for (size_t n = 1; status != TH_OK; n++) {
        faulty f = {.fail_at = n, .once = true};
        th_mem mem;
        uint8_t *bytes = NULL, *again = NULL;
        size_t len = 0, again_len = 0;
        th_program *p = NULL;
        th_buf text;
        th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
        th_buf_init(&text, &mem);
        status = build_sample(&mem, &bytes, &len);
        if (status == TH_OK) status = th_program_load(&mem, bytes, len, &p, NULL);
        if (status == TH_OK) status = th_program_print(p, &text);
        if (status == TH_OK)
            status =
                th_program_assemble(&mem, th_view_of("x"), (th_view){text.data, text.len}, &again, &again_len, NULL);
        if (status == TH_OK) {
            assert_int_equal(len, again_len);
            assert_memory_equal(bytes, again, len);
        }
        assert_true(status == TH_OK || status == TH_E_NOMEM);
        th_buf_clear(&text);
        th_program_release(p);
        th_mem_free(&mem, bytes, len);
        th_mem_free(&mem, again, again_len);
        assert_int_equal(mem.used_bytes, 0);
        assert_true(n < 5000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_mem, close_mem)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_built_is_what_is_loaded),
        TEST(equal_parts_are_kept_once),
        TEST(what_does_not_fit_its_field_is_refused),
        TEST(misuse_is_refused),
        TEST(what_was_announced_must_come),
        TEST(handlers_over_nothing_are_left_out),
        TEST(code_made_to_be_slow_is_refused_soon),
        TEST(type_variables_may_stay_in_the_table),
        TEST(other_files_are_told_from_programs),
        TEST(an_unknown_major_version_is_refused_a_newer_minor_loads),
        TEST(programs_of_an_older_minor_version_load),
        TEST(damaged_files_are_refused_or_load),
        TEST(every_allocation_may_fail_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
