/*
** tableconv.c - IN OUT [BATCH_ROWS]: reads a table and writes it in the format that OUT's name ends in, for the
** comparison with pyarrow. Goes through the Arrow C stream interface on the way when BATCH_ROWS is given.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "table/table.h"

static bool ends(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

static th_status to_file(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    return fwrite(bytes, 1, len, sink->user) == len ? TH_OK : th_fail(err, TH_E_IO, "cannot write");
}

static th_status open_table(th_mem *mem, const char *path, size_t batch_rows, th_stream **out, th_error *err) {
    th_csv_options options = {.batch_rows = batch_rows};
    if (ends(path, ".csv"))
        TH_TRY(th_csv_open(mem, path, &options, out, err));
    else
        TH_TRY(th_ipc_open(mem, path, out, err));
    if (batch_rows == 0) return TH_OK;
    struct ArrowArrayStream c;
    TH_TRY(th_export_stream(mem, *out, &c));
    return th_import_stream(mem, &c, out, err);
}

typedef struct writer {
    th_ipc_writer *ipc; /* stream format */
    th_table_writer *table;
} writer;

static th_status open_writer(th_mem *mem, const char *path, const th_schema *schema, FILE *f, writer *w,
                             th_error *err) {
    th_sink sink = {to_file, f};
    const char *dot = strrchr(path, '.');
    th_table_format format = TH_FORMAT_GRID;
    if (ends(path, ".arrows")) return th_ipc_writer_new(mem, schema, false, sink, &w->ipc, err);
    if (dot) (void)th_table_format_of(th_view_of(dot + 1), &format);
    return th_table_writer_new(mem, format, schema, 100, 0, sink, &w->table, err);
}

static th_status copy(th_mem *mem, const char *from, const char *to, size_t batch_rows, th_error *err) {
    th_stream *in;
    writer w = {0};
    TH_TRY(open_table(mem, from, batch_rows, &in, err));
    FILE *f = fopen(to, "wb");
    th_status status = f ? open_writer(mem, to, in->schema, f, &w, err) : th_fail(err, TH_E_IO, "cannot open '%s'", to);
    while (status == TH_OK) {
        th_batch *batch;
        status = in->next(in, &batch, err);
        if (status != TH_OK || !batch) break;
        status = w.ipc ? th_ipc_writer_batch(w.ipc, batch, err) : th_table_writer_batch(w.table, batch, err);
        th_batch_release(batch);
    }
    if (status == TH_OK) status = w.ipc ? th_ipc_writer_finish(w.ipc, err) : th_table_writer_finish(w.table, err);
    th_ipc_writer_free(w.ipc);
    th_table_writer_free(w.table);
    if (f && fclose(f) != 0 && status == TH_OK) status = th_fail(err, TH_E_IO, "cannot write '%s'", to);
    in->close(in);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: tableconv IN OUT [BATCH_ROWS]\n"), 2;
    th_mem mem;
    th_error err = {.code = TH_OK};
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_status status = copy(&mem, argv[1], argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 0, &err);
    if (status != TH_OK) fprintf(stderr, "%s:%u:%u: %s\n", err.file, err.span.line, err.span.column, err.message);
    if (status == TH_OK && atomic_load(&mem.used_bytes)) status = TH_E_ASSERT; /* something leaked */
    return status != TH_OK;
}
