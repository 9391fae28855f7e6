/*
** lib_dict.c - Dict: keys, values, entries, merging, changing in place. Dicts keep the order of first insertion.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

static th_type_id value_id(th_machine *m, const th_call *call) { return type_arg(m, param_type(m, call, 0), 1); }

static th_step dict_length(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_dict(call, 0)->len);
}

static th_step dict_is_empty(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_dict(call, 0)->len == 0);
}

/* The cost of hashing a key. */
static int64_t key_cost(const th_call *call, size_t i) {
    if (!arg_dict(call, 0)->string_keys) return 4;
    return 4 + arg_str(call, i)->len / 8;
}

static th_step dict_has(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    return done(call, th_dict_find(arg_dict(call, 0), call->args[1]) != NULL);
}

static th_step dict_get(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    const uint64_t *value = th_dict_find(arg_dict(call, 0), call->args[1]);
    return value ? th_lib_done_some(m, call, value_id(m, call), *value) : done_null(call);
}

static th_step dict_get_or(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    const uint64_t *value = th_dict_find(arg_dict(call, 0), call->args[1]);
    return done(call, value ? *value : call->args[2]);
}

/* ---- To lists ----------------------------------------------------------------------------------------------- */

/* A list of what `take` makes of each entry. */
typedef bool (*take_fn)(th_machine *m, th_type_id element, const th_dict_entry *entry, uint64_t *word);

static th_step collect(th_machine *m, th_call *call, take_fn take) {
    const th_dict *dict = arg_dict(call, 0);
    th_type_id type = result_type(m, call), element = type_arg(m, type, 0);
    th_list *list = th_new_list(m, type, (size_t)dict->len);
    size_t cursor = 0, n = 0;
    if (!list) return TH_STEP_ERROR;
    for (const th_dict_entry *e; (e = th_dict_next(dict, &cursor)) != NULL; n++) {
        uint64_t word;
        if (!loop_charge(m, n, (size_t)dict->len) || !take(m, element, e, &word)) return TH_STEP_ERROR;
        list_store(list, type_of(m, element), n, word);
    }
    list->len = n;
    th_list_written(m, list);
    return done_ptr(call, list);
}

static bool take_key(th_machine *m, th_type_id element, const th_dict_entry *entry, uint64_t *word) {
    (void)m;
    (void)element;
    *word = entry->key;
    return true;
}

static bool take_value(th_machine *m, th_type_id element, const th_dict_entry *entry, uint64_t *word) {
    (void)m;
    (void)element;
    *word = entry->value;
    return true;
}

static bool take_entry(th_machine *m, th_type_id element, const th_dict_entry *entry, uint64_t *word) {
    th_record *pair = th_new_record(m, element, 2);
    if (!pair) return false;
    th_record_set(m, pair, 0, entry->key);
    th_record_set(m, pair, 1, entry->value);
    *word = th_ptr_word(pair);
    return true;
}

static th_step dict_keys(th_machine *m, th_call *call) { return collect(m, call, take_key); }
static th_step dict_values(th_machine *m, th_call *call) { return collect(m, call, take_value); }
static th_step dict_entries(th_machine *m, th_call *call) { return collect(m, call, take_entry); }

/* ---- From lists and dicts ----------------------------------------------------------------------------------- */

static th_step dict_from_entries(th_machine *m, th_call *call) {
    const th_list *entries = arg_list(call, 0);
    th_dict *dict = th_new_dict(m, result_type(m, call), 0);
    if (!dict) return TH_STEP_ERROR;
    for (size_t i = 0; i < entries->len; i++) {
        const th_record *pair = th_word_ptr(entries->words[i]);
        if (!loop_charge(m, i, entries->len) || !th_machine_charge(m, 4)) return TH_STEP_ERROR;
        if (!th_dict_set(m, dict, pair->slots[0], pair->slots[1])) return TH_STEP_ERROR;
    }
    return done_ptr(call, dict);
}

static th_step dict_from_lists(th_machine *m, th_call *call) {
    const th_list *keys = arg_list(call, 0), *values = arg_list(call, 1);
    if (keys->len != values->len)
        return th_machine_trap(m, TH_E_ARGUMENT, "%llu keys and %llu values", (unsigned long long)keys->len,
                               (unsigned long long)values->len);
    const th_type *key = type_of(m, type_arg(m, param_type(m, call, 0), 0));
    const th_type *value = type_of(m, type_arg(m, param_type(m, call, 1), 0));
    th_dict *dict = th_new_dict(m, result_type(m, call), 0);
    if (!dict) return TH_STEP_ERROR;
    for (size_t i = 0; i < keys->len; i++) {
        if (!loop_charge(m, i, keys->len) || !th_machine_charge(m, 4)) return TH_STEP_ERROR;
        if (!th_dict_set(m, dict, list_load(keys, key, i), list_load(values, value, i))) return TH_STEP_ERROR;
    }
    return done_ptr(call, dict);
}

/* Sets in `to` all entries of `from`, which is not `to`. */
static bool add_all(th_machine *m, th_dict *to, const th_dict *from) {
    size_t cursor = 0;
    for (const th_dict_entry *e; (e = th_dict_next(from, &cursor)) != NULL;)
        if (!th_machine_charge(m, 4) || !th_dict_set(m, to, e->key, e->value)) return false;
    return true;
}

static th_step dict_merge(th_machine *m, th_call *call) {
    const th_dict *a = arg_dict(call, 0), *b = arg_dict(call, 1);
    th_dict *dict = th_new_dict(m, result_type(m, call), (size_t)a->len);
    if (!dict || !add_all(m, dict, a) || !add_all(m, dict, b)) return TH_STEP_ERROR;
    return done_ptr(call, dict);
}

/* ---- In place ----------------------------------------------------------------------------------------------- */

static th_step dict_set(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    if (!th_dict_set(m, arg_dict(call, 0), call->args[1], call->args[2])) return TH_STEP_ERROR;
    return done(call, 0);
}

static th_step dict_remove(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    return done(call, th_dict_remove(m, arg_dict(call, 0), call->args[1]));
}

static th_step dict_take(th_machine *m, th_call *call) {
    CHARGE(m, key_cost(call, 1));
    const uint64_t *value = th_dict_find(arg_dict(call, 0), call->args[1]);
    if (!value) return done_null(call);
    th_step step = th_lib_done_some(m, call, value_id(m, call), *value);
    if (step == TH_STEP_DONE) (void)th_dict_remove(m, arg_dict(call, 0), call->args[1]);
    return step;
}

static th_step dict_clear(th_machine *m, th_call *call) {
    th_dict *dict = arg_dict(call, 0);
    CHARGE(m, 4 + dict->used / 4);
    if (dict->index) memset(dict->index, 0, ((size_t)dict->index_mask + 1) * sizeof *dict->index);
    dict->len = 0;
    dict->used = 0;
    return done(call, 0);
}

static th_step dict_extend(th_machine *m, th_call *call) {
    th_dict *dict = arg_dict(call, 0);
    if (dict != arg_dict(call, 1) && !add_all(m, dict, arg_dict(call, 1))) return TH_STEP_ERROR;
    return done(call, 0);
}

#define KEEPS   TH_BUILTIN_RETAINS
#define MUTATES (TH_BUILTIN_MUTATES | TH_BUILTIN_RETAINS)

const th_builtin th_lib_dict[] = {
    {"Dict.length", "dict: Dict<K, V> -> i64", "The number of entries, as len.\ne.g. Dict.length({a: 1}) == 1",
     dict_length, 0, 0, NULL},
    {"Dict.is_empty", "dict: Dict<K, V> -> bool", "Whether there are no entries.\ne.g. Dict.is_empty({a: 1}) == false",
     dict_is_empty, 0, 0, NULL},
    {"Dict.has", "dict: Dict<K, V>, key: K -> bool",
     "Whether there is an entry of this key.\ne.g. Dict.has({a: 1}, 'a') == true", dict_has, 0, 0, NULL},
    {"Dict.get", "dict: Dict<K, V>, key: K -> V?", "The value of a key, or null.\ne.g. Dict.get({a: 1}, 'b') == null",
     dict_get, KEEPS, 0, NULL},
    {"Dict.get", "dict: Dict<K, V>, key: K, default: V -> V",
     "The value of a key, or else the default.\ne.g. Dict.get({a: 1}, 'b', 0) == 0", dict_get_or, KEEPS, 0, NULL},
    {"Dict.keys", "dict: Dict<K, V> -> List<K>",
     "The keys, in order of insertion.\ne.g. Dict.keys({a: 1, b: 2}) == ['a', 'b']", dict_keys, KEEPS, 0, NULL},
    {"Dict.values", "dict: Dict<K, V> -> List<V>",
     "The values, in order of insertion.\ne.g. Dict.values({a: 1, b: 2}) == [1, 2]", dict_values, KEEPS, 0, NULL},
    {"Dict.entries", "dict: Dict<K, V> -> List<Tuple<K, V>>",
     "Pairs of key and value, in order of insertion.\ne.g. Dict.entries({a: 1}) == [{'a', 1}]", dict_entries, KEEPS, 0,
     NULL},
    {"Dict.from_entries", "entries: List<Tuple<K, V>> -> Dict<K, V>",
     "The dict of pairs of key and value; later ones win.\ne.g. Dict.from_entries([{'a', 1}]) == {a: 1}",
     dict_from_entries, KEEPS, 0, NULL},
    {"Dict.from_lists", "keys: List<K>, values: List<V> -> Dict<K, V>",
     "The dict of keys and the values at the same places.\ne.g. Dict.from_lists(['a'], [1]) == {a: 1}", dict_from_lists,
     KEEPS, 0, NULL},
    {"Dict.merge", "a: Dict<K, V>, b: Dict<K, V> -> Dict<K, V>",
     "The entries of both; those of the second win.\ne.g. Dict.merge({a: 1}, {a: 2, b: 3}) == {a: 2, b: 3}", dict_merge,
     KEEPS, 0, NULL},
    {"Dict.set", "dict: Dict<K, V>, key: K, value: V -> void", "Sets the value of a key.\ne.g. Dict.set(d, 'a', 1)",
     dict_set, MUTATES, 0, NULL},
    {"Dict.remove", "dict: Dict<K, V>, key: K -> bool",
     "Takes an entry out; false when there is none.\ne.g. Dict.remove(d, 'a')", dict_remove, MUTATES, 0, NULL},
    {"Dict.take", "dict: Dict<K, V>, key: K -> V?",
     "Takes an entry out and gives its value, or null.\ne.g. Dict.take(d, 'a')", dict_take, MUTATES, 0, NULL},
    {"Dict.extend", "dict: Dict<K, V>, other: Dict<K, V> -> void",
     "Sets all entries of another dict.\ne.g. Dict.extend(d, other)", dict_extend, MUTATES, 0, NULL},
    {"Dict.clear", "dict: Dict<K, V> -> void", "Takes all entries out.\ne.g. Dict.clear(d)", dict_clear, MUTATES, 0,
     NULL},
};
const size_t th_lib_dict_count = TH_COUNT(th_lib_dict);
