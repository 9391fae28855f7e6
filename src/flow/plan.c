/*
** plan.c - from a node to operators: which columns are needed, where filters go, what each verb's columns are.
** Plans may be chains of any length, so nodes are visited with lists, never recursively. The list of places has parents
** before inputs; operators are made from its end.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "flow/flow_int.h"

typedef struct need { /* of the columns of a table: all, or those named */
    bool all;
    th_view *names;
    size_t n;
} need;

typedef struct place { /* a node where it stands in the plan */
    uint64_t word;
    size_t parent;
    size_t inputs[2]; /* places, 0: none */
    size_t level;
    need need;
    th_operator *op;
} place;

typedef struct planner {
    th_exec *exec;
    th_machine *machine;
    th_mem *mem;
    th_arena *arena;
    place *places;
    size_t n, capacity;
    th_error *err;
} planner;

static th_status no_memory(planner *p) { return th_fail(p->err, TH_E_NOMEM, "out of memory"); }

static th_spec *spec_of(const place *at) { return th_flow_node_of(at->word)->spec; }

/* ---- Visiting ----------------------------------------------------------------------------------------------- */

static th_status add_place(planner *p, uint64_t word, size_t parent, int which, size_t level) {
    if (th_mem_grow(p->mem, (void **)&p->places, &p->capacity, p->n + 1, sizeof *p->places) != TH_OK)
        return no_memory(p);
    TH_TRY(th_node_check(p->machine, word, p->err));
    if (parent != SIZE_MAX) p->places[parent].inputs[which] = p->n;
    p->places[p->n++] = (place){.word = word, .parent = parent, .level = level};
    return TH_OK;
}

/* A single input follows its parent directly; of two, the first does. */
static th_status visit(planner *p, uint64_t root) {
    uint64_t *pending = NULL; /* second inputs still to visit: word, parent */
    size_t npending = 0, capacity = 0;
    th_status status = add_place(p, root, SIZE_MAX, 0, 0);
    for (size_t i = 0; status == TH_OK; i++) {
        th_node *node = th_flow_node_of(p->places[i].word);
        uint32_t inputs = node->kind == TH_NODE_SPEC ? node->spec->ninputs : 0;
        th_params params = th_node_params(p->machine, p->places[i].word);
        if (inputs == 2) {
            status = th_mem_grow(p->mem, (void **)&pending, &capacity, npending + 2, sizeof *pending);
            if (status != TH_OK) break;
            pending[npending++] = params.record->slots[1];
            pending[npending++] = i;
        }
        if (inputs > 0) {
            status = add_place(p, params.record->slots[0], i, 0, p->places[i].level + 1);
        } else if (npending > 0) {
            size_t parent = (size_t)pending[--npending];
            status = add_place(p, pending[--npending], parent, 1, p->places[parent].level + 1);
        } else {
            break;
        }
    }
    th_mem_free(p->mem, pending, capacity * sizeof *pending);
    return status;
}

/* ---- Filters down ------------------------------------------------------------------------------------------- */

static bool uses_name(const th_expr *e, th_view name) {
    if (e->op == TH_EXPR_COLUMN) return th_view_eq(e->text, name);
    for (uint32_t i = 0; i < e->nkids; i++)
        if (uses_name(e->kids[i], name)) return true;
    return false;
}

static bool may_pass(const th_spec *filter, const th_spec *below) {
    if (below->verb == TH_VERB_SORT) return true;
    if (below->verb != TH_VERB_DERIVE) return false;
    for (uint32_t i = 0; i < below->nitems; i++)
        if (uses_name(filter->items[0].expr, below->items[i].name)) return false;
    return true;
}

#define MAX_SWAPS 10000

static void push_filters(planner *p) {
    size_t swaps = 0;
    for (size_t i = p->n; i-- > 0;) {
        for (size_t k = i; k + 1 < p->n && swaps < MAX_SWAPS; k++, swaps++) {
            th_spec *filter = spec_of(&p->places[k]), *below = spec_of(&p->places[k + 1]);
            if (!filter || filter->verb != TH_VERB_WHERE || p->places[k + 1].parent != k || !below ||
                !may_pass(filter, below))
                break;
            uint64_t word = p->places[k].word;
            p->places[k].word = p->places[k + 1].word;
            p->places[k + 1].word = word;
        }
    }
}

/* ---- Needed columns ----------------------------------------------------------------------------------------- */

typedef struct name_list {
    planner *p;
    th_view *names;
    size_t n, capacity;
    bool failed;
} name_list;

static bool has_name(const th_view *names, size_t n, th_view name) {
    for (size_t i = 0; i < n; i++)
        if (th_view_eq(names[i], name)) return true;
    return false;
}

static void add_name(name_list *list, th_view name) {
    if (has_name(list->names, list->n, name)) return;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        th_view *grown = th_arena_new(list->p->arena, capacity * sizeof *grown);
        if (!grown) {
            list->failed = true;
            return;
        }
        if (list->n) memcpy(grown, list->names, list->n * sizeof *grown);
        list->names = grown;
        list->capacity = capacity;
    }
    list->names[list->n++] = name;
}

static void add_columns(name_list *list, const th_expr *e) {
    if (e->op == TH_EXPR_COLUMN) add_name(list, e->text);
    for (uint32_t i = 0; i < e->nkids; i++) add_columns(list, e->kids[i]);
}

static bool is_derived(const th_spec *spec, th_view name) {
    for (uint32_t i = 0; i < spec->nitems; i++)
        if (th_view_eq(spec->items[i].name, name)) return true;
    return false;
}

static th_view without_suffix(th_view name) {
    static const char suffix[] = "_right";
    size_t len = sizeof suffix - 1;
    bool has = name.len > len && memcmp(name.data + name.len - len, suffix, len) == 0;
    return has ? (th_view){name.data, name.len - len} : name;
}

/* What the verb at `at` needs of its input. */
static th_status need_of_input(planner *p, const place *at, need *out) {
    const th_spec *spec = spec_of(at);
    name_list list = {.p = p};
    bool all = at->need.all;
    switch (spec->verb) {
    case TH_VERB_SELECT:
    case TH_VERB_AGGREGATE: all = false; break;      /* nothing but what the items use */
    case TH_VERB_DISTINCT: all |= spec->nitems == 0; /* fallthrough */
    case TH_VERB_DERIVE:
    case TH_VERB_JOIN:
    default:
        for (size_t i = 0; i < at->need.n; i++) {
            th_view name = at->need.names[i];
            if (spec->verb == TH_VERB_DERIVE && is_derived(spec, name)) continue;
            if (spec->verb == TH_VERB_RENAME && is_derived(spec, name)) continue;
            add_name(&list, name);
            if (spec->verb == TH_VERB_JOIN) add_name(&list, without_suffix(name));
        }
    }
    for (uint32_t i = 0; i < spec->nitems; i++) add_columns(&list, spec->items[i].expr);
    if (spec->verb == TH_VERB_DROP || spec->verb == TH_VERB_UNION) all = true; /* by place or by what is left */
    *out = (need){all, list.names, list.n};
    return list.failed ? no_memory(p) : TH_OK;
}

static th_status spread_needs(planner *p) {
    p->places[0].need.all = true;
    for (size_t i = 1; i < p->n; i++) TH_TRY(need_of_input(p, &p->places[p->places[i].parent], &p->places[i].need));
    return TH_OK;
}

/* ---- Notes for explain -------------------------------------------------------------------------------------- */

typedef struct note {
    th_buf buf;
    const th_operator *op;
    const th_schema *input;
} note;

static void note_init(note *n, planner *p, const th_operator *op, const char *verb) {
    th_buf_init(&n->buf, p->mem);
    n->op = op;
    n->input = op->inputs[0] ? op->inputs[0]->schema : NULL;
    th_buf_text(&n->buf, verb);
}

static void note_expr(note *n, const th_bound *e) { th_bound_print(e, n->input, n->op->calls, &n->buf); }

static th_status note_done(note *n, planner *p, th_operator *op) {
    op->note = n->buf.failed ? NULL : th_arena_text(p->arena, n->buf.data, n->buf.len);
    th_buf_clear(&n->buf);
    return op->note ? TH_OK : no_memory(p);
}

static void note_items(note *n, const th_spec *spec, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        th_buf_text(&n->buf, i > from ? ", " : " ");
        th_view name = spec->items[i].name;
        const th_bound *e = n->op->exprs[i];
        bool plain = e->op == TH_EXPR_COLUMN && th_view_eq(e->text, name);
        if (name.len && !plain) th_buf_printf(&n->buf, "%.*s = ", (int)name.len, name.data);
        note_expr(n, e);
        if (spec->items[i].descending) th_buf_text(&n->buf, " desc");
    }
}

/* ---- Making operators --------------------------------------------------------------------------------------- */

#define MAX_CALLS 64

static const char *source_name(const th_operator *op) {
    for (; op; op = op->inputs[0])
        if (op->cls == &th_op_source) return op->note ? strchr(op->note, '\'') : NULL;
    return NULL;
}

static th_status binder_init(planner *p, th_operator *op, const th_schema *input, th_binder *b) {
    *b = (th_binder){.machine = p->machine,
                     .arena = p->arena,
                     .input = input,
                     .params = th_node_params(p->machine, op->node),
                     .calls = op->calls,
                     .ncalls = op->ncalls,
                     .calls_capacity = MAX_CALLS,
                     .err = p->err};
    if (!b->calls) b->calls = th_arena_zeroed(p->arena, MAX_CALLS * sizeof *b->calls);
    return b->calls ? TH_OK : no_memory(p);
}

/* Binds every item of the spec to the first input (joins: in turn to both). */
static th_status bind_items(planner *p, th_operator *op) {
    const th_spec *spec = op->spec;
    op->exprs = th_arena_zeroed(p->arena, (spec->nitems + 1) * sizeof *op->exprs);
    if (!op->exprs) return no_memory(p);
    for (uint32_t i = 0; i < spec->nitems; i++) {
        bool right = spec->verb == TH_VERB_JOIN && i % 2 == 1;
        th_binder b;
        TH_TRY(binder_init(p, op, op->inputs[right] ? op->inputs[right]->schema : NULL, &b));
        const char *quoted = op->inputs[0] ? source_name(op->inputs[right]) : NULL;
        char name[300];
        if (quoted) {
            const char *end = strchr(quoted + 1, '\'');
            snprintf(name, sizeof name, "%.*s", (int)(end ? end - quoted + 1 : 0), quoted);
            b.input_name = name;
        }
        TH_TRY(th_bind(&b, spec->items[i].expr, &op->exprs[i]));
        if (right && b.ncalls > op->ncalls)
            return th_fail(p->err, TH_E_UNSUPPORTED, "a call in the right key of a join: derive the column first");
        op->calls = b.calls;
        op->ncalls = b.ncalls;
    }
    return TH_OK;
}

static th_status set_schema(planner *p, th_operator *op, const th_field *fields, size_t n) {
    return th_schema_new(p->mem, fields, n, &op->schema) == TH_OK ? TH_OK : no_memory(p);
}

static const char *name_of(planner *p, const th_operator *op, uint32_t i) {
    th_view name = op->spec->items[i].name;
    if (name.len) return th_arena_text(p->arena, name.data, name.len);
    const th_bound *e = op->exprs[i];
    if (e->op == TH_EXPR_COLUMN && e->text.len) return th_arena_text(p->arena, e->text.data, e->text.len);
    th_buf text;
    th_buf_init(&text, p->mem);
    th_bound_print(e, op->inputs[0]->schema, op->calls, &text);
    const char *made = text.failed ? NULL : th_arena_text(p->arena, text.data, text.len);
    th_buf_clear(&text);
    return made;
}

static th_status same_schema(th_operator *op) {
    op->schema = th_schema_retain(op->inputs[0]->schema);
    return TH_OK;
}

static th_status literal_path(planner *p, th_operator *op, const char **path) {
    const th_bound *e = op->exprs[0];
    if (e->op != TH_EXPR_LITERAL || e->type != TH_COLUMN_STRING || e->null)
        return th_fail(p->err, TH_E_TYPE, "the path of a file is a String");
    *path = th_arena_text(p->arena, e->text.data, e->text.len);
    return *path ? TH_OK : no_memory(p);
}

static th_status project_source(planner *p, const place *at, th_stream *stream) {
    if (at->need.all) return TH_OK;
    size_t n = stream->schema->nfields, kept = 0;
    bool *keep = th_arena_zeroed(p->arena, n + 1);
    if (!keep) return no_memory(p);
    for (size_t i = 0; i < n; i++) {
        keep[i] = has_name(at->need.names, at->need.n, th_view_of(stream->schema->fields[i].name));
        kept += keep[i];
    }
    if (kept == 0 && n > 0) keep[0] = true; /* rows are counted through some column */
    if (kept == n) return TH_OK;
    return th_csv_project(stream, keep, p->err);
}

static th_status make_read(planner *p, const place *at, th_operator *op) {
    const char *path;
    th_stream *stream = NULL;
    bool csv = op->spec->verb == TH_VERB_READ_CSV;
    if (!th_machine_allows(p->machine, TH_BUILTIN_FS))
        return th_fail(p->err, TH_E_DENIED, "reading a file needs the capability 'fs', which is not granted");
    TH_TRY(literal_path(p, op, &path));
    TH_TRY(csv ? th_csv_open(p->mem, path, &op->spec->csv, &stream, p->err)
               : th_ipc_open(p->mem, path, &stream, p->err));
    op->state = stream;
    op->source = csv ? TH_SOURCE_CSV : TH_SOURCE_ARROW;
    op->path = path;
    size_t total = stream->schema->nfields;
    if (csv) TH_TRY(project_source(p, at, stream));
    op->schema = th_schema_retain(stream->schema);
    note n;
    note_init(&n, p, op, csv ? "read csv '" : "read arrow '");
    th_buf_printf(&n.buf, "%s' columns:", path);
    for (size_t i = 0; i < op->schema->nfields; i++)
        th_buf_printf(&n.buf, "%s %s", i ? "," : "", op->schema->fields[i].name);
    th_buf_printf(&n.buf, " (%zu of %zu)", op->schema->nfields, total);
    return note_done(&n, p, op);
}

/* A list of structs as one batch, made when the plan is opened. */
static th_status rows_column(planner *p, const th_list *list, size_t field, th_type_id type, th_column_type ctype,
                             bool nullable, th_column *out) {
    const th_types *types = th_machine_types(p->machine);
    if (nullable) type = th_types_get(types, type)->args[0];
    const th_type *t = th_types_get(types, type);
    th_column_builder b;
    th_column_builder_init(&b, p->mem, ctype);
    for (size_t i = 0; i < list->len; i++) {
        const th_record *record = th_word_ptr(list->words[i]);
        uint64_t word = record->slots[field];
        if (nullable && word == 0) {
            th_column_put_null(&b);
            continue;
        }
        if (nullable && !t->pointers) word = ((const th_record *)th_word_ptr(word))->slots[0];
        if (t->kind == TH_KIND_ENUM)
            th_column_put_text(&b, word < t->nnames ? th_view_str(t->names[word]) : (th_view){"", 0});
        else if (ctype == TH_COLUMN_STRING)
            th_column_put_text(&b, th_view_str(th_word_ptr(word)));
        else if (ctype == TH_COLUMN_F64)
            th_column_put_f64(&b, th_word_f64(word));
        else if (ctype == TH_COLUMN_F32)
            th_column_put_f64(&b, (double)th_word_f32(word));
        else
            th_column_put_i64(&b, (int64_t)word);
    }
    th_status status = th_column_builder_finish(&b, out);
    th_column_builder_clear(&b);
    return status;
}

typedef struct once {
    th_stream stream;
    th_mem *mem;
    th_batch *batch;
} once; /* a stream of one batch */

static th_status once_next(th_stream *stream, th_batch **out, th_error *err) {
    (void)err;
    once *o = (once *)(void *)stream;
    *out = o->batch;
    o->batch = NULL;
    return TH_OK;
}

static void once_close(th_stream *stream) {
    once *o = (once *)(void *)stream;
    th_batch_release(o->batch);
    th_schema_release(o->stream.schema);
    th_mem_free(o->mem, o, sizeof *o);
}

static th_status make_rows(planner *p, th_operator *op) {
    th_params params = th_node_params(p->machine, op->node);
    const th_types *types = th_machine_types(p->machine);
    const th_type *row = th_types_get(types, th_types_get(types, params.tuple->args[0])->args[0]);
    const th_list *list = th_word_ptr(params.record->slots[0]);
    if (row->kind != TH_KIND_STRUCT) return th_fail(p->err, TH_E_TYPE, "rows come from a list of structs");
    th_field *fields = th_arena_zeroed(p->arena, (row->nargs + 1) * sizeof *fields);
    th_column *columns = th_arena_zeroed(p->arena, (row->nargs + 1) * sizeof *columns);
    if (!fields || !columns) return no_memory(p);
    for (uint32_t i = 0; i < row->nargs; i++) {
        fields[i].name = row->names[i]->bytes;
        if (!th_column_of_type(p->machine, row->args[i], &fields[i].type, &fields[i].nullable))
            return th_fail(p->err, TH_E_TYPE, "field '%s' is of a type that has no column", fields[i].name);
    }
    TH_TRY(set_schema(p, op, fields, row->nargs));
    th_status status = TH_OK;
    uint32_t done = 0;
    for (; done < row->nargs && status == TH_OK; done++)
        status = rows_column(p, list, done, row->args[done], fields[done].type, fields[done].nullable, &columns[done]);
    once *o = th_mem_zeroed(p->mem, sizeof *o);
    if (!o) status = TH_E_NOMEM;
    if (status == TH_OK) status = th_batch_new(p->mem, op->schema, list->len, columns, &o->batch);
    if (status != TH_OK) {
        for (uint32_t i = 0; i < done; i++) th_column_clear(&columns[i]);
        if (o) th_mem_free(p->mem, o, sizeof *o);
        return th_fail(p->err, status, "%s", th_status_text(status));
    }
    o->mem = p->mem;
    o->stream = (th_stream){.schema = th_schema_retain(op->schema), .next = once_next, .close = once_close};
    op->state = &o->stream;
    op->source = TH_SOURCE_ROWS;
    note n;
    note_init(&n, p, op, "rows");
    th_buf_printf(&n.buf, " %llu", (unsigned long long)list->len);
    return note_done(&n, p, op);
}

static th_bound *column_bound(planner *p, const th_schema *input, size_t i) {
    th_bound *e = th_arena_zeroed(p->arena, sizeof *e);
    if (!e) return NULL;
    *e = (th_bound){.op = TH_EXPR_COLUMN,
                    .type = input->fields[i].type,
                    .nullable = input->fields[i].nullable,
                    .index = (uint32_t)i,
                    .text = th_view_of(input->fields[i].name)};
    return e;
}

typedef struct projection {
    th_field *fields;
    th_bound **exprs;
    size_t n;
} projection;

static th_status projection_init(planner *p, projection *out, size_t room) {
    *out = (projection){th_arena_zeroed(p->arena, (room + 1) * sizeof(th_field)),
                        th_arena_zeroed(p->arena, (room + 1) * sizeof(th_bound *)), 0};
    return out->fields && out->exprs ? TH_OK : no_memory(p);
}

static void project(projection *to, const char *name, th_bound *e) {
    for (size_t i = 0; i < to->n; i++) {
        if (strcmp(to->fields[i].name, name) != 0) continue;
        to->fields[i] = (th_field){to->fields[i].name, e->type, e->nullable};
        to->exprs[i] = e;
        return;
    }
    to->fields[to->n] = (th_field){name, e->type, e->nullable};
    to->exprs[to->n++] = e;
}

static th_status project_inputs(planner *p, const th_operator *op, projection *to) {
    const th_schema *input = op->inputs[0]->schema;
    const th_spec *spec = op->spec;
    for (size_t i = 0; i < input->nfields; i++) {
        th_view name = th_view_of(input->fields[i].name);
        if (spec->verb == TH_VERB_DROP && has_name(spec->names, spec->nnames, name)) continue;
        th_bound *e = column_bound(p, input, i);
        if (!e) return no_memory(p);
        const char *text = input->fields[i].name;
        for (uint32_t k = 0; spec->verb == TH_VERB_RENAME && k < spec->nitems; k++)
            if (op->exprs[k]->op == TH_EXPR_COLUMN && op->exprs[k]->index == i) text = name_of(p, op, k);
        if (!text) return no_memory(p);
        project(to, text, e);
    }
    return TH_OK;
}

static th_status check_drops(planner *p, const th_operator *op) {
    for (uint32_t i = 0; i < op->spec->nnames; i++) {
        th_view name = op->spec->names[i];
        if (th_schema_find(op->inputs[0]->schema, name) < 0)
            return th_fail(p->err, TH_E_REFERENCE, "the table has no column '%.*s'", (int)name.len, name.data);
    }
    return TH_OK;
}

static th_status make_projection(planner *p, th_operator *op) {
    static const char *const verbs[] = {"derive", "select", "drop", "rename"};
    projection to;
    const th_spec *spec = op->spec;
    TH_TRY(check_drops(p, op));
    TH_TRY(projection_init(p, &to, op->inputs[0]->schema->nfields + spec->nitems));
    if (spec->verb != TH_VERB_SELECT) TH_TRY(project_inputs(p, op, &to));
    for (uint32_t i = 0; i < spec->nitems && spec->verb != TH_VERB_RENAME; i++) {
        const char *name = name_of(p, op, i);
        if (!name) return no_memory(p);
        project(&to, name, op->exprs[i]);
    }
    note n;
    note_init(&n, p, op, verbs[spec->verb - TH_VERB_DERIVE]);
    note_items(&n, spec, 0, spec->nitems);
    for (uint32_t i = 0; i < spec->nnames; i++)
        th_buf_printf(&n.buf, "%s %.*s", i ? "," : "", (int)spec->names[i].len, spec->names[i].data);
    TH_TRY(note_done(&n, p, op));
    op->exprs = to.exprs;
    return set_schema(p, op, to.fields, to.n);
}

static th_status make_aggregate(planner *p, th_operator *op) {
    const th_spec *spec = op->spec;
    th_field *fields = th_arena_zeroed(p->arena, (spec->nitems + 1) * sizeof *fields);
    if (!fields) return no_memory(p);
    for (uint32_t i = 0; i < spec->nitems; i++) {
        const th_bound *e = op->exprs[i];
        if ((i < spec->nkeys) == (e->op == TH_EXPR_AGG))
            return th_fail(p->err, TH_E_FORMAT, "a flow spec is malformed: aggregate %u", i);
        fields[i] = (th_field){name_of(p, op, i), e->type, e->nullable};
        if (!fields[i].name) return no_memory(p);
    }
    note n;
    note_init(&n, p, op, "aggregate");
    note_items(&n, spec, spec->nkeys, spec->nitems);
    if (spec->nkeys) th_buf_text(&n.buf, " by");
    note_items(&n, spec, 0, spec->nkeys);
    TH_TRY(note_done(&n, p, op));
    return set_schema(p, op, fields, spec->nitems);
}

static th_status make_join(planner *p, th_operator *op) {
    const th_schema *left = op->inputs[0]->schema, *right = op->inputs[1]->schema;
    size_t n = 0;
    th_field *fields = th_arena_zeroed(p->arena, (left->nfields + right->nfields + 1) * sizeof *fields);
    if (!fields) return no_memory(p);
    for (uint32_t i = 0; i < op->spec->nitems; i += 2)
        if (th_family_of(op->exprs[i]->type) != th_family_of(op->exprs[i + 1]->type))
            return th_fail(p->err, TH_E_TYPE, "a join of %s with %s", th_column_type_text(op->exprs[i]->type),
                           th_column_type_text(op->exprs[i + 1]->type));
    for (size_t i = 0; i < left->nfields; i++) fields[n++] = left->fields[i];
    for (size_t i = 0; i < right->nfields; i++) {
        if (!th_join_keeps(op, right, i)) continue;
        fields[n] = right->fields[i];
        if (op->spec->join == TH_JOIN_LEFT) fields[n].nullable = true;
        while (th_schema_find(left, th_view_of(fields[n].name)) >= 0) {
            fields[n].name = th_arena_printf(p->arena, "%s_right", fields[n].name);
            if (!fields[n].name) return no_memory(p);
        }
        n++;
    }
    note text;
    note_init(&text, p, op, op->spec->join == TH_JOIN_LEFT ? "left join on" : "join on");
    for (uint32_t i = 0; i < op->spec->nitems; i += 2) {
        th_buf_text(&text.buf, i ? ", " : " ");
        th_bound_print(op->exprs[i], left, op->calls, &text.buf);
        th_buf_text(&text.buf, " == ");
        th_bound_print(op->exprs[i + 1], right, op->calls, &text.buf);
    }
    TH_TRY(note_done(&text, p, op));
    return set_schema(p, op, fields, n);
}

static th_status make_union(planner *p, th_operator *op) {
    const th_schema *a = op->inputs[0]->schema, *b = op->inputs[1]->schema;
    if (a->nfields != b->nfields)
        return th_fail(p->err, TH_E_TYPE, "a union of %zu columns with %zu", a->nfields, b->nfields);
    th_field *fields = th_arena_zeroed(p->arena, (a->nfields + 1) * sizeof *fields);
    if (!fields) return no_memory(p);
    for (size_t i = 0; i < a->nfields; i++) {
        if (a->fields[i].type != b->fields[i].type || strcmp(a->fields[i].name, b->fields[i].name) != 0)
            return th_fail(p->err, TH_E_TYPE, "a union where column %zu is '%s' %s and '%s' %s", i + 1,
                           a->fields[i].name, th_column_type_text(a->fields[i].type), b->fields[i].name,
                           th_column_type_text(b->fields[i].type));
        fields[i] = a->fields[i];
        fields[i].nullable |= b->fields[i].nullable;
    }
    op->note = th_arena_printf(p->arena, "union");
    return op->note ? set_schema(p, op, fields, a->nfields) : no_memory(p);
}

static th_status make_count(planner *p, th_operator *op, const char *verb) {
    const th_bound *e = op->exprs[0];
    if (e->op != TH_EXPR_LITERAL || th_family_of(e->type) != TH_FAMILY_INT)
        return th_fail(p->err, TH_E_TYPE, "%s wants a number of rows", verb);
    if (e->ival < 0) return th_fail(p->err, TH_E_ARGUMENT, "%s of %lld rows", verb, (long long)e->ival);
    op->count = (uint64_t)e->ival;
    th_operator *input = op->inputs[0];
    if (op->cls == &th_op_take && input->cls == &th_op_sort && op->count > 0) input->count = op->count;
    op->note = th_arena_printf(p->arena, "%s %llu", verb, (unsigned long long)op->count);
    return op->note ? same_schema(op) : no_memory(p);
}

static th_status make_listed(planner *p, th_operator *op, const char *verb) {
    note n;
    note_init(&n, p, op, verb);
    note_items(&n, op->spec, 0, op->spec->nitems);
    TH_TRY(note_done(&n, p, op));
    return same_schema(op);
}

static th_status make_where(planner *p, th_operator *op) {
    th_family family = th_family_of(op->exprs[0]->type);
    if (family != TH_FAMILY_BOOL && family != TH_FAMILY_NULL)
        return th_fail(p->err, TH_E_TYPE, "where wants a condition, not %s", th_column_type_text(op->exprs[0]->type));
    return make_listed(p, op, "where");
}

static const th_operator_class *class_of(th_verb verb) {
    switch (verb) {
    case TH_VERB_WHERE: return &th_op_where;
    case TH_VERB_AGGREGATE: return &th_op_aggregate;
    case TH_VERB_SORT: return &th_op_sort;
    case TH_VERB_TAKE: return &th_op_take;
    case TH_VERB_SKIP: return &th_op_skip;
    case TH_VERB_DISTINCT: return &th_op_distinct;
    case TH_VERB_JOIN: return &th_op_join;
    case TH_VERB_UNION: return &th_op_union;
    case TH_VERB_READ_CSV:
    case TH_VERB_READ_ARROW:
    case TH_VERB_ROWS: return &th_op_source;
    default: return &th_op_project;
    }
}

static th_status make_verb(planner *p, const place *at, th_operator *op) {
    op->cls = class_of(op->spec->verb);
    TH_TRY(bind_items(p, op));
    switch (op->spec->verb) {
    case TH_VERB_READ_CSV:
    case TH_VERB_READ_ARROW: return make_read(p, at, op);
    case TH_VERB_ROWS: return make_rows(p, op);
    case TH_VERB_WHERE: return make_where(p, op);
    case TH_VERB_AGGREGATE: return make_aggregate(p, op);
    case TH_VERB_SORT: return make_listed(p, op, "sort");
    case TH_VERB_TAKE: return make_count(p, op, "take");
    case TH_VERB_SKIP: return make_count(p, op, "skip");
    case TH_VERB_DISTINCT: return make_listed(p, op, "distinct");
    case TH_VERB_JOIN: return make_join(p, op);
    case TH_VERB_UNION: return make_union(p, op);
    default: return make_projection(p, op);
    }
}

static th_status make_operator(planner *p, place *at, th_operator *op) {
    const th_node *node = th_flow_node_of(at->word);
    if (node->kind == TH_NODE_SPEC) {
        op->spec = node->spec;
        TH_TRY(make_verb(p, at, op));
    } else {
        op->cls = node->kind == TH_NODE_STREAM ? &th_op_stream : &th_op_batches;
        op->schema = th_schema_retain(node->schema);
        op->note = th_arena_printf(p->arena, node->kind == TH_NODE_STREAM ? "stream of the host" : "kept rows");
        if (!op->note) return no_memory(p);
    }
    op->called = th_arena_zeroed(p->arena, (op->ncalls + 1) * sizeof *op->called);
    return op->called ? TH_OK : no_memory(p);
}

static th_status make_all(planner *p) {
    th_exec *exec = p->exec;
    exec->all = th_arena_zeroed(p->arena, (p->n + 1) * sizeof *exec->all);
    if (!exec->all) return no_memory(p);
    for (size_t i = p->n; i-- > 0;) {
        place *at = &p->places[i];
        th_operator *op = th_arena_zeroed(p->arena, sizeof *op);
        if (!op) return no_memory(p);
        op->cls = &th_op_batches; /* something to clear, should making it fail */
        op->node = at->word;
        op->level = at->level;
        for (int k = 0; k < 2; k++)
            if (at->inputs[k]) op->inputs[k] = p->places[at->inputs[k]].op;
        exec->all[exec->nall++] = op;
        at->op = op;
        TH_TRY(make_operator(p, at, op));
    }
    exec->root = p->places[0].op;
    return TH_OK;
}

th_status th_plan_open(th_exec *exec, uint64_t root, th_error *err) {
    planner p = {.exec = exec, .machine = exec->machine, .mem = exec->mem, .arena = &exec->arena, .err = err};
    th_status status = visit(&p, root);
    if (status == TH_OK) {
        push_filters(&p);
        status = spread_needs(&p);
    }
    if (status == TH_OK) status = make_all(&p);
    th_mem_free(p.mem, p.places, p.capacity * sizeof *p.places);
    return status;
}

/* ---- Asking ------------------------------------------------------------------------------------------------- */

th_status th_node_schema(th_machine *machine, uint64_t node, th_schema **out, th_error *err) {
    th_exec *exec;
    TH_TRY(th_exec_new(machine, node, &exec, err));
    *out = th_schema_retain(exec->root->schema);
    th_exec_free(exec);
    return TH_OK;
}

th_status th_node_explain(th_machine *machine, uint64_t node, th_buf *out, th_error *err) {
    th_exec *exec;
    TH_TRY(th_exec_new(machine, node, &exec, err));
    for (size_t i = exec->nall; i-- > 0;)
        th_buf_printf(out, "%*s%s\n", (int)(exec->all[i]->level > 40 ? 80 : exec->all[i]->level * 2), "",
                      exec->all[i]->note);
    th_exec_free(exec);
    return th_buf_status(out) == TH_OK ? TH_OK : th_fail(err, TH_E_NOMEM, "out of memory");
}
