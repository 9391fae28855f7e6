/*
** cdata.c - the Arrow C data and stream interfaces: tables in from the host and out to it without a copy.
** An imported array is held until the last batch made of it is released. Batches with more text than a column's 32-bit
** offsets reach are handed on in pieces.
** Source: the Arrow C data and C stream interface specifications.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <errno.h>

#include "table/table_int.h"

static th_status no_memory(th_error *err) {
    return th_fail(err, TH_E_NOMEM, "not enough memory to exchange Arrow data");
}

/* ---- Import: the schema ------------------------------------------------------------------------------------- */

static th_status column_type(const struct ArrowSchema *in, th_arrow_type *out, th_error *err) {
    const char *name = in->name ? in->name : "";
    if (!in->format) return th_fail(err, TH_E_FORMAT, "malformed Arrow schema: column '%s' has no format", name);
    if (!th_arrow_type_of_format(in->format, out)) return th_arrow_unsupported(name, in->format, "", err);
    if (!in->dictionary) return TH_OK;
    th_arrow_type index = *out;
    if (index.layout != TH_LAYOUT_FIXED || !strchr("cCsSiIlL", in->format[0]))
        return th_fail(err, TH_E_FORMAT,
                       "malformed Arrow schema: the dictionary indices of column '%s' are no integers", name);
    const char *format = in->dictionary->format;
    if (!format || in->dictionary->dictionary || !th_arrow_type_of_format(format, out))
        return th_arrow_unsupported(name, format ? format : "?", " in a dictionary", err);
    out->dictionary = true;
    out->index_width = index.width;
    out->index_unsigned = index.is_unsigned;
    return TH_OK;
}

/* ---- Import: batches ---------------------------------------------------------------------------------------- */

typedef struct incoming {
    th_owner owner;
    struct ArrowArray array;
} incoming;

static void free_incoming(th_owner *owner) {
    incoming *in = (incoming *)owner;
    if (in->array.release) in->array.release(&in->array);
    th_mem_free(owner->mem, in, sizeof *in);
}

typedef struct importer {
    th_stream stream;
    th_mem *mem;
    struct ArrowArrayStream in;
    th_arrow_type *types;
    th_raw_batch raw;        /* of the current array */
    th_column *dictionaries; /* of the current array, decoded */
    size_t ncolumns;
    incoming *current; /* NULL: fetch the next */
    th_status failed;  /* a stream that failed stays so */
} importer;

static void drop_current(importer *m) {
    for (size_t i = 0; i < m->ncolumns; i++) th_column_clear(&m->dictionaries[i]);
    if (m->current) th_owner_release(&m->current->owner);
    m->current = NULL;
}

static th_status bad_array(const char *name, th_error *err) {
    return th_fail(err, TH_E_FORMAT, "malformed Arrow array for column '%s'", name);
}

/* Buffers by layout: validity; then values, or offsets and values, or views, their data and its sizes. */
static bool raw_buffers(const struct ArrowArray *in, th_layout layout, th_raw_column *raw) {
    static const int64_t counts[] = {[TH_LAYOUT_NULL] = 0,
                                     [TH_LAYOUT_BITS] = 2,
                                     [TH_LAYOUT_FIXED] = 2,
                                     [TH_LAYOUT_TEXT] = 3,
                                     [TH_LAYOUT_LARGE_TEXT] = 3};
    bool views = layout == TH_LAYOUT_VIEWS;
    if (views ? in->n_buffers < 3 : in->n_buffers != counts[layout]) return false;
    if (layout == TH_LAYOUT_NULL) return true;
    if (!in->buffers) return false;
    const uint8_t *const *buffers = (const uint8_t *const *)(const void *)in->buffers;
    raw->validity = buffers[0];
    bool text = layout == TH_LAYOUT_TEXT || layout == TH_LAYOUT_LARGE_TEXT;
    raw->offsets = text ? buffers[1] : NULL;
    raw->values = buffers[text ? 2 : 1];
    raw->validity_size = raw->values_size = raw->offsets_size = SIZE_MAX;
    if (!views) return true;
    raw->nvariadic = (size_t)in->n_buffers - 3;
    raw->variadic = buffers + 2;
    raw->variadic_sizes = (const int64_t *)(const void *)buffers[in->n_buffers - 1];
    return raw->nvariadic == 0 || raw->variadic_sizes;
}

static bool raw_array(const struct ArrowArray *in, th_layout layout, const char *name, th_raw_column *raw) {
    if (in->length < 0 || in->offset < 0 || in->length > INT64_MAX / 64 || in->offset > INT64_MAX / 64) return false;
    raw->name = name;
    raw->len = (size_t)in->length;
    raw->offset = (size_t)in->offset;
    return raw_buffers(in, layout, raw);
}

static th_status decode_dictionary(importer *m, const struct ArrowArray *in, size_t i, th_error *err) {
    const char *name = m->stream.schema->fields[i].name;
    th_raw_column values = {.type = m->types[i]};
    values.type.dictionary = false;
    if (!in->dictionary || !raw_array(in->dictionary, m->types[i].layout, name, &values)) return bad_array(name, err);
    TH_TRY(th_raw_convert(m->mem, &values, 0, values.len, &m->current->owner, &m->dictionaries[i], err));
    m->raw.columns[i].dictionary = &m->dictionaries[i];
    return TH_OK;
}

static th_status open_array(importer *m, th_error *err) {
    const struct ArrowArray *top = &m->current->array;
    if (top->n_children != (int64_t)m->ncolumns || top->length < 0 || top->offset < 0 || top->length > INT64_MAX / 64 ||
        top->offset > INT64_MAX / 64 || (m->ncolumns && !top->children))
        return th_fail(err, TH_E_FORMAT, "malformed Arrow array: it does not match its schema");
    if (top->null_count != 0 && top->n_buffers > 0 && top->buffers && top->buffers[0])
        return th_fail(err, TH_E_UNSUPPORTED, "an Arrow batch has rows that are null as a whole");
    for (size_t i = 0; i < m->ncolumns; i++) {
        const struct ArrowArray *child = top->children[i];
        const char *name = m->stream.schema->fields[i].name;
        th_raw_column *raw = &m->raw.columns[i];
        *raw = (th_raw_column){.type = m->types[i]};
        th_layout layout = raw->type.dictionary ? TH_LAYOUT_FIXED : raw->type.layout;
        if (!child || !raw_array(child, layout, name, raw)) return bad_array(name, err);
        if (child->length < top->offset + top->length) return bad_array(name, err);
        raw->offset += (size_t)top->offset;
        raw->len = (size_t)top->length;
        if (raw->type.dictionary) TH_TRY(decode_dictionary(m, child, i, err));
    }
    m->raw.len = (size_t)top->length;
    m->raw.at = 0;
    m->raw.owner = &m->current->owner;
    return TH_OK;
}

static th_status stream_failed(importer *m, int code, th_error *err) {
    const char *text = m->in.get_last_error ? m->in.get_last_error(&m->in) : NULL;
    th_status status = code == ENOMEM ? TH_E_NOMEM : code == ECANCELED ? TH_E_CANCELLED : TH_E_HOST;
    return th_fail(err, status, "the host's Arrow stream failed: %s", text ? text : strerror(code));
}

/* The next array that has rows; `current` stays NULL at the end. */
static th_status fetch(importer *m, th_error *err) {
    for (;;) {
        incoming *next = th_mem_zeroed(m->mem, sizeof *next);
        if (!next) return no_memory(err);
        atomic_init(&next->owner.refs, 1);
        next->owner.mem = m->mem;
        next->owner.free = free_incoming;
        int code = m->in.get_next(&m->in, &next->array);
        if (code != 0 || !next->array.release) {
            next->array.release = NULL; /* nothing was handed over */
            th_owner_release(&next->owner);
            return code == 0 ? TH_OK : stream_failed(m, code, err);
        }
        m->current = next;
        th_status status = open_array(m, err);
        if (status != TH_OK) drop_current(m);
        if (status != TH_OK || next->array.length > 0) return status;
        drop_current(m);
    }
}

static th_status next_batch(importer *m, th_batch **out, th_error *err) {
    if (!m->current) TH_TRY(fetch(m, err));
    if (!m->current) return TH_OK;
    TH_TRY(th_raw_take(m->mem, m->stream.schema, &m->raw, out, err));
    if (m->raw.at == m->raw.len) drop_current(m);
    return TH_OK;
}

static th_status import_next(th_stream *stream, th_batch **out, th_error *err) {
    importer *m = (importer *)stream;
    *out = NULL;
    if (m->failed != TH_OK) return th_fail(err, m->failed, "the Arrow stream failed before");
    return m->failed = next_batch(m, out, err);
}

static size_t importer_bytes(size_t n) {
    return sizeof(importer) + n * (sizeof(th_column) + sizeof(th_raw_column) + sizeof(th_arrow_type));
}

static void import_close(th_stream *stream) {
    importer *m = (importer *)stream;
    drop_current(m);
    if (m->in.release) m->in.release(&m->in);
    th_schema_release(stream->schema);
    th_mem_free(m->mem, m, importer_bytes(m->ncolumns));
}

static th_status make_importer(th_mem *mem, const struct ArrowSchema *schema, importer **out, th_error *err) {
    if (!schema->format || strcmp(schema->format, "+s") != 0)
        return th_fail(err, TH_E_FORMAT, "an Arrow stream of tables must have a struct type, not %s",
                       schema->format ? th_arrow_format_text(schema->format) : "none");
    if (schema->n_children < 0 || schema->n_children > UINT32_MAX || (schema->n_children && !schema->children))
        return th_fail(err, TH_E_FORMAT, "malformed Arrow schema");
    size_t n = (size_t)schema->n_children;
    importer *m = th_mem_zeroed(mem, importer_bytes(n));
    th_field *fields = th_mem_zeroed(mem, n * sizeof *fields + 1);
    th_status status = m && fields ? TH_OK : no_memory(err);
    if (m) {
        m->mem = mem;
        m->ncolumns = n;
        m->stream.next = import_next;
        m->stream.close = import_close;
        m->dictionaries = (th_column *)(m + 1);
        m->raw.columns = (th_raw_column *)(m->dictionaries + n);
        m->raw.ncolumns = n;
        m->types = (th_arrow_type *)(m->raw.columns + n);
    }
    for (size_t i = 0; i < n && status == TH_OK; i++) {
        const struct ArrowSchema *child = schema->children[i];
        status = child ? column_type(child, &m->types[i], err) : th_fail(err, TH_E_FORMAT, "malformed Arrow schema");
        if (status != TH_OK) break;
        fields[i] =
            (th_field){child->name ? child->name : "", m->types[i].type, (child->flags & ARROW_FLAG_NULLABLE) != 0};
        if (fields[i].type == TH_COLUMN_NULL) fields[i].nullable = true;
    }
    if (status == TH_OK && th_schema_new(mem, fields, n, &m->stream.schema) != TH_OK) status = no_memory(err);
    th_mem_free(mem, fields, fields ? n * sizeof *fields + 1 : 0);
    if (status == TH_OK)
        *out = m;
    else if (m)
        import_close(&m->stream);
    return status;
}

th_status th_import_stream(th_mem *mem, struct ArrowArrayStream *in, th_stream **out, th_error *err) {
    if (!in->release || !in->get_schema || !in->get_next)
        return th_fail(err, TH_E_ARGUMENT, "the Arrow stream was released already");
    struct ArrowSchema schema = {0};
    importer peek = {.in = *in}, *m = NULL;
    int code = in->get_schema(in, &schema);
    if (code != 0) return stream_failed(&peek, code, err);
    th_status status = make_importer(mem, &schema, &m, err);
    if (schema.release) schema.release(&schema);
    if (status != TH_OK) return status;
    m->in = *in;
    in->release = NULL;
    *out = &m->stream;
    return TH_OK;
}

/* ---- Export: the schema ------------------------------------------------------------------------------------- */

static const char *format_of(th_column_type type) {
    static const char *const formats[] = {
#define X(name, number, bytes, format) [number] = format,
        TH_COLUMN_TYPES(X)
#undef X
    };
    return formats[type];
}

/* Everything of an exported schema is one block, released with its top. Children may be moved out of it, so the block
** is counted. */
typedef struct schema_block {
    _Atomic uint32_t refs;
    th_mem *mem;
    size_t bytes;
    th_schema *schema; /* shared: the names */
    struct ArrowSchema *children[];
} schema_block;

static void release_block(schema_block *block) {
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) return;
    th_schema_release(block->schema);
    th_mem_free(block->mem, block, block->bytes);
}

static void release_child_schema(struct ArrowSchema *s) {
    s->release = NULL;
    release_block(s->private_data);
}

static void release_schema(struct ArrowSchema *s) {
    for (int64_t i = 0; i < s->n_children; i++)
        if (s->children[i]->release) s->children[i]->release(s->children[i]);
    s->release = NULL;
    release_block(s->private_data);
}

static th_status export_schema(th_mem *mem, th_schema *schema, struct ArrowSchema *out) {
    size_t n = schema->nfields;
    size_t bytes = sizeof(schema_block) + n * (sizeof(struct ArrowSchema *) + sizeof(struct ArrowSchema));
    schema_block *block = th_mem_zeroed(mem, bytes);
    if (!block) return TH_E_NOMEM;
    atomic_init(&block->refs, (uint32_t)n + 1);
    block->mem = mem;
    block->bytes = bytes;
    block->schema = th_schema_retain(schema);
    struct ArrowSchema *child = (struct ArrowSchema *)(void *)(block->children + n);
    for (size_t i = 0; i < n; i++, child++) {
        const th_field *field = &schema->fields[i];
        *child = (struct ArrowSchema){.format = format_of(field->type),
                                      .name = field->name,
                                      .flags = field->nullable ? ARROW_FLAG_NULLABLE : 0,
                                      .release = release_child_schema,
                                      .private_data = block};
        block->children[i] = child;
    }
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = (int64_t)n,
                                .children = block->children,
                                .release = release_schema,
                                .private_data = block};
    return TH_OK;
}

/* ---- Export: batches ---------------------------------------------------------------------------------------- */

/* One block for a batch: the top's and the children's structures and buffer pointers; it holds the batch. */
typedef struct array_block {
    _Atomic uint32_t refs;
    th_mem *mem;
    size_t bytes;
    th_batch *batch;
    const void *no_validity[1];
    struct ArrowArray *children[];
} array_block;

static void release_array_block(array_block *block) {
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) return;
    th_batch_release(block->batch);
    th_mem_free(block->mem, block, block->bytes);
}

static void release_child_array(struct ArrowArray *a) {
    a->release = NULL;
    release_array_block(a->private_data);
}

static void release_array(struct ArrowArray *a) {
    for (int64_t i = 0; i < a->n_children; i++)
        if (a->children[i]->release) a->children[i]->release(a->children[i]);
    a->release = NULL;
    release_array_block(a->private_data);
}

static void export_column(const th_column *c, const void **buffers, array_block *block, struct ArrowArray *out) {
    *out = (struct ArrowArray){.length = (int64_t)c->len,
                               .null_count = c->null_count,
                               .offset = (int64_t)c->offset,
                               .n_buffers = c->type == TH_COLUMN_NULL     ? 0
                                            : c->type == TH_COLUMN_STRING ? 3
                                                                          : 2,
                               .buffers = buffers,
                               .release = release_child_array,
                               .private_data = block};
    if (c->type == TH_COLUMN_NULL) return;
    buffers[0] = c->validity ? c->validity->data : NULL;
    buffers[1] = c->type == TH_COLUMN_STRING ? c->offsets->data : c->values->data;
    if (c->type == TH_COLUMN_STRING) buffers[2] = c->values->data;
}

/* Takes the batch on success. */
static th_status export_batch(th_mem *mem, th_batch *batch, struct ArrowArray *out) {
    size_t n = batch->schema->nfields;
    size_t bytes =
        sizeof(array_block) + n * (sizeof(struct ArrowArray *) + sizeof(struct ArrowArray) + 3 * sizeof(const void *));
    array_block *block = th_mem_zeroed(mem, bytes);
    if (!block) return TH_E_NOMEM;
    atomic_init(&block->refs, (uint32_t)n + 1);
    block->mem = mem;
    block->bytes = bytes;
    block->batch = batch;
    struct ArrowArray *child = (struct ArrowArray *)(void *)(block->children + n);
    const void **buffers = (const void **)(void *)(child + n);
    for (size_t i = 0; i < n; i++, child++, buffers += 3) {
        export_column(&batch->columns[i], buffers, block, child);
        block->children[i] = child;
    }
    *out = (struct ArrowArray){.length = (int64_t)batch->nrows,
                               .n_buffers = 1,
                               .n_children = (int64_t)n,
                               .buffers = block->no_validity,
                               .children = block->children,
                               .release = release_array,
                               .private_data = block};
    return TH_OK;
}

/* ---- Export: the stream ------------------------------------------------------------------------------------- */

typedef struct exporter {
    th_mem *mem;
    th_stream *stream;
    th_error err;
} exporter;

static int failed(exporter *x, th_status status) {
    if (x->err.code != status) th_fail(&x->err, status, "%s", th_status_text(status));
    switch (status) {
    case TH_E_NOMEM:
    case TH_E_MEMORY_LIMIT: return ENOMEM;
    case TH_E_CANCELLED: return ECANCELED;
    case TH_E_UNSUPPORTED: return ENOSYS;
    case TH_E_IO: return EIO;
    default: return EINVAL;
    }
}

static int stream_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
    exporter *x = s->private_data;
    x->err.code = TH_OK;
    th_status status = export_schema(x->mem, x->stream->schema, out);
    return status == TH_OK ? 0 : failed(x, status);
}

static int stream_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
    exporter *x = s->private_data;
    th_batch *batch = NULL;
    x->err.code = TH_OK;
    th_status status = x->stream->next(x->stream, &batch, &x->err);
    if (status == TH_OK && !batch) {
        out->release = NULL;
        return 0;
    }
    if (status == TH_OK && (status = export_batch(x->mem, batch, out)) == TH_OK) return 0;
    th_batch_release(batch);
    return failed(x, status);
}

static const char *stream_error(struct ArrowArrayStream *s) {
    exporter *x = s->private_data;
    return x->err.code == TH_OK ? NULL : x->err.message;
}

static void stream_release(struct ArrowArrayStream *s) {
    exporter *x = s->private_data;
    x->stream->close(x->stream);
    th_mem_free(x->mem, x, sizeof *x);
    s->release = NULL;
}

th_status th_export_stream(th_mem *mem, th_stream *stream, struct ArrowArrayStream *out) {
    exporter *x = th_mem_zeroed(mem, sizeof *x);
    if (!x) return TH_E_NOMEM;
    x->mem = mem;
    x->stream = stream;
    *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, x};
    return TH_OK;
}
