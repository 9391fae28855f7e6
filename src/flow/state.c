/*
** state.c - an executor between two steps as a FlatBuffer (schema/exec.fbs), and back.
** The plan is not saved: it is opened again from its nodes, gives the same operators in the same order, and each takes up
** what it held. Vectors of a batch under evaluation are made again from the batch, which is cheap and was paid for.
** What comes back may be hostile: rows are checked as Arrow files are, and every number that names a row, a group or a
** place is checked here or by the operator, so that a lie gives wrong rows or an error and nothing else.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "flow/flow_int.h"

th_status th_malformed(th_error *err, const char *what) {
    return th_fail(err, TH_E_FORMAT, "the saved state of a table is malformed: %s", what);
}

static th_status failed(th_error *err, th_status status) { return th_fail(err, status, "%s", th_status_text(status)); }

/* ---- Rows --------------------------------------------------------------------------------------------------- */

th_status th_put_batches(th_mem *mem, th_flat_builder *b, const th_schema *schema, th_batch *const *batches, size_t n,
                         th_flat_ref *out, th_error *err) {
    uint64_t rows = 0;
    th_buf bytes;
    *out = 0;
    for (size_t i = 0; i < n; i++) rows += batches[i]->nrows;
    if (rows == 0) return TH_OK;
    th_buf_init(&bytes, mem);
    th_status status = th_batches_write(mem, schema, batches, n, &bytes, err);
    if (status == TH_OK) *out = th_flat_put_vector(b, bytes.data, bytes.len, 1, 1);
    th_buf_clear(&bytes);
    return status;
}

static th_status take_one(void *user, th_batch *batch) {
    th_batch **out = user;
    if (*out) return TH_E_FORMAT;
    *out = th_batch_retain(batch);
    return TH_OK;
}

th_status th_take_batch(th_mem *mem, const th_schema *schema, const uint8_t *bytes, uint32_t len, th_batch **out,
                        th_error *err) {
    th_batch *batch = NULL;
    if (len == 0) {
        *out = NULL;
        return TH_OK;
    }
    th_status status = th_batches_read(mem, schema, bytes, len, take_one, &batch, err);
    if (status == TH_OK)
        *out = batch;
    else
        th_batch_release(batch);
    return status;
}

th_status th_plain_schema(th_mem *mem, const th_column_type *types, size_t n, th_schema **out) {
    th_arena arena;
    th_arena_init(&arena, mem);
    th_field *fields = th_arena_zeroed(&arena, (n + 1) * sizeof *fields);
    bool ok = fields != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        fields[i] = (th_field){th_arena_printf(&arena, "%zu", i), types[i], true};
        ok = fields[i].name != NULL;
    }
    th_status status = ok ? th_schema_new(mem, fields, n, out) : TH_E_NOMEM;
    th_arena_clear(&arena);
    return status;
}

/* Columns that are no table's as a batch. */
static th_status put_columns(th_exec *exec, th_flat_builder *b, const th_column_type *types, const th_column *columns,
                             size_t n, size_t nrows, th_flat_ref *out, th_error *err) {
    th_schema *schema;
    th_batch *batch;
    th_status status = th_plain_schema(exec->mem, types, n, &schema);
    if (status != TH_OK) return failed(err, status);
    th_column *shared = th_mem_zeroed(exec->mem, (n + 1) * sizeof *shared);
    if (shared) {
        for (size_t i = 0; i < n; i++) shared[i] = th_column_share(&columns[i]);
        status = th_batch_new(exec->mem, schema, nrows, shared, &batch);
        for (size_t i = 0; i < n && status != TH_OK; i++) th_column_clear(&shared[i]);
    } else {
        status = TH_E_NOMEM;
    }
    th_mem_free(exec->mem, shared, shared ? (n + 1) * sizeof *shared : 0);
    if (status == TH_OK) {
        status = th_put_batches(exec->mem, b, schema, &batch, 1, out, err);
        th_batch_release(batch);
    } else {
        (void)failed(err, status);
    }
    th_schema_release(schema);
    return status;
}

static th_status take_columns(th_exec *exec, const th_column_type *types, size_t n, size_t nrows, const uint8_t *bytes,
                              uint32_t len, th_batch **out, th_error *err) {
    th_schema *schema;
    th_batch *batch = NULL;
    th_status status = th_plain_schema(exec->mem, types, n, &schema);
    if (status != TH_OK) return failed(err, status);
    status = th_take_batch(exec->mem, schema, bytes, len, &batch, err);
    th_schema_release(schema);
    TH_TRY(status);
    if ((batch ? batch->nrows : 0) != nrows) {
        th_batch_release(batch);
        return th_malformed(err, "a column of calls is not as long as its batch");
    }
    *out = batch;
    return TH_OK;
}

/* ---- Texts -------------------------------------------------------------------------------------------------- */

th_text_refs th_put_texts(th_flat_builder *b, th_text_at at, const void *user, size_t n) {
    th_text_refs refs = {0, 0};
    size_t total = 0;
    void *space = NULL;
    for (size_t i = 0; i < n; i++) total += at(user, i).len;
    if (total > TH_FLAT_MAX_BYTES) { /* more than any file holds: finishing says so */
        if (b->status == TH_OK) b->status = TH_E_LIMIT;
        return refs;
    }
    refs.lens = th_flat_put_space(b, n, sizeof(uint32_t), sizeof(uint32_t), &space);
    for (size_t i = 0; refs.lens && i < n; i++) ((uint32_t *)space)[i] = (uint32_t)at(user, i).len;
    refs.bytes = th_flat_put_space(b, total, 1, 1, &space);
    char *to = space;
    for (size_t i = 0; refs.bytes && i < n; i++) {
        th_view text = at(user, i);
        if (text.len) memcpy(to, text.data, text.len);
        to += text.len;
    }
    return refs;
}

bool th_texts_fit(const uint32_t *lens, size_t n, size_t bytes) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += lens[i];
    return total == bytes;
}

/* ---- Saving ------------------------------------------------------------------------------------------------- */

/* What is in a builder so far: its buffers are lent. */
static th_column built(const th_column_builder *b) {
    return (th_column){.type = b->type,
                       .len = b->len,
                       .null_count = (int64_t)b->null_count,
                       .validity = b->validity,
                       .values = b->values,
                       .offsets = b->offsets};
}

static th_status put_calls(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *called,
                           th_flat_ref *partial, th_error *err) {
    th_column_type types[64]; /* as many as a verb may have (plan.c) */
    *called = *partial = 0;
    if (!op->batch || op->ncalls == 0) return TH_OK;
    for (size_t i = 0; i < op->ncalls && i < TH_COUNT(types); i++) types[i] = op->calls[i].type;
    if (op->calls_done > 0)
        TH_TRY(put_columns(exec, b, types, op->called, op->calls_done, op->batch->nrows, called, err));
    if (!op->calling || op->row == 0) return TH_OK;
    if (op->builder.status != TH_OK) return failed(err, op->builder.status);
    th_column column = built(&op->builder);
    return put_columns(exec, b, &types[op->calls_done], &column, 1, op->row, partial, err);
}

static th_status put_operator(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_flat_ref state = 0, batch = 0, called, partial, name = th_flat_put_view(b, th_view_of(op->cls->name));
    if (op->cls->save) TH_TRY(op->cls->save(exec, op, b, &state, err));
    if (op->batch) TH_TRY(th_put_batches(exec->mem, b, op->inputs[op->want]->schema, &op->batch, 1, &batch, err));
    TH_TRY(put_calls(exec, op, b, &called, &partial, err));
    theta_exec_Operator_start_table(b);
    theta_exec_Operator_add_name(b, name);
    theta_exec_Operator_add_want(b, (uint8_t)op->want);
    theta_exec_Operator_add_ended_first(b, op->ended[0]);
    theta_exec_Operator_add_ended_second(b, op->ended[1]);
    theta_exec_Operator_add_count(b, op->count);
    theta_exec_Operator_add_batch(b, batch);
    theta_exec_Operator_add_called(b, called);
    theta_exec_Operator_add_calls_done(b, batch ? (uint32_t)op->calls_done : 0);
    theta_exec_Operator_add_calling(b, batch && op->calling);
    theta_exec_Operator_add_partial(b, partial);
    theta_exec_Operator_add_row(b, batch && op->calling ? op->row : 0);
    if (state) {
        theta_exec_Operator_add_state_type(b, op->cls->kind);
        theta_exec_Operator_add_state(b, state);
    }
    *out = th_flat_end(b);
    return TH_OK;
}

th_status th_exec_save(th_exec *exec, th_flat_builder *b, th_flat_ref *operators, th_error *err) {
    size_t bytes = (exec->nall + 1) * sizeof(th_flat_ref);
    th_flat_ref *refs = th_mem_new(exec->mem, bytes);
    if (!refs) return failed(err, TH_E_NOMEM);
    th_status status = TH_OK;
    for (size_t i = 0; i < exec->nall && status == TH_OK; i++)
        status = put_operator(exec, exec->all[i], b, &refs[i], err);
    if (status == TH_OK) status = th_flat_builder_status(b);
    if (status == TH_OK)
        *operators = th_flat_put_refs(b, refs, exec->nall);
    else if (err->code == TH_OK)
        (void)failed(err, status);
    th_mem_free(exec->mem, refs, bytes);
    return status;
}

/* ---- Restoring ---------------------------------------------------------------------------------------------- */

static th_status take_called(th_exec *exec, th_operator *op, th_flat_table in, size_t done, th_error *err) {
    th_column_type types[64];
    th_batch *batch = NULL;
    if (done == 0) return TH_OK;
    for (size_t i = 0; i < done; i++) types[i] = op->calls[i].type;
    TH_TRY(take_columns(exec, types, done, op->batch->nrows, theta_exec_Operator_called(in),
                        theta_exec_Operator_called_len(in), &batch, err));
    if (!batch) return th_malformed(err, "columns of calls are missing");
    for (size_t i = 0; i < done; i++) op->called[i] = th_column_share(&batch->columns[i]);
    op->calls_done = done;
    th_batch_release(batch);
    return TH_OK;
}

/* The call under way begins anew, and takes the results that there are already. */
static th_status take_partial(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    uint64_t row = theta_exec_Operator_row(in);
    th_batch *batch = NULL;
    if (!theta_exec_Operator_calling(in)) return TH_OK;
    if (op->calls_done >= op->ncalls || row > op->batch->nrows) return th_malformed(err, "a call is not of its batch");
    TH_TRY(take_columns(exec, &op->calls[op->calls_done].type, 1, (size_t)row, theta_exec_Operator_partial(in),
                        theta_exec_Operator_partial_len(in), &batch, err));
    if (!th_op_begin_call(exec, op)) {
        th_batch_release(batch);
        *err = exec->err;
        return err->code;
    }
    for (size_t i = 0; i < row; i++) th_column_put_from(&op->builder, &batch->columns[0], i);
    op->row = (size_t)row;
    th_batch_release(batch);
    return op->builder.status == TH_OK ? TH_OK : failed(err, op->builder.status);
}

static th_status take_inputs(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    uint32_t done = theta_exec_Operator_calls_done(in), len = theta_exec_Operator_batch_len(in);
    uint8_t want = theta_exec_Operator_want(in);
    if (want > 1 || (want && !op->inputs[want])) return th_malformed(err, "an operator has no such input");
    op->want = want;
    op->ended[0] = theta_exec_Operator_ended_first(in);
    op->ended[1] = theta_exec_Operator_ended_second(in);
    if (len == 0 && !theta_exec_Operator_calling(in) && done == 0) return TH_OK;
    if (!op->inputs[want]) return th_malformed(err, "an operator has no input");
    TH_TRY(th_take_batch(exec->mem, op->inputs[want]->schema, theta_exec_Operator_batch(in), len, &op->batch, err));
    if (!op->batch || done > op->ncalls || (want && done)) return th_malformed(err, "calls were made for no batch");
    TH_TRY(take_called(exec, op, in, done, err));
    return take_partial(exec, op, in, err);
}

/* How many rows are left is the operator's own; of all others the plan says it. */
static bool counts(const th_operator *op) { return op->cls == &th_op_take || op->cls == &th_op_skip; }

static th_status take_operator(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    const th_str *name = theta_exec_Operator_name(in);
    uint8_t kind = (uint8_t)theta_exec_Operator_state_type(in);
    if (!name || !th_view_is(th_view_str(name), op->cls->name) || (kind && kind != op->cls->kind))
        return th_malformed(err, "it is of another plan");
    TH_TRY(take_inputs(exec, op, in, err));
    if (counts(op)) op->count = theta_exec_Operator_count(in);
    if (kind == 0) return TH_OK;
    if (!op->cls->restore) return th_malformed(err, "an operator has a state that it cannot have");
    return op->cls->restore(exec, op, theta_exec_Operator_state(in), err);
}

/* Each on the stack waits for the one above it. */
static th_status take_stack(th_exec *exec, th_flat_table in, th_error *err) {
    uint32_t depth = theta_exec_Exec_depth(in);
    if (depth > exec->nall) return th_malformed(err, "the stack of operators is too deep");
    for (uint32_t i = 1; i < depth; i++) {
        const th_operator *below = exec->stack[i - 1];
        if (!below->inputs[below->want] || below->batch) return th_malformed(err, "an operator waits for no input");
        exec->stack[i] = below->inputs[below->want];
    }
    exec->depth = depth;
    exec->waiting = theta_exec_Exec_waiting(in);
    const th_operator *top = depth ? exec->stack[depth - 1] : NULL;
    if (exec->waiting && (!top || !top->calling || top->row >= top->batch->nrows))
        return th_malformed(err, "no call is under way");
    if (!exec->waiting) return TH_OK;
    exec->result = th_types_result(th_machine_types(exec->machine), top->calls[top->calls_done].function);
    return TH_OK;
}

th_status th_exec_restore(th_exec *exec, th_flat_table in, th_error *err) {
    if (theta_exec_Exec_operators_len(in) != exec->nall) return th_malformed(err, "it is of another plan");
    for (size_t i = 0; i < exec->nall; i++) {
        th_status status = take_operator(exec, exec->all[i], theta_exec_Exec_operators_at(in, (uint32_t)i), err);
        if (status == TH_OK) continue;
        if (err->code == TH_OK) (void)failed(err, exec->err.code ? exec->err.code : status);
        return status;
    }
    return take_stack(exec, in, err);
}
