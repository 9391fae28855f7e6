/*
** sink_rows.c - sinks that make values: Table.rows and Table.column.
** The batches are kept until the plan has ended, for what its calls make lies in a scratch region and the list must not. Then
** the list is made of them a slice at a time, so that limits and suspension hold here too.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

enum { SLICE_CELLS = 1 << 16 };

/* ---- Cells -------------------------------------------------------------------------------------------------- */

typedef struct cell_reader { /* a column as words of a type */
    th_column_type column;
    th_type_id type, inner;
    bool option;
    const char *name;
} cell_reader;

static bool reader_init(th_machine *m, const th_schema *schema, int64_t at, th_view name, th_type_id type,
                        cell_reader *out) {
    const th_types *types = th_machine_types(m);
    th_column_type wanted;
    if (at < 0) {
        (void)th_machine_trap(m, TH_E_REFERENCE, "the table has no column '%.*s'", (int)name.len, name.data);
        return false;
    }
    *out = (cell_reader){.column = schema->fields[at].type, .type = type, .name = schema->fields[at].name};
    out->option = th_types_kind(types, type) == TH_KIND_OPTION;
    out->inner = out->option ? th_types_get(types, type)->args[0] : type;
    bool nullable, ok = th_column_of_type(m, type, &wanted, &nullable);
    bool text_of_date =
        wanted == TH_COLUMN_STRING && (out->column == TH_COLUMN_DATE || out->column == TH_COLUMN_TIMESTAMP);
    if (ok && (wanted == out->column || text_of_date)) return true;
    (void)th_machine_trap(m, TH_E_TYPE, "column '%s' is %s", out->name, th_column_type_text(out->column));
    return false;
}

static bool enum_member(th_machine *m, const cell_reader *r, th_view text, uint64_t *word) {
    const th_type *type = th_types_get(th_machine_types(m), r->inner);
    for (uint32_t i = 0; i < type->nnames; i++) {
        if (!th_view_eq(th_view_str(type->names[i]), text)) continue;
        *word = i;
        return true;
    }
    (void)th_machine_trap(m, TH_E_CONVERSION, "'%.*s' in column '%s' is no member of %.*s",
                          (int)(text.len > 60 ? 60 : text.len), text.data, r->name, (int)type->name->len,
                          type->name->bytes);
    return false;
}

static bool text_word(th_machine *m, const cell_reader *r, th_view text, uint64_t *word) {
    if (th_types_kind(th_machine_types(m), r->inner) == TH_KIND_ENUM) return enum_member(m, r, text, word);
    const th_str *s = th_new_str_of(m, text.data, text.len);
    *word = th_ptr_word(s);
    return s != NULL;
}

static bool read_cell(th_machine *m, const cell_reader *r, const th_column *c, size_t row, uint64_t *word) {
    char text[40];
    *word = 0;
    if (r->column == TH_COLUMN_NULL || !th_column_valid(c, row)) {
        if (r->option) return true;
        (void)th_machine_trap(m, TH_E_NULL, "column '%s' is null in row %zu; its type would have to be nullable",
                              r->name, row + 1);
        return false;
    }
    bool ok = true;
    switch (r->column) {
    case TH_COLUMN_BOOL: *word = th_column_bool(c, row); break;
    case TH_COLUMN_I8: *word = (uint64_t)(int64_t)TH_COLUMN_AT(c, int8_t)[row]; break;
    case TH_COLUMN_I16: *word = (uint64_t)(int64_t)TH_COLUMN_AT(c, int16_t)[row]; break;
    case TH_COLUMN_I32: *word = (uint64_t)(int64_t)TH_COLUMN_AT(c, int32_t)[row]; break;
    case TH_COLUMN_F32: *word = th_f32_word(TH_COLUMN_AT(c, float)[row]); break;
    case TH_COLUMN_I64:
    case TH_COLUMN_F64: *word = TH_COLUMN_AT(c, uint64_t)[row]; break;
    case TH_COLUMN_DATE:
        ok = text_word(m, r, (th_view){text, th_format_date(TH_COLUMN_AT(c, int32_t)[row], text)}, word);
        break;
    case TH_COLUMN_TIMESTAMP:
        ok = text_word(m, r, (th_view){text, th_format_timestamp(TH_COLUMN_AT(c, int64_t)[row], text)}, word);
        break;
    default: ok = text_word(m, r, th_column_text(c, row), word);
    }
    if (!ok || !r->option) return ok;
    return th_new_option(m, r->type, *word, word);
}

/* ---- The list ----------------------------------------------------------------------------------------------- */

static th_list *malformed(th_machine *m) {
    th_error err = {.code = TH_OK};
    TH_IGNORE(th_malformed(&err, "there is no list of the result's type"));
    (void)th_machine_trap_error(m, &err);
    return NULL;
}

static size_t rows_left(const th_table_sink *s) {
    size_t n = 0;
    for (size_t b = s->batch; b < s->kept.n; b++) n += s->kept.items[b]->nrows;
    return n - s->row;
}

/* The list under way, with room for all that is to come. */
static th_list *list_of(th_machine *m, th_call *call, th_table_sink *s) {
    th_type_id type = th_types_result(th_machine_types(m), call->type);
    th_list *list = th_word_ptr(call->slots[TH_SLOT_VALUE]);
    if (!s->building) {
        th_table_sink_close_scratch(m, s);
        list = th_new_list(m, type, rows_left(s));
        s->building = list != NULL;
        call->slots[TH_SLOT_VALUE] = th_ptr_word(list);
        return list;
    }
    if (!list || list->object.type != type) return malformed(m);
    return th_list_reserve(m, list, list->len + rows_left(s)) ? list : NULL;
}

typedef struct row_reader {
    const th_type *row; /* NULL: one column */
    size_t nfields;
    cell_reader readers[256];
    size_t columns[256];
    th_type_id type;
} row_reader;

static bool read_row(th_machine *m, const row_reader *r, const th_batch *batch, size_t row, uint64_t *word) {
    if (!r->row) return read_cell(m, &r->readers[0], &batch->columns[r->columns[0]], row, word);
    th_record *record = th_new_record(m, r->type, r->nfields);
    if (!record) return false;
    for (size_t i = 0; i < r->nfields; i++)
        if (!read_cell(m, &r->readers[i], &batch->columns[r->columns[i]], row, &record->slots[i])) return false;
    *word = th_ptr_word(record);
    return true;
}

static bool find_column(th_machine *m, const th_schema *schema, row_reader *r, size_t i, th_view name,
                        th_type_id type) {
    int64_t at = th_schema_find(schema, name);
    if (!reader_init(m, schema, at, name, type, &r->readers[i])) return false;
    r->columns[i] = (size_t)at;
    return true;
}

static bool find_columns(th_machine *m, const th_call *call, const th_schema *schema, th_sink_kind kind,
                         row_reader *r) {
    const th_types *types = th_machine_types(m);
    r->type = th_types_get(types, th_types_result(types, call->type))->args[0];
    r->row = NULL;
    r->nfields = 1;
    if (kind == TH_SINK_COLUMN) return find_column(m, schema, r, 0, th_view_str(th_word_ptr(call->args[1])), r->type);
    r->row = th_types_get(types, r->type);
    r->nfields = r->row->nargs;
    if (r->row->kind != TH_KIND_STRUCT || r->nfields > TH_COUNT(r->readers)) {
        (void)th_machine_trap(m, TH_E_LIMIT, "rows of this type cannot be made of a table");
        return false;
    }
    for (size_t i = 0; i < r->nfields; i++)
        if (!find_column(m, schema, r, i, th_view_str(r->row->names[i]), r->row->args[i])) return false;
    return true;
}

/* As many rows as a slice takes; what they cost does not depend on where slices end. */
static bool add_rows(th_machine *m, th_table_sink *s, const row_reader *r, th_list *list) {
    size_t n = 0, most = SLICE_CELLS / (r->nfields + 1);
    while (s->batch < s->kept.n && n < most) {
        const th_batch *batch = s->kept.items[s->batch];
        for (; s->row < batch->nrows && n < most; s->row++, n++) {
            uint64_t word;
            if (!read_row(m, r, batch, s->row, &word) || !th_list_push(m, list, word)) return false;
        }
        if (s->row < batch->nrows) break;
        s->batch++;
        s->row = 0;
    }
    return th_machine_charge(m, (int64_t)(n * (r->nfields + 1)));
}

static th_step build(th_machine *m, th_call *call, th_table_sink *s) {
    row_reader reader;
    if (!find_columns(m, call, th_exec_schema(s->exec), s->kind, &reader)) return TH_STEP_ERROR;
    th_list *list = list_of(m, call, s);
    if (!list || !add_rows(m, s, &reader, list)) return TH_STEP_ERROR;
    if (s->batch < s->kept.n) return TH_STEP_AGAIN;
    call->result[0] = th_ptr_word(list);
    th_table_sink_close(m, call);
    return TH_STEP_DONE;
}

static th_step make_list(th_machine *m, th_call *call, th_sink_kind kind) {
    bool begins;
    th_table_sink *s = th_table_sink_enter(m, call, kind, &begins);
    if (!s) return TH_STEP_ERROR;
    if (s->building) return build(m, call, s);
    th_batch *batch;
    th_step step = th_table_sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    if (batch) return th_table_sink_keep(m, s, batch) ? TH_STEP_AGAIN : TH_STEP_ERROR;
    return build(m, call, s);
}

th_step th_table_rows(th_machine *m, th_call *call) { return make_list(m, call, TH_SINK_ROWS); }
th_step th_table_column(th_machine *m, th_call *call) { return make_list(m, call, TH_SINK_COLUMN); }
