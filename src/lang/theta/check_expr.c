/*
** check_expr.c - expressions: literals, names, operators, conditions, containers, fields; and what fits where.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include <math.h>

#define LITERAL                                                                                                        \
    1 /* in fntype of INT and FLOAT while checking: written as a literal, so it adapts to what is expected */

static bool is_literal(const th_tir *n) {
    return (n->kind == TH_TIR_INT || n->kind == TH_TIR_FLOAT) && n->fntype == LITERAL;
}

/* ---- What fits where ---------------------------------------------------------------------------------------- */

static bool int_in_range(int64_t v, ty t) {
    switch (t) {
    case TH_TYPE_I8: return v >= INT8_MIN && v <= INT8_MAX;
    case TH_TYPE_I16: return v >= INT16_MIN && v <= INT16_MAX;
    case TH_TYPE_I32: return v >= INT32_MIN && v <= INT32_MAX;
    default: return true;
    }
}

static bool literal_fits(const th_tir *n, ty want) {
    if (!is_literal(n)) return false;
    if (n->kind == TH_TIR_FLOAT) return tc_is_float(want);
    if (tc_is_int(want)) return int_in_range(n->ival, want);
    int64_t exact = want == TH_TYPE_F64 ? (int64_t)1 << 53 : (int64_t)1 << 24;
    return tc_is_float(want) && n->ival >= -exact && n->ival <= exact;
}

static int64_t alternative_of(checker *c, ty variant, ty t) {
    for (uint32_t i = 0; i < c->types[variant].nargs; i++)
        if (c->types[variant].args[i] == t) return i;
    return -1;
}

/* The alternative that a value of another type (a literal, a type with holes) can be; -1: none. */
static int64_t alternative_for(checker *c, const th_tir *n, ty variant, ty have) {
    int64_t i = alternative_of(c, variant, tc_zonk(c, have));
    if (i >= 0) return i;
    for (uint32_t k = 0; k < c->types[variant].nargs; k++)
        if (literal_fits(n, c->types[variant].args[k])) return k;
    for (uint32_t k = 0; c->types[have].open && k < c->types[variant].nargs; k++)
        if (tc_unify(c, have, c->types[variant].args[k])) return k;
    return -1;
}

static bool alternatives_within(checker *c, ty part, ty whole) {
    for (uint32_t i = 0; i < c->types[part].nargs; i++)
        if (alternative_of(c, whole, c->types[part].args[i]) < 0) return false;
    return true;
}

static bool fits_variant(checker *c, const th_tir *n, ty have, ty want, int *cost) {
    *cost += 2;
    if (c->types[have].kind == TH_KIND_VARIANT) return alternatives_within(c, have, want);
    return alternative_for(c, n, want, have) >= 0;
}

bool tc_fits(checker *c, const th_tir *n, ty have, ty want, int *cost) {
    have = tc_shallow(c, have);
    want = tc_shallow(c, want);
    if (want == T_NONE || have == T_BAD || want == T_BAD || n->never) return true;
    if (have == TH_TYPE_VOID) return want == TH_TYPE_VOID;
    if (c->types[want].kind == K_HOLE) *cost += 3;
    if (tc_unify(c, have, want)) return true;
    uint8_t kind = c->types[want].kind, have_kind = c->types[have].kind;
    if (kind == TH_KIND_OPTION && (have == T_NULL || have_kind != TH_KIND_OPTION)) {
        *cost += 1;
        return have == T_NULL || tc_fits(c, n, have, c->types[want].args[0], cost);
    }
    if (kind == TH_KIND_OPTION && tc_kind(c, c->types[want].args[0]) == TH_KIND_VARIANT) {
        ty inner = tc_arg(c, have, 0);
        return fits_variant(c, n, inner, tc_arg(c, want, 0), cost);
    }
    if (kind == TH_KIND_VARIANT) return fits_variant(c, n, have, want, cost);
    if (kind == TH_KIND_TABLE && have_kind == TH_KIND_TABLE) return c->types[want].nargs == 0;
    *cost += 1;
    return literal_fits(n, want);
}

/* `node` as one of the alternatives of `want`; a Variadic with fewer alternatives is told apart at run time. */
static th_tir *to_variant(checker *c, th_tir *node, ty want, const th_ast *ast) {
    ty have = tc_shallow(c, node->type);
    if (c->types[have].kind != TH_KIND_VARIANT) {
        int64_t i = alternative_for(c, node, want, have);
        th_tir *value = tc_coerce(c, node, c->types[want].args[i < 0 ? 0 : i], ast);
        th_tir *made = tc_node(c, TH_TIR_VARIANT, want, ast, 1, value);
        made->index = (uint32_t)(i < 0 ? 0 : i);
        return made;
    }
    var *v = tc_var_new(c, (th_view){0}, have, ast);
    th_tir *let = tc_let(c, v, node, ast);
    uint32_t n = c->types[have].nargs;
    th_tir **kids = tc_new(c, (n + 1) * sizeof *kids);
    kids[0] = tc_node(c, TH_TIR_VARIANT_TAG, TH_TYPE_I64, ast, 1, tc_local_read(c, v, ast));
    for (uint32_t i = 0; i < n; i++) {
        th_tir *got = tc_node(c, TH_TIR_VARIANT_GET, c->types[have].args[i], ast, 1, tc_local_read(c, v, ast));
        got->index = i;
        kids[i + 1] = tc_node(c, TH_TIR_VARIANT, want, ast, 1, got);
        kids[i + 1]->index = (uint32_t)alternative_of(c, want, c->types[have].args[i]);
    }
    return tc_seq(c, let, tc_node_list(c, TH_TIR_SWITCH, want, ast, kids, n + 1), ast);
}

/* Null stays null; what is there is coerced. */
static th_tir *option_to_option(checker *c, th_tir *node, ty want, const th_ast *ast) {
    var *v = tc_var_new(c, (th_view){0}, node->type, ast);
    th_tir *let = tc_let(c, v, node, ast);
    th_tir *value = tc_node(c, TH_TIR_UNWRAP, tc_arg(c, node->type, 0), ast, 1, tc_local_read(c, v, ast));
    th_tir *some = tc_coerce(c, value, want, ast);
    th_tir *test = tc_node(c, TH_TIR_IS_NULL, TH_TYPE_BOOL, ast, 1, tc_local_read(c, v, ast));
    th_tir *none = tc_node(c, TH_TIR_NULL, want, ast, 0);
    return tc_seq(c, let, tc_node(c, TH_TIR_IF, want, ast, 3, test, none, some), ast);
}

static void literal_as(th_tir *n, ty want) {
    if (n->kind == TH_TIR_INT && tc_is_float(want)) {
        n->kind = TH_TIR_FLOAT;
        n->fval = (double)n->ival;
    }
    n->type = want;
}

static th_tir *adapt(checker *c, th_tir *node, ty want, const th_ast *ast) {
    ty have = tc_shallow(c, node->type);
    uint8_t kind = c->types[want].kind, have_kind = c->types[have].kind;
    if (node->never && (have == T_NEVER || have == TH_TYPE_VOID || c->types[have].kind == K_HOLE)) {
        node->type = want;
        return node;
    }
    if (have == want || have == T_BAD) return node;
    if (node->never) { /* it has a type of its own, though nothing comes of it */
        th_tir *unreached = tc_node(c, TH_TIR_TRAP, want, ast, 1, tc_string(c, (th_view){"", 0}, ast));
        unreached->index = TH_E_TRAP;
        return tc_seq(c, node, unreached, ast);
    }
    if (have == T_NULL && kind == TH_KIND_OPTION) {
        node->type = want;
        return node;
    }
    if (kind == TH_KIND_OPTION && have_kind != TH_KIND_OPTION)
        return tc_node(c, TH_TIR_SOME, want, ast, 1, adapt(c, node, tc_arg(c, want, 0), ast));
    if (kind == TH_KIND_OPTION && tc_kind(c, tc_arg(c, want, 0)) == TH_KIND_VARIANT &&
        tc_zonk(c, have) != tc_zonk(c, want))
        return option_to_option(c, node, want, ast);
    if (kind == TH_KIND_VARIANT) return to_variant(c, node, tc_zonk(c, want), ast);
    if (is_literal(node) && tc_is_number(want)) literal_as(node, want);
    return node;
}

static void mismatch_hint(checker *c, const th_tir *node, ty have, ty want, const th_ast *ast) {
    const char *w = tc_text(c, want);
    if (have == T_NULL)
        tc_hint(c, "only a type with a question mark has null: `%s?`", w);
    else if (c->types[have].kind == TH_KIND_VARIANT)
        tc_hint(c, "it is one of several types: tell them apart with `match x { v<%s> -> ... }`", w);
    else if (c->types[have].kind == TH_KIND_OPTION && tc_unify(c, tc_arg(c, have, 0), want))
        tc_hint(c, "it may be null: write `... ?? default`, or test it with `!= null` first");
    else if (node->kind == TH_TIR_INT && is_literal(node) && tc_is_int(want))
        tc_hint(c, "%lld does not fit into %s", (long long)node->ival, w);
    else if (tc_is_number(have) && tc_is_number(want) && ast->kind == TH_AST_NAME)
        tc_hint(c, "convert it: `%s(%.*s)`", w, V(ast->text));
    else if (tc_is_number(have) && tc_is_number(want))
        tc_hint(c, "convert it: `%s(...)`", w);
    else if (have == TH_TYPE_STRING && tc_is_number(want))
        tc_hint(c, "convert it: `%s(...)` reads a number from a text", w);
    else if (want == TH_TYPE_STRING && have != TH_TYPE_VOID)
        tc_hint(c, "convert it: `String(...)`");
}

static th_tir *mismatch(checker *c, th_tir *node, ty want, const th_ast *ast) {
    ty have = tc_shallow(c, node->type);
    if (have == TH_TYPE_VOID) {
        tc_no_value(c, ast, want);
        return tc_bad(c, ast);
    }
    if (tc_error(c, TH_E_TYPE, ast, "expected %s, found %s", tc_text(c, want), tc_text(c, have)))
        mismatch_hint(c, node, have, want, ast);
    return tc_bad(c, ast);
}

th_tir *tc_coerce(checker *c, th_tir *node, ty want, const th_ast *ast) {
    want = tc_shallow(c, want);
    if (want == TH_TYPE_VOID || want == T_NONE || want == T_BAD || node->type == want) return node;
    int cost = 0;
    uint32_t mark = tc_mark(c);
    if (!tc_fits(c, node, node->type, want, &cost)) {
        tc_undo(c, mark);
        return mismatch(c, node, want, ast);
    }
    return adapt(c, node, tc_shallow(c, want), ast);
}

bool tc_join_nodes(checker *c, th_tir **nodes, const th_ast **asts, uint32_t n, ty *type, bool variadic) {
    ty t = T_NEVER, all[256];
    uint32_t count = 0;
    bool literals = true, mixed = false;
    for (uint32_t i = 0; i < n; i++) {
        ty have =
            nodes[i]->never && tc_shallow(c, nodes[i]->type) == TH_TYPE_VOID ? T_NEVER : tc_shallow(c, nodes[i]->type);
        if (have == TH_TYPE_VOID) { /* one branch without a value: the whole has none */
            *type = TH_TYPE_VOID;
            return true;
        }
        if (count < 256) all[count++] = have;
        ty joined = mixed ? NO_TYPE : tc_join(c, t, have);
        if (joined == NO_TYPE && !mixed) {
            if (literal_fits(nodes[i], t))
                joined = t;
            else if (literals && i > 0 && literal_fits(nodes[0], have))
                joined = have;
        }
        if (joined == NO_TYPE)
            mixed = true;
        else
            t = joined;
        literals &= is_literal(nodes[i]);
    }
    if (mixed && !variadic) return false;
    if (mixed) t = tc_variant(c, all, count);
    for (uint32_t i = 0; i < n; i++) nodes[i] = tc_coerce(c, nodes[i], t, asts[i]);
    *type = t;
    return !mixed;
}

/* ---- Literals ----------------------------------------------------------------------------------------------- */

bool tc_parse_int(th_view text, uint64_t *out) {
    uint64_t value = 0, base = 10;
    size_t i = 0;
    if (text.len > 2 && text.data[0] == '0' && (text.data[1] | 32) == 'x')
        base = 16, i = 2;
    else if (text.len > 2 && text.data[0] == '0' && (text.data[1] | 32) == 'b')
        base = 2, i = 2;
    else if (text.len > 2 && text.data[0] == '0' && (text.data[1] | 32) == 'o')
        base = 8, i = 2;
    for (; i < text.len; i++) {
        char ch = text.data[i];
        if (ch == '_') continue;
        uint64_t digit = ch <= '9' ? (uint64_t)(ch - '0') : (uint64_t)((ch | 32) - 'a' + 10);
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) return false;
    }
    *out = value;
    return true;
}

static th_tir *int_literal(checker *c, const th_ast *ast, bool negative, const th_ast *whole) {
    uint64_t v = 0;
    bool plain = ast->text.len < 2 || ast->text.data[0] != '0' || (unsigned)(ast->text.data[1] - '0') < 10 ||
                 ast->text.data[1] == '_';
    bool fits = tc_parse_int(ast->text, &v);
    if (fits && plain) fits = v <= (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (!fits) {
        if (tc_error(c, TH_E_TYPE, whole, "%s%.*s does not fit into i64", negative ? "-" : "", V(ast->text)))
            tc_hint(c, "a number with a point (%.*s.0) is a f64", V(ast->text));
        return tc_bad(c, whole);
    }
    th_tir *n = tc_int(c, TH_TYPE_I64, (int64_t)(negative ? 0 - v : v), whole);
    n->fntype = LITERAL;
    return n;
}

static th_tir *float_literal(checker *c, const th_ast *ast, bool negative, const th_ast *whole) {
    char *text = tc_new(c, ast->text.len + 2);
    size_t n = 0;
    for (size_t i = 0; i < ast->text.len; i++)
        if (ast->text.data[i] != '_') text[n++] = ast->text.data[i];
    if (n && text[n - 1] == '.') text[n++] = '0';
    double x = 0;
    if (!th_parse_f64((th_view){text, n}, &x)) {
        tc_error(c, TH_E_SYNTAX, ast, "`%.*s` is no number", V(ast->text));
        return tc_bad(c, whole);
    }
    if (isinf(x)) tc_error(c, TH_E_TYPE, ast, "%.*s does not fit into f64", V(ast->text));
    th_tir *node = tc_node(c, TH_TIR_FLOAT, TH_TYPE_F64, whole, 0);
    node->fval = negative ? -x : x;
    node->fntype = LITERAL;
    return node;
}

static th_tir *symbol_literal(checker *c, const th_ast *ast) {
    th_tir *n = tc_string(c, ast->text, ast);
    n->type = TH_TYPE_SYMBOL;
    return n;
}

th_tir *tc_to_string(checker *c, th_tir *node, const th_ast *ast) {
    ty t = tc_force(c, node->type);
    if (t == TH_TYPE_STRING || t == T_BAD || node->never) return node;
    if (t == TH_TYPE_VOID) return mismatch(c, node, TH_TYPE_STRING, ast);
    return tc_call_builtin(c, "Core.text", TH_TYPE_STRING, ast, 1, node);
}

/* From the left, which appends in place; very many parts in halves, so that the tree stays shallow. */
static th_tir *joined(checker *c, th_tir **parts, uint32_t n, const th_ast *ast) {
    if (n > 64) {
        th_tir *a = joined(c, parts, n / 2, ast), *b = joined(c, parts + n / 2, n - n / 2, ast);
        return tc_op(c, TH_TIR_BINARY, TH_TIR_ADD, TH_TYPE_STRING, ast, a, b);
    }
    th_tir *text = parts[0];
    for (uint32_t i = 1; i < n; i++) text = tc_op(c, TH_TIR_BINARY, TH_TIR_ADD, TH_TYPE_STRING, ast, text, parts[i]);
    return text;
}

static th_tir *interpolation(checker *c, const th_ast *ast) {
    th_tir **parts = tc_new(c, (ast->nkids + 1) * sizeof *parts);
    uint32_t n = 0;
    bool bad = false;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        if (kid->kind == TH_AST_STRING && kid->text.len == 0) continue;
        parts[n] = tc_to_string(c, tc_value(c, kid), kid);
        bad |= parts[n++]->type == T_BAD;
    }
    if (bad) return tc_bad(c, ast);
    return n ? joined(c, parts, n, ast) : tc_string(c, (th_view){"", 0}, ast);
}

/* ---- Names -------------------------------------------------------------------------------------------------- */

th_tir *tc_local_read(checker *c, var *v, const th_ast *ast) {
    th_local *local = tc_local_of(c, v);
    th_tir *n = tc_node(c, TH_TIR_LOCAL, v->type, ast, 0);
    n->local = local;
    return n;
}

static th_tir *variable(checker *c, const th_ast *ast, var *v) {
    if (!tc_is_assigned(c, v)) {
        if (tc_error(c, TH_E_REFERENCE, ast, "`%.*s` may not have been given a value here", V(v->name)))
            tc_note(c, v->file, v->ast, "it is declared without one");
        return tc_bad(c, ast);
    }
    th_tir *n = tc_local_read(c, v, ast);
    bool elsewhere = v->variable && v->owner != c->cur; /* by the time a closure runs it may be null again */
    ty narrowed = elsewhere ? T_NONE : tc_narrowed(c, v);
    if (narrowed == T_NONE || tc_kind(c, v->type) != TH_KIND_OPTION) return n;
    return tc_node(c, TH_TIR_UNWRAP, tc_arg(c, v->type, 0), ast, 1, n);
}

static th_tir *enum_value(checker *c, const th_ast *ast, const ref *r) {
    if (r->member >= 0) return tc_int(c, r->type, r->member, ast);
    tdecl *d = c->types[r->type].decl;
    th_tir **kids = tc_new(c, (d->nfields + 1) * sizeof *kids);
    for (uint32_t i = 0; i < d->nfields; i++) kids[i] = tc_int(c, r->type, i, ast);
    return tc_node_list(c, TH_TIR_LIST, tc_list(c, r->type), ast, kids, d->nfields);
}

static th_tir *symbol_value(checker *c, const th_ast *ast, sym *s, ty want) {
    switch (s->kind) {
    case SYM_LOCAL:
        if (!s->var) return tc_bad(c, ast);
        if (s->var->known && !s->var->local) return tc_func_value(c, s->var->known, want, ast);
        return variable(c, ast, s->var);
    case SYM_FUNCS: return tc_func_value(c, s->funcs, want, ast);
    case SYM_GLOBAL: return tc_global_read(c, s->global, ast);
    default:
        if (tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is a type, not a value", V(s->name)) && s->decl &&
            !s->decl->is_enum)
            tc_hint(c, "a value of it is written `@%.*s { ... }`", V(s->name));
        return tc_bad(c, ast);
    }
}

bool tc_outer(checker *c, th_view name) {
    th_view text;
    return c->options->outer_type && c->options->outer_type(c->options->user, name, &text);
}

static th_tir *outer_value(checker *c, const th_ast *ast) {
    th_view text;
    if (!c->options->outer_type || !c->options->outer_type(c->options->user, ast->text, &text)) return NULL;
    ty t = tc_parse_type(c, text, NULL);
    return tc_call_builtin(c, "Session.get", t, ast, 1, tc_string(c, ast->text, ast));
}

static th_tir *name(checker *c, const th_ast *ast, ty want) {
    ref r = tc_resolve_ref(c, ast);
    switch (r.kind) {
    case REF_SYM: return symbol_value(c, ast, r.sym, want);
    case REF_MEMBER_OF_ENUM: return enum_value(c, ast, &r);
    case REF_TOLD: return tc_bad(c, ast);
    default: break;
    }
    th_tir *n = outer_value(c, ast);
    if (n || (n = tc_intrinsic_value(c, ast->text, want, ast))) return n;
    func *core = tc_builtin_funcs(c, th_view_of(tc_printf(c, "Core.%.*s", V(ast->text))));
    if (core) return tc_func_value(c, core, want, ast);
    if (r.kind == REF_CAPSULE || r.kind == REF_PREFIX)
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is a capsule, not a value", V(ast->text));
    else
        tc_unknown(c, ast, ast->text);
    return tc_bad(c, ast);
}

/* ---- Fields and elements ------------------------------------------------------------------------------------ */

static const char *field_list(checker *c, const tdecl *d) {
    const char *all = "";
    for (uint32_t i = 0; i < d->nfields && i < 12; i++)
        all = tc_printf(c, "%s%s%.*s", all, i ? ", " : "", V(d->fields[i].name));
    return d->nfields > 12 ? tc_printf(c, "%s, ...", all) : all;
}

static void no_field(checker *c, const th_ast *ast, ty t, th_view name) {
    th_ast tail = tc_tail(ast);
    if (!tc_error(c, TH_E_REFERENCE, &tail, "%s has no field `%.*s`", tc_text(c, t), V(name))) return;
    const tdecl *d = c->types[t].kind == TH_KIND_STRUCT ? c->types[t].decl : NULL;
    capsule *home = !d && tc_home(c, t) ? tc_capsule(c, th_view_of(tc_home(c, t))) : NULL;
    th_suggest s;
    th_suggest_init(&s, name);
    for (uint32_t i = 0; d && !d->is_enum && i < d->nfields; i++) th_suggest_try(&s, d->fields[i].name);
    if (s.best.len)
        tc_hint(c, "did you mean `%.*s`?", V(s.best));
    else if (th_view_is(name, "length") || th_view_is(name, "len") || th_view_is(name, "size"))
        tc_hint(c, "the length is `len(...)`");
    else if (c->types[t].kind == TH_KIND_DICT)
        tc_hint(c, "an entry of a dict is `d['%.*s']`", V(name));
    else if (home && tc_member(c, home, name))
        tc_hint(c, "`%.*s` is a function: call it, `.%.*s()`", V(name), V(name));
    else if (d && !d->is_enum && d->nfields)
        tc_hint(c, "it has %s", field_list(c, d));
}

static th_tir *field_node(checker *c, const th_ast *ast, th_tir *object, ty t, uint32_t index) {
    th_tir *n = tc_node(c, TH_TIR_FIELD, t, ast, 1, object);
    n->index = index;
    return n;
}

static int64_t error_field(th_view name, ty *t) {
    static const char *const names[] = {"kind", "message", "file", "line", "column", "trace"};
    for (uint32_t i = 0; i < TH_COUNT(names); i++) {
        if (!th_view_is(name, names[i])) continue;
        *t = i == 3 || i == 4 ? TH_TYPE_I64 : TH_TYPE_STRING;
        return i;
    }
    return -1;
}

th_tir *tc_member_of(checker *c, const th_ast *ast, th_tir *object, th_view name) {
    ty t = tc_force(c, object->type), ft = T_BAD;
    int64_t i = -1;
    switch (c->types[t].kind) {
    case K_BAD: return tc_bad(c, ast);
    case K_HOLE:
        tc_error(c, TH_E_TYPE, ast, "the type of this is not known yet, so it cannot be asked for `%.*s`", V(name));
        tc_hint(c, "write the parameter's type: `name<Type>`");
        return tc_bad(c, ast);
    case TH_KIND_OPTION:
        if (tc_error(c, TH_E_TYPE, ast, "this may be null, so it cannot be asked for `%.*s`", V(name)))
            tc_hint(c, "write `?.%.*s`, or test it with `!= null` first", V(name));
        return tc_bad(c, ast);
    case TH_KIND_STRUCT:
        tc_fields(c, c->types[t].decl);
        i = tc_field_index(c->types[t].decl, name);
        if (i >= 0) ft = c->types[t].decl->fields[i].type;
        break;
    case TH_KIND_ERROR: i = error_field(name, &ft); break;
    case TH_KIND_TUPLE: {
        uint64_t k;
        if (name.len && (unsigned)(name.data[0] - '0') < 10 && tc_parse_int(name, &k) && k < c->types[t].nargs) {
            i = (int64_t)k;
            ft = tc_arg(c, t, (uint32_t)k);
        }
        break;
    }
    default: break;
    }
    if (i < 0) {
        no_field(c, ast, t, name);
        return tc_bad(c, ast);
    }
    return field_node(c, ast, object, ft, (uint32_t)i);
}

/* `value?.rest`: null, or what `rest` makes of the value. */
static th_tir *optional_member(checker *c, const th_ast *ast) {
    th_tir *object = tc_value(c, ast->kids[0]);
    ty t = tc_force(c, object->type);
    if (t == T_BAD) return object;
    if (c->types[t].kind != TH_KIND_OPTION) {
        tc_warn(c, ast, "this is never null; `.` will do");
        return tc_member_of(c, ast, object, ast->text);
    }
    var *v = tc_var_new(c, (th_view){0}, t, ast);
    th_tir *let = tc_let(c, v, object, ast);
    th_tir *there = tc_node(c, TH_TIR_UNWRAP, tc_arg(c, t, 0), ast, 1, tc_local_read(c, v, ast));
    th_tir *got = tc_member_of(c, ast, there, ast->text);
    if (got->type == T_BAD) return got;
    ty result = tc_option(c, got->type);
    th_tir *test = tc_node(c, TH_TIR_IS_NULL, TH_TYPE_BOOL, ast, 1, tc_local_read(c, v, ast));
    th_tir *none = tc_node(c, TH_TIR_NULL, result, ast, 0);
    return tc_seq(c, let, tc_node(c, TH_TIR_IF, result, ast, 3, test, none, tc_coerce(c, got, result, ast)), ast);
}

static th_tir *member(checker *c, const th_ast *ast, ty want) {
    if (ast->flags & TH_AST_OPTIONAL) return optional_member(c, ast);
    ref r = tc_resolve_ref(c, ast);
    if (r.kind == REF_SYM) return symbol_value(c, ast, r.sym, want);
    if (r.kind == REF_MEMBER_OF_ENUM) return enum_value(c, ast, &r);
    if (r.kind == REF_TOLD) return tc_bad(c, ast);
    if (r.kind == REF_CAPSULE || r.kind == REF_PREFIX) {
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is a capsule, not a value", V(r.text));
        return tc_bad(c, ast);
    }
    if (tc_unknown_object(c, ast->kids[0])) return tc_bad(c, ast);
    return tc_member_of(c, ast, tc_value(c, ast->kids[0]), ast->text);
}

static th_tir *index_i64(checker *c, th_tir *index, const th_ast *ast) {
    ty t = tc_force(c, index->type);
    if (tc_is_int(t) && t != TH_TYPE_I64) return tc_node(c, TH_TIR_CONVERT, TH_TYPE_I64, ast, 1, index);
    return tc_coerce(c, index, TH_TYPE_I64, ast);
}

/* Keys of dicts: a symbol stands for the string of its name. */
static th_tir *dict_key(checker *c, th_tir *key, ty want, const th_ast *ast) {
    if (tc_shallow(c, want) == TH_TYPE_STRING && tc_shallow(c, key->type) == TH_TYPE_SYMBOL) {
        if (key->kind == TH_TIR_STRING) {
            key->type = TH_TYPE_STRING;
            return key;
        }
        th_tir *text = tc_call_builtin(c, "Core.text", TH_TYPE_STRING, ast, 1, key); /* ":name" */
        return tc_call_named(c, "String.strip_prefix", ast, 2, text, tc_string(c, th_view_of(":"), ast));
    }
    return tc_coerce(c, key, want, ast);
}

static th_tir *tuple_index(checker *c, const th_ast *ast, th_tir *object, ty t, th_tir *index) {
    uint32_t n = c->types[t].nargs;
    if (index->kind != TH_TIR_INT || !is_literal(index)) {
        tc_error(c, TH_E_TYPE, ast,
                 "the members of a tuple have types of their own: the index must be a whole literal");
        return tc_bad(c, ast);
    }
    if (index->ival < 0 || index->ival >= n) {
        tc_error(c, TH_E_TYPE, ast, "%s has the members 0 to %u", tc_text(c, t), n - 1);
        return tc_bad(c, ast);
    }
    return field_node(c, ast, object, tc_arg(c, t, (uint32_t)index->ival), (uint32_t)index->ival);
}

th_tir *tc_index_of(checker *c, const th_ast *ast, th_tir *object, th_tir *index) {
    const th_ast *at = tc_kid(ast, 1) ? tc_kid(ast, 1) : ast;
    ty t = tc_force(c, object->type);
    if (t == T_BAD || index->type == T_BAD) return tc_bad(c, ast);
    switch (c->types[t].kind) {
    case TH_KIND_LIST: return tc_node(c, TH_TIR_INDEX, tc_arg(c, t, 0), ast, 2, object, index_i64(c, index, at));
    case TH_KIND_DICT: {
        th_tir *key = dict_key(c, index, tc_arg(c, t, 0), at);
        return tc_node(c, TH_TIR_DICT_GET, tc_option(c, tc_arg(c, t, 1)), ast, 2, object, key);
    }
    case TH_KIND_TUPLE: return tuple_index(c, ast, object, t, index);
    case TH_KIND_STRING: return tc_call_named(c, "String.char_at", ast, 2, object, index_i64(c, index, at));
    case TH_KIND_OPTION:
        if (tc_error(c, TH_E_TYPE, ast, "this may be null, so it cannot be indexed"))
            tc_hint(c, "test it with `!= null` first, or write `... ?? default`");
        return tc_bad(c, ast);
    default: tc_error(c, TH_E_TYPE, ast, "%s cannot be indexed", tc_text(c, t)); return tc_bad(c, ast);
    }
}

static th_tir *index_expr(checker *c, const th_ast *ast) {
    th_tir *object = tc_value(c, ast->kids[0]);
    th_tir *index = tc_value(c, ast->kids[1]);
    return tc_index_of(c, ast, object, index);
}

/* ---- Containers --------------------------------------------------------------------------------------------- */

/* The part of an expected type that a literal of this kind can be: List<T> in List<T>?, or in a Variadic. */
static ty wanted_kind(checker *c, ty want, uint8_t kind) {
    want = tc_shallow(c, want);
    if (c->types[want].kind == TH_KIND_OPTION) want = tc_arg(c, want, 0);
    if (c->types[want].kind == TH_KIND_VARIANT) {
        for (uint32_t i = 0; i < c->types[want].nargs; i++)
            if (tc_kind(c, c->types[want].args[i]) == kind) return c->types[want].args[i];
    }
    return c->types[want].kind == kind ? want : T_NONE;
}

static void mixed_values(checker *c, const th_ast **asts, th_tir **kids, uint32_t n, const char *what) {
    for (uint32_t i = 1; i < n; i++) {
        ty a = tc_shallow(c, kids[0]->type), b = tc_shallow(c, kids[i]->type);
        if (a == b || tc_join(c, a, b) != NO_TYPE || literal_fits(kids[i], a)) continue;
        if (!tc_error(c, TH_E_TYPE, asts[i], "the %s have one type: the first is %s, this one %s", what, tc_text(c, a),
                      tc_text(c, b)))
            return;
        if (tc_is_number(a) && tc_is_number(b))
            tc_hint(c, "convert one of them: `%s(...)`", tc_text(c, a));
        else
            tc_hint(c, "for several types write it with its type: `name<List<Variadic<...>>> = [...]`");
        return;
    }
}

static th_tir *list_literal(checker *c, const th_ast *ast, ty want) {
    ty list = wanted_kind(c, want, TH_KIND_LIST), element = list == T_NONE ? T_NONE : tc_arg(c, list, 0);
    uint32_t n = ast->nkids;
    th_tir **kids = tc_new(c, (n + 1) * sizeof *kids);
    if (element != T_NONE && c->types[element].kind == K_HOLE && n > 0) element = T_NONE;
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        /* a list of lists: what is known of the first helps the others */
        ty hint = element == T_NONE && i > 0 && c->types[tc_shallow(c, kids[0]->type)].nargs ? kids[0]->type : element;
        kids[i] = hint == element && element == T_NONE ? tc_value(c, ast->kids[i]) : tc_expr(c, ast->kids[i], hint);
        bad |= kids[i]->type == T_BAD;
    }
    if (bad) return tc_bad(c, ast);
    if (element == T_NONE && n > 0 && !tc_join_nodes(c, kids, (const th_ast **)ast->kids, n, &element, false)) {
        mixed_values(c, (const th_ast **)ast->kids, kids, n, "elements of a list");
        return tc_bad(c, ast);
    }
    if (element == T_NONE) element = tc_hole(c, false);
    return tc_node_list(c, TH_TIR_LIST, tc_list(c, element), ast, kids, n);
}

static th_tir *dict_pair(checker *c, const th_ast *pair, ty key, ty value, th_tir **k, th_tir **v) {
    if (pair->kind == TH_AST_NAMED) {
        th_tir *name = tc_string(c, pair->text, pair);
        if (key != T_NONE && tc_shallow(c, key) == TH_TYPE_SYMBOL) name->type = TH_TYPE_SYMBOL;
        *k = dict_key(c, name, key == T_NONE ? TH_TYPE_STRING : key, pair);
        *v = tc_expr(c, pair->kids[0], value);
        return *v;
    }
    th_tir *given = tc_value(c, pair->kids[0]);
    if (key == T_NONE) key = tc_shallow(c, given->type) == TH_TYPE_SYMBOL ? TH_TYPE_STRING : given->type;
    *k = dict_key(c, given, key, pair->kids[0]);
    *v = tc_expr(c, pair->kids[1], value);
    return *v;
}

static th_tir *dict_literal(checker *c, const th_ast *ast, ty want) {
    ty dict = wanted_kind(c, want, TH_KIND_DICT);
    ty key = dict == T_NONE ? T_NONE : tc_arg(c, dict, 0), value = dict == T_NONE ? T_NONE : tc_arg(c, dict, 1);
    uint32_t n = ast->nkids;
    th_tir **kids = tc_new(c, (2 * n + 1) * sizeof *kids), **values = tc_new(c, (n + 1) * sizeof *values);
    const th_ast **asts = tc_new(c, (n + 1) * sizeof *asts);
    bool bad = false, infer = value == T_NONE || c->types[tc_shallow(c, value)].kind == K_HOLE;
    if (infer) value = T_NONE;
    for (uint32_t i = 0; i < n; i++) {
        const th_ast *pair = ast->kids[i];
        if (pair->kind == TH_AST_ERROR) return tc_bad(c, ast);
        dict_pair(c, pair, key, value, &kids[2 * i], &values[i]);
        asts[i] = pair->kids[pair->nkids - 1];
        if (key == T_NONE) key = tc_shallow(c, kids[2 * i]->type);
        bad |= kids[2 * i]->type == T_BAD || values[i]->type == T_BAD;
        if (values[i]->type == TH_TYPE_VOID) bad = mismatch(c, values[i], tc_hole(c, false), asts[i])->type == T_BAD;
    }
    if (bad) return tc_bad(c, ast);
    if (infer && n > 0 && !tc_join_nodes(c, values, asts, n, &value, false)) {
        mixed_values(c, asts, values, n, "values of a dict");
        return tc_bad(c, ast);
    }
    for (uint32_t i = 0; i < n; i++) kids[2 * i + 1] = values[i];
    if (key == T_NONE) key = TH_TYPE_STRING;
    if (value == T_NONE) value = tc_hole(c, false);
    ty t = dict != T_NONE && !infer ? dict : tc_dict(c, key, value);
    uint8_t kk = tc_kind(c, key);
    if (tc_is_float(key) || kk == TH_KIND_LIST || kk == TH_KIND_STRUCT || kk == TH_KIND_TUPLE || kk == TH_KIND_OPTION) {
        tc_error(c, TH_E_TYPE, ast, "%s cannot be a key: keys are strings, symbols, whole numbers, booleans or enums",
                 tc_text(c, key));
        return tc_bad(c, ast);
    }
    return tc_node_list(c, TH_TIR_DICT, t, ast, kids, 2 * n);
}

static th_tir *tuple_literal(checker *c, const th_ast *ast, ty want) {
    ty tuple = wanted_kind(c, want, TH_KIND_TUPLE);
    uint32_t n = ast->nkids;
    if (tuple != T_NONE && c->types[tuple].nargs != n) tuple = T_NONE;
    th_tir **kids = tc_new(c, n * sizeof *kids);
    ty *types = tc_new(c, n * sizeof *types);
    for (uint32_t i = 0; i < n; i++) {
        kids[i] = tuple == T_NONE ? tc_value(c, ast->kids[i]) : tc_expr(c, ast->kids[i], tc_arg(c, tuple, i));
        types[i] = tuple == T_NONE ? kids[i]->type : tc_arg(c, tuple, i);
        if (kids[i]->type == T_BAD) types[i] = T_BAD;
        if (types[i] == T_NULL) kids[i]->type = types[i] = tc_option(c, tc_hole(c, false));
    }
    return tc_node_list(c, TH_TIR_STRUCT, tc_tuple(c, types, n), ast, kids, n);
}

static const th_ast *given_field(const th_ast *ast, th_view name) {
    for (uint32_t i = 1; i < ast->nkids; i++)
        if (ast->kids[i]->kind == TH_AST_NAMED && th_view_eq(ast->kids[i]->text, name)) return ast->kids[i];
    return NULL;
}

static void check_given(checker *c, const th_ast *ast, const tdecl *d) {
    for (uint32_t i = 1; i < ast->nkids; i++) {
        const th_ast *given = ast->kids[i];
        if (given->kind != TH_AST_NAMED) continue;
        if (given_field(ast, given->text) != given)
            tc_error(c, TH_E_REASSIGNMENT, given, "`%.*s` is given twice", V(given->text));
        if (tc_field_index(d, given->text) < 0) no_field(c, given, d->type, given->text);
    }
}

static th_tir *default_of(checker *c, const field *f, const tdecl *d) {
    file *saved_file = c->file;
    scope *saved = c->scope;
    c->file = d->file;
    c->scope = d->scope;
    th_tir *n = tc_expr(c, f->initial, f->type);
    c->file = saved_file;
    c->scope = saved;
    return n;
}

static th_tir *struct_fields(checker *c, const th_ast *ast, tdecl *d, var *spread) {
    th_tir **kids = tc_new(c, (d->nfields + 1) * sizeof *kids), **lets = tc_new(c, (ast->nkids + 1) * sizeof *lets);
    const char *missing = NULL;
    uint32_t nlets = 0, nmissing = 0;
    bool bad = false;
    var **given = tc_new(c, (d->nfields + 1) * sizeof *given);
    bool in_order = true;
    int64_t last = -1;
    for (uint32_t i = 1; i < ast->nkids; i++) { /* values are evaluated in the order they are written */
        int64_t k = ast->kids[i]->kind == TH_AST_NAMED ? tc_field_index(d, ast->kids[i]->text) : -1;
        in_order &= k > last;
        last = k;
    }
    for (uint32_t i = 1; i < ast->nkids; i++) {
        const th_ast *value = tc_kid(ast->kids[i], 0);
        int64_t k = ast->kids[i]->kind == TH_AST_NAMED ? tc_field_index(d, ast->kids[i]->text) : -1;
        th_tir *n = value ? tc_expr(c, value, k < 0 ? T_NONE : d->fields[k].type) : tc_bad(c, ast);
        if (k < 0 || kids[k] || n->type == T_BAD) {
            bad = true;
            continue;
        }
        kids[k] = n;
        if (in_order) continue;
        given[k] = tc_var_new(c, (th_view){0}, d->fields[k].type, value);
        lets[nlets++] = tc_let(c, given[k], n, value);
    }
    for (uint32_t k = 0; k < d->nfields; k++) {
        if (given[k])
            kids[k] = tc_local_read(c, given[k], ast);
        else if (!kids[k] && spread)
            kids[k] = field_node(c, ast, tc_local_read(c, spread, ast), d->fields[k].type, k);
        else if (!kids[k] && d->fields[k].initial)
            kids[k] = default_of(c, &d->fields[k], d);
        else if (!kids[k] && !bad)
            missing = tc_printf(c, "%s%s`%.*s`", missing ? missing : "", nmissing++ ? ", " : "", V(d->fields[k].name));
    }
    if (missing) {
        if (tc_error(c, TH_E_TYPE, ast, "`%.*s` lacks the field%s %s", V(d->name), nmissing > 1 ? "s" : "", missing))
            tc_note(c, d->file, d->ast, "`%.*s` is declared here", V(d->name));
    }
    if (bad || missing) return tc_bad(c, ast);
    th_tir *made = tc_node_list(c, TH_TIR_STRUCT, d->type, ast, kids, d->nfields);
    if (nlets == 0) return made;
    lets[nlets++] = made;
    return tc_node_list(c, TH_TIR_BLOCK, d->type, ast, lets, nlets);
}

static tdecl *struct_named(checker *c, const th_ast *ast) {
    th_ast type = *ast;
    type.kind = TH_AST_TYPE;
    type.nkids = 0;
    type.flags = 0;
    if (c->file->source->text[type.from] == '@') { /* told at the name alone */
        type.from++;
        type.to = type.from + (uint32_t)type.text.len < type.to ? type.from + (uint32_t)type.text.len : type.to;
    }
    ty t = tc_resolve(c, &type, NULL);
    if (c->types[t].kind == TH_KIND_STRUCT) return c->types[t].decl;
    if (t != T_BAD) tc_error(c, TH_E_TYPE, &type, "`%.*s` is no struct", V(ast->text));
    return NULL;
}

static th_tir *struct_literal(checker *c, const th_ast *ast) {
    tdecl *d = struct_named(c, ast);
    if (!d) {
        for (uint32_t i = 1; i < ast->nkids; i++)
            if (tc_kid(ast->kids[i], 0)) tc_expr(c, ast->kids[i]->kids[0], T_NONE);
        return tc_bad(c, ast);
    }
    tc_fields(c, d);
    check_given(c, ast, d);
    const th_ast *from = tc_kid(ast, 0);
    if (!from) return struct_fields(c, ast, d, NULL);
    th_tir *base = tc_expr(c, from, d->type);
    if (base->type == T_BAD) return base;
    var *v = tc_var_new(c, (th_view){0}, d->type, ast);
    th_tir *let = tc_let(c, v, base, ast);
    th_tir *made = struct_fields(c, ast, d, v);
    return made->type == T_BAD ? made : tc_seq(c, let, made, ast);
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

static const char *token_text(uint8_t token) {
    switch (token) {
    case TH_TOKEN_PLUS: return "+";
    case TH_TOKEN_MINUS: return "-";
    case TH_TOKEN_STAR: return "*";
    case TH_TOKEN_SLASH: return "/";
    case TH_TOKEN_PERCENT: return "%";
    case TH_TOKEN_POWER: return "**";
    case TH_TOKEN_EQ: return "==";
    case TH_TOKEN_NE: return "!=";
    case TH_TOKEN_LT: return "<";
    case TH_TOKEN_LE: return "<=";
    case TH_TOKEN_GT: return ">";
    case TH_TOKEN_GE: return ">=";
    case TH_TOKEN_AMPERSAND: return "&";
    case TH_TOKEN_BAR: return "|";
    case TH_TOKEN_CARET: return "^";
    case TH_TOKEN_SHL: return "<<";
    case TH_TOKEN_SHR: return ">>";
    case TH_TOKEN_AND_AND: return "&&";
    case TH_TOKEN_OR_OR: return "||";
    default: return "?";
    }
}

static int token_op(uint8_t token) {
    switch (token) {
    case TH_TOKEN_PLUS: return TH_TIR_ADD;
    case TH_TOKEN_MINUS: return TH_TIR_SUB;
    case TH_TOKEN_STAR: return TH_TIR_MUL;
    case TH_TOKEN_SLASH: return TH_TIR_DIV;
    case TH_TOKEN_PERCENT: return TH_TIR_REM;
    case TH_TOKEN_POWER: return TH_TIR_POW;
    case TH_TOKEN_AMPERSAND: return TH_TIR_BAND;
    case TH_TOKEN_BAR: return TH_TIR_BOR;
    case TH_TOKEN_CARET: return TH_TIR_BXOR;
    case TH_TOKEN_SHL: return TH_TIR_SHL;
    case TH_TOKEN_SHR: return TH_TIR_SHR;
    case TH_TOKEN_EQ: return TH_TIR_EQ;
    case TH_TOKEN_NE: return TH_TIR_NE;
    case TH_TOKEN_LT: return TH_TIR_LT;
    case TH_TOKEN_LE: return TH_TIR_LE;
    case TH_TOKEN_GT: return TH_TIR_GT;
    case TH_TOKEN_GE: return TH_TIR_GE;
    default: return -1;
    }
}

static bool is_comparison(const th_ast *ast) {
    return ast->kind == TH_AST_BINARY && token_op(ast->op) >= TH_TIR_LT && token_op(ast->op) <= TH_TIR_GE;
}

/* A text beside a number: in an addition the number becomes a text, anywhere else the text a number. */
static void text_and_number_hint(checker *c, const th_ast *ast, bool text_left, ty number) {
    const th_ast *side = tc_kid(ast, text_left ? 0 : 1);
    bool named = side && side->kind == TH_AST_NAME;
    if (ast->op == TH_TOKEN_PLUS)
        tc_hint(c, "make it a text with `String(...)`, or write '${...}' inside the text");
    else
        tc_hint(c, "`%s(%.*s)` reads a number from a text", tc_text(c, number), named ? (int)side->text.len : 3,
                named ? side->text.data : "...");
}

static void operands_hint(checker *c, const th_ast *ast, th_tir *a, th_tir *b) {
    ty ta = tc_shallow(c, a->type), tb = tc_shallow(c, b->type);
    th_tir *whole = is_literal(a) && a->kind == TH_TIR_INT ? a : is_literal(b) && b->kind == TH_TIR_INT ? b : NULL;
    ty other = whole == a ? tb : ta;
    uint8_t ka = c->types[ta].kind, kb = c->types[tb].kind;
    if (ka == TH_KIND_FUNCTION || kb == TH_KIND_FUNCTION)
        tc_hint(c, "a function is called with parentheses: `f()`");
    else if ((ta == TH_TYPE_STRING && tc_is_number(tb)) || (tb == TH_TYPE_STRING && tc_is_number(ta)))
        text_and_number_hint(c, ast, ta == TH_TYPE_STRING, ta == TH_TYPE_STRING ? tb : ta);
    else if (ka == TH_KIND_OPTION || kb == TH_KIND_OPTION)
        tc_hint(c, "%s may be null: write `... ?? default`, or test it with `!= null` first",
                ka == TH_KIND_OPTION ? "the left side" : "the right side");
    else if (whole && tc_is_float(other))
        tc_hint(c, "write %lld.0", (long long)whole->ival);
    else if (tc_is_number(ta) && tc_is_number(tb)) {
        bool left = tc_is_int(ta) && tc_is_float(tb);
        const th_ast *side = tc_kid(ast, left ? 0 : 1);
        ty to = left ? tb : ta;
        if (tc_is_float(to) || !tc_is_float(tb))
            tc_hint(c, "convert one of them: `%s(%.*s)`", tc_text(c, to), side ? (int)(side->to - side->from) : 3,
                    side ? c->file->source->text + side->from : "...");
        else
            tc_hint(c, "convert one of them: `f64(...)` or `%s(...)`", tc_text(c, to));
    } else if (ast->op == TH_TOKEN_PLUS && (ta == TH_TYPE_STRING || tb == TH_TYPE_STRING))
        tc_hint(c, "make it a text with `String(...)`, or write '${...}' inside the text");
    else if (ast->op == TH_TOKEN_PLUS && ka == TH_KIND_LIST && tc_unify(c, tc_arg(c, ta, 0), tb))
        tc_hint(c, "lists are joined with lists: write `... + [x]`");
    else if (ast->op == TH_TOKEN_PLUS_ASSIGN && ka == TH_KIND_LIST && tc_unify(c, tc_arg(c, ta, 0), tb))
        tc_hint(c, "an element is added with `push(list, x)`; lists are joined with lists: `[x]`");
    else if (ta == TH_TYPE_BOOL && ast->nkids && is_comparison(ast) && is_comparison(ast->kids[0]))
        tc_hint(c, "a comparison has two sides: write `a < b && b < c`");
    else if (ka == TH_KIND_ENUM && tc_is_int(tb))
        tc_hint(c, "an enum is no number: write `i64(...)`");
}

static th_tir *operands_differ(checker *c, const th_ast *ast, uint8_t token, th_tir *a, th_tir *b) {
    if (tc_error(c, TH_E_TYPE, ast, "`%s` needs the same type on both sides, found %s and %s", token_text(token),
                 tc_text(c, a->type), tc_text(c, b->type)))
        operands_hint(c, ast, a, b);
    return tc_bad(c, ast);
}

static bool whole_floats_mix(checker *c, const th_tir *a, const th_tir *b) {
    return is_literal(a) && is_literal(b)
               ? true
               : !tc_is_float(tc_shallow(c, a->type)) && !tc_is_float(tc_shallow(c, b->type));
}

/* In a function over Number that is checked for f64, whole literals are Numbers too. */
static bool over_decimals(checker *c) {
    for (const inst *i = c->cur; i; i = i->outer)
        for (uint32_t k = 0; i->func && k < i->func->nvars; k++)
            if (c->types[i->func->vars[k]].numeric && tc_shallow(c, i->types[k]) == TH_TYPE_F64) return true;
    return false;
}

/* Brings both sides to one type: literals adapt, holes are filled. NO_TYPE: they differ. */
static ty same_type(checker *c, th_tir **a, th_tir **b, const th_ast *ast) {
    ty ta = tc_shallow(c, (*a)->type), tb = tc_shallow(c, (*b)->type);
    if (ta == tb) return ta;
    if ((*a)->never) return tb;
    if ((*b)->never) return ta;
    if (tc_unify(c, ta, tb)) return tc_shallow(c, ta);
    bool floats = is_literal(*a) && (*a)->kind == TH_TIR_FLOAT ? true : is_literal(*b) && (*b)->kind == TH_TIR_FLOAT;
    if (!floats && !whole_floats_mix(c, *a, *b) && !over_decimals(c)) return NO_TYPE;
    if (literal_fits(*b, ta)) {
        if ((*b)->kind == TH_TIR_INT && tc_is_float(ta) && !is_literal(*a) && !over_decimals(c)) return NO_TYPE;
        *b = tc_coerce(c, *b, ta, ast);
        return ta;
    }
    if (literal_fits(*a, tb)) {
        if ((*a)->kind == TH_TIR_INT && tc_is_float(tb) && !is_literal(*b) && !over_decimals(c)) return NO_TYPE;
        *a = tc_coerce(c, *a, tb, ast);
        return tb;
    }
    return NO_TYPE;
}

/* Sums and products of literals stay literals, so that they adapt like one. */
static th_tir *fold(checker *c, const th_ast *ast, int op, th_tir *a, th_tir *b) {
    if (!is_literal(a) || !is_literal(b) || a->kind != TH_TIR_INT || b->kind != TH_TIR_INT) return NULL;
    int64_t v = 0;
    bool overflow;
    switch (op) {
    case TH_TIR_ADD: overflow = __builtin_add_overflow(a->ival, b->ival, &v); break;
    case TH_TIR_SUB: overflow = __builtin_sub_overflow(a->ival, b->ival, &v); break;
    case TH_TIR_MUL: overflow = __builtin_mul_overflow(a->ival, b->ival, &v); break;
    default: return NULL;
    }
    if (overflow) return NULL;
    th_tir *n = tc_int(c, TH_TYPE_I64, v, ast);
    n->fntype = LITERAL;
    return n;
}

static bool allowed(checker *c, int op, ty t) {
    uint8_t kind = c->types[t].kind;
    bool number = tc_is_number(t) || (kind == K_HOLE && c->types[t].numeric);
    switch (op) {
    case TH_TIR_ADD: return number || t == TH_TYPE_STRING;
    case TH_TIR_SUB:
    case TH_TIR_MUL:
    case TH_TIR_DIV:
    case TH_TIR_REM:
    case TH_TIR_POW: return number;
    case TH_TIR_BAND:
    case TH_TIR_BOR:
    case TH_TIR_BXOR:
    case TH_TIR_SHL:
    case TH_TIR_SHR: return tc_is_int(t) || (kind == K_HOLE && c->types[t].numeric);
    default: return number || t == TH_TYPE_STRING || t == TH_TYPE_SYMBOL || kind == TH_KIND_ENUM || t == TH_TYPE_BOOL;
    }
}

static th_tir *ordering(checker *c, const th_ast *ast, int op, ty t, th_tir *a, th_tir *b) {
    uint8_t kind = c->types[t].kind;
    if (kind != TH_KIND_LIST && kind != TH_KIND_TUPLE) return NULL;
    th_tir *order = tc_call_builtin(c, "Core.compare", TH_TYPE_I64, ast, 2, a, b);
    return tc_op(c, TH_TIR_BINARY, (th_tir_op)op, TH_TYPE_BOOL, ast, order, tc_int(c, TH_TYPE_I64, 0, ast));
}

static th_tir *not_for(checker *c, const th_ast *ast, uint8_t token, ty t) {
    if (!tc_error(c, TH_E_TYPE, ast, "`%s` does not work on %s", token_text(token), tc_text(c, t)))
        return tc_bad(c, ast);
    if (c->types[t].kind == TH_KIND_OPTION)
        tc_hint(c, "it may be null: write `... ?? default`, or test it with `!= null` first");
    else if (t == TH_TYPE_BOOL && token == TH_TOKEN_AMPERSAND)
        tc_hint(c, "write `&&`");
    else if (t == TH_TYPE_BOOL && token == TH_TOKEN_BAR)
        tc_hint(c, "write `||`");
    else if (c->types[t].kind == TH_KIND_ENUM)
        tc_hint(c, "an enum is no number: write `i64(...)`");
    return tc_bad(c, ast);
}

th_tir *tc_equal(checker *c, th_tir *a, th_tir *b, bool negate, const th_ast *ast) {
    ty t = tc_force(c, a->type);
    th_tir_op op = negate ? TH_TIR_NE : TH_TIR_EQ;
    if (c->types[t].kind == K_HOLE) t = TH_TYPE_I64;
    if (allowed(c, TH_TIR_LT, t)) return tc_op(c, TH_TIR_BINARY, op, TH_TYPE_BOOL, ast, a, b);
    if (c->types[t].kind == TH_KIND_FUNCTION || c->types[t].kind == TH_KIND_TABLE)
        return not_for(c, ast, negate ? TH_TOKEN_NE : TH_TOKEN_EQ, t);
    th_tir *same = tc_call_builtin(c, "Core.equal", TH_TYPE_BOOL, ast, 2, a, b);
    return negate ? tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, same, NULL) : same;
}

static th_tir *null_test(checker *c, const th_ast *ast, th_tir *value, bool negate) {
    ty t = tc_force(c, value->type);
    if (t == T_BAD) return value;
    if (t == T_NULL) return tc_bool(c, !negate, ast);
    if (c->types[t].kind == K_HOLE)
        tc_unify(c, t, T_NULL);
    else if (c->types[t].kind != TH_KIND_OPTION) {
        tc_warn(c, ast, "%s is never null", tc_text(c, t));
        return tc_seq(c, value, tc_bool(c, negate, ast), ast);
    }
    th_tir *n = tc_node(c, TH_TIR_IS_NULL, TH_TYPE_BOOL, ast, 1, value);
    return negate ? tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, n, NULL) : n;
}

/* Equality where one side may be nullable or a Variadic and the other not. */
static th_tir *equality(checker *c, const th_ast *ast, uint8_t token, th_tir *a, th_tir *b) {
    bool negate = token == TH_TOKEN_NE;
    ty ta = tc_shallow(c, a->type), tb = tc_shallow(c, b->type);
    if (tb == T_NULL) return null_test(c, ast, a, negate);
    if (ta == T_NULL) return null_test(c, ast, b, negate);
    ty t = same_type(c, &a, &b, ast);
    if (t != NO_TYPE) return t == T_BAD ? tc_bad(c, ast) : tc_equal(c, a, b, negate, ast);
    int cost = 0;
    uint8_t ka = c->types[ta].kind, kb = c->types[tb].kind;
    uint32_t mark = tc_mark(c);
    if ((ka == TH_KIND_OPTION || ka == TH_KIND_VARIANT) && tc_fits(c, b, tb, ta, &cost))
        return tc_equal(c, a, tc_coerce(c, b, ta, ast), negate, ast);
    tc_undo(c, mark);
    if ((kb == TH_KIND_OPTION || kb == TH_KIND_VARIANT) && tc_fits(c, a, ta, tb, &cost))
        return tc_equal(c, tc_coerce(c, a, tb, ast), b, negate, ast);
    tc_undo(c, mark);
    return operands_differ(c, ast, token, a, b);
}

th_tir *tc_binary_nodes(checker *c, const th_ast *ast, uint8_t token, th_tir *a, th_tir *b) {
    int op = token_op(token);
    if (a->type == T_BAD || b->type == T_BAD || op < 0) return tc_bad(c, ast);
    if (token == TH_TOKEN_EQ || token == TH_TOKEN_NE) return equality(c, ast, token, a, b);
    th_tir *folded = fold(c, ast, op, a, b);
    if (folded) return folded;
    ty t = same_type(c, &a, &b, ast);
    if (t == NO_TYPE) return operands_differ(c, ast, token, a, b);
    if (t == T_BAD) return tc_bad(c, ast);
    if (c->types[t].kind == K_HOLE && !c->types[t].numeric) {
        ty numeric = tc_hole(c, true);
        tc_unify(c, t, numeric); /* an operator's operands of unknown type are numbers */
        t = tc_shallow(c, t);
    }
    if (op >= TH_TIR_LT) {
        th_tir *n = ordering(c, ast, op, t, a, b);
        if (n) return n;
    }
    if (op == TH_TIR_ADD && c->types[t].kind == TH_KIND_LIST) return tc_call_named(c, "List.concat", ast, 2, a, b);
    if (!allowed(c, op, t) || (op >= TH_TIR_LT && t == TH_TYPE_BOOL)) return not_for(c, ast, token, t);
    return tc_op(c, TH_TIR_BINARY, (th_tir_op)op, op >= TH_TIR_EQ ? TH_TYPE_BOOL : t, ast, a, b);
}

static th_tir *unary(checker *c, const th_ast *ast) {
    const th_ast *kid = ast->kids[0];
    if (ast->op == TH_TOKEN_MINUS && kid->kind == TH_AST_INT) return int_literal(c, kid, true, ast);
    if (ast->op == TH_TOKEN_MINUS && kid->kind == TH_AST_FLOAT) return float_literal(c, kid, true, ast);
    th_tir *a = tc_value(c, kid);
    ty t = tc_shallow(c, a->type);
    if (t == T_BAD) return a;
    if (c->types[t].kind == K_HOLE && !c->types[t].numeric) {
        ty numeric = tc_hole(c, true);
        tc_unify(c, t, numeric);
        t = tc_shallow(c, t);
    }
    bool number = tc_is_number(t) || c->types[t].kind == K_HOLE;
    if (ast->op == TH_TOKEN_MINUS && number) return tc_op(c, TH_TIR_UNARY, TH_TIR_NEG, t, ast, a, NULL);
    if (ast->op == TH_TOKEN_TILDE && tc_is_int(tc_force(c, t)))
        return tc_op(c, TH_TIR_UNARY, TH_TIR_BNOT, tc_force(c, t), ast, a, NULL);
    tc_error(c, TH_E_TYPE, ast, "`%s` does not work on %s", ast->op == TH_TOKEN_MINUS ? "-" : "~", tc_text(c, t));
    return tc_bad(c, ast);
}

/* ---- Conditions --------------------------------------------------------------------------------------------- */

static th_tir *boolean(checker *c, const th_ast *ast) {
    th_tir *n = tc_value(c, ast);
    ty t = tc_shallow(c, n->type);
    if (t == TH_TYPE_BOOL || t == T_BAD || n->never || tc_unify(c, t, TH_TYPE_BOOL)) return n;
    if (!tc_error(c, TH_E_TYPE, ast, "expected a condition (bool), found %s", tc_text(c, t))) return tc_bad(c, ast);
    if (tc_is_int(t))
        tc_hint(c, "write `... != 0`");
    else if (tc_is_float(t))
        tc_hint(c, "write `... != 0.0`");
    else if (c->types[t].kind == TH_KIND_OPTION)
        tc_hint(c, "write `... != null`");
    else if (t == TH_TYPE_STRING || c->types[t].kind == TH_KIND_LIST)
        tc_hint(c, "write `len(...) > 0`");
    return tc_bad(c, ast);
}

static const th_ast *tested_name(const th_ast *ast) {
    const th_ast *a = ast->kids[0], *b = ast->kids[1];
    if (a->kind == TH_AST_NULL) return b->kind == TH_AST_NAME ? b : NULL;
    return b->kind == TH_AST_NULL && a->kind == TH_AST_NAME ? a : NULL;
}

/* `x == null`, `x != null`: what is known of x afterwards. */
static void narrow(checker *c, const th_ast *ast, fact **if_true, fact **if_false) {
    const th_ast *tested = tested_name(ast);
    sym *s = tested ? tc_lookup(c, tested->text) : NULL;
    if (!s || s->kind != SYM_LOCAL || !s->var || tc_kind(c, s->var->type) != TH_KIND_OPTION) return;
    fact *saved = c->facts;
    tc_assume(c, s->var, tc_arg(c, s->var->type, 0));
    *(ast->op == TH_TOKEN_NE ? if_true : if_false) = c->facts;
    c->facts = saved;
}

static th_tir *both_conditions(checker *c, const th_ast *ast, fact **if_true, fact **if_false) {
    bool both = ast->op == TH_TOKEN_AND_AND;
    fact *at, *af, *bt, *bf;
    th_tir *a = tc_condition(c, ast->kids[0], &at, &af);
    c->facts = both ? at : af;
    th_tir *b = tc_condition(c, ast->kids[1], &bt, &bf);
    *if_true = both ? bt : tc_merge(c, at, bt);
    *if_false = both ? tc_merge(c, af, bf) : bf;
    if (a->type == T_BAD || b->type == T_BAD) return tc_bad(c, ast);
    return tc_node(c, both ? TH_TIR_AND : TH_TIR_OR, TH_TYPE_BOOL, ast, 2, a, b);
}

th_tir *tc_condition(checker *c, const th_ast *ast, fact **if_true, fact **if_false) {
    if (++c->depth > TC_MAX_DEPTH) {
        c->depth--;
        *if_true = *if_false = c->facts;
        tc_error(c, TH_E_LIMIT, ast, "this is nested too deeply");
        return tc_bad(c, ast);
    }
    th_tir *n;
    if (ast->kind == TH_AST_UNARY && ast->op == TH_TOKEN_NOT) {
        n = tc_condition(c, ast->kids[0], if_false, if_true);
        if (n->type != T_BAD) n = tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, n, NULL);
    } else if (ast->kind == TH_AST_BINARY && (ast->op == TH_TOKEN_AND_AND || ast->op == TH_TOKEN_OR_OR)) {
        n = both_conditions(c, ast, if_true, if_false);
    } else {
        bool equality_test = ast->kind == TH_AST_BINARY && (ast->op == TH_TOKEN_EQ || ast->op == TH_TOKEN_NE);
        n = boolean(c, ast);
        *if_true = ast->kind == TH_AST_FALSE ? &tc_dead : c->facts;
        *if_false = ast->kind == TH_AST_TRUE ? &tc_dead : c->facts;
        if (equality_test) narrow(c, ast, if_true, if_false);
    }
    c->depth--;
    return n;
}

static th_tir *logical(checker *c, const th_ast *ast) {
    fact *if_true, *if_false;
    th_tir *n = tc_condition(c, ast, &if_true, &if_false);
    c->facts = tc_merge(c, if_true, if_false);
    return n;
}

static th_tir *coalesce_default(checker *c, const th_ast *ast, ty want) {
    fact *before = c->facts;
    th_tir *b = tc_expr(c, ast, want);
    c->facts = tc_merge(c, before, c->facts);
    return b;
}

static th_tir *coalesce(checker *c, const th_ast *ast, ty want) {
    th_tir *a = tc_value(c, ast->kids[0]);
    ty t = tc_force(c, a->type);
    if (t == T_NULL) return tc_expr(c, ast->kids[1], want == TH_TYPE_VOID ? T_NONE : want);
    if (c->types[t].kind == K_HOLE) {
        tc_unify(c, t, T_NULL);
        t = tc_shallow(c, t);
    }
    if (c->types[t].kind != TH_KIND_OPTION) {
        if (t != T_BAD) tc_warn(c, ast, "the left side of `??` is %s, which is never null", tc_text(c, t));
        coalesce_default(c, ast->kids[1], T_NONE);
        return a;
    }
    ty inner = tc_arg(c, t, 0);
    th_tir *b = coalesce_default(c, ast->kids[1], T_NONE);
    if (b->type == T_BAD) return b;
    ty bt = tc_shallow(c, b->type);
    ty result = c->types[bt].kind == TH_KIND_OPTION || bt == T_NULL ? t : inner;
    b = tc_coerce(c, b, result, ast->kids[1]);
    bool simple =
        b->kind == TH_TIR_LOCAL || b->kind == TH_TIR_INT || b->kind == TH_TIR_FLOAT || b->kind == TH_TIR_STRING;
    if (a->kind == TH_TIR_DICT_GET && simple && result == inner)
        return tc_node(c, TH_TIR_DICT_GET_OR, inner, ast, 3, a->kids[0], a->kids[1], b);
    return tc_node(c, TH_TIR_COALESCE, result, ast, 2, a, b);
}

static bool is_container(const th_ast *ast) {
    return ast->kind == TH_AST_LIST || ast->kind == TH_AST_DICT || ast->kind == TH_AST_TUPLE;
}

/* Where values are compared, a list, dict or tuple written out has the type of the other side. */
static void operands(checker *c, const th_ast *ast, th_tir **a, th_tir **b) {
    const th_ast *left = ast->kids[0], *right = ast->kids[1];
    bool compares = ast->op == TH_TOKEN_EQ || ast->op == TH_TOKEN_NE;
    if (compares && is_container(left) && !is_container(right)) {
        *b = tc_value(c, right);
        *a = tc_expr(c, left, (*b)->type == T_NULL ? T_NONE : (*b)->type);
        return;
    }
    *a = tc_value(c, left);
    bool known = compares && is_container(right) && (*a)->type != T_NULL && !c->types[tc_shallow(c, (*a)->type)].open;
    *b = known ? tc_expr(c, right, (*a)->type) : tc_value(c, right);
}

static th_tir *binary(checker *c, const th_ast *ast, ty want) {
    switch (ast->op) {
    case TH_TOKEN_AND_AND:
    case TH_TOKEN_OR_OR: return logical(c, ast);
    case TH_TOKEN_COALESCE: return coalesce(c, ast, want);
    default: {
        th_tir *a, *b;
        operands(c, ast, &a, &b);
        return tc_binary_nodes(c, ast, ast->op, a, b);
    }
    }
}

/* ---- if ----------------------------------------------------------------------------------------------------- */

static th_tir *branch(checker *c, const th_ast *ast, ty want) {
    if (ast->kind == TH_AST_BLOCK || ast->kind == TH_AST_IF) return tc_expr(c, ast, want);
    const th_ast *block = c->block;
    c->block = NULL; /* a statement alone: nothing comes after it in its scope */
    tc_push_scope(c);
    th_tir *n = tc_expr(c, ast, want);
    tc_pop_scope(c);
    c->block = block;
    return n;
}

static th_tir *if_expr(checker *c, const th_ast *ast, ty want) {
    fact *if_true, *if_false;
    th_tir *test = tc_condition(c, ast->kids[0], &if_true, &if_false);
    const th_ast *other = tc_kid(ast, 2);
    bool free = want != TH_TYPE_VOID && (want == T_NONE || tc_kind(c, want) == K_HOLE);
    ty inner = !other ? TH_TYPE_VOID : free ? T_NONE : want; /* both branches have a say in what is not known yet */
    c->facts = if_true;
    th_tir *then = branch(c, ast->kids[1], inner);
    fact *after_then = c->facts;
    c->facts = if_false;
    th_tir *otherwise = other ? branch(c, other, inner) : NULL;
    c->facts = tc_merge(c, after_then, c->facts);
    if (test->type == T_BAD || then->type == T_BAD || (otherwise && otherwise->type == T_BAD)) return tc_bad(c, ast);
    ty type = TH_TYPE_VOID;
    if (otherwise && want != TH_TYPE_VOID) {
        th_tir *both[2] = {then, otherwise};
        const th_ast *asts[2] = {ast->kids[1], other};
        type = want;
        if (free) tc_join_nodes(c, both, asts, 2, &type, true);
        then = both[0];
        otherwise = both[1];
    }
    if (type == T_NEVER) type = TH_TYPE_VOID;
    th_tir *n = tc_node(c, TH_TIR_IF, type, ast, 3, test, then, otherwise);
    if (!otherwise && want != TH_TYPE_VOID && want != T_NONE && tc_kind(c, want) != K_HOLE) {
        if (tc_error(c, TH_E_TYPE, ast, "this `if` has no `else`, so it may give no value where %s is expected",
                     tc_text(c, want)))
            tc_hint(c, "add an `else`, or a value after it");
        return tc_bad(c, ast);
    }
    return n;
}

/* ---- The one entry ------------------------------------------------------------------------------------------ */

static th_tir *range_value(checker *c, const th_ast *ast) {
    th_tir *from = index_i64(c, tc_value(c, ast->kids[0]), ast->kids[0]);
    th_tir *to = index_i64(c, tc_value(c, ast->kids[1]), ast->kids[1]);
    return tc_call_named(c, "List.range", ast, 2, from, to);
}

static th_tir *expr_of(checker *c, const th_ast *ast, ty want) {
    switch (ast->kind) {
    case TH_AST_ERROR: return tc_bad(c, ast);
    case TH_AST_INT: return int_literal(c, ast, false, ast);
    case TH_AST_FLOAT: return float_literal(c, ast, false, ast);
    case TH_AST_STRING: return tc_string(c, ast->text, ast);
    case TH_AST_INTERPOLATION: return interpolation(c, ast);
    case TH_AST_SYMBOL: return symbol_literal(c, ast);
    case TH_AST_TRUE: return tc_bool(c, true, ast);
    case TH_AST_FALSE: return tc_bool(c, false, ast);
    case TH_AST_NULL: return tc_node(c, TH_TIR_NULL, T_NULL, ast, 0);
    case TH_AST_NAME: return name(c, ast, want);
    case TH_AST_UNARY: return ast->op == TH_TOKEN_NOT ? logical(c, ast) : unary(c, ast);
    case TH_AST_BINARY: return binary(c, ast, want);
    case TH_AST_PIPE: return tc_pipe(c, ast, want);
    case TH_AST_CALL: return tc_call(c, ast, want);
    case TH_AST_INDEX: return index_expr(c, ast);
    case TH_AST_MEMBER: return member(c, ast, want);
    case TH_AST_IF: return if_expr(c, ast, want);
    case TH_AST_MATCH: return tc_match(c, ast, want);
    case TH_AST_LIST: return list_literal(c, ast, want);
    case TH_AST_DICT: return dict_literal(c, ast, want);
    case TH_AST_TUPLE: return tuple_literal(c, ast, want);
    case TH_AST_STRUCT_LITERAL: return struct_literal(c, ast);
    case TH_AST_RANGE: return range_value(c, ast);
    case TH_AST_LAMBDA: return tc_lambda(c, ast, want, NULL);
    case TH_AST_BLOCK: return tc_block(c, ast, want, true);
    case TH_AST_NAMED:
        tc_error(c, TH_E_SYNTAX, ast, "a name with a colon belongs into a call, a dict or a struct");
        return tc_bad(c, ast);
    default: return tc_statement(c, ast, want);
    }
}

th_tir *tc_expr(checker *c, const th_ast *ast, ty want) {
    if (++c->depth > TC_MAX_DEPTH) {
        c->depth--;
        if (tc_error(c, TH_E_LIMIT, ast, "this is nested too deeply to be checked"))
            tc_hint(c, "functions that infer their results from one another count too: write their result types");
        return tc_bad(c, ast);
    }
    th_tir *n = expr_of(c, ast, tc_shallow(c, want));
    c->depth--;
    if (c->too_deep) {
        c->too_deep = false;
        tc_error(c, TH_E_LIMIT, ast, "the type of this is nested too deeply");
        return tc_bad(c, ast);
    }
    return tc_coerce(c, n, want, ast);
}

th_tir *tc_value(checker *c, const th_ast *ast) {
    th_tir *n = tc_expr(c, ast, T_NONE);
    if (n->never && (n->type == T_NEVER || n->type == TH_TYPE_VOID)) n->type = tc_hole(c, false); /* any value */
    if (n->type != TH_TYPE_VOID) return n;
    tc_no_value(c, ast, T_NONE);
    return tc_bad(c, ast);
}
