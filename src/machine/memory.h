/*
** memory.h - a machine's memory: bump allocation in chunks, regions that are released or collected as a unit.
**
** Age is order of allocation. A region is a mark; it holds everything allocated after the mark, until it is left. Only the
** innermost region is ever collected. What makes that cheap and exact, with no scan of the stacks:
**   I1  Registers of outer activations were last written before the region was entered, so they hold older pointers only.
**   I2  An older object gets a pointer to a newer one only through th_memory_stored, which remembers the slot.
**   I3  Globals and bindings are roots of every collection.
** So the roots of a collection are the registers of the activation that entered the region (its keep set says which),
** the remembered slots and the roots of I3. Survivors are copied out (Cheney, "A nonrecursive list compacting algorithm",
** 1970): objects upwards and raw data downwards in the same new chunk, so that the objects can be scanned in line. Large
** blocks have a chunk of their own and are never copied. A collection allocates all it may need before it changes anything,
** and does nothing when it cannot have it.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_MEMORY_H
#define TH_MEMORY_H

#include "base/base.h"
#include "machine/object.h"

#ifdef TH_STRESS /* sanitized builds: collect all the time, give chunks back at once, overwrite what was released */
#define TH_CHUNK_BYTES  ((size_t)16 << 10)
#define TH_LARGE_BYTES  ((size_t)4 << 10)
#define TH_REGION_BYTES ((size_t)512)
#else
#define TH_CHUNK_BYTES  ((size_t)512 << 10) /* of an ordinary chunk */
#define TH_LARGE_BYTES  ((size_t)64 << 10)  /* from this size on a block has a chunk of its own */
#define TH_REGION_BYTES ((size_t)256 << 10) /* allocated in a region before it is collected */
#endif
#define TH_MIN_BLOCK_BYTES 16 /* room for a forwarding address */

typedef struct th_chunk {
    struct th_chunk *prev, *next;
    size_t bytes;  /* of the whole chunk */
    char *top;     /* end of the used part, when it is not the current chunk */
    char *limit;   /* end of the part that allocation may use; survivors' raw data lie above it */
    uint64_t kept; /* large: 1 when the collection under way reached it. 64 bits, to keep data 16-byte aligned */
    char data[];
} th_chunk;

typedef struct th_slot { /* a remembered slot of an older object */
    th_object *object;
    uint64_t slot; /* TH_SLOT_ALL: any of them */
} th_slot;
#define TH_SLOT_ALL UINT64_MAX

_Static_assert(offsetof(th_chunk, data) % 16 == 0, "data are 16-byte aligned");

typedef struct th_region {
    th_chunk *chunk;                                 /* the current chunk at the mark, */
    char *next;                                      /* its fill, */
    th_chunk *large;                                 /* the newest large chunk, */
    size_t natives, slots, small_bytes, large_bytes; /* and the counts there */
    size_t threshold;   /* collect when more than this was allocated since the mark or the last collection */
    char *check;        /* memory->next when that was last looked at, */
    size_t budget;      /* what may be allocated from there on, */
    size_t check_large; /* and large_bytes then */
    size_t context;     /* index of the context that entered it */
    bool globals;       /* a pointer was stored in a global since */
} th_region;

typedef struct th_memory {
    char *next, *end; /* the free part of the current chunk */
    th_chunk *chunk;  /* the current chunk; older ones by prev */
    th_chunk *large;  /* newest large chunk; older ones by prev */
    th_chunk *spare;  /* one ordinary chunk kept for reuse */
    th_mem *mem;
    size_t closed_bytes; /* used in chunks before the current one */
    size_t large_bytes;
    th_region *regions;
    size_t nregions, regions_capacity;
    th_slot *slots;
    size_t nslots, slots_capacity, slots_limit;
    struct th_native **natives;
    size_t nnatives, natives_capacity;
    uint64_t collections, copied_bytes; /* statistics */
} th_memory;

struct th_machine;

void th_memory_init(th_memory *memory, th_mem *mem);
void th_memory_clear(th_memory *memory); /* releases natives, frees all */

/* 8-byte aligned, at least TH_MIN_BLOCK_BYTES; NULL when refused. Not zeroed. */
void *th_memory_new_slow(th_memory *memory, size_t bytes);
static inline void *th_memory_new(th_memory *memory, size_t bytes) {
    bytes = bytes < TH_MIN_BLOCK_BYTES ? TH_MIN_BLOCK_BYTES : TH_ALIGN(bytes, 8);
    if (TH_LIKELY(bytes < TH_LARGE_BYTES && (size_t)(memory->end - memory->next) >= bytes)) {
        char *block = memory->next;
        memory->next += bytes;
        return block;
    }
    return th_memory_new_slow(memory, bytes);
}
/* Grows a raw block that an object of any age points to: in place when it is the last one, without garbage when it is large.
** *fresh tells that the block is a new, young one (then the owner must be passed to th_memory_stored with TH_SLOT_ALL). */
void *th_memory_grow(th_memory *memory, void *block, size_t old_bytes, size_t new_bytes, bool *fresh);

th_status th_memory_enter(th_memory *memory, size_t context) TH_CHECKED;
/* Whether the innermost region may have used up its threshold; two compares, may say yes too often. */
static inline bool th_memory_full(const th_memory *memory) {
    const th_region *region = &memory->regions[memory->nregions - 1];
    return (size_t)(memory->next - region->check) > region->budget || memory->large_bytes != region->check_large;
}
/* Bytes allocated since the innermost mark. */
size_t th_memory_young_bytes(const th_memory *memory);
bool th_memory_is_young(const th_memory *memory, const void *pointer); /* newer than the innermost mark */
/* Collects the innermost region when it is over its threshold (or `always`); `roots` are register words, updated. */
void th_memory_collect(struct th_machine *machine, uint64_t *registers, const uint8_t *roots, size_t nroots,
                       const uint8_t *classes, bool always);
/* Leaves the innermost region, releasing what it can (see RLEAVE). */
void th_memory_leave(struct th_machine *machine, uint64_t *registers, const uint8_t *roots, size_t nroots,
                     const uint8_t *classes);
/* Leaves regions without releasing anything: those of contexts above `context`, and all but `depth` of its own. */
void th_memory_unwind(th_memory *memory, size_t context, size_t depth);

/* Tells that a pointer was stored in `slot` of `object`. False: no memory to remember it. */
bool th_memory_stored_slow(th_memory *memory, th_object *object, uint64_t slot);
static inline bool th_memory_stored(th_memory *memory, th_object *object, uint64_t slot) {
    if (TH_LIKELY(memory->nregions == 0)) return true;
    const th_region *region = &memory->regions[memory->nregions - 1];
    const char *from = region->chunk == memory->chunk ? region->next : memory->chunk->data;
    if (TH_LIKELY((const char *)object >= from && (const char *)object < memory->next)) return true;
    return th_memory_stored_slow(memory, object, slot);
}
bool th_memory_add_native(th_memory *memory, struct th_native *native);

#endif
