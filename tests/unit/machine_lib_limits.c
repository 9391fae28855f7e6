/*
** machine_lib_limits.c - fuel, memory, time and cancellation hold inside builtins.
** SPDX-License-Identifier: Apache-2.0
*/
#include "../support/faulty.h"
#include "machine_lib_test.h"

/* Calls that would take for ever or need more memory than there is. */
typedef struct big_call {
    const char *name, *type, *args[4];
} big_call;
static const big_call big_calls[] = {
    {"List.fill", "Function<i64, i64, List<i64>>", {"10000000000", "1"}},
    {"List.range", "Function<i64, i64, List<i64>>", {"0", "10000000000"}},
    {"List.repeat", "Function<List<i64>, i64, List<i64>>", {"[1, 2, 3]", "10000000000"}},
    {"List.resize", "Function<List<i64>, i64, i64, void>", {"[1]", "10000000000", "0"}},
    {"String.repeat", "Function<String, i64, String>", {"\"x\"", "2000000000"}},
    {"String.pad_left", "Function<String, i64, String>", {"\"x\"", "2000000000"}},
};

static th_status make_big_call(const big_call *c) {
    th_type_id type = type_named(c->type);
    const th_types *types = th_machine_types(b.machine);
    uint64_t args[4] = {0}, result;
    for (size_t i = 0; i < th_types_nparams(types, type); i++)
        args[i] = value_of(th_types_param(types, type, i), c->args[i]);
    return invoke_typed(c->name, type, args, &result);
}

static void memory_is_asked_for_before_it_is_used(void **state) {
    (void)state;
    for (size_t i = 0; i < TH_COUNT(big_calls); i++) {
        th_limits limits = {.fuel = -1, .memory_bytes = 8 << 20};
        bench_open(&limits);
        if (make_big_call(&big_calls[i]) != TH_E_MEMORY_LIMIT) fail_msg("%s: %s", big_calls[i].name, b.error.message);
        assert_true(b.mem.peak_bytes < (16u << 20));
        bench_close();
    }
}

static void fuel_is_asked_for_before_it_is_used(void **state) {
    (void)state;
    for (size_t i = 0; i < TH_COUNT(big_calls); i++) {
        th_limits limits = {.fuel = 1000000};
        bench_open(&limits);
        if (make_big_call(&big_calls[i]) != TH_E_FUEL) fail_msg("%s: %s", big_calls[i].name, b.error.message);
        assert_true(b.mem.peak_bytes < (16u << 20));
        bench_close();
    }
}

static uint64_t long_text(size_t n, char c) {
    th_str *s = th_new_str(b.machine, n);
    assert_non_null(s);
    memset(s->bytes, c, n);
    return th_ptr_word(s);
}

static uint64_t long_list(size_t n) {
    th_list *list = th_lib_new_list(b.machine, type_named("List<i64>"), n);
    assert_non_null(list);
    for (size_t i = 0; i < n; i++) list->words[i] = th_hash_word(i);
    return th_ptr_word(list);
}

/* Work on what is there already: each must stop for want of fuel, and leave its arguments whole. */
static void work_in_proportion_to_the_data_is_charged(void **state) {
    (void)state;
    static const struct {
        const char *name, *type;
        int second;
    } calls[] = {
        {"List.sort", "Function<List<i64>, void>", 0},        {"List.sorted", "Function<List<i64>, List<i64>>", 0},
        {"List.unique", "Function<List<i64>, List<i64>>", 0}, {"List.reverse", "Function<List<i64>, void>", 0},
        {"Core.text", "Function<List<i64>, String>", 0},      {"Core.copy", "Function<List<i64>, List<i64>>", 0},
        {"Json.text", "Function<List<i64>, String>", 0},      {"Core.hash", "Function<List<i64>, i64>", 0},
    };
    for (size_t i = 0; i < TH_COUNT(calls); i++) {
        th_limits limits = {.fuel = 20000};
        bench_open(&limits);
        uint64_t args[] = {long_list(200000)}, before[2], result;
        memcpy(before, ((th_list *)th_word_ptr(args[0]))->words, sizeof before);
        if (invoke(calls[i].name, calls[i].type, args, &result) != TH_E_FUEL)
            fail_msg("%s was not charged", calls[i].name);
        assert_memory_equal(before, ((th_list *)th_word_ptr(args[0]))->words, sizeof before);
        bench_close();
    }
}

static void texts_are_charged_by_their_length(void **state) {
    (void)state;
    static const struct {
        const char *name, *type, *second;
    } calls[] = {
        {"String.upper", "Function<String, String>", NULL},
        {"String.chars", "Function<String, List<String>>", NULL},
        {"String.split", "Function<String, String, List<String>>", "a"},
        {"String.replace", "Function<String, String, String, String>", "a"},
        {"String.levenshtein", "Function<String, String, i64>", "aaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"String.reverse", "Function<String, String>", NULL},
        {"Regex.matches", "Function<String, String, bool>", "(a*)*b"},
        {"Regex.find_all", "Function<String, String, List<String>>", "a"},
        {"Regex.replace", "Function<String, String, String, String>", "a"},
        {"Json.is_valid", "Function<String, bool>", NULL},
    };
    for (size_t i = 0; i < TH_COUNT(calls); i++) {
        th_limits limits = {.fuel = 20000};
        bench_open(&limits);
        uint64_t args[] = {long_text(200000, 'a'), calls[i].second ? string_word(calls[i].second) : 0,
                           string_word("bbbbbbbbbbbbbbbb")},
                 result;
        if (invoke(calls[i].name, calls[i].type, args, &result) != TH_E_FUEL)
            fail_msg("%s was not charged", calls[i].name);
        bench_close();
    }
}

static void cancelling_stops_a_long_sort(void **state) {
    (void)state;
    bench_open(NULL);
    uint64_t args[] = {long_list(300000)}, result;
    th_machine_cancel(b.machine);
    assert_int_equal(invoke("List.sort", "Function<List<i64>, void>", args, &result), TH_E_CANCELLED);
    th_machine_uncancel(b.machine);
    assert_int_equal(invoke("List.sort", "Function<List<i64>, void>", args, &result), TH_OK);
    bench_close();
}

/* The same calls need the same fuel, whatever was done before. */
static void charges_are_the_same_each_time(void **state) {
    (void)state;
    static const char *const patterns[] = {"(a|b)*c", "a+", "(?i)x|a{3}"};
    int64_t first = 0;
    for (int round = 0; round < 2; round++) {
        bench_open(NULL);
        uint64_t result;
        if (round == 1) { /* a warm machine */
            uint64_t args[] = {long_text(999, 'b'), string_word("(a|b)*c")};
            assert_int_equal(invoke("Regex.matches", "Function<String, String, bool>", args, &result), TH_OK);
        }
        int64_t before = th_machine_fuel_used(b.machine);
        for (size_t i = 0; i < TH_COUNT(patterns); i++) {
            uint64_t args[] = {long_text(3000, 'a'), string_word(patterns[i])};
            assert_int_equal(invoke("Regex.count", "Function<String, String, i64>", args, &result), TH_OK);
        }
        int64_t used = th_machine_fuel_used(b.machine) - before;
        if (round == 0)
            first = used;
        else
            assert_int_equal(used, first);
        bench_close();
    }
}

/* Each builtin that allocates, with the n-th allocation refused, for every n. */
static faulty allocator;

static void failing_allocations_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *name, *type;
        const char *args[3];
    } calls[] = {
        {"Json.decode",
         "Function<String, List<Dict<String, Point>>>",
         {"\"[{\\\"a\\\": {\\\"x\\\": 1, \\\"y\\\": 2, \\\"\\\\u0041\\\": 0}}]\""}},
        {"List.sorted",
         "Function<List<String>, List<String>>",
         {"[\"b\", \"a\", \"c\", \"d\", \"f\", \"e\", \"g\", \"i\", \"h\"]"}},
        {"List.unique", "Function<List<i64>, List<i64>>", {"[1, 2, 1]"}},
        {"Regex.captures", "Function<String, String, List<String?>?>", {"\"k=v\"", "\"(.)=(.)\""}},
        {"Regex.replace", "Function<String, String, String, String>", {"\"k=v\"", "\"(.)=\"", "\"$1\""}},
        {"String.format", "Function<String, List<i64>, String>", {"\"{:>90}\"", "[1]"}},
        {"Core.copy", "Function<List<Point>, List<Point>>", {"[{\"x\": 1, \"y\": 2}]"}},
        {"Random.new", "Function<i64, Random>", {"1"}},
    };
    for (size_t i = 0; i < TH_COUNT(calls); i++)
        for (size_t n = 0;; n++) {
            bench_open(NULL);
            th_type_id type = type_named(calls[i].type);
            uint64_t args[3] = {0}, result;
            for (size_t k = 0; k < th_types_nparams(th_machine_types(b.machine), type); k++)
                args[k] = value_of(th_types_param(th_machine_types(b.machine), type, k), calls[i].args[k]);
            b.mem.alloc = faulty_alloc;
            b.mem.user = &allocator;
            faulty_allow(&allocator, n);
            th_status status = invoke_typed(calls[i].name, type, args, &result);
            faulty_off(&allocator);
            if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
            bench_close();
            if (status == TH_OK) break;
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_asked_for_before_it_is_used),
        cmocka_unit_test(fuel_is_asked_for_before_it_is_used),
        cmocka_unit_test(work_in_proportion_to_the_data_is_charged),
        cmocka_unit_test(texts_are_charged_by_their_length),
        cmocka_unit_test(cancelling_stops_a_long_sort),
        cmocka_unit_test(charges_are_the_same_each_time),
        cmocka_unit_test(failing_allocations_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
