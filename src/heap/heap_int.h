/*
** heap_int.h - what the files of the heap room share and nobody else may see.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_HEAP_INT_H
#define TH_HEAP_INT_H

#include "heap/heap.h"

/* ---- Symbols and shapes (symbol.c, shape.c, record.c): in C memory ---- */

typedef struct th_symbol_table {
    uint64_t **items; /* static STRING objects by symbol; 0 is unused */
    uint32_t len;
    size_t capacity;
    uint32_t *index; /* open addressing by text: symbol, 0 empty */
    size_t index_capacity;
    th_arena texts;
} th_symbol_table;

typedef struct th_merge { /* one of the merges of record.c that are remembered */
    uint32_t under, over; /* shape ids, 0: none */
    const th_shape *shape;
    uint32_t *from; /* for each field: index + 1 in over, or index + 1 in under with the high bit set */
} th_merge;
#define TH_MERGES 512

typedef struct th_shape_table {
    th_shape **items; /* by id; NULL: free */
    uint32_t len;     /* ids in use are below; 0 is never used */
    size_t capacity;
    uint32_t *free_ids;
    size_t nfree, free_capacity;
    uint32_t *index; /* interned small shapes: open addressing by keys and positions: id, 0 empty */
    size_t index_capacity, interned;
    size_t bytes; /* of all shapes; counts as external memory */
    th_merge merges[TH_MERGES];
    uint64_t epoch;
} th_shape_table;

/* What the collector does with shapes in a major collection: clear all marks, mark by id, then sweep: shapes neither marked
** nor `keep` are freed; when any was, the epoch rises and the remembered merges are forgotten. */
void th_shapes_unmark(th_heap *heap);
static inline void th_shape_mark(th_heap *heap, uint32_t id);
void th_shapes_sweep(th_heap *heap);
/* The shape of keys that are ascending already (shape.c). */
const th_shape *th_shape_sorted(th_heap *heap, const th_symbol *keys, const uint32_t *positions, size_t n, bool keep);
void th_shapes_clear(th_heap *heap); /* at the end of the heap's life */
th_status th_symbols_init(th_heap *heap);
void th_symbols_clear(th_heap *heap);

/* ---- The collector's own state (heap.c and its files) ---- */

struct th_collector; /* defined in collector.h by the files of the collector */

struct th_heap_state {
    th_mem *mem;
    th_roots_fn roots;
    void *user;
    th_symbol_table symbols;
    th_shape_table shapes;
    struct th_collector *collector;
    size_t external_bytes; /* C memory that lives as long as objects do, besides shapes */
};

static inline void th_shape_mark(th_heap *heap, uint32_t id) { heap->state->shapes.items[id]->marked = true; }

#endif
