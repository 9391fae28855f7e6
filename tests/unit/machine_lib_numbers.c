/*
** machine_lib_numbers.c - Math, Random and Time.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

#define F_F  "Function<f64, f64>"
#define FF_F "Function<f64, f64, f64>"
#define I_I  "Function<i64, i64>"
#define II_I "Function<i64, i64, i64>"
#define S_I  "Function<String, i64>"

static void math_computes(void **state) {
    (void)state;
    const lib_case cases[] = {
        {"Math.sqrt", F_F, {"9"}, "3.0"},
        {"Math.sqrt", F_F, {"-1"}, "nan"},
        {"Math.floor", F_F, {"-1.5"}, "-2.0"},
        {"Math.ceil", F_F, {"1.2"}, "2.0"},
        {"Math.round", F_F, {"2.5"}, "3.0"},
        {"Math.round", "Function<f64, i64, f64>", {"2.345", "1"}, "2.3"},
        {"Math.round", "Function<f64, i64, f64>", {"1234.5", "-2"}, "1200.0"},
        {"Math.round", "Function<f64, i64, f64>", {"1e300", "5"}, "1e+300"},
        {"Math.round", "Function<f64, i64, f64>", {"1", "400"}, "!400 decimals"},
        {"Math.abs", F_F, {"-1.5"}, "1.5"},
        {"Math.abs", I_I, {"-9223372036854775808"}, "-9223372036854775808"},
        {"Math.sign", I_I, {"-7"}, "-1"},
        {"Math.min", FF_F, {"1", "2"}, "1.0"},
        {"Math.max", II_I, {"1", "2"}, "2"},
        {"Math.clamp", "Function<i64, i64, i64, i64>", {"-5", "0", "9"}, "0"},
        {"Math.clamp", "Function<f64, f64, f64, f64>", {"5", "9", "1"}, "!a range from 9 to 1 is empty"},
        {"Math.hypot", FF_F, {"3", "4"}, "5.0"},
        {"Math.atan2", FF_F, {"0", "1"}, "0.0"},
        {"Math.gcd", II_I, {"12", "-18"}, "6"},
        {"Math.gcd", II_I, {"0", "0"}, "0"},
        {"Math.lcm", II_I, {"4", "6"}, "12"},
        {"Math.lcm", II_I, {"9223372036854775807", "2"}, "!does not fit i64"},
        {"Math.pow", II_I, {"2", "62"}, "4611686018427387904"},
        {"Math.pow", II_I, {"-2", "63"}, "-9223372036854775808"},
        {"Math.pow", II_I, {"2", "63"}, "!the power of 2 and 63 does not fit i64"},
        {"Math.pow", II_I, {"2", "-1"}, "!negative exponent"},
        {"Math.isqrt", I_I, {"9223372036854775807"}, "3037000499"},
        {"Math.isqrt", I_I, {"-1"}, "!the root of a negative number"},
        {"Math.floor_div", II_I, {"-7", "2"}, "-4"},
        {"Math.floor_mod", II_I, {"-7", "2"}, "1"},
        {"Math.floor_mod", II_I, {"7", "-2"}, "-1"},
        {"Math.floor_mod", FF_F, {"-7.5", "2"}, "0.5"},
        {"Math.floor_div", II_I, {"-9223372036854775808", "-1"}, "-9223372036854775808"},
        {"Math.floor_div", II_I, {"1", "0"}, "!1 is divided by zero"},
        {"Math.divmod", "Function<i64, i64, Tuple<i64, i64>>", {"-7", "2"}, "{-4, 1}"},
        {"Math.add_checked",
         II_I,
         {"9223372036854775807", "1"},
         "!the sum of 9223372036854775807 and 1 does not fit i64"},
        {"Math.mul_checked", II_I, {"3", "-4"}, "-12"},
        {"Math.count_ones", I_I, {"-1"}, "64"},
        {"Math.leading_zeros", I_I, {"0"}, "64"},
        {"Math.trailing_zeros", I_I, {"8"}, "3"},
        {"Math.rotate_left", II_I, {"1", "65"}, "2"},
        {"Math.rotate_right", II_I, {"1", "1"}, "-9223372036854775808"},
        {"Math.is_whole", "Function<f64, bool>", {"2.5"}, "false"},
        {"Math.pi", "Function<f64>", {NULL}, "3.141592653589793"},
        {"Math.infinity", "Function<f64>", {NULL}, "inf"},
        {"Math.nan", "Function<f64>", {NULL}, "nan"},
    };
    CHECK_CASES(cases);
}

static void every_nan_is_the_same(void **state) {
    (void)state;
    uint64_t result, negative[] = {th_f64_word(-1)}, odd[] = {0x7ff8000000001234u};
    assert_int_equal(invoke("Math.sqrt", F_F, negative, &result), TH_OK);
    assert_int_equal(result, 0x7ff8000000000000u);
    assert_int_equal(invoke("Math.from_bits", "Function<i64, f64>", odd, &result), TH_OK);
    assert_int_equal(result, 0x7ff8000000000000u);
}

static void time_knows_the_calendar(void **state) {
    (void)state;
    const char *date = "Function<i64, i64, i64, i64>", *full = "Function<i64, i64, i64, i64, i64, i64, i64>";
    const lib_case cases[] = {
        {"Time.date", date, {"1970", "1", "2"}, "86400000000"},
        {"Time.date", date, {"2024", "2", "29"}, "1709164800000000"},
        {"Time.date", date, {"2023", "2", "29"}, "!there is no time 2023-02-29"},
        {"Time.date", date, {"2023", "13", "1"}, "!there is no time"},
        {"Time.date", date, {"9223372036854775807", "1", "1"}, "!there is no time"},
        {"Time.date", full, {"1969", "12", "31", "23", "59", "59"}, "-1000000"},
        {"Time.date", full, {"2000", "1", "1", "24", "0", "0"}, "!there is no time"},
        {"Time.year", I_I, {"-1"}, "1969"},
        {"Time.month", I_I, {"1709164800000000"}, "2"},
        {"Time.day", I_I, {"1709164800000000"}, "29"},
        {"Time.weekday", I_I, {"1709164800000000"}, "4"},
        {"Time.day_of_year", I_I, {"1709164800000000"}, "60"},
        {"Time.week", I_I, {"-259200000000"}, "1"},
        {"Time.week", I_I, {"1104537600000000"}, "53"},
        {"Time.microsecond", I_I, {"-1"}, "999999"},
        {"Time.add_months", II_I, {"1706659200000000", "1"}, "1709164800000000"},
        {"Time.add_months", II_I, {"0", "-1"}, "-2678400000000"},
        {"Time.add_days", II_I, {"0", "9223372036854775807"}, "!out of range"},
        {"Time.days_between", II_I, {"-1", "0"}, "1"},
        {"Time.start_of_week", I_I, {"0"}, "-259200000000"},
        {"Time.start_of_month", I_I, {"1709164800000001"}, "1706745600000000"},
        {"Time.is_leap_year", "Function<i64, bool>", {"951782400000000"}, "true"},
        {"Time.parts",
         "Function<i64, Dict<String, i64>>",
         {"3661000001"},
         "{year: 1970, month: 1, day: 1, hour: 1, minute: 1, second: 1, microsecond: 1, weekday: 4, day_of_year: 1}"},
    };
    CHECK_CASES(cases);
}

static void time_is_text_and_back(void **state) {
    (void)state;
    const char *format = "Function<i64, String, String>", *parse_as = "Function<String, String, i64>";
    const lib_case cases[] = {
        {"Time.to_iso", "Function<i64, String>", {"1709210096500000"}, "'2024-02-29T12:34:56.500000Z'"},
        {"Time.to_iso", "Function<i64, String>", {"0"}, "'1970-01-01T00:00:00Z'"},
        {"Time.format",
         format,
         {"1709210096500000", "\"%a %A %d %b %B %Y %H:%M:%S.%f %j %p %I %y %u %e %F %T %V %G %s %%\""},
         "'Thu Thursday 29 Feb February 2024 12:34:56.500000 060 PM 12 24 4 29 2024-02-29 12:34:56 09 2024 1709210096 "
         "%'"},
        {"Time.format", format, {"0", "\"%Q\""}, "!'%Q' is no conversion"},
        {"Time.format", format, {"0", "\"100%\""}, "!'%' is no conversion"},
        {"Time.parse", S_I, {"\"1970-01-02\""}, "86400000000"},
        {"Time.parse", S_I, {"\"2024-02-29T12:34:56.5+02:30\""}, "1709201096500000"},
        {"Time.parse", S_I, {"\"2024-02-29 12:34Z\""}, "1709210040000000"},
        {"Time.parse", S_I, {"\"2024-02-30\""}, "!'2024-02-30' is no time"},
        {"Time.parse", S_I, {"\"2024-02-29T\""}, "!is no time"},
        {"Time.parse", S_I, {"\"\""}, "!'' is no time"},
        {"Time.parse", parse_as, {"\"29.02.2024 3:05 PM\"", "\"%d.%m.%Y %I:%M %p\""}, "1709219100000000"},
        {"Time.parse", parse_as, {"\"Feb 9, 99\"", "\"%b %d, %y\""}, "918518400000000"},
        {"Time.parse", parse_as, {"\"1709210096\"", "\"%s\""}, "1709210096000000"},
        {"Time.parse", parse_as, {"\"x\"", "\"%d\""}, "!'x' is no time of the form '%d'"},
        {"Time.parse", parse_as, {"\"x\"", "\"%Q\""}, "!'%Q' is no conversion"},
        {"Time.try_parse", "Function<String, i64?>", {"\"x\""}, "null"},
        {"Time.try_parse", "Function<String, String, i64?>", {"\"5\"", "\"%d\""}, "345600000000"},
        {"Time.from_seconds", "Function<f64, i64>", {"1e300"}, "!out of range"},
    };
    CHECK_CASES(cases);
}

/* Every day of a long time has the parts that it was made of, and follows the day before. */
static void every_day_is_itself(void **state) {
    (void)state;
    uint64_t args[4], result;
    int64_t last = 0;
    for (int64_t day = -800000; day <= 800000; day += 37) {
        uint64_t time[] = {(uint64_t)(day * 86400000000)};
        static const char *const parts[] = {"Time.year", "Time.month", "Time.day"};
        for (size_t i = 0; i < 3; i++) assert_int_equal(invoke(parts[i], I_I, time, &args[i]), TH_OK);
        assert_int_equal(invoke("Time.date", "Function<i64, i64, i64, i64>", args, &result), TH_OK);
        assert_int_equal((int64_t)result, day * 86400000000);
        assert_true(day == -800000 || (int64_t)result > last);
        last = (int64_t)result;
    }
}

static void clocks_move(void **state) {
    (void)state;
    uint64_t first, second, now;
    assert_int_equal(invoke("Time.monotonic", "Function<f64>", NULL, &first), TH_OK);
    assert_int_equal(invoke("Time.monotonic", "Function<f64>", NULL, &second), TH_OK);
    assert_true(th_word_f64(second) >= th_word_f64(first));
    assert_int_equal(invoke("Time.now_micros", "Function<i64>", NULL, &now), TH_OK);
    assert_true((int64_t)now > 1600000000000000);
}

static uint64_t generator(int64_t seed) {
    uint64_t args[] = {(uint64_t)seed}, result;
    assert_int_equal(invoke("Random.new", "Function<i64, Random>", args, &result), TH_OK);
    return result;
}

static void a_seed_fixes_the_numbers(void **state) {
    (void)state;
    uint64_t one[] = {generator(42)}, two[] = {generator(42)}, three[] = {generator(43)}, x, y, z;
    size_t same = 0;
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(invoke("Random.next", "Function<Random, i64>", one, &x), TH_OK);
        assert_int_equal(invoke("Random.next", "Function<Random, i64>", two, &y), TH_OK);
        assert_int_equal(invoke("Random.next", "Function<Random, i64>", three, &z), TH_OK);
        assert_int_equal(x, y);
        same += x == z;
    }
    assert_int_equal(same, 0);
}

static void random_numbers_keep_their_range(void **state) {
    (void)state;
    size_t counts[6] = {0};
    uint64_t args[] = {generator(1), 1, 7}, result;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < 6000; i++) {
        assert_int_equal(invoke("Random.integer", "Function<Random, i64, i64, i64>", args, &result), TH_OK);
        assert_in_range(result, 1, 6);
        counts[result - 1]++;
        assert_int_equal(invoke("Random.uniform", "Function<Random, f64>", args, &result), TH_OK);
        assert_true(th_word_f64(result) >= 0 && th_word_f64(result) < 1);
        assert_int_equal(invoke("Random.normal", "Function<Random, f64>", args, &result), TH_OK);
        sum += th_word_f64(result);
        squares += th_word_f64(result) * th_word_f64(result);
    }
    for (size_t i = 0; i < 6; i++) assert_in_range(counts[i], 850, 1150);
    assert_true(sum / 6000 > -0.06 && sum / 6000 < 0.06);
    assert_true(squares / 6000 > 0.92 && squares / 6000 < 1.08);
    uint64_t empty[] = {args[0], 5, 5}, all[] = {args[0], (uint64_t)INT64_MIN, INT64_MAX};
    assert_int_equal(invoke("Random.integer", "Function<Random, i64, i64, i64>", empty, &result), TH_E_ARGUMENT);
    assert_int_equal(invoke("Random.integer", "Function<Random, i64, i64, i64>", all, &result), TH_OK);
}

static void shuffling_keeps_the_elements(void **state) {
    (void)state;
    uint64_t random = generator(7), list = value("List<i64>", "[1, 2, 3, 4, 5, 6, 7, 8]"), result, sorted;
    uint64_t args[] = {list, random}, sample[] = {list, 3, random}, many[] = {list, 9, random};
    assert_int_equal(invoke("Random.shuffled", "Function<List<i64>, Random, List<i64>>", args, &result), TH_OK);
    assert_string_equal(shown(type_named("List<i64>"), list), "[1, 2, 3, 4, 5, 6, 7, 8]");
    assert_string_not_equal(shown(type_named("List<i64>"), result), "[1, 2, 3, 4, 5, 6, 7, 8]");
    assert_int_equal(invoke("List.sorted", "Function<List<i64>, List<i64>>", &result, &sorted), TH_OK);
    assert_string_equal(shown(type_named("List<i64>"), sorted), "[1, 2, 3, 4, 5, 6, 7, 8]");
    assert_int_equal(invoke("Random.sample", "Function<List<i64>, i64, Random, List<i64>>", sample, &result), TH_OK);
    assert_int_equal(((th_list *)th_word_ptr(result))->len, 3);
    assert_int_equal(invoke("Random.sample", "Function<List<i64>, i64, Random, List<i64>>", many, &result),
                     TH_E_ARGUMENT);
    assert_int_equal(invoke("Random.shuffle", "Function<List<i64>, Random, void>", args, &result), TH_OK);
    assert_string_not_equal(shown(type_named("List<i64>"), list), "[1, 2, 3, 4, 5, 6, 7, 8]");
    uint64_t none[] = {value("List<i64>", "[]"), random};
    assert_int_equal(invoke("Random.choice", "Function<List<i64>, Random, i64?>", none, &result), TH_OK);
    assert_int_equal(result, 0);
}

static void a_generator_is_saved_and_restored(void **state) {
    (void)state;
    uint64_t random[] = {generator(5)}, x, y;
    const th_native *native = th_word_ptr(random[0]);
    th_buf saved;
    th_buf_init(&saved, &b.mem);
    assert_int_equal(invoke("Random.next", "Function<Random, i64>", random, &x), TH_OK);
    assert_int_equal(native->cls->save(b.machine, native->pointer, &saved, NULL), TH_OK);
    void *copy = NULL;
    assert_int_equal(native->cls->restore(b.machine, saved.data, saved.len, &copy, NULL), TH_OK);
    uint64_t again[] = {th_ptr_word(th_new_native(b.machine, native->object.type, native->cls, copy))};
    assert_int_equal(invoke("Random.next", "Function<Random, i64>", random, &x), TH_OK);
    assert_int_equal(invoke("Random.next", "Function<Random, i64>", again, &y), TH_OK);
    assert_int_equal(x, y);
    assert_int_equal(native->cls->restore(b.machine, saved.data, saved.len - 1, &copy, NULL), TH_E_FORMAT);
    memset(saved.data, 0, saved.len);
    assert_int_equal(native->cls->restore(b.machine, saved.data, saved.len, &copy, NULL), TH_E_FORMAT);
    th_buf_clear(&saved);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(math_computes, setup, teardown),
        cmocka_unit_test_setup_teardown(every_nan_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(time_knows_the_calendar, setup, teardown),
        cmocka_unit_test_setup_teardown(time_is_text_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(every_day_is_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(clocks_move, setup, teardown),
        cmocka_unit_test_setup_teardown(a_seed_fixes_the_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(random_numbers_keep_their_range, setup, teardown),
        cmocka_unit_test_setup_teardown(shuffling_keeps_the_elements, setup, teardown),
        cmocka_unit_test_setup_teardown(a_generator_is_saved_and_restored, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
