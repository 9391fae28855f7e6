/*
** memory.c - chunks, regions, and the copying collection of the innermost region (invariants in memory.h).
** Relies on the machine's types to know where pointers are. Never looks at the C stack.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/memory.h"

#include <stdlib.h>

#include "machine/machine_int.h"

/* ---- Chunks ------------------------------------------------------------------------------------------------- */

static size_t chunk_room(const th_chunk *chunk) { return chunk->bytes - offsetof(th_chunk, data); }

static char *chunk_end(th_chunk *chunk) { return chunk->data + (chunk_room(chunk) & ~(size_t)7); }

static th_chunk *chunk_new(th_memory *memory, size_t room) {
    size_t bytes = offsetof(th_chunk, data) + room;
    if (bytes < TH_CHUNK_BYTES) bytes = TH_CHUNK_BYTES;
    th_chunk *chunk = bytes == TH_CHUNK_BYTES ? memory->spare : NULL;
    if (chunk)
        memory->spare = NULL;
    else
        chunk = th_mem_new(memory->mem, bytes);
    if (!chunk) return NULL;
    chunk->bytes = bytes;
    chunk->limit = chunk_end(chunk);
    chunk->prev = chunk->next = NULL;
    chunk->top = chunk->data;
    chunk->kept = false;
    return chunk;
}

#ifdef TH_STRESS
static bool keeps_spare(void) { return false; }
static void overwrite(char *from, char *to) { memset(from, 0xdd, (size_t)(to - from)); }
#else
static bool keeps_spare(void) { return true; }
static void overwrite(char *from, char *to) { (void)from, (void)to; }
#endif

static void chunk_free(th_memory *memory, th_chunk *chunk) {
    if (keeps_spare() && chunk->bytes == TH_CHUNK_BYTES && !memory->spare) {
        memory->spare = chunk;
        return;
    }
    th_mem_free(memory->mem, chunk, chunk->bytes);
}

/* A chunk becomes the current one. */
static void chunk_push(th_memory *memory, th_chunk *chunk, char *next) {
    th_chunk *old = memory->chunk;
    if (old) {
        old->top = memory->next;
        old->next = chunk;
        memory->closed_bytes += (size_t)(old->top - old->data);
    }
    chunk->prev = old;
    chunk->next = NULL;
    memory->chunk = chunk;
    memory->next = next;
    memory->end = chunk->limit;
}

void th_memory_init(th_memory *memory, th_mem *mem) {
    memset(memory, 0, sizeof *memory);
    memory->mem = mem;
    memory->slots_limit = 4096;
}

static void release_native(th_native *native) {
    void *pointer = native->pointer;
    native->pointer = NULL;
    if (pointer && native->cls->release) native->cls->release(pointer);
}

static void release_natives(th_memory *memory, size_t from) {
    while (memory->nnatives > from) release_native(memory->natives[--memory->nnatives]);
}

static void free_larges_down_to(th_memory *memory, const th_chunk *stop) {
    while (memory->large != stop) {
        th_chunk *chunk = memory->large;
        memory->large = chunk->prev;
        memory->large_bytes -= chunk->bytes;
        th_mem_free(memory->mem, chunk, chunk->bytes);
    }
    if (memory->large) memory->large->next = NULL;
}

void th_memory_clear(th_memory *memory) {
    release_natives(memory, 0);
    free_larges_down_to(memory, NULL);
    for (th_chunk *chunk = memory->chunk; chunk;) {
        th_chunk *prev = chunk->prev;
        th_mem_free(memory->mem, chunk, chunk->bytes);
        chunk = prev;
    }
    if (memory->spare) th_mem_free(memory->mem, memory->spare, memory->spare->bytes);
    th_mem_free(memory->mem, memory->regions, memory->regions_capacity * sizeof *memory->regions);
    th_mem_free(memory->mem, memory->slots, memory->slots_capacity * sizeof *memory->slots);
    th_mem_free(memory->mem, memory->natives, memory->natives_capacity * sizeof *memory->natives);
    th_memory_init(memory, memory->mem);
}

void *th_memory_new_slow(th_memory *memory, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    if (bytes >= TH_LARGE_BYTES) {
        th_chunk *chunk = th_mem_new(memory->mem, offsetof(th_chunk, data) + bytes);
        if (!chunk) return NULL;
        chunk->bytes = offsetof(th_chunk, data) + bytes;
        chunk->prev = memory->large;
        chunk->next = NULL;
        chunk->kept = false;
        chunk->top = chunk->data + bytes;
        if (memory->large) memory->large->next = chunk;
        memory->large = chunk;
        memory->large_bytes += chunk->bytes;
        return chunk->data;
    }
    th_chunk *chunk = chunk_new(memory, bytes);
    if (!chunk) return NULL;
    chunk_push(memory, chunk, chunk->data + bytes);
    return chunk->data;
}

static void *grow_large(th_memory *memory, th_chunk *chunk, size_t new_bytes) {
    size_t old = chunk->bytes, bytes = offsetof(th_chunk, data) + new_bytes;
    th_chunk *grown = th_mem_resize(memory->mem, chunk, old, bytes);
    if (!grown) return NULL;
    grown->bytes = bytes;
    grown->top = grown->data + new_bytes;
    if (grown->prev) grown->prev->next = grown;
    if (grown->next) grown->next->prev = grown;
    if (memory->large == chunk) memory->large = grown;
    for (size_t i = 0; i < memory->nregions; i++)
        if (memory->regions[i].large == chunk) memory->regions[i].large = grown;
    memory->large_bytes += bytes - old;
    return grown->data;
}

void *th_memory_grow(th_memory *memory, void *block, size_t old_bytes, size_t new_bytes, bool *fresh) {
    *fresh = false;
    if (new_bytes > SIZE_MAX / 2) return NULL;
    size_t old = TH_ALIGN(old_bytes, 8), grown = TH_ALIGN(new_bytes, 8);
    if (block && old_bytes >= TH_LARGE_BYTES)
        return grow_large(memory, (th_chunk *)(void *)((char *)block - offsetof(th_chunk, data)), grown);
    if (block && old >= TH_MIN_BLOCK_BYTES && (char *)block + old == memory->next && grown < TH_LARGE_BYTES &&
        (size_t)(memory->end - (char *)block) >= grown) {
        memory->next = (char *)block + grown;
        return block;
    }
    void *copy = th_memory_new(memory, new_bytes);
    if (!copy) return NULL;
    if (old_bytes) memcpy(copy, block, old_bytes);
    *fresh = true;
    return copy;
}

bool th_memory_add_native(th_memory *memory, th_native *native) {
    if (th_mem_grow(memory->mem, (void **)&memory->natives, &memory->natives_capacity, memory->nnatives + 1,
                    sizeof *memory->natives) != TH_OK)
        return false;
    memory->natives[memory->nnatives++] = native;
    return true;
}

/* ---- Regions ------------------------------------------------------------------------------------------------ */

th_status th_memory_enter(th_memory *memory, size_t context) {
    TH_TRY(th_mem_grow(memory->mem, (void **)&memory->regions, &memory->regions_capacity, memory->nregions + 1,
                       sizeof *memory->regions));
    if (!memory->chunk) {
        th_chunk *chunk = chunk_new(memory, 0);
        if (!chunk) return TH_E_NOMEM;
        chunk_push(memory, chunk, chunk->data);
    }
    memory->regions[memory->nregions++] = (th_region){
        .chunk = memory->chunk,
        .next = memory->next,
        .large = memory->large,
        .natives = memory->nnatives,
        .slots = memory->nslots,
        .small_bytes = memory->closed_bytes + (size_t)(memory->next - memory->chunk->data),
        .large_bytes = memory->large_bytes,
        .threshold = TH_REGION_BYTES,
        .check = memory->next,
        .budget = TH_REGION_BYTES,
        .check_large = memory->large_bytes,
        .context = context,
    };
    return TH_OK;
}

static th_region *innermost(th_memory *memory) { return &memory->regions[memory->nregions - 1]; }

size_t th_memory_young_bytes(const th_memory *memory) {
    const th_region *region = &memory->regions[memory->nregions - 1];
    size_t small = memory->closed_bytes + (size_t)(memory->next - memory->chunk->data);
    size_t large = memory->large_bytes > region->large_bytes ? memory->large_bytes - region->large_bytes : 0;
    return small - region->small_bytes + large;
}

/* Where the region's part of one of its chunks ends. What lies above the limit of the chunk with the mark are survivors of
** before the mark; in the chunks after it they are the region's own. */
static char *region_end(const th_region *region, th_chunk *chunk) {
    return chunk == region->chunk ? chunk->limit : chunk_end(chunk);
}

bool th_memory_is_young(const th_memory *memory, const void *pointer) {
    const th_region *region = &memory->regions[memory->nregions - 1];
    const char *p = pointer;
    for (th_chunk *chunk = memory->chunk; chunk; chunk = chunk->prev) {
        const char *from = chunk == region->chunk ? region->next : chunk->data;
        if (p >= from && p < region_end(region, chunk)) return true;
        if (chunk == region->chunk) break;
    }
    for (const th_chunk *chunk = memory->large; chunk != region->large; chunk = chunk->prev)
        if (p >= chunk->data && p < chunk->top) return true;
    return false;
}

static int compare_slots(const void *a, const void *b) {
    const th_slot *x = a, *y = b;
    if (x->object != y->object) return (uintptr_t)x->object < (uintptr_t)y->object ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Drops repeated entries of the innermost region's part of the list. */
static void compact_slots(th_memory *memory) {
    size_t from = innermost(memory)->slots, kept = from;
    if (memory->nslots - from > 1)
        qsort(memory->slots + from, memory->nslots - from, sizeof *memory->slots, compare_slots);
    for (size_t i = from; i < memory->nslots; i++)
        if (kept == from || compare_slots(&memory->slots[kept - 1], &memory->slots[i]) != 0)
            memory->slots[kept++] = memory->slots[i];
    memory->nslots = kept;
    memory->slots_limit = kept * 2 < 4096 ? 4096 : kept * 2;
}

bool th_memory_stored_slow(th_memory *memory, th_object *object, uint64_t slot) {
    if (th_memory_is_young(memory, object)) return true;
    if (memory->nslots > innermost(memory)->slots) {
        const th_slot *last = &memory->slots[memory->nslots - 1];
        if (last->object == object && (last->slot == slot || last->slot == TH_SLOT_ALL)) return true;
    }
    if (memory->nslots >= memory->slots_limit) compact_slots(memory);
    if (th_mem_grow(memory->mem, (void **)&memory->slots, &memory->slots_capacity, memory->nslots + 1,
                    sizeof *memory->slots) != TH_OK)
        return false;
    memory->slots[memory->nslots++] = (th_slot){object, slot};
    return true;
}

static void leave(th_memory *memory) {
    bool globals = innermost(memory)->globals;
    memory->nregions--;
    if (memory->nregions == 0)
        memory->nslots = 0;
    else
        innermost(memory)->globals |= globals;
}

void th_memory_unwind(th_memory *memory, size_t context, size_t depth) {
    while (memory->nregions > 0 && innermost(memory)->context > context) leave(memory);
    size_t own = 0;
    for (size_t i = memory->nregions; i > 0 && memory->regions[i - 1].context == context; i--) own++;
    for (; own > depth; own--) leave(memory);
}

/* ---- Collection --------------------------------------------------------------------------------------------- */

typedef struct range {
    const char *from, *to;
    th_chunk *large; /* NULL: ordinary */
} range;

typedef struct collector {
    th_machine *machine;
    th_memory *memory;
    th_region *region;
    range *ranges; /* sorted by address */
    size_t nranges;
    th_chunk *chunks;     /* prepared, by next */
    th_chunk *to, *first; /* being filled; the first filled */
    char *low, *high;     /* free part of `to`: objects below, raw data above */
    char *scan;           /* objects before it are done */
    th_chunk *scan_chunk;
    size_t copied;
} collector;

static int compare_ranges(const void *a, const void *b) {
    const range *x = a, *y = b;
    return (uintptr_t)x->from<(uintptr_t)y->from ? -1 : (uintptr_t)x->from>(uintptr_t) y->from;
}

static const range *range_of(const collector *c, const void *pointer) {
    const char *p = pointer;
    size_t low = 0, high = c->nranges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p >= c->ranges[middle].to)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->nranges && p >= c->ranges[low].from ? &c->ranges[low] : NULL;
}

/* Everything a collection may need, before anything is changed. */
static bool prepare(collector *c) {
    th_memory *memory = c->memory;
    size_t count = 0, small = 0;
    for (th_chunk *chunk = memory->chunk;; chunk = chunk->prev) {
        count++;
        const char *from = chunk == c->region->chunk ? c->region->next : chunk->data;
        small += (size_t)((chunk == memory->chunk ? memory->next : chunk->top) - from);
        small += (size_t)(region_end(c->region, chunk) - chunk->limit); /* raw data of the last survivors */
        if (chunk == c->region->chunk) break;
    }
    for (th_chunk *chunk = memory->large; chunk != c->region->large; chunk = chunk->prev) count++;
    c->ranges = th_mem_new(memory->mem, count * sizeof *c->ranges);
    if (!c->ranges) return false;
    for (th_chunk *chunk = memory->chunk;; chunk = chunk->prev) {
        c->ranges[c->nranges++] =
            (range){chunk == c->region->chunk ? c->region->next : chunk->data, region_end(c->region, chunk), NULL};
        if (chunk == c->region->chunk) break;
    }
    for (th_chunk *chunk = memory->large; chunk != c->region->large; chunk = chunk->prev) {
        chunk->kept = false;
        c->ranges[c->nranges++] = (range){chunk->data, chunk->top, chunk};
    }
    qsort(c->ranges, c->nranges, sizeof *c->ranges, compare_ranges);
    /* A block that does not fit the rest of a chunk wastes less than TH_LARGE_BYTES of it. */
    size_t room = TH_CHUNK_BYTES - offsetof(th_chunk, data) - TH_LARGE_BYTES;
    for (size_t n = small / room + 1; n > 0; n--) {
        th_chunk *chunk = chunk_new(memory, 0);
        if (!chunk) return false;
        chunk->next = c->chunks;
        c->chunks = chunk;
    }
    return true;
}

static void next_chunk(collector *c) {
    th_chunk *chunk = c->chunks;
    c->chunks = chunk->next;
    chunk->next = NULL;
    if (c->to) {
        c->to->top = c->low; /* end of the objects, for the scan */
        c->to->next = chunk;
        chunk->prev = c->to;
    } else {
        c->first = c->scan_chunk = chunk;
        c->scan = chunk->data;
        chunk->prev = NULL;
    }
    c->to = chunk;
    c->low = chunk->data;
    c->high = chunk->limit;
}

static void *place(collector *c, size_t bytes, bool raw) {
    bytes = bytes < TH_MIN_BLOCK_BYTES ? TH_MIN_BLOCK_BYTES : TH_ALIGN(bytes, 8);
    if (!c->to || (size_t)(c->high - c->low) < bytes) next_chunk(c);
    c->copied += bytes;
    if (raw) return c->high -= bytes;
    void *block = c->low;
    c->low += bytes;
    return block;
}

static void *move_raw(collector *c, void *block, size_t bytes, size_t capacity) {
    const range *r = block ? range_of(c, block) : NULL;
    if (!r) return block;
    if (r->large) {
        r->large->kept = true;
        return block;
    }
    void *copy = place(c, capacity, true);
    memcpy(copy, block, bytes);
    return copy;
}

#define FORWARDED 0xffffffffu /* as a type or a string length: the new address is 8 bytes further */

static void *forwarding(const void *block) {
    void *to;
    memcpy(&to, (const char *)block + 8, sizeof to);
    return to;
}

static void forward(void *block, void *to) {
    uint32_t mark = FORWARDED;
    memcpy(block, &mark, sizeof mark);
    memcpy((char *)block + 8, &to, sizeof to);
}

static void move_string(collector *c, uint64_t *word) {
    th_str *s = th_word_ptr(*word);
    const range *r = s ? range_of(c, s) : NULL;
    if (!r) return;
    if (r->large) {
        r->large->kept = true;
        return;
    }
    if (s->len == FORWARDED) {
        *word = th_ptr_word(forwarding(s));
        return;
    }
    size_t bytes = sizeof(th_str) + s->len + 1;
    th_str *copy = place(c, bytes, true);
    memcpy(copy, s, bytes);
    forward(s, copy);
    *word = th_ptr_word(copy);
}

static size_t object_bytes(const th_types *types, const th_object *object) {
    const th_type *type = th_types_get(types, object->type);
    switch (type->kind) {
    case TH_KIND_LIST: return sizeof(th_list);
    case TH_KIND_DICT: return sizeof(th_dict);
    case TH_KIND_FUNCTION:
        return sizeof(th_closure) + ((const th_closure *)(const void *)object)->ncaptures * sizeof(uint64_t);
    case TH_KIND_OPAQUE:
    case TH_KIND_TABLE: return sizeof(th_native);
    default: return sizeof(th_record) + th_record_slots(types, object->type) * sizeof(uint64_t);
    }
}

static void move_object(collector *c, uint64_t *word) {
    th_object *object = th_word_ptr(*word);
    if (!object || !range_of(c, object)) return; /* objects with a header are never large */
    if (object->type == FORWARDED) {
        *word = th_ptr_word(forwarding(object));
        return;
    }
    size_t bytes = object_bytes(&c->machine->types, object);
    void *copy = place(c, bytes, false);
    memcpy(copy, object, bytes);
    forward(object, copy);
    *word = th_ptr_word(copy);
}

static void move_word(collector *c, th_type_id type, uint64_t *word) {
    const th_type *t = th_types_get(&c->machine->types, type);
    if (!t->pointers) return;
    if (t->cls == TH_CLASS_STRING)
        move_string(c, word);
    else
        move_object(c, word);
}

static void scan_list_slots(collector *c, th_list *list, size_t from, size_t to) {
    th_type_id element = th_types_get(&c->machine->types, list->object.type)->args[0];
    if (!th_type_pointers(c->machine, element)) return;
    for (size_t i = from; i < to && i < list->len; i++) move_word(c, element, &list->words[i]);
}

static void scan_list(collector *c, th_list *list) {
    const th_types *types = &c->machine->types;
    size_t width = th_types_get(types, th_types_get(types, list->object.type)->args[0])->bytes;
    list->data = move_raw(c, list->data, list->len * width, list->capacity * width);
    scan_list_slots(c, list, 0, list->len);
}

static void scan_dict_slots(collector *c, th_dict *dict, size_t from, size_t to) {
    const th_type *type = th_types_get(&c->machine->types, dict->object.type);
    for (size_t i = from; i < to && i < dict->used; i++) {
        th_dict_entry *entry = &dict->entries[i];
        if (entry->hash == 0) continue;
        if (dict->string_keys) move_string(c, &entry->key);
        move_word(c, type->args[1], &entry->value);
    }
}

static void scan_dict(collector *c, th_dict *dict) {
    dict->entries =
        move_raw(c, dict->entries, dict->used * sizeof *dict->entries, dict->capacity * sizeof *dict->entries);
    size_t index_bytes = dict->index ? ((size_t)dict->index_mask + 1) * sizeof *dict->index : 0;
    dict->index = move_raw(c, dict->index, index_bytes, index_bytes);
    scan_dict_slots(c, dict, 0, dict->used);
}

static th_type_id slot_type(const collector *c, const th_record *record, size_t slot) {
    const th_type *type = th_types_get(&c->machine->types, record->object.type);
    switch (type->kind) {
    case TH_KIND_ERROR: return slot == TH_ERROR_LINE || slot == TH_ERROR_COLUMN ? TH_TYPE_I64 : TH_TYPE_STRING;
    case TH_KIND_VARIANT: return slot == 0 ? TH_TYPE_I64 : type->args[record->slots[0]];
    default: return type->args[slot];
    }
}

static void scan_closure(collector *c, th_closure *closure) {
    const th_fn *fn = closure->fn;
    for (size_t i = 0; i < closure->ncaptures; i++)
        move_word(c, fn->unit->types[fn->info->captures[i]], &closure->captures[i]);
}

static void scan_slots(collector *c, th_object *object, size_t from, size_t to) {
    const th_type *type = th_types_get(&c->machine->types, object->type);
    switch (type->kind) {
    case TH_KIND_LIST:
        if (to == SIZE_MAX)
            scan_list(c, (th_list *)(void *)object);
        else
            scan_list_slots(c, (th_list *)(void *)object, from, to);
        return;
    case TH_KIND_DICT:
        if (to == SIZE_MAX)
            scan_dict(c, (th_dict *)(void *)object);
        else
            scan_dict_slots(c, (th_dict *)(void *)object, from, to);
        return;
    case TH_KIND_FUNCTION: scan_closure(c, (th_closure *)(void *)object); return;
    case TH_KIND_OPAQUE:
    case TH_KIND_TABLE: move_object(c, &((th_native *)(void *)object)->attached); return;
    default: {
        th_record *record = (th_record *)(void *)object;
        size_t n = th_record_slots(&c->machine->types, object->type);
        for (size_t i = from; i < to && i < n; i++) move_word(c, slot_type(c, record, i), &record->slots[i]);
    }
    }
}

static void scan_copies(collector *c) {
    while (c->scan_chunk) {
        char *stop = c->scan_chunk == c->to ? c->low : c->scan_chunk->top;
        if (c->scan < stop) {
            th_object *object = (th_object *)(void *)c->scan;
            size_t bytes = object_bytes(&c->machine->types, object);
            c->scan += bytes < TH_MIN_BLOCK_BYTES ? TH_MIN_BLOCK_BYTES : TH_ALIGN(bytes, 8);
            scan_slots(c, object, 0, SIZE_MAX);
        } else if (c->scan_chunk != c->to) {
            c->scan_chunk = c->scan_chunk->next;
            c->scan = c->scan_chunk->data;
        } else {
            return;
        }
    }
}

static void scan_remembered(collector *c) {
    th_memory *memory = c->memory;
    size_t kept = c->region->slots;
    for (size_t i = kept; i < memory->nslots; i++) {
        th_slot slot = memory->slots[i];
        if (range_of(c, slot.object)) continue; /* not older than the region: found on its own if it lives */
        if (slot.slot == TH_SLOT_ALL)
            scan_slots(c, slot.object, 0, SIZE_MAX);
        else
            scan_slots(c, slot.object, slot.slot, slot.slot + 1);
        memory->slots[kept++] = slot;
    }
    memory->nslots = kept;
}

static void scan_roots(collector *c) {
    th_machine *m = c->machine;
    for (size_t u = 0; u < m->nunits; u++) {
        const th_program *program = m->units[u]->program;
        for (uint32_t g = 0; g < program->nglobals; g++)
            if (m->units[u]->globals_set[g])
                move_word(c, m->units[u]->types[program->globals[g].type], &m->units[u]->globals[g]);
    }
    for (size_t i = 0; i < m->nbindings; i++) move_word(c, m->bindings[i].type, &m->bindings[i].word);
    for (size_t i = 0; i < m->nholds; i++)
        if (m->holds[i].used) move_word(c, m->holds[i].type, &m->holds[i].word);
}

static void sweep_natives(collector *c) {
    th_memory *memory = c->memory;
    size_t kept = c->region->natives;
    for (size_t i = kept; i < memory->nnatives; i++) {
        th_native *native = memory->natives[i];
        if (native->object.type == FORWARDED)
            memory->natives[kept++] = forwarding(native);
        else
            release_native(native);
    }
    memory->nnatives = kept;
}

static void sweep_larges(collector *c) {
    th_memory *memory = c->memory;
    for (th_chunk *chunk = memory->large; chunk != c->region->large;) {
        th_chunk *prev = chunk->prev;
        if (!chunk->kept) {
            if (chunk->next)
                chunk->next->prev = prev;
            else
                memory->large = prev;
            if (prev) prev->next = chunk->next;
            memory->large_bytes -= chunk->bytes;
            th_mem_free(memory->mem, chunk, chunk->bytes);
        }
        chunk = prev;
    }
}

/* Drops the ordinary chunks of the region and the rest of the chunk that holds its mark. */
static void rewind_to_mark(th_memory *memory, const th_region *region) {
    while (memory->chunk != region->chunk) {
        th_chunk *chunk = memory->chunk;
        memory->chunk = chunk->prev;
        chunk_free(memory, chunk);
    }
    memory->chunk->next = NULL;
    memory->next = region->next;
    memory->end = memory->chunk->limit;
    overwrite(memory->next, memory->end);
    memory->closed_bytes = region->small_bytes - (size_t)(region->next - region->chunk->data);
}

/* Survivors' chunks go behind the mark; the last one, between its objects and its data, is where allocation goes on. */
static void install_copies(collector *c) {
    th_memory *memory = c->memory;
    rewind_to_mark(memory, c->region);
    for (th_chunk *chunk = c->first; chunk;) {
        th_chunk *next = chunk->next;
        bool last = chunk == c->to;
        if (last) chunk->limit = c->high;
        chunk_push(memory, chunk, last ? c->low : chunk->limit);
        memory->closed_bytes += (size_t)(chunk_end(chunk) - chunk->limit);
        chunk = last ? NULL : next;
    }
    while (c->chunks) {
        th_chunk *chunk = c->chunks;
        c->chunks = chunk->next;
        chunk_free(memory, chunk);
    }
}

static void set_budget(th_memory *memory, th_region *region) {
    region->check = memory->next;
    region->check_large = memory->large_bytes;
    region->budget = region->threshold;
}

/* The innermost region's dead go. False: not enough memory to do it, nothing changed. */
static bool evacuate(th_machine *m, uint64_t *registers, const uint8_t *roots, size_t nroots, const uint8_t *classes) {
    th_memory *memory = &m->memory;
    collector c = {.machine = m, .memory = memory, .region = innermost(memory)};
    if (!prepare(&c)) {
        while (c.chunks) {
            th_chunk *chunk = c.chunks;
            c.chunks = chunk->next;
            chunk_free(memory, chunk);
        }
        th_mem_free(memory->mem, c.ranges, c.nranges * sizeof *c.ranges);
        return false;
    }
    size_t nranges = c.nranges;
    th_builders_forget(m);
    for (size_t i = 0; i < nroots; i++) {
        uint8_t reg = roots[i];
        if (classes[reg] == TH_CLASS_STRING)
            move_string(&c, &registers[reg]);
        else if (classes[reg] == TH_CLASS_PTR || classes[reg] == TH_CLASS_NODE || classes[reg] == TH_CLASS_TABLE)
            move_object(&c, &registers[reg]);
        scan_copies(&c);
    }
    scan_remembered(&c);
    scan_roots(&c);
    scan_copies(&c);
    sweep_natives(&c);
    sweep_larges(&c);
    install_copies(&c);
    th_mem_free(memory->mem, c.ranges, nranges * sizeof *c.ranges);
    memory->collections++;
    memory->copied_bytes += c.copied;
    c.region->threshold = c.copied * 2 < TH_REGION_BYTES ? TH_REGION_BYTES : c.copied * 2;
    size_t larges = memory->large_bytes - c.region->large_bytes;
    if (larges > c.region->threshold) c.region->threshold = larges;
    return true;
}

void th_memory_collect(th_machine *m, uint64_t *registers, const uint8_t *roots, size_t nroots, const uint8_t *classes,
                       bool always) {
    th_memory *memory = &m->memory;
    th_region *region = innermost(memory);
    size_t used = (size_t)(memory->next - region->check);
    size_t large = memory->large_bytes - region->check_large;
    bool same_chunk = region->check >= memory->chunk->data && region->check <= memory->next;
    if (!always && same_chunk && (memory->large_bytes < region->check_large || used + large <= region->budget)) {
        region->check_large = memory->large_bytes;
        region->budget -= used + (memory->large_bytes < region->check_large ? 0 : large);
        region->check = memory->next;
        return;
    }
    if (!always && !same_chunk && th_memory_young_bytes(memory) <= region->threshold) {
        region->check = memory->next;
        region->check_large = memory->large_bytes;
        region->budget = region->threshold - th_memory_young_bytes(memory);
        return;
    }
    if (!evacuate(m, registers, roots, nroots, classes)) region->threshold *= 2;
    set_budget(memory, region);
}

static bool roots_are_old(const th_memory *memory, const uint64_t *registers, const uint8_t *roots, size_t nroots) {
    for (size_t i = 0; i < nroots; i++)
        if (registers[roots[i]] != 0 && th_memory_is_young(memory, th_word_ptr(registers[roots[i]]))) return false;
    return true;
}

void th_memory_leave(th_machine *m, uint64_t *registers, const uint8_t *roots, size_t nroots, const uint8_t *classes) {
    th_memory *memory = &m->memory;
    th_region *region = innermost(memory);
    bool escaped = memory->nslots > region->slots || region->globals;
    if (!escaped && roots_are_old(memory, registers, roots, nroots)) {
        release_natives(memory, region->natives);
        free_larges_down_to(memory, region->large);
        rewind_to_mark(memory, region);
        th_builders_forget(m);
    } else if (th_memory_young_bytes(memory) > region->threshold) {
        (void)evacuate(m, registers, roots, nroots, classes); /* without memory for it, the parent region keeps all */
    }
    leave(memory);
}
