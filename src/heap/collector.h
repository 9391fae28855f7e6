/*
** collector.h - what the files of the collector share: chunks, large objects, the remembered set, weak tables, the
** state.
**
** The old generation is chunks in a fixed order. Objects lie one behind the other from the start of a chunk to its
** `top`; none crosses a chunk's end. `current` is the chunk being filled, those behind it are free. So many are
** always free that the whole nursery fits into them: a minor collection cannot fail. Where the budget does not
** allow for that, the nursery is made smaller (heap->end), down to nothing.
**
** Only a collection moves anything; between two, a chunk can be walked from its start to its top.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_HEAP_COLLECTOR_H
#define TH_HEAP_COLLECTOR_H

#include <assert.h>

#include "heap/heap_int.h"

#if defined(__SANITIZE_ADDRESS__)
#define TH_HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TH_HAVE_ASAN 1
#endif
#endif
#ifdef TH_HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define TH_POISON(p, n)   __asan_poison_memory_region(p, n)
#define TH_UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define TH_POISON(p, n)   ((void)(p), (void)(n))
#define TH_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* ---- Chunks ------------------------------------------------------------------------------------------------- */

#define TH_CHUNK_BYTES ((size_t)256 << 10) /* and aligned to that: masking an address gives its chunk */
#define TH_GRANULE     ((size_t)16)
#define TH_GROUP_BYTES ((size_t)512) /* 32 granules: one word of a bit map */
#define TH_GROUPS      (TH_CHUNK_BYTES / TH_GROUP_BYTES)

typedef struct th_chunk {
    char *top;                  /* end of the objects */
    char *new_top;              /* where it will be when the slide is done */
    char *missed, *missed_last; /* marked objects not scanned when the mark stack was full: from, last; NULL: none */
    uint32_t mark[TH_GROUPS];   /* a bit for the first granule of each live object */
    uint32_t live[TH_GROUPS];   /* a bit for every granule of live objects */
    uint64_t to[TH_GROUPS];     /* new address of a group (the objects that start in one), less what an object from
                                   before has of its granules */
} th_chunk;

#define TH_CHUNK_START TH_ALIGN(sizeof(th_chunk), TH_GROUP_BYTES)
#define TH_CHUNK_ROOM  (TH_CHUNK_BYTES - TH_CHUNK_START)

typedef struct th_block { /* memory of several chunks, got in one piece */
    void *raw;
    size_t bytes, nchunks;
} th_block;

/* An object from TH_HEAP_LARGE_BYTES on: follows this head at once. */
typedef struct th_large {
    struct th_large *next; /* newest first */
    void *raw;
    size_t bytes; /* of raw */
    bool marked, missed;
} th_large;
#define TH_LARGE_HEAD TH_ALIGN(sizeof(th_large), TH_GRANULE)

/* ---- Natives, weak tables ----------------------------------------------------------------------------------- */

typedef struct th_native {
    uint64_t *object;
    void *pointer;
    th_finalizer finalizer;
} th_native;

typedef struct th_weak_entry {
    th_value key, value; /* key 0: a hole */
    bool young;          /* in the table's list of those */
} th_weak_entry;

typedef struct th_weak { /* the C part of a weak table; word 1 of its WEAK object points here */
    uint64_t *object;
    struct th_weak *previous, *next; /* of all */
    struct th_weak *queue;           /* of those to be traced, later of those traced */
    bool reached;                    /* in this collection */
    bool dirty;                      /* in the collector's list `dirty` */
    struct th_weak *next_dirty;
    th_weak_entry *entries;
    size_t len, capacity, holes;
    uint32_t *index; /* open addressing by address of the key: entry + 1 */
    size_t index_capacity;
    uint32_t *young; /* entries with a key or a value that is young */
    size_t nyoung, young_capacity;
} th_weak;

/* An entry whose key was not reached yet: looked up when an object is reached. */
typedef struct th_pending {
    uint64_t *key; /* NULL: empty */
    th_weak *table;
    uint32_t entry;
} th_pending;

/* ---- The collector ------------------------------------------------------------------------------------------ */

typedef enum th_collect_mode { TH_IDLE, TH_MINOR, TH_MARK, TH_UPDATE, TH_CHECK } th_collect_mode;

typedef struct th_range { /* words still to be traced */
    th_value *at, *end;
} th_range;

typedef struct th_collector {
    th_collect_mode mode;
    void *nursery; /* as allocated */
    size_t nursery_bytes;

    th_block *blocks;
    size_t nblocks, blocks_capacity;
    th_chunk **chunks;
    size_t nchunks, chunks_capacity;
    uintptr_t *set; /* the chunks' addresses, open addressing; 0: empty */
    size_t set_mask;
    size_t current; /* the chunk being filled: from alloc to alloc_end */
    char *alloc, *alloc_end;
    size_t fresh; /* what was allocated since the last collection begins in this chunk at this address */
    char *fresh_at;
    th_large *large, *large_seen; /* those before large_seen are new since the last collection */

    size_t chunk_bytes; /* of objects in chunks */
    size_t large_bytes;
    size_t live_bytes; /* both, after the last major collection */
    size_t threshold;  /* a major collection is due when there is more than this */

    th_value **remembered; /* slots of old objects that were given a reference to a young one */
    size_t remembered_capacity, nremembered;
    bool forgot; /* no memory for it: the next minor collection looks at all old objects */

    th_range *stack;
    size_t depth, stack_capacity;
    bool missed; /* some chunk or large object has marked objects that were not scanned */

    th_native *natives;
    size_t nnatives, natives_seen, natives_capacity;

    th_weak *tables, *dirty, *queue, *traced;
    size_t weak_entries; /* of all tables: pending is large enough for all of them */
    th_pending *pending;
    size_t pending_capacity, pending_mask;
    size_t npending; /* 0: nothing is looked up */
    bool weak_again; /* the stack was full when a key was reached */

    struct th_check *check; /* during th_heap_verify */
    th_heap_stats stats;
    size_t stress_credit, stress_check;
    bool stress_turn;
} th_collector;

static inline th_collector *th_collector_of(const th_heap *heap) { return heap->state->collector; }

static inline char *th_chunk_start(th_chunk *chunk) { return (char *)chunk + TH_CHUNK_START; }
static inline th_chunk *th_chunk_at(const void *p) {
    return (th_chunk *)((uintptr_t)p & ~(uintptr_t)(TH_CHUNK_BYTES - 1));
}
static inline size_t th_granule_at(const void *p) { return ((uintptr_t)p & (TH_CHUNK_BYTES - 1)) / TH_GRANULE; }
static inline char *th_chunk_top(const th_collector *c, size_t i) {
    return i == c->current ? c->alloc : c->chunks[i]->top;
}
/* The chunk that an address lies in, or NULL: it is large or outside the heap. */
static inline th_chunk *th_chunk_of(const th_collector *c, const void *p) {
    uintptr_t base = (uintptr_t)p & ~(uintptr_t)(TH_CHUNK_BYTES - 1);
    for (size_t i = base / TH_CHUNK_BYTES & c->set_mask; c->set[i] != 0; i = (i + 1) & c->set_mask) {
        if (c->set[i] == base) return (th_chunk *)base;
    }
    return NULL;
}
static inline th_large *th_large_of(const void *p) {
    return (th_large *)(void *)((char *)(uintptr_t)p - TH_LARGE_HEAD);
}
static inline uint64_t *th_large_object(th_large *large) { return (uint64_t *)(void *)((char *)large + TH_LARGE_HEAD); }

static inline bool th_is_header(uint64_t word) { return (word & TH_TAG_MASK) == TH_TAG_HEADER; }
static inline bool th_is_moved(uint64_t word) { return (word & 0xff) == (TH_OBJ_MOVED << 3 | TH_TAG_HEADER); }
static inline bool th_is_reference(th_value v) { return (v & 3) == 0 && v >= TH_CONSTANT_END; }

/* What the collector needs to know of an object: its size in words and where in it values are. The same sizes as
** th_object_words; the verifier compares them. */
typedef struct th_layout {
    size_t words;
    size_t from, count; /* values are words from .. from + count */
} th_layout;

static inline th_layout th_layout_of(const th_heap *heap, uint64_t header) {
    size_t size = (size_t)th_header_size(header);
    switch (th_header_kind(header)) {
    case TH_OBJ_INT:
    case TH_OBJ_FLOAT:
    case TH_OBJ_WEAK: return (th_layout){2, 1, 0};
    case TH_OBJ_NATIVE: return (th_layout){3, 1, 0};
    case TH_OBJ_BIG: return (th_layout){1 + size, 1, 0};
    case TH_OBJ_STRING: {
        size_t context = th_header_flags(header) >> 7;
        return (th_layout){1 + context + size / 8 + 1, 1, context};
    }
    case TH_OBJ_ARRAY:
    case TH_OBJ_ERROR: return (th_layout){1 + size, 1, size};
    case TH_OBJ_RECORD: {
        size_t count = heap->state->shapes.items[size]->count;
        return (th_layout){1 + count, 1, count};
    }
    case TH_OBJ_LAYER: return (th_layout){3, 1, 2};
    case TH_OBJ_CLOSURE: return (th_layout){1 + th_header_captures(header), 1, th_header_captures(header)};
    case TH_OBJ_THUNK:
    case TH_OBJ_BUSY: {
        size_t n = th_header_captures(header);
        return (th_layout){1 + (n ? n : 1), 1, n};
    }
    case TH_OBJ_PARTIAL: return (th_layout){2 + size, 1, 1 + size};
    case TH_OBJ_DONE:
    case TH_OBJ_FAILED: return (th_layout){1 + size, 1, 1};
    case TH_OBJ_BYTES: return (th_layout){1 + (size + 7) / 8, 1, 0};
    case TH_OBJ_BUILTIN:
    case TH_OBJ_MOVED: break;
    }
    return (th_layout){1, 1, 0};
}
/* Of what lies at p, a pair too. */
static inline th_layout th_layout_at(const th_heap *heap, const uint64_t *p) {
    return th_is_header(*p) ? th_layout_of(heap, *p) : (th_layout){2, 0, 2};
}
static inline size_t th_layout_bytes(th_layout layout) { return TH_ALIGN(layout.words * 8, TH_GRANULE); }

/* heap.c */
void th_next_chunk(th_collector *c); /* there is one */
/* As many free chunks as the nursery may need; false: refused, the nursery is made smaller. */
bool th_reserve_fill(th_heap *heap);
void th_blocks_release(th_heap *heap, size_t keep_chunks); /* gives free blocks back, but for so many chunks in all */
void th_nursery_empty(th_heap *heap);
size_t th_old_bytes(const th_heap *heap); /* all that counts towards the next major collection */
void th_remembered_clear(th_heap *heap);
/* An object that was allocated a moment ago becomes smaller; what is left over stays walkable. */
void th_heap_shrink(th_heap *heap, uint64_t *p, size_t words, size_t new_words);

/* minor.c, major.c, check.c */
void th_minor(th_heap *heap);
void th_minor_visit(th_heap *heap, th_value *word);
void th_minor_drain(th_heap *heap);
void th_major(th_heap *heap); /* the nursery is empty */
void th_mark_visit(th_heap *heap, th_value *word);
void th_mark_root(th_heap *heap, th_value *word);
void th_mark_drain(th_heap *heap);
bool th_is_marked(const th_heap *heap, th_value v); /* or is nothing that can be marked */
void th_update_visit(th_heap *heap, th_value *word);
void th_update_root(th_heap *heap, th_value *word);
uint64_t *th_update_address(const th_collector *c, uint64_t *p);
void th_check_root(th_heap *heap, th_value *word);

/* native.c: after tracing, dead ones are put behind the others; then their finalizers run */
size_t th_natives_minor(th_heap *heap); /* how many live */
size_t th_natives_major(th_heap *heap);
void th_natives_update(th_heap *heap);
void th_natives_finish(th_heap *heap, size_t live);

/* weak.c: in TH_MINOR and TH_MARK */
void th_weak_begin(th_heap *heap);
void th_weak_trace(th_heap *heap);                             /* after the roots: to the fixpoint */
void th_weak_sweep(th_heap *heap);                             /* dead keys' entries and dead tables go */
void th_weak_update(th_heap *heap);                            /* TH_UPDATE: the new addresses */
bool th_weak_check(const th_heap *heap, const th_weak *table); /* is its index as it should be? */
void th_weak_clear(th_heap *heap);
void th_weak_reached(th_heap *heap, const uint64_t *object); /* a WEAK object, while tracing */
void th_weak_key_reached(th_heap *heap, const uint64_t *key);

#endif
