/*
** heap.c - the memory of a heap: nursery, chunks, large objects, the remembered set; when to collect; statistics.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"

#ifdef TH_STRESS
#include <stdio.h>
#include <stdlib.h>
#endif

#define NURSERY_MIN      ((size_t)16 << 10)
#define THRESHOLD_MIN    ((size_t)16 << 20)
#define BLOCK_CHUNKS_MIN 4
#define BLOCK_CHUNKS_MAX 64
#define REMEMBERED_MIN   1024
#define REMEMBERED_DUE   ((size_t)64 << 10)
#define REMEMBERED_MOST  ((size_t)1 << 20)
#define STRESS_CREDIT    ((size_t)1 << 10) /* bytes of full collections paid for by each call in stress builds */

/* ---- Chunks ------------------------------------------------------------------------------------------------- */

static bool is_limit(const th_mem *mem) { return atomic_load_explicit(&mem->refused, memory_order_relaxed); }

/* A request that may be refused without anyone being told. */
static void *try_new(th_mem *mem, size_t bytes) {
    bool before = is_limit(mem);
    void *block = th_mem_new(mem, bytes);
    if (!block) atomic_store_explicit(&mem->refused, before, memory_order_relaxed);
    return block;
}

/* How many chunks surely take `bytes` of small objects: at the end of each, one that did not fit may have left room. */
static size_t chunks_for(size_t bytes) {
    size_t sure = TH_CHUNK_ROOM - TH_HEAP_LARGE_BYTES;
    return (bytes + sure - 1) / sure;
}

static size_t free_chunks(const th_collector *c) { return c->nchunks - c->current - 1; }

static void set_insert(uintptr_t *set, size_t mask, uintptr_t base) {
    size_t i = base / TH_CHUNK_BYTES & mask;
    while (set[i] != 0) i = (i + 1) & mask;
    set[i] = base;
}

static void set_rebuild(th_collector *c) {
    memset(c->set, 0, (c->set_mask + 1) * sizeof *c->set);
    for (size_t i = 0; i < c->nchunks; i++) set_insert(c->set, c->set_mask, (uintptr_t)c->chunks[i]);
}

static bool set_room(th_heap *heap, size_t nchunks) {
    th_collector *c = th_collector_of(heap);
    size_t capacity = c->set ? c->set_mask + 1 : 0, wanted = capacity ? capacity : 32;
    while (wanted < nchunks * 2 + 2) wanted *= 2;
    if (wanted == capacity) return true;
    uintptr_t *set = th_mem_new(heap->state->mem, wanted * sizeof *set);
    if (!set) return false;
    th_mem_free(heap->state->mem, c->set, capacity * sizeof *set);
    c->set = set;
    c->set_mask = wanted - 1;
    set_rebuild(c);
    return true;
}

static void chunk_init(th_chunk *chunk) {
    chunk->top = chunk->new_top = th_chunk_start(chunk);
    chunk->missed = chunk->missed_last = NULL;
    TH_POISON(chunk->top, TH_CHUNK_ROOM);
}

static bool add_block(th_heap *heap, size_t nchunks, bool trial) {
    th_collector *c = th_collector_of(heap);
    th_mem *mem = heap->state->mem;
    if (th_mem_grow(mem, (void **)&c->blocks, &c->blocks_capacity, c->nblocks + 1, sizeof *c->blocks) != TH_OK ||
        th_mem_grow(mem, (void **)&c->chunks, &c->chunks_capacity, c->nchunks + nchunks, sizeof *c->chunks) != TH_OK ||
        !set_room(heap, c->nchunks + nchunks))
        return false;
    size_t bytes = (nchunks + 1) * TH_CHUNK_BYTES; /* one more, to align */
    void *raw = trial ? try_new(mem, bytes) : th_mem_new(mem, bytes);
    if (!raw) return false;
    char *base = (char *)TH_ALIGN((uintptr_t)raw, TH_CHUNK_BYTES);
    c->blocks[c->nblocks++] = (th_block){raw, bytes, nchunks};
    for (size_t i = 0; i < nchunks; i++) {
        th_chunk *chunk = (th_chunk *)(void *)(base + i * TH_CHUNK_BYTES);
        chunk_init(chunk);
        c->chunks[c->nchunks++] = chunk;
        set_insert(c->set, c->set_mask, (uintptr_t)chunk);
    }
    return true;
}

/* At least `needed` more chunks; when there is memory, a quarter of what there is. */
static bool add_chunks(th_heap *heap, size_t needed) {
    th_collector *c = th_collector_of(heap);
    size_t wanted = c->nchunks / 4;
    if (wanted < BLOCK_CHUNKS_MIN) wanted = BLOCK_CHUNKS_MIN;
    if (wanted > BLOCK_CHUNKS_MAX) wanted = BLOCK_CHUNKS_MAX;
    for (; wanted > needed; wanted = wanted / 2 > needed ? wanted / 2 : needed)
        if (add_block(heap, wanted, true)) return true;
    return add_block(heap, needed, false);
}

void th_next_chunk(th_collector *c) {
    assert(c->current + 1 < c->nchunks);
    c->chunks[c->current]->top = c->alloc;
    th_chunk *chunk = c->chunks[++c->current];
    chunk->top = th_chunk_start(chunk);
    c->alloc = chunk->top;
    c->alloc_end = (char *)chunk + TH_CHUNK_BYTES;
}

/* The nursery as large as what it can be emptied into. */
static void fit_nursery(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t room = free_chunks(c) * (TH_CHUNK_ROOM - TH_HEAP_LARGE_BYTES);
    if (room > c->nursery_bytes) room = c->nursery_bytes;
    heap->end = heap->young + (room & ~(TH_GRANULE - 1));
}

bool th_reserve_fill(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t needed = chunks_for(c->nursery_bytes), have = free_chunks(c);
    bool filled = have >= needed || add_chunks(heap, needed - have);
    assert(heap->next == heap->young);
    fit_nursery(heap);
    return filled;
}

void th_blocks_release(th_heap *heap, size_t keep_chunks) {
    th_collector *c = th_collector_of(heap);
    bool any = false;
    while (c->nblocks > 1) {
        th_block *last = &c->blocks[c->nblocks - 1];
        size_t left = c->nchunks - last->nchunks;
        if (left <= c->current || left < keep_chunks) break;
        TH_UNPOISON(last->raw, last->bytes);
        th_mem_free(heap->state->mem, last->raw, last->bytes);
        c->nchunks = left;
        c->nblocks--;
        any = true;
    }
    if (any) set_rebuild(c);
}

/* ---- Allocation in the old generation ------------------------------------------------------------------------- */

size_t th_old_bytes(const th_heap *heap) {
    const th_collector *c = th_collector_of(heap);
    return c->chunk_bytes + c->large_bytes + heap->state->external_bytes + heap->state->shapes.bytes;
}

/* What was handed out counts as an object from the start, in case that the caller gives up before filling it. */
static uint64_t *filler(void *p, size_t bytes) {
    uint64_t *object = p;
    object[0] = TH_HEADER(TH_OBJ_BYTES, 0, bytes - 8);
    return object;
}

static uint64_t *new_large(th_heap *heap, size_t bytes) {
    th_collector *c = th_collector_of(heap);
    size_t all = TH_LARGE_HEAD + bytes + TH_GRANULE;
    void *raw = try_new(heap->state->mem, all);
    if (!raw) { /* free chunks beyond the reserve may be in the way */
        th_blocks_release(heap, c->current + 1 + chunks_for((size_t)(heap->end - heap->young)));
        raw = th_mem_new(heap->state->mem, all);
    }
    if (!raw) return NULL;
    th_large *large = (th_large *)TH_ALIGN((uintptr_t)raw, TH_GRANULE);
    *large = (th_large){.next = c->large, .raw = raw, .bytes = all};
    c->large = large;
    c->large_bytes += all;
    c->stats.allocated_bytes += bytes;
    if (th_old_bytes(heap) > c->threshold) heap->due = true;
    return filler(th_large_object(large), bytes);
}

uint64_t *th_heap_new_slow(th_heap *heap, size_t words) {
    th_collector *c = th_collector_of(heap);
    assert(c->mode == TH_IDLE);
    if (words == 0 || words > SIZE_MAX / 32) return NULL;
    size_t bytes = TH_ALIGN(words * 8, TH_GRANULE);
    if (bytes >= TH_HEAP_LARGE_BYTES) return new_large(heap, bytes);
    heap->due = true;
    if ((size_t)(c->alloc_end - c->alloc) < bytes) {
        size_t reserve = chunks_for((size_t)(heap->end - heap->young));
        if (free_chunks(c) <= reserve && !add_chunks(heap, reserve + 1 - free_chunks(c))) return NULL;
        th_next_chunk(c);
    }
    char *p = c->alloc;
    TH_UNPOISON(p, bytes);
    c->alloc += bytes;
    c->chunk_bytes += bytes;
    c->stats.allocated_bytes += bytes;
    return filler(p, bytes);
}

void th_heap_shrink(th_heap *heap, uint64_t *p, size_t words, size_t new_words) {
    size_t bytes = TH_ALIGN(words * 8, TH_GRANULE), left = TH_ALIGN(new_words * 8, TH_GRANULE);
    char *end = (char *)p + left;
    if (left == bytes) return;
    if (th_is_young(heap, p)) {
        if ((char *)p + bytes == heap->next) heap->next = end;
    } else {
        filler(end, bytes - left);
    }
}

/* ---- The remembered set ----------------------------------------------------------------------------------------- */

/* Slots in order of storing, some perhaps more than once: a set would cost more at every store than it saves. */
static bool remembered_grow(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t capacity = c->remembered_capacity ? c->remembered_capacity * 2 : REMEMBERED_MIN;
    th_value **slots = try_new(heap->state->mem, capacity * sizeof *slots);
    if (!slots) return false;
    if (c->nremembered) memcpy(slots, c->remembered, c->nremembered * sizeof *slots);
    th_mem_free(heap->state->mem, c->remembered, c->remembered_capacity * sizeof *slots);
    c->remembered = slots;
    c->remembered_capacity = capacity;
    return true;
}

/* A loop may store without end and allocate nothing: then a collection is wanted, and if none comes the list is given
** up. */
static bool remembered_full(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    if (c->nremembered >= REMEMBERED_DUE) heap->due = true;
    return c->forgot || c->nremembered >= REMEMBERED_MOST || !remembered_grow(heap);
}

void th_heap_remember(th_heap *heap, uint64_t *object, uint64_t *slot) {
    th_collector *c = th_collector_of(heap);
    (void)object;
    if (TH_UNLIKELY(c->nremembered == c->remembered_capacity) && remembered_full(heap)) {
        c->forgot = true;
        heap->due = true;
        return;
    }
    c->remembered[c->nremembered++] = slot;
}

void th_remembered_clear(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    if (c->remembered_capacity > REMEMBERED_DUE && c->nremembered * 8 < c->remembered_capacity) {
        th_mem_free(heap->state->mem, c->remembered, c->remembered_capacity * sizeof *c->remembered);
        c->remembered = NULL;
        c->remembered_capacity = 0;
    }
    c->nremembered = 0;
    c->forgot = false;
}

/* ---- Collecting ---------------------------------------------------------------------------------------------- */

static void set_nursery(th_heap *heap, void *raw) {
    th_collector *c = th_collector_of(heap);
    c->nursery = raw;
    heap->young = heap->next = (char *)TH_ALIGN((uintptr_t)raw, TH_GRANULE);
    heap->end_young = heap->end = heap->young + c->nursery_bytes;
}

void th_nursery_empty(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    c->stats.allocated_bytes += (uint64_t)(heap->next - heap->young);
#ifdef TH_STRESS /* another block each time, so that stale references are found */
    size_t used = (size_t)(heap->next - heap->young);
    void *raw = try_new(heap->state->mem, c->nursery_bytes + TH_GRANULE);
    memset(heap->young, 0x5b, used);
    if (raw) {
        th_mem_free(heap->state->mem, c->nursery, c->nursery_bytes + TH_GRANULE);
        set_nursery(heap, raw);
    }
#endif
    heap->next = heap->young;
}

static void note_pause(th_collector *c, int64_t from, bool major) {
    int64_t took = th_clock_monotonic_ns() - from;
    uint64_t ns = took > 0 ? (uint64_t)took : 1;
    unsigned i = 63u - (unsigned)__builtin_clzll(ns);
    c->stats.pause_ns[i < 32 ? i : 31]++;
    uint64_t *most = major ? &c->stats.major_max_ns : &c->stats.minor_max_ns;
    if (ns > *most) *most = ns;
}

/* What the budgets still give, with what is held and free. */
static size_t room_left(const th_heap *heap) {
    const th_collector *c = th_collector_of(heap);
    size_t room = SIZE_MAX / 2;
    for (const th_mem *m = heap->state->mem; m; m = m->parent) {
        size_t used = atomic_load_explicit(&m->used_bytes, memory_order_relaxed);
        size_t left = used < m->limit_bytes ? m->limit_bytes - used : 0;
        if (m->limit_bytes && left < room) room = left;
    }
    return room + free_chunks(c) * TH_CHUNK_BYTES;
}

/* The next full collection comes when there is three quarters more; but before half of what a limit leaves is used up,
** as a refusal cannot be made up for between two safe points. */
static void set_threshold(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    size_t live = th_old_bytes(heap), more = live / 4 * 3, most = room_left(heap) / 2;
    c->live_bytes = c->chunk_bytes + c->large_bytes;
    if (live + more < THRESHOLD_MIN) more = THRESHOLD_MIN - live;
    if (more > most) more = most;
    if (more < c->nursery_bytes) more = c->nursery_bytes;
    c->threshold = live + more;
}

static void major(th_heap *heap, bool full) {
    th_collector *c = th_collector_of(heap);
    th_major(heap);
    c->stats.major++;
    set_threshold(heap);
    size_t keep = c->current + 1 + chunks_for(c->nursery_bytes);
    if (!full)
        keep += (c->threshold - th_old_bytes(heap)) / TH_CHUNK_ROOM; /* what will be filled before the next one */
    th_blocks_release(heap, keep);
}

#ifdef TH_STRESS
/* Collects whenever anything was allocated, by turns minor and full. So that programs still end: of a large heap, full
** collections as often as they are paid for; and in long runs, when a little more was allocated. */
static bool stress(th_heap *heap, bool *full) {
    th_collector *c = th_collector_of(heap);
    bool same = c->fresh == c->current && c->fresh_at == c->alloc && c->large == c->large_seen;
    size_t patience = c->stats.minor / 50000 * 256;
    if (patience > c->nursery_bytes / 2) patience = c->nursery_bytes / 2;
    if (!*full && same && (size_t)(heap->next - heap->young) <= patience) return false;
    c->stress_credit += STRESS_CREDIT;
    c->stress_turn = !c->stress_turn;
    if (!*full && c->stress_turn && c->stress_credit >= c->chunk_bytes + c->large_bytes) {
        *full = true;
        c->stress_credit = 0;
    }
    return true;
}

static void stress_check(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    th_error err;
    heap->due = true;
    c->stress_check += STRESS_CREDIT;
    if (c->stress_check < c->chunk_bytes + c->large_bytes) return;
    c->stress_check = 0;
    bool refused = is_limit(heap->state->mem);
    th_status status = th_heap_verify(heap, &err);
    atomic_store_explicit(&heap->state->mem->refused, refused, memory_order_relaxed);
    if (status != TH_E_FORMAT) return;
    fprintf(stderr, "theta: heap: %s\n", err.message);
    abort();
}
#endif

th_status th_heap_collect(th_heap *heap, bool full) {
    th_collector *c = th_collector_of(heap);
    assert(c->mode == TH_IDLE);
#ifdef TH_STRESS
    if (!stress(heap, &full)) return TH_OK;
#endif
    if (!full && !heap->due) return TH_OK;
    int64_t from = th_clock_monotonic_ns();
    bool refused = is_limit(heap->state->mem);
    th_minor(heap);
    c->stats.minor++;
    heap->due = false;
    bool filled = th_reserve_fill(heap), as_major = full || !filled || th_old_bytes(heap) > c->threshold;
    if (as_major) {
        if (!filled) atomic_store_explicit(&heap->state->mem->refused, refused, memory_order_relaxed);
        major(heap, full || !filled);
        filled = th_reserve_fill(heap);
    }
    note_pause(c, from, as_major);
#ifdef TH_STRESS
    stress_check(heap);
#endif
    if (filled) return TH_OK;
    /* Half a nursery is enough to go on with. */
    if ((size_t)(heap->end - heap->young) >= c->nursery_bytes / 2) {
        atomic_store_explicit(&heap->state->mem->refused, refused, memory_order_relaxed);
        return TH_OK;
    }
    heap->due = true;
    return is_limit(heap->state->mem) ? TH_E_MEMORY_LIMIT : TH_E_NOMEM;
}

void th_heap_visit(th_heap *heap, th_value *word) {
    switch (th_collector_of(heap)->mode) {
    case TH_MINOR: th_minor_visit(heap, word); break;
    case TH_MARK: th_mark_root(heap, word); break;
    case TH_UPDATE: th_update_root(heap, word); break;
    case TH_CHECK: th_check_root(heap, word); break;
    case TH_IDLE: break;
    }
}

void th_heap_visit_range(th_heap *heap, th_value *words, size_t n) {
    bool minor = th_collector_of(heap)->mode == TH_MINOR;
    for (size_t i = 0; i < n; i++) {
        if (!minor)
            th_heap_visit(heap, &words[i]);
        else if ((words[i] & 3) == 0 && th_is_young(heap, th_obj(words[i])))
            th_minor_visit(heap, &words[i]);
    }
}

void th_heap_get_stats(const th_heap *heap, th_heap_stats *out) {
    const th_collector *c = th_collector_of(heap);
    *out = c->stats;
    out->allocated_bytes += (uint64_t)(heap->next - heap->young);
    out->live_bytes = c->live_bytes;
    out->held_bytes = c->nursery_bytes + c->large_bytes;
    for (size_t i = 0; i < c->nblocks; i++) out->held_bytes += c->blocks[i].bytes;
}

/* ---- Life ---------------------------------------------------------------------------------------------------- */

/* Nursery, reserve and mark stack for nurseries of so many bytes; what was got stays for th_heap_free. */
static bool get_memory(th_heap *heap, size_t nursery_bytes) {
    th_collector *c = th_collector_of(heap);
    th_mem *mem = heap->state->mem;
    size_t stack = nursery_bytes / 4 / sizeof(th_range);
    bool before = is_limit(mem), last = nursery_bytes == NURSERY_MIN;
    if (!add_block(heap, chunks_for(nursery_bytes) + 1, !last)) return false;
    void *raw = th_mem_new(mem, nursery_bytes + TH_GRANULE);
    th_range *ranges = raw ? th_mem_new(mem, stack * sizeof *ranges) : NULL;
    if (!ranges && !last) atomic_store_explicit(&mem->refused, before, memory_order_relaxed);
    if (!ranges) {
        th_mem_free(mem, raw, nursery_bytes + TH_GRANULE);
        th_mem_free(mem, c->blocks[0].raw, c->blocks[0].bytes);
        c->nblocks = 0;
        c->nchunks = 0;
        set_rebuild(c);
        return false;
    }
    c->nursery_bytes = nursery_bytes;
    c->stack = ranges;
    c->stack_capacity = stack;
    set_nursery(heap, raw);
    th_chunk *first = c->chunks[0];
    c->alloc = c->fresh_at = th_chunk_start(first);
    c->alloc_end = (char *)first + TH_CHUNK_BYTES;
    return true;
}

/* An eighth of the limit for the nursery at most, and less where that is refused. */
static bool get_some_memory(th_heap *heap) {
    th_mem *mem = heap->state->mem;
    size_t limit = SIZE_MAX, bytes = TH_NURSERY_BYTES;
    for (const th_mem *m = mem; m; m = m->parent)
        if (m->limit_bytes && m->limit_bytes < limit) limit = m->limit_bytes;
    while (bytes > NURSERY_MIN && bytes > limit / 8) bytes /= 2;
    for (; bytes >= NURSERY_MIN; bytes /= 2)
        if (get_memory(heap, bytes)) return true;
    return false;
}

th_status th_heap_new(th_mem *mem, th_roots_fn roots, void *user, th_heap **out) {
    th_heap *heap = th_mem_zeroed(mem, sizeof *heap);
    struct th_heap_state *state = heap ? th_mem_zeroed(mem, sizeof *state) : NULL;
    th_collector *c = state ? th_mem_zeroed(mem, sizeof *c) : NULL;
    if (!c) {
        th_mem_free(mem, state, sizeof *state);
        th_mem_free(mem, heap, sizeof *heap);
        return is_limit(mem) ? TH_E_MEMORY_LIMIT : TH_E_NOMEM;
    }
    heap->state = state;
    *state = (struct th_heap_state){.mem = mem, .roots = roots, .user = user, .collector = c};
    th_status status = th_symbols_init(heap);
    if (status == TH_OK && !get_some_memory(heap)) status = TH_E_NOMEM;
    if (status != TH_OK) {
        th_heap_free(heap);
        return is_limit(mem) ? TH_E_MEMORY_LIMIT : status;
    }
    set_threshold(heap);
#ifdef TH_STRESS
    heap->due = true;
#endif
    *out = heap;
    return TH_OK;
}

static void free_large(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (th_large *large = c->large, *next; large; large = next) {
        next = large->next;
        th_mem_free(heap->state->mem, large->raw, large->bytes);
    }
}

void th_heap_free(th_heap *heap) {
    if (!heap) return;
    th_collector *c = th_collector_of(heap);
    th_mem *mem = heap->state->mem;
    th_natives_finish(heap, 0);
    th_weak_clear(heap);
    free_large(heap);
    for (size_t i = 0; i < c->nblocks; i++) {
        TH_UNPOISON(c->blocks[i].raw, c->blocks[i].bytes);
        th_mem_free(mem, c->blocks[i].raw, c->blocks[i].bytes);
    }
    th_mem_free(mem, c->nursery, c->nursery_bytes + TH_GRANULE);
    th_mem_free(mem, c->blocks, c->blocks_capacity * sizeof *c->blocks);
    th_mem_free(mem, c->chunks, c->chunks_capacity * sizeof *c->chunks);
    th_mem_free(mem, c->set, (c->set_mask + 1) * sizeof *c->set);
    th_mem_free(mem, c->remembered, c->remembered_capacity * sizeof *c->remembered);
    th_mem_free(mem, c->stack, c->stack_capacity * sizeof *c->stack);
    th_mem_free(mem, c->natives, c->natives_capacity * sizeof *c->natives);
    th_mem_free(mem, c->pending, c->pending_capacity * sizeof *c->pending);
    th_shapes_clear(heap);
    th_symbols_clear(heap);
    th_mem_free(mem, c, sizeof *c);
    th_mem_free(mem, heap->state, sizeof *heap->state);
    th_mem_free(mem, heap, sizeof *heap);
}
