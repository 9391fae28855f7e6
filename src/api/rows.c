/*
** rows.c - a list of sets as a table, and back.
**
** Evaluating the cells is a run of the builtin Nix.rows; what is evaluated is then read into columns, outside of runs, where
** nothing moves. A table's rows are computed by runs of their own: the list made so far is held over those.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "api/dynamic.h"

#define BATCH_ROWS 65536

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

enum { ROW, CELL };

/* list -> list, its sets and their fields evaluated (not what is in the fields). */
static th_step rows(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_value list = th_deref(call->args[0]);
    for (size_t n = th_array_len(list); call->slots[ROW] < n; call->slots[ROW]++, call->slots[CELL] = 0) {
        th_value set = th_array_items(list)[call->slots[ROW]];
        if (!th_evaluated(&set)) return th_call_force(m, call, set, 1);
        if (!nix_is_set(set)) {
            char word[96];
            return th_machine_trap(m, TH_E_TYPE, "row %zu is %s: the rows of a table are sets",
                                   (size_t)call->slots[ROW] + 1, nix_type_word(m, set, word));
        }
        if (!th_record_flat(heap, set, &set)) return nix_no_memory(m);
        for (size_t fields = th_record_shape(heap, set)->count; call->slots[CELL] < fields; call->slots[CELL]++) {
            th_value v = th_record_values(set)[call->slots[CELL]];
            NIX_CHARGE(m, 2);
            if (!th_evaluated(&v)) return th_call_force(m, call, v, 1);
        }
    }
    call->result[0] = list;
    return TH_STEP_DONE;
}

const th_builtin th_api_nix_rows = {"Nix.rows",
                                    "list: value -> value",
                                    "The list, its sets and their fields evaluated.",
                                    rows,
                                    TH_BUILTIN_STATEFUL,
                                    2,
                                    "ii",
                                    "l"};

/* ---- Columns ------------------------------------------------------------------------------------------------ */

typedef struct column {
    th_symbol symbol;
    th_view name;
    th_column_type type; /* NULL: only nulls so far */
    size_t present, nulls;
} column;

typedef struct table {
    theta_machine *machine;
    th_heap *heap;
    th_value list;
    size_t nrows;
    column *columns; /* first in the order of appearance, then by name */
    size_t n, capacity;
    uint32_t *places; /* a hash table: column + 1 by symbol */
    size_t nplaces;
    theta_error *err;
} table;

static theta_status out_of_memory(table *t) {
    (void)nix_no_memory(t->machine->machine);
    return th_api_take_trap(t->machine, TH_E_NOMEM, t->err);
}

static uint32_t *place_of(table *t, th_symbol symbol) {
    size_t mask = t->nplaces - 1, i = (size_t)th_hash_word(symbol) & mask;
    while (t->places[i] && t->columns[t->places[i] - 1].symbol != symbol) i = (i + 1) & mask;
    return &t->places[i];
}

static bool grow_places(table *t) {
    th_mem *mem = th_machine_mem(t->machine->machine);
    size_t old = t->nplaces, size = old ? old * 2 : 64;
    uint32_t *places = th_mem_zeroed(mem, size * sizeof *places);
    if (!places) return false;
    th_mem_free(mem, t->places, old * sizeof *places);
    t->places = places;
    t->nplaces = size;
    for (size_t i = 0; i < t->n; i++) *place_of(t, t->columns[i].symbol) = (uint32_t)i + 1;
    return true;
}

static column *column_of(table *t, th_symbol symbol) {
    if ((t->n + 1) * 2 > t->nplaces && !grow_places(t)) return NULL;
    uint32_t *place = place_of(t, symbol);
    if (*place) return &t->columns[*place - 1];
    if (th_mem_grow(th_machine_mem(t->machine->machine), (void **)&t->columns, &t->capacity, t->n + 1,
                    sizeof *t->columns) != TH_OK)
        return NULL;
    t->columns[t->n] = (column){.symbol = symbol, .name = th_symbol_text(t->heap, symbol)};
    *place = (uint32_t)++t->n;
    return &t->columns[t->n - 1];
}

/* COUNT: it fits in no column. */
static th_column_type type_of(th_value v) {
    if (v == TH_V_NULL) return TH_COLUMN_NULL;
    if (th_is_bool(v)) return TH_COLUMN_BOOL;
    if (nix_is_int(v)) return TH_COLUMN_I64;
    if (nix_is_float(v)) return TH_COLUMN_F64;
    return th_is_kind(v, TH_OBJ_STRING) ? TH_COLUMN_STRING : TH_COLUMN_TYPE_COUNT;
}

static bool is_number(th_column_type type) { return type == TH_COLUMN_I64 || type == TH_COLUMN_F64; }

static theta_status add_cell(table *t, size_t row, th_symbol symbol, th_value v) {
    column *c = column_of(t, symbol);
    if (!c) return out_of_memory(t);
    char word[96];
    th_column_type type = type_of(v);
    c->present++;
    c->nulls += type == TH_COLUMN_NULL;
    if (type == TH_COLUMN_TYPE_COUNT)
        return th_api_fail(t->err, TH_E_TYPE,
                           "row %zu: '%.200s' is %s: a column holds numbers, booleans, strings or nulls", row + 1,
                           c->name.data, nix_type_word(t->machine->machine, v, word));
    if (type == TH_COLUMN_STRING && th_utf8_valid(th_string_bytes(v), th_string_len(v)) != th_string_len(v))
        return th_api_fail(t->err, TH_E_TYPE, "row %zu: '%.200s' is a string that is not UTF-8", row + 1, c->name.data);
    if (type == TH_COLUMN_NULL || type == c->type) return THETA_OK;
    if (c->type == TH_COLUMN_NULL)
        c->type = type;
    else if (is_number(type) && is_number(c->type))
        c->type = TH_COLUMN_F64;
    else
        return th_api_fail(t->err, TH_E_TYPE, "row %zu: '%.200s' is %s, but %s in the rows above", row + 1,
                           c->name.data, nix_type_word(t->machine->machine, v, word), th_column_type_text(c->type));
    return THETA_OK;
}

static theta_status find_columns(table *t) {
    for (size_t r = 0; r < t->nrows; r++) {
        th_value set = th_deref(th_array_items(t->list)[r]);
        if (!th_record_flat(t->heap, set, &set)) return out_of_memory(t);
        const th_shape *shape = th_record_shape(t->heap, set);
        for (uint32_t k = 0; k < shape->count; k++) {
            theta_status status = add_cell(t, r, shape->keys[k], th_deref(th_record_values(set)[k]));
            if (status != THETA_OK) return status;
        }
    }
    if (t->n > 0) return THETA_OK;
    return th_api_fail(t->err, TH_E_TYPE,
                       t->nrows ? "the sets of the list have no names: a table has columns"
                                : "the list is empty: the columns of the table are not known");
}

static int by_name(const void *a, const void *b) {
    return th_view_compare(((const column *)a)->name, ((const column *)b)->name);
}

static theta_status make_schema(table *t, th_schema **out) {
    th_mem *mem = th_machine_mem(t->machine->machine);
    th_field *fields = th_mem_new(mem, t->n * sizeof *fields);
    if (!fields) return out_of_memory(t);
    qsort(t->columns, t->n, sizeof *t->columns, by_name);
    theta_status status = THETA_OK;
    for (size_t i = 0; i < t->n && status == THETA_OK; i++) {
        column *c = &t->columns[i];
        if (memchr(c->name.data, 0, c->name.len) || th_utf8_valid(c->name.data, c->name.len) != c->name.len)
            status = th_api_fail(t->err, TH_E_TYPE, "the name of a column is not UTF-8");
        if (c->type == TH_COLUMN_NULL) c->type = TH_COLUMN_STRING; /* any would do */
        fields[i] = (th_field){c->name.data, c->type, c->nulls > 0 || c->present < t->nrows};
    }
    if (status == THETA_OK && th_schema_new(mem, fields, t->n, out) != TH_OK) status = out_of_memory(t);
    th_mem_free(mem, fields, t->n * sizeof *fields);
    return status;
}

static void put_cell(th_column_builder *b, th_value v) {
    int64_t i;
    double x;
    if (v == TH_V_NULL || v == TH_V_ABSENT)
        th_column_put_null(b);
    else if (b->type == TH_COLUMN_BOOL)
        th_column_put_i64(b, v == TH_V_TRUE);
    else if (b->type == TH_COLUMN_STRING)
        th_column_put_text(b, th_string_view(v));
    else if (b->type == TH_COLUMN_I64)
        th_column_put_i64(b, th_get_i64(v, &i) ? i : 0);
    else
        th_column_put_f64(b, th_get_f64(v, &x) ? x : th_get_i64(v, &i) ? (double)i : 0);
}

static th_status make_batch(table *t, th_schema *schema, size_t from, size_t count, th_batch **out) {
    th_mem *mem = th_machine_mem(t->machine->machine);
    th_column *columns = th_mem_zeroed(mem, t->n * sizeof *columns);
    if (!columns) return TH_E_NOMEM;
    th_status status = TH_OK;
    size_t made = 0;
    for (; made < t->n && status == TH_OK; made += status == TH_OK) {
        th_column_builder b;
        th_column_builder_init(&b, mem, t->columns[made].type);
        for (size_t r = from; r < from + count; r++) {
            th_value set = th_deref(th_array_items(t->list)[r]);
            put_cell(&b, th_deref(th_record_get(t->heap, set, t->columns[made].symbol)));
        }
        status = th_column_builder_finish(&b, &columns[made]);
        if (status != TH_OK) th_column_builder_clear(&b);
    }
    if (status == TH_OK) status = th_batch_new(mem, schema, count, columns, out);
    if (status != TH_OK)
        while (made > 0) th_column_clear(&columns[--made]);
    th_mem_free(mem, columns, t->n * sizeof *columns);
    return status;
}

static theta_status make_node(table *t, th_schema *schema, theta_value *out) {
    th_mem *mem = th_machine_mem(t->machine->machine);
    size_t n = (t->nrows + BATCH_ROWS - 1) / BATCH_ROWS, made = 0;
    th_batch **batches = th_mem_zeroed(mem, n * sizeof *batches);
    th_status status = batches ? TH_OK : TH_E_NOMEM;
    for (; made < n && status == TH_OK; made += status == TH_OK) {
        size_t from = made * BATCH_ROWS, left = t->nrows - from;
        status = make_batch(t, schema, from, left < BATCH_ROWS ? left : BATCH_ROWS, &batches[made]);
    }
    th_type_id type;
    uint64_t node;
    if (status == TH_OK) status = th_table_type(t->machine->machine, schema, &type);
    theta_status result = (theta_status)status;
    if (status == TH_OK && !th_node_of_batches(t->machine->machine, type, schema, batches, n, &node))
        result = th_api_take_trap(t->machine, TH_E_NOMEM, t->err);
    else if (status != TH_OK)
        result = status == TH_E_NOMEM ? out_of_memory(t) : th_api_fail(t->err, status, "%s", th_status_text(status));
    if (result == THETA_OK) *out = (theta_value){node, type, 0};
    while (made > 0) th_batch_release(batches[--made]);
    th_mem_free(mem, batches, n * sizeof *batches);
    return result;
}

theta_status theta_table_of_value(theta_machine *m, theta_value list, theta_value *out, theta_error *err) {
    theta_status status = th_api_nix_ready(m, err);
    th_value fn;
    if (status != THETA_OK) return status;
    if (!nix_builtin_value(m->machine, "Nix.rows", &fn)) return th_api_take_trap(m, TH_E_NOT_FOUND, err);
    status = th_api_begin(m, th_api_value_of(fn), &list, 1, err);
    if (status != THETA_OK) return status;
    (void)theta_run(m);
    status = theta_result(m, &list, err);
    if (status != THETA_OK) return status;
    table t = {.machine = m, .heap = th_machine_heap(m->machine), .list = th_deref(list.word), .err = err};
    th_mem *mem = th_machine_mem(m->machine);
    th_schema *schema = NULL;
    t.nrows = th_array_len(t.list);
    status = find_columns(&t);
    if (status == THETA_OK) status = make_schema(&t, &schema);
    if (status == THETA_OK) status = make_node(&t, schema, out);
    if (schema) th_schema_release(schema);
    th_mem_free(mem, t.columns, t.capacity * sizeof *t.columns);
    th_mem_free(mem, t.places, t.nplaces * sizeof *t.places);
    return status;
}

/* ---- And back ----------------------------------------------------------------------------------------------- */

typedef struct chunks { /* a list for each batch, held */
    uint32_t *holds;
    size_t n, capacity, nrows;
} chunks;

typedef struct layout {
    const th_shape *shape;
    uint32_t *order;  /* the column of each place of the shape */
    th_value *values; /* of one row */
} layout;

static bool cell(th_heap *heap, const th_column *c, size_t i, th_value *out) {
    char text[40];
    size_t len;
    if (!th_column_valid(c, i) || c->type == TH_COLUMN_NULL) return *out = TH_V_NULL, true;
    switch (c->type) {
    case TH_COLUMN_BOOL: *out = th_of_bool(th_column_bool(c, i)); return true;
    case TH_COLUMN_I8: return th_new_int(heap, TH_COLUMN_AT(c, int8_t)[i], out);
    case TH_COLUMN_I16: return th_new_int(heap, TH_COLUMN_AT(c, int16_t)[i], out);
    case TH_COLUMN_I32: return th_new_int(heap, TH_COLUMN_AT(c, int32_t)[i], out);
    case TH_COLUMN_I64: return th_new_int(heap, TH_COLUMN_AT(c, int64_t)[i], out);
    case TH_COLUMN_F32: return th_new_float(heap, (double)TH_COLUMN_AT(c, float)[i], out);
    case TH_COLUMN_F64: return th_new_float(heap, TH_COLUMN_AT(c, double)[i], out);
    case TH_COLUMN_DATE: len = th_format_date(TH_COLUMN_AT(c, int32_t)[i], text); break;
    case TH_COLUMN_TIMESTAMP: len = th_format_timestamp(TH_COLUMN_AT(c, int64_t)[i], text); break;
    default: {
        th_view view = th_column_text(c, i);
        return th_new_string(heap, NIX_SORT_TEXT, view.data, view.len, TH_V_NULL, out);
    }
    }
    return th_new_string(heap, NIX_SORT_TEXT, text, len, TH_V_NULL, out);
}

static bool make_rows(th_heap *heap, const th_batch *batch, const layout *l, th_value *out) {
    th_value *items;
    if (!th_new_array(heap, batch->nrows, TH_V_NULL, &items, out)) return false;
    for (size_t r = 0; r < batch->nrows; r++) {
        th_value set;
        for (uint32_t k = 0; k < l->shape->count; k++)
            if (!cell(heap, &batch->columns[l->order[k]], r, &l->values[k])) return false;
        if (!th_new_record_of(heap, l->shape, l->values, &set)) return false;
        th_heap_set(heap, th_obj(*out), &items[r], set);
    }
    return true;
}

/* `scratch` has room for two symbols and one value for each column. */
static bool lay_out(th_heap *heap, const th_schema *schema, th_symbol *keys, layout *l) {
    for (size_t i = 0; i < schema->nfields; i++)
        if ((keys[i] = th_symbol_of(heap, th_view_of(schema->fields[i].name))) == 0) return false;
    l->shape = th_shape_new(heap, keys, NULL, schema->nfields, false, l->order);
    return l->shape != NULL;
}

static bool keep_batch(theta_machine *m, const th_batch *batch, chunks *to) {
    th_mem *mem = th_machine_mem(m->machine);
    th_heap *heap = th_machine_heap(m->machine);
    size_t n = batch->schema->nfields;
    th_symbol *keys = th_mem_new(mem, (n + 1) * sizeof *keys);
    layout l = {.order = th_mem_new(mem, (n + 1) * sizeof *l.order),
                .values = th_mem_new(mem, (n + 1) * sizeof *l.values)};
    th_value list;
    bool ok =
        keys && l.order && l.values && lay_out(heap, batch->schema, keys, &l) && make_rows(heap, batch, &l, &list);
    ok = ok && th_mem_grow(mem, (void **)&to->holds, &to->capacity, to->n + 1, sizeof *to->holds) == TH_OK;
    if (ok) ok = th_machine_hold(m->machine, TH_TYPE_VALUE, list, &to->holds[to->n]) == TH_OK;
    if (ok) {
        to->n++;
        to->nrows += batch->nrows;
    }
    th_mem_free(mem, keys, (n + 1) * sizeof *keys);
    th_mem_free(mem, l.order, (n + 1) * sizeof *l.order);
    th_mem_free(mem, l.values, (n + 1) * sizeof *l.values);
    return ok;
}

static bool join_chunks(theta_machine *m, const chunks *from, th_value *out) {
    th_heap *heap = th_machine_heap(m->machine);
    th_value *to;
    if (!th_new_array(heap, from->nrows, TH_V_NULL, &to, out)) return false;
    size_t at = 0;
    for (size_t i = 0; i < from->n; i++) {
        th_value list = th_machine_held(m->machine, from->holds[i], NULL);
        for (size_t k = 0; k < th_array_len(list); k++)
            th_heap_set(heap, th_obj(*out), &to[at++], th_array_items(list)[k]);
    }
    return true;
}

static theta_status pull_all(theta_machine *m, th_stream *stream, chunks *to, theta_error *err) {
    for (;;) {
        th_batch *batch;
        th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
        th_status status = stream->next(stream, &batch, &inner);
        if (status != TH_OK) {
            th_api_error(err, &inner);
            return (theta_status)status;
        }
        if (!batch) return THETA_OK;
        bool kept = keep_batch(m, batch, to);
        th_batch_release(batch);
        if (kept) continue;
        (void)nix_no_memory(m->machine);
        return th_api_take_trap(m, TH_E_NOMEM, err);
    }
}

theta_status theta_value_of_table(theta_machine *m, theta_value value, theta_value *out, theta_error *err) {
    struct ArrowArrayStream exported = {0};
    th_stream *stream;
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    if (!th_machine_heap(m->machine)) return th_api_take_trap(m, TH_E_NOMEM, err);
    theta_status status = theta_table_export(m, value, &exported, err);
    if (status != THETA_OK) return status;
    th_status imported = th_import_stream(&m->engine->mem, &exported, &stream, &inner);
    if (imported != TH_OK) {
        if (exported.release) exported.release(&exported);
        th_api_error(err, &inner);
        return (theta_status)imported;
    }
    chunks list = {0};
    th_value joined;
    status = pull_all(m, stream, &list, err);
    stream->close(stream);
    if (status == THETA_OK && !join_chunks(m, &list, &joined)) {
        (void)nix_no_memory(m->machine);
        status = th_api_take_trap(m, TH_E_NOMEM, err);
    }
    if (status == THETA_OK) *out = th_api_value_of(joined);
    for (size_t i = 0; i < list.n; i++) th_machine_drop(m->machine, list.holds[i]);
    th_mem_free(th_machine_mem(m->machine), list.holds, list.capacity * sizeof *list.holds);
    return status;
}
