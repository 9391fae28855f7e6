/*
** native.c - objects that stand for something in C memory, whose finalizer runs once when they die. They are kept
** in a list; those added since the last collection are at its end.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"

bool th_new_heap_native(th_heap *heap, uint32_t cls, void *pointer, th_finalizer finalizer, th_value *out) {
    th_collector *c = th_collector_of(heap);
    if (finalizer && th_mem_grow(heap->state->mem, (void **)&c->natives, &c->natives_capacity, c->nnatives + 1,
                                 sizeof *c->natives) != TH_OK)
        return false;
    uint64_t *p = th_heap_words(heap, 3);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_NATIVE, 0, cls);
    p[1] = (uintptr_t)pointer;
    p[2] = 0;
    if (finalizer) c->natives[c->nnatives++] = (th_native){p, pointer, finalizer};
    *out = th_of_object(p);
    return true;
}

/* The new address of what lived through a minor collection, or NULL. */
static uint64_t *after_minor(const th_heap *heap, uint64_t *p) {
    if (!th_is_young(heap, p)) return p;
    return th_is_moved(*p) ? (uint64_t *)(uintptr_t)th_header_size(*p) : NULL;
}

size_t th_natives_minor(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t live = c->natives_seen;
    for (size_t i = live; i < c->nnatives; i++) {
        uint64_t *to = after_minor(heap, c->natives[i].object);
        if (!to) continue;
        th_native dead = c->natives[live];
        c->natives[live] = c->natives[i];
        c->natives[live++].object = to;
        if (live <= i) c->natives[i] = dead;
    }
    return live;
}

size_t th_natives_major(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t live = 0;
    for (size_t i = 0; i < c->nnatives; i++) {
        if (!th_is_marked(heap, th_of_object(c->natives[i].object))) continue;
        th_native dead = c->natives[live];
        c->natives[live++] = c->natives[i];
        if (live <= i) c->natives[i] = dead;
    }
    return live;
}

void th_natives_update(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (size_t i = 0; i < c->nnatives; i++)
        if (th_chunk_of(c, c->natives[i].object)) c->natives[i].object = th_update_address(c, c->natives[i].object);
}

void th_natives_finish(th_heap *heap, size_t live) {
    th_collector *c = th_collector_of(heap);
    for (size_t i = live; i < c->nnatives; i++) c->natives[i].finalizer(c->natives[i].pointer);
    c->nnatives = c->natives_seen = live;
}
