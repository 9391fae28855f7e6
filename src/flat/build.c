/*
** build.c - writes buffers from the back to the front.
** Positions are distances from the end (`used` when the part was finished), so that they stay true while the buffer
** grows at its front. A part is aligned when its distance from the end is; the whole is padded to the largest alignment
** when it is finished, so distances and addresses then agree. Padding is zero: the same calls give the same bytes.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#include <assert.h>

static void poison(th_flat_builder *b, th_status status) {
    if (b->status == TH_OK) b->status = status;
}

static uint8_t *front(const th_flat_builder *b) { return b->data + (b->capacity - b->used); }
static uint8_t *at_distance(const th_flat_builder *b, size_t distance) { return b->data + (b->capacity - distance); }

/* Makes room for `more` bytes at the front. False: the builder is poisoned. */
static bool reserve(th_flat_builder *b, size_t more) {
    if (b->status != TH_OK) return false;
    if (more > TH_FLAT_MAX_BYTES || b->used + more > TH_FLAT_MAX_BYTES) return poison(b, TH_E_LIMIT), false;
    if (b->data && more <= b->capacity - b->used) return true;
    size_t capacity = b->capacity ? b->capacity * 2 : 256;
    while (capacity < b->used + more) capacity *= 2;
    uint8_t *data = th_mem_new(b->mem, capacity);
    if (!data) return poison(b, TH_E_NOMEM), false;
    if (b->used) memcpy(data + (capacity - b->used), front(b), b->used);
    if (b->data) th_mem_free(b->mem, b->data, b->capacity);
    b->data = data;
    b->capacity = capacity;
    return true;
}

/* Room for `bytes` so that they start at a multiple of `align`: pads behind them. Returns where to write, or NULL. */
static uint8_t *claim(th_flat_builder *b, size_t bytes, size_t align) {
    if (bytes > TH_FLAT_MAX_BYTES) return poison(b, TH_E_LIMIT), NULL;
    size_t padding = TH_ALIGN(b->used + bytes, align) - (b->used + bytes);
    if (!reserve(b, bytes + padding)) return NULL;
    if (align > b->align) b->align = align;
    b->used += padding;
    if (padding) memset(front(b), 0, padding);
    b->used += bytes;
    return front(b);
}

static void put_u32(th_flat_builder *b, uint32_t value) {
    uint8_t *at = claim(b, 4, 4);
    if (at) memcpy(at, &value, 4);
}

/* The ref of what was just written. */
static th_flat_ref here(const th_flat_builder *b) { return b->status == TH_OK ? (th_flat_ref)b->used : 0; }

/* ---- Life --------------------------------------------------------------------------------------------------- */

void th_flat_builder_init(th_flat_builder *b, th_mem *mem) {
    *b = (th_flat_builder){.mem = mem, .status = TH_OK, .align = 4};
}

void th_flat_builder_clear(th_flat_builder *b) {
    if (b->data) th_mem_free(b->mem, b->data, b->capacity);
    if (b->slots) th_mem_free(b->mem, b->slots, b->slots_capacity * sizeof *b->slots);
    if (b->vtables) th_mem_free(b->mem, b->vtables, b->vtables_capacity * sizeof *b->vtables);
    bool write_defaults = b->write_defaults;
    th_flat_builder_init(b, b->mem);
    b->write_defaults = write_defaults;
}

th_status th_flat_builder_status(const th_flat_builder *b) { return b->status; }

/* ---- Strings and vectors ------------------------------------------------------------------------------------ */

th_flat_ref th_flat_put_string(th_flat_builder *b, const char *bytes, size_t len) {
    assert(!b->in_table);
    if (len > TH_STR_MAX) return poison(b, TH_E_LIMIT), 0;
    size_t tail = TH_ALIGN(len + 1, 4); /* the NUL, and the padding behind it */
    uint8_t *at = claim(b, tail, 4);
    if (!at) return 0;
    if (len) memcpy(at, bytes, len);
    memset(at + len, 0, tail - len);
    put_u32(b, (uint32_t)len);
    return here(b);
}

th_flat_ref th_flat_put_space(th_flat_builder *b, size_t count, size_t bytes, size_t align, void **space) {
    assert(!b->in_table && align > 0 && (align & (align - 1)) == 0);
    *space = NULL;
    if (bytes && count > TH_FLAT_MAX_BYTES / bytes) return poison(b, TH_E_LIMIT), 0;
    uint8_t *at = claim(b, count * bytes, align < 4 ? 4 : align);
    if (!at) return 0;
    memset(at, 0, count * bytes);
    put_u32(b, (uint32_t)count);
    if (b->status != TH_OK) return 0;
    *space = front(b) + 4; /* the length may have moved the buffer */
    return here(b);
}

th_flat_ref th_flat_put_vector(th_flat_builder *b, const void *elements, size_t count, size_t bytes, size_t align) {
    void *space;
    th_flat_ref ref = th_flat_put_space(b, count, bytes, align, &space);
    if (ref && count) memcpy(space, elements, count * bytes);
    return ref;
}

th_flat_ref th_flat_put_refs(th_flat_builder *b, const th_flat_ref *refs, size_t count) {
    void *space;
    th_flat_ref ref = th_flat_put_space(b, count, 4, 4, &space);
    if (!ref) return 0;
    uint32_t distance = ref - 4; /* of the first element */
    for (size_t i = 0; i < count; i++, distance -= 4) {
        assert(refs[i] && refs[i] < distance);
        uint32_t offset = distance - refs[i];
        memcpy((uint8_t *)space + i * 4, &offset, 4);
    }
    return ref;
}

/* ---- Tables ------------------------------------------------------------------------------------------------- */

void th_flat_start(th_flat_builder *b, uint32_t nslots) {
    assert(!b->in_table && nslots <= TH_FLAT_MAX_SLOTS);
    if (b->status != TH_OK) return;
    void *slots = b->slots;
    th_status status = th_mem_grow(b->mem, &slots, &b->slots_capacity, nslots, sizeof *b->slots);
    b->slots = slots;
    if (status != TH_OK) {
        poison(b, status);
        return;
    }
    if (nslots) memset(b->slots, 0, nslots * sizeof *b->slots);
    b->nslots = nslots;
    b->in_table = true;
    b->table_start = b->used;
}

void th_flat_add_bytes(th_flat_builder *b, uint32_t slot, const void *value, size_t bytes, size_t align) {
    if (b->status != TH_OK) return;
    assert(b->in_table && slot < b->nslots && b->slots[slot] == 0);
    uint8_t *at = claim(b, bytes, align);
    if (!at) return;
    memcpy(at, value, bytes);
    b->slots[slot] = (uint32_t)b->used;
}

void th_flat_add_ref(th_flat_builder *b, uint32_t slot, th_flat_ref ref) {
    if (b->status != TH_OK || ref == 0) return;
    uint32_t distance = (uint32_t)TH_ALIGN(b->used + 4, 4);
    assert(ref < distance);
    uint32_t offset = distance - ref;
    th_flat_add_bytes(b, slot, &offset, 4, 4);
}

static uint64_t hash_vtable(const uint8_t *vtable) { return th_hash_bytes(vtable, th_flat_load_u16(vtable), 0); }

/* The entry of the index for these vtable bytes: the one that holds an equal vtable, or the empty one to fill. */
static uint32_t *find_vtable(const th_flat_builder *b, const uint8_t *vtable) {
    size_t mask = b->vtables_capacity - 1;
    uint16_t bytes = th_flat_load_u16(vtable);
    for (size_t i = (size_t)hash_vtable(vtable) & mask;; i = (i + 1) & mask) {
        if (b->vtables[i] == 0) return &b->vtables[i];
        const uint8_t *other = at_distance(b, b->vtables[i]);
        if (th_flat_load_u16(other) == bytes && memcmp(other, vtable, bytes) == 0) return &b->vtables[i];
    }
}

/* Keeps the index at most half full. */
static bool grow_vtables(th_flat_builder *b) {
    if (b->nvtables * 2 < b->vtables_capacity) return true;
    size_t old_capacity = b->vtables_capacity, capacity = old_capacity ? old_capacity * 2 : 16;
    uint32_t *index = th_mem_zeroed(b->mem, capacity * sizeof *index), *old = b->vtables;
    if (!index) return poison(b, TH_E_NOMEM), false;
    b->vtables = index;
    b->vtables_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i]) *find_vtable(b, at_distance(b, old[i])) = old[i];
    }
    if (old) th_mem_free(b->mem, old, old_capacity * sizeof *old);
    return true;
}

/* Writes the vtable of the open table at the front. */
static void write_vtable(th_flat_builder *b, uint32_t table, size_t table_bytes) {
    uint32_t n = b->nslots;
    while (n && b->slots[n - 1] == 0) n--;
    uint8_t *at = claim(b, 4 + 2 * (size_t)n, 2);
    if (!at) return;
    uint16_t sizes[2] = {(uint16_t)(4 + 2 * n), (uint16_t)table_bytes};
    memcpy(at, sizes, 4);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t offset = b->slots[i] ? (uint16_t)(table - b->slots[i]) : 0;
        memcpy(at + 4 + 2 * (size_t)i, &offset, 2);
    }
}

th_flat_ref th_flat_end(th_flat_builder *b) {
    assert(b->in_table || b->status != TH_OK);
    b->in_table = false;
    put_u32(b, 0); /* the way to the vtable, filled in below */
    if (b->status != TH_OK) return 0;
    uint32_t table = (uint32_t)b->used;
    size_t table_bytes = table - b->table_start;
    if (table_bytes > UINT16_MAX) return poison(b, TH_E_LIMIT), 0;
    write_vtable(b, table, table_bytes);
    if (b->status != TH_OK || !grow_vtables(b)) return 0;
    uint32_t *known = find_vtable(b, front(b));
    if (*known) {
        b->used = table; /* an equal one is there: take this one back */
    } else {
        *known = (uint32_t)b->used;
        b->nvtables++;
    }
    int32_t offset = (int32_t)(*known - table);
    memcpy(at_distance(b, table), &offset, 4);
    return table;
}

/* ---- The end ------------------------------------------------------------------------------------------------ */

/* Pads so that the whole, with `head` bytes to come, is a multiple of every alignment used. */
static void align_whole(th_flat_builder *b, size_t head) {
    size_t padding = TH_ALIGN(b->used + head, b->align) - (b->used + head);
    if (!reserve(b, padding + head)) return;
    b->used += padding;
    if (padding) memset(front(b), 0, padding);
}

/* Moves the bytes to the front of their block and hands it over. */
static th_status hand_over(th_flat_builder *b, uint8_t **bytes, size_t *len) {
    TH_TRY(b->status);
    memmove(b->data, front(b), b->used);
    uint8_t *block = th_mem_resize(b->mem, b->data, b->capacity, b->used);
    if (!block) return TH_E_NOMEM;
    *bytes = block;
    *len = b->used;
    b->data = NULL;
    return TH_OK;
}

static th_status finish(th_flat_builder *b, th_flat_ref root, const char *ident, bool prefixed, uint8_t **bytes,
                        size_t *len) {
    assert(!b->in_table && (root || b->status != TH_OK));
    align_whole(b, 4 + (ident ? 4 : 0) + (prefixed ? 4 : 0));
    uint32_t word = 0;
    if (ident) {
        memcpy(&word, ident, 4);
        put_u32(b, word);
    }
    put_u32(b, (uint32_t)b->used + 4 - root);
    if (prefixed) put_u32(b, (uint32_t)b->used);
    th_status status = hand_over(b, bytes, len);
    th_flat_builder_clear(b);
    return status;
}

th_status th_flat_finish(th_flat_builder *b, th_flat_ref root, const char *ident, uint8_t **bytes, size_t *len) {
    return finish(b, root, ident, false, bytes, len);
}

th_status th_flat_finish_prefixed(th_flat_builder *b, th_flat_ref root, const char *ident, uint8_t **bytes,
                                  size_t *len) {
    return finish(b, root, ident, true, bytes, len);
}
