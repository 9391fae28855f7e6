/*
** machine_lib_json.c - Json: reading into types, writing, errors with places; values that nest deeply.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

/* Type of the result; text; what is read, or "!" and a piece of the error. */
typedef struct read_case {
    const char *type, *text, *want;
} read_case;

static void check_read(const read_case *c) {
    th_type_id type = type_named(c->type), params[] = {TH_TYPE_STRING}, function;
    uint64_t args[] = {string_word(c->text)}, word = 0;
    assert_int_equal(th_types_function(th_machine_types(b.machine), params, 1, type, &function), TH_OK);
    th_status status = invoke_typed("Json.decode", function, args, &word);
    const char *got = status == TH_OK ? shown(type, word) : b.error.message;
    bool good =
        c->want[0] == '!' ? status != TH_OK && strstr(got, c->want + 1) : status == TH_OK && strcmp(got, c->want) == 0;
    if (!good) fail_msg("%s as %s: wanted %s, got %s", c->text, c->type, c->want, got);
}

static void json_is_read_into_every_type(void **state) {
    (void)state;
    const read_case cases[] = {
        {"i64", " -12 ", "-12"},
        {"i64", "1e3", "1000"},
        {"i8", "127", "127"},
        {"f64", "1", "1.0"},
        {"f64", "-0.5e-3", "-0.0005"},
        {"f32", "0.5", "0.5"},
        {"bool", "true", "true"},
        {"String", "\"a\\n\\u00e9\\ud83d\\ude00\\/\"", "'a\\n\u00e9\U0001f600/'"},
        {"String", "\"\\ud800x\"", "'\ufffdx'"},
        {"Symbol", "\"abc\"", ":abc"},
        {"Severity", "\"HIGH\"", "HIGH"},
        {"List<i64>", "[]", "[]"},
        {"List<List<i64?>>", "[[1, null], []]", "[[1, null], []]"},
        {"Tuple<i64, String>", "[1, \"a\"]", "{1, 'a'}"},
        {"Dict<String, i64>", "{\"a\": 1, \"b c\": 2}", "{a: 1, 'b c': 2}"},
        {"Dict<i64, String>", "{\"-1\": \"x\"}", "{-1: 'x'}"},
        {"Point", "{\"y\": 2, \"more\": [1, {\"a\": null}], \"x\": 1}", "@Point { x: 1, y: 2 }"},
        {"Node", "{\"value\": 1, \"next\": {\"value\": 2}}",
         "@Node { value: 1, next: @Node { value: 2, next: null } }"},
        {"Point?", "null", "null"},
        {"i64?", "5", "5"},
        {"Variadic<i64, String>", "\"x\"", "'x'"},
        {"List<Variadic<i64, f64, List<i64>>>", "[1, 1.5, [2]]", "[1, 1.5, [2]]"},
        {"Variadic<i64?, String>", "null", "null"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) check_read(&cases[i]);
}

static void json_errors_tell_place_and_path(void **state) {
    (void)state;
    const read_case cases[] = {
        {"List<Point>", "[{\"x\": 1, \"y\": 2},\n {\"x\": \"a\", \"y\": 1}]",
         "!JSON line 2, column 8: expected i64, found '\"a\", \"y\": 1}]', at $[1].x"},
        {"Point", "{\"x\": 1}", "!missing field y at $"},
        {"Dict<String, List<i64>>", "{\"k\": [1, true]}", "!expected i64, found 'true]}', at $['k'][1]"},
        {"i64", "1.5", "!expected i64, found '1.5'"},
        {"i64", "9223372036854775808", "!expected i64"},
        {"i8", "128", "!expected i8, found '128'"},
        {"Severity", "\"MID\"", "!expected Severity, found 'MID'"},
        {"Tuple<i64, i64>", "[1]", "!too few members"},
        {"Tuple<i64, i64>", "[1, 2, 3]", "!too many members"},
        {"Function<i64>", "1", "!expected Function<i64>"},
        {"List<i64>", "[1, 2", "!',' or ']' is missing"},
        {"List<i64>", "[1, ]", "!a value is missing after ','"},
        {"List<i64>", "[1 2]", "!',' or ']' is missing"},
        {"List<i64>", "[1] x", "!there is more text after the value"},
        {"List<i64>", "", "!the text ends too early"},
        {"i64", "01", "!there is more text"},
        {"f64", "1.", "!a digit is missing"},
        {"f64", "-", "!a digit is missing"},
        {"f64", "nan", "!expected f64, found 'nan'"},
        {"bool", "tru", "!this is no JSON value"},
        {"String", "\"abc", "!a string is not closed"},
        {"String", "\"a\\x\"", "!an unknown escape"},
        {"String", "\"\\u12g4\"", "!four hexadecimal digits are missing"},
        {"String", "\"a\tb\"", "!a control character"},
        {"Dict<String, i64>", "{\"a\" 1}", "!':' is missing"},
        {"Dict<String, i64>", "{a: 1}", "!a key in quotes is missing"},
        {"Dict<bool, i64>", "{\"yes\": 1}", "!expected bool, found 'yes'"},
        {"Variadic<i64, String>", "[1]", "!expected Variadic<i64, String>"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) check_read(&cases[i]);
}

static void json_is_written(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"Json.text", "Function<List<f64>, String>", {"[1, 2.5]"}, "'[1.0, 2.5]'"},
        {"Json.text", "Function<Point, String>", {"{\"x\": 1, \"y\": 2}"}, "'{\"x\": 1, \"y\": 2}'"},
        {"Json.text",
         "Function<Dict<i64, Severity?>, String>",
         {"{\"1\": \"LOW\", \"2\": null}"},
         "'{\"1\": \"LOW\", \"2\": null}'"},
        {"Json.text", "Function<Tuple<i64, String>, String>", {"[1, \"a\\\"\\u0001\"]"}, "'[1, \"a\\\\\"\\\\u0001\"]'"},
        {"Json.pretty", "Function<List<i64>, String>", {"[1]"}, "'[\\n  1\\n]'"},
        {"Json.is_valid", "Function<String, bool>", {"\"[1, {\\\"a\\\": []}]\""}, "true"},
        {"Json.is_valid", "Function<String, bool>", {"\"[1, ]\""}, "false"},
        {"Json.is_valid", "Function<String, bool>", {"\"1 2\""}, "false"},
        {"Json.kind", "Function<String, String>", {"\" [1]\""}, "'array'"},
        {"Json.kind", "Function<String, String>", {"\"\""}, "!this is no JSON value"},
        {"Json.at",
         "Function<String, String, String?>",
         {"\"{\\\"a\\\": [10, {\\\"b c\\\": 20}]}\"", "\"$.a[1]['b c']\""},
         "'20'"},
        {"Json.at", "Function<String, String, String?>", {"\"{\\\"a\\\": [10]}\"", "\"a[1]\""}, "null"},
        {"Json.at", "Function<String, String, String?>", {"\"[1]\"", "\"a\""}, "null"},
        {"Json.at", "Function<String, String, String?>", {"\"[1]\"", "\"[x\""}, "!is no path"},
        {"Json.keys", "Function<String, List<String>>", {"\"{\\\"a\\\": 1, \\\"b\\\": 2}\""}, "['a', 'b']"},
        {"Json.items", "Function<String, List<String>>", {"\"[1, [2]]\""}, "['1', '[2]']"},
        {"Json.items", "Function<String, List<String>>", {"\"{}\""}, "!this is no array"},
    };
    CHECK_CASES(cases);
}

static void numbers_that_json_lacks_are_null(void **state) {
    (void)state;
    uint64_t result, nan[] = {th_f64_word(__builtin_nan(""))};
    assert_int_equal(invoke("Json.text", "Function<f64, String>", nan, &result), TH_OK);
    assert_string_equal(((th_str *)th_word_ptr(result))->bytes, "null");
}

static void ill_formed_text_becomes_valid_json(void **state) {
    (void)state;
    uint64_t result, text[] = {string_word("a\xff")};
    assert_int_equal(invoke("Json.text", "Function<String, String>", text, &result), TH_OK);
    assert_string_equal(((th_str *)th_word_ptr(result))->bytes, "\"a\ufffd\"");
}

/* A text of half a million nested structs is read, printed, compared, hashed and copied without the C stack. */
static void values_may_nest_as_deep_as_memory_allows(void **state) {
    (void)state;
    enum { DEEP = 200000 };
    th_buf text;
    th_buf_init(&text, &b.mem);
    for (size_t i = 0; i < DEEP; i++) th_buf_text(&text, "{\"value\":1,\"next\":");
    th_buf_text(&text, "null");
    for (size_t i = 0; i < DEEP; i++) th_buf_char(&text, '}');
    uint64_t args[] = {th_ptr_word(th_new_str_of(b.machine, text.data, text.len))}, first, second, hash, result;
    th_buf_clear(&text);
    assert_int_equal(invoke("Json.decode", "Function<String, Node>", args, &first), TH_OK);
    assert_int_equal(invoke("Core.copy", "Function<Node, Node>", &first, &second), TH_OK);
    uint64_t both[] = {first, second};
    assert_int_equal(invoke("Core.equal", "Function<Node, Node, bool>", both, &result), TH_OK);
    assert_int_equal(result, 1);
    assert_int_equal(invoke("Core.hash", "Function<Node, i64>", &first, &hash), TH_OK);
    assert_int_equal(invoke("Core.hash", "Function<Node, i64>", &second, &result), TH_OK);
    assert_int_equal(hash, result);
    assert_int_equal(invoke("Json.text", "Function<Node, String>", &first, &result), TH_OK);
    assert_true(((th_str *)th_word_ptr(result))->len > DEEP * 18);
    assert_int_equal(invoke("Json.is_valid", "Function<String, bool>", &result, &result), TH_OK);
    assert_int_equal(result, 1);
    assert_int_equal(invoke("Core.text", "Function<Node, String>", &first, &result), TH_OK);
}

static void a_text_that_nests_without_end_is_refused(void **state) {
    (void)state;
    th_buf text;
    th_buf_init(&text, &b.mem);
    for (size_t i = 0; i < 300000; i++) th_buf_char(&text, '[');
    uint64_t args[] = {th_ptr_word(th_new_str_of(b.machine, text.data, text.len))}, result;
    th_buf_clear(&text);
    assert_int_equal(invoke("Json.is_valid", "Function<String, bool>", args, &result), TH_OK);
    assert_int_equal(result, 0);
    assert_int_equal(invoke("Json.decode", "Function<String, List<i64>>", args, &result), TH_E_CONVERSION);
    assert_int_equal(
        invoke("Json.at", "Function<String, String, String?>", (uint64_t[]){args[0], string_word("$")}, &result),
        TH_E_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_is_read_into_every_type, setup, teardown),
        cmocka_unit_test_setup_teardown(json_errors_tell_place_and_path, setup, teardown),
        cmocka_unit_test_setup_teardown(json_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_json_lacks_are_null, setup, teardown),
        cmocka_unit_test_setup_teardown(ill_formed_text_becomes_valid_json, setup, teardown),
        cmocka_unit_test_setup_teardown(values_may_nest_as_deep_as_memory_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_that_nests_without_end_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
