/*
** machine_dynamic_random.c - random programs over values: verified programs run safely, the same each time, in one
** go, a few units of fuel at a time, and with a heap that is collected at other moments.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/random_program.c"
#include "machine/dynamic.h"

static th_mem *host_mem(void) {
    static th_mem mem;
    if (!mem.alloc) th_mem_init(&mem, NULL, NULL, NULL, 0);
    return &mem;
}

/* What arithmetic falls back to: sums of integers, a record of the two, a thunk, or an error. */
static th_step binary(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_value a = th_deref(call->args[0]), b = th_deref(call->args[1]);
    int64_t x, y;
    if (th_get_i64(a, &x) && th_get_i64(b, &y)) {
        if (y == 0) return th_machine_trap(m, TH_E_DIVISION, "division by zero");
        if (!th_new_int(heap, (int64_t)((uint64_t)x ^ (uint64_t)y), call->result))
            return th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return TH_STEP_DONE;
    }
    if (th_value_kind_of(a) == TH_VK_FUNCTION && !th_is_unevaluated(b))
        return th_new_apply(m, a, &b, 1, call->result) ? TH_STEP_DONE : TH_STEP_ERROR;
    if (th_value_kind_of(a) == th_value_kind_of(b)) {
        call->result[0] = b;
        return TH_STEP_DONE;
    }
    return th_machine_trap(m, TH_E_TYPE, "these do not go together");
}

static const th_builtin builtins[] = {{TH_RANDOM_BINARY, "a: value, b: value -> value", "", binary, 0, 0, NULL, NULL}};

static uint64_t current; /* seed */

typedef struct outcome {
    th_run_state state;
    th_status code;
    uint64_t result;
    int64_t fuel;
} outcome;

typedef struct trial {
    int64_t fuel, step; /* step: so much at a time, 0: all at once */
    size_t memory_bytes;
    bool restless; /* between the steps a collection is wanted */
} trial;

static outcome run_once(const uint8_t *bytes, size_t len, const trial *t) {
    th_engine *engine;
    th_program *program;
    th_machine *machine;
    th_unit *unit;
    th_error err = {0};
    th_limits limits = {.fuel = t->step ? t->step : t->fuel, .memory_bytes = t->memory_bytes};
    assert_int_equal(th_engine_new(host_mem(), &engine), TH_OK);
    assert_int_equal(th_engine_add_standard(engine, &err), TH_OK);
    assert_int_equal(th_engine_add(engine, builtins, 1, NULL, &err), TH_OK);
    if (th_program_load(host_mem(), bytes, len, &program, &err) != TH_OK)
        fail_msg("seed %llu does not load: %s", (unsigned long long)current, err.message);
    assert_int_equal(th_machine_new(engine, &limits, &machine), TH_OK);
    assert_int_equal(th_machine_load(machine, program, &unit, &err), TH_OK);
    th_machine_set_resumable(machine, t->step != 0);
    const th_fn *main = th_unit_fn(unit, (uint32_t)th_program_find(program, th_view_of("main")));
    assert_int_equal(th_machine_begin(machine, main, NULL, 0), TH_OK);
    outcome out = {.state = th_machine_run(machine)};
    for (int64_t given = t->step; t->step && out.state == TH_RUN_SUSPENDED && given < t->fuel; given += t->step) {
        if (t->restless) th_machine_heap(machine)->due = true;
        th_machine_add_fuel(machine, t->step);
        out.state = th_machine_run(machine);
    }
    out.fuel = th_machine_fuel_used(machine);
    if (out.state == TH_RUN_DONE) out.result = th_machine_result(machine);
    if (out.state == TH_RUN_FAILED) out.code = th_machine_error(machine)->code;
    if (out.state == TH_RUN_FAILED && t->memory_bytes) { /* it goes on: what limits stopped can be evaluated again */
        th_machine_add_fuel(machine, 1000);
        assert_int_equal(th_machine_begin(machine, main, NULL, 0), TH_OK);
        (void)th_machine_run(machine);
    }
    th_machine_free(machine);
    th_program_release(program);
    th_engine_free(engine);
    return out;
}

static bool same(const outcome *a, const outcome *b) {
    return a->state == b->state && a->code == b->code && a->result == b->result && a->fuel == b->fuel;
}

static size_t ends[3]; /* done, failed, neither */

static void try_program(uint64_t seed) {
    uint8_t *bytes;
    size_t len;
    current = seed;
    assert_int_equal(th_random_value_program(host_mem(), seed, 5 + (uint32_t)(seed % 30), &bytes, &len), TH_OK);
    outcome once = run_once(bytes, len, &(trial){.fuel = 60000}), again = run_once(bytes, len, &(trial){.fuel = 60000});
    if (!same(&once, &again)) fail_msg("seed %llu: two runs differ", (unsigned long long)seed);
    ends[once.state == TH_RUN_DONE ? 0 : once.code == TH_E_FUEL ? 2 : 1]++;
    outcome stepped = run_once(bytes, len, &(trial){.fuel = 60000, .step = 97, .restless = true});
    if (once.code != TH_E_FUEL && !same(&once, &stepped))
        fail_msg("seed %llu: a run in steps differs: %d %s, %lld and %d %s, %lld", (unsigned long long)seed,
                 (int)once.state, th_status_text(once.code), (long long)once.fuel, (int)stepped.state,
                 th_status_text(stepped.code), (long long)stepped.fuel);
    (void)run_once(bytes, len, &(trial){.fuel = 3000, .memory_bytes = 4 << 20});
    th_mem_free(host_mem(), bytes, len);
}

static void verified_programs_over_values_run_safely_and_alike(void **state) {
    (void)state;
    const char *given = getenv("TH_SEED"), *wanted = getenv("TH_SEEDS");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, count = wanted  ? strtoull(wanted, NULL, 10)
                                                                    : given ? 1
                                                                            : 300;
    for (uint64_t seed = first; seed < first + count; seed++) try_program(seed);
    print_message("%zu done, %zu failed, %zu out of fuel\n", ends[0], ends[1], ends[2]);
    if (!given) assert_true(ends[0] > count / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(verified_programs_over_values_run_safely_and_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
