/*
** weak.c - weak tables: entries are ephemerons, in C memory, found by the address of their key. A collection asks
** of each entry whether its key was reached. If so its value is traced; if not the entry waits in `pending`, where
** every object that is reached from then on is looked up: so chains of entries cost what they are long. A minor
** collection looks only at entries with a young key or value, which each table lists. Where the key is a thunk that
** was evaluated since, its value takes its place.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"

static th_weak *table_of(th_value v) { return (th_weak *)(uintptr_t)th_obj(v)[1]; }
static th_value plain(th_value v) { return th_is_reference(v) ? v & ~(th_value)TH_TAG_SHARED : v; }
static size_t hash_of(th_value key) { return (size_t)th_hash_word(key); }
static bool is_young(const th_heap *heap, th_value v) { return th_is_reference(v) && th_is_young(heap, th_obj(v)); }

/* ---- The index ------------------------------------------------------------------------------------------------ */

static size_t slot_of(const th_weak *t, th_value key) {
    size_t mask = t->index_capacity - 1, i = hash_of(key) & mask;
    while (t->index[i] && t->entries[t->index[i] - 1].key != key) i = (i + 1) & mask;
    return i;
}

static th_weak_entry *find(const th_weak *t, th_value key) {
    if (t->index_capacity == 0) return NULL;
    uint32_t at = t->index[slot_of(t, key)];
    return at ? &t->entries[at - 1] : NULL;
}

/* The entry of a key, or of a thunk that was evaluated to it on the way from `key`. */
static th_weak_entry *find_any(const th_weak *t, th_value key) {
    for (;;) {
        th_weak_entry *e = find(t, plain(key));
        if (e || !th_is_kind(key, TH_OBJ_DONE)) return e;
        key = th_obj(key)[1];
    }
}

static void index_remove(th_weak *t, th_value key) {
    size_t mask = t->index_capacity - 1, hole = slot_of(t, key);
    for (size_t i = (hole + 1) & mask; t->index[i]; i = (i + 1) & mask) {
        size_t home = hash_of(t->entries[t->index[i] - 1].key) & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue; /* may not stand before its home */
        t->index[hole] = t->index[i];
        hole = i;
    }
    t->index[hole] = 0;
}

/* Takes the holes out of the entries, and of equal keys all but the first. */
static void compact(th_collector *c, th_weak *t) {
    size_t kept = 0;
    memset(t->index, 0, t->index_capacity * sizeof *t->index);
    t->nyoung = 0;
    for (size_t i = 0; i < t->len; i++) {
        th_weak_entry e = t->entries[i];
        if (e.key == 0) continue;
        size_t slot = slot_of(t, e.key);
        if (t->index[slot]) {
            c->weak_entries--;
            continue;
        }
        if (e.young) t->young[t->nyoung++] = (uint32_t)kept;
        t->entries[kept++] = e;
        t->index[slot] = (uint32_t)kept;
    }
    t->len = kept;
    t->holes = 0;
}

/* ---- Growing ---------------------------------------------------------------------------------------------------- */

static bool grow_index(th_heap *heap, th_weak *t) {
    size_t capacity = t->index_capacity ? t->index_capacity * 2 : 16;
    uint32_t *index = th_mem_new(heap->state->mem, capacity * sizeof *index);
    if (!index) return false;
    th_mem_free(heap->state->mem, t->index, t->index_capacity * sizeof *index);
    heap->state->external_bytes += (capacity - t->index_capacity) * sizeof *index;
    t->index = index;
    t->index_capacity = capacity;
    compact(th_collector_of(heap), t);
    return true;
}

static bool grow_pending(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    if (c->pending_capacity > 2 * (c->weak_entries + 1)) return true;
    size_t capacity = c->pending_capacity ? c->pending_capacity * 2 : 64;
    th_pending *pending = th_mem_new(heap->state->mem, capacity * sizeof *pending);
    if (!pending) return false;
    th_mem_free(heap->state->mem, c->pending, c->pending_capacity * sizeof *pending);
    c->pending = pending;
    c->pending_capacity = capacity;
    return true;
}

static bool room_for_one(th_heap *heap, th_weak *t) {
    th_mem *mem = heap->state->mem;
    if (t->len == t->capacity && t->holes > t->len / 2) compact(th_collector_of(heap), t);
    size_t before = t->capacity;
    if (t->len >= UINT32_MAX - 1 ||
        th_mem_grow(mem, (void **)&t->entries, &t->capacity, t->len + 1, sizeof *t->entries) != TH_OK)
        return false;
    heap->state->external_bytes += (t->capacity - before) * sizeof *t->entries;
    if ((t->len + 1) * 2 > t->index_capacity && !grow_index(heap, t)) return false;
    return grow_pending(heap);
}

static void make_dirty(th_collector *c, th_weak *t) {
    if (t->dirty) return;
    t->dirty = true;
    t->next_dirty = c->dirty;
    c->dirty = t;
}

static bool room_for_young(th_heap *heap, th_weak *t) {
    return th_mem_grow(heap->state->mem, (void **)&t->young, &t->young_capacity, t->nyoung + 1, sizeof *t->young) ==
           TH_OK;
}

/* After room_for_young. */
static void list_young(th_heap *heap, th_weak *t, th_weak_entry *e) {
    if (e->young || (!is_young(heap, e->key) && !is_young(heap, e->value))) return;
    e->young = true;
    t->young[t->nyoung++] = (uint32_t)(e - t->entries);
    make_dirty(th_collector_of(heap), t);
}

/* ---- The public part ----------------------------------------------------------------------------------------- */

bool th_weak_new(th_heap *heap, th_value *out) {
    th_collector *c = th_collector_of(heap);
    th_weak *t = th_mem_zeroed(heap->state->mem, sizeof *t);
    uint64_t *p = t ? th_heap_words(heap, 2) : NULL;
    if (!p) {
        th_mem_free(heap->state->mem, t, sizeof *t);
        return false;
    }
    p[0] = TH_HEADER(TH_OBJ_WEAK, 0, 1);
    p[1] = (uintptr_t)t;
    t->object = p;
    t->next = c->tables;
    if (t->next) t->next->previous = t;
    c->tables = t;
    heap->state->external_bytes += sizeof *t;
    make_dirty(c, t); /* as it may be young itself */
    *out = th_of_object(p);
    return true;
}

bool th_weak_set(th_heap *heap, th_value table, th_value key, th_value value) {
    th_weak *t = table_of(th_deref(table));
    if (!room_for_young(heap, t)) return false;
    th_weak_entry *e = find_any(t, key);
    if (e) {
        e->value = th_shared(value);
        list_young(heap, t, e);
        return true;
    }
    if (!room_for_one(heap, t)) return false;
    e = &t->entries[t->len];
    *e = (th_weak_entry){plain(th_deref(key)), th_shared(value), false};
    t->index[slot_of(t, e->key)] = (uint32_t)++t->len;
    th_collector_of(heap)->weak_entries++;
    list_young(heap, t, e);
    return true;
}

th_value th_weak_get(const th_heap *heap, th_value table, th_value key) {
    (void)heap;
    const th_weak_entry *e = find_any(table_of(th_deref(table)), key);
    return e ? e->value : TH_V_ABSENT;
}

size_t th_weak_count(const th_heap *heap, th_value table) {
    (void)heap;
    const th_weak *t = table_of(th_deref(table));
    return t->len - t->holes;
}

/* ---- Tracing ------------------------------------------------------------------------------------------------- */

static bool is_minor(const th_collector *c) { return c->mode == TH_MINOR; }

/* What a key stands for now. A minor collection goes no further than the nursery. */
static th_value key_now(const th_heap *heap, th_value key) {
    if (!is_minor(th_collector_of(heap))) return plain(th_deref(key));
    while (th_is_object(key) && th_is_young(heap, th_obj(key)) && th_header_kind(*th_obj(key)) == TH_OBJ_DONE)
        key = th_obj(key)[1];
    return plain(key);
}

static bool key_stays(const th_heap *heap, th_value key) {
    if (!is_minor(th_collector_of(heap))) return th_is_marked(heap, key);
    return !is_young(heap, key) || th_is_moved(*th_obj(key));
}

static void enqueue(th_collector *c, th_weak *t) {
    if (t->reached) return;
    t->reached = true;
    t->queue = c->queue;
    c->queue = t;
}

void th_weak_begin(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    c->queue = c->traced = NULL;
    c->npending = 0;
    if (is_minor(c)) {
        for (th_weak *t = c->dirty; t; t = t->next_dirty) {
            t->reached = false;
            if (!th_is_young(heap, t->object)) enqueue(c, t);
        }
    } else {
        for (th_weak *t = c->tables; t; t = t->next) t->reached = false;
    }
}

void th_weak_reached(th_heap *heap, const uint64_t *object) {
    enqueue(th_collector_of(heap), (th_weak *)(uintptr_t)object[1]);
}

static size_t pending_hash(const th_collector *c, const uint64_t *key) {
    return (size_t)th_hash_word((uintptr_t)key) & c->pending_mask;
}

void th_weak_key_reached(th_heap *heap, const uint64_t *key) {
    th_collector *c = th_collector_of(heap);
    for (size_t i = pending_hash(c, key); c->pending[i].key; i = (i + 1) & c->pending_mask) {
        if (c->pending[i].key != key) continue;
        th_value *value = &c->pending[i].table->entries[c->pending[i].entry].value;
        if (c->depth < c->stack_capacity)
            c->stack[c->depth++] = (th_range){value, value + 1};
        else
            c->weak_again = true;
    }
}

static void trace_entry(th_heap *heap, th_weak *t, uint32_t i) {
    th_collector *c = th_collector_of(heap);
    th_weak_entry *e = &t->entries[i];
    if (e->key == 0) return;
    th_value key = key_now(heap, e->key);
    if (key_stays(heap, key)) {
        (is_minor(c) ? th_minor_visit : th_mark_visit)(heap, &e->value);
        return;
    }
    size_t at = pending_hash(c, th_obj(key));
    while (c->pending[at].key) at = (at + 1) & c->pending_mask;
    c->pending[at] = (th_pending){th_obj(key), t, i};
    c->npending++;
}

static void trace_table(th_heap *heap, th_weak *t) {
    th_collector *c = th_collector_of(heap);
    size_t n = is_minor(c) ? t->nyoung : t->len;
    for (size_t i = 0; i < n; i++) trace_entry(heap, t, is_minor(c) ? t->young[i] : (uint32_t)i);
}

static void clear_pending(th_collector *c) {
    size_t most = c->weak_entries;
    if (is_minor(c)) {
        most = 0;
        for (const th_weak *t = c->dirty; t; t = t->next_dirty) most += t->nyoung;
    }
    size_t capacity = 1;
    while (capacity <= 2 * most) capacity *= 2;
    assert(most == 0 || capacity <= c->pending_capacity);
    c->pending_mask = capacity - 1;
    if (most > 0) memset(c->pending, 0, capacity * sizeof *c->pending);
    c->npending = 0;
}

void th_weak_trace(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    void (*drain)(th_heap *) = is_minor(c) ? th_minor_drain : th_mark_drain;
    if (!c->tables) return;
    clear_pending(c);
    do {
        c->weak_again = false;
        while (c->queue) {
            th_weak *t = c->queue;
            c->queue = t->queue;
            t->queue = c->traced;
            c->traced = t;
            trace_table(heap, t);
            drain(heap);
        }
        if (!c->weak_again) break;
        clear_pending(c);
        c->queue = c->traced; /* all of them once more */
        c->traced = NULL;
    } while (true);
    c->npending = 0;
}

/* ---- Sweeping ------------------------------------------------------------------------------------------------ */

static void free_table(th_heap *heap, th_weak *t) {
    th_collector *c = th_collector_of(heap);
    th_mem *mem = heap->state->mem;
    *(t->previous ? &t->previous->next : &c->tables) = t->next;
    if (t->next) t->next->previous = t->previous;
    c->weak_entries -= t->len - t->holes;
    heap->state->external_bytes -= sizeof *t + t->capacity * sizeof *t->entries + t->index_capacity * sizeof *t->index;
    th_mem_free(mem, t->entries, t->capacity * sizeof *t->entries);
    th_mem_free(mem, t->index, t->index_capacity * sizeof *t->index);
    th_mem_free(mem, t->young, t->young_capacity * sizeof *t->young);
    th_mem_free(mem, t, sizeof *t);
}

static void make_hole(th_collector *c, th_weak *t, th_weak_entry *e) {
    *e = (th_weak_entry){0, TH_V_NULL, false};
    t->holes++;
    c->weak_entries--;
}

static void sweep_young(th_heap *heap, th_weak *t) {
    th_collector *c = th_collector_of(heap);
    for (size_t i = 0; i < t->nyoung; i++) {
        th_weak_entry *e = &t->entries[t->young[i]];
        e->young = false;
        if (!is_young(heap, e->key)) continue;
        th_value key = key_now(heap, e->key);
        index_remove(t, e->key);
        if (is_young(heap, key)) {
            const uint64_t *p = th_obj(key);
            key = th_is_moved(*p) ? th_header_size(*p) | (key & TH_TAG_MASK) : 0;
        }
        if (key == 0 || find(t, key)) { /* or there is one for what the key has become */
            make_hole(c, t, e);
            continue;
        }
        e->key = key;
        t->index[slot_of(t, key)] = t->young[i] + 1;
    }
    t->nyoung = 0;
}

static void sweep_minor(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (th_weak *t = c->dirty, *next; t; t = next) {
        next = t->next_dirty;
        t->dirty = false;
        if (!t->reached) {
            free_table(heap, t);
            continue;
        }
        if (th_is_young(heap, t->object)) t->object = (uint64_t *)(uintptr_t)th_header_size(*t->object);
        sweep_young(heap, t);
    }
    c->dirty = NULL;
}

static void sweep_table(th_heap *heap, th_weak *t) {
    for (size_t i = 0; i < t->len; i++) {
        th_weak_entry *e = &t->entries[i];
        if (e->key == 0) continue;
        e->key = key_now(heap, e->key);
        if (!key_stays(heap, e->key)) make_hole(th_collector_of(heap), t, e);
    }
}

void th_weak_sweep(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    if (is_minor(c)) {
        sweep_minor(heap);
        return;
    }
    for (th_weak *t = c->tables, *next; t; t = next) {
        next = t->next;
        if (t->reached)
            sweep_table(heap, t);
        else
            free_table(heap, t);
    }
}

void th_weak_update(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    for (th_weak *t = c->tables; t; t = t->next) {
        t->object = th_update_address(c, t->object);
        for (size_t i = 0; i < t->len; i++) {
            th_weak_entry *e = &t->entries[i];
            if (e->key == 0) continue;
            th_update_visit(heap, &e->key);
            th_update_visit(heap, &e->value);
        }
        if (t->index_capacity) compact(c, t);
    }
}

bool th_weak_check(const th_heap *heap, const th_weak *t) {
    size_t holes = 0;
    for (size_t i = 0; i < t->len; i++) {
        const th_weak_entry *e = &t->entries[i];
        if (e->key == 0)
            holes++;
        else if (find(t, e->key) != e || (!e->young && (is_young(heap, e->key) || is_young(heap, e->value))))
            return false;
    }
    return holes == t->holes && (uint64_t *)(uintptr_t)t->object[1] == (const uint64_t *)t;
}

void th_weak_clear(th_heap *heap) {
    th_collector *c = th_collector_of(heap);
    while (c->tables) free_table(heap, c->tables);
    c->dirty = NULL;
}
