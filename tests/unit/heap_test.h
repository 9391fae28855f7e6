/*
** heap_test.h - a heap with a row of roots, for the tests of the heap room.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef HEAP_TEST_H
#define HEAP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "heap/heap.h"

#define ROOTS 64

#ifdef TH_STRESS
#define SCALED(n) ((n) / 50)
#define STEPS(n)  ((n) / 8)
#else
#define STEPS(n)  (n)
#define SCALED(n) (n)
#endif

typedef struct heap_test {
    th_mem mem;
    th_heap *heap;
    th_value roots[ROOTS];
    uint64_t random;
} heap_test;

/* Every root twice: an owner's ranges may overlap. */
static inline void heap_test_roots(void *user, th_heap *heap, bool minor) {
    heap_test *t = user;
    (void)minor;
    th_heap_visit_range(heap, t->roots, ROOTS);
    for (size_t i = 0; i < ROOTS; i++) th_heap_visit(heap, &t->roots[i]);
}

static inline void heap_test_begin_with(heap_test *t, th_alloc_fn alloc, void *user, size_t limit) {
    th_mem_init(&t->mem, alloc, user, NULL, limit);
    for (size_t i = 0; i < ROOTS; i++) t->roots[i] = TH_V_NULL;
    const char *seed = getenv("TEST_SEED");
    t->random = seed ? strtoull(seed, NULL, 10) : 88172645463325252u;
    t->heap = NULL;
}

static inline void heap_test_begin(heap_test *t) {
    heap_test_begin_with(t, NULL, NULL, 0);
    assert_int_equal(th_heap_new(&t->mem, heap_test_roots, t, &t->heap), TH_OK);
}

static inline void heap_test_verify(heap_test *t) {
    th_error err = {0};
    if (th_heap_verify(t->heap, &err) != TH_OK) fail_msg("%s", err.message);
}

static inline void heap_test_end(heap_test *t) {
    heap_test_verify(t);
    th_heap_free(t->heap);
    assert_int_equal(t->mem.used_bytes, 0);
}

static inline uint64_t heap_test_draw(heap_test *t, uint64_t below) {
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (t->random >> 11) % below;
}

static inline void heap_test_minor(heap_test *t) {
    t->heap->due = true;
    assert_int_equal(th_heap_collect(t->heap, false), TH_OK);
}

static inline void heap_test_full(heap_test *t) { assert_int_equal(th_heap_collect(t->heap, true), TH_OK); }

/* What an interpreter does at its safe points. */
static inline void heap_test_safe_point(heap_test *t) {
    if (th_heap_due(t->heap)) assert_int_equal(th_heap_collect(t->heap, false), TH_OK);
}

#endif
