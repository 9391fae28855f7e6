/*
** stream.c - streams that are gone on with elsewhere: which file one reads, and batches as bytes.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <sys/stat.h>

#include "table/table_int.h"

/* ---- Files -------------------------------------------------------------------------------------------------- */

/* A file without a name cannot be opened again, and what a pipe gave is gone. */
th_file_mark th_file_mark_of(int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return (th_file_mark){.again = false};
    return (th_file_mark){.again = info.st_nlink > 0,
                          .size = (uint64_t)info.st_size,
                          .mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec};
}

th_status th_file_mark_check(const th_file_mark *mark, const char *name, const th_stream_place *place, th_error *err) {
    if (!mark->again) return th_fail(err, TH_E_IO, "'%s' is not the file that was read before: it is no file", name);
    if (mark->size != place->size)
        return th_fail(err, TH_E_IO,
                       "'%s' has changed since the run was saved: it had %llu bytes then, and has %llu now", name,
                       (unsigned long long)place->size, (unsigned long long)mark->size);
    if (mark->mtime_ns != place->mtime_ns)
        return th_fail(err, TH_E_IO, "'%s' has changed since the run was saved: it was written at another time", name);
    return TH_OK;
}

/* ---- Batches as bytes --------------------------------------------------------------------------------------- */

static th_status put_bytes(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    th_buf *out = sink->user;
    th_buf_put(out, bytes, len);
    return out->failed ? th_fail(err, TH_E_NOMEM, "out of memory") : TH_OK;
}

th_status th_batches_write(th_mem *mem, const th_schema *schema, th_batch *const *batches, size_t n, th_buf *out,
                           th_error *err) {
    th_ipc_writer *writer;
    TH_TRY(th_ipc_writer_new(mem, schema, false, (th_sink){put_bytes, out}, &writer, err));
    th_status status = TH_OK;
    for (size_t i = 0; i < n && status == TH_OK; i++)
        if (batches[i]->nrows > 0) status = th_ipc_writer_batch(writer, batches[i], err);
    if (status == TH_OK) status = th_ipc_writer_finish(writer, err);
    th_ipc_writer_free(writer);
    return status;
}

th_status th_batches_read(th_mem *mem, const th_schema *schema, const void *bytes, size_t len, th_each_batch each,
                          void *user, th_error *err) {
    th_stream *stream;
    TH_TRY(th_ipc_open_copy(mem, "saved rows", bytes, len, &stream, err));
    th_status status = TH_OK;
    if (!th_schema_equal(stream->schema, schema))
        status = th_fail(err, TH_E_FORMAT, "the saved rows are of another table");
    while (status == TH_OK) {
        th_batch *batch = NULL;
        status = stream->next(stream, &batch, err);
        if (status != TH_OK || !batch) break;
        status = each(user, batch);
        if (status != TH_OK) (void)th_fail(err, status, "%s", th_status_text(status));
        th_batch_release(batch);
    }
    stream->close(stream);
    return status;
}
