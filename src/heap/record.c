/*
** record.c - records: fields by symbol, updates that share. An update of a big record by a small one makes a layer; layers
** are merged among themselves when the new one is not much smaller (as in a log-structured merge tree), so that n updates of
** one field each cost O(n log n) altogether, and a look-up goes through O(log n) layers.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "heap/heap_int.h"

#define LAYER_FROM  16 /* fields under a layer, at least */
#define LAYER_RATIO 4  /* and so many times more than over it */
#define MERGE_BIT   0x80000000u

static bool is_layer(th_value v) { return th_is_kind(v, TH_OBJ_LAYER); }

bool th_new_record_of(th_heap *heap, const th_shape *shape, const th_value *values, th_value *out) {
    uint64_t *p = th_heap_words(heap, 1 + (size_t)shape->count);
    if (!p) return false;
    p[0] = TH_RECORD_HEADER(shape, 0);
    for (uint32_t i = 0; i < shape->count; i++) {
        if (values)
            th_heap_set(heap, p, &p[1 + i], values[i]);
        else
            p[1 + i] = TH_V_ABSENT;
    }
    *out = th_of_object(p);
    return true;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

th_value th_record_get(const th_heap *heap, th_value record, th_symbol key) {
    record = th_deref(record);
    for (;;) {
        th_value part = is_layer(record) ? th_deref(th_obj(record)[2]) : record;
        int64_t at = th_shape_find(th_record_shape(heap, part), key);
        if (at >= 0) return th_record_values(part)[at];
        if (part == record) return TH_V_ABSENT;
        record = th_deref(th_obj(record)[1]);
    }
}

uint32_t th_record_position(const th_heap *heap, th_value record, th_symbol key) {
    record = th_deref(record);
    for (;;) {
        th_value part = is_layer(record) ? th_deref(th_obj(record)[2]) : record;
        const th_shape *shape = th_record_shape(heap, part);
        int64_t at = th_shape_find(shape, key);
        bool known = shape->positions && !(th_header_flags(*th_obj(part)) & TH_FLAG_NOPOS);
        if (at >= 0) return known ? shape->positions[at] : 0;
        if (part == record) return 0;
        record = th_deref(th_obj(record)[1]);
    }
}

static size_t count_at_most(const th_heap *heap, th_value record) {
    return is_layer(record) ? (size_t)th_header_size(*th_obj(record)) : th_record_shape(heap, record)->count;
}

size_t th_record_count(th_heap *heap, th_value record, bool *ok) {
    th_value flat = record;
    *ok = th_record_flat(heap, record, &flat);
    return *ok ? th_record_shape(heap, flat)->count : 0;
}

/* ---- Merging ------------------------------------------------------------------------------------------------------ */

static const uint32_t *positions_of(const th_shape *shape, bool known) { return known ? shape->positions : NULL; }

/* Both key lists are ascending. Fills keys, positions and from; returns how many. */
static uint32_t merge_keys(const th_shape *under, const th_shape *over, const uint32_t *under_pos,
                           const uint32_t *over_pos, th_symbol *keys, uint32_t *positions, uint32_t *from) {
    uint32_t i = 0, j = 0, n = 0;
    while (i < under->count || j < over->count) {
        bool take_over = j < over->count && (i == under->count || over->keys[j] <= under->keys[i]);
        if (take_over) {
            if (i < under->count && under->keys[i] == over->keys[j]) i++;
            keys[n] = over->keys[j];
            positions[n] = over_pos ? over_pos[j] : 0;
            from[n++] = ++j;
        } else {
            keys[n] = under->keys[i];
            positions[n] = under_pos ? under_pos[i] : 0;
            from[n++] = ++i | MERGE_BIT;
        }
    }
    return n;
}

static bool fill(th_heap *heap, const th_shape *shape, const uint32_t *from, th_value under, th_value over,
                 th_value *out) {
    if (!th_new_record_of(heap, shape, NULL, out)) return false;
    uint64_t *p = th_obj(*out);
    const th_value *below = th_record_values(under), *above = th_record_values(over);
    bool young = th_is_young(heap, p);
    for (uint32_t i = 0; i < shape->count; i++) {
        th_value v = from[i] & MERGE_BIT ? below[(from[i] & ~MERGE_BIT) - 1] : above[from[i] - 1];
        if (young)
            p[1 + i] = v;
        else
            th_heap_set(heap, p, &p[1 + i], v);
    }
    return true;
}

static bool has_positions(th_value record) { return !(th_header_flags(*th_obj(record)) & TH_FLAG_NOPOS); }

/* Both flat. */
static bool merge(th_heap *heap, th_value under, th_value over, th_value *out) {
    const th_shape *a = th_record_shape(heap, under), *b = th_record_shape(heap, over);
    bool plain = has_positions(under) && has_positions(over);
    th_merge *cached = &heap->state->shapes.merges[th_hash_word((uint64_t)a->id << 32 | b->id) % TH_MERGES];
    if (plain && cached->under == a->id && cached->over == b->id)
        return fill(heap, cached->shape, cached->from, under, over, out);
    th_mem *mem = heap->state->mem;
    size_t room = (size_t)a->count + b->count, bytes = room * 3 * sizeof(uint32_t);
    uint32_t few[192], *scratch = room <= 64 ? few : th_mem_new(mem, bytes);
    if (!scratch) return false;
    th_symbol *keys = scratch;
    uint32_t *positions = scratch + room, *from = scratch + 2 * room;
    uint32_t n = merge_keys(a, b, positions_of(a, has_positions(under)), positions_of(b, has_positions(over)), keys,
                            positions, from);
    const th_shape *shape = th_shape_sorted(heap, keys, positions, n, false);
    bool ok = shape && fill(heap, shape, from, under, over, out);
    if (ok && plain && room <= 64) {
        uint32_t *copy = th_mem_new(mem, n * sizeof *copy);
        if (copy) { /* else it is not remembered, no more */
            memcpy(copy, from, n * sizeof *copy);
            if (cached->from) th_mem_free(mem, cached->from, cached->shape->count * sizeof *copy);
            *cached = (th_merge){a->id, b->id, shape, copy};
        }
    }
    if (room > 64) th_mem_free(mem, scratch, bytes);
    return ok;
}

bool th_record_flat(th_heap *heap, th_value record, th_value *out) {
    record = th_deref(record);
    if (!is_layer(record)) return *out = record, true;
    uint64_t *layer = th_obj(record);
    th_value flat = th_deref(layer[2]), under = th_deref(layer[1]);
    for (bool more = true; more;) {
        more = is_layer(under);
        th_value part = more ? th_deref(th_obj(under)[2]) : under;
        if (!merge(heap, part, flat, &flat)) return false;
        if (more) under = th_deref(th_obj(under)[1]);
    }
    layer[0] = TH_HEADER(TH_OBJ_DONE, 0, 2);
    layer[2] = TH_V_NULL;
    th_heap_set(heap, layer, &layer[1], flat);
    *out = flat;
    return true;
}

static bool new_layer(th_heap *heap, th_value under, th_value over, th_value *out) {
    uint64_t *p = th_heap_words(heap, 3);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_LAYER, 0, count_at_most(heap, under) + count_at_most(heap, over));
    th_heap_set(heap, p, &p[1], under);
    th_heap_set(heap, p, &p[2], over);
    *out = th_of_object(p);
    return true;
}

bool th_record_update(th_heap *heap, th_value under, th_value over, th_value *out) {
    if (!th_record_flat(heap, over, &over)) return false;
    under = th_deref(under); /* only now: it may have been the same layer */
    size_t below = count_at_most(heap, under), above = count_at_most(heap, over);
    if (above == 0) return *out = under, true;
    if (below == 0) return *out = over, true;
    if (below < LAYER_FROM || above * LAYER_RATIO > below)
        return th_record_flat(heap, under, &under) && merge(heap, under, over, out);
    while (is_layer(under)) {
        th_value part = th_deref(th_obj(under)[2]);
        if (count_at_most(heap, part) > 2 * above) break;
        if (!merge(heap, part, over, &over)) return false;
        above = count_at_most(heap, over);
        under = th_deref(th_obj(under)[1]);
    }
    if (!is_layer(under) && above * LAYER_RATIO > count_at_most(heap, under)) return merge(heap, under, over, out);
    return new_layer(heap, under, over, out);
}

/* ---- Choosing and building ------------------------------------------------------------------------------------------ */

bool th_record_keep(th_heap *heap, th_value flat, const bool *keep, th_value *out) {
    const th_shape *shape = th_record_shape(heap, flat);
    th_mem *mem = heap->state->mem;
    size_t bytes = (size_t)shape->count * 2 * sizeof(uint32_t);
    uint32_t few[128], *keys = shape->count <= 64 ? few : th_mem_new(mem, bytes), n = 0;
    if (!keys) return false;
    uint32_t *positions = keys + shape->count;
    bool known = shape->positions && has_positions(flat);
    for (uint32_t i = 0; i < shape->count; i++) {
        if (!keep[i]) continue;
        keys[n] = shape->keys[i];
        positions[n++] = known ? shape->positions[i] : 0;
    }
    const th_shape *kept = n == shape->count && known == (shape->positions != NULL)
                               ? shape
                               : th_shape_sorted(heap, keys, positions, n, false);
    if (shape->count > 64) th_mem_free(mem, keys, bytes);
    if (!kept || !th_new_record_of(heap, kept, NULL, out)) return false;
    uint64_t *p = th_obj(*out);
    const th_value *values = th_record_values(flat);
    for (uint32_t i = 0, k = 0; i < shape->count; i++)
        if (keep[i]) th_heap_set(heap, p, &p[1 + k++], values[i]);
    return true;
}

static int compare_words(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x < y ? -1 : x > y;
}

bool th_record_build(th_heap *heap, const th_symbol *keys, const th_value *values, const uint32_t *positions, size_t n,
                     th_value *out) {
    th_mem *mem = heap->state->mem;
    if (n >= UINT32_MAX) return false;
    size_t bytes = n * (sizeof(uint64_t) + 2 * sizeof(uint32_t));
    uint64_t *items = th_mem_new(mem, bytes ? bytes : 8);
    if (!items) return false;
    uint32_t *sorted = (uint32_t *)(items + n), *places = sorted + n;
    bool ascending = true;
    for (size_t i = 0; i < n; i++) {
        items[i] = (uint64_t)keys[i] << 32 | i;
        ascending &= i == 0 || items[i - 1] < items[i];
    }
    if (!ascending) qsort(items, n, sizeof *items, compare_words);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) { /* equal keys are in the order given: the first stays */
        uint32_t key = (uint32_t)(items[i] >> 32);
        if (kept > 0 && sorted[kept - 1] == key) continue;
        sorted[kept] = key;
        places[kept] = positions ? positions[(uint32_t)items[i]] : 0;
        items[kept++] = items[i];
    }
    const th_shape *shape = th_shape_sorted(heap, sorted, positions ? places : NULL, kept, false);
    bool ok = shape && th_new_record_of(heap, shape, NULL, out);
    if (ok) {
        uint64_t *p = th_obj(*out);
        for (size_t i = 0; i < kept; i++) th_heap_set(heap, p, &p[1 + i], values[(uint32_t)items[i]]);
    }
    th_mem_free(mem, items, bytes ? bytes : 8);
    return ok;
}
