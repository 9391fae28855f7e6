/*
** table_ipc.c - Arrow files and streams: ours read back, pyarrow's converted, damaged ones refused.
** SPDX-License-Identifier: Apache-2.0
*/
#include "../support/table_sound.h"
#include "table_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "table/table_int.h"

static const char CSV[] =
    "i,f,s,b,d,t\n1,1.5,x,true,2024-01-01,2024-01-01T10:00:00\n,,,,,\n-3,2.5,\"\",false,1969-12-31,"
    "1969-12-31T23:59:59.5\n4,0.25,the last,true,2024-02-29,2024-01-01T10:00:00\n,1.0,grün,,,\n";

/* `slice`: each batch is written from its second row on. */
static th_status write_csv(const char *csv, size_t batch_rows, bool file, bool slice, th_buf *out) {
    th_stream *in;
    th_ipc_writer *writer;
    th_error err;
    TH_TRY(th_csv_open_memory(&mem, "x", csv, strlen(csv), &(th_csv_options){.batch_rows = batch_rows}, &in, &err));
    th_status status = th_ipc_writer_new(&mem, in->schema, file, (th_sink){to_buf, out}, &writer, &err);
    if (status != TH_OK) {
        in->close(in);
        return status;
    }
    for (;;) {
        th_batch *batch = NULL, *part = NULL;
        status = in->next(in, &batch, &err);
        if (status != TH_OK || !batch) break;
        status = th_batch_slice(batch, slice, batch->nrows - slice, &part);
        if (status == TH_OK) status = th_ipc_writer_batch(writer, part, &err);
        th_batch_release(part);
        th_batch_release(batch);
        if (status != TH_OK) break;
    }
    if (status == TH_OK) status = th_ipc_writer_finish(writer, &err);
    th_ipc_writer_free(writer);
    in->close(in);
    return status;
}

static void dump_memory(const void *bytes, size_t len, th_buf *out) {
    th_stream *in;
    th_error err;
    th_status status = th_ipc_open_memory(&mem, "x.arrow", bytes, len, &in, &err);
    if (status == TH_OK)
        drain(in, out);
    else {
        assert_int_equal(err.code, status);
        th_buf_printf(out, "refused %s %s\n", th_status_text(status), err.message);
    }
}

static void dump_csv(const char *csv, th_buf *out) {
    th_stream *in;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, strlen(csv), NULL, &in, NULL), TH_OK);
    drain(in, out);
}

static void both_formats_read_back_what_was_written(void **state) {
    (void)state;
    for (size_t rows = 0; rows < 4; rows++) {
        for (int file = 0; file < 2; file++) {
            th_buf bytes, want, have;
            th_buf_init(&bytes, &mem), th_buf_init(&want, &mem), th_buf_init(&have, &mem);
            assert_int_equal(write_csv(CSV, rows, file, false, &bytes), TH_OK);
            dump_csv(CSV, &want);
            dump_memory(bytes.data, bytes.len, &have);
            assert_string_equal(have.data, want.data);
            th_buf_clear(&bytes), th_buf_clear(&want), th_buf_clear(&have);
        }
    }
}

static void slices_are_written_from_their_first_row(void **state) {
    (void)state;
    th_buf bytes, have;
    th_buf_init(&bytes, &mem), th_buf_init(&have, &mem);
    assert_int_equal(write_csv(CSV, 0, true, true, &bytes), TH_OK);
    dump_memory(bytes.data, bytes.len, &have);
    assert_string_equal(have.data, "i<i64?> f<f64?> s<String?> b<bool?> d<Date?> t<Timestamp?>\n~|~|~|~|~|~\n"
                                   "-3|2.5||false|1969-12-31|1969-12-31T23:59:59.500\n"
                                   "4|0.25|the last|true|2024-02-29|2024-01-01T10:00:00\n~|1|grün|~|~|~\n");
    th_buf_clear(&bytes), th_buf_clear(&have);
}

static void a_table_without_rows_keeps_its_schema(void **state) {
    (void)state;
    for (int file = 0; file < 2; file++) {
        th_buf bytes, have;
        th_buf_init(&bytes, &mem), th_buf_init(&have, &mem);
        assert_int_equal(write_csv("a,b\n", 0, file, false, &bytes), TH_OK);
        dump_memory(bytes.data, bytes.len, &have);
        assert_string_equal(have.data, "a<String?> b<String?>\n");
        th_buf_clear(&bytes), th_buf_clear(&have);
    }
}

static void the_narrow_types_read_back(void **state) {
    (void)state;
    th_field fields[] = {{"a", TH_COLUMN_I8, false},
                         {"b", TH_COLUMN_I16, false},
                         {"c", TH_COLUMN_I32, true},
                         {"d", TH_COLUMN_F32, true},
                         {"e", TH_COLUMN_NULL, true}};
    th_column columns[5];
    th_schema *schema;
    th_batch *batch;
    th_ipc_writer *writer;
    th_buf bytes, have;
    th_buf_init(&bytes, &mem), th_buf_init(&have, &mem);
    assert_int_equal(th_schema_new(&mem, fields, 5, &schema), TH_OK);
    for (size_t i = 0; i < 5; i++) {
        th_column_builder b;
        th_column_builder_init(&b, &mem, fields[i].type);
        for (int k = 0; k < 3; k++) {
            if (fields[i].nullable && k == 1)
                th_column_put_null(&b);
            else if (i == 3)
                th_column_put_f64(&b, k / 2.0);
            else if (i == 4)
                th_column_put_null(&b);
            else
                th_column_put_i64(&b, k - 1);
        }
        assert_int_equal(th_column_builder_finish(&b, &columns[i]), TH_OK);
    }
    assert_int_equal(th_batch_new(&mem, schema, 3, columns, &batch), TH_OK);
    assert_int_equal(th_ipc_writer_new(&mem, schema, true, (th_sink){to_buf, &bytes}, &writer, NULL), TH_OK);
    assert_int_equal(th_ipc_writer_batch(writer, batch, NULL), TH_OK);
    assert_int_equal(th_ipc_writer_finish(writer, NULL), TH_OK);
    assert_int_equal(th_ipc_writer_batch(writer, batch, NULL), TH_E_IO); /* finished is finished */
    th_ipc_writer_free(writer);
    dump_memory(bytes.data, bytes.len, &have);
    assert_string_equal(have.data, "a<i8> b<i16> c<i32?> d<f32?> e<null?>\n-1|-1|-1|0|~\n0|0|~|~|~\n1|1|1|1|~\n");
    th_batch_release(batch);
    th_schema_release(schema);
    th_buf_clear(&bytes), th_buf_clear(&have);
}

static void a_batch_of_another_schema_is_refused(void **state) {
    (void)state;
    th_buf bytes;
    th_buf_init(&bytes, &mem);
    th_stream *in, *other;
    th_batch *batch;
    th_ipc_writer *writer;
    th_error err;
    assert_int_equal(th_csv_open_memory(&mem, "x", CSV, strlen(CSV), NULL, &in, NULL), TH_OK);
    assert_int_equal(th_csv_open_memory(&mem, "y", "a\n1\n", 4, NULL, &other, NULL), TH_OK);
    assert_int_equal(th_ipc_writer_new(&mem, in->schema, true, (th_sink){to_buf, &bytes}, &writer, NULL), TH_OK);
    assert_int_equal(other->next(other, &batch, NULL), TH_OK);
    assert_int_equal(th_ipc_writer_batch(writer, batch, &err), TH_E_ARGUMENT);
    th_batch_release(batch);
    th_ipc_writer_free(writer);
    in->close(in);
    other->close(other);
    th_buf_clear(&bytes);
}

/* ---- Files on disk ------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const th_buf *bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
    fclose(f);
}

static void mapped_columns_point_into_the_file_and_outlive_the_stream(void **state) {
    (void)state;
    char path[] = "/tmp/theta_ipc_XXXXXX";
    close(mkstemp(path));
    th_buf bytes;
    th_buf_init(&bytes, &mem);
    assert_int_equal(write_csv(CSV, 0, true, false, &bytes), TH_OK);
    write_file(path, &bytes);
    th_buf_clear(&bytes);
    th_stream *in;
    th_batch *batch;
    size_t before = atomic_load(&mem.used_bytes);
    assert_int_equal(th_ipc_open(&mem, path, &in, NULL), TH_OK);
    assert_int_equal(in->next(in, &batch, NULL), TH_OK);
    in->close(in);
    unlink(path);
    assert_int_equal(TH_COLUMN_AT(&batch->columns[0], int64_t)[2], -3);
    assert_true(th_view_is(th_column_text(&batch->columns[2], 3), "the last"));
    assert_non_null(batch->columns[0].values->release); /* the map's, not ours */
    th_batch_release(batch);
    assert_int_equal(atomic_load(&mem.used_bytes), before);
}

static void pipes_are_read_in_both_formats(void **state) {
    (void)state;
    for (int file = 0; file < 2; file++) {
        th_buf bytes, want, have;
        th_buf_init(&bytes, &mem), th_buf_init(&want, &mem), th_buf_init(&have, &mem);
        assert_int_equal(write_csv(CSV, 2, file, false, &bytes), TH_OK);
        int ends[2], saved = dup(0);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], bytes.data, bytes.len), (ssize_t)bytes.len); /* fits a pipe */
        close(ends[1]);
        dup2(ends[0], 0);
        close(ends[0]);
        th_stream *in;
        th_error err;
        assert_int_equal(th_ipc_open(&mem, "-", &in, &err), TH_OK);
        drain(in, &have);
        dump_csv(CSV, &want);
        assert_string_equal(have.data, want.data);
        dup2(saved, 0);
        close(saved);
        th_buf_clear(&bytes), th_buf_clear(&want), th_buf_clear(&have);
    }
}

static void missing_files_directories_and_other_formats_are_told_apart(void **state) {
    (void)state;
    th_stream *in;
    th_error err;
    assert_int_equal(th_ipc_open(&mem, "no/such.arrow", &in, &err), TH_E_NOT_FOUND);
    assert_string_equal(err.message, "cannot open 'no/such.arrow': No such file or directory");
    assert_int_equal(th_ipc_open(&mem, "/", &in, &err), TH_E_IO);
    assert_string_equal(err.message, "cannot read '/': it is a directory");
    assert_int_equal(th_ipc_open_memory(&mem, "x", "", 0, &in, &err), TH_E_FORMAT);
    assert_string_equal(err.message, "'x' is empty");
    assert_int_equal(th_ipc_open_memory(&mem, "x", "a,b\n1,2\n3,4\n", 12, &in, &err), TH_E_FORMAT);
    assert_string_equal(err.message, "'x' is no Arrow file and no Arrow stream");
    assert_int_equal(th_ipc_open_memory(&mem, "x", "PAR1........", 12, &in, &err), TH_E_FORMAT);
    assert_string_equal(err.message, "'x' is a Parquet file");
}

/* ---- Files of pyarrow --------------------------------------------------------------------------------------- */

static void dump_data(const char *name, th_buf *out) {
    char path[512];
    th_stream *in;
    th_error err;
    snprintf(path, sizeof path, "%s/table/data/%s", TEST_DATA, name);
    th_status status = th_ipc_open(&mem, path, &in, &err);
    if (status == TH_OK)
        drain(in, out);
    else
        th_buf_printf(out, "refused %s %s\n", th_status_text(status), err.message);
}

static void types_of_other_writers_are_converted(void **state) {
    (void)state;
    static const char *const files[] = {"converted.arrow", "converted.arrows"};
    for (size_t i = 0; i < 2; i++) {
        th_buf out;
        th_buf_init(&out, &mem);
        dump_data(files[i], &out);
        assert_string_equal(
            out.data,
            "u8<i16?> u16<i32?> u32<i64?> u64<i64?> large<String?> view<String?> dict<String?> dict8<i64?> "
            "s<Timestamp?> "
            "ms<Timestamp?> ns<Timestamp?> date64<Date?> nothing<null?> flag<bool?>\n"
            "0|0|0|0||short|x|~|2024-02-29T12:30:15|2024-02-29T12:30:15|2024-02-29T12:30:15|2024-02-29|~|true\n"
            "255|65535|4294967295|9223372036854775807|grün|a text longer than twelve bytes|y|10|~|~|~|~|~|~\n"
            "~|~|~|~|~|~|~|~|2024-02-29T12:30:15|2024-02-29T12:30:15|2024-02-29T12:30:15|1969-12-31|~|false\n");
        th_buf_clear(&out);
    }
}

static void dictionaries_grow_and_are_replaced(void **state) {
    (void)state;
    th_buf out;
    th_buf_init(&out, &mem);
    dump_data("delta.arrows", &out);
    assert_string_equal(out.data, "d<String?>\na\nb\nc\na\nz\nz\n");
    th_buf_clear(&out);
}

static void what_cannot_be_converted_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"refused_list.arrow", "refused unsupported column 'xs' has the Arrow type list, which is not supported\n"},
        {"refused_decimal.arrow",
         "refused unsupported column 'price' has the Arrow type decimal, which is not supported\n"},
        {"refused_time.arrow", "refused unsupported column 't' has the Arrow type time, which is not supported\n"},
        {"refused_u64.arrow",
         "big<i64?>\nerror conversion failed 0:0 column 'big', row 2: the uint64 value does not fit i64\n"},
        {"refused_finer.arrow",
         "t<Timestamp?>\nerror conversion failed 0:0 column 't', row 2: the time is finer than a microsecond\n"}};
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        th_buf out;
        th_buf_init(&out, &mem);
        dump_data(cases[i][0], &out);
        assert_string_equal(out.data, cases[i][1]);
        th_buf_clear(&out);
    }
}

/* A build without the codec's library refuses what it cannot read. */
static bool codec_is_missing(th_codec codec, const char *text) {
    return !th_codec_here(codec) && strstr(text, "error unsupported") && strstr(text, th_codec_text(codec));
}

static void compressed_files_read_as_the_plain_one(void **state) {
    (void)state;
    static const char *const names[] = {"compressed_lz4.arrow", "compressed_zstd.arrow"};
    th_buf plain;
    th_buf_init(&plain, &mem);
    dump_data("converted.arrow", &plain);
    for (size_t i = 0; i < 2; i++) {
        th_buf out;
        th_buf_init(&out, &mem);
        dump_data(names[i], &out);
        if (!codec_is_missing((th_codec)i, out.data)) assert_string_equal(out.data, plain.data);
        th_buf_clear(&out);
    }
    th_buf_clear(&plain);
}

/* Files whose buffers are really smaller than what they stand for (but the noise), two batches, a dictionary. */
static void long_compressed_columns_read_back(void **state) {
    (void)state;
    static const char *const names[] = {"packed_lz4.arrow", "packed_zstd.arrows"};
    static const char *const kinds[] = {"tea", "cup", "a pot of tea"};
    th_buf want;
    th_buf_init(&want, &mem);
    th_buf_text(&want, "row<i64?> noise<i64?> shop<String?> kind<String?> open<bool?>\n");
    for (uint64_t i = 0; i < 200; i++) {
        unsigned __int128 product = (unsigned __int128)(i * 2654435761u + 12345) * 6364136223846793005u;
        th_buf_printf(&want, "%d|%llu|", (int)i, (unsigned long long)(product & ((UINT64_C(1) << 61) - 1)));
        if (i % 10 == 9)
            th_buf_char(&want, '~');
        else
            th_buf_printf(&want, "shop number %d", (int)(i % 3));
        th_buf_printf(&want, "|%s|%s\n", kinds[i % 3], i % 2 == 0 ? "true" : "false");
    }
    for (size_t i = 0; i < 2; i++) {
        th_buf out;
        th_buf_init(&out, &mem);
        dump_data(names[i], &out);
        if (!codec_is_missing((th_codec)i, out.data)) assert_string_equal(out.data, want.data);
        th_buf_clear(&out);
    }
    th_buf_clear(&want);
}

static size_t load_data(const char *name, char *copy, size_t room) {
    char path[512];
    snprintf(path, sizeof path, "%s/table/data/%s", TEST_DATA, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(copy, 1, room, f);
    fclose(f);
    assert_true(len > 0 && len < room);
    return len;
}

/* The length before the frame of the column `row`, of 150 and of 200 rows. */
static char *claim_of_row(char *bytes, size_t len, th_codec codec) {
    char head[12] = {0};
    const int64_t plain = codec == TH_CODEC_LZ4 ? 150 * 8 : 200 * 8;
    memcpy(head, &plain, 8);
    memcpy(head + 8, codec == TH_CODEC_LZ4 ? "\x04\x22\x4d\x18" : "\x28\xb5\x2f\xfd", 4);
    char *at = memmem(bytes, len, head, sizeof head);
    assert_non_null(at);
    return at;
}

static void a_compressed_length_that_is_a_lie_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"packed_lz4.arrow", "packed_zstd.arrows"};
    static const int64_t lies[] = {1, 64, 1599, 100000, (int64_t)1 << 40, INT64_MAX, INT64_MIN, -2};
    for (size_t i = 0; i < 2; i++) {
        if (!th_codec_here((th_codec)i)) continue;
        for (size_t k = 0; k < TH_COUNT(lies); k++) {
            char copy[16384];
            size_t len = load_data(names[i], copy, sizeof copy);
            memcpy(claim_of_row(copy, len, (th_codec)i), &lies[k], 8);
            th_buf out;
            th_buf_init(&out, &mem);
            dump_memory(copy, len, &out);
            assert_non_null(strstr(out.data, "error malformed data 0:0 'x.arrow' is not sound Arrow data: a compressed "
                                             "buffer "));
            th_buf_clear(&out);
        }
    }
}

/* What a file claims to hold counts against the budget before it is made. */
static void a_compressed_body_beyond_the_budget_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"packed_lz4.arrow", "packed_zstd.arrows"};
    for (size_t i = 0; i < 2; i++) {
        if (!th_codec_here((th_codec)i)) continue;
        char copy[16384];
        size_t len = load_data(names[i], copy, sizeof copy);
        const int64_t claim = 100000; /* within what the codec could make of the frame */
        memcpy(claim_of_row(copy, len, (th_codec)i), &claim, 8);
        th_mem small;
        th_mem_init(&small, NULL, NULL, &mem, 64 << 10);
        th_stream *in;
        th_batch *batch;
        th_error err;
        assert_int_equal(th_ipc_open_memory(&small, "x", copy, len, &in, &err), TH_OK);
        assert_int_equal(in->next(in, &batch, &err), TH_E_NOMEM);
        in->close(in);
        assert_true(small.refused);
        assert_true(atomic_load(&small.peak_bytes) <= 64 << 10);
    }
}

/* ---- Damage ------------------------------------------------------------------------------------------------- */

/* Reads a copy of exactly `len` bytes, so that a read beyond it is seen. Nothing is expected but survival. */
static void survive(const void *bytes, size_t len, size_t misaligned) {
    char *copy = malloc(len + misaligned + 1);
    memcpy(copy + misaligned, bytes, len);
    th_stream *in;
    th_error err;
    if (th_ipc_open_memory(&mem, "x", copy + misaligned, len, &in, &err) == TH_OK) {
        th_batch *batch;
        th_status status;
        while ((status = in->next(in, &batch, &err)) == TH_OK && batch) {
            th_buf text;
            th_buf_init(&text, &mem);
            check_batch(batch);
            put_batch(&text, batch); /* touches every value */
            th_buf_clear(&text);
            th_batch_release(batch);
        }
        in->close(in);
    }
    free(copy);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

static void damage(const char *bytes, size_t len) {
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    for (size_t n = 0; n <= len; n++) survive(bytes, n, 0);
    survive(bytes, len, 1);
    survive(bytes, len, 4);
    char *copy = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, bytes, len);
        for (size_t k = 0; k < sizeof values; k++) {
            copy[i] = (char)values[k];
            survive(copy, len, 0);
        }
        copy[i] = (char)(bytes[i] ^ (1 << (i & 7)));
        survive(copy, len, 0);
    }
    for (size_t i = 0; i + 8 <= len; i += 4) { /* lengths and offsets near the ends of their types */
        memcpy(copy, bytes, len);
        memcpy(copy + i, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
        survive(copy, len, 0);
        memcpy(copy + i, "\xf8\xff\xff\x7f\0\0\0\0", 8);
        survive(copy, len, 0);
    }
    free(copy);
}

static void damaged_files_of_ours_are_survived(void **state) {
    (void)state;
    for (int file = 0; file < 2; file++) {
        char copy[16384];
        th_buf bytes;
        th_buf_init(&bytes, &mem);
        assert_int_equal(write_csv(CSV, 3, file, false, &bytes), TH_OK);
        size_t len = bytes.len;
        assert_true(len <= sizeof copy);
        memcpy(copy, bytes.data, len);
        th_buf_clear(&bytes);
        damage(copy, len);
    }
}

static void damaged_files_of_others_are_survived(void **state) {
    (void)state;
    static const char *const names[] = {"converted.arrow", "converted.arrows", "delta.arrows", "packed_lz4.arrow",
                                        "packed_zstd.arrows"};
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        char copy[16384];
        damage(copy, load_data(names[i], copy, sizeof copy));
    }
}

static void truncated_files_say_so(void **state) {
    (void)state;
    th_buf bytes, out;
    th_buf_init(&bytes, &mem), th_buf_init(&out, &mem);
    assert_int_equal(write_csv(CSV, 0, true, false, &bytes), TH_OK);
    dump_memory(bytes.data, bytes.len - 5, &out);
    assert_string_equal(
        out.data,
        "refused malformed data 'x.arrow' is not sound Arrow data: it has no footer; the file is cut short\n");
    bytes.len = out.len = 0;
    assert_int_equal(write_csv(CSV, 0, false, false, &bytes), TH_OK);
    dump_memory(bytes.data, bytes.len - 50, &out);
    assert_non_null(strstr(
        out.data, "error malformed data 0:0 'x.arrow' is not sound Arrow data: it ends within a message's body"));
    th_buf_clear(&bytes), th_buf_clear(&out);
}

/* ---- Failing memory ----------------------------------------------------------------------------------------- */

static th_status read_data(const char *name) {
    char path[512];
    th_stream *in;
    th_error err;
    snprintf(path, sizeof path, "%s/table/data/%s", TEST_DATA, name);
    TH_TRY(th_ipc_open(&mem, path, &in, &err));
    th_status status;
    for (;;) {
        th_batch *batch;
        status = in->next(in, &batch, &err);
        if (status != TH_OK || !batch) break;
        th_batch_release(batch);
    }
    in->close(in);
    return status;
}

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"converted.arrow",  "converted.arrows",  "delta.arrows", NULL, NULL,
                                        "packed_lz4.arrow", "packed_zstd.arrows"};
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        if (i >= 5 && !th_codec_here((th_codec)(i - 5))) continue;
        th_status status = TH_E_NOMEM;
        size_t n = 0;
        for (; status != TH_OK && n < 2000; n++) {
            th_buf out;
            th_buf_init(&out, &mem);
            faulty_allow(&allocator, n);
            status = names[i] ? read_data(names[i]) : write_csv(CSV, 2, i == 3, false, &out);
            if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
            th_buf_clear(&out);
            assert_int_equal(atomic_load(&mem.used_bytes), 0);
        }
        assert_int_equal(status, TH_OK);
        assert_true(n > 15);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(both_formats_read_back_what_was_written),
        TEST(slices_are_written_from_their_first_row),
        TEST(a_table_without_rows_keeps_its_schema),
        TEST(the_narrow_types_read_back),
        TEST(a_batch_of_another_schema_is_refused),
        TEST(mapped_columns_point_into_the_file_and_outlive_the_stream),
        TEST(pipes_are_read_in_both_formats),
        TEST(missing_files_directories_and_other_formats_are_told_apart),
        TEST(types_of_other_writers_are_converted),
        TEST(dictionaries_grow_and_are_replaced),
        TEST(what_cannot_be_converted_is_named),
        TEST(compressed_files_read_as_the_plain_one),
        TEST(long_compressed_columns_read_back),
        TEST(a_compressed_length_that_is_a_lie_is_refused),
        TEST(a_compressed_body_beyond_the_budget_is_refused),
        TEST(damaged_files_of_ours_are_survived),
        TEST(damaged_files_of_others_are_survived),
        TEST(truncated_files_say_so),
        TEST(every_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
