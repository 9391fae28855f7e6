/*
** node.c - nodes as values: natives that hold the spec, stream or batches, with their parameters attached as a tuple.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

static void node_free(void *pointer) {
    th_node *node = pointer;
    th_spec_release(node->spec);
    if (node->stream) node->stream->close(node->stream);
    for (size_t i = 0; i < node->nbatches; i++) th_batch_release(node->batches[i]);
    th_mem_free(node->mem, node->batches, node->capacity * sizeof(th_batch *));
    th_schema_release(node->schema);
    th_mem_free(node->mem, node, sizeof *node);
}

static th_node *node_new(th_mem *mem, th_node_kind kind) {
    th_node *node = th_mem_zeroed(mem, sizeof *node);
    if (!node) return NULL;
    node->mem = mem;
    node->kind = kind;
    return node;
}

/* ---- Snapshots: 'S' and the spec, or 'B' and an Arrow IPC stream -------------------------------------------- */

static th_status node_save(th_machine *m, void *pointer, th_buf *out, th_error *err) {
    (void)m;
    const th_node *node = pointer;
    switch (node->kind) {
    case TH_NODE_SPEC:
        th_buf_char(out, 'S');
        th_buf_put(out, node->spec->bytes, node->spec->len);
        return th_buf_status(out);
    case TH_NODE_BATCHES:
        th_buf_char(out, 'B');
        return th_batches_write(node->mem, node->schema, node->batches, node->nbatches, out, err);
    case TH_NODE_STREAM: break;
    }
    return th_fail(err, TH_E_UNSUPPORTED, "a table over a stream of the host cannot be saved");
}

static th_status restore_batches(th_node *node, const char *bytes, size_t len, th_error *err) {
    th_stream *stream;
    TH_TRY(th_ipc_open_copy(node->mem, "snapshot", bytes, len, &stream, err)); /* batches outlive the file's bytes */
    node->schema = th_schema_retain(stream->schema);
    th_status status;
    for (;;) {
        th_batch *batch = NULL;
        status = stream->next(stream, &batch, err);
        if (status != TH_OK || !batch) break;
        status =
            th_mem_grow(node->mem, (void **)&node->batches, &node->capacity, node->nbatches + 1, sizeof(th_batch *));
        if (status != TH_OK) {
            th_batch_release(batch);
            break;
        }
        node->batches[node->nbatches++] = batch;
    }
    stream->close(stream);
    return status;
}

static th_status node_restore(th_machine *m, const void *bytes, size_t len, void **pointer, th_error *err) {
    const char *text = bytes;
    if (len == 0) return th_fail(err, TH_E_FORMAT, "an empty table in a snapshot");
    th_node *node = node_new(th_machine_mem(m), text[0] == 'S' ? TH_NODE_SPEC : TH_NODE_BATCHES);
    if (!node) return th_fail(err, TH_E_NOMEM, "out of memory");
    th_status status = text[0] == 'S' ? th_spec_read(node->mem, text + 1, len - 1, &node->spec, err)
                                      : restore_batches(node, text + 1, len - 1, err);
    if (status != TH_OK) {
        node_free(node);
        return status;
    }
    *pointer = node;
    return TH_OK;
}

const th_native_class th_node_class = {"theta.flow.node", node_free, node_save, node_restore};

th_node *th_flow_node_of(uint64_t word) { return ((th_native *)th_word_ptr(word))->pointer; }

th_params th_node_params(th_machine *m, uint64_t word) {
    const th_native *native = th_word_ptr(word);
    if (!native->attached) return (th_params){NULL, NULL};
    const th_record *record = th_word_ptr(native->attached);
    return (th_params){th_types_get(th_machine_types(m), record->object.type), record};
}

/* ---- Making ------------------------------------------------------------------------------------------------- */

static bool wrap(th_machine *m, th_type_id table_type, th_node *node, uint64_t *out) {
    th_native *native = th_new_native(m, table_type, &th_node_class, node);
    if (!native) return false;
    *out = th_ptr_word(native);
    return true;
}

bool th_node_of_stream(th_machine *m, th_type_id table_type, th_stream *stream, uint64_t *out) {
    th_node *node = node_new(th_machine_mem(m), TH_NODE_STREAM);
    if (!node) {
        stream->close(stream);
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return false;
    }
    node->stream = stream;
    node->schema = th_schema_retain(stream->schema);
    return wrap(m, table_type, node, out);
}

bool th_node_of_batches(th_machine *m, th_type_id table_type, th_schema *schema, th_batch *const *batches, size_t n,
                        uint64_t *out) {
    th_node *node = node_new(th_machine_mem(m), TH_NODE_BATCHES);
    if (!node || th_mem_grow(node->mem, (void **)&node->batches, &node->capacity, n + 1, sizeof(th_batch *)) != TH_OK) {
        if (node) node_free(node);
        (void)th_machine_trap(m, TH_E_NOMEM, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) node->batches[node->nbatches++] = th_batch_retain(batches[i]);
    node->schema = th_schema_retain(schema);
    return wrap(m, table_type, node, out);
}

static th_status check_params(th_machine *m, const th_spec *spec, const uint64_t *words, const th_type_id *types,
                              size_t n, th_error *err) {
    const th_types *t = th_machine_types(m);
    if (n < spec->ninputs) return th_fail(err, TH_E_ARGUMENT, "a table is missing");
    for (uint32_t i = 0; i < spec->ninputs; i++)
        if (th_types_kind(t, types[i]) != TH_KIND_TABLE || words[i] == 0)
            return th_fail(err, TH_E_ARGUMENT, "parameter %u is no table", i + 1);
    if (spec->verb == TH_VERB_ROWS && (n < 1 || th_types_kind(t, types[0]) != TH_KIND_LIST))
        return th_fail(err, TH_E_ARGUMENT, "rows come from a list");
    return TH_OK;
}

th_status th_node_check(th_machine *m, uint64_t word, th_error *err) {
    const th_node *node = th_flow_node_of(word);
    if (!node) return th_fail(err, TH_E_ARGUMENT, "a table that was released");
    if (node->kind != TH_NODE_SPEC) return TH_OK;
    th_params params = th_node_params(m, word);
    if (params.tuple && params.tuple->kind != TH_KIND_TUPLE)
        return th_fail(err, TH_E_ARGUMENT, "a table without parameters");
    return check_params(m, node->spec, params.tuple ? params.record->slots : NULL,
                        params.tuple ? params.tuple->args : NULL, params.tuple ? params.tuple->nargs : 0, err);
}

th_status th_node_make(th_machine *m, th_type_id table_type, const void *bytes, size_t len, const uint64_t *words,
                       const th_type_id *types, size_t n, uint64_t *out, th_error *err) {
    th_node *node = node_new(th_machine_mem(m), TH_NODE_SPEC);
    if (!node) return th_fail(err, TH_E_NOMEM, "out of memory");
    th_status status = th_spec_read(node->mem, bytes, len, &node->spec, err);
    if (status == TH_OK) status = check_params(m, node->spec, words, types, n, err);
    th_type_id tuple = 0;
    if (status == TH_OK && n > 0)
        status = th_types_add(th_machine_types(m), TH_KIND_TUPLE, (th_view){0}, types, n, NULL, 0, &tuple);
    if (status != TH_OK) {
        node_free(node);
        return status;
    }
    uint64_t word = 0;
    th_record *record = NULL;
    if (n > 0) {
        record = th_new_record(m, tuple, n);
        if (record)
            memcpy(record->slots, words, n * sizeof *words);
        else
            node_free(node);
    }
    if ((n > 0 && !record) || !wrap(m, table_type, node, &word) ||
        (record && !th_native_attach(m, th_word_ptr(word), th_ptr_word(record)))) {
        th_error trapped = {.code = TH_E_NOMEM, .message = "out of memory"};
        (void)th_machine_take_trap(m, &trapped);
        if (err) *err = trapped;
        return trapped.code;
    }
    *out = word;
    return TH_OK;
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static th_type_id type_of_column(th_column_type type) {
    switch (type) {
    case TH_COLUMN_BOOL: return TH_TYPE_BOOL;
    case TH_COLUMN_I8: return TH_TYPE_I8;
    case TH_COLUMN_I16: return TH_TYPE_I16;
    case TH_COLUMN_I32: return TH_TYPE_I32;
    case TH_COLUMN_I64: return TH_TYPE_I64;
    case TH_COLUMN_F32: return TH_TYPE_F32;
    case TH_COLUMN_F64: return TH_TYPE_F64;
    default: return TH_TYPE_STRING; /* dates and timestamps are ISO 8601 texts to programs */
    }
}

bool th_column_of_type(th_machine *m, th_type_id type, th_column_type *out, bool *nullable) {
    const th_types *types = th_machine_types(m);
    *nullable = th_types_kind(types, type) == TH_KIND_OPTION;
    if (*nullable) type = th_types_get(types, type)->args[0];
    switch (th_types_kind(types, type)) {
    case TH_KIND_BOOL: *out = TH_COLUMN_BOOL; return true;
    case TH_KIND_I8: *out = TH_COLUMN_I8; return true;
    case TH_KIND_I16: *out = TH_COLUMN_I16; return true;
    case TH_KIND_I32: *out = TH_COLUMN_I32; return true;
    case TH_KIND_I64: *out = TH_COLUMN_I64; return true;
    case TH_KIND_F32: *out = TH_COLUMN_F32; return true;
    case TH_KIND_F64: *out = TH_COLUMN_F64; return true;
    case TH_KIND_STRING:
    case TH_KIND_SYMBOL:
    case TH_KIND_ENUM: *out = TH_COLUMN_STRING; return true;
    default: return false;
    }
}

th_status th_table_type(th_machine *m, const th_schema *schema, th_type_id *out) {
    th_types *types = th_machine_types(m);
    th_arena arena;
    th_arena_init(&arena, th_machine_mem(m));
    th_type_id *args = th_arena_new(&arena, (schema->nfields + 1) * sizeof *args);
    th_view *names = th_arena_new(&arena, (schema->nfields + 1) * sizeof *names);
    th_buf name;
    th_buf_init(&name, th_machine_mem(m));
    th_status status = args && names ? TH_OK : TH_E_NOMEM;
    th_buf_char(&name, '{');
    for (size_t i = 0; i < schema->nfields && status == TH_OK; i++) {
        args[i] = type_of_column(schema->fields[i].type);
        if (schema->fields[i].nullable) status = th_types_option(types, args[i], &args[i]);
        names[i] = th_view_of(schema->fields[i].name);
        th_buf_printf(&name, "%s%s: ", i ? ", " : "", schema->fields[i].name);
        th_type_print(types, args[i], &name);
    }
    th_buf_char(&name, '}');
    th_type_id row = 0;
    if (status == TH_OK) status = th_buf_status(&name);
    if (status == TH_OK && schema->nfields > 255)
        status = th_types_add(types, TH_KIND_TABLE, (th_view){0}, NULL, 0, NULL, 0, out);
    else if (status == TH_OK) {
        status = th_types_add(types, TH_KIND_STRUCT, (th_view){name.data, name.len}, args, schema->nfields, names,
                              schema->nfields, &row);
        if (status == TH_OK) status = th_types_add(types, TH_KIND_TABLE, (th_view){0}, &row, 1, NULL, 0, out);
    }
    th_buf_clear(&name);
    th_arena_clear(&arena);
    return status;
}
