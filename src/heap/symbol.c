/*
** symbol.c - interned texts. Each is a static STRING object, so that a symbol's text is a value as it stands.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/heap_int.h"

th_status th_symbols_init(th_heap *heap) {
    th_symbol_table *t = &heap->state->symbols;
    th_arena_init(&t->texts, heap->state->mem);
    TH_TRY(th_mem_grow(heap->state->mem, (void **)&t->items, &t->capacity, 256, sizeof(uint64_t *)));
    t->index_capacity = 512;
    t->index = th_mem_zeroed(heap->state->mem, t->index_capacity * sizeof *t->index);
    if (!t->index) return TH_E_NOMEM;
    t->items[0] = NULL;
    t->len = 1;
    return TH_OK;
}

void th_symbols_clear(th_heap *heap) {
    th_symbol_table *t = &heap->state->symbols;
    th_mem_free(heap->state->mem, t->items, t->capacity * sizeof *t->items);
    th_mem_free(heap->state->mem, t->index, t->index_capacity * sizeof *t->index);
    th_arena_clear(&t->texts);
}

static uint64_t hash_of(th_view text) { return th_hash_bytes(text.data, text.len, 0x73796d); }

static uint32_t *slot_of(const th_symbol_table *t, th_view text) {
    size_t mask = t->index_capacity - 1, i = hash_of(text) & mask;
    while (t->index[i] && !th_view_eq(th_string_view(th_of_object(t->items[t->index[i]])), text)) i = (i + 1) & mask;
    return &t->index[i];
}

static bool grow_index(th_heap *heap) {
    th_symbol_table *t = &heap->state->symbols;
    uint32_t *old = t->index;
    size_t old_capacity = t->index_capacity;
    uint32_t *index = th_mem_zeroed(heap->state->mem, old_capacity * 2 * sizeof *index);
    if (!index) return false;
    t->index = index;
    t->index_capacity *= 2;
    for (uint32_t s = 1; s < t->len; s++) *slot_of(t, th_string_view(th_of_object(t->items[s]))) = s;
    th_mem_free(heap->state->mem, old, old_capacity * sizeof *old);
    return true;
}

static uint64_t *new_text(th_symbol_table *t, th_view text) {
    char *block = th_arena_new(&t->texts, 8 + 8 + TH_ALIGN(text.len + 1, 8));
    if (!block) return NULL;
    uint64_t *object = (uint64_t *)(void *)TH_ALIGN((uintptr_t)block, 16);
    object[0] = TH_HEADER(TH_OBJ_STRING, TH_FLAG_STATIC, text.len);
    char *bytes = (char *)(object + 1);
    if (text.len) memcpy(bytes, text.data, text.len);
    bytes[text.len] = 0;
    return object;
}

th_symbol th_symbol_of(th_heap *heap, th_view text) {
    th_symbol_table *t = &heap->state->symbols;
    uint32_t *slot = slot_of(t, text);
    if (*slot) return *slot;
    if (t->len == UINT32_MAX) return 0;
    if ((size_t)t->len * 2 >= t->index_capacity) {
        if (!grow_index(heap)) return 0;
        slot = slot_of(t, text);
    }
    if (th_mem_grow(heap->state->mem, (void **)&t->items, &t->capacity, t->len + 1, sizeof(uint64_t *)) != TH_OK)
        return 0;
    t->items[t->len] = new_text(t, text);
    if (!t->items[t->len]) return 0;
    return *slot = t->len++;
}

th_symbol th_symbol_find(const th_heap *heap, th_view text) { return *slot_of(&heap->state->symbols, text); }

th_value th_symbol_string(const th_heap *heap, th_symbol symbol) {
    return th_of_object(heap->state->symbols.items[symbol]);
}
