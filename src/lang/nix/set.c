/*
** set.c - Nix: attribute sets. Names are told in the order of their texts, whatever the order of the fields.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

static bool new_list(th_machine *m, size_t n, th_value **items, th_value *out) {
    th_heap *heap = th_machine_heap(m);
    if (!heap || !th_machine_charge(m, (int64_t)(n / 2 + 1))) return false;
    if (th_new_array(heap, n, TH_V_NULL, items, out)) return true;
    (void)nix_no_memory(m);
    return false;
}

static const uint32_t *name_order(th_machine *m, const th_shape *shape) {
    const uint32_t *order = th_shape_order(th_machine_heap(m), shape);
    if (!order && shape->count) (void)nix_no_memory(m);
    return order;
}

static th_step set_of(th_machine *m, th_call *call, const th_symbol *keys, const th_value *values,
                      const uint32_t *positions, size_t n) {
    th_value set;
    if (!th_record_build(th_machine_heap(m), keys, values, positions, n, &set)) return nix_no_memory(m);
    return nix_done(call, set);
}

/* ---- Names and values -------------------------------------------------------------------------------------------- */

static th_step attr_names(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    const th_shape *shape = th_record_shape(heap, call->args[0]);
    const uint32_t *order = name_order(m, shape);
    th_value *items, out;
    if ((!order && shape->count) || !new_list(m, shape->count, &items, &out)) return TH_STEP_ERROR;
    for (uint32_t i = 0; i < shape->count; i++)
        th_heap_set(heap, th_obj(out), &items[i], th_symbol_string(heap, shape->keys[order[i]]));
    return nix_done(call, out);
}

static th_step attr_values(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    const th_shape *shape = th_record_shape(heap, call->args[0]);
    const uint32_t *order = name_order(m, shape);
    th_value *items, out;
    if ((!order && shape->count) || !new_list(m, shape->count, &items, &out)) return TH_STEP_ERROR;
    for (uint32_t i = 0; i < shape->count; i++)
        th_heap_set(heap, th_obj(out), &items[i], th_shared(th_record_values(call->args[0])[order[i]]));
    return nix_done(call, out);
}

/* The field that argument 0 names in argument 1, or absent. */
static bool named_field(th_machine *m, const th_call *call, th_view *name, th_value *out) {
    th_heap *heap = th_machine_heap(m);
    if (!heap || !nix_want_plain(m, call->args[0], name)) return false;
    th_symbol symbol = th_symbol_find(heap, *name);
    *out = symbol ? th_record_get(heap, call->args[1], symbol) : TH_V_ABSENT;
    return true;
}

static th_step get_attr(th_machine *m, th_call *call) {
    th_view name;
    th_value v;
    if (!named_field(m, call, &name, &v)) return TH_STEP_ERROR;
    return v == TH_V_ABSENT ? nix_missing(m, call->args[1], name) : nix_done(call, v);
}

static th_step has_attr(th_machine *m, th_call *call) {
    th_view name;
    th_value v;
    if (!named_field(m, call, &name, &v)) return TH_STEP_ERROR;
    return nix_done_bool(call, v != TH_V_ABSENT);
}

static th_step attr_place(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_view name;
    th_value v;
    th_place place;
    if (!named_field(m, call, &name, &v)) return TH_STEP_ERROR;
    if (v == TH_V_ABSENT) return nix_done(call, TH_V_NULL);
    if (!th_machine_place(m, th_record_position(heap, call->args[1], th_symbol_find(heap, name)), &place))
        return nix_done(call, TH_V_NULL);
    return nix_place_set(m, &place, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

/* ---- Parts of sets ----------------------------------------------------------------------------------------------- */

static th_step keep_fields(th_machine *m, th_call *call, th_value set, const bool *keep) {
    th_value out;
    if (!th_record_keep(th_machine_heap(m), set, keep, &out)) return nix_no_memory(m);
    return nix_done(call, out);
}

static th_step remove_attrs(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_value set = call->args[0];
    const th_shape *shape = th_record_shape(heap, set);
    const th_value *names = th_array_items(call->args[1]);
    size_t n = th_array_len(call->args[1]), removed = 0;
    for (size_t i = 0; i < n; i++) {
        th_value name = names[i];
        if (!th_evaluated(&name)) return nix_after_items(m, call, NIX_I_REMOVE_ATTRS, 2, 1, NIX_ITEMS_VALUES);
    }
    NIX_CHARGE(m, n + shape->count / 4 + 1);
    bool *keep = nix_scratch(m, shape->count, sizeof *keep);
    if (!keep) return TH_STEP_ERROR;
    memset(keep, true, shape->count);
    th_step step = TH_STEP_DONE;
    for (size_t i = 0; i < n && step == TH_STEP_DONE; i++) {
        th_view name;
        if (!nix_want_plain(m, names[i], &name)) step = TH_STEP_ERROR;
        th_symbol symbol = step == TH_STEP_DONE ? th_symbol_find(heap, name) : 0;
        int64_t at = symbol ? th_shape_find(shape, symbol) : -1;
        if (at < 0 || !keep[at]) continue;
        keep[at] = false;
        removed++;
    }
    if (step == TH_STEP_DONE) step = removed ? keep_fields(m, call, set, keep) : nix_done(call, set);
    nix_scratch_free(m, keep, shape->count, sizeof *keep);
    return step;
}

/* Few names against a big set: look up each. */
static th_step intersect_few(th_machine *m, th_call *call, const th_shape *few, th_value set) {
    th_heap *heap = th_machine_heap(m);
    const th_shape *shape = th_record_shape(heap, set);
    bool placed = shape->positions && !(th_header_flags(*th_obj(set)) & TH_FLAG_NOPOS);
    size_t n = 0;
    th_symbol *keys = nix_scratch(m, few->count, sizeof *keys);
    th_value *values = keys ? nix_scratch(m, few->count, sizeof *values) : NULL;
    uint32_t *positions = values ? nix_scratch(m, few->count, sizeof *positions) : NULL;
    for (uint32_t i = 0; positions && i < few->count; i++) {
        int64_t at = th_shape_find(shape, few->keys[i]);
        if (at < 0) continue;
        keys[n] = few->keys[i];
        values[n] = th_shared(th_record_values(set)[at]);
        positions[n++] = placed ? shape->positions[at] : 0;
    }
    th_step step = positions ? set_of(m, call, keys, values, placed ? positions : NULL, n) : TH_STEP_ERROR;
    nix_scratch_free(m, keys, few->count, sizeof *keys);
    nix_scratch_free(m, values, few->count, sizeof *values);
    nix_scratch_free(m, positions, few->count, sizeof *positions);
    return step;
}

static th_step intersect_attrs(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    const th_shape *left = th_record_shape(heap, call->args[0]), *right = th_record_shape(heap, call->args[1]);
    NIX_CHARGE(m, (left->count < right->count ? left->count : right->count) + 1);
    if (left == right) return nix_done(call, call->args[1]);
    if (left->count * 4 < right->count) return intersect_few(m, call, left, call->args[1]);
    bool *keep = nix_scratch(m, right->count, sizeof *keep);
    if (!keep) return TH_STEP_ERROR;
    uint32_t i = 0, kept = 0;
    for (uint32_t k = 0; k < right->count; k++) { /* both are in the order of their keys */
        while (i < left->count && left->keys[i] < right->keys[k]) i++;
        keep[k] = i < left->count && left->keys[i] == right->keys[k];
        kept += keep[k];
    }
    th_step step = kept == right->count ? nix_done(call, call->args[1]) : keep_fields(m, call, call->args[1], keep);
    nix_scratch_free(m, keep, right->count, sizeof *keep);
    return step;
}

/* ---- From functions ---------------------------------------------------------------------------------------------- */

static th_step map_attrs(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_value f = th_shared(call->args[0]), set = call->args[1], out;
    const th_shape *shape = th_record_shape(heap, set);
    if (shape->count == 0) return nix_done(call, set);
    NIX_CHARGE(m, shape->count * 2);
    if (!th_new_record_of(heap, shape, NULL, &out)) return nix_no_memory(m);
    *th_obj(out) |= (uint64_t)TH_FLAG_NOPOS << 8;
    for (uint32_t i = 0; i < shape->count; i++) {
        th_value args[2] = {th_symbol_string(heap, shape->keys[i]), th_shared(th_record_values(set)[i])}, item;
        if (!th_new_apply(m, f, args, 2, &item)) return TH_STEP_ERROR;
        th_heap_set(heap, th_obj(out), &th_record_values(out)[i], item);
    }
    return nix_done(call, out);
}

/* ---- From lists -------------------------------------------------------------------------------------------------- */

typedef struct column { /* where a field is in records of one shape */
    uint64_t header;
    int64_t at;
    uint32_t position;
} column;

static th_value column_get(th_heap *heap, column *c, th_value set, th_symbol name) {
    uint64_t header = *th_obj(set);
    if (th_header_kind(header) != TH_OBJ_RECORD) {
        c->position = th_record_position(heap, set, name);
        c->header = 0;
        return th_record_get(heap, set, name);
    }
    if (header != c->header) {
        const th_shape *shape = th_record_shape(heap, set);
        c->header = header;
        c->at = th_shape_find(shape, name);
        c->position =
            c->at >= 0 && shape->positions && !(th_header_flags(header) & TH_FLAG_NOPOS) ? shape->positions[c->at] : 0;
    }
    return c->at < 0 ? TH_V_ABSENT : th_record_values(set)[c->at];
}

typedef struct pairs {
    th_symbol *keys;
    th_value *values;
    uint32_t *positions;
    bool placed;
} pairs;

/* TH_STEP_AGAIN: something is not evaluated. */
static th_step read_pairs(th_machine *m, th_value list, const nix_state *state, pairs *p) {
    th_heap *heap = th_machine_heap(m);
    column name_column = {0}, value_column = {0};
    th_symbol name_symbol = nix_name_symbol(state, NIX_S_NAME), value_symbol = nix_name_symbol(state, NIX_S_VALUE);
    for (size_t i = 0; i < th_array_len(list); i++) {
        th_value pair = th_array_items(list)[i];
        th_view text;
        if (i % 4096 == 0) NIX_CHARGE(m, th_array_len(list) - i < 4096 ? 4 * (th_array_len(list) - i) : 4 * 4096);
        if (!th_evaluated(&pair)) return TH_STEP_AGAIN;
        if (!nix_is_set(pair)) return nix_expected(m, "a set", pair);
        th_value name = column_get(heap, &name_column, pair, name_symbol);
        if (name == TH_V_ABSENT) return nix_missing(m, pair, (th_view){"name", 4});
        if (!th_evaluated(&name)) return TH_STEP_AGAIN;
        if (!nix_want_plain(m, name, &text) || !nix_symbol(m, text, &p->keys[i])) return TH_STEP_ERROR;
        th_value value = column_get(heap, &value_column, pair, value_symbol);
        if (value == TH_V_ABSENT) return nix_missing(m, pair, (th_view){"value", 5});
        p->values[i] = th_shared(value);
        p->positions[i] = value_column.position;
        p->placed |= value_column.position != 0;
    }
    return TH_STEP_DONE;
}

static th_step list_to_attrs(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    size_t n = th_array_len(call->args[0]);
    if (!state) return TH_STEP_ERROR;
    pairs p = {0};
    p.keys = nix_scratch(m, n, sizeof *p.keys);
    p.values = p.keys ? nix_scratch(m, n, sizeof *p.values) : NULL;
    p.positions = p.values ? nix_scratch(m, n, sizeof *p.positions) : NULL;
    th_step step = p.positions ? read_pairs(m, call->args[0], state, &p) : TH_STEP_ERROR;
    if (step == TH_STEP_DONE) step = set_of(m, call, p.keys, p.values, p.placed ? p.positions : NULL, n);
    nix_scratch_free(m, p.keys, n, sizeof *p.keys);
    nix_scratch_free(m, p.values, n, sizeof *p.values);
    nix_scratch_free(m, p.positions, n, sizeof *p.positions);
    return step == TH_STEP_AGAIN ? nix_after_items(m, call, NIX_I_LIST_TO_ATTRS, 1, 0, NIX_ITEMS_NAMES) : step;
}

static th_step cat_attrs(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_view name;
    th_symbol symbol;
    size_t n = th_array_len(call->args[1]), found = 0;
    const th_value *sets = th_array_items(call->args[1]);
    th_value *items, out;
    if (!nix_want_plain(m, call->args[0], &name) || !nix_symbol(m, name, &symbol)) return TH_STEP_ERROR;
    column c = {0};
    NIX_CHARGE(m, n);
    for (size_t i = 0; i < n; i++) {
        th_value set = sets[i];
        if (!th_evaluated(&set)) return nix_after_items(m, call, NIX_I_CAT_ATTRS, 2, 1, NIX_ITEMS_VALUES);
        if (!nix_is_set(set)) return nix_expected(m, "a set", set);
        found += column_get(heap, &c, set, symbol) != TH_V_ABSENT;
    }
    if (!new_list(m, found, &items, &out)) return TH_STEP_ERROR;
    for (size_t i = 0, at = 0; at < found; i++) {
        th_value v = column_get(heap, &c, th_deref(sets[i]), symbol);
        if (v != TH_V_ABSENT) th_heap_set(heap, th_obj(out), &items[at++], th_shared(v));
    }
    return nix_done(call, out);
}

/* ---- zipAttrsWith ------------------------------------------------------------------------------------------------ */

typedef struct zip {
    th_symbol *table; /* open addressing; 0: free */
    uint32_t *numbers;
    size_t capacity;
    th_symbol *keys; /* of each name that occurs */
    size_t *counts;  /* then where the next value goes */
    th_value *lists;
    size_t most, n;
} zip;

static uint32_t zip_number(zip *z, th_symbol key) {
    size_t mask = z->capacity - 1, i = (size_t)th_hash_word(key) & mask;
    while (z->table[i] && z->table[i] != key) i = (i + 1) & mask;
    if (!z->table[i]) {
        z->table[i] = key;
        z->numbers[i] = (uint32_t)z->n;
        z->keys[z->n] = key;
        z->counts[z->n++] = 0;
    }
    return z->numbers[i];
}

static th_step zip_fill(th_machine *m, th_call *call, zip *z, const th_value *sets, size_t n) {
    th_heap *heap = th_machine_heap(m);
    th_value *items, f = th_shared(call->args[0]);
    for (size_t i = 0; i < z->n; i++) {
        if (!new_list(m, z->counts[i], &items, &z->lists[i])) return TH_STEP_ERROR;
        z->counts[i] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        const th_shape *shape = th_record_shape(heap, sets[i]);
        for (uint32_t k = 0; k < shape->count; k++) {
            uint32_t number = zip_number(z, shape->keys[k]);
            th_value list = z->lists[number];
            th_heap_set(heap, th_obj(list), &th_array_items(list)[z->counts[number]++],
                        th_shared(th_record_values(sets[i])[k]));
        }
    }
    for (size_t i = 0; i < z->n; i++) {
        th_value args[2] = {th_symbol_string(heap, z->keys[i]), z->lists[i]};
        if (!th_new_apply(m, f, args, 2, &z->lists[i])) return TH_STEP_ERROR;
    }
    return set_of(m, call, z->keys, z->lists, NULL, z->n);
}

/* `sets` are flat. */
static th_step zip_all(th_machine *m, th_call *call, const th_value *sets, size_t n) {
    zip z = {.capacity = 16};
    th_heap *heap = th_machine_heap(m);
    for (size_t i = 0; i < n; i++) z.most += th_record_shape(heap, sets[i])->count;
    while (z.capacity < z.most * 2) z.capacity *= 2;
    NIX_CHARGE(m, z.most * 3 + n);
    th_step step = TH_STEP_ERROR;
    z.table = nix_scratch(m, z.capacity, sizeof *z.table);
    z.numbers = z.table ? nix_scratch(m, z.capacity, sizeof *z.numbers) : NULL;
    z.keys = z.numbers ? nix_scratch(m, z.most, sizeof *z.keys) : NULL;
    z.counts = z.keys ? nix_scratch(m, z.most, sizeof *z.counts) : NULL;
    z.lists = z.counts ? nix_scratch(m, z.most, sizeof *z.lists) : NULL;
    if (z.lists) {
        memset(z.table, 0, z.capacity * sizeof *z.table);
        for (size_t i = 0; i < n; i++) {
            const th_shape *shape = th_record_shape(heap, sets[i]);
            for (uint32_t k = 0; k < shape->count; k++) {
                uint32_t number = zip_number(&z, shape->keys[k]);
                z.counts[number]++;
            }
        }
        step = zip_fill(m, call, &z, sets, n);
    }
    nix_scratch_free(m, z.table, z.capacity, sizeof *z.table);
    nix_scratch_free(m, z.numbers, z.capacity, sizeof *z.numbers);
    nix_scratch_free(m, z.keys, z.most, sizeof *z.keys);
    nix_scratch_free(m, z.counts, z.most, sizeof *z.counts);
    nix_scratch_free(m, z.lists, z.most, sizeof *z.lists);
    return step;
}

static th_step zip_attrs_with(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    size_t n = th_array_len(call->args[1]);
    const th_value *items = th_array_items(call->args[1]);
    for (size_t i = 0; i < n; i++) {
        th_value set = items[i];
        if (!th_evaluated(&set)) return nix_after_items(m, call, NIX_I_ZIP_ATTRS, 2, 1, NIX_ITEMS_VALUES);
        if (!nix_is_set(set)) return nix_expected(m, "a set", set);
    }
    th_value *sets = nix_scratch(m, n, sizeof *sets);
    if (!sets) return TH_STEP_ERROR;
    th_step step = TH_STEP_DONE;
    for (size_t i = 0; i < n && step == TH_STEP_DONE; i++)
        if (!th_record_flat(heap, th_deref(items[i]), &sets[i])) step = nix_no_memory(m);
    if (step == TH_STEP_DONE) step = zip_all(m, call, sets, n);
    nix_scratch_free(m, sets, n, sizeof *sets);
    return step;
}

const th_builtin nix_lib_set[] = {
    {"nix.attrNames", "set: value -> value", "The names of the set's attributes, in order.", attr_names, 0, 0, NULL,
     "r"},
    {"nix.attrValues", "set: value -> value", "The values of the set's attributes, in the order of their names.",
     attr_values, 0, 0, NULL, "r"},
    {"nix.getAttr", "s: value, set: value -> value", "The attribute of that name.", get_attr, 0, 0, NULL, "vd"},
    {"nix.hasAttr", "s: value, set: value -> value", "Whether the set has an attribute of that name.", has_attr, 0, 0,
     NULL, "vd"},
    {"nix.unsafeGetAttrPos", "s: value, set: value -> value",
     "Where the attribute was written: { file; line; column; }, or null when that is not known.", attr_place, 0, 0,
     NULL, "vd"},
    {"nix.removeAttrs", "set: value, list: value -> value", "The set without the attributes that the list names.",
     remove_attrs, 0, 0, NULL, "rl"},
    {"nix.intersectAttrs", "e1: value, e2: value -> value", "The attributes of e2 whose names e1 has too.",
     intersect_attrs, 0, 0, NULL, "rr"},
    {"nix.mapAttrs", "f: value, attrset: value -> value",
     "The set with each value replaced by f applied to its name and value, when it is needed.", map_attrs, 0, 0, NULL,
     ".r"},
    {"nix.listToAttrs", "e: value -> value",
     "A set from a list of { name; value; }. When a name occurs more than once, the first counts.", list_to_attrs, 0, 0,
     NULL, "l"},
    {"nix.catAttrs", "attr: value, list: value -> value",
     "The values of that attribute in those sets of the list that have it.", cat_attrs, 0, 0, NULL, "vl"},
    {"nix.zipAttrsWith", "f: value, list: value -> value",
     "A set with every name that occurs in the sets of the list: f applied to the name and the list of its values.",
     zip_attrs_with, 0, 0, NULL, "fl"},
};
const size_t nix_lib_set_count = TH_COUNT(nix_lib_set);
