/*
** flat_json.c - buffers as JSON and back: the text, the exact values, and errors at their line and column.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/counted_mem.h"
#include "../support/faulty.h"
#include "flat/flat.h"

#include "arrow_flat.h"
#include "sample_flat.h"
#include "table_flat.h"

enum {
    SAMPLE = theta_sample_object_theta_sample_Sample,
    SCALARS = theta_sample_object_theta_sample_Scalars,
    VECTORS = theta_sample_object_theta_sample_Vectors,
    BRANCH = theta_sample_object_theta_sample_Branch,
    LEAF = theta_sample_object_theta_sample_Leaf
};

/* JSON to a buffer to JSON. */
static void assert_becomes(uint16_t root, const char *text, const char *expected, unsigned indent) {
    uint8_t *bytes;
    size_t len;
    th_error err;
    th_buf out;
    th_buf_init(&out, &mem);
    if (th_flat_from_json(&mem, th_view_of(text), &theta_sample_schema, root, &bytes, &len, &err) != TH_OK) {
        fail_msg("%s: %u:%u: %s", text, err.span.line, err.span.column, err.message);
    }
    if (th_flat_to_json(bytes, len, &theta_sample_schema, root, NULL, indent, &out, &err) != TH_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_string_equal(out.data, expected);
    th_buf_clear(&out);
    th_mem_free(&mem, bytes, len);
}

static void assert_refused(uint16_t root, const char *text, th_status code, unsigned line, unsigned column,
                           const char *message) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    th_error err = {0};
    th_status status = th_flat_from_json(&mem, th_view_of(text), &theta_sample_schema, root, &bytes, &len, &err);
    assert_null(bytes);
    if (status != code || err.code != code || err.span.line != line || err.span.column != column ||
        !strstr(err.message, message)) {
        fail_msg("%s\nwanted %u:%u: %s (%s)\nand got %u:%u: %s (%s)", text, line, column, message, th_status_text(code),
                 err.span.line, err.span.column, err.message, th_status_text(status));
    }
}

static void json_writes_defaults_and_skips_absent_parts(void **state) {
    (void)state;
    assert_becomes(LEAF, "{\"text\": \"t\"}", "{\"text\":\"t\",\"n\":7}", 0);
    assert_becomes(SAMPLE, "{\"name\": \"n\", \"note\": null}", "{\"name\":\"n\",\"shape_type\":\"NONE\"}", 0);
    assert_becomes(SCALARS, "{}",
                   "{\"b\":true,\"i8\":-8,\"u8\":8,\"i16\":-16,\"u16\":16,\"i32\":-32,\"u32\":32,"
                   "\"i64\":-9223372036854775808,\"u64\":9223372036854775807,\"f32\":0.1,\"f64\":0.1,\"not\":\"nan\","
                   "\"above\":\"inf\",\"below\":\"-inf\",\"ob\":null,\"oi8\":null,\"ou16\":null,\"oi32\":null,"
                   "\"ou64\":null,\"of64\":null,\"colour\":\"Blue\",\"access\":0,\"wide\":0,\"big\":\"Huge\","
                   "\"ocolour\":null}",
                   0);
}

static void json_is_indented_when_asked(void **state) {
    (void)state;
    assert_becomes(
        BRANCH, "{\"leaves\":[{\"text\":\"a\"}],\"left_type\":\"Leaf\",\"left\":{\"text\":\"l\"}}",
        "{\n  \"left_type\": \"Leaf\",\n  \"left\": {\n    \"text\": \"l\",\n    \"n\": 7\n  },\n"
        "  \"right_type\": \"NONE\",\n  \"leaves\": [\n    {\n      \"text\": \"a\",\n      \"n\": 7\n    }\n"
        "  ]\n}",
        2);
    assert_becomes(
        VECTORS, "{\"i32\": [1,2], \"texts\": [], \"points\": [{\"x\":1,\"y\":2,\"tag\":3}]}",
        "{\n \"i32\": [1, 2],\n \"points\": [\n  {\n   \"x\": 1.0,\n   \"y\": 2.0,\n   \"tag\": 3\n  }\n ],\n"
        " \"texts\": []\n}",
        1);
}

static void json_numbers_are_exact(void **state) {
    (void)state;
    assert_becomes(VECTORS, "{\"f64\":[0.1,5e-324,1.7976931348623157e308,-0.0,0.30000000000000004]}",
                   "{\"f64\":[0.1,5e-324,1.7976931348623157e+308,-0.0,0.30000000000000004]}", 0);
    assert_becomes(VECTORS, "{\"f32\":[0.1,16777217,3.4028235e38]}", "{\"f32\":[0.1,16777216.0,3.4028235e+38]}", 0);
    assert_becomes(VECTORS, "{\"u64\":[18446744073709551615],\"i64\":[-9223372036854775808,-0]}",
                   "{\"i64\":[-9223372036854775808,0],\"u64\":[18446744073709551615]}", 0);
    assert_becomes(VECTORS, "{\"f64\":[nan,inf,-inf,\"nan\",\"-inf\"]}",
                   "{\"f64\":[\"nan\",\"inf\",\"-inf\",\"nan\",\"-inf\"]}", 0);
}

static void json_strings_are_escaped_and_read_back(void **state) {
    (void)state;
    assert_becomes(
        VECTORS,
        "{\"texts\":[\"\\u00e9\\u20ac\\ud83d\\ude00\",\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u0000x\",\"\x7f\"]}",
        "{\"texts\":[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u0000x\",\"\x7f\"]}",
        0);
}

static void json_enums_are_names_where_they_have_one(void **state) {
    (void)state;
    assert_becomes(VECTORS, "{\"colours\":[\"Red\",-1,0,7],\"wides\":[\"High Low\",\"High\",0,3]}",
                   "{\"colours\":[\"Red\",\"Red\",\"Green\",7],\"wides\":[\"Low High\",\"High\",0,3]}", 0);
}

static void json_errors_are_at_their_place(void **state) {
    (void)state;
    const struct {
        uint16_t root;
        const char *text;
        th_status code;
        unsigned line, column;
        const char *message;
    } cases[] = {
        {LEAF, "", TH_E_SYNTAX, 1, 1, "a value is missing"},
        {LEAF, "{\"text\": \"a\"} x", TH_E_SYNTAX, 1, 15, "nothing may follow"},
        {LEAF, "{\"text\": \"a\",}", TH_E_SYNTAX, 1, 14, "a name in quotes is missing"},
        {LEAF, "{\"text\" \"a\"}", TH_E_SYNTAX, 1, 9, "a colon is missing"},
        {LEAF, "{\"text\": \"a\"", TH_E_SYNTAX, 1, 13, "a comma or } is missing"},
        {LEAF, "{\"text\": \"a", TH_E_SYNTAX, 1, 10, "not closed"},
        {LEAF, "{\"text\": \"a\\", TH_E_SYNTAX, 1, 10, "not closed"},
        {LEAF, "{\"text\": \"\\x\"}", TH_E_SYNTAX, 1, 11, "unknown escape"},
        {LEAF, "{\"text\": \"\\u12\"}", TH_E_SYNTAX, 1, 11, "four hexadecimal digits"},
        {LEAF, "{\"text\": \"\\ud800x\"}", TH_E_SYNTAX, 1, 11, "surrogate"},
        {LEAF, "{\"text\": \"a\nb\"}", TH_E_SYNTAX, 1, 12, "control character"},
        {LEAF, "{\"text\": \"\xff\"}", TH_E_SYNTAX, 1, 10, "not UTF-8"},
        {LEAF, "{\"text\": tru}", TH_E_SYNTAX, 1, 10, "\"tru\" is no JSON value"},
        {LEAF, "[1, 2]", TH_E_TYPE, 1, 1, "theta.sample.Leaf must be an object"},
        {LEAF, "{\n  \"\xc3\xa9\": 1\n}", TH_E_REFERENCE, 2, 3, "theta.sample.Leaf has no field \"\xc3\xa9\""},
        {LEAF, "{\"text\": \"\xc3\xa9\",\n \"n\": 1, \"n\": 2}", TH_E_SYNTAX, 2, 10, "\"n\" comes twice"},
        {LEAF, "{\"n\": 1}", TH_E_SYNTAX, 1, 1, "needs its field text"},
        {LEAF, "{\"text\": null}", TH_E_SYNTAX, 1, 1, "needs its field text"},
        {LEAF, "{\"text\": 5}", TH_E_TYPE, 1, 10, "text must be a string"},
        {LEAF, "{\"text\": \"a\", \"n\": \"5\"}", TH_E_TYPE, 1, 20, "n must be a 32-bit integer"},
        {LEAF, "{\"text\": \"a\", \"n\": 2147483648}", TH_E_CONVERSION, 1, 20, "2147483648 is none"},
        {LEAF, "{\"text\": \"a\", \"n\": 1.5}", TH_E_CONVERSION, 1, 20, "1.5 is none"},
        {SCALARS, "{\"u8\": -1}", TH_E_CONVERSION, 1, 8, "an unsigned 8-bit integer"},
        {SCALARS, "{\"u64\": 18446744073709551616}", TH_E_CONVERSION, 1, 9, "is none"},
        {SCALARS, "{\"i64\": -9223372036854775809}", TH_E_CONVERSION, 1, 9, "is none"},
        {SCALARS, "{\"b\": 2}", TH_E_CONVERSION, 1, 7, "b must be a bool"},
        {SCALARS, "{\"f32\": 1e39}", TH_E_CONVERSION, 1, 9, "too large for 32 bits"},
        {SCALARS, "{\"f64\": \"many\"}", TH_E_TYPE, 1, 9, "f64 must be a number"},
        {SCALARS, "{\"colour\": \"Pink\"}", TH_E_REFERENCE, 1, 12, "theta.sample.Colour has no value \"Pink\""},
        {SCALARS, "{\"colour\": \"Red Blue\"}", TH_E_REFERENCE, 1, 12, "no value \"Red Blue\""},
        {SCALARS, "{\"access\": \"Read  Run\"}", TH_E_REFERENCE, 1, 12, "no value"},
        {VECTORS, "{\"i32\": 1}", TH_E_TYPE, 1, 9, "i32 must be an array"},
        {VECTORS, "{\"points\": [{\"x\": 1, \"y\": 2}]}", TH_E_SYNTAX, 1, 13, "needs its field tag"},
        {SAMPLE, "{\"name\": \"n\", \"old\": [1]}", TH_E_REFERENCE, 1, 15, "no field \"old\""},
        {SAMPLE, "{\"name\": \"n\", \"shape\": {}}", TH_E_TYPE, 1, 24, "needs a type it knows in shape_type"},
        {SAMPLE, "{\"name\": \"n\", \"shape_type\": 9, \"shape\": {}}", TH_E_TYPE, 1, 41, "needs a type it knows"},
        {SAMPLE, "{\"name\": \"n\", \"shape_type\": \"Leaf\"}", TH_E_SYNTAX, 1, 29,
         "the union's value shape is missing"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        assert_refused(cases[i].root, cases[i].text, cases[i].code, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void json_nested_without_end_is_refused(void **state) {
    (void)state;
    size_t n = 1000000;
    char *text = th_mem_new(&mem, n + 1);
    memset(text, '[', n);
    text[n] = 0;
    assert_refused(LEAF, text, TH_E_LIMIT, 1, 257, "nested too deep");
    th_mem_free(&mem, text, n + 1);
}

static void json_every_truncation_is_refused(void **state) {
    (void)state;
    FILE *in = fopen(TEST_DATA "/flat/data/sample.json", "rb");
    char text[8192];
    assert_non_null(in);
    size_t len = fread(text, 1, sizeof text, in);
    fclose(in);
    while (len && text[len - 1] != '}') len--;
    for (size_t n = 0; n <= len; n++) {
        uint8_t *bytes;
        size_t bytes_len;
        char *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, text, n);
        th_status status =
            th_flat_from_json(&mem, (th_view){cut, n}, &theta_sample_schema, SAMPLE, &bytes, &bytes_len, NULL);
        free(cut);
        assert_int_equal(status, n == len ? TH_OK : TH_E_SYNTAX);
        if (status == TH_OK) th_mem_free(&mem, bytes, bytes_len);
    }
}

static void json_of_an_unsound_buffer_is_an_error(void **state) {
    (void)state;
    uint64_t words[4] = {0};
    th_buf out;
    th_error err;
    th_buf_init(&out, &mem);
    assert_int_equal(th_flat_to_json(words, sizeof words, &theta_sample_schema, SAMPLE, NULL, 0, &out, &err),
                     TH_E_FORMAT);
    assert_int_equal(out.len, 0);
    assert_non_null(strstr(err.message, "not a sample buffer"));
    th_buf_clear(&out);
}

static void json_every_allocation_may_fail_fault(void **state) {
    (void)state;
    static const char text[] =
        "{\"name\": \"a name\", \"children\": [{\"name\": \"b\"}], \"point\": {\"x\":1,\"y\":2,\"tag\":3},"
        " \"vectors\": {\"texts\": [\"x\"], \"i32\": [1, 2, 3]}}";
    for (size_t n = 0;; n++) {
        faulty f = {.fail_at = n + 1};
        th_mem poor;
        th_error err = {0};
        th_buf out;
        uint8_t *bytes = NULL;
        size_t len;
        th_mem_init(&poor, faulty_alloc, &f, NULL, 0);
        th_buf_init(&out, &poor);
        th_status status = th_flat_from_json(&poor, th_view_of(text), &theta_sample_schema, SAMPLE, &bytes, &len, &err);
        if (status == TH_OK) {
            status = th_flat_to_json(bytes, len, &theta_sample_schema, SAMPLE, NULL, 0, &out, &err);
            th_mem_free(&poor, bytes, len);
        }
        th_buf_clear(&out);
        assert_int_equal(poor.used_bytes, 0);
        if (status == TH_OK) {
            assert_true(n > 5);
            return;
        }
        assert_int_equal(status, TH_E_NOMEM);
        assert_int_equal(err.code, TH_E_NOMEM);
    }
}

static void schema_finds_objects_and_enum_names(void **state) {
    (void)state;
    assert_int_equal(th_flat_find_object(&theta_arrow_schema, th_view_of("org.apache.arrow.flatbuf.Footer")),
                     theta_arrow_object_arrow_Footer);
    assert_int_equal(th_flat_find_object(&theta_arrow_schema, th_view_of("Footer")), TH_FLAT_NO_INDEX);
    uint16_t types = theta_table_schema.objects[theta_table_object_theta_table_Column].fields[1].index;
    assert_string_equal(th_flat_enum_text(&theta_table_schema, types, theta_table_ColumnType_DATE), "DATE");
    assert_null(th_flat_enum_text(&theta_table_schema, types, 99));
    assert_null(th_flat_enum_text(&theta_table_schema, TH_FLAT_NO_INDEX, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_mem, close_mem)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(json_writes_defaults_and_skips_absent_parts),
        TEST(json_is_indented_when_asked),
        TEST(json_numbers_are_exact),
        TEST(json_strings_are_escaped_and_read_back),
        TEST(json_enums_are_names_where_they_have_one),
        TEST(json_errors_are_at_their_place),
        TEST(json_nested_without_end_is_refused),
        TEST(json_every_truncation_is_refused),
        TEST(json_of_an_unsound_buffer_is_an_error),
        TEST(json_every_allocation_may_fail_fault),
        TEST(schema_finds_objects_and_enum_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
