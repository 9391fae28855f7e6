/*
** table.c - tables of the public interface: the Arrow C stream in and out, and writing in the formats people read.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/api_int.h"

static theta_status fail_with(theta_error *err, th_status status, const th_error *inner) {
    th_api_error(err, inner);
    return (theta_status)status;
}

#define NO_MEMORY ((th_error){.code = TH_E_NOMEM, .message = "out of memory"})

theta_status theta_table_import(theta_machine *m, struct ArrowArrayStream *stream, theta_value *out, theta_error *err) {
    th_error inner = NO_MEMORY;
    th_stream *imported;
    th_type_id type;
    uint64_t node;
    th_status status = th_import_stream(th_machine_mem(m->machine), stream, &imported, &inner);
    if (status != TH_OK) {
        if (stream->release) stream->release(stream);
        return fail_with(err, status, &inner);
    }
    status = th_table_type(m->machine, imported->schema, &type);
    if (status != TH_OK) {
        imported->close(imported);
        return th_api_fail(err, status, "%s", th_status_text(status));
    }
    if (!th_node_of_stream(m->machine, type, imported, &node)) {
        (void)th_machine_take_trap(m->machine, &inner);
        return fail_with(err, inner.code, &inner);
    }
    *out = (theta_value){node, type, 0};
    return THETA_OK;
}

/* ---- A plan as a stream ------------------------------------------------------------------------------------- */

typedef struct plan_stream {
    th_stream stream;
    theta_machine *machine;
    th_puller *puller;
    uint32_t hold;
} plan_stream;

static th_status plan_next(th_stream *stream, th_batch **out, th_error *err) {
    return th_flow_pull(((plan_stream *)(void *)stream)->puller, out, err);
}

static void plan_close(th_stream *stream) {
    plan_stream *plan = (plan_stream *)(void *)stream;
    theta_machine *m = plan->machine;
    th_flow_pull_free(plan->puller);
    th_machine_drop(m->machine, plan->hold);
    th_schema_release(plan->stream.schema);
    th_mem_free(&m->engine->mem, plan, sizeof *plan);
}

static th_status open_plan(theta_machine *m, theta_value table, plan_stream **out, th_error *err) {
    th_mem *mem = &m->engine->mem;
    if (theta_value_kind(m, table) != THETA_TABLE) return th_fail(err, TH_E_TYPE, "the value is no table");
    plan_stream *plan = th_mem_zeroed(mem, sizeof *plan);
    if (!plan) return th_fail(err, TH_E_NOMEM, "out of memory");
    plan->machine = m;
    th_status status = th_machine_hold(m->machine, table.type, th_api_word(m, table), &plan->hold);
    if (status == TH_OK) status = th_machine_tidy(m->machine);
    if (status == TH_OK) status = th_flow_pull_new(m->machine, plan->hold, &plan->puller, err);
    if (status != TH_OK) {
        if (err && err->code != status) (void)th_fail(err, status, "%s", th_status_text(status));
        th_machine_drop(m->machine, plan->hold);
        th_mem_free(mem, plan, sizeof *plan);
        return status;
    }
    plan->stream.schema = th_schema_retain((th_schema *)(uintptr_t)th_flow_pull_schema(plan->puller));
    plan->stream.next = plan_next;
    plan->stream.close = plan_close;
    *out = plan;
    return TH_OK;
}

theta_status theta_table_export(theta_machine *m, theta_value table, struct ArrowArrayStream *out, theta_error *err) {
    th_error inner = NO_MEMORY;
    plan_stream *plan;
    th_status status = open_plan(m, table, &plan, &inner);
    if (status != TH_OK) return fail_with(err, status, &inner);
    status = th_export_stream(&m->engine->mem, &plan->stream, out);
    if (status == TH_OK) return THETA_OK;
    plan_close(&plan->stream);
    return th_api_fail(err, status, "%s", th_status_text(status));
}

/* ---- Writing ------------------------------------------------------------------------------------------------ */

typedef struct callback {
    theta_write_fn write;
    void *user;
} callback;

static th_status sink_write(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    const callback *to = sink->user;
    theta_status status = to->write(to->user, bytes, len);
    return status == THETA_OK ? TH_OK : th_fail(err, (th_status)status, "the output cannot be written");
}

static th_status write_all(plan_stream *plan, th_table_writer *writer, th_error *err) {
    for (;;) {
        th_batch *batch;
        TH_TRY(plan_next(&plan->stream, &batch, err));
        if (!batch) return th_table_writer_finish(writer, err);
        th_status status = th_table_writer_batch(writer, batch, err);
        th_batch_release(batch);
        TH_TRY(status);
    }
}

theta_status theta_table_write(theta_machine *m, theta_value table, const char *format, size_t width, size_t max_rows,
                               theta_write_fn write, void *user, theta_error *err) {
    th_table_format kind;
    if (!th_table_format_of(th_view_of(format), &kind))
        return th_api_fail(err, TH_E_ARGUMENT,
                           "there is no format '%s'; known: grid, csv, json, ndjson, markdown, arrow", format);
    th_error inner = NO_MEMORY;
    plan_stream *plan;
    th_status status = open_plan(m, table, &plan, &inner);
    if (status != TH_OK) return fail_with(err, status, &inner);
    callback to = {write, user};
    th_sink sink = {.write = sink_write, .user = &to};
    th_table_writer *writer = NULL;
    status = th_table_writer_new(th_machine_mem(m->machine), kind, plan->stream.schema, width, max_rows, sink, &writer,
                                 &inner);
    if (status == TH_OK) {
        status = write_all(plan, writer, &inner);
        th_table_writer_free(writer);
    }
    plan_close(&plan->stream);
    return status == TH_OK ? THETA_OK : fail_with(err, status, &inner);
}

theta_status theta_start_print(theta_machine *m, theta_value table, theta_error *err) {
    th_error inner = NO_MEMORY;
    if (theta_value_kind(m, table) != THETA_TABLE) return th_api_fail(err, TH_E_TYPE, "the value is no table");
    th_status status = th_flow_start_print(m->machine, table.type, th_api_word(m, table), &inner);
    return status == TH_OK ? THETA_OK : fail_with(err, status, &inner);
}

theta_status theta_table_explain(theta_machine *m, theta_value table, theta_text *out, theta_error *err) {
    if (theta_value_kind(m, table) != THETA_TABLE) return th_api_fail(err, TH_E_TYPE, "the value is no table");
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_error inner = NO_MEMORY;
    th_status status = th_node_explain(m->machine, th_api_word(m, table), &buf, &inner);
    if (status != TH_OK) {
        th_buf_clear(&buf);
        return fail_with(err, status, &inner);
    }
    return th_api_text(&buf, out);
}

theta_status theta_machine_set_format(theta_machine *m, const char *format, size_t width, size_t max_rows, bool color) {
    th_show_options options = {.width = width, .max_rows = max_rows};
    (void)color; /* the grid is drawn without colours, so that it can be pasted anywhere */
    if (!th_table_format_of(th_view_of(format), &options.format)) return THETA_E_ARGUMENT;
    th_flow_set_show(m->machine, &options);
    return THETA_OK;
}
