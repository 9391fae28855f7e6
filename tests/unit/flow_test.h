/*
** flow_test.h - what the tests of single operators share: a plan put together by hand over CSV texts, driven by the
** executor, its result as text. Operators and specs are those of the library; only the planner is left out.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef FLOW_TEST_H
#define FLOW_TEST_H

#include "table_test.h"

#include "flow/flow_int.h"

enum { MOST_OPS = 8 };

typedef struct plan {
    th_mem engine_mem;
    th_engine *engine;
    th_machine *machine;
    th_exec exec;
    th_operator ops[MOST_OPS];
    th_operator *all[MOST_OPS], *stack[MOST_OPS];
    th_status status; /* the first failure */
} plan;

__attribute__((unused)) static void plan_open(plan *p) {
    memset(p, 0, sizeof *p);
    th_mem_init(&p->engine_mem, NULL, NULL, NULL, 0);
    assert_int_equal(th_engine_new(&p->engine_mem, &p->engine), TH_OK);
    th_limits limits = {.fuel = -1};
    assert_int_equal(th_machine_new(p->engine, &limits, &p->machine), TH_OK);
    p->exec.machine = p->machine;
    p->exec.mem = &mem;
    p->exec.all = p->all;
    p->exec.stack = p->stack;
    th_arena_init(&p->exec.arena, &mem);
    th_arena_init(&p->exec.scratch, &mem);
}

__attribute__((unused)) static void plan_close(plan *p) {
    for (size_t i = 0; i < p->exec.nall; i++) {
        th_operator *op = p->all[i];
        th_op_drop_batch(op);
        if (op->cls->clear) op->cls->clear(&p->exec, op);
        th_schema_release(op->schema);
        if (op->spec) th_spec_release(op->spec);
    }
    th_batch_release(p->exec.out);
    th_arena_clear(&p->exec.scratch);
    th_arena_clear(&p->exec.arena);
    th_machine_free(p->machine);
    th_engine_free(p->engine);
}

static th_operator *add_op(plan *p, const th_operator_class *cls) {
    th_operator *op = &p->ops[p->exec.nall];
    p->all[p->exec.nall++] = op;
    op->cls = cls;
    p->exec.root = op;
    return op;
}

/* A CSV text, borrowed, in batches of `batch_rows`. */
__attribute__((unused)) static th_operator *csv(plan *p, const char *text, size_t batch_rows) {
    if (p->status != TH_OK) return NULL;
    th_csv_options options = {.batch_rows = batch_rows};
    th_stream *stream;
    p->status = th_csv_open_memory(&mem, "test.csv", text, strlen(text), &options, &stream, &p->exec.err);
    if (p->status != TH_OK) return NULL;
    th_operator *op = add_op(p, &th_op_source);
    op->state = stream;
    op->schema = th_schema_retain(stream->schema);
    return op;
}

typedef struct words {
    const char *next;
} words;

/* The next word of a text, "" at the end. */
static th_view word(words *w) {
    while (*w->next == ' ') w->next++;
    const char *from = w->next;
    while (*w->next && *w->next != ' ') w->next++;
    return (th_view){from, (size_t)(w->next - from)};
}

/* "city", "-fare" (descending), "sum(fare)", "city+x" (joined texts) */
static void add_item(th_spec_builder *b, th_view text) {
    bool descending = text.len && text.data[0] == '-';
    if (descending) text.data++, text.len--;
    const char *open = memchr(text.data, '(', text.len), *plus = memchr(text.data, '+', text.len);
    th_expr_ref e;
    if (open) {
        th_agg agg;
        th_view name = {text.data, (size_t)(open - text.data)}, column = {open + 1, text.len - name.len - 2};
        assert_true(th_agg_of(name, &agg));
        th_expr_ref argument = column.len ? th_spec_column(b, column) : 0;
        e = th_spec_op(b, TH_EXPR_AGG, TH_COLUMN_I64, agg, &argument, column.len ? 1 : 0);
    } else if (plus) {
        th_view l = {text.data, (size_t)(plus - text.data)}, r = {plus + 1, text.len - l.len - 1};
        th_expr_ref kids[2] = {th_spec_column(b, l), th_spec_column(b, r)};
        e = th_spec_op(b, TH_EXPR_ADD, TH_COLUMN_STRING, 0, kids, 2);
    } else {
        e = th_spec_column(b, text);
    }
    th_spec_add(b, text, e, descending);
}

static th_status make_spec(th_verb verb, const char *items, uint32_t nkeys, th_join join, th_spec **out,
                           th_error *err) {
    th_spec_builder *b;
    TH_TRY(th_spec_new(&mem, verb, &b));
    words w = {items};
    for (th_view text = word(&w); text.len; text = word(&w)) add_item(b, text);
    if (verb == TH_VERB_AGGREGATE) th_spec_keys(b, nkeys);
    if (verb == TH_VERB_JOIN) th_spec_join(b, join);
    uint8_t *bytes;
    size_t len;
    th_status status = th_spec_finish(b, &bytes, &len);
    th_spec_free(b);
    TH_TRY(status);
    status = th_spec_read(&mem, bytes, len, out, err);
    th_mem_free(&mem, bytes, len);
    return status;
}

static th_status bind_items(plan *p, th_operator *op) {
    op->exprs = th_arena_zeroed(&p->exec.arena, (op->spec->nitems + 1) * sizeof *op->exprs);
    if (!op->exprs) return TH_E_NOMEM;
    for (uint32_t i = 0; i < op->spec->nitems; i++) {
        bool right = op->spec->verb == TH_VERB_JOIN && (i & 1);
        th_binder binder = {
            .machine = p->machine, .arena = &p->exec.arena, .input = op->inputs[right]->schema, .err = &p->exec.err};
        TH_TRY(th_bind(&binder, op->spec->items[i].expr, &op->exprs[i]));
    }
    return TH_OK;
}

static th_status set_schema(th_operator *op) {
    th_field fields[32];
    size_t n = 0;
    const th_schema *left = op->inputs[0]->schema;
    if (op->spec->verb == TH_VERB_AGGREGATE) {
        for (; n < op->spec->nitems; n++) {
            static char names[32][40];
            snprintf(names[n], sizeof names[n], "%.*s", (int)op->spec->items[n].name.len, op->spec->items[n].name.data);
            fields[n] = (th_field){names[n], op->exprs[n]->type, op->exprs[n]->nullable};
        }
        return th_schema_new(&mem, fields, n, &op->schema);
    }
    if (op->spec->verb != TH_VERB_JOIN) {
        op->schema = th_schema_retain(op->inputs[0]->schema);
        return TH_OK;
    }
    for (; n < left->nfields; n++) fields[n] = left->fields[n];
    const th_schema *right = op->inputs[1]->schema;
    for (size_t i = 0; i < right->nfields; i++)
        if (th_join_keeps(op, right, i)) fields[n++] = right->fields[i];
    return th_schema_new(&mem, fields, n, &op->schema);
}

static th_operator *verb(plan *p, const th_operator_class *cls, th_verb verb, th_operator *left, th_operator *right,
                         const char *items, uint32_t nkeys, th_join join) {
    if (p->status != TH_OK) return NULL;
    th_spec *spec;
    p->status = make_spec(verb, items, nkeys, join, &spec, &p->exec.err);
    if (p->status != TH_OK) return NULL;
    th_operator *op = add_op(p, cls);
    op->inputs[0] = left;
    op->inputs[1] = right;
    op->spec = spec;
    p->status = bind_items(p, op);
    if (p->status == TH_OK) p->status = set_schema(op);
    return op;
}

__attribute__((unused)) static th_operator *aggregate(plan *p, th_operator *in, uint32_t nkeys, const char *items) {
    return verb(p, &th_op_aggregate, TH_VERB_AGGREGATE, in, NULL, items, nkeys, TH_JOIN_INNER);
}
__attribute__((unused)) static th_operator *distinct(plan *p, th_operator *in, const char *items) {
    return verb(p, &th_op_distinct, TH_VERB_DISTINCT, in, NULL, items, 0, TH_JOIN_INNER);
}
__attribute__((unused)) static th_operator *sort(plan *p, th_operator *in, uint64_t count, const char *items) {
    th_operator *op = verb(p, &th_op_sort, TH_VERB_SORT, in, NULL, items, 0, TH_JOIN_INNER);
    if (op) op->count = count;
    return op;
}
__attribute__((unused)) static th_operator *join(plan *p, th_operator *left, th_operator *right, th_join kind,
                                                 const char *pairs) {
    return verb(p, &th_op_join, TH_VERB_JOIN, left, right, pairs, 0, kind);
}

/* Runs the plan; rows as text, or the error. */
__attribute__((unused)) static th_status run(plan *p, th_buf *out) {
    if (p->status != TH_OK) return p->status;
    p->stack[0] = p->exec.root;
    p->exec.depth = 1;
    for (;;) {
        th_batch *batch;
        th_error err;
        switch (th_exec_step_once(&p->exec, &batch, &err)) {
        case TH_EXEC_BATCH:
            check_batch(batch);
            put_batch(out, batch);
            th_batch_release(batch);
            break;
        case TH_EXEC_DONE: return TH_OK;
        case TH_EXEC_AGAIN: break;
        case TH_EXEC_CALL: fail_msg("a call of no function"); break;
        case TH_EXEC_ERROR:
            if (err.code != TH_E_NOMEM) th_buf_printf(out, "%s: %s\n", th_status_text(err.code), err.message);
            return err.code;
        }
    }
}

__attribute__((unused)) static void expect(plan *p, const char *rows) {
    th_buf out;
    th_mem other;
    th_mem_init(&other, NULL, NULL, NULL, 0);
    th_buf_init(&out, &other);
    (void)run(p, &out);
    if (p->status != TH_OK) th_buf_printf(&out, "%s: %s\n", th_status_text(p->status), p->exec.err.message);
    plan_close(p);
    assert_string_equal(out.data ? out.data : "", rows);
    th_buf_clear(&out);
}

/* Fails each allocation in turn until the plan succeeds with these rows; each failure is a clean "out of memory". */
__attribute__((unused)) static void expect_fault_free(void (*build)(plan *p), const char *rows) {
    for (size_t n = 0;; n++) {
        plan p;
        th_buf out;
        th_mem other;
        th_mem_init(&other, NULL, NULL, NULL, 0);
        th_buf_init(&out, &other);
        plan_open(&p);
        faulty_allow(&allocator, n);
        build(&p);
        th_status status = run(&p, &out);
        bool reached = allocator.refused;
        faulty_off(&allocator);
        plan_close(&p);
        assert_int_equal(atomic_load(&mem.used_bytes), 0);
        if (status == TH_OK)
            assert_string_equal(out.data, rows);
        else
            assert_int_equal(status, TH_E_NOMEM);
        th_buf_clear(&out);
        if (status == TH_OK && !reached) break;
        assert_true(n < 20000);
    }
}

#endif
