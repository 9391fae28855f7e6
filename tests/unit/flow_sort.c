/*
** flow_sort.c - sort: order of every kind of key, stability, the first few rows only.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow_test.h"

static void by_one_number(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, "x,s\n3,a\n-1,b\n,c\n2,d\n3,e\n-9223372036854775808,f\n9223372036854775807,g\n", 2), 0, "x");
    expect(&p, "-9223372036854775808|f\n-1|b\n2|d\n3|a\n3|e\n9223372036854775807|g\n~|c\n");
    plan_open(&p);
    sort(&p, csv(&p, "x,s\n3,a\n-1,b\n,c\n2,d\n3,e\n-9223372036854775808,f\n9223372036854775807,g\n", 2), 0, "-x");
    expect(&p, "9223372036854775807|g\n3|a\n3|e\n2|d\n-1|b\n-9223372036854775808|f\n~|c\n");
}

static void nan_comes_after_numbers_and_before_nulls(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, "x,n\n,1\nnan,2\n-inf,3\n0.5,4\ninf,5\n-2.5,6\n,7\nnan,8\n", 3), 0, "x");
    expect(&p, "-inf|3\n-2.5|6\n0.5|4\ninf|5\nnan|2\nnan|8\n~|1\n~|7\n");
    plan_open(&p);
    sort(&p, csv(&p, "x,n\n,1\nnan,2\n-inf,3\n0.5,4\ninf,5\n-2.5,6\n,7\nnan,8\n", 3), 0, "-x");
    expect(&p, "inf|5\n0.5|4\n-2.5|6\n-inf|3\nnan|2\nnan|8\n~|1\n~|7\n");
}

static void zeros_are_equal(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, "x,n\n0.0,1\n-0.0,2\n0.0,3\n", 3), 0, "x");
    expect(&p, "0|1\n-0|2\n0|3\n");
}

static void texts_are_ordered_by_their_bytes(void **state) {
    (void)state;
    static const char text[] =
        "s,n\nabcdefgh2,1\nabcdefgh1,2\nabcdefgh,3\nabc,4\n\"\",5\nB,6\n\xc3\xa9,7\nabcdefgh1,8\n,9\n";
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, text, 2), 0, "s");
    expect(&p, "|5\nB|6\nabc|4\nabcdefgh|3\nabcdefgh1|2\nabcdefgh1|8\nabcdefgh2|1\n\xc3\xa9|7\n~|9\n");
    plan_open(&p);
    sort(&p, csv(&p, text, 2), 0, "-s");
    expect(&p, "\xc3\xa9|7\nabcdefgh2|1\nabcdefgh1|2\nabcdefgh1|8\nabcdefgh|3\nabc|4\nB|6\n|5\n~|9\n");
}

static void by_several_keys_each_in_its_direction(void **state) {
    (void)state;
    static const char text[] =
        "a,b,c,n\nx,2,true,1\ny,1,true,2\nx,1,false,3\nx,2,false,4\n,1,true,5\ny,,true,6\ny,3,,7\nx,2,false,8\n";
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, text, 3), 0, "a -b c");
    expect(&p, "x|2|false|4\nx|2|false|8\nx|2|true|1\nx|1|false|3\ny|3|~|7\ny|1|true|2\ny|~|true|6\n~|1|true|5\n");
    plan_open(&p);
    sort(&p, csv(&p, text, 3), 0, "-c a+a b");
    expect(&p, "x|2|true|1\ny|1|true|2\ny|~|true|6\n~|1|true|5\nx|1|false|3\nx|2|false|4\nx|2|false|8\ny|3|~|7\n");
}

static void nothing_and_one_row(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, "a\n", 3), 0, "a");
    expect(&p, "");
    plan_open(&p);
    sort(&p, csv(&p, "a\n7\n", 3), 0, "-a");
    expect(&p, "7\n");
}

/* `n` rows: a number of few values, a text of few values, the row's number. */
static char *random_rows(size_t n, uint64_t seed, uint64_t values) {
    static th_mem other;
    th_buf b;
    th_mem_init(&other, NULL, NULL, NULL, 0);
    th_buf_init(&b, &other);
    th_buf_text(&b, "x,s,n\n");
    for (size_t i = 0; i < n; i++) {
        seed = th_hash_word(seed + i + 1);
        if (seed % 97 == 0)
            th_buf_text(&b, ",");
        else
            th_buf_printf(&b, "%lld,", (long long)(seed >> 20) % (long long)values - (long long)values / 2);
        th_buf_printf(&b, "text-%llu,%zu\n", (unsigned long long)((seed >> 7) % values), i);
    }
    char *text = strdup(b.data);
    th_buf_clear(&b);
    return text;
}

typedef struct row {
    bool null;
    long long x;
    char s[32];
    size_t n;
} row;

static row *read_rows(char *text, size_t n) {
    row *rows = calloc(n, sizeof *rows);
    char *at = strchr(text, '\n') + 1;
    for (size_t i = 0; i < n; i++) {
        rows[i].null = *at == ',';
        rows[i].x = strtoll(at, &at, 10);
        char *comma = strchr(++at, ',');
        memcpy(rows[i].s, at, (size_t)(comma - at));
        rows[i].n = strtoull(comma + 1, &at, 10);
        at++;
    }
    return rows;
}

static int by_number(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->null != y->null) return x->null - y->null;
    if (x->x != y->x) return x->x < y->x ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int by_text_down_then_number(const void *a, const void *b) {
    const row *x = a, *y = b;
    int order = strcmp(y->s, x->s);
    return order ? order : by_number(a, b);
}

/* Against the C library's sort, made stable by the row's number. */
static void check_random(size_t n, uint64_t values, uint64_t count, const char *keys,
                         int (*order)(const void *, const void *)) {
    static th_mem other;
    th_buf want, got;
    th_mem_init(&other, NULL, NULL, NULL, 0);
    th_buf_init(&want, &other);
    th_buf_init(&got, &other);
    char *text = random_rows(n, n + values, values);
    row *rows = read_rows(text, n);
    qsort(rows, n, sizeof *rows, order);
    for (size_t i = 0; i < n && (count == 0 || i < count); i++) {
        if (rows[i].null)
            th_buf_text(&want, "~");
        else
            th_buf_printf(&want, "%lld", rows[i].x);
        th_buf_printf(&want, "|%s|%zu\n", rows[i].s, rows[i].n);
    }
    plan p;
    plan_open(&p);
    sort(&p, csv(&p, text, 1000), count, keys);
    assert_int_equal(run(&p, &got), TH_OK);
    plan_close(&p);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    th_buf_clear(&want);
    th_buf_clear(&got);
    free(rows);
    free(text);
}

static void many_rows_are_sorted_stably(void **state) {
    (void)state;
    for (size_t n = 1; n < 200; n = n * 3 / 2 + 1) check_random(n, 10, 0, "x", by_number);
    check_random(150000, 50, 0, "x", by_number);
    check_random(150000, 1000000000, 0, "x", by_number);
    check_random(100000, 300, 0, "-s x", by_text_down_then_number);
}

static void the_first_rows_are_those_of_a_whole_sort(void **state) {
    (void)state;
    check_random(300000, 1000000000, 10, "x", by_number);
    check_random(300000, 5, 100, "x", by_number);
    check_random(300000, 40, 33000, "x", by_number);
    check_random(250000, 300, 20, "-s x", by_text_down_then_number);
    check_random(100, 300, 200, "-s x", by_text_down_then_number);
}

static void the_first_rows_take_little_memory(void **state) {
    (void)state;
    char *text = random_rows(600000, 1, 1000000000);
    static th_mem other;
    th_buf got;
    size_t peaks[2];
    for (int i = 0; i < 2; i++) {
        th_mem_init(&other, NULL, NULL, NULL, 0);
        th_buf_init(&got, &other);
        atomic_store(&mem.peak_bytes, 0);
        plan p;
        plan_open(&p);
        sort(&p, csv(&p, text, 1000), i ? 10 : 0, "x");
        assert_int_equal(run(&p, &got), TH_OK);
        plan_close(&p);
        th_buf_clear(&got);
        peaks[i] = atomic_load(&mem.peak_bytes);
    }
    free(text);
    assert_true(peaks[1] * 4 < peaks[0]);
}

static void by_two_keys(plan *p) { sort(p, csv(p, "a,b\nx,2\ny,1\nx,1\n,5\ny,\nx,2\n", 2), 0, "a+a -b"); }

static void sort_fault(void **state) {
    (void)state;
    expect_fault_free(by_two_keys, "x|2\nx|2\nx|1\ny|1\ny|~\n~|5\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(by_one_number),
        TEST(nan_comes_after_numbers_and_before_nulls),
        TEST(zeros_are_equal),
        TEST(texts_are_ordered_by_their_bytes),
        TEST(by_several_keys_each_in_its_direction),
        TEST(nothing_and_one_row),
        TEST(many_rows_are_sorted_stably),
        TEST(the_first_rows_are_those_of_a_whole_sort),
        TEST(the_first_rows_take_little_memory),
        TEST(sort_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
