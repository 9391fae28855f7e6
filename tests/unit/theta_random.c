/*
** theta_random.c - random typed trees, generated and run, against a plain evaluator of trees. What the code generator
** moves, merges, inlines or keeps in registers must not show in results, traps or what handlers see.
** THETA_SEED chooses the first program, THETA_ROUNDS how many.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "lang/theta/tir.h"
#include "machine/machine.h"

#define MAX_FUNCTIONS 24
#define MAX_LOCALS    400
#define MAX_STEPS     200000
#define MAX_DEPTH     200

/* ---- The maker of programs ---------------------------------------------------------------------------------- */

typedef struct scope {
    th_tir_function *fn;
    uint32_t index;
    th_local *locals[MAX_LOCALS];
    th_local *visible[MAX_LOCALS];
    uint32_t nvisible;
    uint32_t loops, guards;
    struct scope *outer;
} scope;

static th_mem mem;
static th_arena arena;
static th_tir_program program;
static th_tir_function *functions[MAX_FUNCTIONS];
static th_type_id pair, list, callback, option;
static uint64_t seed;
static scope *s;
static int nodes;

static uint32_t pick(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static th_tir *node(th_tir_kind kind, th_type_id type, int n, ...) {
    th_tir *t = th_arena_zeroed(&arena, sizeof *t);
    t->kind = (uint8_t)kind;
    t->type = type;
    t->nkids = (uint32_t)n;
    t->kids = th_arena_zeroed(&arena, (size_t)(n + 8) * sizeof *t->kids);
    nodes++;
    t->span = (th_span){(uint32_t)nodes, 1, (uint32_t)nodes, 2};
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) t->kids[i] = va_arg(args, th_tir *);
    va_end(args);
    return t;
}

static th_local *new_local(th_type_id type) {
    th_local *l = th_arena_zeroed(&arena, sizeof *l);
    l->type = type;
    l->name = th_view_of(th_arena_printf(&arena, "v%u", s->fn->nlocals));
    l->index = s->fn->nlocals;
    s->locals[s->fn->nlocals++] = l;
    return l;
}

static th_local *declare(th_type_id type) {
    th_local *l = new_local(type);
    s->visible[s->nvisible++] = l;
    return l;
}

static th_tir *of_local(th_tir_kind kind, th_local *l, th_tir *value) {
    th_tir *t = node(kind, kind == TH_TIR_LOCAL ? l->type : TH_TYPE_VOID, value ? 1 : 0, value);
    t->local = l;
    return t;
}

static th_local *find(th_type_id type) {
    uint32_t from = s->nvisible ? pick(s->nvisible) : 0;
    for (uint32_t i = 0; i < s->nvisible; i++) {
        th_local *l = s->visible[(from + i) % s->nvisible];
        if (l->type == type) return l;
    }
    return NULL;
}

/* A local that may be set. Captured ones tell their origin. */
static th_local *origin[MAX_FUNCTIONS][MAX_LOCALS];
static scope *scope_of_function[MAX_FUNCTIONS];

static void mark_assigned(scope *where, th_local *l) {
    l->assigned = true;
    while (where->outer != NULL && l->index >= where->fn->nparams &&
           l->index < where->fn->nparams + where->fn->ncaptures) {
        l = origin[where->index][l->index];
        where = where->outer;
        l->assigned = true;
    }
}

static th_tir *expr(th_type_id type, int depth);
static th_tir *block(th_type_id type, int depth, int count);

static th_tir *literal(th_type_id type) {
    th_tir *t = node(TH_TIR_INT, type, 0);
    static const int64_t some[] = {0,    1,   -1,  2,     3,     7,       8,         10,        100,       127,
                                   -128, 255, 256, 32767, 40000, 1 << 20, INT64_MAX, INT64_MIN, 1000000007};
    if (type == TH_TYPE_I64)
        t->ival = some[pick(TH_COUNT(some))];
    else if (type == TH_TYPE_I32)
        t->ival = (int32_t)some[pick(TH_COUNT(some))];
    else if (type == TH_TYPE_I8)
        t->ival = (int8_t)some[pick(TH_COUNT(some))];
    else if (type == TH_TYPE_BOOL)
        t->ival = pick(2);
    else if (type == TH_TYPE_F64) {
        static const double floats[] = {0, 1, -1, 0.5, 2, 1e9, -3.25, 100};
        t->kind = TH_TIR_FLOAT;
        t->fval = floats[pick(TH_COUNT(floats))];
    } else if (type == TH_TYPE_STRING) {
        static const char *const strings[] = {"", "a", "bc", "xyz"};
        t->kind = TH_TIR_STRING;
        t->text = th_view_of(strings[pick(TH_COUNT(strings))]);
    } else if (type == option) {
        t->kind = TH_TIR_NULL;
    }
    return t;
}

static th_tir *small(int n) {
    th_tir *t = node(TH_TIR_INT, TH_TYPE_I64, 0);
    t->ival = pick((uint32_t)n);
    return t;
}

static th_tir *binary(th_tir_op op, th_type_id type, th_tir *a, th_tir *b) {
    th_tir *t = node(TH_TIR_BINARY, type, 2, a, b);
    t->op = (uint8_t)op;
    return t;
}

static th_tir *unary(th_tir_op op, th_tir *a) {
    th_tir *t = node(TH_TIR_UNARY, a->type, 1, a);
    t->op = (uint8_t)op;
    return t;
}

static bool is_int(th_type_id type) { return type >= TH_TYPE_I8 && type <= TH_TYPE_I64; }

static th_tir *call(th_type_id type, int depth) {
    for (int tries = 0; tries < 6; tries++) {
        if (s->index == 0) return NULL;
        uint32_t f = pick(s->index);
        const th_tir_function *fn = functions[f];
        if (fn == NULL || fn->ncaptures > 0 || th_types_result(th_builder_types(program.builder), fn->type) != type)
            continue;
        th_tir *t = node(TH_TIR_CALL, type, 0);
        t->index = f;
        t->kids = th_arena_zeroed(&arena, (fn->nparams + 1) * sizeof *t->kids);
        for (uint32_t i = 0; i < fn->nparams; i++) t->kids[t->nkids++] = expr(fn->locals[i]->type, depth - 1);
        return t;
    }
    return NULL;
}

static uint32_t make_function(th_type_id result, uint32_t nparams, const th_type_id *params, th_local **captures,
                              uint32_t ncaptures, int depth);

static th_tir *closure(int depth) {
    if (program.nfunctions + 2 >= MAX_FUNCTIONS || depth < 2) return NULL;
    th_local *captures[4];
    uint32_t n = 0;
    while (n < 3 && pick(3)) {
        if (s->nvisible == 0) break;
        th_local *l = s->visible[pick(s->nvisible)];
        bool twice = l->type == callback;
        for (uint32_t i = 0; i < n; i++) twice |= captures[i] == l;
        if (!twice)
            captures[n++] = l;
        else
            break;
    }
    for (uint32_t i = 0; i < n; i++) captures[i]->captured = true;
    th_tir *t = node(TH_TIR_CLOSURE, callback, 0);
    t->nlocals = n;
    t->locals = th_arena_copy(&arena, captures, (n + 1) * sizeof *captures);
    t->index = make_function(TH_TYPE_I64, 1, (th_type_id[]){TH_TYPE_I64}, captures, n, depth - 2);
    return t;
}

static th_tir *int_expr(th_type_id type, int depth) {
    static const uint8_t ops[] = {TH_TIR_ADD,  TH_TIR_SUB, TH_TIR_MUL, TH_TIR_DIV, TH_TIR_REM, TH_TIR_BAND, TH_TIR_BOR,
                                  TH_TIR_BXOR, TH_TIR_SHL, TH_TIR_SHR, TH_TIR_ADD, TH_TIR_SUB, TH_TIR_ADD,  TH_TIR_MUL};
    switch (pick(type == TH_TYPE_I64 ? 10 : 5)) {
    case 0: return unary(pick(2) ? TH_TIR_NEG : TH_TIR_BNOT, expr(type, depth - 1));
    case 1: {
        static const th_type_id from[] = {TH_TYPE_I8, TH_TYPE_I32, TH_TYPE_I64};
        return node(TH_TIR_CONVERT, type, 1, expr(from[pick(3)], depth - 1));
    }
    case 5: return node(TH_TIR_LEN, type, 1, expr(pick(2) ? list : TH_TYPE_STRING, depth - 1));
    case 6: return node(TH_TIR_INDEX, type, 2, expr(list, depth - 1), pick(4) ? small(3) : expr(type, depth - 1));
    case 7: {
        return node(TH_TIR_FIELD, type, 1, expr(pair, depth - 1));
    }
    case 8: return node(TH_TIR_COALESCE, type, 2, expr(option, depth - 1), expr(type, depth - 1));
    case 9: {
        th_local *f = find(callback);
        th_tir *head = f && pick(4) ? of_local(TH_TIR_LOCAL, f, NULL) : closure(depth);
        if (head != NULL) return node(TH_TIR_CALL_CLOSURE, type, 2, head, expr(type, depth - 1));
    } /* fall through */
    default: return binary((th_tir_op)ops[pick(TH_COUNT(ops))], type, expr(type, depth - 1), expr(type, depth - 1));
    }
}

static th_tir *bool_expr(int depth) {
    static const th_type_id of[] = {TH_TYPE_I64, TH_TYPE_I64, TH_TYPE_I32, TH_TYPE_F64, TH_TYPE_STRING, TH_TYPE_BOOL};
    switch (pick(5)) {
    case 0: return node(TH_TIR_AND, TH_TYPE_BOOL, 2, expr(TH_TYPE_BOOL, depth - 1), expr(TH_TYPE_BOOL, depth - 1));
    case 1: return node(TH_TIR_OR, TH_TYPE_BOOL, 2, expr(TH_TYPE_BOOL, depth - 1), expr(TH_TYPE_BOOL, depth - 1));
    case 2: return unary(TH_TIR_NOT, expr(TH_TYPE_BOOL, depth - 1));
    case 3:
        if (!pick(3)) return node(TH_TIR_IS_NULL, TH_TYPE_BOOL, 1, expr(option, depth - 1));
    } /* fall through */
    th_type_id type = of[pick(TH_COUNT(of))];
    return binary((th_tir_op)(TH_TIR_EQ + pick(6)), TH_TYPE_BOOL, expr(type, depth - 1), expr(type, depth - 1));
}

static th_tir *object_expr(th_type_id type, int depth) {
    if (type == pair) {
        th_tir *x = expr(TH_TYPE_I64, depth - 1);
        return node(TH_TIR_STRUCT, pair, 2, x, expr(TH_TYPE_STRING, depth - 1));
    }
    if (type == list) return node(TH_TIR_LIST, list, 2, expr(TH_TYPE_I64, depth - 1), expr(TH_TYPE_I64, depth - 1));
    if (type == option) return pick(3) ? node(TH_TIR_SOME, option, 1, expr(TH_TYPE_I64, depth - 1)) : literal(option);
    th_tir *t = closure(depth);
    return t ? t : NULL;
}

static th_tir *fallback(th_type_id type) {
    if (type == pair) {
        th_tir *x = literal(TH_TYPE_I64);
        return node(TH_TIR_STRUCT, pair, 2, x, literal(TH_TYPE_STRING));
    }
    if (type == list) return node(TH_TIR_LIST, list, 1, literal(TH_TYPE_I64));
    if (type == callback) {
        th_tir *t = node(TH_TIR_CLOSURE, callback, 0);
        t->index = 0; /* the identity */
        return t;
    }
    return literal(type);
}

static th_tir *sequence_expr(th_type_id type, int depth) {
    uint32_t visible = s->nvisible;
    th_tir *t = block(type, depth - 1, 1 + (int)pick(2));
    s->nvisible = visible;
    return t;
}

static th_tir *expr(th_type_id type, int depth) {
    th_local *l = find(type);
    if (depth <= 0) return l && pick(3) ? of_local(TH_TIR_LOCAL, l, NULL) : fallback(type);
    th_tir *t = NULL;
    switch (pick(9)) {
    case 0:
    case 1:
        if (l) return of_local(TH_TIR_LOCAL, l, NULL);
        break;
    case 2: t = call(type, depth); break;
    case 3: {
        th_tir *test = expr(TH_TYPE_BOOL, depth - 1), *yes = expr(type, depth - 1);
        return node(TH_TIR_IF, type, 3, test, yes, expr(type, depth - 1));
    }
    case 4:
        if (!pick(3)) return sequence_expr(type, depth);
        break;
    case 5:
        if (pick(4) == 0 && s->guards < 3) {
            s->guards++;
            t = node(TH_TIR_TRY, type, 2, expr(type, depth - 1), NULL);
            s->guards--;
            t->local = new_local(TH_TYPE_ERROR);
            t->kids[1] = expr(type, depth - 1);
            return t;
        }
        break;
    default: break;
    }
    if (t != NULL) return t;
    if (is_int(type)) return int_expr(type, depth);
    if (type == TH_TYPE_BOOL) return bool_expr(depth);
    if (type == TH_TYPE_F64) {
        if (!pick(4)) return node(TH_TIR_CONVERT, type, 1, expr(TH_TYPE_I64, depth - 1));
        static const uint8_t ops[] = {TH_TIR_ADD, TH_TIR_SUB, TH_TIR_MUL, TH_TIR_DIV};
        return binary((th_tir_op)ops[pick(4)], type, expr(type, depth - 1), expr(type, depth - 1));
    }
    if (type == TH_TYPE_STRING) {
        if (pick(3)) return binary(TH_TIR_ADD, type, expr(type, depth - 1), expr(type, depth - 1));
        th_tir *f = node(TH_TIR_FIELD, type, 1, expr(pair, depth - 1));
        f->index = 1;
        return f;
    }
    t = object_expr(type, depth);
    return t ? t : fallback(type);
}

static th_type_id any_type(void) {
    const th_type_id all[] = {TH_TYPE_I64, TH_TYPE_I64,  TH_TYPE_I64,    TH_TYPE_I32,    TH_TYPE_I8,
                              TH_TYPE_F64, TH_TYPE_BOOL, TH_TYPE_STRING, TH_TYPE_STRING, pair,
                              list,        callback,     option};
    return all[pick(TH_COUNT(all))];
}

static th_tir *set_stmt(int depth) {
    if (s->nvisible == 0) return NULL;
    th_local *l = s->visible[pick(s->nvisible)];
    if (l->parameter && pick(2)) return NULL; /* here: counters of loops */
    if (l->parameter) return NULL;
    mark_assigned(s, l);
    th_tir *value = expr(l->type, depth - 1);
    if (l->type == TH_TYPE_STRING && pick(2)) {
        value = binary(TH_TIR_ADD, l->type, of_local(TH_TIR_LOCAL, l, NULL), expr(l->type, depth - 2));
        if (pick(2)) value = binary(TH_TIR_ADD, l->type, value, expr(l->type, depth - 2));
    }
    return of_local(TH_TIR_SET, l, value);
}

static th_tir *nested(int depth) {
    uint32_t visible = s->nvisible;
    th_tir *t = block(TH_TYPE_VOID, depth - 1, 1 + (int)pick(3));
    s->nvisible = visible;
    return t;
}

static th_tir *loop_stmt(int depth) {
    uint32_t visible = s->nvisible;
    if (pick(2)) {
        th_tir *from = small(4), *to = pick(2) ? small(8) : NULL;
        if (to == NULL) to = node(TH_TIR_LEN, TH_TYPE_I64, 1, expr(list, 1));
        th_local *i = declare(TH_TYPE_I64);
        i->parameter = true;
        s->loops++;
        th_tir *t = node(TH_TIR_FOR_RANGE, TH_TYPE_VOID, 3, from, to, nested(depth));
        s->loops--;
        t->local = i;
        s->nvisible = visible;
        return t;
    }
    th_local *i = declare(TH_TYPE_I64);
    i->parameter = true; /* nobody else sets it, so that the loop ends */
    i->assigned = true;
    th_tir *init = of_local(TH_TIR_LET, i, small(3));
    th_tir *limit = pick(2) ? small(9) : binary(TH_TIR_ADD, TH_TYPE_I64, small(5), small(3));
    th_tir *test = binary(pick(3) ? TH_TIR_LT : TH_TIR_LE, TH_TYPE_BOOL, of_local(TH_TIR_LOCAL, i, NULL), limit);
    uint32_t loops = s->loops;
    s->loops = 0; /* a condition leaves no loop */
    if (!pick(3)) test = node(TH_TIR_AND, TH_TYPE_BOOL, 2, test, expr(TH_TYPE_BOOL, 2));
    s->loops = loops;
    th_tir *one = small(1);
    one->ival = 1;
    th_tir *step = of_local(TH_TIR_SET, i, binary(TH_TIR_ADD, TH_TYPE_I64, of_local(TH_TIR_LOCAL, i, NULL), one));
    s->loops++;
    bool inside = pick(2);
    th_tir *body = nested(depth);
    if (inside) { /* the step as the last statement: no continue may pass it */
        th_tir *t = node(TH_TIR_BLOCK, TH_TYPE_VOID, 2, step, body);
        body = t;
    }
    s->loops--;
    th_tir *t = node(TH_TIR_WHILE, TH_TYPE_VOID, 3, test, body, inside ? NULL : step);
    s->nvisible = visible;
    return node(TH_TIR_BLOCK, TH_TYPE_VOID, 2, init, t);
}

static th_tir *switch_stmt(int depth) {
    th_tir *t = node(TH_TIR_SWITCH, TH_TYPE_VOID, 1, binary(TH_TIR_BAND, TH_TYPE_I64, expr(TH_TYPE_I64, 1), small(8)));
    uint32_t n = 2 + pick(5);
    for (uint32_t i = 0; i < n; i++) t->kids[t->nkids++] = nested(depth);
    return t;
}

/* if (x == 0) .. else if (x == 1) .., or the same as statements that leave. */
static th_tir *chain_stmt(int depth) {
    th_local *x = find(TH_TYPE_I64);
    if (x == NULL) return NULL;
    bool exits = pick(2);
    th_tir *whole = node(TH_TIR_BLOCK, TH_TYPE_VOID, 0), *last = NULL;
    uint32_t n = 3 + pick(5);
    whole->kids = th_arena_zeroed(&arena, (n + 2) * sizeof *whole->kids);
    for (uint32_t i = 0; i < n; i++) {
        th_tir *value = small(9);
        value->ival -= 2;
        th_tir *test = binary(TH_TIR_EQ, TH_TYPE_BOOL, of_local(TH_TIR_LOCAL, x, NULL), value);
        th_tir *body = exits ? NULL : nested(depth);
        if (exits) {
            body = node(TH_TIR_RETURN, TH_TYPE_VOID, 1,
                        expr(th_types_result(th_builder_types(program.builder), s->fn->type), 1));
            body->never = true;
        }
        th_tir *test_node = node(TH_TIR_IF, TH_TYPE_VOID, 2, test, body);
        if (exits || last == NULL)
            whole->kids[whole->nkids++] = test_node;
        else
            last->kids[last->nkids++] = test_node;
        last = test_node;
    }
    if (!exits && pick(2)) last->kids[last->nkids++] = nested(depth);
    return whole;
}

static th_tir *leave_stmt(int depth) {
    th_tir *t = NULL;
    if (s->loops > 0 && pick(3))
        t = node(pick(2) ? TH_TIR_BREAK : TH_TIR_CONTINUE, TH_TYPE_VOID, 0);
    else if (pick(2)) {
        t = node(TH_TIR_RETURN, TH_TYPE_VOID, 1,
                 expr(th_types_result(th_builder_types(program.builder), s->fn->type), depth - 1));
    }
    if (t == NULL) return NULL;
    t->never = true;
    return node(TH_TIR_IF, TH_TYPE_VOID, 2, expr(TH_TYPE_BOOL, 2), t);
}

static th_tir *change_stmt(int depth) {
    switch (pick(3)) {
    case 0: {
        th_tir *object = expr(pair, 1);
        th_tir *t = node(TH_TIR_FIELD_SET, TH_TYPE_VOID, 2, object, NULL);
        t->index = pick(2);
        t->kids[1] = expr(t->index ? TH_TYPE_STRING : TH_TYPE_I64, depth - 1);
        return t;
    }
    case 1: {
        th_tir *object = expr(list, 1), *at = small(3);
        return node(TH_TIR_INDEX_SET, TH_TYPE_VOID, 3, object, at, expr(TH_TYPE_I64, depth - 1));
    }
    default: {
        th_tir *object = expr(list, 1);
        return node(TH_TIR_LIST_PUSH, TH_TYPE_VOID, 2, object, expr(TH_TYPE_I64, depth - 1));
    }
    }
}

static th_tir *stmt(int depth) {
    if (s->fn->nlocals + 30 < MAX_LOCALS) {
        switch (pick(12)) {
        case 0:
        case 1:
        case 2: {
            th_type_id type = any_type();
            th_tir *value = expr(type, depth - 1);
            return of_local(TH_TIR_LET, declare(type), value);
        }
        case 3:
            if (depth > 1) return loop_stmt(depth);
            break;
        case 4: {
            th_tir *test = expr(TH_TYPE_BOOL, depth - 1), *yes = nested(depth);
            return pick(2) ? node(TH_TIR_IF, TH_TYPE_VOID, 3, test, yes, nested(depth))
                           : node(TH_TIR_IF, TH_TYPE_VOID, 2, test, yes);
        }
        case 5:
            if (depth > 1 && pick(2)) return switch_stmt(depth);
            if (depth > 1) {
                th_tir *t = chain_stmt(depth);
                if (t != NULL) return t;
            }
            break;
        case 6:
            if (depth > 1 && s->guards < 3) {
                s->guards++;
                th_tir *t = node(TH_TIR_TRY, TH_TYPE_VOID, 2, nested(depth), NULL);
                s->guards--;
                t->local = new_local(TH_TYPE_ERROR);
                t->kids[1] = nested(depth);
                return t;
            }
            break;
        case 7: {
            th_tir *t = leave_stmt(depth);
            if (t != NULL) return t;
            break;
        }
        case 8: return change_stmt(depth);
        default: break;
        }
    }
    th_tir *t = set_stmt(depth);
    return t ? t : node(TH_TIR_BLOCK, TH_TYPE_VOID, 0);
}

static th_tir *block(th_type_id type, int depth, int count) {
    th_tir *t = node(TH_TIR_BLOCK, type, 0);
    t->kids = th_arena_zeroed(&arena, (size_t)(count + 2) * sizeof *t->kids);
    for (int i = 0; i < count; i++) t->kids[t->nkids++] = stmt(depth);
    if (type != TH_TYPE_VOID) t->kids[t->nkids++] = expr(type, depth);
    return t;
}

static uint32_t make_function(th_type_id result, uint32_t nparams, const th_type_id *params, th_local **captures,
                              uint32_t ncaptures, int depth) {
    scope *inner = th_arena_zeroed(&arena, sizeof *inner);
    th_tir_function *fn = th_arena_zeroed(&arena, sizeof *fn);
    static const th_source source = {"random", "", 0};
    assert_int_equal(th_types_function(th_builder_types(program.builder), params, nparams, result, &fn->type), TH_OK);
    inner->fn = fn;
    inner->index = program.nfunctions;
    inner->outer = s;
    fn->name = th_view_of(th_arena_printf(&arena, "f%u", program.nfunctions));
    fn->source = &source;
    fn->nparams = nparams;
    fn->ncaptures = ncaptures;
    uint32_t index = program.nfunctions++;
    scope_of_function[index] = inner;
    scope *outer = s;
    s = inner;
    for (uint32_t i = 0; i < nparams; i++) declare(params[i]);
    for (uint32_t i = 0; i < ncaptures; i++) {
        th_local *l = declare(captures[i]->type);
        l->captured = true;
        l->parameter = captures[i]->parameter;
        l->assigned = captures[i]->assigned;
        origin[index][l->index] = captures[i];
    }
    fn->body = index == 0 ? of_local(TH_TIR_LOCAL, inner->locals[0], NULL) : block(result, depth, 2 + (int)pick(6));
    fn->locals = th_arena_copy(&arena, inner->locals, (fn->nlocals + 1) * sizeof *inner->locals);
    functions[index] = fn;
    s = outer;
    return index;
}

/* ---- The evaluator ------------------------------------------------------------------------------------------ */

typedef struct value {
    int64_t i;
    double f;
    void *p;
} value;
typedef struct text {
    size_t len;
    char bytes[];
} text;
typedef struct items {
    size_t len, capacity;
    int64_t *data;
} items;
typedef struct func {
    uint32_t index;
    value **cells;
} func;
typedef struct activation {
    const th_tir_function *fn;
    value **cells;
    value result;
} activation;
typedef enum outcome { GO_ON, BREAKS, CONTINUES, RETURNS, TRAPS, GIVES_UP } outcome;

static int steps, depth_now;

static value *new_cell(value v) { return th_arena_copy(&arena, &v, sizeof v); }

static value of_text(const char *a, size_t len, const char *b, size_t more) {
    text *t = th_arena_new(&arena, sizeof *t + len + more + 1);
    t->len = len + more;
    memcpy(t->bytes, a, len);
    memcpy(t->bytes + len, b, more);
    return (value){.p = t};
}

static outcome eval(activation *a, const th_tir *n, value *out);

static int64_t wrap(th_type_id type, int64_t x) {
    return type == TH_TYPE_I8 ? (int8_t)x : type == TH_TYPE_I32 ? (int32_t)x : x;
}

static outcome int_binary(const th_tir *n, int64_t x, int64_t y, value *out) {
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    int64_t r = 0;
    switch (n->op) {
    case TH_TIR_ADD: r = (int64_t)(a + b); break;
    case TH_TIR_SUB: r = (int64_t)(a - b); break;
    case TH_TIR_MUL: r = (int64_t)(a * b); break;
    case TH_TIR_DIV:
        if (y == 0) return TRAPS;
        r = y == -1 ? (int64_t)(0 - a) : x / y;
        break;
    case TH_TIR_REM:
        if (y == 0) return TRAPS;
        r = y == -1 ? 0 : x % y;
        break;
    case TH_TIR_BAND: r = x & y; break;
    case TH_TIR_BOR: r = x | y; break;
    case TH_TIR_BXOR: r = x ^ y; break;
    case TH_TIR_SHL: r = (int64_t)(a << (b & 63)); break;
    case TH_TIR_SHR: r = x >> (b & 63); break;
    }
    out->i = wrap(n->type, r);
    return GO_ON;
}

static bool truth(uint8_t op, int order, bool unordered) {
    if (unordered) return op == TH_TIR_NE;
    switch (op) {
    case TH_TIR_EQ: return order == 0;
    case TH_TIR_NE: return order != 0;
    case TH_TIR_LT: return order < 0;
    case TH_TIR_LE: return order <= 0;
    case TH_TIR_GT: return order > 0;
    default: return order >= 0;
    }
}

static outcome eval_binary(activation *a, const th_tir *n, value *out) {
    value x, y;
    th_type_id type = n->kids[0]->type;
    outcome o = eval(a, n->kids[0], &x);
    if (o == GO_ON) o = eval(a, n->kids[1], &y);
    if (o != GO_ON) return o;
    if (type == TH_TYPE_STRING) {
        const text *s0 = x.p, *s1 = y.p;
        if (n->op == TH_TIR_ADD) {
            *out = of_text(s0->bytes, s0->len, s1->bytes, s1->len);
            return s0->len + s1->len > 100000 ? GIVES_UP : GO_ON;
        }
        int order = th_view_compare((th_view){s0->bytes, s0->len}, (th_view){s1->bytes, s1->len});
        out->i = truth(n->op, order, false);
        return GO_ON;
    }
    if (type == TH_TYPE_F64) {
        if (n->op >= TH_TIR_EQ) {
            out->i = truth(n->op, x.f < y.f ? -1 : x.f > y.f, x.f != x.f || y.f != y.f);
            return GO_ON;
        }
        out->f = n->op == TH_TIR_ADD   ? x.f + y.f
                 : n->op == TH_TIR_SUB ? x.f - y.f
                 : n->op == TH_TIR_MUL ? x.f * y.f
                                       : x.f / y.f;
        return GO_ON;
    }
    if (n->op >= TH_TIR_EQ) {
        out->i = truth(n->op, x.i < y.i ? -1 : x.i > y.i, false);
        return GO_ON;
    }
    return int_binary(n, x.i, y.i, out);
}

static outcome enter(uint32_t index, value *args, value **captures, value *out) {
    const th_tir_function *fn = functions[index];
    activation a = {fn, th_arena_zeroed(&arena, (fn->nlocals + 1) * sizeof(value *)), {0}};
    for (uint32_t i = 0; i < fn->nparams; i++) a.cells[i] = new_cell(args[i]);
    for (uint32_t i = 0; i < fn->ncaptures; i++) a.cells[fn->nparams + i] = captures[i];
    if (++depth_now > MAX_DEPTH) return GIVES_UP;
    value v = {0};
    outcome o = eval(&a, fn->body, &v);
    depth_now--;
    if (o == RETURNS)
        v = a.result;
    else if (o != GO_ON)
        return o;
    *out = v;
    return GO_ON;
}

static outcome eval_call(activation *a, const th_tir *n, value *out) {
    value args[8], head = {0};
    uint32_t from = 0;
    outcome o = GO_ON;
    if (n->kind == TH_TIR_CALL_CLOSURE) {
        o = eval(a, n->kids[0], &head);
        from = 1;
    }
    for (uint32_t i = from; i < n->nkids && o == GO_ON; i++) o = eval(a, n->kids[i], &args[i - from]);
    if (o != GO_ON) return o;
    const func *f = head.p;
    return f ? enter(f->index, args, f->cells, out) : enter(n->index, args, NULL, out);
}

static outcome eval_closure(activation *a, const th_tir *n, value *out) {
    func *f = th_arena_zeroed(&arena, sizeof *f);
    f->index = n->index;
    f->cells = th_arena_zeroed(&arena, (n->nlocals + 1) * sizeof *f->cells);
    for (uint32_t i = 0; i < n->nlocals; i++) {
        value *cell = a->cells[n->locals[i]->index];
        f->cells[i] = n->locals[i]->assigned ? cell : new_cell(*cell);
    }
    out->p = f;
    return GO_ON;
}

static outcome eval_loop(activation *a, const th_tir *n) {
    value v = {0}, from = {0}, to = {0};
    if (n->kind == TH_TIR_FOR_RANGE) {
        outcome o = eval(a, n->kids[0], &from);
        if (o == GO_ON) o = eval(a, n->kids[1], &to);
        if (o != GO_ON) return o;
        for (int64_t i = from.i; i < to.i; i++) {
            a->cells[n->local->index] = new_cell((value){.i = i});
            o = eval(a, n->kids[2], &v);
            if (o == BREAKS) break;
            if (o != GO_ON && o != CONTINUES) return o;
        }
        return GO_ON;
    }
    for (;;) {
        outcome o = eval(a, n->kids[0], &v);
        if (o != GO_ON) return o;
        if (!v.i) return GO_ON;
        o = eval(a, n->kids[1], &v);
        if (o == BREAKS) return GO_ON;
        if (o != GO_ON && o != CONTINUES) return o;
        if (n->kids[2] != NULL && (o = eval(a, n->kids[2], &v)) != GO_ON) return o;
    }
}

static outcome eval_kids(activation *a, const th_tir *n, value *out) { /* of nodes that need all their kids first */
    for (uint32_t i = 0; i < n->nkids; i++) {
        outcome o = eval(a, n->kids[i], &out[i]);
        if (o != GO_ON) return o;
    }
    return GO_ON;
}

static outcome eval_object(activation *a, const th_tir *n, value *out) {
    value k[4] = {{0}};
    outcome o = eval_kids(a, n, k);
    if (o != GO_ON) return o;
    items *l = k[0].p;
    switch (n->kind) {
    case TH_TIR_STRUCT: out->p = th_arena_copy(&arena, k, sizeof k); return GO_ON;
    case TH_TIR_FIELD: *out = ((value *)k[0].p)[n->index]; return GO_ON;
    case TH_TIR_FIELD_SET: ((value *)k[0].p)[n->index] = k[1]; return GO_ON;
    case TH_TIR_LIST:
        l = th_arena_zeroed(&arena, sizeof *l);
        l->capacity = 64;
        l->data = th_arena_zeroed(&arena, 64 * sizeof *l->data);
        for (uint32_t i = 0; i < n->nkids; i++) l->data[l->len++] = k[i].i;
        out->p = l;
        return GO_ON;
    case TH_TIR_INDEX:
        if (k[1].i < 0 || (size_t)k[1].i >= l->len) return TRAPS;
        out->i = l->data[k[1].i];
        return GO_ON;
    case TH_TIR_INDEX_SET:
        if (k[1].i < 0 || (size_t)k[1].i >= l->len) return TRAPS;
        l->data[k[1].i] = k[2].i;
        return GO_ON;
    case TH_TIR_LIST_PUSH:
        if (l->len == l->capacity) {
            int64_t *data = th_arena_zeroed(&arena, l->capacity * 2 * sizeof *data);
            memcpy(data, l->data, l->len * sizeof *data);
            l->data = data;
            l->capacity *= 2;
        }
        l->data[l->len++] = k[1].i;
        return GO_ON;
    case TH_TIR_LEN: out->i = n->kids[0]->type == list ? (int64_t)l->len : (int64_t)((text *)k[0].p)->len; return GO_ON;
    case TH_TIR_SOME: out->p = new_cell(k[0]); return GO_ON;
    case TH_TIR_IS_NULL: out->i = k[0].p == NULL; return GO_ON;
    case TH_TIR_UNARY:
        *out = k[0];
        if (n->op == TH_TIR_NOT)
            out->i = !k[0].i;
        else
            out->i = wrap(n->type, n->op == TH_TIR_BNOT ? ~k[0].i : (int64_t)(0 - (uint64_t)k[0].i));
        return GO_ON;
    default: /* CONVERT, from integers */
        if (n->type == TH_TYPE_F64)
            out->f = (double)k[0].i;
        else
            out->i = k[0].i;
        return is_int(n->type) && wrap(n->type, k[0].i) != k[0].i ? TRAPS : GO_ON;
    }
}

static outcome eval(activation *a, const th_tir *n, value *out) {
    value v = {0};
    outcome o;
    *out = v;
    if (++steps > MAX_STEPS) return GIVES_UP;
    switch (n->kind) {
    case TH_TIR_INT: out->i = n->ival; return GO_ON;
    case TH_TIR_FLOAT: out->f = n->fval; return GO_ON;
    case TH_TIR_STRING: *out = of_text(n->text.data, n->text.len, "", 0); return GO_ON;
    case TH_TIR_NULL: return GO_ON;
    case TH_TIR_LOCAL: *out = *a->cells[n->local->index]; return GO_ON;
    case TH_TIR_BINARY: return eval_binary(a, n, out);
    case TH_TIR_AND:
    case TH_TIR_OR:
        o = eval(a, n->kids[0], out);
        if (o != GO_ON || (out->i != 0) == (n->kind == TH_TIR_OR)) return o;
        return eval(a, n->kids[1], out);
    case TH_TIR_IF:
        if ((o = eval(a, n->kids[0], &v)) != GO_ON) return o;
        if (v.i) return eval(a, n->kids[1], out);
        return n->nkids > 2 ? eval(a, n->kids[2], out) : GO_ON;
    case TH_TIR_SWITCH:
        if ((o = eval(a, n->kids[0], &v)) != GO_ON) return o;
        return eval(a, n->kids[v.i >= 0 && v.i < n->nkids - 2 ? v.i + 1 : n->nkids - 1], out);
    case TH_TIR_BLOCK:
        for (uint32_t i = 0; i < n->nkids; i++)
            if ((o = eval(a, n->kids[i], out)) != GO_ON) return o;
        return GO_ON;
    case TH_TIR_LET:
        if ((o = eval(a, n->kids[0], &v)) == GO_ON) a->cells[n->local->index] = new_cell(v);
        return o;
    case TH_TIR_SET:
        if ((o = eval(a, n->kids[0], &v)) == GO_ON) *a->cells[n->local->index] = v;
        return o;
    case TH_TIR_COALESCE:
        if ((o = eval(a, n->kids[0], &v)) != GO_ON) return o;
        if (v.p == NULL) return eval(a, n->kids[1], out);
        *out = *(value *)v.p;
        return GO_ON;
    case TH_TIR_CALL:
    case TH_TIR_CALL_CLOSURE: return eval_call(a, n, out);
    case TH_TIR_CLOSURE: return eval_closure(a, n, out);
    case TH_TIR_WHILE:
    case TH_TIR_FOR_RANGE: return eval_loop(a, n);
    case TH_TIR_BREAK: return BREAKS;
    case TH_TIR_CONTINUE: return CONTINUES;
    case TH_TIR_RETURN:
        if ((o = eval(a, n->kids[0], &v)) != GO_ON) return o;
        a->result = v;
        return RETURNS;
    case TH_TIR_TRY: {
        int depth = depth_now;
        if ((o = eval(a, n->kids[0], out)) != TRAPS) return o;
        depth_now = depth;
        return eval(a, n->kids[1], out);
    }
    default: return eval_object(a, n, out);
    }
}

/* ---- One round ---------------------------------------------------------------------------------------------- */

static void make_types(void) {
    th_types *types = th_builder_types(program.builder);
    th_view names[2] = {th_view_of("x"), th_view_of("s")};
    th_type_id fields[2] = {TH_TYPE_I64, TH_TYPE_STRING}, params[1] = {TH_TYPE_I64};
    assert_int_equal(th_types_add(types, TH_KIND_STRUCT, th_view_of("Pair"), fields, 2, names, 2, &pair), TH_OK);
    assert_int_equal(th_types_list(types, TH_TYPE_I64, &list), TH_OK);
    assert_int_equal(th_types_option(types, TH_TYPE_I64, &option), TH_OK);
    assert_int_equal(th_types_function(types, params, 1, TH_TYPE_I64, &callback), TH_OK);
}

static void make_program(void) {
    program = (th_tir_program){.name = th_view_of("random"), .functions = functions, .start = -1};
    memset(functions, 0, sizeof functions);
    s = NULL;
    nodes = 0;
    assert_int_equal(th_builder_new(&mem, program.name, &program.builder), TH_OK);
    make_types();
    make_function(TH_TYPE_I64, 1, (th_type_id[]){TH_TYPE_I64}, NULL, 0, 0);
    for (uint32_t i = 0, n = 1 + pick(5); i < n; i++) {
        th_type_id params[4] = {any_type(), any_type(), any_type(), any_type()};
        make_function(any_type(), pick(4), params, NULL, 0, 2 + (int)pick(2));
    }
    uint32_t main_index = make_function(TH_TYPE_I64, 1, (th_type_id[]){TH_TYPE_I64}, NULL, 0, 3 + (int)pick(2));
    functions[main_index]->export_name = th_view_of("main");
}

static void show(const th_program *loaded) {
    th_buf out;
    th_buf_init(&out, &mem);
    assert_int_equal(th_program_print(loaded, &out), TH_OK);
    fprintf(stderr, "%s\n", out.data);
    th_buf_clear(&out);
}

static void run_on(uint64_t first, th_engine *engine, th_program *loaded, uint32_t main_index, int64_t argument) {
    value arg = {.i = argument}, expected = {0};
    steps = depth_now = 0;
    outcome o = enter(main_index, &arg, NULL, &expected);
    if (o == GIVES_UP) return;
    th_machine *machine;
    th_unit *unit;
    th_error err;
    th_limits limits = {.fuel = 100000000, .memory_bytes = (size_t)512 << 20};
    assert_int_equal(th_machine_new(engine, &limits, &machine), TH_OK);
    if (th_machine_load(machine, loaded, &unit, &err) != TH_OK)
        fail_msg("seed %llu: %s", (unsigned long long)first, err.message);
    uint64_t word = (uint64_t)argument;
    int64_t index = th_program_find(loaded, th_view_of("main"));
    assert_int_equal(th_machine_begin(machine, th_unit_fn(unit, (uint32_t)index), &word, 1), TH_OK);
    th_run_state state = th_machine_run(machine);
    bool same =
        o == TRAPS ? state == TH_RUN_FAILED : state == TH_RUN_DONE && (int64_t)th_machine_result(machine) == expected.i;
    if (!same) {
        if (getenv("THETA_PRINT")) show(loaded);
        if (state == TH_RUN_DONE)
            fail_msg("THETA_SEED=%llu, main(%lld): %lld, expected %s %lld", (unsigned long long)first,
                     (long long)argument, (long long)th_machine_result(machine), o == TRAPS ? "a trap, not" : "",
                     (long long)expected.i);
        fail_msg("THETA_SEED=%llu, main(%lld): state %d, %s; expected %s %lld", (unsigned long long)first,
                 (long long)argument, (int)state, th_machine_error(machine)->message, o == TRAPS ? "a trap, not" : "",
                 (long long)expected.i);
    }
    th_machine_free(machine);
}

static void round_of(uint64_t first, th_engine *engine) {
    seed = first * 0x9e3779b97f4a7c15u + 1;
    th_arena_init(&arena, &mem);
    make_program();
    uint8_t *bytes = NULL;
    size_t len = 0;
    th_error err = {0};
    if (th_theta_generate(&mem, &arena, &program, &bytes, &len, &err) != TH_OK)
        fail_msg("THETA_SEED=%llu: %s", (unsigned long long)first, err.message);
    th_program *loaded = NULL;
    if (th_program_load(&mem, bytes, len, &loaded, &err) != TH_OK)
        fail_msg("THETA_SEED=%llu: %s", (unsigned long long)first, err.message);
    th_mem_free(&mem, bytes, len);
    uint32_t main_index = program.nfunctions;
    for (uint32_t i = 0; i < program.nfunctions; i++)
        if (functions[i]->export_name.len > 0) main_index = i;
    static const int64_t arguments[] = {0, 3, -7};
    for (size_t i = 0; i < TH_COUNT(arguments); i++) run_on(first, engine, loaded, main_index, arguments[i]);
    th_program_release(loaded);
    th_builder_free(program.builder);
    th_arena_clear(&arena);
}

static void random_programs_give_what_their_trees_mean(void **state) {
    (void)state;
    const char *from = getenv("THETA_SEED"), *count = getenv("THETA_ROUNDS");
    uint64_t first = from ? strtoull(from, NULL, 10) : 1, rounds = count ? strtoull(count, NULL, 10) : from ? 1 : 300;
    th_engine *engine;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    assert_int_equal(th_engine_new(&mem, &engine), TH_OK);
    for (uint64_t i = 0; i < rounds; i++) round_of(first + i, engine);
    th_engine_free(engine);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs_give_what_their_trees_mean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
