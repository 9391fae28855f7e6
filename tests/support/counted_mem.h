/*
** counted_mem.h - the budget that a test allocates from, and that must be empty at its end.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef COUNTED_MEM_H
#define COUNTED_MEM_H

#include <stdio.h>

#include "base/base.h"

static th_mem mem;

static inline int open_mem(void **state) {
    (void)state;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    return 0;
}

static inline int close_mem(void **state) {
    (void)state;
    if (mem.used_bytes) fprintf(stderr, "%zu bytes were not freed\n", (size_t)mem.used_bytes);
    return mem.used_bytes != 0;
}

#endif
