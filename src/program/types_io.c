/*
** types_io.c - tables of types in FlatBuffers: written into and read from any buffer whose schema holds a vector of
** types (program.fbs, state.fbs: the fields of a type are the same in all).
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/types_io.h"

#include "program_flat.h"
#include "types_flat.h"

_Static_assert((int)theta_types_Type_slot_kind == (int)theta_program_Type_slot_kind &&
                   (int)theta_types_Type_slot_name == (int)theta_program_Type_slot_name &&
                   (int)theta_types_Type_slot_args == (int)theta_program_Type_slot_args &&
                   (int)theta_types_Type_slot_names == (int)theta_program_Type_slot_names,
               "a type is stored in one way");

/* ---- Writing ------------------------------------------------------------------------------------------------ */

static th_flat_ref put_str(th_flat_builder *fb, const th_str *s) { return th_flat_put_string(fb, s->bytes, s->len); }

static th_flat_ref put_type(th_flat_builder *fb, const th_type *t, th_flat_ref *refs) {
    th_flat_ref names = 0, args = 0, name = 0;
    if (t->nnames > 0) {
        for (size_t i = 0; i < t->nnames; i++) refs[i] = put_str(fb, t->names[i]);
        names = th_flat_put_refs(fb, refs, t->nnames);
    }
    if (t->nargs > 0) args = theta_types_Type_put_args(fb, t->args, t->nargs);
    if (t->name != NULL) name = put_str(fb, t->name);
    theta_types_Type_start_table(fb);
    theta_types_Type_add_kind(fb, t->kind);
    theta_types_Type_add_name(fb, name);
    theta_types_Type_add_args(fb, args);
    theta_types_Type_add_names(fb, names);
    return th_flat_end(fb);
}

th_flat_ref th_types_put(th_flat_builder *fb, th_arena *arena, const th_types *types) {
    size_t most = 0;
    for (size_t i = 0; i < types->len; i++)
        if (types->items[i].nnames > most) most = types->items[i].nnames;
    th_flat_ref *refs = th_arena_new(arena, (types->len + most + 1) * sizeof *refs);
    if (refs == NULL) return 0;
    for (size_t i = 0; i < types->len; i++) refs[i] = put_type(fb, &types->items[i], refs + types->len);
    return th_flat_put_refs(fb, refs, types->len);
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

typedef struct reader {
    th_types *types;
    th_flat_vector from;
    th_arena *arena;
    th_error *err;
} reader;

static th_status refuse(reader *r, uint32_t index, th_status status) {
    if (status == TH_E_NOMEM) return th_fail(r->err, TH_E_NOMEM, "out of memory");
    if (status == TH_E_LIMIT) return th_fail(r->err, TH_E_LIMIT, "type %u nests too deeply", index);
    return th_fail(r->err, TH_E_VERIFY, "type %u is not well formed", index);
}

static th_status names_of(reader *r, th_flat_table t, const th_view **out, uint32_t *count) {
    *count = theta_types_Type_names_len(t);
    th_view *names = th_arena_new(r->arena, (size_t)*count * sizeof *names + 1);
    if (names == NULL) return TH_E_NOMEM;
    for (uint32_t i = 0; i < *count; i++) names[i] = th_view_str(theta_types_Type_names_at(t, i));
    *out = names;
    return TH_OK;
}

static th_view name_of(th_flat_table t) {
    const th_str *name = theta_types_Type_name(t);
    return name != NULL ? th_view_str(name) : (th_view){"", 0};
}

/* Adds type `index`, whose id will be its index: structs and enums by name only, as they may refer forward. */
static th_status read_type(reader *r, uint32_t index) {
    th_flat_table t = th_flat_vec_table(r->from, index);
    uint8_t kind = theta_types_Type_kind(t);
    th_type_id id;
    th_status status = TH_E_ARGUMENT;
    if (kind == TH_KIND_STRUCT || kind == TH_KIND_ENUM)
        status = th_types_declare(r->types, (th_kind)kind, name_of(t), &id);
    else if (kind < TH_KIND_COUNT && theta_types_Type_names_len(t) == 0)
        status = th_types_add(r->types, (th_kind)kind, name_of(t), theta_types_Type_args(t),
                              theta_types_Type_args_len(t), NULL, 0, &id);
    if (status != TH_OK) return refuse(r, index, status);
    if (id != index) return th_fail(r->err, TH_E_VERIFY, "type %u repeats type %u", index, id);
    return TH_OK;
}

static th_status define_type(reader *r, uint32_t index) {
    th_flat_table t = th_flat_vec_table(r->from, index);
    const th_view *names = NULL;
    uint32_t nnames = 0;
    if (!r->types->items[index].open) return TH_OK;
    th_status status = names_of(r, t, &names, &nnames);
    if (status == TH_OK)
        status =
            th_types_define(r->types, index, theta_types_Type_args(t), theta_types_Type_args_len(t), names, nnames);
    return status == TH_OK ? TH_OK : refuse(r, index, status);
}

/* The first ids are fixed: th_types_init has added them, the file must say the same. */
static th_status check_fixed(reader *r, uint32_t index) {
    th_flat_table t = th_flat_vec_table(r->from, index);
    if (theta_types_Type_kind(t) == r->types->items[index].kind && theta_types_Type_args_len(t) == 0 &&
        theta_types_Type_names_len(t) == 0 && name_of(t).len == 0)
        return TH_OK;
    return th_fail(r->err, TH_E_VERIFY, "type %u is not the fixed type that every program has there", index);
}

th_status th_types_read(th_types *types, th_flat_vector from, th_arena *arena, th_error *err) {
    reader r = {types, from, arena, err};
    if (from.len < TH_TYPE_FIRST_FREE)
        return th_fail(err, TH_E_VERIFY, "the program has %u types, the fixed ones are %u", from.len,
                       (unsigned)TH_TYPE_FIRST_FREE);
    for (uint32_t i = 0; i < TH_TYPE_FIRST_FREE; i++) TH_TRY(check_fixed(&r, i));
    for (uint32_t i = TH_TYPE_FIRST_FREE; i < from.len; i++) TH_TRY(read_type(&r, i));
    for (uint32_t i = TH_TYPE_FIRST_FREE; i < from.len; i++) TH_TRY(define_type(&r, i));
    return TH_OK;
}
