/*
** compile_expr.c - expressions to instructions, in four ways: evaluated into a register, not evaluated, as a condition, as
** the function's result. What is not evaluated at once becomes a thunk, unless it costs nothing: literals, variables,
** functions, lists and sets of such, and, tried at run time, sums and fields of what is evaluated already.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "lang/nix/compile_int.h"

static void at(nix_compiler *c, const nix_expr *e) { th_fn_span(c->f, e->at); }

/* Whether the walk has gone far enough for an expression to become a function of its own. */
static bool crowded(const nix_compiler *c, const nix_expr *e) {
    const nix_info *info = nix_info_of(e);
    return (c->depth > NIX_DEEP || c->top > NIX_CROWDED) && info && info->closure && e->kind != NIX_LAMBDA;
}

static void force(nix_compiler *c, uint32_t reg) { th_fn_abc(c->f, TH_OP_VFORCE, reg, 0, 0); }

/* ---- Functions over what they capture ------------------------------------------------------------------------ */

/* Registers that hold the captured variables one after the other. */
static uint32_t stage_captures(nix_compiler *c, const nix_info *info) {
    bool in_place = info->ncaptures > 0;
    for (uint32_t i = 0; i < info->ncaptures; i++) {
        const nix_var *var = info->captures[i];
        in_place &= nixc_owns_register(c, var) && var->at == info->captures[0]->at + i;
    }
    if (in_place) return info->captures[0]->at;
    uint32_t base = nixc_take_many(c, info->ncaptures);
    for (uint32_t i = 0; i < info->ncaptures; i++) nixc_load(c, info->captures[i], base + i);
    return base;
}

void nixc_closure_to(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    const nix_info *info = nix_info_of(e);
    bool lambda = e->kind == NIX_LAMBDA;
    if (info->ncaptures > NIX_REGISTERS - 8) return nixc_fail(c, TH_E_LIMIT);
    uint32_t top = c->top, base = info->ncaptures ? stage_captures(c, info) : dst;
    at(c, e);
    th_fn_abcw(c->f, lambda ? TH_OP_VCLOSE : TH_OP_VTHUNK, dst, base, info->ncaptures,
               nixc_function_for(c, e, lambda, name));
    c->top = top;
}

/* ---- Literals ------------------------------------------------------------------------------------------------ */

static void int_to(nix_compiler *c, int64_t value, uint32_t dst) {
    if (value == (int16_t)value) return th_fn_ai(c->f, TH_OP_VINT, dst, (int32_t)value);
    uint32_t index = 0;
    if (th_builder_i64(c->b, value, &index) != TH_OK || index > UINT16_MAX) return nixc_fail(c, TH_E_LIMIT);
    th_fn_ai(c->f, TH_OP_VLDK, dst, (int32_t)index);
}

static void float_to(nix_compiler *c, double value, uint32_t dst) {
    uint32_t index = 0;
    if (th_builder_f64(c->b, value, &index) != TH_OK || index > UINT16_MAX) return nixc_fail(c, TH_E_LIMIT);
    th_fn_ai(c->f, TH_OP_VLDK, dst, (int32_t)index);
}

static void constant_to(nix_compiler *c, th_view name, uint32_t dst) {
    static const char *const words[] = {"null", "false", "true"};
    for (uint32_t i = 0; i < TH_COUNT(words); i++)
        if (th_view_is(name, words[i])) return th_fn_ai(c->f, TH_OP_VCONST, dst, (int32_t)i + 1);
    uint32_t top = c->top, base = nixc_take_many(c, 3);
    if (th_view_is(name, "builtins")) {
        nixc_call_import(c, "Nix.builtins", base, 0);
    } else {
        nixc_text_to(c, name, NIX_SORT_TEXT, base + 2);
        nixc_call_import(c, "Nix.constant", base, 1);
    }
    nixc_move(c, dst, base + 1);
    c->top = top;
}

/* The text a path literal begins with, made absolute; what follows a trailing slash is joined later. */
static void absolute(nix_compiler *c, th_view text, bool whole, th_buf *out) {
    th_buf joined;
    th_buf_init(&joined, c->s->mem);
    if (text.len && text.data[0] != '/') {
        th_buf_put(&joined, c->base_dir.data, c->base_dir.len);
        th_buf_char(&joined, '/');
    }
    th_buf_put(&joined, text.data, text.len);
    if (whole)
        nix_canon_path((th_view){joined.data, joined.len}, out);
    else
        th_buf_put(out, joined.data, joined.len);
    if (joined.failed || out->failed) nixc_fail(c, TH_E_NOMEM);
    th_buf_clear(&joined);
}

static void home_to(nix_compiler *c, th_view text, uint32_t dst) {
    uint32_t top = c->top, base = nixc_take_many(c, 3);
    nixc_text_to(c, text, NIX_SORT_TEXT, base + 2);
    nixc_call_import(c, "Nix.home", base, 1);
    nixc_move(c, dst, base + 1);
    c->top = top;
}

static bool in_home(th_view text) { return text.len && text.data[0] == '~'; }

static void path_text_to(nix_compiler *c, th_view text, bool whole, uint32_t dst) {
    if (in_home(text)) return home_to(c, text, dst);
    th_buf full;
    th_buf_init(&full, c->s->mem);
    absolute(c, text, whole, &full);
    if (c->status == TH_OK) nixc_text_to(c, (th_view){full.data, full.len}, whole ? NIX_SORT_PATH : NIX_SORT_TEXT, dst);
    th_buf_clear(&full);
}

static void atom_to(nix_compiler *c, const nix_expr *e, uint32_t dst) {
    switch (e->kind) {
    case NIX_INT: int_to(c, e->integer, dst); break;
    case NIX_FLOAT: float_to(c, e->number, dst); break;
    case NIX_PATH: path_text_to(c, e->nparts ? e->parts[0].text : NIX_NO_NAME, true, dst); break;
    case NIX_STRING: {
        if (e->nparts == 1) {
            nixc_text_to(c, e->parts[0].text, NIX_SORT_TEXT, dst);
            break;
        }
        th_buf text;
        th_buf_init(&text, c->s->mem);
        for (uint32_t i = 0; i < e->nparts; i++) th_buf_put(&text, e->parts[i].text.data, e->parts[i].text.len);
        if (text.failed) nixc_fail(c, TH_E_NOMEM);
        nixc_text_to(c, (th_view){text.data ? text.data : "", text.len}, NIX_SORT_TEXT, dst);
        th_buf_clear(&text);
        break;
    }
    default: { /* __curPos */
        uint32_t top = c->top, base = nixc_take_many(c, 5);
        nixc_text_to(c, th_view_of(c->s->source->name), NIX_SORT_TEXT, base + 2);
        int_to(c, e->span.line, base + 3);
        int_to(c, e->span.column, base + 4);
        nixc_call_import(c, "Nix.cur_pos", base, 3);
        nixc_move(c, dst, base + 1);
        c->top = top;
    }
    }
}

/* Interpolations: at most so many parts in one call; the result of the first is the first part of the next. */
static th_span first_interpolation(const nix_expr *e) {
    for (uint32_t i = 0; i < e->nparts; i++)
        if (e->parts[i].expr) return e->parts[i].span;
    return e->at;
}

static void parts_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    bool path = e->kind == NIX_PATH;
    bool home = path && in_home(e->parts[0].text);
    uint32_t nparts = e->nparts + home;
    uint32_t top = c->top, n = 0, limit = nparts < NIX_WINDOW_MAX - 2 ? nparts : NIX_WINDOW_MAX - 2;
    uint32_t base = nixc_take_many(c, 2 + limit);
    if (home) home_to(c, th_view_of("~"), base + 2 + n++);
    for (uint32_t i = 0; i < e->nparts && c->status == TH_OK; i++) {
        if (n == limit) {
            th_fn_span(c->f, first_interpolation(e));
            nixc_call_import(c, path ? "Nix.concat_path" : "Nix.concat_strings", base, n);
            nixc_move(c, base + 2, base + 1);
            n = 1;
        }
        const nix_part *part = &e->parts[i];
        if (part->expr)
            nixc_strict_to(c, part->expr, base + 2 + n);
        else if (home && i == 0)
            nixc_text_to(c, (th_view){part->text.data + 1, part->text.len - 1}, NIX_SORT_TEXT, base + 2 + n);
        else if (path && i == 0)
            path_text_to(c, part->text, false, base + 2 + n);
        else
            nixc_text_to(c, part->text, NIX_SORT_TEXT, base + 2 + n);
        n++;
    }
    th_fn_span(c->f, first_interpolation(e));
    nixc_call_import(c, path ? "Nix.concat_path" : "Nix.concat_strings", base, n);
    nixc_move(c, dst, base + 1);
    force(c, dst); /* here, where the place is known, also in a tail */
    c->top = top;
}

/* ---- Variables ------------------------------------------------------------------------------------------------ */

static uint32_t builtin_arity(const nix_compiler *c, const th_builtin *builtin) {
    for (size_t i = 0; i < th_engine_builtin_count(c->s->engine); i++)
        if (th_engine_builtin(c->s->engine, i) == builtin) return th_engine_signature(c->s->engine, i)->nparams;
    return 1;
}

static void builtin_to(nix_compiler *c, const th_builtin *builtin, uint32_t dst) {
    th_fn_ai(c->f, TH_OP_VFUNC, dst, (int32_t)nixc_import(c, builtin->name, builtin_arity(c, builtin)));
}

/* The innermost scope that has the name; when none has: the error. */
static void with_to(nix_compiler *c, const nix_expr *e, uint32_t dst) {
    const nix_info *info = nix_info_of(e);
    uint32_t top = c->top, n = 0, site = nixc_site(c, e->name);
    th_label found = th_fn_label(c->f);
    for (const nix_with *w = info->with; w; w = w->outer, n++) {
        uint32_t scope = nixc_hold(c, w->var);
        th_fn_abcw(c->f, TH_OP_VSELO, dst, scope, 0, site);
        nixc_mark_evaluated(c, w->var);
        th_fn_branch(c->f, TH_OP_VJNABS, dst, 0, 0, found);
        c->top = top;
    }
    n = n < NIX_WINDOW_MAX - 4 ? n : NIX_WINDOW_MAX - 4;
    uint32_t base = nixc_take_many(c, 3 + n), i = 0;
    nixc_text_to(c, th_view_str(e->name), NIX_SORT_TEXT, base + 2);
    for (const nix_with *w = info->with; w && i < n; w = w->outer, i++) nixc_load(c, w->var, base + 3 + i);
    nixc_call_import(c, "Nix.undefined", base, 1 + n);
    nixc_move(c, dst, base + 1);
    th_fn_bind(c->f, found);
    c->top = top;
}

/* Not evaluated, but for what only a `with` may have. */
static void variable_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    nix_info *info = nix_info_of(e);
    at(c, e);
    switch (info->ref) {
    case NIX_REF_VAR: nixc_load(c, info->var, dst); break;
    case NIX_REF_FIELD: {
        uint32_t top = c->top, scope = nixc_hold(c, info->var);
        th_fn_abcw(c->f, TH_OP_VSEL, dst, scope, 0, nixc_site(c, e->name));
        c->top = top;
        break;
    }
    case NIX_REF_BUILTIN: builtin_to(c, info->builtin, dst); break;
    case NIX_REF_CONSTANT: constant_to(c, th_view_str(e->name), dst); break;
    default: with_to(c, e, dst); break;
    }
}

static nix_var *own_variable(const nix_compiler *c, const nix_expr *e) {
    const nix_info *info = e->kind == NIX_VAR ? nix_info_of(e) : NULL;
    return info && info->ref == NIX_REF_VAR && nixc_owns_register(c, info->var) ? info->var : NULL;
}

/* ---- Operators ------------------------------------------------------------------------------------------------ */

/* An operand of an instruction that evaluates it itself. When more code comes before that instruction, `later`, a variable is
** evaluated here, to keep the order. */
static uint32_t operand(nix_compiler *c, nix_expr *e, bool later) {
    nix_var *var = own_variable(c, e);
    if (var) {
        if (later && !var->evaluated && !var->lambda) {
            at(c, e);
            force(c, var->at);
            nixc_mark_evaluated(c, var);
        }
        return var->at;
    }
    uint32_t reg = nixc_take(c);
    if (e->kind == NIX_VAR && !later)
        variable_to(c, e, reg);
    else
        nixc_strict_to(c, e, reg);
    return reg;
}

static void mark_operand(nix_compiler *c, const nix_expr *e) {
    nix_var *var = own_variable(c, e);
    if (var) nixc_mark_evaluated(c, var);
}

static bool simple(const nix_expr *e) { return e->kind == NIX_VAR || nix_is_atom(e); }

static void binary_to(nix_compiler *c, const nix_expr *e, th_op op, const char *import, nix_expr *first,
                      nix_expr *second, uint32_t dst) {
    uint32_t top = c->top;
    uint32_t left = operand(c, first, !simple(second));
    uint32_t right = operand(c, second, false);
    th_fn_span(c->f, e->kind == NIX_ADD ? second->span : e->at); /* a sum names what was to be added */
    if (import)
        th_fn_abcw(c->f, op, dst, left, right, nixc_import(c, import, 2));
    else
        th_fn_abc(c->f, op, dst, left, right);
    mark_operand(c, first);
    mark_operand(c, second);
    c->top = top;
}

static void negated_to(nix_compiler *c, uint32_t dst) { th_fn_abc(c->f, TH_OP_VNOT, dst, dst, 0); }

/* -literal is a literal. */
static void negate_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    if (e->left->kind == NIX_INT) return int_to(c, (int64_t)(0 - (uint64_t)e->left->integer), dst);
    if (e->left->kind == NIX_FLOAT) return float_to(c, -e->left->number, dst);
    uint32_t top = c->top, base = nixc_take_many(c, 3);
    nixc_strict_to(c, e->left, base + 2);
    at(c, e);
    nixc_call_import(c, "Nix.negate", base, 1);
    nixc_move(c, dst, base + 1);
    c->top = top;
}

/* A condition as a value. */
static void condition_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    size_t mark = c->nevaluated;
    th_label no = th_fn_label(c->f), done = th_fn_label(c->f);
    nixc_branch(c, e, false, no);
    th_fn_ai(c->f, TH_OP_VCONST, dst, 3);
    th_fn_jump(c->f, done);
    th_fn_bind(c->f, no);
    th_fn_ai(c->f, TH_OP_VCONST, dst, 2);
    th_fn_bind(c->f, done);
    nixc_unmark(c, mark);
}

/* ---- Fields ---------------------------------------------------------------------------------------------------- */

/* One step of an attribute path: r[dst] = the field of r[set]; `optional`: absent when there is none. */
static void step_to(nix_compiler *c, const nix_attr_name *step, uint32_t set, bool optional, uint32_t dst) {
    th_fn_span(c->f, step->span);
    if (step->name) return th_fn_abcw(c->f, optional ? TH_OP_VSELO : TH_OP_VSEL, dst, set, 0, nixc_site(c, step->name));
    uint32_t top = c->top, base = nixc_take_many(c, 4);
    if (!optional) force(c, set);
    nixc_move(c, base + 2, set);
    nixc_strict_to(c, step->expr, base + 3);
    th_fn_span(c->f, step->expr->span);
    nixc_call_import(c, optional ? "Nix.select_or" : "Nix.select", base, 2);
    nixc_move(c, dst, base + 1);
    c->top = top;
}

/* Left to right: r[dst] = left.path, not evaluated. With `missing`, goes there when a step is missing. */
static void path_to(nix_compiler *c, nix_expr *e, uint32_t dst, const th_label *missing) {
    uint32_t top = c->top, set = operand(c, e->left, e->path[0].name == NULL);
    for (uint32_t i = 0; i < e->npath; i++) {
        step_to(c, &e->path[i], set, missing != NULL, dst);
        if (i == 0) mark_operand(c, e->left);
        if (missing) th_fn_branch(c->f, TH_OP_VJABS, dst, 0, 0, *missing);
        set = dst;
    }
    c->top = top;
}

static void select_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    const nix_info *info = nix_info_of(e);
    if (info && info->ref == NIX_REF_BUILTIN) return builtin_to(c, info->builtin, dst);
    if (!e->right) return path_to(c, e, dst, NULL);
    size_t mark = c->nevaluated;
    th_label missing = th_fn_label(c->f), done = th_fn_label(c->f);
    path_to(c, e, dst, &missing);
    th_fn_jump(c->f, done);
    th_fn_bind(c->f, missing);
    nixc_unmark(c, mark);
    nixc_strict_to(c, e->right, dst);
    th_fn_bind(c->f, done);
    nixc_unmark(c, mark);
}

/* ---- Calls ----------------------------------------------------------------------------------------------------- */

/* The builtin that is called by name, or NULL. */
static const th_builtin *known_builtin(const nix_expr *fn) {
    const nix_info *info = fn->kind == NIX_VAR || fn->kind == NIX_SELECT ? nix_info_of(fn) : NULL;
    return info && info->ref == NIX_REF_BUILTIN ? info->builtin : NULL;
}

/* The position in the order of evaluation of parameter i of a known function, or -1. */
static bool is_strict(uint64_t strict, uint32_t i) {
    for (; strict; strict >>= 4)
        if ((strict & 15) == i + 1) return true;
    return false;
}

/* Arguments of a window; those that the function evaluates before all else are evaluated here, in its order. */
static void arguments(nix_compiler *c, nix_expr **items, uint32_t n, uint32_t base, uint64_t strict) {
    for (uint64_t s = strict; s; s >>= 4)
        if ((s & 15) <= n) nixc_strict_to(c, items[(s & 15) - 1], base + 1 + (uint32_t)(s & 15));
    for (uint32_t i = 0; i < n && c->status == TH_OK; i++)
        if (!is_strict(strict, i)) nixc_lazy_to(c, items[i], base + 2 + i, NIX_NO_NAME);
}

static uint64_t known_strict(const nix_expr *fn, uint32_t nargs) {
    const nix_info *info = fn->kind == NIX_VAR ? nix_info_of(fn) : NULL;
    if (!info || info->ref != NIX_REF_VAR || !info->var->lambda) return 0;
    const nix_info *lambda = nix_info_of(info->var->lambda);
    if (!lambda || lambda->arity > nargs) return 0;
    if (!lambda->strict_known) nix_find_strict(info->var->lambda);
    return lambda->strict;
}

/* Calls a builtin with as many arguments as it takes; what remains is left for the caller. Result (perhaps a thunk) in base+1. */
static uint32_t call_builtin(nix_compiler *c, const nix_expr *e, const th_builtin *builtin, uint32_t base) {
    uint32_t arity = builtin_arity(c, builtin);
    for (uint32_t i = 0; i < arity && c->status == TH_OK; i++) {
        uint32_t reg = base + 2 + i;
        if (builtin->strict && builtin->strict[i] != '.')
            nixc_strict_to(c, e->items[i], reg);
        else
            nixc_lazy_to(c, e->items[i], reg, NIX_NO_NAME);
    }
    at(c, e);
    nixc_call_import(c, builtin->name, base, arity);
    return arity;
}

/* A call in a window at the top; the result is in the register after its base. False: it was a tail call. */
static bool call(nix_compiler *c, nix_expr *e, bool tail, uint32_t *result) {
    uint32_t done = 0, fn, base;
    const th_builtin *builtin = known_builtin(e->left);
    uint64_t strict = known_strict(e->left, e->nitems);
    if (builtin && e->nitems >= builtin_arity(c, builtin)) {
        base = nixc_take_many(c, 2 + builtin_arity(c, builtin));
        done = call_builtin(c, e, builtin, base);
        c->top = base + 2;
        fn = base + 1;
        strict = 0;
    } else {
        fn = operand(c, e->left, true);
    }
    while (done < e->nitems && c->status == TH_OK) {
        uint32_t n = e->nitems - done < NIX_WINDOW_MAX - 2 ? e->nitems - done : NIX_WINDOW_MAX - 2;
        base = nixc_take_many(c, 2 + n);
        arguments(c, e->items + done, n, base, strict);
        strict = 0;
        done += n;
        at(c, e);
        if (tail && done == e->nitems) {
            th_fn_abc(c->f, TH_OP_VTCALL, base, fn, n);
            return false;
        }
        th_fn_abc(c->f, TH_OP_VCALL, base, fn, n);
        c->top = base + 2;
        fn = base + 1;
    }
    *result = fn;
    return true;
}

/* ---- Conditions ------------------------------------------------------------------------------------------------ */

static void logic(nix_compiler *c, nix_expr *e, bool when, th_label label) {
    bool left_ends = e->kind == NIX_OR;   /* the value of the left operand that decides */
    bool value_then = e->kind != NIX_AND; /* and what the whole is then */
    size_t mark = c->nevaluated;
    if (value_then == when) {
        nixc_branch(c, e->left, left_ends, label);
        nixc_branch(c, e->right, when, label);
    } else {
        th_label skip = th_fn_label(c->f);
        nixc_branch(c, e->left, left_ends, skip);
        nixc_branch(c, e->right, when, label);
        th_fn_bind(c->f, skip);
    }
    nixc_unmark(c, mark);
}

static void has_branch(nix_compiler *c, nix_expr *e, bool when, th_label label) {
    uint32_t top = c->top, reg = nixc_take(c);
    size_t mark = c->nevaluated;
    if (!when) {
        path_to(c, e, reg, &label);
    } else {
        th_label missing = th_fn_label(c->f);
        path_to(c, e, reg, &missing);
        th_fn_jump(c->f, label);
        th_fn_bind(c->f, missing);
    }
    nixc_unmark(c, mark);
    c->top = top;
}

void nixc_branch(nix_compiler *c, nix_expr *e, bool when, th_label label) {
    if (c->status != TH_OK) return;
    c->depth++;
    if (crowded(c, e)) {
        uint32_t top = c->top, reg = nixc_take(c);
        nixc_closure_to(c, e, reg, NIX_NO_NAME);
        th_fn_branch(c->f, when ? TH_OP_VJT : TH_OP_VJF, reg, 0, 0, label);
        c->top = top;
    } else if (e->kind == NIX_NOT) {
        nixc_branch(c, e->left, !when, label);
    } else if (e->kind == NIX_AND || e->kind == NIX_OR || e->kind == NIX_IMPLIES) {
        logic(c, e, when, label);
    } else if (e->kind == NIX_HAS) {
        has_branch(c, e, when, label);
    } else if (e->kind == NIX_NE) {
        uint32_t top = c->top, reg = nixc_take(c);
        binary_to(c, e, TH_OP_VEQ, "Nix.equal", e->left, e->right, reg);
        th_fn_branch(c->f, when ? TH_OP_VJF : TH_OP_VJT, reg, 0, 0, label);
        c->top = top;
    } else if (e->kind == NIX_LE || e->kind == NIX_GE) { /* a <= b is !(b < a) */
        uint32_t top = c->top, reg = nixc_take(c);
        bool le = e->kind == NIX_LE;
        binary_to(c, e, TH_OP_VLT, "Nix.less", le ? e->right : e->left, le ? e->left : e->right, reg);
        th_fn_branch(c->f, when ? TH_OP_VJF : TH_OP_VJT, reg, 0, 0, label);
        c->top = top;
    } else {
        uint32_t top = c->top, reg = operand(c, e, false);
        at(c, e);
        th_fn_branch(c->f, when ? TH_OP_VJT : TH_OP_VJF, reg, 0, 0, label);
        c->top = top;
    }
    c->depth--;
}

/* ---- Other expressions ------------------------------------------------------------------------------------------ */

/* The byte of a place. Columns count code points: it goes on from the last place asked for where that is before this one on the
** same line, since a line may be as long as the text. */
static size_t byte_of(nix_compiler *c, uint32_t line, uint32_t column) {
    const th_lines *lines = &c->lines;
    nix_cursor at = c->cursor;
    if (at.line != line || at.column > column)
        at = (nix_cursor){line, 1, line >= 1 && line <= lines->count ? lines->starts[line - 1] : 0};
    for (; at.column < column && at.byte < lines->len; at.column++) {
        uint32_t code;
        at.byte += th_utf8_decode(lines->text, lines->len, at.byte, &code);
    }
    c->cursor = at;
    return at.byte;
}

static th_view source_text(nix_compiler *c, th_span span) {
    size_t start = byte_of(c, span.line, span.column), end = byte_of(c, span.end_line, span.end_column);
    return end > start ? (th_view){c->lines.text + start, end - start} : NIX_NO_NAME;
}

static void check_assertion(nix_compiler *c, nix_expr *e) {
    th_label holds = th_fn_label(c->f);
    nixc_branch(c, e->left, true, holds);
    uint32_t top = c->top, base = nixc_take_many(c, 3);
    at(c, e);
    nixc_text_to(c, source_text(c, e->left->span), NIX_SORT_TEXT, base + 2);
    nixc_call_import(c, "Nix.assert_failed", base, 1);
    c->top = top;
    th_fn_bind(c->f, holds);
}

static void list_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    uint32_t top = c->top;
    if (e->nitems == 0) return th_fn_abcw(c->f, TH_OP_VLNEW, dst, 0, 0, 0);
    if (e->nitems <= NIX_WINDOW_MAX && c->top + e->nitems < NIX_CROWDED + NIX_WINDOW_MAX) {
        uint32_t base = nixc_take_many(c, e->nitems);
        for (uint32_t i = 0; i < e->nitems; i++) nixc_lazy_to(c, e->items[i], base + i, NIX_NO_NAME);
        at(c, e);
        th_fn_abc(c->f, TH_OP_VLIST, dst, base, e->nitems);
    } else {
        uint32_t list = nixc_take(c), item = nixc_take(c);
        th_fn_abcw(c->f, TH_OP_VLNEW, list, 0, 0, e->nitems);
        for (uint32_t i = 0; i < e->nitems && c->status == TH_OK; i++) {
            nixc_lazy_to(c, e->items[i], item, NIX_NO_NAME);
            th_fn_abcw(c->f, TH_OP_VLSET, list, item, 0, i);
        }
        nixc_move(c, dst, list);
    }
    c->top = top;
}

static void if_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    th_label otherwise = th_fn_label(c->f), done = th_fn_label(c->f);
    nixc_branch(c, e->left, false, otherwise);
    size_t mark = c->nevaluated;
    nixc_strict_to(c, e->right, dst);
    th_fn_jump(c->f, done);
    nixc_unmark(c, mark);
    th_fn_bind(c->f, otherwise);
    nixc_strict_to(c, e->third, dst);
    nixc_unmark(c, mark);
    th_fn_bind(c->f, done);
}

static void search_path_to(nix_compiler *c, const nix_expr *e, uint32_t dst) {
    uint32_t top = c->top, base = nixc_take_many(c, 3);
    nixc_text_to(c, e->text, NIX_SORT_TEXT, base + 2);
    at(c, e);
    nixc_call_import(c, "Nix.search_path", base, 1);
    nixc_move(c, dst, base + 1);
    c->top = top;
}

/* What every kind does; true when the result may still be a thunk. */
static bool expression_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    at(c, e);
    switch (e->kind) {
    case NIX_INT:
    case NIX_FLOAT:
    case NIX_CUR_POS: atom_to(c, e, dst); return false;
    case NIX_STRING:
    case NIX_PATH:
        if (nix_is_atom(e))
            atom_to(c, e, dst);
        else
            parts_to(c, e, dst);
        return false;
    case NIX_SEARCH_PATH: search_path_to(c, e, dst); return true;
    case NIX_VAR: variable_to(c, e, dst); return true;
    case NIX_SELECT: select_to(c, e, dst); return true;
    case NIX_LAMBDA: nixc_closure_to(c, e, dst, NIX_NO_NAME); return false;
    case NIX_CALL: {
        uint32_t top = c->top, result = dst;
        (void)call(c, e, false, &result);
        nixc_move(c, dst, result);
        c->top = top;
        return known_builtin(e->left) != NULL;
    }
    case NIX_LET: {
        uint32_t top = c->top;
        size_t mark = c->nevaluated;
        nixc_bind_let(c, e);
        nixc_strict_to(c, e->right, dst);
        nixc_unmark(c, mark);
        c->top = top;
        return false;
    }
    case NIX_WITH: {
        uint32_t top = c->top;
        size_t mark = c->nevaluated;
        nixc_with_scope(c, e);
        nixc_strict_to(c, e->right, dst);
        nixc_unmark(c, mark);
        c->top = top;
        return false;
    }
    case NIX_ATTRS: nixc_attrs_to(c, e, dst); return false;
    case NIX_LIST: list_to(c, e, dst); return false;
    case NIX_ASSERT:
        check_assertion(c, e);
        nixc_strict_to(c, e->right, dst);
        return false;
    case NIX_IF: if_to(c, e, dst); return false;
    case NIX_NEGATE: negate_to(c, e, dst); return false;
    case NIX_ADD: binary_to(c, e, TH_OP_VADD, "Nix.add", e->left, e->right, dst); return false;
    case NIX_SUB: binary_to(c, e, TH_OP_VSUB, "Nix.sub", e->left, e->right, dst); return false;
    case NIX_MUL: binary_to(c, e, TH_OP_VMUL, "Nix.mul", e->left, e->right, dst); return false;
    case NIX_DIV: binary_to(c, e, TH_OP_VDIV, "Nix.div", e->left, e->right, dst); return false;
    case NIX_UPDATE: binary_to(c, e, TH_OP_VUPD, NULL, e->left, e->right, dst); return false;
    case NIX_CONCAT: binary_to(c, e, TH_OP_VCAT, NULL, e->left, e->right, dst); return false;
    case NIX_EQ: binary_to(c, e, TH_OP_VEQ, "Nix.equal", e->left, e->right, dst); return false;
    case NIX_LT: binary_to(c, e, TH_OP_VLT, "Nix.less", e->left, e->right, dst); return false;
    case NIX_GT: binary_to(c, e, TH_OP_VLT, "Nix.less", e->right, e->left, dst); return false;
    case NIX_NE:
        binary_to(c, e, TH_OP_VEQ, "Nix.equal", e->left, e->right, dst);
        negated_to(c, dst);
        return false;
    case NIX_LE:
        binary_to(c, e, TH_OP_VLT, "Nix.less", e->right, e->left, dst);
        negated_to(c, dst);
        return false;
    case NIX_GE:
        binary_to(c, e, TH_OP_VLT, "Nix.less", e->left, e->right, dst);
        negated_to(c, dst);
        return false;
    default: condition_to(c, e, dst); return false;
    }
}

void nixc_strict_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    if (c->status != TH_OK) return;
    c->depth++;
    nix_var *var = own_variable(c, e);
    if (crowded(c, e)) {
        nixc_closure_to(c, e, dst, NIX_NO_NAME);
        force(c, dst);
    } else if (var) {
        at(c, e);
        if (!var->evaluated && !var->lambda) force(c, var->at);
        nixc_mark_evaluated(c, var);
        nixc_move(c, dst, var->at);
    } else if (expression_to(c, e, dst)) {
        at(c, e);
        force(c, dst);
    }
    c->depth--;
}

uint32_t nixc_strict(nix_compiler *c, nix_expr *e) { return operand(c, e, true); }

/* ---- Not evaluated ------------------------------------------------------------------------------------------------ */

/* A field of something that may be evaluated already is taken at once; only otherwise a thunk is made. */
static bool try_select(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    const nix_info *info = nix_info_of(e);
    if (info && info->ref == NIX_REF_BUILTIN) {
        builtin_to(c, info->builtin, dst);
        return true;
    }
    if (e->right || e->left->kind != NIX_VAR) return false;
    const nix_info *left = nix_info_of(e->left);
    if (left->ref != NIX_REF_VAR) return false;
    for (uint32_t i = 0; i < e->npath; i++)
        if (!e->path[i].name) return false;
    uint32_t top = c->top, set = nixc_hold(c, left->var), found = nixc_take(c);
    th_label done = th_fn_label(c->f);
    for (uint32_t i = 0; i < e->npath; i++) {
        th_fn_abcw(c->f, TH_OP_VTSEL, found, set, 0, nixc_site(c, e->path[i].name));
        set = found;
    }
    th_fn_branch(c->f, TH_OP_VJNABS, found, 0, 0, done);
    nixc_closure_to(c, e, found, name);
    th_fn_bind(c->f, done);
    nixc_move(c, dst, found);
    c->top = top;
    return true;
}

static bool small_operand(const nix_expr *e) {
    const nix_info *info = e->kind == NIX_VAR ? nix_info_of(e) : NULL;
    return e->kind == NIX_INT || e->kind == NIX_FLOAT || (info && info->ref == NIX_REF_VAR);
}

static bool try_sum(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    if (!small_operand(e->left) || !small_operand(e->right)) return false;
    if (e->left->kind != NIX_VAR && e->right->kind != NIX_VAR) return false;
    uint32_t top = c->top, regs[2], result;
    nix_expr *sides[2] = {e->left, e->right};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->kind == NIX_VAR) {
            regs[i] = nixc_hold(c, nix_info_of(sides[i])->var);
        } else {
            regs[i] = nixc_take(c);
            atom_to(c, sides[i], regs[i]);
        }
    }
    result = nixc_take(c);
    th_label done = th_fn_label(c->f);
    th_op op = e->kind == NIX_ADD ? TH_OP_VTADD : e->kind == NIX_SUB ? TH_OP_VTSUB : TH_OP_VTMUL;
    th_fn_branch(c->f, op, result, regs[0], regs[1], done);
    nixc_closure_to(c, e, result, name);
    th_fn_bind(c->f, done);
    nixc_move(c, dst, result);
    c->top = top;
    return true;
}

static bool plain_set(const nix_expr *e) { return e->kind == NIX_ATTRS && e->ndynamics == 0; }

static bool overrides(const nix_expr *e) {
    for (uint32_t i = 0; i < e->nbindings; i++)
        if (th_view_is(th_view_str(e->bindings[i].name), "__overrides")) return true;
    return false;
}

static bool try_lazy(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    bool room = c->depth <= NIX_DEEP && c->top <= NIX_CROWDED;
    switch (e->kind) {
    case NIX_LAMBDA: nixc_closure_to(c, e, dst, name); return true;
    case NIX_VAR:
        if (nix_info_of(e)->ref == NIX_REF_WITH) return false;
        variable_to(c, e, dst);
        return true;
    case NIX_SELECT: return room && try_select(c, e, dst, name);
    case NIX_ADD:
    case NIX_SUB:
    case NIX_MUL: return room && try_sum(c, e, dst, name);
    case NIX_LIST:
        if (room) list_to(c, e, dst);
        return room;
    case NIX_ATTRS:
        if (!room || !plain_set(e) || (e->recursive && overrides(e))) return false;
        nixc_attrs_to(c, e, dst);
        return true;
    case NIX_NEGATE:
        if (e->left->kind != NIX_INT && e->left->kind != NIX_FLOAT) return false;
        negate_to(c, e, dst);
        return true;
    default: return false;
    }
}

void nixc_lazy_to(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    if (c->status != TH_OK) return;
    c->depth++;
    at(c, e);
    if (nix_is_atom(e))
        atom_to(c, e, dst);
    else if (!try_lazy(c, e, dst, name))
        nixc_closure_to(c, e, dst, name);
    c->depth--;
}

/* ---- As the result ------------------------------------------------------------------------------------------------- */

static void return_value(nix_compiler *c, uint32_t reg) { th_fn_abc(c->f, TH_OP_VRET, reg, 0, 0); }

static void tail_if(nix_compiler *c, nix_expr *e) {
    th_label otherwise = th_fn_label(c->f);
    nixc_branch(c, e->left, false, otherwise);
    size_t mark = c->nevaluated;
    uint32_t top = c->top;
    nixc_tail(c, e->right);
    nixc_unmark(c, mark);
    c->top = top;
    th_fn_bind(c->f, otherwise);
    nixc_tail(c, e->third);
    nixc_unmark(c, mark);
    c->top = top;
}

void nixc_tail(nix_compiler *c, nix_expr *e) {
    if (c->status != TH_OK) return;
    c->depth++;
    at(c, e);
    nix_var *var = own_variable(c, e);
    if (crowded(c, e)) {
        uint32_t reg = nixc_take(c);
        nixc_closure_to(c, e, reg, NIX_NO_NAME);
        return_value(c, reg);
    } else if (var) {
        return_value(c, var->at);
    } else if (e->kind == NIX_IF) {
        tail_if(c, e);
    } else if (e->kind == NIX_LET) {
        nixc_bind_let(c, e);
        nixc_tail(c, e->right);
    } else if (e->kind == NIX_WITH) {
        nixc_with_scope(c, e);
        nixc_tail(c, e->right);
    } else if (e->kind == NIX_ASSERT) {
        check_assertion(c, e);
        nixc_tail(c, e->right);
    } else if (e->kind == NIX_CALL) {
        uint32_t result;
        if (call(c, e, true, &result)) return_value(c, result);
    } else {
        uint32_t reg = nixc_take(c);
        (void)expression_to(c, e, reg);
        at(c, e);
        return_value(c, reg);
    }
    c->depth--;
}
