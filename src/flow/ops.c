/*
** ops.c - the operators that look at one batch at a time: sources, where, project, take, skip, union.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

static th_op_step emit(th_exec *exec, th_batch *batch) {
    exec->out = batch;
    return TH_OP_EMIT;
}

/* ---- Sources ------------------------------------------------------------------------------------------------ */

/* op->state is a th_stream that the operator owns. */
static th_op_step source_step(th_exec *exec, th_operator *op) {
    th_stream *stream = op->state;
    th_batch *batch = NULL;
    if (!stream) return TH_OP_END;
    th_status status = stream->next(stream, &batch, &exec->err);
    if (status != TH_OK) return th_exec_fail(exec, status);
    return batch ? emit(exec, batch) : TH_OP_END;
}

static void source_clear(th_exec *exec, th_operator *op) {
    (void)exec;
    th_stream *stream = op->state;
    if (stream) stream->close(stream);
    op->state = NULL;
}

const th_operator_class th_op_source = {"read", source_step, source_clear};

static th_op_step stream_step(th_exec *exec, th_operator *op) {
    th_node *node = th_flow_node_of(op->node);
    th_batch *batch = NULL;
    if (!node->stream) {
        (void)th_fail(&exec->err, TH_E_ARGUMENT, "a table over a stream can be read once only");
        return TH_OP_FAILED;
    }
    op->count = 1; /* begun: nobody else may read it */
    th_status status = node->stream->next(node->stream, &batch, &exec->err);
    if (status != TH_OK) return th_exec_fail(exec, status);
    return batch ? emit(exec, batch) : TH_OP_END;
}

static void stream_clear(th_exec *exec, th_operator *op) {
    (void)exec;
    th_node *node = th_flow_node_of(op->node);
    if (op->count == 0 || !node || !node->stream) return;
    node->stream->close(node->stream);
    node->stream = NULL;
}

const th_operator_class th_op_stream = {"stream", stream_step, stream_clear};

static th_op_step batches_step(th_exec *exec, th_operator *op) {
    const th_node *node = th_flow_node_of(op->node);
    if (op->count == node->nbatches) return TH_OP_END;
    return emit(exec, th_batch_retain(node->batches[op->count++]));
}

const th_operator_class th_op_batches = {"batches", batches_step, NULL};

/* ---- Where -------------------------------------------------------------------------------------------------- */

static th_status keep_rows(th_exec *exec, const th_operator *op, const uint64_t *picks, size_t n, th_batch **out) {
    const th_batch *in = op->batch;
    th_column *columns = th_arena_zeroed(&exec->scratch, (in->schema->nfields + 1) * sizeof *columns);
    if (!columns) return TH_E_NOMEM;
    th_status status = TH_OK;
    size_t done = 0;
    for (; done < in->schema->nfields && status == TH_OK; done++)
        status = th_column_gather(exec->mem, &in->columns[done], picks, n, &columns[done]);
    if (status == TH_OK) status = th_batch_new(exec->mem, op->schema, n, columns, out);
    if (status == TH_OK) return TH_OK;
    for (size_t i = 0; i < done; i++) th_column_clear(&columns[i]);
    return status;
}

static th_op_step where_step(th_exec *exec, th_operator *op) {
    if (!op->batch) return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
    th_eval eval = th_op_eval(exec, op);
    th_vector v;
    th_status status = th_eval_expr(&eval, op->exprs[0], NULL, &v);
    if (status != TH_OK) return th_exec_fail(exec, status);
    uint64_t *picks = th_arena_new(&exec->scratch, (eval.nrows + 1) * sizeof *picks);
    if (!picks) return th_exec_fail(exec, TH_E_NOMEM);
    size_t n = 0;
    for (size_t i = 0; i < eval.nrows; i++) {
        picks[n] = i;
        n += v.bools[i] & (v.valid ? v.valid[i] : 1);
    }
    th_batch *out = NULL;
    if (n == eval.nrows)
        out = th_batch_retain(op->batch);
    else if (n > 0)
        status = keep_rows(exec, op, picks, n, &out);
    th_op_drop_batch(op);
    if (status != TH_OK) return th_exec_fail(exec, status);
    return out ? emit(exec, out) : op->ended[0] ? TH_OP_END : th_op_want(op, 0);
}

const th_operator_class th_op_where = {"where", where_step, NULL};

/* ---- Project: derive, select, drop, rename ------------------------------------------------------------------ */

/* op->exprs has one expression for each field of op->schema. */
static th_op_step project_step(th_exec *exec, th_operator *op) {
    if (!op->batch) return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
    th_eval eval = th_op_eval(exec, op);
    size_t n = op->schema->nfields, done = 0;
    th_column *columns = th_arena_zeroed(&exec->scratch, (n + 1) * sizeof *columns);
    th_status status = columns ? TH_OK : TH_E_NOMEM;
    for (; done < n && status == TH_OK; done++)
        status = th_eval_column(&eval, exec->mem, op->exprs[done], &columns[done]);
    th_batch *out = NULL;
    if (status == TH_OK) status = th_batch_new(exec->mem, op->schema, eval.nrows, columns, &out);
    if (status != TH_OK)
        for (size_t i = 0; i < done; i++) th_column_clear(&columns[i]);
    th_op_drop_batch(op);
    return status == TH_OK ? emit(exec, out) : th_exec_fail(exec, status);
}

const th_operator_class th_op_project = {"project", project_step, NULL};

/* ---- Take and skip ------------------------------------------------------------------------------------------ */

static th_op_step slice_out(th_exec *exec, th_operator *op, size_t from, size_t count) {
    th_batch *out;
    th_status status = th_batch_slice(op->batch, from, count, &out);
    th_op_drop_batch(op);
    return status == TH_OK ? emit(exec, out) : th_exec_fail(exec, status);
}

static th_op_step take_step(th_exec *exec, th_operator *op) {
    if (op->count == 0 || (!op->batch && op->ended[0])) return TH_OP_END;
    if (!op->batch) return th_op_want(op, 0);
    size_t n = op->batch->nrows < op->count ? op->batch->nrows : (size_t)op->count;
    op->count -= n;
    return slice_out(exec, op, 0, n);
}

static th_op_step skip_step(th_exec *exec, th_operator *op) {
    if (!op->batch) return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
    size_t n = op->batch->nrows;
    if (n <= op->count) {
        op->count -= n;
        th_op_drop_batch(op);
        return TH_OP_AGAIN;
    }
    size_t from = (size_t)op->count;
    op->count = 0;
    return slice_out(exec, op, from, n - from);
}

const th_operator_class th_op_take = {"take", take_step, NULL};
const th_operator_class th_op_skip = {"skip", skip_step, NULL};

/* ---- Union -------------------------------------------------------------------------------------------------- */

/* The first input's rows, then the second's, under the first one's names. */
static th_op_step union_step(th_exec *exec, th_operator *op) {
    if (!op->batch) return !op->ended[0] ? th_op_want(op, 0) : !op->ended[1] ? th_op_want(op, 1) : TH_OP_END;
    th_batch *in = op->batch, *out;
    th_column *columns = th_arena_zeroed(&exec->scratch, (in->schema->nfields + 1) * sizeof *columns);
    if (!columns) return th_exec_fail(exec, TH_E_NOMEM);
    for (size_t i = 0; i < in->schema->nfields; i++) columns[i] = th_column_share(&in->columns[i]);
    th_status status = th_batch_new(exec->mem, op->schema, in->nrows, columns, &out);
    if (status != TH_OK)
        for (size_t i = 0; i < in->schema->nfields; i++) th_column_clear(&columns[i]);
    th_op_drop_batch(op);
    return status == TH_OK ? emit(exec, out) : th_exec_fail(exec, status);
}

const th_operator_class th_op_union = {"union", union_step, NULL};
