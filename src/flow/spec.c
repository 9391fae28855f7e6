/*
** spec.c - writes the specs of verbs and reads them back, checked: a spec may come from a hostile program.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"
#include "flow_flat.h"
#include "table_flat.h"

#define SPEC_MAJOR 1
#define MOST_NODES ((uint32_t)1 << 20)
#define SPEC_MINOR 0

static const char *const agg_names[] = {"count",          "sum",    "mean",     "min",    "max", "first", "last",
                                        "count_distinct", "stddev", "variance", "median", "any", "all"};

bool th_agg_of(th_view name, th_agg *out) {
    for (size_t i = 0; i < TH_COUNT(agg_names); i++) {
        if (!th_view_is(name, agg_names[i])) continue;
        *out = (th_agg)i;
        return true;
    }
    return false;
}

static bool is_int(th_column_type t) { return t >= TH_COLUMN_I8 && t <= TH_COLUMN_I64; }
static bool is_number(th_column_type t) { return is_int(t) || t == TH_COLUMN_F32 || t == TH_COLUMN_F64; }

bool th_agg_type(th_agg agg, th_column_type argument, th_column_type *out, bool *nullable) {
    *nullable = true;
    switch (agg) {
    case TH_AGG_COUNT:
    case TH_AGG_COUNT_DISTINCT:
        *out = TH_COLUMN_I64;
        *nullable = false;
        return true;
    case TH_AGG_SUM:
        *out = is_int(argument) ? TH_COLUMN_I64 : TH_COLUMN_F64;
        *nullable = false;
        return is_number(argument);
    case TH_AGG_MEAN:
    case TH_AGG_STDDEV:
    case TH_AGG_VARIANCE:
    case TH_AGG_MEDIAN: *out = TH_COLUMN_F64; return is_number(argument);
    case TH_AGG_MIN:
    case TH_AGG_MAX:
    case TH_AGG_FIRST:
    case TH_AGG_LAST: *out = argument; return argument != TH_COLUMN_NULL;
    case TH_AGG_ANY:
    case TH_AGG_ALL: *out = TH_COLUMN_BOOL; return argument == TH_COLUMN_BOOL;
    }
    return false;
}

/* ---- Building ----------------------------------------------------------------------------------------------- */

struct th_spec_builder {
    th_flat_builder flat;
    th_mem *mem;
    th_verb verb;
    uint32_t ninputs, nkeys;
    th_join join;
    th_flat_ref csv;
    th_flat_ref *exprs, *items, *names;
    size_t nexprs, nitems, nnames, exprs_capacity, items_capacity, names_capacity;
    th_status status;
};

th_status th_spec_new(th_mem *mem, th_verb verb, th_spec_builder **out) {
    th_spec_builder *b = th_mem_zeroed(mem, sizeof *b);
    if (!b) return TH_E_NOMEM;
    b->mem = mem;
    b->verb = verb;
    b->ninputs = verb <= TH_VERB_ROWS ? 0 : verb == TH_VERB_JOIN || verb == TH_VERB_UNION ? 2 : 1;
    th_flat_builder_init(&b->flat, mem);
    *out = b;
    return TH_OK;
}

void th_spec_free(th_spec_builder *b) {
    if (!b) return;
    th_flat_builder_clear(&b->flat);
    th_mem_free(b->mem, b->exprs, b->exprs_capacity * sizeof *b->exprs);
    th_mem_free(b->mem, b->items, b->items_capacity * sizeof *b->items);
    th_mem_free(b->mem, b->names, b->names_capacity * sizeof *b->names);
    th_mem_free(b->mem, b, sizeof *b);
}

static void push_ref(th_spec_builder *b, th_flat_ref **array, size_t *len, size_t *capacity, th_flat_ref ref) {
    if (b->status == TH_OK) b->status = th_mem_grow(b->mem, (void **)array, capacity, *len + 1, sizeof **array);
    if (b->status == TH_OK) (*array)[(*len)++] = ref;
}

typedef struct expr_parts {
    th_expr_op op;
    th_column_type type;
    uint32_t index;
    th_view text;
    int64_t ival;
    double fval;
    bool null;
    const th_expr_ref *kids;
    size_t nkids;
} expr_parts;

static th_expr_ref put_expr(th_spec_builder *b, expr_parts p) {
    th_flat_builder *f = &b->flat;
    th_flat_ref text = p.text.data ? th_flat_put_view(f, p.text) : 0;
    th_flat_ref kids = p.nkids ? theta_flow_Expr_put_children(f, p.kids, p.nkids) : 0;
    theta_flow_Expr_start_table(f);
    theta_flow_Expr_add_op(f, (uint8_t)p.op);
    theta_flow_Expr_add_type(f, (uint8_t)p.type);
    theta_flow_Expr_add_index(f, p.index);
    theta_flow_Expr_add_text(f, text);
    theta_flow_Expr_add_ival(f, p.ival);
    theta_flow_Expr_add_fval(f, p.fval);
    theta_flow_Expr_add_null(f, p.null);
    theta_flow_Expr_add_children(f, kids);
    push_ref(b, &b->exprs, &b->nexprs, &b->exprs_capacity, th_flat_end(f));
    return (th_expr_ref)(b->nexprs ? b->nexprs - 1 : 0);
}

th_expr_ref th_spec_column(th_spec_builder *b, th_view name) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_COLUMN, .text = name});
}
th_expr_ref th_spec_i64(th_spec_builder *b, th_column_type type, int64_t value) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_LITERAL, .type = type, .ival = value});
}
th_expr_ref th_spec_f64(th_spec_builder *b, th_column_type type, double value) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_LITERAL, .type = type, .fval = value});
}
th_expr_ref th_spec_text(th_spec_builder *b, th_view value) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_LITERAL, .type = TH_COLUMN_STRING, .text = value});
}
th_expr_ref th_spec_null(th_spec_builder *b, th_column_type type) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_LITERAL, .type = type, .null = true});
}
th_expr_ref th_spec_param(th_spec_builder *b, uint32_t index, th_column_type type) {
    return put_expr(b, (expr_parts){.op = TH_EXPR_PARAM, .type = type, .index = index});
}
th_expr_ref th_spec_op(th_spec_builder *b, th_expr_op op, th_column_type type, uint32_t index,
                       const th_expr_ref *children, size_t n) {
    return put_expr(b, (expr_parts){.op = op, .type = type, .index = index, .kids = children, .nkids = n});
}

void th_spec_add(th_spec_builder *b, th_view name, th_expr_ref expr, bool descending) {
    th_flat_ref text = name.len ? th_flat_put_view(&b->flat, name) : 0;
    theta_flow_Item_start_table(&b->flat);
    theta_flow_Item_add_name(&b->flat, text);
    theta_flow_Item_add_expr(&b->flat, expr);
    theta_flow_Item_add_descending(&b->flat, descending);
    push_ref(b, &b->items, &b->nitems, &b->items_capacity, th_flat_end(&b->flat));
}

void th_spec_name(th_spec_builder *b, th_view name) {
    push_ref(b, &b->names, &b->nnames, &b->names_capacity, th_flat_put_view(&b->flat, name));
}

void th_spec_keys(th_spec_builder *b, uint32_t nkeys) { b->nkeys = nkeys; }
void th_spec_join(th_spec_builder *b, th_join kind) { b->join = kind; }
void th_spec_inputs(th_spec_builder *b, uint32_t ninputs) { b->ninputs = ninputs; }

static th_flat_ref put_declared(th_spec_builder *b, const th_csv_options *o) {
    th_flat_ref *refs = NULL;
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < o->ndeclared; i++) {
        th_flat_ref name = th_flat_put_view(&b->flat, th_view_of(o->declared[i].name));
        theta_table_Column_start_table(&b->flat);
        theta_table_Column_add_name(&b->flat, name);
        theta_table_Column_add_type(&b->flat, (uint8_t)o->declared[i].type);
        theta_table_Column_add_nullable(&b->flat, o->declared[i].nullable);
        push_ref(b, &refs, &n, &capacity, th_flat_end(&b->flat));
    }
    th_flat_ref vector = n ? th_flat_put_refs(&b->flat, refs, n) : 0;
    th_mem_free(b->mem, refs, capacity * sizeof *refs);
    return vector;
}

void th_spec_csv(th_spec_builder *b, const th_csv_options *o) {
    th_flat_ref declared = put_declared(b, o), nulls[4], words = 0;
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        if (o->null_text[i]) nulls[n++] = th_flat_put_view(&b->flat, th_view_of(o->null_text[i]));
    if (n) words = th_flat_put_refs(&b->flat, nulls, n);
    theta_flow_CsvOptions_start_table(&b->flat);
    theta_flow_CsvOptions_add_delimiter(&b->flat, (uint8_t)o->delimiter);
    theta_flow_CsvOptions_add_no_header(&b->flat, o->no_header);
    theta_flow_CsvOptions_add_bad_cell(&b->flat, (uint8_t)o->bad_cell);
    theta_flow_CsvOptions_add_declared(&b->flat, declared);
    theta_flow_CsvOptions_add_only_declared(&b->flat, o->only_declared);
    theta_flow_CsvOptions_add_infer_rows(&b->flat, o->infer_rows);
    theta_flow_CsvOptions_add_batch_rows(&b->flat, o->batch_rows);
    theta_flow_CsvOptions_add_null_text(&b->flat, words);
    b->csv = th_flat_end(&b->flat);
}

th_status th_spec_finish(th_spec_builder *b, uint8_t **bytes, size_t *len) {
    th_flat_builder *f = &b->flat;
    th_flat_ref exprs = b->nexprs ? th_flat_put_refs(f, b->exprs, b->nexprs) : 0;
    th_flat_ref items = b->nitems ? th_flat_put_refs(f, b->items, b->nitems) : 0;
    th_flat_ref names = b->nnames ? th_flat_put_refs(f, b->names, b->nnames) : 0;
    theta_flow_FlowSpec_start_table(f);
    theta_flow_FlowSpec_add_major(f, SPEC_MAJOR);
    theta_flow_FlowSpec_add_minor(f, SPEC_MINOR);
    theta_flow_FlowSpec_add_verb(f, (uint8_t)b->verb);
    theta_flow_FlowSpec_add_inputs(f, b->ninputs);
    theta_flow_FlowSpec_add_exprs(f, exprs);
    theta_flow_FlowSpec_add_items(f, items);
    theta_flow_FlowSpec_add_names(f, names);
    theta_flow_FlowSpec_add_nkeys(f, b->nkeys);
    theta_flow_FlowSpec_add_join(f, (uint8_t)b->join);
    theta_flow_FlowSpec_add_csv(f, b->csv);
    th_flat_ref root = th_flat_end(f);
    if (b->status != TH_OK) return b->status;
    return th_flat_finish(f, root, theta_flow_ident, bytes, len);
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

typedef struct spec_reader {
    th_spec *spec;
    th_flat_table root;
    th_expr **exprs;
    uint16_t *depths;
    uint32_t *sizes; /* counting a shared part each time, as binding does */
    uint32_t nexprs;
    th_error *err;
} spec_reader;

static th_status refuse(spec_reader *r, const char *what, uint32_t i) {
    return th_fail(r->err, TH_E_FORMAT, "a flow spec is malformed: %s (%u)", what, i);
}

/* How many children an operator has; -1: any number. */
static int arity(th_expr_op op) {
    switch (op) {
    case TH_EXPR_COLUMN:
    case TH_EXPR_LITERAL:
    case TH_EXPR_PARAM: return 0;
    case TH_EXPR_NEG:
    case TH_EXPR_NOT:
    case TH_EXPR_BNOT:
    case TH_EXPR_IS_NULL:
    case TH_EXPR_CAST: return 1;
    case TH_EXPR_IF: return 3;
    case TH_EXPR_CALL:
    case TH_EXPR_AGG: return -1;
    default: return 2;
    }
}

static th_status read_expr(spec_reader *r, uint32_t i) {
    th_flat_table t = theta_flow_FlowSpec_exprs_at(r->root, i);
    th_expr *e = th_arena_zeroed(&r->spec->arena, sizeof *e);
    if (!e) return TH_E_NOMEM;
    const th_str *text = theta_flow_Expr_text(t);
    *e = (th_expr){.op = (th_expr_op)theta_flow_Expr_op(t),
                   .type = (th_column_type)theta_flow_Expr_type(t),
                   .index = theta_flow_Expr_index(t),
                   .text = text ? th_view_str(text) : (th_view){"", 0},
                   .ival = theta_flow_Expr_ival(t),
                   .fval = theta_flow_Expr_fval(t),
                   .null = theta_flow_Expr_null(t),
                   .nkids = theta_flow_Expr_children_len(t)};
    if (e->op > TH_EXPR_AGG) return refuse(r, "unknown operator", i);
    if (e->type >= TH_COLUMN_TYPE_COUNT) return refuse(r, "unknown column type", i);
    if (arity((th_expr_op)e->op) >= 0 && (uint32_t)arity(e->op) != e->nkids) return refuse(r, "operands", i);
    if (e->op == TH_EXPR_AGG && (e->index > TH_AGG_ALL || e->nkids > 1)) return refuse(r, "aggregate", i);
    if (e->nkids > 48) return refuse(r, "too many arguments", i);
    e->kids = th_arena_zeroed(&r->spec->arena, (e->nkids + 1) * sizeof *e->kids);
    if (!e->kids) return TH_E_NOMEM;
    const uint32_t *kids = theta_flow_Expr_children(t);
    r->depths[i] = r->sizes[i] = 1;
    for (uint32_t k = 0; k < e->nkids; k++) {
        uint32_t kid = kids[k];
        if (kid >= i) return refuse(r, "an expression before its parts", i);
        e->kids[k] = r->exprs[kid];
        if (e->kids[k]->op == TH_EXPR_AGG) return refuse(r, "an aggregate within an expression", i);
        if (r->depths[kid] >= r->depths[i]) r->depths[i] = r->depths[kid] + 1;
        r->sizes[i] += r->sizes[kid];
    }
    if (r->sizes[i] > MOST_NODES) return refuse(r, "an expression too large", i);
    if (r->depths[i] > TH_EXPR_MAX_DEPTH) return refuse(r, "an expression nested too deep", i);
    r->exprs[i] = e;
    return TH_OK;
}

static th_status read_items(spec_reader *r) {
    th_spec *s = r->spec;
    s->nitems = theta_flow_FlowSpec_items_len(r->root);
    s->items = th_arena_zeroed(&s->arena, (s->nitems + 1) * sizeof *s->items);
    if (!s->items) return TH_E_NOMEM;
    uint32_t total = 0;
    for (uint32_t i = 0; i < s->nitems; i++) {
        th_flat_table t = theta_flow_FlowSpec_items_at(r->root, i);
        const th_str *name = theta_flow_Item_name(t);
        uint32_t expr = theta_flow_Item_expr(t);
        if (expr >= r->nexprs) return refuse(r, "no such expression", expr);
        total += r->sizes[expr];
        if (total > MOST_NODES) return refuse(r, "its expressions are too large", i);
        s->items[i] =
            (th_item){name ? th_view_str(name) : (th_view){"", 0}, r->exprs[expr], theta_flow_Item_descending(t)};
        if (s->items[i].expr->op == TH_EXPR_AGG && s->verb != TH_VERB_AGGREGATE) return refuse(r, "an aggregate", i);
    }
    s->nnames = theta_flow_FlowSpec_names_len(r->root);
    s->names = th_arena_zeroed(&s->arena, (s->nnames + 1) * sizeof *s->names);
    if (!s->names) return TH_E_NOMEM;
    for (uint32_t i = 0; i < s->nnames; i++) s->names[i] = th_view_str(theta_flow_FlowSpec_names_at(r->root, i));
    return TH_OK;
}

static th_status read_csv(spec_reader *r) {
    th_flat_table t = theta_flow_FlowSpec_csv(r->root);
    th_csv_options *o = &r->spec->csv;
    if (!th_flat_present(t)) return TH_OK;
    *o = (th_csv_options){.delimiter = (char)theta_flow_CsvOptions_delimiter(t),
                          .no_header = theta_flow_CsvOptions_no_header(t),
                          .bad_cell = (th_bad_cell)theta_flow_CsvOptions_bad_cell(t),
                          .ndeclared = theta_flow_CsvOptions_declared_len(t),
                          .only_declared = theta_flow_CsvOptions_only_declared(t),
                          .infer_rows = theta_flow_CsvOptions_infer_rows(t),
                          .batch_rows = theta_flow_CsvOptions_batch_rows(t)};
    if (o->bad_cell > TH_BAD_SKIP) return refuse(r, "bad cell policy", o->bad_cell);
    th_field *fields = th_arena_zeroed(&r->spec->arena, (o->ndeclared + 1) * sizeof *fields);
    if (!fields) return TH_E_NOMEM;
    for (uint32_t i = 0; i < o->ndeclared; i++) {
        th_flat_table c = theta_flow_CsvOptions_declared_at(t, i);
        const th_str *name = theta_table_Column_name(c);
        uint8_t type = theta_table_Column_type(c);
        if (!name || type >= TH_COLUMN_TYPE_COUNT) return refuse(r, "declared column", i);
        fields[i] = (th_field){name->bytes, (th_column_type)type, theta_table_Column_nullable(c)};
    }
    o->declared = o->ndeclared ? fields : NULL;
    for (uint32_t i = 0; i < theta_flow_CsvOptions_null_text_len(t) && i < 4; i++)
        o->null_text[i] = theta_flow_CsvOptions_null_text_at(t, i)->bytes;
    return TH_OK;
}

/* What each verb needs of its items. */
static th_status check_shape(spec_reader *r) {
    const th_spec *s = r->spec;
    uint32_t inputs = s->verb <= TH_VERB_ROWS ? 0 : s->verb == TH_VERB_JOIN || s->verb == TH_VERB_UNION ? 2 : 1;
    if (s->ninputs != inputs) return refuse(r, "inputs", s->ninputs);
    switch (s->verb) {
    case TH_VERB_READ_CSV:
    case TH_VERB_READ_ARROW:
    case TH_VERB_WHERE:
    case TH_VERB_TAKE:
    case TH_VERB_SKIP: return s->nitems == 1 ? TH_OK : refuse(r, "one expression is needed", s->nitems);
    case TH_VERB_JOIN: return s->nitems % 2 == 0 && s->nitems > 0 ? TH_OK : refuse(r, "join keys", s->nitems);
    case TH_VERB_AGGREGATE: return s->nkeys <= s->nitems ? TH_OK : refuse(r, "keys", s->nkeys);
    case TH_VERB_SELECT:
    case TH_VERB_DERIVE:
    case TH_VERB_SORT: return s->nitems > 0 ? TH_OK : refuse(r, "no expression", 0);
    default: return TH_OK;
    }
}

static th_status read_all(spec_reader *r) {
    th_spec *s = r->spec;
    TH_TRY(th_flat_verify(s->bytes, s->len, &theta_flow_schema, &(th_flat_limits){.skip_utf8 = true}, r->err));
    r->root = th_flat_root(s->bytes);
    if (theta_flow_FlowSpec_major(r->root) != SPEC_MAJOR)
        return th_fail(r->err, TH_E_VERSION, "a flow spec of version %u; this is %u",
                       theta_flow_FlowSpec_major(r->root), SPEC_MAJOR);
    s->verb = (th_verb)theta_flow_FlowSpec_verb(r->root);
    if (s->verb > TH_VERB_UNION) return refuse(r, "unknown verb", s->verb);
    s->ninputs = theta_flow_FlowSpec_inputs(r->root);
    s->nkeys = theta_flow_FlowSpec_nkeys(r->root);
    s->join = (th_join)theta_flow_FlowSpec_join(r->root);
    r->nexprs = theta_flow_FlowSpec_exprs_len(r->root);
    r->exprs = th_arena_zeroed(&s->arena, (r->nexprs + 1) * sizeof *r->exprs);
    r->depths = th_arena_zeroed(&s->arena, (r->nexprs + 1) * sizeof *r->depths);
    r->sizes = th_arena_zeroed(&s->arena, (r->nexprs + 1) * sizeof *r->sizes);
    if (!r->exprs || !r->depths || !r->sizes) return TH_E_NOMEM;
    for (uint32_t i = 0; i < r->nexprs; i++) TH_TRY(read_expr(r, i));
    TH_TRY(read_items(r));
    TH_TRY(read_csv(r));
    return check_shape(r);
}

th_status th_spec_read(th_mem *mem, const void *bytes, size_t len, th_spec **out, th_error *err) {
    th_spec *spec = th_mem_zeroed(mem, sizeof *spec);
    if (!spec) return th_fail(err, TH_E_NOMEM, "out of memory");
    spec->mem = mem;
    th_arena_init(&spec->arena, mem);
    spec->bytes = th_mem_new(mem, len ? len : 1);
    spec->len = len;
    th_status status = TH_E_NOMEM;
    if (spec->bytes) {
        memcpy(spec->bytes, bytes, len);
        spec_reader r = {.spec = spec, .err = err};
        status = read_all(&r);
    }
    if (status != TH_OK) {
        if (status == TH_E_NOMEM) (void)th_fail(err, status, "out of memory");
        th_spec_release(spec);
        return status;
    }
    *out = spec;
    return TH_OK;
}

void th_spec_release(th_spec *spec) {
    if (!spec) return;
    if (spec->bytes) th_mem_free(spec->mem, spec->bytes, spec->len ? spec->len : 1);
    th_arena_clear(&spec->arena);
    th_mem_free(spec->mem, spec, sizeof *spec);
}
