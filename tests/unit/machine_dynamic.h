/*
** machine_dynamic.h - what the tests of values on the machine share: a world of one engine, machine and assembled
** program, and builtins that try what the machine offers them.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef MACHINE_DYNAMIC_H
#define MACHINE_DYNAMIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "machine/dynamic.h"

typedef struct faulty {
    size_t requests, fail_at, held;
} faulty;

static void *faulty_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    faulty *f = user;
    if (new_bytes == 0) {
        f->held -= block ? old_bytes : 0;
        free(block);
        return NULL;
    }
    if (++f->requests >= f->fail_at && f->fail_at) return NULL;
    void *moved = realloc(block, new_bytes);
    if (moved) f->held += new_bytes - (block ? old_bytes : 0);
    return moved;
}

typedef struct world {
    faulty allocator;
    th_mem mem;
    th_engine *engine;
    th_program *program;
    th_machine *machine;
    th_unit *unit;
    th_error err;
    int counted; /* by T.count */
    int entered;
    size_t peak_depth;
} world;

/* ---- Builtins of the tests ---- */

static world *world_of(th_machine *m) { return th_machine_user(m); }

static th_step t_sum(th_machine *m, th_call *call) {
    if (th_big_add(th_machine_heap(m), call->args[0], call->args[1], call->result)) return TH_STEP_DONE;
    return th_machine_trap(m, TH_E_NOMEM, "out of memory"); /* they are integers: it is said so below */
}

static th_step t_other(th_machine *m, th_call *call) {
    (void)call;
    return th_machine_trap(m, TH_E_TYPE, "not for these operands");
}

static th_step t_count(th_machine *m, th_call *call) {
    world_of(m)->counted++;
    call->result[0] = call->args[0];
    return TH_STEP_DONE;
}

static th_step t_length(th_machine *m, th_call *call) {
    (void)m;
    call->result[0] = th_of_int((int64_t)th_array_len(call->args[0]));
    return TH_STEP_DONE;
}

static th_step t_due(th_machine *m, th_call *call) {
    th_machine_heap(m)->due = true;
    call->result[0] = call->args[0];
    return TH_STEP_DONE;
}

static th_step t_seq(th_machine *m, th_call *call) { /* evaluates the first, gives the second as it is */
    if (call->state == 0) return th_call_force(m, call, call->args[0], 1);
    call->result[0] = call->args[1];
    return TH_STEP_DONE;
}

/* Applies f to each item, keeping the results on the builtin's stack; slot 0 holds the list as well. */
static th_step t_map(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    size_t n = th_array_len(call->args[1]), depth = th_call_depth(m, call);
    if (call->state == 1) {
        if (!th_call_push(m, call, call->callback)) return TH_STEP_ERROR;
        depth++;
    }
    call->slots[0] = call->args[1];
    if (depth < n) {
        th_value item = th_array_items(call->slots[0])[depth];
        return th_call_apply(m, call, call->args[0], &item, 1, 1);
    }
    th_value *items, out;
    if (!th_new_array(heap, n, TH_V_NULL, &items, &out)) return th_machine_trap(m, TH_E_NOMEM, "out of memory");
    while (depth-- > 0) items[depth] = th_call_pop(m, call);
    call->result[0] = out;
    return TH_STEP_DONE;
}

static th_step t_fold(th_machine *m, th_call *call) { /* f z list, evaluating as it goes */
    size_t n = th_array_len(call->args[2]);
    if (call->state == 0)
        call->slots[0] = call->args[1];
    else
        call->slots[0] = call->callback;
    size_t i = call->state;
    if (i == n) {
        call->result[0] = call->slots[0];
        return TH_STEP_DONE;
    }
    th_value args[2] = {call->slots[0], th_array_items(call->args[2])[i]};
    return th_call_apply(m, call, call->args[0], args, 2, (uint32_t)i + 1);
}

static th_step t_try(th_machine *m, th_call *call) { /* the value, or the error's code as a negative number */
    if (call->state == 0) return th_call_force(m, call, call->args[0], 1);
    if (call->caught) {
        if (call->caught->code == TH_E_ABORT) return th_machine_trap_error(m, call->caught);
        call->result[0] = th_of_int(-(int64_t)call->caught->code);
    } else
        call->result[0] = call->callback;
    return TH_STEP_DONE;
}

static th_step t_throw(th_machine *m, th_call *call) {
    int64_t code = TH_E_THROW;
    TH_IGNORE(th_get_i64(call->args[0], &code));
    return th_machine_trap(m, (th_status)code, "thrown on purpose");
}

static th_step t_ask(th_machine *m, th_call *call) { /* waits for the host */
    (void)m, (void)call;
    world_of(m)->entered++;
    return TH_STEP_SUSPEND;
}

static th_step t_again(th_machine *m,
                       th_call *call) { /* enters itself n times, with a value in a slot and on the stack */
    if (call->state == 0) {
        call->slots[0] = call->args[0];
        if (!th_call_push(m, call, call->args[0])) return TH_STEP_ERROR;
    }
    th_machine_heap(m)->due = true;
    if (call->state < 50) {
        call->state++;
        return TH_STEP_AGAIN;
    }
    th_value popped = th_call_pop(m, call);
    call->result[0] = th_array_len(popped) == th_array_len(call->slots[0]) ? call->slots[0] : TH_V_NULL;
    return TH_STEP_DONE;
}

static th_step t_delay(th_machine *m, th_call *call) { /* a thunk that applies the first to the second */
    return th_new_apply(m, call->args[0], &call->args[1], 1, call->result) ? TH_STEP_DONE : TH_STEP_ERROR;
}

static th_step t_here(th_machine *m, th_call *call) { /* line * 1000 + column of the call */
    th_place place = {0};
    (void)call;
    if (!th_machine_here(m, &place)) return th_machine_trap(m, TH_E_REFERENCE, "no place");
    call->result[0] = th_of_int(place.span.line * 1000 + place.span.column);
    return TH_STEP_DONE;
}

static const th_builtin t_builtins[] = {
    {"T.sum", "a: value, b: value -> value", "", t_sum, 0, 0, NULL, "ii"},
    {"T.other", "a: value, b: value -> value", "", t_other, 0, 0, NULL, NULL},
    {"T.count", "a: value -> value", "", t_count, 0, 0, NULL, NULL},
    {"T.length", "a: value -> value", "", t_length, 0, 0, NULL, "l"},
    {"T.due", "a: value -> value", "", t_due, 0, 0, NULL, NULL},
    {"T.seq", "a: value, b: value -> value", "", t_seq, TH_BUILTIN_STATEFUL, 0, NULL, NULL},
    {"T.map", "f: value, list: value -> value", "", t_map, TH_BUILTIN_STATEFUL, 1, "v", "fl"},
    {"T.fold", "f: value, z: value, list: value -> value", "", t_fold, TH_BUILTIN_STATEFUL, 1, "v", "f.l"},
    {"T.try", "a: value -> value", "", t_try, TH_BUILTIN_STATEFUL | TH_BUILTIN_CATCHES, 0, NULL, NULL},
    {"T.throw", "a: value -> value", "", t_throw, 0, 0, NULL, "v"},
    {"T.ask", "a: value -> value", "", t_ask, TH_BUILTIN_STATEFUL, 0, NULL, "i"},
    {"T.again", "a: value -> value", "", t_again, TH_BUILTIN_STATEFUL, 1, "v", "l"},
    {"T.delay", "f: value, a: value -> value", "", t_delay, 0, 0, NULL, NULL},
    {"T.here", "a: value -> value", "", t_here, 0, 0, NULL, NULL},
};

/* What programs may import. */
#define IMPORTS                                                                                                        \
    "import T.sum: Function<value, value, value>\n"                                                                    \
    "import T.other: Function<value, value, value>\n"                                                                  \
    "import T.count: Function<value, value>\n"                                                                         \
    "import T.length: Function<value, value>\n"                                                                        \
    "import T.due: Function<value, value>\n"                                                                           \
    "import T.seq: Function<value, value, value>\n"                                                                    \
    "import T.map: Function<value, value, value>\n"                                                                    \
    "import T.fold: Function<value, value, value, value>\n"                                                            \
    "import T.try: Function<value, value>\n"                                                                           \
    "import T.throw: Function<value, value>\n"                                                                         \
    "import T.ask: Function<value, value>\n"                                                                           \
    "import T.again: Function<value, value>\n"                                                                         \
    "import T.delay: Function<value, value, value>\n"                                                                  \
    "import T.here: Function<value, value>\n"                                                                          \
    "export main = main\n"

/* ---- Worlds ---- */

static const th_limits unlimited = {.fuel = -1};

static th_mem *host_mem(void) {
    static th_mem mem;
    if (!mem.alloc) th_mem_init(&mem, NULL, NULL, NULL, 0);
    return &mem;
}

static th_status open_status(world *w, const uint8_t *bytes, size_t len, const th_limits *limits) {
    th_mem_init(&w->mem, faulty_alloc, &w->allocator, NULL, 0);
    TH_TRY(th_engine_new(&w->mem, &w->engine));
    TH_TRY(th_engine_add(w->engine, t_builtins, TH_COUNT(t_builtins), NULL, &w->err));
    TH_TRY(th_program_load(&w->mem, bytes, len, &w->program, &w->err));
    TH_TRY(th_machine_new(w->engine, limits, &w->machine));
    th_machine_set_user(w->machine, w);
    return th_machine_load(w->machine, w->program, &w->unit, &w->err);
}

static void assemble(const char *text, uint8_t **bytes, size_t *len) {
    th_error err = {0};
    if (th_program_assemble(host_mem(), th_view_of("test"), th_view_of(text), bytes, len, &err) != TH_OK)
        fail_msg("%u:%u: %s", err.span.line, err.span.column, err.message);
}

static void open_world(world *w, const char *text, const th_limits *limits) {
    uint8_t *bytes;
    size_t len;
    memset(w, 0, sizeof *w);
    assemble(text, &bytes, &len);
    th_status status = open_status(w, bytes, len, limits ? limits : &unlimited);
    th_mem_free(host_mem(), bytes, len);
    if (status != TH_OK) fail_msg("%s", w->err.message);
}

static void close_world(world *w) {
    th_machine_free(w->machine);
    th_program_release(w->program);
    th_engine_free(w->engine);
    assert_int_equal(w->allocator.held, 0);
}

static const th_fn *function(const world *w, const char *name) {
    int64_t index = th_program_find(w->program, th_view_of(name));
    assert_true(index >= 0);
    return th_unit_fn(w->unit, (uint32_t)index);
}

static th_run_state run(world *w) {
    assert_int_equal(th_machine_begin(w->machine, function(w, "main"), NULL, 0), TH_OK);
    return th_machine_run(w->machine);
}

static th_value result_of(world *w) {
    th_run_state state = run(w);
    if (state != TH_RUN_DONE) {
        th_buf trace;
        th_buf_init(&trace, host_mem());
        th_machine_trace(w->machine, &trace);
        fail_msg("state %d: %s\n%s", (int)state, th_machine_error(w->machine)->message, trace.data ? trace.data : "");
    }
    return th_deref(th_machine_result(w->machine));
}

static int64_t integer_of(th_value v) {
    int64_t i = INT64_MIN;
    if (!th_get_i64(v, &i)) fail_msg("no integer: kind %d", (int)th_value_kind_of(v));
    return i;
}

static void gives(const char *text, int64_t want) {
    world w;
    open_world(&w, text, NULL);
    assert_int_equal(integer_of(result_of(&w)), want);
    close_world(&w);
}

static void fails(const char *text, th_status code, const char *piece) {
    world w;
    open_world(&w, text, NULL);
    assert_int_equal(run(&w), TH_RUN_FAILED);
    const th_error *error = th_machine_error(w.machine);
    if (error->code != code || !strstr(error->message, piece))
        fail_msg("%s: %s", th_status_text(error->code), error->message);
    close_world(&w);
}

#endif
