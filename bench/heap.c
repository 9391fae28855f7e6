/*
** heap.c - how fast the heap allocates and how long it stops the program: loops that drop what they make, lists
** that live long, a large table with random updates, records updated field by field. Prints for each the time for a
** turn, bytes a second, how many collections of each kind, the longest pauses, and how the pauses are distributed.
** Compile it with every source of src/heap and src/base, -O2 -D_GNU_SOURCE -Isrc, -lgmp -lsodium -lutf8proc
** -lnettle.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "heap/heap.h"

enum { ROOTS = 8 };

typedef struct bench {
    th_mem mem;
    th_heap *heap;
    th_value roots[ROOTS];
    th_symbol symbols[4000];
    uint64_t random;
} bench;

static void visit(void *user, th_heap *heap, bool minor) {
    bench *b = user;
    (void)minor;
    th_heap_visit_range(heap, b->roots, ROOTS);
}

static void must(bool holds) {
    if (holds) return;
    fputs("out of memory\n", stderr);
    exit(1);
}

static uint64_t draw(bench *b) {
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    return b->random ^= b->random << 17;
}

static inline void safe_point(bench *b) {
    if (TH_UNLIKELY(th_heap_due(b->heap))) must(th_heap_collect(b->heap, false) == TH_OK);
}

static void drop_pairs(bench *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        must(th_new_pair(b->heap, th_of_int((int64_t)i), TH_V_EMPTY, &b->roots[0]));
        safe_point(b);
    }
}

static void drop_closures(bench *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        th_value captures[3] = {b->roots[0], th_of_int((int64_t)i), TH_V_NULL};
        if (i % 100 == 0) captures[0] = TH_V_NULL;
        must(th_new_closure(b->heap, TH_OBJ_THUNK, 7, captures, 3, &b->roots[0]));
        safe_point(b);
    }
}

/* Lists of a thousand, of which the last ten thousand live: everything is promoted and dies old. */
static void keep_lists(bench *b, size_t n) {
    if (b->roots[1] == TH_V_NULL) must(th_new_array(b->heap, 10000, TH_V_NULL, NULL, &b->roots[1]));
    for (size_t i = 0; i < n; i++) {
        if (i % 1000 == 0) {
            th_heap_set(b->heap, th_obj(b->roots[1]), &th_array_items(b->roots[1])[i / 1000 % 10000], b->roots[0]);
            b->roots[0] = TH_V_EMPTY;
        }
        must(th_new_pair(b->heap, th_of_int((int64_t)i), b->roots[0], &b->roots[0]));
        safe_point(b);
    }
}

/* A million slots, each turn puts a new array of four into one of them. */
static void update_table(bench *b, size_t n) {
    if (b->roots[2] == TH_V_NULL) must(th_new_array(b->heap, 1000000, TH_V_NULL, NULL, &b->roots[2]));
    for (size_t i = 0; i < n; i++) {
        th_value v;
        must(th_new_array(b->heap, 4, th_of_int((int64_t)i), NULL, &v));
        th_heap_set(b->heap, th_obj(b->roots[2]), &th_array_items(b->roots[2])[draw(b) % 1000000], v);
        safe_point(b);
    }
}

static void update_records(bench *b, size_t n) {
    b->roots[3] = TH_V_NULL;
    for (size_t i = 0; i < n; i++) {
        th_symbol key = b->symbols[draw(b) % TH_COUNT(b->symbols)];
        th_value value = th_of_int((int64_t)i), one;
        must(th_record_build(b->heap, &key, &value, NULL, 1, &one));
        if (b->roots[3] == TH_V_NULL) b->roots[3] = one;
        must(th_record_update(b->heap, b->roots[3], one, &b->roots[3]));
        safe_point(b);
    }
}

static void print_pauses(const th_heap_stats *s) {
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < 32; i++) all += s->pause_ns[i];
    printf("    pauses up to ");
    for (size_t i = 0; i < 32; i++) {
        if (!s->pause_ns[i]) continue;
        seen += s->pause_ns[i];
        printf(" %.0f us: %.2f%%", (double)((uint64_t)2 << i) / 1000, 100.0 * (double)seen / (double)all);
    }
    printf("\n");
}

static void measure(const char *name, void (*run)(bench *, size_t), size_t n) {
    bench b = {.random = 88172645463325252u};
    th_heap_stats stats;
    char text[16];
    th_mem_init(&b.mem, NULL, NULL, NULL, 0);
    must(th_heap_new(&b.mem, visit, &b, &b.heap) == TH_OK);
    for (size_t i = 0; i < ROOTS; i++) b.roots[i] = TH_V_NULL;
    for (size_t i = 0; i < TH_COUNT(b.symbols); i++) {
        snprintf(text, sizeof text, "field%zu", i);
        must((b.symbols[i] = th_symbol_of(b.heap, th_view_of(text))) != 0);
    }
    int64_t from = th_clock_monotonic_ns();
    run(&b, n);
    double seconds = (double)(th_clock_monotonic_ns() - from) / 1e9;
    th_heap_get_stats(b.heap, &stats);
    printf("%-16s %6.1f ns a turn, %5.2f GB/s, promoted %4.1f%%, live %.0f MB, held %.0f MB\n", name,
           seconds * 1e9 / (double)n, (double)stats.allocated_bytes / seconds / 1e9,
           100.0 * (double)stats.promoted_bytes / (double)stats.allocated_bytes, (double)stats.live_bytes / 1e6,
           (double)stats.held_bytes / 1e6);
    printf("    %llu minor, the longest %.2f ms; %llu major, the longest %.2f ms\n", (unsigned long long)stats.minor,
           (double)stats.minor_max_ns / 1e6, (unsigned long long)stats.major, (double)stats.major_max_ns / 1e6);
    print_pauses(&stats);
    th_heap_free(b.heap);
}

int main(void) {
    measure("drop pairs", drop_pairs, 200000000);
    measure("drop closures", drop_closures, 100000000);
    measure("keep lists", keep_lists, 50000000);
    measure("update a table", update_table, 20000000);
    measure("update records", update_records, 1000000);
    return 0;
}
