/*
** build.h - what builder.c (the parts of a program) and emit.c (the bodies of functions) share. Private to this room.
** Everything a builder holds lies in its arena; arrays grow by copying, so that freeing the builder is one step.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_BUILD_H
#define TH_PROGRAM_BUILD_H

#include "program/names.h"
#include "program/program.h"
#include "program/rules.h"

#define TH_UNBOUND UINT32_MAX

typedef struct th_patch {
    uint32_t at; /* the word to complete */
    uint32_t label;
    bool imm24; /* the target goes into the imm24 of an I instruction, else it is the whole word */
} th_patch;

typedef struct th_labelled_handler {
    uint32_t start, end, target; /* labels */
    uint32_t reg, depth;
} th_labelled_handler;

struct th_fn_builder {
    th_builder *builder;
    uint32_t function;
    uint32_t source;
    uint32_t note; /* string index + 1 */
    const th_type_id *captures;
    size_t ncaptures;
    uint8_t classes[256];
    uint32_t nregs;
    uint32_t *code;
    size_t ncode, code_capacity;
    uint32_t *labels; /* where each is bound, or TH_UNBOUND */
    size_t nlabels, labels_capacity;
    th_patch *patches;
    size_t npatches, patches_capacity;
    th_labelled_handler *labelled;
    size_t nlabelled, labelled_capacity;
    th_handler *handlers; /* after th_fn_end */
    size_t nhandlers;
    th_keep *keeps;
    size_t nkeeps, keeps_capacity;
    th_name_map keep_index; /* registers to keep set */
    th_position *positions;
    size_t npositions, positions_capacity;
    th_span span;
    bool ended;
};

/* Records the first failure and returns it; every later call on the builder returns it too. */
th_status th_builder_fail(th_builder *b, th_status status, const char *format, ...) TH_PRINTF(3, 4);
th_status th_builder_status(const th_builder *b);
const char *th_builder_message(const th_builder *b); /* of the first failure; borrowed until the builder is freed */
th_status th_builder_rename(th_builder *b, th_view name);
th_arena *th_builder_arena(th_builder *b);
/* Room for `needed` items; on failure the builder is poisoned and false returned. */
bool th_builder_grow(th_builder *b, void **array, size_t *capacity, size_t needed, size_t item_bytes);
/* How many strings there are, and names of a shape that was added: for the assembler. */
uint32_t th_builder_nstrings(const th_builder *b);
/* The index of the name in the shape; false: there is no such shape, or it has no such name. */
bool th_builder_shape_find(const th_builder *b, uint32_t shape, uint32_t name, uint32_t *index);
/* The name of a declared function, for messages. */
th_view th_builder_fn_name(const th_builder *b, uint32_t function);

#endif
