/*
** machine_value.c - values as text, deep equality, order, hash and copy; cyclic values.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

static void check_text(const char *type, const char *json, uint32_t flags, const char *want) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(b.machine));
    assert_int_equal(th_value_print(b.machine, type_named(type), value(type, json), flags, &buf), TH_OK);
    assert_string_equal(buf.data, want);
    th_buf_clear(&buf);
}

static void values_print_as_programs_write_them(void **state) {
    (void)state;
    check_text("i64", "-5", TH_PRINT_PLAIN, "-5");
    check_text("f64", "1", TH_PRINT_PLAIN, "1.0");
    check_text("f64", "0.1", TH_PRINT_PLAIN, "0.1");
    check_text("f32", "0.1", TH_PRINT_PLAIN, "0.1");
    check_text("bool", "false", TH_PRINT_PLAIN, "false");
    check_text("String", "\"a'b\"", TH_PRINT_PLAIN, "a'b");
    check_text("String", "\"a'b\\n\\u0001\"", TH_PRINT_QUOTED, "'a\\'b\\n\\u{1}'");
    check_text("Symbol", "\"ok\"", TH_PRINT_PLAIN, ":ok");
    check_text("Symbol", "\"not ok\"", TH_PRINT_PLAIN, ":'not ok'");
    check_text("List<String>", "[\"a\", \"b\"]", TH_PRINT_PLAIN, "['a', 'b']");
    check_text("List<i64>", "[]", TH_PRINT_PLAIN, "[]");
    check_text("Dict<String, i64>", "{\"a\": 1, \"b c\": 2, \"\": 3}", TH_PRINT_PLAIN, "{a: 1, 'b c': 2, '': 3}");
    check_text("Dict<Severity, bool>", "{\"LOW\": true}", TH_PRINT_PLAIN, "{LOW: true}");
    check_text("Tuple<i64, String>", "[1, \"a\"]", TH_PRINT_PLAIN, "{1, 'a'}");
    check_text("Point", "{\"x\": 1, \"y\": 2}", TH_PRINT_PLAIN, "@Point { x: 1, y: 2 }");
    check_text("Severity", "\"HIGH\"", TH_PRINT_PLAIN, "HIGH");
    check_text("i64?", "null", TH_PRINT_PLAIN, "null");
    check_text("List<i64?>", "[1, null]", TH_PRINT_PLAIN, "[1, null]");
    check_text("Variadic<i64, String>", "\"x\"", TH_PRINT_PLAIN, "x");
    check_text("List<Variadic<i64, String>>", "[\"x\", 1]", TH_PRINT_PLAIN, "['x', 1]");
}

static void values_print_over_several_lines(void **state) {
    (void)state;
    check_text("List<Point>", "[{\"x\": 1, \"y\": 2}]", TH_PRINT_PRETTY, "[\n  @Point {\n    x: 1,\n    y: 2\n  }\n]");
    check_text("Dict<String, List<i64>>", "{\"a\": [], \"b\": [1]}", TH_PRINT_JSON | TH_PRINT_PRETTY,
               "{\n  \"a\": [],\n  \"b\": [\n    1\n  ]\n}");
}

static void what_has_no_json_form_is_refused(void **state) {
    (void)state;
    th_buf buf;
    th_error err;
    th_buf_init(&buf, th_machine_mem(b.machine));
    assert_int_equal(th_value_print(b.machine, type_named("Function<i64>"), 0, TH_PRINT_JSON, &buf), TH_E_UNSUPPORTED);
    assert_true(th_machine_take_trap(b.machine, &err));
    assert_string_equal(err.message, "a function has no JSON form");
    th_buf_clear(&buf);
}

/* Two nodes that refer to each other, or a ring of n. */
static uint64_t ring(size_t n) {
    th_type_id type = type_named("Node");
    th_record *first = NULL, *last = NULL;
    for (size_t i = 0; i < n; i++) {
        th_record *node = th_new_record(b.machine, type, 2);
        node->slots[0] = 7;
        if (last)
            th_record_set(b.machine, last, 1, th_ptr_word(node));
        else
            first = node;
        last = node;
    }
    th_record_set(b.machine, last, 1, th_ptr_word(first));
    return th_ptr_word(first);
}

static void cyclic_values_print(void **state) {
    (void)state;
    assert_string_equal(shown(type_named("Node"), ring(1)), "@Node { value: 7, next: ... }");
    assert_string_equal(shown(type_named("Node"), ring(2)), "@Node { value: 7, next: @Node { value: 7, next: ... } }");
    const char *text = shown(type_named("Node"), ring(100));
    assert_int_equal(strlen(text), 100 * strlen("@Node { value: 7, next: ") + 100 * strlen(" }") + strlen("..."));
}

static void cyclic_values_compare_hash_and_copy(void **state) {
    (void)state;
    th_type_id type = type_named("Node");
    bool equal;
    int order;
    uint64_t one = ring(3), two = ring(5), x, y, copy;
    assert_int_equal(th_value_equal(b.machine, type, one, two, &equal), TH_OK);
    assert_true(equal);
    assert_int_equal(th_value_equal(b.machine, type, ring(100003), ring(70001), &equal), TH_OK);
    assert_true(equal);
    assert_int_equal(th_value_hash(b.machine, type, one, &x), TH_OK);
    assert_int_equal(th_value_hash(b.machine, type, two, &y), TH_OK);
    assert_int_equal(x, y);
    assert_int_equal(th_value_copy(b.machine, type, two, &copy), TH_OK);
    th_record *node = th_word_ptr(copy);
    for (size_t i = 0; i < 5; i++) node = th_word_ptr(node->slots[1]);
    assert_ptr_equal(node, th_word_ptr(copy));
    node->slots[0] = 8;
    assert_int_equal(((th_record *)th_word_ptr(two))->slots[0], 7);
    assert_int_equal(th_value_compare(b.machine, type, two, copy, &order), TH_OK);
    assert_int_equal(order, -1);
}

/* Each level holds the one below twice: 2^60 paths, 60 objects. */
static uint64_t tower(th_type_id type, size_t levels) {
    uint64_t below = 0;
    for (size_t i = 0; i < levels; i++) {
        th_record *fork = th_new_record(b.machine, type, 2);
        assert_non_null(fork);
        th_record_set(b.machine, fork, 0, below);
        th_record_set(b.machine, fork, 1, below);
        below = th_ptr_word(fork);
    }
    return below;
}

static void shared_values_are_compared_and_copied_once(void **state) {
    (void)state;
    th_types *types = th_machine_types(b.machine);
    th_type_id type, option;
    th_view names[] = {view("left"), view("right")};
    assert_int_equal(th_types_declare(types, TH_KIND_STRUCT, view("Fork"), &type), TH_OK);
    assert_int_equal(th_types_option(types, type, &option), TH_OK);
    assert_int_equal(th_types_define(types, type, (th_type_id[]){option, option}, 2, names, 2), TH_OK);
    uint64_t one = tower(type, 60), two = tower(type, 60), copy;
    bool equal;
    int order;
    assert_int_equal(th_value_equal(b.machine, type, one, two, &equal), TH_OK);
    assert_true(equal);
    assert_int_equal(th_value_compare(b.machine, type, one, tower(type, 59), &order), TH_OK);
    assert_int_equal(order, 1);
    assert_int_equal(th_value_copy(b.machine, type, one, &copy), TH_OK);
    const th_record *top = th_word_ptr(copy);
    assert_int_equal(top->slots[0], top->slots[1]);
    assert_int_not_equal(top->slots[0], ((th_record *)th_word_ptr(one))->slots[0]);
}

static int order_of(const char *type, const char *x, const char *y) {
    int order = 9;
    th_type_id id = type_named(type);
    assert_int_equal(th_value_compare(b.machine, id, value(type, x), value(type, y), &order), TH_OK);
    bool equal;
    assert_int_equal(th_value_equal(b.machine, id, value(type, x), value(type, y), &equal), TH_OK);
    assert_int_equal(equal, order == 0);
    uint64_t p, q;
    assert_int_equal(th_value_hash(b.machine, id, value(type, x), &p), TH_OK);
    assert_int_equal(th_value_hash(b.machine, id, value(type, y), &q), TH_OK);
    if (equal)
        assert_int_equal(p, q);
    else
        assert_int_not_equal(p, q);
    return order;
}

static void values_have_an_order(void **state) {
    (void)state;
    assert_int_equal(order_of("i64", "-1", "1"), -1);
    assert_int_equal(order_of("i8", "-1", "1"), -1);
    assert_int_equal(order_of("f64", "0.0", "-0.0"), 0);
    assert_int_equal(order_of("f64", "1.5", "-2"), 1);
    assert_int_equal(order_of("String", "\"a\"", "\"ab\""), -1);
    assert_int_equal(order_of("String", "\"\u00e9\"", "\"z\""), 1);
    assert_int_equal(order_of("List<i64>", "[1, 2]", "[1, 2, 0]"), -1);
    assert_int_equal(order_of("List<i8>", "[-1]", "[1]"), -1);
    assert_int_equal(order_of("List<String>", "[\"b\"]", "[\"a\", \"c\"]"), 1);
    assert_int_equal(order_of("Tuple<i64, String>", "[1, \"a\"]", "[1, \"b\"]"), -1);
    assert_int_equal(order_of("i64?", "null", "-5"), -1);
    assert_int_equal(order_of("i64?", "3", "3"), 0);
    assert_int_equal(order_of("Point", "{\"x\": 1, \"y\": 3}", "{\"x\": 1, \"y\": 2}"), 1);
    assert_int_equal(order_of("Severity", "\"LOW\"", "\"HIGH\""), -1);
    assert_int_equal(order_of("Dict<String, i64>", "{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1}"), 0);
    assert_int_equal(order_of("Dict<String, i64>", "{\"a\": 1}", "{\"a\": 2}"), -1);
    assert_int_equal(order_of("Dict<String, i64>", "{\"b\": 1}", "{\"a\": 2}"), 1);
    assert_int_equal(order_of("Dict<i64, List<i64>>", "{\"1\": [2], \"0\": [1]}", "{\"0\": [1], \"1\": [2]}"), 0);
    assert_int_equal(order_of("Variadic<i64, String>", "5", "\"a\""), -1);
    assert_int_equal(order_of("List<Variadic<i64, String>>", "[\"a\"]", "[\"a\"]"), 0);
}

static void nan_equals_itself_and_comes_last(void **state) {
    (void)state;
    int order;
    uint64_t nan = th_f64_word(__builtin_nan("")), huge = th_f64_word(1e300);
    assert_int_equal(th_value_compare(b.machine, TH_TYPE_F64, nan, nan, &order), TH_OK);
    assert_int_equal(order, 0);
    assert_int_equal(th_value_compare(b.machine, TH_TYPE_F64, nan, huge, &order), TH_OK);
    assert_int_equal(order, 1);
}

static void functions_have_no_order(void **state) {
    (void)state;
    th_type_id type = type_named("Function<i64>");
    int order;
    th_error err;
    assert_int_equal(th_value_compare(b.machine, type, 16, 16, &order), TH_OK);
    assert_int_equal(th_value_compare(b.machine, type, 16, 32, &order), TH_E_TYPE);
    assert_true(th_machine_take_trap(b.machine, &err));
    assert_string_equal(err.message, "functions have no order");
}

static void copies_are_deep(void **state) {
    (void)state;
    const char *type = "Dict<String, List<Point>>";
    uint64_t original = value(type, "{\"a\": [{\"x\": 1, \"y\": 2}]}"), copy;
    assert_int_equal(th_value_copy(b.machine, type_named(type), original, &copy), TH_OK);
    const uint64_t *list = th_dict_find(th_word_ptr(copy), string_word("a"));
    th_record *point = th_word_ptr(((th_list *)th_word_ptr(*list))->words[0]);
    th_record_set(b.machine, point, 0, 99);
    assert_string_equal(shown(type_named(type), original), "{a: [@Point { x: 1, y: 2 }]}");
    assert_string_equal(shown(type_named(type), copy), "{a: [@Point { x: 99, y: 2 }]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_print_as_programs_write_them, setup, teardown),
        cmocka_unit_test_setup_teardown(values_print_over_several_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_no_json_form_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(cyclic_values_print, setup, teardown),
        cmocka_unit_test_setup_teardown(cyclic_values_compare_hash_and_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(shared_values_are_compared_and_copied_once, setup, teardown),
        cmocka_unit_test_setup_teardown(values_have_an_order, setup, teardown),
        cmocka_unit_test_setup_teardown(nan_equals_itself_and_comes_last, setup, teardown),
        cmocka_unit_test_setup_teardown(functions_have_no_order, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_are_deep, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
