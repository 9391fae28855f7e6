/*
** compare.c - equality and order of Nix values, to any depth: state machines over a stack of pairs.
**
** Values of different kinds differ, but numbers compare across kinds. Functions are never equal, except that inside a
** list or set the very same value equals itself, whatever it is. Derivations are equal when their outPath is.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#include <stdio.h>

/* ---- Quick answers ----------------------------------------------------------------------------------------------- */

static bool is_number(th_value v) { return nix_is_int(v) || nix_is_float(v); }

static double as_float(th_value v) {
    double x = 0;
    int64_t i = 0;
    if (th_get_i64(v, &i)) return (double)i;
    (void)th_get_f64(v, &x);
    return x;
}

static int equal_numbers(th_value a, th_value b) {
    int64_t i, j;
    if (th_get_i64(a, &i) && th_get_i64(b, &j)) return i == j;
    return as_float(a) == as_float(b);
}

static bool same_object(th_value a, th_value b) {
    if ((a & ~(th_value)TH_TAG_SHARED) == (b & ~(th_value)TH_TAG_SHARED)) return true;
    return th_is_kind(a, TH_OBJ_BUILTIN) && th_is_kind(b, TH_OBJ_BUILTIN) && *th_obj(a) >> 16 == *th_obj(b) >> 16;
}

int nix_quick_equal(th_value a, th_value b, bool nested) {
    if (th_is_int(a) && th_is_int(b)) return a == b;
    if (is_number(a)) return is_number(b) ? equal_numbers(a, b) : 0;
    if (!th_is_object(a) || !th_is_object(b)) return a == b; /* constants */
    if (nested && same_object(a, b)) return 1;
    th_object_kind kind = th_header_kind(*th_obj(a)), other = th_header_kind(*th_obj(b));
    if (kind == TH_OBJ_STRING)
        return other == TH_OBJ_STRING && th_string_sort(a) == th_string_sort(b) &&
               th_view_eq(th_string_view(a), th_string_view(b));
    if (kind == TH_OBJ_ARRAY) {
        if (other != TH_OBJ_ARRAY || th_array_len(a) != th_array_len(b)) return 0;
        return th_array_len(a) == 0 ? 1 : -1;
    }
    return nix_is_set(a) && nix_is_set(b) ? -1 : 0;
}

/* -1: lists, which take a walk. -2: not to be compared. */
int nix_quick_less(th_value a, th_value b) {
    if (th_is_int(a) && th_is_int(b)) return th_int(a) < th_int(b);
    if (is_number(a) && is_number(b)) {
        int64_t i, j;
        if (th_get_i64(a, &i) && th_get_i64(b, &j)) return i < j;
        return as_float(a) < as_float(b);
    }
    if (th_is_kind(a, TH_OBJ_STRING) && th_is_kind(b, TH_OBJ_STRING) && th_string_sort(a) == th_string_sort(b))
        return th_view_compare(th_string_view(a), th_string_view(b)) < 0;
    return nix_is_list(a) && nix_is_list(b) ? -1 : -2;
}

th_step nix_incomparable(th_machine *m, th_value a, th_value b) {
    char words[2][96];
    th_buf x, y;
    th_buf_init(&x, th_machine_mem(m));
    th_buf_init(&y, th_machine_mem(m));
    nix_print_error(m, a, &x);
    nix_print_error(m, b, &y);
    const char *of_a = nix_type_word(m, a, words[0]), *of_b = nix_type_word(m, b, words[1]);
    bool same = strcmp(of_a, of_b) == 0;
    th_step step = th_machine_trap(m, TH_E_TYPE,
                                   same ? "cannot compare %s with %s; values of that type are incomparable (values are "
                                          "%.400s and %.400s)"
                                        : "cannot compare %s with %s; values are %.400s and %.400s",
                                   of_a, of_b, x.data ? x.data : "?", y.data ? y.data : "?");
    th_buf_clear(&x);
    th_buf_clear(&y);
    return step;
}

/* ---- Equality ---------------------------------------------------------------------------------------------------- */

typedef enum verdict { DIFFER, SAME, WALK /* a frame was pushed */, WAIT /* *step tells */ } verdict;

typedef struct walk {
    th_machine *m;
    th_call *call;
    th_heap *heap;
    const nix_state *state;
    uint32_t again; /* the state to be entered with after a force: the same pair is looked at again */
    th_step step;
} walk;

static bool ready(walk *w, th_value *v) {
    if (th_evaluated(v)) return true;
    w->step = th_call_force(w->m, w->call, *v, w->again);
    return false;
}

static verdict push_frame(walk *w, th_value a, th_value b) {
    bool pushed =
        th_call_push(w->m, w->call, a) && th_call_push(w->m, w->call, b) && th_call_push_raw(w->m, w->call, 0);
    w->step = TH_STEP_ERROR;
    return pushed ? WALK : WAIT;
}

/* SAME: it is a derivation, DIFFER: it is none. */
static verdict derivation(walk *w, th_value set) {
    th_value type = th_record_get(w->heap, set, nix_name_symbol(w->state, NIX_S_TYPE));
    if (type == TH_V_ABSENT) return DIFFER;
    if (!ready(w, &type)) return WAIT;
    return nix_is_text(type) && th_view_is(th_string_view(type), "derivation") ? SAME : DIFFER;
}

static verdict sets(walk *w, th_value *a, th_value *b) {
    verdict is = derivation(w, *a);
    if (is == SAME) is = derivation(w, *b);
    if (is == WAIT) return WAIT;
    if (is == SAME) {
        th_value x = th_record_get(w->heap, *a, nix_name_symbol(w->state, NIX_S_OUT_PATH));
        th_value y = th_record_get(w->heap, *b, nix_name_symbol(w->state, NIX_S_OUT_PATH));
        if (x != TH_V_ABSENT && y != TH_V_ABSENT) {
            if (!ready(w, &x) || !ready(w, &y)) return WAIT;
            *a = x;
            *b = y;
            return SAME; /* go on with these two */
        }
    }
    th_value x, y;
    if (!th_record_flat(w->heap, *a, &x) || !th_record_flat(w->heap, *b, &y)) {
        w->step = nix_no_memory(w->m);
        return WAIT;
    }
    const th_shape *p = th_record_shape(w->heap, x), *q = th_record_shape(w->heap, y);
    if (p->count != q->count || (p != q && memcmp(p->keys, q->keys, p->count * sizeof *p->keys) != 0)) return DIFFER;
    return push_frame(w, x, y);
}

static verdict pair(walk *w, th_value a, th_value b, bool nested) {
    for (;; nested = true) {
        int quick = nix_quick_equal(a, b, nested);
        if (quick >= 0) return quick ? SAME : DIFFER;
        if (nix_is_list(a)) return push_frame(w, a, b);
        verdict v = sets(w, &a, &b);
        if (v != SAME) return v;
    }
}

static size_t item_count(const walk *w, th_value v) {
    return nix_is_list(v) ? th_array_len(v) : th_record_shape(w->heap, v)->count;
}

/* The items of the innermost pair, from where it stands. SAME: all are equal. */
static verdict frame(walk *w, int64_t *work) {
    size_t depth = th_call_depth(w->m, w->call);
    th_value *top = th_call_stack(w->m, w->call) + depth - 3;
    size_t i = (size_t)th_int(top[2]), n = item_count(w, top[0]);
    const th_value *left = th_obj(top[0]) + 1, *right = th_obj(top[1]) + 1;
    for (; i < n; i++) {
        th_value a = left[i], b = right[i];
        ++*work;
        if (th_is_int(a) && th_is_int(b)) {
            if (a != b) return DIFFER;
            continue;
        }
        top[2] = th_of_int((int64_t)i);
        if (!ready(w, &a) || !ready(w, &b)) return WAIT;
        top[2] = th_of_int((int64_t)i + 1);
        verdict v = pair(w, a, b, true);
        if (v == WAIT) th_call_stack(w->m, w->call)[depth - 1] = th_of_int((int64_t)i);
        if (v != SAME) return v;
        if (nix_is_text(a)) *work += (int64_t)(th_string_len(a) / 16);
    }
    return SAME;
}

static th_step equal(th_machine *m, th_call *call) {
    walk w = {m, call, th_machine_heap(m), nix_state_of(m), call->state, TH_STEP_ERROR};
    int64_t work = 1;
    if (!w.heap || !w.state) return TH_STEP_ERROR;
    if (call->state == 0) {
        verdict v = pair(&w, th_deref(call->args[0]), th_deref(call->args[1]), false);
        if (v == WAIT) return w.step;
        if (v != WALK) return nix_done_bool(call, v == SAME);
        w.again = 1;
    }
    while (th_call_depth(m, call) > 0) {
        verdict v = frame(&w, &work);
        if (work >= 4096 || v == WAIT || v == DIFFER) {
            NIX_CHARGE(m, work);
            work = 0;
        }
        if (v == WAIT) return w.step;
        if (v == DIFFER) return nix_done_bool(call, false);
        if (v == SAME)
            for (int i = 0; i < 3; i++) (void)th_call_pop(m, call);
    }
    NIX_CHARGE(m, work);
    return nix_done_bool(call, true);
}

/* ---- Order ------------------------------------------------------------------------------------------------------- */

enum { L_START, L_RESUME, L_EQUAL };

/* The items of the innermost pair of lists from where it stands. SAME: all are equal; WALK: a pair of lists within was
** pushed; DIFFER: *less is the answer. `known`: the items where it stands were compared, and are equal or not. */
static verdict list_frame(walk *w, const bool *known, bool *less, int64_t *work) {
    size_t depth = th_call_depth(w->m, w->call);
    th_value *top = th_call_stack(w->m, w->call) + depth - 3;
    size_t na = th_array_len(top[0]), nb = th_array_len(top[1]);
    for (size_t i = (size_t)th_int(top[2]);; i++, known = NULL) {
        if (i == na || i == nb) {
            *less = na < nb;
            return na == nb ? SAME : DIFFER;
        }
        ++*work;
        th_value a = th_array_items(top[0])[i], b = th_array_items(top[1])[i];
        top[2] = th_of_int((int64_t)i);
        if (!ready(w, &a) || !ready(w, &b)) return WAIT;
        int equal = known ? *known : nix_quick_equal(a, b, true);
        if (equal > 0) continue;
        if (nix_is_list(a) && nix_is_list(b)) {
            top[2] = th_of_int((int64_t)i + 1);
            return push_frame(w, a, b);
        }
        if (equal < 0) {
            w->step = nix_equal(w->m, w->call, a, b, L_EQUAL);
            return WAIT;
        }
        int quick = nix_quick_less(a, b);
        if (quick == -2) {
            w->step = nix_incomparable(w->m, a, b);
            return WAIT;
        }
        *less = quick > 0;
        return DIFFER;
    }
}

/* Lists are ordered by their first items that differ, at any depth. */
static th_step less(th_machine *m, th_call *call) {
    walk w = {m, call, th_machine_heap(m), nix_state_of(m), L_RESUME, TH_STEP_ERROR};
    bool equal = call->state == L_EQUAL && call->callback == TH_V_TRUE, answer = false;
    const bool *known = call->state == L_EQUAL ? &equal : NULL;
    int64_t work = 1;
    if (!w.heap || !w.state) return TH_STEP_ERROR;
    if (call->state == L_START) {
        th_value a = th_deref(call->args[0]), b = th_deref(call->args[1]);
        int quick = nix_quick_less(a, b);
        if (quick == -2) return nix_incomparable(m, a, b);
        if (quick >= 0) return nix_done_bool(call, quick);
        if (push_frame(&w, a, b) == WAIT) return w.step;
    }
    while (th_call_depth(m, call) > 0) {
        verdict v = list_frame(&w, known, &answer, &work);
        known = NULL;
        if (work >= 4096 || v == WAIT || v == DIFFER) {
            NIX_CHARGE(m, work);
            work = 0;
        }
        if (v == WAIT) return w.step;
        if (v == DIFFER) return nix_done_bool(call, answer);
        if (v == SAME)
            for (int i = 0; i < 3; i++) (void)th_call_pop(m, call);
    }
    NIX_CHARGE(m, work);
    return nix_done_bool(call, false);
}

/* a < b of what is simple; what is not, in a context of its own. */
static th_step less_than(th_machine *m, th_call *call) {
    th_value a = th_deref(call->args[0]), b = th_deref(call->args[1]);
    int quick = nix_quick_less(a, b);
    if (quick >= 0) return nix_done_bool(call, quick);
    if (quick == -2) return nix_incomparable(m, a, b);
    return nix_tail(m, call, NIX_I_LESS, call->args, 2);
}

/* ---- Membership -------------------------------------------------------------------------------------------------- */

/* Nix.elem x list from: goes on where the plain one met what takes a walk. */
static th_step elem_walk(th_machine *m, th_call *call) {
    th_value x = th_deref(call->args[0]), list = call->args[1];
    size_t n = th_array_len(list);
    if (call->state == 0) call->slots[0] = (uint64_t)th_int(call->args[2]);
    if (call->state == 2) {
        if (call->callback == TH_V_TRUE) return nix_done_bool(call, true);
        call->slots[0]++;
    }
    for (; call->slots[0] < n; call->slots[0]++) {
        NIX_CHARGE(m, 1);
        th_value v = th_array_items(list)[call->slots[0]];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, 1);
        int quick = nix_quick_equal(x, v, true);
        if (quick < 0) return nix_equal(m, call, x, v, 2);
        if (quick) return nix_done_bool(call, true);
    }
    return nix_done_bool(call, false);
}

static th_step elem(th_machine *m, th_call *call) {
    th_value x = call->args[0], list = call->args[1];
    size_t n = th_array_len(list), i = 0;
    if (n == 0) return nix_done_bool(call, false);
    NIX_CHARGE(m, n / 4 + 1);
    if (th_evaluated(&x)) {
        for (; i < n; i++) {
            th_value v = th_array_items(list)[i];
            int quick = th_evaluated(&v) ? nix_quick_equal(x, v, true) : -1;
            if (quick > 0) return nix_done_bool(call, true);
            if (quick < 0) break;
        }
        if (i == n) return nix_done_bool(call, false);
    }
    th_value args[3] = {x, list, th_of_int((int64_t)i)};
    return nix_tail(m, call, NIX_I_ELEM, args, 3);
}

#define STATEFUL TH_BUILTIN_STATEFUL

const th_builtin nix_lib_compare[] = {
    {"Nix.equal", "a: value, b: value -> value", "a == b, to any depth.", equal, STATEFUL, 0, NULL, "vv"},
    {"Nix.less", "a: value, b: value -> value", "a < b: numbers, strings, paths, and lists of these.", less, STATEFUL,
     0, NULL, "vv"},
    {"Nix.elem", "x: value, list: value, from: value -> value", "Whether x is in the list from that index on.",
     elem_walk, STATEFUL, 1, "i", "vli"},
    {"nix.lessThan", "e1: value, e2: value -> value",
     "Whether the first number, string, path or list comes before the second.", less_than, 0, 0, NULL, "vv"},
    {"nix.elem", "x: value, xs: value -> value", "Whether a value equal to x occurs in the list.", elem, 0, 0, NULL,
     ".l"},
};
const size_t nix_lib_compare_count = TH_COUNT(nix_lib_compare);
