/*
** base_text.c - numbers as text, UTF-8, hashes, errors, views.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

static uint64_t random_state = 0x1234567;

static uint64_t random_word(void) {
    random_state += 0x9e3779b97f4a7c15u;
    return th_hash_word(random_state);
}

static double double_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

static void expect_f64(double x, bool keep_point, const char *text) {
    char out[32];
    size_t len = th_format_f64(x, keep_point, out);
    assert_string_equal(out, text);
    assert_int_equal(len, strlen(text));
}

static void format_f64_reads_as_people_write(void **state) {
    (void)state;
    expect_f64(0.1, false, "0.1");
    expect_f64(0.1 + 0.2, false, "0.30000000000000004");
    expect_f64(1, true, "1.0");
    expect_f64(1, false, "1");
    expect_f64(-0.0, true, "-0.0");
    expect_f64(0, false, "0");
    expect_f64(100, true, "100.0");
    expect_f64(123456.789, true, "123456.789");
    expect_f64(1e15, true, "1000000000000000.0");
    expect_f64(1e16, true, "1e+16");
    expect_f64(0.0001, true, "0.0001");
    expect_f64(0.00001, true, "1e-5");
    expect_f64(1.5e-7, true, "1.5e-7");
    expect_f64(1e300, true, "1e+300");
    expect_f64(DBL_MAX, true, "1.7976931348623157e+308");
    expect_f64(DBL_MIN, true, "2.2250738585072014e-308");
    expect_f64(5e-324, true, "5e-324");
    expect_f64(9007199254740993.0, true, "9007199254740992.0");
    expect_f64(9.5, false, "9.5");
    expect_f64(INFINITY, true, "inf");
    expect_f64(-INFINITY, true, "-inf");
    expect_f64(NAN, true, "nan");
    expect_f64(-NAN, true, "nan");
    expect_f64(double_of(0x8000000000000001u), true, "-5e-324");
}

/* Digits that a text holds, leading and trailing zeros not counted. */
static int significant(const char *text) {
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        if (*text == '0')
            zeros++;
        else {
            count += count ? zeros + 1 : 1;
            zeros = 0;
        }
    }
    return count;
}

static void check_shortest(double x) {
    char out[40], plain[40];
    th_format_f64(x, true, out);
    assert_true(strlen(out) < 32);
    double back = strtod(out, NULL);
    if (memcmp(&back, &x, 8) != 0) fail_msg("%a is written as %s", x, out);
    double parsed;
    assert_true(th_parse_f64(th_view_of(out), &parsed));
    if (memcmp(&parsed, &x, 8) != 0) fail_msg("%s is read as %a, not %a", out, parsed, x);
    int digits = significant(out);
    if (digits > 1) {
        snprintf(plain, sizeof plain, "%.*e", digits - 2, x);
        if (strtod(plain, NULL) == x) fail_msg("%s is longer than %s", out, plain);
    }
    if (digits < 17) {
        snprintf(plain, sizeof plain, "%.*e", digits - 1, x); /* of the shortest, the nearest */
        double nearest = strtod(plain, NULL);
        if (nearest == x && significant(plain) == digits) {
            char out_e[40];
            snprintf(out_e, sizeof out_e, "%.*e", digits - 1, strtod(out, NULL));
            assert_string_equal(out_e, plain);
        }
    }
}

static void format_f64_is_the_shortest_that_reads_back(void **state) {
    (void)state;
    for (int e = 1; e < 2047; e++) { /* every power of two and its neighbours: the lopsided intervals */
        uint64_t bits = (uint64_t)e << 52;
        check_shortest(double_of(bits));
        check_shortest(double_of(bits - 1));
        check_shortest(double_of(bits + 1));
    }
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_word();
        if ((bits >> 52 & 0x7ff) != 0x7ff) check_shortest(double_of(bits));
        check_shortest((double)(random_word() % 100000000) / 100.0);
        check_shortest((double)(int64_t)random_word());
    }
}

static void format_f32_is_the_shortest_that_reads_back(void **state) {
    (void)state;
    char out[40], plain[40];
    th_format_f32(0.1f, true, out);
    assert_string_equal(out, "0.1");
    th_format_f32(FLT_MAX, true, out);
    assert_string_equal(out, "3.4028235e+38");
    th_format_f32(1e-45f, true, out);
    assert_string_equal(out, "1e-45");
    th_format_f32(16777216.0f, true, out);
    assert_string_equal(out, "16777216.0");
    th_format_f32(-0.0f, false, out);
    assert_string_equal(out, "-0");
    th_format_f32(-INFINITY, false, out);
    assert_string_equal(out, "-inf");
    for (int i = 0; i < 50000; i++) {
        uint32_t bits = (uint32_t)random_word();
        if ((bits >> 23 & 0xff) == 0xff) continue;
        float x;
        memcpy(&x, &bits, 4);
        th_format_f32(x, true, out);
        float back = strtof(out, NULL);
        if (memcmp(&back, &x, 4) != 0) fail_msg("%a is written as %s", (double)x, out);
        int digits = significant(out);
        if (digits < 2) continue;
        snprintf(plain, sizeof plain, "%.*e", digits - 2, (double)x);
        if (strtof(plain, NULL) == x) fail_msg("%s is longer than %s", out, plain);
    }
}

static void expect_parsed(const char *text) {
    double got, want = strtod(text, NULL);
    if (!th_parse_f64(th_view_of(text), &got)) fail_msg("'%s' is refused", text);
    if (memcmp(&got, &want, 8) != 0) fail_msg("'%s' is read as %a, not %a", text, got, want);
}

static void parse_f64_rounds_correctly(void **state) {
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "00012.5",
        "1.",
        ".5",
        "-.5e1",
        "+7",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "123456789012345678901234567890",
        "1E5",
        "1e+05",
        "0.000000000000000000000000000000000000000000000012345678901234567890123",
        "9007199254740993",
        "9007199254740992.999999999999999999999999",
        "9007199254740993.00000000000000000000001",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1e-400",
        "0e999999999999999999",
        "0.00000e-99999999999999999999",
        "6.02214076e23",
        "8.5",
        "0.5",
        "1.0000000000000002220446049250313080847263336",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "179769313486231580793728971405301e276",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "5e-324",
        "100000000000000016777215",
        "100000000000000016777216",
        "1e0000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < TH_COUNT(texts); i++) expect_parsed(texts[i]);
    char text[1200];
    for (int i = 0; i < 200000; i++) {
        uint64_t digits = random_word() >> (random_word() % 64);
        int exponent = (int)(random_word() % 680) - 350;
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
        if (isinf(strtod(text, NULL))) continue;
        expect_parsed(text);
    }
    for (int i = 0; i < 20000; i++) { /* exact ties, and a hair above and below them */
        uint64_t mantissa = (random_word() >> 11) | UINT64_C(1) << 52;
        double half = ldexp((double)mantissa, (int)(random_word() % 150) - 75);
        double next = nextafter(half, INFINITY);
        int n = snprintf(text, sizeof text, "%.300f", half);
        (void)n;
        expect_parsed(text);
        snprintf(text, sizeof text, "%.25e", half + (next - half) / 2);
        expect_parsed(text);
    }
}

static void parse_f64_handles_a_thousand_digits(void **state) {
    (void)state;
    char text[3000];
    for (int above = 0; above < 2; above++) {
        strcpy(text, "1.00000000000000011102230246251565404236316680908203125");
        size_t n = strlen(text);
        memset(text + n, '0', 1500);
        text[n + 1500] = above ? '1' : '0';
        text[n + 1501] = 0;
        double x;
        assert_true(th_parse_f64(th_view_of(text), &x));
        assert_true(x == (above ? nextafter(1, 2) : 1));
    }
    memset(text, '9', 2000);
    text[2000] = 0;
    double untouched = 42;
    assert_false(th_parse_f64(th_view_of(text), &untouched));
    assert_true(untouched == 42);
    strcpy(text + 300, "e-100");
    expect_parsed(text);
    memset(text, '0', 2000);
    text[1] = '.';
    strcpy(text + 2000, "123e2000");
    expect_parsed(text);
}

static void parse_f64_refuses_what_is_no_number(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "-",
                                        "+",
                                        ".",
                                        "-.",
                                        "e5",
                                        ".e5",
                                        "1e",
                                        "1e+",
                                        "1.2.3",
                                        "0x10",
                                        " 1",
                                        "1 ",
                                        "1,5",
                                        "--1",
                                        "1e5.",
                                        "abc",
                                        "in",
                                        "infi",
                                        "nano",
                                        "1f",
                                        "1_000",
                                        "1e400",
                                        "-1e400",
                                        "1e99999999999999999999",
                                        "+-1",
                                        "1e5e5",
                                        "12345678901234567890x",
                                        "12345678901234567890.1.2"};
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        double x = 42;
        if (th_parse_f64(th_view_of(texts[i]), &x)) fail_msg("'%s' is taken", texts[i]);
        assert_true(x == 42);
    }
    double x;
    assert_true(th_parse_f64(th_view_of("-Inf"), &x) && isinf(x) && x < 0);
    assert_true(th_parse_f64(th_view_of("Infinity"), &x) && isinf(x) && x > 0);
    assert_true(th_parse_f64(th_view_of("NaN"), &x) && isnan(x));
    assert_true(th_parse_f64((th_view){"1234", 2}, &x) && x == 12);
    assert_false(th_parse_f64((th_view){"1\0", 2}, &x));
}

static void numbers_ignore_the_locale(void **state) {
    (void)state;
    char *before = strdup(setlocale(LC_ALL, NULL));
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    for (size_t i = 0; i < TH_COUNT(locales) && !setlocale(LC_ALL, locales[i]); i++) {}
    expect_f64(1.5, true, "1.5");
    double x;
    assert_true(th_parse_f64(th_view_of("1.50000000000000011102230246251565"), &x));
    assert_true(x == 1.5);
    setlocale(LC_ALL, before);
    free(before);
}

static void i64_to_text_and_back(void **state) {
    (void)state;
    char out[32];
    assert_int_equal(th_format_i64(0, out), 1);
    assert_string_equal(out, "0");
    th_format_i64(INT64_MIN, out);
    assert_string_equal(out, "-9223372036854775808");
    th_format_i64(INT64_MAX, out);
    assert_string_equal(out, "9223372036854775807");
    int64_t x;
    assert_true(th_parse_i64(th_view_of("-9223372036854775808"), &x) && x == INT64_MIN);
    assert_true(th_parse_i64(th_view_of("9223372036854775807"), &x) && x == INT64_MAX);
    assert_true(th_parse_i64(th_view_of("+000000000000000000000000000012"), &x) && x == 12);
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1.0",
                                      " 1",
                                      "1 ",
                                      "1e3",
                                      "99999999999999999999999",
                                      "18446744073709551616",
                                      "0x1",
                                      "--1",
                                      "12345678901234567a"};
    for (size_t i = 0; i < TH_COUNT(bad); i++) {
        x = 42;
        if (th_parse_i64(th_view_of(bad[i]), &x)) fail_msg("'%s' is taken", bad[i]);
        assert_int_equal(x, 42);
    }
    for (int i = 0; i < 10000; i++) {
        int64_t want = (int64_t)(random_word() >> (random_word() % 64)) * (i & 1 ? -1 : 1);
        size_t len = th_format_i64(want, out);
        assert_true(th_parse_i64((th_view){out, len}, &x));
        assert_int_equal(x, want);
    }
}

static void utf8_refuses_every_ill_formed_kind(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t bad_at;
    } cases[] = {
        {"plain ascii, longer than eight", 30},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15},
        {"\xc0\x80", 0},
        {"ab\xc1\xbf", 2},
        {"\xe0\x80\x80", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"12345678\x80", 8},
        {"\xc3", 0},
        {"x\xe2\x82", 1},
        {"\xf0\x9f\x98", 0},
        {"\xe2\x28\xa1", 0},
        {"1234567\xc3\xbcz\xfe", 10},
        {"\xef\xbf\xbf", 3},
        {"\xf4\x8f\xbf\xbf", 4},
        {"", 0},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++)
        assert_int_equal(th_utf8_valid(cases[i].bytes, strlen(cases[i].bytes)), cases[i].bad_at);
}

static void utf8_round_trips_every_scalar_value(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char bytes[4];
        size_t n = th_utf8_encode(code, bytes);
        if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
            assert_int_equal(n, 0);
            continue;
        }
        uint32_t back;
        assert_int_equal(th_utf8_decode(bytes, n, 0, &back), n);
        assert_int_equal(back, code);
        assert_int_equal(th_utf8_valid(bytes, n), n);
    }
}

static void utf8_counts_characters_and_columns(void **state) {
    (void)state;
    const char *text = "na\xc3\xafve caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"; /* two wide characters at the end */
    assert_int_equal(th_utf8_count(text, strlen(text)), 13);
    assert_int_equal(th_utf8_width(text, strlen(text)), 15);
    const char *combining = "e\xcc\x81x";
    assert_int_equal(th_utf8_count(combining, 4), 3);
    assert_int_equal(th_utf8_width(combining, 4), 2);
    assert_int_equal(th_utf8_count("\xff\xfe", 2), 2);
    assert_int_equal(th_utf8_width("a\x1b\tb", 4), 2);
    uint32_t code;
    assert_int_equal(th_utf8_decode("a\xe2\x82", 3, 1, &code), 1);
    assert_int_equal(code, 0xfffd);
}

static void hash_depends_on_every_byte_length_and_seed(void **state) {
    (void)state;
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint64_t whole = th_hash_bytes(bytes, len, 1);
        assert_int_equal(whole, th_hash_bytes(bytes, len, 1));
        assert_true(whole != th_hash_bytes(bytes, len, 2));
        if (len < sizeof bytes) assert_true(whole != th_hash_bytes(bytes, len + 1, 1));
        for (size_t i = 0; i < len; i++) {
            bytes[i] ^= 1;
            assert_true(whole != th_hash_bytes(bytes, len, 1));
            bytes[i] ^= 1;
        }
    }
}

static void hash_spreads_near_keys_over_low_and_high_bits(void **state) {
    (void)state;
    enum { KEYS = 65536 };
    static uint8_t low[KEYS], high[KEYS];
    memset(low, 0, sizeof low);
    memset(high, 0, sizeof high);
    char key[32];
    for (int i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof key, "key%d", i);
        uint64_t h = th_hash_bytes(key, (size_t)n, 7);
        low[h % KEYS]++;
        high[h >> 48]++;
    }
    size_t empty_low = 0, empty_high = 0;
    for (int i = 0; i < KEYS; i++) {
        empty_low += low[i] == 0;
        empty_high += high[i] == 0;
    }
    /* Random keys leave 1/e of the slots empty: 24109, with a deviation of about 100. */
    assert_in_range(empty_low, 23400, 24800);
    assert_in_range(empty_high, 23400, 24800);
}

static void digest_is_blake2b_256(void **state) {
    (void)state;
    th_digest d;
    th_digest_of("abc", 3, &d);
    static const uint8_t want[32] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                     0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                     0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
    assert_memory_equal(d.bytes, want, 32);
}

static void error_is_filled_and_cut_at_a_character(void **state) {
    (void)state;
    th_error err;
    th_span span = {3, 5, 3, 9};
    assert_int_equal(th_fail_at(&err, TH_E_SYNTAX, "a.theta", span, "no '%s' here", "else"), TH_E_SYNTAX);
    assert_int_equal(err.code, TH_E_SYNTAX);
    assert_int_equal(err.span.line, 3);
    assert_string_equal(err.file, "a.theta");
    assert_string_equal(err.message, "no 'else' here");
    assert_int_equal(th_fail(&err, TH_E_TYPE, "again: %s", err.message), TH_E_TYPE); /* an argument inside err */
    assert_string_equal(err.message, "again: no 'else' here");
    assert_string_equal(err.file, "");
    assert_int_equal(err.span.line, 0);
    assert_int_equal(th_fail(NULL, TH_E_IO, "nobody listens"), TH_E_IO);
    char name[2100];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3) memcpy(name + i, "\xe2\x82\xac", 4);
        assert_int_equal(th_fail_at(&err, TH_E_IO, name, (th_span){0}, "%s", name), TH_E_IO);
        size_t len = strlen(err.message);
        assert_int_equal(th_utf8_valid(err.message, len), len);
        assert_true(len > sizeof err.message - 5);
        assert_int_equal(th_utf8_valid(err.file, strlen(err.file)), strlen(err.file));
    }
}

static void status_texts_are_there(void **state) {
    (void)state;
    assert_string_equal(th_status_text(TH_OK), "ok");
    assert_string_equal(th_status_text(TH_E_NOMEM), "out of memory");
    assert_string_equal(th_status_text((th_status)9999), "unknown status");
}

static void views_compare_bytewise(void **state) {
    (void)state;
    assert_int_equal(th_view_compare(th_view_of("a"), th_view_of("b")), -1);
    assert_int_equal(th_view_compare(th_view_of("ab"), th_view_of("a")), 1);
    assert_int_equal(th_view_compare(th_view_of("a"), th_view_of("a")), 0);
    assert_int_equal(th_view_compare(th_view_of("z"), th_view_of("\xc3\xa4")), -1);
    assert_int_equal(th_view_compare((th_view){NULL, 0}, th_view_of("")), 0);
}

static void clock_goes_on(void **state) {
    (void)state;
    int64_t a = th_clock_monotonic_ns(), b = th_clock_monotonic_ns();
    assert_true(a > 0 && b >= a);
    assert_true(th_clock_unix_ns() > INT64_C(1600000000) * 1000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_f64_reads_as_people_write),
        cmocka_unit_test(format_f64_is_the_shortest_that_reads_back),
        cmocka_unit_test(format_f32_is_the_shortest_that_reads_back),
        cmocka_unit_test(parse_f64_rounds_correctly),
        cmocka_unit_test(parse_f64_handles_a_thousand_digits),
        cmocka_unit_test(parse_f64_refuses_what_is_no_number),
        cmocka_unit_test(numbers_ignore_the_locale),
        cmocka_unit_test(i64_to_text_and_back),
        cmocka_unit_test(utf8_refuses_every_ill_formed_kind),
        cmocka_unit_test(utf8_round_trips_every_scalar_value),
        cmocka_unit_test(utf8_counts_characters_and_columns),
        cmocka_unit_test(hash_depends_on_every_byte_length_and_seed),
        cmocka_unit_test(hash_spreads_near_keys_over_low_and_high_bits),
        cmocka_unit_test(digest_is_blake2b_256),
        cmocka_unit_test(error_is_filled_and_cut_at_a_character),
        cmocka_unit_test(status_texts_are_there),
        cmocka_unit_test(views_compare_bytewise),
        cmocka_unit_test(clock_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
