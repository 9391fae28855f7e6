/*
** flow_aggregate.c - aggregate and distinct, group by group, over small CSV texts read in batches of two rows.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow_test.h"

static const char rides[] = "city,fare,km,day\n"
                            "oslo,2.5,1,2024-01-02\n"
                            "rome,4.0,2,2024-01-01\n"
                            "oslo,,3,2024-01-05\n"
                            "bern,1.5,,2024-01-03\n"
                            "rome,6.0,7,\n"
                            ",8.0,9,2024-01-09\n"
                            "oslo,0.5,5,2024-01-01\n";

static void groups_come_in_order_of_first_row(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, rides, 2), 1, "city count() count(fare) sum(fare) mean(km)");
    expect(&p, "oslo|3|2|3|3\nrome|2|2|10|4.5\nbern|1|1|1.5|~\n~|1|1|8|9\n");
}

static void without_keys_there_is_one_row(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, rides, 2), 0, "count() sum(km) min(day) max(city) median(fare)");
    expect(&p, "7|27|2024-01-01|rome|3.25\n");
}

static void without_rows_there_is_one_row_of_nothing(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "a,b\n", 2), 0, "count() count(a) min(a) first(a) count_distinct(b)");
    expect(&p, "0|0|~|~|0\n");
}

static void sums_of_nothing_are_zero_and_means_null(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "a,b,k\n1,2.5,x\n,,y\n", 2), 1,
              "k sum(a) sum(b) mean(a) min(b) max(a) median(a) stddev(b) last(a)");
    expect(&p, "x|1|2.5|1|2.5|1|1|~|1\ny|0|0|~|~|~|~|~|~\n");
}

static void with_keys_and_no_rows_there_are_no_groups(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "a,b\n", 2), 1, "a count()");
    expect(&p, "");
}

static void first_and_last_pass_over_nulls(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "k,x,s,d\n1,,,\n1,2,b,2024-02-03\n1,3,a,\n1,,,\n2,,,\n", 2), 1,
              "k first(x) last(x) first(s) last(s) first(d) last(d)");
    expect(&p, "1|2|3|b|a|2024-02-03|2024-02-03\n2|~|~|~|~|~|~\n");
}

static void least_and_greatest_of_every_kind(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(
        &p, csv(&p, "k,i,f,s,b\n1,5,2.5,pear,true\n1,-7,-0.5,apple,false\n1,6,9.0,plumtree,true\n2,1,1.5,x,true\n", 2),
        1, "k min(i) max(i) min(f) max(f) min(s) max(s) min(b) max(b)");
    expect(&p, "1|-7|6|-0.5|9|apple|plumtree|false|true\n2|1|1|1.5|1.5|x|x|true|true\n");
}

static void nan_is_greater_than_every_number(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "k,f\na,1.5\na,nan\na,inf\nb,nan\n", 2), 1, "k min(f) max(f)");
    expect(&p, "a|1.5|nan\nb|nan|nan\n");
}

static void any_and_all_pass_over_nulls(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "k,b\n1,true\n1,\n1,true\n2,false\n2,true\n3,\n4,false\n", 3), 1, "k any(b) all(b)");
    expect(&p, "1|true|true\n2|true|false\n3|~|~\n4|false|false\n");
}

static void distinct_values_are_counted_group_by_group(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "k,s,f\n1,a,0.5\n2,a,0.5\n1,a,1.5\n1,b,0.5\n1,,\n2,a,-0.0\n2,c,0.0\n", 2), 1,
              "k count_distinct(s) count_distinct(f)");
    expect(&p, "1|2|2\n2|2|2\n");
    plan_open(&p);
    aggregate(&p, csv(&p, "s\na\nb\na\nNA\nc\nb\n", 2), 0, "count_distinct(s)");
    expect(&p, "3\n");
}

static void spread_is_of_a_sample(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "k,x\n1,2\n1,4\n1,4\n1,4\n1,5\n1,5\n1,7\n1,9\n2,3\n", 3), 1, "k variance(x) stddev(x)");
    expect(&p, "1|4.5714285714285712|2.1380899352993952\n2|~|~\n");
}

static void medians_are_exact(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p,
              csv(&p,
                  "k,x,f\n1,9,-1.5\n2,4,2.0\n1,1,8.5\n1,5,-3.0\n2,7,1.0\n1,5,0.5\n3,9223372036854775807,nan\n3,"
                  "9223372036854775807,1\n",
                  3),
              1, "k median(x) median(f)");
    expect(&p, "1|5|-0.5\n2|5.5|1.5\n3|9.2233720368547758e+18|nan\n");
}

static void a_sum_that_does_not_fit_is_an_error(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "x\n9223372036854775807\n1\n", 2), 0, "sum(x)");
    expect(&p, "runtime error: sum overflows i64 in column 'sum(x)'\n");
}

static void a_sum_may_pass_the_limits_on_its_way(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "x\n9223372036854775807\n9223372036854775807\n-9223372036854775807\n", 2), 0,
              "sum(x) mean(x)");
    expect(&p, "9223372036854775807|3.0744573456182584e+18\n");
}

static void sums_of_floats_keep_what_rounding_loses(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "x\n1e100\n1.0\n-1e100\n", 2), 0, "sum(x)");
    expect(&p, "1\n");
    plan_open(&p);
    aggregate(&p, csv(&p, "x\ninf\n1.0\ninf\n", 2), 0, "sum(x)");
    expect(&p, "inf\n");
}

static void keys_of_every_kind(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "f\n0.0\n-0.0\nnan\n1.5\nnan\nNA\n1.5\n", 2), 1, "f count()");
    expect(&p, "0|2\nnan|2\n1.5|2\n~|1\n");
    plan_open(&p);
    aggregate(&p, csv(&p, "b\ntrue\nfalse\nNA\ntrue\n", 2), 1, "b count()");
    expect(&p, "true|2\nfalse|1\n~|1\n");
    plan_open(&p);
    aggregate(&p, csv(&p, "d\n2024-01-02\nNA\n2024-01-02\n", 1), 1, "d count()");
    expect(&p, "2024-01-02|2\n~|1\n");
}

static void several_keys_make_one(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "a,b,c,d\nx,yz,1,1.5\nxy,z,1,1.5\nx,yz,1,1.5\nx,,1,1.5\n,x,1,1.5\nx,,1,1.5\n,x,,\n,x,,\n", 3),
              4, "a b c d count()");
    expect(&p, "x|yz|1|1.5|2\nxy|z|1|1.5|1\nx|~|1|1.5|2\n~|x|1|1.5|1\n~|x|~|~|2\n");
}

static void computed_keys_and_texts_outlive_their_batch(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    aggregate(&p, csv(&p, "a,b\nx,y\nx,yyyyyyyyyyyyyyyyyyyyyyyy\nx,y\n,z\n", 1), 1, "a+b count() max(b)");
    expect(&p, "xy|2|y\nxyyyyyyyyyyyyyyyyyyyyyyyy|1|yyyyyyyyyyyyyyyyyyyyyyyy\n~|1|z\n");
}

static void distinct_rows_are_the_first_of_their_kind(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    distinct(&p, csv(&p, "a,b\n1,x\n2,y\n1,x\n1,y\n,\n2,y\n,\n", 2), "");
    expect(&p, "1|x\n2|y\n1|y\n~|~\n");
    plan_open(&p);
    distinct(&p, csv(&p, "a,b\n1,x\n2,y\n1,x\n1,y\n,\n2,y\n,\n", 2), "a");
    expect(&p, "1|x\n2|y\n~|~\n");
}

static char *many_rows(size_t n, size_t ngroups) {
    th_buf b;
    static th_mem other;
    th_mem_init(&other, NULL, NULL, NULL, 0);
    th_buf_init(&b, &other);
    th_buf_text(&b, "k,x\n");
    for (size_t i = 0; i < n; i++) th_buf_printf(&b, "key-%zu,%zu\n", (i * 7919) % ngroups, i);
    char *text = strdup(b.data);
    th_buf_clear(&b);
    return text;
}

static void many_groups_are_all_given(void **state) {
    (void)state;
    enum { N = 200000, GROUPS = 70001 };
    char *text = many_rows(N, GROUPS);
    plan p;
    plan_open(&p);
    aggregate(&p, aggregate(&p, csv(&p, text, 16384), 1, "k count() sum(x) median(x)"), 0,
              "count() sum(count()) sum(sum(x)) max(k)");
    expect(&p, "70001|200000|19999900000|key-9999\n");
    free(text);
}

static void all_of_it(plan *p) {
    aggregate(p, csv(p, rides, 2), 1,
              "city count() sum(fare) median(km) count_distinct(day) min(city) max(city) stddev(fare) last(day)");
}

static void aggregate_fault(void **state) {
    (void)state;
    expect_fault_free(all_of_it, "oslo|3|3|3|3|oslo|oslo|1.4142135623730951|2024-01-01\n"
                                 "rome|2|10|4.5|1|rome|rome|1.4142135623730951|2024-01-01\n"
                                 "bern|1|1.5|~|1|bern|bern|~|2024-01-03\n~|1|8|9|1|~|~|~|2024-01-09\n");
}

static void rows_once(plan *p) { distinct(p, csv(p, rides, 2), "city"); }

static void distinct_fault(void **state) {
    (void)state;
    expect_fault_free(rows_once,
                      "oslo|2.5|1|2024-01-02\nrome|4|2|2024-01-01\nbern|1.5|~|2024-01-03\n~|8|9|2024-01-09\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(groups_come_in_order_of_first_row),
        TEST(without_keys_there_is_one_row),
        TEST(without_rows_there_is_one_row_of_nothing),
        TEST(sums_of_nothing_are_zero_and_means_null),
        TEST(with_keys_and_no_rows_there_are_no_groups),
        TEST(first_and_last_pass_over_nulls),
        TEST(least_and_greatest_of_every_kind),
        TEST(nan_is_greater_than_every_number),
        TEST(any_and_all_pass_over_nulls),
        TEST(distinct_values_are_counted_group_by_group),
        TEST(spread_is_of_a_sample),
        TEST(medians_are_exact),
        TEST(a_sum_that_does_not_fit_is_an_error),
        TEST(a_sum_may_pass_the_limits_on_its_way),
        TEST(sums_of_floats_keep_what_rounding_loses),
        TEST(keys_of_every_kind),
        TEST(several_keys_make_one),
        TEST(computed_keys_and_texts_outlive_their_batch),
        TEST(distinct_rows_are_the_first_of_their_kind),
        TEST(many_groups_are_all_given),
        TEST(aggregate_fault),
        TEST(distinct_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
