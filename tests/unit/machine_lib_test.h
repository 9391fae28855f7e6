/*
** machine_lib_test.h - calling standard builtins on a real machine, as a table of cases: arguments are written as JSON,
** results are compared as the texts a program would print.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef MACHINE_LIB_TEST_H
#define MACHINE_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "machine/lib.h"

enum { ARGS_MAX = 6 };

/* What a test calls when a builtin asks for a closure to be run: the answer of the closure. */
typedef uint64_t (*closure_fn)(const uint64_t *args, size_t nargs);

typedef struct bench {
    th_mem mem;
    th_engine *engine;
    th_machine *machine;
    th_error error; /* of the last call */
    closure_fn closure;
} bench;

static bench b;

static inline th_view view(const char *text) { return th_view_of(text); }

static inline void bench_open(const th_limits *limits) {
    th_limits none = {.fuel = -1, .capabilities = TH_BUILTIN_FS | TH_BUILTIN_CLOCK};
    th_error err = {0};
    memset(&b, 0, sizeof b);
    th_mem_init(&b.mem, NULL, NULL, NULL, 0);
    assert_int_equal(th_engine_new(&b.mem, &b.engine), TH_OK);
    if (th_engine_add_standard(b.engine, &err) != TH_OK) fail_msg("%s", err.message);
    assert_int_equal(th_machine_new(b.engine, limits ? limits : &none, &b.machine), TH_OK);
    th_types *types = th_machine_types(b.machine);
    th_type_id i64 = TH_TYPE_I64, point, node, option, fields[2];
    th_view xy[] = {view("x"), view("y")}, members[] = {view("LOW"), view("HIGH")},
            links[] = {view("value"), view("next")};
    th_type_id xs[] = {i64, i64};
    assert_int_equal(th_types_add(types, TH_KIND_STRUCT, view("Point"), xs, 2, xy, 2, &point), TH_OK);
    assert_int_equal(th_types_add(types, TH_KIND_ENUM, view("Severity"), NULL, 0, members, 2, &point), TH_OK);
    assert_int_equal(th_types_add(types, TH_KIND_OPAQUE, view("Random"), NULL, 0, NULL, 0, &point), TH_OK);
    assert_int_equal(th_types_declare(types, TH_KIND_STRUCT, view("Node"), &node), TH_OK);
    assert_int_equal(th_types_option(types, node, &option), TH_OK);
    fields[0] = i64;
    fields[1] = option;
    assert_int_equal(th_types_define(types, node, fields, 2, links, 2), TH_OK);
}

/* Every byte is given back. */
static inline void bench_close(void) {
    th_machine_free(b.machine);
    th_engine_free(b.engine);
    assert_int_equal((size_t)b.mem.used_bytes, 0);
}

static inline int setup(void **state) {
    (void)state;
    bench_open(NULL);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    bench_close();
    return 0;
}

static th_type_id type_named(const char *text) {
    th_type_id type;
    th_error err = {0};
    if (th_type_parse(th_machine_types(b.machine), view(text), &type, &err) != TH_OK)
        fail_msg("%s: %s", text, err.message);
    return type;
}

/* Enters the builtin until it is done, answering its calls. */
static th_step drive(const th_builtin *builtin, th_type_id type, void *user, uint64_t *args, uint64_t *result) {
    uint64_t slots[32] = {0};
    th_call call = {.args = args, .result = result, .slots = slots, .type = type, .user = user};
    assert_true(builtin->nslots <= 32);
    for (;;) {
        th_step step = builtin->fn(b.machine, &call);
        if (b.machine->trapped) step = TH_STEP_ERROR;
        if (step == TH_STEP_CALL)
            call.callback = b.closure(b.machine->call_args, b.machine->call_nargs);
        else if (step != TH_STEP_AGAIN)
            return step;
    }
}

/* Calls a builtin of this function type. TH_OK, or the code of the trap, whose message is in b.error. */
static th_status invoke_typed(const char *name, th_type_id type, uint64_t *args, uint64_t *result) {
    void *user = NULL;
    const th_builtin *builtin = th_engine_match(b.engine, view(name), th_machine_types(b.machine), type, &user);
    if (!builtin) fail_msg("no builtin %s of that type", name);
    th_step step = drive(builtin, type, user, args, result);
    if (step == TH_STEP_DONE) return TH_OK;
    assert_int_equal(step, TH_STEP_ERROR);
    assert_true(th_machine_take_trap(b.machine, &b.error));
    return b.error.code;
}

static inline th_status invoke(const char *name, const char *type, uint64_t *args, uint64_t *result) {
    return invoke_typed(name, type_named(type), args, result);
}

static inline uint64_t string_word(const char *text) {
    th_str *s = th_new_str_of(b.machine, text, strlen(text));
    assert_non_null(s);
    return th_ptr_word(s);
}

/* The value of a type that a JSON text stands for. */
static inline uint64_t value_of(th_type_id type, const char *json) {
    th_type_id params[] = {TH_TYPE_STRING}, function;
    uint64_t args[] = {string_word(json)}, word = 0;
    assert_int_equal(th_types_function(th_machine_types(b.machine), params, 1, type, &function), TH_OK);
    if (invoke_typed("Json.decode", function, args, &word) != TH_OK) fail_msg("%s: %s", json, b.error.message);
    return word;
}
static inline uint64_t value(const char *type, const char *json) { return value_of(type_named(type), json); }

/* The text of a value, as in a program; to be freed by nobody: it is overwritten by the next one. */
static inline const char *shown(th_type_id type, uint64_t word) {
    static char text[1 << 16];
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(b.machine));
    assert_int_equal(th_value_print(b.machine, type, word, TH_PRINT_QUOTED, &buf), TH_OK);
    snprintf(text, sizeof text, "%s", buf.data ? buf.data : "");
    th_buf_clear(&buf);
    return text;
}

/* A case: a builtin, its type, the arguments as JSON, and the result's text; or "!" and a piece of the error's message.
** A result "@" means: the first argument as it is afterwards, behind the '@'. */
typedef struct lib_case {
    const char *name, *type, *args[ARGS_MAX], *want;
} lib_case;

static inline void check_case(const lib_case *c) {
    th_type_id type = type_named(c->type);
    const th_types *types = th_machine_types(b.machine);
    uint64_t args[ARGS_MAX] = {0}, result = 0;
    size_t nargs = th_types_nparams(types, type);
    assert_true(nargs <= ARGS_MAX);
    for (size_t i = 0; i < nargs; i++)
        if (c->args[i]) args[i] = value_of(th_types_param(types, type, i), c->args[i]);
    th_status status = invoke_typed(c->name, type, args, &result);
    const char *got = status != TH_OK     ? b.error.message
                      : c->want[0] == '@' ? shown(th_types_param(types, type, 0), args[0])
                                          : shown(th_types_result(types, type), result);
    bool good = c->want[0] == '!'   ? status != TH_OK && strstr(got, c->want + 1) != NULL
                : c->want[0] == '@' ? status == TH_OK && strcmp(got, c->want + 1) == 0
                                    : status == TH_OK && strcmp(got, c->want) == 0;
    if (!good)
        fail_msg("%s(%s, %s, %s): wanted %s, got %s%s", c->name, c->args[0] ? c->args[0] : "",
                 c->args[1] ? c->args[1] : "", c->args[2] ? c->args[2] : "", c->want, status != TH_OK ? "!" : "", got);
}

#define CHECK_CASES(cases)                                                                                             \
    for (size_t case_number = 0; case_number < TH_COUNT(cases); case_number++) check_case(&(cases)[case_number])

#endif
