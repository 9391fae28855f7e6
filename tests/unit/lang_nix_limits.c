/*
** lang_nix_limits.c - the Nix language at its limits: large and deep values are within reach, what is past a limit ends with an
** error that says which, and the machine goes on.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "../support/nix_world.h"

#ifdef TH_STRESS /* collections at every turn: the same ways at sizes that end */
#define SIZE(n) ((n) / 2000)
#else
#define SIZE(n) (n)
#endif
#define GB ((size_t)1 << 30)

static th_mem mem;
static nix_world w;

static void open_world(const th_limits *limits) {
    th_error err = {0};
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    assert_int_equal(nix_world_engine(&w, &mem, &err), TH_OK);
    assert_int_equal(nix_world_machine(&w, limits, &err), TH_OK);
}

static void close_world(void) {
    nix_world_close(&w);
    assert_int_equal(mem.used_bytes, 0);
}

/* `text` has one %d, or none. */
static th_status eval(const char *text, int n, th_view *shown, th_error *err) {
    char full[1024];
    int len = snprintf(full, sizeof full, text, n); // NOLINT: the tests' own formats
    assert_true(len > 0 && (size_t)len < sizeof full);
    return nix_world_eval(&w, full, (size_t)len, shown, err);
}

static void gives(const char *text, int n, const char *expected) {
    th_view shown;
    th_error err;
    th_status status = eval(text, n, &shown, &err);
    if (status != TH_OK) print_error("%s: %s\n", text, err.message);
    assert_int_equal(status, TH_OK);
    assert_int_equal(shown.len, strlen(expected));
    assert_memory_equal(shown.data, expected, shown.len);
}

static void gives_int(const char *text, int n, int64_t expected) {
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)expected);
    gives(text, n, digits);
}

static void fails(const char *text, int n, th_status code) {
    th_view shown;
    th_error err;
    th_status status = eval(text, n, &shown, &err);
    if (status != code) print_error("%s: %s\n", text, status == TH_OK ? "succeeded" : err.message);
    assert_int_equal(status, code);
    assert_int_not_equal(err.message[0], 0);
}

/* After a limit was hit. */
static void goes_on(void) {
    th_machine_add_fuel(w.machine, 1 << 25); /* more than a builtin may overdraw */
    gives("let s = { a = [ 1 2 ]; }; in s // { b = 3; }", 0, "{ a = [ 1 2 ]; b = 3; }");
    gives_int("let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 1000", 0, 1000);
}

/* ---- Within the limits -------------------------------------------------------------------------------------- */

static void ten_million_elements_are_compared(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    gives("let l = n: builtins.genList (x: x) n; in l %d == l (builtins.length (l 4)) || true", SIZE(10000000), "true");
    gives("let a = builtins.genList (x: x) %d; b = map (x: x) a; in [ (a == b) (a < b) ]", SIZE(10000000),
          "[ true false ]");
    close_world();
}

static void ten_million_elements_are_evaluated_deeply(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    gives_int("let l = builtins.genList (x: x) %d; in builtins.deepSeq l (builtins.length l)", SIZE(10000000),
              SIZE(10000000));
    close_world();
}

static void ten_million_elements_are_printed(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    th_view shown;
    th_error err;
    assert_int_equal(eval("builtins.genList (x: 7) %d", SIZE(10000000), &shown, &err), TH_OK);
    assert_int_equal(shown.len, 2 * SIZE(10000000) + 3);
    gives_int("builtins.stringLength (builtins.toJSON (builtins.genList (x: 7) %d))", SIZE(10000000),
              2 * SIZE(10000000) + 1);
    close_world();
}

static void a_million_calls_deep_is_no_limit(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    gives_int("let f = n: if n == 0 then 0 else 1 + f (n - 1); in f %d", SIZE(1000000), SIZE(1000000));
    gives_int("builtins.foldl' (a: x: a + x) 0 (let f = n: if n == 0 then [ ] else [ n ] ++ f (n - 1); in f %d)",
              SIZE(10000), (int64_t)SIZE(10000) * (SIZE(10000) + 1) / 2);
    close_world();
}

static void a_chain_of_a_million_thunks_is_evaluated(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    gives_int("let go = n: a: if n == 0 then a else go (n - 1) (a + 1); in go %d 0", SIZE(1000000), SIZE(1000000));
    close_world();
}

static void values_a_million_deep_are_printed_compared_and_evaluated(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 2 * GB});
    const char *nested = "let f = n: if n == 0 then 1 else { a = [ (f (n - 1)) ]; }; x = f %d; in ";
    char text[512];
    snprintf(text, sizeof text, "%sbuiltins.deepSeq x 1", nested);
    gives_int(text, SIZE(1000000), 1);
    snprintf(text, sizeof text, "%s[ (x == x) (x == f 3) ]", nested);
    gives(text, SIZE(1000000), "[ true false ]");
    snprintf(text, sizeof text, "%slet y = f %d; in x == y", nested, SIZE(1000000));
    gives(text, SIZE(1000000), "true");
    snprintf(text, sizeof text, "%sbuiltins.stringLength (builtins.toJSON x)", nested);
    gives_int(text, SIZE(1000000), 8 * (int64_t)SIZE(1000000) + 1);
    th_view shown;
    th_error err;
    snprintf(text, sizeof text, "%sx", nested);
    assert_int_equal(eval(text, SIZE(1000000), &shown, &err), TH_OK);
    assert_int_equal(shown.len, 13 * SIZE(1000000) + 1);
    close_world();
}

/* A loop of tail calls keeps nothing: however long, a small memory is enough. */
static void a_loop_of_tail_calls_runs_in_little_memory(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = 32u << 20});
    gives_int("let go = n: s: if n == 0 then s else go (n - 1) (builtins.seq s (s + n)); in go %d 0", SIZE(100000) / 10,
              0 + (int64_t)(SIZE(100000) / 10) * (SIZE(100000) / 10 + 1) / 2);
    gives_int("let go = n: if n == 0 then 5 else go (n - 1); in go %d", SIZE(3000000), 5);
    close_world();
}

/* ---- Deep sources ------------------------------------------------------------------------------------------- */

/* `n` times `open`, then `middle`, then `n` times `close`. */
static th_status eval_nested(const char *open, const char *middle, const char *close, size_t n, th_view *shown,
                             th_error *err) {
    th_buf text;
    th_buf_init(&text, &mem);
    for (size_t i = 0; i < n; i++) th_buf_text(&text, open);
    th_buf_text(&text, middle);
    for (size_t i = 0; i < n; i++) th_buf_text(&text, close);
    th_status status = nix_world_eval(&w, text.data, text.len, shown, err);
    th_buf_clear(&text);
    return status;
}

static void sources_nested_without_end_are_refused_or_evaluated(void **state) {
    (void)state;
    static const char *const shapes[][3] = {
        {"(", "1", ")"},
        {"[", "1", "]"},
        {"{ a = ", "1", "; }"},
        {"1 + ", "1", ""},
        {"1 - ", "1", ""},
        {"", "1", " + 1"},
        {"x: ", "1", ""},
        {"let a = ", "1", "; in a"},
        {"if true then ", "1", " else 2"},
        {"with { }; ", "1", ""},
        {"\"${", "\"a\"", "}\""},
        {"''${", "\"a\"", "}''"},
        {"assert true; ", "1", ""},
        {"!", "true", ""},
        {"-", "1", ""},
        {"a.", "a", ""},
        {"{ a ? ", "1", " }: 1"},
        {"rec { a = ", "1", "; }.a"},
        {"f (", "1", ")"},
        {"", "f", " 1"},
        {"[ ] ++ ", "[ ]", ""},
        {"{ } // ", "{ }", ""},
        {"true && ", "true", ""},
        {"true -> ", "true", ""},
        {"", "x", " or 1"},
        {"", "{ }", ".a or 1"},
        {"{ a.", "a", " = 1; }"},
        {"\"", "", "\""},
        {"/*", "*/ 1", ""},
        {"{ inherit (", "{ }", ") a; }"},
    };
    for (size_t i = 0; i < TH_COUNT(shapes); i++) {
        th_view shown;
        th_error err;
        open_world(&(th_limits){.fuel = -1, .memory_bytes = 512u << 20});
        th_status status = eval_nested(shapes[i][0], shapes[i][1], shapes[i][2], 100000, &shown, &err);
        if (status != TH_OK) assert_int_not_equal(err.message[0], 0);
        assert_int_not_equal(status, TH_E_VERIFY);
        goes_on();
        close_world();
    }
}

/* ---- Past the limits ---------------------------------------------------------------------------------------- */

static void without_end_runs_out_of_fuel(void **state) {
    (void)state;
    static const char *const endless[] = {
        "(x: x x) (x: x x)",
        "let f = x: f x; in f 1",
        "let f = n: f (n + 1); in f 0",
        "let s = { __functor = self: x: self x; }; in s 1",
        "let go = n: builtins.seq n (go (n + 1)); in go 0",
        "builtins.genericClosure { startSet = [ { key = 0; } ]; operator = i: [ { key = i.key + 1; } ]; }",
        "builtins.sort (a: b: (x: x x) (x: x x)) [ 1 2 3 ]",
        "builtins.foldl' (a: b: (x: x x) (x: x x)) 0 [ 1 2 3 ]",
        "\"${(x: x x) (x: x x)}\"",
    };
    for (size_t i = 0; i < TH_COUNT(endless); i++) {
        open_world(&(th_limits){.fuel = SIZE(2000000) + 10000, .memory_bytes = GB});
        fails(endless[i], 0, TH_E_FUEL);
        goes_on();
        close_world();
    }
}

static void without_end_is_stopped_by_the_clock(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = GB, .timeout_ns = 100000000});
    fails("(x: x x) (x: x x)", 0, TH_E_TIMEOUT);
    fails("let f = n: f (n + 1); in f 0", 0, TH_E_TIMEOUT);
    goes_on();
    close_world();
}

static void *cancel_soon(void *machine) {
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    th_machine_cancel(machine);
    return NULL;
}

static void without_end_is_cancelled_from_another_thread(void **state) {
    (void)state;
    pthread_t thread;
    open_world(&(th_limits){.fuel = -1, .memory_bytes = GB});
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, w.machine), 0);
    fails("builtins.tryEval ((x: x x) (x: x x))", 0, TH_E_CANCELLED);
    pthread_join(thread, NULL);
    th_machine_uncancel(w.machine);
    goes_on();
    close_world();
}

static void past_the_memory_is_an_error_that_cannot_be_caught(void **state) {
    (void)state;
    static const char *const large[] = {
        "let f = n: 1 + f n; in f 0",
        "builtins.tryEval (let f = n: 1 + f n; in f 0)",
        "let f = n: [ (f (n + 1)) n ]; in f 0",
        "let f = n: { a = f (n + 1); }; in f 0",
        "builtins.length (builtins.genList (x: x) 1000000000)",
        "builtins.stringLength (builtins.foldl' (a: x: a + a) \"x\" (builtins.genList (x: x) 60))",
        "let l = builtins.foldl' (a: x: a ++ a) [ 1 ] (builtins.genList (x: x) 60); in builtins.length l",
        "let go = n: a: go (n + 1) (a + 1); in go 0 0",
        "builtins.toJSON (let f = n: [ (f (n + 1)) ]; in f 0)",
        "let f = n: [ (f (n + 1)) ]; in f 0 == f 0",
        "builtins.deepSeq (let f = n: [ (f (n + 1)) ]; in f 0) 1",
        "builtins.foldl' (a: x: a // { ${toString x} = a; }) { } (builtins.genList (x: x) 10000000)",
        ("let t = builtins.foldl' (a: x: a + a) \"x\" (builtins.genList (x: x) 18); "
         "in builtins.replaceStrings [ \"\" ] [ t ] t"),
        "builtins.concatMap (x: builtins.genList (y: y) 1000000) (builtins.genList (x: x) 1000000)",
    };
    size_t memory = SIZE(64u << 20) + (12u << 20);
    for (size_t i = 0; i < TH_COUNT(large); i++) {
        open_world(&(th_limits){.fuel = -1, .memory_bytes = memory});
        fails(large[i], 0, TH_E_MEMORY_LIMIT);
        goes_on();
        assert_true(mem.used_bytes < memory + (8u << 20));
        close_world();
    }
}

static void a_value_of_itself_is_an_error_with_a_name(void **state) {
    (void)state;
    open_world(&(th_limits){.fuel = 1000000, .memory_bytes = GB});
    fails("let x = x; in x", 0, TH_E_RECURSION);
    fails("let x = x + 1; in x", 0, TH_E_RECURSION);
    fails("rec { a = b.c; b = { c = a; }; }", 0, TH_E_RECURSION);
    fails("let f = x: x; y = f y; in y", 0, TH_E_RECURSION);
    goes_on();
    close_world();
}

static void fuel_is_the_same_each_time(void **state) {
    (void)state;
    int64_t used[2];
    for (int i = 0; i < 2; i++) {
        open_world(&(th_limits){.fuel = 100000000, .memory_bytes = GB});
        gives_int("builtins.foldl' (a: x: a + x) 0 (builtins.genList (x: x * 2) 1000)", 0, 999000);
        used[i] = th_machine_fuel_used(w.machine);
        close_world();
    }
    assert_true(used[0] > 1000);
    assert_int_equal(used[0], used[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_million_elements_are_compared),
        cmocka_unit_test(ten_million_elements_are_evaluated_deeply),
        cmocka_unit_test(ten_million_elements_are_printed),
        cmocka_unit_test(a_million_calls_deep_is_no_limit),
        cmocka_unit_test(a_chain_of_a_million_thunks_is_evaluated),
        cmocka_unit_test(values_a_million_deep_are_printed_compared_and_evaluated),
        cmocka_unit_test(a_loop_of_tail_calls_runs_in_little_memory),
        cmocka_unit_test(sources_nested_without_end_are_refused_or_evaluated),
        cmocka_unit_test(without_end_runs_out_of_fuel),
        cmocka_unit_test(without_end_is_stopped_by_the_clock),
        cmocka_unit_test(without_end_is_cancelled_from_another_thread),
        cmocka_unit_test(past_the_memory_is_an_error_that_cannot_be_caught),
        cmocka_unit_test(a_value_of_itself_is_an_error_with_a_name),
        cmocka_unit_test(fuel_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
