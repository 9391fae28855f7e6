/*
** join.c - join by equal keys: the right input is kept and its rows chained by key, then the left input streams by.
** Rows come in the order of the left input, and those that match one left row in the order of the right input. A null
** key matches nothing. Invariant: chains hold numbers of right rows plus one, and 0 ends a chain.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

enum { BATCH_ROWS = 16384 };
#define MOST_ROWS ((uint64_t)UINT32_MAX - 1)

typedef struct chain {
    uint32_t head, tail;
} chain;

typedef struct join_state {
    th_mem *mem;
    th_rows right;
    th_groups groups;
    chain *chains;   /* of each group */
    uint32_t *nexts; /* of each right row with a key */
    uint64_t *names; /* TH_ROW of each right row with a key */
    size_t chains_capacity, nexts_capacity, names_capacity, nrows;
    size_t *kept; /* columns of the right input in the result */
    size_t npairs, nleft;
    bool built;
    /* the left batch under way */
    bool probed;
    uint32_t *ids;
    size_t ids_capacity, row;
    uint32_t next; /* right row to match with `row`, plus one; 0: look it up */
    /* the batch being made */
    const th_batch *left;
    const th_schema *schema;
    uint64_t *lefts, *rights;
    size_t from, n, len; /* picks from .. from+n-1 of the len there are */
    bool straight;       /* left rows are taken one after the other */
} join_state;

/* ---- Which columns ------------------------------------------------------------------------------------------ */

bool th_join_keeps(const th_operator *op, const th_schema *right, size_t i) {
    const th_item *items = op->spec->items;
    for (uint32_t k = 0; k + 1 < op->spec->nitems; k += 2) {
        const th_expr *l = items[k].expr, *r = items[k + 1].expr;
        if (l->op != TH_EXPR_COLUMN || r->op != TH_EXPR_COLUMN || !th_view_eq(l->text, r->text)) continue;
        if (th_schema_find(right, r->text) == (int64_t)i) return false;
    }
    return true;
}

/* Keys are compared as they are: both numbers of a kind, both dates, both texts. */
static bool types_meet(th_column_type a, th_column_type b) {
    if (a == b || a == TH_COLUMN_NULL || b == TH_COLUMN_NULL) return true;
    if (a == TH_COLUMN_DATE || a == TH_COLUMN_TIMESTAMP || b == TH_COLUMN_DATE || b == TH_COLUMN_TIMESTAMP)
        return false;
    return th_family_of(a) == th_family_of(b);
}

static th_status check_keys(th_exec *exec, const th_operator *op) {
    for (size_t k = 0; k + 1 < op->spec->nitems; k += 2) {
        const th_bound *l = op->exprs[k], *r = op->exprs[k + 1];
        if (types_meet(l->type, r->type)) continue;
        return th_fail(&exec->err, TH_E_TYPE, "key %zu of the join is %s on the left and %s on the right", k / 2 + 1,
                       th_column_type_text(l->type), th_column_type_text(r->type));
    }
    return TH_OK;
}

static th_status begin(th_exec *exec, th_operator *op) {
    join_state *s = th_mem_zeroed(exec->mem, sizeof *s);
    if (!s) return TH_E_NOMEM;
    op->state = s;
    op->state_bytes = sizeof *s;
    s->mem = exec->mem;
    th_rows_init(&s->right, exec->mem);
    th_groups_init(&s->groups, exec->mem);
    s->npairs = op->spec->nitems / 2;
    TH_TRY(check_keys(exec, op));
    const th_schema *right = op->inputs[1]->schema;
    s->nleft = op->inputs[0]->schema->nfields;
    s->schema = op->schema;
    s->kept = th_arena_new(&exec->arena, (right->nfields + 1) * sizeof *s->kept);
    s->lefts = th_arena_new(&exec->arena, BATCH_ROWS * sizeof *s->lefts);
    s->rights = th_arena_new(&exec->arena, BATCH_ROWS * sizeof *s->rights);
    if (!s->kept || !s->lefts || !s->rights) return TH_E_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < right->nfields; i++)
        if (th_join_keeps(op, right, i)) s->kept[n++] = i;
    if (s->nleft + n != op->schema->nfields)
        return th_fail(&exec->err, TH_E_FORMAT, "the columns of a join do not add up");
    return TH_OK;
}

/* ---- Keeping the right input ---------------------------------------------------------------------------------- */

/* side 0: left, 1: right; the keys of op->batch. */
static th_status key_groups(th_exec *exec, th_operator *op, join_state *s, size_t side, uint32_t *ids) {
    th_eval eval = th_op_eval(exec, op);
    th_vector *keys = th_arena_zeroed(&exec->scratch, (s->npairs + 1) * sizeof *keys);
    if (!keys) return TH_E_NOMEM;
    for (size_t k = 0; k < s->npairs; k++) TH_TRY(th_eval_expr(&eval, op->exprs[2 * k + side], NULL, &keys[k]));
    return th_groups_of(&s->groups, keys, s->npairs, eval.nrows, side == 1, true, ids);
}

static th_status chain_rows(join_state *s, const uint32_t *ids, size_t n, size_t batch) {
    size_t known = s->chains_capacity;
    if (s->nrows + n > MOST_ROWS) return TH_E_LIMIT;
    TH_TRY(th_mem_grow(s->mem, (void **)&s->chains, &s->chains_capacity, s->groups.len, sizeof *s->chains));
    TH_TRY(th_mem_grow(s->mem, (void **)&s->nexts, &s->nexts_capacity, s->nrows + n, sizeof *s->nexts));
    TH_TRY(th_mem_grow(s->mem, (void **)&s->names, &s->names_capacity, s->nrows + n, sizeof *s->names));
    if (s->chains_capacity > known) memset(s->chains + known, 0, (s->chains_capacity - known) * sizeof *s->chains);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == TH_GROUP_NONE) continue;
        chain *c = &s->chains[ids[i]];
        s->names[s->nrows] = TH_ROW(batch, i);
        s->nexts[s->nrows++] = 0;
        if (c->tail)
            s->nexts[c->tail - 1] = (uint32_t)s->nrows;
        else
            c->head = (uint32_t)s->nrows;
        c->tail = (uint32_t)s->nrows;
    }
    return TH_OK;
}

static th_status keep_right(th_exec *exec, th_operator *op, join_state *s) {
    size_t n = op->batch->nrows;
    uint32_t *ids = th_arena_new(&exec->scratch, n * sizeof *ids + 8);
    if (!ids) return TH_E_NOMEM;
    TH_TRY(key_groups(exec, op, s, 1, ids));
    TH_TRY(chain_rows(s, ids, n, s->right.len));
    return th_rows_add(&s->right, op->batch);
}

/* ---- Matching ----------------------------------------------------------------------------------------------- */

static th_status probe(th_exec *exec, th_operator *op, join_state *s) {
    TH_TRY(th_mem_grow(s->mem, (void **)&s->ids, &s->ids_capacity, op->batch->nrows, sizeof *s->ids));
    TH_TRY(key_groups(exec, op, s, 0, s->ids));
    s->probed = true;
    s->row = 0;
    s->next = 0;
    return TH_OK;
}

/* Matches from where the last call stopped, as many as a batch takes. */
static void match(join_state *s, size_t nrows, bool outer) {
    size_t n = 0;
    bool straight = true;
    for (; s->row < nrows; s->row++) {
        uint32_t next = s->next;
        s->next = 0;
        if (next == 0 && s->ids[s->row] != TH_GROUP_NONE) next = s->chains[s->ids[s->row]].head;
        if (next == 0) {
            if (!outer) continue;
            if (n == BATCH_ROWS) break;
            s->lefts[n] = s->row;
            s->rights[n++] = TH_PICK_NULL;
            continue;
        }
        for (; next && n < BATCH_ROWS; next = s->nexts[next - 1]) {
            s->lefts[n] = s->row;
            s->rights[n++] = s->names[next - 1];
        }
        if (next) { /* the batch is full */
            s->next = next;
            break;
        }
    }
    for (size_t i = 1; i < n && straight; i++) straight = s->lefts[i] == s->lefts[0] + i;
    s->straight = straight;
    s->from = 0;
    s->len = n;
}

static th_status joined_column(void *user, size_t column, th_column *out) {
    const join_state *s = user;
    if (column >= s->nleft)
        return th_rows_gather(&s->right, s->kept[column - s->nleft], s->schema->fields[column].type,
                              s->rights + s->from, s->n, out);
    const th_column *c = &s->left->columns[column];
    if (!s->straight || (c->null_count && c->type != TH_COLUMN_NULL))
        return th_column_gather(s->mem, c, s->lefts + s->from, s->n, out);
    *out = th_column_share(c); /* a piece of the column as it is */
    out->offset += s->lefts[s->from];
    out->len = s->n;
    if (c->type == TH_COLUMN_NULL) out->null_count = (int64_t)s->n;
    return TH_OK;
}

static th_op_step give_matches(th_exec *exec, th_operator *op, join_state *s) {
    th_status status;
    s->left = op->batch;
    s->n = s->len - s->from;
    do { /* fewer rows when their texts are too long for one column */
        status = th_batch_make(exec->mem, op->schema, s->n, joined_column, s, &exec->out);
    } while (status == TH_E_LIMIT && (s->n /= 2) > 0);
    if (status != TH_OK) return th_exec_fail(exec, status);
    s->from += s->n;
    return TH_OP_EMIT;
}

/* ---- The operator ------------------------------------------------------------------------------------------- */

static th_op_step build(th_exec *exec, th_operator *op, join_state *s) {
    if (op->batch) {
        int64_t work = 16 + (int64_t)op->batch->nrows * 2;
        th_status status = keep_right(exec, op, s);
        th_op_drop_batch(op);
        if (status == TH_OK && !th_machine_charge(exec->machine, work)) status = TH_E_FUEL;
        if (status != TH_OK) return th_exec_fail(exec, status);
    }
    if (!op->ended[1]) return th_op_want(op, 1);
    s->built = true;
    return TH_OP_AGAIN;
}

static th_op_step join_step(th_exec *exec, th_operator *op) {
    th_status status = op->state ? TH_OK : begin(exec, op);
    join_state *s = op->state;
    if (status == TH_OK && op->batch && op->want != !s->built) /* only a saved state that lies mixes the sides up */
        status = th_malformed(&exec->err, "a join has a batch of the wrong side");
    if (status != TH_OK) return th_exec_fail(exec, status);
    if (!s->built) return build(exec, op, s);
    if (s->from < s->len) return give_matches(exec, op, s);
    bool outer = op->spec->join == TH_JOIN_LEFT;
    if (s->nrows == 0 && !outer) return TH_OP_END; /* nothing can match */
    if (!op->batch) return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
    if (!s->probed) {
        status = probe(exec, op, s);
        if (status == TH_OK && !th_machine_charge(exec->machine, 16 + (int64_t)op->batch->nrows)) status = TH_E_FUEL;
        if (status != TH_OK) return th_exec_fail(exec, status);
    }
    match(s, op->batch->nrows, outer);
    if (s->len) return give_matches(exec, op, s);
    th_op_drop_batch(op);
    s->probed = false;
    return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
}

static void join_clear(th_exec *exec, th_operator *op) {
    join_state *s = op->state;
    if (!s) return;
    th_rows_clear(&s->right);
    th_groups_clear(&s->groups);
    th_mem_free(exec->mem, s->chains, s->chains_capacity * sizeof *s->chains);
    th_mem_free(exec->mem, s->nexts, s->nexts_capacity * sizeof *s->nexts);
    th_mem_free(exec->mem, s->names, s->names_capacity * sizeof *s->names);
    th_mem_free(exec->mem, s->ids, s->ids_capacity * sizeof *s->ids);
    th_mem_free(exec->mem, s, sizeof *s);
    op->state = NULL;
}

/* ---- The state as bytes -------------------------------------------------------------------------------------- */

#define NO_ROW UINT64_MAX

static th_status put_matches(th_exec *exec, const join_state *s, th_flat_builder *b, th_flat_ref *lefts,
                             th_flat_ref *rights) {
    size_t n = s->len - s->from, bytes = n * sizeof(uint64_t) + 8;
    *lefts = *rights = 0;
    if (n == 0) return TH_OK;
    uint64_t *numbers = th_mem_new(exec->mem, bytes);
    if (!numbers) return TH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint64_t row = s->rights[s->from + i];
        numbers[i] = row == TH_PICK_NULL ? NO_ROW : th_rows_number(&s->right, row);
    }
    *rights = theta_exec_Join_put_rights(b, numbers, n);
    *lefts = theta_exec_Join_put_lefts(b, s->lefts + s->from, n);
    th_mem_free(exec->mem, numbers, bytes);
    return TH_OK;
}

/* The right rows are kept; their keys and chains follow from them. */
static th_status join_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    const join_state *s = op->state;
    th_flat_ref right, lefts, rights;
    if (!s) return TH_OK;
    TH_TRY(th_put_batches(exec->mem, b, op->inputs[1]->schema, s->right.batches, s->right.len, &right, err));
    TH_TRY(put_matches(exec, s, b, &lefts, &rights));
    theta_exec_Join_start_table(b);
    theta_exec_Join_add_right(b, right);
    theta_exec_Join_add_built(b, s->built);
    theta_exec_Join_add_probed(b, s->probed);
    theta_exec_Join_add_row(b, s->probed ? s->row : 0);
    theta_exec_Join_add_next(b, s->probed ? s->next : 0);
    theta_exec_Join_add_lefts(b, lefts);
    theta_exec_Join_add_rights(b, rights);
    *out = th_flat_end(b);
    return TH_OK;
}

typedef struct right_taker {
    th_exec *exec;
    th_operator *op;
} right_taker;

static th_status take_right(void *user, th_batch *batch) {
    const right_taker *t = user;
    th_batch *own = t->op->batch;
    t->op->batch = batch;
    th_status status = keep_right(t->exec, t->op, t->op->state);
    t->op->batch = own;
    return status;
}

/* The name of a right row by its number. */
static uint64_t name_of(const th_rows *rows, uint64_t number) {
    size_t lo = 0, hi = rows->len;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (rows->starts[mid] <= number)
            lo = mid;
        else
            hi = mid;
    }
    return TH_ROW(lo, number - rows->starts[lo]);
}

static bool take_matches(join_state *s, th_flat_table in, size_t nrows) {
    size_t n = theta_exec_Join_lefts_len(in);
    const uint64_t *lefts = theta_exec_Join_lefts(in), *rights = theta_exec_Join_rights(in);
    if (n > BATCH_ROWS || n != theta_exec_Join_rights_len(in)) return false;
    s->straight = true;
    for (size_t i = 0; i < n; i++) {
        if (lefts[i] >= nrows || (rights[i] != NO_ROW && rights[i] >= s->right.nrows)) return false;
        s->lefts[i] = lefts[i];
        s->rights[i] = rights[i] == NO_ROW ? TH_PICK_NULL : name_of(&s->right, rights[i]);
        s->straight &= lefts[i] == lefts[0] + i;
    }
    s->from = 0;
    s->len = n;
    return true;
}

static th_status join_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    TH_TRY(begin(exec, op));
    join_state *s = op->state;
    right_taker taker = {exec, op};
    if (theta_exec_Join_right_len(in) > 0)
        TH_TRY(th_batches_read(exec->mem, op->inputs[1]->schema, theta_exec_Join_right(in),
                               theta_exec_Join_right_len(in), take_right, &taker, err));
    bool built = theta_exec_Join_built(in), probed = theta_exec_Join_probed(in);
    uint64_t row = theta_exec_Join_row(in);
    size_t nrows = op->batch ? op->batch->nrows : 0;
    if ((op->batch && (op->want == 0) != built) || (probed && (!op->batch || op->calls_done < op->ncalls)))
        return th_malformed(err, "a join has a batch of the wrong side");
    s->built = built;
    if (probed) TH_TRY(probe(exec, op, s));
    if (!take_matches(s, in, nrows) || row > nrows || theta_exec_Join_next(in) > s->nrows || (s->len && !probed))
        return th_malformed(err, "a join names rows that there are not");
    s->row = (size_t)row;
    s->next = theta_exec_Join_next(in);
    return TH_OK;
}

const th_operator_class th_op_join = {"join", join_step, join_clear, join_save, join_restore, theta_exec_State_Join};
