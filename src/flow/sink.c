/*
** sink.c - the builtins that run a plan: an executor in a slot, stepped until the end, user functions called through the
** machine in between, each batch handed to the sink. A scratch region takes what those calls leave.
** A sink is saved between two entries (schema/exec.fbs): its operators (state.c), and what it holds or has written itself. It
** is opened again by the first entry after that, for the plan needs the table, which is an argument. Whatever it then
** finds (slots, state, what was called) may come out of a hostile file and is held against the plan.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "flow/flow_int.h"

#define EXEC_MAJOR      1
#define CALLS_PER_RESET 256
enum { STATE_START, STATE_STEP, STATE_CALLED };

static const char *const kind_names[] = {
    [TH_SINK_PRINT] = "Table.print",       [TH_SINK_COUNT] = "Table.count",       [TH_SINK_COLLECT] = "Table.collect",
    [TH_SINK_ROWS] = "Table.rows",         [TH_SINK_COLUMN] = "Table.column",     [TH_SINK_CSV] = "Csv.write",
    [TH_SINK_JSON] = "Json.write",         [TH_SINK_NDJSON] = "Json.write_lines", [TH_SINK_ARROW] = "Arrow.write",
    [TH_SINK_MARKDOWN] = "Markdown.write", [TH_SINK_PULL] = "Table.pull",
};

static bool writes_file(th_sink_kind kind) { return kind >= TH_SINK_CSV && kind <= TH_SINK_MARKDOWN; }
static bool keeps_rows(th_sink_kind kind) { return kind >= TH_SINK_COLLECT && kind <= TH_SINK_COLUMN; }

static th_table_format format_of(th_sink_kind kind) {
    switch (kind) {
    case TH_SINK_JSON: return TH_FORMAT_JSON;
    case TH_SINK_NDJSON: return TH_FORMAT_NDJSON;
    case TH_SINK_ARROW: return TH_FORMAT_ARROW;
    case TH_SINK_MARKDOWN: return TH_FORMAT_MARKDOWN;
    default: return TH_FORMAT_CSV;
    }
}

static th_step trap(th_machine *m, th_error *err, th_status status) {
    if (err->code == TH_OK) (void)th_fail(err, status, "%s", th_status_text(status));
    return th_machine_trap_error(m, err);
}

/* ---- Life --------------------------------------------------------------------------------------------------- */

static void free_saved(th_table_sink *s) {
    th_mem_free(s->mem, s->saved, s->saved ? s->saved_len + 1 : 0);
    s->saved = NULL;
}

static void sink_free(void *pointer) {
    th_table_sink *s = pointer;
    th_table_writer_free(s->writer);
    th_file_sink_free(s->file);
    for (size_t i = 0; i < s->kept.n; i++) th_batch_release(s->kept.items[i]);
    th_mem_free(s->mem, s->kept.items, s->kept.capacity * sizeof(th_batch *));
    th_batch_release(s->pulled);
    th_exec_free(s->exec);
    free_saved(s);
    th_mem_free(s->mem, s, sizeof *s);
}

th_type_id th_table_sink_type(th_machine *m) {
    th_type_id type = TH_TYPE_VOID;
    if (th_types_add(th_machine_types(m), TH_KIND_OPAQUE, th_view_of("Sink"), NULL, 0, NULL, 0, &type) != TH_OK)
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
    return type;
}

th_status th_table_sink_new(th_machine *m, uint64_t node, th_sink_kind kind, th_table_sink **out, th_error *err) {
    th_mem *mem = th_machine_mem(m);
    th_table_sink *s = th_mem_zeroed(mem, sizeof *s);
    if (!s) return th_fail(err, TH_E_NOMEM, "out of memory");
    s->mem = mem;
    s->kind = kind;
    th_status status = th_exec_new(m, node, &s->exec, err);
    if (status != TH_OK)
        th_mem_free(mem, s, sizeof *s);
    else
        *out = s;
    return status;
}

static th_table_sink *sink_open(th_machine *m, th_call *call, th_sink_kind kind) {
    th_error err = {.code = TH_OK};
    th_table_sink *s;
    th_status status = th_table_sink_new(m, call->args[0], kind, &s, &err);
    if (status != TH_OK) {
        (void)trap(m, &err, status);
        return NULL;
    }
    th_type_id type = th_table_sink_type(m);
    th_native *native = type ? th_new_native(m, type, &th_table_sink_class, s) : NULL;
    if (!native) {
        if (!type) sink_free(s);
        return NULL;
    }
    call->slots[TH_SLOT_SINK] = th_ptr_word(native);
    return s;
}

th_table_sink *th_table_sink_of(const th_call *call) {
    const th_native *native = th_word_ptr(call->slots[TH_SLOT_SINK]);
    return native && native->cls == &th_table_sink_class ? native->pointer : NULL;
}

void th_table_sink_close_scratch(th_machine *m, th_table_sink *s) { /* results must not lie in the scratch region */
    if (s->scratch) th_scratch_close(m);
    s->scratch = false;
}

/* The executor goes before the machine's memory does, so that files are closed in time. */
void th_table_sink_close(th_machine *m, th_call *call) {
    th_native *native = th_word_ptr(call->slots[TH_SLOT_SINK]);
    th_table_sink *s = native->pointer;
    th_table_sink_close_scratch(m, s);
    native->pointer = NULL;
    sink_free(s);
}

static th_status keep(th_table_sink *s, th_batch *batch) {
    th_kept *k = &s->kept;
    TH_TRY(th_mem_grow(s->mem, (void **)&k->items, &k->capacity, k->n + 1, sizeof(th_batch *)));
    k->items[k->n++] = th_batch_retain(batch);
    return TH_OK;
}

bool th_table_sink_keep(th_machine *m, th_table_sink *s, th_batch *batch) {
    bool kept = keep(s, batch) == TH_OK;
    th_batch_release(batch);
    if (!kept) (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
    return kept;
}

static th_status write_machine(th_sink *to, const void *bytes, size_t len, th_error *err) {
    th_machine *m = to->user;
    if (th_machine_write(m, bytes, len) == TH_OK) return TH_OK;
    return th_fail(err, TH_E_IO, "the output cannot be written");
}

static th_sink output_of(th_machine *m, th_table_sink *s) {
    return s->file ? th_file_sink_of(s->file) : (th_sink){write_machine, m};
}

/* ---- Saving ------------------------------------------------------------------------------------------------- */

/* What is still to be made into the result. */
static th_status put_kept(const th_table_sink *s, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    size_t n = s->kept.n - s->batch;
    th_batch *first = NULL;
    *out = 0;
    if (n == 0) return TH_OK;
    th_batch **items = s->kept.items + s->batch;
    if (s->row > 0) {
        th_status status = th_batch_slice(items[0], s->row, items[0]->nrows - s->row, &first);
        if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    }
    th_batch *whole = items[0];
    if (first) items[0] = first;
    th_status status = th_put_batches(s->mem, b, th_exec_schema(s->exec), items, n, out, err);
    items[0] = whole;
    th_batch_release(first);
    return status;
}

static th_status put_writer(const th_table_sink *s, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_buf bytes;
    *out = 0;
    if (!s->writer) return TH_OK;
    th_buf_init(&bytes, s->mem);
    th_status status = th_table_writer_save(s->writer, &bytes, err);
    if (status == TH_OK) *out = th_flat_put_vector(b, bytes.data, bytes.len, 1, 8);
    th_buf_clear(&bytes);
    return status;
}

static th_status put_sink(th_table_sink *s, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_flat_ref operators, kept, writer, name, tail = 0;
    uint64_t written = 0;
    TH_TRY(th_exec_save(s->exec, b, &operators, err));
    TH_TRY(put_kept(s, b, &kept, err));
    TH_TRY(put_writer(s, b, &writer, err));
    if (s->file) TH_TRY(th_file_sink_keep(s->file, &written, err));
    if (s->file) tail = th_flat_put_view(b, th_file_sink_tail(s->file));
    name = th_flat_put_view(b, th_view_of(kind_names[s->kind]));
    theta_exec_Exec_start_table(b);
    theta_exec_Exec_add_major(b, EXEC_MAJOR);
    theta_exec_Exec_add_sink(b, name);
    theta_exec_Exec_add_operators(b, operators);
    theta_exec_Exec_add_depth(b, (uint32_t)s->exec->depth);
    theta_exec_Exec_add_waiting(b, s->exec->waiting);
    theta_exec_Exec_add_kept(b, kept);
    theta_exec_Exec_add_building(b, s->building);
    theta_exec_Exec_add_writer(b, writer);
    theta_exec_Exec_add_temporary(b, tail);
    theta_exec_Exec_add_written(b, written);
    *out = th_flat_end(b);
    return TH_OK;
}

static th_status sink_save(th_machine *m, void *pointer, th_buf *out, th_error *err) {
    (void)m;
    th_table_sink *s = pointer;
    if (s->saved) { /* not opened since: as it came */
        th_buf_put(out, s->saved, s->saved_len);
        return th_buf_status(out);
    }
    th_flat_builder b;
    th_flat_ref root;
    uint8_t *bytes;
    size_t len;
    th_flat_builder_init(&b, s->mem);
    th_status status = put_sink(s, &b, &root, err);
    if (status == TH_OK) {
        status = th_flat_finish(&b, root, theta_exec_ident, &bytes, &len);
        if (status == TH_E_LIMIT) (void)th_fail(err, status, "what %s holds is too large to save", kind_names[s->kind]);
    }
    th_flat_builder_clear(&b);
    TH_TRY(status);
    th_buf_put(out, bytes, len);
    th_mem_free(s->mem, bytes, len);
    return th_buf_status(out);
}

/* ---- Restoring ---------------------------------------------------------------------------------------------- */

static th_status sink_restore(th_machine *m, const void *bytes, size_t len, void **pointer, th_error *err) {
    th_mem *mem = th_machine_mem(m);
    th_table_sink *s = th_mem_zeroed(mem, sizeof *s);
    uint8_t *copy = s ? th_mem_new(mem, len + 1) : NULL;
    if (!copy) {
        th_mem_free(mem, s, s ? sizeof *s : 0);
        return th_fail(err, TH_E_NOMEM, "out of memory");
    }
    if (len) memcpy(copy, bytes, len);
    s->mem = mem;
    s->saved = copy;
    s->saved_len = len;
    *pointer = s;
    return TH_OK;
}

const th_native_class th_table_sink_class = {"theta.flow.sink", sink_free, sink_save, sink_restore};

static th_status open_root(const th_table_sink *s, th_sink_kind kind, th_flat_table *out, th_error *err) {
    th_flat_limits limits = {.max_apparent_bytes = 8 * (uint64_t)s->saved_len + (1 << 20)};
    if (!th_flat_has_ident(s->saved, s->saved_len, theta_exec_ident)) return th_malformed(err, "it is something else");
    TH_TRY(th_flat_verify(s->saved, s->saved_len, &theta_exec_schema, &limits, err));
    *out = th_flat_root(s->saved);
    const th_str *name = theta_exec_Exec_sink(*out);
    if (theta_exec_Exec_major(*out) != EXEC_MAJOR)
        return th_fail(err, TH_E_VERSION, "the saved state of a table has format version %u, this Theta reads %d",
                       theta_exec_Exec_major(*out), EXEC_MAJOR);
    return name && th_view_is(th_view_str(name), kind_names[kind]) ? TH_OK : th_malformed(err, "it is of another sink");
}

static th_status take_one(void *user, th_batch *batch) { return keep(user, batch); }

static th_status take_kept(th_table_sink *s, th_flat_table in, th_error *err) {
    uint32_t len = theta_exec_Exec_kept_len(in);
    s->building = theta_exec_Exec_building(in);
    if ((len > 0 && !keeps_rows(s->kind)) || (s->building && s->kind != TH_SINK_ROWS && s->kind != TH_SINK_COLUMN))
        return th_malformed(err, "a sink keeps no rows");
    return len == 0 ? TH_OK
                    : th_batches_read(s->mem, th_exec_schema(s->exec), theta_exec_Exec_kept(in), len, take_one, s, err);
}

static th_status take_file(th_call *call, th_table_sink *s, th_flat_table in, th_error *err) {
    const th_str *tail = theta_exec_Exec_temporary(in);
    return th_file_sink_reopen(s->mem, th_word_ptr(call->args[1]), tail ? th_view_str(tail) : (th_view){"", 0},
                               theta_exec_Exec_written(in), &s->file, err);
}

static th_status take_writer(th_machine *m, th_table_sink *s, th_flat_table in, th_error *err) {
    uint32_t len = theta_exec_Exec_writer_len(in);
    void *bytes = th_mem_new(s->mem, (size_t)len + 1); /* read in place, which needs a multiple of 8 */
    if (!bytes) return th_fail(err, TH_E_NOMEM, "out of memory");
    if (len) memcpy(bytes, theta_exec_Exec_writer(in), len);
    th_status status =
        th_table_writer_restore(s->mem, bytes, len, th_exec_schema(s->exec), output_of(m, s), &s->writer, err);
    th_mem_free(s->mem, bytes, (size_t)len + 1);
    TH_TRY(status);
    if (s->file && th_table_writer_format(s->writer) != format_of(s->kind))
        return th_malformed(err, "a file is of another format");
    return TH_OK;
}

static th_status open_saved(th_machine *m, th_call *call, th_table_sink *s, th_sink_kind kind, th_error *err) {
    th_flat_table in = {NULL};
    s->kind = kind;
    TH_TRY(open_root(s, kind, &in, err));
    TH_TRY(th_exec_new(m, call->args[0], &s->exec, err));
    TH_TRY(th_exec_restore(s->exec, in, err));
    TH_TRY(take_kept(s, in, err));
    if (writes_file(kind)) TH_TRY(take_file(call, s, in, err));
    if (writes_file(kind) || kind == TH_SINK_PRINT) TH_TRY(take_writer(m, s, in, err));
    free_saved(s);
    return TH_OK;
}

/* A result is only taken from what was called: the restorer saw to it that it gives the type in the slot. */
static th_status check_call(th_call *call, th_table_sink *s, th_error *err) {
    if (call->state != STATE_CALLED) {
        s->exec->waiting = false; /* it is called again */
        return TH_OK;
    }
    if (s->exec->waiting && call->slots[TH_SLOT_TYPE] == s->exec->result) return TH_OK;
    return th_malformed(err, "a call is none of the plan's");
}

th_table_sink *th_table_sink_enter(th_machine *m, th_call *call, th_sink_kind kind, bool *begins) {
    th_error err = {.code = TH_OK};
    *begins = call->state == STATE_START;
    if (*begins) return sink_open(m, call, kind);
    th_table_sink *s = th_table_sink_of(call);
    th_status status = s ? TH_OK : th_malformed(&err, "a sink is missing");
    if (s && s->saved) {
        status = open_saved(m, call, s, kind, &err);
        if (status == TH_OK) status = check_call(call, s, &err);
    }
    if (status == TH_OK) return s;
    (void)trap(m, &err, status);
    return NULL;
}

/* ---- Steps -------------------------------------------------------------------------------------------------- */

th_step th_table_sink_step(th_machine *m, th_call *call, th_batch **batch) {
    th_table_sink *s = th_table_sink_of(call);
    th_error err = {.code = TH_OK};
    *batch = NULL;
    if (call->state == STATE_CALLED) {
        th_exec_result(s->exec, call->callback);
        if (s->scratch && ++s->calls % CALLS_PER_RESET == 0) th_scratch_reset(m);
    }
    call->state = STATE_STEP;
    switch (th_exec_step_once(s->exec, batch, &err)) {
    case TH_EXEC_BATCH:
    case TH_EXEC_DONE: return TH_STEP_DONE;
    case TH_EXEC_AGAIN: return TH_STEP_AGAIN;
    case TH_EXEC_ERROR: return th_machine_trap_error(m, &err);
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
    call->slots[TH_SLOT_TYPE] = s->exec->result;
    th_exec_call(s->exec, &closure, &args, &nargs);
    return th_call_closure(m, call, closure, args, nargs, STATE_CALLED);
}

/* ---- Table.count, Table.collect ----------------------------------------------------------------------------- */

th_step th_table_count(th_machine *m, th_call *call) {
    bool begins;
    if (!th_table_sink_enter(m, call, TH_SINK_COUNT, &begins)) return TH_STEP_ERROR;
    th_batch *batch;
    th_step step = th_table_sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    if (batch) {
        call->slots[TH_SLOT_VALUE] += batch->nrows;
        th_batch_release(batch);
        return TH_STEP_AGAIN;
    }
    call->result[0] = call->slots[TH_SLOT_VALUE];
    th_table_sink_close(m, call);
    return TH_STEP_DONE;
}

th_step th_table_collect(th_machine *m, th_call *call) {
    bool begins;
    th_table_sink *s = th_table_sink_enter(m, call, TH_SINK_COLLECT, &begins);
    if (!s) return TH_STEP_ERROR;
    th_batch *batch;
    th_step step = th_table_sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    if (batch) return th_table_sink_keep(m, s, batch) ? TH_STEP_AGAIN : TH_STEP_ERROR;
    th_table_sink_close_scratch(m, s);
    th_type_id type = th_types_result(th_machine_types(m), call->type);
    bool ok = th_node_of_batches(m, type, (th_schema *)(uintptr_t)th_exec_schema(s->exec), s->kept.items, s->kept.n,
                                 call->result);
    th_table_sink_close(m, call);
    return ok ? TH_STEP_DONE : TH_STEP_ERROR;
}

/* ---- Writing ------------------------------------------------------------------------------------------------ */

typedef struct shown {
    th_mem *mem;
    th_show_options options;
} shown;

static void free_shown(void *user) {
    shown *s = user;
    if (s) th_mem_free(s->mem, s, sizeof *s);
}

/* Of the engine's memory: what the machine may use is the program's. */
void th_flow_set_show(th_machine *m, const th_show_options *options) {
    th_mem *mem = th_engine_mem(th_machine_engine(m));
    shown *kept = th_mem_new(mem, sizeof *kept);
    if (kept) *kept = (shown){mem, *options};
    th_machine_set_flow_user(m, kept, free_shown);
}

static th_status open_print(th_machine *m, th_table_sink *s, th_error *err) {
    const th_show_options defaults = {.format = TH_FORMAT_CSV};
    const shown *set = th_machine_flow_user(m);
    const th_show_options *o = set ? &set->options : &defaults;
    return th_table_writer_new(s->mem, o->format, th_exec_schema(s->exec), o->width, o->max_rows, output_of(m, s),
                               &s->writer, err);
}

static th_status open_file(th_machine *m, th_call *call, th_table_sink *s, th_error *err) {
    TH_TRY(th_file_sink_open(s->mem, th_word_ptr(call->args[1]), &s->file, err));
    if (!s->file->temporary && th_machine_flush(m) != TH_OK)
        return th_fail(err, TH_E_IO, "the output cannot be written");
    return th_table_writer_new(s->mem, format_of(s->kind), th_exec_schema(s->exec), 0, SIZE_MAX, output_of(m, s),
                               &s->writer, err);
}

static th_status end_writing(th_table_sink *s, th_error *err) {
    TH_TRY(th_table_writer_finish(s->writer, err));
    return s->file ? th_file_sink_finish(s->file, err) : TH_OK;
}

static th_step write_table(th_machine *m, th_call *call, th_sink_kind kind) {
    bool begins;
    th_error err = {.code = TH_OK};
    th_table_sink *s = th_table_sink_enter(m, call, kind, &begins);
    if (!s) return TH_STEP_ERROR;
    if (begins) {
        th_status status = kind == TH_SINK_PRINT ? open_print(m, s, &err) : open_file(m, call, s, &err);
        if (status != TH_OK) return trap(m, &err, status);
    }
    th_batch *batch;
    th_step step = th_table_sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    th_status status = batch ? th_table_writer_batch(s->writer, batch, &err) : end_writing(s, &err);
    th_batch_release(batch);
    if (status != TH_OK) return trap(m, &err, status);
    if (batch) return TH_STEP_AGAIN;
    th_table_sink_close(m, call);
    return TH_STEP_DONE;
}

th_step th_table_print(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_PRINT); }
th_step th_csv_sink(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_CSV); }
th_step th_json_sink(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_JSON); }
th_step th_ndjson_sink(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_NDJSON); }
th_step th_arrow_sink(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_ARROW); }
th_step th_markdown_sink(th_machine *m, th_call *call) { return write_table(m, call, TH_SINK_MARKDOWN); }
