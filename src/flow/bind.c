/*
** bind.c - binds a verb's expressions to the columns of its input: names to places, parameters to values, types checked,
** calls of user functions taken out as steps that run before the expressions.
** Expressions are at most TH_EXPR_MAX_DEPTH deep (spec.c), so the walks here may recurse.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/diag.h"
#include "flow/flow_int.h"

th_family th_family_of(th_column_type type) {
    switch (type) {
    case TH_COLUMN_NULL: return TH_FAMILY_NULL;
    case TH_COLUMN_BOOL: return TH_FAMILY_BOOL;
    case TH_COLUMN_F32:
    case TH_COLUMN_F64: return TH_FAMILY_FLOAT;
    case TH_COLUMN_STRING: return TH_FAMILY_TEXT;
    default: return TH_FAMILY_INT;
    }
}

static bool is_date(th_column_type t) { return t == TH_COLUMN_DATE || t == TH_COLUMN_TIMESTAMP; }

static th_bound *new_bound(th_binder *b, th_expr_op op, th_column_type type, uint32_t nkids) {
    th_bound *e = th_arena_zeroed(b->arena, sizeof *e);
    if (!e) return NULL;
    e->op = op;
    e->type = type;
    e->nkids = nkids;
    e->kids = th_arena_zeroed(b->arena, (nkids + 1) * sizeof *e->kids);
    return e->kids ? e : NULL;
}

static th_status unknown_column(th_binder *b, th_view name) {
    th_suggest suggest;
    th_suggest_init(&suggest, name);
    for (size_t i = 0; i < b->input->nfields; i++) th_suggest_try(&suggest, th_view_of(b->input->fields[i].name));
    const char *where = b->input_name ? b->input_name : "the table";
    if (suggest.best.len == 0)
        return th_fail(b->err, TH_E_REFERENCE, "%s has no column '%.*s'", where, (int)name.len, name.data);
    return th_fail(b->err, TH_E_REFERENCE, "%s has no column '%.*s'; did you mean '%.*s'?", where, (int)name.len,
                   name.data, (int)suggest.best.len, suggest.best.data);
}

static th_status bind_column(th_binder *b, const th_expr *expr, th_bound **out) {
    int64_t at = th_schema_find(b->input, expr->text);
    if (at < 0) return unknown_column(b, expr->text);
    const th_field *field = &b->input->fields[at];
    th_bound *e = new_bound(b, TH_EXPR_COLUMN, field->type, 0);
    if (!e) return TH_E_NOMEM;
    e->index = (uint32_t)at;
    e->nullable = field->nullable;
    e->text = th_view_of(field->name);
    *out = e;
    return TH_OK;
}

/* A parameter is a literal by the time a plan is opened. */
static th_status bind_param(th_binder *b, const th_expr *expr, th_bound **out) {
    th_column_type type;
    bool nullable;
    if (!b->params.tuple || expr->index >= b->params.tuple->nargs)
        return th_fail(b->err, TH_E_FORMAT, "a flow spec is malformed: no parameter %u", expr->index);
    th_type_id id = b->params.tuple->args[expr->index];
    const th_types *types = th_machine_types(b->machine);
    if (!th_column_of_type(b->machine, id, &type, &nullable))
        return th_fail(b->err, TH_E_TYPE, "a value of this type cannot stand in a table");
    uint64_t word = b->params.record->slots[expr->index];
    th_bound *e = new_bound(b, TH_EXPR_LITERAL, type, 0);
    if (!e) return TH_E_NOMEM;
    e->null = nullable && word == 0;
    e->nullable = e->null;
    const th_type *inner = th_types_get(types, nullable ? th_types_get(types, id)->args[0] : id);
    if (!e->null && nullable && !inner->pointers) word = ((const th_record *)th_word_ptr(word))->slots[0];
    if (e->null) {
        e->ival = 0;
    } else if (inner->kind == TH_KIND_ENUM) {
        e->text = word < inner->nnames ? th_view_str(inner->names[word]) : (th_view){"", 0};
    } else if (type == TH_COLUMN_STRING) {
        const th_str *s = th_word_ptr(word);
        char *copy = th_arena_text(b->arena, s->bytes, s->len);
        if (!copy) return TH_E_NOMEM;
        e->text = (th_view){copy, s->len};
    } else if (type == TH_COLUMN_F64) {
        e->fval = th_word_f64(word);
    } else if (type == TH_COLUMN_F32) {
        e->fval = (double)th_word_f32(word);
    } else {
        e->ival = (int64_t)word;
    }
    *out = e;
    return TH_OK;
}

static const char *op_text(th_expr_op op) {
    static const char *const texts[] = {"column", "literal", "parameter", "-",  "!",    "~",    "+",        "-",
                                        "*",      "/",       "%",         "**", "&",    "|",    "^",        "<<",
                                        ">>",     "==",      "!=",        "<",  "<=",   ">",    ">=",       "&&",
                                        "||",     "if",      "is null",   "??", "cast", "call", "aggregate"};
    return op < TH_COUNT(texts) ? texts[op] : "?";
}

static th_status bad_types(th_binder *b, const th_bound *e) {
    const char *right = e->nkids > 1 ? th_column_type_text(e->kids[1]->type) : NULL;
    return th_fail(b->err, TH_E_TYPE, "'%s' does not go with %s%s%s", op_text(e->op),
                   th_column_type_text(e->kids[0]->type), right ? " and " : "", right ? right : "");
}

/* The type two operands share, numbers widened; false when there is none. */
static bool join_types(th_column_type a, th_column_type b, th_column_type *out) {
    if (a == b || b == TH_COLUMN_NULL) {
        *out = a;
        return true;
    }
    if (a == TH_COLUMN_NULL) {
        *out = b;
        return true;
    }
    th_family fa = th_family_of(a), fb = th_family_of(b);
    if (is_date(a) || is_date(b) || fa > TH_FAMILY_FLOAT || fb > TH_FAMILY_FLOAT) return false;
    if (fa == TH_FAMILY_FLOAT || fb == TH_FAMILY_FLOAT)
        *out = TH_COLUMN_F64;
    else
        *out = a > b ? a : b;
    return true;
}

static th_bound *cast_to(th_binder *b, th_bound *e, th_column_type type) {
    if (e->type == type || th_family_of(e->type) == TH_FAMILY_NULL) return e;
    if (th_family_of(e->type) == th_family_of(type)) return e;
    th_bound *cast = new_bound(b, TH_EXPR_CAST, type, 1);
    if (!cast) return NULL;
    cast->kids[0] = e;
    cast->nullable = e->nullable;
    return cast;
}

/* A date or timestamp beside a text is compared as what it is: the text is read. */
static th_status date_literal(th_binder *b, th_bound *literal, th_column_type type) {
    int32_t days;
    int64_t micros;
    bool ok = type == TH_COLUMN_DATE ? th_parse_date(literal->text, &days) : th_parse_timestamp(literal->text, &micros);
    if (!ok)
        return th_fail(b->err, TH_E_CONVERSION, "'%.*s' is no %s", (int)literal->text.len, literal->text.data,
                       th_column_type_text(type));
    literal->type = type;
    literal->ival = type == TH_COLUMN_DATE ? days : micros;
    return TH_OK;
}

static th_status meet_dates(th_binder *b, th_bound *e) {
    for (int i = 0; i < 2; i++) {
        th_bound *date = e->kids[i], **text = &e->kids[1 - i];
        if (!is_date(date->type) || (*text)->type != TH_COLUMN_STRING) continue;
        if ((*text)->op == TH_EXPR_LITERAL && !(*text)->null) return date_literal(b, *text, date->type);
        th_bound *cast = new_bound(b, TH_EXPR_CAST, TH_COLUMN_STRING, 1);
        if (!cast) return TH_E_NOMEM;
        cast->kids[0] = date;
        cast->nullable = date->nullable;
        e->kids[i] = cast;
    }
    return TH_OK;
}

static th_status type_binary(th_binder *b, th_bound *e) {
    bool compares = e->op >= TH_EXPR_EQ && e->op <= TH_EXPR_GE;
    if (compares) TH_TRY(meet_dates(b, e));
    th_column_type type;
    if (!join_types(e->kids[0]->type, e->kids[1]->type, &type)) return bad_types(b, e);
    th_family family = th_family_of(type);
    bool bits = e->op >= TH_EXPR_BAND && e->op <= TH_EXPR_SHR;
    bool ok = compares || family == TH_FAMILY_INT || (family == TH_FAMILY_FLOAT && !bits) ||
              (family == TH_FAMILY_TEXT && e->op == TH_EXPR_ADD) || family == TH_FAMILY_NULL;
    if (!ok) return bad_types(b, e);
    for (int i = 0; i < 2; i++)
        if (!(e->kids[i] = cast_to(b, e->kids[i], type))) return TH_E_NOMEM;
    e->nullable = e->kids[0]->nullable || e->kids[1]->nullable;
    e->type = compares ? TH_COLUMN_BOOL : type;
    return TH_OK;
}

static th_status type_branches(th_binder *b, th_bound *e, uint32_t x, uint32_t y) {
    th_column_type type;
    if (!join_types(e->kids[x]->type, e->kids[y]->type, &type)) return bad_types(b, e);
    if (!(e->kids[x] = cast_to(b, e->kids[x], type)) || !(e->kids[y] = cast_to(b, e->kids[y], type))) return TH_E_NOMEM;
    e->type = type;
    return TH_OK;
}

static bool wants(const th_bound *e, th_family family) {
    th_family f = th_family_of(e->type);
    return f == family || f == TH_FAMILY_NULL;
}

static th_status type_op(th_binder *b, th_bound *e, th_column_type declared) {
    th_bound **k = e->kids;
    switch (e->op) {
    case TH_EXPR_NEG:
    case TH_EXPR_BNOT: {
        th_family f = th_family_of(k[0]->type);
        if (is_date(k[0]->type) || f > TH_FAMILY_FLOAT || (f == TH_FAMILY_FLOAT && e->op == TH_EXPR_BNOT))
            return bad_types(b, e);
        e->type = k[0]->type;
        e->nullable = k[0]->nullable;
        return TH_OK;
    }
    case TH_EXPR_NOT:
        e->type = TH_COLUMN_BOOL;
        e->nullable = k[0]->nullable;
        return wants(k[0], TH_FAMILY_BOOL) ? TH_OK : bad_types(b, e);
    case TH_EXPR_AND:
    case TH_EXPR_OR:
        e->type = TH_COLUMN_BOOL;
        e->nullable = k[0]->nullable || k[1]->nullable;
        return wants(k[0], TH_FAMILY_BOOL) && wants(k[1], TH_FAMILY_BOOL) ? TH_OK : bad_types(b, e);
    case TH_EXPR_IS_NULL: e->type = TH_COLUMN_BOOL; return TH_OK;
    case TH_EXPR_IF:
        if (!wants(k[0], TH_FAMILY_BOOL)) return bad_types(b, e);
        e->nullable = k[1]->nullable || k[2]->nullable;
        return type_branches(b, e, 1, 2);
    case TH_EXPR_COALESCE: e->nullable = k[1]->nullable; return type_branches(b, e, 0, 1);
    case TH_EXPR_CAST:
        e->type = declared;
        e->nullable = k[0]->nullable;
        return TH_OK;
    default: return type_binary(b, e);
    }
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

typedef struct guard {
    const th_bound *condition;
    bool negated;
} guard;

static th_status bind_in(th_binder *b, const th_expr *expr, guard under, th_bound **out);

static th_bound *column_of_call(th_binder *b, size_t call, th_column_type type, bool nullable) {
    th_bound *e = new_bound(b, TH_EXPR_COLUMN, type, 0);
    if (!e) return NULL;
    e->index = (uint32_t)(b->input->nfields + call);
    e->nullable = nullable;
    return e;
}

static th_status bind_call(th_binder *b, const th_expr *expr, guard under, th_bound **out) {
    const th_types *types = th_machine_types(b->machine);
    if (!b->params.tuple || expr->index >= b->params.tuple->nargs ||
        th_types_kind(types, b->params.tuple->args[expr->index]) != TH_KIND_FUNCTION)
        return th_fail(b->err, TH_E_FORMAT, "a flow spec is malformed: parameter %u is no function", expr->index);
    th_call_step step = {.param = expr->index, .function = b->params.tuple->args[expr->index], .nargs = expr->nkids};
    if (th_types_nparams(types, step.function) != expr->nkids)
        return th_fail(b->err, TH_E_TYPE, "a function of %zu parameters is called with %u",
                       th_types_nparams(types, step.function), expr->nkids);
    if (!th_column_of_type(b->machine, th_types_result(types, step.function), &step.type, &step.nullable))
        return th_fail(b->err, TH_E_TYPE, "the result of the function cannot stand in a column");
    step.args = th_arena_zeroed(b->arena, (expr->nkids + 1) * sizeof *step.args);
    if (!step.args) return TH_E_NOMEM;
    for (uint32_t i = 0; i < expr->nkids; i++) {
        th_column_type type;
        bool nullable;
        TH_TRY(bind_in(b, expr->kids[i], under, &step.args[i]));
        if (!th_column_of_type(b->machine, th_types_param(types, step.function, i), &type, &nullable) ||
            (th_family_of(type) != th_family_of(step.args[i]->type) &&
             !(type == TH_COLUMN_STRING && is_date(step.args[i]->type)) &&
             th_family_of(step.args[i]->type) != TH_FAMILY_NULL))
            return th_fail(b->err, TH_E_TYPE, "argument %u of the function is %s in the table", i + 1,
                           th_column_type_text(step.args[i]->type));
        if (is_date(step.args[i]->type) && !(step.args[i] = cast_to(b, step.args[i], TH_COLUMN_STRING)))
            return TH_E_NOMEM;
        if (!nullable) step.nullable |= step.args[i]->nullable; /* a null argument gives null without a call */
    }
    step.guard = under.condition;
    step.guard_negated = under.negated;
    if (under.condition) step.nullable = true;
    if (b->ncalls == b->calls_capacity)
        return th_fail(b->err, TH_E_LIMIT, "more than %zu calls in one verb", b->ncalls);
    b->calls[b->ncalls++] = step;
    *out = column_of_call(b, b->ncalls - 1, step.type, step.nullable);
    return *out ? TH_OK : TH_E_NOMEM;
}

/* `outer` and this: a condition that holds where both do. */
static th_status narrow(th_binder *b, guard outer, const th_bound *condition, bool negated, guard *out) {
    *out = (guard){condition, negated};
    if (!outer.condition) return TH_OK;
    th_bound *both = new_bound(b, TH_EXPR_AND, TH_COLUMN_BOOL, 2);
    if (!both) return TH_E_NOMEM;
    const guard parts[2] = {outer, {condition, negated}};
    for (int i = 0; i < 2; i++) { /* "is true", or "is not true", of a condition that may be null */
        th_bound *sure = new_bound(b, TH_EXPR_IF, TH_COLUMN_BOOL, 3);
        th_bound *yes = new_bound(b, TH_EXPR_LITERAL, TH_COLUMN_BOOL, 0);
        th_bound *no = new_bound(b, TH_EXPR_LITERAL, TH_COLUMN_BOOL, 0);
        if (!sure || !yes || !no) return TH_E_NOMEM;
        yes->ival = !parts[i].negated;
        no->ival = parts[i].negated;
        sure->kids[0] = (th_bound *)(uintptr_t)parts[i].condition;
        sure->kids[1] = yes;
        sure->kids[2] = no;
        both->kids[i] = sure;
    }
    *out = (guard){both, false};
    return TH_OK;
}

/* Where the calls in kid i of `e` are made, its earlier kids bound. */
static th_status guard_of(th_binder *b, const th_bound *e, uint32_t i, guard under, guard *out) {
    *out = under;
    if (i == 0) return TH_OK;
    switch (e->op) {
    case TH_EXPR_IF: return narrow(b, under, e->kids[0], i == 2, out);
    case TH_EXPR_AND: return narrow(b, under, e->kids[0], false, out);
    case TH_EXPR_OR: return narrow(b, under, e->kids[0], true, out);
    case TH_EXPR_COALESCE: {
        th_bound *missing = new_bound(b, TH_EXPR_IS_NULL, TH_COLUMN_BOOL, 1);
        if (!missing) return TH_E_NOMEM;
        missing->kids[0] = e->kids[0];
        return narrow(b, under, missing, false, out);
    }
    default: return TH_OK;
    }
}

static th_status bind_in(th_binder *b, const th_expr *expr, guard under, th_bound **out) {
    switch (expr->op) {
    case TH_EXPR_COLUMN: return bind_column(b, expr, out);
    case TH_EXPR_PARAM: return bind_param(b, expr, out);
    case TH_EXPR_CALL: return bind_call(b, expr, under, out);
    default: break;
    }
    th_bound *e = new_bound(b, expr->op, expr->type, expr->nkids);
    if (!e) return TH_E_NOMEM;
    e->index = expr->index;
    e->ival = expr->ival;
    e->fval = expr->fval;
    e->text = expr->text;
    e->null = expr->null;
    e->nullable = expr->null;
    for (uint32_t i = 0; i < expr->nkids; i++) {
        guard inner;
        TH_TRY(guard_of(b, e, i, under, &inner));
        TH_TRY(bind_in(b, expr->kids[i], inner, &e->kids[i]));
    }
    *out = e;
    if (expr->op == TH_EXPR_LITERAL) return TH_OK;
    if (expr->op != TH_EXPR_AGG) return type_op(b, e, expr->type);
    th_column_type argument = expr->nkids ? e->kids[0]->type : TH_COLUMN_I64;
    if (!th_agg_type((th_agg)e->index, argument, &e->type, &e->nullable))
        return th_fail(b->err, TH_E_TYPE, "this aggregate does not go with %s", th_column_type_text(argument));
    return TH_OK;
}

th_status th_bind(th_binder *b, const th_expr *expr, th_bound **out) {
    th_status status = bind_in(b, expr, (guard){NULL, false}, out);
    if (status == TH_E_NOMEM) return th_fail(b->err, TH_E_NOMEM, "out of memory");
    return status;
}

/* ---- Printing ----------------------------------------------------------------------------------------------- */

static void print_literal(const th_bound *e, th_buf *out) {
    char text[40];
    if (e->null)
        th_buf_text(out, "null");
    else if (e->type == TH_COLUMN_STRING)
        th_buf_printf(out, "'%.*s'", (int)e->text.len, e->text.data);
    else if (e->type == TH_COLUMN_BOOL)
        th_buf_text(out, e->ival ? "true" : "false");
    else if (e->type == TH_COLUMN_DATE)
        th_buf_put(out, text, th_format_date((int32_t)e->ival, text));
    else if (e->type == TH_COLUMN_TIMESTAMP)
        th_buf_put(out, text, th_format_timestamp(e->ival, text));
    else if (th_family_of(e->type) == TH_FAMILY_FLOAT)
        th_buf_put(out, text, th_format_f64(e->fval, true, text));
    else
        th_buf_printf(out, "%lld", (long long)e->ival);
}

static const char *const agg_texts[] = {"count",          "sum",    "mean",     "min",    "max", "first", "last",
                                        "count_distinct", "stddev", "variance", "median", "any", "all"};

void th_bound_print(const th_bound *e, const th_schema *input, const th_call_step *calls, th_buf *out) {
    switch (e->op) {
    case TH_EXPR_COLUMN:
        if (e->index < input->nfields) {
            th_buf_text(out, input->fields[e->index].name);
        } else {
            const th_call_step *call = &calls[e->index - input->nfields];
            th_buf_text(out, "call(");
            for (uint32_t i = 0; i < call->nargs; i++) {
                if (i) th_buf_text(out, ", ");
                th_bound_print(call->args[i], input, calls, out);
            }
            th_buf_char(out, ')');
        }
        return;
    case TH_EXPR_LITERAL: print_literal(e, out); return;
    case TH_EXPR_AGG:
    case TH_EXPR_CAST:
        th_buf_text(out, e->op == TH_EXPR_AGG ? agg_texts[e->index] : th_column_type_text(e->type));
        th_buf_char(out, '(');
        if (e->nkids) th_bound_print(e->kids[0], input, calls, out);
        th_buf_char(out, ')');
        return;
    case TH_EXPR_IF:
        th_buf_text(out, "if ");
        th_bound_print(e->kids[0], input, calls, out);
        th_buf_text(out, " { ");
        th_bound_print(e->kids[1], input, calls, out);
        th_buf_text(out, " } else { ");
        th_bound_print(e->kids[2], input, calls, out);
        th_buf_text(out, " }");
        return;
    case TH_EXPR_IS_NULL:
        th_bound_print(e->kids[0], input, calls, out);
        th_buf_text(out, " == null");
        return;
    default: break;
    }
    if (e->nkids == 1) th_buf_text(out, op_text(e->op));
    for (uint32_t i = 0; i < e->nkids; i++) {
        bool brackets = e->kids[i]->nkids > 1;
        if (i) th_buf_printf(out, " %s ", op_text(e->op));
        if (brackets) th_buf_char(out, '(');
        th_bound_print(e->kids[i], input, calls, out);
        if (brackets) th_buf_char(out, ')');
    }
}
