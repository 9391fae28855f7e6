/*
** machine_snapshot.c - a suspended run goes on in another machine as if nothing had happened; what cannot be saved is told;
** a file that was changed is refused or runs within its limits.
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
#include "../support/snapshot_host.h"
#include "flat/flat.h"
#include "machine/machine_int.h"
#include "state_flat.h"

#define FIB                                                                                                            \
    "func fib(i64) -> i64 { regs r3-r9 i64 jlt.i r2, 2, L add.i r8, r2, -1 call r6, fib mov r3, r7\n"                  \
    " add.i r8, r2, -2 call r6, fib add r1, r3, r7 ret r1 L: ret r2 }\n"

/* Each has a function main without parameters. */
static const char containers[] =
    "type struct P { x: i64, s: String, next: P? }\n" FIB
    "func adder(i64) -> i64 { captures Cell<i64> regs r3 ptr, r4 i64\n"
    " ldcap r3, 0 get r4, r3, 0 add r4, r4, r2 set r3, r4, 0 ret r4 }\n"
    "func main() -> Tuple<List<P>, Dict<String, i64>, i64?, Variadic<i64, String>, String, List<bool>, Cell<i64>> {\n"
    " regs r2 i64, r3-r6 ptr, r7 string, r8 ptr, r9 bool, r10 i64, r11 string, r12-r14 ptr, r15 i64, r16-r17 ptr\n"
    " regs r20-r29 i64, r30-r33 ptr, r34 string, r35-r36 ptr\n"
    " ldi r2, 0 lnew r3, r0, List<P> dnew r4, Dict<String, i64> ldi r15, 100 new r5, r15, 1, Cell<i64>\n"
    " closure r6, r5, 1, adder lds r7, 'start' ldnull r12, P? vnew r14, r7, 1, Variadic<i64, String>\n"
    " ldnull r16, i64? lnew r8, r0, List<bool>\n"
    " L: mov r10, r2 lds r11, 'x' sappend r7, r11 scat r11, r11, r7 new r13, r10, 3, P lpush r3, r13\n"
    " some r12, r13, P? dset r4, r11, r2 ldi r9, 1 lpush r8, r9 mov r22, r2 callc r20, r6 mov r15, r21\n"
    " ldi r22, 4 call r20, fib add r15, r15, r21 vnew r14, r15, 0, Variadic<i64, String> some r16, r15, i64?\n"
    " loop.i r2, 4, L\n"
    " mov r30, r3 mov r31, r4 mov r32, r16 mov r33, r14 mov r34, r7 mov r35, r8 mov r36, r5\n"
    " new r17, r30, 7, Tuple<List<P>, Dict<String, i64>, i64?, Variadic<i64, String>, String, List<bool>, Cell<i64>>\n"
    " ret r17 }\n";

static const char regions[] =
    FIB "func main() -> List<String> { regs r2 i64, r3 ptr, r4-r5 string, r20-r22 i64\n"
        " lnew r3, r0, List<String> ldi r2, 0 lds r5, '' renter\n"
        " L: rloop {r3} lds r4, 'ab' scat r4, r4, r4 lpush r3, r4 ldi r22, 3 call r20, inner loop.i r2, 6, L\n"
        " rleave {r3} ret r3 }\n"
        "func inner(i64) -> i64 { regs r3 ptr, r4 string, r20-r22 i64 renter lnew r3, r0, List<String> lds r4, 'tmp'\n"
        " scat r4, r4, r4 lpush r3, r4 mov r22, r2 call r20, fib rleave {} ret r21 }\n";

static const char errors[] =
    "func boom(i64) -> i64 { regs r3 string renter jlt.i r2, 3, OK lds r3, 'too big' trap r3, E_INDEX\n"
    " OK: rleave {} ret r2 }\n"
    "func main() -> List<String> { regs r2 i64, r3 ptr, r6 ptr, r7 string, r20-r22 i64\n"
    " lnew r3, r0, List<String> ldi r2, 0\n"
    " L: mov r22, r2 S: call r20, boom E: lds r7, 'fine' lpush r3, r7 jmp N\n"
    " H: get r7, r6, 1 lpush r3, r7 get r7, r6, 0 lpush r3, r7\n"
    " N: loop.i r2, 6, L ret r3 handler S to E goto H with r6 depth 0 }\n";

static const char sorting[] =
    "import List.sort_by: Function<List<i64>, Function<i64, i64, i64>, List<i64>>\n" FIB
    "func order(i64, i64) -> i64 { regs r20-r22 i64 ldi r22, 2 call r20, fib sub r1, r3, r2 ret r1 }\n"
    "func main() -> List<i64> { regs r2 i64, r3-r4 ptr, r20 i64, r21-r23 ptr lnew r3, r0, List<i64>\n"
    " ldi r2, 5 lpush r3, r2 ldi r2, -3 lpush r3, r2 ldi r2, 9 lpush r3, r2 ldi r2, 0 lpush r3, r2 ldi r2, 7 lpush r3, "
    "r2\n"
    " ldi r2, 1 lpush r3, r2 ldi r2, 8 lpush r3, r2 mov r22, r3 closure r23, r0, 0, order callb r20, List.sort_by\n"
    " ret r21 }\n";

static const char globals[] =
    "global total: i64\nglobal names: List<String>\nglobal later: i32\nstart init\n"
    "import IO.print: Function<String, void>\nimport Random.new: Function<i64, Random>\n"
    "import Random.next: Function<Random, i64>\n" FIB
    "func init() -> void { regs r2 ptr, r3 string, r20-r22 i64 lnew r2, r0, List<String> lds r3, 'one' lpush r2, r3\n"
    " gset r2, names ldi r22, 5 call r20, fib gset r21, total ret.v }\n"
    "func main() -> Tuple<List<String>, i64, i64> { regs r2 ptr, r3 string, r4 ptr, r5 i64, r6 i64, r7 ptr, r8 i64, r9 "
    "i64,"
    " r10 i64, r20-r21 none, r22 string, r30 i64, r31 ptr, r32 i64, r40 i64, r41 i64, r42 ptr\n"
    " ldi r32, 42 callb r30, Random.new mov r4, r31 ldi r6, 0\n"
    " L: gget r2, names lds r3, 'more' lpush r2, r3 mov r22, r3 callb r20, IO.print mov r42, r4 callb r40, "
    "Random.next\n"
    " mov r5, r41 loop.i r6, 5, L gget r7, names gget r8, total mov r9, r5\n"
    " new r4, r7, 3, Tuple<List<String>, i64, i64> ret r4 }\n";

static const char tails[] =
    "func count(i64, i64) -> i64 { regs r20-r23 i64 jeq.i r2, 0, L add.i r22, r2, -1 add r23, r3, r2 tcall r20, count\n"
    " L: ret r3 }\n"
    "func through(Function<i64, i64, i64>, i64) -> i64? { regs r20-r23 i64, r1 ptr, r24 i64\n"
    " mov r22, r3 ldi r23, 0 callc r20, r2 some r1, r21, i64? ret r1 }\n"
    "func main() -> i64? { regs r1 ptr, r20 i64, r21 ptr, r22 ptr, r23 i64\n"
    " closure r22, r0, 0, count ldi r23, 30 tcall r20, through }\n";

static const char hosting[] =
    "import Host.ask: Function<i64, String, i64>\n"
    "func main() -> i64 { regs r2-r3 i64, r20-r22 i64, r23 string ldi r2, 0 ldi r3, 0\n"
    " L: mov r22, r2 lds r23, 'how much?' callb r20, Host.ask add r3, r3, r21 loop.i r2, 4, L ret r3 }\n";

static const char rewinding[] =
    "import Host.sum: Function<Function<i64, i64>, i64>\n" FIB
    "func main() -> i64 { regs r20-r21 i64, r22 ptr closure r22, r0, 0, fib callb r20, Host.sum ret r21 }\n";

static const char applying[] =
    "import Host.apply: Function<Function<i64, i64>, i64>\n" FIB
    "func main() -> i64 { regs r20-r21 i64, r22 ptr closure r22, r0, 0, fib callb r20, Host.apply ret r21 }\n";

/* ---- Engines, machines -------------------------------------------------------------------------------------- */

/* Its state tells all: nothing is kept in slots. */
static th_step apply(th_machine *m, th_call *call) {
    uint64_t arg = 5;
    if (call->state == 0) return th_call_closure(m, call, th_word_ptr(call->args[0]), &arg, 1, 7);
    call->result[0] = call->state == 7 ? call->callback * 100 : 0;
    return TH_STEP_DONE;
}

static const th_builtin host[] = {
    SNAPSHOT_ASK,
    SNAPSHOT_SUM,
    {"Host.apply", "f: Function<i64, i64> -> i64", "", apply, TH_BUILTIN_STATEFUL | TH_BUILTIN_FS, 0, ""},
};

typedef struct world { /* what one process has */
    th_mem mem;
    th_engine *engine;
    th_machine *machine;
    th_buf output;
} world;

static th_status keep_output(void *user, const char *bytes, size_t len) {
    th_buf_put(user, bytes, len);
    return TH_OK;
}

static void world_begin(world *w, const th_limits *limits) {
    th_error err = {0};
    th_mem_init(&w->mem, NULL, NULL, NULL, 0);
    th_buf_init(&w->output, &w->mem);
    assert_int_equal(th_engine_new(&w->mem, &w->engine), TH_OK);
    if (th_engine_add_standard(w->engine, &err) != TH_OK) fail_msg("%s", err.message);
    assert_int_equal(th_engine_add(w->engine, host, TH_COUNT(host), NULL, &err), TH_OK);
    assert_int_equal(th_machine_new(w->engine, limits, &w->machine), TH_OK);
    th_machine_set_output(w->machine, keep_output, &w->output);
}

static void world_end(world *w) {
    th_machine_free(w->machine);
    th_engine_free(w->engine);
    th_buf_clear(&w->output);
    assert_int_equal(w->mem.used_bytes, 0);
}

static void begin_main(world *w, const char *text) {
    th_error err = {0};
    uint8_t *bytes;
    size_t len;
    th_program *program;
    th_unit *unit;
    char whole[8192];
    snprintf(whole, sizeof whole, "type opaque Random\n%s", text);
    if (th_program_assemble(&w->mem, th_view_of("test"), th_view_of(whole), &bytes, &len, &err) != TH_OK)
        fail_msg("%u:%u: %s", err.span.line, err.span.column, err.message);
    if (th_program_load(&w->mem, bytes, len, &program, &err) != TH_OK) fail_msg("%s", err.message);
    th_mem_free(&w->mem, bytes, len);
    if (th_machine_load(w->machine, program, &unit, &err) != TH_OK) fail_msg("%s", err.message);
    th_program_release(program);
    for (uint32_t i = 0; i < program->nfunctions; i++)
        if (th_view_is(th_view_str(program->functions[i].name), "main"))
            assert_int_equal(th_machine_begin(w->machine, th_unit_fn(unit, i), NULL, 0), TH_OK);
}

/* ---- Runs and their outcome --------------------------------------------------------------------------------- */

typedef struct outcome {
    char text[8192];
    int64_t fuel;
} outcome;

static bool answer(world *w) {
    const uint64_t *args;
    const th_builtin *builtin = th_machine_waiting(w->machine, &args, NULL);
    if (!builtin) return false;
    assert_string_equal(builtin->name, "Host.ask");
    assert_string_equal(((th_str *)th_word_ptr(args[1]))->bytes, "how much?");
    assert_int_equal(th_machine_resume_value(w->machine, args[0] * 10 + 1), TH_OK);
    return true;
}

/* Runs to its end, and tells the result as text, followed by what was printed. */
static void run_to_end(world *w, const char *printed_before, outcome *out) {
    th_run_state state;
    while ((state = th_machine_run(w->machine)) == TH_RUN_SUSPENDED)
        if (!answer(w)) th_machine_add_fuel(w->machine, 1 << 20);
    if (state != TH_RUN_DONE) fail_msg("%s", th_machine_error(w->machine)->message);
    out->fuel = th_machine_fuel_used(w->machine);
    th_buf text;
    th_buf_init(&text, &w->mem);
    assert_int_equal(th_value_print(w->machine, th_machine_result_type(w->machine), th_machine_result(w->machine),
                                    TH_PRINT_QUOTED, &text),
                     TH_OK);
    assert_int_equal(th_machine_flush(w->machine), TH_OK);
    snprintf(out->text, sizeof out->text, "%s\n%s%s", text.data, printed_before, w->output.len ? w->output.data : "");
    th_buf_clear(&text);
}

static const th_limits unlimited = {.fuel = -1, .capabilities = TH_BUILTIN_FS};

static void run_whole(const char *text, outcome *out) {
    world w;
    world_begin(&w, &unlimited);
    begin_main(&w, text);
    run_to_end(&w, "", out);
    world_end(&w);
}

/* The state after `fuel`, in memory of the C library; NULL: the run ends before. `printed` gets its output. */
static uint8_t *state_after(const char *text, int64_t fuel, size_t *len, char *printed, size_t size) {
    world w;
    th_error err = {0};
    uint8_t *bytes, *copy = NULL;
    world_begin(&w, &(th_limits){.fuel = fuel, .capabilities = TH_BUILTIN_FS});
    begin_main(&w, text);
    th_machine_set_resumable(w.machine, true);
    if (th_machine_run(w.machine) == TH_RUN_SUSPENDED) {
        if (th_machine_save(w.machine, &bytes, len, &err) != TH_OK) fail_msg("fuel %d: %s", (int)fuel, err.message);
        copy = malloc(*len);
        memcpy(copy, bytes, *len);
        th_mem_free(th_machine_mem(w.machine), bytes, *len);
    }
    snprintf(printed, size, "%s", w.output.len ? w.output.data : "");
    world_end(&w);
    return copy;
}

static void restore_or_fail(world *w, const uint8_t *bytes, size_t len) {
    th_error err = {0};
    if (th_machine_restore(w->machine, bytes, len, &err) != TH_OK) fail_msg("%s", err.message);
}

static void check_every_suspension(const char *text, int64_t step) {
    outcome whole, resumed;
    char printed[4096];
    size_t len, saved = 0;
    run_whole(text, &whole);
    for (int64_t fuel = 0; fuel < whole.fuel + step; fuel += step) {
        uint8_t *bytes = state_after(text, fuel, &len, printed, sizeof printed);
        if (!bytes) continue;
        world w;
        world_begin(&w, &unlimited);
        restore_or_fail(&w, bytes, len);
        free(bytes);
        run_to_end(&w, printed, &resumed);
        world_end(&w);
        if (strcmp(whole.text, resumed.text) != 0)
            fail_msg("fuel %d: %s\nand not %s", (int)fuel, resumed.text, whole.text);
        if (whole.fuel != resumed.fuel)
            fail_msg("fuel %d: %d used, not %d", (int)fuel, (int)resumed.fuel, (int)whole.fuel);
        saved++;
    }
    assert_true(saved > 3);
}

static void lists_dicts_closures_and_cells_go_on(void **state) {
    (void)state;
    check_every_suspension(containers, 7);
}

static void regions_are_open_again(void **state) {
    (void)state;
    check_every_suspension(regions, 5);
}

static void errors_are_caught_by_handlers_below(void **state) {
    (void)state;
    check_every_suspension(errors, 1);
}

static void a_sort_goes_on_between_two_comparisons(void **state) {
    (void)state;
    check_every_suspension(sorting, 3);
}

static void globals_start_functions_output_and_generators_go_on(void **state) {
    (void)state;
    check_every_suspension(globals, 3);
}

static void tail_calls_keep_what_their_caller_expects(void **state) {
    (void)state;
    check_every_suspension(tails, 3);
}

static void a_waiting_host_function_can_be_answered_elsewhere(void **state) {
    (void)state;
    check_every_suspension(hosting, 2);
}

static void a_builtin_without_slots_goes_on_from_its_state(void **state) {
    (void)state;
    check_every_suspension(applying, 2);
}

/* The fuel differs: what was done under the builtin is done again. */
static void a_builtin_of_unknown_slots_starts_again(void **state) {
    (void)state;
    outcome whole, resumed;
    char printed[64];
    size_t len;
    run_whole(rewinding, &whole);
    for (int64_t fuel = 0; fuel < whole.fuel; fuel += 3) {
        uint8_t *bytes = state_after(rewinding, fuel, &len, printed, sizeof printed);
        world w;
        if (!bytes) continue;
        world_begin(&w, &unlimited);
        restore_or_fail(&w, bytes, len);
        free(bytes);
        run_to_end(&w, "", &resumed);
        world_end(&w);
        assert_string_equal(resumed.text, whole.text);
        assert_true(resumed.fuel >= whole.fuel);
    }
}

/* ---- What else holds a machine together --------------------------------------------------------------------- */

static void saving_leaves_the_machine_as_it_is(void **state) {
    (void)state;
    outcome whole, same;
    uint8_t *bytes;
    size_t len;
    world w;
    run_whole(containers, &whole);
    world_begin(&w, &(th_limits){.fuel = 0});
    begin_main(&w, containers);
    th_machine_set_resumable(w.machine, true);
    while (th_machine_run(w.machine) == TH_RUN_SUSPENDED) {
        assert_int_equal(th_machine_save(w.machine, &bytes, &len, NULL), TH_OK);
        th_mem_free(th_machine_mem(w.machine), bytes, len);
        th_machine_add_fuel(w.machine, 50);
    }
    run_to_end(&w, "", &same);
    world_end(&w);
    assert_string_equal(same.text, whole.text);
    assert_int_equal(same.fuel, whole.fuel);
}

/* The same state saved, restored and saved is the same file: nothing is lost on the way. */
static void a_restored_state_saves_as_the_same_file(void **state) {
    (void)state;
    static const char *const texts[] = {containers, regions, errors, sorting, globals, hosting};
    char printed[4096];
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        size_t len, again_len;
        uint8_t *bytes = state_after(texts[i], 90, &len, printed, sizeof printed), *again;
        th_error err = {0};
        world w;
        if (!bytes) bytes = state_after(texts[i], 40, &len, printed, sizeof printed);
        assert_non_null(bytes);
        world_begin(&w, &unlimited);
        restore_or_fail(&w, bytes, len);
        assert_int_equal(th_machine_state(w.machine), TH_RUN_SUSPENDED);
        if (th_machine_save(w.machine, &again, &again_len, &err) != TH_OK) fail_msg("%s", err.message);
        assert_int_equal(again_len, len);
        assert_memory_equal(again, bytes, len);
        th_mem_free(th_machine_mem(w.machine), again, again_len);
        world_end(&w);
        free(bytes);
    }
}

static void holds_and_bindings_keep_their_names_and_share_objects(void **state) {
    (void)state;
    world a, b;
    uint8_t *bytes;
    size_t len;
    th_error err = {0};
    th_type_id type, found;
    uint32_t first, second, third;
    uint64_t word;
    world_begin(&a, &(th_limits){.fuel = 5});
    begin_main(&a, hosting);
    assert_int_equal(th_types_list(th_machine_types(a.machine), TH_TYPE_STRING, &type), TH_OK);
    th_list *list = th_new_list(a.machine, type, 0);
    assert_true(th_list_push(a.machine, list, th_ptr_word(th_new_str_of(a.machine, "kept", 4))));
    assert_int_equal(th_machine_hold(a.machine, TH_TYPE_I64, 7, &first), TH_OK);
    assert_int_equal(th_machine_hold(a.machine, TH_TYPE_BOOL, 1, &second), TH_OK);
    assert_int_equal(th_machine_hold(a.machine, type, th_ptr_word(list), &third), TH_OK);
    th_machine_drop(a.machine, first);
    assert_int_equal(th_machine_bind(a.machine, th_view_of("mine"), type, th_ptr_word(list)), TH_OK);
    if (th_machine_save(a.machine, &bytes, &len, &err) != TH_OK) fail_msg("%s", err.message);
    world_begin(&b, &unlimited);
    restore_or_fail(&b, bytes, len);
    th_mem_free(th_machine_mem(a.machine), bytes, len);
    world_end(&a);
    assert_int_equal(th_machine_state(b.machine), TH_RUN_READY);
    assert_int_equal(th_machine_held(b.machine, second, &found), 1);
    assert_int_equal(found, TH_TYPE_BOOL);
    assert_true(th_machine_lookup(b.machine, th_view_of("mine"), &found, &word));
    assert_true(word == th_machine_held(b.machine, third, &type) && found == type);
    list = th_word_ptr(word);
    assert_int_equal(list->len, 1);
    assert_string_equal(list->strings[0]->bytes, "kept");
    assert_int_equal(th_machine_hold(b.machine, TH_TYPE_I64, 1, &second), TH_OK);
    assert_int_equal(second, first); /* the number that was free still is */
    world_end(&b);
}

static void a_deep_recursion_is_saved_whole(void **state) {
    (void)state;
    static const char deep[] =
        "func down(i64) -> i64 { regs r20-r22 i64 jeq.i r2, 0, L add.i r22, r2, -1 call r20, down\n"
        " add r1, r21, r2 ret r1 L: ret r2 }\n"
        "func main() -> i64 { regs r3 i64, r20-r22 i64 ldk r22, 50000 call r20, down ret r21 }\n";
    outcome whole, resumed;
    char printed[64];
    size_t len;
    run_whole(deep, &whole);
    uint8_t *bytes = state_after(deep, whole.fuel * 7 / 10, &len, printed, sizeof printed);
    assert_non_null(bytes);
    world w;
    world_begin(&w, &unlimited);
    restore_or_fail(&w, bytes, len);
    free(bytes);
    run_to_end(&w, "", &resumed);
    world_end(&w);
    assert_string_equal(resumed.text, whole.text);
    assert_int_equal(resumed.fuel, whole.fuel);
}

static void limits_are_the_new_machines(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    uint8_t *bytes = state_after(containers, 100, &len, printed, sizeof printed);
    world w;
    world_begin(&w, &(th_limits){.fuel = 50});
    restore_or_fail(&w, bytes, len);
    int64_t before = th_machine_fuel_used(w.machine);
    assert_true(before > 100);
    th_machine_set_resumable(w.machine, false);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_FAILED);
    assert_int_equal(th_machine_error(w.machine)->code, TH_E_FUEL);
    assert_in_range(th_machine_fuel_used(w.machine) - before, 51, 80);
    world_end(&w);
    world_begin(&w, &unlimited); /* the saved limit holds */
    restore_or_fail(&w, bytes, len);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_SUSPENDED);
    assert_int_equal(th_machine_stopped_for(w.machine), TH_E_FUEL);
    world_end(&w);
    th_error err = {0};
    world_begin(&w, &unlimited);
    size_t empty = th_machine_mem(w.machine)->used_bytes;
    world_end(&w);
    world_begin(&w, &(th_limits){.fuel = -1, .memory_bytes = empty + 64});
    assert_int_equal(th_machine_restore(w.machine, bytes, len, &err), TH_E_MEMORY_LIMIT);
    assert_non_null(strstr(err.message, "memory limit"));
    world_end(&w);
    free(bytes);
}

/* ---- Refusals ----------------------------------------------------------------------------------------------- */

static void only_a_run_under_way_is_saved(void **state) {
    (void)state;
    world w;
    uint8_t *bytes;
    size_t len;
    th_error err = {0};
    world_begin(&w, &unlimited);
    assert_int_equal(th_machine_save(w.machine, &bytes, &len, &err), TH_E_ARGUMENT);
    begin_main(&w, tails);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    assert_int_equal(th_machine_save(w.machine, &bytes, &len, &err), TH_E_ARGUMENT);
    assert_string_equal(err.message, "the machine is not suspended: there is nothing to save");
    world_end(&w);
}

static void what_cannot_be_saved_is_told(void **state) {
    (void)state;
    static const th_native_class file = {"host.file", NULL, NULL, NULL};
    world w;
    uint8_t *bytes;
    size_t len;
    th_error err = {0};
    th_type_id type;
    world_begin(&w, &unlimited);
    begin_main(&w, tails);
    assert_int_equal(
        th_types_add(th_machine_types(w.machine), TH_KIND_OPAQUE, th_view_of("File"), NULL, 0, NULL, 0, &type), TH_OK);
    th_native *native = th_new_native(w.machine, type, &file, &w);
    assert_int_equal(th_machine_bind(w.machine, th_view_of("f"), type, th_ptr_word(native)), TH_OK);
    assert_int_equal(th_machine_save(w.machine, &bytes, &len, &err), TH_E_UNSUPPORTED);
    assert_string_equal(err.message, "the run holds an object of class host.file, which cannot be saved");
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE); /* and nothing is broken */
    world_end(&w);
}

static th_status restore_into(const th_limits *limits, bool with_host, const void *bytes, size_t len, th_error *err) {
    world w;
    th_mem_init(&w.mem, NULL, NULL, NULL, 0);
    th_buf_init(&w.output, &w.mem);
    assert_int_equal(th_engine_new(&w.mem, &w.engine), TH_OK);
    assert_int_equal(th_engine_add_standard(w.engine, err), TH_OK);
    if (with_host) assert_int_equal(th_engine_add(w.engine, host, TH_COUNT(host), NULL, err), TH_OK);
    assert_int_equal(th_machine_new(w.engine, limits, &w.machine), TH_OK);
    th_status status = th_machine_restore(w.machine, bytes, len, err);
    assert_int_equal(th_machine_state(w.machine), status == TH_OK ? TH_RUN_SUSPENDED : TH_RUN_IDLE);
    world_end(&w);
    return status;
}

static void a_missing_builtin_is_named(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    th_error err = {0};
    uint8_t *bytes = state_after(hosting, 1000, &len, printed, sizeof printed);
    assert_int_equal(restore_into(&unlimited, false, bytes, len, &err), TH_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "Host.ask"));
    assert_int_equal(restore_into(&unlimited, true, bytes, len, &err), TH_OK);
    free(bytes);
}

static void a_builtin_under_way_needs_its_capability(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    th_error err = {0};
    uint8_t *bytes = state_after(applying, 40, &len, printed, sizeof printed);
    assert_int_equal(restore_into(&(th_limits){.fuel = -1}, true, bytes, len, &err), TH_E_DENIED);
    assert_string_equal(err.message, "Host.apply is under way and needs a capability that is not granted");
    assert_int_equal(restore_into(&unlimited, true, bytes, len, &err), TH_OK);
    free(bytes);
}

static void a_machine_in_use_is_no_place_for_a_state(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    th_error err = {0};
    uint8_t *bytes = state_after(tails, 30, &len, printed, sizeof printed);
    world w;
    world_begin(&w, &unlimited);
    begin_main(&w, tails);
    assert_int_equal(th_machine_restore(w.machine, bytes, len, &err), TH_E_BUSY);
    assert_int_equal(th_machine_run(w.machine), TH_RUN_DONE);
    world_end(&w);
    free(bytes);
}

static void files_of_another_kind_or_version_are_refused(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    th_error err = {0};
    uint8_t *bytes = state_after(tails, 30, &len, printed, sizeof printed);
    assert_int_equal(restore_into(&unlimited, true, "", 0, &err), TH_E_FORMAT);
    assert_string_equal(err.message, "this is no saved state of a Theta machine");
    for (size_t cut = 0; cut < len; cut += cut < 200 ? 1 : 37)
        assert_int_equal(restore_into(&unlimited, true, bytes, cut, &err), TH_E_FORMAT);
    uint8_t *shifted = malloc(len + 1); /* at an odd address it is read all the same */
    memcpy(shifted + 1, bytes, len);
    assert_int_equal(restore_into(&unlimited, true, shifted + 1, len, &err), TH_OK);
    free(shifted);
    th_flat_table root = th_flat_root(bytes);
    uint8_t *major = (uint8_t *)(uintptr_t)th_flat_field(root, theta_state_State_slot_major);
    *major = 9;
    assert_int_equal(restore_into(&unlimited, true, bytes, len, &err), TH_E_VERSION);
    assert_non_null(strstr(err.message, "the saved state has format version 9."));
    assert_non_null(strstr(err.message, ", this Theta reads 1.x"));
    free(bytes);
}

/* ---- Changed on purpose ------------------------------------------------------------------------------------- */

static uint32_t *field_u32(th_flat_table t, uint32_t slot) { return (uint32_t *)(uintptr_t)th_flat_field(t, slot); }

static void expect_refusal(const uint8_t *bytes, size_t len, const char *message) {
    th_error err = {0};
    th_status status = restore_into(&unlimited, true, bytes, len, &err);
    if (status != TH_E_FORMAT || !strstr(err.message, message))
        fail_msg("status %d: %s, not %s", status, err.message, message);
}

static void contexts_must_fit_their_functions(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    uint8_t *bytes = NULL;
    th_flat_table root;
    uint32_t n = 0;
    for (int64_t fuel = 60; n < 2; fuel++) { /* to where something was called */
        free(bytes);
        bytes = state_after(containers, fuel, &len, printed, sizeof printed);
        root = th_flat_root(bytes);
        n = theta_state_State_contexts_len(root);
    }
    th_flat_table outer = theta_state_State_contexts_at(root, 0), top = theta_state_State_contexts_at(root, n - 1);
    uint32_t *pc = field_u32(outer, theta_state_Context_slot_pc), old = *pc;
    *pc = old - 1;
    expect_refusal(bytes, len, "context 1 was not called by the one below it");
    *pc = 100000;
    expect_refusal(bytes, len, "cannot stand where it does");
    *pc = old;
    uint32_t *base = field_u32(top, theta_state_Context_slot_base);
    *base += 1;
    expect_refusal(bytes, len, "was not called by the one below it");
    *base = 1u << 30;
    expect_refusal(bytes, len, "is not on the stack");
    free(bytes);
}

static void registers_must_hold_what_their_function_expects(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    uint8_t *bytes = state_after(containers, 100, &len, printed, sizeof printed);
    th_flat_table root = th_flat_root(bytes);
    theta_state_Word *stack = (theta_state_Word *)(uintptr_t)theta_state_State_stack(root);
    uint64_t list = stack[3].bits;
    stack[3].bits = stack[4].bits; /* a dict where the list is expected */
    expect_refusal(bytes, len, "register 3 of context 0 does not hold what its function expects");
    stack[3].bits = 0;
    expect_refusal(bytes, len, "register 3 of context 0");
    stack[3].bits = 1u << 20;
    expect_refusal(bytes, len, "register 3 of context 0");
    stack[3].bits = list;
    th_error err = {0};
    assert_int_equal(restore_into(&unlimited, true, bytes, len, &err), TH_OK);
    free(bytes);
}

/* The slots of the sort are numbers and lists that it trusts: whatever is no place in a merge is refused. */
static void the_state_of_a_sort_must_be_one(void **state) {
    (void)state;
    char printed[64];
    size_t len;
    uint8_t *bytes = state_after(sorting, 150, &len, printed, sizeof printed);
    th_flat_table root = th_flat_root(bytes), sort = theta_state_State_contexts_at(root, 1);
    assert_int_equal(theta_state_Context_kind(sort), theta_state_ContextKind_BUILTIN);
    theta_state_Word *slots = (theta_state_Word *)(uintptr_t)theta_state_Context_slots(sort);
    assert_int_equal(theta_state_Context_slots_len(sort), 7);
    static const uint64_t wrong[] = {0, 6, 7, 100, UINT64_MAX, UINT64_MAX / 2};
    for (size_t i = 0; i < 7; i++) {
        uint64_t old = slots[i].bits;
        for (size_t k = 0; k < TH_COUNT(wrong); k++) {
            slots[i].bits = wrong[k];
            if (wrong[k] == old) continue;
            expect_refusal(bytes, len, "List.sort_by cannot go on from its state");
        }
        slots[i].bits = old;
    }
    slots[1].bits = slots[0].bits;
    expect_refusal(bytes, len, "List.sort_by cannot go on from its state");
    slots[1].bits =
        ((theta_state_Word *)(uintptr_t)theta_state_State_stack(root))[3].bits; /* the list that is sorted */
    expect_refusal(bytes, len, "List.sort_by cannot go on from its state");
    free(bytes);
}

/* Restores what was changed at random and runs it within small limits: it must be refused or behave. */
static void run_changed(const uint8_t *bytes, size_t len) {
    world w;
    th_error err = {0};
    world_begin(&w, &(th_limits){.fuel = 3000, .memory_bytes = 8u << 20});
    if (th_machine_restore(w.machine, bytes, len, &err) != TH_OK) {
        assert_true(err.code != TH_OK && err.message[0] != 0);
    } else {
        th_machine_set_resumable(w.machine, false);
        for (int i = 0; i < 20 && th_machine_run(w.machine) == TH_RUN_SUSPENDED; i++)
            if (th_machine_waiting(w.machine, NULL, NULL))
                assert_int_equal(th_machine_resume_value(w.machine, 1), TH_OK);
        th_buf text;
        th_buf_init(&text, &w.mem);
        if (th_machine_state(w.machine) == TH_RUN_DONE)
            (void)!th_value_print(w.machine, th_machine_result_type(w.machine), th_machine_result(w.machine), 0, &text);
        th_buf_clear(&text);
    }
    world_end(&w);
}

static uint64_t random_state;
static uint64_t random_below(uint64_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

static void change_somewhere(uint8_t *bytes, size_t len) {
    static const uint32_t values[] = {0, 1, 2, 3, 5, 8, 20, 0x7f, 0xff, 0x7fffffff, 0xffffffff};
    size_t at = random_below(len / 4) * 4;
    uint32_t value = values[random_below(TH_COUNT(values))], old;
    memcpy(&old, bytes + at, 4);
    switch (random_below(4)) {
    case 0: bytes[random_below(len)] ^= (uint8_t)(1 << random_below(8)); return;
    case 1: value = old + 1; break;
    case 2: value = old - 1; break;
    default: break;
    }
    memcpy(bytes + at, &value, 4);
}

static void changed_files_are_refused_or_run_within_limits(void **state) {
    (void)state;
    static const char *const texts[] = {containers, regions, errors, sorting, globals, hosting, tails, applying};
    static const int64_t fuels[] = {20, 70, 110, 160};
    char printed[4096];
    const char *seed = getenv("THETA_SEED"), *rounds = getenv("THETA_ROUNDS");
    random_state = seed ? strtoull(seed, NULL, 10) : 20;
    int n = rounds ? atoi(rounds) : 60;
    for (size_t i = 0; i < TH_COUNT(texts); i++)
        for (size_t f = 0; f < TH_COUNT(fuels); f++) {
            size_t len;
            uint8_t *bytes = state_after(texts[i], fuels[f], &len, printed, sizeof printed);
            if (!bytes) continue;
            uint8_t *copy = malloc(len);
            for (int k = 0; k < n; k++) {
                memcpy(copy, bytes, len);
                for (uint64_t changes = 1 + random_below(3); changes > 0; changes--) change_somewhere(copy, len);
                run_changed(copy, len);
            }
            free(copy);
            free(bytes);
        }
}

/* ---- Failing memory ----------------------------------------------------------------------------------------- */

static faulty allocator;

static void every_failing_allocation_is_told(void **state) {
    (void)state;
    static const char *const texts[] = {containers, sorting, globals};
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        world a, b;
        uint8_t *bytes = NULL;
        size_t len;
        th_error err = {0};
        bool over = false;
        world_begin(&a, &(th_limits){.fuel = 150});
        begin_main(&a, texts[i]);
        th_machine_set_resumable(a.machine, true);
        assert_int_equal(th_machine_run(a.machine), TH_RUN_SUSPENDED);
        a.mem.alloc = faulty_alloc;
        a.mem.user = &allocator;
        for (size_t n = 0; !over; n++) {
            faulty_allow(&allocator, n);
            th_status status = th_machine_save(a.machine, &bytes, &len, &err);
            over = status == TH_OK;
            if (!over) assert_true(status == TH_E_NOMEM && err.message[0] != 0);
        }
        faulty_off(&allocator);
        over = false;
        for (size_t n = 0; !over; n++) {
            world_begin(&b, &unlimited);
            b.mem.alloc = faulty_alloc;
            b.mem.user = &allocator;
            faulty_allow(&allocator, n);
            th_status status = th_machine_restore(b.machine, bytes, len, &err);
            faulty_off(&allocator);
            over = status == TH_OK;
            if (!over)
                assert_int_equal(status, TH_E_NOMEM);
            else {
                outcome whole, resumed;
                run_whole(texts[i], &whole);
                run_to_end(&b, "", &resumed);
                assert_int_equal(whole.fuel, resumed.fuel);
            }
            world_end(&b);
        }
        th_mem_free(th_machine_mem(a.machine), bytes, len);
        world_end(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_dicts_closures_and_cells_go_on),
        cmocka_unit_test(regions_are_open_again),
        cmocka_unit_test(errors_are_caught_by_handlers_below),
        cmocka_unit_test(a_sort_goes_on_between_two_comparisons),
        cmocka_unit_test(globals_start_functions_output_and_generators_go_on),
        cmocka_unit_test(tail_calls_keep_what_their_caller_expects),
        cmocka_unit_test(a_waiting_host_function_can_be_answered_elsewhere),
        cmocka_unit_test(a_builtin_without_slots_goes_on_from_its_state),
        cmocka_unit_test(a_builtin_of_unknown_slots_starts_again),
        cmocka_unit_test(saving_leaves_the_machine_as_it_is),
        cmocka_unit_test(a_restored_state_saves_as_the_same_file),
        cmocka_unit_test(holds_and_bindings_keep_their_names_and_share_objects),
        cmocka_unit_test(a_deep_recursion_is_saved_whole),
        cmocka_unit_test(limits_are_the_new_machines),
        cmocka_unit_test(only_a_run_under_way_is_saved),
        cmocka_unit_test(what_cannot_be_saved_is_told),
        cmocka_unit_test(a_missing_builtin_is_named),
        cmocka_unit_test(a_builtin_under_way_needs_its_capability),
        cmocka_unit_test(a_machine_in_use_is_no_place_for_a_state),
        cmocka_unit_test(files_of_another_kind_or_version_are_refused),
        cmocka_unit_test(contexts_must_fit_their_functions),
        cmocka_unit_test(registers_must_hold_what_their_function_expects),
        cmocka_unit_test(the_state_of_a_sort_must_be_one),
        cmocka_unit_test(changed_files_are_refused_or_run_within_limits),
        cmocka_unit_test(every_failing_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
