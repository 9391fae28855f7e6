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

/* The next piece of op->pending. */
static th_op_step give_piece(th_exec *exec, th_operator *op) {
    th_batch *batch = op->pending, *piece;
    size_t left = batch->nrows - op->given, n = th_piece_rows(batch->schema->nfields);
    if (n >= left) n = left;
    if (n == batch->nrows) {
        op->pending = NULL;
        return emit(exec, batch);
    }
    th_status status = th_batch_slice(batch, op->given, n, &piece);
    if (status != TH_OK) return th_exec_fail(exec, status);
    op->given += n;
    if (op->given == batch->nrows) {
        th_batch_release(batch);
        op->pending = NULL;
        op->given = 0;
    }
    return emit(exec, piece);
}

static th_op_step give(th_exec *exec, th_operator *op, th_batch *batch) {
    op->pending = batch;
    op->given = 0;
    return give_piece(exec, op);
}

static th_stream_place place_of(const th_operator *op) {
    th_stream_place place = {.again = false};
    if (op->source == TH_SOURCE_CSV) th_csv_tell(op->state, &place);
    if (op->source == TH_SOURCE_ARROW) th_ipc_tell(op->state, &place);
    return place;
}

/* op->state is a th_stream that the operator owns. */
static th_op_step source_step(th_exec *exec, th_operator *op) {
    th_stream *stream = op->state;
    th_batch *batch = NULL;
    if (op->pending) return give_piece(exec, op);
    if (!stream) return TH_OP_END;
    op->place = place_of(op);
    th_status status = stream->next(stream, &batch, &exec->err);
    if (status != TH_OK) return th_exec_fail(exec, status);
    return batch ? give(exec, op, batch) : TH_OP_END;
}

static void source_clear(th_exec *exec, th_operator *op) {
    (void)exec;
    th_stream *stream = op->state;
    if (stream) stream->close(stream);
    op->state = NULL;
}

/* Rows of a list are kept as they were when the plan was opened: the program may have changed the list since. */
static th_status put_rest(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *rest, th_error *err) {
    th_stream *stream = op->state;
    th_batch *piece;
    *rest = 0;
    if (!op->pending && stream) TH_TRY(stream->next(stream, &op->pending, err));
    if (!op->pending) return TH_OK;
    th_status status = th_batch_slice(op->pending, op->given, op->pending->nrows - op->given, &piece);
    if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    status = th_put_batches(exec->mem, b, op->schema, &piece, 1, rest, err);
    th_batch_release(piece);
    return status;
}

static th_status source_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_stream_place place = op->pending ? op->place : place_of(op);
    th_flat_ref rest = 0, path = op->path ? th_flat_put_view(b, th_view_of(op->path)) : 0;
    if (op->source == TH_SOURCE_ROWS)
        TH_TRY(put_rest(exec, op, b, &rest, err));
    else if (op->path && strcmp(op->path, "-") == 0)
        return th_fail(err, TH_E_UNSUPPORTED,
                       "a table over standard input is being read: another process cannot go on with it");
    else if (!place.again)
        return th_fail(err, TH_E_UNSUPPORTED,
                       "'%s' is being read and cannot be opened again: it is no file with a name",
                       op->path ? op->path : "a table");
    theta_exec_Source_start_table(b);
    theta_exec_Source_add_path(b, path);
    theta_exec_Source_add_size(b, place.size);
    theta_exec_Source_add_mtime_ns(b, place.mtime_ns);
    theta_exec_Source_add_at(b, place.at);
    theta_exec_Source_add_row(b, place.row);
    theta_exec_Source_add_line(b, place.line);
    theta_exec_Source_add_target(b, place.target);
    theta_exec_Source_add_first_line(b, place.first_line);
    theta_exec_Source_add_given(b, op->pending && op->source != TH_SOURCE_ROWS ? op->given : 0);
    theta_exec_Source_add_rest(b, rest);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status restore_rest(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    source_clear(exec, op);
    return th_take_batch(exec->mem, op->schema, theta_exec_Source_rest(in), theta_exec_Source_rest_len(in),
                         &op->pending, err);
}

static th_status source_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    if (op->source == TH_SOURCE_ROWS) return restore_rest(exec, op, in, err);
    th_stream *stream = op->state;
    uint64_t given = theta_exec_Source_given(in);
    op->place = (th_stream_place){.again = true,
                                  .size = theta_exec_Source_size(in),
                                  .mtime_ns = theta_exec_Source_mtime_ns(in),
                                  .at = theta_exec_Source_at(in),
                                  .row = theta_exec_Source_row(in),
                                  .line = theta_exec_Source_line(in),
                                  .target = theta_exec_Source_target(in),
                                  .first_line = theta_exec_Source_first_line(in)};
    TH_TRY(op->source == TH_SOURCE_CSV ? th_csv_seek(stream, &op->place, err) : th_ipc_seek(stream, &op->place, err));
    if (given == 0) return TH_OK;
    TH_TRY(stream->next(stream, &op->pending, err));
    if (!op->pending || given >= op->pending->nrows) return th_malformed(err, "a table has fewer rows than were read");
    op->given = (size_t)given;
    return TH_OK;
}

const th_operator_class th_op_source = {"read",      source_step,    source_clear,
                                        source_save, source_restore, theta_exec_State_Source};

static th_op_step stream_step(th_exec *exec, th_operator *op) {
    th_node *node = th_flow_node_of(op->node);
    th_batch *batch = NULL;
    if (op->pending) return give_piece(exec, op);
    if (!node->stream) {
        (void)th_fail(&exec->err, TH_E_ARGUMENT, "a table over a stream can be read once only");
        return TH_OP_FAILED;
    }
    op->count = 1; /* begun: nobody else may read it */
    th_status status = node->stream->next(node->stream, &batch, &exec->err);
    if (status != TH_OK) return th_exec_fail(exec, status);
    return batch ? give(exec, op, batch) : TH_OP_END;
}

static th_status stream_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    (void)exec;
    (void)op;
    (void)b;
    (void)out;
    return th_fail(err, TH_E_UNSUPPORTED, "a table over a stream of the host cannot be saved");
}

static void stream_clear(th_exec *exec, th_operator *op) {
    (void)exec;
    th_node *node = th_flow_node_of(op->node);
    if (op->count == 0 || !node || !node->stream) return;
    node->stream->close(node->stream);
    node->stream = NULL;
}

const th_operator_class th_op_stream = {"stream", stream_step, stream_clear, stream_save, NULL, 0};

static th_op_step batches_step(th_exec *exec, th_operator *op) {
    const th_node *node = th_flow_node_of(op->node);
    if (op->pending) return give_piece(exec, op);
    while (op->count < node->nbatches && node->batches[op->count]->nrows == 0) op->count++;
    if (op->count == node->nbatches) return TH_OP_END;
    return give(exec, op, th_batch_retain(node->batches[op->count++]));
}

/* Counted in rows: batches without any are not saved with the node. */
static th_status batches_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    (void)exec;
    (void)err;
    const th_node *node = th_flow_node_of(op->node);
    uint64_t given = op->given;
    for (size_t i = 0; i < op->count - (op->pending != NULL); i++) given += node->batches[i]->nrows;
    theta_exec_Source_start_table(b);
    theta_exec_Source_add_given(b, given);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status batches_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    (void)exec;
    const th_node *node = th_flow_node_of(op->node);
    uint64_t given = theta_exec_Source_given(in);
    for (op->count = 0; op->count < node->nbatches && given >= node->batches[op->count]->nrows; op->count++)
        given -= node->batches[op->count]->nrows;
    if (given == 0) return TH_OK;
    if (op->count == node->nbatches) return th_malformed(err, "a table has fewer rows than were read");
    op->pending = th_batch_retain(node->batches[op->count++]);
    op->given = (size_t)given;
    return TH_OK;
}

const th_operator_class th_op_batches = {"batches",    batches_step,    NULL,
                                         batches_save, batches_restore, theta_exec_State_Source};

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

const th_operator_class th_op_where = {.name = "where", .step = where_step};

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

const th_operator_class th_op_project = {.name = "project", .step = project_step};

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

const th_operator_class th_op_take = {.name = "take", .step = take_step};
const th_operator_class th_op_skip = {.name = "skip", .step = skip_step};

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

const th_operator_class th_op_union = {.name = "union", .step = union_step};
