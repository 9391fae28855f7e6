/*
** compile_bind.c - what binds names: let, sets, functions and their patterns, with.
**
** The variables of a scope are made in the order of writing. One whose value needs a later one (or itself) is made a function
** or thunk over a blank, which is filled in (v.fix) when all are made. Scopes of many variables are kept in a frame, an array
** or, for a rec set, the set itself: then each function captures the frame alone.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "lang/nix/compile_int.h"

/* ---- Groups of variables ------------------------------------------------------------------------------------ */

typedef struct fix { /* captured[index] of r[closure] = the variable */
    uint32_t closure, index;
    nix_var *var;
} fix;

typedef struct group { /* hidden variables first, then those with names */
    nix_var **vars;
    nix_expr **values;
    uint32_t n;
    fix *fixes;
    size_t nfixes, capacity;
} group;

static bool new_group(nix_compiler *c, uint32_t n, group *g) {
    *g = (group){.n = n};
    size_t items = n ? n : 1;
    g->vars = th_arena_new(c->s->arena, items * sizeof *g->vars);
    g->values = th_arena_new(c->s->arena, items * sizeof *g->values);
    if (!g->vars || !g->values) nixc_fail(c, TH_E_NOMEM);
    return g->vars && g->values;
}

static bool add_fix(nix_compiler *c, group *g, fix f) {
    if (th_mem_grow(c->s->mem, (void **)&g->fixes, &g->capacity, g->nfixes + 1, sizeof *g->fixes) != TH_OK) {
        nixc_fail(c, TH_E_NOMEM);
        return false;
    }
    g->fixes[g->nfixes++] = f;
    return true;
}

/* What evaluating or making `e` refers to. */
static uint32_t references(nix_expr *e, nix_var ***out) {
    nix_info *info = nix_info_of(e);
    if (!info) return 0;
    if (info->closure) {
        *out = info->captures;
        return info->ncaptures;
    }
    if (e->kind != NIX_VAR || (info->ref != NIX_REF_VAR && info->ref != NIX_REF_FIELD)) return 0;
    if (info->var->frame) {
        *out = &info->var->frame;
        return 1;
    }
    *out = &info->var;
    return 1;
}

/* The group's variables have `job` set and stand in registers; those not made yet have `where` NOWHERE. */
static bool is_unmade(const nix_compiler *c, const nix_var *var) {
    return var->job == c->job && var->where == NIX_NOWHERE;
}

static void blank(nix_compiler *c, nix_var *var) { th_fn_ai(c->f, TH_OP_VCONST, var->at, 5); }

static void note_fixes(nix_compiler *c, group *g, uint32_t i) {
    nix_var **refs;
    uint32_t n = references(g->values[i], &refs);
    for (uint32_t k = 0; k < n; k++)
        if (is_unmade(c, refs[k])) (void)add_fix(c, g, (fix){g->vars[i]->at, k, refs[k]});
}

static th_view name_of(const nix_var *var) { return var->name ? th_view_str(var->name) : NIX_NO_NAME; }

/* A variable that is just another one, not yet made: a thunk that gives it. */
static void alias_to(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name) {
    nix_info *info = nix_info_of(e);
    if (!info->closure) {
        nix_var **captures = th_arena_new(c->s->arena, sizeof(nix_var *)), **refs;
        uint32_t n = references(e, &refs);
        if (!captures || n != 1) return nixc_fail(c, TH_E_NOMEM);
        captures[0] = refs[0];
        info->captures = captures;
        info->ncaptures = 1;
        info->closure = true;
    }
    nixc_closure_to(c, e, dst, name);
}

static void make_blanks_visible(nix_compiler *c, group *g, uint32_t i, bool on) {
    nix_var **refs;
    uint32_t n = references(g->values[i], &refs);
    (void)c;
    for (uint32_t k = 0; k < n; k++)
        for (size_t f = 0; f < g->nfixes; f++)
            if (g->fixes[f].var == refs[k]) refs[k]->where = on ? NIX_IN_REGISTER : NIX_NOWHERE;
}

static void make_variable(nix_compiler *c, group *g, uint32_t i) {
    nix_var *var = g->vars[i];
    size_t before = g->nfixes;
    note_fixes(c, g, i);
    if (g->nfixes == before) {
        nixc_lazy_to(c, g->values[i], var->at, name_of(var));
    } else {
        /* Only the variables that this value still waits for are blank: they are registers while it is made. */
        group waiting = *g;
        waiting.fixes = g->fixes + before;
        waiting.nfixes = g->nfixes - before;
        make_blanks_visible(c, &waiting, i, true);
        if (g->values[i]->kind == NIX_VAR)
            alias_to(c, g->values[i], var->at, name_of(var));
        else
            nixc_closure_to(c, g->values[i], var->at, name_of(var));
        make_blanks_visible(c, &waiting, i, false);
    }
    var->where = NIX_IN_REGISTER;
}

static void make_group(nix_compiler *c, group *g) {
    uint32_t first = nixc_take_many(c, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        nixc_bind_register(c, g->vars[i], first + i, false);
        g->vars[i]->where = NIX_NOWHERE;
    }
    for (uint32_t i = 0; i < g->n && c->status == TH_OK; i++) { /* which are needed before they are made? */
        nix_var **refs;
        uint32_t n = references(g->values[i], &refs);
        for (uint32_t k = 0; k < n; k++)
            if (is_unmade(c, refs[k])) {
                blank(c, refs[k]);
                refs[k]->job = c->job; /* blank once */
                refs[k]->where = NIX_IN_CAPTURE;
            }
        if (g->vars[i]->where == NIX_NOWHERE) g->vars[i]->where = NIX_IN_REGISTER;
    }
    for (uint32_t i = 0; i < g->n; i++) g->vars[i]->where = NIX_NOWHERE;
    for (uint32_t i = 0; i < g->n && c->status == TH_OK; i++) make_variable(c, g, i);
    for (size_t i = 0; i < g->nfixes && c->status == TH_OK; i++)
        th_fn_abc(c->f, TH_OP_VFIX, g->fixes[i].closure, g->fixes[i].var->at, g->fixes[i].index);
    th_mem_free(c->s->mem, g->fixes, g->capacity * sizeof *g->fixes);
}

static void hidden_group(const nix_info *info, group *g) {
    for (uint32_t i = 0; i < info->nhidden; i++) {
        g->vars[i] = &info->hidden[i];
        g->values[i] = info->hidden_values[i];
    }
}

/* ---- Frames --------------------------------------------------------------------------------------------------- */

/* A value in a frame sees the others through the frame, in which later ones are still missing: so nothing is built at once
** that might read them. */
static void framed_to(nix_compiler *c, nix_expr *value, uint32_t dst, th_view name) {
    const nix_info *info = nix_info_of(value);
    if (nix_is_atom(value) || value->kind == NIX_LAMBDA || !info ||
        (value->kind == NIX_VAR && !info->closure && !info->var))
        nixc_lazy_to(c, value, dst, name);
    else if (value->kind == NIX_VAR && !info->closure && (!info->var->frame || info->var->frame->job != c->job))
        nixc_lazy_to(c, value, dst, name);
    else if (value->kind == NIX_VAR && !info->closure)
        alias_to(c, value, dst, name);
    else if (info->closure)
        nixc_closure_to(c, value, dst, name);
    else
        nixc_lazy_to(c, value, dst, name);
}

static uint32_t shape_of(nix_compiler *c, const nix_expr *e) {
    uint32_t index = 0, n = e->nbindings;
    uint32_t *names = th_arena_new(c->s->arena, (n ? n : 1) * sizeof *names);
    th_span *positions = th_arena_new(c->s->arena, (n ? n : 1) * sizeof *positions);
    if (!names || !positions) return nixc_fail(c, TH_E_NOMEM), 0;
    for (uint32_t i = 0; i < n; i++) {
        names[i] = nixc_string(c, th_view_str(e->bindings[i].name));
        positions[i] = e->bindings[i].span;
    }
    th_status status = th_builder_shape(c->b, names, positions, n, c->source_index, &index);
    if (status != TH_OK) nixc_fail(c, status);
    if (index > UINT16_MAX || n > UINT16_MAX) nixc_fail(c, TH_E_LIMIT);
    return index;
}

static void make_hidden_group(nix_compiler *c, const nix_info *info) {
    group g;
    if (info->nhidden == 0 || !new_group(c, info->nhidden, &g)) return;
    hidden_group(info, &g);
    make_group(c, &g);
}

static void make_framed(nix_compiler *c, nix_expr *e) {
    nix_info *info = nix_info_of(e);
    uint32_t frame = nixc_take(c);
    bool record = e->kind == NIX_ATTRS;
    uint32_t shape = record ? shape_of(c, e) : 0;
    nixc_bind_register(c, info->frame, frame, true);
    info->frame->shape = record ? shape + 1 : 0;
    if (record)
        th_fn_abcw(c->f, TH_OP_VRNEW, frame, 0, 0, shape);
    else
        th_fn_abcw(c->f, TH_OP_VLNEW, frame, 0, 0, e->nbindings);
    for (uint32_t i = 0; i < info->nhidden && c->status == TH_OK; i++) {
        uint32_t reg = nixc_take(c);
        framed_to(c, info->hidden_values[i], reg, NIX_NO_NAME);
        nixc_bind_register(c, &info->hidden[i], reg, false);
    }
    uint32_t top = c->top, value = nixc_take(c);
    for (uint32_t i = 0; i < e->nbindings && c->status == TH_OK; i++) {
        framed_to(c, e->bindings[i].value, value, th_view_str(e->bindings[i].name));
        if (record)
            th_fn_abcw(c->f, TH_OP_VRSET, frame, value, 0, shape << 16 | i);
        else
            th_fn_abcw(c->f, TH_OP_VLSET, frame, value, 0, i);
    }
    c->top = top;
}

void nixc_bind_let(nix_compiler *c, nix_expr *e) {
    nix_info *info = nix_info_of(e);
    if (info->frame) return make_framed(c, e);
    group g;
    if (!new_group(c, info->nhidden + e->nbindings, &g)) return;
    hidden_group(info, &g);
    for (uint32_t i = 0; i < e->nbindings; i++) {
        g.vars[info->nhidden + i] = &info->vars[i];
        g.values[info->nhidden + i] = e->bindings[i].value;
    }
    make_group(c, &g);
}

/* ---- Sets ------------------------------------------------------------------------------------------------------ */

static void plain_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    uint32_t shape = shape_of(c, e), n = e->nbindings;
    make_hidden_group(c, nix_info_of(e));
    if (n == 0) return th_fn_abcw(c->f, TH_OP_VRNEW, dst, 0, 0, shape);
    if (n <= NIX_WINDOW_MAX && c->top + n < NIX_CROWDED + NIX_WINDOW_MAX) {
        uint32_t base = nixc_take_many(c, n);
        for (uint32_t i = 0; i < n; i++)
            nixc_lazy_to(c, e->bindings[i].value, base + i, th_view_str(e->bindings[i].name));
        th_fn_span(c->f, e->at);
        th_fn_abcw(c->f, TH_OP_VREC, dst, base, n, shape);
        return;
    }
    uint32_t record = nixc_take(c), value = nixc_take(c);
    th_fn_abcw(c->f, TH_OP_VRNEW, record, 0, 0, shape);
    for (uint32_t i = 0; i < n && c->status == TH_OK; i++) {
        nixc_lazy_to(c, e->bindings[i].value, value, th_view_str(e->bindings[i].name));
        th_fn_abcw(c->f, TH_OP_VRSET, record, value, 0, shape << 16 | i);
    }
    nixc_move(c, dst, record);
}

static void rec_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    nix_info *info = nix_info_of(e);
    nixc_bind_let(c, e);
    if (!info->frame) {
        uint32_t first = e->nbindings ? info->vars[0].at : 0;
        if (e->nbindings == 0) return th_fn_abcw(c->f, TH_OP_VRNEW, dst, 0, 0, shape_of(c, e));
        th_fn_abcw(c->f, TH_OP_VREC, dst, first, e->nbindings, shape_of(c, e));
        return;
    }
    bool overridden = false;
    for (uint32_t i = 0; i < e->nbindings; i++)
        overridden |= th_view_is(th_view_str(e->bindings[i].name), "__overrides");
    if (!overridden) return nixc_move(c, dst, info->frame->at);
    uint32_t base = nixc_take_many(c, 3);
    nixc_move(c, base + 2, info->frame->at);
    nixc_call_import(c, "Nix.overrides", base, 1);
    nixc_move(c, dst, base + 1);
}

static void add_dynamic(nix_compiler *c, const nix_dynamic *d, uint32_t record) {
    uint32_t top = c->top, base = nixc_take_many(c, 5);
    nixc_move(c, base + 2, record);
    nixc_strict_to(c, d->name, base + 3);
    nixc_lazy_to(c, d->value, base + 4, NIX_NO_NAME);
    th_fn_span(c->f, d->span);
    nixc_call_import(c, "Nix.set_dynamic", base, 3);
    nixc_move(c, record, base + 1);
    c->top = top;
}

void nixc_attrs_to(nix_compiler *c, nix_expr *e, uint32_t dst) {
    uint32_t top = c->top, record = e->ndynamics ? nixc_take(c) : dst;
    size_t mark = c->nevaluated;
    if (e->recursive)
        rec_to(c, e, record);
    else
        plain_to(c, e, record);
    for (uint32_t i = 0; i < e->ndynamics; i++) add_dynamic(c, &e->dynamics[i], record);
    nixc_move(c, dst, record);
    nixc_unmark(c, mark);
    c->top = top;
}

/* ---- Functions ------------------------------------------------------------------------------------------------ */

/* What is known of the parameters at run time: a line for each, its name, or "{ a:1:2 ?b:1:5 ... @all" of a pattern. */
static void note_parameters(nix_compiler *c, const nix_expr *e) {
    const nix_info *info = nix_info_of(e);
    th_buf note;
    th_buf_init(&note, c->s->mem);
    for (uint32_t i = 0; i < info->arity; i++, e = e->right) {
        if (i > 0) th_buf_char(&note, '\n');
        if (!e->has_formals) {
            th_buf_put(&note, e->name->bytes, e->name->len);
            continue;
        }
        th_buf_char(&note, '{');
        for (uint32_t k = 0; k < e->nformals; k++) {
            const nix_formal *f = &e->formals[k];
            th_buf_printf(&note, " %s%.*s:%u:%u", f->fallback ? "?" : "", (int)f->name->len, f->name->bytes,
                          f->span.line, f->span.column);
        }
        if (e->ellipsis) th_buf_text(&note, " ...");
        if (e->name) th_buf_printf(&note, " @%.*s", (int)e->name->len, e->name->bytes);
    }
    if (note.failed) nixc_fail(c, TH_E_NOMEM);
    if (c->status == TH_OK) th_fn_note(c->f, nixc_string(c, (th_view){note.data, note.len}));
    th_buf_clear(&note);
}

static void missing_argument(nix_compiler *c, const nix_expr *lambda, uint32_t set, const nix_formal *formal) {
    uint32_t top = c->top, base = nixc_take_many(c, 5);
    th_fn_span(c->f, lambda->at);
    nixc_move(c, base + 2, set);
    nixc_text_to(c, c->name, NIX_SORT_TEXT, base + 3);
    nixc_text_to(c, th_view_str(formal->name), NIX_SORT_TEXT, base + 4);
    nixc_call_import(c, "Nix.missing_argument", base, 3);
    c->top = top;
}

/* The argument must be a set, without other fields unless the pattern ends in an ellipsis. */
static void check_pattern(nix_compiler *c, const nix_expr *last, uint32_t set) {
    bool checked = last->ellipsis && last->nformals > 0 && !last->formals[0].fallback; /* by what looks for the first */
    if (checked) return;
    if (last->ellipsis) {
        uint32_t top = c->top, base = nixc_take_many(c, 3);
        nixc_move(c, base + 2, set);
        nixc_call_import(c, "Nix.set_argument", base, 1);
        nixc_move(c, set, base + 1);
        c->top = top;
        return;
    }
    uint32_t index = 0, n = last->nformals;
    uint32_t *names = th_arena_new(c->s->arena, (n ? n : 1) * sizeof *names);
    if (!names) return nixc_fail(c, TH_E_NOMEM);
    for (uint32_t i = 0; i < n; i++) names[i] = nixc_string(c, th_view_str(last->formals[i].name));
    th_status status = th_builder_shape(c->b, names, NULL, n, 0, &index);
    if (status != TH_OK) nixc_fail(c, status);
    th_fn_abcw(c->f, TH_OP_VONLY, set, 0, 0, index);
}

/* Each formal's field, or its fallback, a thunk that may refer to the other formals, also to later ones: those are filled in
** at the end, where the fallback was needed. */
static void bind_formals(nix_compiler *c, nix_info *info, uint32_t set) {
    const nix_expr *last = info->last;
    uint32_t n = last->nformals, first = nixc_take_many(c, n), nfallbacks = 0;
    for (uint32_t i = 0; i < n; i++) nfallbacks += last->formals[i].fallback != NULL;
    uint32_t flag = nixc_take_many(c, nfallbacks);
    for (uint32_t i = 0; i < n; i++) {
        nixc_bind_register(c, &info->formals[i], first + i, false);
        th_fn_span(c->f, last->formals[i].span);
        th_fn_abcw(c->f, TH_OP_VSELO, first + i, set, 0, nixc_site(c, last->formals[i].name));
        if (last->formals[i].fallback) continue;
        th_label there = th_fn_label(c->f);
        th_fn_branch(c->f, TH_OP_VJNABS, first + i, 0, 0, there);
        missing_argument(c, last, set, &last->formals[i]);
        th_fn_bind(c->f, there);
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (last->formals[i].fallback) nixc_move(c, flag + k++, first + i);
    k = 0;
    for (uint32_t i = 0; i < n && c->status == TH_OK; i++) {
        if (!last->formals[i].fallback) continue;
        th_label there = th_fn_label(c->f);
        th_fn_branch(c->f, TH_OP_VJNABS, flag + k++, 0, 0, there);
        nix_expr *value = last->formals[i].fallback;
        if (nix_is_atom(value))
            nixc_lazy_to(c, value, first + i, NIX_NO_NAME);
        else if (value->kind == NIX_VAR && !nix_info_of(value)->closure && !nix_info_of(value)->var)
            nixc_lazy_to(c, value, first + i, NIX_NO_NAME); /* a builtin or constant */
        else if (value->kind == NIX_VAR && !nix_info_of(value)->closure)
            alias_to(c, value, first + i, name_of(&info->formals[i]));
        else
            nixc_closure_to(c, value, first + i, name_of(&info->formals[i]));
        th_fn_bind(c->f, there);
    }
    k = 0;
    for (uint32_t i = 0; i < n && c->status == TH_OK; i++) {
        if (!last->formals[i].fallback) continue;
        th_label there = th_fn_label(c->f);
        nix_var **refs;
        uint32_t nrefs = references(last->formals[i].fallback, &refs), later = 0;
        for (uint32_t r = 0; r < nrefs; r++)
            later += refs[r] >= &info->formals[i] && refs[r] < info->formals + n && nixc_owns_register(c, refs[r]);
        uint32_t flagged = flag + k++;
        if (later == 0 || !nix_info_of(last->formals[i].fallback)->closure) continue;
        th_fn_branch(c->f, TH_OP_VJNABS, flagged, 0, 0, there);
        for (uint32_t r = 0; r < nrefs; r++)
            if (refs[r] >= &info->formals[i] && refs[r] < info->formals + n)
                th_fn_abc(c->f, TH_OP_VFIX, first + i, refs[r]->at, r);
        th_fn_bind(c->f, there);
    }
}

/* Many formals: kept in an array. */
static void bind_framed_formals(nix_compiler *c, nix_info *info, uint32_t set) {
    const nix_expr *last = info->last;
    uint32_t frame = nixc_take(c);
    nixc_bind_register(c, info->frame, frame, true);
    info->frame->shape = 0;
    th_fn_abcw(c->f, TH_OP_VLNEW, frame, 0, 0, last->nformals);
    uint32_t value = nixc_take(c);
    for (uint32_t i = 0; i < last->nformals && c->status == TH_OK; i++) {
        const nix_formal *formal = &last->formals[i];
        th_label there = th_fn_label(c->f);
        th_fn_span(c->f, formal->span);
        th_fn_abcw(c->f, TH_OP_VSELO, value, set, 0, nixc_site(c, formal->name));
        th_fn_branch(c->f, TH_OP_VJNABS, value, 0, 0, there);
        if (formal->fallback)
            framed_to(c, formal->fallback, value, th_view_str(formal->name));
        else
            missing_argument(c, last, set, formal);
        th_fn_bind(c->f, there);
        th_fn_abcw(c->f, TH_OP_VLSET, frame, value, 0, i);
    }
}

void nixc_lambda_body(nix_compiler *c, nix_expr *e) {
    nix_info *info = nix_info_of(e);
    uint32_t first = nixc_take_many(c, info->arity);
    for (uint32_t i = 0; i < info->arity; i++) nixc_bind_register(c, info->params[i], first + i, false);
    note_parameters(c, e);
    if (info->last->has_formals) {
        uint32_t set = first + info->arity - 1;
        th_fn_span(c->f, info->last->at);
        check_pattern(c, info->last, set);
        if (info->frame)
            bind_framed_formals(c, info, set);
        else
            bind_formals(c, info, set);
        nixc_mark_evaluated(c, info->params[info->arity - 1]);
    }
    nixc_tail(c, info->last->right);
}

void nixc_with_scope(nix_compiler *c, nix_expr *e) {
    nix_var *scope = nix_info_of(e)->scope;
    uint32_t reg = nixc_take(c);
    nixc_lazy_to(c, e->left, reg, NIX_NO_NAME);
    nixc_bind_register(c, scope, reg, false);
}
