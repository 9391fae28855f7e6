/*
** minor.c - the minor collection: what is reached of the nursery is copied behind the objects of the old
** generation, then what was copied is scanned for more (Cheney), together with what was allocated there since the
** last collection. Roots are the owner's, the remembered slots, and those allocations. References to evaluated
** thunks of the nursery become references to their values, so that such thunks are never copied.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"

/* The value of an evaluated young thunk; the thunks of a chain are left pointing at its end, so that a chain with many
** entrances is walked once. Stops at old objects, which are none of a minor collection's business. */
static th_value resolve(th_heap *heap, uint64_t *thunk) {
    th_value end = thunk[1];
    if (!th_is_object(end) || !th_is_young(heap, th_obj(end))) return end;
    while (th_is_object(end) && th_is_young(heap, th_obj(end)) && th_header_kind(*th_obj(end)) == TH_OBJ_DONE)
        end = th_obj(end)[1];
    while (thunk[1] != end) {
        uint64_t *next = th_obj(thunk[1]);
        thunk[1] = end;
        thunk = next;
    }
    return end;
}

static inline uint64_t *promote(th_collector *c, uint64_t *from, size_t bytes) {
    if (TH_UNLIKELY((size_t)(c->alloc_end - c->alloc) < bytes)) th_next_chunk(c);
    uint64_t *to = (uint64_t *)(void *)c->alloc;
    TH_UNPOISON(to, bytes);
    c->alloc += bytes;
    c->chunk_bytes += bytes;
    if (bytes == 16) {
        to[0] = from[0];
        to[1] = from[1];
    } else {
        memcpy(to, from, bytes);
    }
    from[0] = TH_HEADER(TH_OBJ_MOVED, 0, (uintptr_t)to);
    return to;
}

/* Where a young object lies from now on. */
static uint64_t *moved(th_heap *heap, uint64_t *p, bool pair) {
    th_collector *c = th_collector_of(heap);
    uint64_t h = *p;
    if (th_is_moved(h)) return (uint64_t *)(uintptr_t)th_header_size(h);
    size_t bytes = pair ? 16 : th_layout_bytes(th_layout_of(heap, h));
    assert(bytes < TH_HEAP_LARGE_BYTES);
    uint64_t *to = promote(c, p, bytes);
    if (TH_UNLIKELY(!pair && th_header_kind(h) == TH_OBJ_WEAK)) th_weak_reached(heap, to);
    if (TH_UNLIKELY(c->npending > 0)) th_weak_key_reached(heap, p);
    return to;
}

static inline void visit(th_heap *heap, th_value *word) {
    for (;;) {
        th_value v = *word;
        if ((v & 3) != 0) return;
        uint64_t *p = th_obj(v);
        if (!th_is_young(heap, p)) return;
        bool pair = v & TH_TAG_PAIR;
        if (!pair && !th_is_moved(*p) && th_header_kind(*p) == TH_OBJ_DONE) {
            *word = th_shared(resolve(heap, p)); /* the thunk may have had several references; now its value has */
            continue;
        }
        *word = th_of_object(moved(heap, p, pair)) | (v & 15);
        return;
    }
}

void th_minor_visit(th_heap *heap, th_value *word) { visit(heap, word); }

static inline size_t scan(th_heap *heap, uint64_t *p) {
    th_layout layout = th_layout_at(heap, p);
    th_value *at = p + layout.from, *end = at + layout.count;
    for (; at < end; at++) visit(heap, at);
    return th_layout_bytes(layout);
}

void th_minor_drain(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (;;) {
        while (c->depth > 0) { /* values of weak tables whose keys were reached */
            th_range *r = &c->stack[c->depth - 1];
            th_value *word = r->at++;
            if (r->at == r->end) c->depth--;
            visit(heap, word);
        }
        char *end = th_chunk_top(c, c->fresh);
        if (c->fresh_at == end) {
            if (c->fresh == c->current) return;
            c->fresh_at = th_chunk_start(c->chunks[++c->fresh]);
        } else {
            while (c->fresh_at < end) c->fresh_at += scan(heap, (uint64_t *)(void *)c->fresh_at);
        }
    }
}

static void visit_large(th_heap *heap, const th_large *end) {
    for (th_large *large = th_collector_of(heap)->large; large != end; large = large->next)
        scan(heap, th_large_object(large));
}

static void visit_remembered(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    if (c->nremembered == 0) return;
    for (size_t i = 0; i < c->nremembered; i++) visit(heap, c->remembered[i]);
}

void th_minor(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t before = c->chunk_bytes;
    c->mode = TH_MINOR;
    th_weak_begin(heap);
    if (c->forgot) {
        c->fresh = 0; /* everything counts as new */
        c->fresh_at = th_chunk_start(c->chunks[0]);
        visit_large(heap, NULL);
    } else {
        visit_large(heap, c->large_seen);
    }
    visit_remembered(heap);
    heap->state->roots(heap->state->user, heap, true);
    th_minor_drain(heap);
    th_weak_trace(heap);
    size_t live = th_natives_minor(heap);
    th_weak_sweep(heap);
    c->stats.promoted_bytes += c->chunk_bytes - before;
    c->large_seen = c->large;
    th_remembered_clear(heap);
    th_nursery_empty(heap);
    c->mode = TH_IDLE;
    th_natives_finish(heap, live);
}
