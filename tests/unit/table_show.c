/*
** table_show.c - tables as grids, CSV, JSON, NDJSON and Markdown, exactly as a reader sees them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "../support/table_sound.h"
#include "table_test.h"

static th_status to_full_disk(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    (void)sink, (void)bytes, (void)len;
    return th_fail(err, TH_E_IO, "no space left");
}

typedef struct look {
    th_table_format format;
    size_t width, max_rows;
    bool color;
} look;

/* Shows a CSV text, one row a batch when `cut`. */
static th_status show(const char *csv, const th_csv_options *options, look how, th_buf *out) {
    th_stream *in;
    th_table_writer *writer;
    th_error err;
    TH_TRY(th_csv_open_memory(&mem, "x", csv, strlen(csv), options, &in, &err));
    th_sink sink = {to_buf, out};
    th_status status = th_table_writer_new(&mem, how.format, in->schema, how.width, how.max_rows, sink, &writer, &err);
    if (status != TH_OK) {
        in->close(in);
        return status;
    }
    th_table_writer_color(writer, how.color);
    for (;;) {
        th_batch *batch;
        status = in->next(in, &batch, &err);
        if (status != TH_OK || !batch) break;
        status = th_table_writer_batch(writer, batch, &err);
        th_batch_release(batch);
        if (status != TH_OK) break;
    }
    if (status == TH_OK) status = th_table_writer_finish(writer, &err);
    th_table_writer_free(writer);
    in->close(in);
    return status;
}

static void expect(const char *csv, const th_csv_options *options, look how, const char *want) {
    for (size_t rows = 0; rows < 3; rows++) { /* however it is cut into batches */
        th_csv_options cut = options ? *options : (th_csv_options){0};
        cut.batch_rows = rows;
        th_buf out;
        th_buf_init(&out, &mem);
        assert_int_equal(show(csv, &cut, how, &out), TH_OK);
        assert_string_equal(out.data ? out.data : "", want);
        th_buf_clear(&out);
    }
}

static const char TRIPS[] = "city,fare,rides\nBerlin,12.5,3\nParis,,10\n\"\",7.25,-1\n";

static void a_grid_has_names_types_and_a_count(void **state) {
    (void)state;
    expect(TRIPS, NULL, (look){.format = TH_FORMAT_GRID},
           "┌────────┬──────┬───────┐\n"
           "│ city   │ fare │ rides │\n"
           "│ String │  f64 │   i64 │\n"
           "├────────┼──────┼───────┤\n"
           "│ Berlin │ 12.5 │     3 │\n"
           "│ Paris  │ null │    10 │\n"
           "│        │ 7.25 │    -1 │\n"
           "└────────┴──────┴───────┘\n"
           "3 rows × 3 columns\n");
}

static void a_grid_without_rows_shows_its_columns(void **state) {
    (void)state;
    expect("a,b\n", NULL, (look){.format = TH_FORMAT_GRID},
           "┌────────┬────────┐\n│ a      │ b      │\n│ String │ String │\n├────────┼────────┤\n└────────┴────────┘\n"
           "0 rows × 2 columns\n");
    expect("a\n1\n", NULL, (look){.format = TH_FORMAT_GRID},
           "┌─────┐\n│   a │\n│ i64 │\n├─────┤\n│   1 │\n└─────┘\n1 row × 1 column\n");
}

static void many_rows_show_head_and_tail(void **state) {
    (void)state;
    th_buf csv;
    th_buf_init(&csv, &mem);
    th_buf_text(&csv, "n\n");
    for (int i = 1; i <= 1234; i++) th_buf_printf(&csv, "%d\n", i);
    const char *want =
        "┌──────┐\n│    n │\n│  i64 │\n├──────┤\n│    1 │\n│    2 │\n│    3 │\n│    … │\n│ 1233 │\n│ 1234 │\n└──────┘\n"
        "5 of 1,234 rows × 1 column\n";
    expect(csv.data, NULL, (look){.format = TH_FORMAT_GRID, .max_rows = 5}, want);
    expect("n\n1\n2\n", NULL, (look){.format = TH_FORMAT_GRID, .max_rows = 1},
           "┌─────┐\n│   n │\n│ i64 │\n├─────┤\n│   1 │\n│   … │\n└─────┘\n1 of 2 rows × 1 column\n");
    expect("n\n1\n2\n", NULL, (look){.format = TH_FORMAT_GRID, .max_rows = 2},
           "┌─────┐\n│   n │\n│ i64 │\n├─────┤\n│   1 │\n│   2 │\n└─────┘\n2 rows × 1 column\n");
    th_buf out;
    th_buf_init(&out, &mem);
    assert_int_equal(show(csv.data, NULL, (look){.format = TH_FORMAT_GRID}, &out), TH_OK);
    assert_non_null(strstr(out.data, "\n40 of 1,234 rows × 1 column\n"));
    assert_non_null(strstr(out.data, "│   20 │\n│    … │\n│ 1215 │\n"));
    th_buf_clear(&out);
    th_buf_clear(&csv);
}

static void long_text_is_cut_to_the_width(void **state) {
    (void)state;
    expect("id,text,other\n1,a rather long text that goes on,short\n", NULL,
           (look){.format = TH_FORMAT_GRID, .width = 36},
           "┌─────┬───────────────────┬────────┐\n"
           "│  id │ text              │ other  │\n"
           "│ i64 │ String            │ String │\n"
           "├─────┼───────────────────┼────────┤\n"
           "│   1 │ a rather long te… │ short  │\n"
           "└─────┴───────────────────┴────────┘\n"
           "1 row × 3 columns\n");
}

static void wide_characters_count_as_two_columns(void **state) {
    (void)state;
    expect(
        "w,n\n日本語,1\nab,2\n", NULL, (look){.format = TH_FORMAT_GRID},
        "┌────────┬─────┐\n│ w      │   n │\n│ String │ i64 │\n├────────┼─────┤\n│ 日本語 │   1 │\n│ ab     │   2 │\n"
        "└────────┴─────┘\n2 rows × 2 columns\n");
    expect("w\n日本語日本語日本語\n", NULL, (look){.format = TH_FORMAT_GRID, .width = 14},
           "┌────────────┐\n│ w          │\n│ String     │\n├────────────┤\n│ 日本語日…  │\n└────────────┘\n"
           "1 row × 1 column\n");
}

static void columns_that_do_not_fit_are_left_out(void **state) {
    (void)state;
    expect("a,b,c,d,e,f\n1,2,3,4,5,6\n", NULL, (look){.format = TH_FORMAT_GRID, .width = 25},
           "┌─────┬─────┬───┬─────┐\n"
           "│   a │   b │ … │   f │\n"
           "│ i64 │ i64 │ … │ i64 │\n"
           "├─────┼─────┼───┼─────┤\n"
           "│   1 │   2 │ … │   6 │\n"
           "└─────┴─────┴───┴─────┘\n"
           "1 row × 3 of 6 columns\n");
    expect("a,b\n1234567,2\n", NULL, (look){.format = TH_FORMAT_GRID, .width = 5},
           "┌───┬───┐\n│ a │ … │\n│ … │ … │\n├───┼───┤\n│ … │ … │\n└───┴───┘\n1 row × 1 of 2 columns\n");
}

/* No line of a grid is wider than asked, whatever is in it. */
static void no_line_is_wider_than_the_terminal(void **state) {
    (void)state;
    const char *csv = "name,city of birth,n,amount,remark\n"
                      "\"Ann\tB\",日本語日本語日本語,123456789,0.1,\"a\nb\x1b[31m red\"\nx,y,-5,1e300,é́é́é́é́é́é́é́é́é́é́é́\n";
    for (size_t width = 20; width < 130; width++) {
        th_buf out;
        th_buf_init(&out, &mem);
        assert_int_equal(show(csv, NULL, (look){.format = TH_FORMAT_GRID, .width = width}, &out), TH_OK);
        size_t first = 0;
        for (const char *p = out.data, *end; (end = strchr(p, '\n')) && end[1]; p = end + 1) {
            size_t w = th_utf8_width(p, (size_t)(end - p));
            assert_true(w <= width);
            if (!first) first = w;
            assert_int_equal(w, first); /* and all are of one width */
        }
        th_buf_clear(&out);
    }
}

static void control_characters_never_reach_the_terminal(void **state) {
    (void)state;
    expect(
        "t\n\"a\nb\tc\x1b[0m\x7f\xc2\x9b\xe2\x80\xae\"\n", NULL, (look){.format = TH_FORMAT_GRID},
        "┌────────────────────────────────┐\n│ t                              │\n│ String                         │\n"
        "├────────────────────────────────┤\n│ a\\nb\\tc\\x1b[0m\\x7f\\x9b\\u{202e} │\n"
        "└────────────────────────────────┘\n1 row × 1 column\n");
}

static void colour_is_there_only_when_asked_for(void **state) {
    (void)state;
    expect("a\nx\nNA\n", NULL, (look){.format = TH_FORMAT_GRID, .color = true},
           "┌────────┐\n│ \x1b[1ma\x1b[0m      │\n│ \x1b[2mString\x1b[0m │\n├────────┤\n│ x      │\n│ "
           "\x1b[2mnull\x1b[0m   │\n"
           "└────────┘\n2 rows × 1 column\n");
}

static void floats_are_shown_shortest(void **state) {
    (void)state;
    expect("x\n0.1\n3\n1e300\n-0.0\n100000.5\n", NULL, (look){.format = TH_FORMAT_CSV},
           "x\n0.1\n3.0\n1e+300\n-0.0\n100000.5\n");
}

static void csv_quotes_what_needs_it_and_keeps_nulls(void **state) {
    (void)state;
    const char *csv = "a,\"b,c\"\n\"x,y\",1\n\"q\"\"q\",2\n\"l\nl\",3\n\"\",4\n,5\n\"NA\",6\nplain,\n";
    expect(csv, NULL, (look){.format = TH_FORMAT_CSV}, csv);
    expect("a,b\n\"c\r\",1\n", NULL, (look){.format = TH_FORMAT_CSV}, "a,b\n\"c\r\",1\n");
    expect("a\nNA\n5\n", NULL, (look){.format = TH_FORMAT_CSV}, "a\nNA\n5\n");
}

/* What was written reads back to the same rows and types. */
static void csv_reads_back_the_same(void **state) {
    (void)state;
    const char *csv =
        "s,i,f,b,d,t\n\" x \",1,0.1,true,2024-01-01,2024-01-01T00:00:00\n\"\",NA,5,false,,2024-01-01T10:20:30.5\n"
        "null,-3,1e-7,,1969-12-31,NA\n";
    th_buf once, twice, want, have;
    th_buf_init(&once, &mem), th_buf_init(&twice, &mem), th_buf_init(&want, &mem), th_buf_init(&have, &mem);
    assert_int_equal(show(csv, NULL, (look){.format = TH_FORMAT_CSV}, &once), TH_OK);
    assert_int_equal(show(once.data, NULL, (look){.format = TH_FORMAT_CSV}, &twice), TH_OK);
    assert_string_equal(once.data, twice.data);
    th_stream *in;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, strlen(csv), NULL, &in, NULL), TH_OK);
    drain(in, &want);
    assert_int_equal(th_csv_open_memory(&mem, "x", once.data, once.len, NULL, &in, NULL), TH_OK);
    drain(in, &have);
    assert_string_equal(have.data, want.data);
    th_buf_clear(&once), th_buf_clear(&twice), th_buf_clear(&want), th_buf_clear(&have);
}

static void json_is_an_array_of_objects(void **state) {
    (void)state;
    expect("a,\"q\"\"q\",d\n1,\"x\"\"\ny\\\",2024-01-01\nNA,\"\",NA\n", NULL, (look){.format = TH_FORMAT_JSON},
           "[\n  {\"a\":1,\"q\\\"q\":\"x\\\"\\ny\\\\\",\"d\":\"2024-01-01\"},\n  "
           "{\"a\":null,\"q\\\"q\":\"\",\"d\":null}\n]\n");
    expect("a\n", NULL, (look){.format = TH_FORMAT_JSON}, "[]\n");
    expect("x,b\n1.5,true\nnan,false\ninf,NA\n", NULL, (look){.format = TH_FORMAT_JSON},
           "[\n  {\"x\":1.5,\"b\":true},\n  {\"x\":null,\"b\":false},\n  {\"x\":null,\"b\":null}\n]\n");
    expect("c\n\x01\x7f\n", NULL, (look){.format = TH_FORMAT_JSON}, "[\n  {\"c\":\"\\u0001\\u007f\"}\n]\n");
}

static void ndjson_is_a_line_for_each_row(void **state) {
    (void)state;
    expect("a,t\n1,\"x\ny\"\n2,z\n", NULL, (look){.format = TH_FORMAT_NDJSON},
           "{\"a\":1,\"t\":\"x\\ny\"}\n{\"a\":2,\"t\":\"z\"}\n");
    expect("a\n", NULL, (look){.format = TH_FORMAT_NDJSON}, "");
}

static void markdown_escapes_bars_and_newlines(void **state) {
    (void)state;
    expect("a|b,n\n\"x|y\nz\",1.5\n,2\n", NULL, (look){.format = TH_FORMAT_MARKDOWN},
           "| a\\|b | n |\n| --- | ---: |\n| x\\|y<br>z | 1.5 |\n|  | 2.0 |\n");
}

static void format_names_are_known(void **state) {
    (void)state;
    static const struct {
        const char *name;
        th_table_format format;
    } names[] = {{"grid", TH_FORMAT_GRID},     {"csv", TH_FORMAT_CSV},           {"json", TH_FORMAT_JSON},
                 {"ndjson", TH_FORMAT_NDJSON}, {"markdown", TH_FORMAT_MARKDOWN}, {"arrow", TH_FORMAT_ARROW}};
    th_table_format format;
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        assert_true(th_table_format_of(th_view_of(names[i].name), &format));
        assert_int_equal(format, names[i].format);
    }
    assert_false(th_table_format_of(th_view_of("CSV"), &format));
    assert_false(th_table_format_of(th_view_of(""), &format));
}

static void a_sink_that_fails_is_reported(void **state) {
    (void)state;
    for (int format = TH_FORMAT_GRID; format <= TH_FORMAT_ARROW; format++) {
        th_stream *in;
        th_batch *batch;
        th_table_writer *writer;
        th_error err = {0};
        assert_int_equal(th_csv_open_memory(&mem, "x", TRIPS, strlen(TRIPS), NULL, &in, NULL), TH_OK);
        assert_int_equal(in->next(in, &batch, NULL), TH_OK);
        th_status status = th_table_writer_new(&mem, (th_table_format)format, in->schema, 0, 0,
                                               (th_sink){to_full_disk, NULL}, &writer, &err);
        if (status == TH_OK) {
            status = th_table_writer_batch(writer, batch, &err);
            if (status == TH_OK) status = th_table_writer_finish(writer, &err);
            th_table_writer_free(writer);
        }
        assert_int_equal(status, TH_E_IO);
        assert_string_equal(err.message, "no space left");
        th_batch_release(batch);
        in->close(in);
    }
}

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    for (int format = TH_FORMAT_GRID; format <= TH_FORMAT_ARROW; format++) {
        th_status status = TH_E_NOMEM;
        size_t n = 0;
        for (; status != TH_OK && n < 1000; n++) {
            th_buf out;
            th_buf_init(&out, &mem);
            faulty_allow(&allocator, n);
            status = show(TRIPS, &(th_csv_options){.batch_rows = 1},
                          (look){.format = (th_table_format)format, .max_rows = 2}, &out);
            if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
            faulty_off(&allocator);
            th_buf_clear(&out);
            assert_int_equal(atomic_load(&mem.used_bytes), 0);
        }
        assert_int_equal(status, TH_OK);
        assert_true(n > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_grid_has_names_types_and_a_count),
        TEST(a_grid_without_rows_shows_its_columns),
        TEST(many_rows_show_head_and_tail),
        TEST(long_text_is_cut_to_the_width),
        TEST(wide_characters_count_as_two_columns),
        TEST(columns_that_do_not_fit_are_left_out),
        TEST(no_line_is_wider_than_the_terminal),
        TEST(control_characters_never_reach_the_terminal),
        TEST(colour_is_there_only_when_asked_for),
        TEST(floats_are_shown_shortest),
        TEST(csv_quotes_what_needs_it_and_keeps_nulls),
        TEST(csv_reads_back_the_same),
        TEST(json_is_an_array_of_objects),
        TEST(ndjson_is_a_line_for_each_row),
        TEST(markdown_escapes_bars_and_newlines),
        TEST(format_names_are_known),
        TEST(a_sink_that_fails_is_reported),
        TEST(every_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
