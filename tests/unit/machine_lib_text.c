/*
** machine_lib_text.c - the builtins of String and Core: results and messages.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

#define S_S  "Function<String, String>"
#define SS_S "Function<String, String, String>"
#define SS_B "Function<String, String, bool>"
#define S_B  "Function<String, bool>"
#define S_I  "Function<String, i64>"
#define S_L  "Function<String, List<String>>"

static void string_asks_about_texts(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"String.length", S_I, {"\"h\u00e9\""}, "2"},
        {"String.length", S_I, {"\"\""}, "0"},
        {"String.byte_length", S_I, {"\"h\u00e9\""}, "3"},
        {"String.width", S_I, {"\"\u4e2d\""}, "2"},
        {"String.is_empty", S_B, {"\"\""}, "true"},
        {"String.contains", SS_B, {"\"theta\"", "\"het\""}, "true"},
        {"String.contains", SS_B, {"\"theta\"", "\"\""}, "true"},
        {"String.contains", SS_B, {"\"a\"", "\"ab\""}, "false"},
        {"String.starts_with", SS_B, {"\"theta\"", "\"th\""}, "true"},
        {"String.starts_with", SS_B, {"\"t\"", "\"th\""}, "false"},
        {"String.ends_with", SS_B, {"\"theta\"", "\"ta\""}, "true"},
        {"String.index_of", "Function<String, String, i64?>", {"\"h\u00e9llo\"", "\"l\""}, "2"},
        {"String.index_of", "Function<String, String, i64?>", {"\"hello\"", "\"z\""}, "null"},
        {"String.index_of", "Function<String, String, i64, i64?>", {"\"banana\"", "\"an\"", "2"}, "3"},
        {"String.index_of", "Function<String, String, i64, i64?>", {"\"banana\"", "\"an\"", "-3"}, "3"},
        {"String.last_index_of", "Function<String, String, i64?>", {"\"b\u00e9n\u00e9\"", "\"\u00e9\""}, "3"},
        {"String.last_index_of", "Function<String, String, i64?>", {"\"abc\"", "\"\""}, "3"},
        {"String.count", "Function<String, String, i64>", {"\"aaaa\"", "\"aa\""}, "2"},
        {"String.count", "Function<String, String, i64>", {"\"abc\"", "\"\""}, "4"},
        {"String.compare", "Function<String, String, i64>", {"\"a\"", "\"b\""}, "-1"},
        {"String.compare", "Function<String, String, i64>", {"\"b\"", "\"a\""}, "1"},
        {"String.is_alpha", S_B, {"\"\u00e9a\""}, "true"},
        {"String.is_alpha", S_B, {"\"\""}, "false"},
        {"String.is_digit", S_B, {"\"12\u0663\""}, "true"},
        {"String.is_alphanumeric", S_B, {"\"a1_\""}, "false"},
        {"String.is_space", S_B, {"\" \\t\u00a0\""}, "true"},
        {"String.is_upper", S_B, {"\"A\u00c9\""}, "true"},
        {"String.is_lower", S_B, {"\"aB\""}, "false"},
        {"String.is_ascii", S_B, {"\"\u00e9\""}, "false"},
        {"String.levenshtein", "Function<String, String, i64>", {"\"kitten\"", "\"sitting\""}, "3"},
        {"String.levenshtein", "Function<String, String, i64>", {"\"\"", "\"\u00e9\u00e9\""}, "2"},
    };
    CHECK_CASES(cases);
}

static void string_cuts_by_characters(void **state) {
    (void)state;
    const char *slice = "Function<String, i64, i64, String>";
    const lib_case cases[] = {
        {"String.slice", slice, {"\"h\u00e9llo\"", "1", "3"}, "'\u00e9l'"},
        {"String.slice", slice, {"\"hello\"", "1", "-1"}, "'ell'"},
        {"String.slice", slice, {"\"hello\"", "3", "1"}, "''"},
        {"String.slice", slice, {"\"hello\"", "-100", "100"}, "'hello'"},
        {"String.slice", slice, {"\"hello\"", "-9223372036854775808", "9223372036854775807"}, "'hello'"},
        {"String.slice", "Function<String, i64, String>", {"\"h\u00e9llo\"", "-2"}, "'lo'"},
        {"String.char_at", "Function<String, i64, String>", {"\"h\u00e9l\"", "1"}, "'\u00e9'"},
        {"String.char_at",
         "Function<String, i64, String>",
         {"\"abc\"", "3"},
         "!index 3 is outside a text of 3 characters"},
        {"String.char_at", "Function<String, i64, String>", {"\"abc\"", "-1"}, "!index -1 is outside"},
        {"String.char_at", "Function<String, i64, String>", {"\"\u00e9\"", "1"}, "!index 1 is outside a text of 1"},
        {"String.code_at", "Function<String, i64, i64>", {"\"\u00e9\"", "0"}, "233"},
        {"String.trim", S_S, {"\" \\n\u2003a b\\t \""}, "'a b'"},
        {"String.trim", S_S, {"\"   \""}, "''"},
        {"String.trim_start", S_S, {"\" a \""}, "'a '"},
        {"String.trim_end", S_S, {"\" a \""}, "' a'"},
        {"String.strip_prefix", SS_S, {"\"v1\"", "\"v\""}, "'1'"},
        {"String.strip_prefix", SS_S, {"\"v1\"", "\"x\""}, "'v1'"},
        {"String.strip_suffix", SS_S, {"\"a.csv\"", "\".csv\""}, "'a'"},
        {"String.split_once",
         "Function<String, String, Tuple<String, String>?>",
         {"\"k=v=w\"", "\"=\""},
         "{'k', 'v=w'}"},
        {"String.split_once", "Function<String, String, Tuple<String, String>?>", {"\"k\"", "\"=\""}, "null"},
    };
    CHECK_CASES(cases);
}

static void string_makes_lists(void **state) {
    (void)state;
    const char *split = "Function<String, String, List<String>>";
    const lib_case cases[] = {
        {"String.split", split, {"\"a,b,,c\"", "\",\""}, "['a', 'b', '', 'c']"},
        {"String.split", split, {"\"\"", "\",\""}, "['']"},
        {"String.split", split, {"\",\"", "\",\""}, "['', '']"},
        {"String.split", split, {"\"a--b-c\"", "\"--\""}, "['a', 'b-c']"},
        {"String.split", split, {"\"a\u00e9\"", "\"\""}, "['a', '\u00e9']"},
        {"String.split", split, {"\"\"", "\"\""}, "[]"},
        {"String.split", "Function<String, String, i64, List<String>>", {"\"a,b,c\"", "\",\"", "2"}, "['a', 'b,c']"},
        {"String.split", "Function<String, String, i64, List<String>>", {"\"abc\"", "\"\"", "2"}, "['a', 'bc']"},
        {"String.split",
         "Function<String, String, i64, List<String>>",
         {"\"a\"", "\",\"", "0"},
         "!it must be 1 or more"},
        {"String.lines", S_L, {"\"a\\r\\nb\\n\\nc\\n\""}, "['a', 'b', '', 'c']"},
        {"String.lines", S_L, {"\"\""}, "[]"},
        {"String.words", S_L, {"\"  a \\n b\u2003c \""}, "['a', 'b', 'c']"},
        {"String.words", S_L, {"\"  \""}, "[]"},
        {"String.chars", S_L, {"\"a\u00e9\""}, "['a', '\u00e9']"},
        {"String.graphemes", S_L, {"\"ae\u0301x\""}, "['a', 'e\u0301', 'x']"},
        {"String.code_points", "Function<String, List<i64>>", {"\"a\u00e9\""}, "[97, 233]"},
        {"String.from_code_points", "Function<List<i64>, String>", {"[104, 233]"}, "'h\u00e9'"},
        {"String.from_code_points", "Function<List<i64>, String>", {"[55296]"}, "!55296 is no code point"},
        {"String.from_code_points", "Function<List<i64>, String>", {"[-1]"}, "!-1 is no code point"},
        {"String.to_bytes", "Function<String, List<i64>>", {"\"\u00e9\""}, "[195, 169]"},
        {"String.from_bytes", "Function<List<i64>, String>", {"[195, 169]"}, "'\u00e9'"},
        {"String.from_bytes", "Function<List<i64>, String>", {"[256]"}, "!256 is no byte"},
        {"String.join", "Function<List<String>, String, String>", {"[\"a\", \"b\", \"\"]", "\", \""}, "'a, b, '"},
        {"String.join", "Function<List<String>, String, String>", {"[]", "\",\""}, "''"},
    };
    CHECK_CASES(cases);
}

static void string_changes_texts(void **state) {
    (void)state;
    const char *replace = "Function<String, String, String, String>", *pad = "Function<String, i64, String>";
    const char *pad_with = "Function<String, i64, String, String>";
    const lib_case cases[] = {
        {"String.replace", replace, {"\"banana\"", "\"an\"", "\"o\""}, "'booa'"},
        {"String.replace", replace, {"\"banana\"", "\"x\"", "\"o\""}, "'banana'"},
        {"String.replace", replace, {"\"aaa\"", "\"a\"", "\"\""}, "''"},
        {"String.replace", replace, {"\"a\"", "\"\"", "\"x\""}, "!the text to replace is empty"},
        {"String.replace_first", replace, {"\"banana\"", "\"an\"", "\"o\""}, "'boana'"},
        {"String.repeat", pad, {"\"ab\"", "3"}, "'ababab'"},
        {"String.repeat", pad, {"\"ab\"", "0"}, "''"},
        {"String.repeat", pad, {"\"\"", "9223372036854775807"}, "''"},
        {"String.repeat", pad, {"\"ab\"", "-1"}, "!cannot be repeated -1 times"},
        {"String.repeat", pad, {"\"ab\"", "1000000000000000"}, "!longer than a string can be"},
        {"String.upper", S_S, {"\"stra\u00dfe \u00e9\""}, "'STRASSE \u00c9'"},
        {"String.lower", S_S, {"\"\u00c9A\""}, "'\u00e9a'"},
        {"String.capitalize", S_S, {"\"\u00e9t\u00e9\""}, "'\u00c9t\u00e9'"},
        {"String.capitalize", S_S, {"\"\""}, "''"},
        {"String.reverse", S_S, {"\"ae\u0301x\""}, "'xe\u0301a'"},
        {"String.pad_left", pad, {"\"7\"", "3"}, "'  7'"},
        {"String.pad_left", pad, {"\"1234\"", "3"}, "'1234'"},
        {"String.pad_left", pad_with, {"\"7\"", "6", "\"ab\u00e9\""}, "'ab\u00e9ab7'"},
        {"String.pad_left", pad_with, {"\"7\"", "6", "\"\""}, "!the text to pad with is empty"},
        {"String.pad_left", pad_with, {"\"7\"", "9223372036854775807", "\"x\""}, "!too large"},
        {"String.pad_right", pad, {"\"7\"", "3"}, "'7  '"},
        {"String.pad_right", pad_with, {"\"\u00e9\"", "3", "\".\""}, "'\u00e9..'"},
        {"String.normalize", S_S, {"\"e\u0301\""}, "'\u00e9'"},
        {"String.normalize", SS_S, {"\"\u00e9\"", "\"NFD\""}, "'e\u0301'"},
        {"String.normalize", SS_S, {"\"\ufb01\"", "\"NFKC\""}, "'fi'"},
        {"String.normalize", S_S, {"\"\u1112\u1161\u11ab\""}, "'\ud55c'"},
        {"String.normalize", SS_S, {"\"a\u0301\u0316\"", "\"NFD\""}, "'a\u0316\u0301'"},
        {"String.normalize", SS_S, {"\"a\u00e9\"", "\"XYZ\""}, "!'XYZ' is no normal form"},
    };
    CHECK_CASES(cases);
}

static void string_writes_numbers(void **state) {
    (void)state;
    const char *fixed = "Function<f64, i64, String>", *radix = "Function<i64, i64, String>";
    const char *from = "Function<String, i64, i64?>";
    const lib_case cases[] = {
        {"String.fixed", fixed, {"2.5", "2"}, "'2.50'"},
        {"String.fixed", fixed, {"-0.125", "0"}, "'-0'"},
        {"String.fixed",
         fixed,
         {"1e300", "1"},
         "'1000000000000000052504760255204420248704468581108159154915854115111802457988908195786371375080447854045104."
         "0'"},
        {"String.fixed", fixed, {"1.0", "101"}, "!101 decimals"},
        {"String.radix", radix, {"255", "16"}, "'ff'"},
        {"String.radix",
         radix,
         {"-9223372036854775808", "2"},
         "'-1000000000000000000000000000000000000000000000000000000000000000'"},
        {"String.radix", radix, {"1", "1"}, "!base 1"},
        {"String.from_radix", from, {"\"FF\"", "16"}, "255"},
        {"String.from_radix", from, {"\"-8000000000000000\"", "16"}, "-9223372036854775808"},
        {"String.from_radix", from, {"\"8000000000000000\"", "16"}, "null"},
        {"String.from_radix", from, {"\"\"", "16"}, "null"},
        {"String.from_radix", from, {"\"12\"", "2"}, "null"},
        {"String.grouped", "Function<i64, String, String>", {"-1234567", "\",\""}, "'-1,234,567'"},
        {"String.grouped", "Function<i64, String, String>", {"123", "\",\""}, "'123'"},
        {"String.format", "Function<String, i64, f64, String>", {"\"{} of {:.1}\"", "3", "4.0"}, "'3 of 4.0'"},
        {"String.format",
         "Function<String, String, i64, String>",
         {"\"{1:>4}|{0:*^7}|{{}}\"", "\"ab\"", "7"},
         "'   7|**ab***|{}'"},
        {"String.format", "Function<String, i64, String>", {"\"{:06}\"", "-42"}, "'-00042'"},
        {"String.format", "Function<String, List<i64>, String>", {"\"{}\"", "[1, 2]"}, "'[1, 2]'"},
        {"String.format", "Function<String, i64, String>", {"\"{} {}\"", "1"}, "!asks for value 2, but there are 1"},
        {"String.format", "Function<String, i64, String>", {"\"{x}\"", "1"}, "!'{x}', which is no field"},
        {"String.format", "Function<String, i64, String>", {"\"{\"", "1"}, "!not closed"},
    };
    /* 1e300 in full is longer than a line; only its form is looked at. */
    for (size_t i = 0; i < TH_COUNT(cases); i++)
        if (i != 2) check_case(&cases[i]);
    uint64_t args[] = {th_f64_word(1e300), 1}, result;
    assert_int_equal(invoke("String.fixed", fixed, args, &result), TH_OK);
    assert_int_equal(((th_str *)th_word_ptr(result))->len, 303);
}

static void ill_formed_texts_are_handled(void **state) {
    (void)state;
    static const char *const unary[] = {"String.upper", "String.reverse", "String.trim", "String.capitalize",
                                        "String.normalize"};
    static const char *const lists[] = {"String.chars", "String.graphemes", "String.words", "String.lines"};
    static const char *const bad[] = {"\xff",         "a\xc3",      "\xe4\xb8",    "\x80\x80 \xf0\x9f",
                                      "\xed\xa0\x80", "ok\xc0\xaf", "\xc3\xa9\xc3"};
    for (size_t i = 0; i < TH_COUNT(bad); i++) {
        uint64_t result, args[] = {string_word(bad[i]), 0, 2};
        for (size_t k = 0; k < TH_COUNT(unary); k++) assert_int_equal(invoke(unary[k], S_S, args, &result), TH_OK);
        for (size_t k = 0; k < TH_COUNT(lists); k++) assert_int_equal(invoke(lists[k], S_L, args, &result), TH_OK);
        assert_int_equal(invoke("String.slice", "Function<String, i64, i64, String>", args, &result), TH_OK);
        assert_int_equal(invoke("String.is_valid", S_B, args, &result), TH_OK);
        assert_int_equal(result, 0);
        assert_int_equal(invoke("String.length", S_I, args, &result), TH_OK);
        uint64_t count = result;
        assert_int_equal(invoke("String.chars", S_L, args, &result), TH_OK);
        assert_int_equal(((th_list *)th_word_ptr(result))->len, count);
    }
}

static void core_turns_values_into_text(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"Core.text", "Function<i64, String>", {"-9223372036854775808"}, "'-9223372036854775808'"},
        {"Core.text", "Function<f64, String>", {"2"}, "'2.0'"},
        {"Core.text", "Function<bool, String>", {"true"}, "'true'"},
        {"Core.text", "Function<String, String>", {"\"a'b\""}, "'a\\'b'"},
        {"Core.text", "Function<List<String>, String>", {"[\"a\"]"}, "'[\\'a\\']'"},
        {"Core.text", "Function<Severity, String>", {"\"HIGH\""}, "'HIGH'"},
        {"Core.quoted", "Function<String, String>", {"\"a\""}, "'\\'a\\''"},
        {"Core.type_name", "Function<List<i64?>, String>", {"[]"}, "'List<i64?>'"},
        {"Core.parse_i64", S_I, {"\"42\""}, "42"},
        {"Core.parse_i64",
         S_I,
         {"\"9223372036854775808\""},
         "!'9223372036854775808' is not a whole number that fits i64"},
        {"Core.parse_i64", S_I, {"\"12x\""}, "!'12x' is not"},
        {"Core.parse_f64", "Function<String, f64>", {"\"2.5e3\""}, "2500.0"},
        {"Core.parse_f64", "Function<String, f64>", {"\"\""}, "!'' is not a number"},
        {"Core.parse_bool", S_B, {"\"true\""}, "true"},
        {"Core.parse_bool", S_B, {"\"yes\""}, "!'yes' is not 'true' or 'false'"},
        {"Core.try_i64", "Function<String, i64?>", {"\"x\""}, "null"},
        {"Core.try_i64", "Function<String, i64?>", {"\"-3\""}, "-3"},
        {"Core.try_f64", "Function<String, f64?>", {"\"0.5\""}, "0.5"},
        {"Core.try_bool", "Function<String, bool?>", {"\"false\""}, "false"},
        {"Core.parse_enum", "Function<String, Severity>", {"\"HIGH\""}, "HIGH"},
        {"Core.parse_enum", "Function<String, Severity>", {"\"MID\""}, "!'MID' is no member of Severity"},
        {"Core.parse_enum", "Function<String, i64>", {"\"MID\""}, "!i64 is no enum"},
        {"Core.enum_values", "Function<List<Severity>>", {NULL}, "[LOW, HIGH]"},
        {"Core.equal", "Function<List<i64>, List<i64>, bool>", {"[1, 2]", "[1, 2]"}, "true"},
        {"Core.compare", "Function<List<i64>, List<i64>, i64>", {"[1, 2]", "[1, 3]"}, "-1"},
        {"Core.copy", "Function<List<List<i64>>, List<List<i64>>>", {"[[1], []]"}, "[[1], []]"},
        {"Core.fail", "Function<String, void>", {"\"no data\""}, "!no data"},
    };
    CHECK_CASES(cases);
}

static th_buf written;
static th_status collect(void *user, const char *bytes, size_t len) {
    (void)user;
    th_buf_put(&written, bytes, len);
    return TH_OK;
}
static th_status refuse(void *user, const char *bytes, size_t len) {
    (void)user;
    (void)bytes;
    return len ? TH_E_IO : TH_OK;
}

static void print_writes_plain_text_and_a_newline(void **state) {
    (void)state;
    uint64_t result, text[] = {string_word("a'b")}, number[] = {th_f64_word(3.0)},
                     list[] = {value("List<String>", "[\"x\"]")};
    th_buf_init(&written, &b.mem);
    th_machine_set_output(b.machine, collect, NULL);
    assert_int_equal(invoke("Core.print", "Function<String, void>", text, &result), TH_OK);
    assert_int_equal(invoke("Core.write", "Function<f64, void>", number, &result), TH_OK);
    assert_int_equal(invoke("IO.print", "Function<List<String>, void>", list, &result), TH_OK);
    assert_int_equal(invoke("Core.print", "Function<void>", list, &result), TH_OK);
    assert_int_equal(th_machine_flush(b.machine), TH_OK);
    assert_string_equal(written.data, "a'b\n3.0['x']\n\n");
    th_buf_clear(&written);
}

static void a_closed_output_is_an_error(void **state) {
    (void)state;
    uint64_t result, text[] = {string_word("x")};
    th_machine_set_output(b.machine, refuse, NULL);
    th_status status = invoke("Core.print", "Function<String, void>", text, &result);
    if (status == TH_OK) status = invoke("IO.flush", "Function<void>", text, &result);
    assert_int_equal(status, TH_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(string_asks_about_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(string_cuts_by_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(string_makes_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(string_changes_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(string_writes_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(ill_formed_texts_are_handled, setup, teardown),
        cmocka_unit_test_setup_teardown(core_turns_values_into_text, setup, teardown),
        cmocka_unit_test_setup_teardown(print_writes_plain_text_and_a_newline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_output_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
