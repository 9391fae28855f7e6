/*
** check_type.c - types while a program is checked: interned, with holes and variables beside the program's own kinds.
** Structural types are unique, so equal types without holes have equal numbers. Nesting is limited (MAX_TYPE_DEPTH), so
** that recursion over a type's structure is too.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TYPE_DEPTH 48
#define MAX_UNIFY      200
#define MAX_STEPS      50000 /* parts of a type visited in one walk */
#define MAX_TEXT       120   /* parts of a type told in a message */

/* ---- The table ---------------------------------------------------------------------------------------------- */

static uint64_t hash_type(uint8_t kind, const ty *args, uint32_t nargs, const tdecl *decl, th_view name) {
    uint64_t h = th_hash_bytes(args, nargs * sizeof *args, 31u + kind);
    if (decl) h ^= th_hash_word((uint64_t)(uintptr_t)decl);
    return name.len ? th_hash_bytes(name.data, name.len, h) : h;
}

static void index_insert(checker *c, uint64_t hash, uint32_t id) {
    uint32_t mask = c->type_index_size - 1, i = (uint32_t)hash & mask;
    while (c->type_index[i]) i = (i + 1) & mask;
    c->type_index[i] = id + 1;
}

static void index_room(checker *c) {
    if ((c->ntypes + 1) * 2 <= c->type_index_size) return;
    c->type_index_size = c->type_index_size ? c->type_index_size * 2 : 256;
    c->type_index = tc_new(c, c->type_index_size * sizeof *c->type_index);
    for (uint32_t i = 0; i < c->ntypes; i++) {
        const ctype *t = &c->types[i];
        if (t->kind == K_HOLE || t->kind == K_VAR) continue;
        index_insert(c, hash_type(t->kind, t->args, t->nargs, t->decl, t->name), i);
    }
}

static ty add_type(checker *c, ctype t) {
    t.final = NO_TYPE;
    TC_PUSH(c, c->types, c->ntypes, c->types_cap, t);
    return c->ntypes - 1;
}

ty tc_intern(checker *c, uint8_t kind, const ty *args, uint32_t nargs, tdecl *decl, th_view name) {
    uint64_t hash = hash_type(kind, args, nargs, decl, name);
    index_room(c);
    uint32_t mask = c->type_index_size - 1;
    for (uint32_t i = (uint32_t)hash & mask; c->type_index[i]; i = (i + 1) & mask) {
        const ctype *t = &c->types[c->type_index[i] - 1];
        if (t->kind == kind && t->nargs == nargs && t->decl == decl && th_view_eq(t->name, name) &&
            (nargs == 0 || memcmp(t->args, args, nargs * sizeof *args) == 0))
            return c->type_index[i] - 1;
    }
    ctype t = {.kind = kind, .depth = 1, .nargs = nargs, .decl = decl, .name = name, .bound = NO_TYPE};
    for (uint32_t i = 0; i < nargs; i++) {
        const ctype *a = &c->types[args[i]];
        if (args[i] == T_BAD) return T_BAD;
        t.open |= a->open;
        t.generic |= a->generic;
        if (a->depth >= t.depth) t.depth = (uint8_t)(a->depth + 1);
    }
    if (t.depth > MAX_TYPE_DEPTH) {
        c->too_deep = true;
        return T_BAD;
    }
    if (nargs) t.args = tc_copy(c, args, nargs * sizeof *args);
    ty id = add_type(c, t);
    index_insert(c, hash, id);
    return id;
}

void tc_types_init(checker *c) {
    static const uint8_t fixed[T_FIRST] = {
        [TH_TYPE_VOID] = TH_KIND_VOID,
        [TH_TYPE_I8] = TH_KIND_I8,
        [TH_TYPE_I16] = TH_KIND_I16,
        [TH_TYPE_I32] = TH_KIND_I32,
        [TH_TYPE_I64] = TH_KIND_I64,
        [TH_TYPE_F32] = TH_KIND_F32,
        [TH_TYPE_F64] = TH_KIND_F64,
        [TH_TYPE_BOOL] = TH_KIND_BOOL,
        [TH_TYPE_STRING] = TH_KIND_STRING,
        [TH_TYPE_SYMBOL] = TH_KIND_SYMBOL,
        [TH_TYPE_ERROR] = TH_KIND_ERROR,
        [TH_TYPE_VALUE] = TH_KIND_VALUE,
        [T_BAD] = K_BAD,
        [T_NEVER] = K_NEVER,
        [T_NULL] = K_NULL,
        [T_NONE] = K_NONE,
    };
    for (uint32_t i = 0; i < T_FIRST; i++) tc_intern(c, fixed[i], NULL, 0, NULL, (th_view){0});
}

static ty one_arg(checker *c, uint8_t kind, ty arg) { return tc_intern(c, kind, &arg, 1, NULL, (th_view){0}); }

ty tc_list(checker *c, ty element) { return one_arg(c, TH_KIND_LIST, element); }
ty tc_table_of(checker *c, ty row) { return one_arg(c, TH_KIND_TABLE, row); }

ty tc_dict(checker *c, ty key, ty value) {
    ty args[2] = {key, value};
    return tc_intern(c, TH_KIND_DICT, args, 2, NULL, (th_view){0});
}

ty tc_option(checker *c, ty of) {
    of = tc_shallow(c, of);
    uint8_t kind = c->types[of].kind;
    if (kind == TH_KIND_OPTION || of == T_BAD || of == T_NULL || of == T_NEVER) return of;
    return one_arg(c, TH_KIND_OPTION, of);
}

ty tc_function(checker *c, const ty *params, uint32_t nparams, ty result) {
    ty args[TC_MAX_ARGS + 1];
    if (nparams > TC_MAX_ARGS) return T_BAD;
    if (nparams) memcpy(args, params, nparams * sizeof *args);
    args[nparams] = result;
    return tc_intern(c, TH_KIND_FUNCTION, args, nparams + 1, NULL, (th_view){0});
}

ty tc_tuple(checker *c, const ty *members, uint32_t n) {
    return tc_intern(c, TH_KIND_TUPLE, members, n, NULL, (th_view){0});
}

ty tc_variant(checker *c, const ty *alternatives, uint32_t n) {
    ty flat[256];
    uint32_t count = 0;
    bool nullable = false;
    for (uint32_t i = 0; i < n; i++) {
        ty t = tc_zonk(c, alternatives[i]);
        if (c->types[t].kind == TH_KIND_OPTION) {
            nullable = true;
            t = c->types[t].args[0];
        }
        bool many = c->types[t].kind == TH_KIND_VARIANT;
        uint32_t m = many ? c->types[t].nargs : 1;
        for (uint32_t j = 0; j < m; j++) {
            ty a = many ? c->types[t].args[j] : t;
            if (a == T_NULL || a == TH_TYPE_VOID) {
                nullable = true;
                continue;
            }
            bool seen = false;
            for (uint32_t k = 0; k < count; k++) seen |= flat[k] == a;
            if (!seen && a != T_NEVER && count < 255) flat[count++] = a;
        }
    }
    /* The order is by text, so that it does not depend on the order of mention. */
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && strcmp(tc_text(c, flat[j - 1]), tc_text(c, flat[j])) > 0; j--) {
            ty swap = flat[j];
            flat[j] = flat[j - 1];
            flat[j - 1] = swap;
        }
    if (count == 0) return nullable ? T_NULL : T_BAD;
    ty t = count == 1 ? flat[0] : tc_intern(c, TH_KIND_VARIANT, flat, count, NULL, (th_view){0});
    return nullable ? tc_option(c, t) : t;
}

ty tc_hole(checker *c, bool numeric) {
    return add_type(c, (ctype){.kind = K_HOLE, .depth = 1, .open = true, .numeric = numeric, .bound = NO_TYPE});
}

ty tc_variable(checker *c, th_view name, bool numeric) {
    return add_type(
        c, (ctype){.kind = K_VAR, .depth = 1, .generic = true, .numeric = numeric, .name = name, .bound = NO_TYPE});
}

static bool same_row(const tdecl *d, const field *fields, uint32_t n) {
    if (d->nfields != n) return false;
    for (uint32_t i = 0; i < n; i++)
        if (d->fields[i].type != fields[i].type || !th_view_eq(d->fields[i].name, fields[i].name)) return false;
    return true;
}

ty tc_row(checker *c, const field *fields, uint32_t n) {
    for (uint32_t i = 0; i < c->nrows; i++)
        if (same_row(c->rows[i], fields, n)) return c->rows[i]->type;
    const char *text = "{";
    for (uint32_t i = 0; i < n; i++)
        text = tc_printf(c, "%s%s%.*s: %s", text, i ? ", " : "", V(fields[i].name), tc_text(c, fields[i].type));
    tdecl *d = tc_new(c, sizeof *d);
    d->name = th_view_of(tc_printf(c, "%s}", text));
    d->resolved = true;
    d->fields = tc_copy(c, fields, n * sizeof *fields);
    d->nfields = n;
    d->type = tc_intern(c, TH_KIND_STRUCT, NULL, 0, d, (th_view){0});
    TC_PUSH(c, c->rows, c->nrows, c->rows_cap, d);
    return d->type;
}

/* ---- Holes -------------------------------------------------------------------------------------------------- */

ty tc_shallow(checker *c, ty t) {
    while (c->types[t].kind == K_HOLE && c->types[t].bound != NO_TYPE) t = c->types[t].bound;
    return t;
}

static ty rebuild(checker *c, ty t, const ty *args) {
    uint8_t kind = c->types[t].kind;
    uint32_t n = c->types[t].nargs;
    if (kind == TH_KIND_OPTION) return tc_option(c, args[0]);
    if (kind == TH_KIND_VARIANT) return tc_variant(c, args, n);
    return tc_intern(c, kind, args, n, c->types[t].decl, c->types[t].name);
}

static bool too_large(checker *c) {
    if (++c->steps <= MAX_STEPS) return false;
    c->too_deep = true;
    return true;
}

static ty zonk_at(checker *c, ty t, uint32_t depth) {
    t = tc_shallow(c, t);
    if (!c->types[t].open || c->types[t].kind == K_HOLE) return t;
    if (too_large(c) || depth > MAX_UNIFY) return T_BAD;
    uint32_t n = c->types[t].nargs;
    ty *args = tc_new(c, n * sizeof *args);
    for (uint32_t i = 0; i < n; i++) args[i] = zonk_at(c, c->types[t].args[i], depth + 1);
    return rebuild(c, t, args);
}

ty tc_zonk(checker *c, ty t) {
    c->steps = 0;
    return zonk_at(c, t, 0);
}

static void fill(checker *c, ty hole, ty with) {
    c->types[hole].bound = with;
    TC_PUSH(c, c->trail, c->ntrail, c->trail_cap, hole);
}

ty tc_force(checker *c, ty t) {
    t = tc_shallow(c, t);
    if (c->types[t].kind != K_HOLE || !c->types[t].numeric) return t;
    fill(c, t, TH_TYPE_I64);
    return TH_TYPE_I64;
}

uint32_t tc_mark(checker *c) { return c->ntrail; }

void tc_undo(checker *c, uint32_t mark) {
    while (c->ntrail > mark) c->types[c->trail[--c->ntrail]].bound = NO_TYPE;
}

static bool occurs(checker *c, ty hole, ty t, uint32_t depth) {
    t = tc_shallow(c, t);
    if (t == hole) return true;
    if (!c->types[t].open) return false;
    if (too_large(c) || depth > MAX_UNIFY) return true;
    for (uint32_t i = 0; i < c->types[t].nargs; i++)
        if (occurs(c, hole, c->types[t].args[i], depth + 1)) return true;
    return false;
}

static bool fill_with(checker *c, ty hole, ty t) {
    bool numeric = c->types[hole].numeric;
    if (c->types[t].kind == K_HOLE) {
        if (numeric && !c->types[t].numeric) {
            fill(c, t, hole);
            return true;
        }
    } else if (numeric && t != TH_TYPE_I64 && t != TH_TYPE_F64) {
        return false;
    } else if (t == T_NULL) {
        t = tc_option(c, tc_hole(c, false));
    } else if (t == TH_TYPE_VOID || t == T_NONE || occurs(c, hole, t, 0)) {
        return false;
    }
    fill(c, hole, t);
    return true;
}

static bool unify_at(checker *c, ty a, ty b, uint32_t depth) {
    a = tc_shallow(c, a);
    b = tc_shallow(c, b);
    if (a == b || a == T_BAD || b == T_BAD) return true;
    if (c->types[a].kind == K_HOLE) return fill_with(c, a, b);
    if (c->types[b].kind == K_HOLE) return fill_with(c, b, a);
    if ((!c->types[a].open && !c->types[b].open) || too_large(c)) return false;
    if (c->types[a].kind != c->types[b].kind || c->types[a].nargs != c->types[b].nargs || depth > MAX_UNIFY)
        return false;
    if (c->types[a].decl != c->types[b].decl) return false;
    for (uint32_t i = 0; i < c->types[a].nargs; i++)
        if (!unify_at(c, c->types[a].args[i], c->types[b].args[i], depth + 1)) return false;
    return true;
}

bool tc_unify(checker *c, ty a, ty b) {
    uint32_t mark = tc_mark(c);
    c->steps = 0;
    if (unify_at(c, a, b, 0)) return true;
    tc_undo(c, mark);
    return false;
}

static ty subst_at(checker *c, ty t, const ty *vars, const ty *to, uint32_t n, uint32_t depth) {
    t = tc_shallow(c, t);
    if (c->types[t].kind == K_VAR) {
        for (uint32_t i = 0; i < n; i++)
            if (vars[i] == t) return to[i];
        return t;
    }
    if (!c->types[t].generic) return t;
    if (too_large(c) || depth > MAX_UNIFY) return T_BAD;
    uint32_t nargs = c->types[t].nargs;
    ty *args = tc_new(c, nargs * sizeof *args);
    for (uint32_t i = 0; i < nargs; i++) args[i] = subst_at(c, c->types[t].args[i], vars, to, n, depth + 1);
    return rebuild(c, t, args);
}

ty tc_subst(checker *c, ty t, const ty *vars, const ty *to, uint32_t n) {
    c->steps = 0;
    return c->types[t].generic || c->types[t].open ? subst_at(c, t, vars, to, n, 0) : t;
}

/* ---- Questions ---------------------------------------------------------------------------------------------- */

ty tc_arg(checker *c, ty t, uint32_t i) {
    t = tc_shallow(c, t);
    return i < c->types[t].nargs ? tc_shallow(c, c->types[t].args[i]) : T_BAD;
}

bool tc_is_int(ty t) { return t >= TH_TYPE_I8 && t <= TH_TYPE_I64; }
bool tc_is_float(ty t) { return t == TH_TYPE_F32 || t == TH_TYPE_F64; }
bool tc_is_number(ty t) { return t >= TH_TYPE_I8 && t <= TH_TYPE_F64; }

static const char *kind_text(uint8_t kind) {
    static const char *const texts[TH_KIND_COUNT] = {
#define TH_KIND(name, number, class_name, text, bytes) [number] = text,
#include "program/types.def"
#undef TH_KIND
    };
    switch (kind) {
    case K_BAD: return "?";
    case K_NEVER: return "never";
    case K_NULL: return "null";
    case K_NONE: return "?";
    case K_HOLE: return "_";
    default: return kind < TH_KIND_COUNT ? texts[kind] : "?";
    }
}

static const char *text_at(checker *c, ty t, uint32_t depth) {
    t = tc_shallow(c, t);
    ctype k = c->types[t];
    if (depth > MAX_TYPE_DEPTH || ++c->printed > MAX_TEXT) return "...";
    if (k.kind == K_HOLE && k.numeric) return "Number";
    if (k.kind == K_VAR) return k.numeric ? "Number" : tc_printf(c, "%.*s", V(k.name));
    if (k.kind == K_GROUPED) return tc_printf(c, "grouped Table<%s>", text_at(c, k.args[0], depth + 1));
    if (k.decl) return tc_printf(c, "%.*s", V(k.decl->name));
    if (k.kind == TH_KIND_OPAQUE) return tc_printf(c, "%.*s", V(k.name));
    if (k.nargs == 0) return kind_text(k.kind);
    if (k.kind == TH_KIND_OPTION) return tc_printf(c, "%s?", text_at(c, k.args[0], depth + 1));
    const char *text = kind_text(k.kind);
    uint32_t first = k.kind == TH_KIND_DICT && tc_shallow(c, k.args[0]) == TH_TYPE_STRING;
    for (uint32_t i = first; i < k.nargs; i++)
        text = tc_printf(c, "%s%s%s", text, i > first ? ", " : "<", text_at(c, k.args[i], depth + 1));
    return tc_printf(c, "%s>", text);
}

const char *tc_text(checker *c, ty t) {
    c->printed = 0;
    return text_at(c, t, 0);
}

ty tc_join(checker *c, ty a, ty b) {
    a = tc_shallow(c, a);
    b = tc_shallow(c, b);
    if (a == b || b == T_NEVER || a == T_BAD) return a;
    if (a == T_NEVER || b == T_BAD) return b;
    if (a == T_NULL) return tc_option(c, b);
    if (b == T_NULL) return tc_option(c, a);
    if (tc_unify(c, a, b)) return a;
    uint8_t ka = c->types[a].kind, kb = c->types[b].kind;
    if (ka == TH_KIND_OPTION && kb != TH_KIND_OPTION && tc_unify(c, c->types[a].args[0], b)) return a;
    if (kb == TH_KIND_OPTION && ka != TH_KIND_OPTION && tc_unify(c, c->types[b].args[0], a)) return b;
    return NO_TYPE;
}

static bool has_decimal(const th_ast *ast) {
    if (!ast) return false;
    if (ast->kind == TH_AST_FLOAT) return true;
    bool arithmetic = ast->kind == TH_AST_BINARY && ast->op < TH_TOKEN_EQ;
    if (!arithmetic && ast->kind != TH_AST_UNARY) return false;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (has_decimal(ast->kids[i])) return true;
    return false;
}

static bool gives_decimal(const th_ast *ast, th_view name, th_view field) {
    if (!ast) return false;
    if (ast->kind == TH_AST_STRUCT_LITERAL && th_view_eq(ast->text, name))
        for (uint32_t i = 1; i < ast->nkids; i++)
            if (th_view_eq(ast->kids[i]->text, field) && has_decimal(tc_kid(ast->kids[i], 0))) return true;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (gives_decimal(ast->kids[i], name, field)) return true;
    return false;
}

/* Whether a value with a point is written for this field anywhere. */
static bool decimal_field(checker *c, th_view name, th_view field) {
    for (uint32_t i = 0; i < c->nfiles; i++)
        if (!c->files[i]->standard && gives_decimal(c->files[i]->ast, name, field)) return true;
    return false;
}

void tc_fields(checker *c, tdecl *d) {
    if (d->resolved || d->resolving) return;
    d->resolving = true;
    scope *scope = c->scope;
    file *file = c->file;
    c->scope = d->scope;
    c->file = d->file;
    for (uint32_t i = 0; i < d->nfields; i++) {
        if (d->is_enum) continue;
        const th_ast *type = tc_kid(d->fields[i].ast, 0);
        d->fields[i].type = type ? tc_resolve(c, type, NULL) : T_BAD;
        /* Number: decided by the values that the program gives to the field. */
        if (type && c->types[tc_shallow(c, d->fields[i].type)].numeric && decimal_field(c, d->name, d->fields[i].name))
            tc_unify(c, d->fields[i].type, TH_TYPE_F64);
        if (d->fields[i].type == TH_TYPE_VOID) {
            tc_error(c, TH_E_TYPE, type, "a field cannot be void");
            d->fields[i].type = T_BAD;
        }
    }
    c->scope = scope;
    c->file = file;
    d->resolving = false;
    d->resolved = true;
}

int64_t tc_field_index(const tdecl *d, th_view name) {
    for (uint32_t i = 0; i < d->nfields; i++)
        if (th_view_eq(d->fields[i].name, name)) return i;
    return -1;
}

/* ---- Into the program's types ------------------------------------------------------------------------------- */

static void program_status(checker *c, th_status status) {
    if (status == TH_OK) return;
    if (status == TH_E_NOMEM) tc_no_memory(c);
    if (c->status == TH_OK) c->status = status;
}

static th_type_id final_decl(checker *c, ty t) {
    tdecl *d = c->types[t].decl;
    th_view *names = tc_new(c, (d->nfields + 1) * sizeof *names);
    th_type_id *args = tc_new(c, (d->nfields + 1) * sizeof *args), id = TH_TYPE_VOID;
    for (uint32_t i = 0; i < d->nfields; i++) names[i] = d->fields[i].name;
    if (d->is_enum) {
        program_status(c, th_types_add(c->program_types, TH_KIND_ENUM, d->name, NULL, 0, names, d->nfields, &id));
        c->types[t].final = id;
        return id;
    }
    tc_fields(c, d);
    program_status(c, th_types_declare(c->program_types, TH_KIND_STRUCT, d->name, &id));
    c->types[t].final = id;
    for (uint32_t i = 0; i < d->nfields; i++) args[i] = tc_final(c, d->fields[i].type);
    program_status(c, th_types_define(c->program_types, id, args, d->nfields, names, d->nfields));
    return id;
}

th_type_id tc_final(checker *c, ty t) {
    t = tc_zonk(c, t);
    if (c->types[t].final != NO_TYPE) return c->types[t].final;
    ctype k = c->types[t];
    switch (k.kind) {
    case K_HOLE: return TH_TYPE_I64;
    case K_NULL: return tc_final(c, tc_option(c, TH_TYPE_I64));
    case K_BAD:
    case K_NEVER:
    case K_NONE:
    case K_VAR: return TH_TYPE_VOID;
    case TH_KIND_STRUCT:
    case TH_KIND_ENUM: return final_decl(c, t);
    case K_GROUPED: return tc_final(c, tc_table_of(c, k.args[0]));
    case TH_KIND_TABLE: /* more columns than a struct has fields */
        if (k.nargs && tc_kind(c, k.args[0]) == TH_KIND_STRUCT && c->types[tc_arg(c, t, 0)].decl->nfields > 255)
            k.nargs = 0;
        break;
    default: break;
    }
    if (t < TH_TYPE_FIRST_FREE) return t;
    th_type_id *args = tc_new(c, (k.nargs + 1) * sizeof *args), id = TH_TYPE_VOID;
    for (uint32_t i = 0; i < k.nargs; i++) args[i] = tc_final(c, k.args[i]);
    program_status(c, th_types_add(c->program_types, (th_kind)k.kind, k.name, args, k.nargs, NULL, 0, &id));
    if (!k.open) c->types[t].final = id;
    return id;
}

/* ---- Types as written --------------------------------------------------------------------------------------- */

static ty plain_type(th_view name) {
    static const struct {
        const char *name;
        ty type;
    } table[] = {
        {"i64", TH_TYPE_I64},       {"f64", TH_TYPE_F64},   {"String", TH_TYPE_STRING}, {"Boolean", TH_TYPE_BOOL},
        {"bool", TH_TYPE_BOOL},     {"i32", TH_TYPE_I32},   {"void", TH_TYPE_VOID},     {"Symbol", TH_TYPE_SYMBOL},
        {"f32", TH_TYPE_F32},       {"i8", TH_TYPE_I8},     {"i16", TH_TYPE_I16},       {"Error", TH_TYPE_ERROR},
        {"Nil", TH_TYPE_VOID},      {"Void", TH_TYPE_VOID}, {"value", TH_TYPE_VALUE},   {"Bool", TH_TYPE_BOOL},
        {"string", TH_TYPE_STRING},
    };
    for (size_t i = 0; i < TH_COUNT(table); i++)
        if (th_view_is(name, table[i].name)) return table[i].type;
    return NO_TYPE;
}

static bool single_capital(th_view name) { return name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'Z'; }

static ty variable_named(checker *c, th_view name, tvars *vars) {
    for (uint32_t i = 0; i < vars->count; i++)
        if (!c->types[vars->items[i]].numeric && th_view_eq(c->types[vars->items[i]].name, name)) return vars->items[i];
    ty t = tc_variable(c, name, false);
    TC_PUSH(c, vars->items, vars->count, vars->cap, t);
    return t;
}

/* A type that is decided from use: a variable in a signature, else a hole. */
static ty free_type(checker *c, tvars *vars, bool numeric) {
    if (numeric && c->in_variadic) return TH_TYPE_I64;
    if (!vars) return tc_hole(c, numeric);
    ty t = tc_variable(c, th_view_of("_"), numeric);
    TC_PUSH(c, vars->items, vars->count, vars->cap, t);
    return t;
}

static bool word_in(const char *text, th_view word) {
    for (const char *p = text; *p;) {
        while (*p && !isalpha((unsigned char)*p)) p++;
        const char *start = p;
        while (isalnum((unsigned char)*p) || *p == '_') p++;
        if ((size_t)(p - start) == word.len && word.len && memcmp(start, word.data, word.len) == 0) return true;
    }
    return false;
}

/* A builtin's own kind of object, known from the signatures. */
static bool is_opaque(checker *c, th_view name) {
    if (name.len < 2 || !isupper((unsigned char)name.data[0])) return false;
    size_t n = th_engine_builtin_count(c->options->engine);
    for (size_t i = 0; i < n; i++)
        if (word_in(th_engine_builtin(c->options->engine, i)->signature, name)) return true;
    return false;
}

static bool count_is(checker *c, const th_ast *ast, uint32_t n, uint32_t least, uint32_t most) {
    if (n >= least && n <= most) return true;
    tc_error(c, TH_E_TYPE, ast, "`%.*s` takes %s%u type%s in `<...>`, found %u", V(ast->text),
             least == most ? "" : "at least ", least, least == 1 ? "" : "s", n);
    return false;
}

static bool good_key(checker *c, ty t) {
    t = tc_shallow(c, t);
    uint8_t kind = c->types[t].kind;
    return tc_is_int(t) || t == TH_TYPE_BOOL || t == TH_TYPE_STRING || t == TH_TYPE_SYMBOL || kind == TH_KIND_ENUM ||
           kind == K_HOLE || kind == K_VAR || t == T_BAD;
}

static ty generic_type(checker *c, const th_ast *ast, const ty *args, uint32_t n, tvars *vars) {
    th_view name = ast->text;
    if (th_view_is(name, "List")) {
        if (n == 0) return tc_list(c, free_type(c, vars, false));
        return count_is(c, ast, n, 1, 1) ? tc_list(c, args[0]) : T_BAD;
    }
    if (th_view_is(name, "Dict")) {
        if (n == 0) return tc_dict(c, TH_TYPE_STRING, free_type(c, vars, false));
        if (!count_is(c, ast, n, 1, 2)) return T_BAD;
        if (n == 2 && !good_key(c, args[0])) {
            tc_error(c, TH_E_TYPE, ast->kids[0],
                     "%s cannot be a key: keys are strings, symbols, whole numbers, booleans "
                     "or enums",
                     tc_text(c, args[0]));
            return T_BAD;
        }
        if (n == 2 && args[0] == TH_TYPE_SYMBOL) return tc_dict(c, TH_TYPE_STRING, args[1]);
        return n == 1 ? tc_dict(c, TH_TYPE_STRING, args[0]) : tc_dict(c, args[0], args[1]);
    }
    if (th_view_is(name, "Tuple")) return count_is(c, ast, n, 2, 255) ? tc_tuple(c, args, n) : T_BAD;
    if (th_view_is(name, "Variadic")) return count_is(c, ast, n, 1, 255) ? tc_variant(c, args, n) : T_BAD;
    if (th_view_is(name, "Option")) return count_is(c, ast, n, 1, 1) ? tc_option(c, args[0]) : T_BAD;
    if (th_view_is(name, "Function"))
        return count_is(c, ast, n, 1, TC_MAX_ARGS) ? tc_function(c, args, n - 1, args[n - 1]) : T_BAD;
    if (!th_view_is(name, "Table")) return NO_TYPE;
    if (n == 0) return tc_table_of(c, free_type(c, vars, false));
    if (!count_is(c, ast, n, 1, 1)) return T_BAD;
    uint8_t kind = tc_kind(c, args[0]);
    if (kind == TH_KIND_STRUCT || kind == K_VAR || kind == K_HOLE || kind == K_BAD) return tc_table_of(c, args[0]);
    tc_error(c, TH_E_TYPE, ast->kids[0], "the rows of a table are a struct, found %s", tc_text(c, args[0]));
    return T_BAD;
}

static ty named_type(checker *c, const th_ast *ast) {
    th_view name = ast->text;
    size_t dot = name.len;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '.') dot = i;
    if (dot == name.len) return NO_TYPE;
    capsule *cap = tc_capsule_here(c, (th_view){name.data, dot});
    sym *s = cap ? tc_member(c, cap, (th_view){name.data + dot + 1, name.len - dot - 1}) : NULL;
    return s && s->kind == SYM_TYPE ? s->type : NO_TYPE;
}

static void unknown_type(checker *c, const th_ast *ast) {
    static const char *const known[] = {"Number", "String", "Boolean",  "Symbol",   "List",  "Dict",
                                        "Tuple",  "Table",  "Function", "Variadic", "Error", "void"};
    struct inst *cur = c->cur;
    c->cur = NULL; /* a missing type is one cause, however many functions name it */
    bool first = tc_first_unknown(c, th_view_of(tc_printf(c, "<%.*s>", V(ast->text))));
    c->cur = cur;
    if (!first || !tc_error(c, TH_E_REFERENCE, ast, "there is no type `%.*s`", V(ast->text))) return;
    th_suggest s;
    th_suggest_init(&s, ast->text);
    for (size_t i = 0; i < TH_COUNT(known); i++) th_suggest_try(&s, th_view_of(known[i]));
    for (scope *sc = c->scope; sc; sc = sc->outer)
        for (sym *m = sc->syms; m; m = m->next)
            if (m->kind == SYM_TYPE) th_suggest_try(&s, m->name);
    if (th_view_is(ast->text, "int") || th_view_is(ast->text, "long")) s.best = th_view_of("i64");
    if (th_view_is(ast->text, "double") || th_view_is(ast->text, "float")) s.best = th_view_of("f64");
    if (s.best.len) tc_hint(c, "did you mean `%.*s`?", V(s.best));
}

bool tc_names_type(checker *c, th_view name) {
    sym *s = tc_lookup(c, name);
    return (s && s->kind == SYM_TYPE) || plain_type(name) != NO_TYPE || th_view_is(name, "Number");
}

static ty resolve_base(checker *c, const th_ast *ast, tvars *vars) {
    if (ast->kind == TH_AST_ERROR) return T_BAD;
    sym *s = tc_lookup(c, ast->text);
    ty t = s && s->kind == SYM_TYPE ? s->type : NO_TYPE;
    if (t == NO_TYPE) t = plain_type(ast->text);
    if (t == NO_TYPE && th_view_is(ast->text, "Number")) t = free_type(c, vars, true);
    if (t == NO_TYPE && single_capital(ast->text) && vars) t = variable_named(c, ast->text, vars);
    if (t != NO_TYPE) {
        if (ast->nkids && t != T_BAD) {
            tc_error(c, TH_E_TYPE, ast, "`%.*s` takes no types in `<...>`", V(ast->text));
            return T_BAD;
        }
        return t;
    }
    ty *args = tc_new(c, (ast->nkids + 1) * sizeof *args);
    bool variadic = th_view_is(ast->text, "Variadic");
    c->in_variadic += variadic;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        args[i] = tc_resolve(c, ast->kids[i], vars);
        bool result = i + 1 == ast->nkids && th_view_is(ast->text, "Function");
        if (args[i] == TH_TYPE_VOID && !result && !variadic) {
            tc_error(c, TH_E_TYPE, ast->kids[i], "void is the type of no value");
            args[i] = T_BAD;
        }
    }
    c->in_variadic -= variadic;
    if ((t = generic_type(c, ast, args, ast->nkids, vars)) != NO_TYPE) return t;
    if ((t = named_type(c, ast)) != NO_TYPE) return t;
    if (is_opaque(c, ast->text)) return tc_intern(c, TH_KIND_OPAQUE, NULL, 0, NULL, ast->text);
    bool dotted = memchr(ast->text.data, '.', ast->text.len) != NULL;
    if (!dotted || !tc_link_failed(c, ast->text)) unknown_type(c, ast);
    return T_BAD;
}

ty tc_resolve(checker *c, const th_ast *ast, tvars *vars) {
    ty t = resolve_base(c, ast, vars);
    if (c->too_deep) {
        c->too_deep = false;
        tc_error(c, TH_E_LIMIT, ast, "this type is nested too deeply");
    }
    if (!(ast->flags & TH_AST_OPTIONAL)) return t;
    if (t == TH_TYPE_VOID) {
        tc_error(c, TH_E_TYPE, ast, "void cannot be nullable");
        return T_BAD;
    }
    return tc_option(c, t);
}

/* ---- Signatures of builtins --------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at, *end;
    uint32_t depth;
} reader;

static void skip_space(reader *r) {
    while (r->at < r->end && *r->at == ' ') r->at++;
}

static bool take_char(reader *r, char ch) {
    skip_space(r);
    if (r->at >= r->end || *r->at != ch) return false;
    r->at++;
    return true;
}

static th_view take_name(reader *r) {
    skip_space(r);
    const char *start = r->at;
    while (r->at < r->end && (isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.')) r->at++;
    return (th_view){start, (size_t)(r->at - start)};
}

static ty read_type(checker *c, reader *r, tvars *vars);

static ty read_generic(checker *c, th_view name, const ty *args, uint32_t n, tvars *vars) {
    th_ast ast = {.kind = TH_AST_TYPE, .text = name};
    (void)vars;
    if (n == 0 && th_view_is(name, "Table")) return tc_intern(c, TH_KIND_TABLE, NULL, 0, NULL, (th_view){0});
    ty t = generic_type(c, &ast, args, n, NULL);
    return t;
}

/* `{a: i64, b: String?}`: the rows of a table whose struct has no name. */
static ty read_row(checker *c, reader *r, tvars *vars) {
    uint32_t room = 1, n = 0;
    for (const char *p = r->at; p < r->end; p++) room += *p == ':';
    field *fields = tc_new(c, room * sizeof *fields);
    do {
        skip_space(r);
        const char *start = r->at;
        while (r->at < r->end && *r->at != ':') r->at++;
        th_view name = th_view_of(tc_printf(c, "%.*s", (int)(r->at - start), start));
        if (!take_char(r, ':') || n == room) return T_BAD;
        fields[n] = (field){0};
        fields[n].name = name;
        fields[n++].type = read_type(c, r, vars);
    } while (take_char(r, ','));
    return take_char(r, '}') ? tc_row(c, fields, n) : T_BAD;
}

static ty read_type(checker *c, reader *r, tvars *vars) {
    if (++r->depth > MAX_TYPE_DEPTH) return T_BAD;
    if (take_char(r, '{')) {
        ty row = read_row(c, r, vars);
        if (take_char(r, '?')) row = tc_option(c, row);
        r->depth--;
        return row;
    }
    th_view name = take_name(r);
    ty args[16], t = plain_type(name);
    uint32_t n = 0;
    if (t == NO_TYPE && single_capital(name) && vars) t = variable_named(c, name, vars);
    if (t == NO_TYPE && take_char(r, '<')) {
        do {
            ty arg = read_type(c, r, vars);
            if (n < TH_COUNT(args)) args[n++] = arg;
        } while (take_char(r, ','));
        take_char(r, '>');
    }
    if (t == NO_TYPE) t = read_generic(c, name, args, n, vars);
    if (t == NO_TYPE) {
        sym *s = vars ? NULL : tc_lookup(c, name);
        th_view kept = vars ? name : th_view_of(tc_printf(c, "%.*s", V(name)));
        t = s && s->kind == SYM_TYPE ? s->type : tc_intern(c, TH_KIND_OPAQUE, NULL, 0, NULL, kept);
    }
    if (take_char(r, '?')) t = tc_option(c, t);
    r->depth--;
    return t;
}

ty tc_parse_type(checker *c, th_view text, tvars *vars) {
    reader r = {text.data, text.data + text.len, 0};
    return read_type(c, &r, vars);
}
