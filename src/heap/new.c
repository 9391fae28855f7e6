/*
** new.c - making objects and reading them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/heap_int.h"

size_t th_object_words(const th_heap *heap, uint64_t header) {
    size_t size = (size_t)th_header_size(header);
    switch (th_header_kind(header)) {
    case TH_OBJ_INT:
    case TH_OBJ_FLOAT: return 2;
    case TH_OBJ_STRING: return 1 + (th_header_flags(header) & TH_STRING_CONTEXT ? 1 : 0) + (size + 1 + 7) / 8;
    case TH_OBJ_BYTES: return 1 + (size + 7) / 8;
    case TH_OBJ_RECORD: return 1 + (size_t)th_shape_by_id(heap, (uint32_t)size)->count;
    case TH_OBJ_LAYER:
    case TH_OBJ_NATIVE: return 3;
    case TH_OBJ_CLOSURE: return 1 + (size_t)th_header_captures(header);
    case TH_OBJ_THUNK:
    case TH_OBJ_BUSY: {
        size_t captures = th_header_captures(header);
        return 1 + (captures ? captures : 1);
    }
    case TH_OBJ_PARTIAL: return 2 + size;
    case TH_OBJ_BUILTIN: return 1;
    case TH_OBJ_BIG:
    case TH_OBJ_ARRAY:
    case TH_OBJ_DONE:
    case TH_OBJ_FAILED:
    case TH_OBJ_ERROR:
    case TH_OBJ_WEAK:
    default: return 1 + size;
    }
}

/* ---- Numbers -------------------------------------------------------------------------------------------------- */

bool th_new_int(th_heap *heap, int64_t i, th_value *out) {
    if (th_int_fits(i)) return *out = th_of_int(i), true;
    uint64_t *p = th_heap_words(heap, 2);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_INT, 0, 0);
    p[1] = (uint64_t)i;
    *out = th_of_object(p);
    return true;
}

bool th_new_float(th_heap *heap, double x, th_value *out) {
    if (th_float_fits(x, out)) return true;
    uint64_t *p = th_heap_words(heap, 2);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_FLOAT, 0, 0);
    memcpy(&p[1], &x, 8);
    *out = th_of_object(p);
    return true;
}

bool th_get_i64(th_value v, int64_t *out) {
    if (th_is_int(v)) return *out = th_int(v), true;
    if (!th_is_kind(v, TH_OBJ_INT)) return false;
    *out = (int64_t)th_obj(v)[1];
    return true;
}

bool th_get_f64(th_value v, double *out) {
    if (th_is_float_word(v)) return *out = th_float_word(v), true;
    if (!th_is_kind(v, TH_OBJ_FLOAT)) return false;
    memcpy(out, &th_obj(v)[1], 8);
    return true;
}

/* ---- Texts and arrays ------------------------------------------------------------------------------------------ */

bool th_new_string(th_heap *heap, uint32_t sort, const char *bytes, size_t len, th_value context, th_value *out) {
    bool with = context != TH_V_NULL;
    size_t words = 1 + with + (len + 1 + 7) / 8;
    uint64_t *p = th_heap_words(heap, words);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_STRING, sort | (with ? TH_STRING_CONTEXT : 0u), len);
    if (with) th_heap_set(heap, p, &p[1], context);
    char *to = (char *)(p + 1 + with);
    if (bytes && len) memcpy(to, bytes, len);
    to[len] = 0;
    *out = th_of_object(p);
    return true;
}

bool th_new_array(th_heap *heap, size_t n, th_value fill, th_value **items, th_value *out) {
    if (n > SIZE_MAX / 16) return false;
    uint64_t *p = th_heap_words(heap, 1 + n);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_ARRAY, 0, n);
    for (size_t i = 0; i < n; i++) p[1 + i] = fill;
    *out = th_of_object(p);
    if (items) *items = p + 1;
    return true;
}

bool th_array_with(th_heap *heap, th_value array, size_t i, th_value item, th_value *out) {
    uint64_t *p = th_obj(array);
    if (th_is_shared(array)) {
        th_value *items;
        size_t n = th_array_len(array);
        if (!th_new_array(heap, n, TH_V_NULL, &items, out)) return false;
        uint64_t *copy = th_obj(*out);
        for (size_t k = 0; k < n; k++) th_heap_set(heap, copy, &items[k], th_shared(p[1 + k]));
        th_heap_set(heap, copy, &items[i], item);
        return true;
    }
    th_heap_set(heap, p, &p[1 + i], item);
    *out = array;
    return true;
}

bool th_array_push(th_heap *heap, th_value array, th_value item, th_value *out) {
    uint64_t *p = th_obj(array);
    size_t n = th_array_len(array), words = TH_ALIGN(1 + n, 2);
    bool shared = th_is_shared(array), padded = words > 1 + n;
    bool last = (char *)(p + words) == heap->next && (padded || (size_t)(heap->end - heap->next) >= 16);
    if (!padded && (words + 2) * 8 >= TH_HEAP_LARGE_BYTES) last = false; /* no large object lies in the nursery */
    if (!shared && (padded || last)) { /* the rounding word, or the free words after the last object */
        if (!padded) heap->next += 16;
        p[0] = TH_HEADER(TH_OBJ_ARRAY, th_header_flags(p[0]), n + 1);
        th_heap_set(heap, p, &p[1 + n], item);
        *out = array;
        return true;
    }
    th_value *items;
    if (!th_new_array(heap, n + 1, TH_V_NULL, &items, out)) return false;
    uint64_t *copy = th_obj(*out);
    for (size_t k = 0; k < n; k++) th_heap_set(heap, copy, &items[k], shared ? th_shared(p[1 + k]) : p[1 + k]);
    th_heap_set(heap, copy, &items[n], item);
    return true;
}

bool th_new_pair(th_heap *heap, th_value head, th_value tail, th_value *out) {
    uint64_t *p = th_heap_words(heap, 2);
    if (!p) return false;
    th_heap_set(heap, p, &p[0], head);
    th_heap_set(heap, p, &p[1], tail);
    *out = th_of_object(p) | TH_TAG_PAIR;
    return true;
}

/* ---- Functions and thunks --------------------------------------------------------------------------------------- */

bool th_new_closure(th_heap *heap, th_object_kind kind, uint32_t fn, const th_value *captures, size_t n,
                    th_value *out) {
    uint64_t *p = th_heap_words(heap, 1 + (n ? n : 1));
    if (!p) return false;
    p[0] = TH_CLOSURE_HEADER(kind, n, fn);
    for (size_t i = 0; i < n; i++) th_heap_set(heap, p, &p[1 + i], captures[i]);
    *out = th_of_object(p);
    return true;
}

bool th_new_partial(th_heap *heap, th_value fn, const th_value *args, size_t n, th_value *out) {
    uint64_t *p = th_heap_words(heap, 2 + n);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_PARTIAL, 0, n);
    th_heap_set(heap, p, &p[1], fn);
    for (size_t i = 0; i < n; i++) th_heap_set(heap, p, &p[2 + i], args[i]);
    *out = th_of_object(p);
    return true;
}

bool th_new_builtin(th_heap *heap, uint32_t number, th_value *out) {
    uint64_t *p = th_heap_words(heap, 1);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_BUILTIN, 0, number);
    *out = th_of_object(p);
    return true;
}

bool th_new_error(th_heap *heap, const th_value *fields, size_t n, th_value *out) {
    uint64_t *p = th_heap_words(heap, 1 + n);
    if (!p) return false;
    p[0] = TH_HEADER(TH_OBJ_ERROR, 0, n);
    for (size_t i = 0; i < n; i++) th_heap_set(heap, p, &p[1 + i], fields[i]);
    *out = th_of_object(p);
    return true;
}

/* ---- What a value is ---------------------------------------------------------------------------------------------- */

bool th_is_unevaluated(th_value v) {
    if (!th_is_object(v)) return false;
    th_object_kind kind = th_header_kind(*th_obj(v));
    return kind == TH_OBJ_THUNK || kind == TH_OBJ_BUSY || kind == TH_OBJ_FAILED;
}

static th_value_kind kind_of_constant(th_value v) {
    switch (v) {
    case TH_V_NULL: return TH_VK_NULL;
    case TH_V_FALSE:
    case TH_V_TRUE: return TH_VK_BOOL;
    case TH_V_EMPTY: return TH_VK_EMPTY;
    default: return TH_VK_OTHER;
    }
}

th_value_kind th_value_kind_of(th_value v) {
    v = th_deref(v);
    if (th_is_int(v)) return TH_VK_INT;
    if (th_is_float_word(v)) return TH_VK_FLOAT;
    if (th_is_constant(v)) return kind_of_constant(v);
    if (th_is_pair(v)) return TH_VK_PAIR;
    if (!th_is_object(v)) return TH_VK_OTHER;
    switch (th_header_kind(*th_obj(v))) {
    case TH_OBJ_INT: return TH_VK_INT;
    case TH_OBJ_FLOAT: return TH_VK_FLOAT;
    case TH_OBJ_BIG: return TH_VK_BIG;
    case TH_OBJ_STRING: return TH_VK_STRING;
    case TH_OBJ_ARRAY: return TH_VK_ARRAY;
    case TH_OBJ_RECORD:
    case TH_OBJ_LAYER: return TH_VK_RECORD;
    case TH_OBJ_CLOSURE:
    case TH_OBJ_PARTIAL:
    case TH_OBJ_BUILTIN: return TH_VK_FUNCTION;
    case TH_OBJ_THUNK:
    case TH_OBJ_BUSY:
    case TH_OBJ_FAILED: return TH_VK_THUNK;
    case TH_OBJ_ERROR: return TH_VK_ERROR;
    default: return TH_VK_OTHER;
    }
}
