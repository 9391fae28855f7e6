/*
** builtins.c - what programs call: making nodes, and the sinks that run a plan.
** Every sink is one state machine: an executor in its slot, stepped until the end, user functions called through the machine
** in between, each batch handed to the sink. A scratch region takes what those calls leave.
** SPDX-License-Identifier: Apache-2.0
*/
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/flow_int.h"

static th_step trap(th_machine *m, const th_error *err) { return th_machine_trap_error(m, err); }

/* ---- Flow.apply --------------------------------------------------------------------------------------------- */

static th_step flow_apply(th_machine *m, th_call *call) {
    th_types *types = th_machine_types(m);
    const th_str *spec = th_word_ptr(call->args[0]);
    size_t n = th_types_nparams(types, call->type) - 1;
    th_type_id params[256];
    if (n > TH_COUNT(params)) return th_machine_trap(m, TH_E_LIMIT, "a verb with %zu parameters", n);
    for (size_t i = 0; i < n; i++) params[i] = th_types_param(types, call->type, i + 1);
    th_type_id result = th_types_result(types, call->type);
    th_error err = {.code = TH_OK};
    uint64_t word;
    th_status status = th_node_make(m, result, spec->bytes, spec->len, call->args + 1, params, n, &word, &err);
    if (status != TH_OK) return trap(m, &err);
    call->result[0] = word;
    return TH_STEP_DONE;
}

/* ---- Running a plan ----------------------------------------------------------------------------------------- */

/* Sinks keep their C state beside the executor; `finish` sets the result. */
typedef struct sink {
    th_mem *mem;
    th_exec *exec;
    void *state;
    void (*free_state)(struct sink *sink);
    size_t calls; /* since the scratch region was reset */
    bool scratch;
} sink;

static void sink_free(void *pointer) {
    sink *s = pointer;
    if (s->free_state) s->free_state(s);
    th_exec_free(s->exec);
    th_mem_free(s->mem, s, sizeof *s);
}

/* Without `save`: a snapshot rewinds the builtin to its start. */
static const th_native_class sink_class = {"theta.flow.sink", sink_free, NULL, NULL};

static th_type_id opaque_type(th_machine *m, const char *name) {
    th_type_id type = TH_TYPE_VOID;
    if (th_types_add(th_machine_types(m), TH_KIND_OPAQUE, th_view_of(name), NULL, 0, NULL, 0, &type) != TH_OK)
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
    return type;
}

static sink *sink_open(th_machine *m, th_call *call, uint64_t node) {
    th_mem *mem = th_machine_mem(m);
    th_error err = {.code = TH_OK};
    sink *s = th_mem_zeroed(mem, sizeof *s);
    if (!s) {
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return NULL;
    }
    s->mem = mem;
    if (th_exec_new(m, node, &s->exec, &err) != TH_OK) {
        (void)trap(m, &err);
        th_mem_free(mem, s, sizeof *s);
        return NULL;
    }
    th_type_id type = opaque_type(m, "Sink");
    th_native *native = type ? th_new_native(m, type, &sink_class, s) : NULL;
    if (!native) {
        if (!type) sink_free(s);
        return NULL;
    }
    call->slots[0] = th_ptr_word(native);
    return s;
}

static sink *sink_of(const th_call *call) { return ((th_native *)th_word_ptr(call->slots[0]))->pointer; }

/* The executor goes before the machine's memory does, so that files are closed in time. */
static void sink_close(th_machine *m, th_call *call) {
    th_native *native = th_word_ptr(call->slots[0]);
    sink *s = native->pointer;
    if (s->scratch) th_scratch_close(m);
    native->pointer = NULL;
    sink_free(s);
}

#define CALLS_PER_RESET 256
enum { STATE_START, STATE_STEP, STATE_CALLED };

/* One entry of a sink: TH_STEP_DONE means that a batch is in *batch, or none when the plan has ended. */
static th_step sink_step(th_machine *m, th_call *call, th_batch **batch) {
    sink *s = sink_of(call);
    th_error err = {.code = TH_OK};
    *batch = NULL;
    if (call->state == STATE_CALLED) {
        th_exec_result(s->exec, call->callback);
        if (++s->calls % CALLS_PER_RESET == 0) th_scratch_reset(m);
    }
    call->state = STATE_STEP;
    switch (th_exec_step_once(s->exec, batch, &err)) {
    case TH_EXEC_BATCH:
    case TH_EXEC_DONE: return TH_STEP_DONE;
    case TH_EXEC_AGAIN: return TH_STEP_AGAIN;
    case TH_EXEC_ERROR: return trap(m, &err);
    case TH_EXEC_CALL: break;
    }
    th_closure *closure;
    const uint64_t *args;
    size_t nargs;
    if (!s->scratch) {
        /* The words of the first call were made before the region: they are few. */
        if (!th_scratch_open(m)) return TH_STEP_ERROR;
        s->scratch = true;
    }
    th_exec_call(s->exec, &closure, &args, &nargs);
    return th_call_closure(m, call, closure, args, nargs, STATE_CALLED);
}

/* ---- Table.print -------------------------------------------------------------------------------------------- */

static th_status write_machine(th_sink *to, const void *bytes, size_t len, th_error *err) {
    th_machine *m = to->user;
    if (th_machine_write(m, bytes, len) == TH_OK) return TH_OK;
    return th_fail(err, TH_E_IO, "the output cannot be written");
}

static void free_writer(sink *s) { th_table_writer_free(s->state); }

void th_flow_set_show(th_machine *m, const th_show_options *options) {
    th_show_options *kept = malloc(sizeof *kept);
    if (kept) *kept = *options;
    th_machine_set_flow_user(m, kept, free);
}

static th_step table_print(th_machine *m, th_call *call) {
    th_error err = {.code = TH_OK};
    if (call->state == STATE_START) {
        const th_show_options defaults = {.format = TH_FORMAT_CSV}, *o = th_machine_flow_user(m);
        if (!o) o = &defaults;
        sink *s = sink_open(m, call, call->args[0]);
        if (!s) return TH_STEP_ERROR;
        th_table_writer *writer = NULL;
        th_status status = th_table_writer_new(s->mem, o->format, th_exec_schema(s->exec), o->width, o->max_rows,
                                               (th_sink){write_machine, m}, &writer, &err);
        if (status != TH_OK) return trap(m, &err);
        s->state = writer;
        s->free_state = free_writer;
    }
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    th_table_writer *writer = sink_of(call)->state;
    th_status status = batch ? th_table_writer_batch(writer, batch, &err) : th_table_writer_finish(writer, &err);
    th_batch_release(batch);
    if (status != TH_OK) return trap(m, &err);
    if (batch) return TH_STEP_AGAIN;
    sink_close(m, call);
    return TH_STEP_DONE;
}

/* ---- Table.count -------------------------------------------------------------------------------------------- */

static th_step table_count(th_machine *m, th_call *call) {
    if (call->state == STATE_START && !sink_open(m, call, call->args[0])) return TH_STEP_ERROR;
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    if (batch) {
        call->slots[1] += batch->nrows;
        th_batch_release(batch);
        return TH_STEP_AGAIN;
    }
    call->result[0] = call->slots[1];
    sink_close(m, call);
    return TH_STEP_DONE;
}

/* ---- Table.collect ------------------------------------------------------------------------------------------ */

typedef struct kept {
    th_batch **items;
    size_t n, capacity;
} kept;

static void free_kept(sink *s) {
    kept *k = s->state;
    for (size_t i = 0; i < k->n; i++) th_batch_release(k->items[i]);
    th_mem_free(s->mem, k->items, k->capacity * sizeof(th_batch *));
    th_mem_free(s->mem, k, sizeof *k);
}

static bool open_kept(th_machine *m, th_call *call) {
    sink *s = sink_open(m, call, call->args[0]);
    if (!s) return false;
    s->state = th_mem_zeroed(s->mem, sizeof(kept));
    if (s->state)
        s->free_state = free_kept;
    else
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
    return s->state != NULL;
}

/* Takes the batch. */
static bool keep(th_machine *m, sink *s, th_batch *batch) {
    kept *k = s->state;
    if (th_mem_grow(s->mem, (void **)&k->items, &k->capacity, k->n + 1, sizeof(th_batch *)) != TH_OK) {
        th_batch_release(batch);
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return false;
    }
    k->items[k->n++] = batch;
    return true;
}

static void close_scratch(th_machine *m, sink *s) { /* results must not lie in the scratch region */
    if (s->scratch) th_scratch_close(m);
    s->scratch = false;
}

static th_step table_collect(th_machine *m, th_call *call) {
    if (call->state == STATE_START && !open_kept(m, call)) return TH_STEP_ERROR;
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    sink *s = sink_of(call);
    if (batch) return keep(m, s, batch) ? TH_STEP_AGAIN : TH_STEP_ERROR;
    kept *k = s->state;
    close_scratch(m, s);
    th_type_id type = th_types_result(th_machine_types(m), call->type);
    bool ok =
        th_node_of_batches(m, type, (th_schema *)(uintptr_t)th_exec_schema(s->exec), k->items, k->n, call->result);
    sink_close(m, call);
    return ok ? TH_STEP_DONE : TH_STEP_ERROR;
}

/* ---- Table.rows, Table.column ------------------------------------------------------------------------------- */

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

/* Slot 1: the list under way. It is made after the scratch region was closed, from the batches kept. */
static th_step build_rows(th_machine *m, th_call *call, sink *s) {
    const th_types *types = th_machine_types(m);
    const th_schema *schema = th_exec_schema(s->exec);
    const kept *k = s->state;
    th_type_id list_type = th_types_result(types, call->type), row_type = th_types_get(types, list_type)->args[0];
    size_t total = 0, nfields = th_types_get(types, row_type)->nargs;
    cell_reader readers[256];
    size_t columns[256];
    for (size_t i = 0; i < nfields; i++) {
        const th_type *row = th_types_get(types, row_type);
        th_view name = th_view_str(row->names[i]);
        int64_t at = th_schema_find(schema, name);
        if (!reader_init(m, schema, at, name, row->args[i], &readers[i])) return TH_STEP_ERROR;
        columns[i] = (size_t)at;
    }
    for (size_t b = 0; b < k->n; b++) total += k->items[b]->nrows;
    th_list *list = th_new_list(m, list_type, total);
    if (!list) return TH_STEP_ERROR;
    for (size_t b = 0; b < k->n; b++) {
        if (!th_machine_charge(m, (int64_t)(k->items[b]->nrows * (nfields + 1)))) return TH_STEP_ERROR;
        for (size_t row = 0; row < k->items[b]->nrows; row++) {
            th_record *record = th_new_record(m, row_type, nfields);
            if (!record) return TH_STEP_ERROR;
            for (size_t i = 0; i < nfields; i++)
                if (!read_cell(m, &readers[i], &k->items[b]->columns[columns[i]], row, &record->slots[i]))
                    return TH_STEP_ERROR;
            if (!th_list_push(m, list, th_ptr_word(record))) return TH_STEP_ERROR;
        }
    }
    call->result[0] = th_ptr_word(list);
    return TH_STEP_DONE;
}

static th_step build_column(th_machine *m, th_call *call, sink *s) {
    const th_types *types = th_machine_types(m);
    const kept *k = s->state;
    th_type_id list_type = th_types_result(types, call->type), type = th_types_get(types, list_type)->args[0];
    th_view name = th_view_str(th_word_ptr(call->args[1]));
    int64_t at = th_schema_find(th_exec_schema(s->exec), name);
    cell_reader reader;
    if (!reader_init(m, th_exec_schema(s->exec), at, name, type, &reader)) return TH_STEP_ERROR;
    th_list *list = th_new_list(m, list_type, 0);
    if (!list) return TH_STEP_ERROR;
    for (size_t b = 0; b < k->n; b++) {
        if (!th_machine_charge(m, (int64_t)k->items[b]->nrows)) return TH_STEP_ERROR;
        for (size_t row = 0; row < k->items[b]->nrows; row++) {
            uint64_t word;
            if (!read_cell(m, &reader, &k->items[b]->columns[at], row, &word) || !th_list_push(m, list, word))
                return TH_STEP_ERROR;
        }
    }
    call->result[0] = th_ptr_word(list);
    return TH_STEP_DONE;
}

static th_step collect_then(th_machine *m, th_call *call, th_step (*build)(th_machine *, th_call *, sink *)) {
    if (call->state == STATE_START && !open_kept(m, call)) return TH_STEP_ERROR;
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    sink *s = sink_of(call);
    if (batch) return keep(m, s, batch) ? TH_STEP_AGAIN : TH_STEP_ERROR;
    close_scratch(m, s);
    step = build(m, call, s);
    if (step == TH_STEP_DONE) sink_close(m, call);
    return step;
}

static th_step table_rows(th_machine *m, th_call *call) { return collect_then(m, call, build_rows); }
static th_step table_column(th_machine *m, th_call *call) { return collect_then(m, call, build_column); }

/* ---- Explaining --------------------------------------------------------------------------------------------- */

static th_step give_text(th_machine *m, th_call *call, th_buf *buf) {
    const th_str *s = buf->failed ? NULL : th_new_str_of(m, buf->data ? buf->data : "", buf->len);
    bool failed = buf->failed;
    th_buf_clear(buf);
    if (failed) return th_machine_trap(m, TH_E_NOMEM, "out of memory");
    call->result[0] = th_ptr_word(s);
    return s ? TH_STEP_DONE : TH_STEP_ERROR;
}

static th_step table_explain(th_machine *m, th_call *call) {
    th_buf buf;
    th_error err = {.code = TH_OK};
    th_buf_init(&buf, th_machine_mem(m));
    if (th_node_explain(m, call->args[0], &buf, &err) != TH_OK) {
        th_buf_clear(&buf);
        return trap(m, &err);
    }
    return give_text(m, call, &buf);
}

static th_step table_schema(th_machine *m, th_call *call) {
    th_schema *schema;
    th_error err = {.code = TH_OK};
    if (th_node_schema(m, call->args[0], &schema, &err) != TH_OK) return trap(m, &err);
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    for (size_t i = 0; i < schema->nfields; i++)
        th_buf_printf(&buf, "%s%s: %s%s", i ? "\n" : "", schema->fields[i].name,
                      th_column_type_text(schema->fields[i].type), schema->fields[i].nullable ? "?" : "");
    th_schema_release(schema);
    return give_text(m, call, &buf);
}

static th_step table_columns(th_machine *m, th_call *call) {
    th_schema *schema;
    th_error err = {.code = TH_OK};
    if (th_node_schema(m, call->args[0], &schema, &err) != TH_OK) return trap(m, &err);
    th_list *list = th_new_list(m, th_types_result(th_machine_types(m), call->type), schema->nfields);
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < schema->nfields; i++) {
        const th_str *s = th_new_str_of(m, schema->fields[i].name, strlen(schema->fields[i].name));
        ok = s && th_list_push(m, list, th_ptr_word(s));
    }
    th_schema_release(schema);
    if (ok) call->result[0] = th_ptr_word(list);
    return ok ? TH_STEP_DONE : TH_STEP_ERROR;
}

/* ---- Writing files ------------------------------------------------------------------------------------------ */

typedef struct file_sink {
    int fd;
    char *path, *temporary; /* temporary NULL: standard output */
    th_table_writer *writer;
    th_mem *mem;
    bool done;
} file_sink;

static th_status write_fd(th_sink *to, const void *bytes, size_t len, th_error *err) {
    const file_sink *f = to->user;
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = write(f->fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(errno));
        p += n;
        len -= (size_t)n;
    }
    return TH_OK;
}

static void free_file(sink *s) {
    file_sink *f = s->state;
    th_table_writer_free(f->writer);
    if (f->temporary && f->fd >= 0) close(f->fd);
    if (f->temporary && !f->done) (void)unlink(f->temporary);
    if (f->path) th_mem_free(f->mem, f->path, strlen(f->path) + 1);
    if (f->temporary) th_mem_free(f->mem, f->temporary, strlen(f->temporary) + 1);
    th_mem_free(s->mem, f, sizeof *f);
}

static char *joined(th_mem *mem, const th_str *path, const char *tail) {
    size_t len = path->len + strlen(tail);
    char *text = th_mem_new(mem, len + 1);
    if (!text) return NULL;
    memcpy(text, path->bytes, path->len);
    memcpy(text + path->len, tail, strlen(tail) + 1);
    return text;
}

static bool open_file(th_machine *m, sink *s, const th_str *path, th_table_format format) {
    if (memchr(path->bytes, 0, path->len)) {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "a path with a NUL in it");
        return false;
    }
    file_sink *f = th_mem_zeroed(s->mem, sizeof *f);
    if (!f) {
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return false;
    }
    f->mem = s->mem;
    f->fd = STDOUT_FILENO;
    s->state = f;
    s->free_state = free_file;
    f->path = joined(s->mem, path, "");
    bool to_stdout = path->len == 1 && path->bytes[0] == '-';
    if (f->path && !to_stdout) f->temporary = joined(s->mem, path, ".XXXXXX");
    if (!f->path || (!to_stdout && !f->temporary)) {
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return false;
    }
    if (f->temporary && (f->fd = mkstemp(f->temporary)) < 0) {
        (void)th_machine_trap(m, TH_E_IO, "cannot write '%s': %s", f->path, strerror(errno));
        f->done = true; /* there is nothing to remove */
        return false;
    }
    if (f->temporary) (void)fchmod(f->fd, 0644);
    if (to_stdout && th_machine_flush(m) != TH_OK) {
        (void)th_machine_trap(m, TH_E_IO, "the output cannot be written");
        return false;
    }
    th_error err = {.code = TH_OK};
    th_status status = th_table_writer_new(s->mem, format, th_exec_schema(s->exec), 0, SIZE_MAX, (th_sink){write_fd, f},
                                           &f->writer, &err);
    if (status != TH_OK) (void)trap(m, &err);
    return status == TH_OK;
}

static th_step finish_file(th_machine *m, th_call *call, file_sink *f) {
    th_error err = {.code = TH_OK};
    if (th_table_writer_finish(f->writer, &err) != TH_OK) return trap(m, &err);
    if (f->temporary) {
        bool ok = fsync(f->fd) == 0 || errno == EINVAL;
        ok = close(f->fd) == 0 && ok;
        f->fd = -1;
        if (!ok || rename(f->temporary, f->path) != 0)
            return th_machine_trap(m, TH_E_IO, "cannot write '%s': %s", f->path, strerror(errno));
        f->done = true;
    }
    sink_close(m, call);
    return TH_STEP_DONE;
}

static th_step write_file(th_machine *m, th_call *call, th_table_format format) {
    if (call->state == STATE_START) {
        sink *s = sink_open(m, call, call->args[0]);
        if (!s || !open_file(m, s, th_word_ptr(call->args[1]), format)) return TH_STEP_ERROR;
    }
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    file_sink *f = sink_of(call)->state;
    if (!batch) return finish_file(m, call, f);
    th_error err = {.code = TH_OK};
    th_status status = th_table_writer_batch(f->writer, batch, &err);
    th_batch_release(batch);
    return status == TH_OK ? TH_STEP_AGAIN : trap(m, &err);
}

static th_step csv_write(th_machine *m, th_call *call) { return write_file(m, call, TH_FORMAT_CSV); }
static th_step json_write(th_machine *m, th_call *call) { return write_file(m, call, TH_FORMAT_JSON); }
static th_step ndjson_write(th_machine *m, th_call *call) { return write_file(m, call, TH_FORMAT_NDJSON); }
static th_step arrow_write(th_machine *m, th_call *call) { return write_file(m, call, TH_FORMAT_ARROW); }
static th_step markdown_write(th_machine *m, th_call *call) { return write_file(m, call, TH_FORMAT_MARKDOWN); }

/* ---- The host's pull ---------------------------------------------------------------------------------------- */

struct th_puller {
    th_machine *machine;
    uint32_t hold;   /* of the node */
    uint32_t sink;   /* hold of the native with the executor */
    th_type_id type; /* of the call: Function<Opaque, bool> */
    th_schema *schema;
    th_batch *batch;
};

/* args[0]: the sink's native. Gives whether there is a batch, which is kept in the sink's state. */
static th_step table_pull(th_machine *m, th_call *call) {
    th_native *native = th_word_ptr(call->args[0]);
    sink *s = native->pointer;
    call->slots[0] = call->args[0];
    th_batch *batch;
    th_step step = sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    close_scratch(m, s);
    s->state = batch;
    call->result[0] = batch != NULL;
    return TH_STEP_DONE;
}

static const th_builtin pull_builtin = {"Table.pull", "sink: Opaque -> bool", "", table_pull, TH_BUILTIN_STATEFUL, 1,
                                        "x"};

static th_status puller_open(th_puller *p, th_error *err) {
    th_machine *m = p->machine;
    th_mem *mem = th_machine_mem(m);
    th_types *types = th_machine_types(m);
    sink *s = th_mem_zeroed(mem, sizeof *s);
    if (!s) return th_fail(err, TH_E_NOMEM, "out of memory");
    s->mem = mem;
    th_status status = th_exec_new(m, th_machine_held(m, p->hold, NULL), &s->exec, err);
    if (status != TH_OK) {
        th_mem_free(mem, s, sizeof *s);
        return status;
    }
    p->schema = th_schema_retain((th_schema *)(uintptr_t)th_exec_schema(s->exec));
    th_type_id opaque = opaque_type(m, "Sink");
    th_native *native = opaque ? th_new_native(m, opaque, &sink_class, s) : NULL;
    if (!opaque) sink_free(s);
    if (!native) {
        (void)th_machine_take_trap(m, err);
        return TH_E_NOMEM;
    }
    TH_TRY(th_types_function(types, &opaque, 1, TH_TYPE_BOOL, &p->type));
    return th_machine_hold(m, opaque, th_ptr_word(native), &p->sink);
}

th_status th_flow_pull_new(th_machine *machine, uint32_t held_node, th_puller **out, th_error *err) {
    th_mem *mem = th_machine_mem(machine);
    th_puller *p = th_mem_zeroed(mem, sizeof *p);
    if (!p) return th_fail(err, TH_E_NOMEM, "out of memory");
    *p = (th_puller){.machine = machine, .hold = held_node};
    th_status status = puller_open(p, err);
    if (status != TH_OK) {
        th_flow_pull_free(p);
        return status;
    }
    *out = p;
    return TH_OK;
}

const th_schema *th_flow_pull_schema(const th_puller *puller) { return puller->schema; }

/* The plan refers to machine objects by their places, which a collection changes: none may happen while it is open. So
** pulls do not tidy; what calls leave is released by their own scratch region. */
th_status th_flow_pull(th_puller *p, th_batch **out, th_error *err) {
    th_machine *m = p->machine;
    uint64_t word = th_machine_held(m, p->sink, NULL);
    *out = NULL;
    th_status status = th_machine_begin_builtin(m, &pull_builtin, NULL, p->type, &word, 1);
    if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    switch (th_machine_run(m)) {
    case TH_RUN_DONE: {
        sink *s = ((th_native *)th_word_ptr(word))->pointer;
        *out = s->state;
        s->state = NULL;
        return TH_OK;
    }
    case TH_RUN_FAILED:
        if (err) *err = *th_machine_error(m);
        return th_machine_error(m)->code;
    default:
        th_machine_abandon(m);
        return th_fail(err, TH_E_SUSPENDED, "a plan was suspended while it was pulled from outside");
    }
}

void th_flow_pull_free(th_puller *p) {
    if (!p) return;
    th_mem *mem = th_machine_mem(p->machine);
    if (p->sink) {
        th_native *native = th_word_ptr(th_machine_held(p->machine, p->sink, NULL));
        sink *s = native->pointer;
        native->pointer = NULL;
        if (s) {
            th_batch_release(s->state);
            sink_free(s);
        }
        th_machine_drop(p->machine, p->sink);
    }
    th_schema_release(p->schema);
    th_mem_free(mem, p, sizeof *p);
}

/* ---- The table ---------------------------------------------------------------------------------------------- */

#define RUNS   (TH_BUILTIN_STATEFUL | TH_BUILTIN_RETAINS)
#define WRITES (TH_BUILTIN_STATEFUL | TH_BUILTIN_RETAINS | TH_BUILTIN_FS)

const th_builtin th_lib_table[] = {
    {"Flow.apply", "spec: String, ... -> Table", "Makes a table from a verb's spec; the compiler writes these calls.",
     flow_apply, TH_BUILTIN_RETAINS, 0, ""},
    {"Table.print", "table: Table -> void", "Computes the rows and writes them to standard output.", table_print, RUNS,
     1, "x"},
    {"Table.count", "table: Table -> i64", "Computes how many rows the table has.", table_count, RUNS, 2, "xi"},
    {"Table.collect", "table: Table<T> -> Table<T>",
     "Computes the rows once and keeps them, so that later uses do not compute them again.", table_collect, RUNS, 1,
     "x"},
    {"Table.rows", "table: Table<T> -> List<T>", "Computes the rows as a list of structs.", table_rows, RUNS, 1, "x"},
    {"Table.column", "table: Table, name: String -> List<T>", "Computes one column as a list.", table_column, RUNS, 1,
     "x"},
    {"Table.explain", "table: Table -> String", "The plan that computes the table, one operator a line.", table_explain,
     TH_BUILTIN_RETAINS, 0, ""},
    {"Table.schema", "table: Table -> String", "The columns and their types, one a line.", table_schema,
     TH_BUILTIN_RETAINS, 0, ""},
    {"Table.columns", "table: Table -> List<String>", "The names of the columns.", table_columns, TH_BUILTIN_RETAINS, 0,
     ""},
    {"Csv.write", "table: Table, path: String -> void",
     "Writes the rows as CSV. The file appears whole or not at all; '-' is standard output.", csv_write, WRITES, 1,
     "x"},
    {"Json.write", "table: Table, path: String -> void", "Writes the rows as a JSON array of objects.", json_write,
     WRITES, 1, "x"},
    {"Json.write_lines", "table: Table, path: String -> void", "Writes each row as a JSON object on a line of its own.",
     ndjson_write, WRITES, 1, "x"},
    {"Arrow.write", "table: Table, path: String -> void", "Writes the rows as an Arrow IPC file.", arrow_write, WRITES,
     1, "x"},
    {"Markdown.write", "table: Table, path: String -> void", "Writes the rows as a Markdown table.", markdown_write,
     WRITES, 1, "x"},
};
const size_t th_lib_table_count = TH_COUNT(th_lib_table);

th_status th_flow_register(th_engine *engine, th_error *err) {
    TH_TRY(th_engine_add_native(engine, &th_node_class));
    return th_engine_add(engine, th_lib_table, th_lib_table_count, NULL, err);
}
