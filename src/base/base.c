/*
** base.c - status texts, errors, memory budgets, the clock.
** Relies on the C library only. A budget counts the bytes asked for, not what the allocator rounds them to.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- Status and errors -------------------------------------------------------------------------------------- */

const char *th_status_text(th_status status) {
    switch (status) {
#define TH_STATUS(name, number, text)                                                                                  \
    case TH_##name: return text;
#include "base/status.def"
#undef TH_STATUS
    }
    return "unknown status";
}

/* Ends a text of `capacity` bytes that may have been cut: no half of a UTF-8 sequence is left at its end. */
static void trim_cut(char *text, size_t capacity) {
    size_t len = strlen(text);
    if (len + 1 < capacity) return;
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) start--;
    if (start > 0 && th_utf8_valid(text + start - 1, len - start + 1) == 0) text[start - 1] = 0;
}

static th_status fill_error(th_error *err, th_status code, const char *file, th_span span, const char *format,
                            va_list args) {
    char message[sizeof err->message]; /* the arguments may point into *err */
    int n = vsnprintf(message, sizeof message, format, args);
    if (n < 0) message[0] = 0;
    trim_cut(message, sizeof message);
    char name[sizeof err->file];
    size_t len = strnlen(file, sizeof name - 1);
    memcpy(name, file, len);
    name[len] = 0;
    trim_cut(name, sizeof name);
    err->code = code;
    err->span = span;
    memcpy(err->file, name, sizeof name);
    memcpy(err->message, message, strlen(message) + 1);
    return code;
}

th_status th_fail(th_error *err, th_status code, const char *format, ...) {
    if (!err) return code;
    va_list args;
    va_start(args, format);
    fill_error(err, code, "", (th_span){0}, format, args);
    va_end(args);
    return code;
}

th_status th_fail_at(th_error *err, th_status code, const char *file, th_span span, const char *format, ...) {
    if (!err) return code;
    va_list args;
    va_start(args, format);
    fill_error(err, code, file ? file : "", span, format, args);
    va_end(args);
    return code;
}

/* ---- Memory budgets ----------------------------------------------------------------------------------------- */

static void *libc_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    (void)user;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_bytes);
}

void th_mem_init(th_mem *mem, th_alloc_fn alloc, void *user, th_mem *parent, size_t limit_bytes) {
    if (!alloc) {
        alloc = parent ? parent->alloc : libc_alloc;
        user = parent ? parent->user : NULL;
    }
    mem->alloc = alloc;
    mem->user = user;
    mem->parent = parent;
    mem->limit_bytes = limit_bytes;
    atomic_init(&mem->used_bytes, 0);
    atomic_init(&mem->peak_bytes, 0);
    atomic_init(&mem->refused, false);
}

static void discharge(th_mem *mem, const th_mem *end, size_t bytes) {
    for (; mem != end; mem = mem->parent) {
        size_t before = atomic_fetch_sub_explicit(&mem->used_bytes, bytes, memory_order_relaxed);
        assert(before >= bytes);
        (void)before;
    }
}

static bool charge_one(th_mem *mem, size_t bytes) {
    size_t used = atomic_load_explicit(&mem->used_bytes, memory_order_relaxed);
    size_t limit = mem->limit_bytes ? mem->limit_bytes : SIZE_MAX;
    do {
        if (used > limit || bytes > limit - used) return false;
    } while (!atomic_compare_exchange_weak_explicit(&mem->used_bytes, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    size_t peak = atomic_load_explicit(&mem->peak_bytes, memory_order_relaxed);
    while (peak < used + bytes && !atomic_compare_exchange_weak_explicit(&mem->peak_bytes, &peak, used + bytes,
                                                                         memory_order_relaxed, memory_order_relaxed)) {}
    return true;
}

/* Charges a budget and those above it, or none. A `trial` leaves no mark when it is refused. */
static bool charge(th_mem *mem, size_t bytes, bool trial) {
    for (th_mem *m = mem; m; m = m->parent) {
        if (TH_LIKELY(charge_one(m, bytes))) continue;
        if (!trial) atomic_store_explicit(&m->refused, true, memory_order_relaxed);
        discharge(mem, m, bytes);
        return false;
    }
    return true;
}

static void *resize(th_mem *mem, void *block, size_t old_bytes, size_t new_bytes, bool trial) {
    if (!block)
        old_bytes = 0;
    else if (old_bytes == 0)
        old_bytes = 1; /* what th_mem_new gave for 0 */
    if (new_bytes == 0) {
        if (block) {
            mem->alloc(mem->user, block, old_bytes, 0);
            discharge(mem, NULL, old_bytes);
        }
        return NULL;
    }
    if (new_bytes > old_bytes && !charge(mem, new_bytes - old_bytes, trial)) return NULL;
    void *moved = mem->alloc(mem->user, block, old_bytes, new_bytes);
    if (!moved) {
        if (new_bytes > old_bytes) discharge(mem, NULL, new_bytes - old_bytes);
        return NULL;
    }
    if (new_bytes < old_bytes) discharge(mem, NULL, old_bytes - new_bytes);
    return moved;
}

void *th_mem_resize(th_mem *mem, void *block, size_t old_bytes, size_t new_bytes) {
    return resize(mem, block, old_bytes, new_bytes, false);
}

/* A block of no bytes is still a block, so that NULL has one meaning. */
void *th_mem_new(th_mem *mem, size_t bytes) { return resize(mem, NULL, 0, bytes ? bytes : 1, false); }

void *th_mem_zeroed(th_mem *mem, size_t bytes) {
    void *block = th_mem_new(mem, bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void th_mem_free(th_mem *mem, void *block, size_t bytes) { resize(mem, block, bytes, 0, false); }

th_status th_mem_grow(th_mem *mem, void **array, size_t *capacity, size_t needed, size_t item_bytes) {
    assert(item_bytes > 0);
    if (needed <= *capacity) return TH_OK;
    size_t most = SIZE_MAX / 2 / item_bytes; /* no object may be larger: pointer differences are signed */
    if (needed > most) return TH_E_NOMEM;
    size_t wanted = *capacity > most / 2 ? most : *capacity * 2;
    if (wanted < needed) wanted = needed;
    if (wanted < 8 && most >= 8) wanted = 8;
    size_t old_bytes = *capacity * item_bytes;
    void *moved = NULL;
    /* No room for twice as much: for half of what was added, and so on. Taking what is needed alone would copy the array
    ** once more for each item, from there to the limit. */
    for (size_t more = wanted - needed; more > 0 && !moved; more /= 2) {
        wanted = needed + more;
        moved = resize(mem, *array, old_bytes, wanted * item_bytes, true);
    }
    if (!moved) {
        wanted = needed;
        moved = resize(mem, *array, old_bytes, wanted * item_bytes, false);
    }
    if (!moved) return TH_E_NOMEM;
    *array = moved;
    *capacity = wanted;
    return TH_OK;
}

/* ---- Views, clock ------------------------------------------------------------------------------------------- */

int th_view_compare(th_view a, th_view b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    if (order != 0) return order < 0 ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t th_clock_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t th_clock_unix_ns(void) { return clock_ns(CLOCK_REALTIME); }
