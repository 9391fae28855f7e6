/*
** names.h - a table from names (any bytes) to numbers, for the builder, the assembler and the disassembler. Private.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_NAMES_H
#define TH_PROGRAM_NAMES_H

#include "base/base.h"

/* Names to numbers. A name given twice is ambiguous. Lies in an arena. */
typedef struct th_name_entry {
    th_view name;
    uint32_t index;
    uint32_t uses; /* 0: empty slot */
} th_name_entry;

typedef struct th_name_map {
    th_arena *arena; /* borrowed */
    th_name_entry *slots;
    size_t capacity, count;
} th_name_map;

/* False: no memory. Borrows the name. */
bool th_name_map_put(th_name_map *map, th_view name, uint32_t index);
/* NULL: not there. */
const th_name_entry *th_name_map_get(const th_name_map *map, th_view name);

#endif
