/*
** keys.c - numbers equal key rows: a hash table from keys to groups, groups counted in order of first appearance.
** One key that is a number is a word (floats by their bits, with one NaN and one zero), one text is its bytes, and
** several keys are written as the bytes of a row: for each a byte, 0 for null, else 1 and then 8 bytes, or a length and
** text.
** Invariants: 1. a slot of the index holds a group's number plus one, and 0 is a free slot. 2. At least half the slots
** are free. 3. The null group of a single key is not in the index. 4. Rows are taken a chunk at a time: all hashes
** first, so that the slots are on their way from memory when they are looked at.
** The hash is seeded, so that nobody can prepare keys that collide; group numbers do not depend on the seed.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

enum { CHUNK = 512, AHEAD = 8 };
#define MOST_GROUPS ((size_t)INT32_MAX)

typedef struct th_group_slot {
    uint32_t hash, id;
} th_group_slot;

/* Rows of a chunk, as the table sees them. */
typedef struct chunk {
    size_t n;
    const uint64_t *words;
    const th_view *texts;
    const uint8_t *valid; /* NULL: all */
    uint32_t hashes[CHUNK + AHEAD];
    uint64_t word_room[CHUNK];
    th_view text_room[CHUNK];
    uint8_t valid_room[CHUNK];
} chunk;

void th_groups_init(th_groups *groups, th_mem *mem) {
    *groups = (th_groups){.mem = mem, .null_group = TH_GROUP_NONE};
    groups->seed = th_hash_word((uint64_t)th_clock_monotonic_ns() ^ (uint64_t)(uintptr_t)groups);
    th_arena_init(&groups->arena, mem);
    th_buf_init(&groups->row, mem);
}

void th_groups_clear(th_groups *groups) {
    th_arena_clear(&groups->arena);
    th_buf_clear(&groups->row);
    th_mem_free(groups->mem, groups->words, groups->words_capacity * sizeof *groups->words);
    th_mem_free(groups->mem, groups->texts, groups->texts_capacity * sizeof *groups->texts);
    th_mem_free(groups->mem, groups->index, groups->index_capacity * sizeof *groups->index);
    th_groups_init(groups, groups->mem);
}

/* ---- The table ---------------------------------------------------------------------------------------------- */

static th_status grow_index(th_groups *g, size_t needed) {
    size_t capacity = g->index_capacity ? g->index_capacity : 64;
    while (capacity < needed * 2) capacity *= 2;
    if (capacity == g->index_capacity) return TH_OK;
    th_group_slot *index = th_mem_zeroed(g->mem, capacity * sizeof *index);
    if (!index) return TH_E_NOMEM;
    size_t mask = capacity - 1;
    for (size_t i = 0; i < g->index_capacity; i++) {
        if (g->index[i].id == 0) continue;
        size_t at = g->index[i].hash & mask;
        while (index[at].id) at = (at + 1) & mask;
        index[at] = g->index[i];
    }
    th_mem_free(g->mem, g->index, g->index_capacity * sizeof *index);
    g->index = index;
    g->index_capacity = capacity;
    return TH_OK;
}

/* Room for `more` groups, so that the loops over rows need not ask. */
static th_status reserve(th_groups *g, size_t more) {
    size_t needed = g->len + more;
    if (needed > MOST_GROUPS) return TH_E_LIMIT;
    TH_TRY(grow_index(g, needed));
    if (g->kind == TH_GROUPS_WORDS)
        return th_mem_grow(g->mem, (void **)&g->words, &g->words_capacity, needed, sizeof *g->words);
    return th_mem_grow(g->mem, (void **)&g->texts, &g->texts_capacity, needed, sizeof *g->texts);
}

static uint32_t null_id(th_groups *g, bool add, bool null_is_none) {
    if (null_is_none) return TH_GROUP_NONE;
    if (g->null_group == TH_GROUP_NONE && add) g->null_group = (uint32_t)g->len++;
    return g->null_group;
}

static void nothing_found(th_groups *g, const chunk *c, bool null_is_none, uint32_t *ids) {
    for (size_t i = 0; i < c->n; i++)
        ids[i] = c->valid && !c->valid[i] ? null_id(g, false, null_is_none) : TH_GROUP_NONE;
}

static void find_words(th_groups *g, chunk *c, bool add, bool null_is_none, uint32_t *ids) {
    const uint64_t *words = c->words;
    for (size_t i = 0; i < c->n; i++) c->hashes[i] = (uint32_t)(th_hash_word(words[i] ^ g->seed) >> 32);
    size_t mask = g->index_capacity - 1;
    th_group_slot *index = g->index;
    for (size_t i = 0; i < c->n; i++) {
        __builtin_prefetch(&index[c->hashes[i + AHEAD] & mask]);
        if (c->valid && !c->valid[i]) {
            ids[i] = null_id(g, add, null_is_none);
            continue;
        }
        uint32_t hash = c->hashes[i], id = TH_GROUP_NONE;
        for (size_t at = hash & mask;; at = (at + 1) & mask) {
            th_group_slot slot = index[at];
            if (slot.id == 0) {
                if (!add) break;
                id = (uint32_t)g->len++;
                g->words[id] = words[i];
                index[at] = (th_group_slot){hash, id + 1};
                break;
            }
            if (slot.hash == hash && g->words[slot.id - 1] == words[i]) {
                id = slot.id - 1;
                break;
            }
        }
        ids[i] = id;
    }
}

static inline uint64_t load64(const char *p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

static inline uint32_t load32(const char *p) {
    uint32_t w;
    memcpy(&w, p, 4);
    return w;
}

/* Short texts are compared with two loads that may overlap. */
static inline bool same_text(th_view a, th_view b) {
    if (a.len != b.len) return false;
    const char *x = a.data, *y = b.data;
    size_t n = a.len;
    if (n > 16) return memcmp(x, y, n) == 0;
    if (n >= 8) return ((load64(x) ^ load64(y)) | (load64(x + n - 8) ^ load64(y + n - 8))) == 0;
    if (n >= 4) return ((load32(x) ^ load32(y)) | (load32(x + n - 4) ^ load32(y + n - 4))) == 0;
    return n == 0 || (x[0] == y[0] && x[n >> 1] == y[n >> 1] && x[n - 1] == y[n - 1]);
}

static th_status keep_text(th_groups *g, th_view text, th_view *out) {
    *out = (th_view){"", 0};
    if (text.len == 0) return TH_OK;
    char *copy = th_arena_copy(&g->arena, text.data, text.len);
    if (!copy) return TH_E_NOMEM;
    *out = (th_view){copy, text.len};
    return TH_OK;
}

static th_status find_texts(th_groups *g, chunk *c, bool add, bool null_is_none, uint32_t *ids) {
    const th_view *texts = c->texts;
    for (size_t i = 0; i < c->n; i++)
        c->hashes[i] =
            c->valid && !c->valid[i] ? 0 : (uint32_t)(th_hash_bytes(texts[i].data, texts[i].len, g->seed) >> 32);
    size_t mask = g->index_capacity - 1;
    th_group_slot *index = g->index;
    for (size_t i = 0; i < c->n; i++) {
        __builtin_prefetch(&index[c->hashes[i + AHEAD] & mask]);
        if (c->valid && !c->valid[i]) {
            ids[i] = null_id(g, add, null_is_none);
            continue;
        }
        uint32_t hash = c->hashes[i], id = TH_GROUP_NONE;
        for (size_t at = hash & mask;; at = (at + 1) & mask) {
            th_group_slot slot = index[at];
            if (slot.id == 0) {
                if (!add) break;
                TH_TRY(keep_text(g, texts[i], &g->texts[g->len]));
                id = (uint32_t)g->len++;
                index[at] = (th_group_slot){hash, id + 1};
                break;
            }
            if (slot.hash == hash && same_text(g->texts[slot.id - 1], texts[i])) {
                id = slot.id - 1;
                break;
            }
        }
        ids[i] = id;
    }
    return TH_OK;
}

/* ---- Keys to words, texts, rows ----------------------------------------------------------------------------- */

static inline uint64_t float_word(double x) {
    uint64_t word;
    if (x != x) x = __builtin_nan("");
    if (x == 0) x = 0;
    memcpy(&word, &x, 8);
    return word;
}

static inline uint64_t word_at(const th_vector *key, size_t i) {
    switch (key->family) {
    case TH_FAMILY_FLOAT: return float_word(key->floats[i]);
    case TH_FAMILY_BOOL: return key->bools[i];
    default: return (uint64_t)key->ints[i];
    }
}

static void chunk_words(chunk *c, const th_vector *key, size_t from) {
    c->words = c->word_room;
    switch (key->family) {
    case TH_FAMILY_INT: c->words = (const uint64_t *)key->ints + from; break;
    case TH_FAMILY_FLOAT:
        for (size_t i = 0; i < c->n; i++) c->word_room[i] = float_word(key->floats[from + i]);
        break;
    default:
        for (size_t i = 0; i < c->n; i++) c->word_room[i] = key->bools[from + i];
    }
}

static inline bool is_null(const th_vector *key, size_t i) {
    return key->family == TH_FAMILY_NULL || (key->valid && !key->valid[i]);
}

static size_t key_bytes(const th_vector *key, size_t i) {
    if (is_null(key, i)) return 1;
    return key->family == TH_FAMILY_TEXT ? 5 + key->texts[i].len : 9;
}

static char *write_key(char *to, const th_vector *key, size_t i) {
    *to++ = !is_null(key, i);
    if (!to[-1]) return to;
    if (key->family == TH_FAMILY_TEXT) {
        th_view text = key->texts[i];
        uint32_t len = (uint32_t)text.len;
        memcpy(to, &len, 4);
        if (len) memcpy(to + 4, text.data, len);
        return to + 4 + len;
    }
    uint64_t word = word_at(key, i);
    memcpy(to, &word, 8);
    return to + 8;
}

/* The rows of a chunk as bytes, in g->row. */
static th_status chunk_rows(th_groups *g, chunk *c, const th_vector *keys, size_t nkeys, size_t from,
                            bool null_is_none) {
    size_t total = 0;
    char *at[CHUNK];
    for (size_t i = 0; i < c->n; i++) c->text_room[i].len = 0;
    for (size_t k = 0; k < nkeys; k++)
        for (size_t i = 0; i < c->n; i++) c->text_room[i].len += key_bytes(&keys[k], from + i);
    for (size_t i = 0; i < c->n; i++) total += c->text_room[i].len;
    g->row.len = 0;
    if (!th_buf_reserve(&g->row, total)) return TH_E_NOMEM;
    char *next = g->row.data;
    for (size_t i = 0; i < c->n; i++) {
        c->text_room[i].data = at[i] = next;
        next += c->text_room[i].len;
    }
    for (size_t k = 0; k < nkeys; k++)
        for (size_t i = 0; i < c->n; i++) at[i] = write_key(at[i], &keys[k], from + i);
    c->texts = c->text_room;
    c->valid = NULL;
    if (!null_is_none) return TH_OK;
    memset(c->valid_room, 1, c->n);
    for (size_t k = 0; k < nkeys; k++)
        for (size_t i = 0; i < c->n; i++) c->valid_room[i] &= !is_null(&keys[k], from + i);
    c->valid = c->valid_room;
    return TH_OK;
}

static th_groups_kind kind_of(const th_vector *keys, size_t nkeys) {
    if (nkeys > 1) return TH_GROUPS_ROWS;
    switch (keys->family) {
    case TH_FAMILY_TEXT: return TH_GROUPS_TEXTS;
    case TH_FAMILY_NULL: return TH_GROUPS_OPEN;
    default: return TH_GROUPS_WORDS;
    }
}

static void all_null(th_groups *g, size_t nrows, bool add, bool null_is_none, uint32_t *ids) {
    for (size_t i = 0; i < nrows; i++) ids[i] = null_id(g, add, null_is_none);
}

static th_status chunk_of(th_groups *g, chunk *c, const th_vector *keys, size_t nkeys, size_t from, bool null_is_none) {
    if (g->kind == TH_GROUPS_ROWS) return chunk_rows(g, c, keys, nkeys, from, null_is_none);
    c->valid = keys->valid ? keys->valid + from : NULL;
    if (g->kind == TH_GROUPS_WORDS)
        chunk_words(c, keys, from);
    else
        c->texts = keys->texts + from;
    return TH_OK;
}

th_status th_groups_of(th_groups *g, const th_vector *keys, size_t nkeys, size_t nrows, bool add, bool null_is_none,
                       uint32_t *ids) {
    if (nkeys == 0) {
        if (add && nrows > 0) g->len = 1;
        for (size_t i = 0; i < nrows; i++) ids[i] = g->len ? 0 : TH_GROUP_NONE;
        return TH_OK;
    }
    th_groups_kind kind = kind_of(keys, nkeys);
    if (kind == TH_GROUPS_OPEN) { /* nothing but nulls, of no type */
        all_null(g, nrows, add, null_is_none, ids);
        return TH_OK;
    }
    if (g->kind == TH_GROUPS_OPEN) g->kind = kind;
    if (g->kind != kind) return TH_E_TYPE;
    chunk c;
    for (size_t from = 0; from < nrows; from += CHUNK) {
        c.n = nrows - from < CHUNK ? nrows - from : CHUNK;
        memset(c.hashes + c.n, 0, AHEAD * sizeof c.hashes[0]);
        TH_TRY(chunk_of(g, &c, keys, nkeys, from, null_is_none));
        if (add) TH_TRY(reserve(g, c.n));
        if (!g->index)
            nothing_found(g, &c, null_is_none, ids + from);
        else if (kind == TH_GROUPS_WORDS)
            find_words(g, &c, add, null_is_none, ids + from);
        else
            TH_TRY(find_texts(g, &c, add, null_is_none, ids + from));
    }
    return TH_OK;
}

/* ---- Groups to columns -------------------------------------------------------------------------------------- */

static void put_word(th_column_builder *b, uint64_t word) {
    if (th_family_of(b->type) != TH_FAMILY_FLOAT) {
        th_column_put_i64(b, (int64_t)word);
        return;
    }
    double x;
    memcpy(&x, &word, 8);
    th_column_put_f64(b, x);
}

static const char *after_key(const char *at, th_column_type type) {
    uint32_t len;
    if (*at == 0) return at + 1;
    if (type != TH_COLUMN_STRING) return at + 9;
    memcpy(&len, at + 1, 4);
    return at + 5 + len;
}

static void put_row_key(th_column_builder *b, const char *at) {
    uint32_t len;
    uint64_t word;
    if (*at == 0) {
        th_column_put_null(b);
    } else if (b->type == TH_COLUMN_STRING) {
        memcpy(&len, at + 1, 4);
        th_column_put_text(b, (th_view){at + 5, len});
    } else {
        memcpy(&word, at + 1, 8);
        put_word(b, word);
    }
}

th_status th_groups_column(const th_groups *g, const th_column_type *types, size_t key, size_t nkeys, size_t from,
                           size_t n, th_column *out) {
    th_column_builder b;
    th_column_builder_init(&b, g->mem, types[key]);
    for (size_t id = from; id < from + n; id++) {
        if (nkeys > 1) {
            const char *at = g->texts[id].data;
            for (size_t k = 0; k < key; k++) at = after_key(at, types[k]);
            put_row_key(&b, at);
        } else if (id == g->null_group) {
            th_column_put_null(&b);
        } else if (g->kind == TH_GROUPS_TEXTS) {
            th_column_put_text(&b, g->texts[id]);
        } else {
            put_word(&b, g->words[id]);
        }
    }
    return th_column_builder_finish(&b, out);
}

/* ---- Groups as bytes ---------------------------------------------------------------------------------------- */

enum { SAVED_ROWS = 16384 };

/* The widest type of a family: a key is kept as that, whatever its column's type. */
static th_column_type widest(th_column_type type) {
    switch (th_family_of(type)) {
    case TH_FAMILY_INT: return TH_COLUMN_I64;
    case TH_FAMILY_FLOAT: return TH_COLUMN_F64;
    default: return type;
    }
}

typedef struct piece {
    const th_groups *groups;
    const th_column_type *types;
    size_t nkeys, from, n;
} piece;

static th_status piece_column(void *user, size_t column, th_column *out) {
    const piece *p = user;
    return th_groups_column(p->groups, p->types, column, p->nkeys, p->from, p->n, out);
}

static th_status make_pieces(const th_groups *g, th_schema *schema, const th_column_type *types, size_t nkeys,
                             th_rows *rows) {
    piece p = {.groups = g, .types = types, .nkeys = nkeys};
    while (p.from < g->len) {
        th_batch *batch;
        th_status status;
        p.n = g->len - p.from < SAVED_ROWS ? g->len - p.from : SAVED_ROWS;
        do { /* fewer rows when their texts are too long for one column */
            status = th_batch_make(g->mem, schema, p.n, piece_column, &p, &batch);
        } while (status == TH_E_LIMIT && (p.n /= 2) > 0);
        TH_TRY(status);
        status = th_rows_add(rows, batch);
        th_batch_release(batch);
        TH_TRY(status);
        p.from += p.n;
    }
    return TH_OK;
}

static th_status wide_schema(th_mem *mem, const th_column_type *types, size_t nkeys, th_arena *arena,
                             th_column_type **wide, th_schema **out) {
    *wide = th_arena_new(arena, (nkeys + 1) * sizeof **wide);
    if (!*wide) return TH_E_NOMEM;
    for (size_t k = 0; k < nkeys; k++) (*wide)[k] = widest(types[k]);
    return th_plain_schema(mem, *wide, nkeys, out);
}

static th_status put_keys(const th_groups *g, const th_column_type *types, size_t nkeys, th_arena *arena,
                          th_flat_builder *b, th_flat_ref *keys, th_error *err) {
    th_column_type *wide;
    th_schema *schema;
    th_rows rows;
    th_status status = wide_schema(g->mem, types, nkeys, arena, &wide, &schema);
    if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    th_rows_init(&rows, g->mem);
    status = make_pieces(g, schema, wide, nkeys, &rows);
    if (status != TH_OK) (void)th_fail(err, status, "%s", th_status_text(status));
    if (status == TH_OK) status = th_put_batches(g->mem, b, schema, rows.batches, rows.len, keys, err);
    th_rows_clear(&rows);
    th_schema_release(schema);
    return status;
}

th_status th_groups_save(const th_groups *g, const th_column_type *types, size_t nkeys, th_flat_builder *b,
                         th_flat_ref *out, th_error *err) {
    th_flat_ref keys = 0;
    if (nkeys > 0 && g->len > 0) {
        th_arena arena;
        th_arena_init(&arena, g->mem);
        th_status status = put_keys(g, types, nkeys, &arena, b, &keys, err);
        th_arena_clear(&arena);
        TH_TRY(status);
    }
    theta_exec_Groups_start_table(b);
    theta_exec_Groups_add_len(b, g->len);
    theta_exec_Groups_add_keys(b, keys);
    *out = th_flat_end(b);
    return TH_OK;
}

typedef struct key_taker {
    th_groups *groups;
    size_t nkeys;
    th_arena arena;
} key_taker;

static th_status take_keys(void *user, th_batch *batch) {
    key_taker *t = user;
    size_t n = batch->nrows, known = t->groups->len;
    th_arena_clear(&t->arena);
    th_vector *keys = th_arena_zeroed(&t->arena, t->nkeys * sizeof *keys);
    uint32_t *ids = th_arena_new(&t->arena, n * sizeof *ids + 8);
    if (!keys || !ids) return TH_E_NOMEM;
    for (size_t k = 0; k < t->nkeys; k++) TH_TRY(th_vector_of_column(&t->arena, &batch->columns[k], &keys[k]));
    TH_TRY(th_groups_of(t->groups, keys, t->nkeys, n, true, false, ids));
    return t->groups->len == known + n ? TH_OK : TH_E_FORMAT; /* a key twice would shift the numbers */
}

th_status th_groups_restore(th_groups *g, const th_column_type *types, size_t nkeys, th_flat_table in, th_error *err) {
    uint64_t len = theta_exec_Groups_len(in);
    if (nkeys == 0) {
        if (len > 1) return th_malformed(err, "there are groups without keys");
        g->len = (size_t)len;
        return TH_OK;
    }
    if (len == 0) return TH_OK;
    key_taker taker = {.groups = g, .nkeys = nkeys};
    th_column_type *wide;
    th_schema *schema;
    th_arena_init(&taker.arena, g->mem);
    th_status status = wide_schema(g->mem, types, nkeys, &taker.arena, &wide, &schema);
    if (status != TH_OK) {
        (void)th_fail(err, status, "%s", th_status_text(status));
    } else {
        status = th_batches_read(g->mem, schema, theta_exec_Groups_keys(in), theta_exec_Groups_keys_len(in), take_keys,
                                 &taker, err);
        th_schema_release(schema);
    }
    th_arena_clear(&taker.arena);
    if (status == TH_OK && g->len != len) return th_malformed(err, "groups are missing");
    return status;
}
