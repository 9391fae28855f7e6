/*
** coerce.c - texts of Nix with their contexts: making, joining, and what values become when a text is wanted.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#include <stdio.h>

/* ---- Making ------------------------------------------------------------------------------------------------------ */

static bool make_text(th_machine *m, uint32_t sort, th_view text, th_value context, th_value *out) {
    th_heap *heap = th_machine_heap(m);
    if (!heap || !th_machine_charge(m, (int64_t)(text.len / 8 + 1))) return false;
    if (th_new_string(heap, sort, text.data ? text.data : "", text.len, context, out)) return true;
    (void)nix_no_memory(m);
    return false;
}

bool nix_text(th_machine *m, th_view text, th_value *out) { return make_text(m, NIX_SORT_TEXT, text, TH_V_NULL, out); }

bool nix_text_with(th_machine *m, th_view text, th_value context, th_value *out) {
    if (context != TH_V_NULL && th_array_len(context) == 0) context = TH_V_NULL;
    return make_text(m, NIX_SORT_TEXT, text, context, out);
}

bool nix_text_like(th_machine *m, th_view text, th_value like, th_value *out) {
    return make_text(m, NIX_SORT_TEXT, text, th_string_context(like), out);
}

bool nix_path(th_machine *m, th_view text, th_value *out) { return make_text(m, NIX_SORT_PATH, text, TH_V_NULL, out); }

bool nix_text_of_buf(th_machine *m, th_buf *buf, th_value *out) {
    bool made = false;
    if (buf->failed)
        (void)nix_no_memory(m);
    else
        made = nix_text(m, (th_view){buf->data, buf->len}, out);
    th_buf_clear(buf);
    return made;
}

void nix_canon_path(th_view path, th_buf *out) {
    size_t start = out->len;
    for (size_t i = 0; i < path.len;) {
        while (i < path.len && path.data[i] == '/') i++;
        size_t from = i;
        while (i < path.len && path.data[i] != '/') i++;
        size_t len = i - from;
        if (len == 0 || (len == 1 && path.data[from] == '.')) continue;
        if (len == 2 && path.data[from] == '.' && path.data[from + 1] == '.') {
            while (out->len > start && out->data[--out->len] != '/') {}
            if (out->data) out->data[out->len] = 0;
            continue;
        }
        th_buf_char(out, '/');
        th_buf_put(out, path.data + from, len);
    }
    if (out->len == start) th_buf_char(out, '/');
}

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */

/* Merges two sorted arrays of texts into `to` (NULL: only counts). */
static size_t merge(th_value a, th_value b, th_value *to) {
    const th_value *x = th_array_items(a), *y = th_array_items(b);
    size_t i = 0, j = 0, n = 0, nx = th_array_len(a), ny = th_array_len(b);
    while (i < nx || j < ny) {
        int order = i == nx   ? 1
                    : j == ny ? -1
                              : th_view_compare(th_string_view(th_deref(x[i])), th_string_view(th_deref(y[j])));
        th_value next = order <= 0 ? x[i] : y[j];
        i += order <= 0;
        j += order >= 0;
        if (to) to[n] = th_shared(next);
        n++;
    }
    return n;
}

bool nix_context_join(th_machine *m, th_value a, th_value b, th_value *out) {
    if (b == TH_V_NULL || a == b) return *out = a, true;
    if (a == TH_V_NULL) return *out = b, true;
    if (!th_machine_charge(m, (int64_t)(th_array_len(a) + th_array_len(b)))) return false;
    size_t n = merge(a, b, NULL);
    if (n == th_array_len(a)) return *out = a, true;
    if (n == th_array_len(b)) return *out = b, true;
    th_value *items, joined;
    if (!th_new_array(th_machine_heap(m), n, TH_V_NULL, &items, &joined)) return nix_no_memory(m), false;
    (void)merge(a, b, items);
    *out = joined;
    return true;
}

/* ---- Joining ----------------------------------------------------------------------------------------------------- */

bool nix_concat_texts(th_machine *m, const th_value *parts, size_t n, th_view separator, th_value *out) {
    th_value context = TH_V_NULL;
    size_t len = n > 1 ? (n - 1) * separator.len : 0;
    for (size_t i = 0; i < n; i++) {
        th_value part = th_deref(parts[i]);
        len += th_string_len(part);
        if (nix_has_context(part) && !nix_context_join(m, context, th_string_context(part), &context)) return false;
    }
    if (n == 1 && nix_is_text(th_deref(parts[0]))) return *out = th_shared(th_deref(parts[0])), true;
    th_heap *heap = th_machine_heap(m);
    if (!heap || !th_machine_charge(m, (int64_t)(len / 8 + n))) return false;
    if (!th_new_string(heap, NIX_SORT_TEXT, NULL, len, context, out)) return nix_no_memory(m), false;
    char *to = (char *)(uintptr_t)th_string_bytes(*out);
    for (size_t i = 0; i < n; i++) {
        th_view part = th_string_view(th_deref(parts[i]));
        if (i && separator.len) memcpy(to, separator.data, separator.len), to += separator.len;
        memcpy(to, part.data, part.len);
        to += part.len;
    }
    *to = 0;
    return true;
}

bool nix_path_of_texts(th_machine *m, const th_value *parts, size_t n, th_value *out) {
    th_buf joined, path;
    th_buf_init(&joined, th_machine_mem(m));
    th_buf_init(&path, th_machine_mem(m));
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        th_value part = th_deref(parts[i]);
        good = !nix_has_context(part);
        if (!good)
            (void)th_machine_trap(m, TH_E_TYPE, "a string that refers to a store path cannot be appended to a path");
        th_buf_put(&joined, th_string_bytes(part), th_string_len(part));
    }
    if (good && memchr(joined.data ? joined.data : "", 0, joined.len)) {
        (void)th_machine_trap(m, TH_E_TYPE, "a path cannot contain a null byte");
        good = false;
    }
    if (good && !joined.failed) nix_canon_path((th_view){joined.data, joined.len}, &path);
    if (good && (joined.failed || path.failed)) {
        (void)nix_no_memory(m);
        good = false;
    }
    good = good && nix_path(m, (th_view){path.data, path.len}, out);
    th_buf_clear(&joined);
    th_buf_clear(&path);
    return good;
}

/* All evaluated, and texts or (`paths`) paths. */
static bool all_texts(const th_value *parts, size_t n, bool paths) {
    for (size_t i = 0; i < n; i++) {
        th_value part = th_deref(parts[i]);
        if (!nix_is_text(part) && !(paths && nix_is_path(part))) return false;
    }
    return true;
}

/* ---- Coercion ---------------------------------------------------------------------------------------------------- */

static th_step cannot_coerce(th_machine *m, th_value v) {
    char word[96];
    th_buf text;
    th_buf_init(&text, th_machine_mem(m));
    nix_print_error(m, v, &text);
    th_step step = th_machine_trap(m, TH_E_TYPE, "cannot coerce %s to a string: %s", nix_type_word(m, v, word),
                                   text.data ? text.data : "?");
    th_buf_clear(&text);
    return step;
}

/* What needs no call and no evaluation: *out is the text, or TH_V_ABSENT. False: a trap is recorded. */
static bool simple_text(th_machine *m, th_value v, uint32_t flags, th_value *out) {
    char digits[400];
    th_view text = {"", 0};
    int64_t i;
    double x;
    *out = TH_V_ABSENT;
    if (nix_is_text(v)) return *out = v, true;
    if (nix_is_path(v)) return (flags & NIX_COERCE_COPY) ? true : nix_text(m, th_string_view(v), out);
    if (!(flags & NIX_COERCE_MORE)) return true;
    if (nix_is_int(v) && th_get_i64(v, &i)) {
        text = (th_view){digits, th_format_i64(i, digits)};
    } else if (nix_is_float(v) && th_get_f64(v, &x)) {
        int n = snprintf(digits, sizeof digits, "%f", x);
        for (int k = 0; k < n; k++)
            if (digits[k] == ',') digits[k] = '.'; /* whatever the locale says */
        text = (th_view){digits, (size_t)n};
    } else if (v == TH_V_TRUE) {
        text = (th_view){"1", 1};
    } else if (v != TH_V_FALSE && v != TH_V_NULL) {
        return true;
    }
    return nix_text(m, text, out);
}

enum { C_VALUE, C_PARTS, C_COUNT }; /* slots: the value in hand; an array of texts so far, and how many */
enum { C_START, C_GOT_VALUE, C_GOT_TEXT };

static bool emit(th_machine *m, th_call *call, th_value text) {
    th_heap *heap = th_machine_heap(m);
    size_t n = (size_t)call->slots[C_COUNT], capacity = n ? th_array_len(call->slots[C_PARTS]) : 0;
    if (n == capacity) {
        th_value *items, grown;
        if (!th_new_array(heap, capacity ? capacity * 2 : 1, TH_V_NULL, &items, &grown)) return nix_no_memory(m), false;
        if (n) memcpy(items, th_array_items(call->slots[C_PARTS]), n * sizeof *items);
        call->slots[C_PARTS] = grown;
    }
    th_value parts = call->slots[C_PARTS];
    th_heap_set(heap, th_obj(parts), &th_array_items(parts)[n], th_shared(text));
    call->slots[C_COUNT] = n + 1;
    return true;
}

/* The next item of the innermost list into C_VALUE. False: there is none left anywhere, or *step tells. */
static bool next_item(th_machine *m, th_call *call, th_step *step) {
    *step = TH_STEP_DONE;
    for (;;) {
        size_t depth = th_call_depth(m, call);
        if (depth == 0) return false;
        th_value *top = th_call_stack(m, call) + depth - 2;
        size_t i = (size_t)th_int(top[1]), n = th_array_len(top[0]);
        if (i == n) {
            (void)th_call_pop(m, call);
            (void)th_call_pop(m, call);
            continue;
        }
        top[1] = th_of_int((int64_t)i + 1);
        const th_value *items = th_array_items(top[0]);
        th_value v = items[i], before = i ? th_deref(items[i - 1]) : TH_V_NULL, space;
        if (i && !(nix_is_list(before) && th_array_len(before) == 0)) {
            *step = TH_STEP_ERROR;
            if (!nix_text(m, (th_view){" ", 1}, &space) || !emit(m, call, space)) return false;
        }
        call->slots[C_VALUE] = v;
        return true;
    }
}

/* A set becomes the result of its __toString, or its outPath. */
static th_step coerce_set(th_machine *m, th_call *call, th_value set) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    if (!state || !heap) return TH_STEP_ERROR;
    th_value f = th_record_get(heap, set, nix_name_symbol(state, NIX_S_TO_STRING));
    if (f != TH_V_ABSENT) return th_call_apply(m, call, f, &set, 1, C_GOT_VALUE);
    th_value path = th_record_get(heap, set, nix_name_symbol(state, NIX_S_OUT_PATH));
    if (path == TH_V_ABSENT) return cannot_coerce(m, set);
    call->slots[C_VALUE] = path;
    return TH_STEP_DONE;
}

static th_step coerce_finish(th_machine *m, th_call *call, uint32_t flags) {
    th_value text;
    size_t n = (size_t)call->slots[C_COUNT];
    if (!nix_concat_texts(m, n ? th_array_items(call->slots[C_PARTS]) : NULL, n, (th_view){"", 0}, &text))
        return TH_STEP_ERROR;
    if (!(flags & NIX_COERCE_PATH)) return nix_done(call, text);
    th_view view = th_string_view(text);
    if (view.len == 0 || view.data[0] != '/')
        return th_machine_trap(m, TH_E_TYPE, "string '%.*s' doesn't represent an absolute path",
                               (int)(view.len < 500 ? view.len : 500), view.data);
    th_buf canon;
    th_buf_init(&canon, th_machine_mem(m));
    nix_canon_path(view, &canon);
    th_step step = canon.failed ? nix_no_memory(m) : TH_STEP_DONE;
    if (step == TH_STEP_DONE && !nix_text_like(m, (th_view){canon.data, canon.len}, text, &text)) step = TH_STEP_ERROR;
    th_buf_clear(&canon);
    return step == TH_STEP_DONE ? nix_done(call, text) : step;
}

static th_step coerce(th_machine *m, th_call *call) {
    uint32_t flags = (uint32_t)th_int(call->args[1]);
    th_step step;
    th_value text;
    bool emitted = false;
    if (call->state == C_START) {
        call->slots[C_VALUE] = call->args[0];
        call->slots[C_PARTS] = TH_V_NULL;
    } else if (call->state == C_GOT_VALUE) {
        call->slots[C_VALUE] = call->callback;
    } else {
        if (!emit(m, call, call->callback)) return TH_STEP_ERROR;
        emitted = true;
    }
    for (;;) {
        NIX_CHARGE(m, 2);
        if (emitted && !next_item(m, call, &step)) return step == TH_STEP_DONE ? coerce_finish(m, call, flags) : step;
        emitted = false;
        th_value v = call->slots[C_VALUE];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, C_GOT_VALUE);
        if (!simple_text(m, v, flags, &text)) return TH_STEP_ERROR;
        if (text != TH_V_ABSENT) {
            if (!emit(m, call, text)) return TH_STEP_ERROR;
            emitted = true;
        } else if (nix_is_path(v)) {
            th_value copy;
            if (!nix_later(m, NIX_I_COPY_PATH, &v, 1, &copy)) return TH_STEP_ERROR;
            return th_call_force(m, call, copy, C_GOT_TEXT);
        } else if (nix_is_set(v)) {
            step = coerce_set(m, call, v);
            if (step != TH_STEP_DONE) return step;
        } else if (nix_is_list(v) && (flags & NIX_COERCE_MORE)) {
            if (!th_call_push(m, call, v) || !th_call_push_raw(m, call, 0)) return TH_STEP_ERROR;
            emitted = true;
        } else {
            return cannot_coerce(m, v);
        }
    }
}

enum { I_OUT, I_AT };

enum { I_START, I_FORCED, I_COERCED };

/* The same list with each item coerced. */
static th_step coerce_items(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    uint32_t flags = (uint32_t)th_int(call->args[1]);
    th_value list = call->args[0], *items, v = TH_V_NULL;
    size_t n = th_array_len(list), i = (size_t)call->slots[I_AT];
    bool at_hand = call->state != I_START;
    if (!heap) return TH_STEP_ERROR;
    if (call->state == I_START) {
        NIX_CHARGE(m, n);
        if (!th_new_array(heap, n, TH_V_NULL, &items, &call->slots[I_OUT])) return nix_no_memory(m);
    } else {
        v = th_deref(call->callback);
    }
    th_value out = call->slots[I_OUT];
    for (; i < n; i++, at_hand = false) {
        call->slots[I_AT] = i;
        if (!at_hand) v = th_array_items(list)[i];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, I_FORCED);
        if (!nix_is_text(v)) return nix_coerce(m, call, v, flags, I_COERCED);
        th_heap_set(heap, th_obj(out), &th_array_items(out)[i], th_shared(v));
    }
    return nix_done(call, out);
}

/* ---- What is written as "${...}", and + -------------------------------------------------------------------------- */

static th_step list_of(th_machine *m, th_call *call, nix_internal fn, const th_value *parts, size_t n) {
    th_heap *heap = th_machine_heap(m);
    th_value *items, list;
    if (!heap) return TH_STEP_ERROR;
    if (!th_new_array(heap, n, TH_V_NULL, &items, &list)) return nix_no_memory(m);
    for (size_t i = 0; i < n; i++) items[i] = th_shared(parts[i]);
    return nix_tail(m, call, fn, &list, 1);
}

static th_step concat_list(th_machine *m, th_call *call) {
    const th_value *items = th_array_items(call->args[0]);
    size_t n = th_array_len(call->args[0]);
    th_value out;
    if (all_texts(items, n, false))
        return nix_concat_texts(m, items, n, (th_view){"", 0}, &out) ? nix_done(call, out) : TH_STEP_ERROR;
    th_value args[2] = {call->args[0], th_of_int(NIX_COERCE_COPY)}, texts;
    if (!nix_later(m, NIX_I_COERCE_ITEMS, args, 2, &texts)) return TH_STEP_ERROR;
    return nix_again(m, call, NIX_I_CONCAT_LIST, 1, 0, texts);
}

static th_step path_list(th_machine *m, th_call *call) {
    const th_value *items = th_array_items(call->args[0]);
    size_t n = th_array_len(call->args[0]);
    th_value out;
    if (all_texts(items, n, true)) return nix_path_of_texts(m, items, n, &out) ? nix_done(call, out) : TH_STEP_ERROR;
    th_value args[2] = {call->args[0], th_of_int(0)}, texts;
    if (!nix_later(m, NIX_I_COERCE_ITEMS, args, 2, &texts)) return TH_STEP_ERROR;
    return nix_again(m, call, NIX_I_PATH_LIST, 1, 0, texts);
}

static size_t part_count(th_machine *m, const th_call *call) {
    return th_types_nparams(th_machine_types(m), call->type);
}

static th_step concat_strings(th_machine *m, th_call *call) {
    size_t n = part_count(m, call);
    th_value out;
    if (!all_texts(call->args, n, false)) return list_of(m, call, NIX_I_CONCAT_LIST, call->args, n);
    return nix_concat_texts(m, call->args, n, (th_view){"", 0}, &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

static th_step concat_path(th_machine *m, th_call *call) {
    size_t n = part_count(m, call);
    th_value out;
    if (!all_texts(call->args, n, true)) return list_of(m, call, NIX_I_PATH_LIST, call->args, n);
    return nix_path_of_texts(m, call->args, n, &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

/* a + b where a is no number. Neither is copied to the store unless a is a text. */
th_step nix_add_texts(th_machine *m, th_call *call, th_value a, th_value b) {
    th_value out, parts[2] = {a, b};
    if (nix_is_path(a)) {
        if (!all_texts(parts, 2, true)) return list_of(m, call, NIX_I_PATH_LIST, parts, 2);
        return nix_path_of_texts(m, parts, 2, &out) ? nix_done(call, out) : TH_STEP_ERROR;
    }
    if (nix_is_text(a)) {
        if (!all_texts(parts, 2, false)) return list_of(m, call, NIX_I_CONCAT_LIST, parts, 2);
        return nix_concat_texts(m, parts, 2, (th_view){"", 0}, &out) ? nix_done(call, out) : TH_STEP_ERROR;
    }
    for (int i = 0; i < 2; i++) {
        th_value args[2] = {parts[i], th_of_int(0)};
        if (!nix_later(m, NIX_I_COERCE, args, 2, &parts[i])) return TH_STEP_ERROR;
    }
    return list_of(m, call, NIX_I_CONCAT_LIST, parts, 2);
}

static th_step to_string(th_machine *m, th_call *call) {
    th_value out;
    if (!simple_text(m, call->args[0], NIX_COERCE_MORE, &out)) return TH_STEP_ERROR;
    if (out != TH_V_ABSENT) return nix_done(call, out);
    th_value args[2] = {call->args[0], th_of_int(NIX_COERCE_MORE)};
    return nix_tail(m, call, NIX_I_COERCE, args, 2);
}

#define STATEFUL TH_BUILTIN_STATEFUL

const th_builtin nix_lib_coerce[] = {
    {"Nix.coerce", "v: value, flags: value -> value", "A value as a text.", coerce, STATEFUL, 3, "vvi", "vi"},
    {"Nix.coerce_items", "list: value, flags: value -> value", "A list with each item as a text.", coerce_items,
     STATEFUL, 2, "vi", "li"},
    {"Nix.concat_list", "parts: value -> value", "What a text with interpolations becomes, from a list of its parts.",
     concat_list, 0, 0, NULL, "l"},
    {"Nix.path_list", "parts: value -> value", "What a path with interpolations becomes, from a list of its parts.",
     path_list, 0, 0, NULL, "l"},
    {"Nix.concat_strings", "part: value, ... -> value", "What a text with interpolations becomes.", concat_strings, 0,
     0, NULL, NULL},
    {"Nix.concat_path", "part: value, ... -> value", "What a path with interpolations becomes.", concat_path, 0, 0,
     NULL, NULL},
    {"nix.toString", "e: value -> value",
     "Converts a value to a string: numbers as digits, true as \"1\", false and null as \"\", lists item by item with "
     "spaces "
     "between, sets by `__toString` or `outPath`, paths without copying them to the store.",
     to_string, 0, 0, NULL, "v"},
};
const size_t nix_lib_coerce_count = TH_COUNT(nix_lib_coerce);
