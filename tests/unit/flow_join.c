/*
** flow_join.c - join: which rows meet, in which order, and which columns are left.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow_test.h"

static const char people[] = "id,name,city\n1,ann,5\n2,bob,6\n3,cid,\n4,dan,9\n5,eve,5\n";
static const char cities[] = "id,city\n5,oslo\n6,rome\n,nowhere\n5,oslo2\n7,bern\n";

static void inner_join_gives_matches_in_left_order(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, people, 2), *right = csv(&p, cities, 2);
    join(&p, left, right, TH_JOIN_INNER, "city id");
    expect(&p, "1|ann|5|5|oslo\n1|ann|5|5|oslo2\n2|bob|6|6|rome\n5|eve|5|5|oslo\n5|eve|5|5|oslo2\n");
}

static void left_join_keeps_rows_without_a_match(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, people, 2), *right = csv(&p, cities, 2);
    join(&p, left, right, TH_JOIN_LEFT, "city id");
    expect(&p, "1|ann|5|5|oslo\n1|ann|5|5|oslo2\n2|bob|6|6|rome\n3|cid|~|~|~\n4|dan|9|~|~\n5|eve|5|5|oslo\n"
               "5|eve|5|5|oslo2\n");
}

static void an_equally_named_key_is_there_once(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, "k,a\nx,1\ny,2\nz,3\n", 2), *right = csv(&p, "b,k,c\n9,z,true\n8,x,false\n", 1);
    th_operator *op = join(&p, left, right, TH_JOIN_LEFT, "k k");
    assert_int_equal(op->schema->nfields, 4);
    expect(&p, "x|1|8|false\ny|2|~|~\nz|3|9|true\n");
}

static void several_keys_must_all_be_equal(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, "a,b,n\n1,x,1\n1,y,2\n2,x,3\n,x,4\n1,,5\n", 2);
    th_operator *right = csv(&p, "a,b,m\n1,x,10\n2,x,20\n,x,30\n1,,40\n1,x,50\n", 2);
    join(&p, left, right, TH_JOIN_LEFT, "a a b b");
    expect(&p, "1|x|1|10\n1|x|1|50\n1|y|2|~\n2|x|3|20\n~|x|4|~\n1|~|5|~\n");
}

static void nothing_on_either_side(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, "k,a\nx,1\n", 2), *right = csv(&p, "k,b\n", 2);
    join(&p, left, right, TH_JOIN_LEFT, "k k");
    expect(&p, "x|1|~\n");
    plan_open(&p);
    left = csv(&p, "k,a\nx,1\n", 2), right = csv(&p, "k,b\n", 2);
    join(&p, left, right, TH_JOIN_INNER, "k k");
    expect(&p, "");
    plan_open(&p);
    left = csv(&p, "k,a\n", 2), right = csv(&p, "k,b\nx,1\n", 2);
    join(&p, left, right, TH_JOIN_LEFT, "k k");
    expect(&p, "");
}

static void keys_of_different_kinds_do_not_meet(void **state) {
    (void)state;
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, "k\n2024-01-01\n", 2), *right = csv(&p, "k\n1\n", 2);
    join(&p, left, right, TH_JOIN_INNER, "k k");
    expect(&p, "type error: key 1 of the join is Date on the left and i64 on the right\n");
}

static void many_matches_come_in_several_batches(void **state) {
    (void)state;
    enum { LEFT = 300, RIGHT = 400 };
    static th_mem other;
    th_buf l, r, want;
    th_mem_init(&other, NULL, NULL, NULL, 0);
    th_buf_init(&l, &other);
    th_buf_init(&r, &other);
    th_buf_init(&want, &other);
    th_buf_text(&l, "k,a\n");
    th_buf_text(&r, "k,b\n");
    for (int i = 0; i < LEFT; i++) th_buf_printf(&l, "%d,%d\n", i % 2, i);
    for (int i = 0; i < RIGHT; i++) th_buf_printf(&r, "%d,%d\n", i % 2, i);
    for (int i = 0; i < LEFT; i++)
        for (int j = 0; j < RIGHT; j++)
            if (i % 2 == j % 2) th_buf_printf(&want, "%d|%d|%d\n", i % 2, i, j);
    plan p;
    plan_open(&p);
    th_operator *left = csv(&p, l.data, 1000), *right = csv(&p, r.data, 7);
    join(&p, left, right, TH_JOIN_INNER, "k k");
    expect(&p, want.data);
    th_buf_clear(&l);
    th_buf_clear(&r);
    th_buf_clear(&want);
}

static void both_kinds(plan *p) {
    th_operator *left = csv(p, people, 2), *right = csv(p, cities, 2);
    join(p, left, right, TH_JOIN_LEFT, "city id");
}

static void join_fault(void **state) {
    (void)state;
    expect_fault_free(both_kinds, "1|ann|5|5|oslo\n1|ann|5|5|oslo2\n2|bob|6|6|rome\n3|cid|~|~|~\n4|dan|9|~|~\n"
                                  "5|eve|5|5|oslo\n5|eve|5|5|oslo2\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(inner_join_gives_matches_in_left_order),
        TEST(left_join_keeps_rows_without_a_match),
        TEST(an_equally_named_key_is_there_once),
        TEST(several_keys_must_all_be_equal),
        TEST(nothing_on_either_side),
        TEST(keys_of_different_kinds_do_not_meet),
        TEST(many_matches_come_in_several_batches),
        TEST(join_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
