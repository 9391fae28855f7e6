/*
** table_csv.c - what the CSV reader makes of files: types, nulls, quotes, line ends, bad cells and their places.
** In expectations a row's cells are joined by '|' and '~' is null.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- Cases in a table --------------------------------------------------------------------------------------- */

typedef struct csv_case {
    const char *name, *csv, *want;
    th_csv_options options;
} csv_case;

#define DECLARED(...)                                                                                                  \
    .declared = (const th_field[]){__VA_ARGS__}, .ndeclared = sizeof((const th_field[]){__VA_ARGS__}) / sizeof(th_field)

static const csv_case CASES[] = {
    /* types */
    {"every_type_is_inferred",
     "b,i,f,d,t,s\ntrue,1,1.5,2024-01-31,2024-01-31T10:00:00,x\nfalse,-2,2,1999-12-31,2024-01-31 10:00:01.5,y\n",
     "b<bool?> i<i64?> f<f64?> d<Date?> t<Timestamp?> s<String?>\n"
     "true|1|1.5|2024-01-31|2024-01-31T10:00:00|x\nfalse|-2|2|1999-12-31|2024-01-31T10:00:01.500|y\n",
     {0}},
    {"whole_and_decimal_numbers_mix_to_f64", "a\n1\n2.5\n-3\n", "a<f64?>\n1\n2.5\n-3\n", {0}},
    {"dates_and_times_mix_to_timestamp",
     "a\n2024-01-01\n2024-01-01T01:02:03\n",
     "a<Timestamp?>\n2024-01-01T00:00:00\n2024-01-01T01:02:03\n",
     {0}},
    {"numbers_and_words_mix_to_string", "a\n1\nx\n2024-01-01\n", "a<String?>\n1\nx\n2024-01-01\n", {0}},
    {"leading_zeros_stay_text", "zip,z\n01234,0\n99501,-0\n", "zip<String?> z<i64?>\n01234|0\n99501|0\n", {0}},
    {"a_zero_before_a_point_is_a_number", "a\n0.5\n-0.25\n", "a<f64?>\n0.5\n-0.25\n", {0}},
    {"a_plus_before_digits_stays_text", "a,b\n+4930123456,+1.5\n", "a<String?> b<f64?>\n+4930123456|1.5\n", {0}},
    {"identifiers_beyond_64_bits_stay_text",
     "a\n9223372036854775807\n9223372036854775808\n",
     "a<String?>\n9223372036854775807\n9223372036854775808\n",
     {0}},
    {"the_ends_of_i64_are_i64",
     "a\n9223372036854775807\n-9223372036854775808\n",
     "a<i64?>\n9223372036854775807\n-9223372036854775808\n",
     {0}},
    {"an_empty_column_is_text", "a,b\n1,\n2,NA\n", "a<i64?> b<String?>\n1|~\n2|~\n", {0}},
    {"bools_in_other_cases_are_bools", "a\nTrue\nFALSE\ntrue\n", "a<bool?>\ntrue\nfalse\ntrue\n", {0}},
    {"ones_and_zeros_are_numbers", "a\n1\n0\n", "a<i64?>\n1\n0\n", {0}},
    {"exponents_are_numbers", "a\n1e3\n-2.5E-1\n", "a<f64?>\n1000\n-0.25\n", {0}},
    {"blanks_around_numbers_are_ignored", "a, b\n 1,\t2.5 \n", "a<i64?> b<f64?>\n1|2.5\n", {0}},
    {"blanks_in_text_are_kept", "a,b\n x ,1\n", "a<String?> b<i64?>\n x |1\n", {0}},
    {"quoted_numbers_are_numbers", "a,b\n\"1\",\"2.5\"\n\"-3\",\"\"\n", "a<i64?> b<f64?>\n1|2.5\n-3|~\n", {0}},
    {"a_declared_type_wins",
     "zip,n\n01234,5\n",
     "zip<i32> n<String>\n1234|5\n",
     {DECLARED({"zip", TH_COLUMN_I32, false}, {"n", TH_COLUMN_STRING, false})}},
    {"declared_null_means_infer",
     "a,b,c\n1,x,2\n",
     "c<i64?> a<f64?>\n2|1\n",
     {DECLARED({"c", TH_COLUMN_NULL, true}, {"a", TH_COLUMN_F64, true}), .only_declared = true}},
    {"only_declared_columns_come_in_their_order",
     "a,b,c\n1,x,2\n3,y,4\n",
     "c<i16> a<f32>\n2|1\n4|3\n",
     {DECLARED({"c", TH_COLUMN_I16, false}, {"a", TH_COLUMN_F32, false}), .only_declared = true}},
    {"declared_bools_take_ones_and_zeros",
     "a\n1\n0\n",
     "a<bool>\ntrue\nfalse\n",
     {DECLARED({"a", TH_COLUMN_BOOL, false})}},
    {"small_integers_at_their_ends",
     "a,b,c\n-128,-32768,-2147483648\n127,32767,2147483647\n",
     "a<i8> b<i16> c<i32>\n-128|-32768|-2147483648\n127|32767|2147483647\n",
     {DECLARED({"a", TH_COLUMN_I8, false}, {"b", TH_COLUMN_I16, false}, {"c", TH_COLUMN_I32, false})}},
    /* nulls */
    {"empty_cells_and_null_words_are_null",
     "a,b\n1,x\n,\nNA,NULL\nnull,null\n",
     "a<i64?> b<String?>\n1|x\n~|~\n~|~\n~|~\n",
     {0}},
    {"quoted_text_is_never_null", "a,b\n\"\",\"NA\"\nx,y\n", "a<String?> b<String?>\n|NA\nx|y\n", {0}},
    {"null_words_can_be_chosen", "a,b\n-,NA\n5,x\n", "a<i64?> b<String?>\n~|NA\n5|x\n", {.null_text = {"-"}}},
    /* quotes and lines */
    {"quotes_hold_delimiters_newlines_and_quotes",
     "a,b\n\"x,y\",\"l1\nl2\"\n\"say \"\"hi\"\"\",\"\"\"\"\n",
     "a<String?> b<String?>\nx,y|l1\nl2\nsay \"hi\"|\"\n",
     {0}},
    {"a_quote_inside_a_plain_cell_is_a_character",
     "a,b\n5\" disk,x\"\"y\n3\",z\n",
     "a<String?> b<String?>\n5\" disk|x\"\"y\n3\"|z\n",
     {0}},
    {"crlf_and_lf_and_no_last_newline", "a,b\r\n1,x\r\n2,y\n3,z", "a<i64?> b<String?>\n1|x\n2|y\n3|z\n", {0}},
    {"crlf_after_a_quoted_cell", "a,b\r\n1,\"x\"\r\n2,\"\"\r\n", "a<i64?> b<String?>\n1|x\n2|\n", {0}},
    {"a_byte_order_mark_is_skipped",
     "\xef\xbb\xbf"
     "a,b\n1,2\n",
     "a<i64?> b<i64?>\n1|2\n",
     {0}},
    {"blank_lines_are_skipped", "\n\na,b\n\n1,2\n  \n\r\n3,4\n\n", "a<i64?> b<i64?>\n1|2\n3|4\n", {0}},
    {"a_header_alone_is_a_table_without_rows", "a,b\n", "a<String?> b<String?>\n", {0}},
    {"one_column", "a\nx\n\ny\n", "a<String?>\nx\ny\n", {0}},
    {"other_delimiters", "a;b\n1,5;x\n", "a<String?> b<String?>\n1,5|x\n", {.delimiter = ';'}},
    {"utf8_passes_through",
     "städte,数\nZürich,一\nДублин,二\n",
     "städte<String?> 数<String?>\nZürich|一\nДублин|二\n",
     {0}},
    /* names */
    {"empty_and_repeated_names_are_made_unique",
     "a,a,,a_2,a,\n1,2,3,4,5,6\n",
     "a<i64?> a_3<i64?> c3<i64?> a_2<i64?> a_4<i64?> c6<i64?>\n1|2|3|4|5|6\n",
     {0}},
    {"without_a_header_columns_are_numbered", "1,x\n2,y\n", "c1<i64?> c2<String?>\n1|x\n2|y\n", {.no_header = true}},
    {"quoted_names", "\"a,b\",\"say \"\"x\"\"\"\n1,2\n", "a,b<i64?> say \"x\"<i64?>\n1|2\n", {0}},
    /* ragged rows */
    {"a_short_row_is_an_error_at_its_line",
     "a,b\n1,2\n3\n5,6\n",
     "a<i64?> b<i64?>\n1|2\nerror conversion failed 3:1 this row has 1 cell, but the header has 2\n",
     {0}},
    {"a_long_row_is_an_error_at_its_line",
     "a,b\n1,2\n\"3\n\",4\n5,6,7\n",
     "a<String?> b<i64?>\n1|2\n3\n|4\nerror conversion failed 5:1 this row has 3 cells, but the header has 2\n",
     {0}},
    {"short_and_long_rows_are_filled_and_cut",
     "a,b,c\n1\n1,x\r\n1,y,2,3\n5,z,6\n",
     "a<i64?> b<String?> c<i64?>\n1|~|~\n1|x|~\n1|y|2\n5|z|6\n",
     {.bad_cell = TH_BAD_NULL}},
    {"short_and_long_rows_are_skipped", "a,b\n1\n2,x\n3,y,z\n", "a<i64?> b<String?>\n2|x\n", {.bad_cell = TH_BAD_SKIP}},
    /* bad cells */
    {"a_bad_cell_is_named_with_its_place",
     "id,age\n1,20\n2,x y\n",
     "id<i64?> age<i64>\n1|20\nerror conversion failed 3:3 cannot read 'x y' as i64 in column 'age': expected a whole "
     "number\n",
     {DECLARED({"age", TH_COLUMN_I64, false})}},
    {"columns_count_characters_and_lines_count_all_newlines",
     "a,b\n\"ä\nö\",1\nüü,x\n",
     "a<String?> b<i64?>\nä\nö|1\nerror conversion failed 4:4 cannot read 'x' as i64 in column 'b': expected a whole "
     "number\n",
     {DECLARED({"b", TH_COLUMN_I64, true})}},
    {"the_first_bad_cell_of_the_file_is_told",
     "a,b\n1,1\n2,x\ny,3\n",
     "a<i64?> b<i64?>\n1|1\nerror conversion failed 3:3 cannot read 'x' as i64 in column 'b': expected a whole "
     "number\n",
     {DECLARED({"a", TH_COLUMN_I64, true}, {"b", TH_COLUMN_I64, true})}},
    {"a_bad_cell_becomes_null",
     "a,b\n1,x\n2,5\n",
     "a<i64?> b<i64?>\n1|~\n2|5\n",
     {DECLARED({"b", TH_COLUMN_I64, false}), .bad_cell = TH_BAD_NULL}},
    {"a_bad_cell_skips_its_row",
     "a,b\n1,x\n2,5\n3,\n4,y\n5,6\n",
     "a<i64?> b<i64>\n2|5\n5|6\n",
     {DECLARED({"b", TH_COLUMN_I64, false}), .bad_cell = TH_BAD_SKIP}},
    {"a_null_in_a_column_that_is_not_nullable_is_bad",
     "a,b\n1,x\n,y\n",
     "a<i64> b<String?>\n1|x\nerror conversion failed 3:1 column 'a' is declared i64, which is not nullable, but this "
     "cell is empty or null\n",
     {DECLARED({"a", TH_COLUMN_I64, false})}},
    {"a_value_that_does_not_fit_is_bad",
     "a\n128\n",
     "a<i8?>\nerror conversion failed 2:1 cannot read '128' as i8 in column 'a': expected a whole number from -128 to "
     "127\n",
     {DECLARED({"a", TH_COLUMN_I8, true})}},
    {"text_after_a_closing_quote_is_bad",
     "a,b\n\"x\"y,1\n",
     "a<String?> b<i64?>\nerror conversion failed 2:1 cannot read '\"x\"y' in column 'a': there is text after the "
     "closing "
     "quote\n",
     {0}},
    {"ill_formed_utf8_is_bad",
     "a,b\nok,1\n\xff\xfe,2\n",
     "a<String?> b<i64?>\nok|1\nerror conversion failed 3:1 cannot read '\\xff\\xfe' in column 'a': it is not UTF-8 "
     "text\n",
     {0}},
    {"ill_formed_utf8_becomes_null",
     "a,b\nok,1\n\xc3,2\n",
     "a<String?> b<i64?>\nok|1\n~|2\n",
     {.bad_cell = TH_BAD_NULL}},
    {"a_quote_never_closed_is_told_where_it_opened",
     "a,b\n1,2\n3,\"x\n4,5\n6,7\n",
     "a<i64?> b<i64?>\n1|2\nerror malformed data 3:3 the quote that opens here is never closed\n",
     {0}},
};

static void run_case(void **state) {
    const csv_case *c = *state;
    setup(NULL);
    th_buf out;
    th_stream *stream;
    th_error err;
    for (size_t batch_rows = 0; batch_rows < 3; batch_rows++) { /* however it is cut into batches */
        th_buf_init(&out, &mem);
        th_csv_options options = c->options;
        options.batch_rows = batch_rows;
        th_status status = th_csv_open_memory(&mem, "x.csv", c->csv, strlen(c->csv), &options, &stream, &err);
        if (status != TH_OK) fail_msg("not opened: %s", err.message);
        drain(stream, &out);
        assert_string_equal(out.data, c->want);
        th_buf_clear(&out);
    }
    assert_int_equal(teardown(NULL), 0);
}

/* ---- Refusals at opening ------------------------------------------------------------------------------------ */

static void expect_refusal(const char *name, const char *bytes, size_t len, const th_csv_options *options,
                           th_status status, const char *message) {
    th_stream *stream;
    th_error err;
    assert_int_equal(th_csv_open_memory(&mem, name, bytes, len, options, &stream, &err), status);
    assert_int_equal(err.code, status);
    assert_string_equal(err.message, message);
}

static void empty_input_is_refused(void **state) {
    (void)state;
    expect_refusal("e.csv", "", 0, NULL, TH_E_FORMAT, "'e.csv' is empty: there is no header line");
    expect_refusal("e.csv", "\n \n\r\n", 5, NULL, TH_E_FORMAT, "'e.csv' is empty: there is no header line");
    expect_refusal("e.csv", "\xef\xbb\xbf", 3, &(th_csv_options){.no_header = true}, TH_E_FORMAT,
                   "'e.csv' is empty: there is no row");
}

static void other_formats_are_named(void **state) {
    (void)state;
    expect_refusal("x", "\x1f\x8b\x08\0", 4, NULL, TH_E_FORMAT,
                   "'x' is not CSV text but a gzip file; decompress it first");
    expect_refusal("x",
                   "\xff\xfe"
                   "a\0,\0",
                   6, NULL, TH_E_FORMAT, "'x' is not CSV text but UTF-16 text; convert it to UTF-8 first");
    expect_refusal("x", "ARROW1\0\0....", 12, NULL, TH_E_FORMAT, "'x' is not CSV text but an Arrow file");
    expect_refusal("x", "a,b\0c\n1,2\n", 10, NULL, TH_E_FORMAT,
                   "in the header, a column's name holds a NUL byte; is this a text file?");
    expect_refusal("x", "a,b\r1,2\r3,4\r", 12, NULL, TH_E_FORMAT,
                   "in the header, there is a carriage return without a newline: lines must end in LF or CRLF");
}

static void unknown_declared_columns_name_the_nearest(void **state) {
    (void)state;
    th_field typo = {"fares", TH_COLUMN_F64, true}, far = {"population", TH_COLUMN_I64, true};
    expect_refusal("t.csv", "city,fare\nx,1\n", 14, &(th_csv_options){.declared = &typo, .ndeclared = 1},
                   TH_E_REFERENCE, "'t.csv' has no column 'fares'; did you mean 'fare'?");
    expect_refusal("t.csv", "city,fare\nx,1\n", 14, &(th_csv_options){.declared = &far, .ndeclared = 1}, TH_E_REFERENCE,
                   "'t.csv' has no column 'population'; its columns are: city, fare");
    th_field twice[] = {{"a", TH_COLUMN_F64, true}, {"a", TH_COLUMN_I64, true}};
    expect_refusal("t.csv", "a\n1\n", 4, &(th_csv_options){.declared = twice, .ndeclared = 2}, TH_E_ARGUMENT,
                   "column 'a' is declared twice");
}

static void impossible_delimiters_are_refused(void **state) {
    (void)state;
    static const char wrong[] = {'"', '\n', '\r', (char)0xc3};
    for (size_t i = 0; i < sizeof wrong; i++)
        expect_refusal("x", "a\n", 2, &(th_csv_options){.delimiter = wrong[i]}, TH_E_ARGUMENT,
                       "the delimiter must be one ASCII character other than a quote or a line end");
}

static void expect_open_error(const char *path, th_status status, const char *message) {
    th_stream *stream;
    th_error err;
    assert_int_equal(th_csv_open(&mem, path, NULL, &stream, &err), status);
    assert_string_equal(err.message, message);
}

static void missing_files_and_directories_are_told_apart(void **state) {
    (void)state;
    expect_open_error("no/such.csv", TH_E_NOT_FOUND, "cannot open 'no/such.csv': No such file or directory");
    expect_open_error("/", TH_E_IO, "cannot read '/': it is a directory");
}

/* ---- Long inputs -------------------------------------------------------------------------------------------- */

typedef struct made {
    th_buf text;
    size_t rows;
} made;

static char *write_temporary(const char *text, size_t len, const char *suffix) {
    char *path = malloc(64);
    snprintf(path, 64, "/tmp/theta_csv_XXXXXX%s", suffix);
    int fd = mkstemps(path, (int)strlen(suffix));
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    return path;
}

static uint64_t seed = 20240229;
static uint64_t draw(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* The rows that a text was made of must come back, whatever lies across the borders of blocks and windows. */
static void rows_across_windows_read_as_written(void **state) {
    (void)state;
    static const char *const texts[] = {
        "plain", "with, comma", "two\nlines", "q\"uote", "", "é", "a longer text \n,\",\" in it"};
    th_buf csv, want;
    th_buf_init(&csv, &mem);
    th_buf_init(&want, &mem);
    th_buf_text(&csv, "n,s,f,t\n");
    th_buf_text(&want, "n<i64?> s<String?> f<f64?> t<String?>\n");
    for (size_t i = 0; i < 60000; i++) {
        const char *s = texts[draw() % TH_COUNT(texts)], *t = texts[draw() % TH_COUNT(texts)];
        double f = (double)(draw() % 100000) / 100;
        th_buf_printf(&csv, "%zu,\"", i);
        for (const char *p = s; *p; p++) th_buf_printf(&csv, *p == '"' ? "\"\"" : "%c", *p);
        th_buf_printf(&csv, "\",%.2f,\"%s\"%s", f, strchr(t, '"') ? "x" : t, i % 3 ? "\n" : "\r\n");
        th_buf_printf(&want, "%zu|%s|%.17g|%s\n", i, s, f, strchr(t, '"') ? "x" : t);
    }
    th_stream *stream;
    th_error err;
    th_buf have;
    th_buf_init(&have, &mem);
    assert_int_equal(th_csv_open_memory(&mem, "big.csv", csv.data, csv.len, NULL, &stream, &err), TH_OK);
    drain(stream, &have);
    assert_int_equal(have.len, want.len);
    assert_memory_equal(have.data, want.data, want.len);

    char *path = write_temporary(csv.data, csv.len, ".csv");
    have.len = 0;
    assert_int_equal(th_csv_open(&mem, path, NULL, &stream, &err), TH_OK);
    drain(stream, &have);
    assert_int_equal(have.len, want.len);
    assert_memory_equal(have.data, want.data, want.len);
    unlink(path);
    free(path);
    th_buf_clear(&csv);
    th_buf_clear(&want);
    th_buf_clear(&have);
}

static void lines_are_counted_over_windows_and_quoted_newlines(void **state) {
    (void)state;
    th_buf csv;
    th_buf_init(&csv, &mem);
    th_buf_text(&csv, "a,b\n");
    for (size_t i = 0; i < 40000; i++) th_buf_text(&csv, "\"some text\nof\nlines that make the file long\",1\n");
    th_buf_text(&csv, "x,oops\n");
    th_stream *stream;
    th_error err;
    size_t rows = 0;
    assert_int_equal(th_csv_open_memory(&mem, "b.csv", csv.data, csv.len, NULL, &stream, &err), TH_OK);
    th_status status;
    for (;;) {
        th_batch *batch;
        status = stream->next(stream, &batch, &err);
        if (status != TH_OK || !batch) break;
        rows += batch->nrows;
        th_batch_release(batch);
    }
    stream->close(stream);
    assert_int_equal(status, TH_E_CONVERSION);
    assert_int_equal(rows, 40000);
    assert_int_equal(err.span.line, 1 + 3 * 40000 + 1);
    assert_int_equal(err.span.column, 3);
    assert_string_equal(err.file, "b.csv");
    assert_string_equal(err.message,
                        "cannot read 'oops' as i64 in column 'b': expected a whole number; the type was inferred "
                        "from the first rows: declare the column's type, for example b<String>");
    th_buf_clear(&csv);
}

static void later_cells_that_break_the_type_follow_the_policy(void **state) {
    (void)state;
    const char csv[] = "a\n1\n2\n3\nx\n4\n";
    static const struct {
        th_bad_cell policy;
        const char *want;
    } cases[] = {{TH_BAD_ERROR,
                  "a<i64?>\n1\n2\n3\nerror conversion failed 5:1 cannot read 'x' as i64 in column 'a': expected "
                  "a whole number; the type was inferred from the first rows: declare the column's type, for "
                  "example a<String>\n"},
                 {TH_BAD_NULL, "a<i64?>\n1\n2\n3\n~\n4\n"},
                 {TH_BAD_SKIP, "a<i64?>\n1\n2\n3\n4\n"}};
    for (size_t i = 0; i < 3; i++) {
        th_buf out;
        th_buf_init(&out, &mem);
        th_stream *stream;
        th_error err;
        th_csv_options options = {.infer_rows = 2, .bad_cell = cases[i].policy};
        assert_int_equal(th_csv_open_memory(&mem, "x", csv, strlen(csv), &options, &stream, &err), TH_OK);
        drain(stream, &out);
        assert_string_equal(out.data, cases[i].want);
        th_buf_clear(&out);
    }
}

static void one_cell_longer_than_the_window_is_read(void **state) {
    (void)state;
    const size_t len = 5u << 20;
    char *csv = malloc(len + 64);
    size_t at = (size_t)sprintf(csv, "a,b\n1,\"");
    memset(csv + at, 'x', len);
    csv[at + 100] = '\n';
    memcpy(csv + at + len, "\"\n2,y\n", 6);
    th_stream *stream;
    th_batch *batch;
    th_error err;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, at + len + 6, NULL, &stream, &err), TH_OK);
    assert_int_equal(stream->next(stream, &batch, &err), TH_OK);
    assert_int_equal(th_column_text(&batch->columns[1], 0).len, len);
    assert_true(th_view_is(th_column_text(&batch->columns[1], 1), "y"));
    th_batch_release(batch);
    stream->close(stream);
    free(csv);
}

static void a_cell_beyond_64_mib_is_refused(void **state) {
    (void)state;
    const size_t len = (66u << 20);
    char *csv = malloc(len + 64);
    size_t at = (size_t)sprintf(csv, "a\n\"");
    memset(csv + at, 'x', len);
    th_stream *stream;
    th_error err;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, at + len, NULL, &stream, &err), TH_OK);
    th_batch *batch;
    assert_int_equal(stream->next(stream, &batch, &err), TH_E_FORMAT); /* read to its end: never closed */
    stream->close(stream);
    csv[2] = 'x';
    memcpy(csv + at + len, "\n", 1);
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, at + len + 1, NULL, &stream, &err), TH_OK);
    assert_int_equal(stream->next(stream, &batch, &err), TH_E_LIMIT);
    stream->close(stream);
    assert_string_equal(err.message, "a cell is longer than 64 MiB");
    assert_int_equal(err.span.line, 2);
    free(csv);
}

static void batches_have_no_more_rows_than_asked_for(void **state) {
    (void)state;
    th_buf csv;
    th_buf_init(&csv, &mem);
    th_buf_text(&csv, "a\n");
    for (int i = 0; i < 1000; i++) th_buf_printf(&csv, "%d\n", i);
    th_stream *stream;
    th_batch *batch;
    size_t rows = 0;
    assert_int_equal(
        th_csv_open_memory(&mem, "x", csv.data, csv.len, &(th_csv_options){.batch_rows = 64}, &stream, NULL), TH_OK);
    while (stream->next(stream, &batch, NULL) == TH_OK && batch) {
        assert_true(batch->nrows <= 64);
        for (size_t i = 0; i < batch->nrows; i++)
            assert_int_equal(TH_COLUMN_AT(&batch->columns[0], int64_t)[i], rows + i);
        rows += batch->nrows;
        th_batch_release(batch);
    }
    assert_int_equal(rows, 1000);
    stream->close(stream);
    th_buf_clear(&csv);
}

static void short_rows_under_a_wide_header_stay_bounded(void **state) {
    (void)state;
    th_buf csv;
    th_buf_init(&csv, &mem);
    for (int i = 0; i < 5000; i++) th_buf_printf(&csv, "%sn%d", i ? "," : "", i);
    th_buf_char(&csv, '\n');
    for (int i = 0; i < 20000; i++) th_buf_text(&csv, "7\n");
    th_field one = {"n0", TH_COLUMN_I8, true};
    th_csv_options options = {.declared = &one, .ndeclared = 1, .only_declared = true, .bad_cell = TH_BAD_NULL};
    th_stream *stream;
    th_batch *batch;
    size_t rows = 0;
    mem.limit_bytes = 64u << 20;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv.data, csv.len, &options, &stream, NULL), TH_OK);
    while (stream->next(stream, &batch, NULL) == TH_OK && batch) {
        rows += batch->nrows;
        assert_int_equal(batch->columns[0].null_count, 0);
        th_batch_release(batch);
    }
    assert_int_equal(rows, 20000);
    stream->close(stream);
    th_buf_clear(&csv);
}

/* ---- Numbers ------------------------------------------------------------------------------------------------ */

/* The short paths against the C library and the plain parsers. */
static void numbers_read_exactly(void **state) {
    (void)state;
    th_buf csv;
    th_buf_init(&csv, &mem);
    enum { N = 50000 };
    double *want = malloc(N * sizeof *want);
    th_buf_text(&csv, "x\n");
    for (int i = 0; i < N; i++) {
        char text[64];
        uint64_t a = draw(), b = draw();
        switch (i % 6) {
        case 0: sprintf(text, "%.*f", (int)(a % 12), (double)(int64_t)(b % 2000000000 - 1000000000) / 977); break;
        case 1: sprintf(text, "%.17g", (double)b / (double)(a | 1)); break;
        case 2: sprintf(text, "%lld.%llu", (long long)(b % 100000000), (unsigned long long)(a % 100000000)); break;
        case 3: sprintf(text, "-0.%0*llu", (int)(a % 18) + 1, (unsigned long long)(b % 1000000)); break;
        case 4: sprintf(text, "%llu", (unsigned long long)(a >> (b % 60))); break;
        default: sprintf(text, "%llue%d", (unsigned long long)(a % 100000), (int)(b % 60) - 30);
        }
        th_buf_printf(&csv, "%s\n", text);
        want[i] = strtod(text, NULL);
    }
    th_field x = {"x", TH_COLUMN_F64, false};
    th_stream *stream;
    th_batch *batch;
    size_t at = 0;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv.data, csv.len, &(th_csv_options){.declared = &x, .ndeclared = 1},
                                        &stream, NULL),
                     TH_OK);
    while (stream->next(stream, &batch, NULL) == TH_OK && batch) {
        assert_memory_equal(TH_COLUMN_AT(&batch->columns[0], double), want + at, batch->nrows * sizeof(double));
        at += batch->nrows;
        th_batch_release(batch);
    }
    assert_int_equal(at, N);
    stream->close(stream);
    free(want);
    th_buf_clear(&csv);
}

static void near_numbers_are_not_numbers(void **state) {
    (void)state;
    static const char *const wrong[] = {"-",
                                        "1-",
                                        "12:4",
                                        "1.2.3",
                                        ".",
                                        "--1",
                                        "1 2",
                                        "0x10",
                                        "1e",
                                        "12/4",
                                        "1,5",
                                        "123456789x",
                                        "1234567.x",
                                        "12345678.9.1",
                                        "1_000",
                                        "e5",
                                        "12345678901234567:",
                                        "1234567:",
                                        "\xb1\xb1\xb1",
                                        "1\0_"};
    for (size_t i = 0; i < TH_COUNT(wrong); i++) {
        char csv[64];
        size_t n = (size_t)sprintf(csv, "x\n"), len = i + 1 == TH_COUNT(wrong) ? 3 : strlen(wrong[i]);
        csv[n++] = '"';
        memcpy(csv + n, wrong[i], len);
        memcpy(csv + n + len, "\"\n", 2);
        for (int quoted = 0; quoted < 2; quoted++) {
            th_column_type types[] = {TH_COLUMN_I64,  TH_COLUMN_F64,  TH_COLUMN_I8,       TH_COLUMN_F32,
                                      TH_COLUMN_BOOL, TH_COLUMN_DATE, TH_COLUMN_TIMESTAMP};
            for (size_t t = 0; t < TH_COUNT(types); t++) {
                th_field x = {"x", types[t], false};
                th_csv_options options = {.declared = &x, .ndeclared = 1, .delimiter = ';'};
                th_stream *stream;
                th_batch *batch;
                assert_int_equal(th_csv_open_memory(&mem, "x", csv, n + len + 2, &options, &stream, NULL), TH_OK);
                assert_int_equal(stream->next(stream, &batch, NULL), TH_E_CONVERSION);
                stream->close(stream);
            }
            csv[n - 1] = ' '; /* the second time without quotes */
            csv[n + len] = ' ';
        }
    }
}

/* ---- The scan against a plain reading ----------------------------------------------------------------------- */

/* Splits as the reader should, character by character; cells joined by '|', rows by newlines. */
static void plain_split(const char *p, size_t n, th_buf *out, size_t *cells) {
    enum { START, PLAIN, QUOTED, CLOSED } where = START;
    *cells = 1;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (where == QUOTED && c != '"')
            th_buf_char(out, c);
        else if (where == QUOTED)
            where = CLOSED;
        else if (where == CLOSED && c == '"')
            th_buf_char(out, '"'), where = QUOTED;
        else if (c == ',' || c == '\n') {
            th_buf_char(out, c == ',' ? '|' : '\n');
            where = START;
        } else if (where == START && c == '"')
            where = QUOTED;
        else
            th_buf_char(out, c), where = PLAIN;
    }
}

static void random_quoting_is_split_as_by_a_plain_reading(void **state) {
    (void)state;
    for (int round = 0; round < 400; round++) {
        th_buf csv, want, have;
        th_buf_init(&csv, &mem);
        th_buf_init(&want, &mem);
        th_buf_init(&have, &mem);
        for (int row = 0; row < 40; row++) { /* cells are never empty, so that none is null and no line blank */
            for (int cell = 0; cell < 3; cell++) {
                bool quoted = draw() % 3 == 0;
                if (cell) th_buf_char(&csv, ',');
                th_buf_text(&csv, quoted ? "\"x" : "x");
                for (uint64_t k = draw() % 30; k > 0; k--) {
                    uint64_t pick = draw() % 8;
                    if (pick == 0)
                        th_buf_text(&csv, quoted ? "\"\"" : "\"");
                    else if (pick == 1)
                        th_buf_char(&csv, quoted ? ',' : ';');
                    else if (pick == 2)
                        th_buf_char(&csv, quoted ? '\n' : ' ');
                    else
                        th_buf_char(&csv, (char)('a' + draw() % 20));
                }
                if (quoted) th_buf_char(&csv, '"');
            }
            th_buf_char(&csv, '\n');
        }
        size_t cells;
        plain_split(csv.data, csv.len, &want, &cells);
        th_stream *stream;
        th_error err;
        assert_int_equal(
            th_csv_open_memory(&mem, "x", csv.data, csv.len, &(th_csv_options){.no_header = true}, &stream, &err),
            TH_OK);
        drain(stream, &have);
        const char *rows = strchr(have.data, '\n') + 1;
        assert_string_equal(rows, want.data);
        th_buf_clear(&csv);
        th_buf_clear(&want);
        th_buf_clear(&have);
    }
}

/* ---- Hostile bytes and failing memory ----------------------------------------------------------------------- */

static const char SAMPLE[] = "id,name,score,ok,day,at\n1,\"Ann \"\"A\"\"\",1.5,true,2024-01-01,2024-01-01T10:00:00\n"
                             "2,Bob,,false,,\n3,\"Cy\nDee\",2.25,true,2024-02-29,2024-01-01 10:00:00.25\n";

static void read_through(const char *bytes, size_t len, th_bad_cell policy) {
    th_stream *stream;
    th_error err;
    if (th_csv_open_memory(&mem, "x", bytes, len, &(th_csv_options){.bad_cell = policy}, &stream, &err) != TH_OK)
        return;
    th_batch *batch;
    while (stream->next(stream, &batch, &err) == TH_OK && batch) {
        check_batch(batch);
        th_batch_release(batch);
    }
    stream->close(stream);
}

static void every_truncation_and_mutation_is_survived(void **state) {
    (void)state;
    size_t len = sizeof SAMPLE - 1;
    for (size_t n = 0; n <= len; n++) {
        char *copy = malloc(n + 1); /* of exactly its size, so that a read beyond it is seen */
        memcpy(copy, SAMPLE, n);
        for (int policy = 0; policy < 3; policy++) read_through(copy, n, (th_bad_cell)policy);
        free(copy);
    }
    static const char bytes[] = {0, '"', ',', '\n', '\r', (char)0xff, (char)0xc3, '9', '-', ' '};
    for (size_t i = 0; i < len; i++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            char copy[sizeof SAMPLE];
            memcpy(copy, SAMPLE, sizeof SAMPLE);
            copy[i] = bytes[k];
            for (int policy = 0; policy < 3; policy++) read_through(copy, len, (th_bad_cell)policy);
        }
    }
}

static th_status read_all(th_bad_cell policy) {
    th_stream *stream;
    th_error err;
    static const char csv[] = "id,name,x\n1,a,2\n2,\"b\"\"c\",3\n3\n4,d,oops\n5,,NA\n";
    th_field x = {"x", TH_COLUMN_I32, true};
    th_csv_options options = {.bad_cell = policy, .declared = &x, .ndeclared = 1, .batch_rows = 2};
    TH_TRY(th_csv_open_memory(&mem, "x", csv, sizeof csv - 1, &options, &stream, &err));
    th_status status;
    for (;;) {
        th_batch *batch;
        status = stream->next(stream, &batch, &err);
        if (status != TH_OK || !batch) break;
        th_batch_release(batch);
    }
    stream->close(stream);
    return status;
}

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    for (int policy = 1; policy < 3; policy++) {
        th_status status = TH_E_NOMEM;
        size_t n = 0;
        for (; status != TH_OK && n < 1000; n++) {
            faulty_allow(&allocator, n);
            status = read_all((th_bad_cell)policy);
            if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
            assert_int_equal(atomic_load(&mem.used_bytes), 0);
        }
        assert_int_equal(status, TH_OK);
        assert_true(n > 15);
    }
}

static void tab_separated_files_are_known_by_their_name(void **state) {
    (void)state;
    const char text[] = "a\tb\n1\tx,y\n";
    char *path = write_temporary(text, strlen(text), ".tsv");
    th_buf out;
    th_buf_init(&out, &mem);
    th_stream *stream;
    assert_int_equal(th_csv_open(&mem, path, NULL, &stream, NULL), TH_OK);
    drain(stream, &out);
    assert_string_equal(out.data, "a<i64?> b<String?>\n1|x,y\n");
    th_buf_clear(&out);
    unlink(path);
    free(path);
}

static void a_dash_reads_standard_input(void **state) {
    (void)state;
    int ends[2], saved = dup(0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a,b\n1,x\n2", 9), 9);
    close(ends[1]);
    dup2(ends[0], 0);
    close(ends[0]);
    th_buf out;
    th_buf_init(&out, &mem);
    th_stream *stream;
    th_error err;
    assert_int_equal(th_csv_open(&mem, "-", NULL, &stream, &err), TH_OK);
    drain(stream, &out);
    assert_string_equal(out.data, "a<i64?> b<String?>\n1|x\n"
                                  "error conversion failed 3:1 this row has 1 cell, but the header has 2\n");
    assert_true(fcntl(0, F_GETFD) >= 0); /* standard input is not ours to close */
    dup2(saved, 0);
    close(saved);
    th_buf_clear(&out);
}

static void a_projected_stream_reads_only_what_is_kept(void **state) {
    (void)state;
    static const char csv[] = "a,b,c\n1,x,2\n3,y,4\n5,z,oops\n";
    th_buf out;
    th_stream *stream;
    th_error err;
    th_buf_init(&out, &mem);
    th_csv_options options = {.infer_rows = 2, .batch_rows = 2};
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, strlen(csv), &options, &stream, NULL), TH_OK);
    assert_int_equal(th_csv_project(stream, (const bool[]){false, true, false}, &err), TH_OK);
    drain(stream, &out);
    assert_string_equal(out.data, "b<String?>\nx\ny\nz\n");
    out.len = 0;
    assert_int_equal(th_csv_open_memory(&mem, "x", csv, strlen(csv), &options, &stream, NULL), TH_OK);
    assert_int_equal(th_csv_project(stream, (const bool[]){true, false, true}, &err), TH_OK);
    drain(stream, &out);
    assert_memory_equal(out.data, "a<i64?> c<i64?>\n1|2\n3|4\nerror conversion failed 4:5 cannot read 'oops'", 70);
    th_buf_clear(&out);
}

static void a_small_file_needs_little_memory(void **state) {
    (void)state;
    th_buf out;
    th_buf_init(&out, &mem);
    th_stream *stream;
    assert_int_equal(th_csv_open_memory(&mem, "x", "a\n1\n", 4, NULL, &stream, NULL), TH_OK);
    drain(stream, &out);
    assert_string_equal(out.data, "a<i64?>\n1\n");
    assert_true(atomic_load(&mem.peak_bytes) < 100000);
    th_buf_clear(&out);
}

static void a_memory_limit_is_an_error_and_no_crash(void **state) {
    (void)state;
    mem.limit_bytes = 20000; /* less than the index of one block */
    th_stream *stream;
    th_error err;
    assert_int_equal(th_csv_open_memory(&mem, "x", SAMPLE, sizeof SAMPLE - 1, NULL, &stream, &err), TH_E_NOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(empty_input_is_refused),
        TEST(other_formats_are_named),
        TEST(unknown_declared_columns_name_the_nearest),
        TEST(impossible_delimiters_are_refused),
        TEST(missing_files_and_directories_are_told_apart),
        TEST(rows_across_windows_read_as_written),
        TEST(lines_are_counted_over_windows_and_quoted_newlines),
        TEST(later_cells_that_break_the_type_follow_the_policy),
        TEST(one_cell_longer_than_the_window_is_read),
        TEST(a_cell_beyond_64_mib_is_refused),
        TEST(batches_have_no_more_rows_than_asked_for),
        TEST(short_rows_under_a_wide_header_stay_bounded),
        TEST(numbers_read_exactly),
        TEST(near_numbers_are_not_numbers),
        TEST(random_quoting_is_split_as_by_a_plain_reading),
        TEST(every_truncation_and_mutation_is_survived),
        TEST(every_failed_allocation_is_reported_and_leaks_nothing),
        TEST(tab_separated_files_are_known_by_their_name),
        TEST(a_dash_reads_standard_input),
        TEST(a_projected_stream_reads_only_what_is_kept),
        TEST(a_small_file_needs_little_memory),
        TEST(a_memory_limit_is_an_error_and_no_crash),
    };
    struct CMUnitTest cases[TH_COUNT(CASES)];
    for (size_t i = 0; i < TH_COUNT(CASES); i++)
        cases[i] = (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    int failed = cmocka_run_group_tests_name("cases", cases, NULL, NULL);
    return failed + cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
