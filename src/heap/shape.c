/*
** shape.c - the keys of records: made sorted, shared when equal and small, freed when no record has them any more.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/heap_int.h"

#define INTERNED_MAX 64 /* keys of a shape that is looked for among those there are */

static size_t shape_bytes(uint32_t count, bool positions) {
    return TH_ALIGN(sizeof(th_shape) + (size_t)count * sizeof(uint32_t) * (positions ? 2 : 1), 8);
}

static size_t all_bytes(const th_shape *shape) {
    return shape_bytes(shape->count, shape->positions) + (shape->by_name ? shape->count * sizeof(uint32_t) : 0);
}

/* ---- Sorting ------------------------------------------------------------------------------------------------- */

/* Keys and where each was, in one word, sorted by key: insertion for few, else by digits of 11 bits, lowest first. */
static bool sort_keys(th_mem *mem, uint64_t *items, size_t n) {
    if (n <= 24) {
        for (size_t i = 1; i < n; i++) {
            uint64_t item = items[i];
            size_t k = i;
            for (; k > 0 && items[k - 1] > item; k--) items[k] = items[k - 1];
            items[k] = item;
        }
        return true;
    }
    uint64_t *other = th_mem_new(mem, n * sizeof *other);
    if (!other) return false;
    uint64_t *from = items, *to = other;
    for (unsigned shift = 32; shift < 64; shift += 11) {
        size_t counts[2049] = {0};
        for (size_t i = 0; i < n; i++) counts[(from[i] >> shift & 2047) + 1]++;
        for (size_t d = 0; d < 2048; d++) counts[d + 1] += counts[d];
        for (size_t i = 0; i < n; i++) to[counts[from[i] >> shift & 2047]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, n * sizeof *items);
    th_mem_free(mem, other, n * sizeof *other);
    return true;
}

/* ---- The table ------------------------------------------------------------------------------------------------ */

uint64_t th_heap_epoch(const th_heap *heap) { return heap->state->shapes.epoch; }

const th_shape *th_shape_by_id(const th_heap *heap, uint32_t id) { return heap->state->shapes.items[id]; }

static uint64_t hash_shape(const th_symbol *keys, const uint32_t *positions, size_t n) {
    uint64_t hash = th_hash_bytes(keys, n * sizeof *keys, 0x7368);
    return positions ? th_hash_bytes(positions, n * sizeof *positions, hash) : hash;
}

static bool same(const th_shape *s, const th_symbol *keys, const uint32_t *positions, size_t n) {
    return s->count == n && memcmp(s->keys, keys, n * sizeof *keys) == 0 && !s->positions == !positions &&
           (!positions || memcmp(s->positions, positions, n * sizeof *positions) == 0);
}

static uint32_t *interned_slot(const th_shape_table *t, const th_symbol *keys, const uint32_t *positions, size_t n) {
    size_t mask = t->index_capacity - 1, i = hash_shape(keys, positions, n) & mask;
    while (t->index[i] && !same(t->items[t->index[i]], keys, positions, n)) i = (i + 1) & mask;
    return &t->index[i];
}

static void index_all(th_shape_table *t) {
    memset(t->index, 0, t->index_capacity * sizeof *t->index);
    t->interned = 0;
    for (uint32_t id = 1; id < t->len; id++) {
        const th_shape *s = t->items[id];
        if (!s || s->count > INTERNED_MAX) continue;
        *interned_slot(t, s->keys, s->positions, s->count) = id;
        t->interned++;
    }
}

static bool room_in_index(th_heap *heap) {
    th_shape_table *t = &heap->state->shapes;
    if (t->interned * 2 < t->index_capacity) return true;
    size_t capacity = t->index_capacity ? t->index_capacity * 2 : 256;
    uint32_t *index = th_mem_new(heap->state->mem, capacity * sizeof *index);
    if (!index) return false;
    th_mem_free(heap->state->mem, t->index, t->index_capacity * sizeof *index);
    t->index = index;
    t->index_capacity = capacity;
    index_all(t);
    return true;
}

static bool new_id(th_heap *heap, uint32_t *id) {
    th_shape_table *t = &heap->state->shapes;
    if (t->nfree > 0) {
        *id = t->free_ids[--t->nfree];
        return true;
    }
    if (t->len == 0) t->len = 1;
    if (t->len == UINT32_MAX) return false;
    /* Room for the free list now, so that a collection needs none. */
    if (th_mem_grow(heap->state->mem, (void **)&t->items, &t->capacity, t->len + 1, sizeof(th_shape *)) != TH_OK ||
        th_mem_grow(heap->state->mem, (void **)&t->free_ids, &t->free_capacity, t->len + 1, sizeof(uint32_t)) != TH_OK)
        return false;
    *id = t->len++;
    t->items[*id] = NULL;
    return true;
}

static th_shape *make(th_heap *heap, const th_symbol *keys, const uint32_t *positions, size_t n, bool keep) {
    th_shape_table *t = &heap->state->shapes;
    uint32_t id;
    if (!new_id(heap, &id)) return NULL;
    size_t bytes = shape_bytes((uint32_t)n, positions);
    th_shape *shape = th_mem_new(heap->state->mem, bytes);
    if (!shape) {
        t->free_ids[t->nfree++] = id;
        return NULL;
    }
    *shape = (th_shape){.id = id, .count = (uint32_t)n, .keep = keep, .keys = (th_symbol *)(shape + 1)};
    if (n) memcpy(shape->keys, keys, n * sizeof *keys);
    if (positions) {
        shape->positions = shape->keys + n;
        memcpy(shape->positions, positions, n * sizeof *positions);
    }
    t->items[id] = shape;
    t->bytes += bytes;
    return shape;
}

/* `keys` ascending. */
const th_shape *th_shape_sorted(th_heap *heap, const th_symbol *keys, const uint32_t *positions, size_t n, bool keep) {
    th_shape_table *t = &heap->state->shapes;
    if (positions) { /* none known is none at all */
        size_t known = 0;
        while (known < n && !positions[known]) known++;
        if (known == n) positions = NULL;
    }
    if (n > INTERNED_MAX) return make(heap, keys, positions, n, keep);
    if (!room_in_index(heap)) return NULL;
    uint32_t *slot = interned_slot(t, keys, positions, n);
    if (*slot) {
        t->items[*slot]->keep |= keep;
        return t->items[*slot];
    }
    th_shape *shape = make(heap, keys, positions, n, keep);
    if (!shape) return NULL;
    *slot = shape->id;
    t->interned++;
    return shape;
}

const th_shape *th_shape_new(th_heap *heap, const th_symbol *keys, const uint32_t *positions, size_t n, bool keep,
                             uint32_t *order) {
    th_mem *mem = heap->state->mem;
    uint64_t few[64], *items = n <= 64 ? few : th_mem_new(mem, n * sizeof *items);
    size_t scratch_bytes = n * 2 * sizeof(uint32_t);
    uint32_t few_sorted[128], *sorted = n <= 64 ? few_sorted : th_mem_new(mem, scratch_bytes);
    const th_shape *shape = NULL;
    if (items && sorted) {
        for (size_t i = 0; i < n; i++) items[i] = (uint64_t)keys[i] << 32 | i;
        if (sort_keys(mem, items, n)) {
            for (size_t i = 0; i < n; i++) {
                uint32_t at = (uint32_t)items[i];
                sorted[i] = keys[at];
                if (positions) sorted[n + i] = positions[at];
                if (order) order[i] = at;
            }
            shape = th_shape_sorted(heap, sorted, positions ? sorted + n : NULL, n, keep);
        }
    }
    if (n > 64) {
        th_mem_free(mem, items, items ? n * sizeof *items : 0);
        th_mem_free(mem, sorted, sorted ? scratch_bytes : 0);
    }
    return shape;
}

int64_t th_shape_find(const th_shape *shape, th_symbol key) {
    size_t low = 0, n = shape->count;
    while (n > 1) {
        size_t half = n / 2;
        if (shape->keys[low + half] <= key) low += half;
        n -= half;
    }
    return n == 1 && shape->keys[low] == key ? (int64_t)low : -1;
}

const uint32_t *th_shape_order(th_heap *heap, const th_shape *constant) {
    th_shape *shape = heap->state->shapes.items[constant->id];
    if (shape->by_name || shape->count == 0) return shape->by_name ? shape->by_name : shape->keys;
    size_t n = shape->count, bytes = n * sizeof(uint32_t);
    uint32_t *a = th_mem_new(heap->state->mem, bytes), *b = th_mem_new(heap->state->mem, bytes);
    if (!a || !b) {
        th_mem_free(heap->state->mem, a, a ? bytes : 0);
        th_mem_free(heap->state->mem, b, b ? bytes : 0);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) a[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) { /* merge sort, bottom up */
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t mid = from + width < n ? from + width : n, end = from + 2 * width < n ? from + 2 * width : n;
            size_t i = from, j = mid;
            for (size_t k = from; k < end; k++) {
                bool left = i < mid && (j == end || th_view_compare(th_symbol_text(heap, shape->keys[a[i]]),
                                                                    th_symbol_text(heap, shape->keys[a[j]])) <= 0);
                b[k] = left ? a[i++] : a[j++];
            }
        }
        uint32_t *swap = a;
        a = b;
        b = swap;
    }
    th_mem_free(heap->state->mem, b, bytes);
    shape->by_name = a;
    heap->state->shapes.bytes += bytes;
    return a;
}

/* ---- Life ------------------------------------------------------------------------------------------------------ */

static void free_shape(th_heap *heap, th_shape *shape) {
    heap->state->shapes.bytes -= all_bytes(shape);
    th_mem_free(heap->state->mem, shape->by_name, shape->by_name ? shape->count * sizeof(uint32_t) : 0);
    th_mem_free(heap->state->mem, shape, shape_bytes(shape->count, shape->positions));
}

static void forget_merges(th_heap *heap) {
    for (size_t i = 0; i < TH_MERGES; i++) {
        th_merge *m = &heap->state->shapes.merges[i];
        if (m->from) th_mem_free(heap->state->mem, m->from, m->shape->count * sizeof *m->from);
        *m = (th_merge){0};
    }
}

void th_shapes_unmark(th_heap *heap) {
    th_shape_table *t = &heap->state->shapes;
    for (uint32_t id = 1; id < t->len; id++)
        if (t->items[id]) t->items[id]->marked = false;
}

void th_shapes_sweep(th_heap *heap) {
    th_shape_table *t = &heap->state->shapes;
    bool dead = false;
    for (uint32_t id = 1; id < t->len && !dead; id++)
        dead = t->items[id] && !t->items[id]->marked && !t->items[id]->keep;
    if (!dead) return;
    forget_merges(heap);
    for (uint32_t id = 1; id < t->len; id++) {
        th_shape *shape = t->items[id];
        if (!shape || shape->marked || shape->keep) continue;
        t->items[id] = NULL;
        t->free_ids[t->nfree++] = id;
        free_shape(heap, shape);
    }
    if (t->index) index_all(t);
    t->epoch++;
}

void th_shapes_clear(th_heap *heap) {
    th_shape_table *t = &heap->state->shapes;
    th_mem *mem = heap->state->mem;
    forget_merges(heap);
    for (uint32_t id = 1; id < t->len; id++)
        if (t->items[id]) free_shape(heap, t->items[id]);
    th_mem_free(mem, t->items, t->capacity * sizeof *t->items);
    th_mem_free(mem, t->free_ids, t->free_capacity * sizeof *t->free_ids);
    th_mem_free(mem, t->index, t->index_capacity * sizeof *t->index);
    *t = (th_shape_table){0};
}
