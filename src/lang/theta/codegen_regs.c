/*
** codegen_regs.c - gives every virtual register a real one.
** Relies on life spans. One pass in order of position: a register is chosen where the span starts, the lowest that has
** the class (a real register has one class for the whole function) and is free over the span. The registers of a call
** window or an operand group are chosen together, where the evaluation of its first operand starts; what is alive
** across the call lies below the window's base.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "lang/theta/codegen.h"

typedef struct holders {
    uint32_t *items; /* virtual registers whose span is not over */
    uint32_t count, capacity;
} holders;

typedef struct frame {
    th_gen *g;
    holders real[TH_GEN_REGS];
    uint8_t classes[TH_GEN_REGS];
    th_gen_group *open; /* windows between their first operand and the call, innermost first */
    uint32_t position;
} frame;

static bool is_free(frame *f, uint32_t real, uint32_t start, uint32_t end) {
    holders *h = &f->real[real];
    for (uint32_t i = 0; i < h->count;) {
        const th_gen_vreg *other = &f->g->vregs[h->items[i]];
        if (other->end < f->position) {
            h->items[i] = h->items[--h->count];
            continue;
        }
        if (other->start <= end && start <= other->end) return false;
        i++;
    }
    return true;
}

/* Whether `real` lies below every open window whose call happens during the span. */
static bool survives_calls(const frame *f, uint32_t real, uint32_t start, uint32_t end) {
    for (const th_gen_group *w = f->open; w != NULL; w = w->outer)
        if (start < w->user->position && w->user->position < end && real >= w->base) return false;
    return true;
}

static bool class_fits(const frame *f, uint32_t real, th_class cls) {
    return f->classes[real] == TH_CLASS_NONE || f->classes[real] == cls;
}

static bool fits(frame *f, uint32_t real, const th_gen_vreg *r) {
    return real < TH_GEN_REGS && class_fits(f, real, (th_class)r->cls) && is_free(f, real, r->start, r->end) &&
           survives_calls(f, real, r->start, r->end);
}

static void hold(frame *f, uint32_t real, uint32_t v) {
    holders *h = &f->real[real];
    if (h->count == h->capacity) {
        uint32_t capacity = h->capacity ? h->capacity * 2 : 8;
        uint32_t *items = th_arena_new(&f->g->scratch, capacity * sizeof *items);
        if (items == NULL) {
            th_gen_fail(f->g, TH_E_NOMEM);
            return;
        }
        if (h->count > 0) memcpy(items, h->items, h->count * sizeof *items);
        h->items = items;
        h->capacity = capacity;
    }
    h->items[h->count++] = v;
    f->classes[real] = f->g->vregs[v].cls;
    f->g->vregs[v].real = real;
}

static bool choose(frame *f, uint32_t v) {
    const th_gen_vreg *r = &f->g->vregs[v];
    if (r->hint != TH_GEN_NONE && r->hint > 0 && fits(f, r->hint, r)) {
        hold(f, r->hint, v);
        return true;
    }
    for (uint32_t real = 1; real < TH_GEN_REGS; real++) {
        if (real == 1 && f->classes[1] == TH_CLASS_NONE) continue; /* no result, no register */
        if (!fits(f, real, r)) continue;
        hold(f, real, v);
        return true;
    }
    return false;
}

/* ---- Groups ------------------------------------------------------------------------------------------------- */

/* One past the highest register that is held across the call at `position`. */
static uint32_t held_across(frame *f, uint32_t position) {
    for (uint32_t real = TH_GEN_REGS; real-- > 1;) {
        const holders *h = &f->real[real];
        for (uint32_t i = 0; i < h->count; i++) {
            const th_gen_vreg *r = &f->g->vregs[h->items[i]];
            if (r->start < position && r->end > position) return real + 1;
        }
    }
    return 1;
}

static bool group_fits(frame *f, const th_gen_group *group, uint32_t base) {
    uint32_t at = group->window ? base + 2 : base;
    if (at + group->count > TH_GEN_REGS) return false;
    if (group->window && group->result != TH_CLASS_NONE && !class_fits(f, base + 1, (th_class)group->result))
        return false;
    for (uint32_t i = 0; i < group->count; i++)
        if (!fits(f, at + i, &f->g->vregs[group->slots[i]])) return false;
    return true;
}

static bool place_group(frame *f, th_gen_group *group) {
    const th_gen_vreg *result = NULL;
    uint32_t from = 1, wish = TH_GEN_NONE;
    if (group->window) {
        from = held_across(f, group->user->position);
        if (group->user->def != TH_GEN_NONE) result = &f->g->vregs[group->user->def];
        if (result != NULL && result->real != TH_GEN_NONE && result->real > from) wish = result->real - 1;
    } else {
        from = 2;
    }
    if (wish != TH_GEN_NONE && group_fits(f, group, wish)) from = wish;
    for (uint32_t base = from; base < TH_GEN_REGS; base++) {
        if (!group_fits(f, group, base)) continue;
        group->base = base;
        uint32_t at = group->window ? base + 2 : base;
        for (uint32_t i = 0; i < group->count; i++) hold(f, at + i, group->slots[i]);
        if (group->window && group->result != TH_CLASS_NONE) f->classes[base + 1] = group->result;
        if (group->window) {
            group->outer = f->open;
            f->open = group;
        }
        return true;
    }
    return false;
}

/* ---- The pass ----------------------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Start and number of each register that needs a place, sorted. */
static uint64_t *in_order(th_gen *g, size_t *count) {
    uint64_t *order = th_arena_new(&g->scratch, (g->nvregs + 1) * sizeof *order);
    if (order == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return NULL;
    }
    *count = 0;
    for (size_t v = 0; v < g->nvregs; v++) {
        const th_gen_vreg *r = &g->vregs[v];
        if (r->real == TH_GEN_NONE && !r->slot && r->start <= r->end) order[(*count)++] = (uint64_t)r->start << 32 | v;
    }
    qsort(order, *count, sizeof *order, by_start);
    return order;
}

static void give_hints(frame *f, const th_gen_ins *ins) {
    th_gen_vreg *vregs = f->g->vregs;
    if (ins->op == TH_OP_MOV && vregs[ins->b].end == ins->position) vregs[ins->a].hint = vregs[ins->b].real;
    if (ins->group != NULL && ins->group->window && ins->def != TH_GEN_NONE)
        vregs[ins->def].hint = ins->group->base + 1;
}

static bool walk(frame *f) {
    th_gen *g = f->g;
    size_t count = 0, next = 0;
    uint64_t *order = in_order(g, &count);
    if (order == NULL) return true;
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) {
        f->position = ins->position;
        for (; next < count && order[next] >> 32 < ins->position; next++) /* what began in code that is gone */
            if (!choose(f, (uint32_t)order[next])) return false;
        if (ins->op == TH_GEN_GROUP && ins->group->user != NULL && !place_group(f, ins->group)) return false;
        if (ins->op != TH_GEN_GROUP && ins->group != NULL && f->open == ins->group) f->open = f->open->outer;
        give_hints(f, ins);
        for (; next < count && order[next] >> 32 <= ins->position + 1; next++)
            if (!choose(f, (uint32_t)order[next])) return false;
    }
    return true;
}

bool th_gen_assign(th_gen *g) {
    frame *f = th_arena_zeroed(&g->scratch, sizeof *f);
    if (f == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return true;
    }
    f->g = g;
    f->classes[0] = TH_CLASS_I64;
    f->classes[1] = (uint8_t)th_gen_class(g, th_types_result(g->types, g->fn->tir->type));
    for (size_t v = 1; v < g->nvregs; v++)
        if (g->vregs[v].real != TH_GEN_NONE) hold(f, g->vregs[v].real, (uint32_t)v);
    return walk(f);
}
