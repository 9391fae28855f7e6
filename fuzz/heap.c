/*
** heap.c - fuzz target: the bytes are a program for a heap under a small limit. Operations are over sixteen roots; the
** verifier looks at the heap after collections, and some sums are checked on the way. What is refused changes nothing.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "heap/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOTS = 16, SYMBOLS = 40, MOST = 4096 /* bytes */ };

typedef struct run {
    th_mem mem;
    th_heap *heap;
    th_value roots[ROOTS];
    th_symbol symbols[SYMBOLS];
    const uint8_t *at, *end;
    size_t made, finalized, collections;
} run;

static void must(bool holds) {
    if (!holds) abort();
}

static unsigned byte(run *r) { return r->at < r->end ? *r->at++ : 0; }
static th_value *root(run *r) { return &r->roots[byte(r) % ROOTS]; }
static th_value value(run *r) { return th_shared(*root(r)); }

static void visit(void *user, th_heap *heap, bool minor) {
    run *r = user;
    (void)minor;
    th_heap_visit_range(heap, r->roots, ROOTS);
}

static bool has_kind(th_value v, th_object_kind kind) { return th_is_kind(th_deref(v), kind); }

static bool is_record(th_value v) { return th_value_kind_of(v) == TH_VK_RECORD; }

static bool is_integer(th_value v) {
    th_value_kind kind = th_value_kind_of(v);
    return kind == TH_VK_INT || kind == TH_VK_BIG;
}

static void verify(run *r) {
    size_t limit = r->mem.limit_bytes;
    r->mem.limit_bytes = 0;
    must(th_heap_verify(r->heap, NULL) == TH_OK);
    r->mem.limit_bytes = limit;
}

static void collect(run *r, bool full) {
    bool wanted = full || th_heap_due(r->heap);
    r->heap->due = wanted;
    th_status status = th_heap_collect(r->heap, full);
    must(status == TH_OK || status == TH_E_MEMORY_LIMIT);
    if (full || r->collections++ % 16 == 0) verify(r);
}

static void finalize(void *pointer) { ++*(size_t *)pointer; }

/* ---- Operations: each makes one value, or says no ------------------------------------------------------------- */

static bool make_array(run *r, th_value *out) {
    th_value fill = value(r);
    size_t n = byte(r), large = byte(r);
    return th_new_array(r->heap, large > 250 ? n * 64 : n, fill, NULL, out);
}

static bool make_closure(run *r, th_value *out) {
    th_value captures[255];
    size_t n = byte(r) % 20;
    for (size_t i = 0; i < n; i++) captures[i] = value(r);
    return th_new_closure(r->heap, byte(r) % 2 ? TH_OBJ_THUNK : TH_OBJ_CLOSURE, byte(r), captures, n, out);
}

static bool make_string(run *r, th_value *out) {
    th_value context = value(r);
    uint32_t sort = byte(r) % 2;
    size_t len = byte(r);
    if (len > (size_t)(r->end - r->at)) len = (size_t)(r->end - r->at);
    if (!th_new_string(r->heap, sort, (const char *)r->at, len, context, out)) return false;
    r->at += len;
    return true;
}

static bool make_record(run *r, th_value *out) {
    th_symbol keys[64];
    th_value values[64];
    uint32_t positions[64];
    size_t n = byte(r) % 64;
    for (size_t i = 0; i < n; i++) {
        keys[i] = r->symbols[byte(r) % SYMBOLS];
        values[i] = value(r);
        positions[i] = (uint32_t)i;
    }
    if (!th_record_build(r->heap, keys, values, n % 2 ? positions : NULL, n, out)) return false;
    if (n > 0) must(th_record_get(r->heap, *out, keys[0]) == values[0]);
    return true;
}

static bool make_update(run *r, th_value *out) {
    th_value under = value(r), over = value(r);
    th_symbol key = r->symbols[byte(r) % SYMBOLS];
    if (!is_record(under) || !is_record(over)) return false;
    th_value below = th_record_get(r->heap, under, key), above = th_record_get(r->heap, over, key);
    if (!th_record_update(r->heap, under, over, out)) return false;
    must(th_record_get(r->heap, *out, key) == (above != TH_V_ABSENT ? above : below));
    return true;
}

static bool make_number(run *r, th_value *out) {
    th_value a = value(r), b = value(r), back;
    unsigned what = byte(r);
    if (!is_integer(a) || !is_integer(b)) return th_new_int(r->heap, (int64_t)((uint64_t)what << (what % 64)), out);
    if (th_is_kind(th_deref(a), TH_OBJ_BIG) && th_header_size(*th_obj(th_deref(a))) > 2000) a = th_of_int(what);
    switch (what % 4) {
    case 0:
        if (!th_big_add(r->heap, a, b, out) || !th_big_sub(r->heap, *out, b, &back)) return false;
        must(th_big_compare(back, a) == 0);
        return true;
    case 1: return th_big_sub(r->heap, a, b, out);
    case 2: return th_big_mul(r->heap, a, b, out);
    default:
        if (th_big_compare(b, th_of_int(0)) == 0) return false;
        if (!th_big_div(r->heap, a, b, out, &back) || !th_big_mul(r->heap, *out, b, out)) return false;
        if (!th_big_add(r->heap, *out, back, out)) return false;
        must(th_big_compare(*out, a) == 0);
        return true;
    }
}

static bool make_parsed(run *r, th_value *out) {
    char text[300];
    int base = 2 + (int)(byte(r) % 35);
    size_t len = 1 + byte(r);
    for (size_t i = 0; i < len; i++) text[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[byte(r) % (unsigned)base];
    if (!th_big_parse(r->heap, (th_view){text, len}, base, out)) return false;
    th_buf buf;
    th_buf_init(&buf, &r->mem);
    if (th_big_print(*out, base, &buf)) {
        size_t zeros = 0;
        while (zeros + 1 < len && text[zeros] == '0') zeros++;
        must(buf.len == len - zeros && memcmp(buf.data, text + zeros, buf.len) == 0);
    }
    th_buf_clear(&buf);
    return true;
}

static bool make_native(run *r, th_value *out) {
    if (!th_new_heap_native(r->heap, byte(r), &r->finalized, finalize, out)) return false;
    r->made++;
    return true;
}

static bool make(run *r, unsigned what, th_value *out) {
    th_value a, b;
    double x;
    switch (what % 12) {
    case 0: a = value(r), b = value(r); return th_new_pair(r->heap, a, b, out);
    case 1: return make_array(r, out);
    case 2: return make_closure(r, out);
    case 3: return make_string(r, out);
    case 4: return make_record(r, out);
    case 5: return make_update(r, out);
    case 6: return make_number(r, out);
    case 7: return make_parsed(r, out);
    case 8: return make_native(r, out);
    case 9: return th_weak_new(r->heap, out);
    case 10: a = value(r), b = value(r); return th_new_partial(r->heap, a, &b, 1, out);
    default: x = byte(r) * 1e300 * (byte(r) - 100.0); return th_new_float(r->heap, x, out);
    }
}

/* A reference to v from inside a thunk must not make a thunk its own value. */
static void evaluate(run *r, th_value thunk, th_value v) {
    uint64_t *p = th_obj(thunk);
    v = th_deref(v);
    if (th_is_object(v) && th_obj(v) == p) return;
    *p = TH_HEADER(TH_OBJ_DONE, 0, th_object_words(r->heap, *p) - 1);
    th_heap_set(r->heap, p, &p[1], v);
}

static void change(run *r) {
    th_value v = th_deref(value(r)), to = value(r);
    size_t i = byte(r);
    if (has_kind(v, TH_OBJ_ARRAY) && th_array_len(v) > 0) {
        th_heap_set(r->heap, th_obj(v), &th_array_items(v)[i % th_array_len(v)], to);
    } else if (th_is_pair(v)) {
        th_heap_set(r->heap, th_obj(v), &th_obj(v)[i % 2], to);
    } else if (has_kind(v, TH_OBJ_THUNK)) {
        evaluate(r, v, to);
    } else if (has_kind(v, TH_OBJ_WEAK)) {
        th_value key = value(r);
        if (th_weak_set(r->heap, v, key, to)) must(th_weak_get(r->heap, v, key) == th_shared(to));
    }
}

static void descend(run *r) {
    th_value v = th_deref(value(r)), *to = root(r);
    size_t i = byte(r);
    bool ok;
    if (has_kind(v, TH_OBJ_ARRAY) && th_array_len(v) > 0) {
        *to = th_shared(th_array_items(v)[i % th_array_len(v)]);
    } else if (th_is_pair(v)) {
        *to = th_shared(th_obj(v)[i % 2]);
    } else if (is_record(v)) {
        th_value field = th_record_get(r->heap, v, r->symbols[i % SYMBOLS]);
        if (field != TH_V_ABSENT) *to = th_shared(field);
        th_record_count(r->heap, v, &ok);
    }
}

static void grow(run *r) {
    th_value *at = root(r), v = th_deref(*at), item = value(r);
    if (!has_kind(v, TH_OBJ_ARRAY)) return;
    size_t n = th_array_len(v);
    if (!th_array_push(r->heap, v, item, at)) return;
    must(th_array_len(*at) == n + 1 && th_array_items(*at)[n] == item);
}

static void step(run *r) {
    unsigned what = byte(r);
    th_value v;
    switch (what >> 5) {
    case 0:
    case 1:
    case 2: {
        th_value *to = root(r);
        if (make(r, what, &v)) *to = v;
        break;
    }
    case 3: change(r); break;
    case 4: descend(r); break;
    case 5: grow(r); break;
    case 6: *root(r) = TH_V_NULL; break;
    default: collect(r, what % 4 == 0); break;
    }
    if (th_heap_due(r->heap) && what % 8 == 0) collect(r, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run r = {.at = data, .end = data + (size < MOST ? size : MOST)};
    th_mem_init(&r.mem, NULL, NULL, NULL, ((size_t)3 << 19) + (size > 0 ? (size_t)data[0] << 13 : 0));
    must(th_heap_new(&r.mem, visit, &r, &r.heap) == TH_OK);
    for (size_t i = 0; i < ROOTS; i++) r.roots[i] = TH_V_NULL;
    for (size_t i = 0; i < SYMBOLS; i++) {
        char c = (char)('0' + i);
        r.symbols[i] = th_symbol_of(r.heap, (th_view){&c, 1});
        must(r.symbols[i] != 0);
    }
    while (r.at < r.end) step(&r);
    collect(&r, true);
    th_heap_free(r.heap);
    must(r.mem.used_bytes == 0 && r.finalized == r.made);
    return 0;
}
