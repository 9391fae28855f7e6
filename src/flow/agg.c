/*
** agg.c - aggregate: rows grouped by their keys, and a column of state for each aggregate; distinct.
** The state of an aggregate is arrays indexed by the number of a group, so that each is updated in one loop over the
** rows of a batch. Sums of integers are kept in 128 bits and cannot go wrong before the end; sums of floats carry the
** part that rounding loses (Knuth's TwoSum); variances are Welford's. A median keeps all its values.
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>

#include "flow/flow_int.h"

enum { SLICE = 65536 };

typedef struct text_cell {
    char *data;
    size_t len, capacity;
} text_cell;

typedef struct agg_state {
    th_agg agg;
    th_family family;         /* of the argument */
    const th_bound *argument; /* NULL: count() */
    uint64_t *counts;         /* rows, or values that are not null */
    __int128 *totals;         /* sum and mean of integers */
    int64_t *ints;            /* min, max, first, last, any, all */
    double *floats, *rests;   /* min, max, ...; a sum and what it lacks; a mean and its squared differences */
    text_cell *texts;
    size_t counts_capacity, totals_capacity, ints_capacity, floats_capacity, rests_capacity, texts_capacity;
    size_t len;       /* groups that the arrays are filled for */
    bool alone;       /* there is one group only */
    th_groups seen;   /* count_distinct: pairs of group and value */
    uint32_t *owners; /* median: the group of each value */
    int64_t *values;  /* in an order that is the numbers' */
    size_t nvalues, owners_capacity, values_capacity;
    uint64_t *starts; /* median at the end: where each group's values start in `placed` */
    int64_t *placed;
    size_t starts_bytes, placed_bytes, at;
} agg_state;

typedef struct aggregate_state {
    th_groups groups;
    agg_state *aggs;
    th_column_type *types; /* of the keys */
    size_t naggs, nkeys, ngroups;
    size_t median; /* the aggregate whose values are being placed */
    size_t at;     /* the first group not given yet */
    size_t n;      /* groups of the batch being made */
    th_exec *exec;
    th_operator *op;
} aggregate_state;

/* ---- Room for groups ---------------------------------------------------------------------------------------- */

static th_status grow_one(th_mem *mem, void **array, size_t *capacity, size_t from, size_t to, size_t item_bytes) {
    TH_TRY(th_mem_grow(mem, array, capacity, to, item_bytes));
    memset((char *)*array + from * item_bytes, 0, (to - from) * item_bytes);
    return TH_OK;
}

#define GROW(member) grow_one(mem, (void **)&s->member, &s->member##_capacity, s->len, n, sizeof *s->member)

static th_status grow_values(th_mem *mem, agg_state *s, size_t n) {
    if (s->family == TH_FAMILY_FLOAT) return GROW(floats);
    return s->family == TH_FAMILY_TEXT ? GROW(texts) : GROW(ints);
}

static th_status grow_state(th_mem *mem, agg_state *s, size_t n) {
    if (n <= s->len) return TH_OK;
    TH_TRY(GROW(counts));
    switch (s->agg) {
    case TH_AGG_SUM:
    case TH_AGG_MEAN:
        if (s->family == TH_FAMILY_INT) {
            TH_TRY(GROW(totals));
        } else {
            TH_TRY(GROW(floats));
            TH_TRY(GROW(rests));
        }
        break;
    case TH_AGG_STDDEV:
    case TH_AGG_VARIANCE:
        TH_TRY(GROW(floats));
        TH_TRY(GROW(rests));
        break;
    case TH_AGG_COUNT:
    case TH_AGG_COUNT_DISTINCT:
    case TH_AGG_MEDIAN: break;
    default: TH_TRY(grow_values(mem, s, n));
    }
    s->len = n;
    return TH_OK;
}

static void clear_state(th_mem *mem, agg_state *s) {
    for (size_t i = 0; s->texts && i < s->len; i++) th_mem_free(mem, s->texts[i].data, s->texts[i].capacity);
    th_mem_free(mem, s->counts, s->counts_capacity * sizeof *s->counts);
    th_mem_free(mem, s->totals, s->totals_capacity * sizeof *s->totals);
    th_mem_free(mem, s->ints, s->ints_capacity * sizeof *s->ints);
    th_mem_free(mem, s->floats, s->floats_capacity * sizeof *s->floats);
    th_mem_free(mem, s->rests, s->rests_capacity * sizeof *s->rests);
    th_mem_free(mem, s->texts, s->texts_capacity * sizeof *s->texts);
    th_mem_free(mem, s->owners, s->owners_capacity * sizeof *s->owners);
    th_mem_free(mem, s->values, s->values_capacity * sizeof *s->values);
    th_mem_free(mem, s->starts, s->starts_bytes);
    th_mem_free(mem, s->placed, s->placed_bytes);
    th_groups_clear(&s->seen);
}

/* ---- Updates: one loop over the rows of a batch each ----------------------------------------------------------- */

/* For each row whose value is not null: `i` is the row, `g` its group. */
#define EACH(...)                                                                                                      \
    do {                                                                                                               \
        if (v->valid) {                                                                                                \
            for (size_t i = 0; i < n; i++)                                                                             \
                if (v->valid[i]) {                                                                                     \
                    size_t g = ids[i];                                                                                 \
                    __VA_ARGS__                                                                                        \
                }                                                                                                      \
        } else {                                                                                                       \
            for (size_t i = 0; i < n; i++) {                                                                           \
                size_t g = ids[i];                                                                                     \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void count_rows(agg_state *s, const uint32_t *ids, size_t n) {
    uint64_t *counts = s->counts;
    for (size_t i = 0; i < n; i++) counts[ids[i]]++;
}

static void count_values(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    uint64_t *counts = s->counts;
    EACH(counts[g]++;);
}

static void sum_ints(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    __int128 *totals = s->totals;
    uint64_t *counts = s->counts;
    const int64_t *x = v->ints;
    EACH(totals[g] += x[i]; counts[g]++;);
}

static void sum_floats(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    double *sums = s->floats, *rests = s->rests;
    uint64_t *counts = s->counts;
    const double *x = v->floats;
    EACH(double a = sums[g], sum = a + x[i], part = sum - a; rests[g] += (a - (sum - part)) + (x[i] - part);
         sums[g] = sum; counts[g]++;);
}

static void spread(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    double *means = s->floats, *squares = s->rests;
    uint64_t *counts = s->counts;
    bool is_int = v->family == TH_FAMILY_INT;
    EACH(double x = is_int ? (double)v->ints[i] : v->floats[i], off = x - means[g]; counts[g]++;
         means[g] += off / (double)counts[g]; squares[g] += off * (x - means[g]););
}

static void pick_ints(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    int64_t *kept = s->ints;
    uint64_t *counts = s->counts;
    const int64_t *x = v->ints;
    switch (s->agg) {
    case TH_AGG_MIN: EACH(if (!counts[g] || x[i] < kept[g]) kept[g] = x[i]; counts[g]++;); break;
    case TH_AGG_MAX: EACH(if (!counts[g] || x[i] > kept[g]) kept[g] = x[i]; counts[g]++;); break;
    case TH_AGG_FIRST: EACH(if (!counts[g]) kept[g] = x[i]; counts[g]++;); break;
    default: EACH(kept[g] = x[i]; counts[g]++;);
    }
}

static void pick_bools(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    int64_t *kept = s->ints;
    uint64_t *counts = s->counts;
    const uint8_t *x = v->bools;
    switch (s->agg) {
    case TH_AGG_MIN:
    case TH_AGG_ALL: EACH(kept[g] = counts[g] ? kept[g] & x[i] : x[i]; counts[g]++;); break;
    case TH_AGG_MAX:
    case TH_AGG_ANY: EACH(kept[g] |= x[i]; counts[g]++;); break;
    case TH_AGG_FIRST: EACH(if (!counts[g]) kept[g] = x[i]; counts[g]++;); break;
    default: EACH(kept[g] = x[i]; counts[g]++;);
    }
}

/* NaN is greater than every number. */
static inline bool less(double a, double b) { return a < b || (b != b && a == a); }

static void pick_floats(agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    double *kept = s->floats;
    uint64_t *counts = s->counts;
    const double *x = v->floats;
    switch (s->agg) {
    case TH_AGG_MIN: EACH(if (!counts[g] || less(x[i], kept[g])) kept[g] = x[i]; counts[g]++;); break;
    case TH_AGG_MAX: EACH(if (!counts[g] || less(kept[g], x[i])) kept[g] = x[i]; counts[g]++;); break;
    case TH_AGG_FIRST: EACH(if (!counts[g]) kept[g] = x[i]; counts[g]++;); break;
    default: EACH(kept[g] = x[i]; counts[g]++;);
    }
}

static th_status set_text(th_mem *mem, text_cell *cell, th_view text) {
    if (text.len > cell->capacity) {
        size_t capacity = cell->capacity ? TH_ALIGN(text.len + text.len / 2, 16) : TH_ALIGN(text.len, 8);
        char *data = th_mem_resize(mem, cell->data, cell->capacity, capacity);
        if (!data) return TH_E_NOMEM;
        cell->data = data;
        cell->capacity = capacity;
    }
    if (text.len) memcpy(cell->data, text.data, text.len);
    cell->len = text.len;
    return TH_OK;
}

static bool text_wanted(const agg_state *s, size_t g, th_view text) {
    if (s->counts[g] == 0 || s->agg == TH_AGG_LAST) return true;
    if (s->agg == TH_AGG_FIRST) return false;
    int order = th_view_compare(text, (th_view){s->texts[g].data, s->texts[g].len});
    return s->agg == TH_AGG_MIN ? order < 0 : order > 0;
}

static th_status pick_texts(th_mem *mem, agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    EACH(if (text_wanted(s, g, v->texts[i])) TH_TRY(set_text(mem, &s->texts[g], v->texts[i])); s->counts[g]++;);
    return TH_OK;
}

/* A word whose order as an integer is the order of the numbers, NaN last; and back. */
static inline int64_t order_word(double x) {
    int64_t word;
    if (x != x) x = __builtin_nan("");
    memcpy(&word, &x, 8);
    return word ^ (int64_t)((uint64_t)(word >> 63) >> 1);
}

static inline double order_float(int64_t word) {
    double x;
    word ^= (int64_t)((uint64_t)(word >> 63) >> 1);
    memcpy(&x, &word, 8);
    return x;
}

static th_status collect(th_mem *mem, agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    size_t needed = s->nvalues + n, at = s->nvalues;
    TH_TRY(th_mem_grow(mem, (void **)&s->owners, &s->owners_capacity, needed, sizeof *s->owners));
    TH_TRY(th_mem_grow(mem, (void **)&s->values, &s->values_capacity, needed, sizeof *s->values));
    bool is_int = v->family == TH_FAMILY_INT;
    EACH(s->owners[at] = (uint32_t)g; s->values[at] = is_int ? v->ints[i] : order_word(v->floats[i]); at++;
         s->counts[g]++;);
    s->nvalues = at;
    return TH_OK;
}

static th_status count_distinct(th_exec *exec, agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    int64_t *owners = th_arena_new(&exec->scratch, n * sizeof *owners + 8);
    uint32_t *pairs = th_arena_new(&exec->scratch, n * sizeof *pairs + 8);
    if (!owners || !pairs) return TH_E_NOMEM;
    for (size_t i = 0; i < n; i++) owners[i] = ids[i];
    th_vector keys[2] = {*v, {.family = TH_FAMILY_INT, .ints = owners}};
    size_t known = s->seen.len;
    TH_TRY(th_groups_of(&s->seen, keys, s->alone ? 1 : 2, n, true, true, pairs));
    for (size_t i = 0; i < n; i++) {
        if (pairs[i] != known) continue; /* new ones come in order; TH_GROUP_NONE is never reached */
        known++;
        s->counts[ids[i]]++;
    }
    return TH_OK;
}

static th_status update(th_exec *exec, agg_state *s, const th_vector *v, const uint32_t *ids, size_t n) {
    th_mem *mem = exec->mem;
    if (v->family == TH_FAMILY_NULL) return TH_OK; /* nothing but nulls */
    if (v->family != s->family) return TH_E_TYPE;
    switch (s->agg) {
    case TH_AGG_COUNT: count_values(s, v, ids, n); return TH_OK;
    case TH_AGG_SUM:
    case TH_AGG_MEAN:
        if (s->family == TH_FAMILY_INT)
            sum_ints(s, v, ids, n);
        else
            sum_floats(s, v, ids, n);
        return TH_OK;
    case TH_AGG_STDDEV:
    case TH_AGG_VARIANCE: spread(s, v, ids, n); return TH_OK;
    case TH_AGG_MEDIAN: return collect(mem, s, v, ids, n);
    case TH_AGG_COUNT_DISTINCT: return count_distinct(exec, s, v, ids, n);
    default: break;
    }
    switch (s->family) {
    case TH_FAMILY_INT: pick_ints(s, v, ids, n); return TH_OK;
    case TH_FAMILY_FLOAT: pick_floats(s, v, ids, n); return TH_OK;
    case TH_FAMILY_TEXT: return pick_texts(mem, s, v, ids, n);
    default: pick_bools(s, v, ids, n); return TH_OK;
    }
}

/* ---- Medians ------------------------------------------------------------------------------------------------ */

static th_status begin_placing(th_mem *mem, agg_state *s, size_t ngroups) {
    s->starts_bytes = (ngroups + 1) * sizeof *s->starts;
    s->starts = th_mem_new(mem, s->starts_bytes);
    if (!s->starts) s->starts_bytes = 0;
    s->placed_bytes = s->nvalues * sizeof *s->placed + 8;
    s->placed = th_mem_new(mem, s->placed_bytes);
    if (!s->placed) s->placed_bytes = 0;
    if (!s->starts || !s->placed) return TH_E_NOMEM;
    uint64_t at = 0;
    for (size_t g = 0; g < ngroups; g++) {
        s->starts[g] = at;
        at += s->counts[g];
    }
    s->starts[ngroups] = at;
    return TH_OK;
}

/* Each value goes to its group; afterwards starts[g] is where group g ends. */
static bool place_some(agg_state *s) {
    size_t end = s->nvalues - s->at > SLICE ? s->at + SLICE : s->nvalues;
    for (; s->at < end; s->at++) s->placed[s->starts[s->owners[s->at]]++] = s->values[s->at];
    return s->at == s->nvalues;
}

static void end_placing(th_mem *mem, agg_state *s) {
    th_mem_free(mem, s->owners, s->owners_capacity * sizeof *s->owners);
    th_mem_free(mem, s->values, s->values_capacity * sizeof *s->values);
    s->owners = NULL;
    s->values = NULL;
    s->owners_capacity = s->values_capacity = 0;
}

static inline void swap(int64_t *a, int64_t *b) {
    int64_t x = *a;
    *a = *b;
    *b = x;
}

/* Puts the k-th smallest of x[0 .. n-1] at x[k], none greater before it. Pivots are drawn by lot: no data is bad. */
static void select_kth(int64_t *x, size_t n, size_t k) {
    uint64_t lot = 0x9e3779b97f4a7c15u ^ n;
    size_t lo = 0, hi = n;
    while (hi - lo > 1) {
        lot = th_hash_word(lot + 1);
        int64_t pivot = x[lo + lot % (hi - lo)];
        size_t below = lo, i = lo, above = hi;
        while (i < above) {
            if (x[i] < pivot)
                swap(&x[below++], &x[i++]);
            else if (x[i] > pivot)
                swap(&x[i], &x[--above]);
            else
                i++;
        }
        if (k < below)
            hi = below;
        else if (k >= above)
            lo = above;
        else
            return;
    }
}

static double half_way(double a, double b) {
    double sum = a + b;
    return isinf(sum) && !isinf(a) && !isinf(b) ? a / 2 + b / 2 : sum / 2;
}

static double median(agg_state *s, size_t g) {
    size_t n = s->counts[g], k = n / 2;
    int64_t *x = s->placed + (s->starts[g] - n);
    select_kth(x, n, k);
    bool is_int = s->family == TH_FAMILY_INT;
    double high = is_int ? (double)x[k] : order_float(x[k]);
    if (n & 1) return high;
    int64_t before = x[0];
    for (size_t i = 1; i < k; i++) before = x[i] > before ? x[i] : before;
    if (is_int) return (double)((__int128)before + x[k]) / 2;
    return half_way(order_float(before), high);
}

/* ---- Results ------------------------------------------------------------------------------------------------ */

static double float_sum(const agg_state *s, size_t g) {
    double sum = s->floats[g] + s->rests[g];
    return isfinite(sum) ? sum : s->floats[g]; /* infinities leave NaN in the rest */
}

static void put_number(th_column_builder *b, agg_state *s, size_t g) {
    double n = (double)s->counts[g], x;
    switch (s->agg) {
    case TH_AGG_MEAN: x = (s->family == TH_FAMILY_INT ? (double)s->totals[g] : float_sum(s, g)) / n; break;
    case TH_AGG_MEDIAN: x = median(s, g); break;
    case TH_AGG_VARIANCE: x = s->rests[g] / (n - 1); break;
    default: x = sqrt(s->rests[g] / (n - 1)); break;
    }
    th_column_put_f64(b, x);
}

static th_status put_sum(aggregate_state *state, th_column_builder *b, const agg_state *s, size_t column, size_t g) {
    if (s->family != TH_FAMILY_INT) {
        th_column_put_f64(b, float_sum(s, g));
    } else if (s->totals[g] != (int64_t)s->totals[g]) {
        return th_fail(&state->exec->err, TH_E_TRAP, "sum overflows i64 in column '%s'",
                       state->op->schema->fields[column].name);
    } else {
        th_column_put_i64(b, (int64_t)s->totals[g]);
    }
    return TH_OK;
}

static th_status put_result(aggregate_state *state, th_column_builder *b, agg_state *s, size_t column, size_t g) {
    switch (s->agg) {
    case TH_AGG_COUNT:
    case TH_AGG_COUNT_DISTINCT: th_column_put_i64(b, (int64_t)s->counts[g]); return TH_OK;
    case TH_AGG_SUM: return put_sum(state, b, s, column, g);
    default: break;
    }
    bool spread = s->agg == TH_AGG_STDDEV || s->agg == TH_AGG_VARIANCE;
    if (s->counts[g] < (spread ? 2 : 1))
        th_column_put_null(b);
    else if (spread || s->agg == TH_AGG_MEAN || s->agg == TH_AGG_MEDIAN)
        put_number(b, s, g);
    else if (s->family == TH_FAMILY_FLOAT)
        th_column_put_f64(b, s->floats[g]);
    else if (s->family == TH_FAMILY_TEXT)
        th_column_put_text(b, (th_view){s->texts[g].data, s->texts[g].len});
    else
        th_column_put_i64(b, s->ints[g]);
    return TH_OK;
}

static th_status result_column(void *user, size_t column, th_column *out) {
    aggregate_state *state = user;
    if (column < state->nkeys)
        return th_groups_column(&state->groups, state->types, column, state->nkeys, state->at, state->n, out);
    agg_state *s = &state->aggs[column - state->nkeys];
    th_column_builder b;
    th_column_builder_init(&b, state->exec->mem, state->op->schema->fields[column].type);
    for (size_t g = state->at; g < state->at + state->n; g++) {
        th_status status = put_result(state, &b, s, column, g);
        if (status == TH_OK) continue;
        th_column_builder_clear(&b);
        return status;
    }
    return th_column_builder_finish(&b, out);
}

static th_op_step give_groups(th_exec *exec, th_operator *op, aggregate_state *state) {
    size_t left = state->ngroups - state->at;
    if (left == 0) return TH_OP_END;
    th_status status;
    size_t most = th_piece_rows(op->schema->nfields);
    state->n = left < most ? left : most;
    do { /* fewer rows when their texts are too long for one column */
        status = th_batch_make(exec->mem, op->schema, state->n, result_column, state, &exec->out);
    } while (status == TH_E_LIMIT && (state->n /= 2) > 0);
    if (status != TH_OK) return th_exec_fail(exec, status);
    state->at += state->n;
    return TH_OP_EMIT;
}

/* ---- The operator ------------------------------------------------------------------------------------------- */

static th_status begin(th_exec *exec, th_operator *op) {
    aggregate_state *state = th_mem_zeroed(exec->mem, sizeof *state);
    if (!state) return TH_E_NOMEM;
    op->state = state;
    op->state_bytes = sizeof *state;
    th_groups_init(&state->groups, exec->mem);
    state->exec = exec;
    state->op = op;
    state->nkeys = op->spec->nkeys;
    size_t naggs = op->spec->nitems - state->nkeys;
    state->types = th_arena_new(&exec->arena, (state->nkeys + 1) * sizeof *state->types);
    if (!state->types) return TH_E_NOMEM;
    for (size_t k = 0; k < state->nkeys; k++) state->types[k] = op->schema->fields[k].type;
    state->aggs = th_mem_zeroed(exec->mem, naggs * sizeof *state->aggs);
    if (!state->aggs) return TH_E_NOMEM;
    state->naggs = naggs;
    for (size_t i = 0; i < naggs; i++) {
        const th_bound *e = op->exprs[state->nkeys + i];
        agg_state *s = &state->aggs[i];
        s->agg = (th_agg)e->index;
        s->argument = e->nkids ? e->kids[0] : NULL;
        s->family = e->nkids ? th_family_of(e->kids[0]->type) : TH_FAMILY_INT;
        s->alone = state->nkeys == 0;
        th_groups_init(&s->seen, exec->mem);
    }
    return TH_OK;
}

static th_status group_rows(th_exec *exec, th_operator *op, aggregate_state *state, const th_eval *eval,
                            uint32_t *ids) {
    th_vector *keys = th_arena_zeroed(&exec->scratch, (state->nkeys + 1) * sizeof *keys);
    if (!keys) return TH_E_NOMEM;
    for (size_t k = 0; k < state->nkeys; k++) TH_TRY(th_eval_expr(eval, op->exprs[k], NULL, &keys[k]));
    return th_groups_of(&state->groups, keys, state->nkeys, eval->nrows, true, false, ids);
}

static th_status consume(th_exec *exec, th_operator *op, aggregate_state *state) {
    th_eval eval = th_op_eval(exec, op);
    uint32_t *ids = th_arena_new(&exec->scratch, eval.nrows * sizeof *ids + 8);
    if (!ids) return TH_E_NOMEM;
    TH_TRY(group_rows(exec, op, state, &eval, ids));
    for (size_t i = 0; i < state->naggs; i++) {
        agg_state *s = &state->aggs[i];
        th_vector v;
        TH_TRY(grow_state(exec->mem, s, state->groups.len));
        if (!s->argument) {
            count_rows(s, ids, eval.nrows);
            continue;
        }
        TH_TRY(th_eval_expr(&eval, s->argument, NULL, &v));
        TH_TRY(update(exec, s, &v, ids, eval.nrows));
    }
    return TH_OK;
}

/* The input has ended: without keys there is a group even when there was no row. */
static th_status finish(th_exec *exec, aggregate_state *state) {
    state->ngroups = state->nkeys == 0 ? 1 : state->groups.len;
    for (size_t i = 0; i < state->naggs; i++) {
        agg_state *s = &state->aggs[i];
        TH_TRY(grow_state(exec->mem, s, state->ngroups));
        th_groups_clear(&s->seen);
    }
    return TH_OK;
}

/* Places the values of the medians, a slice at a time; false when there is more to do. */
static bool medians_placed(th_exec *exec, aggregate_state *state, th_status *status) {
    while (state->median < state->naggs) {
        agg_state *s = &state->aggs[state->median];
        if (s->agg == TH_AGG_MEDIAN) {
            if (!s->placed && (*status = begin_placing(exec->mem, s, state->ngroups)) != TH_OK) return false;
            if (!place_some(s)) return false;
            end_placing(exec->mem, s);
        }
        state->median++;
    }
    return true;
}

static th_op_step aggregate_step(th_exec *exec, th_operator *op) {
    th_status status = op->state ? TH_OK : begin(exec, op);
    aggregate_state *state = op->state;
    if (status == TH_OK && op->batch && state->ngroups > 0) /* only a saved state that lies gives rows after the end */
        status = th_malformed(&exec->err, "an aggregate that has ended is given rows");
    if (status == TH_OK && op->batch) {
        int64_t work = 16 + (int64_t)(op->batch->nrows * op->spec->nitems / 4);
        status = consume(exec, op, state);
        th_op_drop_batch(op);
        if (status == TH_OK && !th_machine_charge(exec->machine, work)) status = TH_E_FUEL;
    }
    if (status != TH_OK) return th_exec_fail(exec, status);
    if (!op->ended[0]) return th_op_want(op, 0);
    if (state->ngroups == 0 && (status = finish(exec, state)) != TH_OK) return th_exec_fail(exec, status);
    if (!medians_placed(exec, state, &status)) {
        if (status == TH_OK && !th_machine_charge(exec->machine, SLICE)) status = TH_E_FUEL;
        return status == TH_OK ? TH_OP_AGAIN : th_exec_fail(exec, status);
    }
    return give_groups(exec, op, state);
}

static void aggregate_clear(th_exec *exec, th_operator *op) {
    aggregate_state *state = op->state;
    if (!state) return;
    for (size_t i = 0; i < state->naggs; i++) clear_state(exec->mem, &state->aggs[i]);
    th_mem_free(exec->mem, state->aggs, state->naggs * sizeof *state->aggs);
    th_groups_clear(&state->groups);
    th_mem_free(exec->mem, state, sizeof *state);
    op->state = NULL;
}

/* ---- The state as bytes -------------------------------------------------------------------------------------- */

static th_view text_at(const void *user, size_t i) {
    const text_cell *cell = (const text_cell *)user + i;
    return (th_view){cell->data ? cell->data : "", cell->len};
}

/* The keys of count_distinct: the value, and which group it was seen in. */
static void seen_types(const agg_state *s, th_column_type types[2]) {
    types[0] = s->argument ? s->argument->type : TH_COLUMN_I64;
    types[1] = TH_COLUMN_I64;
}

static th_status put_aggregate(const agg_state *s, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_flat_ref counts = theta_exec_Aggregate_put_counts(b, s->counts, s->len), totals = 0, ints = 0, floats = 0,
                rests = 0, seen = 0, owners = 0, values = 0, placed = 0;
    th_text_refs texts = {0, 0};
    bool is_placed = s->placed && !s->owners;
    th_column_type types[2];
    if (s->totals) totals = theta_exec_Aggregate_put_totals(b, (const uint64_t *)(const void *)s->totals, 2 * s->len);
    if (s->ints) ints = theta_exec_Aggregate_put_ints(b, s->ints, s->len);
    if (s->floats) floats = theta_exec_Aggregate_put_floats(b, s->floats, s->len);
    if (s->rests) rests = theta_exec_Aggregate_put_rests(b, s->rests, s->len);
    if (s->texts) texts = th_put_texts(b, text_at, s->texts, s->len);
    if (s->owners) owners = theta_exec_Aggregate_put_owners(b, s->owners, s->nvalues);
    if (s->owners) values = theta_exec_Aggregate_put_values(b, s->values, s->nvalues);
    if (is_placed) placed = theta_exec_Aggregate_put_placed(b, s->placed, s->nvalues);
    seen_types(s, types);
    if (s->agg == TH_AGG_COUNT_DISTINCT) TH_TRY(th_groups_save(&s->seen, types, s->alone ? 1 : 2, b, &seen, err));
    theta_exec_Aggregate_start_table(b);
    theta_exec_Aggregate_add_counts(b, counts);
    theta_exec_Aggregate_add_totals(b, totals);
    theta_exec_Aggregate_add_ints(b, ints);
    theta_exec_Aggregate_add_floats(b, floats);
    theta_exec_Aggregate_add_rests(b, rests);
    theta_exec_Aggregate_add_text_lens(b, texts.lens);
    theta_exec_Aggregate_add_text_bytes(b, texts.bytes);
    theta_exec_Aggregate_add_seen(b, seen);
    theta_exec_Aggregate_add_owners(b, owners);
    theta_exec_Aggregate_add_values(b, values);
    theta_exec_Aggregate_add_placed(b, placed);
    theta_exec_Aggregate_add_is_placed(b, is_placed);
    theta_exec_Aggregate_add_at(b, s->placed && s->owners ? s->at : 0);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status aggregate_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    const aggregate_state *state = op->state;
    th_flat_ref groups, aggregates, *refs;
    if (!state) return TH_OK;
    TH_TRY(th_groups_save(&state->groups, state->types, state->nkeys, b, &groups, err));
    refs = th_mem_new(exec->mem, (state->naggs + 1) * sizeof *refs);
    if (!refs) return th_fail(err, TH_E_NOMEM, "out of memory");
    th_status status = TH_OK;
    for (size_t i = 0; i < state->naggs && status == TH_OK; i++)
        status = put_aggregate(&state->aggs[i], b, &refs[i], err);
    if (status == TH_OK) status = th_flat_builder_status(b);
    aggregates = status == TH_OK ? th_flat_put_refs(b, refs, state->naggs) : 0;
    th_mem_free(exec->mem, refs, (state->naggs + 1) * sizeof *refs);
    TH_TRY(status);
    theta_exec_Aggregation_start_table(b);
    theta_exec_Aggregation_add_groups(b, groups);
    theta_exec_Aggregation_add_aggregates(b, aggregates);
    theta_exec_Aggregation_add_ended(b, state->ngroups > 0);
    theta_exec_Aggregation_add_median(b, (uint32_t)state->median);
    theta_exec_Aggregation_add_at(b, state->at);
    *out = th_flat_end(b);
    return TH_OK;
}

/* A column that the aggregate has, of as many rows as there are groups; none where it has none. */
static bool take_array(void *to, const void *from, size_t have, size_t len, size_t item_bytes) {
    if (have != (to ? len : 0)) return false;
    if (have) memcpy(to, from, have * item_bytes);
    return true;
}

#define TAKE(member, name, width)                                                                                      \
    take_array(s->member, theta_exec_Aggregate_##name(in), theta_exec_Aggregate_##name##_len(in), (width) * s->len, 8)

static th_status take_texts(th_mem *mem, agg_state *s, th_flat_table in, bool *good) {
    const uint32_t *lens = theta_exec_Aggregate_text_lens(in);
    const char *bytes = (const char *)theta_exec_Aggregate_text_bytes(in);
    size_t n = theta_exec_Aggregate_text_lens_len(in);
    *good = n == (s->texts ? s->len : 0) && th_texts_fit(lens, n, theta_exec_Aggregate_text_bytes_len(in));
    for (size_t i = 0; *good && i < n; i++) {
        th_view text = {lens[i] ? bytes : "", lens[i]};
        *good = th_utf8_valid(text.data, text.len) == text.len;
        TH_TRY(set_text(mem, &s->texts[i], text));
        bytes += lens[i];
    }
    return TH_OK;
}

/* Every value is of a group, and every group has as many as it counts. */
static th_status owners_fit(th_mem *mem, const agg_state *s, bool *good) {
    uint64_t *tally = th_mem_zeroed(mem, (s->len + 1) * sizeof *tally);
    if (!tally) return TH_E_NOMEM;
    *good = true;
    for (size_t i = 0; i < s->nvalues && *good; i++) {
        *good = s->owners[i] < s->len;
        if (*good) tally[s->owners[i]]++;
    }
    for (size_t g = 0; g < s->len && *good; g++) *good = tally[g] == s->counts[g];
    th_mem_free(mem, tally, (s->len + 1) * sizeof *tally);
    return TH_OK;
}

static th_status take_values(th_mem *mem, agg_state *s, th_flat_table in, size_t ngroups, bool *good) {
    size_t n = theta_exec_Aggregate_owners_len(in);
    uint64_t at = theta_exec_Aggregate_at(in);
    *good = n == theta_exec_Aggregate_values_len(in) && at <= n && (at == 0 || ngroups > 0);
    if (!*good || n == 0) return TH_OK;
    TH_TRY(th_mem_grow(mem, (void **)&s->owners, &s->owners_capacity, n, sizeof *s->owners));
    TH_TRY(th_mem_grow(mem, (void **)&s->values, &s->values_capacity, n, sizeof *s->values));
    memcpy(s->owners, theta_exec_Aggregate_owners(in), n * sizeof *s->owners);
    memcpy(s->values, theta_exec_Aggregate_values(in), n * sizeof *s->values);
    s->nvalues = n;
    TH_TRY(owners_fit(mem, s, good));
    if (!*good || at == 0) return TH_OK;
    TH_TRY(begin_placing(mem, s, ngroups));
    for (; s->at < at; s->at++) s->placed[s->starts[s->owners[s->at]]++] = s->values[s->at];
    return TH_OK;
}

/* All values lie in their groups' places, whose ends follow from the counts. */
static th_status take_placed(th_mem *mem, agg_state *s, th_flat_table in, size_t ngroups, bool *good) {
    size_t n = theta_exec_Aggregate_placed_len(in);
    uint64_t sum = 0;
    *good = ngroups > 0 && theta_exec_Aggregate_owners_len(in) == 0;
    for (size_t g = 0; g < ngroups && *good; g++) {
        *good = s->counts[g] <= n - sum;
        if (*good) sum += s->counts[g];
    }
    if (!*good || !(*good = sum == n)) return TH_OK;
    s->nvalues = s->at = n;
    TH_TRY(begin_placing(mem, s, ngroups));
    for (size_t g = 0; g < ngroups; g++) s->starts[g] += s->counts[g];
    if (n) memcpy(s->placed, theta_exec_Aggregate_placed(in), n * sizeof *s->placed);
    return TH_OK;
}

static th_status take_aggregate(th_mem *mem, agg_state *s, th_flat_table in, size_t len, size_t ngroups, bool placed,
                                bool *good, th_error *err) {
    TH_TRY(grow_state(mem, s, len));
    *good = TAKE(counts, counts, 1) && TAKE(totals, totals, 2) && TAKE(ints, ints, 1) && TAKE(floats, floats, 1) &&
            TAKE(rests, rests, 1);
    if (*good) TH_TRY(take_texts(mem, s, in, good));
    if (!*good) return TH_OK;
    th_flat_table seen = theta_exec_Aggregate_seen(in);
    th_column_type types[2];
    seen_types(s, types);
    if (s->agg == TH_AGG_COUNT_DISTINCT && ngroups == 0)
        return th_groups_restore(&s->seen, types, s->alone ? 1 : 2, seen, err);
    if (s->agg != TH_AGG_MEDIAN) return TH_OK;
    *good = placed == theta_exec_Aggregate_is_placed(in);
    if (!*good) return TH_OK;
    return placed ? take_placed(mem, s, in, ngroups, good) : take_values(mem, s, in, ngroups, good);
}

static th_status aggregate_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    TH_TRY(begin(exec, op));
    aggregate_state *state = op->state;
    TH_TRY(th_groups_restore(&state->groups, state->types, state->nkeys, theta_exec_Aggregation_groups(in), err));
    size_t len = state->groups.len;
    uint32_t median = theta_exec_Aggregation_median(in);
    uint64_t at = theta_exec_Aggregation_at(in);
    if (theta_exec_Aggregation_ended(in)) state->ngroups = len = state->nkeys == 0 ? 1 : len;
    bool good = theta_exec_Aggregation_aggregates_len(in) == state->naggs && median <= state->naggs &&
                at <= state->ngroups && (median == 0 || state->ngroups > 0) && (at == 0 || median == state->naggs);
    for (size_t i = 0; i < state->naggs && good; i++)
        TH_TRY(take_aggregate(exec->mem, &state->aggs[i], theta_exec_Aggregation_aggregates_at(in, (uint32_t)i), len,
                              state->ngroups, i < median, &good, err));
    state->median = median;
    state->at = (size_t)at;
    return good ? TH_OK : th_malformed(err, "the columns of an aggregate do not fit its groups");
}

const th_operator_class th_op_aggregate = {"aggregate",    aggregate_step,    aggregate_clear,
                                           aggregate_save, aggregate_restore, theta_exec_State_Aggregation};

/* ---- Distinct ----------------------------------------------------------------------------------------------- */

typedef struct distinct_state {
    th_groups groups;
    th_mem *mem;
    const th_batch *from;
    const uint64_t *picks;
    size_t n;
} distinct_state;

static th_status picked_column(void *user, size_t column, th_column *out) {
    const distinct_state *state = user;
    return th_column_gather(state->mem, &state->from->columns[column], state->picks, state->n, out);
}

static th_status distinct_keys(th_exec *exec, th_operator *op, const th_eval *eval, th_vector **keys, size_t *nkeys) {
    *nkeys = op->spec->nitems ? op->spec->nitems : op->batch->schema->nfields;
    *keys = th_arena_zeroed(&exec->scratch, (*nkeys + 1) * sizeof **keys);
    if (!*keys) return TH_E_NOMEM;
    for (size_t k = 0; k < *nkeys; k++) {
        if (op->spec->nitems)
            TH_TRY(th_eval_expr(eval, op->exprs[k], NULL, &(*keys)[k]));
        else
            TH_TRY(th_vector_of_column(&exec->scratch, &op->batch->columns[k], &(*keys)[k]));
    }
    return TH_OK;
}

/* The rows of the batch that begin a new group; *out stays NULL when there are none. */
static th_status new_rows(th_exec *exec, th_operator *op, distinct_state *state, th_batch **out) {
    th_eval eval = th_op_eval(exec, op);
    th_vector *keys;
    size_t nkeys, n = 0, known = state->groups.len;
    TH_TRY(distinct_keys(exec, op, &eval, &keys, &nkeys));
    uint32_t *ids = th_arena_new(&exec->scratch, eval.nrows * sizeof *ids + 8);
    uint64_t *picks = th_arena_new(&exec->scratch, eval.nrows * sizeof *picks + 8);
    if (!ids || !picks) return TH_E_NOMEM;
    TH_TRY(th_groups_of(&state->groups, keys, nkeys, eval.nrows, true, false, ids));
    for (size_t i = 0; i < eval.nrows; i++) {
        picks[n] = i;
        bool is_new = ids[i] == known + n;
        n += is_new;
    }
    if (n == 0) return TH_OK;
    if (n == eval.nrows) {
        *out = th_batch_retain(op->batch);
        return TH_OK;
    }
    state->mem = exec->mem;
    state->from = op->batch;
    state->picks = picks;
    state->n = n;
    return th_batch_make(exec->mem, op->schema, n, picked_column, state, out);
}

static th_status distinct_begin(th_exec *exec, th_operator *op) {
    distinct_state *state = op->state = th_mem_zeroed(exec->mem, sizeof *state);
    if (!state) return TH_E_NOMEM;
    op->state_bytes = sizeof *state;
    th_groups_init(&state->groups, exec->mem);
    return TH_OK;
}

static th_op_step distinct_step(th_exec *exec, th_operator *op) {
    if (!op->state && distinct_begin(exec, op) != TH_OK) return th_exec_fail(exec, TH_E_NOMEM);
    distinct_state *state = op->state;
    if (op->batch) {
        th_batch *out = NULL;
        int64_t work = 16 + (int64_t)op->batch->nrows;
        th_status status = new_rows(exec, op, state, &out);
        th_op_drop_batch(op);
        if (status == TH_OK && !th_machine_charge(exec->machine, work)) status = TH_E_FUEL;
        if (status != TH_OK) {
            th_batch_release(out);
            return th_exec_fail(exec, status);
        }
        exec->out = out;
        if (out) return TH_OP_EMIT;
    }
    return op->ended[0] ? TH_OP_END : th_op_want(op, 0);
}

static void distinct_clear(th_exec *exec, th_operator *op) {
    distinct_state *state = op->state;
    if (!state) return;
    th_groups_clear(&state->groups);
    th_mem_free(exec->mem, state, sizeof *state);
    op->state = NULL;
}

static th_status distinct_types(th_exec *exec, const th_operator *op, th_column_type **types, size_t *n) {
    *n = op->spec->nitems ? op->spec->nitems : op->inputs[0]->schema->nfields;
    *types = th_arena_new(&exec->arena, (*n + 1) * sizeof **types);
    if (!*types) return TH_E_NOMEM;
    for (size_t k = 0; k < *n; k++)
        (*types)[k] = op->spec->nitems ? op->exprs[k]->type : op->inputs[0]->schema->fields[k].type;
    return TH_OK;
}

static th_status distinct_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    const distinct_state *state = op->state;
    th_column_type *types;
    th_flat_ref groups;
    size_t n;
    if (!state) return TH_OK;
    if (distinct_types(exec, op, &types, &n) != TH_OK) return th_fail(err, TH_E_NOMEM, "out of memory");
    TH_TRY(th_groups_save(&state->groups, types, n, b, &groups, err));
    theta_exec_Distinct_start_table(b);
    theta_exec_Distinct_add_groups(b, groups);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status distinct_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    th_column_type *types;
    size_t n;
    TH_TRY(distinct_types(exec, op, &types, &n));
    TH_TRY(distinct_begin(exec, op));
    distinct_state *state = op->state;
    return th_groups_restore(&state->groups, types, n, theta_exec_Distinct_groups(in), err);
}

const th_operator_class th_op_distinct = {"distinct",    distinct_step,    distinct_clear,
                                          distinct_save, distinct_restore, theta_exec_State_Distinct};
