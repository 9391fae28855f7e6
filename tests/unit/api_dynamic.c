/*
** api_dynamic.c - Nix and its values through theta.h: evaluating, walking lazily, making values, host functions as builtins,
** limits, tables; and every one of these when memory is refused.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/faulty.h"
#include "theta.h"

typedef struct fixture {
    theta_engine *engine;
    theta_machine *machine;
    theta_error err;
    char messages[256];
} fixture;

static void message(void *user, const char *text, size_t len) {
    fixture *f = user;
    snprintf(f->messages + strlen(f->messages), sizeof f->messages - strlen(f->messages), "%.*s|", (int)len, text);
}

static const char *variable(void *user, const char *name) {
    (void)user;
    return strcmp(name, "WHO") == 0 ? "me" : NULL;
}

static void open_machine(fixture *f, const theta_machine_config *config) {
    theta_nix_config nix;
    theta_nix_config_init(&nix);
    nix.user = f;
    nix.message = message;
    nix.get_env = variable;
    nix.system = "z80-none";
    nix.current_time = 77;
    assert_int_equal(theta_machine_new(f->engine, config, &f->machine, &f->err), THETA_OK);
    assert_int_equal(theta_machine_nix(f->machine, &nix, &f->err), THETA_OK);
}

static void begin(fixture *f) {
    *f = (fixture){.engine = NULL};
    assert_int_equal(theta_engine_new(NULL, &f->engine, &f->err), THETA_OK);
    open_machine(f, NULL);
}

static void end(fixture *f) {
    theta_machine_free(f->machine);
    theta_engine_free(f->engine);
}

static theta_value load(fixture *f, const char *text) {
    theta_value v;
    theta_status status = theta_nix_load(f->machine, "test", text, strlen(text), NULL, &v, &f->err);
    if (status != THETA_OK) print_error("%s\n", f->err.message);
    assert_int_equal(status, THETA_OK);
    return v;
}

static theta_value value_of(fixture *f, const char *text) {
    theta_value v;
    theta_status status = theta_value_force(f->machine, load(f, text), &v, &f->err);
    if (status != THETA_OK) print_error("%s\n", f->err.message);
    assert_int_equal(status, THETA_OK);
    return v;
}

static void assert_text(fixture *f, theta_value v, uint32_t flags, const char *expected) {
    theta_text text;
    theta_status status = theta_value_text(f->machine, v, flags, &text, &f->err);
    if (status != THETA_OK) print_error("%s\n", f->err.message);
    assert_int_equal(status, THETA_OK);
    assert_string_equal(text.data, expected);
    theta_text_free(&text);
}

static theta_status failure(fixture *f, const char *text) {
    theta_value v;
    return theta_value_force(f->machine, load(f, text), &v, &f->err);
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

static void nix_scalars_are_read(void **state) {
    (void)state;
    fixture f;
    int64_t i;
    double x;
    bool b;
    const char *data;
    size_t len;
    begin(&f);
    assert_int_equal(theta_value_int(f.machine, value_of(&f, "6 * 7"), &i), THETA_OK);
    assert_int_equal(i, 42);
    assert_int_equal(theta_value_int(f.machine, value_of(&f, "9223372036854775807"), &i), THETA_OK);
    assert_true(i == INT64_MAX);
    assert_int_equal(theta_value_float(f.machine, value_of(&f, "1.5 + 1"), &x), THETA_OK);
    assert_true(x == 2.5);
    assert_int_equal(theta_value_bool(f.machine, value_of(&f, "1 == 1"), &b), THETA_OK);
    assert_true(b);
    assert_int_equal(theta_value_string(f.machine, value_of(&f, "\"a\" + \"bc\""), &data, &len), THETA_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(theta_value_kind(f.machine, value_of(&f, "null")), THETA_NULL);
    assert_int_equal(theta_value_kind(f.machine, value_of(&f, "/a/b")), THETA_PATH);
    assert_int_equal(theta_value_kind(f.machine, value_of(&f, "x: x")), THETA_FUNCTION);
    assert_int_equal(theta_value_int(f.machine, value_of(&f, "\"no\""), &i), THETA_E_TYPE);
    end(&f);
}

static void results_are_walked_lazily(void **state) {
    (void)state;
    fixture f;
    theta_value list, set, item;
    size_t len;
    const char *name;
    begin(&f);
    assert_int_equal(
        theta_value_keep(f.machine, value_of(&f, "[ (throw \"one\") { b = 1 + 1; a = throw \"x\"; } ]"), &list),
        THETA_OK);
    assert_int_equal(theta_value_len(f.machine, list, &len), THETA_OK);
    assert_int_equal(len, 2);
    assert_int_equal(theta_value_at(f.machine, list, 0, &item), THETA_OK);
    assert_int_equal(theta_value_kind(f.machine, item), THETA_THUNK);
    assert_int_equal(theta_value_force(f.machine, item, &item, &f.err), THETA_E_THROW);
    assert_string_equal(f.err.message, "one");
    assert_int_equal(theta_value_at(f.machine, list, 1, &set), THETA_OK);
    assert_int_equal(theta_value_force(f.machine, set, &set, &f.err), THETA_OK);
    assert_int_equal(theta_value_kind(f.machine, set), THETA_SET);
    assert_int_equal(theta_value_name(f.machine, set, 0, &name, &len), THETA_OK);
    assert_string_equal(name, "a");
    assert_int_equal(theta_value_name(f.machine, set, 1, &name, &len), THETA_OK);
    assert_string_equal(name, "b");
    assert_int_equal(theta_value_name(f.machine, set, 2, &name, &len), THETA_E_INDEX);
    assert_int_equal(theta_value_field(f.machine, set, "b", &item), THETA_OK);
    assert_int_equal(theta_value_force(f.machine, item, &item, &f.err), THETA_OK);
    assert_text(&f, item, THETA_TEXT_QUOTED, "2");
    assert_int_equal(theta_value_at(f.machine, list, 2, &item), THETA_E_INDEX);
    assert_int_equal(theta_value_field(f.machine, list, "b", &item), THETA_E_TYPE);
    theta_value_drop(f.machine, &list);
    end(&f);
}

static void values_are_printed_in_each_form(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    assert_text(&f, load(&f, "{ b = 1 + 1; a = [ \"x\" null ]; }"), THETA_TEXT_QUOTED,
                "{ a = [ \"x\" null ]; b = 2; }");
    assert_text(&f, value_of(&f, "{ b = 1 + 1; }"), THETA_TEXT_QUOTED | THETA_TEXT_LAZY, "{ b = <CODE>; }");
    assert_text(&f, load(&f, "{ b = 1 + 1; a = [ \"x\" null ]; }"), THETA_TEXT_JSON, "{\"a\":[\"x\",null],\"b\":2}");
    assert_text(&f, value_of(&f, "\"plain\""), THETA_TEXT_PLAIN, "plain");
    assert_text(&f, value_of(&f, "\"plain\""), THETA_TEXT_QUOTED, "\"plain\"");
    theta_text xml;
    assert_int_equal(theta_value_text(f.machine, load(&f, "[ 1 ]"), THETA_TEXT_XML, &xml, &f.err), THETA_OK);
    assert_non_null(strstr(xml.data, "<int value=\"1\" />"));
    theta_text_free(&xml);
    assert_int_equal(theta_value_text(f.machine, load(&f, "{ a = throw \"deep\"; }"), THETA_TEXT_QUOTED, &xml, &f.err),
                     THETA_E_THROW);
    end(&f);
}

/* ---- Making ------------------------------------------------------------------------------------------------- */

static void values_are_made_and_given_to_functions(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    const char *names[] = {"n", "list", "text"};
    theta_value values[3], items[3] = {theta_null(), theta_float(0.5), theta_bool(true)}, set, fn, result, kept;
    assert_int_equal(theta_value_keep(f.machine, value_of(&f, "s: s // { twice = s.n * 2; }"), &fn), THETA_OK);
    values[0] = theta_int(INT64_MIN);
    assert_int_equal(theta_list(f.machine, items, 3, &values[1], &f.err), THETA_OK);
    assert_int_equal(theta_bytes(f.machine, "a\xff", 2, &values[2]), THETA_OK);
    values[0] = theta_int(21);
    assert_int_equal(theta_set(f.machine, names, values, 3, &set, &f.err), THETA_OK);
    assert_int_equal(theta_call_value(f.machine, fn, &set, 1, &result, &f.err), THETA_OK);
    assert_int_equal(theta_value_keep(f.machine, result, &kept), THETA_OK);
    assert_text(&f, kept, THETA_TEXT_QUOTED, "{ list = [ null 0.5 true ]; n = 21; text = \"a\xff\"; twice = 42; }");
    names[1] = "n";
    assert_int_equal(theta_set(f.machine, names, (theta_value[]){theta_int(1), theta_int(2)}, 2, &set, &f.err),
                     THETA_E_ARGUMENT);
    assert_string_equal(f.err.message, "the name 'n' is given twice");
    assert_int_equal(theta_path(f.machine, "relative", 8, &set), THETA_E_ARGUMENT);
    assert_int_equal(theta_path(f.machine, "/a/../b", 7, &set), THETA_OK);
    assert_text(&f, set, THETA_TEXT_QUOTED, "/b");
    end(&f);
}

static void typed_values_become_dynamic_ones(void **state) {
    (void)state;
    static const char source[] = "capsule C {\n    struct Point { x<i64> names<List<String>> }\n    i64 id(i64 n) { "
                                 "return n }\n    i64 x_of(Point p) { return p.x }\n}\n";
    fixture f;
    theta_program *program;
    theta_value p, fn, result;
    begin(&f);
    assert_int_equal(theta_compile(f.engine, "c.theta", source, strlen(source), NULL, &program, NULL, &f.err),
                     THETA_OK);
    assert_int_equal(theta_machine_add(f.machine, program, &f.err), THETA_OK);
    assert_int_equal(theta_value_keep(f.machine, value_of(&f, "p: p.x + builtins.length p.names"), &fn), THETA_OK);
    const char json[] = "{\"x\": 40, \"names\": [\"a\", \"b\"]}";
    theta_status made = theta_from_json(f.machine, "Point", json, strlen(json), &p, &f.err);
    if (made != THETA_OK) print_error("%s\n", f.err.message);
    assert_int_equal(made, THETA_OK);
    assert_int_equal(theta_call_value(f.machine, fn, &p, 1, &result, &f.err), THETA_OK);
    assert_text(&f, result, THETA_TEXT_QUOTED, "42");
    result = value_of(&f, "6 * 7");
    assert_int_equal(theta_call(f.machine, "C.id", &result, 1, &result, &f.err), THETA_OK);
    assert_text(&f, result, THETA_TEXT_PLAIN, "42");
    result = value_of(&f, "\"seven\"");
    assert_int_equal(theta_call(f.machine, "C.id", &result, 1, &result, &f.err), THETA_E_ARGUMENT);
    assert_string_equal(f.err.message, "argument 1: wanted i64, given a string");
    theta_program_release(program);
    end(&f);
}

/* ---- The language ------------------------------------------------------------------------------------------- */

static void compiled_expressions_run_as_programs(void **state) {
    (void)state;
    static const char source[] = "{ n = builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 101); }";
    fixture f;
    theta_program *program, *again;
    theta_value v;
    size_t len;
    begin(&f);
    assert_int_equal(theta_compile(f.engine, "/dir/sum.nix", source, strlen(source), NULL, &program, NULL, &f.err),
                     THETA_OK);
    const void *bytes = theta_program_bytes(program, &len);
    assert_int_equal(theta_program_load(f.engine, bytes, len, &again, &f.err), THETA_OK);
    theta_machine *plain;
    assert_int_equal(theta_machine_new(f.engine, NULL, &plain, &f.err), THETA_OK);
    assert_int_equal(theta_machine_add(plain, again, &f.err), THETA_OK);
    assert_int_equal(theta_call(plain, "main", NULL, 0, &v, &f.err), THETA_OK);
    theta_text text;
    assert_int_equal(theta_value_text(plain, v, THETA_TEXT_JSON, &text, &f.err), THETA_OK);
    assert_string_equal(text.data, "{\"n\":5050}");
    theta_text_free(&text);
    assert_int_equal(theta_machine_reset(plain), THETA_OK);
    assert_int_equal(theta_call(plain, "main", NULL, 0, &v, &f.err), THETA_OK);
    assert_int_equal(theta_value_text(plain, v, THETA_TEXT_QUOTED, &text, &f.err), THETA_OK);
    assert_string_equal(text.data, "{ n = 5050; }");
    theta_text_free(&text);
    theta_machine_free(plain);
    theta_program_release(again);
    theta_program_release(program);
    end(&f);
}

static void errors_have_their_place(void **state) {
    (void)state;
    fixture f;
    theta_value v;
    theta_program *program;
    theta_text rendered;
    begin(&f);
    assert_int_equal(theta_nix_load(f.machine, "test", "1 +\n  )", 7, NULL, &v, &f.err), THETA_E_SYNTAX);
    assert_int_equal(f.err.line, 2);
    assert_int_equal(f.err.column, 3);
    assert_int_equal(theta_compile(f.engine, "/a/b.nix", "x", 1, NULL, &program, &rendered, &f.err), THETA_E_REFERENCE);
    assert_string_equal(f.err.file, "/a/b.nix");
    assert_non_null(strstr(rendered.data, "undefined variable 'x'"));
    theta_text_free(&rendered);
    assert_int_equal(failure(&f, "let\n  f = x: x.a;\nin f { b = 1; }"), THETA_E_REFERENCE);
    assert_int_equal(f.err.line, 2);
    assert_int_equal(failure(&f, "let x = x; in x"), THETA_E_RECURSION);
    assert_int_equal(failure(&f, "abort \"no\""), THETA_E_ABORT);
    assert_int_equal(failure(&f, "assert false; 1"), THETA_E_ASSERT);
    end(&f);
}

static void settings_hold(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    assert_text(
        &f,
        load(&f, "[ builtins.currentSystem builtins.currentTime (builtins.getEnv \"WHO\") (builtins.getEnv \"X\") ]"),
        THETA_TEXT_QUOTED, "[ \"z80-none\" 77 \"me\" \"\" ]");
    assert_text(&f, load(&f, "builtins.trace \"t\" (builtins.trace [ 1 ] 2)"), THETA_TEXT_QUOTED, "2");
    assert_string_equal(f.messages, "trace: t|trace: [ 1 ]|");
    assert_int_equal(failure(&f, "builtins.readFile \"/etc/passwd\""), THETA_E_DENIED);
    theta_nix_config pure;
    theta_nix_config_init(&pure);
    pure.pure = true;
    assert_int_equal(theta_machine_nix(f.machine, &pure, &f.err), THETA_OK);
    assert_int_equal(failure(&f, "builtins.currentTime"), THETA_E_REFERENCE);
    assert_int_equal(theta_machine_reset(f.machine), THETA_OK);
    assert_text(&f, load(&f, "builtins.nixPath"), THETA_TEXT_QUOTED, "[ ]");
    end(&f);
}

static void scope_is_what_the_host_gives(void **state) {
    (void)state;
    fixture f;
    theta_value scope, v;
    const char *names[] = {"rate"};
    theta_value rate = theta_int(7);
    begin(&f);
    assert_int_equal(theta_set(f.machine, names, &rate, 1, &scope, &f.err), THETA_OK);
    assert_int_equal(theta_nix_load(f.machine, "rule", "rate * 6", 8, &scope, &v, &f.err), THETA_OK);
    assert_text(&f, v, THETA_TEXT_QUOTED, "42");
    end(&f);
}

static void functions_beside_builtins_work(void **state) {
    (void)state;
    fixture f;
    theta_value args[3], v;
    begin(&f);
    assert_int_equal(theta_value_keep(f.machine, value_of(&f, "{ x, y ? 2 }: { sum = [ (x + y) ]; }"), &args[0]),
                     THETA_OK);
    assert_int_equal(theta_value_keep(f.machine, value_of(&f, "{ }"), &args[1]), THETA_OK);
    assert_false(theta_nix_callable(f.machine, args[0], args[1]));
    assert_int_equal(theta_nix(f.machine, THETA_NIX_AUTO_CALL, args, 2, &v, &f.err), THETA_E_TYPE);
    assert_int_equal(theta_value_keep(f.machine, value_of(&f, "{ x = 40; z = 1; }"), &args[1]), THETA_OK);
    assert_true(theta_nix_callable(f.machine, args[0], args[1]));
    assert_int_equal(theta_nix(f.machine, THETA_NIX_AUTO_CALL, args, 2, &v, &f.err), THETA_OK);
    assert_text(&f, v, THETA_TEXT_QUOTED, "{ sum = [ 42 ]; }");
    theta_value path[3] = {args[0], theta_null(), args[1]};
    assert_int_equal(theta_bytes(f.machine, "sum.0", 5, &path[1]), THETA_OK);
    assert_int_equal(theta_nix(f.machine, THETA_NIX_SELECT, path, 3, &v, &f.err), THETA_OK);
    assert_text(&f, v, THETA_TEXT_QUOTED, "42");
    theta_value pair[2] = {theta_int(1), theta_float(1.0)};
    bool equal;
    assert_int_equal(theta_nix(f.machine, THETA_NIX_EQUAL, pair, 2, &v, &f.err), THETA_OK);
    assert_int_equal(theta_value_bool(f.machine, v, &equal), THETA_OK);
    assert_true(equal);
    assert_int_equal(theta_nix(f.machine, THETA_NIX_DEEP, pair, 2, &v, &f.err), THETA_E_ARGUMENT);
    theta_text tree;
    assert_int_equal(theta_nix_parse(f.engine, "t", "1+2 *x", 6, &tree, &f.err), THETA_E_REFERENCE);
    assert_int_equal(theta_nix_parse(f.engine, "t", "x: 1+2", 6, &tree, &f.err), THETA_OK);
    assert_string_equal(tree.data, "(x: (1 + 2))");
    theta_text_free(&tree);
    end(&f);
}

/* ---- Limits ------------------------------------------------------------------------------------------------- */

static void limits_hold_inside(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    theta_machine_config config;
    theta_machine_config_init(&config);
    config.fuel = 100000;
    theta_machine_free(f.machine);
    open_machine(&f, &config);
    assert_int_equal(failure(&f, "let f = n: f (n + 1); in f 0"), THETA_E_FUEL);
    theta_machine_add_fuel(f.machine, 100000);
    assert_text(&f, load(&f, "1 + 1"), THETA_TEXT_QUOTED, "2");
    assert_int_equal(failure(&f, "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 10000000)"), THETA_E_FUEL);
    config.fuel = -1;
    config.memory_bytes = 16 << 20;
    theta_machine_free(f.machine);
    open_machine(&f, &config);
    theta_status status = failure(&f, "let f = n: n + f (n + 1); in f 0");
    assert_true(status == THETA_E_MEMORY_LIMIT || status == THETA_E_NOMEM);
    assert_text(&f, load(&f, "builtins.length (builtins.genList (x: x) 1000)"), THETA_TEXT_QUOTED, "1000");
    end(&f);
}

static void evaluation_is_suspended_and_goes_on(void **state) {
    (void)state;
    fixture f;
    theta_value v;
    int64_t sum;
    begin(&f);
    theta_machine_config config;
    theta_machine_config_init(&config);
    config.fuel = 5000;
    config.resumable = true;
    theta_machine_free(f.machine);
    open_machine(&f, &config);
    v = load(&f, "let sum = n: if n == 0 then 0 else n + sum (n - 1); in sum 20000");
    theta_status status = theta_value_force(f.machine, v, &v, &f.err);
    int times = 0;
    while (status == THETA_E_SUSPENDED && times++ < 10000) {
        assert_int_equal(theta_suspended_for(f.machine), THETA_E_FUEL);
        theta_machine_add_fuel(f.machine, 5000);
        (void)theta_run(f.machine);
        status = theta_result(f.machine, &v, &f.err);
    }
    assert_int_equal(status, THETA_OK);
    assert_true(times > 10);
    assert_int_equal(theta_value_int(f.machine, v, &sum), THETA_OK);
    assert_int_equal(sum, 200010000);
    end(&f);
}

static void cancelled_evaluation_can_be_repeated(void **state) {
    (void)state;
    fixture f;
    theta_value v, kept;
    begin(&f);
    assert_int_equal(theta_value_keep(f.machine, load(&f, "builtins.length (builtins.genList (x: x) 100)"), &kept),
                     THETA_OK);
    theta_machine_cancel(f.machine);
    assert_int_equal(theta_value_force(f.machine, kept, &v, &f.err), THETA_E_CANCELLED);
    theta_machine_clear_cancel(f.machine);
    assert_int_equal(theta_value_force(f.machine, kept, &v, &f.err), THETA_OK);
    assert_text(&f, v, THETA_TEXT_QUOTED, "100");
    end(&f);
}

/* ---- Host functions ----------------------------------------------------------------------------------------- */

static theta_step give(theta_call_frame *frame, theta_value v) {
    if (theta_frame_return(frame, v) == THETA_OK) return THETA_STEP_DONE;
    return theta_frame_fail(frame, THETA_E_HOST, "no value");
}

static theta_step lookup(theta_machine *m, theta_call_frame *frame, void *user) {
    const char *key;
    size_t len;
    int *calls = user;
    if (theta_value_string(m, theta_frame_arg(frame, 0), &key, &len) != THETA_OK)
        return theta_frame_fail(frame, THETA_E_HOST, "no string");
    ++*calls;
    if (strcmp(key, "answer") == 0) return give(frame, theta_int(42));
    if (strcmp(key, "fail") == 0) return theta_frame_fail(frame, THETA_E_HOST, "the host says no");
    if (strcmp(key, "later") == 0) return THETA_STEP_SUSPEND;
    return give(frame, theta_frame_arg(frame, 1));
}

/* Sums a list, all of which it has evaluated first. */
static theta_step total(theta_machine *m, theta_call_frame *frame, void *user) {
    (void)user;
    if (theta_frame_state(frame) == 0) return theta_frame_force(frame, theta_frame_arg(frame, 0), true, 1);
    theta_value list = theta_frame_forced(frame), item;
    size_t n;
    int64_t sum = 0, one;
    if (theta_value_len(m, list, &n) != THETA_OK) return theta_frame_fail(frame, THETA_E_TYPE, "total wants a list");
    for (size_t i = 0; i < n; i++) {
        if (theta_value_at(m, list, i, &item) != THETA_OK || theta_value_int(m, item, &one) != THETA_OK)
            return theta_frame_fail(frame, THETA_E_TYPE, "total wants integers");
        sum += one;
    }
    return give(frame, theta_int(sum));
}

static void with_host(fixture *f, int *calls) {
    *f = (fixture){.engine = NULL};
    assert_int_equal(theta_engine_new(NULL, &f->engine, &f->err), THETA_OK);
    theta_host_function a = {.size = sizeof a,
                             .name = "lookup",
                             .signature = "key: value, default: value -> value",
                             .call = lookup,
                             .user = calls,
                             .may_suspend = true,
                             .strict = "s."};
    theta_host_function b = {.size = sizeof b, .name = "total", .signature = "list: value -> value", .call = total};
    assert_int_equal(theta_engine_register(f->engine, &a, &f->err), THETA_OK);
    assert_int_equal(theta_engine_register(f->engine, &b, &f->err), THETA_OK);
    open_machine(f, NULL);
}

static void host_functions_are_builtins(void **state) {
    (void)state;
    fixture f;
    int calls = 0;
    with_host(&f, &calls);
    assert_text(&f, load(&f, "builtins.lookup \"answer\" (throw \"not wanted\")"), THETA_TEXT_QUOTED, "42");
    assert_text(&f, load(&f, "map (builtins.lookup \"other\") [ 1 (1 + 1) ]"), THETA_TEXT_QUOTED, "[ 1 2 ]");
    assert_int_equal(calls, 3);
    assert_int_equal(failure(&f, "builtins.lookup 5 null"), THETA_E_TYPE);
    assert_int_equal(calls, 3);
    assert_int_equal(failure(&f, "builtins.lookup \"fail\" null"), THETA_E_HOST);
    assert_string_equal(f.err.message, "the host says no");
    assert_int_equal(f.err.line, 1);
    assert_text(&f, load(&f, "builtins ? total && builtins.total [ 1 (2 * 3) (builtins.total [ 4 ]) ] == 11"),
                THETA_TEXT_QUOTED, "true");
    assert_int_equal(failure(&f, "builtins.total [ \"a\" ]"), THETA_E_TYPE);
    end(&f);
}

static void suspended_host_call_is_answered(void **state) {
    (void)state;
    fixture f;
    int calls = 0;
    theta_value v, arg;
    size_t nargs;
    with_host(&f, &calls);
    assert_int_equal(theta_start_force(f.machine, load(&f, "1 + builtins.lookup \"later\" 0"), &f.err), THETA_OK);
    assert_int_equal(theta_run(f.machine), THETA_SUSPENDED);
    assert_string_equal(theta_waiting(f.machine, &nargs), "lookup");
    assert_int_equal(nargs, 2);
    assert_int_equal(theta_waiting_arg(f.machine, 0, &arg), THETA_OK);
    assert_int_equal(theta_value_kind(f.machine, arg), THETA_STRING);
    assert_int_equal(theta_resume(f.machine, theta_int(41), &f.err), THETA_OK);
    assert_int_equal(theta_run(f.machine), THETA_DONE);
    assert_int_equal(theta_result(f.machine, &v, &f.err), THETA_OK);
    assert_text(&f, v, THETA_TEXT_QUOTED, "42");
    assert_int_equal(theta_start_force(f.machine, load(&f, "builtins.lookup \"later\" 0"), &f.err), THETA_OK);
    assert_int_equal(theta_run(f.machine), THETA_SUSPENDED);
    assert_int_equal(theta_resume_error(f.machine, THETA_E_IO, "the line is dead"), THETA_OK);
    assert_int_equal(theta_run(f.machine), THETA_FAILED);
    assert_int_equal(theta_result(f.machine, &v, &f.err), THETA_E_IO);
    end(&f);
}

/* ---- Tables ------------------------------------------------------------------------------------------------- */

static theta_status collect(void *user, const char *bytes, size_t len) {
    char *text = user;
    snprintf(text + strlen(text), 512 - strlen(text), "%.*s", (int)len, bytes);
    return THETA_OK;
}

static void list_of_sets_is_a_table_and_back(void **state) {
    (void)state;
    fixture f;
    theta_value table, list;
    char csv[512] = "";
    begin(&f);
    assert_int_equal(
        theta_table_of_value(f.machine,
                             load(&f, "[ { n = 1; s = \"a\" + \"b\"; } { n = 2.5; b = true; } { s = null; p = /x; } ]"),
                             &table, &f.err),
        THETA_OK);
    assert_int_equal(theta_value_keep(f.machine, table, &table), THETA_OK);
    assert_int_equal(theta_table_write(f.machine, table, "csv", 0, 0, collect, csv, &f.err), THETA_OK);
    assert_string_equal(csv, "b,n,p,s\n,1.0,,ab\ntrue,2.5,,\n,,/x,\n");
    assert_int_equal(theta_value_of_table(f.machine, table, &list, &f.err), THETA_OK);
    assert_text(&f, list, THETA_TEXT_QUOTED,
                "[ { b = null; n = 1; p = null; s = \"ab\"; } { b = true; n = 2.5; p = null; s = null; } "
                "{ b = null; n = null; p = \"/x\"; s = null; } ]");
    theta_value_drop(f.machine, &table);
    end(&f);
}

static void table_errors_tell_the_row(void **state) {
    (void)state;
    fixture f;
    theta_value table;
    begin(&f);
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "[ { a = 1; } { a = \"x\"; } ]"), &table, &f.err),
                     THETA_E_TYPE);
    assert_string_equal(f.err.message, "row 2: 'a' is a string, but i64 in the rows above");
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "[ { a = [ 1 ]; } ]"), &table, &f.err), THETA_E_TYPE);
    assert_string_equal(f.err.message, "row 1: 'a' is a list: a column holds numbers, booleans, strings or nulls");
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "[ { } 3 ]"), &table, &f.err), THETA_E_TYPE);
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "[ ]"), &table, &f.err), THETA_E_TYPE);
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "[ { a = throw \"cell\"; } ]"), &table, &f.err),
                     THETA_E_THROW);
    assert_int_equal(theta_table_of_value(f.machine, load(&f, "5"), &table, &f.err), THETA_E_TYPE);
    end(&f);
}

static void large_tables_survive_collections(void **state) {
    (void)state;
    fixture f;
    theta_value table, list, fn, sum;
    begin(&f);
    assert_int_equal(theta_table_of_value(
                         f.machine, load(&f, "builtins.genList (i: { inherit i; name = \"n${toString i}\"; }) 70000"),
                         &table, &f.err),
                     THETA_OK);
    assert_int_equal(theta_value_of_table(f.machine, table, &list, &f.err), THETA_OK);
    assert_int_equal(theta_value_keep(f.machine, list, &list), THETA_OK);
    assert_int_equal(theta_value_force(f.machine,
                                       load(&f, "l: [ (builtins.length l) (builtins.foldl' (a: r: a + r.i) 0 l) "
                                                "(builtins.elemAt l 69999).name ]"),
                                       &fn, &f.err),
                     THETA_OK);
    assert_int_equal(theta_call_value(f.machine, fn, &list, 1, &sum, &f.err), THETA_OK);
    assert_text(&f, sum, THETA_TEXT_QUOTED, "[ 70000 2449965000 \"n69999\" ]");
    end(&f);
}

/* ---- Without memory ----------------------------------------------------------------------------------------- */

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        theta_status status_ = (call);                                                                                 \
        if (status_ != THETA_OK) return status_;                                                                       \
    } while (0)

typedef struct session {
    theta_engine *engine;
    theta_machine *machine;
    theta_program *program;
} session;

static theta_status use(session *s, faulty *allocator, theta_error *err) {
    static const char source[] = "f: map (x: { a = f x; b = \"${toString x}!\"; }) [ 1 2 3 ]";
    static const char *const names[] = {"x"};
    theta_engine_config config;
    theta_engine_config_init(&config);
    config.alloc = faulty_alloc;
    config.alloc_user = allocator;
    TRY(theta_engine_new(&config, &s->engine, err));
    TRY(theta_machine_new(s->engine, NULL, &s->machine, err));
    TRY(theta_compile(s->engine, "/x/a.nix", source, strlen(source), NULL, &s->program, NULL, err));
    TRY(theta_machine_add(s->machine, s->program, err));
    theta_value fn, f, list, scope, n = theta_int(2), table;
    theta_text text;
    TRY(theta_call(s->machine, "main", NULL, 0, &fn, err));
    TRY(theta_value_keep(s->machine, fn, &fn));
    TRY(theta_set(s->machine, names, &n, 1, &scope, err));
    TRY(theta_nix_load(s->machine, "f", "y: y * x", 8, &scope, &f, err));
    TRY(theta_call_value(s->machine, fn, &f, 1, &list, err));
    TRY(theta_value_keep(s->machine, list, &list));
    TRY(theta_value_text(s->machine, list, THETA_TEXT_JSON, &text, err));
    assert_string_equal(text.data, "[{\"a\":2,\"b\":\"1!\"},{\"a\":4,\"b\":\"2!\"},{\"a\":6,\"b\":\"3!\"}]");
    theta_text_free(&text);
    TRY(theta_table_of_value(s->machine, list, &table, err));
    TRY(theta_value_of_table(s->machine, table, &list, err));
    return THETA_OK;
}

static void refused_memory_is_a_status_fault(void **state) {
    (void)state;
    theta_status status = THETA_E_NOMEM;
    size_t fail_at = 1;
    for (; status != THETA_OK; fail_at++) {
        faulty allocator = {.fail_at = fail_at};
        session s = {0};
        theta_error err = {0};
        status = use(&s, &allocator, &err);
        if (status != THETA_OK && status != THETA_E_NOMEM)
            fail_msg("request %zu refused: status %d, %s", fail_at, (int)status, err.message);
        theta_machine_free(s.machine);
        theta_program_release(s.program);
        theta_engine_free(s.engine);
        if (allocator.held != 0) fail_msg("request %zu refused: %zu bytes are lost", fail_at, allocator.held);
        assert_true(fail_at < 100000);
    }
    assert_true(fail_at > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nix_scalars_are_read),
        cmocka_unit_test(results_are_walked_lazily),
        cmocka_unit_test(values_are_printed_in_each_form),
        cmocka_unit_test(values_are_made_and_given_to_functions),
        cmocka_unit_test(typed_values_become_dynamic_ones),
        cmocka_unit_test(compiled_expressions_run_as_programs),
        cmocka_unit_test(errors_have_their_place),
        cmocka_unit_test(settings_hold),
        cmocka_unit_test(scope_is_what_the_host_gives),
        cmocka_unit_test(functions_beside_builtins_work),
        cmocka_unit_test(limits_hold_inside),
        cmocka_unit_test(evaluation_is_suspended_and_goes_on),
        cmocka_unit_test(cancelled_evaluation_can_be_repeated),
        cmocka_unit_test(host_functions_are_builtins),
        cmocka_unit_test(suspended_host_call_is_answered),
        cmocka_unit_test(list_of_sets_is_a_table_and_back),
        cmocka_unit_test(table_errors_tell_the_row),
        cmocka_unit_test(large_tables_survive_collections),
        cmocka_unit_test(refused_memory_is_a_status_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
