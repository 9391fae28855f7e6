/*
** table_test.h - what the tests of the table room share: a budget that must end empty, failing allocations, streams as
** text.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TABLE_TEST_H
#define TABLE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/faulty.h"
#include "table/table.h"

/* Everything allocated by a test goes through `mem`, which must be empty at its end. */
__attribute__((unused)) static th_mem mem;
__attribute__((unused)) static faulty allocator;

__attribute__((unused)) static int setup(void **state) {
    (void)state;
    allocator = (faulty){0};
    th_mem_init(&mem, faulty_alloc, &allocator, NULL, 0);
    return 0;
}

__attribute__((unused)) static int teardown(void **state) {
    (void)state;
    size_t left = atomic_load(&mem.used_bytes);
    if (left) fprintf(stderr, "%zu bytes were not freed\n", left);
    return left != 0 || allocator.held != 0;
}

#define TEST(name) {#name, name, setup, teardown, NULL}

__attribute__((unused)) static void put_value(th_buf *out, const th_column *c, size_t i) {
    char text[64];
    if (!th_column_valid(c, i)) {
        th_buf_text(out, "~");
        return;
    }
    switch (c->type) {
    case TH_COLUMN_BOOL: th_buf_text(out, th_column_bool(c, i) ? "true" : "false"); break;
    case TH_COLUMN_I8: th_buf_printf(out, "%d", TH_COLUMN_AT(c, int8_t)[i]); break;
    case TH_COLUMN_I16: th_buf_printf(out, "%d", TH_COLUMN_AT(c, int16_t)[i]); break;
    case TH_COLUMN_I32: th_buf_printf(out, "%d", TH_COLUMN_AT(c, int32_t)[i]); break;
    case TH_COLUMN_I64: th_buf_printf(out, "%lld", (long long)TH_COLUMN_AT(c, int64_t)[i]); break;
    case TH_COLUMN_F32: th_buf_printf(out, "%.9g", (double)TH_COLUMN_AT(c, float)[i]); break;
    case TH_COLUMN_F64: th_buf_printf(out, "%.17g", TH_COLUMN_AT(c, double)[i]); break;
    case TH_COLUMN_STRING: th_buf_put(out, th_column_text(c, i).data, th_column_text(c, i).len); break;
    case TH_COLUMN_DATE: th_format_date(TH_COLUMN_AT(c, int32_t)[i], text), th_buf_text(out, text); break;
    case TH_COLUMN_TIMESTAMP: th_format_timestamp(TH_COLUMN_AT(c, int64_t)[i], text), th_buf_text(out, text); break;
    default: th_buf_text(out, "?");
    }
}

__attribute__((unused)) static void put_schema(th_buf *out, const th_schema *schema) {
    for (size_t i = 0; i < schema->nfields; i++)
        th_buf_printf(out, "%s%s<%s%s>", i ? " " : "", schema->fields[i].name,
                      th_column_type_text(schema->fields[i].type), schema->fields[i].nullable ? "?" : "");
    th_buf_char(out, '\n');
}

__attribute__((unused)) static void put_batch(th_buf *out, const th_batch *batch) {
    for (size_t row = 0; row < batch->nrows; row++) {
        for (size_t i = 0; i < batch->schema->nfields; i++) {
            if (i) th_buf_char(out, '|');
            put_value(out, &batch->columns[i], row);
        }
        th_buf_char(out, '\n');
    }
}

/* Every column says how many nulls it has; is it so? */
__attribute__((unused)) static void check_batch(const th_batch *batch) {
    for (size_t i = 0; i < batch->schema->nfields; i++) {
        const th_column *c = &batch->columns[i];
        int64_t nulls = 0;
        for (size_t row = 0; row < batch->nrows; row++) nulls += !th_column_valid(c, row);
        assert_int_equal(nulls, c->null_count);
        assert_int_equal(c->len, batch->nrows);
        assert_int_equal(c->type, batch->schema->fields[i].type);
    }
}

/* The schema, the rows, and the error if there is one; closes the stream. */
__attribute__((unused)) static void drain(th_stream *stream, th_buf *out) {
    put_schema(out, stream->schema);
    for (;;) {
        th_batch *batch;
        th_error err = {.code = TH_OK};
        th_status status = stream->next(stream, &batch, &err);
        if (status != TH_OK) {
            assert_int_equal(status, err.code);
            assert_null(batch);
            th_buf_printf(out, "error %s %u:%u %s\n", th_status_text(status), err.span.line, err.span.column,
                          err.message);
            th_status again = stream->next(stream, &batch, &err); /* a failed stream stays failed */
            assert_int_not_equal(again, TH_OK);
            break;
        }
        if (!batch) break;
        check_batch(batch);
        put_batch(out, batch);
        th_batch_release(batch);
    }
    stream->close(stream);
}

#endif
