/*
** sort.c - sort: all rows of the input, put in order by keys, stable; or, when only the first few are wanted, those.
** Each row is an item of 16 bytes: a word whose order as an integer is that of its first key (a number, or the first
** eight bytes of a text after those that all texts begin with; complemented when the order is descending), and the
** row's name (rows.c). Words decide most comparisons; where two are equal the row's whole keys do. Invariant: words
** that differ are in the order of their keys.
** Nulls come last and NaN just before them, ascending and descending alike.
** When `count` rows are wanted, rows beyond them are thrown away each time the batches have grown enough, and later
** rows that come after the last one kept are not taken at all: memory is proportional to `count`.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

enum { SLICE = 65536, RUN = 16, BATCH_ROWS = 16384 };
#define NAN_WORD  0xfff8000000000000u /* greater than every number's, ascending and descending */
#define NULL_WORD UINT64_MAX

typedef struct item {
    uint64_t word, row;
} item;

typedef struct sort_key { /* arrays by number of the row; the first key's words are in the items */
    th_family family;
    bool descending;
    bool nulls_seen;
    uint64_t *words;
    th_view *texts; /* in the kept batches or in the arena */
    uint8_t *nulls; /* filled from the first null on */
    size_t words_capacity, texts_capacity, nulls_capacity;
    bool shares;         /* `shared` is known: all texts so far begin with the same bytes, that many */
    size_t shared, skip; /* words are made of the bytes from `skip` on */
    size_t first;        /* the row that they are compared with */
} sort_key;

typedef enum sort_phase { COLLECT, WORDS, RUNS, MERGE, PRUNE, GIVE } sort_phase;

typedef struct sort_state {
    th_mem *mem;
    th_rows rows, pruned;
    th_arena texts;
    sort_key *keys;
    size_t nkeys, keys_bytes;
    item *items, *spare;
    size_t len, items_capacity, spare_capacity;
    uint64_t wanted; /* rows; UINT64_MAX: all */
    bool bounded;    /* `bound` is the word of the last row wanted so far */
    uint64_t bound;
    sort_phase phase;
    bool last;                   /* the input has ended */
    bool ties;                   /* equal words leave something to compare */
    size_t at;                   /* RUNS: next item; PRUNE, GIVE: next row */
    size_t width, left, i, j, k; /* MERGE: runs of `width`; the pair from `left`, and how far it is merged */
    /* the batch being made */
    size_t n;
    uint64_t *picks;
    th_column_type type;
    const th_schema *schema;
} sort_state;

/* ---- Words -------------------------------------------------------------------------------------------------- */

static inline uint64_t int_word(int64_t x, uint64_t flip) { return ((uint64_t)x ^ (UINT64_C(1) << 63)) ^ flip; }

static inline uint64_t float_word(double x, uint64_t flip) {
    uint64_t word;
    if (x != x) return NAN_WORD;
    if (x == 0) x = 0; /* -0.0 is 0.0 */
    memcpy(&word, &x, 8);
    return (word >> 63 ? ~word : word | UINT64_C(1) << 63) ^ flip;
}

/* The first eight bytes, the first one weighing most. */
static inline uint64_t text_word(th_view text, uint64_t flip) {
    uint64_t word = 0;
    if (text.len) memcpy(&word, text.data, text.len < 8 ? text.len : 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word ^ flip;
}

static uint64_t word_of(const th_vector *v, size_t i, uint64_t flip) {
    if (v->family == TH_FAMILY_NULL || (v->valid && !v->valid[i])) return NULL_WORD;
    switch (v->family) {
    case TH_FAMILY_INT: return int_word(v->ints[i], flip);
    case TH_FAMILY_FLOAT: return float_word(v->floats[i], flip);
    case TH_FAMILY_TEXT: return text_word(v->texts[i], flip);
    default: return int_word(v->bools[i], flip);
    }
}

/* ---- Collecting --------------------------------------------------------------------------------------------- */

static th_status begin(th_exec *exec, th_operator *op) {
    sort_state *s = th_mem_zeroed(exec->mem, sizeof *s);
    if (!s) return TH_E_NOMEM;
    op->state = s;
    op->state_bytes = sizeof *s;
    s->mem = exec->mem;
    th_rows_init(&s->rows, exec->mem);
    th_rows_init(&s->pruned, exec->mem);
    th_arena_init(&s->texts, exec->mem);
    s->wanted = op->count ? op->count : UINT64_MAX;
    s->nkeys = op->spec->nitems;
    s->keys_bytes = (s->nkeys + 1) * sizeof *s->keys;
    s->keys = th_mem_zeroed(exec->mem, s->keys_bytes);
    s->picks = th_arena_new(&exec->arena, BATCH_ROWS * sizeof *s->picks);
    if (!s->keys || !s->picks) return TH_E_NOMEM;
    for (size_t k = 0; k < s->nkeys; k++) {
        s->keys[k].descending = op->spec->items[k].descending;
        s->keys[k].family = th_family_of(op->exprs[k]->type);
    }
    return TH_OK;
}

static th_status put_nulls(sort_state *s, sort_key *key, const th_vector *v, const uint64_t *picks, size_t n) {
    bool all = v->family == TH_FAMILY_NULL;
    if (!all && !v->valid && !key->nulls_seen) return TH_OK;
    TH_TRY(th_mem_grow(s->mem, (void **)&key->nulls, &key->nulls_capacity, s->len + n, 1));
    if (!key->nulls_seen) memset(key->nulls, 0, s->len);
    key->nulls_seen = true;
    for (size_t i = 0; i < n; i++) key->nulls[s->len + i] = all || (v->valid && !v->valid[picks ? picks[i] : i]);
    return TH_OK;
}

static size_t shared_bytes(th_view a, th_view b, size_t most) {
    size_t n = most < b.len ? most : b.len, i = 0;
    while (i < n && a.data[i] == b.data[i]) i++;
    return i;
}

static void note_shared(sort_key *key, size_t row, th_view text) {
    if (!key->shares) {
        key->shares = true;
        key->first = row;
        key->shared = text.len;
    } else if (key->shared > 0) {
        key->shared = shared_bytes(key->texts[key->first], text, key->shared);
    }
}

/* Texts of a column of the batch that is kept are borrowed from it, others copied. */
static th_status put_texts(sort_state *s, sort_key *key, const th_vector *v, const uint64_t *picks, size_t n,
                           bool borrow) {
    TH_TRY(th_mem_grow(s->mem, (void **)&key->texts, &key->texts_capacity, s->len + n, sizeof *key->texts));
    for (size_t i = 0; i < n; i++) {
        size_t row = picks ? picks[i] : i;
        bool null = v->family == TH_FAMILY_NULL || (v->valid && !v->valid[row]);
        th_view text = null ? (th_view){"", 0} : v->texts[row];
        if (!borrow && text.len) {
            text.data = th_arena_copy(&s->texts, text.data, text.len);
            if (!text.data) return TH_E_NOMEM;
        }
        key->texts[s->len + i] = text;
        if (!null) note_shared(key, s->len + i, text);
    }
    return TH_OK;
}

static th_status put_words(sort_state *s, sort_key *key, const th_vector *v, const uint64_t *picks, size_t n) {
    uint64_t flip = key->descending ? UINT64_MAX : 0;
    TH_TRY(th_mem_grow(s->mem, (void **)&key->words, &key->words_capacity, s->len + n, sizeof *key->words));
    for (size_t i = 0; i < n; i++) key->words[s->len + i] = word_of(v, picks ? picks[i] : i, flip);
    return TH_OK;
}

static th_status put_items(sort_state *s, const th_vector *first, const uint64_t *picks, size_t n, size_t batch) {
    uint64_t flip = s->nkeys && s->keys[0].descending ? UINT64_MAX : 0;
    TH_TRY(th_mem_grow(s->mem, (void **)&s->items, &s->items_capacity, s->len + n, sizeof *s->items));
    item *items = s->items + s->len;
    if (!picks && first->family == TH_FAMILY_INT && !first->valid)
        for (size_t i = 0; i < n; i++) items[i].word = int_word(first->ints[i], flip);
    else if (!picks && first->family == TH_FAMILY_FLOAT && !first->valid)
        for (size_t i = 0; i < n; i++) items[i].word = float_word(first->floats[i], flip);
    else
        for (size_t i = 0; i < n; i++) items[i].word = word_of(first, picks ? picks[i] : i, flip);
    for (size_t i = 0; i < n; i++) items[i].row = TH_ROW(batch, i);
    return TH_OK;
}

typedef struct picked {
    th_mem *mem;
    const th_batch *from;
    const uint64_t *picks;
    size_t n;
} picked;

static th_status picked_column(void *user, size_t column, th_column *out) {
    const picked *p = user;
    return th_column_gather(p->mem, &p->from->columns[column], p->picks, p->n, out);
}

/* The rows that may be among those wanted: *picks stays NULL when all may. */
static th_status choose_rows(th_exec *exec, const sort_state *s, const th_vector *first, size_t nrows, uint64_t **picks,
                             size_t *n) {
    *n = nrows;
    if (!s->bounded) return TH_OK;
    uint64_t *chosen = th_arena_new(&exec->scratch, nrows * sizeof *chosen + 8);
    if (!chosen) return TH_E_NOMEM;
    uint64_t flip = s->keys[0].descending ? UINT64_MAX : 0;
    size_t kept = 0;
    for (size_t i = 0; i < nrows; i++) {
        chosen[kept] = i;
        kept += word_of(first, i, flip) <= s->bound;
    }
    if (kept == nrows) return TH_OK;
    *picks = chosen;
    *n = kept;
    return TH_OK;
}

static th_status keep_batch(th_exec *exec, th_operator *op, sort_state *s, const uint64_t *picks, size_t n) {
    if (!picks) return th_rows_add(&s->rows, op->batch);
    picked p = {exec->mem, op->batch, picks, n};
    th_batch *batch;
    TH_TRY(th_batch_make(exec->mem, op->schema, n, picked_column, &p, &batch));
    th_status status = th_rows_add(&s->rows, batch);
    th_batch_release(batch);
    return status;
}

static th_status collect(th_exec *exec, th_operator *op, sort_state *s) {
    th_eval eval = th_op_eval(exec, op);
    th_vector *v = th_arena_zeroed(&exec->scratch, (s->nkeys + 1) * sizeof *v);
    if (!v) return TH_E_NOMEM;
    if (s->nkeys == 0) v[0].family = TH_FAMILY_NULL; /* all rows are equal */
    for (size_t k = 0; k < s->nkeys; k++) TH_TRY(th_eval_expr(&eval, op->exprs[k], NULL, &v[k]));
    uint64_t *picks = NULL;
    size_t n, ncolumns = op->batch->schema->nfields;
    TH_TRY(choose_rows(exec, s, &v[0], eval.nrows, &picks, &n));
    if (n == 0) return TH_OK;
    for (size_t k = 0; k < s->nkeys; k++) {
        sort_key *key = &s->keys[k];
        bool borrow = !picks && op->exprs[k]->op == TH_EXPR_COLUMN && op->exprs[k]->index < ncolumns;
        TH_TRY(put_nulls(s, key, &v[k], picks, n));
        if (key->family == TH_FAMILY_TEXT) TH_TRY(put_texts(s, key, &v[k], picks, n, borrow));
        if (k > 0) TH_TRY(put_words(s, key, &v[k], picks, n));
    }
    TH_TRY(put_items(s, &v[0], picks, n, s->rows.len));
    TH_TRY(keep_batch(exec, op, s, picks, n));
    s->len += n;
    return TH_OK;
}

/* ---- Sorting ------------------------------------------------------------------------------------------------ */

static inline th_view text_after(th_view text, size_t skip) {
    return text.len > skip ? (th_view){text.data + skip, text.len - skip} : (th_view){"", 0};
}

/* Two texts whose words are equal: those no longer than that are told apart by their lengths alone. */
static int compare_texts(const sort_key *key, th_view a, th_view b) {
    size_t seen = key->skip + 8;
    if (a.len <= seen && b.len <= seen) return a.len < b.len ? -1 : a.len > b.len;
    return th_view_compare(text_after(a, seen), text_after(b, seen));
}

static TH_NOINLINE int compare_keys(const sort_state *s, const item *a, const item *b) {
    uint64_t x = th_rows_number(&s->rows, a->row), y = th_rows_number(&s->rows, b->row);
    for (size_t k = 0; k < s->nkeys; k++) {
        const sort_key *key = &s->keys[k];
        if (key->nulls_seen) {
            if (key->nulls[x] != key->nulls[y]) return key->nulls[x] ? 1 : -1;
            if (key->nulls[x]) continue;
        }
        if (k > 0 && key->words[x] != key->words[y]) return key->words[x] < key->words[y] ? -1 : 1;
        if (key->family != TH_FAMILY_TEXT) continue;
        int order = compare_texts(key, key->texts[x], key->texts[y]);
        if (order) return key->descending ? -order : order;
    }
    return 0;
}

/* Does `a` come before `b`, whatever their places now? */
static inline bool before(const sort_state *s, const item *a, const item *b) {
    if (a->word != b->word) return a->word < b->word;
    return s->ties && compare_keys(s, a, b) < 0;
}

static void begin_runs(sort_state *s) {
    s->ties = s->nkeys > 1 || (s->nkeys == 1 && (s->keys[0].family == TH_FAMILY_TEXT || s->keys[0].nulls_seen));
    s->phase = RUNS;
    s->at = 0;
}

/* Words of texts that all begin with the same bytes are made anew from the bytes after those: there is one sort only. */
static void begin_sort(sort_state *s) {
    bool again = false;
    for (size_t k = 0; k < s->nkeys && s->wanted == UINT64_MAX; k++) {
        s->keys[k].skip = s->keys[k].shared;
        again |= s->keys[k].skip > 0;
    }
    begin_runs(s);
    if (again) s->phase = WORDS;
}

static bool words_made(sort_state *s) {
    size_t end = s->len - s->at > SLICE ? s->at + SLICE : s->len;
    for (size_t k = 0; k < s->nkeys; k++) {
        const sort_key *key = &s->keys[k];
        uint64_t flip = key->descending ? UINT64_MAX : 0;
        if (key->skip == 0) continue;
        for (size_t i = s->at; i < end; i++) {
            if (key->nulls_seen && key->nulls[i]) continue;
            uint64_t word = text_word(text_after(key->texts[i], key->skip), flip);
            if (k == 0)
                s->items[i].word = word;
            else
                key->words[i] = word;
        }
    }
    s->at = end;
    return end == s->len;
}

/* Short runs are sorted by insertion. */
static void sort_run(const sort_state *s, item *items, size_t n) {
    for (size_t i = 1; i < n; i++) {
        item x = items[i];
        size_t j = i;
        for (; j > 0 && before(s, &x, &items[j - 1]); j--) items[j] = items[j - 1];
        items[j] = x;
    }
}

static bool runs_sorted(sort_state *s) {
    size_t end = s->len - s->at > SLICE ? s->at + SLICE : s->len;
    for (; s->at < end; s->at += RUN) sort_run(s, s->items + s->at, s->len - s->at < RUN ? s->len - s->at : RUN);
    return s->at >= s->len;
}

static void begin_pair(sort_state *s, size_t left) {
    s->left = s->i = s->k = left;
    s->j = s->len - left > s->width ? left + s->width : s->len;
}

/* Merges on within the pair of runs from `left` until it is done or `budget` items have moved; how many did. */
static size_t merge_some(sort_state *s, size_t budget) {
    size_t middle = s->len - s->left > s->width ? s->left + s->width : s->len;
    size_t end = s->len - middle > s->width ? middle + s->width : s->len;
    size_t i = s->i, j = s->j, k = s->k, stop = end - k > budget ? k + budget : end;
    const item *from = s->items;
    item *to = s->spare;
    if (k == s->left && (middle == end || !before(s, &from[middle], &from[middle - 1]))) { /* in order as they stand */
        memcpy(to + k, from + k, (end - k) * sizeof *to);
        s->k = end;
        return end - k;
    }
    if (s->ties) {
        for (; k < stop && i < middle && j < end; k++) to[k] = before(s, &from[j], &from[i]) ? from[j++] : from[i++];
    } else {
        for (; k < stop && i < middle && j < end; k++) {
            bool right = from[j].word < from[i].word;
            to[k] = from[right ? j : i];
            j += right;
            i += !right;
        }
    }
    if (i == middle)
        for (; k < stop; k++) to[k] = from[j++];
    else if (j == end)
        for (; k < stop; k++) to[k] = from[i++];
    size_t moved = k - s->k;
    s->i = i;
    s->j = j;
    s->k = k;
    return moved;
}

static bool pair_done(const sort_state *s) {
    size_t middle = s->len - s->left > s->width ? s->left + s->width : s->len;
    return s->k == (s->len - middle > s->width ? middle + s->width : s->len);
}

/* A slice of merging; true when the items are in order. */
static bool merged(sort_state *s) {
    for (size_t budget = SLICE; s->width < s->len;) {
        size_t moved = merge_some(s, budget);
        if (pair_done(s)) {
            if (s->k < s->len) {
                begin_pair(s, s->k);
            } else { /* a pass is done */
                item *items = s->items;
                size_t capacity = s->items_capacity;
                s->items = s->spare;
                s->items_capacity = s->spare_capacity;
                s->spare = items;
                s->spare_capacity = capacity;
                s->width = s->width > SIZE_MAX / 4 ? SIZE_MAX / 2 : s->width * 2;
                begin_pair(s, 0);
            }
        }
        if (moved >= budget) return s->width >= s->len;
        budget -= moved;
    }
    return true;
}

static th_status begin_merge(sort_state *s) {
    s->phase = MERGE;
    s->width = RUN;
    begin_pair(s, 0);
    if (s->len <= RUN) return TH_OK;
    return th_mem_grow(s->mem, (void **)&s->spare, &s->spare_capacity, s->len, sizeof *s->spare);
}

/* ---- Giving rows -------------------------------------------------------------------------------------------- */

static th_status gathered_column(void *user, size_t column, th_column *out) {
    const sort_state *s = user;
    return th_rows_gather(&s->rows, column, s->schema->fields[column].type, s->picks, s->n, out);
}

/* The next rows in order, from s->at, up to `end`; s->n says how many. */
static th_status next_rows(sort_state *s, th_schema *schema, size_t end, th_batch **out) {
    th_status status;
    s->schema = schema;
    s->n = end - s->at < BATCH_ROWS ? end - s->at : BATCH_ROWS;
    for (size_t i = 0; i < s->n; i++) s->picks[i] = s->items[s->at + i].row;
    do { /* fewer rows when their texts are too long for one column */
        status = th_batch_make(s->mem, schema, s->n, gathered_column, s, out);
    } while (status == TH_E_LIMIT && (s->n /= 2) > 0);
    return status;
}

static void free_key(sort_state *s, sort_key *key) {
    th_mem_free(s->mem, key->words, key->words_capacity * sizeof *key->words);
    th_mem_free(s->mem, key->texts, key->texts_capacity * sizeof *key->texts);
    th_mem_free(s->mem, key->nulls, key->nulls_capacity);
    key->words = NULL;
    key->texts = NULL;
    key->nulls = NULL;
    key->words_capacity = key->texts_capacity = key->nulls_capacity = 0;
    key->nulls_seen = false;
}

static void free_keys(sort_state *s) {
    for (size_t k = 0; s->keys && k < s->nkeys; k++) free_key(s, &s->keys[k]);
    th_mem_free(s->mem, s->spare, s->spare_capacity * sizeof *s->spare);
    s->spare = NULL;
    s->spare_capacity = 0;
    th_arena_clear(&s->texts);
}

static size_t wanted_rows(const sort_state *s) { return s->wanted < s->len ? (size_t)s->wanted : s->len; }

/* ---- Throwing rows away ------------------------------------------------------------------------------------- */

/* Often enough to bound the memory, seldom enough that the cost a row stays small. */
static bool grown_enough(const sort_state *s) {
    return s->wanted < SIZE_MAX / 4 && s->len >= 2 * (size_t)s->wanted + SLICE;
}

/* One key of the rows kept, in their order, in place of the old arrays. */
static th_status prune_key(sort_state *s, const sort_key *old, sort_key *key, th_arena *texts, size_t kept) {
    *key = (sort_key){.family = old->family, .descending = old->descending, .nulls_seen = old->nulls_seen};
    if (old->nulls) TH_TRY(th_mem_grow(s->mem, (void **)&key->nulls, &key->nulls_capacity, kept, 1));
    if (old->words) TH_TRY(th_mem_grow(s->mem, (void **)&key->words, &key->words_capacity, kept, sizeof *key->words));
    if (old->texts) TH_TRY(th_mem_grow(s->mem, (void **)&key->texts, &key->texts_capacity, kept, sizeof *key->texts));
    for (size_t i = 0; i < kept; i++) {
        uint64_t from = th_rows_number(&s->rows, s->items[i].row);
        if (old->nulls) key->nulls[i] = old->nulls[from];
        if (old->words) key->words[i] = old->words[from];
        if (!old->texts) continue;
        th_view text = old->texts[from];
        if (text.len && !(text.data = th_arena_copy(texts, text.data, text.len))) return TH_E_NOMEM;
        key->texts[i] = text;
    }
    return TH_OK;
}

/* The rows kept are in s->pruned; the keys and items follow them there. */
static th_status end_prune(sort_state *s, size_t kept) {
    th_arena texts;
    th_arena_init(&texts, s->mem);
    for (size_t k = 0; k < s->nkeys; k++) {
        sort_key key;
        th_status status = prune_key(s, &s->keys[k], &key, &texts, kept);
        if (status != TH_OK) {
            free_key(s, &key);
            th_arena_clear(&texts); /* nothing reads keys after a failure */
            return status;
        }
        free_key(s, &s->keys[k]);
        s->keys[k] = key;
    }
    th_arena_clear(&s->texts);
    s->texts = texts;
    th_rows_clear(&s->rows);
    s->rows = s->pruned;
    th_rows_init(&s->pruned, s->mem);
    for (size_t b = 0, at = 0; b < s->rows.len; b++)
        for (size_t i = 0; i < s->rows.batches[b]->nrows; i++) s->items[at++].row = TH_ROW(b, i);
    s->len = kept;
    s->bounded = kept == s->wanted && kept > 0;
    if (s->bounded) s->bound = s->items[kept - 1].word;
    s->phase = COLLECT;
    return TH_OK;
}

static th_status prune_some(sort_state *s, th_schema *schema) {
    size_t kept = wanted_rows(s);
    th_batch *batch;
    TH_TRY(next_rows(s, schema, kept, &batch));
    th_status status = th_rows_add(&s->pruned, batch);
    th_batch_release(batch);
    TH_TRY(status);
    s->at += s->n;
    return s->at < kept ? TH_OK : end_prune(s, kept);
}

/* ---- The operator ------------------------------------------------------------------------------------------- */

/* The items are in order: give them, or go on with those wanted so far. */
static void sorted(sort_state *s) {
    s->at = 0;
    s->phase = s->last ? GIVE : PRUNE;
    if (s->last) free_keys(s);
}

static th_op_step take_batch(th_exec *exec, th_operator *op, sort_state *s) {
    if (op->batch) {
        int64_t work = 16 + (int64_t)op->batch->nrows;
        th_status status = collect(exec, op, s);
        th_op_drop_batch(op);
        if (status == TH_OK && !th_machine_charge(exec->machine, work)) status = TH_E_FUEL;
        if (status != TH_OK) return th_exec_fail(exec, status);
    }
    s->last = op->ended[0];
    if (!s->last && !grown_enough(s)) return th_op_want(op, 0);
    begin_sort(s);
    return TH_OP_AGAIN;
}

static th_op_step give_batch(th_exec *exec, th_operator *op, sort_state *s) {
    size_t end = wanted_rows(s);
    if (s->at >= end) return TH_OP_END;
    th_status status = next_rows(s, op->schema, end, &exec->out);
    if (status != TH_OK) return th_exec_fail(exec, status);
    s->at += s->n;
    return TH_OP_EMIT;
}

static th_op_step sort_step(th_exec *exec, th_operator *op) {
    th_status status = op->state ? TH_OK : begin(exec, op);
    sort_state *s = op->state;
    if (status != TH_OK) return th_exec_fail(exec, status);
    switch (s->phase) {
    case COLLECT: return take_batch(exec, op, s);
    case WORDS:
        if (words_made(s)) begin_runs(s);
        break;
    case RUNS:
        if (runs_sorted(s)) status = begin_merge(s);
        break;
    case MERGE:
        if (merged(s)) sorted(s);
        break;
    case PRUNE: status = prune_some(s, op->schema); break;
    case GIVE: return give_batch(exec, op, s);
    }
    if (status == TH_OK && !th_machine_charge(exec->machine, s->len < SLICE ? (int64_t)s->len : SLICE))
        status = TH_E_FUEL;
    return status == TH_OK ? TH_OP_AGAIN : th_exec_fail(exec, status);
}

static void sort_clear(th_exec *exec, th_operator *op) {
    sort_state *s = op->state;
    if (!s) return;
    free_keys(s);
    th_mem_free(exec->mem, s->keys, s->keys ? s->keys_bytes : 0);
    th_mem_free(exec->mem, s->items, s->items_capacity * sizeof *s->items);
    th_rows_clear(&s->rows);
    th_rows_clear(&s->pruned);
    th_mem_free(exec->mem, s, sizeof *s);
    op->state = NULL;
}

/* ---- The state as bytes -------------------------------------------------------------------------------------- */

static th_view key_text(const void *user, size_t i) { return ((const sort_key *)user)->texts[i]; }

static th_flat_ref put_key(const sort_state *s, const sort_key *key, th_flat_builder *b) {
    th_flat_ref words = 0, nulls = 0;
    th_text_refs texts = {0, 0};
    if (key->words) words = theta_exec_SortKey_put_words(b, key->words, s->len);
    if (key->nulls_seen) nulls = theta_exec_SortKey_put_nulls(b, key->nulls, s->len);
    if (key->texts) texts = th_put_texts(b, key_text, key, s->len);
    theta_exec_SortKey_start_table(b);
    theta_exec_SortKey_add_words(b, words);
    theta_exec_SortKey_add_nulls(b, nulls);
    theta_exec_SortKey_add_text_lens(b, texts.lens);
    theta_exec_SortKey_add_text_bytes(b, texts.bytes);
    theta_exec_SortKey_add_nulls_seen(b, key->nulls_seen);
    theta_exec_SortKey_add_shares(b, key->shares);
    theta_exec_SortKey_add_shared(b, key->shared);
    theta_exec_SortKey_add_skip(b, key->skip);
    theta_exec_SortKey_add_first(b, key->first);
    return th_flat_end(b);
}

/* What is not given yet, in order: what was given needs no second keeping. */
static th_status rows_left(sort_state *s, th_schema *schema, th_rows *out) {
    size_t at = s->at, end = wanted_rows(s);
    th_status status = TH_OK;
    while (s->at < end && status == TH_OK) {
        th_batch *batch;
        status = next_rows(s, schema, end, &batch);
        if (status != TH_OK) break;
        status = th_rows_add(out, batch);
        th_batch_release(batch);
        s->at += s->n;
    }
    s->at = at;
    return status;
}

static th_status put_kept_rows(th_exec *exec, const th_operator *op, sort_state *s, th_flat_builder *b,
                               th_flat_ref *out, th_error *err) {
    if (s->phase != GIVE) return th_put_batches(exec->mem, b, op->schema, s->rows.batches, s->rows.len, out, err);
    th_rows left;
    th_rows_init(&left, exec->mem);
    th_status status = rows_left(s, op->schema, &left);
    if (status == TH_OK)
        status = th_put_batches(exec->mem, b, op->schema, left.batches, left.len, out, err);
    else
        (void)th_fail(err, status, "%s", th_status_text(status));
    th_rows_clear(&left);
    return status;
}

_Static_assert(sizeof(item) == 2 * sizeof(uint64_t), "items are saved as pairs of words");

static th_status put_keys(th_exec *exec, const sort_state *s, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    size_t bytes = (s->nkeys + 1) * sizeof(th_flat_ref);
    th_flat_ref *refs = th_mem_new(exec->mem, bytes);
    if (!refs) return th_fail(err, TH_E_NOMEM, "out of memory");
    for (size_t k = 0; k < s->nkeys; k++) refs[k] = put_key(s, &s->keys[k], b);
    th_status status = th_flat_builder_status(b);
    if (status == TH_OK) *out = th_flat_put_refs(b, refs, s->nkeys);
    th_mem_free(exec->mem, refs, bytes);
    return status;
}

static th_status sort_save(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    sort_state *s = op->state;
    if (!s) return TH_OK;
    th_flat_ref rows, pruned, keys = 0, items = 0, spare = 0;
    bool gives = s->phase == GIVE;
    TH_TRY(put_kept_rows(exec, op, s, b, &rows, err));
    TH_TRY(th_put_batches(exec->mem, b, op->schema, s->pruned.batches, s->pruned.len, &pruned, err));
    if (!gives) TH_TRY(put_keys(exec, s, b, &keys, err));
    if (!gives) items = theta_exec_Sort_put_items(b, (const uint64_t *)(const void *)s->items, 2 * s->len);
    if (s->phase == MERGE) spare = theta_exec_Sort_put_spare(b, (const uint64_t *)(const void *)s->spare, 2 * s->k);
    theta_exec_Sort_start_table(b);
    theta_exec_Sort_add_phase(b, (uint8_t)s->phase);
    theta_exec_Sort_add_last(b, s->last);
    theta_exec_Sort_add_bounded(b, s->bounded);
    theta_exec_Sort_add_bound(b, s->bound);
    theta_exec_Sort_add_items(b, items);
    theta_exec_Sort_add_spare(b, spare);
    theta_exec_Sort_add_at(b, gives ? 0 : s->at);
    theta_exec_Sort_add_width(b, s->width);
    theta_exec_Sort_add_left(b, s->left);
    theta_exec_Sort_add_i(b, s->i);
    theta_exec_Sort_add_j(b, s->j);
    theta_exec_Sort_add_k(b, s->k);
    theta_exec_Sort_add_keys(b, keys);
    theta_exec_Sort_add_rows(b, rows);
    theta_exec_Sort_add_pruned(b, pruned);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status take_items(sort_state *s, item **items, size_t *capacity, const uint64_t *words, size_t n,
                            bool *good) {
    TH_TRY(th_mem_grow(s->mem, (void **)items, capacity, s->len, sizeof **items));
    for (size_t i = 0; i < n && *good; i++) {
        (*items)[i] = (item){words[2 * i], words[2 * i + 1]};
        uint64_t row = words[2 * i + 1];
        *good = row >> 32 < s->rows.len && (uint32_t)row < s->rows.batches[row >> 32]->nrows;
    }
    return TH_OK;
}

static th_status take_key(sort_state *s, sort_key *key, bool is_first, th_flat_table in, bool *good) {
    size_t n = s->len, nwords = theta_exec_SortKey_words_len(in), nnulls = theta_exec_SortKey_nulls_len(in),
           ntexts = theta_exec_SortKey_text_lens_len(in), nbytes = theta_exec_SortKey_text_bytes_len(in);
    const uint32_t *lens = theta_exec_SortKey_text_lens(in);
    bool text = key->family == TH_FAMILY_TEXT;
    key->nulls_seen = theta_exec_SortKey_nulls_seen(in);
    key->shares = theta_exec_SortKey_shares(in);
    *good = nwords == (is_first ? 0 : n) && nnulls == (key->nulls_seen ? n : 0) && ntexts == (text ? n : 0) &&
            th_texts_fit(lens, ntexts, nbytes) && theta_exec_SortKey_shared(in) <= UINT32_MAX &&
            theta_exec_SortKey_skip(in) <= (text ? UINT32_MAX : 0) &&
            (!key->shares || (text && theta_exec_SortKey_first(in) < n));
    if (!*good) return TH_OK;
    key->shared = theta_exec_SortKey_shared(in);
    key->skip = theta_exec_SortKey_skip(in);
    key->first = theta_exec_SortKey_first(in);
    if (nwords) TH_TRY(th_mem_grow(s->mem, (void **)&key->words, &key->words_capacity, n, sizeof *key->words));
    if (nwords) memcpy(key->words, theta_exec_SortKey_words(in), n * sizeof *key->words);
    if (nnulls) TH_TRY(th_mem_grow(s->mem, (void **)&key->nulls, &key->nulls_capacity, n, 1));
    if (nnulls) memcpy(key->nulls, theta_exec_SortKey_nulls(in), n);
    if (ntexts == 0) return TH_OK;
    TH_TRY(th_mem_grow(s->mem, (void **)&key->texts, &key->texts_capacity, n, sizeof *key->texts));
    const char *bytes = nbytes ? th_arena_copy(&s->texts, theta_exec_SortKey_text_bytes(in), nbytes) : "";
    if (!bytes) return TH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        key->texts[i] = (th_view){bytes, lens[i]};
        bytes += lens[i];
    }
    return TH_OK;
}

/* Where a merge is: within a pair of runs, as far as what was moved says. */
static bool merge_fits(sort_state *s, th_flat_table in, size_t nspare) {
    uint64_t width = theta_exec_Sort_width(in), left = theta_exec_Sort_left(in), i = theta_exec_Sort_i(in),
             j = theta_exec_Sort_j(in), k = theta_exec_Sort_k(in), n = s->len;
    if (width < 1 || width > SIZE_MAX / 2 || left >= n) return false;
    uint64_t middle = n - left > width ? left + width : n, end = n - middle > width ? middle + width : n;
    if (i < left || i > middle || j < middle || j > end || k != i + (j - middle) || nspare != 2 * k) return false;
    s->width = width;
    s->left = left;
    s->i = i;
    s->j = j;
    s->k = k;
    return true;
}

static th_status take_sorting(th_operator *op, sort_state *s, th_flat_table in, bool *good) {
    size_t nitems = theta_exec_Sort_items_len(in), nspare = theta_exec_Sort_spare_len(in);
    s->len = s->rows.nrows;
    *good = nitems == 2 * s->len && theta_exec_Sort_keys_len(in) == s->nkeys;
    if (*good) TH_TRY(take_items(s, &s->items, &s->items_capacity, theta_exec_Sort_items(in), s->len, good));
    for (size_t k = 0; k < s->nkeys && *good; k++)
        TH_TRY(take_key(s, &s->keys[k], k == 0, theta_exec_Sort_keys_at(in, (uint32_t)k), good));
    if (!*good) return TH_OK;
    uint64_t at = theta_exec_Sort_at(in);
    sort_phase phase = s->phase;
    size_t kept = wanted_rows(s);
    begin_runs(s); /* which says whether there are ties */
    s->phase = phase;
    s->at = (size_t)at;
    s->bounded = theta_exec_Sort_bounded(in);
    s->bound = theta_exec_Sort_bound(in);
    if (phase == COLLECT) return TH_OK;
    *good = !op->batch && (phase == MERGE || at <= s->len);
    if (phase == MERGE && *good) {
        *good = s->len > 0 ? merge_fits(s, in, nspare) : nspare == 0;
        if (*good) TH_TRY(take_items(s, &s->spare, &s->spare_capacity, theta_exec_Sort_spare(in), s->k, good));
    }
    if (phase == PRUNE) *good = *good && !s->last && s->pruned.nrows == at && at < kept;
    return TH_OK;
}

/* The rows that are left, as they come. */
static th_status take_given(th_operator *op, sort_state *s, bool *good) {
    s->len = s->rows.nrows;
    s->at = 0;
    *good = !op->batch && s->last;
    TH_TRY(th_mem_grow(s->mem, (void **)&s->items, &s->items_capacity, s->len, sizeof *s->items));
    for (size_t b = 0, n = 0; b < s->rows.len; b++)
        for (size_t i = 0; i < s->rows.batches[b]->nrows; i++) s->items[n++] = (item){0, TH_ROW(b, i)};
    return TH_OK;
}

static th_status sort_restore(th_exec *exec, th_operator *op, th_flat_table in, th_error *err) {
    TH_TRY(begin(exec, op));
    sort_state *s = op->state;
    bool good = theta_exec_Sort_phase(in) <= GIVE;
    if (!good) return th_malformed(err, "a sort is in no known phase");
    s->phase = (sort_phase)theta_exec_Sort_phase(in);
    s->last = theta_exec_Sort_last(in);
    TH_TRY(th_rows_read(&s->rows, op->schema, theta_exec_Sort_rows(in), theta_exec_Sort_rows_len(in), err));
    TH_TRY(th_rows_read(&s->pruned, op->schema, theta_exec_Sort_pruned(in), theta_exec_Sort_pruned_len(in), err));
    if (s->phase != PRUNE) good = s->pruned.nrows == 0;
    if (good) TH_TRY(s->phase == GIVE ? take_given(op, s, &good) : take_sorting(op, s, in, &good));
    return good ? TH_OK : th_malformed(err, "the rows of a sort do not fit together");
}

const th_operator_class th_op_sort = {"sort", sort_step, sort_clear, sort_save, sort_restore, theta_exec_State_Sort};
