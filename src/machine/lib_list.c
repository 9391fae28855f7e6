/*
** lib_list.c - List: sorting, searching, cutting and joining, changing in place.
** What changes a list in place pays first and then changes it in one go, so that a list is never left half changed when
** the fuel ends. Sorting is stable: radix sort for numbers, merge sort for all else; never worse than n log n.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

/* The element type of list argument i. Borrowed until a type is added. */
static const th_type *element_of(th_machine *m, const th_call *call, size_t i) {
    return type_of(m, type_arg(m, param_type(m, call, i), 0));
}
static th_type_id element_id(th_machine *m, const th_call *call, size_t i) {
    return type_arg(m, param_type(m, call, i), 0);
}

/* Charges for moving n elements; not for storing them anew, which the lists of machine.c do. */
static bool charge_move(th_machine *m, const th_type *element, size_t n) {
    return th_machine_charge(m, (int64_t)(4 + n / (8 / element->bytes)));
}

static th_step out_of_list(th_machine *m, int64_t index, uint64_t len) {
    return th_machine_trap(m, TH_E_INDEX, "index %lld is outside a list of %llu elements", (long long)index,
                           (unsigned long long)len);
}

/* A place given by a program: from the end when negative, kept within 0 .. n. */
static size_t clamp_place(int64_t place, size_t n) {
    if (place < 0) return (uint64_t)-(place + 1) >= n ? 0 : n - (size_t)(-(place + 1)) - 1;
    return (uint64_t)place > n ? n : (size_t)place;
}

/* ---- Sorting ------------------------------------------------------------------------------------------------ */

typedef struct sort_item {
    uint64_t key; /* strings: the first eight bytes, big-endian */
    uint64_t word;
} sort_item;

typedef struct sorter {
    th_machine *machine;
    th_type_id type;
    bool strings;
    bool failed;
    int64_t compared;
} sorter;

static bool is_number(th_kind kind) { return (kind >= TH_KIND_I8 && kind <= TH_KIND_BOOL) || kind == TH_KIND_ENUM; }

/* Unsigned keys that order as the numbers do. NaN is last. */
static uint64_t number_key(th_kind kind, uint64_t word) {
    const uint64_t sign = (uint64_t)1 << 63;
    if (kind != TH_KIND_F32 && kind != TH_KIND_F64) return word ^ sign;
    double x = kind == TH_KIND_F64 ? th_word_f64(word) : (double)th_word_f32(word);
    if (x != x) return UINT64_MAX;
    uint64_t bits = th_f64_word(x);
    return bits & sign ? ~bits : bits | sign;
}

static uint64_t key_number(th_kind kind, uint64_t key) {
    const uint64_t sign = (uint64_t)1 << 63;
    if (kind != TH_KIND_F32 && kind != TH_KIND_F64) return key ^ sign;
    double x = key == UINT64_MAX ? __builtin_nan("") : th_word_f64(key & sign ? key & ~sign : ~key);
    return kind == TH_KIND_F64 ? th_f64_word(x) : th_f32_word((float)x);
}

static void insertion_sort(uint64_t *keys, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

/* One pass of the radix sort; false: refused. */
static bool radix_pass(th_machine *m, const uint64_t *from, uint64_t *to, size_t n, size_t *counts, unsigned shift) {
    size_t at = 0;
    for (size_t b = 0; b < 256; b++) {
        size_t count = counts[b];
        counts[b] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++) {
        if (!loop_charge(m, i, n)) return false;
        to[counts[from[i] >> shift & 255]++] = from[i];
    }
    return true;
}

/* Sorts `keys` with room for as many in `spare`. *out tells which of the two holds the result. */
static bool radix_sort(th_machine *m, uint64_t *keys, uint64_t *spare, size_t n, uint64_t **out) {
    size_t counts[8][256];
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < n; i++) {
        if (!loop_charge(m, i, n)) return false;
        for (unsigned d = 0; d < 8; d++) counts[d][keys[i] >> (d * 8) & 255]++;
    }
    for (unsigned d = 0; d < 8; d++) {
        if (counts[d][keys[0] >> (d * 8) & 255] == n) continue; /* all alike in this byte */
        if (!radix_pass(m, keys, spare, n, counts[d], d * 8)) return false;
        uint64_t *swap = keys;
        keys = spare;
        spare = swap;
    }
    *out = keys;
    return true;
}

static bool sort_numbers(th_machine *m, const th_list *from, th_list *to, const th_type *element) {
    enum { SMALL = 48 };
    size_t n = from->len;
    th_kind kind = (th_kind)element->kind;
    th_mem *mem = th_machine_mem(m);
    uint64_t small[SMALL], *keys = n <= SMALL ? small : th_mem_new(mem, 2 * n * sizeof *keys), *sorted = keys;
    if (!keys) {
        (void)th_trap_memory(m);
        return false;
    }
    bool ok = true, ordered = true;
    for (size_t i = 0; i < n && ok; i++) {
        ok = loop_charge(m, i, n);
        keys[i] = number_key(kind, list_load(from, element, i));
        ordered = ordered && (i == 0 || keys[i - 1] <= keys[i]);
    }
    if (ok && !ordered && n <= SMALL)
        insertion_sort(keys, n);
    else if (ok && !ordered)
        ok = radix_sort(m, keys, keys + n, n, &sorted);
    for (size_t i = 0; i < n && ok; i++) list_store(to, element, i, key_number(kind, sorted[i]));
    if (keys != small) th_mem_free(mem, keys, 2 * n * sizeof *keys);
    return ok;
}

static uint64_t string_key(const th_str *s) {
    unsigned char bytes[8] = {0};
    memcpy(bytes, s->bytes, s->len < 8 ? s->len : 8);
    uint64_t key;
    memcpy(&key, bytes, 8);
    return __builtin_bswap64(key);
}

static int compare_items(sorter *s, const sort_item *a, const sort_item *b) {
    int order = 0;
    if ((++s->compared & 0x3fff) == 0 && !th_machine_charge(s->machine, 0x8000)) s->failed = true;
    if (s->failed) return 0;
    if (s->strings) {
        if (a->key != b->key) return a->key < b->key ? -1 : 1;
        return th_view_compare(th_view_str(th_word_ptr(a->word)), th_view_str(th_word_ptr(b->word)));
    }
    s->failed = th_value_compare(s->machine, s->type, a->word, b->word, &order) != TH_OK;
    return order;
}

enum { RUN = 8 };

static void sort_run(sorter *s, sort_item *items, size_t n) {
    for (size_t i = 1; i < n; i++) {
        sort_item item = items[i];
        size_t j = i;
        for (; j > 0 && compare_items(s, &items[j - 1], &item) > 0; j--) items[j] = items[j - 1];
        items[j] = item;
    }
}

static void merge(sorter *s, const sort_item *from, sort_item *to, size_t mid, size_t n) {
    if (mid >= n || compare_items(s, &from[mid - 1], &from[mid]) <= 0) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    size_t i = 0, j = mid;
    for (size_t k = 0; k < n; k++) {
        bool left = j == n || (i < mid && compare_items(s, &from[i], &from[j]) <= 0);
        to[k] = left ? from[i++] : from[j++];
    }
}

/* Sorts items in place, with room for as many behind them. */
static bool merge_sort(sorter *s, sort_item *items, size_t n) {
    sort_item *from = items, *to = items + n;
    for (size_t lo = 0; lo < n && !s->failed; lo += RUN) sort_run(s, items + lo, n - lo < RUN ? n - lo : RUN);
    for (size_t width = RUN; width < n && !s->failed; width *= 2) {
        if (!th_machine_charge(s->machine, (int64_t)n)) return false;
        for (size_t lo = 0; lo < n && !s->failed; lo += 2 * width)
            merge(s, from + lo, to + lo, width, n - lo < 2 * width ? n - lo : 2 * width);
        sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, n * sizeof *items);
    return !s->failed;
}

static bool sort_items(th_machine *m, const th_list *from, th_list *to, th_type_id type) {
    size_t n = from->len;
    th_mem *mem = th_machine_mem(m);
    const th_type *element = type_of(m, type);
    if (!th_machine_charge(m, (int64_t)n)) return false;
    sort_item *items = th_mem_new(mem, 2 * n * sizeof *items);
    if (!items) {
        (void)th_trap_memory(m);
        return false;
    }
    sorter s = {
        .machine = m, .type = type, .strings = element->cls == TH_CLASS_STRING && element->kind != TH_KIND_OPTION};
    for (size_t i = 0; i < n; i++) {
        items[i].word = list_load(from, element, i);
        items[i].key = s.strings ? string_key(th_word_ptr(items[i].word)) : 0;
    }
    bool ok = merge_sort(&s, items, n);
    for (size_t i = 0; i < n && ok; i++) list_store(to, element, i, items[i].word);
    th_mem_free(mem, items, 2 * n * sizeof *items);
    if (ok) th_list_written(m, to);
    return ok;
}

/* Writes the sorted elements of `from` to `to`, which may be `from` and has its length. */
static bool sort_list(th_machine *m, const th_list *from, th_list *to, th_type_id type) {
    const th_type *element = type_of(m, type);
    if (from->len == 0) return true;
    if (is_number((th_kind)element->kind)) return sort_numbers(m, from, to, element);
    return sort_items(m, from, to, type);
}

bool th_lib_sort(th_machine *m, th_list *list) { return sort_list(m, list, list, type_arg(m, list->object.type, 0)); }

static th_step list_sort(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    call->result[0] = 0;
    CHARGE(m, 4);
    return sort_list(m, list, list, element_id(m, call, 0)) ? TH_STEP_DONE : TH_STEP_ERROR;
}

static th_step list_sorted(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4);
    th_list *sorted = th_lib_new_list(m, result_type(m, call), list->len);
    if (!sorted || !sort_list(m, list, sorted, element_id(m, call, 0))) return TH_STEP_ERROR;
    return done_ptr(call, sorted);
}

static th_step list_is_sorted(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    th_type_id type = element_id(m, call, 0);
    const th_type *element = type_of(m, type);
    for (size_t i = 1; i < list->len; i++) {
        int order;
        if (th_value_compare(m, type, list_load(list, element, i - 1), list_load(list, element, i), &order))
            return TH_STEP_ERROR;
        if (order > 0) return done(call, 0);
    }
    return done(call, 1);
}

/* sort_by: a merge sort that waits for the comparer. A pass merges blocks of `width` of list A into list B. */
enum { BY_A, BY_B, BY_WIDTH, BY_LO, BY_I, BY_J, BY_K, BY_SLOTS };
enum { BY_START, BY_BLOCK, BY_ORDERED, BY_MERGED };

static th_step by_begin(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    th_list *lists[2];
    if (!charge_move(m, element_of(m, call, 0), list->len * 2)) return TH_STEP_ERROR;
    for (size_t i = 0; i < 2; i++) {
        lists[i] = th_lib_new_list(m, result_type(m, call), list->len);
        if (!lists[i]) return TH_STEP_ERROR;
        th_lib_list_copy(m, lists[i], 0, list, 0, list->len);
        call->slots[BY_A + i] = th_ptr_word(lists[i]);
    }
    call->slots[BY_WIDTH] = 1;
    call->slots[BY_LO] = 0;
    return TH_STEP_DONE;
}

static th_step by_ask(th_machine *m, th_call *call, size_t i, size_t j, uint32_t state) {
    const th_list *list = th_word_ptr(call->slots[BY_A]);
    const th_type *element = element_of(m, call, 0);
    uint64_t args[2] = {list_load(list, element, i), list_load(list, element, j)};
    return th_call_closure(m, call, th_word_ptr(call->args[1]), args, 2, state);
}

/* Copies a block, or the rest of one, from A to B. */
static void by_copy(th_machine *m, th_call *call, size_t from, size_t n) {
    th_list *b = th_word_ptr(call->slots[BY_B]);
    th_lib_list_copy(m, b, call->slots[BY_K], th_word_ptr(call->slots[BY_A]), from, n);
    call->slots[BY_K] += n;
}

/* The next pass when this one is over. */
static void by_next_block(th_machine *m, th_call *call, size_t n) {
    (void)m;
    call->slots[BY_LO] += 2 * call->slots[BY_WIDTH];
    if (call->slots[BY_LO] < n) return;
    uint64_t swap = call->slots[BY_A];
    call->slots[BY_A] = call->slots[BY_B];
    call->slots[BY_B] = swap;
    call->slots[BY_WIDTH] *= 2;
    call->slots[BY_LO] = 0;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static th_step list_sort_by(th_machine *m, th_call *call) {
    uint64_t *slots = call->slots;
    if (call->state == BY_START && by_begin(m, call) != TH_STEP_DONE) return TH_STEP_ERROR;
    th_list *a = th_word_ptr(slots[BY_A]), *b = th_word_ptr(slots[BY_B]);
    const th_type *element = element_of(m, call, 0);
    size_t n = a->len;
    int64_t order = (int64_t)call->callback;
    CHARGE(m, 4);
    if (call->state == BY_ORDERED && order <= 0) { /* the block is in order as it stands */
        by_copy(m, call, slots[BY_LO], least(slots[BY_LO] + 2 * slots[BY_WIDTH], n) - slots[BY_LO]);
        by_next_block(m, call, n);
        call->state = BY_BLOCK;
    } else if (call->state == BY_MERGED) {
        size_t from = order <= 0 ? slots[BY_I]++ : slots[BY_J]++;
        list_store(b, element, slots[BY_K]++, list_load(a, element, from));
    }
    for (;;) {
        if (slots[BY_WIDTH] >= n) return done(call, slots[BY_A]);
        size_t lo = slots[BY_LO], mid = least(lo + slots[BY_WIDTH], n), hi = least(lo + 2 * slots[BY_WIDTH], n);
        if (call->state == BY_START || call->state == BY_BLOCK) {
            slots[BY_I] = slots[BY_K] = lo;
            slots[BY_J] = mid;
            if (mid < hi) return by_ask(m, call, mid - 1, mid, BY_ORDERED);
        }
        if (slots[BY_I] < mid && slots[BY_J] < hi) return by_ask(m, call, slots[BY_I], slots[BY_J], BY_MERGED);
        by_copy(m, call, slots[BY_I], mid - slots[BY_I]);
        by_copy(m, call, slots[BY_J], hi - slots[BY_J]);
        by_next_block(m, call, n);
        call->state = BY_BLOCK;
    }
}

/* ---- Searching ---------------------------------------------------------------------------------------------- */

#define NOT_FOUND SIZE_MAX

static bool is_word_kind(th_kind kind) { return kind <= TH_KIND_I64 || kind == TH_KIND_BOOL || kind == TH_KIND_ENUM; }

/* The first element from `from` on that equals the word; *at is NOT_FOUND when there is none. */
static bool find(th_machine *m, const th_list *list, th_type_id type, uint64_t word, size_t from, size_t *at) {
    const th_type *element = type_of(m, type);
    bool plain = is_word_kind((th_kind)element->kind);
    *at = NOT_FOUND;
    for (size_t i = from; i < list->len; i++) {
        if (!loop_charge(m, i, list->len)) return false;
        uint64_t other = list_load(list, element, i);
        bool equal = other == word;
        if (!plain && !(equal && element->cls == TH_CLASS_STRING) &&
            th_value_equal(m, type, other, word, &equal) != TH_OK)
            return false;
        if (!equal) continue;
        *at = i;
        return true;
    }
    return true;
}

static th_step list_contains(th_machine *m, th_call *call) {
    size_t at;
    CHARGE(m, 4);
    if (!find(m, arg_list(call, 0), element_id(m, call, 0), call->args[1], 0, &at)) return TH_STEP_ERROR;
    return done(call, at != NOT_FOUND);
}

static th_step done_index(th_machine *m, th_call *call, size_t at) {
    return at == NOT_FOUND ? done_null(call) : th_lib_done_some(m, call, TH_TYPE_I64, at);
}

static th_step list_index_of(th_machine *m, th_call *call) {
    size_t at;
    CHARGE(m, 4);
    if (!find(m, arg_list(call, 0), element_id(m, call, 0), call->args[1], 0, &at)) return TH_STEP_ERROR;
    return done_index(m, call, at);
}

static th_step list_index_from(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    size_t at, from = clamp_place(arg_i64(call, 2), list->len);
    CHARGE(m, 4);
    if (!find(m, list, element_id(m, call, 0), call->args[1], from, &at)) return TH_STEP_ERROR;
    return done_index(m, call, at);
}

static th_step list_last_index_of(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    th_type_id type = element_id(m, call, 0);
    const th_type *element = type_of(m, type);
    for (size_t i = list->len; i-- > 0;) {
        bool equal;
        if (th_value_equal(m, type, list_load(list, element, i), call->args[1], &equal)) return TH_STEP_ERROR;
        if (equal) return done_index(m, call, i);
    }
    return done_null(call);
}

static th_step list_count(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    size_t n = 0;
    CHARGE(m, 4);
    for (size_t at = 0;; n++, at++) {
        if (!find(m, list, element_id(m, call, 0), call->args[1], at, &at)) return TH_STEP_ERROR;
        if (at == NOT_FOUND) return done(call, n);
    }
}

/* The first place where the word could be inserted into a sorted list. */
static bool lower_bound(th_machine *m, const th_list *list, th_type_id type, uint64_t word, size_t *out) {
    const th_type *element = type_of(m, type);
    size_t lo = 0, hi = list->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order;
        if (th_value_compare(m, type, list_load(list, element, mid), word, &order) != TH_OK) return false;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = lo;
    return true;
}

static th_step list_insertion_point(th_machine *m, th_call *call) {
    size_t at;
    if (!lower_bound(m, arg_list(call, 0), element_id(m, call, 0), call->args[1], &at)) return TH_STEP_ERROR;
    return done(call, at);
}

static th_step list_binary_search(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    th_type_id type = element_id(m, call, 0);
    size_t at;
    bool equal = false;
    if (!lower_bound(m, list, type, call->args[1], &at)) return TH_STEP_ERROR;
    if (at < list->len &&
        th_value_equal(m, type, list_load(list, type_of(m, type), at), call->args[1], &equal) != TH_OK)
        return TH_STEP_ERROR;
    return done_index(m, call, equal ? at : NOT_FOUND);
}

/* The element that sorts first (sign 1) or last (sign -1), or null. */
static th_step extreme(th_machine *m, th_call *call, int sign) {
    const th_list *list = arg_list(call, 0);
    th_type_id type = element_id(m, call, 0);
    const th_type *element = type_of(m, type);
    if (list->len == 0) return done_null(call);
    uint64_t best = list_load(list, element, 0);
    bool plain = is_word_kind((th_kind)element->kind);
    CHARGE(m, 4);
    for (size_t i = 1; i < list->len; i++) {
        uint64_t word = list_load(list, element, i);
        int order = ((int64_t)word > (int64_t)best) - ((int64_t)word < (int64_t)best);
        if (!loop_charge(m, i - 1, list->len)) return TH_STEP_ERROR;
        if (!plain && th_value_compare(m, type, word, best, &order) != TH_OK) return TH_STEP_ERROR;
        if (order * sign < 0) best = word;
    }
    return th_lib_done_some(m, call, type, best);
}

static th_step list_min(th_machine *m, th_call *call) { return extreme(m, call, 1); }
static th_step list_max(th_machine *m, th_call *call) { return extreme(m, call, -1); }

/* ---- Sums --------------------------------------------------------------------------------------------------- */

static th_step list_sum_i64(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    uint64_t sum = 0;
    CHARGE(m, 4 + list->len / 4);
    for (size_t i = 0; i < list->len; i++) sum += list->words[i];
    return done(call, sum);
}

static double sum_of(const th_list *list) {
    double sum = 0;
    for (size_t i = 0; i < list->len; i++) sum += list->f64[i];
    return sum;
}

static th_step list_sum_f64(th_machine *m, th_call *call) {
    CHARGE(m, 4 + arg_list(call, 0)->len / 2);
    return done_f64(call, sum_of(arg_list(call, 0)));
}

static th_step list_mean_f64(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len / 2);
    if (list->len == 0) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_F64, th_f64_word(sum_of(list) / (double)list->len));
}

static th_step list_mean_i64(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    double sum = 0;
    CHARGE(m, 4 + list->len / 2);
    if (list->len == 0) return done_null(call);
    for (size_t i = 0; i < list->len; i++) sum += (double)list->i64[i];
    return th_lib_done_some(m, call, TH_TYPE_F64, th_f64_word(sum / (double)list->len));
}

/* ---- Elements ----------------------------------------------------------------------------------------------- */

static th_step list_length(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_list(call, 0)->len);
}

static th_step list_is_empty(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_list(call, 0)->len == 0);
}

static th_step done_element(th_machine *m, th_call *call, int64_t index) {
    const th_list *list = arg_list(call, 0);
    if (index < 0 || (uint64_t)index >= list->len) return done_null(call);
    th_type_id type = element_id(m, call, 0);
    return th_lib_done_some(m, call, type, list_load(list, type_of(m, type), (size_t)index));
}

static th_step list_get(th_machine *m, th_call *call) { return done_element(m, call, arg_i64(call, 1)); }
static th_step list_first(th_machine *m, th_call *call) { return done_element(m, call, 0); }
static th_step list_last(th_machine *m, th_call *call) {
    return done_element(m, call, (int64_t)arg_list(call, 0)->len - 1);
}

/* ---- New lists ---------------------------------------------------------------------------------------------- */

static th_step done_slice(th_machine *m, th_call *call, size_t from, size_t to) {
    const th_list *list = arg_list(call, 0);
    size_t n = to > from ? to - from : 0;
    if (!charge_move(m, element_of(m, call, 0), n)) return TH_STEP_ERROR;
    th_list *slice = th_lib_new_list(m, result_type(m, call), n);
    if (!slice) return TH_STEP_ERROR;
    th_lib_list_copy(m, slice, 0, list, from, n);
    return done_ptr(call, slice);
}

static th_step list_slice(th_machine *m, th_call *call) {
    size_t n = arg_list(call, 0)->len;
    return done_slice(m, call, clamp_place(arg_i64(call, 1), n), clamp_place(arg_i64(call, 2), n));
}

static th_step list_slice_from(th_machine *m, th_call *call) {
    size_t n = arg_list(call, 0)->len;
    return done_slice(m, call, clamp_place(arg_i64(call, 1), n), n);
}

static th_step negative_count(th_machine *m, int64_t n) {
    return th_machine_trap(m, TH_E_ARGUMENT, "a number of elements cannot be %lld", (long long)n);
}

static th_step list_take(th_machine *m, th_call *call) {
    if (arg_i64(call, 1) < 0) return negative_count(m, arg_i64(call, 1));
    return done_slice(m, call, 0, clamp_place(arg_i64(call, 1), arg_list(call, 0)->len));
}

static th_step list_drop(th_machine *m, th_call *call) {
    if (arg_i64(call, 1) < 0) return negative_count(m, arg_i64(call, 1));
    return done_slice(m, call, clamp_place(arg_i64(call, 1), arg_list(call, 0)->len), arg_list(call, 0)->len);
}

static th_step list_concat(th_machine *m, th_call *call) {
    const th_list *a = arg_list(call, 0), *b = arg_list(call, 1);
    if (!charge_move(m, element_of(m, call, 0), a->len + b->len)) return TH_STEP_ERROR;
    th_list *list = th_lib_new_list(m, result_type(m, call), a->len + b->len);
    if (!list) return TH_STEP_ERROR;
    th_lib_list_copy(m, list, 0, a, 0, a->len);
    th_lib_list_copy(m, list, a->len, b, 0, b->len);
    return done_ptr(call, list);
}

static th_step list_flatten(th_machine *m, th_call *call) {
    const th_list *lists = arg_list(call, 0);
    const th_type *element = type_of(m, type_arg(m, result_type(m, call), 0));
    size_t n = 0, at = 0;
    CHARGE(m, 4 + lists->len);
    for (size_t i = 0; i < lists->len; i++) n += ((const th_list *)th_word_ptr(lists->words[i]))->len;
    if (!charge_move(m, element, n)) return TH_STEP_ERROR;
    th_list *list = th_lib_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < lists->len; i++) {
        const th_list *part = th_word_ptr(lists->words[i]);
        if (part->len) memcpy(list->bytes + at * element->bytes, part->bytes, part->len * element->bytes);
        at += part->len;
    }
    th_list_written(m, list);
    return done_ptr(call, list);
}

static th_step list_repeat(th_machine *m, th_call *call) {
    const th_list *part = arg_list(call, 0);
    int64_t times = arg_i64(call, 1);
    size_t n;
    if (times < 0) return negative_count(m, times);
    if (__builtin_mul_overflow(part->len, (size_t)times, &n) || n > (size_t)1 << 48)
        return th_machine_trap(m, TH_E_LIMIT, "a list of %llu elements repeated %lld times is too long",
                               (unsigned long long)part->len, (long long)times);
    const th_type *element = element_of(m, call, 0);
    if (!charge_move(m, element, n)) return TH_STEP_ERROR;
    th_list *list = th_lib_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    size_t bytes = n * element->bytes, have = n ? part->len * element->bytes : 0;
    if (have) memcpy(list->bytes, part->bytes, have);
    for (size_t more; have < bytes; have += more) {
        more = least(have, bytes - have);
        memcpy(list->bytes + have, list->bytes, more);
    }
    th_list_written(m, list);
    return done_ptr(call, list);
}

static void store_many(th_list *list, const th_type *element, size_t from, size_t to, uint64_t word) {
    for (size_t i = from; i < to; i++) list_store(list, element, i, word);
}

static th_step list_fill(th_machine *m, th_call *call) {
    int64_t n = arg_i64(call, 0);
    const th_type *element = type_of(m, param_type(m, call, 1));
    if (n < 0) return negative_count(m, n);
    if (!charge_move(m, element, (size_t)n)) return TH_STEP_ERROR;
    th_list *list = th_lib_new_list(m, result_type(m, call), (size_t)n);
    if (!list) return TH_STEP_ERROR;
    if (call->args[1] == 0)
        memset(list->bytes, 0, n ? (size_t)n * element->bytes : 0);
    else
        store_many(list, element, 0, (size_t)n, call->args[1]);
    th_list_written(m, list);
    return done_ptr(call, list);
}

static th_step range_of(th_machine *m, th_call *call, int64_t from, int64_t to, int64_t step) {
    if (step == 0) return th_machine_trap(m, TH_E_ARGUMENT, "a range with step 0 never ends");
    uint64_t span =
        step > 0 ? (to > from ? (uint64_t)to - (uint64_t)from : 0) : (from > to ? (uint64_t)from - (uint64_t)to : 0);
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t n = span / stride + (span % stride != 0);
    if (n > (uint64_t)1 << 48)
        return th_machine_trap(m, TH_E_LIMIT, "a range of %llu elements is too long", (unsigned long long)n);
    CHARGE(m, 4 + n);
    th_list *list = th_lib_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    for (uint64_t i = 0; i < n; i++) list->words[i] = (uint64_t)from + i * (uint64_t)step;
    return done_ptr(call, list);
}

static th_step list_range(th_machine *m, th_call *call) {
    return range_of(m, call, arg_i64(call, 0), arg_i64(call, 1), 1);
}
static th_step list_range_step(th_machine *m, th_call *call) {
    return range_of(m, call, arg_i64(call, 0), arg_i64(call, 1), arg_i64(call, 2));
}

static void reverse_into(th_list *to, const th_list *from, const th_type *element) {
    size_t n = from->len;
    if (to != from) {
        for (size_t i = 0; i < n; i++) list_store(to, element, n - 1 - i, list_load(from, element, i));
        return;
    }
    for (size_t i = 0; i < n / 2; i++) {
        uint64_t word = list_load(from, element, i);
        list_store(to, element, i, list_load(from, element, n - 1 - i));
        list_store(to, element, n - 1 - i, word);
    }
}

static th_step list_reversed(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len);
    th_list *copy = th_lib_new_list(m, result_type(m, call), list->len);
    if (!copy) return TH_STEP_ERROR;
    reverse_into(copy, list, element_of(m, call, 0));
    th_list_written(m, copy);
    return done_ptr(call, copy);
}

static th_step list_zip(th_machine *m, th_call *call) {
    const th_list *a = arg_list(call, 0), *b = arg_list(call, 1);
    th_type_id pair = type_arg(m, result_type(m, call), 0);
    size_t n = least(a->len, b->len);
    th_list *list = th_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++) {
        if (!loop_charge(m, i, n)) return TH_STEP_ERROR;
        th_record *record = th_new_record(m, pair, 2);
        if (!record) return TH_STEP_ERROR;
        th_record_set(m, record, 0, list_load(a, element_of(m, call, 0), i));
        th_record_set(m, record, 1, list_load(b, element_of(m, call, 1), i));
        list->words[i] = th_ptr_word(record);
    }
    list->len = n;
    th_list_written(m, list);
    return done_ptr(call, list);
}

static th_step list_enumerate(th_machine *m, th_call *call) {
    const th_list *source = arg_list(call, 0);
    const th_type *element = element_of(m, call, 0);
    th_type_id pair = type_arg(m, result_type(m, call), 0);
    th_list *list = th_new_list(m, result_type(m, call), source->len);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < source->len; i++) {
        if (!loop_charge(m, i, source->len)) return TH_STEP_ERROR;
        th_record *record = th_new_record(m, pair, 2);
        if (!record) return TH_STEP_ERROR;
        record->slots[0] = i;
        th_record_set(m, record, 1, list_load(source, element, i));
        list->words[i] = th_ptr_word(record);
    }
    list->len = source->len;
    th_list_written(m, list);
    return done_ptr(call, list);
}

static th_step list_chunks(th_machine *m, th_call *call) {
    const th_list *source = arg_list(call, 0);
    int64_t size = arg_i64(call, 1);
    if (size < 1) return th_machine_trap(m, TH_E_ARGUMENT, "a chunk of %lld elements", (long long)size);
    size_t each = (uint64_t)size > source->len ? source->len : (size_t)size;
    size_t n = each ? (source->len + each - 1) / each : 0;
    if (!charge_move(m, element_of(m, call, 0), source->len + n * 8)) return TH_STEP_ERROR;
    th_list *list = th_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++) {
        size_t from = i * each, len = least(each, source->len - from);
        th_list *part = th_lib_new_list(m, param_type(m, call, 0), len);
        if (!part) return TH_STEP_ERROR;
        th_lib_list_copy(m, part, 0, source, from, len);
        list->words[i] = th_ptr_word(part);
    }
    list->len = n;
    th_list_written(m, list);
    return done_ptr(call, list);
}

/* unique: a table of places in the result, by hash. */
typedef struct seen {
    uint32_t *index;
    uint64_t *hashes;
    size_t slots, n;
} seen;

static bool hash_element(th_machine *m, th_type_id type, const th_type *element, uint64_t word, uint64_t *hash) {
    if (is_word_kind((th_kind)element->kind)) {
        *hash = th_hash_word(word + 1);
        return true;
    }
    return th_value_hash(m, type, word, hash) == TH_OK;
}

/* Whether the result has the word already; else *slot is where to put it. False: a trap. */
static bool seen_before(th_machine *m, const seen *s, const th_list *list, th_type_id type, uint64_t word,
                        uint64_t hash, size_t *slot, bool *found) {
    const th_type *element = type_of(m, type);
    *found = false;
    for (size_t i = hash & (s->slots - 1);; i = (i + 1) & (s->slots - 1)) {
        *slot = i;
        if (s->index[i] == 0) return true;
        size_t at = s->index[i] - 1;
        if (s->hashes[at] != hash) continue;
        if (th_value_equal(m, type, list_load(list, element, at), word, found) != TH_OK) return false;
        if (*found) return true;
    }
}

static bool collect_unique(th_machine *m, const th_list *source, th_list *list, th_type_id type, seen *s) {
    const th_type *element = type_of(m, type);
    for (size_t i = 0; i < source->len; i++) {
        uint64_t word = list_load(source, element, i), hash;
        size_t slot;
        bool found;
        if (!loop_charge(m, i, source->len) || !hash_element(m, type, element, word, &hash) ||
            !seen_before(m, s, list, type, word, hash, &slot, &found))
            return false;
        if (found) continue;
        if (!th_list_push(m, list, word)) return false;
        s->hashes[list->len - 1] = hash;
        s->index[slot] = (uint32_t)list->len;
    }
    return true;
}

static th_step list_unique(th_machine *m, th_call *call) {
    const th_list *source = arg_list(call, 0);
    th_mem *mem = th_machine_mem(m);
    seen s = {.slots = 16, .n = source->len};
    if (s.n >= UINT32_MAX / 2) return th_machine_trap(m, TH_E_LIMIT, "a list of %zu elements is too long", s.n);
    while (s.slots < s.n * 2) s.slots *= 2;
    CHARGE(m, 4 + s.slots / 8);
    s.index = th_mem_zeroed(mem, s.slots * sizeof *s.index);
    s.hashes = th_mem_new(mem, (s.n + 1) * sizeof *s.hashes);
    th_list *list = th_new_list(m, result_type(m, call), 0);
    bool ok = false;
    if (!s.index || !s.hashes)
        (void)th_trap_memory(m);
    else if (list)
        ok = collect_unique(m, source, list, element_id(m, call, 0), &s);
    th_mem_free(mem, s.index, s.slots * sizeof *s.index);
    th_mem_free(mem, s.hashes, (s.n + 1) * sizeof *s.hashes);
    return ok ? done_ptr(call, list) : TH_STEP_ERROR;
}

/* ---- In place ----------------------------------------------------------------------------------------------- */

static th_step done_void(th_call *call) { return done(call, 0); }

static th_step list_reverse(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len);
    reverse_into(list, list, element_of(m, call, 0));
    th_list_written(m, list);
    return done_void(call);
}

static th_step list_insert(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    int64_t index = arg_i64(call, 1);
    size_t width = element_of(m, call, 0)->bytes;
    if (index < 0 || (uint64_t)index > list->len) return out_of_list(m, index, list->len);
    if (!charge_move(m, element_of(m, call, 0), list->len - (size_t)index)) return TH_STEP_ERROR;
    if (!th_list_push(m, list, call->args[2])) return TH_STEP_ERROR;
    char *at = (char *)list->bytes + (size_t)index * width;
    memmove(at + width, at, (list->len - 1 - (size_t)index) * width);
    th_list_set(m, list, (size_t)index, call->args[2]);
    th_list_written(m, list);
    return done_void(call);
}

static void cut_out(th_machine *m, th_list *list, size_t index, size_t width) {
    char *at = (char *)list->bytes + index * width;
    memmove(at, at + width, (list->len - 1 - index) * width);
    list->len--;
    th_list_written(m, list);
}

static th_step list_remove_at(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    int64_t index = arg_i64(call, 1);
    const th_type *element = element_of(m, call, 0);
    if (index < 0 || (uint64_t)index >= list->len) return out_of_list(m, index, list->len);
    if (!charge_move(m, element, list->len - (size_t)index)) return TH_STEP_ERROR;
    uint64_t word = list_load(list, element, (size_t)index);
    cut_out(m, list, (size_t)index, element->bytes);
    return done(call, word);
}

static th_step list_remove(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    size_t at;
    if (!charge_move(m, element_of(m, call, 0), list->len)) return TH_STEP_ERROR;
    if (!find(m, list, element_id(m, call, 0), call->args[1], 0, &at)) return TH_STEP_ERROR;
    if (at == NOT_FOUND) return done(call, 0);
    cut_out(m, list, at, element_of(m, call, 0)->bytes);
    return done(call, 1);
}

static th_step list_clear(th_machine *m, th_call *call) {
    (void)m;
    arg_list(call, 0)->len = 0;
    return done_void(call);
}

static th_step list_extend(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0), *other = arg_list(call, 1);
    size_t n = other->len, len = list->len;
    if (n == 0) return done_void(call);
    if (!charge_move(m, element_of(m, call, 0), n)) return TH_STEP_ERROR;
    size_t wanted = len + n;
    if (wanted > list->capacity && wanted < len + len / 2) wanted = len + len / 2;
    if (!th_list_reserve(m, list, wanted)) return TH_STEP_ERROR;
    th_lib_list_copy(m, list, len, other, 0, n);
    list->len = len + n;
    th_list_written(m, list);
    return done_void(call);
}

static th_step list_swap(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    int64_t i = arg_i64(call, 1), j = arg_i64(call, 2);
    const th_type *element = element_of(m, call, 0);
    if (i < 0 || (uint64_t)i >= list->len) return out_of_list(m, i, list->len);
    if (j < 0 || (uint64_t)j >= list->len) return out_of_list(m, j, list->len);
    uint64_t word = list_load(list, element, (size_t)i);
    th_list_set(m, list, (size_t)i, list_load(list, element, (size_t)j));
    th_list_set(m, list, (size_t)j, word);
    return done_void(call);
}

static th_step list_set_all(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    const th_type *element = element_of(m, call, 0);
    if (!charge_move(m, element, list->len)) return TH_STEP_ERROR;
    store_many(list, element, 0, list->len, call->args[1]);
    th_list_written(m, list);
    return done_void(call);
}

static th_step list_resize(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    int64_t n = arg_i64(call, 1);
    const th_type *element = element_of(m, call, 0);
    size_t len = list->len;
    if (n < 0) return negative_count(m, n);
    if (!charge_move(m, element, (size_t)n > len ? (size_t)n - len : 0)) return TH_STEP_ERROR;
    if (!th_list_reserve(m, list, (size_t)n)) return TH_STEP_ERROR;
    if ((size_t)n > len) store_many(list, element, len, (size_t)n, call->args[2]);
    list->len = (size_t)n;
    th_list_written(m, list);
    return done_void(call);
}

/* ---- Table -------------------------------------------------------------------------------------------------- */

#define KEEPS   TH_BUILTIN_RETAINS
#define MUTATES (TH_BUILTIN_MUTATES | TH_BUILTIN_RETAINS)

const th_builtin th_lib_list[] = {
    {"List.length", "list: List<T> -> i64", "The number of elements, as len.\ne.g. List.length([1, 2]) == 2",
     list_length, 0, 0, NULL},
    {"List.is_empty", "list: List<T> -> bool", "Whether there are no elements.\ne.g. List.is_empty([1]) == false",
     list_is_empty, 0, 0, NULL},
    {"List.get", "list: List<T>, index: i64 -> T?",
     "The element at a place, or null outside the list.\ne.g. List.get([1, 2], 5) == null", list_get, KEEPS, 0, NULL},
    {"List.first", "list: List<T> -> T?", "The first element, or null.\ne.g. List.first([1, 2]) == 1", list_first,
     KEEPS, 0, NULL},
    {"List.last", "list: List<T> -> T?", "The last element, or null.\ne.g. List.last([1, 2]) == 2", list_last, KEEPS, 0,
     NULL},
    {"List.sort", "list: List<T> -> void",
     "Sorts the list in place, smallest first: numbers by size, texts by code points, structs and lists element by "
     "element. Stable.\ne.g. List.sort(xs)",
     list_sort, MUTATES, 0, NULL},
    {"List.sorted", "list: List<T> -> List<T>", "A sorted copy.\ne.g. List.sorted([3, 1, 2]) == [1, 2, 3]", list_sorted,
     KEEPS, 0, NULL},
    {"List.sort_by", "list: List<T>, order: Function<T, T, i64> -> List<T>",
     "A copy sorted by a function that gives a negative number, 0 or a positive number as its first value goes before, "
     "with or after the second. Stable.\ne.g. List.sort_by([1, 3, 2], (a, b) -> b - a) == [3, 2, 1]",
     list_sort_by, TH_BUILTIN_STATEFUL | KEEPS, BY_SLOTS, "ppiiiii"},
    {"List.is_sorted", "list: List<T> -> bool",
     "Whether each element sorts not before the one ahead of it.\ne.g. List.is_sorted([1, 2, 2]) == true",
     list_is_sorted, 0, 0, NULL},
    {"List.contains", "list: List<T>, value: T -> bool",
     "Whether an element equals the value.\ne.g. List.contains([1, 2], 2) == true", list_contains, 0, 0, NULL},
    {"List.index_of", "list: List<T>, value: T -> i64?",
     "The place of the first element that equals the value, or null.\ne.g. List.index_of([4, 5, 5], 5) == 1",
     list_index_of, 0, 0, NULL},
    {"List.index_of", "list: List<T>, value: T, from: i64 -> i64?",
     "The place of the first such element at or after a place, or null.\ne.g. List.index_of([4, 5, 5], 5, 2) == 2",
     list_index_from, 0, 0, NULL},
    {"List.last_index_of", "list: List<T>, value: T -> i64?",
     "The place of the last element that equals the value, or null.\ne.g. List.last_index_of([4, 5, 5], 5) == 2",
     list_last_index_of, 0, 0, NULL},
    {"List.count", "list: List<T>, value: T -> i64",
     "How many elements equal the value.\ne.g. List.count([4, 5, 5], 5) == 2", list_count, 0, 0, NULL},
    {"List.binary_search", "list: List<T>, value: T -> i64?",
     "The place of the value in a sorted list, or null.\ne.g. List.binary_search([1, 3, 5], 3) == 1",
     list_binary_search, 0, 0, NULL},
    {"List.insertion_point", "list: List<T>, value: T -> i64",
     "The first place of a sorted list where the value could be inserted.\ne.g. List.insertion_point([1, 3, 5], 4) == "
     "2",
     list_insertion_point, 0, 0, NULL},
    {"List.min", "list: List<T> -> T?", "The element that sorts first, or null.\ne.g. List.min([3, 1, 2]) == 1",
     list_min, KEEPS, 0, NULL},
    {"List.max", "list: List<T> -> T?", "The element that sorts last, or null.\ne.g. List.max([3, 1, 2]) == 3",
     list_max, KEEPS, 0, NULL},
    {"List.sum", "list: List<i64> -> i64", "The sum; it wraps.\ne.g. List.sum([1, 2, 3]) == 6", list_sum_i64, 0, 0,
     NULL},
    {"List.sum", "list: List<f64> -> f64", "The sum, from first to last.\ne.g. List.sum([1.5, 2.5]) == 4.0",
     list_sum_f64, 0, 0, NULL},
    {"List.mean", "list: List<f64> -> f64?", "The mean, or null of an empty list.\ne.g. List.mean([1.0, 2.0]) == 1.5",
     list_mean_f64, 0, 0, NULL},
    {"List.mean", "list: List<i64> -> f64?", "The mean, or null of an empty list.\ne.g. List.mean([1, 2]) == 1.5",
     list_mean_i64, 0, 0, NULL},
    {"List.slice", "list: List<T>, from: i64, to: i64 -> List<T>",
     "The elements from one place up to, not including, another; negative places count from the end.\ne.g. "
     "List.slice([1, 2, 3, 4], 1, -1) == [2, 3]",
     list_slice, KEEPS, 0, NULL},
    {"List.slice", "list: List<T>, from: i64 -> List<T>",
     "The elements from a place on; a negative place counts from the end.\ne.g. List.slice([1, 2, 3], -2) == [2, 3]",
     list_slice_from, KEEPS, 0, NULL},
    {"List.take", "list: List<T>, count: i64 -> List<T>",
     "The first elements, as many as there are.\ne.g. List.take([1, 2, 3], 2) == [1, 2]", list_take, KEEPS, 0, NULL},
    {"List.drop", "list: List<T>, count: i64 -> List<T>",
     "Without the first elements.\ne.g. List.drop([1, 2, 3], 2) == [3]", list_drop, KEEPS, 0, NULL},
    {"List.concat", "a: List<T>, b: List<T> -> List<T>",
     "The elements of both lists.\ne.g. List.concat([1], [2]) == [1, 2]", list_concat, KEEPS, 0, NULL},
    {"List.flatten", "lists: List<List<T>> -> List<T>",
     "The elements of all lists.\ne.g. List.flatten([[1], [2, 3]]) == [1, 2, 3]", list_flatten, KEEPS, 0, NULL},
    {"List.repeat", "list: List<T>, times: i64 -> List<T>",
     "The elements so many times.\ne.g. List.repeat([1, 2], 2) == [1, 2, 1, 2]", list_repeat, KEEPS, 0, NULL},
    {"List.fill", "count: i64, value: T -> List<T>",
     "A list of so many equal elements; an object is shared by all places.\ne.g. List.fill(3, 0) == [0, 0, 0]",
     list_fill, KEEPS, 0, NULL},
    {"List.range", "from: i64, to: i64 -> List<i64>",
     "The numbers from one up to, not including, another.\ne.g. List.range(1, 4) == [1, 2, 3]", list_range, 0, 0, NULL},
    {"List.range", "from: i64, to: i64, step: i64 -> List<i64>",
     "The numbers in steps, down when the step is negative.\ne.g. List.range(5, 0, -2) == [5, 3, 1]", list_range_step,
     0, 0, NULL},
    {"List.reversed", "list: List<T> -> List<T>", "A copy, last element first.\ne.g. List.reversed([1, 2]) == [2, 1]",
     list_reversed, KEEPS, 0, NULL},
    {"List.unique", "list: List<T> -> List<T>",
     "The different elements, in order of their first place.\ne.g. List.unique([1, 2, 1]) == [1, 2]", list_unique,
     KEEPS, 0, NULL},
    {"List.zip", "a: List<T>, b: List<U> -> List<Tuple<T, U>>",
     "Pairs of the elements at the same places, as many as both have.\ne.g. List.zip([1, 2], ['a', 'b']) == [{1, 'a'}, "
     "{2, 'b'}]",
     list_zip, KEEPS, 0, NULL},
    {"List.enumerate", "list: List<T> -> List<Tuple<i64, T>>",
     "Pairs of place and element.\ne.g. List.enumerate(['a', 'b']) == [{0, 'a'}, {1, 'b'}]", list_enumerate, KEEPS, 0,
     NULL},
    {"List.chunks", "list: List<T>, size: i64 -> List<List<T>>",
     "The list cut into pieces of a size; the last one may be shorter.\ne.g. List.chunks([1, 2, 3], 2) == [[1, 2], "
     "[3]]",
     list_chunks, KEEPS, 0, NULL},
    {"List.reverse", "list: List<T> -> void", "Turns the list round in place.\ne.g. List.reverse(xs)", list_reverse,
     MUTATES, 0, NULL},
    {"List.insert", "list: List<T>, index: i64, value: T -> void",
     "Puts an element at a place; those from there on move up.\ne.g. List.insert(xs, 0, 7)", list_insert, MUTATES, 0,
     NULL},
    {"List.remove_at", "list: List<T>, index: i64 -> T",
     "Takes the element at a place out of the list and gives it.\ne.g. List.remove_at(xs, 0)", list_remove_at, MUTATES,
     0, NULL},
    {"List.remove", "list: List<T>, value: T -> bool",
     "Takes out the first element that equals the value; false when there is none.\ne.g. List.remove(xs, 7)",
     list_remove, MUTATES, 0, NULL},
    {"List.clear", "list: List<T> -> void", "Takes out all elements.\ne.g. List.clear(xs)", list_clear, MUTATES, 0,
     NULL},
    {"List.extend", "list: List<T>, other: List<T> -> void",
     "Appends the elements of another list.\ne.g. List.extend(xs, ys)", list_extend, MUTATES, 0, NULL},
    {"List.swap", "list: List<T>, i: i64, j: i64 -> void",
     "Exchanges the elements at two places.\ne.g. List.swap(xs, 0, 1)", list_swap, MUTATES, 0, NULL},
    {"List.set_all", "list: List<T>, value: T -> void", "Sets every element to a value.\ne.g. List.set_all(xs, 0)",
     list_set_all, MUTATES, 0, NULL},
    {"List.resize", "list: List<T>, count: i64, value: T -> void",
     "Cuts the list, or appends the value, until it has so many elements.\ne.g. List.resize(xs, 10, 0)", list_resize,
     MUTATES, 0, NULL},
};
const size_t th_lib_list_count = TH_COUNT(th_lib_list);
