/*
** object.c - making and changing objects in machine memory, telling the regions of every stored pointer.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/machine_int.h"

size_t th_record_slots(const th_types *types, th_type_id id) {
    const th_type *type = th_types_get(types, id);
    switch (type->kind) {
    case TH_KIND_ERROR: return TH_ERROR_SLOTS;
    case TH_KIND_VARIANT: return 2;
    case TH_KIND_OPTION:
    case TH_KIND_CELL: return 1;
    default: return type->nargs;
    }
}

th_step th_trap_memory(th_machine *m) {
    if (atomic_load_explicit(&m->mem.refused, memory_order_relaxed)) {
        atomic_store_explicit(&m->mem.refused, false, memory_order_relaxed);
        return th_machine_trap(m, TH_E_MEMORY_LIMIT, "the memory limit of %zu bytes is reached", m->mem.limit_bytes);
    }
    return th_machine_trap(m, TH_E_NOMEM, "out of memory");
}

void *th_new_bytes(th_machine *m, size_t bytes) {
    void *block = th_memory_new(&m->memory, bytes);
    if (TH_UNLIKELY(!block)) (void)th_trap_memory(m);
    return block;
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

th_str *th_new_str(th_machine *m, size_t len) {
    if (TH_UNLIKELY(len > TH_STR_MAX)) {
        (void)th_machine_trap(m, TH_E_LIMIT, "a string of %zu bytes is longer than the limit of %u", len, TH_STR_MAX);
        return NULL;
    }
    th_str *s = th_new_bytes(m, sizeof *s + len + 1);
    if (!s) return NULL;
    s->len = (uint32_t)len;
    s->bytes[len] = 0;
    return s;
}

th_str *th_new_str_of(th_machine *m, const char *bytes, size_t len) {
    th_str *s = th_new_str(m, len);
    if (s && len) memcpy(s->bytes, bytes, len);
    return s;
}

void th_builders_forget(th_machine *m) { memset(m->builders, 0, sizeof m->builders); }

static th_str *builder_open(th_machine *m, const th_str *s, const th_str *more, th_open_builder *slot) {
    size_t len = (size_t)s->len + more->len;
    if (len > TH_STR_MAX) return th_new_str(m, len); /* traps */
    size_t capacity = len < 24 ? 48 : len * 2;
    if (capacity > TH_STR_MAX) capacity = TH_STR_MAX;
    th_str *grown = th_new_bytes(m, sizeof *grown + capacity + 1);
    if (!grown) return NULL;
    memcpy(grown->bytes, s->bytes, s->len);
    memcpy(grown->bytes + s->len, more->bytes, more->len);
    grown->len = (uint32_t)len;
    grown->bytes[len] = 0;
    if (!slot) slot = &m->builders[m->next_builder++ % TH_OPEN_BUILDERS];
    *slot = (th_open_builder){grown, capacity};
    return grown;
}

th_str *th_string_append(th_machine *m, th_str *s, const th_str *more) {
    th_open_builder *slot = NULL;
    for (size_t i = 0; i < TH_OPEN_BUILDERS; i++)
        if (m->builders[i].str == s) slot = &m->builders[i];
    if (!slot || (size_t)s->len + more->len > slot->capacity) return builder_open(m, s, more, slot);
    memmove(s->bytes + s->len, more->bytes, more->len); /* `more` may be `s` itself */
    s->len += (s == more ? s->len : more->len);
    s->bytes[s->len] = 0;
    return s;
}

/* ---- Records, options, natives ------------------------------------------------------------------------------ */

th_record *th_new_record(th_machine *m, th_type_id type, size_t nslots) {
    th_record *record = th_new_bytes(m, sizeof *record + nslots * sizeof record->slots[0]);
    if (!record) return NULL;
    record->object = (th_object){type, 0};
    memset(record->slots, 0, nslots * sizeof record->slots[0]);
    return record;
}

void th_record_set(th_machine *m, th_record *record, size_t slot, uint64_t word) {
    record->slots[slot] = word;
    if (!th_memory_stored(&m->memory, &record->object, slot)) (void)th_trap_memory(m);
}

bool th_new_option(th_machine *m, th_type_id type, uint64_t word, uint64_t *out) {
    const th_type *option = th_types_get(&m->types, type);
    if (th_type_pointers(m, option->args[0])) {
        *out = word;
        return true;
    }
    th_record *box = th_new_record(m, type, 1);
    if (!box) return false;
    box->slots[0] = word;
    *out = th_ptr_word(box);
    return true;
}

th_native *th_new_native(th_machine *m, th_type_id type, const th_native_class *cls, void *pointer) {
    th_native *native = th_new_bytes(m, sizeof *native);
    if (native) *native = (th_native){{type, 0}, cls, pointer, 0};
    if (native && th_memory_add_native(&m->memory, native)) return native;
    if (native) (void)th_trap_memory(m);
    if (cls->release) cls->release(pointer);
    return NULL;
}

bool th_native_attach(th_machine *m, th_native *native, uint64_t object) {
    native->attached = object;
    if (th_memory_stored(&m->memory, &native->object, TH_SLOT_ALL)) return true;
    (void)th_trap_memory(m);
    return false;
}

/* ---- Lists -------------------------------------------------------------------------------------------------- */

static size_t element_bytes(const th_machine *m, const th_list *list) {
    return th_types_get(&m->types, th_types_get(&m->types, list->object.type)->args[0])->bytes;
}

static bool list_pointers(const th_machine *m, const th_list *list) {
    return th_type_pointers(m, th_types_get(&m->types, list->object.type)->args[0]);
}

th_list *th_new_list(th_machine *m, th_type_id type, size_t capacity) {
    size_t width = th_types_get(&m->types, th_types_get(&m->types, type)->args[0])->bytes;
    if (capacity > (SIZE_MAX / 4) / width) {
        (void)th_machine_trap(m, TH_E_LIMIT, "a list of %zu elements does not fit in memory", capacity);
        return NULL;
    }
    th_list *list = th_new_bytes(m, sizeof *list);
    if (!list) return NULL;
    void *data = NULL;
    if (capacity > 0) {
        data = th_new_bytes(m, capacity * width);
        if (!data) return NULL;
    }
    *list = (th_list){.object = {type, 0}, .len = 0, .capacity = capacity, .data = data};
    return list;
}

bool th_list_reserve(th_machine *m, th_list *list, size_t capacity) {
    if (capacity <= list->capacity) return true;
    size_t width = element_bytes(m, list);
    if (capacity > (SIZE_MAX / 4) / width) {
        (void)th_machine_trap(m, TH_E_LIMIT, "a list of %zu elements does not fit in memory", capacity);
        return false;
    }
    bool fresh;
    void *data = th_memory_grow(&m->memory, list->data, list->capacity * width, capacity * width, &fresh);
    if (!data) {
        (void)th_trap_memory(m);
        return false;
    }
    list->data = data;
    list->capacity = capacity;
    if (fresh && !th_memory_stored(&m->memory, &list->object, TH_SLOT_ALL)) {
        (void)th_trap_memory(m);
        return false;
    }
    return true;
}

uint64_t th_list_get(const th_machine *m, const th_list *list, size_t i) {
    const th_type *element = th_types_get(&m->types, th_types_get(&m->types, list->object.type)->args[0]);
    switch (element->bytes) {
    case 1: return element->cls == TH_CLASS_BOOL ? list->bytes[i] : (uint64_t)(int64_t)list->i8[i];
    case 2: return (uint64_t)(int64_t)list->i16[i];
    case 4: return element->cls == TH_CLASS_F32 ? (uint64_t)(uint32_t)list->i32[i] : (uint64_t)(int64_t)list->i32[i];
    default: return list->words[i];
    }
}

static void list_put(th_list *list, size_t width, size_t i, uint64_t word) {
    switch (width) {
    case 1: list->bytes[i] = (uint8_t)word; return;
    case 2: list->i16[i] = (int16_t)word; return;
    case 4: list->i32[i] = (int32_t)word; return;
    default: list->words[i] = word;
    }
}

void th_list_set(th_machine *m, th_list *list, size_t i, uint64_t word) {
    list_put(list, element_bytes(m, list), i, word);
    if (list_pointers(m, list) && !th_memory_stored(&m->memory, &list->object, i)) (void)th_trap_memory(m);
}

bool th_list_push_slow(th_machine *m, th_list *list, uint64_t word) {
    if (list->len == list->capacity &&
        !th_list_reserve(m, list, list->capacity < 8 ? 8 : list->capacity + list->capacity / 2 + list->capacity / 4))
        return false;
    list_put(list, element_bytes(m, list), list->len, word);
    list->len++;
    if (!list_pointers(m, list) || th_memory_stored(&m->memory, &list->object, list->len - 1)) return true;
    list->len--;
    (void)th_trap_memory(m);
    return false;
}

bool th_list_push(th_machine *m, th_list *list, uint64_t word) { return th_list_push_slow(m, list, word); }

void th_list_written(th_machine *m, th_list *list) {
    if (list_pointers(m, list) && !th_memory_stored(&m->memory, &list->object, TH_SLOT_ALL)) (void)th_trap_memory(m);
}

/* ---- Dicts -------------------------------------------------------------------------------------------------- */

static uint64_t key_hash(const th_dict *dict, uint64_t key) {
    uint64_t hash;
    if (dict->string_keys) {
        const th_str *s = th_word_ptr(key);
        hash = th_hash_bytes(s->bytes, s->len, 0x9e3779b97f4a7c15u);
    } else {
        hash = th_hash_word(key);
    }
    return hash ? hash : 1;
}

static bool key_equal(const th_dict *dict, const th_dict_entry *entry, uint64_t hash, uint64_t key) {
    if (entry->hash != hash) return false;
    if (entry->key == key) return true;
    if (!dict->string_keys) return false;
    const th_str *a = th_word_ptr(entry->key), *b = th_word_ptr(key);
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* The index slot of the key, or of the empty place where it belongs. */
static uint32_t *index_slot(const th_dict *dict, uint64_t hash, uint64_t key, th_dict_entry **entry) {
    for (uint32_t i = (uint32_t)hash & dict->index_mask;; i = (i + 1) & dict->index_mask) {
        uint32_t number = dict->index[i];
        if (number == 0) {
            *entry = NULL;
            return &dict->index[i];
        }
        th_dict_entry *candidate = &dict->entries[number - 1];
        if (key_equal(dict, candidate, hash, key)) {
            *entry = candidate;
            return &dict->index[i];
        }
    }
}

static void index_add(th_dict *dict, uint32_t number) {
    uint32_t i = (uint32_t)dict->entries[number - 1].hash & dict->index_mask;
    while (dict->index[i] != 0) i = (i + 1) & dict->index_mask;
    dict->index[i] = number;
}

/* Makes room for `capacity` entries, dropping removed ones. */
static bool dict_rebuild(th_machine *m, th_dict *dict, uint64_t capacity) {
    if (capacity > (uint64_t)1 << 30) {
        (void)th_machine_trap(m, TH_E_LIMIT, "a dict of more than 2^30 entries");
        return false;
    }
    uint64_t slots = 8;
    while (slots * 2 < capacity * 3) slots *= 2;
    th_dict_entry *entries = th_new_bytes(m, capacity * sizeof *entries);
    uint32_t *index = entries ? th_new_bytes(m, slots * sizeof *index) : NULL;
    if (!index) return false;
    if (!th_memory_stored(&m->memory, &dict->object, TH_SLOT_ALL)) {
        (void)th_trap_memory(m);
        return false;
    }
    memset(index, 0, slots * sizeof *index);
    uint32_t used = 0;
    for (uint32_t i = 0; i < dict->used; i++)
        if (dict->entries[i].hash != 0) entries[used++] = dict->entries[i];
    dict->entries = entries;
    dict->index = index;
    dict->index_mask = (uint32_t)(slots - 1);
    dict->used = used;
    dict->capacity = (uint32_t)capacity;
    for (uint32_t i = 1; i <= used; i++) index_add(dict, i);
    return true;
}

th_dict *th_new_dict(th_machine *m, th_type_id type, size_t capacity) {
    th_dict *dict = th_new_bytes(m, sizeof *dict);
    if (!dict) return NULL;
    const th_type_id *args = th_types_get(&m->types, type)->args;
    *dict = (th_dict){.object = {type, 0},
                      .string_keys = th_types_class(&m->types, args[0]) == TH_CLASS_STRING,
                      .pointer_values = th_type_pointers(m, args[1])};
    return capacity == 0 || dict_rebuild(m, dict, capacity) ? dict : NULL;
}

const uint64_t *th_dict_find(const th_dict *dict, uint64_t key) {
    if (dict->len == 0) return NULL;
    th_dict_entry *entry;
    (void)index_slot(dict, key_hash(dict, key), key, &entry);
    return entry ? &entry->value : NULL;
}

bool th_dict_set(th_machine *m, th_dict *dict, uint64_t key, uint64_t value) {
    bool pointers = dict->pointer_values;
    if (m->dict_hint < dict->used) { /* the entry just read, more often than not */
        th_dict_entry *last = &dict->entries[m->dict_hint];
        if (last->key == key && last->hash != 0 && !pointers) {
            last->value = value;
            return true;
        }
    }
    uint64_t hash = key_hash(dict, key);
    th_dict_entry *entry = NULL;
    uint32_t *slot = dict->index ? index_slot(dict, hash, key, &entry) : NULL;
    if (!entry) {
        if (dict->used == dict->capacity) {
            uint64_t live = dict->len;
            if (!dict_rebuild(m, dict, live < 4 ? 8 : live * 2)) return false;
            slot = index_slot(dict, hash, key, &entry);
        }
        entry = &dict->entries[dict->used++];
        *entry = (th_dict_entry){hash, key, value};
        *slot = dict->used;
        dict->len++;
        pointers |= dict->string_keys;
    }
    entry->value = value;
    if (!pointers || th_memory_stored(&m->memory, &dict->object, (uint64_t)(entry - dict->entries))) return true;
    (void)th_trap_memory(m);
    return false;
}

bool th_dict_remove(th_machine *m, th_dict *dict, uint64_t key) {
    (void)m;
    if (dict->len == 0) return false;
    th_dict_entry *entry;
    uint32_t *slot = index_slot(dict, key_hash(dict, key), key, &entry);
    if (!entry) return false;
    /* Close the gap that the index would have (backward shift), so that probing needs no tombstones. */
    uint32_t hole = (uint32_t)(slot - dict->index);
    for (uint32_t i = (hole + 1) & dict->index_mask; dict->index[i] != 0; i = (i + 1) & dict->index_mask) {
        uint32_t home = (uint32_t)dict->entries[dict->index[i] - 1].hash & dict->index_mask;
        if (((i - home) & dict->index_mask) >= ((i - hole) & dict->index_mask)) {
            dict->index[hole] = dict->index[i];
            hole = i;
        }
    }
    dict->index[hole] = 0;
    *entry = (th_dict_entry){0, 0, 0};
    dict->len--;
    return true;
}

const th_dict_entry *th_dict_next(const th_dict *dict, size_t *i) {
    while (*i < dict->used)
        if (dict->entries[(*i)++].hash != 0) return &dict->entries[*i - 1];
    return NULL;
}
