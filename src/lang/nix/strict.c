/*
** strict.c - which parameters a function evaluates before it does anything else that could be seen. A call of a function that
** is known evaluates the arguments for these at once, in that order, and makes no thunks for them: nothing can tell the
** difference, since the first thing that can fail, trace or run for ever is the same.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/compiler.h"

#define STEPS_MAX 64 /* nodes looked at: the head of a body is short */

typedef struct head {
    const nix_info *lambda;
    uint64_t strict;
    uint32_t found, steps;
} head;

static void add(head *h, uint32_t parameter) {
    for (uint64_t s = h->strict; s; s >>= 4)
        if ((s & 15) == parameter + 1) return;
    if (parameter < 15 && h->found < 15) h->strict |= (uint64_t)(parameter + 1) << 4 * h->found++;
}

/* True: evaluating `e` did no more than evaluate parameters, so that what comes after it counts as well. */
static bool look(head *h, const nix_expr *e) {
    for (; ++h->steps <= STEPS_MAX;) {
        if (nix_is_atom(e)) return true;
        const nix_info *info = nix_info_of(e);
        switch (e->kind) {
        case NIX_VAR:
            if (!info || info->ref != NIX_REF_VAR) return info && info->ref == NIX_REF_BUILTIN;
            for (uint32_t i = 0; i < h->lambda->arity; i++)
                if (h->lambda->params[i] == info->var) return add(h, i), true;
            return false;
        case NIX_EQ:
        case NIX_NE:
        case NIX_LT:
        case NIX_GE:
        case NIX_ADD:
        case NIX_SUB:
        case NIX_MUL:
        case NIX_DIV:
        case NIX_UPDATE:
        case NIX_CONCAT: {
            const nix_expr *left = e->left, *right = e->right;
            if (!nix_is_atom(left) && left->kind != NIX_VAR) {
                e = left;
                continue;
            }
            if (look(h, left) && (right->kind == NIX_VAR || nix_is_atom(right))) (void)look(h, right);
            return false;
        }
        case NIX_GT:
        case NIX_LE: {
            if (!nix_is_atom(e->right) && e->right->kind != NIX_VAR) {
                e = e->right;
                continue;
            }
            if (look(h, e->right) && (e->left->kind == NIX_VAR || nix_is_atom(e->left))) (void)look(h, e->left);
            return false;
        }
        case NIX_IF:
        case NIX_AND:
        case NIX_OR:
        case NIX_IMPLIES:
        case NIX_NOT:
        case NIX_NEGATE:
        case NIX_ASSERT:
        case NIX_HAS:
        case NIX_CALL:
        case NIX_SELECT:
            if (info && info->ref == NIX_REF_BUILTIN) return true;
            e = e->left;
            continue;
        case NIX_LET:
        case NIX_WITH: e = e->right; continue;
        default: return false;
        }
    }
    return false;
}

void nix_find_strict(nix_expr *lambda) {
    nix_info *info = nix_info_of(lambda);
    head h = {.lambda = info};
    if (info->last->has_formals)
        add(&h, info->arity - 1);
    else
        (void)look(&h, info->last->right);
    info->strict = h.strict;
    info->strict_known = true;
}
