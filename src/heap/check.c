/*
** check.c - the verifier of the heap: every chunk and large object is walked, every reference looked at. The bit
** maps of the chunks, which mean nothing between collections, note where objects start. Of the nursery only what is
** reached is looked at: what lies between may be an object that was given up half-made.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "heap/collector.h"

typedef struct th_check {
    th_error *err;
    th_status status;
    const char *where; /* what is being walked */
    uintptr_t *large;  /* objects, open addressing */
    size_t large_capacity;
    uint32_t *seen;  /* a bit for each granule of the nursery that an object was found at */
    uint64_t **work; /* young objects still to be looked at */
    size_t nwork, granules;
} th_check;

static void broken(th_check *k, const void *at, const char *what, uint64_t word) {
    if (k->status != TH_OK) return;
    k->status = th_fail(k->err, TH_E_FORMAT, "%s, in %s at %p: %016llx", what, k->where, at, (unsigned long long)word);
}

static bool shape_exists(const th_heap *heap, uint64_t id) {
    const th_shape_table *t = &heap->state->shapes;
    return id > 0 && id < t->len && t->items[id];
}

static bool good_header(th_heap *heap, th_check *k, const uint64_t *p) {
    uint64_t h = *p;
    if (th_header_kind(h) > TH_OBJ_BYTES)
        broken(k, p, "an object of an unknown kind", h);
    else if (th_header_kind(h) == TH_OBJ_RECORD && !shape_exists(heap, th_header_size(h)))
        broken(k, p, "a record of no shape", h);
    else if (th_header_size(h) >= (uint64_t)1 << 47)
        broken(k, p, "an object of impossible size", h);
    else if (th_object_words(heap, h) != th_layout_of(heap, h).words)
        broken(k, p, "an object whose size and layout differ", h);
    return k->status == TH_OK;
}

/* ---- References ------------------------------------------------------------------------------------------------ */

static bool is_large(const th_check *k, const uint64_t *p) {
    if (k->large_capacity == 0) return false;
    size_t mask = k->large_capacity - 1, i = (size_t)th_hash_word((uintptr_t)p) & mask;
    while (k->large[i] && k->large[i] != (uintptr_t)p) i = (i + 1) & mask;
    return k->large[i] != 0;
}

static void check_young(th_heap *heap, th_check *k, const th_value *word, uint64_t *p, bool pair) {
    if ((char *)p >= heap->next) {
        broken(k, word, "a reference to the free part of the nursery", *word);
        return;
    }
    size_t at = (size_t)((char *)p - heap->young) / TH_GRANULE;
    uint32_t bit = 1u << (at % 32);
    bool seen = k->seen[at / 32] & bit;
    if (pair ? th_is_header(*p) : !th_is_header(*p))
        broken(k, word, "a reference whose tag is not that of what it points to", *word);
    else if (!seen && (pair || good_header(heap, k, p))) {
        k->seen[at / 32] |= bit;
        k->work[k->nwork++] = p;
    }
}

static void check_word(th_heap *heap, th_check *k, const th_value *word) {
    th_value v = *word;
    if ((v & TH_TAG_MASK) == TH_TAG_HEADER || v == 0) broken(k, word, "a word that is no value", v);
    if (k->status != TH_OK || !th_is_reference(v)) return;
    uint64_t *p = th_obj(v);
    bool pair = v & TH_TAG_PAIR;
    if (v >> 47) {
        broken(k, word, "a reference to an impossible address", v);
        return;
    }
    if (th_is_young(heap, p)) {
        check_young(heap, k, word, p, pair);
        return;
    }
    const th_chunk *chunk = th_chunk_of(th_collector_of(heap), p);
    if (chunk) {
        size_t at = th_granule_at(p);
        if (!(chunk->mark[at / 32] >> (at % 32) & 1))
            broken(k, word, "a reference to where no object begins", v);
        else if (pair == th_is_header(*p))
            broken(k, word, "a reference whose tag is not that of what it points to", v);
    } else if (pair) {
        broken(k, word, "a reference to a pair outside the heap", v);
    } else if (!is_large(k, p) && !(th_is_header(*p) && th_header_flags(*p) & TH_FLAG_STATIC)) {
        broken(k, word, "a reference to no object", v);
    }
}

void th_check_root(th_heap *heap, th_value *word) {
    th_check *k = th_collector_of(heap)->check;
    if (th_is_reference(*word)) check_word(heap, k, word);
}

static int by_address(const void *a, const void *b) {
    const th_value *const *x = a, *const *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The slots were sorted when the check began. */
static bool is_remembered(const th_collector *c, const th_value *slot) {
    return c->forgot || (c->nremembered && bsearch(&slot, c->remembered, c->nremembered, sizeof slot, by_address));
}

static void check_fields(th_heap *heap, th_check *k, uint64_t *p, bool old) {
    th_layout layout = th_layout_at(heap, p);
    for (size_t i = 0; i < layout.count && k->status == TH_OK; i++) {
        th_value *word = p + layout.from + i;
        check_word(heap, k, word);
        bool young = th_is_reference(*word) && th_is_young(heap, th_obj(*word));
        if (old && young && !is_remembered(th_collector_of(heap), word))
            broken(k, word, "a reference from old to young that is not remembered", *word);
    }
}

/* ---- Walks ------------------------------------------------------------------------------------------------------- */

/* Notes where objects start. */
static void walk_chunk(th_heap *heap, th_check *k, size_t i) {
    th_collector *c = th_collector_of(heap);
    th_chunk *chunk = c->chunks[i];
    char *top = th_chunk_top(c, i), *p = th_chunk_start(chunk);
    memset(chunk->mark, 0, sizeof chunk->mark);
    if (top < p || top > (char *)chunk + TH_CHUNK_BYTES) {
        broken(k, chunk, "a chunk whose top lies outside it", (uintptr_t)top);
        return;
    }
    while (p < top) {
        uint64_t *object = (uint64_t *)(void *)p;
        if (th_is_header(*object) && !good_header(heap, k, object)) return;
        size_t at = th_granule_at(p), bytes = th_layout_bytes(th_layout_at(heap, object));
        if (bytes > (size_t)(top - p)) {
            broken(k, p, "an object that reaches beyond the top of its chunk", *object);
            return;
        }
        chunk->mark[at / 32] |= 1u << (at % 32);
        p += bytes;
    }
}

static bool is_fresh(const th_collector *c, size_t chunk, const char *p) {
    return chunk > c->fresh || (chunk == c->fresh && p >= c->fresh_at);
}

static void check_chunk(th_heap *heap, th_check *k, size_t i) {
    th_collector *c = th_collector_of(heap);
    char *top = th_chunk_top(c, i);
    for (char *p = th_chunk_start(c->chunks[i]); p < top && k->status == TH_OK;) {
        uint64_t *object = (uint64_t *)(void *)p;
        check_fields(heap, k, object, !is_fresh(c, i, p));
        p += th_layout_bytes(th_layout_at(heap, object));
    }
}

static void check_large(th_heap *heap, th_check *k) {
    th_collector *c = th_collector_of(heap);
    bool fresh = true;
    for (th_large *large = c->large; large && k->status == TH_OK; large = large->next) {
        uint64_t *p = th_large_object(large);
        if (large == c->large_seen) fresh = false;
        if (!th_is_header(*p))
            broken(k, p, "a large object without a header", *p);
        else if (!good_header(heap, k, p))
            return;
        else if (th_layout_bytes(th_layout_of(heap, *p)) > large->bytes - TH_LARGE_HEAD)
            broken(k, p, "a large object that is larger than its memory", *p);
        else
            check_fields(heap, k, p, !fresh);
    }
}

static void check_lists(th_heap *heap, th_check *k) {
    th_collector *c = th_collector_of(heap);
    k->where = "the list of natives";
    for (size_t i = 0; i < c->nnatives; i++) {
        th_value v = th_of_object(c->natives[i].object);
        check_word(heap, k, &v);
        if (k->status == TH_OK && !th_is_kind(v, TH_OBJ_NATIVE))
            broken(k, &c->natives[i], "an object that is no native", v);
    }
    k->where = "a weak table";
    size_t entries = 0;
    for (th_weak *t = c->tables; t && k->status == TH_OK; t = t->next) {
        entries += t->len - t->holes;
        if (!th_weak_check(heap, t)) broken(k, t, "an entry that is not found", 0);
        for (size_t i = 0; i < t->len && k->status == TH_OK; i++) {
            if (t->entries[i].key == 0) continue;
            check_word(heap, k, &t->entries[i].key);
            check_word(heap, k, &t->entries[i].value);
        }
    }
    if (k->status == TH_OK && entries != c->weak_entries) broken(k, c, "a wrong number of entries", entries);
}

static void check_all(th_heap *heap, th_check *k) {
    th_collector *c = th_collector_of(heap);
    size_t bytes = 0;
    k->where = "a chunk";
    for (size_t i = 0; i <= c->current && k->status == TH_OK; i++) {
        walk_chunk(heap, k, i);
        bytes += (size_t)(th_chunk_top(c, i) - th_chunk_start(c->chunks[i]));
    }
    for (size_t i = c->current + 1; i < c->nchunks; i++) memset(c->chunks[i]->mark, 0, sizeof c->chunks[i]->mark);
    if (k->status == TH_OK && bytes != c->chunk_bytes) broken(k, c, "a wrong count of bytes", bytes);
    for (size_t i = 0; i <= c->current && k->status == TH_OK; i++) check_chunk(heap, k, i);
    k->where = "a large object";
    check_large(heap, k);
    k->where = "the roots";
    c->check = k;
    c->mode = TH_CHECK;
    if (k->status == TH_OK) heap->state->roots(heap->state->user, heap, false);
    c->mode = TH_IDLE;
    check_lists(heap, k);
    k->where = "the nursery";
    while (k->nwork > 0 && k->status == TH_OK) check_fields(heap, k, k->work[--k->nwork], false);
}

static bool list_large(th_heap *heap, th_check *k) {
    size_t n = 0;
    for (th_large *large = th_collector_of(heap)->large; large; large = large->next) n++;
    if (n == 0) return true;
    k->large_capacity = 16;
    while (k->large_capacity < 2 * n) k->large_capacity *= 2;
    k->large = th_mem_zeroed(heap->state->mem, k->large_capacity * sizeof *k->large);
    if (!k->large) return false;
    for (th_large *large = th_collector_of(heap)->large; large; large = large->next) {
        uintptr_t p = (uintptr_t)th_large_object(large);
        size_t i = (size_t)th_hash_word(p) & (k->large_capacity - 1);
        while (k->large[i]) i = (i + 1) & (k->large_capacity - 1);
        k->large[i] = p;
    }
    return true;
}

th_status th_heap_verify(th_heap *heap, th_error *err) {
    th_mem *mem = heap->state->mem;
    th_check k = {.err = err, .granules = (size_t)(heap->next - heap->young) / TH_GRANULE};
    th_collector *c = th_collector_of(heap);
    assert(c->mode == TH_IDLE);
    if (c->nremembered) qsort(c->remembered, c->nremembered, sizeof *c->remembered, by_address);
    size_t words = k.granules / 32 + 1;
    k.seen = th_mem_zeroed(mem, words * sizeof *k.seen);
    k.work = th_mem_new(mem, k.granules * sizeof *k.work);
    if (k.seen && k.work && list_large(heap, &k))
        check_all(heap, &k);
    else
        k.status = th_fail(err, TH_E_NOMEM, "no memory to verify the heap with");
    th_mem_free(mem, k.seen, words * sizeof *k.seen);
    th_mem_free(mem, k.work, k.granules * sizeof *k.work);
    th_mem_free(mem, k.large, k.large_capacity * sizeof *k.large);
    return k.status;
}
