/*
** exec.c - drives a plan: a stack of operators, the top one stepped until it wants, gives or ends; between steps the user
** functions of an operator's call steps are handed to the machine, a row at a time.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

th_op_step th_exec_fail(th_exec *exec, th_status status) {
    if (exec->err.code == TH_OK) (void)th_fail(&exec->err, status, "%s", th_status_text(status));
    return TH_OP_FAILED;
}

th_eval th_op_eval(th_exec *exec, const th_operator *op) {
    return (th_eval){.scratch = &exec->scratch,
                     .batch = op->batch,
                     .calls = op->called,
                     .nrows = op->batch ? op->batch->nrows : 0,
                     .err = &exec->err};
}

static void drop_called(th_operator *op) {
    for (size_t i = 0; i < op->calls_done; i++) th_column_clear(&op->called[i]);
    op->calls_done = 0;
    op->calling = false;
    th_column_builder_clear(&op->builder);
}

void th_op_drop_batch(th_operator *op) {
    drop_called(op);
    th_batch_release(op->batch);
    op->batch = NULL;
}

/* ---- Life --------------------------------------------------------------------------------------------------- */

th_status th_exec_new(th_machine *machine, uint64_t node, th_exec **out, th_error *err) {
    th_mem *mem = th_machine_mem(machine);
    th_exec *exec = th_mem_zeroed(mem, sizeof *exec);
    if (!exec) return th_fail(err, TH_E_NOMEM, "out of memory");
    exec->machine = machine;
    exec->mem = mem;
    th_arena_init(&exec->arena, mem);
    th_arena_init(&exec->scratch, mem);
    th_error inner = {.code = TH_OK};
    th_status status = th_plan_open(exec, node, &inner);
    if (status == TH_OK) {
        exec->stack = th_arena_new(&exec->arena, (exec->nall + 1) * sizeof(th_operator *));
        if (!exec->stack) status = TH_E_NOMEM;
    }
    if (status != TH_OK) {
        if (inner.code == TH_OK) (void)th_fail(&inner, status, "%s", th_status_text(status));
        if (err) *err = inner;
        th_exec_free(exec);
        return status;
    }
    exec->stack[0] = exec->root;
    exec->depth = 1;
    *out = exec;
    return TH_OK;
}

void th_exec_free(th_exec *exec) {
    if (!exec) return;
    for (size_t i = 0; i < exec->nall; i++) {
        th_operator *op = exec->all[i];
        th_op_drop_batch(op);
        th_batch_release(op->pending);
        if (op->cls->clear) op->cls->clear(exec, op);
        th_schema_release(op->schema);
    }
    th_batch_release(exec->out);
    th_arena_clear(&exec->scratch);
    th_arena_clear(&exec->arena);
    th_mem_free(exec->mem, exec, sizeof *exec);
}

const th_schema *th_exec_schema(const th_exec *exec) { return exec->root->schema; }

/* ---- Calls of user functions -------------------------------------------------------------------------------- */

typedef enum call_step { CALLS_DONE, CALLS_CALL, CALLS_FAILED, CALLS_AGAIN } call_step;

static bool call_fail(th_exec *exec, th_status status) {
    (void)th_exec_fail(exec, status);
    return false;
}

bool th_op_begin_call(th_exec *exec, th_operator *op) {
    const th_call_step *step = &op->calls[op->calls_done];
    th_eval eval = th_op_eval(exec, op);
    op->call_args = th_arena_zeroed(&exec->scratch, (step->nargs + 1) * sizeof *op->call_args);
    if (!op->call_args) return call_fail(exec, TH_E_NOMEM);
    op->call_active = NULL;
    if (step->guard) {
        th_vector v;
        uint8_t *active = th_arena_new(&exec->scratch, eval.nrows + 8);
        th_status status = active ? th_eval_expr(&eval, step->guard, NULL, &v) : TH_E_NOMEM;
        if (status != TH_OK) return call_fail(exec, status);
        for (size_t i = 0; i < eval.nrows; i++)
            active[i] = (v.bools[i] && (!v.valid || v.valid[i])) != step->guard_negated;
        op->call_active = active;
    }
    for (uint32_t i = 0; i < step->nargs; i++) {
        th_status status = th_eval_expr(&eval, step->args[i], op->call_active, &op->call_args[i]);
        if (status != TH_OK) return call_fail(exec, status);
    }
    th_column_builder_init(&op->builder, exec->mem, step->type);
    op->row = 0;
    op->calling = true;
    return true;
}

/* The word of row `row` of an argument; false with *skip set: a null where none is taken. */
static bool argument(th_exec *exec, const th_call_step *step, uint32_t i, const th_vector *v, size_t row,
                     uint64_t *word, bool *skip) {
    th_types *types = th_machine_types(exec->machine);
    th_type_id type = th_types_param(types, step->function, i);
    bool option = th_types_kind(types, type) == TH_KIND_OPTION;
    th_type_id inner = option ? th_types_get(types, type)->args[0] : type;
    *word = 0;
    if (v->family == TH_FAMILY_NULL || (v->valid && !v->valid[row])) {
        *skip = !option;
        return option;
    }
    switch (v->family) {
    case TH_FAMILY_TEXT: {
        const th_str *s = th_new_str_of(exec->machine, v->texts[row].data, v->texts[row].len);
        if (!s) return false;
        *word = th_ptr_word(s);
        break;
    }
    case TH_FAMILY_FLOAT:
        *word = th_types_class(types, inner) == TH_CLASS_F32 ? th_f32_word((float)v->floats[row])
                                                             : th_f64_word(v->floats[row]);
        break;
    case TH_FAMILY_BOOL: *word = v->bools[row]; break;
    default: *word = (uint64_t)v->ints[row];
    }
    return !option || th_new_option(exec->machine, type, *word, word);
}

static void put_result(th_exec *exec, th_operator *op, const th_call_step *step, uint64_t word) {
    const th_types *types = th_machine_types(exec->machine);
    th_type_id type = th_types_result(types, step->function);
    if (th_types_kind(types, type) == TH_KIND_OPTION) {
        if (word == 0) {
            th_column_put_null(&op->builder);
            return;
        }
        type = th_types_get(types, type)->args[0];
        if (!th_types_get(types, type)->pointers) word = ((const th_record *)th_word_ptr(word))->slots[0];
    }
    const th_type *t = th_types_get(types, type);
    if (t->kind == TH_KIND_ENUM)
        th_column_put_text(&op->builder, word < t->nnames ? th_view_str(t->names[word]) : (th_view){"", 0});
    else if (t->cls == TH_CLASS_STRING)
        th_column_put_text(&op->builder, th_view_str(th_word_ptr(word)));
    else if (t->cls == TH_CLASS_F64)
        th_column_put_f64(&op->builder, th_word_f64(word));
    else if (t->cls == TH_CLASS_F32)
        th_column_put_f64(&op->builder, (double)th_word_f32(word));
    else
        th_column_put_i64(&op->builder, (int64_t)word);
}

static bool end_step(th_exec *exec, th_operator *op) {
    th_status status = th_column_builder_finish(&op->builder, &op->called[op->calls_done]);
    if (status != TH_OK) return call_fail(exec, status);
    op->calls_done++;
    op->calling = false;
    return true;
}

/* Goes on to the next row that needs a call. */
static call_step next_call(th_exec *exec, th_operator *op) {
    while (op->calls_done < op->ncalls) {
        if (!op->calling && !th_op_begin_call(exec, op)) return CALLS_FAILED;
        const th_call_step *step = &op->calls[op->calls_done];
        for (; op->row < op->batch->nrows; op->row++) {
            bool skip = op->call_active && !op->call_active[op->row];
            for (uint32_t i = 0; i < step->nargs && !skip; i++)
                if (!argument(exec, step, i, &op->call_args[i], op->row, &exec->args[i], &skip) && !skip) {
                    (void)call_fail(exec, TH_E_NOMEM);
                    return CALLS_FAILED;
                }
            if (skip) {
                th_column_put_null(&op->builder);
                continue;
            }
            th_params params = th_node_params(exec->machine, op->node);
            exec->closure = th_word_ptr(params.record->slots[step->param]);
            exec->nargs = step->nargs;
            exec->result = th_types_result(th_machine_types(exec->machine), step->function);
            exec->waiting = true;
            return CALLS_CALL;
        }
        if (!end_step(exec, op)) return CALLS_FAILED;
    }
    return CALLS_DONE;
}

void th_exec_call(th_exec *exec, th_closure **closure, const uint64_t **args, size_t *nargs) {
    *closure = exec->closure;
    *args = exec->args;
    *nargs = exec->nargs;
}

void th_exec_result(th_exec *exec, uint64_t word) {
    th_operator *op = exec->stack[exec->depth - 1];
    exec->waiting = false;
    put_result(exec, op, &op->calls[op->calls_done], word);
    op->row++;
}

/* ---- The loop ----------------------------------------------------------------------------------------------- */

/* Scratch is cleared unless an operator is still in the middle of a batch (a join that gives several for one). */
static void give(th_exec *exec, th_operator *parent, th_batch *batch) {
    th_op_drop_batch(parent);
    bool in_use = false;
    for (size_t i = 0; i < exec->nall && !in_use; i++) in_use = exec->all[i]->batch != NULL;
    if (!in_use) th_arena_clear(&exec->scratch);
    parent->batch = batch;
}

static bool charge_batch(th_exec *exec, const th_batch *batch) {
    return th_machine_charge(exec->machine, (int64_t)(16 + batch->nrows * (1 + batch->schema->nfields) / 4));
}

#define STEPS 64

th_exec_step th_exec_step_once(th_exec *exec, th_batch **out, th_error *err) {
    for (int i = 0; i < STEPS; i++) {
        if (exec->depth == 0) return TH_EXEC_DONE;
        th_operator *op = exec->stack[exec->depth - 1];
        if (op->batch && op->calls_done < op->ncalls && op->want == 0) { /* calls are bound to the first input */
            call_step calls = next_call(exec, op);
            if (calls == CALLS_CALL) return TH_EXEC_CALL;
            if (calls == CALLS_FAILED) goto failed;
        }
        th_operator *parent = exec->depth > 1 ? exec->stack[exec->depth - 2] : NULL;
        switch (op->cls->step(exec, op)) {
        case TH_OP_WANT: exec->stack[exec->depth++] = op->inputs[op->want]; break;
        case TH_OP_EMIT: {
            th_batch *batch = exec->out;
            exec->out = NULL;
            if (!charge_batch(exec, batch)) {
                th_batch_release(batch);
                goto failed;
            }
            if (!parent) {
                *out = batch;
                return TH_EXEC_BATCH;
            }
            exec->depth--;
            give(exec, parent, batch);
            break;
        }
        case TH_OP_END:
            exec->depth--;
            if (parent) parent->ended[parent->want] = true;
            break;
        case TH_OP_AGAIN: return TH_EXEC_AGAIN;
        case TH_OP_FAILED: goto failed;
        }
        if (th_machine_due(exec->machine)) return TH_EXEC_AGAIN;
    }
    return TH_EXEC_AGAIN;
failed:
    if (exec->err.code == TH_OK) (void)th_fail(&exec->err, TH_E_NOMEM, "out of memory");
    if (err) *err = exec->err;
    return TH_EXEC_ERROR;
}
