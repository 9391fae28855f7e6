/*
** compile.c - nix_compile: text to program. The queue of functions to make, registers, and what instructions need.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/compile_int.h"

void nixc_fail(nix_compiler *c, th_status status) {
    if (c->status == TH_OK) c->status = status;
}

static void try(nix_compiler *c, th_status status) {
    if (status != TH_OK) nixc_fail(c, status);
}

/* ---- Registers ---------------------------------------------------------------------------------------------- */

uint32_t nixc_take_many(nix_compiler *c, uint32_t n) {
    uint32_t first = c->top;
    if (first + n > NIX_REGISTERS) {
        nixc_fail(c, TH_E_LIMIT);
        return 2;
    }
    c->top += n;
    for (uint32_t i = first; i < c->top; i++)
        if (!th_fn_class(c->f, i, TH_CLASS_VALUE)) nixc_fail(c, TH_E_LIMIT);
    return first;
}

uint32_t nixc_take(nix_compiler *c) { return nixc_take_many(c, 1); }

void nixc_move(nix_compiler *c, uint32_t dst, uint32_t from) {
    if (dst != from) th_fn_abc(c->f, TH_OP_MOV, dst, from, 0);
}

/* ---- Tables of the program ---------------------------------------------------------------------------------- */

th_type_id nixc_type(nix_compiler *c, uint32_t nparams) {
    if (c->types[nparams]) return c->types[nparams];
    th_type_id args[NIX_WINDOW_MAX + 2];
    for (uint32_t i = 0; i <= nparams; i++) args[i] = TH_TYPE_VALUE;
    try(c, th_types_add(th_builder_types(c->b), TH_KIND_FUNCTION, NIX_NO_NAME, args, nparams + 1, NULL, 0,
                        &c->types[nparams]));
    return c->types[nparams];
}

uint32_t nixc_string(nix_compiler *c, th_view text) {
    uint32_t index = 0;
    try(c, th_builder_string(c->b, text, &index));
    return index;
}

uint32_t nixc_site(nix_compiler *c, nix_name name) {
    uint32_t index = 0;
    try(c, th_builder_site(c->b, nixc_string(c, th_view_str(name)), &index));
    return index;
}

uint32_t nixc_import(nix_compiler *c, const char *name, uint32_t nparams) {
    uint32_t index = 0;
    try(c, th_builder_import(c->b, th_view_of(name), nixc_type(c, nparams), &index));
    if (index > UINT16_MAX) nixc_fail(c, TH_E_LIMIT);
    return index;
}

void nixc_call_import(nix_compiler *c, const char *name, uint32_t base, uint32_t nargs) {
    th_fn_ai(c->f, TH_OP_CALLB, base, (int32_t)nixc_import(c, name, nargs));
}

void nixc_text_to(nix_compiler *c, th_view text, uint32_t sort, uint32_t dst) {
    th_fn_abcw(c->f, TH_OP_VSTR, dst, sort, 0, nixc_string(c, text));
}

uint32_t nixc_function_for(nix_compiler *c, nix_expr *e, bool lambda, th_view name) {
    uint32_t function = 0;
    uint32_t nparams = lambda ? nix_info_of(e)->arity : 0;
    if (name.len == 0) name = th_view_of(lambda ? "anonymous lambda" : "thunk");
    try(c, th_builder_declare(c->b, name, nixc_type(c, nparams), &function));
    try(c, th_mem_grow(c->s->mem, (void **)&c->jobs, &c->jobs_capacity, c->njobs + 1, sizeof *c->jobs));
    if (c->status == TH_OK) c->jobs[c->njobs++] = (nix_job){e, function, lambda, name};
    return function;
}

/* ---- Variables ---------------------------------------------------------------------------------------------- */

void nixc_bind_register(nix_compiler *c, nix_var *var, uint32_t reg, bool evaluated) {
    var->job = c->job;
    var->where = NIX_IN_REGISTER;
    var->at = (uint8_t)reg;
    var->evaluated = evaluated;
}

bool nixc_owns_register(const nix_compiler *c, const nix_var *var) {
    return !var->frame && var->job == c->job && var->where == NIX_IN_REGISTER;
}

void nixc_mark_evaluated(nix_compiler *c, nix_var *var) {
    if (var->evaluated || !nixc_owns_register(c, var)) return;
    try(c, th_mem_grow(c->s->mem, (void **)&c->evaluated, &c->evaluated_capacity, c->nevaluated + 1,
                       sizeof *c->evaluated));
    if (c->status != TH_OK) return;
    c->evaluated[c->nevaluated++] = var;
    var->evaluated = true;
}

void nixc_unmark(nix_compiler *c, size_t mark) {
    while (c->nevaluated > mark) c->evaluated[--c->nevaluated]->evaluated = false;
}

void nixc_load(nix_compiler *c, nix_var *var, uint32_t dst) {
    if (var->frame) {
        uint32_t top = c->top, frame = nixc_hold(c, var->frame);
        if (var->frame->shape)
            th_fn_abcw(c->f, TH_OP_VRGET, dst, frame, 0, (var->frame->shape - 1) << 16 | var->field);
        else
            th_fn_abcw(c->f, TH_OP_VLGET, dst, frame, 0, var->field);
        c->top = top;
        return;
    }
    if (var->job != c->job) return nixc_fail(c, TH_E_REFERENCE); /* the resolver gives every function what it needs */
    if (var->where == NIX_IN_REGISTER)
        nixc_move(c, dst, var->at);
    else
        th_fn_ai(c->f, TH_OP_VCAP, dst, var->at);
}

uint32_t nixc_hold(nix_compiler *c, nix_var *var) {
    if (nixc_owns_register(c, var)) return var->at;
    uint32_t reg = nixc_take(c);
    nixc_load(c, var, reg);
    return reg;
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static void bind_captures(nix_compiler *c, const nix_info *info) {
    for (uint32_t i = 0; info && i < info->ncaptures; i++) {
        nix_var *var = info->captures[i];
        var->job = c->job;
        var->where = NIX_IN_CAPTURE;
        var->at = (uint8_t)i;
        var->evaluated = false;
    }
}

static void make_function(nix_compiler *c, nix_job job, bool closed) {
    const nix_info *info = closed ? nix_info_of(job.expr) : NULL;
    uint32_t ncaptures = info ? info->ncaptures : 0;
    th_type_id captures[NIX_REGISTERS];
    for (uint32_t i = 0; i < ncaptures; i++) captures[i] = TH_TYPE_VALUE;
    try(c, th_builder_begin(c->b, job.function, captures, ncaptures, c->source_index, &c->f));
    if (c->status != TH_OK) return;
    c->job++;
    c->top = 2;
    c->depth = 0;
    c->nevaluated = 0;
    c->thunk = !job.lambda;
    c->name = job.name;
    bind_captures(c, info);
    th_fn_span(c->f, job.expr->at);
    if (job.lambda) {
        nixc_lambda_body(c, job.expr);
    } else {
        if (!closed && c->s->scope_var) nixc_bind_register(c, c->s->scope_var, nixc_take(c), true);
        nixc_tail(c, job.expr);
    }
    if (c->status == TH_OK) try(c, th_fn_end(c->f));
}

static th_status compile(nix_compiler *c, nix_expr *root) {
    uint32_t main_function = 0;
    try(c, th_builder_source(c->b, th_view_of(c->s->source->name), (th_view){c->s->source->text, c->s->source->len},
                             &c->source_index));
    c->source_index++;
    try(c, th_builder_declare(c->b, th_view_of("main"), nixc_type(c, c->s->scope_var ? 1 : 0), &main_function));
    try(c, th_builder_export(c->b, th_view_of("main"), main_function));
    if (c->status == TH_OK) make_function(c, (nix_job){root, main_function, false, th_view_of("main")}, false);
    for (size_t i = 0; i < c->njobs && c->status == TH_OK; i++) make_function(c, c->jobs[i], true);
    return c->status;
}

static th_status build(nix_source *s, nix_expr *root, th_view base_dir, uint8_t **bytes, size_t *out_len,
                       th_error *err) {
    nix_compiler c = {.s = s, .base_dir = base_dir};
    TH_TRY(th_builder_new(s->mem, th_view_of(s->source->name), &c.b));
    th_status status = th_lines_init(&c.lines, s->arena, s->source->text, s->source->len);
    if (status == TH_OK) status = compile(&c, root);
    if (status == TH_OK) status = th_builder_finish(c.b, bytes, out_len, err);
    if (status == TH_E_LIMIT && !err->message[0])
        (void)th_fail(err, status, "the expression is too complex: a function of it refers to too many variables");
    th_mem_free(s->mem, c.jobs, c.jobs_capacity * sizeof *c.jobs);
    th_mem_free(s->mem, c.evaluated, c.evaluated_capacity * sizeof *c.evaluated);
    th_builder_free(c.b);
    return status;
}

th_status nix_compile(th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len, th_view base_dir,
                      const nix_scope *scope, const th_engine *engine, th_diags *diags, uint8_t **bytes,
                      size_t *out_len) {
    nix_expr *root = NULL;
    TH_TRY(nix_parse(mem, arena, file, text, len, diags, &root));
    th_source *source = th_arena_new(arena, sizeof *source);
    char *name = th_arena_text(arena, file, strlen(file)), *copy = th_arena_text(arena, text, len);
    if (!source || !name || !copy) return TH_E_NOMEM;
    *source = (th_source){name, copy, len};
    nix_source s = {.mem = mem, .arena = arena, .engine = engine, .source = source, .diags = diags, .scope = scope};
    TH_TRY(nix_resolve(&s, root));
    th_error err = {0};
    th_status status = build(&s, root, base_dir, bytes, out_len, &err);
    if (status != TH_OK && !err.message[0]) (void)th_fail(&err, status, "%s", th_status_text(status));
    if (status != TH_OK) th_diags_add(diags, TH_ERROR, status, source, err.span, "%s", err.message);
    return status;
}
