/*
** builtins.c - what programs call: making nodes and asking about them; the host's pull; the table of all builtins with the
** sinks (sink.c).
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

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

/* ---- The host's pull ---------------------------------------------------------------------------------------- */

struct th_puller {
    th_machine *machine;
    uint32_t hold;   /* of the node */
    uint32_t sink;   /* hold of the native with the executor */
    th_type_id type; /* of the call: Function<Opaque, bool> */
    th_schema *schema;
};

/* args[0]: the sink's native. Gives whether there is a batch, which is kept in the sink. */
static th_step table_pull(th_machine *m, th_call *call) {
    call->slots[TH_SLOT_SINK] = call->args[0];
    th_batch *batch;
    th_step step = th_table_sink_step(m, call, &batch);
    if (step != TH_STEP_DONE) return step;
    th_table_sink *s = th_table_sink_of(call);
    th_table_sink_close_scratch(m, s);
    s->pulled = batch;
    call->result[0] = batch != NULL;
    return TH_STEP_DONE;
}

/* Not registered: a run of it cannot be saved. */
static const th_builtin pull_builtin = {
    "Table.pull", "sink: Opaque -> bool", "", table_pull, TH_BUILTIN_STATEFUL | TH_BUILTIN_CHECKS, 2, "xt"};

static th_status puller_open(th_puller *p, th_error *err) {
    th_machine *m = p->machine;
    th_table_sink *s;
    TH_TRY(th_table_sink_new(m, th_machine_held(m, p->hold, NULL), TH_SINK_PULL, &s, err));
    p->schema = th_schema_retain((th_schema *)(uintptr_t)th_exec_schema(s->exec));
    th_type_id opaque = th_table_sink_type(m);
    th_native *native = opaque ? th_new_native(m, opaque, &th_table_sink_class, s) : NULL;
    if (!opaque) th_table_sink_class.release(s);
    if (!native) {
        (void)th_machine_take_trap(m, err);
        return TH_E_NOMEM;
    }
    TH_TRY(th_types_function(th_machine_types(m), &opaque, 1, TH_TYPE_BOOL, &p->type));
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
        th_table_sink *s = ((th_native *)th_word_ptr(word))->pointer;
        *out = s->pulled;
        s->pulled = NULL;
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
        void *s = native->pointer;
        native->pointer = NULL;
        if (s) th_table_sink_class.release(s);
        th_machine_drop(p->machine, p->sink);
    }
    th_schema_release(p->schema);
    th_mem_free(mem, p, sizeof *p);
}

/* ---- The table ---------------------------------------------------------------------------------------------- */

/* ---- A run that prints -------------------------------------------------------------------------------------- */

th_status th_flow_start_print(th_machine *m, th_type_id type, uint64_t word, th_error *err) {
    th_type_id function;
    uint32_t hold;
    void *user = NULL;
    th_status status = th_types_function(th_machine_types(m), &type, 1, TH_TYPE_VOID, &function);
    if (status == TH_OK) status = th_machine_hold(m, type, word, &hold);
    if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    const th_builtin *builtin =
        th_engine_match(th_machine_engine(m), th_view_of("Table.print"), th_machine_types(m), function, &user);
    status = builtin ? th_machine_tidy(m) : TH_E_NOT_FOUND;
    if (status == TH_OK) {
        word = th_machine_held(m, hold, NULL);
        status = th_machine_begin_builtin(m, builtin, user, function, &word, 1);
    }
    th_machine_drop(m, hold);
    return status == TH_OK ? TH_OK : th_fail(err, status, "%s", th_status_text(status));
}

#define RUNS   (TH_BUILTIN_STATEFUL | TH_BUILTIN_RETAINS | TH_BUILTIN_CHECKS)
#define WRITES (RUNS | TH_BUILTIN_FS)

const th_builtin th_lib_table[] = {
    {"Flow.apply", "spec: String, ... -> Table", "Makes a table from a verb's spec; the compiler writes these calls.",
     flow_apply, TH_BUILTIN_RETAINS, 0, ""},
    {"Table.print", "table: Table -> void", "Computes the rows and writes them to standard output.", th_table_print,
     RUNS, 2, "xt"},
    {"Table.count", "table: Table -> i64", "Computes how many rows the table has.", th_table_count, RUNS, 3, "xti"},
    {"Table.collect", "table: Table<T> -> Table<T>",
     "Computes the rows once and keeps them, so that later uses do not compute them again.", th_table_collect, RUNS, 2,
     "xt"},
    {"Table.rows", "table: Table<T> -> List<T>", "Computes the rows as a list of structs.", th_table_rows, RUNS, 3,
     "xtp"},
    {"Table.column", "table: Table, name: String -> List<T>", "Computes one column as a list.", th_table_column, RUNS,
     3, "xtp"},
    {"Table.explain", "table: Table -> String", "The plan that computes the table, one operator a line.", table_explain,
     TH_BUILTIN_RETAINS, 0, ""},
    {"Table.schema", "table: Table -> String", "The columns and their types, one a line.", table_schema,
     TH_BUILTIN_RETAINS, 0, ""},
    {"Table.columns", "table: Table -> List<String>", "The names of the columns.", table_columns, TH_BUILTIN_RETAINS, 0,
     ""},
    {"Csv.write", "table: Table, path: String -> void",
     "Writes the rows as CSV. The file appears whole or not at all; '-' is standard output.", th_csv_sink, WRITES, 2,
     "xt"},
    {"Json.write", "table: Table, path: String -> void", "Writes the rows as a JSON array of objects.", th_json_sink,
     WRITES, 2, "xt"},
    {"Json.write_lines", "table: Table, path: String -> void", "Writes each row as a JSON object on a line of its own.",
     th_ndjson_sink, WRITES, 2, "xt"},
    {"Arrow.write", "table: Table, path: String -> void", "Writes the rows as an Arrow IPC file.", th_arrow_sink,
     WRITES, 2, "xt"},
    {"Markdown.write", "table: Table, path: String -> void", "Writes the rows as a Markdown table.", th_markdown_sink,
     WRITES, 2, "xt"},
};
const size_t th_lib_table_count = TH_COUNT(th_lib_table);

th_status th_flow_register(th_engine *engine, th_error *err) {
    TH_TRY(th_engine_add_native(engine, &th_node_class));
    TH_TRY(th_engine_add_native(engine, &th_table_sink_class));
    return th_engine_add(engine, th_lib_table, th_lib_table_count, NULL, err);
}
