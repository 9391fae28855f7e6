/*
** csv.c - any bytes as CSV, under options that the first byte chooses. What is read must be sound UTF-8 with exact null
** counts, and, written as CSV and read again, have as many rows.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "../tests/support/table_sound.h"

static void insist(bool condition) {
    if (!condition) abort();
}

/* The rows of a CSV text, written to `out` when that is given. */
static size_t read_rows(th_mem *mem, const void *bytes, size_t len, const th_csv_options *options, th_buf *out) {
    th_stream *in;
    th_batch *batch;
    th_error err;
    size_t rows = 0;
    if (th_csv_open_memory(mem, "fuzz", bytes, len, options, &in, &err) != TH_OK) return SIZE_MAX;
    if (out) (void)!th_csv_write_header(in->schema, out);
    while (in->next(in, &batch, &err) == TH_OK && batch) {
        for (size_t i = 0; i < in->schema->nfields; i++) insist(column_is_sound(&batch->columns[i]));
        if (out) (void)!th_csv_write_batch(batch, out);
        rows += batch->nrows;
        th_batch_release(batch);
    }
    in->close(in);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    th_mem mem;
    th_buf out;
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    th_buf_init(&out, &mem);
    uint8_t choice = data[0];
    th_csv_options options = {.no_header = choice & 1,
                              .bad_cell = (th_bad_cell)((choice >> 1) % 3),
                              .delimiter = choice & 16 ? ';' : 0,
                              .infer_rows = choice & 32 ? 2 : 0,
                              .batch_rows = choice & 64 ? 3 : 0};
    size_t rows = read_rows(&mem, data + 1, size - 1, &options, &out);
    th_csv_options lenient = {.bad_cell = TH_BAD_NULL, .infer_rows = 1};
    if (rows != SIZE_MAX && !out.failed) insist(read_rows(&mem, out.data, out.len, &lenient, NULL) == rows);
    th_buf_clear(&out);
    insist(atomic_load(&mem.used_bytes) == 0);
    return 0;
}
