/*
** check_flow.c - what is known of variables at a point: assigned already, not null here.
** A state is a persistent list of facts, newest first: remembering one costs a pointer, joining two walks to what they
** share. `&tc_dead` is the state of a place that is not reached.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

fact tc_dead;

static void add_fact(checker *c, var *v, ty narrowed) {
    if (c->facts == &tc_dead) return;
    fact *f = tc_new(c, sizeof *f);
    *f = (fact){c->facts, v, narrowed, c->facts ? c->facts->depth + 1 : 1};
    c->facts = f;
}

static ty narrowed_in(const fact *f, const var *v) {
    for (; f && f != &tc_dead; f = f->next)
        if (f->var == v && f->narrowed != NO_TYPE) return f->narrowed;
    return T_NONE;
}

static bool assigned_in(const fact *f, const var *v) {
    if (f == &tc_dead) return true;
    for (; f; f = f->next)
        if (f->var == v && f->narrowed == NO_TYPE) return true;
    return false;
}

void tc_assume(checker *c, var *v, ty narrowed) {
    if (narrowed_in(c->facts, v) != narrowed) add_fact(c, v, narrowed);
}

void tc_assigned(checker *c, var *v) {
    if (v->unset && !assigned_in(c->facts, v)) add_fact(c, v, NO_TYPE);
}

bool tc_is_assigned(checker *c, const var *v) { return !v->unset || assigned_in(c->facts, v); }

ty tc_narrowed(checker *c, const var *v) {
    if (v->captured_set) return T_NONE; /* a closure may change it at any call */
    return narrowed_in(c->facts, v);
}

/* Facts of `from` down to `common` that hold in `other` too are put on top of the present state. */
static void keep_common(checker *c, const fact *from, const fact *common, const fact *all, const fact *other) {
    for (const fact *f = from; f != common; f = f->next) {
        if (f->narrowed == NO_TYPE) {
            if (assigned_in(other, f->var) && !assigned_in(c->facts, f->var)) add_fact(c, f->var, NO_TYPE);
            continue;
        }
        ty here = narrowed_in(all, f->var), there = narrowed_in(other, f->var);
        tc_assume(c, f->var, here == there ? here : T_NONE);
    }
}

fact *tc_merge(checker *c, fact *a, fact *b) {
    if (a == &tc_dead || a == b) return b;
    if (b == &tc_dead) return a;
    fact *x = a, *y = b;
    while (x != y) {
        uint32_t dx = x ? x->depth : 0, dy = y ? y->depth : 0;
        if (dx >= dy && x) x = x->next;
        if (dy >= dx && y) y = y->next;
    }
    fact *saved = c->facts;
    c->facts = x;
    keep_common(c, a, x, a, b);
    keep_common(c, b, x, b, a);
    fact *merged = c->facts;
    c->facts = saved;
    return merged;
}

static void forget_name(checker *c, th_view name) {
    sym *s = tc_lookup(c, name);
    if (s && s->kind == SYM_LOCAL && s->var && s->var->variable && narrowed_in(c->facts, s->var) != T_NONE)
        tc_assume(c, s->var, T_NONE);
}

void tc_forget(checker *c, const th_ast *ast) {
    if (!ast) return;
    const th_ast *target = ast->kind == TH_AST_ASSIGN || ast->kind == TH_AST_INCREMENT ? tc_kid(ast, 0) : NULL;
    if (target && target->kind == TH_AST_NAME) forget_name(c, target->text);
    if (ast->kind == TH_AST_BINDING) forget_name(c, ast->text);
    for (uint32_t i = 0; i < ast->nkids; i++) tc_forget(c, ast->kids[i]);
}
