/*
** object.h - how values of the typed world lie in memory: lists, dicts, structs, tuples, closures, options, variants.
** Everything lies in a machine's memory (memory.h): no object is freed by itself, regions drop or move what is newer than
** their mark. A pointer is stored into an object ONLY by the functions of machine.h, which tell the regions.
** Words: a register or slot is a uint64_t. i8..i64, enums: sign-extended. bool: 0 or 1. f64: its bits. f32: its bits in
** the low half, high half zero. String, Symbol: th_str *. All other kinds: a pointer to an object starting with th_object.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_OBJECT_H
#define TH_OBJECT_H

#include "base/base.h"
#include "program/types.h"

typedef struct th_object {
    uint32_t type;  /* th_type_id in the machine's types */
    uint32_t flags; /* TH_OBJECT_ */
} th_object;

/* Structs, tuples, cells, Error: one slot per field. Options of scalars: slot 0 is the value (null is a NULL pointer;
** options of pointers and strings are the bare pointer). Variants: slot 0 the alternative's number, slot 1 the value. */
typedef struct th_record {
    th_object object;
    uint64_t slots[];
} th_record;

/* Elements are kept at the natural width of their type (th_type.bytes). */
typedef struct th_list {
    th_object object;
    uint64_t len, capacity; /* elements */
    union {
        void *data;
        int8_t *i8;
        int16_t *i16;
        int32_t *i32;
        int64_t *i64;
        uint64_t *words;
        float *f32;
        double *f64;
        uint8_t *bytes;
        th_str **strings;
    };
} th_list;

typedef struct th_dict_entry {
    uint64_t hash; /* 0: removed */
    uint64_t key;  /* th_str * when the dict's key class is STRING, else the word */
    uint64_t value;
} th_dict_entry;

/* Insertion-ordered: entries in order of first insertion, an open-addressing index of entry numbers beside them. */
typedef struct th_dict {
    th_object object;
    uint64_t len;      /* live entries */
    uint32_t used;     /* entries in use, removed ones included */
    uint32_t capacity; /* of entries */
    th_dict_entry *entries;
    uint32_t *index;   /* entry number + 1, 0 empty; index_mask + 1 slots */
    uint32_t index_mask;
    uint8_t string_keys;
    uint8_t pointer_values;
} th_dict;

typedef struct th_closure {
    th_object object;
    const struct th_fn *fn; /* machine-level function (machine.h) */
    uint64_t ncaptures;
    uint64_t captures[];
} th_closure;

/* Slots of an Error record. */
enum { TH_ERROR_KIND, TH_ERROR_MESSAGE, TH_ERROR_FILE, TH_ERROR_LINE, TH_ERROR_COLUMN, TH_ERROR_TRACE, TH_ERROR_SLOTS };

static inline double th_word_f64(uint64_t w) { double x; memcpy(&x, &w, 8); return x; }
static inline uint64_t th_f64_word(double x) { uint64_t w; memcpy(&w, &x, 8); return w; }
static inline float th_word_f32(uint64_t w) { uint32_t u = (uint32_t)w; float x; memcpy(&x, &u, 4); return x; }
static inline uint64_t th_f32_word(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
static inline void *th_word_ptr(uint64_t w) { return (void *)(uintptr_t)w; }
static inline uint64_t th_ptr_word(const void *p) { return (uint64_t)(uintptr_t)p; }

#endif
