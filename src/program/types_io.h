/*
** types_io.h - tables of types in FlatBuffers, for whoever stores values with their types.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_TYPES_IO_H
#define TH_PROGRAM_TYPES_IO_H

#include "flat/flat.h"
#include "program/types.h"

/* Puts all types (none open) as a vector of theta.types.Type; their ids are their indices. The arena is used for scratch
** space. 0: no memory. */
th_flat_ref th_types_put(th_flat_builder *fb, th_arena *arena, const th_types *types);
/* Reads such a vector of a verified buffer into a table that holds the fixed types only; ids are indices. E_VERIFY when
** it does not say types. */
th_status th_types_read(th_types *types, th_flat_vector from, th_arena *arena, th_error *err) TH_CHECKED;

#endif
