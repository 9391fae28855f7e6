/*
** major.c - the full collection of the old generation: mark, then slide. The nursery is empty when it begins.
**
** Marking follows words depth first with a bounded stack of ranges. When that is full, an object is marked and not
** scanned; its chunk remembers between which addresses that happened, and is looked through again. Sliding (after
** "The Compressor"): from the bit maps alone follows where each group of objects goes, and from that where each
** object does; so references are rewritten and objects moved in one pass in the order of addresses. Groups keep
** their order and nothing moves up, so that what is not moved yet is never overwritten: all that is live before a
** group lay before it, so that within a chunk it cannot come to lie further up; and it goes to the chunk after the
** one where the group before it went only when it does not fit there, which means that it comes from a later one
** itself.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"

/* Root words that are references have this bit from marking to updating, so that a root may be visited twice. */
#define ROOT_BIT ((th_value)1 << 63)

/* ---- Marking ------------------------------------------------------------------------------------------------ */

static inline bool has_mark(const th_chunk *chunk, const void *p) {
    size_t at = th_granule_at(p);
    return chunk->mark[at / 32] >> (at % 32) & 1;
}

static inline void set_mark(th_chunk *chunk, const void *p, size_t granules) {
    size_t at = th_granule_at(p), word = at / 32, bit = at % 32;
    chunk->mark[word] |= 1u << bit;
    while (bit + granules > 32) {
        chunk->live[word++] |= UINT32_MAX << bit;
        granules -= 32 - bit;
        bit = 0;
    }
    if (granules > 0) chunk->live[word] |= (UINT32_MAX >> (32 - granules)) << bit;
}

static void miss(th_collector *c, th_chunk *chunk, uint64_t *p) {
    c->missed = true;
    if (!chunk) {
        th_large_of(p)->missed = true;
        return;
    }
    if (!chunk->missed) chunk->missed = chunk->missed_last = (char *)p;
    if ((char *)p < chunk->missed) chunk->missed = (char *)p;
    if ((char *)p > chunk->missed_last) chunk->missed_last = (char *)p;
}

static inline void push(th_collector *c, th_chunk *chunk, uint64_t *p, th_layout layout) {
    if (layout.count == 0) return;
    if (TH_UNLIKELY(c->depth == c->stack_capacity)) {
        miss(c, chunk, p);
        return;
    }
    c->stack[c->depth++] = (th_range){p + layout.from, p + layout.from + layout.count};
}

/* As in a minor collection: chains of evaluated thunks are shortened on the way. */
static th_value resolve(uint64_t *thunk) {
    th_value end = th_deref(thunk[1]);
    while (thunk[1] != end) {
        uint64_t *next = th_obj(thunk[1]);
        thunk[1] = end;
        thunk = next;
    }
    return end;
}

/* An object is seen for the first time. */
static void reach(th_heap *heap, th_chunk *chunk, uint64_t *p, bool pair) {
    th_collector *c = th_collector_of(heap);
    th_layout layout = pair ? (th_layout){2, 0, 2} : th_layout_of(heap, *p);
    if (chunk)
        set_mark(chunk, p, th_layout_bytes(layout) / TH_GRANULE);
    else
        th_large_of(p)->marked = true;
    if (!pair) {
        if (th_header_kind(*p) == TH_OBJ_RECORD) th_shape_mark(heap, (uint32_t)th_header_size(*p));
        if (TH_UNLIKELY(th_header_kind(*p) == TH_OBJ_WEAK)) th_weak_reached(heap, p);
    }
    if (TH_UNLIKELY(c->npending > 0)) th_weak_key_reached(heap, p);
    push(c, chunk, p, layout);
}

static inline void visit(th_heap *heap, th_value *word) {
    th_value v = *word;
    if (!th_is_reference(v)) return;
    if (!(v & TH_TAG_PAIR) && th_header_kind(*th_obj(v)) == TH_OBJ_DONE) {
        v = *word = th_shared(resolve(th_obj(v)));
        if (!th_is_reference(v)) return;
    }
    uint64_t *p = th_obj(v);
    if (v & TH_TAG_PAIR) {
        th_chunk *chunk = th_chunk_at(p);
        if (!has_mark(chunk, p)) reach(heap, chunk, p, true);
        return;
    }
    if (th_header_flags(*p) & TH_FLAG_STATIC) return;
    th_chunk *chunk = th_chunk_of(th_collector_of(heap), p);
    if (!(chunk ? has_mark(chunk, p) : th_large_of(p)->marked)) reach(heap, chunk, p, false);
}

void th_mark_visit(th_heap *heap, th_value *word) { visit(heap, word); }

void th_mark_root(th_heap *heap, th_value *word) {
    if (th_is_reference(*word) && *word & ROOT_BIT) return;
    visit(heap, word);
    if (th_is_reference(*word)) *word |= ROOT_BIT;
}

bool th_is_marked(const th_heap *heap, th_value v) {
    if (!th_is_reference(v)) return true;
    const uint64_t *p = th_obj(v);
    if (v & TH_TAG_PAIR) return has_mark(th_chunk_at(p), p);
    if (th_header_flags(*p) & TH_FLAG_STATIC) return true;
    th_chunk *chunk = th_chunk_of(th_collector_of(heap), p);
    return chunk ? has_mark(chunk, p) : th_large_of(p)->marked;
}

/* What a word further on in a range refers to, and its mark, are fetched while the words before it are looked at. */
static inline void fetch(th_value v) { /* any word: addresses are only computed */
    uintptr_t p = (uintptr_t)(v & ~(th_value)15), chunk = p & ~(uintptr_t)(TH_CHUNK_BYTES - 1);
    __builtin_prefetch((const void *)p);
    __builtin_prefetch((const void *)(chunk + offsetof(th_chunk, mark) + (p - chunk) / TH_GROUP_BYTES * 4));
}

static void empty_stack(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    while (c->depth > 0) {
        th_range *r = &c->stack[c->depth - 1];
        th_value *word = r->at++;
        if (r->end - word > 8) fetch(word[8]);
        if (r->at == r->end) c->depth--;
        visit(heap, word);
    }
}

static void rescan(th_heap *heap, th_chunk *chunk, uint64_t *p) {
    push(th_collector_of(heap), chunk, p, th_layout_at(heap, p));
    empty_stack(heap);
}

static void rescan_chunk(th_heap *heap, th_chunk *chunk) {
    char *from = chunk->missed, *last = chunk->missed_last;
    chunk->missed = chunk->missed_last = NULL;
    for (char *p = from; p <= last; p += TH_GRANULE)
        if (has_mark(chunk, p)) rescan(heap, chunk, (uint64_t *)(void *)p);
}

void th_mark_drain(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    empty_stack(heap);
    while (c->missed) {
        c->missed = false;
        for (size_t i = 0; i <= c->current; i++)
            if (c->chunks[i]->missed) rescan_chunk(heap, c->chunks[i]);
        for (th_large *large = c->large; large; large = large->next) {
            if (!large->missed) continue;
            large->missed = false;
            rescan(heap, NULL, th_large_object(large));
        }
    }
}

static void mark(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    c->mode = TH_MARK;
    c->chunks[c->current]->top = c->alloc;
    for (size_t i = 0; i <= c->current; i++) {
        memset(c->chunks[i]->mark, 0, sizeof c->chunks[i]->mark);
        memset(c->chunks[i]->live, 0, sizeof c->chunks[i]->live);
    }
    for (th_large *large = c->large; large; large = large->next) large->marked = false;
    th_shapes_unmark(heap);
    th_weak_begin(heap);
    heap->state->roots(heap->state->user, heap, false);
    th_mark_drain(heap);
    th_weak_trace(heap);
}

/* ---- Planning ------------------------------------------------------------------------------------------------- */

typedef struct plan {
    th_collector *c;
    size_t chunk; /* the destination */
    char *at;
    size_t bytes; /* of all that lives in chunks */
} plan;

/* Gives a group its new address. `carried`: granules at the group's start that belong to an object from before. */
static void place(plan *p, th_chunk *chunk, size_t group, size_t carried, size_t granules) {
    size_t bytes = granules * TH_GRANULE;
    th_chunk *to = p->c->chunks[p->chunk];
    if ((size_t)((char *)to + TH_CHUNK_BYTES - p->at) < bytes) {
        to->new_top = p->at;
        to = p->c->chunks[++p->chunk];
        p->at = th_chunk_start(to);
    }
    chunk->to[group] = (uintptr_t)p->at - carried * TH_GRANULE;
    p->at += bytes;
    p->bytes += bytes;
}

static void plan_chunk(plan *p, th_chunk *chunk) {
    size_t open = TH_GROUPS, open_carried = 0, granules = 0;
    for (size_t g = TH_CHUNK_START / TH_GROUP_BYTES; g < TH_GROUPS; g++) {
        uint32_t starts = chunk->mark[g], live = chunk->live[g];
        if (!starts) {
            granules += (size_t)__builtin_popcount(live);
            continue;
        }
        uint32_t before = live & ((1u << __builtin_ctz(starts)) - 1);
        size_t carried = (size_t)__builtin_popcount(before);
        if (open < TH_GROUPS) place(p, chunk, open, open_carried, granules + carried);
        open = g;
        open_carried = carried;
        granules = (size_t)__builtin_popcount(live) - carried;
    }
    if (open < TH_GROUPS) place(p, chunk, open, open_carried, granules);
}

/* ---- Updating and moving ---------------------------------------------------------------------------------------- */

static inline uint64_t *address(const th_chunk *chunk, const uint64_t *p) {
    size_t at = th_granule_at(p), group = at / 32;
    uint32_t below = chunk->live[group] & ((1u << (at % 32)) - 1);
    return (uint64_t *)(uintptr_t)(chunk->to[group] + (uint64_t)__builtin_popcount(below) * TH_GRANULE);
}

uint64_t *th_update_address(const th_collector *c, uint64_t *p) {
    (void)c;
    return address(th_chunk_at(p), p);
}

static inline void update(const th_collector *c, th_value *word) {
    th_value v = *word;
    if (!th_is_reference(v)) return;
    const uint64_t *p = th_obj(v);
    const th_chunk *chunk = v & TH_TAG_PAIR ? th_chunk_at(p) : th_chunk_of(c, p);
    if (chunk) *word = th_of_object(address(chunk, p)) | (v & 15); /* large and static objects stay */
}

void th_update_visit(th_heap *heap, th_value *word) { update(th_collector_of(heap), word); }

void th_update_root(th_heap *heap, th_value *word) {
    if (!th_is_reference(*word) || !(*word & ROOT_BIT)) return;
    *word &= ~ROOT_BIT;
    update(th_collector_of(heap), word);
}

static size_t update_object(th_heap *heap, uint64_t *p) {
    const th_collector *c = th_collector_of(heap);
    th_layout layout = th_layout_at(heap, p);
    th_value *at = p + layout.from, *end = at + layout.count;
    for (; at < end; at++) update(c, at);
    return th_layout_bytes(layout);
}

static void slide_chunk(th_heap *heap, th_chunk *chunk) {
    for (size_t g = TH_CHUNK_START / TH_GROUP_BYTES; g < TH_GROUPS; g++) {
        for (uint32_t starts = chunk->mark[g]; starts; starts &= starts - 1) {
            size_t at = g * TH_GROUP_BYTES + (size_t)__builtin_ctz(starts) * TH_GRANULE;
            uint64_t *p = (uint64_t *)(void *)((char *)chunk + at), *to = address(chunk, p);
            size_t bytes = update_object(heap, p);
            if (to == p) continue;
            TH_UNPOISON(to, bytes);
            if (bytes == 16) {
                uint64_t first = p[0], second = p[1];
                to[0] = first;
                to[1] = second;
            } else {
                memmove(to, p, bytes);
            }
        }
    }
}

static void slide(th_heap *heap, const plan *planned) {
    th_collector *c = th_collector_of(heap);
    size_t last = c->current;
    for (th_large *large = c->large; large; large = large->next)
        if (large->marked) update_object(heap, th_large_object(large));
    for (size_t i = 0; i <= last; i++) slide_chunk(heap, c->chunks[i]);
    c->chunks[planned->chunk]->new_top = planned->at;
    for (size_t i = 0; i <= last; i++) {
        th_chunk *chunk = c->chunks[i];
        char *end = chunk->top;
        chunk->top = i <= planned->chunk ? chunk->new_top : th_chunk_start(chunk);
#ifdef TH_STRESS
        if (end > chunk->top) memset(chunk->top, 0x5c, (size_t)(end - chunk->top));
#endif
        if (end > chunk->top) TH_POISON(chunk->top, (size_t)(end - chunk->top));
    }
    c->current = c->fresh = planned->chunk;
    c->alloc = c->fresh_at = planned->at;
    c->alloc_end = (char *)c->chunks[c->current] + TH_CHUNK_BYTES;
    c->chunk_bytes = planned->bytes;
}

static void sweep_large(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (th_large **link = &c->large; *link;) {
        th_large *large = *link;
        if (large->marked) {
            link = &large->next;
            continue;
        }
        *link = large->next;
        c->large_bytes -= large->bytes;
        th_mem_free(heap->state->mem, large->raw, large->bytes);
    }
    c->large_seen = c->large;
}

void th_major(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    mark(heap);
    size_t natives = th_natives_major(heap);
    th_weak_sweep(heap);
    sweep_large(heap);
    plan planned = {.c = c, .at = th_chunk_start(c->chunks[0])};
    for (size_t i = 0; i <= c->current; i++) plan_chunk(&planned, c->chunks[i]);
    c->mode = TH_UPDATE;
    heap->state->roots(heap->state->user, heap, false);
    th_natives_update(heap);
    th_weak_update(heap);
    slide(heap, &planned);
    th_shapes_sweep(heap);
    c->mode = TH_IDLE;
    th_natives_finish(heap, natives);
}
