/*
** machine_run.c - what a machine promises: verified programs cannot hurt it, limits hold and are deterministic, cancelling is
** sticky, suspended runs go on, and a refused allocation is an error and no more.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/faulty.h"
#include "../support/random_program.c"
#include "machine/machine.h"

typedef struct world {
    faulty allocator;
    th_mem mem;
    th_engine *engine;
    th_program *program;
    th_machine *machine;
    th_unit *unit;
    th_error err;
} world;

static const th_limits unlimited = {.fuel = -1};

static th_status open_world(world *w, const uint8_t *bytes, size_t len, const th_limits *limits) {
    th_mem_init(&w->mem, faulty_alloc, &w->allocator, NULL, 0);
    TH_TRY(th_engine_new(&w->mem, &w->engine));
    TH_TRY(th_engine_add_standard(w->engine, &w->err));
    TH_TRY(th_program_load(&w->mem, bytes, len, &w->program, &w->err));
    TH_TRY(th_machine_new(w->engine, limits, &w->machine));
    return th_machine_load(w->machine, w->program, &w->unit, &w->err);
}

static void close_world(world *w) {
    th_machine_free(w->machine);
    th_program_release(w->program);
    th_engine_free(w->engine);
    assert_int_equal(w->allocator.held, 0);
}

static const th_fn *main_of(const world *w) {
    int64_t main = th_program_find(w->program, th_view_of("main"));
    assert_true(main >= 0);
    return th_unit_fn(w->unit, (uint32_t)main);
}

static th_mem *host_mem(void) {
    static th_mem mem;
    if (!mem.alloc) th_mem_init(&mem, NULL, NULL, NULL, 0);
    return &mem;
}

static void assemble(const char *text, uint8_t **bytes, size_t *len) {
    th_error err = {0};
    if (th_program_assemble(host_mem(), th_view_of("test"), th_view_of(text), bytes, len, &err) != TH_OK)
        fail_msg("%u:%u: %s", err.span.line, err.span.column, err.message);
}

static const char endless[] = "export main = main\n"
                              "func main() -> i64 {\n"
                              "    regs r2 i64\n"
                              "    ldi r2, 0\n"
                              "  L1:\n"
                              "    add.i r2, r2, 1\n"
                              "    jmp L1\n"
                              "}\n";
static const char deep[] = "export main = main\n"
                           "func main() -> i64 {\n"
                           "    regs r2-r3 i64\n"
                           "    call r2, down\n"
                           "    ret r3\n"
                           "}\n"
                           "func down() -> i64 {\n"
                           "    regs r2-r3 i64\n"
                           "    call r2, down\n"
                           "    ret r3\n"
                           "}\n";

/* ---- Random programs ---------------------------------------------------------------------------------------- */

typedef struct outcome {
    th_run_state state;
    th_status code;
    uint64_t result;
    int64_t fuel;
} outcome;

static outcome run_random(const uint8_t *bytes, size_t len, int64_t fuel, int64_t step) {
    world w = {0};
    th_limits limits = {.fuel = step ? step : fuel, .memory_bytes = 64 << 20};
    assert_int_equal(open_world(&w, bytes, len, &limits), TH_OK);
    th_machine_set_resumable(w.machine, step != 0);
    assert_int_equal(th_machine_begin(w.machine, main_of(&w), NULL, 0), TH_OK);
    outcome out = {.state = th_machine_run(w.machine)};
    for (int64_t given = step; step && out.state == TH_RUN_SUSPENDED && given < fuel; given += step) {
        th_machine_add_fuel(w.machine, step);
        out.state = th_machine_run(w.machine);
    }
    out.fuel = th_machine_fuel_used(w.machine);
    if (out.state == TH_RUN_DONE) out.result = th_machine_result(w.machine);
    if (out.state == TH_RUN_FAILED) out.code = th_machine_error(w.machine)->code;
    close_world(&w);
    return out;
}

static void verified_programs_run_safely_and_alike(void **state) {
    (void)state;
    const char *given = getenv("TH_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, count = given ? 1 : 150, finished = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        uint8_t *bytes;
        size_t len;
        assert_int_equal(th_random_program(host_mem(), seed, 20, &bytes, &len), TH_OK);
        outcome once = run_random(bytes, len, 200000, 0), again = run_random(bytes, len, 200000, 0);
        if (once.state != again.state || once.code != again.code || once.result != again.result ||
            once.fuel != again.fuel)
            fail_msg("seed %llu: two runs differ", (unsigned long long)seed);
        if (once.code != TH_E_FUEL) {
            outcome pieces = run_random(bytes, len, 400000, 997);
            if (once.state != pieces.state || once.result != pieces.result || once.fuel != pieces.fuel)
                fail_msg("seed %llu: suspended and resumed, it differs", (unsigned long long)seed);
            finished++;
        }
        th_mem_free(host_mem(), bytes, len);
    }
    if (!given) assert_true(finished > count / 4);
}

/* ---- Limits ------------------------------------------------------------------------------------------------- */

static outcome run_text(const char *text, const th_limits *limits, void (*before)(th_machine *)) {
    uint8_t *bytes;
    size_t len;
    world w = {0};
    assemble(text, &bytes, &len);
    assert_int_equal(open_world(&w, bytes, len, limits), TH_OK);
    if (before) before(w.machine);
    assert_int_equal(th_machine_begin(w.machine, main_of(&w), NULL, 0), TH_OK);
    outcome out = {.state = th_machine_run(w.machine)};
    if (out.state == TH_RUN_FAILED) out.code = th_machine_error(w.machine)->code;
    out.fuel = th_machine_fuel_used(w.machine);
    close_world(&w);
    th_mem_free(host_mem(), bytes, len);
    return out;
}

static void endless_loop_runs_out_of_fuel(void **state) {
    (void)state;
    outcome out = run_text(endless, &(th_limits){.fuel = 1000000}, NULL);
    assert_int_equal(out.state, TH_RUN_FAILED);
    assert_int_equal(out.code, TH_E_FUEL);
    assert_in_range(out.fuel, 1000000, 1000100);
}

static void endless_loop_times_out(void **state) {
    (void)state;
    assert_int_equal(run_text(endless, &(th_limits){.fuel = -1, .timeout_ns = 20000000}, NULL).code, TH_E_TIMEOUT);
}

static void endless_recursion_meets_the_memory_limit(void **state) {
    (void)state;
    assert_int_equal(run_text(deep, &(th_limits){.fuel = -1, .memory_bytes = 16 << 20}, NULL).code, TH_E_MEMORY_LIMIT);
}

static void cancelled_before_the_run_is_seen(void **state) {
    (void)state;
    assert_int_equal(run_text(endless, &unlimited, th_machine_cancel).code, TH_E_CANCELLED);
}

static void interrupted_run_suspends_and_goes_on(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t len;
    world w = {0};
    assemble(endless, &bytes, &len);
    assert_int_equal(open_world(&w, bytes, len, &(th_limits){.fuel = 3000000}), TH_OK);
    assert_int_equal(th_machine_begin(w.machine, main_of(&w), NULL, 0), TH_OK);
    th_machine_interrupt(w.machine);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_SUSPENDED);
    assert_int_equal(th_machine_stopped_for(w.machine), TH_E_SUSPENDED);
    assert_int_equal(th_machine_begin(w.machine, main_of(&w), NULL, 0), TH_E_BUSY);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_FAILED);
    assert_int_equal(th_machine_error(w.machine)->code, TH_E_FUEL);
    /* and the machine is of use afterwards */
    th_machine_add_fuel(w.machine, 1000);
    assert_int_equal(th_machine_begin(w.machine, main_of(&w), NULL, 0), TH_OK);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_FAILED);
    close_world(&w);
    th_mem_free(host_mem(), bytes, len);
}

/* ---- Faults ------------------------------------------------------------------------------------------------- */

static th_status load_and_run(world *w, const uint8_t *bytes, size_t len) {
    TH_TRY(open_world(w, bytes, len, &(th_limits){.fuel = 100000}));
    TH_TRY(th_machine_begin(w->machine, main_of(w), NULL, 0));
    if (th_machine_run(w->machine) != TH_RUN_FAILED) return TH_OK;
    th_status code = th_machine_error(w->machine)->code;
    return code == TH_E_NOMEM ? code : TH_OK;
}

static void every_refused_allocation_is_an_error_fault(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint8_t *bytes;
        size_t len, fail_at = 1;
        assert_int_equal(th_random_program(host_mem(), seed, 12, &bytes, &len), TH_OK);
        for (th_status status = TH_E_NOMEM; status != TH_OK; fail_at++) {
            world w = {.allocator = {.fail_at = fail_at}};
            status = load_and_run(&w, bytes, len);
            if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
            close_world(&w);
            assert_true(fail_at < 100000);
        }
        if (fail_at <= 10)
            fail_msg("seed %llu: no refusal was seen after request %zu", (unsigned long long)seed, fail_at);
        th_mem_free(host_mem(), bytes, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verified_programs_run_safely_and_alike),
        cmocka_unit_test(endless_loop_runs_out_of_fuel),
        cmocka_unit_test(endless_loop_times_out),
        cmocka_unit_test(endless_recursion_meets_the_memory_limit),
        cmocka_unit_test(cancelled_before_the_run_is_seen),
        cmocka_unit_test(interrupted_run_suspends_and_goes_on),
        cmocka_unit_test(every_refused_allocation_is_an_error_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
