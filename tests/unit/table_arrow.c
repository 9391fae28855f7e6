/*
** table_arrow.c - tables through the Arrow C stream interface: out and back, and whatever a host may hand in.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

static const char CSV[] =
    "i,f,s,b,d,t\n1,1.5,x,true,2024-01-01,2024-01-01T10:00:00\n,,,,,\n-3,2.5,\"\",false,1969-12-31,"
    "1969-12-31T23:59:59.5\n4,0.25,last,true,2024-02-29,2024-01-01T10:00:00\n";

static th_stream *open_csv(size_t batch_rows) {
    th_stream *in;
    th_csv_options options = {.batch_rows = batch_rows};
    assert_int_equal(th_csv_open_memory(&mem, "x", CSV, strlen(CSV), &options, &in, NULL), TH_OK);
    return in;
}

static void tables_go_out_and_come_back(void **state) {
    (void)state;
    for (size_t rows = 0; rows < 4; rows++) {
        th_buf want, have;
        th_buf_init(&want, &mem), th_buf_init(&have, &mem);
        drain(open_csv(0), &want);
        struct ArrowArrayStream c;
        th_stream *back;
        th_error err;
        assert_int_equal(th_export_stream(&mem, open_csv(rows), &c), TH_OK);
        assert_int_equal(th_import_stream(&mem, &c, &back, &err), TH_OK);
        assert_null(c.release); /* taken */
        drain(back, &have);
        assert_string_equal(have.data, want.data);
        th_buf_clear(&want), th_buf_clear(&have);
    }
}

static void values_are_shared_and_outlive_the_streams(void **state) {
    (void)state;
    struct ArrowArrayStream c;
    th_stream *back;
    th_batch *batch;
    assert_int_equal(th_export_stream(&mem, open_csv(0), &c), TH_OK);
    struct ArrowArray array;
    assert_int_equal(c.get_next(&c, &array), 0);
    assert_int_equal(array.length, 4);
    assert_int_equal(array.n_children, 6);
    const int64_t *values = array.children[0]->buffers[1];
    assert_int_equal(values[2], -3);
    struct ArrowArray child = *array.children[0]; /* moved out: it lives on when its parent is released */
    array.children[0]->release = NULL;
    array.release(&array);
    assert_null(array.release);
    assert_int_equal(((const int64_t *)child.buffers[1])[3], 4);
    child.release(&child);
    assert_int_equal(c.get_next(&c, &array), 0);
    assert_null(array.release); /* the end */
    c.release(&c);

    assert_int_equal(th_export_stream(&mem, open_csv(0), &c), TH_OK);
    assert_int_equal(th_import_stream(&mem, &c, &back, NULL), TH_OK);
    assert_int_equal(back->next(back, &batch, NULL), TH_OK);
    back->close(back);
    assert_true(th_view_is(th_column_text(&batch->columns[2], 3), "last"));
    th_batch_release(batch);
}

static void an_exported_schema_has_arrows_types(void **state) {
    (void)state;
    static const char *const formats[] = {"l", "g", "u", "b", "tdD", "tsu:"};
    struct ArrowArrayStream c;
    struct ArrowSchema schema;
    assert_int_equal(th_export_stream(&mem, open_csv(0), &c), TH_OK);
    assert_int_equal(c.get_schema(&c, &schema), 0);
    c.release(&c); /* the schema lives on */
    assert_string_equal(schema.format, "+s");
    assert_int_equal(schema.n_children, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(schema.children[i]->format, formats[i]);
    assert_string_equal(schema.children[2]->name, "s");
    assert_true(schema.children[0]->flags & ARROW_FLAG_NULLABLE);
    schema.release(&schema);
    assert_null(schema.release);
}

static void errors_pass_through_an_export(void **state) {
    (void)state;
    static const char bad[] = "a,b\n1,2\n3\n";
    th_stream *in, *back;
    struct ArrowArrayStream c;
    struct ArrowArray array;
    assert_int_equal(th_csv_open_memory(&mem, "x", bad, strlen(bad), NULL, &in, NULL), TH_OK);
    assert_int_equal(th_export_stream(&mem, in, &c), TH_OK);
    assert_int_equal(c.get_next(&c, &array), 0);
    array.release(&array);
    assert_int_not_equal(c.get_next(&c, &array), 0);
    assert_string_equal(c.get_last_error(&c), "this row has 1 cell, but the header has 2");
    th_error err;
    th_batch *batch;
    assert_int_equal(th_import_stream(&mem, &c, &back, &err), TH_OK);
    assert_int_equal(back->next(back, &batch, &err), TH_E_HOST);
    assert_string_equal(err.message, "the host's Arrow stream failed: this row has 1 cell, but the header has 2");
    back->close(back);
}

/* ---- A host made by hand ------------------------------------------------------------------------------------ */

/* One column; what its array holds is set by each test. */
typedef struct host {
    const char *format, *dictionary_format;
    struct ArrowArray column, dictionary;
    int64_t rows, offset, n_children;
    const void *top_validity;
    int arrays, released;
} host;

static struct ArrowSchema child_schema, dictionary_schema, *schema_children[1] = {&child_schema};
static struct ArrowArray *array_children[1];

static void schema_released(struct ArrowSchema *s) { s->release = NULL; }
static void array_released(struct ArrowArray *a) {
    ((host *)a->private_data)->released++;
    a->release = NULL;
}
static void stream_released(struct ArrowArrayStream *s) { s->release = NULL; }

static int host_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
    host *h = s->private_data;
    dictionary_schema = (struct ArrowSchema){.format = h->dictionary_format, .release = schema_released};
    child_schema = (struct ArrowSchema){
        .format = h->format, .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = schema_released};
    if (h->dictionary_format) child_schema.dictionary = &dictionary_schema;
    *out =
        (struct ArrowSchema){.format = "+s", .n_children = 1, .children = schema_children, .release = schema_released};
    return 0;
}

static int host_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
    static const void *validity[1];
    host *h = s->private_data;
    *out = (struct ArrowArray){0};
    if (h->arrays-- <= 0) return 0;
    validity[0] = h->top_validity;
    array_children[0] = &h->column;
    if (h->dictionary_format) h->column.dictionary = &h->dictionary;
    *out = (struct ArrowArray){.length = h->rows,
                               .offset = h->offset,
                               .null_count = h->top_validity ? -1 : 0,
                               .n_buffers = 1,
                               .buffers = validity,
                               .n_children = h->n_children,
                               .children = array_children,
                               .release = array_released,
                               .private_data = h};
    return 0;
}

static struct ArrowArrayStream host_stream(host *h) {
    h->arrays = h->arrays ? h->arrays : 1;
    h->n_children = h->n_children ? h->n_children : 1;
    return (struct ArrowArrayStream){host_schema, host_next, NULL, stream_released, h};
}

static void expect_host(host *h, const char *want) {
    struct ArrowArrayStream c = host_stream(h);
    int arrays = h->arrays;
    th_buf out;
    th_stream *in;
    th_error err;
    th_buf_init(&out, &mem);
    th_status status = th_import_stream(&mem, &c, &in, &err);
    if (status == TH_OK)
        drain(in, &out);
    else {
        th_buf_printf(&out, "refused %s %s\n", th_status_text(status), err.message);
        assert_non_null(c.release); /* still the host's */
    }
    assert_string_equal(out.data, want);
    if (status == TH_OK && h->n_children == 1) assert_int_equal(h->released, arrays);
    th_buf_clear(&out);
}

#define BUFFERS(...)                                                                                                   \
    .n_buffers = sizeof((const void *[]){__VA_ARGS__}) / sizeof(void *), .buffers = (const void *[]) { __VA_ARGS__ }

static void offsets_of_parent_and_child_add_up(void **state) {
    (void)state;
    static const int64_t values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t validity[] = {0xdf}; /* row 5 is null */
    expect_host(&(host){.format = "l",
                        .rows = 3,
                        .offset = 2,
                        .column = {.length = 5, .offset = 2, .null_count = -1, BUFFERS(validity, values)}},
                "x<i64?>\n4\n~\n6\n");
    static const uint8_t bits[] = {0xb4}; /* 10110100 */
    expect_host(
        &(host){.format = "b", .rows = 4, .offset = 1, .column = {.length = 6, .offset = 2, BUFFERS(NULL, bits)}},
        "x<bool?>\nfalse\ntrue\ntrue\nfalse\n");
    static const int32_t offsets[] = {0, 1, 3, 3, 6};
    expect_host(&(host){.format = "u",
                        .rows = 3,
                        .offset = 0,
                        .column = {.length = 3, .offset = 1, BUFFERS(NULL, offsets, "abbddd")}},
                "x<String?>\nbb\n\nddd\n");
}

static void other_layouts_are_converted(void **state) {
    (void)state;
    static const uint64_t u64[] = {1, INT64_MAX};
    expect_host(&(host){.format = "L", .rows = 2, .column = {.length = 2, BUFFERS(NULL, u64)}},
                "x<i64?>\n1\n9223372036854775807\n");
    static const int64_t large[] = {0, 2, 5}, ms[] = {-1, 1500}, days[] = {-86400000, 86400000};
    expect_host(&(host){.format = "U", .rows = 2, .column = {.length = 2, BUFFERS(NULL, large, "abcde")}},
                "x<String?>\nab\ncde\n");
    expect_host(&(host){.format = "tsm:UTC", .rows = 2, .column = {.length = 2, BUFFERS(NULL, ms)}},
                "x<Timestamp?>\n1969-12-31T23:59:59.999\n1970-01-01T00:00:01.500\n");
    expect_host(&(host){.format = "tdm", .rows = 2, .column = {.length = 2, BUFFERS(NULL, days)}},
                "x<Date?>\n1969-12-31\n1970-01-02\n");
    static const int8_t indices[] = {1, 0, 1};
    static const int32_t offsets[] = {0, 1, 3};
    expect_host(&(host){.format = "c",
                        .dictionary_format = "u",
                        .rows = 3,
                        .column = {.length = 3, BUFFERS(NULL, indices)},
                        .dictionary = {.length = 2, BUFFERS(NULL, offsets, "abb")}},
                "x<String?>\nbb\na\nbb\n");
    expect_host(&(host){.format = "n", .rows = 2, .column = {.length = 2, .null_count = 2}}, "x<null?>\n~\n~\n");
    struct {
        int32_t len;
        char text[12];
    } inside = {3, "abc"};
    struct {
        int32_t len;
        char prefix[4];
        int32_t buffer, at;
    } outside = {14, "long", 0, 1};
    unsigned char views[32];
    memcpy(views, &inside, 16), memcpy(views + 16, &outside, 16);
    static const int64_t sizes[] = {15};
    expect_host(
        &(host){.format = "vu", .rows = 2, .column = {.length = 2, BUFFERS(NULL, views, "_longer than 12", sizes)}},
        "x<String?>\nabc\nlonger than 12\n");
}

static void misaligned_buffers_are_copied(void **state) {
    (void)state;
    unsigned char bytes[8 * 3 + 1];
    int64_t values[] = {5, -6, 7};
    memcpy(bytes + 1, values, sizeof values);
    expect_host(&(host){.format = "l", .rows = 3, .column = {.length = 3, BUFFERS("\x05", bytes + 1)}},
                "x<i64?>\n5\n~\n7\n");
    int32_t offsets[] = {0, 1, 3, 3};
    memcpy(bytes + 1, offsets, sizeof offsets);
    expect_host(&(host){.format = "u", .rows = 3, .column = {.length = 3, BUFFERS(NULL, bytes + 1, "abb")}},
                "x<String?>\na\nbb\n\n");
}

static void several_arrays_and_empty_ones(void **state) {
    (void)state;
    static const int16_t values[] = {1, 2};
    expect_host(&(host){.format = "s", .rows = 2, .arrays = 3, .column = {.length = 2, BUFFERS(NULL, values)}},
                "x<i16?>\n1\n2\n1\n2\n1\n2\n");
    expect_host(&(host){.format = "s", .rows = 0, .arrays = 2, .column = {.length = 0, BUFFERS(NULL, NULL)}},
                "x<i16?>\n");
}

static void values_that_cannot_be_kept_are_refused_with_their_row(void **state) {
    (void)state;
    static const uint64_t u64[] = {1, UINT64_C(1) << 63};
    expect_host(&(host){.format = "L", .rows = 2, .column = {.length = 2, BUFFERS(NULL, u64)}},
                "x<i64?>\nerror conversion failed 0:0 column 'x', row 2: the uint64 value does not fit i64\n");
    expect_host(&(host){.format = "L", .rows = 2, .column = {.length = 2, BUFFERS("\x01", u64)}}, "x<i64?>\n1\n~\n");
    static const int64_t ns[] = {1000, 1001}, days[] = {1}, far[] = {INT64_MAX};
    expect_host(&(host){.format = "tsn:", .rows = 2, .column = {.length = 2, BUFFERS(NULL, ns)}},
                "x<Timestamp?>\nerror conversion failed 0:0 column 'x', row 2: the time is finer than a microsecond\n");
    expect_host(&(host){.format = "tdm", .rows = 1, .column = {.length = 1, BUFFERS(NULL, days)}},
                "x<Date?>\nerror conversion failed 0:0 column 'x', row 1: the date64 value is no whole day\n");
    expect_host(&(host){.format = "tss:", .rows = 1, .column = {.length = 1, BUFFERS(NULL, far)}},
                "x<Timestamp?>\nerror conversion failed 0:0 column 'x', row 1: the value is out of range\n");
    static const int32_t offsets[] = {0, 1, 2};
    expect_host(&(host){.format = "u", .rows = 2, .column = {.length = 2, BUFFERS(NULL, offsets, "\xc3\xa4")}},
                "x<String?>\nerror malformed data 0:0 column 'x', row 1: the text is not UTF-8\n");
    expect_host(&(host){.format = "u",
                        .rows = 2,
                        .column = {.length = 2,
                                   BUFFERS("\x02", offsets,
                                           "\xc3"
                                           "a")}},
                "x<String?>\n~\na\n"); /* a null may hide any bytes */
}

static void types_without_a_home_are_named(void **state) {
    (void)state;
    static const char *const formats[][2] = {{"+l", "list"},       {"d:10,2", "decimal"}, {"z", "binary"},
                                             {"tts", "time32[s]"}, {"+s", "struct"},      {"w:16", "fixed_size_binary"},
                                             {"??", "??"}};
    for (size_t i = 0; i < TH_COUNT(formats); i++) {
        char want[200];
        snprintf(want, sizeof want, "refused unsupported column 'x' has the Arrow type %s, which is not supported\n",
                 formats[i][1]);
        expect_host(&(host){.format = formats[i][0]}, want);
    }
    expect_host(&(host){.format = "i", .dictionary_format = "+l"},
                "refused unsupported column 'x' has the Arrow type list in a dictionary, which is not supported\n");
    expect_host(
        &(host){.format = "g", .dictionary_format = "u"},
        "refused malformed data malformed Arrow schema: the dictionary indices of column 'x' are no integers\n");
}

static void malformed_arrays_are_refused(void **state) {
    (void)state;
    static const int64_t values[] = {1, 2};
    const char *bad = "x<i64?>\nerror malformed data 0:0 malformed Arrow array for column 'x'\n";
    const char *mismatch = "x<i64?>\nerror malformed data 0:0 malformed Arrow array: it does not match its schema\n";
    expect_host(&(host){.format = "l", .rows = 3, .column = {.length = 2, BUFFERS(NULL, values)}}, bad);
    expect_host(&(host){.format = "l", .rows = 2, .offset = 1, .column = {.length = 2, BUFFERS(NULL, values)}}, bad);
    expect_host(&(host){.format = "l", .rows = 2, .column = {.length = 2, .offset = -1, BUFFERS(NULL, values)}}, bad);
    expect_host(&(host){.format = "l", .rows = 2, .column = {.length = -2, BUFFERS(NULL, values)}}, bad);
    expect_host(&(host){.format = "l", .rows = 2, .column = {.length = 2, BUFFERS(NULL)}}, bad);
    expect_host(&(host){.format = "l", .rows = 2, .column = {.length = 2}}, bad);
    expect_host(&(host){.format = "l", .rows = -2, .column = {.length = 2, BUFFERS(NULL, values)}}, mismatch);
    expect_host(&(host){.format = "l", .rows = 2, .n_children = 2, .column = {.length = 2, BUFFERS(NULL, values)}},
                mismatch);
    expect_host(
        &(host){.format = "l", .rows = 2, .column = {.length = 2, BUFFERS(NULL, NULL)}},
        "x<i64?>\nerror malformed data 0:0 malformed Arrow data in column 'x': a buffer is too short for its length\n");
    expect_host(
        &(host){.format = "l", .rows = 2, .top_validity = "\x01", .column = {.length = 2, BUFFERS(NULL, values)}},
        "x<i64?>\nerror unsupported 0:0 an Arrow batch has rows that are null as a whole\n");
    static const int32_t down[] = {0, 3, 1}, below[] = {-1, 0, 1};
    expect_host(&(host){.format = "u", .rows = 2, .column = {.length = 2, BUFFERS(NULL, down, "abc")}},
                "x<String?>\nerror malformed data 0:0 malformed Arrow data in column 'x': text offsets decrease\n");
    expect_host(&(host){.format = "u", .rows = 2, .column = {.length = 2, BUFFERS(NULL, below, "abc")}},
                "x<String?>\nerror malformed data 0:0 malformed Arrow data in column 'x': a text offset is negative\n");
    static const int8_t indices[] = {0, 2}, minus[] = {-1, 0};
    static const int32_t offsets[] = {0, 1, 3};
    const char *entry = "x<String?>\nerror malformed data 0:0 column 'x', row %d: the dictionary has no such entry\n";
    char want[200];
    snprintf(want, sizeof want, entry, 2);
    expect_host(&(host){.format = "c",
                        .dictionary_format = "u",
                        .rows = 2,
                        .column = {.length = 2, BUFFERS(NULL, indices)},
                        .dictionary = {.length = 2, BUFFERS(NULL, offsets, "abb")}},
                want);
    snprintf(want, sizeof want, entry, 1);
    expect_host(&(host){.format = "c",
                        .dictionary_format = "u",
                        .rows = 2,
                        .column = {.length = 2, BUFFERS(NULL, minus)},
                        .dictionary = {.length = 2, BUFFERS(NULL, offsets, "abb")}},
                want);
    struct {
        int32_t len;
        char prefix[4];
        int32_t buffer, at;
    } view = {14, "long", 0, 2};
    static const int64_t sizes[] = {15};
    expect_host(
        &(host){.format = "vu", .rows = 1, .column = {.length = 1, BUFFERS(NULL, &view, "_longer than 12", sizes)}},
        "x<String?>\nerror malformed data 0:0 malformed Arrow data in column 'x': a text lies outside its buffer\n");
}

static th_status round_trip(void) {
    th_stream *in, *back;
    struct ArrowArrayStream c;
    TH_TRY(th_csv_open_memory(&mem, "x", CSV, strlen(CSV), &(th_csv_options){.batch_rows = 2}, &in, NULL));
    th_status status = th_export_stream(&mem, in, &c);
    if (status != TH_OK) {
        in->close(in);
        return status;
    }
    status = th_import_stream(&mem, &c, &back, NULL);
    if (status != TH_OK) {
        c.release(&c);
        return status;
    }
    for (;;) {
        th_batch *batch;
        status = back->next(back, &batch, NULL);
        if (status != TH_OK || !batch) break;
        th_batch_release(batch);
    }
    back->close(back);
    return status;
}

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    th_status status = TH_E_NOMEM;
    size_t n = 0;
    for (; status != TH_OK && n < 1000; n++) {
        faulty_allow(&allocator, n);
        status = round_trip();
        if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
        assert_int_equal(atomic_load(&mem.used_bytes), 0);
    }
    assert_int_equal(status, TH_OK);
    assert_true(n > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tables_go_out_and_come_back),
        TEST(values_are_shared_and_outlive_the_streams),
        TEST(an_exported_schema_has_arrows_types),
        TEST(errors_pass_through_an_export),
        TEST(offsets_of_parent_and_child_add_up),
        TEST(other_layouts_are_converted),
        TEST(misaligned_buffers_are_copied),
        TEST(several_arrays_and_empty_ones),
        TEST(values_that_cannot_be_kept_are_refused_with_their_row),
        TEST(types_without_a_home_are_named),
        TEST(malformed_arrays_are_refused),
        TEST(every_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
