/*
** machine_dynamic.c - values on the machine: laziness, sharing, application, errors, limits, depth.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_dynamic.h"

#ifdef TH_STRESS
enum { FIB = 10, DEEP = 2000, CHAIN = 3000, TURNS = 20000, SMALL = 3 << 20 }; /* it collects all the time */
#else
enum { FIB = 20, DEEP = 1000000, CHAIN = 1000000, TURNS = 1000000, SMALL = 24 << 20 };
#endif

/* A function body between "func main() -> value {" and "}" with registers r2 to r19. */
#define MAIN(body)        IMPORTS "func main() -> value {\n    regs r2-r19 value\n" body "}\n"
#define THUNK(name, body) "func " name "() -> value {\n    captures value\n    regs r2-r9 value\n" body "}\n"
#define FUNC(name, parameters, body)                                                                                   \
    "func " name "(" parameters ") -> value {\n    captures value\n    regs r10-r19 value\n" body "}\n"

/* ---- Arithmetic and branches -------------------------------------------------------------------------------- */

static const char fib[] = IMPORTS
    "func main(value) -> value {\n    regs r3-r9 value\n"
    "    v.const r3, 5\n    v.close r3, r3, 1, fib\n    v.fix r3, r3, 0\n"
    "    mov r7, r2\n    v.call r5, r3, 1\n    v.ret r6\n}\n"
    "func fib(value) -> value {\n    captures value\n    regs r3-r9 value\n"
    "    v.int r3, 2\n    v.lt r4, r2, r3, T.other\n    v.jf r4, L1\n    v.ret r2\n"
    "  L1:\n    v.cap r3, 0\n    v.int r4, 1\n    v.sub r8, r2, r4, T.other\n    v.call r6, r3, 1\n    mov r5, r7\n"
    "    v.int r4, 2\n    v.sub r8, r2, r4, T.other\n    v.call r6, r3, 1\n    v.add r5, r5, r7, T.sum\n    v.ret "
    "r5\n}\n";

static void recursive_functions_compute(void **state) {
    (void)state;
    world w;
    open_world(&w, fib, NULL);
    th_value n = th_of_int(FIB);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), FIB == 20 ? 6765 : 55);
    close_world(&w);
}

static void integers_overflow_into_the_import(void **state) {
    (void)state;
    gives(MAIN("    v.ldk r2, 4611686018427387903\n    v.int r3, 1\n    v.add r4, r2, r3, T.sum\n"
               "    v.int r5, -1\n    v.add r4, r4, r5, T.sum\n    v.ret r4\n"),
          4611686018427387903);
    fails(MAIN("    v.ldk r2, 4611686018427387903\n    v.int r3, 2\n    v.mul r4, r2, r3, T.other\n    v.ret r4\n"),
          TH_E_TYPE, "not for these");
    gives(MAIN("    v.int r2, -7\n    v.int r3, 2\n    v.div r4, r2, r3, T.other\n    v.ret r4\n"), -3);
    fails(MAIN("    v.int r2, 7\n    v.int r3, 0\n    v.div r4, r2, r3, T.other\n    v.ret r4\n"), TH_E_TYPE,
          "not for");
    gives(MAIN("    v.int r2, -7\n    v.int r3, 6\n    v.mul r4, r2, r3, T.other\n    v.ret r4\n"), -42);
}

static double float_result(const char *text) {
    world w;
    double x = 0;
    open_world(&w, text, NULL);
    assert_true(th_get_f64(result_of(&w), &x));
    close_world(&w);
    return x;
}

static void integers_and_floats_mix(void **state) {
    (void)state;
    assert_true(
        float_result(MAIN("    v.int r2, 3\n    v.ldk r3, 0.5\n    v.add r4, r2, r3, T.other\n    v.ret r4\n")) == 3.5);
    assert_true(
        float_result(MAIN("    v.ldk r2, 1e300\n    v.ldk r3, 10.0\n    v.mul r4, r2, r3, T.other\n    v.ret r4\n")) ==
        1e301);
    gives(MAIN("    v.int r2, 3\n    v.ldk r3, 3.5\n    v.lt r4, r2, r3, T.other\n    v.jt r4, L1\n    v.int r5, 0\n   "
               " v.ret r5\n"
               "  L1:\n    v.int r5, 1\n    v.ret r5\n"),
          1);
}

static void texts_and_constants_compare(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        {"v.str r2, 0, 'same'", "v.str r3, 0, 'same'", 1},
        {"v.str r2, 0, 'same'", "v.str r3, 0, 'some'", 0},
        {"v.const r2, 1", "v.const r3, 1", 1},
        {"v.const r2, 1", "v.int r3, 0", 0},
        {"v.const r2, 2", "v.const r3, 3", 0},
        {"v.int r2, 2", "v.ldk r3, 2.0", 1},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        char text[4096];
        snprintf(text, sizeof text,
                 MAIN("    %s\n    %s\n    v.eq r4, r2, r3, T.other\n    v.not r5, r4\n    v.int r6, 1\n"
                      "    v.jf r5, L1\n    v.int r6, 0\n  L1:\n    v.ret r6\n"),
                 cases[i].a, cases[i].b);
        gives(text, cases[i].want);
    }
    fails(MAIN("    v.int r2, 5\n    v.jt r2, L1\n  L1:\n    v.ret r2\n"), TH_E_TYPE,
          "expected a boolean but found an integer: 5");
}

static void values_cross_to_the_typed_side(void **state) {
    (void)state;
    gives(IMPORTS "func main() -> value {\n    regs r2 i64, r3 value, r4 i64, r5 f64, r6 bool, r7-r9 value\n"
                  "    ldk r2, 9223372036854775807\n    v.take r3, r2\n    v.give r4, r3\n    add.i r4, r4, -7\n"
                  "    v.take r3, r4\n    v.ret r3\n}\n",
          INT64_MAX - 7);
    fails(IMPORTS
          "func main() -> value {\n    regs r2 i64, r3 value\n    v.const r3, 1\n    v.give r2, r3\n    v.ret r3\n}\n",
          TH_E_TYPE, "expected an integer but found null");
}

static void small_sums_are_tried_without_evaluation(void **state) {
    (void)state;
    const char *both =
        MAIN("    v.int r2, 4\n    v.int r3, 5\n    v.tadd r4, r2, r3, L1\n    v.int r4, 0\n  L1:\n    v.ret r4\n");
    gives(both, 9);
    gives(MAIN("    v.int r2, 4\n    v.thunk r3, r2, 1, later\n    v.tmul r4, r2, r3, L1\n    v.jabs r4, L2\n  L1:\n"
               "    v.int r5, 1\n    v.ret r5\n  L2:\n    v.int r5, 2\n    v.ret r5\n")
              THUNK("later", "    v.cap r2, 0\n    v.ret r2\n"),
          2);
}

/* ---- Laziness ----------------------------------------------------------------------------------------------- */

static void a_thunk_runs_once(void **state) {
    (void)state;
    world w;
    open_world(&w,
               MAIN("    v.int r2, 21\n    v.thunk r3, r2, 1, later\n    v.add r4, r3, r3, T.sum\n    v.force r3\n    "
                    "v.ret r4\n")
                   THUNK("later", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.count\n    v.ret r5\n"),
               NULL);
    assert_int_equal(integer_of(result_of(&w)), 42);
    assert_int_equal(w.counted, 1);
    close_world(&w);
}

static void an_unused_thunk_never_runs(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 21\n    v.thunk r3, r2, 1, bad\n    v.list r4, r3, 1\n    mov r7, r4\n    callb r5, "
               "T.length\n    v.ret r6\n")
              THUNK("bad", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.throw\n    v.ret r5\n"),
          1);
}

static void needing_oneself_is_infinite_recursion_with_both_places(void **state) {
    (void)state;
    static const char text[] =
        "source 'loop.nix' 'x'\n" MAIN("    v.const r2, 5\n    v.thunk r3, r2, 1, self\n    v.fix r3, r3, 0\n    v.ret "
                                       "r3\n") "func self() -> value {\n    from 'loop.nix'\n    captures value\n    "
                                               "regs r2-r9 value\n    @3:5-3:9\n    v.cap r2, 0\n"
                                               "    v.int r3, 1\n    @4:2-4:3\n    v.add r4, r2, r3, T.sum\n    v.ret "
                                               "r4\n}\n";
    world w;
    open_world(&w, text, NULL);
    assert_int_equal(run(&w), TH_RUN_FAILED);
    const th_error *error = th_machine_error(w.machine);
    assert_int_equal(error->code, TH_E_RECURSION);
    assert_non_null(strstr(error->message, "infinite recursion encountered"));
    assert_non_null(strstr(error->message, "loop.nix:3:5"));
    assert_int_equal(error->span.line, 4);
    close_world(&w);
}

static const char failing[] =
    "source 'f.nix' 'x'\n" MAIN("    v.int r2, 28\n    v.thunk r3, r2, 1, bad\n    v.list r4, r3, 1\n"
                                "    mov r7, r3\n    callb r5, T.try\n    mov r8, r6\n"
                                "    mov r12, r3\n    callb r10, T.try\n    v.add r8, r8, r11, T.sum\n    v.force r3\n "
                                "   v.ret r8\n") "func bad() -> value {\n    from 'f.nix'\n    captures value\n    "
                                                 "regs r2-r9 value\n    v.cap r2, 0\n    mov r6, r2\n"
                                                 "    callb r4, T.count\n    mov r6, r5\n    @2:7-2:9\n    callb r4, "
                                                 "T.throw\n    v.ret r5\n}\n";

static void a_failed_thunk_raises_its_error_again(void **state) {
    (void)state;
    world w;
    open_world(&w, failing, NULL);
    assert_int_equal(run(&w), TH_RUN_FAILED);
    const th_error *error = th_machine_error(w.machine);
    assert_int_equal(error->code, TH_E_THROW);
    assert_string_equal(error->message, "thrown on purpose");
    assert_int_equal(error->span.line, 2);
    assert_int_equal(error->span.column, 7);
    assert_string_equal(error->file, "f.nix");
    assert_int_equal(w.counted, 1); /* the body ran once, though it was forced three times */
    close_world(&w);
}

static void builtins_catch_what_they_called(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 28\n    v.thunk r3, r2, 1, bad\n    mov r7, r3\n    callb r5, T.try\n    v.ret r6\n")
              THUNK("bad", "    v.cap r2, 0\n    v.thunk r3, r2, 1, deeper\n    v.ret r3\n")
                  THUNK("deeper", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.throw\n    v.ret r5\n"),
          -28);
    fails(MAIN("    v.int r2, 29\n    v.thunk r3, r2, 1, bad\n    mov r7, r3\n    callb r5, T.try\n    v.ret r6\n")
              THUNK("bad", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.throw\n    v.ret r5\n"),
          TH_E_ABORT, "thrown on purpose");
}

/* A thunk in a list that calls forever: limits stop it, and it can be evaluated again. */
static const char endless[] = IMPORTS
    "global kept: value\n"
    "func main() -> value {\n    regs r2-r9 value\n    v.int r2, 0\n    v.thunk r3, r2, 1, count\n    gset r3, kept\n  "
    "  v.ret r3\n}\n" THUNK(
        "count", "    v.const r2, 5\n    v.close r3, r2, 1, loop\n    v.fix r3, r3, 0\n    v.int r7, 0\n    v.call r5, "
                 "r3, 1\n    v.ret r6\n") "func loop(value) -> value {\n    captures value\n    regs r3-r9 value\n    "
                                          "v.ldk r3, 100000\n    v.lt r4, r2, r3, T.other\n"
                                          "    v.jt r4, L1\n    v.ret r2\n  L1:\n    v.cap r3, 0\n    v.int r4, 1\n    "
                                          "v.add r8, r2, r4, T.sum\n    v.tcall r6, r3, 1\n}\n"
                                          "func again() -> value {\n    regs r2-r9 value\n    gget r2, kept\n    v.ret "
                                          "r2\n}\nexport again = again\n";

static void limits_leave_thunks_to_be_evaluated_again(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = 5000};
    open_world(&w, endless, &limits);
    assert_int_equal(run(&w), TH_RUN_FAILED);
    assert_int_equal(th_machine_error(w.machine)->code, TH_E_FUEL);
    th_machine_add_fuel(w.machine, 10000000);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "again"), NULL, 0), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 100000);
    close_world(&w);
}

static void a_run_goes_on_after_being_suspended_inside_a_force(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = 100};
    open_world(&w, endless, &limits);
    th_machine_set_resumable(w.machine, true);
    th_run_state now = run(&w);
    size_t stops = 0;
    for (; now == TH_RUN_SUSPENDED; stops++) {
        th_machine_add_fuel(w.machine, 777);
        now = th_machine_run(w.machine);
    }
    assert_int_equal(now, TH_RUN_DONE);
    assert_true(stops > 100);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 100000);
    close_world(&w);
}

static void a_run_over_values_is_not_saved_wrongly(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = 100};
    open_world(&w, endless, &limits);
    th_machine_set_resumable(w.machine, true);
    assert_int_equal(run(&w), TH_RUN_SUSPENDED);
    uint8_t *bytes;
    size_t len;
    assert_int_equal(th_machine_save(w.machine, &bytes, &len, &w.err), TH_E_UNSUPPORTED);
    th_machine_add_fuel(w.machine, 10000000);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    close_world(&w);
}

static void an_abandoned_thunk_can_be_evaluated_again(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = 100};
    open_world(&w, endless, &limits);
    th_machine_set_resumable(w.machine, true);
    assert_int_equal(run(&w), TH_RUN_SUSPENDED);
    th_machine_abandon(w.machine);
    th_machine_add_fuel(w.machine, 10000000);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "again"), NULL, 0), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    close_world(&w);
}

/* ---- Application -------------------------------------------------------------------------------------------- */

#define ADD3                                                                                                           \
    FUNC("add3", "value, value, value", "    v.add r10, r2, r3, T.sum\n    v.add r10, r10, r4, T.sum\n    v.ret r10\n")

static void functions_take_fewer_and_more_arguments(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, add3\n    mov r7, r2\n    v.call r5, r3, 1\n    mov r3, r6\n"
               "    v.int r7, 10\n    v.call r5, r3, 1\n    mov r3, r6\n    v.int r7, 100\n    v.call r5, r3, 1\n    "
               "v.ret r6\n") ADD3,
          111);
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, add3\n    mov r7, r2\n    v.call r5, r3, 1\n    mov r3, r6\n"
               "    v.int r7, 10\n    v.int r8, 100\n    v.call r5, r3, 2\n    v.ret r6\n") ADD3,
          111);
    /* one gives a function of three: over-applied */
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, one\n    v.int r7, 1\n    v.int r8, 2\n    v.int r9, 3\n    "
               "v.int r10, 4\n"
               "    v.call r5, r3, 4\n    v.ret r6\n")
              FUNC("one", "value", "    v.close r10, r2, 1, add3\n    v.ret r10\n") ADD3,
          9);
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, one\n    v.int r7, 1\n    v.int r8, 2\n    v.int r9, 3\n    "
               "v.int r10, 4\n"
               "    v.tcall r5, r3, 4\n")
              FUNC("one", "value", "    v.close r10, r2, 1, add3\n    v.thunk r11, r10, 1, wrap\n    v.ret r11\n")
                  ADD3 THUNK("wrap", "    v.cap r2, 0\n    v.ret r2\n"),
          9);
    /* builtins as values, applied to one and then another */
    gives(MAIN("    v.func r3, T.sum\n    v.int r7, 40\n    v.call r5, r3, 1\n    mov r3, r6\n    v.int r7, 2\n    "
               "v.call r5, r3, 1\n    v.ret r6\n"),
          42);
    gives(MAIN("    v.func r3, T.count\n    v.func r7, T.sum\n    v.int r8, 40\n    v.int r9, 2\n    v.call r5, r3, "
               "3\n    v.ret r6\n"),
          42);
}

static void records_with_a_functor_are_called(void **state) {
    (void)state;
    gives(
        MAIN(
            "    v.int r2, 1\n    v.close r3, r2, 1, call\n    v.int r4, 30\n    v.rec r5, r3, 2, {'__functor', base}\n"
            "    v.int r10, 12\n    v.call r8, r5, 1\n    v.ret r9\n")
            FUNC("call", "value, value", "    v.sel r10, r2, base\n    v.add r10, r10, r3, T.sum\n    v.ret r10\n"),
        42);
    fails("shape {'__functor'}\n" MAIN("    v.rnew r6, #0\n    v.rset r6, r6, #0:'__functor'\n"
                                       "    v.int r10, 12\n    v.call r8, r6, 1\n    v.ret r9\n"),
          TH_E_RECURSION, "infinite recursion");
}

static void calling_no_function_says_what_it_is(void **state) {
    (void)state;
    fails(MAIN("    v.int r2, 5\n    mov r7, r2\n    v.call r5, r2, 1\n    v.ret r6\n"), TH_E_TYPE,
          "attempt to call something which is not a function but an integer: 5");
    fails(MAIN("    v.str r2, 0, 'text'\n    mov r7, r2\n    v.tcall r5, r2, 1\n"), TH_E_TYPE,
          "but a string: \"text\"");
}

static const char tail[] = IMPORTS "func main(value) -> value {\n    regs r3-r9 value\n    v.const r3, 5\n    v.close "
                                   "r3, r3, 1, loop\n    v.fix r3, r3, 0\n"
                                   "    mov r7, r2\n    v.call r5, r3, 1\n    v.ret r6\n}\n"
                                   "func loop(value) -> value {\n    captures value\n    regs r3-r9 value\n    v.int "
                                   "r3, 1\n    v.lt r4, r2, r3, T.other\n"
                                   "    v.jf r4, L1\n    v.ret r2\n  L1:\n    v.cap r3, 0\n    v.int r4, 1\n    v.sub "
                                   "r8, r2, r4, T.other\n    v.list r5, r8, 1\n"
                                   "    v.tcall r6, r3, 1\n}\n";

static void tail_calls_take_no_memory(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = -1, .memory_bytes = 16 << 20};
    open_world(&w, tail, &limits);
    th_value n = th_of_int(10 * TURNS);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 0);
    close_world(&w);
}

static void tail_calls_through_partial_application_take_no_memory(void **state) {
    (void)state;
    static const char text[] = IMPORTS "func main(value) -> value {\n    regs r3-r9 value\n    v.const r3, 5\n    "
                                       "v.close r3, r3, 1, loop\n    v.fix r3, r3, 0\n"
                                       "    v.int r7, 0\n    mov r8, r2\n    v.call r5, r3, 2\n    v.ret r6\n}\n"
                                       "func loop(value, value) -> value {\n    captures value\n    regs r4-r13 "
                                       "value\n    v.int r4, 1\n    v.lt r5, r3, r4, T.other\n"
                                       "    v.jf r5, L1\n    v.ret r3\n  L1:\n    v.cap r5, 0\n    v.int r12, 7\n    "
                                       "v.call r10, r5, 1\n    mov r6, r11\n"
                                       "    v.int r4, 1\n    v.sub r12, r3, r4, T.other\n    v.tcall r10, r6, 1\n}\n";
    world w;
    th_limits limits = {.fuel = -1, .memory_bytes = 16 << 20};
    open_world(&w, text, &limits);
    th_value n = th_of_int(TURNS);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    if (th_machine_run(w.machine) != TH_RUN_DONE) fail_msg("%s", th_machine_error(w.machine)->message);
    close_world(&w);
}

/* ---- Depth -------------------------------------------------------------------------------------------------- */

static const char deep[] = IMPORTS "func main(value) -> value {\n    regs r3-r9 value\n    v.const r3, 5\n    v.close "
                                   "r3, r3, 1, down\n    v.fix r3, r3, 0\n"
                                   "    mov r7, r2\n    v.call r5, r3, 1\n    v.ret r6\n}\n"
                                   "func down(value) -> value {\n    captures value\n    regs r3-r9 value\n    v.int "
                                   "r3, 1\n    v.lt r4, r2, r3, T.other\n"
                                   "    v.jf r4, L1\n    v.ret r2\n  L1:\n    v.cap r3, 0\n    v.int r4, 1\n    v.sub "
                                   "r8, r2, r4, T.other\n    v.list r5, r8, 1\n"
                                   "    v.call r6, r3, 1\n    mov r8, r5\n    mov r5, r7\n    callb r6, T.length\n    "
                                   "v.add r5, r5, r7, T.sum\n    v.ret r5\n}\n";

static void recursion_is_as_deep_as_memory(void **state) {
    (void)state;
    world w;
    open_world(&w, deep, NULL);
    th_value n = th_of_int(DEEP);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    if (th_machine_run(w.machine) != TH_RUN_DONE) fail_msg("%s", th_machine_error(w.machine)->message);
    assert_int_equal(integer_of(th_machine_result(w.machine)), DEEP);
    print_message("%.0f bytes for each call\n", (double)atomic_load(&th_machine_mem(w.machine)->peak_bytes) / DEEP);
    close_world(&w);
}

/* At the bottom of the recursion a loop allocates: were every collection to look at the whole stack, this would not
** end. */
static void collections_do_not_look_at_a_deep_stack_again(void **state) {
    (void)state;
    static const char text[] =
        IMPORTS "func main(value, value) -> value {\n    regs r4-r12 value\n    v.const r4, 5\n    v.close r4, r4, 1, "
                "down\n    v.fix r4, r4, 0\n"
                "    mov r8, r2\n    mov r9, r3\n    v.call r6, r4, 2\n    v.ret r7\n}\n"
                "func down(value, value) -> value {\n    captures value\n    regs r4-r12 value\n    v.int r4, 1\n    "
                "v.lt r5, r2, r4, T.other\n"
                "    v.jf r5, L1\n    v.int r6, 0\n    v.list r5, r4, 1\n"
                "  L2:\n    v.lt r7, r6, r3, T.other\n    v.jf r7, L3\n    v.list r5, r5, 1\n    v.lget r5, r5, 0\n    "
                "v.add r6, r6, r4, T.sum\n    jmp L2\n"
                "  L3:\n    v.lget r5, r5, 0\n    v.ret r5\n"
                "  L1:\n    v.cap r6, 0\n    v.sub r9, r2, r4, T.other\n    v.list r5, r9, 1\n    mov r10, r3\n    "
                "v.call r7, r6, 2\n"
                "    v.lget r5, r5, 0\n    v.sub r5, r5, r2, T.other\n    v.sub r5, r8, r5, T.other\n    v.ret r5\n}\n";
    world w;
    open_world(&w, text, NULL);
    th_value args[2] = {th_of_int(DEEP / 2), th_of_int(20 * TURNS)};
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), args, 2), TH_OK);
    if (th_machine_run(w.machine) != TH_RUN_DONE) fail_msg("%s", th_machine_error(w.machine)->message);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 1 + DEEP / 2); /* each frame's list was still its own */
    close_world(&w);
}

/* A chain of thunks, each adding one to the one before. */
static const char chain[] =
    IMPORTS "func main(value) -> value {\n    regs r3-r9 value\n    v.int r3, 0\n    v.int r4, 0\n    v.int r5, 1\n"
            "  L1:\n    v.lt r6, r4, r2, T.other\n    v.jf r6, L2\n    v.thunk r3, r3, 1, next\n    v.add r4, r4, r5, "
            "T.sum\n    jmp L1\n"
            "  L2:\n    v.ret r3\n}\n"
            "func next() -> value {\n    captures value\n    regs r2-r3 value\n    v.cap r2, 0\n    v.int r3, 1\n    "
            "v.add r2, r2, r3, T.sum\n"
            "    v.ret r2\n}\n";

static void chains_of_thunks_are_as_deep_as_memory(void **state) {
    (void)state;
    world w;
    open_world(&w, chain, NULL);
    th_value n = th_of_int(CHAIN);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    if (th_machine_run(w.machine) != TH_RUN_DONE) fail_msg("%s", th_machine_error(w.machine)->message);
    assert_int_equal(integer_of(th_machine_result(w.machine)), CHAIN);
    print_message("%.0f bytes for each thunk\n", (double)atomic_load(&th_machine_mem(w.machine)->peak_bytes) / CHAIN);
    close_world(&w);
}

static void builtins_alone_run_over_values(void **state) {
    (void)state;
    world w;
    open_world(&w, chain, NULL);
    th_type_id params[2] = {TH_TYPE_VALUE, TH_TYPE_VALUE}, type;
    assert_int_equal(th_types_function(th_machine_types(w.machine), params, 2, TH_TYPE_VALUE, &type), TH_OK);
    th_value args[2] = {th_of_int(40), th_of_int(2)}, seq[2];
    assert_true(th_unit_value(w.unit, (uint32_t)th_program_find(w.program, th_view_of("main")), &seq[1]));
    seq[0] = args[0];
    assert_true(th_new_apply(w.machine, seq[1], &seq[0], 1, &seq[1]));
    assert_int_equal(th_machine_begin_builtin(w.machine, &t_builtins[0], NULL, type, args, 2), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 42);
    assert_true(th_unit_value(w.unit, (uint32_t)th_program_find(w.program, th_view_of("main")), &seq[1]));
    assert_true(th_new_apply(w.machine, seq[1], &seq[0], 1, &seq[1]));
    assert_int_equal(th_machine_begin_builtin(w.machine, &t_builtins[5], NULL, type, seq, 2), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE); /* its result, a thunk, was evaluated */
    assert_int_equal(integer_of(th_machine_result(w.machine)), 40);
    close_world(&w);
}

static void running_out_of_memory_in_the_depth_is_an_error(void **state) {
    (void)state;
    world w;
    th_limits limits = {.fuel = -1, .memory_bytes = 12 << 20};
    open_world(&w, deep, &limits);
    for (int turn = 0; turn < 2; turn++) {
        th_value n = th_of_int(turn == 0 ? 100000000 : 100);
        assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
        assert_int_equal(th_machine_run(w.machine), turn == 0 ? TH_RUN_FAILED : TH_RUN_DONE);
        if (turn == 0) assert_int_equal(th_machine_error(w.machine)->code, TH_E_MEMORY_LIMIT);
    }
    close_world(&w);
}

/* ---- Records and lists -------------------------------------------------------------------------------------- */

static void fields_are_read_and_their_absence_told(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 7\n    v.int r3, 8\n    v.rec r4, r2, 2, {zebra, apple}\n    v.sel r5, r4, apple\n    "
               "v.sel r6, r4, zebra\n"
               "    v.mul r5, r5, r6, T.other\n    v.sel r6, r4, apple\n    v.add r5, r5, r6, T.sum\n    v.ret r5\n"),
          64);
    gives(MAIN("    v.int r2, 7\n    v.rec r4, r2, 1, {a}\n    v.selo r5, r4, b\n    v.jnabs r5, L1\n    v.selo r5, "
               "r2, a\n    v.jabs r5, L2\n"
               "  L1:\n    v.int r6, 0\n    v.ret r6\n  L2:\n    v.int r6, 1\n    v.ret r6\n"),
          1);
    fails(MAIN("    v.int r2, 7\n    v.int r3, 7\n    v.rec r4, r2, 2, {length, width}\n    v.sel r5, r4, lenght\n    "
               "v.ret r5\n"),
          TH_E_REFERENCE, "attribute 'lenght' missing; did you mean 'length'?");
    fails(MAIN("    v.int r2, 7\n    v.sel r5, r2, a\n    v.ret r5\n"), TH_E_TYPE,
          "expected a record but found an integer: 7");
    gives(MAIN("    v.int r2, 7\n    v.thunk r3, r2, 1, make\n    v.sel r5, r3, a\n    v.tsel r6, r3, a\n    v.add r5, "
               "r5, r6, T.sum\n    v.ret r5\n")
              THUNK("make", "    v.cap r2, 0\n    v.rec r3, r2, 1, {a}\n    v.ret r3\n"),
          14);
}

static void records_are_merged_the_right_one_over_the_left(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.int r3, 2\n    v.rec r4, r2, 2, {a, b}\n    v.int r2, 30\n    v.int r3, 40\n    "
               "v.rec r5, r2, 2, {b, c}\n"
               "    v.upd r6, r4, r5\n    v.sel r7, r6, a\n    v.sel r8, r6, b\n    v.add r7, r7, r8, T.sum\n    v.sel "
               "r8, r6, c\n"
               "    v.add r7, r7, r8, T.sum\n    v.ret r7\n"),
          71);
    fails(MAIN("    v.int r2, 1\n    v.rec r4, r2, 1, {a}\n    v.upd r6, r4, r2\n    v.ret r6\n"), TH_E_TYPE,
          "expected a record");
}

static void records_are_filled_field_by_field(void **state) {
    (void)state;
    gives("shape {b, a}\n" MAIN(
              "    v.rnew r2, #0\n    v.int r3, 5\n    v.rset r2, r3, #0:a\n    v.int r3, 6\n    v.rset r2, r3, #0:b\n"
              "    v.rget r4, r2, #0:a\n    v.sel r5, r2, b\n    v.mul r4, r4, r5, T.other\n    v.ret r4\n"),
          30);
    fails("shape {b, a}\n" MAIN("    v.int r2, 3\n    v.rset r2, r2, #0:a\n    v.ret r2\n"), TH_E_TYPE,
          "something else than its record");
}

static void unexpected_names_are_refused(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.rec r4, r2, 1, {a}\n    v.only r4, {a, b}\n    v.ret r2\n"), 1);
    fails(MAIN("    v.int r2, 1\n    v.rec r4, r2, 1, {colour}\n    v.only r4, {color, b}\n    v.ret r2\n"), TH_E_TYPE,
          "unexpected argument 'colour'; did you mean 'color'?");
}

static void lists_are_made_and_joined(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.int r3, 2\n    v.list r4, r2, 2\n    v.lnew r5, 3\n    v.lset r5, r3, 1\n    "
               "v.cat r6, r4, r5\n"
               "    v.lget r7, r6, 3\n    mov r10, r6\n    callb r8, T.length\n    v.mul r7, r7, r9, T.other\n    "
               "v.ret r7\n"),
          10);
    fails(MAIN("    v.lnew r5, 3\n    v.lget r6, r5, 3\n    v.ret r6\n"), TH_E_INDEX, "no item 3");
    fails(MAIN("    v.int r2, 1\n    v.list r4, r2, 1\n    v.cat r6, r4, r2\n    v.ret r6\n"), TH_E_TYPE,
          "expected a list");
}

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

static void strict_arguments_are_evaluated_and_checked(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 3\n    v.thunk r7, r2, 1, make\n    callb r5, T.length\n    v.ret r6\n")
              THUNK("make", "    v.cap r2, 0\n    mov r3, r2\n    v.list r4, r2, 2\n    v.ret r4\n"),
          2);
    fails(MAIN("    v.int r7, 3\n    callb r5, T.length\n    v.ret r6\n"), TH_E_TYPE,
          "expected a list but found an integer: 3");
    /* through v.call, as the last argument of a partial application, and in tail position */
    gives(MAIN("    v.int r2, 3\n    v.thunk r7, r2, 1, make\n    v.func r3, T.length\n    v.call r5, r3, 1\n    v.ret "
               "r6\n") THUNK("make", "    v.cap r2, 0\n    mov r3, r2\n    v.list r4, r2, 2\n    v.ret r4\n"),
          2);
    gives(MAIN("    v.int r2, 3\n    v.thunk r7, r2, 1, make\n    v.func r3, T.length\n    v.tcall r5, r3, 1\n")
              THUNK("make", "    v.cap r2, 0\n    mov r3, r2\n    v.list r4, r2, 2\n    v.ret r4\n"),
          2);
    fails(MAIN("    v.const r7, 1\n    v.func r3, T.length\n    v.tcall r5, r3, 1\n"), TH_E_TYPE,
          "expected a list but found null");
}

#define DOUBLE FUNC("double", "value", "    v.add r10, r2, r2, T.sum\n    v.list r11, r10, 1\n    v.ret r10\n")

static void builtins_call_back_and_keep_values_on_their_stack(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.int r3, 2\n    v.int r4, 3\n    v.list r5, r2, 3\n    v.close r9, r2, 1, "
               "double\n    mov r10, r5\n"
               "    callb r7, T.map\n    mov r5, r8\n    v.func r9, T.sum\n    v.int r10, 0\n    mov r11, r5\n    "
               "callb r7, T.fold\n    v.ret r8\n") DOUBLE,
          12);
    gives(MAIN("    v.int r2, 1\n    v.list r9, r2, 1\n    callb r7, T.again\n    mov r9, r8\n    callb r7, T.length\n "
               "   v.ret r8\n"),
          1);
}

static void a_builtin_may_have_many_states(void **state) {
    (void)state;
    gives(MAIN("    v.close r9, r2, 0, count\n    v.int r10, 0\n    v.lnew r11, 70000\n    callb r7, T.fold\n    v.ret "
               "r8\n") "func count(value, value) -> value {\n    regs r4-r5 value\n    v.int r4, 1\n    v.add r5, r2, "
                       "r4, T.sum\n    v.ret r5\n}\n",
          70000);
}

static void results_that_are_thunks_are_evaluated(void **state) {
    (void)state;
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, double\n    v.func r4, T.delay\n    mov r7, r3\n    v.int r8, "
               "21\n    v.call r5, r4, 2\n"
               "    mov r9, r6\n    v.ret r9\n") DOUBLE,
          42);
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, double\n    mov r7, r2\n    v.func r4, T.delay\n    mov r7, "
               "r3\n    v.int r8, 21\n    v.tcall r5, r4, 2\n") DOUBLE,
          42);
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, double\n    v.int r4, 4\n    v.add r5, r3, r4, T.delay\n    "
               "v.ret r5\n") DOUBLE,
          8);
    gives(MAIN("    v.int r2, 1\n    v.close r3, r2, 1, double\n    v.func r4, T.seq\n    mov r7, r2\n    v.int r8, "
               "4\n    v.call r5, r4, 2\n    v.ret r6\n") DOUBLE,
          4);
    gives(MAIN("    v.int r2, 5\n    v.thunk r8, r2, 1, same\n    v.func r4, T.seq\n    mov r7, r2\n    v.call r5, r4, "
               "2\n    mov r2, r6\n"
               "    v.thunk r3, r2, 1, same\n    v.int r4, 1\n    v.add r5, r3, r4, T.seq\n    v.ret r5\n")
              THUNK("same", "    v.cap r2, 0\n    v.ret r2\n"),
          6);
}

static void the_host_answers_inside_a_force(void **state) {
    (void)state;
    world w;
    open_world(&w,
               MAIN("    v.int r2, 20\n    v.thunk r3, r2, 1, asks\n    v.add r4, r3, r3, T.sum\n    v.ret r4\n")
                   THUNK("asks", "    v.cap r2, 0\n    v.thunk r6, r2, 1, same\n    callb r4, T.ask\n    v.ret r5\n")
                       THUNK("same", "    v.cap r2, 0\n    v.ret r2\n"),
               NULL);
    assert_int_equal(run(&w), TH_RUN_SUSPENDED);
    const uint64_t *args;
    assert_non_null(th_machine_waiting(w.machine, &args, NULL));
    assert_int_equal(integer_of(args[0]), 20);
    assert_int_equal(th_machine_resume_value(w.machine, th_of_int(4)), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 8);
    assert_int_equal(w.entered, 1);
    close_world(&w);
}

/* ---- Places, traces, runs from outside ---------------------------------------------------------------------- */

static void places_are_known(void **state) {
    (void)state;
    gives("source 'a.nix' 'x'\n" IMPORTS
          "func main() -> value {\n    from 'a.nix'\n    regs r2-r9 value\n    v.int r7, 1\n    @5:3-5:9\n"
          "    callb r5, T.here\n    @\n    v.ret r6\n}\n",
          5003);
    world w;
    th_place place;
    open_world(&w,
               "source 'a.nix' 'x'\nshape {b @2:3-2:4, a @9:1-9:2} from 'a.nix'\n" MAIN(
                   "    v.int r2, 1\n    v.int r3, 2\n    v.rec r4, r2, 2, #0\n    v.ret r4\n"),
               NULL);
    th_value record = result_of(&w);
    th_heap *heap = th_machine_heap(w.machine);
    uint32_t number = th_record_position(heap, record, th_symbol_find(heap, th_view_of("a")));
    assert_true(th_machine_place(w.machine, number, &place));
    assert_int_equal(place.span.line, 9);
    assert_string_equal(place.file, "a.nix");
    assert_false(th_machine_place(w.machine, 0, &place));
    assert_false(th_machine_place(w.machine, 1000, &place));
    close_world(&w);
}

static void traces_show_thunks_and_fold_repeats(void **state) {
    (void)state;
    world w;
    open_world(
        &w,
        "source 'd.nix' 'x'\n" IMPORTS "func main() -> value {\n    regs r2-r9 value\n    v.const r2, 5\n    v.close "
        "r3, r2, 1, down\n    v.fix r3, r3, 0\n    v.int r7, 1000\n"
        "    v.call r5, r3, 1\n    v.ret r6\n}\n"
        "func down(value) -> value {\n    from 'd.nix'\n    captures value\n    regs r3-r9 value\n    v.int r3, 1\n    "
        "v.lt r4, r2, r3, T.other\n"
        "    v.jf r4, L1\n    v.thunk r3, r2, 1, bad\n    @8:1-8:2\n    v.force r3\n    v.ret r3\n"
        "  L1:\n    v.cap r3, 0\n    v.int r4, 1\n    v.sub r8, r2, r4, T.other\n    @6:1-6:2\n    v.call r6, r3, 1\n  "
        "  v.ret r7\n}\n" THUNK("bad", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.throw\n    v.ret r5\n"),
        NULL);
    assert_int_equal(run(&w), TH_RUN_FAILED);
    th_buf trace;
    th_buf_init(&trace, host_mem());
    th_machine_trace(w.machine, &trace);
    assert_string_equal(
        trace.data,
        "  at bad\n  at down (d.nix:8:1)\n  at down (d.nix:6:1)\n  ... the same 999 more times ...\n  at main\n");
    th_buf_clear(&trace);
    close_world(&w);
}

static void values_are_forced_and_applied_from_outside(void **state) {
    (void)state;
    world w;
    open_world(&w,
               IMPORTS
               "export add = add\nfunc main() -> value {\n    regs r2 value\n    v.int r2, 7\n    v.ret r2\n}\n"
               "func add(value, value) -> value {\n    note 'adds'\n    v.add r2, r2, r3, T.sum\n    v.ret r2\n}\n",
               NULL);
    th_value main, add;
    assert_true(th_unit_value(w.unit, (uint32_t)th_program_find(w.program, th_view_of("main")), &main));
    assert_true(th_unit_value(w.unit, (uint32_t)th_program_find(w.program, th_view_of("add")), &add));
    assert_string_equal(th_value_note(w.machine, add)->bytes, "adds");
    assert_int_equal(th_value_arity(w.machine, add), 2);
    uint32_t held;
    assert_int_equal(th_machine_hold(w.machine, TH_TYPE_VALUE, add, &held), TH_OK);
    assert_int_equal(th_machine_begin_force(w.machine, main), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 7);
    th_machine_heap(w.machine)->due = true;
    assert_int_equal(th_machine_tidy(w.machine), TH_OK);
    add = th_machine_held(w.machine, held, NULL);
    th_value args[2] = {th_of_int(30), th_of_int(12)};
    assert_int_equal(th_machine_begin_apply(w.machine, add, args, 1), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(th_value_arity(w.machine, th_machine_result(w.machine)), 1);
    assert_int_equal(th_machine_begin_apply(w.machine, th_machine_result(w.machine), args + 1, 1), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(integer_of(th_machine_result(w.machine)), 42);
    assert_int_equal(th_machine_begin_apply(w.machine, th_of_int(3), args, 2), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_FAILED);
    th_machine_drop(w.machine, held);
    assert_int_equal(th_machine_reset(w.machine), TH_OK);
    close_world(&w);
}

static int released;
static th_value attached_value;
static void release_state(void *state) { released += *(int *)state; }
static void visit_state(void *state, th_heap *heap) {
    (void)state;
    th_heap_visit(heap, &attached_value);
}

static void attachments_are_roots_and_are_released(void **state) {
    (void)state;
    static const th_attachment key = {release_state, visit_state};
    int one = 1;
    world w;
    open_world(&w, tail, NULL);
    assert_true(th_new_string(th_machine_heap(w.machine), 0, "kept", 4, TH_V_NULL, &attached_value));
    assert_int_equal(th_machine_attach(w.machine, &key, &one), TH_OK);
    assert_ptr_equal(th_machine_attached(w.machine, &key), &one);
    th_value n = th_of_int(TURNS / 4);
    assert_int_equal(th_machine_begin(w.machine, function(&w, "main"), &n, 1), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_true(th_view_is(th_string_view(attached_value), "kept"));
    assert_int_equal(th_machine_reset(w.machine), TH_OK);
    assert_int_equal(released, 1);
    assert_null(th_machine_attached(w.machine, &key));
    close_world(&w);
}

/* ---- Refused allocations ------------------------------------------------------------------------------------ */

/* Records, lists, thunks, partial applications, an error that is caught, boxed numbers. */
static const char everything[] =
    MAIN("    v.int r2, 28\n    v.thunk r3, r2, 1, bad\n    mov r7, r3\n    callb r5, T.try\n    mov r4, r6\n"
         "    v.int r2, 1\n    v.close r9, r2, 1, double\n    v.int r2, 1\n    v.int r3, 2\n    v.list r10, r2, 2\n    "
         "callb r7, T.map\n"
         "    v.ldk r2, 9223372036854775807\n    v.int r3, 1\n    v.add r2, r2, r3, T.sum\n    v.int r3, -1\n    v.mul "
         "r2, r3, r3, T.other\n"
         "    v.lnew r3, 5000\n    v.cat r3, r3, r8\n    mov r12, r3\n    callb r10, T.length\n    v.add r4, r4, r11, "
         "T.sum\n"
         "    v.str r5, 0, 'text'\n    v.rec r5, r5, 1, {a}\n    v.rec r6, r2, 1, {b}\n    v.upd r5, r5, r6\n    v.sel "
         "r6, r5, b\n"
         "    v.add r4, r4, r6, T.sum\n    v.ret r4\n")
        DOUBLE THUNK("bad", "    v.cap r2, 0\n    mov r6, r2\n    callb r4, T.throw\n    v.ret r5\n");

static void refused_allocations_are_errors(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t len;
    assemble(everything, &bytes, &len);
    bool done = false;
    for (size_t fail_at = 1; !done && fail_at < 5000; fail_at++) {
        world w = {0};
        w.allocator.fail_at = fail_at;
        th_status status = open_status(&w, bytes, len, &unlimited);
        if (status == TH_OK) status = th_machine_begin(w.machine, function(&w, "main"), NULL, 0);
        if (status == TH_OK) {
            th_run_state now = th_machine_run(w.machine);
            done = now == TH_RUN_DONE && w.allocator.requests < fail_at;
            if (now == TH_RUN_DONE)
                assert_int_equal(integer_of(th_machine_result(w.machine)), 5002 - 28 + 1);
            else
                assert_int_equal(th_machine_error(w.machine)->code, TH_E_NOMEM);
        } else
            assert_int_equal(status, TH_E_NOMEM);
        w.allocator.fail_at = 0;
        close_world(&w);
    }
    assert_true(done);
    th_mem_free(host_mem(), bytes, len);
}

static void the_memory_limit_is_an_error_and_the_machine_goes_on(void **state) {
    (void)state;
    static const char text[] = IMPORTS "func main() -> value {\n    regs r2-r9 value\n    v.const r2, 1\n"
                                       "  L1:\n    v.rec r3, r2, 1, {a}\n    mov r2, r3\n    jmp L1\n}\n"
                                       "func small() -> value {\n    regs r2-r9 value\n    v.int r2, 5\n    v.list r3, "
                                       "r2, 1\n    v.ret r2\n}\nexport small = small\n";
    world w;
    th_limits limits = {.fuel = -1, .memory_bytes = SMALL};
    open_world(&w, text, &limits);
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(run(&w), TH_RUN_FAILED);
        assert_int_equal(th_machine_error(w.machine)->code, TH_E_MEMORY_LIMIT);
        assert_int_equal(th_machine_begin(w.machine, function(&w, "small"), NULL, 0), TH_OK);
        assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    }
    close_world(&w);
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursive_functions_compute),
        cmocka_unit_test(integers_overflow_into_the_import),
        cmocka_unit_test(integers_and_floats_mix),
        cmocka_unit_test(texts_and_constants_compare),
        cmocka_unit_test(values_cross_to_the_typed_side),
        cmocka_unit_test(small_sums_are_tried_without_evaluation),
        cmocka_unit_test(a_thunk_runs_once),
        cmocka_unit_test(an_unused_thunk_never_runs),
        cmocka_unit_test(needing_oneself_is_infinite_recursion_with_both_places),
        cmocka_unit_test(a_failed_thunk_raises_its_error_again),
        cmocka_unit_test(builtins_catch_what_they_called),
        cmocka_unit_test(limits_leave_thunks_to_be_evaluated_again),
        cmocka_unit_test(a_run_goes_on_after_being_suspended_inside_a_force),
        cmocka_unit_test(a_run_over_values_is_not_saved_wrongly),
        cmocka_unit_test(builtins_alone_run_over_values),
        cmocka_unit_test(an_abandoned_thunk_can_be_evaluated_again),
        cmocka_unit_test(functions_take_fewer_and_more_arguments),
        cmocka_unit_test(records_with_a_functor_are_called),
        cmocka_unit_test(calling_no_function_says_what_it_is),
        cmocka_unit_test(tail_calls_take_no_memory),
        cmocka_unit_test(tail_calls_through_partial_application_take_no_memory),
        cmocka_unit_test(recursion_is_as_deep_as_memory),
        cmocka_unit_test(collections_do_not_look_at_a_deep_stack_again),
        cmocka_unit_test(chains_of_thunks_are_as_deep_as_memory),
        cmocka_unit_test(running_out_of_memory_in_the_depth_is_an_error),
        cmocka_unit_test(fields_are_read_and_their_absence_told),
        cmocka_unit_test(records_are_merged_the_right_one_over_the_left),
        cmocka_unit_test(records_are_filled_field_by_field),
        cmocka_unit_test(unexpected_names_are_refused),
        cmocka_unit_test(lists_are_made_and_joined),
        cmocka_unit_test(strict_arguments_are_evaluated_and_checked),
        cmocka_unit_test(builtins_call_back_and_keep_values_on_their_stack),
        cmocka_unit_test(a_builtin_may_have_many_states),
        cmocka_unit_test(results_that_are_thunks_are_evaluated),
        cmocka_unit_test(the_host_answers_inside_a_force),
        cmocka_unit_test(places_are_known),
        cmocka_unit_test(traces_show_thunks_and_fold_repeats),
        cmocka_unit_test(values_are_forced_and_applied_from_outside),
        cmocka_unit_test(attachments_are_roots_and_are_released),
        cmocka_unit_test(refused_allocations_are_errors),
        cmocka_unit_test(the_memory_limit_is_an_error_and_the_machine_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
