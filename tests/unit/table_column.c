/*
** table_column.c - schemas, builders, columns, batches and their slices.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table_test.h"

static const th_column_type TYPES[] = {TH_COLUMN_NULL, TH_COLUMN_BOOL,   TH_COLUMN_I8,       TH_COLUMN_I16,
                                       TH_COLUMN_I32,  TH_COLUMN_I64,    TH_COLUMN_F32,      TH_COLUMN_F64,
                                       TH_COLUMN_DATE, TH_COLUMN_STRING, TH_COLUMN_TIMESTAMP};

/* Row i: null when i % 5 == 3, else a value that tells i. */
static void put_row(th_column_builder *b, size_t i) {
    char text[32];
    if (i % 5 == 3 || b->type == TH_COLUMN_NULL)
        th_column_put_null(b);
    else if (b->type == TH_COLUMN_STRING) {
        snprintf(text, sizeof text, "%.*s%zu", (int)(i % 7), "abcdefg", i);
        th_column_put_text(b, th_view_of(i % 11 ? text : ""));
    } else if (b->type == TH_COLUMN_F32 || b->type == TH_COLUMN_F64)
        th_column_put_f64(b, (double)i / 4);
    else if (b->type == TH_COLUMN_BOOL)
        th_column_put_i64(b, i % 3 == 0);
    else
        th_column_put_i64(b, (int64_t)(i % 100) - 50);
}

static th_status build(th_column_type type, size_t n, th_column *out) {
    th_column_builder b;
    th_column_builder_init(&b, &mem, type);
    for (size_t i = 0; i < n; i++) put_row(&b, i);
    th_status status = th_column_builder_finish(&b, out);
    th_column_builder_clear(&b);
    return status;
}

static void text_of(const th_column *c, size_t from, size_t n, th_buf *out) {
    for (size_t i = from; i < from + n; i++) put_value(out, c, i), th_buf_char(out, '\n');
}

static th_status all_types(size_t n, th_batch **out) {
    th_field fields[TH_COUNT(TYPES)];
    th_column columns[TH_COUNT(TYPES)] = {0};
    th_schema *schema = NULL;
    th_status status = TH_OK;
    for (size_t i = 0; i < TH_COUNT(TYPES); i++) fields[i] = (th_field){th_column_type_text(TYPES[i]), TYPES[i], true};
    for (size_t i = 0; i < TH_COUNT(TYPES) && status == TH_OK; i++) status = build(TYPES[i], n, &columns[i]);
    if (status == TH_OK) status = th_schema_new(&mem, fields, TH_COUNT(TYPES), &schema);
    if (status == TH_OK) status = th_batch_new(&mem, schema, n, columns, out);
    th_schema_release(schema);
    for (size_t i = 0; i < TH_COUNT(TYPES) && status != TH_OK; i++) th_column_clear(&columns[i]);
    return status;
}

static void a_schema_copies_its_names_and_finds_the_first(void **state) {
    (void)state;
    char name[] = "city";
    th_field fields[] = {{name, TH_COLUMN_STRING, true}, {"km", TH_COLUMN_F64, false}, {"city", TH_COLUMN_I64, false}};
    th_schema *schema, *other;
    assert_int_equal(th_schema_new(&mem, fields, 3, &schema), TH_OK);
    name[0] = 'X';
    assert_string_equal(schema->fields[0].name, "city");
    assert_int_equal(th_schema_find(schema, th_view_of("city")), 0);
    assert_int_equal(th_schema_find(schema, th_view_of("km")), 1);
    assert_int_equal(th_schema_find(schema, th_view_of("Km")), -1);
    assert_int_equal(th_schema_new(&mem, fields, 3, &other), TH_OK);
    assert_false(th_schema_equal(schema, other)); /* Xity */
    th_schema_release(other);
    other = th_schema_retain(schema);
    assert_true(th_schema_equal(schema, other));
    th_schema_release(other);
    th_schema_release(schema);
}

static void a_schema_of_nonsense_is_refused(void **state) {
    (void)state;
    th_schema *schema;
    assert_int_equal(th_schema_new(&mem, &(th_field){NULL, TH_COLUMN_I64, true}, 1, &schema), TH_E_ARGUMENT);
    assert_int_equal(th_schema_new(&mem, &(th_field){"a", (th_column_type)99, true}, 1, &schema), TH_E_ARGUMENT);
}

static void buffers_are_aligned_and_padded_with_zeros(void **state) {
    (void)state;
    for (size_t n = 0; n < 200; n += 33) {
        th_buffer *b;
        assert_int_equal(th_buffer_new(&mem, n, &b), TH_OK);
        assert_int_equal((uintptr_t)b->data % 64, 0);
        assert_int_equal(b->len, n);
        for (size_t i = n; i < b->capacity; i++) assert_int_equal(b->data[i], 0);
        th_buffer_release(b);
    }
    th_buffer *b;
    assert_int_equal(th_buffer_new(&mem, SIZE_MAX - 8, &b), TH_E_NOMEM);
    th_buffer_release(NULL);
    assert_null(th_buffer_retain(NULL));
}

static void a_builder_gives_back_what_was_put(void **state) {
    (void)state;
    for (size_t t = 0; t < TH_COUNT(TYPES); t++) {
        th_column c;
        assert_int_equal(build(TYPES[t], 1000, &c), TH_OK);
        assert_int_equal(c.len, 1000);
        assert_int_equal(c.null_count, TYPES[t] == TH_COLUMN_NULL ? 1000 : 200);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(th_column_valid(&c, i), TYPES[t] != TH_COLUMN_NULL && i % 5 != 3);
        th_column_clear(&c);
    }
    th_column c;
    assert_int_equal(build(TH_COLUMN_STRING, 14, &c), TH_OK);
    assert_int_equal(th_column_text(&c, 0).len, 0); /* empty, not null */
    assert_true(th_column_valid(&c, 0));
    assert_true(th_view_is(th_column_text(&c, 12), "abcde12"));
    th_column_clear(&c);
}

static void empty_columns_have_buffers_to_read(void **state) {
    (void)state;
    for (size_t t = 0; t < TH_COUNT(TYPES); t++) {
        th_column c;
        assert_int_equal(build(TYPES[t], 0, &c), TH_OK);
        assert_int_equal(c.len, 0);
        if (TYPES[t] != TH_COLUMN_NULL) assert_non_null(c.values);
        if (TYPES[t] == TH_COLUMN_STRING) assert_int_equal(*(int32_t *)(void *)c.offsets->data, 0);
        th_column_clear(&c);
    }
}

static void put_from_copies_any_row_of_a_slice(void **state) {
    (void)state;
    th_batch *batch, *slice;
    assert_int_equal(all_types(300, &batch), TH_OK);
    assert_int_equal(th_batch_slice(batch, 77, 101, &slice), TH_OK);
    for (size_t t = 0; t < TH_COUNT(TYPES); t++) {
        th_column_builder b;
        th_column copy;
        th_buf want, have;
        th_buf_init(&want, &mem);
        th_buf_init(&have, &mem);
        th_column_builder_init(&b, &mem, TYPES[t]);
        for (size_t i = 0; i < 101; i++) th_column_put_from(&b, &slice->columns[t], i);
        assert_int_equal(th_column_builder_finish(&b, &copy), TH_OK);
        text_of(&batch->columns[t], 77, 101, &want);
        text_of(&copy, 0, 101, &have);
        assert_string_equal(want.data, have.data);
        assert_int_equal(copy.null_count, slice->columns[t].null_count);
        th_column_clear(&copy);
        th_buf_clear(&want);
        th_buf_clear(&have);
    }
    th_batch_release(slice);
    th_batch_release(batch);
}

static void slices_share_and_outlive_their_batch(void **state) {
    (void)state;
    th_batch *batch, *slice, *again;
    assert_int_equal(all_types(100, &batch), TH_OK);
    const th_buffer *values = batch->columns[5].values;
    assert_int_equal(th_batch_slice(batch, 10, 50, &slice), TH_OK);
    th_batch_release(batch);
    assert_int_equal(th_batch_slice(slice, 5, 20, &again), TH_OK);
    th_batch_release(slice);
    assert_ptr_equal(again->columns[5].values, values);
    check_batch(again);
    for (size_t i = 0; i < 20; i++)
        if (th_column_valid(&again->columns[5], i))
            assert_int_equal(TH_COLUMN_AT(&again->columns[5], int64_t)[i], (int64_t)(15 + i) - 50);
    th_batch_release(again);
}

static void slices_outside_a_batch_are_refused(void **state) {
    (void)state;
    th_batch *batch, *slice;
    assert_int_equal(all_types(10, &batch), TH_OK);
    assert_int_equal(th_batch_slice(batch, 11, 0, &slice), TH_E_INDEX);
    assert_int_equal(th_batch_slice(batch, 5, 6, &slice), TH_E_INDEX);
    assert_int_equal(th_batch_slice(batch, 5, SIZE_MAX, &slice), TH_E_INDEX);
    assert_int_equal(th_batch_slice(batch, 10, 0, &slice), TH_OK);
    assert_int_equal(slice->nrows, 0);
    th_batch_release(slice);
    th_batch_release(batch);
}

static void a_batch_of_other_columns_than_its_schema_is_refused(void **state) {
    (void)state;
    th_schema *schema;
    th_column c;
    th_batch *batch;
    assert_int_equal(th_schema_new(&mem, &(th_field){"a", TH_COLUMN_I64, true}, 1, &schema), TH_OK);
    assert_int_equal(build(TH_COLUMN_I32, 4, &c), TH_OK);
    assert_int_equal(th_batch_new(&mem, schema, 4, &c, &batch), TH_E_ARGUMENT);
    c.type = TH_COLUMN_I64;
    assert_int_equal(th_batch_new(&mem, schema, 5, &c, &batch), TH_E_ARGUMENT);
    th_column_clear(&c);
    th_schema_release(schema);
}

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    th_status status = TH_E_NOMEM;
    size_t n = 0;
    for (; status != TH_OK && n < 1000; n++) {
        th_batch *batch;
        faulty_allow(&allocator, n);
        status = all_types(600, &batch);
        if (status == TH_OK)
            th_batch_release(batch);
        else
            assert_int_equal(status, TH_E_NOMEM);
        assert_int_equal(atomic_load(&mem.used_bytes), 0);
    }
    assert_int_equal(status, TH_OK);
    assert_true(n > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_schema_copies_its_names_and_finds_the_first),
        TEST(a_schema_of_nonsense_is_refused),
        TEST(buffers_are_aligned_and_padded_with_zeros),
        TEST(a_builder_gives_back_what_was_put),
        TEST(empty_columns_have_buffers_to_read),
        TEST(put_from_copies_any_row_of_a_slice),
        TEST(slices_share_and_outlive_their_batch),
        TEST(slices_outside_a_batch_are_refused),
        TEST(a_batch_of_other_columns_than_its_schema_is_refused),
        TEST(every_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
