/*
** table_faults.c - the readers and writers of tables when input and output fail: each write in turn, each read in turn,
** and calls that move a byte at a time or are interrupted.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../support/faulty_io.c"

static const char CSV[] =
    "i,f,s,b,d,t\n1,1.5,\"x, y\",true,2024-01-01,2024-01-01T10:00:00\n,,,,,\n-3,2.5,\"\",false,1969-12-31,"
    "1969-12-31T23:59:59.5\n4,0.25,\"two\nlines\",true,2024-02-29,2024-01-01T10:00:00\n,1.0,grün,,,\n";

static int quiet(void **state) {
    faulty_calls = (faulty_io){0};
    return setup(state);
}

static int quiet_teardown(void **state) {
    faulty_calls = (faulty_io){0};
    return teardown(state);
}

#define FAULT_TEST(name) {#name, name, quiet, quiet_teardown, NULL}

/* ---- Writers ------------------------------------------------------------------------------------------------ */

/* A sink whose write number `fail_at` fails, and all after it. */
typedef struct disk {
    th_buf bytes;
    size_t writes, fail_at, after_failure;
} disk;

static th_status to_disk(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    disk *d = sink->user;
    if (d->fail_at && ++d->writes > d->fail_at) d->after_failure++;
    if (d->fail_at && d->writes >= d->fail_at) return th_fail(err, TH_E_IO, "no space left");
    th_buf_put(&d->bytes, bytes, len);
    return TH_OK;
}

/* Writes CSV's rows, two in a batch, and tries to go on after a failure, as a careless caller would. */
static th_status write_table(th_table_format format, disk *d, th_error *err) {
    th_stream *in;
    th_table_writer *writer = NULL;
    th_batch *batch;
    th_error ignored;
    TH_TRY(th_csv_open_memory(&mem, "x", CSV, strlen(CSV), &(th_csv_options){.batch_rows = 2}, &in, err));
    th_status status = th_table_writer_new(&mem, format, in->schema, 0, 0, (th_sink){to_disk, d}, &writer, err);
    while (status == TH_OK && (status = in->next(in, &batch, err)) == TH_OK && batch) {
        status = th_table_writer_batch(writer, batch, err);
        if (status != TH_OK) assert_int_not_equal(th_table_writer_batch(writer, batch, &ignored), TH_OK);
        th_batch_release(batch);
    }
    if (status == TH_OK)
        status = th_table_writer_finish(writer, err);
    else if (writer)
        assert_int_not_equal(th_table_writer_finish(writer, &ignored), TH_OK);
    th_table_writer_free(writer);
    in->close(in);
    return status;
}

static void each_failing_write_ends_the_writer_in_every_format_fault(void **state) {
    (void)state;
    static const th_table_format formats[] = {TH_FORMAT_GRID,   TH_FORMAT_CSV,      TH_FORMAT_JSON,
                                              TH_FORMAT_NDJSON, TH_FORMAT_MARKDOWN, TH_FORMAT_ARROW};
    for (size_t i = 0; i < TH_COUNT(formats); i++) {
        disk whole = {.fail_at = 0};
        th_error err = {.code = TH_OK};
        th_buf_init(&whole.bytes, &mem);
        assert_int_equal(write_table(formats[i], &whole, &err), TH_OK);
        th_status status = TH_E_IO;
        for (size_t n = 1; status != TH_OK; n++) {
            disk d = {.fail_at = n};
            th_buf_init(&d.bytes, &mem);
            status = write_table(formats[i], &d, &err);
            if (status != TH_OK) {
                assert_int_equal(status, TH_E_IO);
                assert_string_equal(err.message, "no space left");
                assert_true(d.bytes.len < whole.bytes.len);
            } else {
                assert_true(n > 1);
                assert_int_equal(d.bytes.len, whole.bytes.len);
            }
            assert_int_equal(d.after_failure, 0); /* a writer that failed writes no more: that would leave a hole */
            assert_memory_equal(d.bytes.data ? d.bytes.data : "", whole.bytes.data, d.bytes.len);
            th_buf_clear(&d.bytes);
            assert_true(n < 1000);
        }
        th_buf_clear(&whole.bytes);
    }
}

/* ---- Readers ------------------------------------------------------------------------------------------------ */

/* A file with these bytes; only its descriptor is left of it. */
static int file_of(const void *bytes, size_t len) {
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fflush(f), 0);
    int fd = dup(fileno(f));
    fclose(f);
    assert_true(fd >= 0);
    return fd;
}

/* Its bytes as a pipe: less than a pipe holds, so that nobody need write while it is read. */
static int pipe_of(const void *bytes, size_t len) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(len <= 65536 && write(ends[1], bytes, len) == (ssize_t)len);
    close(ends[1]);
    return ends[0];
}

typedef th_status (*opener)(const char *path, th_stream **out, th_error *err);

static th_status open_csv(const char *path, th_stream **out, th_error *err) {
    return th_csv_open(&mem, path, &(th_csv_options){.batch_rows = 2}, out, err);
}

static th_status open_arrow(const char *path, th_stream **out, th_error *err) {
    return th_ipc_open(&mem, path, out, err);
}

/* What is read from the descriptor, which is closed; "refused ..." when it cannot be opened. */
static th_status read_fd(opener open_it, int fd, th_buf *out, th_error *err) {
    char path[64];
    th_stream *in;
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    faulty_calls.on = true;
    th_status status = open_it(path, &in, err);
    if (status == TH_OK) {
        put_schema(out, in->schema);
        th_batch *batch;
        while ((status = in->next(in, &batch, err)) == TH_OK && batch) {
            put_batch(out, batch);
            th_batch_release(batch);
        }
        in->close(in);
    }
    faulty_calls.on = false;
    close(fd);
    return status;
}

typedef struct input {
    const char *bytes;
    size_t len;
    opener open_it;
    bool is_pipe;
} input;

static int open_input(const input *in) {
    return in->is_pipe ? pipe_of(in->bytes, in->len) : file_of(in->bytes, in->len);
}

/* CSV from a file and a pipe, Arrow from a pipe in both formats (a file is mapped). */
static void each_input(void (*check)(const input *in, const th_buf *want)) {
    disk arrow = {.fail_at = 0};
    th_buf want;
    th_error err;
    char path[512];
    static char stream[16384];
    snprintf(path, sizeof path, "%s/table/data/converted.arrows", TEST_DATA);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(stream, 1, sizeof stream, f);
    fclose(f);
    th_buf_init(&arrow.bytes, &mem);
    assert_int_equal(write_table(TH_FORMAT_ARROW, &arrow, &err), TH_OK);
    const input inputs[] = {{CSV, strlen(CSV), open_csv, false},
                            {CSV, strlen(CSV), open_csv, true},
                            {arrow.bytes.data, arrow.bytes.len, open_arrow, true},
                            {stream, len, open_arrow, true}};
    for (size_t i = 0; i < TH_COUNT(inputs); i++) {
        faulty_calls = (faulty_io){0};
        th_buf_init(&want, &mem);
        assert_int_equal(read_fd(inputs[i].open_it, open_input(&inputs[i]), &want, &err), TH_OK);
        assert_true(want.len > 100);
        check(&inputs[i], &want);
        th_buf_clear(&want);
    }
    th_buf_clear(&arrow.bytes);
}

static void read_in_pieces(const input *in, const th_buf *want) {
    static const size_t pieces[] = {1, 2, 7, 64};
    for (size_t i = 0; i < 2 * TH_COUNT(pieces); i++) {
        th_buf have;
        th_error err;
        th_buf_init(&have, &mem);
        int fd = open_input(in);
        faulty_calls = (faulty_io){.most = pieces[i / 2], .interrupted = i % 2};
        assert_int_equal(read_fd(in->open_it, fd, &have, &err), TH_OK);
        assert_string_equal(have.data, want->data);
        th_buf_clear(&have);
    }
}

static void short_and_interrupted_reads_change_nothing_fault(void **state) {
    (void)state;
    each_input(read_in_pieces);
}

static void read_until_it_breaks(const input *in, const th_buf *want) {
    th_status status = TH_E_IO;
    for (long n = 1; status != TH_OK; n++) {
        th_buf have;
        th_error err = {.code = TH_OK};
        th_buf_init(&have, &mem);
        int fd = open_input(in);
        faulty_calls = (faulty_io){.fail_read = n, .error = EIO, .most = 50};
        status = read_fd(in->open_it, fd, &have, &err);
        if (status != TH_OK) {
            assert_int_equal(status, TH_E_IO);
            assert_non_null(strstr(err.message, "cannot read '/dev/fd/"));
            assert_non_null(strstr(err.message, strerror(EIO)));
            assert_true(have.len <= want->len); /* all of it, when the read that would tell the end fails */
            assert_memory_equal(have.data ? have.data : "", want->data, have.len);
        } else {
            assert_true(n > 3);
            assert_string_equal(have.data, want->data);
        }
        th_buf_clear(&have);
        assert_true(n < 1000);
    }
}

static void each_failing_read_is_told_fault(void **state) {
    (void)state;
    each_input(read_until_it_breaks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAULT_TEST(each_failing_write_ends_the_writer_in_every_format_fault),
        FAULT_TEST(short_and_interrupted_reads_change_nothing_fault),
        FAULT_TEST(each_failing_read_is_told_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
