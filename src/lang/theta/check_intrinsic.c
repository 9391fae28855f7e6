/*
** check_intrinsic.c - names that are no functions of a library but known to the compiler: len, push, print,
** conversions.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

static const th_ast *at(const arg *a, const th_ast *call) { return a->ast ? a->ast : call; }

static bool count(checker *c, const th_ast *ast, const char *name, uint32_t n, uint32_t least, uint32_t most,
                  const char *form) {
    if (n >= least && n <= most) return true;
    if (tc_error(c, TH_E_REFERENCE, ast, "`%s` takes %s%u argument%s, found %u", name, least == most ? "" : "at least ",
                 least, least == 1 ? "" : "s", n))
        tc_hint(c, "it is %s", form);
    return false;
}

static bool any_bad(checker *c, arg *args, uint32_t n) {
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) bad |= tc_arg_node(c, &args[i])->type == T_BAD;
    return bad;
}

static th_tir *wrong(checker *c, const th_ast *ast, const char *name, ty t, const char *takes) {
    if (tc_error(c, TH_E_TYPE, ast, "`%s` takes %s, found %s", name, takes, tc_text(c, t)) &&
        c->types[tc_shallow(c, t)].kind == TH_KIND_OPTION)
        tc_hint(c, "it may be null: write `... ?? default`, or test it with `!= null` first");
    return tc_bad(c, ast);
}

/* ---- Containers --------------------------------------------------------------------------------------------- */

static th_tir *do_len(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "len", n, 1, 1, "len(list, dict, String or Table)") || any_bad(c, args, n))
        return tc_bad(c, ast);
    th_tir *x = args[0].node;
    ty t = tc_force(c, x->type);
    switch (c->types[t].kind) {
    case TH_KIND_LIST:
    case TH_KIND_DICT:
    case TH_KIND_STRING: return tc_node(c, TH_TIR_LEN, TH_TYPE_I64, ast, 1, x);
    case TH_KIND_TUPLE: return tc_seq(c, x, tc_int(c, TH_TYPE_I64, c->types[t].nargs, ast), ast);
    case TH_KIND_TABLE: return tc_call_named(c, "Table.count", ast, 1, x);
    default: return wrong(c, at(&args[0], ast), "len", t, "a list, a dict, a String or a Table");
    }
}

static ty list_arg(checker *c, const th_ast *ast, arg *a, const char *name) {
    ty t = tc_force(c, tc_arg_node(c, a)->type);
    if (c->types[t].kind == K_HOLE) {
        tc_unify(c, t, tc_list(c, tc_hole(c, false)));
        t = tc_shallow(c, t);
    }
    if (c->types[t].kind == TH_KIND_LIST) return t;
    if (t != T_BAD) wrong(c, at(a, ast), name, t, "a list");
    return T_BAD;
}

static th_tir *do_push(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "push", n, 2, 2, "push(list, value)")) return any_bad(c, args, n), tc_bad(c, ast);
    ty t = list_arg(c, ast, &args[0], "push");
    if (t == T_BAD) return any_bad(c, args, n), tc_bad(c, ast);
    tc_changes(c, args[0].node, at(&args[0], ast));
    ty element = tc_arg(c, t, 0);
    th_tir *x =
        args[1].node ? tc_coerce(c, args[1].node, element, at(&args[1], ast)) : tc_expr(c, args[1].ast, element);
    if (x->type == T_BAD) return x;
    return tc_node(c, TH_TIR_LIST_PUSH, TH_TYPE_VOID, ast, 2, args[0].node, x);
}

static th_tir *do_pop(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "pop", n, 1, 1, "pop(list)")) return any_bad(c, args, n), tc_bad(c, ast);
    ty t = list_arg(c, ast, &args[0], "pop");
    if (t == T_BAD) return tc_bad(c, ast);
    tc_changes(c, args[0].node, at(&args[0], ast));
    return tc_node(c, TH_TIR_LIST_POP, tc_arg(c, t, 0), ast, 1, args[0].node);
}

static th_tir *do_copy(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "copy", n, 1, 1, "copy(value)") || any_bad(c, args, n)) return tc_bad(c, ast);
    return tc_call_builtin(c, "Core.copy", args[0].node->type, ast, 1, args[0].node);
}

static th_tir *member_at(checker *c, const th_ast *ast, arg *args, uint32_t n, uint32_t i, const char *name) {
    if (!count(c, ast, name, n, 1, 1, tc_printf(c, "%s(tuple or list)", name)) || any_bad(c, args, n))
        return tc_bad(c, ast);
    th_tir *x = args[0].node;
    ty t = tc_force(c, x->type);
    if (c->types[t].kind == TH_KIND_TUPLE && i < c->types[t].nargs) {
        th_tir *f = tc_node(c, TH_TIR_FIELD, tc_arg(c, t, i), ast, 1, x);
        f->index = i;
        return f;
    }
    if (c->types[t].kind == TH_KIND_LIST && i == 0) return tc_call_named(c, "List.first", ast, 1, x);
    return wrong(c, at(&args[0], ast), name, t, "a tuple or a list");
}

static th_tir *do_first(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    return member_at(c, ast, args, n, 0, "first");
}

static th_tir *do_second(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    return member_at(c, ast, args, n, 1, "second");
}

static th_tir *do_has(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "has", n, 2, 2, "has(dict, key)") || any_bad(c, args, n)) return tc_bad(c, ast);
    ty t = tc_force(c, args[0].node->type);
    if (c->types[t].kind != TH_KIND_DICT) return wrong(c, at(&args[0], ast), "has", t, "a dict");
    th_tir *key = args[1].node;
    if (key->kind == TH_TIR_STRING && tc_arg(c, t, 0) == TH_TYPE_STRING) key->type = TH_TYPE_STRING;
    key = tc_coerce(c, key, tc_arg(c, t, 0), at(&args[1], ast));
    if (key->type == T_BAD) return key;
    return tc_node(c, TH_TIR_DICT_HAS, TH_TYPE_BOOL, ast, 2, args[0].node, key);
}

static th_tir *do_range(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "range", n, 1, 3, "range(end), range(start, end) or range(start, end, step)") ||
        any_bad(c, args, n))
        return tc_bad(c, ast);
    if (n == 3) return tc_call_named(c, "List.range", ast, 3, args[0].node, args[1].node, args[2].node);
    th_tir *from = n == 1 ? tc_int(c, TH_TYPE_I64, 0, ast) : args[0].node;
    return tc_call_named(c, "List.range", ast, 2, from, args[n - 1].node);
}

/* ---- Output, failure ---------------------------------------------------------------------------------------- */

static th_tir *do_print(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (any_bad(c, args, n)) return tc_bad(c, ast);
    if (n == 0) return tc_call_builtin(c, "Core.print", TH_TYPE_VOID, ast, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (!args[i].name.len) continue;
        tc_error(c, TH_E_REFERENCE, args[i].named, "`print` has no parameter `%.*s`", V(args[i].name));
        return tc_bad(c, ast);
    }
    th_tir *x = args[0].node;
    if (n == 1 && tc_kind(c, x->type) == TH_KIND_TABLE) return tc_call_named(c, "Table.print", ast, 1, x);
    if (n == 1) return tc_call_builtin(c, "Core.print", TH_TYPE_VOID, ast, 1, x);
    th_tir *text = tc_to_string(c, x, at(&args[0], ast));
    for (uint32_t i = 1; i < n; i++) {
        th_tir *space = tc_string(c, th_view_of(" "), ast), *next = tc_to_string(c, args[i].node, at(&args[i], ast));
        text = tc_op(c, TH_TIR_BINARY, TH_TIR_ADD, TH_TYPE_STRING, ast, text, space);
        text = tc_op(c, TH_TIR_BINARY, TH_TIR_ADD, TH_TYPE_STRING, ast, text, next);
    }
    return tc_call_builtin(c, "Core.print", TH_TYPE_VOID, ast, 1, text);
}

static th_tir *trap(checker *c, const th_ast *ast, th_tir *message, th_status status) {
    th_tir *n = tc_node(c, TH_TIR_TRAP, T_NEVER, ast, 1, message);
    n->index = (uint32_t)status;
    return n;
}

static th_tir *do_fail(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "fail", n, 1, 1, "fail(message)") || any_bad(c, args, n)) return tc_bad(c, ast);
    c->facts = &tc_dead;
    return trap(c, ast, tc_to_string(c, args[0].node, at(&args[0], ast)), TH_E_TRAP);
}

static th_tir *do_assert(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "assert", n, 1, 2, "assert(condition, message)")) return any_bad(c, args, n), tc_bad(c, ast);
    const th_ast *condition = args[0].ast;
    fact *if_true = c->facts, *if_false = c->facts;
    th_tir *test = args[0].node ? args[0].node : tc_condition(c, condition, &if_true, &if_false);
    test = tc_coerce(c, test, TH_TYPE_BOOL, at(&args[0], ast));
    c->facts = if_false;
    th_tir *message;
    if (n == 2)
        message = tc_to_string(c, tc_arg_node(c, &args[1]), at(&args[1], ast));
    else if (condition)
        message = tc_string(c,
                            th_view_of(tc_printf(c, "assertion failed: %.*s", (int)(condition->to - condition->from),
                                                 c->file->source->text + condition->from)),
                            ast);
    else
        message = tc_string(c, th_view_of("assertion failed"), ast);
    c->facts = if_true;
    if (test->type == T_BAD || message->type == T_BAD) return tc_bad(c, ast);
    th_tir *no = tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, test, NULL);
    return tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, no, trap(c, ast, message, TH_E_ASSERT), NULL);
}

/* ---- Conversions -------------------------------------------------------------------------------------------- */

static th_tir *number_to(checker *c, th_tir *x, ty to, const th_ast *ast) {
    ty have = tc_shallow(c, x->type);
    if (have == to) {
        if (x->kind == TH_TIR_INT || x->kind == TH_TIR_FLOAT) x->fntype = 0; /* a literal that was converted is none */
        return x;
    }
    if (x->kind == TH_TIR_INT && tc_is_float(to)) {
        th_tir *n = tc_node(c, TH_TIR_FLOAT, to, ast, 0);
        n->fval = to == TH_TYPE_F32 ? (double)(float)x->ival : (double)x->ival;
        return n;
    }
    return tc_node(c, TH_TIR_CONVERT, to, ast, 1, x);
}

static th_tir *text_to(checker *c, th_tir *x, ty to, const th_ast *ast) {
    if (to == TH_TYPE_BOOL) return tc_call_builtin(c, "Core.parse_bool", to, ast, 1, x);
    if (tc_is_int(to)) return number_to(c, tc_call_builtin(c, "Core.parse_i64", TH_TYPE_I64, ast, 1, x), to, ast);
    return number_to(c, tc_call_builtin(c, "Core.parse_f64", TH_TYPE_F64, ast, 1, x), to, ast);
}

th_tir *tc_convert(checker *c, th_tir *x, ty to, const th_ast *ast) {
    ty t = tc_force(c, x->type);
    if (t == T_BAD || x->never) return x;
    if (c->types[t].kind == K_HOLE) {
        ty numeric = tc_hole(c, true);
        tc_unify(c, t, numeric);
        t = tc_force(c, t);
    }
    if (to == TH_TYPE_STRING) return tc_to_string(c, x, ast);
    if (t == to) return x->kind == TH_TIR_INT || x->kind == TH_TIR_FLOAT ? number_to(c, x, to, ast) : x;
    bool number = tc_is_number(to);
    if (number && tc_is_number(t)) return number_to(c, x, to, ast);
    if ((number || to == TH_TYPE_BOOL) && t == TH_TYPE_STRING) return text_to(c, x, to, ast);
    if (tc_is_int(to) && c->types[t].kind == TH_KIND_ENUM) return tc_node(c, TH_TIR_CONVERT, to, ast, 1, x);
    if (tc_is_int(to) && t == TH_TYPE_BOOL)
        return tc_node(c, TH_TIR_IF, to, ast, 3, x, tc_int(c, to, 1, ast), tc_int(c, to, 0, ast));
    if (to == TH_TYPE_SYMBOL && t == TH_TYPE_STRING) return tc_call_named(c, "Symbol.of", ast, 1, x);
    if (!tc_error(c, TH_E_TYPE, ast, "%s cannot be converted to %s", tc_text(c, t), tc_text(c, to)))
        return tc_bad(c, ast);
    if (c->types[t].kind == TH_KIND_OPTION)
        tc_hint(c, "it may be null: write `... ?? default`, or test it with `!= null` first");
    else if (to == TH_TYPE_BOOL && tc_is_number(t))
        tc_hint(c, "write `... != 0`");
    return tc_bad(c, ast);
}

static th_tir *conversion(checker *c, const th_ast *ast, arg *args, uint32_t n, ty to) {
    const char *name = tc_text(c, to);
    if (!count(c, ast, name, n, 1, 1, tc_printf(c, "%s(value)", name)) || any_bad(c, args, n)) return tc_bad(c, ast);
    return tc_convert(c, args[0].node, to, ast);
}

#define CONVERSION(function, type)                                                                                     \
    static th_tir *function(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {                           \
        (void)want;                                                                                                    \
        return conversion(c, ast, args, n, type);                                                                      \
    }
CONVERSION(to_i8, TH_TYPE_I8)
CONVERSION(to_i16, TH_TYPE_I16)
CONVERSION(to_i32, TH_TYPE_I32)
CONVERSION(to_i64, TH_TYPE_I64)
CONVERSION(to_f32, TH_TYPE_F32)
CONVERSION(to_f64, TH_TYPE_F64)
CONVERSION(to_bool, TH_TYPE_BOOL)
CONVERSION(to_string, TH_TYPE_STRING)
CONVERSION(to_symbol, TH_TYPE_SYMBOL)

/* Number(x): a number stays as it is; a text must say which kind is meant. */
static th_tir *to_number(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want) {
    (void)want;
    if (!count(c, ast, "Number", n, 1, 1, "Number(value)") || any_bad(c, args, n)) return tc_bad(c, ast);
    ty t = tc_force(c, args[0].node->type);
    if (t == TH_TYPE_I64 || t == TH_TYPE_F64) return args[0].node;
    if (c->types[t].kind == TH_KIND_ENUM || tc_is_int(t)) return tc_convert(c, args[0].node, TH_TYPE_I64, ast);
    if (tc_error(c, TH_E_TYPE, ast, "%s cannot be converted to Number", tc_text(c, t)))
        tc_hint(c, "write `i64(...)` or `f64(...)`");
    return tc_bad(c, ast);
}

/* ---- The table ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    intrinsic fn;
    uint8_t params; /* as a value */
} table[] = {
    {"len", do_len, 1},       {"push", do_push, 2},     {"pop", do_pop, 1},       {"print", do_print, 1},
    {"copy", do_copy, 1},     {"range", do_range, 2},   {"assert", do_assert, 1}, {"fail", do_fail, 1},
    {"first", do_first, 1},   {"second", do_second, 1}, {"has", do_has, 2},       {"i64", to_i64, 1},
    {"f64", to_f64, 1},       {"String", to_string, 1}, {"i32", to_i32, 1},       {"f32", to_f32, 1},
    {"i8", to_i8, 1},         {"i16", to_i16, 1},       {"bool", to_bool, 1},     {"Boolean", to_bool, 1},
    {"Symbol", to_symbol, 1}, {"Number", to_number, 1},
};

intrinsic tc_intrinsic(th_view name) {
    for (size_t i = 0; i < TH_COUNT(table); i++)
        if (th_view_is(name, table[i].name)) return table[i].fn;
    return NULL;
}

const char *tc_intrinsic_name(size_t i) { return i < TH_COUNT(table) ? table[i].name : NULL; }

th_tir *tc_intrinsic_value(checker *c, th_view name, ty want, const th_ast *ast) {
    size_t k = 0;
    while (k < TH_COUNT(table) && !th_view_is(name, table[k].name)) k++;
    if (k == TH_COUNT(table)) return NULL;
    want = tc_shallow(c, want);
    if (c->types[want].kind == TH_KIND_OPTION) want = tc_arg(c, want, 0);
    if (c->types[want].kind != TH_KIND_FUNCTION) {
        if (tc_error(c, TH_E_TYPE, ast, "`%.*s` works for many types; which one is meant cannot be told here", V(name)))
            tc_hint(c, "write a function around it: `(x<Type>) -> %.*s(x)`", V(name));
        return tc_bad(c, ast);
    }
    uint32_t n = c->types[want].nargs - 1;
    inst *wrapper = NULL, *cur = c->cur;
    fact *facts = c->facts;
    th_tir *closure = tc_wrapper(c, want, ast, name, &wrapper);
    arg *args = tc_new(c, (n + 1) * sizeof *args);
    c->cur = wrapper;
    for (uint32_t i = 0; i < n; i++) {
        wrapper->param_vars[i]->variable = true;
        args[i].node = tc_local_read(c, wrapper->param_vars[i], ast);
    }
    ty result = tc_arg(c, want, n);
    th_tir *body = table[k].fn(c, ast, args, n, result);
    if (result != TH_TYPE_VOID) body = tc_coerce(c, body, result, ast);
    wrapper->tir->body = body;
    c->cur = cur;
    c->facts = facts;
    return body->type == T_BAD ? tc_bad(c, ast) : closure;
}
