/*
** machine_lib_list.c - the builtins of List and Dict: sorting, searching, cutting, changing in place.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

#define L_L  "Function<List<i64>, List<i64>>"
#define LI_L "Function<List<i64>, i64, List<i64>>"
#define L_V  "Function<List<i64>, void>"

static void sorting_orders_every_kind_of_element(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"List.sorted",
         L_L,
         {"[3, -1, 2, -9223372036854775808, 9223372036854775807]"},
         "[-9223372036854775808, -1, 2, 3, 9223372036854775807]"},
        {"List.sorted", L_L, {"[]"}, "[]"},
        {"List.sorted", "Function<List<f64>, List<f64>>", {"[2.5, -1, 0, -1e300]"}, "[-1e+300, -1.0, 0.0, 2.5]"},
        {"List.sorted", "Function<List<f32>, List<f32>>", {"[2.5, -1]"}, "[-1.0, 2.5]"},
        {"List.sorted", "Function<List<i8>, List<i8>>", {"[5, -128, 127]"}, "[-128, 5, 127]"},
        {"List.sorted", "Function<List<bool>, List<bool>>", {"[true, false]"}, "[false, true]"},
        {"List.sorted",
         "Function<List<String>, List<String>>",
         {"[\"b\", \"\u00e9\", \"\", \"abcdefghZ\", \"abcdefghA\"]"},
         "['', 'abcdefghA', 'abcdefghZ', 'b', '\u00e9']"},
        {"List.sorted", "Function<List<i64?>, List<i64?>>", {"[2, null, 1]"}, "[null, 1, 2]"},
        {"List.sorted", "Function<List<String?>, List<String?>>", {"[\"b\", null, \"a\"]"}, "[null, 'a', 'b']"},
        {"List.sorted", "Function<List<List<i64>>, List<List<i64>>>", {"[[2], [1, 5], [1]]"}, "[[1], [1, 5], [2]]"},
        {"List.sorted", "Function<List<Severity>, List<Severity>>", {"[\"HIGH\", \"LOW\"]"}, "[LOW, HIGH]"},
        {"List.sorted",
         "Function<List<Point>, List<Point>>",
         {"[{\"x\": 2, \"y\": 0}, {\"x\": 1, \"y\": 9}]"},
         "[@Point { x: 1, y: 9 }, @Point { x: 2, y: 0 }]"},
        {"List.sort", L_V, {"[3, 1, 2]"}, "@[1, 2, 3]"},
        {"List.is_sorted", "Function<List<i64>, bool>", {"[1, 2, 2]"}, "true"},
        {"List.is_sorted", "Function<List<i64>, bool>", {"[2, 1]"}, "false"},
    };
    CHECK_CASES(cases);
}

static uint64_t next_random(uint64_t *seed) { return th_hash_word(*seed += 0x9e3779b97f4a7c15u); }

static int compare_words(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static th_list *random_list(size_t n, uint64_t range, uint64_t seed) {
    th_list *list = th_lib_new_list(b.machine, type_named("List<i64>"), n);
    assert_non_null(list);
    for (size_t i = 0; i < n; i++) list->words[i] = next_random(&seed) % range - range / 2;
    return list;
}

static void sorting_agrees_with_the_c_library(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 47, 48, 49, 200, 5000};
    for (size_t k = 0; k < TH_COUNT(sizes); k++) {
        th_list *list = random_list(sizes[k], k % 2 ? UINT64_MAX : 100, k);
        int64_t *copy = malloc(sizes[k] * sizeof *copy);
        memcpy(copy, list->i64, sizes[k] * sizeof *copy);
        qsort(copy, sizes[k], sizeof *copy, compare_words);
        uint64_t args[] = {th_ptr_word(list)}, result;
        assert_int_equal(invoke("List.sort", L_V, args, &result), TH_OK);
        assert_memory_equal(copy, list->i64, sizes[k] * sizeof *copy);
        free(copy);
    }
}

static int64_t calls;
static uint64_t by_last_digit(const uint64_t *args, size_t nargs) {
    assert_int_equal(nargs, 2);
    calls++;
    return (uint64_t)((int64_t)(args[0] % 10) - (int64_t)(args[1] % 10));
}

static void sort_by_is_stable_and_asks_n_log_n_times(void **state) {
    (void)state;
    const char *type = "Function<List<i64>, Function<i64, i64, i64>, List<i64>>";
    b.closure = by_last_digit;
    for (size_t n = 0; n < 300; n = n * 2 + 1) {
        th_list *list = th_lib_new_list(b.machine, type_named("List<i64>"), n);
        uint64_t seed = n;
        for (size_t i = 0; i < n; i++) list->words[i] = i * 10 + next_random(&seed) % 10;
        uint64_t args[] = {th_ptr_word(list), 0}, result;
        calls = 0;
        assert_int_equal(invoke("List.sort_by", type, args, &result), TH_OK);
        const th_list *sorted = th_word_ptr(result);
        assert_int_equal(sorted->len, n);
        for (size_t i = 1; i < n; i++) {
            uint64_t x = sorted->words[i - 1], y = sorted->words[i];
            assert_true(x % 10 < y % 10 || (x % 10 == y % 10 && x < y));
        }
        assert_true(calls <= 10 * (int64_t)n + 10);
    }
}

static void sort_by_leaves_sorted_lists_in_n_questions(void **state) {
    (void)state;
    th_list *list = th_lib_new_list(b.machine, type_named("List<i64>"), 1000);
    for (size_t i = 0; i < 1000; i++) list->words[i] = 7;
    uint64_t args[] = {th_ptr_word(list), 0}, result;
    b.closure = by_last_digit;
    calls = 0;
    assert_int_equal(invoke("List.sort_by", "Function<List<i64>, Function<i64, i64, i64>, List<i64>>", args, &result),
                     TH_OK);
    assert_true(calls < 1100);
}

static void searching_finds_equal_elements(void **state) {
    (void)state;
    const char *index = "Function<List<i64>, i64, i64?>";
    const lib_case cases[] = {
        {"List.contains", "Function<List<i64>, i64, bool>", {"[1, 2]", "2"}, "true"},
        {"List.contains", "Function<List<List<i64>>, List<i64>, bool>", {"[[1], [2]]", "[2]"}, "true"},
        {"List.contains", "Function<List<String>, String, bool>", {"[\"a\"]", "\"b\""}, "false"},
        {"List.index_of", index, {"[4, 5, 5]", "5"}, "1"},
        {"List.index_of", index, {"[4]", "5"}, "null"},
        {"List.index_of", "Function<List<i64>, i64, i64, i64?>", {"[4, 5, 5]", "5", "2"}, "2"},
        {"List.last_index_of", index, {"[4, 5, 5]", "5"}, "2"},
        {"List.count", "Function<List<i64>, i64, i64>", {"[4, 5, 5]", "5"}, "2"},
        {"List.count", "Function<List<i64>, i64, i64>", {"[]", "5"}, "0"},
        {"List.binary_search", index, {"[1, 3, 5]", "3"}, "1"},
        {"List.binary_search", index, {"[1, 3, 5]", "6"}, "null"},
        {"List.insertion_point", "Function<List<i64>, i64, i64>", {"[1, 3, 3, 5]", "3"}, "1"},
        {"List.min", "Function<List<i64>, i64?>", {"[3, -1, 2]"}, "-1"},
        {"List.max", "Function<List<String>, String?>", {"[\"a\", \"c\", \"b\"]"}, "'c'"},
        {"List.max", "Function<List<f64>, f64?>", {"[]"}, "null"},
        {"List.max", "Function<List<i64?>, i64?>", {"[null, 4]"}, "4"},
        {"List.get", "Function<List<i64?>, i64, i64?>", {"[7, null]", "1"}, "null"},
        {"List.sum", "Function<List<i64>, i64>", {"[9223372036854775807, 1]"}, "-9223372036854775808"},
        {"List.sum", "Function<List<f64>, f64>", {"[1.5, 2.5]"}, "4.0"},
        {"List.mean", "Function<List<i64>, f64?>", {"[1, 2]"}, "1.5"},
        {"List.mean", "Function<List<f64>, f64?>", {"[]"}, "null"},
        {"List.first", "Function<List<i64>, i64?>", {"[7, 8]"}, "7"},
        {"List.last", "Function<List<String>, String?>", {"[\"a\", \"b\"]"}, "'b'"},
        {"List.last", "Function<List<i64>, i64?>", {"[]"}, "null"},
        {"List.get", "Function<List<i64>, i64, i64?>", {"[7]", "-1"}, "null"},
    };
    CHECK_CASES(cases);
}

static void new_lists_are_made_of_old_ones(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"List.slice", "Function<List<i64>, i64, i64, List<i64>>", {"[1, 2, 3, 4]", "1", "-1"}, "[2, 3]"},
        {"List.slice", "Function<List<i64>, i64, i64, List<i64>>", {"[1, 2]", "5", "9"}, "[]"},
        {"List.slice", LI_L, {"[1, 2, 3]", "-2"}, "[2, 3]"},
        {"List.take", LI_L, {"[1, 2, 3]", "2"}, "[1, 2]"},
        {"List.take", LI_L, {"[1]", "9"}, "[1]"},
        {"List.take", LI_L, {"[1]", "-1"}, "!cannot be -1"},
        {"List.drop", LI_L, {"[1, 2, 3]", "2"}, "[3]"},
        {"List.concat",
         "Function<List<bool>, List<bool>, List<bool>>",
         {"[true]", "[false, true]"},
         "[true, false, true]"},
        {"List.flatten", "Function<List<List<i64>>, List<i64>>", {"[[1], [], [2, 3]]"}, "[1, 2, 3]"},
        {"List.repeat", LI_L, {"[1, 2]", "3"}, "[1, 2, 1, 2, 1, 2]"},
        {"List.repeat", LI_L, {"[1, 2]", "0"}, "[]"},
        {"List.repeat", LI_L, {"[1, 2]", "9223372036854775807"}, "!is too long"},
        {"List.fill", "Function<i64, bool, List<bool>>", {"2", "true"}, "[true, true]"},
        {"List.fill", "Function<i64, String, List<String>>", {"2", "\"x\""}, "['x', 'x']"},
        {"List.fill", "Function<i64, i64, List<i64>>", {"-1", "0"}, "!cannot be -1"},
        {"List.range", "Function<i64, i64, List<i64>>", {"1", "4"}, "[1, 2, 3]"},
        {"List.range", "Function<i64, i64, List<i64>>", {"4", "1"}, "[]"},
        {"List.range", "Function<i64, i64, i64, List<i64>>", {"5", "0", "-2"}, "[5, 3, 1]"},
        {"List.range", "Function<i64, i64, i64, List<i64>>", {"0", "1", "0"}, "!step 0"},
        {"List.range",
         "Function<i64, i64, i64, List<i64>>",
         {"-9223372036854775808", "9223372036854775807", "9223372036854775807"},
         "[-9223372036854775808, -1, 9223372036854775806]"},
        {"List.range", "Function<i64, i64, List<i64>>", {"-9223372036854775808", "9223372036854775807"}, "!too long"},
        {"List.reversed", L_L, {"[1, 2, 3]"}, "[3, 2, 1]"},
        {"List.unique", L_L, {"[1, 2, 1, 3, 2]"}, "[1, 2, 3]"},
        {"List.unique", "Function<List<f64>, List<f64>>", {"[0.0, -0.0, 1.0]"}, "[0.0, 1.0]"},
        {"List.unique",
         "Function<List<List<String>>, List<List<String>>>",
         {"[[\"a\"], [\"b\"], [\"a\"]]"},
         "[['a'], ['b']]"},
        {"List.zip",
         "Function<List<i64>, List<String>, List<Tuple<i64, String>>>",
         {"[1, 2, 3]", "[\"a\", \"b\"]"},
         "[{1, 'a'}, {2, 'b'}]"},
        {"List.enumerate",
         "Function<List<String>, List<Tuple<i64, String>>>",
         {"[\"a\", \"b\"]"},
         "[{0, 'a'}, {1, 'b'}]"},
        {"List.chunks", "Function<List<i64>, i64, List<List<i64>>>", {"[1, 2, 3]", "2"}, "[[1, 2], [3]]"},
        {"List.chunks", "Function<List<i64>, i64, List<List<i64>>>", {"[1]", "9223372036854775807"}, "[[1]]"},
        {"List.chunks", "Function<List<i64>, i64, List<List<i64>>>", {"[]", "3"}, "[]"},
        {"List.chunks", "Function<List<i64>, i64, List<List<i64>>>", {"[1]", "0"}, "!a chunk of 0"},
    };
    CHECK_CASES(cases);
}

static void lists_are_changed_in_place(void **state) {
    (void)state;
    const char *insert = "Function<List<String>, i64, String, void>", *at = "Function<List<i64>, i64, i64>";
    const lib_case cases[] = {
        {"List.reverse", L_V, {"[1, 2, 3]"}, "@[3, 2, 1]"},
        {"List.insert", insert, {"[\"a\", \"b\"]", "1", "\"x\""}, "@['a', 'x', 'b']"},
        {"List.insert", insert, {"[]", "0", "\"x\""}, "@['x']"},
        {"List.insert", insert, {"[]", "1", "\"x\""}, "!index 1 is outside a list of 0"},
        {"List.remove_at", at, {"[1, 2, 3]", "0"}, "1"},
        {"List.remove_at", at, {"[1, 2, 3]", "1"}, "@[1, 3]"},
        {"List.remove_at", at, {"[1]", "1"}, "!index 1 is outside a list of 1"},
        {"List.remove", "Function<List<i64>, i64, bool>", {"[1, 2, 1]", "1"}, "@[2, 1]"},
        {"List.remove", "Function<List<i64>, i64, bool>", {"[1]", "5"}, "false"},
        {"List.clear", L_V, {"[1]"}, "@[]"},
        {"List.extend", "Function<List<i64>, List<i64>, void>", {"[1]", "[2, 3]"}, "@[1, 2, 3]"},
        {"List.swap", "Function<List<i64>, i64, i64, void>", {"[1, 2, 3]", "0", "2"}, "@[3, 2, 1]"},
        {"List.swap", "Function<List<i64>, i64, i64, void>", {"[1]", "0", "2"}, "!index 2"},
        {"List.set_all", "Function<List<i64>, i64, void>", {"[1, 2]", "9"}, "@[9, 9]"},
        {"List.resize", "Function<List<i64>, i64, i64, void>", {"[1, 2]", "4", "0"}, "@[1, 2, 0, 0]"},
        {"List.resize", "Function<List<i64>, i64, i64, void>", {"[1, 2]", "1", "0"}, "@[1]"},
        {"List.resize", "Function<List<i64>, i64, i64, void>", {"[1]", "-1", "0"}, "!cannot be -1"},
    };
    CHECK_CASES(cases);
}

static void a_list_can_be_extended_by_itself(void **state) {
    (void)state;
    uint64_t list = value("List<i64>", "[1, 2, 3]"), args[] = {list, list}, result;
    assert_int_equal(invoke("List.extend", "Function<List<i64>, List<i64>, void>", args, &result), TH_OK);
    assert_string_equal(shown(type_named("List<i64>"), list), "[1, 2, 3, 1, 2, 3]");
}

static void dicts_are_asked_and_changed(void **state) {
    (void)state;
    const char *get = "Function<Dict<String, i64>, String, i64?>";
    const lib_case cases[] = {
        {"Dict.length", "Function<Dict<String, i64>, i64>", {"{\"a\": 1}"}, "1"},
        {"Dict.is_empty", "Function<Dict<String, i64>, bool>", {"{}"}, "true"},
        {"Dict.has", "Function<Dict<String, i64>, String, bool>", {"{\"a\": 1}", "\"a\""}, "true"},
        {"Dict.get", get, {"{\"a\": 1}", "\"a\""}, "1"},
        {"Dict.get", get, {"{\"a\": 1}", "\"b\""}, "null"},
        {"Dict.get", "Function<Dict<i64, String>, i64, String, String>", {"{\"-5\": \"m\"}", "7", "\"d\""}, "'d'"},
        {"Dict.keys", "Function<Dict<i64, bool>, List<i64>>", {"{\"3\": true, \"1\": false}"}, "[3, 1]"},
        {"Dict.keys", "Function<Dict<bool, i64>, List<bool>>", {"{\"true\": 1, \"false\": 2}"}, "[true, false]"},
        {"Dict.values", "Function<Dict<String, i64>, List<i64>>", {"{\"b\": 2, \"a\": 1}"}, "[2, 1]"},
        {"Dict.entries", "Function<Dict<String, i64>, List<Tuple<String, i64>>>", {"{\"b\": 2}"}, "[{'b', 2}]"},
        {"Dict.from_entries",
         "Function<List<Tuple<String, i64>>, Dict<String, i64>>",
         {"[[\"a\", 1], [\"b c\", 2], [\"a\", 3]]"},
         "{a: 3, 'b c': 2}"},
        {"Dict.from_lists", "Function<List<i64>, List<i64>, Dict<i64, i64>>", {"[1, 2]", "[3, 4]"}, "{1: 3, 2: 4}"},
        {"Dict.from_lists", "Function<List<i64>, List<i64>, Dict<i64, i64>>", {"[1]", "[]"}, "!1 keys and 0 values"},
        {"Dict.merge",
         "Function<Dict<String, i64>, Dict<String, i64>, Dict<String, i64>>",
         {"{\"a\": 1}", "{\"b\": 3, \"a\": 2}"},
         "{a: 2, b: 3}"},
        {"Dict.set", "Function<Dict<Severity, i64>, Severity, i64, void>", {"{}", "\"HIGH\"", "5"}, "@{HIGH: 5}"},
        {"Dict.remove", "Function<Dict<String, i64>, String, bool>", {"{\"a\": 1, \"b\": 2}", "\"a\""}, "@{b: 2}"},
        {"Dict.remove", "Function<Dict<String, i64>, String, bool>", {"{}", "\"a\""}, "false"},
        {"Dict.take", get, {"{\"a\": 1}", "\"a\""}, "1"},
        {"Dict.take", get, {"{\"a\": 1}", "\"a\""}, "@{}"},
        {"Dict.extend",
         "Function<Dict<String, i64>, Dict<String, i64>, void>",
         {"{\"a\": 1}", "{\"a\": 2}"},
         "@{a: 2}"},
    };
    CHECK_CASES(cases);
}

static void a_cleared_dict_can_be_filled_again(void **state) {
    (void)state;
    const char *set = "Function<Dict<i64, i64>, i64, i64, void>";
    uint64_t dict = value("Dict<i64, i64>", "{}"), result;
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 500; i++) {
            uint64_t args[] = {dict, i * 7, round};
            assert_int_equal(invoke("Dict.set", set, args, &result), TH_OK);
        }
        assert_int_equal(((th_dict *)th_word_ptr(dict))->len, 500);
        uint64_t args[] = {dict};
        assert_int_equal(invoke("Dict.clear", "Function<Dict<i64, i64>, void>", args, &result), TH_OK);
        assert_string_equal(shown(type_named("Dict<i64, i64>"), dict), "{}");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sorting_orders_every_kind_of_element, setup, teardown),
        cmocka_unit_test_setup_teardown(sorting_agrees_with_the_c_library, setup, teardown),
        cmocka_unit_test_setup_teardown(sort_by_is_stable_and_asks_n_log_n_times, setup, teardown),
        cmocka_unit_test_setup_teardown(sort_by_leaves_sorted_lists_in_n_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(searching_finds_equal_elements, setup, teardown),
        cmocka_unit_test_setup_teardown(new_lists_are_made_of_old_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_changed_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_can_be_extended_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(dicts_are_asked_and_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cleared_dict_can_be_filled_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
