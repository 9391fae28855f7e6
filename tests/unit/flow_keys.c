/*
** flow_keys.c - groups of equal keys: numbered in order of first appearance, looked up, and read back.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

#include "flow/flow_int.h"

#define INTS(...) ((th_vector){.family = TH_FAMILY_INT, .ints = (const int64_t[]){__VA_ARGS__}})

static void check_ids(th_groups *g, const th_vector *keys, size_t nkeys, bool add, bool null_is_none,
                      const uint32_t *want, size_t n) {
    uint32_t ids[64];
    assert_int_equal(th_groups_of(g, keys, nkeys, n, add, null_is_none, ids), TH_OK);
    assert_memory_equal(ids, want, n * sizeof *ids);
}

static void equal_keys_have_one_number(void **state) {
    (void)state;
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector keys = INTS(7, 8, 7, -1, 8);
    check_ids(&g, &keys, 1, true, false, (const uint32_t[]){0, 1, 0, 2, 1}, 5);
    keys = INTS(9, -1, 7);
    check_ids(&g, &keys, 1, false, false, (const uint32_t[]){TH_GROUP_NONE, 2, 0}, 3);
    check_ids(&g, &keys, 1, true, false, (const uint32_t[]){3, 2, 0}, 3);
    assert_int_equal(g.len, 4);
    th_groups_clear(&g);
}

static void nulls_are_a_group_or_none(void **state) {
    (void)state;
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector keys = INTS(0, 0, 5, 0);
    keys.valid = (const uint8_t[]){1, 0, 1, 0};
    check_ids(&g, &keys, 1, true, true, (const uint32_t[]){0, TH_GROUP_NONE, 1, TH_GROUP_NONE}, 4);
    check_ids(&g, &keys, 1, false, false, (const uint32_t[]){0, TH_GROUP_NONE, 1, TH_GROUP_NONE}, 4);
    check_ids(&g, &keys, 1, true, false, (const uint32_t[]){0, 2, 1, 2}, 4);
    th_vector pair[2] = {keys, keys};
    th_groups_clear(&g);
    check_ids(&g, pair, 2, true, true, (const uint32_t[]){0, TH_GROUP_NONE, 1, TH_GROUP_NONE}, 4);
    th_groups_clear(&g);
    check_ids(&g, pair, 2, true, false, (const uint32_t[]){0, 1, 2, 1}, 4);
    th_groups_clear(&g);
}

static void nothing_is_found_where_nothing_was_added(void **state) {
    (void)state;
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector keys = INTS(1, 2);
    check_ids(&g, &keys, 1, false, true, (const uint32_t[]){TH_GROUP_NONE, TH_GROUP_NONE}, 2);
    check_ids(&g, NULL, 0, false, true, (const uint32_t[]){TH_GROUP_NONE, TH_GROUP_NONE}, 2);
    th_groups_clear(&g);
}

static void a_column_of_nulls_goes_with_any_type(void **state) {
    (void)state;
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector nothing = {.family = TH_FAMILY_NULL}, keys = INTS(4);
    check_ids(&g, &nothing, 1, true, false, (const uint32_t[]){0, 0}, 2);
    check_ids(&g, &keys, 1, true, false, (const uint32_t[]){1}, 1);
    const th_column_type type = TH_COLUMN_I16;
    th_column c;
    assert_int_equal(th_groups_column(&g, &type, 0, 1, 0, 2, &c), TH_OK);
    assert_false(th_column_valid(&c, 0));
    assert_int_equal(TH_COLUMN_AT(&c, int16_t)[1], 4);
    th_column_clear(&c);
    th_groups_clear(&g);
}

/* Texts of every length to 40 bytes, a byte changed at each place: all different, and found again. */
static void texts_of_every_length_are_told_apart(void **state) {
    (void)state;
    static char room[2000][40];
    th_view texts[2000];
    uint32_t ids[2000];
    size_t n = 0;
    for (size_t len = 0; len <= 40; len++)
        for (size_t at = 0; at <= len; at++, n++) {
            memset(room[n], 'a', len);
            if (at < len) room[n][at] = 'b';
            texts[n] = (th_view){room[n], len};
        }
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector keys = {.family = TH_FAMILY_TEXT, .texts = texts};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(th_groups_of(&g, &keys, 1, n, round == 0, false, ids), TH_OK);
        for (size_t i = 0; i < n; i++) assert_int_equal(ids[i], i);
    }
    th_groups_clear(&g);
}

static void many_keys_are_found_again(void **state) {
    (void)state;
    enum { N = 100000 };
    int64_t *x = calloc(N, sizeof *x);
    uint32_t *ids = calloc(N, sizeof *ids);
    for (size_t i = 0; i < N; i++) x[i] = (int64_t)(i << 32); /* only high bits differ */
    th_groups g;
    th_groups_init(&g, &mem);
    th_vector keys[2] = {{.family = TH_FAMILY_INT, .ints = x}, {.family = TH_FAMILY_INT, .ints = x}};
    for (size_t nkeys = 1; nkeys <= 2; nkeys++) {
        for (int round = 0; round < 2; round++) {
            assert_int_equal(th_groups_of(&g, keys, nkeys, N, round == 0, false, ids), TH_OK);
            for (size_t i = 0; i < N; i++) assert_int_equal(ids[i], i);
        }
        th_groups_clear(&g);
    }
    free(x);
    free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_keys_have_one_number),
        TEST(nulls_are_a_group_or_none),
        TEST(nothing_is_found_where_nothing_was_added),
        TEST(a_column_of_nulls_goes_with_any_type),
        TEST(texts_of_every_length_are_told_apart),
        TEST(many_keys_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
