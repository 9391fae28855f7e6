/*
** table_date.c - dates and timestamps as text and back.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

static void expect_date(const char *text, int32_t days) {
    char out[40];
    int32_t parsed = 12345;
    assert_true(th_parse_date(th_view_of(text), &parsed));
    assert_int_equal(parsed, days);
    assert_int_equal(th_format_date(days, out), strlen(text));
    assert_string_equal(out, text);
}

static void dates_count_days_from_1970(void **state) {
    (void)state;
    expect_date("1970-01-01", 0);
    expect_date("1969-12-31", -1);
    expect_date("2000-02-29", 11016);
    expect_date("2024-12-31", 20088);
    expect_date("0000-03-01", -719468);
    expect_date("-0001-12-31", -719529);
    expect_date("9999-12-31", 2932896);
    expect_date("+10000-01-01", 2932897);
}

static void every_day_of_a_wide_range_reads_back(void **state) {
    (void)state;
    for (int64_t days = -1000000; days < 4000000; days += 13) {
        char out[40];
        int32_t back;
        size_t n = th_format_date((int32_t)days, out);
        assert_true(th_parse_date((th_view){out, n}, &back));
        assert_int_equal(back, days);
    }
    for (int32_t days = INT32_MIN;; days = INT32_MAX) {
        char out[40];
        int32_t back;
        assert_true(th_parse_date((th_view){out, th_format_date(days, out)}, &back));
        assert_int_equal(back, days);
        if (days == INT32_MAX) break;
    }
}

static void wrong_dates_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "2024",
                                        "2024-1-01",
                                        "2024-13-01",
                                        "2024-00-10",
                                        "2023-02-29",
                                        "1900-02-29",
                                        "2024-04-31",
                                        "2024-01-32",
                                        "2024-01-00",
                                        "24-01-01",
                                        "2024-01-01 ",
                                        " 2024-01-01",
                                        "2024/01/01",
                                        "2024-01-01T00:00:00",
                                        "+999-01-01",
                                        "+99999999-01-01",
                                        "-",
                                        "2024-01-0x"};
    for (size_t i = 0; i < TH_COUNT(wrong); i++) {
        int32_t days = 7;
        assert_false(th_parse_date(th_view_of(wrong[i]), &days));
        assert_int_equal(days, 7);
    }
}

static void expect_timestamp(const char *text, int64_t micros, const char *back) {
    char out[40];
    int64_t parsed;
    assert_true(th_parse_timestamp(th_view_of(text), &parsed));
    assert_int_equal(parsed, micros);
    th_format_timestamp(micros, out);
    assert_string_equal(out, back);
}

static void timestamps_take_the_forms_of_iso_8601(void **state) {
    (void)state;
    const int64_t noon = INT64_C(1704110400) * 1000000; /* 2024-01-01T12:00:00 */
    expect_timestamp("2024-01-01T12:00:00", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01 12:00", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01t12:00:00Z", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01T14:30:00+02:30", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01T07:00:00-0500", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01T07:00-05", noon, "2024-01-01T12:00:00");
    expect_timestamp("2024-01-01T12:00:00.5", noon + 500000, "2024-01-01T12:00:00.500");
    expect_timestamp("2024-01-01T12:00:00.000001", noon + 1, "2024-01-01T12:00:00.000001");
    expect_timestamp("2024-01-01T12:00:00.123456000", noon + 123456, "2024-01-01T12:00:00.123456");
    expect_timestamp("2024-01-01", noon - INT64_C(43200000000), "2024-01-01T00:00:00");
    expect_timestamp("1969-12-31T23:59:59.999999", -1, "1969-12-31T23:59:59.999999");
}

static void the_ends_of_time_read_back(void **state) {
    (void)state;
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 0};
    for (size_t i = 0; i < TH_COUNT(ends); i++) {
        char out[40];
        int64_t back;
        size_t n = th_format_timestamp(ends[i], out);
        assert_true(n < 40);
        assert_true(th_parse_timestamp((th_view){out, n}, &back));
        assert_int_equal(back, ends[i]);
    }
}

static void wrong_timestamps_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"2024-01-01T24:00:00",
                                        "2024-01-01T12:60:00",
                                        "2024-01-01T12:00:60",
                                        "2024-01-01T12",
                                        "2024-01-01T12:00:00.",
                                        "2024-01-01T12:00:00.123456789",
                                        "2024-01-01X12:00:00",
                                        "2024-01-01T12:00:00+25:00",
                                        "2024-01-01T12:00:00 ",
                                        "2024-01-01T12:00:00.0000000001",
                                        "2024-01-01T",
                                        "2024-02-30T12:00:00",
                                        "+300000-01-01T00:00:00",
                                        "12:00:00",
                                        "2024-01-01T1:00:00",
                                        "2024-01-01T12:00:00+2"};
    for (size_t i = 0; i < TH_COUNT(wrong); i++) {
        int64_t micros = 7;
        assert_false(th_parse_timestamp(th_view_of(wrong[i]), &micros));
        assert_int_equal(micros, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(dates_count_days_from_1970), TEST(every_day_of_a_wide_range_reads_back),
        TEST(wrong_dates_are_refused),    TEST(timestamps_take_the_forms_of_iso_8601),
        TEST(the_ends_of_time_read_back), TEST(wrong_timestamps_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
