/*
** list.c - Nix: lists. What only moves items is plain; what calls the user's functions is a state machine.
** map and genList make a thunk for each item; filter, foldl', sort and their like call at once.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

static bool new_list(th_machine *m, size_t n, th_value **items, th_value *out) {
    th_heap *heap = th_machine_heap(m);
    if (!heap || !th_machine_charge(m, (int64_t)(n / 4 + 1))) return false;
    if (th_new_array(heap, n, TH_V_NULL, items, out)) return true;
    (void)nix_no_memory(m);
    return false;
}

static void store(th_machine *m, th_value list, size_t i, th_value v) {
    th_heap_set(th_machine_heap(m), th_obj(list), &th_array_items(list)[i], th_shared(v));
}

/* Items from .. from+n of a list as a list. */
static th_step slice(th_machine *m, th_call *call, th_value list, size_t from, size_t n) {
    th_value *items, out;
    if (n == th_array_len(list)) return nix_done(call, list);
    if (!new_list(m, n, &items, &out)) return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++) store(m, out, i, th_array_items(list)[from + i]);
    return nix_done(call, out);
}

/* ---- Plain ------------------------------------------------------------------------------------------------------- */

static th_step length(th_machine *m, th_call *call) {
    (void)m;
    return nix_done(call, th_of_int((int64_t)th_array_len(call->args[0])));
}

static th_step head(th_machine *m, th_call *call) {
    if (th_array_len(call->args[0]) == 0)
        return th_machine_trap(m, TH_E_INDEX, "'builtins.head' called on an empty list: list index 0 is out of bounds");
    return nix_done(call, th_array_items(call->args[0])[0]);
}

static th_step tail(th_machine *m, th_call *call) {
    size_t n = th_array_len(call->args[0]);
    if (n == 0) return th_machine_trap(m, TH_E_INDEX, "'builtins.tail' called on an empty list");
    return slice(m, call, call->args[0], 1, n - 1);
}

static th_step elem_at(th_machine *m, th_call *call) {
    int64_t i;
    size_t n = th_array_len(call->args[0]);
    if (!nix_want_int(m, call->args[1], &i)) return TH_STEP_ERROR;
    if (i < 0 || (uint64_t)i >= n)
        return th_machine_trap(
            m, TH_E_INDEX,
            "'builtins.elemAt' called with index %lld on a list of size %zu: list index %lld is out of "
            "bounds",
            (long long)i, n, (long long)i);
    return nix_done(call, th_array_items(call->args[0])[i]);
}

static th_step map(th_machine *m, th_call *call) {
    th_value f = call->args[0], list = call->args[1], *items, out;
    size_t n = th_array_len(list);
    if (n == 0) return nix_done(call, list);
    if (!th_evaluated(&f)) return nix_after(m, call, NIX_I_MAP, 2, f);
    if (!nix_is_applicable(m, f)) return nix_expected(m, "a function", f);
    if (!new_list(m, n, &items, &out)) return TH_STEP_ERROR;
    th_heap *heap = th_machine_heap(m);
    f = th_shared(f);
    for (size_t i = 0; i < n; i++) {
        th_value x = th_shared(th_array_items(list)[i]), item;
        if (i % 4096 == 0) NIX_CHARGE(m, n - i < 4096 ? n - i : 4096);
        if (!th_new_apply(m, f, &x, 1, &item)) return TH_STEP_ERROR;
        th_heap_set(heap, th_obj(out), &items[i], item);
    }
    return nix_done(call, out);
}

static th_step gen_list(th_machine *m, th_call *call) {
    th_value f = call->args[0], *items, out;
    int64_t n;
    if (!nix_want_int(m, call->args[1], &n)) return TH_STEP_ERROR;
    if (n < 0 || n >= TH_INT_MAX / 16)
        return th_machine_trap(m, TH_E_ARGUMENT, "cannot create list of size %lld", (long long)n);
    if (!th_evaluated(&f)) return nix_after(m, call, NIX_I_GEN_LIST, 2, f);
    if (!nix_is_applicable(m, f)) return nix_expected(m, "a function", f);
    if (!new_list(m, (size_t)n, &items, &out)) return TH_STEP_ERROR;
    th_heap *heap = th_machine_heap(m);
    f = th_shared(f);
    for (int64_t i = 0; i < n; i++) {
        th_value x = th_of_int(i), item;
        if (i % 4096 == 0) NIX_CHARGE(m, n - i < 4096 ? n - i : 4096);
        if (!th_new_apply(m, f, &x, 1, &item)) return TH_STEP_ERROR;
        th_heap_set(heap, th_obj(out), &items[i], item);
    }
    return nix_done(call, out);
}

static th_step concat_lists(th_machine *m, th_call *call) {
    th_value *items, out, only = TH_V_NULL;
    const th_value *lists = th_array_items(call->args[0]);
    size_t n = th_array_len(call->args[0]), len = 0, at = 0;
    NIX_CHARGE(m, n);
    for (size_t i = 0; i < n; i++) {
        th_value list = lists[i];
        if (!th_evaluated(&list)) return nix_after_items(m, call, NIX_I_CONCAT_LISTS, 1, 0, NIX_ITEMS_VALUES);
        if (!nix_is_list(list)) return nix_expected(m, "a list", list);
        len += th_array_len(list);
        if (th_array_len(list)) only = list;
    }
    if (only != TH_V_NULL && len == th_array_len(only)) return nix_done(call, only);
    if (!new_list(m, len, &items, &out)) return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++) {
        th_value list = th_deref(lists[i]);
        for (size_t k = 0; k < th_array_len(list); k++) store(m, out, at++, th_array_items(list)[k]);
    }
    return nix_done(call, out);
}

/* ---- filter, partition: a bit for each item ---------------------------------------------------------------------- */

enum { F_BITS, F_AT, F_KEPT };

static bool new_bits(th_machine *m, size_t n, th_value *out) {
    size_t words = (n + 63) / 64;
    th_heap *heap = th_machine_heap(m);
    uint64_t *p = heap ? th_heap_words(heap, words + 1) : NULL;
    if (!p) return heap ? nix_no_memory(m), false : false;
    p[0] = TH_HEADER(TH_OBJ_BYTES, 0, words * 8);
    memset(p + 1, 0, words * 8);
    *out = th_of_object(p);
    return true;
}

static bool bit(th_value bits, size_t i) { return th_obj(bits)[1 + i / 64] >> (i % 64) & 1; }

/* Items whose bit is `kept`, n of them, as a list. */
static bool picked(th_machine *m, th_value list, th_value bits, bool kept, size_t n, th_value *out) {
    th_value *items;
    if (n == th_array_len(list)) return *out = list, true;
    if (!new_list(m, n, &items, out)) return false;
    for (size_t i = 0, at = 0; at < n; i++)
        if (bit(bits, i) == kept) store(m, *out, at++, th_array_items(list)[i]);
    return true;
}

/* Asks the predicate about each item, evaluated before or not. TH_STEP_DONE: all are answered. */
static th_step ask_all(th_machine *m, th_call *call, bool evaluate) {
    uint64_t *s = call->slots;
    th_value list = call->args[1];
    size_t n = th_array_len(list);
    bool yes;
    if (call->state == 0 && !new_bits(m, n, &s[F_BITS])) return TH_STEP_ERROR;
    if (call->state == 1) {
        if (!nix_want_bool(m, call->callback, &yes)) return TH_STEP_ERROR;
        th_obj(s[F_BITS])[1 + s[F_AT] / 64] |= (uint64_t)yes << (s[F_AT] % 64);
        s[F_KEPT] += yes;
        s[F_AT]++;
    }
    if (s[F_AT] == n) return TH_STEP_DONE;
    NIX_CHARGE(m, 1);
    th_value item = th_array_items(list)[s[F_AT]];
    if (evaluate && !th_evaluated(&item)) return th_call_force(m, call, item, 2);
    return th_call_apply(m, call, call->args[0], &item, 1, 1);
}

static th_step filter(th_machine *m, th_call *call) {
    th_step step;
    th_value out;
    if (th_array_len(call->args[1]) == 0) return nix_done(call, call->args[1]);
    if (call->state == 0 && !nix_function_ready(m, call, 0, 0, &step)) return step;
    step = ask_all(m, call, false);
    if (step != TH_STEP_DONE) return step;
    if (!picked(m, call->args[1], call->slots[F_BITS], true, (size_t)call->slots[F_KEPT], &out)) return TH_STEP_ERROR;
    return nix_done(call, out);
}

static th_step partition(th_machine *m, th_call *call) {
    static const char *const names[] = {"right", "wrong"};
    th_value parts[2], set, list = call->args[1];
    th_step step = ask_all(m, call, true);
    if (step != TH_STEP_DONE) return step;
    size_t n = th_array_len(list), kept = (size_t)call->slots[F_KEPT];
    if (!picked(m, list, call->slots[F_BITS], true, kept, &parts[0])) return TH_STEP_ERROR;
    if (!picked(m, list, call->slots[F_BITS], false, n - kept, &parts[1])) return TH_STEP_ERROR;
    return nix_record(m, names, parts, 2, &set) ? nix_done(call, set) : TH_STEP_ERROR;
}

/* ---- any, all ---------------------------------------------------------------------------------------------------- */

static th_step search(th_machine *m, th_call *call, bool wanted) {
    size_t n = th_array_len(call->args[1]);
    bool yes;
    if (call->state == 1) {
        if (!nix_want_bool(m, call->callback, &yes)) return TH_STEP_ERROR;
        if (yes == wanted) return nix_done_bool(call, wanted);
        call->slots[0]++;
    }
    if (call->slots[0] == n) return nix_done_bool(call, !wanted);
    NIX_CHARGE(m, 1);
    return th_call_apply(m, call, call->args[0], &th_array_items(call->args[1])[call->slots[0]], 1, 1);
}

static th_step any(th_machine *m, th_call *call) { return search(m, call, true); }
static th_step all(th_machine *m, th_call *call) { return search(m, call, false); }

/* ---- foldl' ------------------------------------------------------------------------------------------------------ */

enum { A_RESULT, A_AT, A_ADDS };

/* builtins.add over small integers needs no calls. */
static size_t add_up(th_value list, size_t i, th_value *result) {
    th_value x = *result;
    if (!th_evaluated(&x)) return i;
    for (size_t n = th_array_len(list); i < n && th_is_int(x); i++) {
        th_value y = th_array_items(list)[i];
        if (!th_evaluated(&y) || !th_is_int(y)) break;
        int64_t sum = th_int(x) + th_int(y); /* of two 63-bit numbers */
        if (!th_int_fits(sum)) break;
        x = th_of_int(sum);
    }
    *result = x;
    return i;
}

static th_step fold(th_machine *m, th_call *call) {
    uint64_t *s = call->slots;
    th_value list = call->args[2];
    size_t n = th_array_len(list);
    if (n == 0) return nix_done(call, call->args[1]);
    if (call->state == 0) {
        const nix_state *state = nix_state_of(m);
        if (!state) return TH_STEP_ERROR;
        s[A_RESULT] = call->args[1];
        s[A_ADDS] = nix_is_internal(m, state, th_deref(call->args[0]), NIX_I_ADD_NUMBERS);
    } else if (call->state == 1) {
        s[A_RESULT] = call->callback;
        s[A_AT]++;
    }
    size_t from = (size_t)s[A_AT];
    if (s[A_ADDS]) s[A_AT] = add_up(list, from, &s[A_RESULT]);
    NIX_CHARGE(m, (s[A_AT] - from) / 2 + 1);
    if (s[A_AT] == n) return nix_done(call, s[A_RESULT]);
    th_value args[2] = {s[A_RESULT], th_array_items(list)[s[A_AT]]};
    /* An item that is to be added is evaluated first, then looked at again here. */
    if (s[A_ADDS] && !th_evaluated(&args[1])) return th_call_force(m, call, args[1], 2);
    return th_call_apply(m, call, call->args[0], args, 2, 1);
}

/* ---- concatMap --------------------------------------------------------------------------------------------------- */

enum { M_LISTS, M_AT };

static th_step concat_map(th_machine *m, th_call *call) {
    uint64_t *s = call->slots;
    th_value list = call->args[1], *items;
    size_t n = th_array_len(list);
    if (call->state == 0) {
        if (!new_list(m, n, &items, &s[M_LISTS])) return TH_STEP_ERROR;
    } else {
        th_value part = th_deref(call->callback);
        if (!nix_is_list(part)) return nix_expected(m, "a list", part);
        store(m, s[M_LISTS], (size_t)s[M_AT]++, part);
    }
    if (s[M_AT] == n) return nix_tail(m, call, NIX_I_CONCAT_LISTS, &s[M_LISTS], 1);
    NIX_CHARGE(m, 1);
    return th_call_apply(m, call, call->args[0], &th_array_items(list)[s[M_AT]], 1, 1);
}

/* ---- groupBy ----------------------------------------------------------------------------------------------------- */

enum { G_KEYS, G_AT }; /* the symbol of each item's group, as an integer */

typedef struct group {
    th_symbol key; /* 0: free */
    uint32_t number;
} group;

static size_t group_slot(const group *groups, size_t mask, th_symbol key) {
    size_t i = (size_t)th_hash_word(key) & mask;
    while (groups[i].key && groups[i].key != key) i = (i + 1) & mask;
    return i;
}

typedef struct grouping {
    group *table;
    size_t capacity; /* of the table */
    th_symbol *keys; /* of each group */
    size_t *counts;  /* then, while filling: where the next item goes */
    th_value *lists;
    size_t most, n; /* groups */
} grouping;

static void find_groups(grouping *g, th_value keys) {
    for (size_t i = 0; i < th_array_len(keys); i++) {
        th_symbol key = (th_symbol)th_int(th_array_items(keys)[i]);
        size_t at = group_slot(g->table, g->capacity - 1, key);
        if (!g->table[at].key) {
            g->table[at] = (group){key, (uint32_t)g->n};
            g->keys[g->n] = key;
            g->counts[g->n++] = 0;
        }
        g->counts[g->table[at].number]++;
    }
}

static th_step fill_groups(th_machine *m, th_call *call, grouping *g, th_value list, th_value keys) {
    th_value *items, set;
    for (size_t i = 0; i < g->n; i++) {
        if (!new_list(m, g->counts[i], &items, &g->lists[i])) return TH_STEP_ERROR;
        g->counts[i] = 0;
    }
    for (size_t i = 0; i < th_array_len(list); i++) {
        th_symbol key = (th_symbol)th_int(th_array_items(keys)[i]);
        uint32_t number = g->table[group_slot(g->table, g->capacity - 1, key)].number;
        store(m, g->lists[number], g->counts[number]++, th_array_items(list)[i]);
    }
    if (!th_record_build(th_machine_heap(m), g->keys, g->lists, NULL, g->n, &set)) return nix_no_memory(m);
    return nix_done(call, set);
}

static th_step group_items(th_machine *m, th_call *call, th_value list, th_value keys) {
    grouping g = {.capacity = 16, .most = th_array_len(list)};
    while (g.capacity < g.most * 2) g.capacity *= 2;
    NIX_CHARGE(m, g.most * 2);
    th_step step = TH_STEP_ERROR;
    g.table = nix_scratch(m, g.capacity, sizeof *g.table);
    g.keys = g.table ? nix_scratch(m, g.most, sizeof *g.keys) : NULL;
    g.counts = g.keys ? nix_scratch(m, g.most, sizeof *g.counts) : NULL;
    g.lists = g.counts ? nix_scratch(m, g.most, sizeof *g.lists) : NULL;
    if (g.lists) {
        memset(g.table, 0, g.capacity * sizeof *g.table);
        find_groups(&g, keys);
        step = fill_groups(m, call, &g, list, keys);
    }
    nix_scratch_free(m, g.table, g.capacity, sizeof *g.table);
    nix_scratch_free(m, g.keys, g.most, sizeof *g.keys);
    nix_scratch_free(m, g.counts, g.most, sizeof *g.counts);
    nix_scratch_free(m, g.lists, g.most, sizeof *g.lists);
    return step;
}

static th_step group_by(th_machine *m, th_call *call) {
    uint64_t *s = call->slots;
    th_value list = call->args[1], *items;
    size_t n = th_array_len(list);
    if (call->state == 0) {
        if (!new_list(m, n, &items, &s[G_KEYS])) return TH_STEP_ERROR;
    } else {
        th_view name;
        th_symbol symbol;
        if (!nix_want_plain(m, call->callback, &name) || !nix_symbol(m, name, &symbol)) return TH_STEP_ERROR;
        th_array_items(s[G_KEYS])[s[G_AT]++] = th_of_int(symbol);
    }
    if (s[G_AT] == n) return group_items(m, call, list, s[G_KEYS]);
    NIX_CHARGE(m, 2);
    return th_call_apply(m, call, call->args[0], &th_array_items(list)[s[G_AT]], 1, 1);
}

/* ---- sort: a stable merge sort, bottom up ------------------------------------------------------------------------ */

enum { S_FROM, S_TO, S_WIDTH, S_LOW, S_LEFT, S_RIGHT, S_PUT, S_SLOTS };
enum { S_START, S_EVALUATED, S_ORDERED, S_COMPARED };

typedef enum order { ORDER_CALLS, ORDER_INTS, ORDER_OTHERS } order;

/* Whether all items can be compared without calls and without errors. */
static order simple_order(th_value list) {
    size_t n = th_array_len(list);
    const th_value *items = th_array_items(list);
    bool ints = true, numbers = true, texts = true, paths = true;
    for (size_t i = 0; i < n && (numbers || texts || paths); i++) {
        ints &= th_is_int(items[i]);
        numbers &= nix_is_int(items[i]) || nix_is_float(items[i]);
        texts &= nix_is_text(items[i]);
        paths &= nix_is_path(items[i]);
    }
    return ints ? ORDER_INTS : numbers || texts || paths ? ORDER_OTHERS : ORDER_CALLS;
}

static bool before(order o, th_value a, th_value b) {
    return o == ORDER_INTS ? th_int(a) < th_int(b) : nix_quick_less(a, b) > 0;
}

static void merge_runs(order o, const th_value *from, th_value *to, size_t low, size_t mid, size_t high) {
    size_t i = low, j = mid, k = low;
    if (j < high && !before(o, from[j], from[j - 1]))
        i = mid, memcpy(to + low, from + low, (mid - low) * sizeof *to), k = mid;
    while (i < mid && j < high) to[k++] = before(o, from[j], from[i]) ? from[j++] : from[i++];
    while (i < mid) to[k++] = from[i++];
    while (j < high) to[k++] = from[j++];
}

/* Sorts items[0..n) with `spare` of the same length; *work: comparisons, about. */
static void sort_simple(order o, th_value *items, th_value *spare, size_t n, int64_t *work) {
    th_value *from = items, *to = spare;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t mid = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            merge_runs(o, from, to, low, mid, high);
        }
        th_value *swap = from;
        from = to;
        to = swap;
        *work += (int64_t)n;
    }
    if (from != items) memcpy(items, from, n * sizeof *items);
}

/* The items are evaluated and no function is to be called. They are sorted outside the heap, which is told by storing
** each anew. */
static th_step sort_at_once(th_machine *m, th_call *call, order o) {
    th_value list = call->slots[S_FROM];
    size_t n = th_array_len(list);
    int64_t work = 0;
    NIX_CHARGE(m, n);
    th_value *spare = nix_scratch(m, n, 2 * sizeof *spare);
    if (!spare) return TH_STEP_ERROR;
    memcpy(spare, th_array_items(list), n * sizeof *spare);
    sort_simple(o, spare, spare + n, n, &work);
    for (size_t i = 0; i < n; i++) store(m, list, i, spare[i]);
    nix_scratch_free(m, spare, n, 2 * sizeof *spare);
    NIX_CHARGE(m, work);
    return nix_done(call, list);
}

/* A list of its own with the items evaluated, in S_FROM. */
static th_step evaluate_items(th_machine *m, th_call *call) {
    uint64_t *s = call->slots;
    th_value list = call->args[1], *items;
    size_t n = th_array_len(list);
    if (call->state == S_START) {
        s[S_TO] = TH_V_NULL;
        if (!new_list(m, n, &items, &s[S_FROM])) return TH_STEP_ERROR;
    }
    for (; s[S_LOW] < n; s[S_LOW]++) {
        th_value v = th_array_items(list)[s[S_LOW]];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, S_EVALUATED);
        store(m, s[S_FROM], (size_t)s[S_LOW], v);
    }
    return TH_STEP_DONE;
}

static void begin_merge(uint64_t *s, size_t n) {
    size_t mid = (size_t)(s[S_LOW] + s[S_WIDTH]);
    s[S_LEFT] = s[S_PUT] = s[S_LOW];
    s[S_RIGHT] = mid < n ? mid : n;
}

/* The next comparison to be made is of S_RIGHT with S_LEFT, or (*whole) of the first of the right run with the last of
** the left; false: sorted. Moves what needs no comparison. */
static bool next_comparison(th_machine *m, uint64_t *s, size_t n, bool fresh, bool *whole, int64_t *moved) {
    for (;;) {
        size_t mid = (size_t)(s[S_LOW] + s[S_WIDTH]), high = (size_t)(s[S_LOW] + 2 * s[S_WIDTH]);
        mid = mid < n ? mid : n;
        high = high < n ? high : n;
        const th_value *from = th_array_items(s[S_FROM]);
        *whole = fresh && s[S_RIGHT] == mid && s[S_LEFT] == s[S_LOW];
        if (s[S_LEFT] < mid && s[S_RIGHT] < high) return true;
        *moved += (int64_t)(mid - s[S_LEFT] + high - s[S_RIGHT]);
        while (s[S_LEFT] < mid) store(m, s[S_TO], (size_t)s[S_PUT]++, from[s[S_LEFT]++]);
        while (s[S_RIGHT] < high) store(m, s[S_TO], (size_t)s[S_PUT]++, from[s[S_RIGHT]++]);
        s[S_LOW] += 2 * s[S_WIDTH];
        fresh = true;
        if (s[S_LOW] >= n) {
            uint64_t swap = s[S_FROM];
            s[S_FROM] = s[S_TO];
            s[S_TO] = swap;
            s[S_LOW] = 0;
            s[S_WIDTH] *= 2;
            if (s[S_WIDTH] >= n) return false;
        }
        begin_merge(s, n);
    }
}

static th_step sort(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    uint64_t *s = call->slots;
    th_value list = call->args[1], *items;
    size_t n = th_array_len(list);
    th_step step;
    bool whole = false, yes, fresh = true;
    if (!state) return TH_STEP_ERROR;
    if (n == 0) return nix_done(call, list);
    if (call->state == S_START && !nix_function_ready(m, call, 0, S_START, &step)) return step;
    bool natural = nix_is_internal(m, state, th_deref(call->args[0]), NIX_I_LESS_THAN);
    if (call->state <= S_EVALUATED) {
        step = evaluate_items(m, call);
        if (step != TH_STEP_DONE) return step;
        order o = natural ? simple_order(s[S_FROM]) : ORDER_CALLS;
        if (o != ORDER_CALLS) return sort_at_once(m, call, o);
        if (n == 1) return nix_done(call, s[S_FROM]);
        if (!new_list(m, n, &items, &s[S_TO])) return TH_STEP_ERROR;
        s[S_LOW] = 0;
        s[S_WIDTH] = 1;
        begin_merge(s, n);
    } else {
        if (!nix_want_bool(m, call->callback, &yes)) return TH_STEP_ERROR;
        const th_value *from = th_array_items(s[S_FROM]);
        size_t mid = (size_t)(s[S_LOW] + s[S_WIDTH]);
        if (call->state == S_COMPARED)
            store(m, s[S_TO], (size_t)s[S_PUT]++, from[yes ? s[S_RIGHT]++ : s[S_LEFT]++]);
        else if (!yes) /* the runs are in order as they are */
            while (s[S_LEFT] < mid) store(m, s[S_TO], (size_t)s[S_PUT]++, from[s[S_LEFT]++]);
        fresh = false;
    }
    int64_t moved = 8;
    bool more = next_comparison(m, s, n, fresh, &whole, &moved);
    NIX_CHARGE(m, moved / 4);
    if (!more) return nix_done(call, s[S_FROM]);
    const th_value *from = th_array_items(s[S_FROM]);
    /* Runs of one item need no look at their ends first. */
    whole = whole && s[S_WIDTH] > 1;
    th_value args[2] = {from[s[S_RIGHT]], from[whole ? s[S_RIGHT] - 1 : s[S_LEFT]]};
    th_value f = natural ? nix_internal_value(state, NIX_I_LESS) : call->args[0];
    return th_call_apply(m, call, f, args, 2, whole ? S_ORDERED : S_COMPARED);
}

/* ---- genericClosure ---------------------------------------------------------------------------------------------- */

/* Elements to do in C_QUEUE from C_HEAD to C_TAIL; C_DONE holds those that are in the result, C_KEYS their keys. Keys
** that are numbers, strings or paths are found in C_TABLE, a hash table of numbers of elements; others (lists) are kept
** there in order and found by halving. */
enum { C_QUEUE, C_DONE, C_KEYS, C_TABLE, C_KEY, C_OPERATOR, C_HEAD, C_TAIL, C_COUNT, C_LOW, C_HIGH, C_SLOTS };
enum { C_START, C_OPERATOR_READY, C_ELEMENT, C_KEY_READY, C_BELOW, C_ABOVE, C_CALLED, C_ITEMS };

/* Appends to the list in a slot, which has room to grow; *n is its length in use. */
static bool append(th_machine *m, uint64_t *slot, uint64_t *n, th_value v) {
    size_t capacity = th_array_len(*slot);
    if (*n == capacity) {
        th_value *items, grown;
        if (!new_list(m, capacity < 8 ? 16 : capacity * 2, &items, &grown)) return false;
        for (size_t i = 0; i < capacity; i++) store(m, grown, i, th_array_items(*slot)[i]);
        *slot = grown;
    }
    store(m, *slot, (size_t)(*n)++, v);
    return true;
}

static bool hashable(th_value key) { return nix_is_int(key) || nix_is_float(key) || th_is_kind(key, TH_OBJ_STRING); }

static uint64_t key_hash(th_value key) {
    int64_t i;
    double x;
    if (th_is_kind(key, TH_OBJ_STRING)) return th_hash_bytes(th_string_bytes(key), th_string_len(key), 7);
    if (th_get_i64(key, &i)) {
        x = (double)i; /* equal numbers have equal hashes */
    } else if (!th_get_f64(key, &x)) {
        x = 0;
    }
    uint64_t bits;
    if (x == 0 || x != x) x = 0;
    memcpy(&bits, &x, 8);
    return th_hash_word(bits);
}

/* The place of the key in the table: of its equal, or a free one. */
static size_t key_place(const uint64_t *s, th_value key) {
    size_t mask = th_array_len(s[C_TABLE]) - 1, i = (size_t)key_hash(key) & mask;
    for (;; i = (i + 1) & mask) {
        th_value number = th_array_items(s[C_TABLE])[i];
        if (number == TH_V_NULL || nix_quick_equal(th_array_items(s[C_KEYS])[th_int(number)], key, true) > 0) return i;
    }
}

static bool grow_table(th_machine *m, uint64_t *s) {
    th_value *items;
    if ((s[C_COUNT] + 1) * 2 <= th_array_len(s[C_TABLE])) return true;
    if (!new_list(m, th_array_len(s[C_TABLE]) * 2, &items, &s[C_TABLE])) return false;
    for (size_t i = 0; i < s[C_COUNT]; i++)
        th_array_items(s[C_TABLE])[key_place(s, th_array_items(s[C_KEYS])[i])] = th_of_int((int64_t)i);
    return true;
}

/* Adds the element in hand with its key; `ordered`: where in the order of keys. */
static bool add_element(th_machine *m, uint64_t *s, bool ordered) {
    uint64_t keys = s[C_COUNT], n = s[C_COUNT];
    th_value element = th_deref(th_array_items(s[C_QUEUE])[s[C_HEAD]]);
    if (!append(m, &s[C_KEYS], &keys, s[C_KEY]) || !append(m, &s[C_DONE], &n, element)) return false;
    if (ordered) {
        uint64_t used = s[C_COUNT];
        if (!append(m, &s[C_TABLE], &used, TH_V_NULL)) return false;
        th_value *order = th_array_items(s[C_TABLE]);
        memmove(order + s[C_LOW] + 1, order + s[C_LOW], (s[C_COUNT] - s[C_LOW]) * sizeof *order);
        order[s[C_LOW]] = th_of_int((int64_t)s[C_COUNT]);
    } else {
        th_array_items(s[C_TABLE])[key_place(s, s[C_KEY])] = th_of_int((int64_t)s[C_COUNT]);
    }
    s[C_COUNT]++;
    return true;
}

static th_step closure_result(th_machine *m, th_call *call) {
    return slice(m, call, call->slots[C_DONE], 0, (size_t)call->slots[C_COUNT]);
}

static bool closure_field(th_machine *m, const nix_state *state, th_value set, nix_name_id name, th_value *out) {
    *out = th_record_get(th_machine_heap(m), set, nix_name_symbol(state, name));
    if (*out == TH_V_ABSENT)
        (void)nix_missing(m, set, th_symbol_text(th_machine_heap(m), nix_name_symbol(state, name)));
    return *out != TH_V_ABSENT;
}

/* Everything is read from the argument again until it is evaluated; then the slots are filled. */
static th_step closure_start(th_machine *m, th_call *call, const nix_state *state) {
    uint64_t *s = call->slots;
    th_value set = call->args[0], start, op, *items;
    if (!closure_field(m, state, set, NIX_S_START_SET, &start)) return TH_STEP_ERROR;
    if (!th_evaluated(&start)) return th_call_force(m, call, start, C_START);
    if (!nix_is_list(start)) return nix_expected(m, "a list", start);
    size_t n = th_array_len(start);
    if (n == 0) return nix_done(call, start);
    if (!closure_field(m, state, set, NIX_S_OPERATOR, &op)) return TH_STEP_ERROR;
    if (!th_evaluated(&op)) return th_call_force(m, call, op, C_START);
    if (!nix_is_applicable(m, op)) return nix_expected(m, "a function", op);
    for (int i = C_QUEUE; i <= C_OPERATOR; i++) s[i] = TH_V_NULL;
    s[C_OPERATOR] = op;
    if (!new_list(m, n < 16 ? 16 : n, &items, &s[C_QUEUE]) || !new_list(m, 16, &items, &s[C_DONE]) ||
        !new_list(m, 16, &items, &s[C_KEYS]) || !new_list(m, 16, &items, &s[C_TABLE]))
        return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++)
        if (!append(m, &s[C_QUEUE], &s[C_TAIL], th_array_items(start)[i])) return TH_STEP_ERROR;
    return TH_STEP_AGAIN;
}

/* The queue's done part is dropped when it is most of it. */
static void drop_done(th_machine *m, uint64_t *s) {
    if (s[C_HEAD] < 1024 || s[C_HEAD] * 2 < s[C_TAIL]) return;
    size_t left = (size_t)(s[C_TAIL] - s[C_HEAD]);
    for (size_t i = 0; i < left; i++) store(m, s[C_QUEUE], i, th_array_items(s[C_QUEUE])[s[C_HEAD] + i]);
    for (size_t i = left; i < s[C_TAIL]; i++) th_array_items(s[C_QUEUE])[i] = TH_V_NULL;
    s[C_TAIL] = left;
    s[C_HEAD] = 0;
}

static th_step closure_call(th_machine *m, th_call *call) {
    th_value element = th_array_items(call->slots[C_QUEUE])[call->slots[C_HEAD]];
    return th_call_apply(m, call, call->slots[C_OPERATOR], &element, 1, C_CALLED);
}

/* Compares the key with that in the middle of what is left; none left: it is new. */
static th_step closure_halve(th_machine *m, th_call *call, const nix_state *state, uint32_t next) {
    uint64_t *s = call->slots;
    if (s[C_LOW] == s[C_HIGH]) return add_element(m, s, true) ? closure_call(m, call) : TH_STEP_ERROR;
    int64_t number = th_int(th_array_items(s[C_TABLE])[(s[C_LOW] + s[C_HIGH]) / 2]);
    th_value other = th_array_items(s[C_KEYS])[number], args[2] = {s[C_KEY], other};
    if (next == C_ABOVE) args[0] = other, args[1] = s[C_KEY];
    return th_call_apply(m, call, nix_internal_value(state, NIX_I_LESS), args, 2, next);
}

/* The key in hand: seen before (AGAIN, the head moved on), or new. */
static th_step closure_key(th_machine *m, th_call *call, const nix_state *state) {
    uint64_t *s = call->slots;
    th_value key = s[C_KEY], first = s[C_COUNT] ? th_array_items(s[C_KEYS])[0] : key;
    if (s[C_COUNT] && nix_quick_less(key, first) == -2) return nix_incomparable(m, key, first);
    if (!hashable(first)) {
        s[C_LOW] = 0;
        s[C_HIGH] = s[C_COUNT];
        return closure_halve(m, call, state, C_BELOW);
    }
    if (!grow_table(m, s)) return TH_STEP_ERROR;
    if (th_array_items(s[C_TABLE])[key_place(s, key)] != TH_V_NULL) {
        s[C_HEAD]++;
        return TH_STEP_AGAIN;
    }
    return add_element(m, s, false) ? closure_call(m, call) : TH_STEP_ERROR;
}

/* Elements up to the next that needs a call. TH_STEP_AGAIN from below means: go on here. */
static th_step closure_next(th_machine *m, th_call *call, const nix_state *state) {
    uint64_t *s = call->slots;
    for (;;) {
        NIX_CHARGE(m, 3);
        if (s[C_HEAD] == s[C_TAIL]) return closure_result(m, call);
        drop_done(m, s);
        th_value element = th_array_items(s[C_QUEUE])[s[C_HEAD]], key;
        if (!th_evaluated(&element)) return th_call_force(m, call, element, C_ELEMENT);
        if (!nix_is_set(element)) return nix_expected(m, "a set", element);
        if (!closure_field(m, state, element, NIX_S_KEY, &key)) return TH_STEP_ERROR;
        if (!th_evaluated(&key)) return th_call_force(m, call, key, C_ELEMENT);
        s[C_KEY] = key;
        th_step step = closure_key(m, call, state);
        if (step != TH_STEP_AGAIN) return step;
    }
}

/* What the operator gave is evaluated, item by item, and joins the queue. */
static th_step closure_items(th_machine *m, th_call *call, const nix_state *state) {
    uint64_t *s = call->slots;
    if (call->state == C_CALLED) {
        th_value list = th_deref(call->callback);
        if (!nix_is_list(list)) return nix_expected(m, "a list", list);
        NIX_CHARGE(m, th_array_len(list) + 1);
        s[C_KEY] = list;
        s[C_LOW] = 0;
        s[C_HEAD]++;
    }
    size_t n = th_array_len(s[C_KEY]);
    for (; s[C_LOW] < n; s[C_LOW]++) {
        th_value v = th_array_items(s[C_KEY])[s[C_LOW]];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, C_ITEMS);
        if (!append(m, &s[C_QUEUE], &s[C_TAIL], v)) return TH_STEP_ERROR;
    }
    return closure_next(m, call, state);
}

static th_step generic_closure(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    uint64_t *s = call->slots;
    bool yes;
    th_step step;
    if (!state) return TH_STEP_ERROR;
    switch (call->state) {
    case C_START:
        step = closure_start(m, call, state);
        return step == TH_STEP_AGAIN ? closure_next(m, call, state) : step;
    case C_BELOW:
    case C_ABOVE:
        if (!nix_want_bool(m, call->callback, &yes)) return TH_STEP_ERROR;
        if (yes && call->state == C_BELOW) s[C_HIGH] = (s[C_LOW] + s[C_HIGH]) / 2;
        if (yes && call->state == C_ABOVE) s[C_LOW] = (s[C_LOW] + s[C_HIGH]) / 2 + 1;
        if (!yes && call->state == C_BELOW) return closure_halve(m, call, state, C_ABOVE);
        if (yes) return closure_halve(m, call, state, C_BELOW);
        s[C_HEAD]++; /* neither below nor above: it was there */
        return closure_next(m, call, state);
    case C_CALLED:
    case C_ITEMS: return closure_items(m, call, state);
    default: return closure_next(m, call, state);
    }
}

#define STATEFUL TH_BUILTIN_STATEFUL

const th_builtin nix_lib_list[] = {
    {"nix.length", "e: value -> value", "The number of items of the list.", length, 0, 0, NULL, "l"},
    {"nix.head", "list: value -> value", "The first item of the list.", head, 0, 0, NULL, "l"},
    {"nix.tail", "list: value -> value", "The list without its first item, a copy.", tail, 0, 0, NULL, "l"},
    {"nix.elemAt", "xs: value, n: value -> value", "The item of that index, which counts from 0.", elem_at, 0, 0, NULL,
     "lv"},
    {"nix.map", "f: value, list: value -> value", "The list of f applied to each item, when it is needed.", map, 0, 0,
     NULL, ".l"},
    {"nix.genList", "generator: value, length: value -> value",
     "A list of that length: the generator applied to 0, 1, 2 and so on, when it is needed.", gen_list, 0, 0, NULL,
     ".v"},
    {"nix.concatLists", "lists: value -> value", "The lists one after the other, as one.", concat_lists, 0, 0, NULL,
     "l"},
    {"nix.filter", "f: value, list: value -> value", "The items for which f gives true.", filter, STATEFUL, 3, "vii",
     ".l"},
    {"nix.partition", "pred: value, list: value -> value",
     "{ right = the items for which pred gives true; wrong = the others; }.", partition, STATEFUL, 3, "vii", "fl"},
    {"nix.any", "pred: value, list: value -> value", "Whether pred gives true for at least one item.", any, STATEFUL, 1,
     "i", "fl"},
    {"nix.all", "pred: value, list: value -> value", "Whether pred gives true for every item.", all, STATEFUL, 1, "i",
     "fl"},
    {"nix.foldl'", "op: value, nul: value, list: value -> value",
     "op (op (op nul x0) x1) x2 and so on over the items, each evaluated at once.", fold, STATEFUL, 3, "vii", "f.l"},
    {"nix.concatMap", "f: value, list: value -> value", "The lists that f gives for the items, one after the other.",
     concat_map, STATEFUL, 2, "vi", "fl"},
    {"nix.groupBy", "f: value, list: value -> value",
     "A set that has the list of the items under each name that f gives.", group_by, STATEFUL, 2, "vi", "fl"},
    {"nix.sort", "comparator: value, list: value -> value",
     "The items in order; `comparator a b` tells whether a comes before b. Items that are equal stay as they were.",
     sort, STATEFUL, S_SLOTS, "vviiiii", ".l"},
    {"nix.genericClosure", "attrset: value -> value",
     "From { startSet; operator; }: all sets that are reached from the start set by the operator, one for each `key`.",
     generic_closure, STATEFUL, C_SLOTS, "vvvvvviiiii", "d"},
};
const size_t nix_lib_list_count = TH_COUNT(nix_lib_list);
