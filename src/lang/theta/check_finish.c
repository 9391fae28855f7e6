/*
** check_finish.c - from a checked program to the typed tree that the generator takes: only what is reachable,
** numbered, with the program's types; capsule values in the order in which they need one another; exports.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

/* A call of a closure that captures nothing is a plain call. */
static void direct_call(th_tir *n) {
    const th_tir *callee = n->kids[0];
    if (callee->kind != TH_TIR_CLOSURE || callee->nlocals) return;
    n->kind = TH_TIR_CALL;
    n->index = callee->index;
    n->kids++;
    n->nkids--;
}

static void finish_node(checker *c, th_tir *n, const inst *in) {
    if (!n || !tc_finish_once(n)) return;
    if (n->type == T_BAD && c->status == TH_OK) { /* a hole in the checker itself: better told than generated */
        c->status = TH_E_TYPE;
        th_diags_add(c->diags, TH_ERROR, TH_E_TYPE, in->file ? in->file->source : NULL, n->span,
                     "the type of this could not be found out");
    }
    if (n->kind == TH_TIR_CALL_CLOSURE) direct_call(n);
    if (n->kind == TH_TIR_CALL || n->kind == TH_TIR_CLOSURE) n->index = c->insts[n->index]->mark_index;
    if (n->kind == TH_TIR_CALL_BUILTIN)
        n->fntype = tc_final(c, n->fntype);
    else
        n->fntype = 0;
    n->type = tc_final(c, n->type);
    for (uint32_t i = 0; i < n->nkids; i++) finish_node(c, n->kids[i], in);
}

static void finish_local(checker *c, th_local *l) {
    const th_local *root = tc_var_of(l)->local;
    l->type = tc_final(c, tc_var_of(l)->type);
    if (l == root) return;
    l->captured = true;
    l->assigned = root->assigned;
}

static void finish_instance(checker *c, inst *i) {
    th_tir_function *t = i->tir;
    uint32_t n = 0;
    t->locals = tc_new(c, (i->nlocals + i->ncaptures + 1) * sizeof *t->locals);
    for (uint32_t k = 0; k < i->nlocals; k++)
        if (i->locals[k]->parameter) t->locals[n++] = i->locals[k];
    for (uint32_t k = 0; k < i->ncaptures; k++) t->locals[n++] = i->captures[k].local;
    for (uint32_t k = 0; k < i->nlocals; k++)
        if (!i->locals[k]->parameter) t->locals[n++] = i->locals[k];
    t->nlocals = n;
    t->ncaptures = i->ncaptures;
    t->type = tc_final(c, tc_instance_type(c, i));
    for (uint32_t k = 0; k < n; k++) {
        finish_local(c, t->locals[k]);
        t->locals[k]->index = k;
    }
    finish_node(c, t->body, i);
}

/* ---- What is reachable -------------------------------------------------------------------------------------- */

typedef struct work {
    inst **items;
    uint32_t count, cap;
} work;

static void reach(checker *c, work *w, inst *i) {
    if (!i || i->reached) return;
    i->reached = true;
    TC_PUSH(c, w->items, w->count, w->cap, i);
}

static void reach_all(checker *c, work *w) {
    for (uint32_t k = 0; k < w->count; k++)
        for (uint32_t j = 0; j < w->items[k]->ncalls; j++) reach(c, w, w->items[k]->calls[j]);
}

/* ---- Capsule values ----------------------------------------------------------------------------------------- */

typedef struct frame {
    inst *inst;
    global *global; /* whose value this is */
    uint32_t next_call, next_use;
} frame;

typedef struct order {
    global **globals;
    uint32_t count, cap;
    frame *stack;
    uint32_t depth, depth_cap;
} order;

static void need_global(checker *c, order *o, global *g, const global *by) {
    if (g->mark == 3) return;
    if (g->mark == 2) {
        tc_error_in(c, TH_E_REFERENCE, g->file, g->ast, "the value of `%.*s` needs itself", V(g->name));
        if (by && by != g) tc_note(c, by->file, by->ast, "by way of `%.*s`", V(by->name));
        return;
    }
    g->mark = 2;
    TC_PUSH(c, o->stack, o->depth, o->depth_cap, ((frame){g->init, g, 0, 0}));
}

static const global *innermost(const order *o) {
    for (uint32_t i = o->depth; i-- > 0;)
        if (o->stack[i].global) return o->stack[i].global;
    return NULL;
}

static void order_from(checker *c, order *o, global *g) {
    need_global(c, o, g, NULL);
    while (o->depth) {
        frame *f = &o->stack[o->depth - 1];
        if (f->next_use < f->inst->nuses) {
            global *used = f->inst->uses[f->next_use++];
            if (!used->constant && used->init) need_global(c, o, used, innermost(o));
        } else if (f->next_call < f->inst->ncalls) {
            inst *called = f->inst->calls[f->next_call++];
            if (called->mark) continue;
            called->mark = 1;
            TC_PUSH(c, o->stack, o->depth, o->depth_cap, ((frame){called, NULL, 0, 0}));
        } else {
            if (f->global) {
                f->global->mark = 3;
                TC_PUSH(c, o->globals, o->count, o->cap, f->global);
            }
            o->depth--;
        }
    }
}

/* The function that sets all values; NULL: there are none. */
static inst *start_function(checker *c, order *o) {
    for (uint32_t i = 0; i < c->nglobals; i++) {
        global *g = c->global_list[i];
        if (g->init && !g->constant) order_from(c, o, g);
    }
    if (o->count == 0) return NULL;
    inst *i = tc_inst_new(c, NULL, o->globals[0]->file, th_view_of("start"));
    i->result = TH_TYPE_VOID;
    c->cur = i;
    th_tir **nodes = tc_new(c, (o->count + 1) * sizeof *nodes);
    for (uint32_t k = 0; k < o->count; k++) {
        global *g = o->globals[k];
        c->file = g->file;
        th_tir *value = tc_call_instance(c, g->init, g->ast, NULL, 0);
        nodes[k] = value;
        if (g->index == UINT32_MAX) continue;
        nodes[k] = tc_node(c, TH_TIR_GLOBAL_SET, TH_TYPE_VOID, g->ast, 1, value);
        nodes[k]->index = g->index;
    }
    i->tir->body = tc_node_list(c, TH_TIR_BLOCK, TH_TYPE_VOID, o->globals[0]->ast, nodes, o->count);
    c->cur = NULL;
    return i;
}

/* ---- Exports ------------------------------------------------------------------------------------------------ */

static th_view type_word(checker *c, const func *f, uint32_t i) {
    const th_ast *t = f->params[i].ast ? tc_kid(f->params[i].ast, 0) : NULL;
    const th_ast *a = f->annotation;
    if (!t && a && th_view_is(a->text, "Function") && a->nkids == f->nparams + 1) t = a->kids[i];
    if (t) return t->text;
    return th_view_of(tc_text(c, f->insts->params[i]));
}

/* The name the reference compiler gives: name, number of parameters, their types. */
static th_view mangled(checker *c, const func *f) {
    const char *text = tc_printf(c, "%.*s%u", V(f->name), f->nparams);
    for (uint32_t i = 0; i < f->nparams; i++) text = tc_printf(c, "%s%.*s", text, V(type_word(c, f, i)));
    return th_view_of(text);
}

/* Takes a name for an export; false when another has it. */
static bool take_name(checker *c, scope *names, th_view name) {
    if (name.len == 0 || tc_scope_find(names, name)) return false;
    tc_scope_add(c, names, SYM_FUNCS, name, NULL, NULL);
    return true;
}

/* The instance that is exported: the only one, or that for whole numbers. */
static inst *exported_instance(checker *c, const func *f) {
    for (inst *i = f->insts; i; i = i->next) {
        bool whole = true;
        for (uint32_t k = 0; k < f->nvars; k++)
            whole &= c->types[f->vars[k]].numeric && tc_shallow(c, i->types[k]) == TH_TYPE_I64;
        if (whole) return i;
    }
    return NULL;
}

static void export_function(checker *c, func *f, const capsule *entry, scope *names) {
    inst *i = exported_instance(c, f);
    if (!i || i->tir->export_name.len) return;
    th_view name = f->capsule == entry ? f->name : f->full_name,
            alias = f->capsule == entry ? mangled(c, f) : (th_view){0};
    bool plain = take_name(c, names, name), other = take_name(c, names, alias);
    if (plain) i->tir->export_name = name;
    if (other && plain)
        i->tir->export_alias = alias;
    else if (other)
        i->tir->export_name = alias;
}

static void export_all(checker *c, work *w, func *main) {
    scope *names = tc_scope_new(c, NULL);
    inst *entry_inst = main ? exported_instance(c, main) : NULL;
    if (main && !entry_inst && main->insts && main->insts->arguments) entry_inst = main->insts;
    if (entry_inst) {
        entry_inst->tir->export_name = th_view_of("main");
        entry_inst->tir->export_alias = mangled(c, main);
        take_name(c, names, entry_inst->tir->export_name);
        take_name(c, names, entry_inst->tir->export_alias);
        reach(c, w, entry_inst);
    }
    if (c->options->mode == TH_THETA_INPUT) return;
    const file *own = c->files[0];
    const capsule *entry = main ? main->capsule : NULL;
    for (const capsule *cap = c->capsules; cap && !entry; cap = cap->next)
        if (cap->file == own) entry = cap;
    for (int round = 0; round < 2; round++) /* the entry capsule's names come first */
        for (uint32_t k = 0; k < c->ninsts; k++) {
            func *f = c->insts[k]->func;
            if (!f || f->outer || f->file != own || (f->capsule == entry) != (round == 0)) continue;
            export_function(c, f, entry, names);
        }
    for (uint32_t k = 0; k < c->ninsts; k++)
        if (c->insts[k]->tir->export_name.len) reach(c, w, c->insts[k]);
}

/* ---- Putting together --------------------------------------------------------------------------------------- */

static void list_globals(checker *c, th_tir_program *p) {
    p->globals = tc_new(c, (c->nused_globals + 1) * sizeof *p->globals);
    p->nglobals = c->nused_globals;
    for (uint32_t i = 0; i < c->nused_globals; i++) {
        const global *g = c->used_globals[i];
        th_view name = g->init ? g->init->tir->name : g->name;
        p->globals[i] = (th_tir_global){name, tc_final(c, g->type), tc_span(g->file, g->ast)};
    }
}

static void list_sources(checker *c, th_tir_program *p) {
    p->sources = tc_new(c, (c->nfiles + 1) * sizeof *p->sources);
    for (uint32_t i = 0; i < c->nfiles; i++) p->sources[p->nsources++] = c->files[i]->source;
}

bool tc_finish(checker *c, func *main, th_tir_program *p) {
    work w = {0};
    order o = {0};
    for (uint32_t i = 0; i < c->ninsts; i++) c->insts[i]->mark = 0;
    for (uint32_t i = 0; i < c->nglobals; i++) c->global_list[i]->mark = 0;
    inst *start = start_function(c, &o);
    if (c->diags->error_count) return false;
    export_all(c, &w, main);
    reach(c, &w, start);
    reach_all(c, &w);
    p->functions = tc_new(c, (w.count + 1) * sizeof *p->functions);
    for (uint32_t i = 0; i < w.count; i++) {
        w.items[i]->mark_index = i;
        p->functions[i] = w.items[i]->tir;
    }
    p->nfunctions = w.count;
    p->start = start ? (int64_t)start->mark_index : -1;
    for (uint32_t i = 0; i < w.count; i++) finish_instance(c, w.items[i]);
    list_globals(c, p);
    list_sources(c, p);
    p->builder = c->builder;
    return c->status == TH_OK;
}
