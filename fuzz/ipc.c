/*
** ipc.c - any bytes as an Arrow file or stream. What is read must be sound UTF-8 with exact null counts, and, written
** and read again, have as many rows.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "../tests/support/table_sound.h"

static void insist(bool condition) {
    if (!condition) abort();
}

/* The rows of an Arrow text, written to `out` in the stream format when that is given. */
static size_t read_rows(th_mem *mem, const void *bytes, size_t len, th_buf *out) {
    th_stream *in;
    th_batch *batch;
    th_error err;
    size_t rows = 0;
    th_ipc_writer *writer = NULL;
    if (th_ipc_open_memory(mem, "fuzz", bytes, len, &in, &err) != TH_OK) return SIZE_MAX;
    if (out) (void)!th_ipc_writer_new(mem, in->schema, false, (th_sink){to_buf, out}, &writer, &err);
    while (in->next(in, &batch, &err) == TH_OK && batch) {
        for (size_t i = 0; i < in->schema->nfields; i++) insist(column_is_sound(&batch->columns[i]));
        if (writer) (void)!th_ipc_writer_batch(writer, batch, &err);
        rows += batch->nrows;
        th_batch_release(batch);
    }
    if (writer && th_ipc_writer_finish(writer, &err) != TH_OK) out->failed = true;
    th_ipc_writer_free(writer);
    in->close(in);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_buf out;
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    th_buf_init(&out, &mem);
    size_t rows = read_rows(&mem, data, size, &out);
    if (rows != SIZE_MAX && out.len && !out.failed) insist(read_rows(&mem, out.data, out.len, NULL) == rows);
    th_buf_clear(&out);
    insist(atomic_load(&mem.used_bytes) == 0);
    return 0;
}
