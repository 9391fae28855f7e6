/*
** heap.h - dynamically tagged values and the heap they live in: allocation, exact moving collection, symbols, shapes.
**
** A value is one 64-bit word. Objects are 16-byte aligned; the low bits of a word tell what it is:
**
**      xxxx...xxx1   a small integer, 63 bits
**      xxxx...x010   a double whose exponent is within 2^-127 .. 2^127 (most are), or 0.0; others are boxed
**      xxxx...s000   a reference to an object; s: it is shared (another reference to it may exist)
**      xxxx...s100   a reference to a pair (two words, no header); below 4096: a constant (null, false, true ...)
**      xxxx...x110   a header, the first word of every object but a pair; never a value
**
** Header:  63 ............ 16 | 15 ... 8 | 7 ... 3 | 110     size or other facts of the kind, flags, kind
**
** Generations. New objects are bumped in a nursery; a minor collection copies the survivors to the old generation, in
** one go (promotion en masse, as in OCaml). The old generation is chunks with side arrays of mark bits; a major collection
** marks with a bounded stack (overflowing chunks are scanned again) and slides the live objects down, the new addresses
** computed from the mark bits (Kermany and Petrank, "The Compressor", 2006). Large objects have a chunk of their own and do not
** move. Weak tables are cleared of dead keys by both.
**
** Nothing is collected while C code allocates: when the nursery is full, objects go to the old generation, and th_heap_due
** tells. The owner collects at its own safe points with th_heap_collect. So C code may keep values in locals between two
** safe points; across one, only in roots.
** Stores into objects that may be old go through th_heap_set. The heap knows no machine: it is handed its roots.
** One thread at a time uses a heap.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_HEAP_H
#define TH_HEAP_H

#include "base/base.h"

typedef uint64_t th_value;
typedef struct th_heap th_heap;

/* ---- Words -------------------------------------------------------------------------------------------------- */

enum { TH_TAG_OBJECT = 0, TH_TAG_FLOAT = 2, TH_TAG_PAIR = 4, TH_TAG_HEADER = 6, TH_TAG_MASK = 7, TH_TAG_SHARED = 8 };
#define TH_CONSTANT(n) (((th_value)(n) << 4) | TH_TAG_PAIR)
#define TH_V_NULL   TH_CONSTANT(1)
#define TH_V_FALSE  TH_CONSTANT(2)
#define TH_V_TRUE   TH_CONSTANT(3)
#define TH_V_EMPTY  TH_CONSTANT(4) /* the empty list of pairs */
#define TH_V_ABSENT TH_CONSTANT(5) /* no value: a missing attribute, an argument not given, a slot not yet filled */
#define TH_CONSTANT_END 4096

typedef enum th_object_kind { /* of objects with a header; the numbers are stored in snapshots */
    TH_OBJ_INT = 0,      /* bits: an i64 that does not fit 63 bits */
    TH_OBJ_FLOAT = 1,    /* bits of a double that does not fit in the word */
    TH_OBJ_BIG = 2,      /* size: limbs; flag 1: negative; 64-bit limbs, least first, beyond i64 */
    TH_OBJ_STRING = 3,   /* size: bytes; [context when TH_STRING_CONTEXT], bytes, NUL; flags: sort of text */
    TH_OBJ_ARRAY = 4,    /* size: elements; values */
    TH_OBJ_RECORD = 5,   /* size: shape id; values in the shape's order */
    TH_OBJ_LAYER = 6,    /* size: fields at most; record or layer under, record over: over's fields hide under's */
    TH_OBJ_CLOSURE = 7,  /* size: captures (16 bits) and function id (32 bits) << 16; captures */
    TH_OBJ_PARTIAL = 8,  /* size: arguments; function, arguments */
    TH_OBJ_BUILTIN = 9,  /* size: number of the builtin; no fields */
    TH_OBJ_THUNK = 10,   /* as CLOSURE: to be evaluated */
    TH_OBJ_BUSY = 11,    /* as CLOSURE: a thunk under evaluation */
    TH_OBJ_DONE = 12,    /* size: words the thunk had after its header; value, then what is left over */
    TH_OBJ_FAILED = 13,  /* likewise: an ERROR object */
    TH_OBJ_ERROR = 14,   /* size: fields; values */
    TH_OBJ_WEAK = 15,    /* size: words after the header, a weak table's own (th_weak_new) */
    TH_OBJ_NATIVE = 16,  /* size: class number; pointer bits, finalizer bits: it runs when the object dies */
    TH_OBJ_BYTES = 17,   /* size: bytes; raw */
    TH_OBJ_MOVED = 31    /* only during a minor collection: size is the new address */
} th_object_kind;

enum { /* header flags (bits 8 .. 15) */
    TH_FLAG_STATIC = 0x40, /* lies outside the heap and never moves (strings of programs, symbols); holds no reference to
                              anything that moves */
    TH_STRING_CONTEXT = 0x80, /* the first word after the header is an array of strings that the text depends on */
    TH_STRING_SORT = 0x0f, /* a language's own kinds of text (0: text; nix: 1 is a path) */
    TH_FLAG_NOPOS = 0x10,  /* RECORD: its fields have no positions although its shape has */
};

#define TH_HEADER(kind, flags, size) \
    (((uint64_t)(size) << 16) | ((uint64_t)(flags) << 8) | ((uint64_t)(kind) << 3) | TH_TAG_HEADER)
static inline th_object_kind th_header_kind(uint64_t h) { return (th_object_kind)(h >> 3 & 31); }
static inline uint32_t th_header_flags(uint64_t h) { return (uint32_t)(h >> 8 & 0xff); }
static inline uint64_t th_header_size(uint64_t h) { return h >> 16; }
#define TH_CLOSURE_HEADER(kind, ncaptures, fn) TH_HEADER(kind, 0, (uint64_t)(fn) << 16 | (ncaptures))
static inline uint32_t th_header_captures(uint64_t h) { return (uint32_t)(h >> 16 & 0xffff); }
static inline uint32_t th_header_fn(uint64_t h) { return (uint32_t)(h >> 32); }

#define TH_INT_MAX ((int64_t)1 << 62) /* small integers are in [-TH_INT_MAX, TH_INT_MAX) */
static inline bool th_is_int(th_value v) { return v & 1; }
static inline bool th_int_fits(int64_t i) { return i >= -TH_INT_MAX && i < TH_INT_MAX; }
static inline int64_t th_int(th_value v) { return (int64_t)v >> 1; }
static inline th_value th_of_int(int64_t i) { return (uint64_t)i << 1 | 1; }
static inline bool th_is_bool(th_value v) { return (v & ~((th_value)1 << 4)) == TH_V_FALSE; } /* 2 and 3 differ in bit 4 */
static inline th_value th_of_bool(bool b) { return b ? TH_V_TRUE : TH_V_FALSE; }
static inline bool th_is_constant(th_value v) { return (v & TH_TAG_MASK) == TH_TAG_PAIR && v < TH_CONSTANT_END; }
static inline bool th_is_object(th_value v) { return (v & TH_TAG_MASK) == TH_TAG_OBJECT; } /* never 0: no value is 0 */
static inline bool th_is_pair(th_value v) { return (v & TH_TAG_MASK) == TH_TAG_PAIR && v >= TH_CONSTANT_END; }
static inline bool th_is_float_word(th_value v) { return (v & TH_TAG_MASK) == TH_TAG_FLOAT; }
static inline uint64_t *th_obj(th_value v) { return (uint64_t *)(uintptr_t)(v & ~(uint64_t)15); } /* also of pairs */
static inline th_value th_of_object(const void *p) { return (th_value)(uintptr_t)p; }
static inline bool th_is_kind(th_value v, th_object_kind kind) {
    return th_is_object(v) && th_header_kind(*th_obj(v)) == kind;
}
static inline bool th_is_shared(th_value v) { return (v & 3) == 0 && v >= TH_CONSTANT_END && (v & TH_TAG_SHARED); }
static inline th_value th_shared(th_value v) { return (v & 3) == 0 && v >= TH_CONSTANT_END ? v | TH_TAG_SHARED : v; }

static inline bool th_float_fits(double x, th_value *out) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    if (bits == 0) return *out = TH_TAG_FLOAT, true;
    uint64_t turned = (bits << 1 | bits >> 63) - ((uint64_t)7 << 60);
    *out = turned << 3 | TH_TAG_FLOAT;
    return turned >> 61 == 0 && turned != 0;
}
static inline double th_float_word(th_value v) {
    if (v == TH_TAG_FLOAT) return 0;
    uint64_t turned = (v >> 3) + ((uint64_t)7 << 60), bits = turned >> 1 | turned << 63;
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

/* ---- The heap ----------------------------------------------------------------------------------------------- */

#ifdef TH_STRESS
#define TH_NURSERY_BYTES ((size_t)16 << 10)
#else
#define TH_NURSERY_BYTES ((size_t)1 << 20)
#endif
#define TH_HEAP_LARGE_BYTES ((size_t)32 << 10) /* from this size on an object has a chunk of its own */

/* Roots: the owner calls th_heap_visit on every word that is a root. `minor`: only those that may have changed since the
** last collection need to be visited. A full collection calls it with `minor` and then twice without: both times with the same
** words, which it must not look into (between the two calls they are marked); a word may be visited more than once. It
** allocates nothing, nor do finalizers. */
typedef void (*th_roots_fn)(void *user, th_heap *heap, bool minor);

/* Only the allocation fields are for eyes outside the room (bump allocation is inlined in the interpreter). */
struct th_heap {
    char *next, *end;  /* the free part of the nursery */
    char *young;       /* the nursery: [young, end_young) */
    char *end_young;
    bool due;          /* a collection is wanted at the next safe point */
    struct th_heap_state *state;
};

th_status th_heap_new(th_mem *mem, th_roots_fn roots, void *user, th_heap **out) TH_CHECKED; /* `mem` is borrowed */
void th_heap_free(th_heap *heap); /* runs the finalizers; NULL is allowed */
static inline bool th_heap_due(const th_heap *heap) { return heap->due; }
/* At a safe point: a minor collection when the nursery is (nearly) full, a major one when the old generation has grown
** enough. `full`: a major one in any case, and free chunks are given back. E_NOMEM or E_MEMORY_LIMIT: what is live does not
** fit; nothing is lost, and the owner stops the run. */
th_status th_heap_collect(th_heap *heap, bool full) TH_CHECKED;
/* For root functions: the word may be updated. Words that are no references are left alone. */
void th_heap_visit(th_heap *heap, th_value *word);
void th_heap_visit_range(th_heap *heap, th_value *words, size_t n);

typedef struct th_heap_stats {
    uint64_t minor, major;             /* collections */
    uint64_t allocated_bytes, promoted_bytes;
    size_t live_bytes;                 /* after the last major collection */
    size_t held_bytes;                 /* chunks and nursery */
    uint64_t pause_ns[32];             /* how many pauses took [2^i, 2^(i+1)) ns, both kinds */
    uint64_t minor_max_ns, major_max_ns;
} th_heap_stats;
void th_heap_get_stats(const th_heap *heap, th_heap_stats *out);
/* Walks everything that can be reached from the roots and every chunk: headers, tags, sizes, targets of references,
** remembered slots. E_FORMAT with a message. Runs after each collection in debug builds. */
th_status th_heap_verify(th_heap *heap, th_error *err) TH_CHECKED;

/* ---- Allocation --------------------------------------------------------------------------------------------- */

/* `words` 64-bit words, the header included; rounded up to 16 bytes. NULL: refused (the limit, or no memory). Not zeroed:
** fill it before the next safe point. The rounding word, if any, need not be set. */
uint64_t *th_heap_new_slow(th_heap *heap, size_t words);
static inline uint64_t *th_heap_words(th_heap *heap, size_t words) {
    size_t bytes = TH_ALIGN(words * 8, 16);
    if (TH_LIKELY((size_t)(heap->end - heap->next) >= bytes && bytes < TH_HEAP_LARGE_BYTES)) {
        uint64_t *p = (uint64_t *)(void *)heap->next;
        heap->next += bytes;
        return p;
    }
    return th_heap_new_slow(heap, words);
}
/* Words an object takes, header included, without the rounding. */
size_t th_object_words(const th_heap *heap, uint64_t header);

static inline bool th_is_young(const th_heap *heap, const void *p) {
    return (uintptr_t)p - (uintptr_t)heap->young < (uintptr_t)(heap->end_young - heap->young);
}
void th_heap_remember(th_heap *heap, uint64_t *object, uint64_t *slot);
/* Stores `value` into a field of `object`, which may be old: the write barrier. */
static inline void th_heap_set(th_heap *heap, uint64_t *object, uint64_t *slot, th_value value) {
    *slot = value;
    if ((value & 3) == 0 && !th_is_young(heap, object) && th_is_young(heap, th_obj(value))) th_heap_remember(heap, object, slot);
}

/* Each returns false when refused. */
bool th_new_int(th_heap *heap, int64_t i, th_value *out) TH_CHECKED;
bool th_new_float(th_heap *heap, double x, th_value *out) TH_CHECKED;
bool th_new_string(th_heap *heap, uint32_t sort, const char *bytes, size_t len, th_value context /* or TH_V_NULL */,
                   th_value *out) TH_CHECKED; /* bytes NULL: not set but for the NUL; fill them with th_string_bytes */
bool th_new_array(th_heap *heap, size_t n, th_value fill, th_value **items, th_value *out) TH_CHECKED;
bool th_new_pair(th_heap *heap, th_value head, th_value tail, th_value *out) TH_CHECKED;
bool th_new_closure(th_heap *heap, th_object_kind kind /* CLOSURE or THUNK */, uint32_t fn, const th_value *captures, size_t n,
                    th_value *out) TH_CHECKED; /* a THUNK has room for its value: at least one word */
bool th_new_partial(th_heap *heap, th_value fn, const th_value *args, size_t n, th_value *out) TH_CHECKED;
bool th_new_builtin(th_heap *heap, uint32_t number, th_value *out) TH_CHECKED;
bool th_new_error(th_heap *heap, const th_value *fields, size_t n, th_value *out) TH_CHECKED;
typedef void (*th_finalizer)(void *pointer);
bool th_new_heap_native(th_heap *heap, uint32_t cls, void *pointer, th_finalizer finalizer, th_value *out) TH_CHECKED;

/* ---- Reading ------------------------------------------------------------------------------------------------ */

typedef enum th_value_kind { /* what a language's user would call the type */
    TH_VK_NULL, TH_VK_BOOL, TH_VK_INT, TH_VK_FLOAT, TH_VK_BIG, TH_VK_STRING, TH_VK_ARRAY, TH_VK_PAIR, TH_VK_EMPTY, TH_VK_RECORD,
    TH_VK_FUNCTION, TH_VK_THUNK /* not yet evaluated, under evaluation or failed */, TH_VK_ERROR, TH_VK_OTHER
} th_value_kind;
th_value_kind th_value_kind_of(th_value v); /* follows DONE; LAYER is a RECORD */
/* The value of an evaluated thunk, to any depth; anything else as it is. */
static inline th_value th_deref(th_value v) {
    while (th_is_object(v) && th_header_kind(*th_obj(v)) == TH_OBJ_DONE) v = th_obj(v)[1];
    return v;
}
bool th_is_unevaluated(th_value v); /* after th_deref: THUNK, BUSY or FAILED */
bool th_get_i64(th_value v, int64_t *out); /* small or boxed integer */
bool th_get_f64(th_value v, double *out);  /* float, not integer */
static inline size_t th_string_len(th_value v) { return (size_t)th_header_size(*th_obj(v)); }
static inline const char *th_string_bytes(th_value v) {
    uint64_t *p = th_obj(v);
    return (const char *)(p + 1 + (th_header_flags(*p) >> 7));
}
static inline th_view th_string_view(th_value v) { return (th_view){th_string_bytes(v), th_string_len(v)}; }
static inline th_value th_string_context(th_value v) { /* an array of strings, or TH_V_NULL */
    uint64_t *p = th_obj(v);
    return th_header_flags(*p) & TH_STRING_CONTEXT ? p[1] : TH_V_NULL;
}
static inline uint32_t th_string_sort(th_value v) { return th_header_flags(*th_obj(v)) & TH_STRING_SORT; }
static inline size_t th_array_len(th_value v) { return (size_t)th_header_size(*th_obj(v)); }
static inline th_value *th_array_items(th_value v) { return th_obj(v) + 1; }
/* An array like `array` with item i replaced: in place when this reference is unshared, else a copy. */
bool th_array_with(th_heap *heap, th_value array, size_t i, th_value item, th_value *out) TH_CHECKED;
/* An array with `item` added at the end; an unshared one at the end of the nursery grows in place. */
bool th_array_push(th_heap *heap, th_value array, th_value item, th_value *out) TH_CHECKED;

/* ---- Big integers (big.c, GMP) ------------------------------------------------------------------------------ */

/* Exact integer arithmetic on small, boxed and big integers; results are normalised to the smallest form. */
bool th_big_add(th_heap *heap, th_value a, th_value b, th_value *out) TH_CHECKED;
bool th_big_sub(th_heap *heap, th_value a, th_value b, th_value *out) TH_CHECKED;
bool th_big_mul(th_heap *heap, th_value a, th_value b, th_value *out) TH_CHECKED;
bool th_big_div(th_heap *heap, th_value a, th_value b, th_value *quotient, th_value *remainder) TH_CHECKED; /* truncating; b not 0 */
int th_big_compare(th_value a, th_value b);
bool th_big_parse(th_heap *heap, th_view digits, int base, th_value *out) TH_CHECKED; /* also false when it is no number: *out ABSENT */
bool th_big_print(th_value v, int base, th_buf *out);

/* ---- Symbols ------------------------------------------------------------------------------------------------ */

typedef uint32_t th_symbol; /* interned text; never 0 */
th_symbol th_symbol_of(th_heap *heap, th_view text); /* 0: no memory */
th_symbol th_symbol_find(const th_heap *heap, th_view text); /* 0: there is none */
th_value th_symbol_string(const th_heap *heap, th_symbol symbol); /* a static STRING */
static inline th_view th_symbol_text(const th_heap *heap, th_symbol s) { return th_string_view(th_symbol_string(heap, s)); }

/* ---- Shapes and records ------------------------------------------------------------------------------------- */

/* The keys of records. Lies in C memory and does not move; dead ones are freed by major collections, which is told to the
** owner through th_heap_epoch (inline caches keep record headers, and forget them when the epoch changed). */
typedef struct th_shape {
    uint32_t id, count;
    bool keep;            /* never freed: of a program */
    bool marked;
    th_symbol *keys;      /* ascending */
    uint32_t *positions;  /* the owner's number of the place where each key was written, 0 unknown; NULL: none has one */
    uint32_t *by_name;    /* indices in the order of the keys' texts; NULL until th_shape_order */
} th_shape;
uint64_t th_heap_epoch(const th_heap *heap);
/* Keys in any order, no duplicates; `order` (may be NULL) receives for each place in the shape the index of the key given. With
** equal keys and positions the same shape may be returned. `keep`: for programs. NULL: no memory. */
const th_shape *th_shape_new(th_heap *heap, const th_symbol *keys, const uint32_t *positions, size_t n, bool keep,
                             uint32_t *order);
const th_shape *th_shape_by_id(const th_heap *heap, uint32_t id);
int64_t th_shape_find(const th_shape *shape, th_symbol key); /* index or -1 */
const uint32_t *th_shape_order(th_heap *heap, const th_shape *shape); /* indices by name; NULL: no memory */
static inline const th_shape *th_record_shape(const th_heap *heap, th_value record) {
    return th_shape_by_id(heap, (uint32_t)th_header_size(*th_obj(record)));
}
#define TH_RECORD_HEADER(shape, flags) TH_HEADER(TH_OBJ_RECORD, flags, (shape)->id)
/* Values in the shape's order, NULL: ABSENT everywhere. */
bool th_new_record_of(th_heap *heap, const th_shape *shape, const th_value *values, th_value *out) TH_CHECKED;
static inline th_value *th_record_values(th_value record) { return th_obj(record) + 1; }

/* The following take records and layers. A layered record is flattened when it is walked, and the layer then forwards to
** the flat one (it becomes a DONE object). */
/* The value, perhaps a thunk, or TH_V_ABSENT. */
th_value th_record_get(const th_heap *heap, th_value record, th_symbol key);
size_t th_record_count(th_heap *heap, th_value record, bool *ok); /* may flatten; *ok false: no memory */
/* A RECORD with the same fields. */
bool th_record_flat(th_heap *heap, th_value record, th_value *out) TH_CHECKED;
/* The position number of a field, 0: unknown or absent. */
uint32_t th_record_position(const th_heap *heap, th_value record, th_symbol key);
/* under // over: layered when `over` is small against `under`, else merged by a shape found in a cache of merges. */
bool th_record_update(th_heap *heap, th_value under, th_value over, th_value *out) TH_CHECKED;
/* A record of the fields whose keep[i] (index in the flat record's shape) is set. */
bool th_record_keep(th_heap *heap, th_value flat, const bool *keep, th_value *out) TH_CHECKED;
/* From parallel arrays, the first of equal keys wins. Keys may be in any order. */
bool th_record_build(th_heap *heap, const th_symbol *keys, const th_value *values, const uint32_t *positions, size_t n,
                     th_value *out) TH_CHECKED;

/* ---- Weak tables -------------------------------------------------------------------------------------------- */

/* Keys by identity; an entry goes when its key is reached from nowhere else (an ephemeron: its value does not keep it). */
bool th_weak_new(th_heap *heap, th_value *out) TH_CHECKED;
bool th_weak_set(th_heap *heap, th_value table, th_value key, th_value value) TH_CHECKED;
th_value th_weak_get(const th_heap *heap, th_value table, th_value key); /* or TH_V_ABSENT */
size_t th_weak_count(const th_heap *heap, th_value table);

#endif
