/*
** arena.c - bump allocation dropped as a unit.
** Invariants: 1. chunks form a list, the one being filled first; `next` and `end` lie in it, both multiples of 8 bytes.
** 2. A request too large for a chunk gets one of its own, put second, so that the one being filled stays in use.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <assert.h>
#include <stdio.h>

enum { FIRST_CHUNK_BYTES = 4096, MOST_CHUNK_BYTES = 1 << 20 };

typedef struct th_arena_chunk {
    struct th_arena_chunk *older;
    size_t bytes; /* this header included */
} th_arena_chunk;

typedef struct th_arena_hook {
    struct th_arena_hook *older;
    void (*run)(void *);
    void *argument;
} th_arena_hook;

void th_arena_init(th_arena *arena, th_mem *mem) { *arena = (th_arena){.mem = mem, .chunk_bytes = FIRST_CHUNK_BYTES}; }

void th_arena_clear(th_arena *arena) {
    while (arena->hooks) { /* a hook may still use the arena, and even add one */
        th_arena_hook *hook = arena->hooks;
        arena->hooks = hook->older;
        hook->run(hook->argument);
    }
    th_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        th_arena_chunk *older = chunk->older;
        th_mem_free(arena->mem, chunk, chunk->bytes);
        chunk = older;
    }
    th_arena_init(arena, arena->mem);
}

static th_arena_chunk *new_chunk(th_arena *arena, size_t bytes) {
    th_arena_chunk *chunk = th_mem_new(arena->mem, bytes);
    if (chunk) chunk->bytes = bytes;
    return chunk;
}

/* `bytes` is a multiple of 8 that does not fit in the chunk being filled. */
static TH_NOINLINE void *new_slow(th_arena *arena, size_t bytes) {
    size_t exact = sizeof(th_arena_chunk) + bytes;
    th_arena_chunk *chunk = NULL;
    if (bytes <= arena->chunk_bytes / 4) {
        chunk = new_chunk(arena, arena->chunk_bytes);
        if (chunk) {
            chunk->older = arena->chunks;
            arena->chunks = chunk;
            arena->next = (char *)(chunk + 1) + bytes;
            arena->end = (char *)chunk + chunk->bytes;
            if (arena->chunk_bytes < MOST_CHUNK_BYTES) arena->chunk_bytes *= 2;
            return chunk + 1;
        }
    }
    chunk = new_chunk(arena, exact); /* large, or the last bytes of a budget */
    if (!chunk) return NULL;
    if (arena->chunks) {
        chunk->older = arena->chunks->older;
        arena->chunks->older = chunk;
    } else {
        chunk->older = NULL;
        arena->chunks = chunk;
        arena->next = arena->end = (char *)chunk + exact;
    }
    return chunk + 1;
}

void *th_arena_new(th_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    bytes = bytes ? TH_ALIGN(bytes, 8) : 8;
    if (TH_UNLIKELY(bytes > (size_t)(arena->end - arena->next))) return new_slow(arena, bytes);
    void *block = arena->next;
    arena->next += bytes;
    return block;
}

void *th_arena_zeroed(th_arena *arena, size_t bytes) {
    void *block = th_arena_new(arena, bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void *th_arena_copy(th_arena *arena, const void *bytes, size_t len) {
    void *block = th_arena_new(arena, len);
    if (block && len) memcpy(block, bytes, len);
    return block;
}

char *th_arena_text(th_arena *arena, const char *text, size_t len) {
    if (len >= SIZE_MAX / 2) return NULL;
    char *block = th_arena_new(arena, len + 1);
    if (!block) return NULL;
    if (len) memcpy(block, text, len);
    block[len] = 0;
    return block;
}

char *th_arena_printf(th_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *text = NULL;
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0) text = th_arena_new(arena, (size_t)len + 1);
    if (text) vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

th_status th_arena_on_clear(th_arena *arena, void (*run)(void *), void *argument) {
    th_arena_hook *hook = th_arena_new(arena, sizeof *hook);
    if (!hook) return TH_E_NOMEM;
    *hook = (th_arena_hook){.older = arena->hooks, .run = run, .argument = argument};
    arena->hooks = hook;
    return TH_OK;
}
