/*
** faulty.h - an allocator for tests that refuses the n-th request, counts what it holds, and moves every block that grows
** or shrinks, so that a stale pointer is found.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef FAULTY_H
#define FAULTY_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct faulty {
    size_t fail_at;  /* the request that is refused, and all after it; from 1; 0: none */
    bool once;       /* that one alone: what is tried again with less succeeds */
    bool refused;    /* it came to that */
    size_t requests; /* so far */
    size_t held;     /* bytes, by the sizes that the caller tells: a wrong one shows at the end */
} faulty;

/* The next `n` requests succeed. */
static inline void faulty_allow(faulty *f, size_t n) {
    f->fail_at = n + 1;
    f->requests = 0;
    f->refused = false;
}

static inline void faulty_off(faulty *f) { f->fail_at = 0; }

static inline void *faulty_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    faulty *f = user;
    if (!block) old_bytes = 0;
    if (new_bytes == 0) {
        f->held -= old_bytes;
        free(block);
        return NULL;
    }
    f->requests++;
    if (f->fail_at && (f->once ? f->requests == f->fail_at : f->requests >= f->fail_at)) {
        f->refused = true;
        return NULL;
    }
    void *moved = malloc(new_bytes);
    if (!moved) return NULL;
    if (block) memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    free(block);
    f->held += new_bytes - old_bytes;
    return moved;
}

#endif
