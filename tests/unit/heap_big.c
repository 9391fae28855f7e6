/*
** heap_big.c - integers of any size: against 128-bit arithmetic, against digits computed by hand, and by identities.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

static th_value parse(heap_test *t, const char *text, int base) {
    th_value v = TH_V_NULL;
    assert_true(th_big_parse(t->heap, th_view_of(text), base, &v));
    return v;
}

static void prints(heap_test *t, th_value v, int base, const char *text) {
    th_buf buf;
    th_buf_init(&buf, &t->mem);
    assert_true(th_big_print(v, base, &buf));
    assert_string_equal(buf.data, text);
    th_buf_clear(&buf);
}

/* The smallest form is the only one. */
static void is_normal(th_value v) {
    int64_t i;
    if (th_get_i64(v, &i)) {
        assert_int_equal(th_is_int(v), th_int_fits(i));
        return;
    }
    assert_true(th_is_kind(v, TH_OBJ_BIG));
    size_t n = (size_t)th_header_size(*th_obj(v));
    assert_true(n > 0 && th_obj(v)[n] != 0);
    bool negative = th_header_flags(*th_obj(v)) & 1;
    if (n == 1) assert_true(th_obj(v)[1] > (uint64_t)INT64_MAX + negative);
}

static th_value of_i128(heap_test *t, __int128 x) {
    char text[48], *at = text + sizeof text;
    unsigned __int128 rest = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
    *--at = 0;
    do *--at = (char)('0' + (int)(rest % 10));
    while (rest /= 10);
    if (x < 0) *--at = '-';
    th_value v = parse(t, at, 10);
    is_normal(v);
    prints(t, v, 10, at);
    return v;
}

static int64_t some_i64(heap_test *t) {
    uint64_t x = heap_test_draw(t, UINT64_MAX) << 11 ^ heap_test_draw(t, UINT64_MAX);
    switch (heap_test_draw(t, 6)) {
    case 0: return INT64_MIN;
    case 1: return INT64_MAX;
    case 2: return (int64_t)(((uint64_t)1 << heap_test_draw(t, 64)) - heap_test_draw(t, 2));
    case 3: return (int64_t)(x % 10) - 5;
    default: return (int64_t)x >> heap_test_draw(t, 60);
    }
}

static void arithmetic_is_that_of_128_bits(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (int i = 0; i < 20000; i++) {
        int64_t a = some_i64(&t), b = some_i64(&t);
        th_value x = 0, y = 0, sum = 0, difference = 0, product = 0, q = 0, r = 0;
        assert_true(th_new_int(t.heap, a, &x) && th_new_int(t.heap, b, &y));
        assert_true(th_big_add(t.heap, x, y, &sum) && th_big_sub(t.heap, x, y, &difference) &&
                    th_big_mul(t.heap, x, y, &product));
        assert_int_equal(th_big_compare(sum, of_i128(&t, (__int128)a + b)), 0);
        assert_int_equal(th_big_compare(difference, of_i128(&t, (__int128)a - b)), 0);
        assert_int_equal(th_big_compare(product, of_i128(&t, (__int128)a * b)), 0);
        assert_int_equal(th_big_compare(x, y), a < b ? -1 : a > b);
        is_normal(sum);
        is_normal(difference);
        is_normal(product);
        if (b != 0) {
            assert_true(th_big_div(t.heap, x, y, &q, &r));
            assert_int_equal(th_big_compare(q, of_i128(&t, (__int128)a / b)), 0);
            assert_int_equal(th_big_compare(r, of_i128(&t, (__int128)a % b)), 0);
        }
        heap_test_safe_point(&t);
    }
    heap_test_end(&t);
}

/* Of up to `digits` digits, often with long runs of zeros and nines. */
static th_value some_big(heap_test *t, size_t digits, int base) {
    size_t n = 1 + heap_test_draw(t, digits);
    char *text = malloc(n + 2);
    assert_non_null(text);
    size_t at = 0, mode = 0;
    if (heap_test_draw(t, 2)) text[at++] = '-';
    for (size_t i = 0; i < n; i++) {
        if (heap_test_draw(t, 100) == 0) mode = heap_test_draw(t, 4);
        int d = mode == 0 ? 0 : mode == 1 ? base - 1 : (int)heap_test_draw(t, (uint64_t)base);
        text[at++] = "0123456789abcdefghijklmnopqrstuvwxyz"[d];
    }
    text[at] = 0;
    th_value v = parse(t, text, base);
    free(text);
    is_normal(v);
    return v;
}

static void same(th_value a, th_value b) { assert_int_equal(th_big_compare(a, b), 0); }

static th_value add(heap_test *t, th_value a, th_value b) {
    th_value out;
    assert_true(th_big_add(t->heap, a, b, &out));
    is_normal(out);
    return out;
}
static th_value sub(heap_test *t, th_value a, th_value b) {
    th_value out;
    assert_true(th_big_sub(t->heap, a, b, &out));
    is_normal(out);
    return out;
}
static th_value mul(heap_test *t, th_value a, th_value b) {
    th_value out;
    assert_true(th_big_mul(t->heap, a, b, &out));
    is_normal(out);
    return out;
}

static void check_identities(heap_test *t, th_value a, th_value b, th_value c) {
    th_value q, r;
    same(sub(t, add(t, a, b), b), a);
    same(add(t, a, sub(t, b, a)), b);
    same(mul(t, a, add(t, b, c)), add(t, mul(t, a, b), mul(t, a, c)));
    if (b == th_of_int(0)) return;
    assert_true(th_big_div(t->heap, a, b, &q, &r));
    is_normal(q);
    is_normal(r);
    same(add(t, mul(t, q, b), r), a);
    th_value zero = th_of_int(0), size_r = th_big_compare(r, zero) < 0 ? sub(t, zero, r) : r;
    th_value size_b = th_big_compare(b, zero) < 0 ? sub(t, zero, b) : b;
    assert_true(th_big_compare(size_r, size_b) < 0);
    if (r != zero) assert_int_equal(th_big_compare(r, zero), th_big_compare(a, zero));
    th_value product = mul(t, a, b);
    assert_true(th_big_div(t->heap, product, b, &q, &r));
    same(q, a);
    assert_true(r == zero);
}

static void identities_hold_at_every_size(void **state) {
    (void)state;
    static const size_t sizes[] = {3, 25, 60, 300, 2000, 20000, 60000, 150000};
    heap_test t;
    heap_test_begin(&t);
    for (size_t i = 0; i < TH_COUNT(sizes); i++) {
        size_t turns = sizes[i] < 1000 ? SCALED(50000) / sizes[i] + 10 : sizes[i] > 10000 ? 6 : 30;
        for (size_t k = 0; k < turns; k++) {
            size_t other = sizes[heap_test_draw(&t, i + 1)];
            check_identities(&t, some_big(&t, sizes[i], 10), some_big(&t, other, 10), some_big(&t, sizes[i], 10));
            check_identities(&t, some_big(&t, other, 10), some_big(&t, sizes[i], 10), some_big(&t, other, 10));
            heap_test_safe_point(&t);
        }
    }
    heap_test_end(&t);
}

static void text_comes_back_in_every_base(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (int base = 2; base <= 36; base++) {
        for (int k = 0; k < 12; k++) {
            th_value v = some_big(&t, k == 11 ? 30000 : (size_t)1 << k, base), again;
            th_buf buf;
            th_buf_init(&buf, &t.mem);
            assert_true(th_big_print(v, base, &buf));
            assert_true(buf.len == 1 || (buf.data[0] != '0' && (buf.data[0] != '-' || buf.data[1] != '0')));
            assert_true(th_big_parse(t.heap, (th_view){buf.data, buf.len}, base, &again));
            same(v, again);
            th_buf_clear(&buf);
        }
        heap_test_safe_point(&t);
    }
    heap_test_end(&t);
}

static void known_values_are_printed(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    th_value v = th_of_int(1);
    for (int i = 2; i <= 30; i++) v = mul(&t, v, th_of_int(i));
    prints(&t, v, 10, "265252859812191058636308480000000");
    prints(&t, v, 16, "d13f6370f96865df5dd54000000");
    prints(&t, sub(&t, th_of_int(0), v), 36, "-jucotkuo7qe0hs0000000");
    prints(&t, th_of_int(0), 10, "0");
    prints(&t, parse(&t, "-9223372036854775808", 10), 10, "-9223372036854775808");
    prints(&t, parse(&t, "-9223372036854775809", 10), 10, "-9223372036854775809");
    prints(&t, parse(&t, "+00000000000000000000000000000000000012", 10), 10, "12");
    assert_true(th_is_kind(parse(&t, "-9223372036854775808", 10), TH_OBJ_INT));
    assert_true(th_is_kind(parse(&t, "9223372036854775808", 10), TH_OBJ_BIG));
    assert_true(parse(&t, "-0", 10) == th_of_int(0));
    heap_test_end(&t);
}

static void powers_of_ten_have_their_zeros(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    char *text = malloc(100002);
    assert_non_null(text);
    for (size_t n = 1; n <= 100000; n = n * 3 / 2 + 1) {
        memset(text, '0', n);
        text[0] = '1';
        text[n] = 0;
        th_value v = parse(&t, text, 10);
        prints(&t, v, 10, text);
        memset(text, '9', n);
        th_value w = parse(&t, text, 10);
        prints(&t, w, 10, text);
        same(add(&t, w, th_of_int(1)), mul(&t, v, th_of_int(10)));
        heap_test_safe_point(&t);
    }
    free(text);
    heap_test_end(&t);
}

static void what_is_no_number_is_told_apart_from_no_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"", "-", "+", "1a", " 1", "1 ", "--1", "1.5", "0x10", "1_000"};
    heap_test t;
    heap_test_begin(&t);
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        th_value v = TH_V_TRUE;
        assert_false(th_big_parse(t.heap, th_view_of(texts[i]), 10, &v));
        assert_true(v == TH_V_ABSENT);
    }
    th_value v = TH_V_TRUE;
    assert_false(th_big_parse(t.heap, th_view_of("12"), 2, &v));
    assert_true(v == TH_V_ABSENT);
    heap_test_end(&t);
}

static void big_numbers_survive_collections(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = parse(&t, "-123456789012345678901234567890", 10);
    t.roots[1] = some_big(&t, 100000, 10);
    t.roots[2] = add(&t, t.roots[1], th_of_int(1));
    heap_test_minor(&t);
    heap_test_full(&t);
    heap_test_full(&t);
    prints(&t, t.roots[0], 10, "-123456789012345678901234567890");
    same(sub(&t, t.roots[2], t.roots[1]), th_of_int(1));
    heap_test_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_that_of_128_bits),
        cmocka_unit_test(identities_hold_at_every_size),
        cmocka_unit_test(text_comes_back_in_every_base),
        cmocka_unit_test(known_values_are_printed),
        cmocka_unit_test(powers_of_ten_have_their_zeros),
        cmocka_unit_test(what_is_no_number_is_told_apart_from_no_memory),
        cmocka_unit_test(big_numbers_survive_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
