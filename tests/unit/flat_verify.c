/*
** flat_verify.c - unsound buffers are refused for the right reason and place; whatever passes can be walked safely.
** Meant for AddressSanitizer: each buffer fills its block, so that reading one byte too far is caught.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/counted_mem.h"
#include "flat/flat.h"

#include "arrow_flat.h"
#include "sample_flat.h"

typedef struct buffer {
    uint8_t *bytes;
    size_t len;
} buffer;

static const char sample_text[] =
    "{\"name\": \"sound\", \"scalars\": {\"i32\": 5, \"f64\": 2.5, \"colour\": \"Red\"},"
    " \"vectors\": {\"f64\": [1.0, 2.0], \"points\": [{\"x\": 1.0, \"y\": 2.0, \"tag\": 3}], \"texts\": [\"a\", "
    "\"bc\"],"
    " \"b\": [true]}, \"point\": {\"x\": 0.5, \"y\": 0.25, \"tag\": 1}, \"shape_type\": \"Branch\","
    " \"shape\": {\"left_type\": \"Leaf\", \"left\": {\"text\": \"l\"}, \"leaves\": [{\"text\": \"a\"}]},"
    " \"children\": [{\"name\": \"child\"}, {\"name\": \"other\", \"note\": \"n\"}], \"ids\": {\"first\": \"f\"}, "
    "\"empty\": {}}";

static buffer make_sample(void) {
    buffer b;
    th_error err;
    if (th_flat_from_json(&mem, th_view_of(sample_text), &theta_sample_schema, theta_sample_schema.root, &b.bytes,
                          &b.len, &err) != TH_OK) {
        fail_msg("%s", err.message);
    }
    return b;
}

/* ---- Named refusals ----------------------------------------------------------------------------------------- */

static void set_u32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }
static void set_u16(uint8_t *at, uint16_t value) { memcpy(at, &value, 2); }
static uint8_t *vtable_of(th_flat_table t) { return (uint8_t *)(uintptr_t)(t.at - th_flat_load_i32(t.at)); }
static uint8_t *slot_of(th_flat_table t, uint32_t slot) { return vtable_of(t) + 4 + 2 * slot; }
static uint8_t *field_of(th_flat_table t, uint32_t slot) { return (uint8_t *)(uintptr_t)th_flat_field(t, slot); }
static uint8_t *target_of(th_flat_table t, uint32_t slot) {
    return (uint8_t *)(uintptr_t)th_flat_follow(th_flat_field(t, slot));
}

/* Each spoils the root, of the sample above, in one way. */
typedef void (*spoil_fn)(uint8_t *bytes, th_flat_table root);
#define SPOIL(name) static void name(uint8_t *bytes __attribute__((unused)), th_flat_table root __attribute__((unused)))
#define NAME_SLOT   theta_sample_Sample_slot_name

SPOIL(other_ident) { bytes[4] ^= 1; }
SPOIL(root_outside) { set_u32(bytes, 0x7ffffff0); }
SPOIL(root_far_outside) { set_u32(bytes, 0xfffffff0); }
SPOIL(root_zero) { set_u32(bytes, 0); }
SPOIL(root_odd) { bytes[0] += 1; }
SPOIL(table_too_long) { set_u16(vtable_of(root) + 2, 0xfffc); }
SPOIL(table_too_short) { set_u16(vtable_of(root) + 2, 2); }
SPOIL(vtable_before_start) { set_u32((uint8_t *)(uintptr_t)root.at, 0x40000000); }
SPOIL(vtable_after_end) { set_u32((uint8_t *)(uintptr_t)root.at, 0xc0000000); }
SPOIL(vtable_odd_place) { ((uint8_t *)(uintptr_t)root.at)[0] ^= 1; }
SPOIL(vtable_odd_size) { vtable_of(root)[0] |= 1; }
SPOIL(vtable_tiny) { set_u16(vtable_of(root), 2); }
SPOIL(vtable_huge) { set_u16(vtable_of(root), 0xfffe); }
SPOIL(field_in_head) { set_u16(slot_of(root, NAME_SLOT), 2); }
SPOIL(field_behind) { set_u16(slot_of(root, NAME_SLOT), th_flat_load_u16(vtable_of(root) + 2)); }
SPOIL(field_odd) { slot_of(root, NAME_SLOT)[0] -= 1; }
SPOIL(struct_misaligned) { slot_of(root, theta_sample_Sample_slot_point)[0] += 4; }
SPOIL(name_missing) { set_u16(slot_of(root, NAME_SLOT), 0); }
SPOIL(name_nowhere) { set_u32(field_of(root, NAME_SLOT), 0); }
SPOIL(name_outside) { set_u32(field_of(root, NAME_SLOT), 0x7ffffffc); }
SPOIL(name_endless) { set_u32(target_of(root, NAME_SLOT), 0xffffffff); }
SPOIL(name_unterminated) { target_of(root, NAME_SLOT)[4 + 5] = 'x'; }
SPOIL(name_not_utf8) { target_of(root, NAME_SLOT)[4 + 2] = 0xff; }
SPOIL(vector_endless) {
    set_u32(target_of(theta_sample_Sample_vectors(root), theta_sample_Vectors_slot_f64), 0x7fffffff);
}
SPOIL(vector_wraps) {
    set_u32(target_of(theta_sample_Sample_vectors(root), theta_sample_Vectors_slot_f64), 0xffffffff);
}
SPOIL(strings_endless) {
    set_u32(target_of(theta_sample_Sample_vectors(root), theta_sample_Vectors_slot_texts), 0x10000000);
}
SPOIL(tables_endless) { set_u32(target_of(root, theta_sample_Sample_slot_children), 0x3fffffff); }
SPOIL(vector_misaligned) {
    uint8_t *at = field_of(theta_sample_Sample_vectors(root), theta_sample_Vectors_slot_f64);
    set_u32(at - 0, th_flat_load_u32(at) - 4);
    set_u32(target_of(theta_sample_Sample_vectors(root), theta_sample_Vectors_slot_f64), 1);
}
SPOIL(union_without_value) { set_u16(slot_of(root, theta_sample_Sample_slot_shape), 0); }
SPOIL(union_without_type) { set_u16(slot_of(root, theta_sample_Sample_slot_shape_type), 0); }
SPOIL(union_of_none) { *field_of(root, theta_sample_Sample_slot_shape_type) = 0; }
SPOIL(leaf_without_text) { set_u16(slot_of(theta_sample_Branch_left(theta_sample_Sample_shape(root)), 0), 0); }

static const struct spoiled {
    const char *what;
    spoil_fn spoil;
    th_flat_reason reason;
    const char *field; /* NULL: none */
} spoiled[] = {
#define CASE(fn, reason, field) {#fn, fn, TH_FLAT_R_##reason, field}
    CASE(other_ident, IDENTIFIER, NULL),
    CASE(root_outside, OFFSET_RANGE, NULL),
    CASE(root_far_outside, OFFSET_RANGE, NULL),
    CASE(root_zero, OFFSET_ZERO, NULL),
    CASE(root_odd, ALIGNMENT, NULL),
    CASE(table_too_long, TABLE_RANGE, NULL),
    CASE(table_too_short, TABLE_SIZE, NULL),
    CASE(vtable_before_start, VTABLE_RANGE, NULL),
    CASE(vtable_after_end, VTABLE_RANGE, NULL),
    CASE(vtable_odd_place, ALIGNMENT, NULL),
    CASE(vtable_odd_size, VTABLE_SIZE, NULL),
    CASE(vtable_tiny, VTABLE_SIZE, NULL),
    CASE(vtable_huge, VTABLE_RANGE, NULL),
    CASE(field_in_head, FIELD_RANGE, "name"),
    CASE(field_behind, FIELD_RANGE, "name"),
    CASE(field_odd, ALIGNMENT, "name"),
    CASE(struct_misaligned, ALIGNMENT, "point"),
    CASE(name_missing, REQUIRED, "name"),
    CASE(name_nowhere, OFFSET_ZERO, "name"),
    CASE(name_outside, OFFSET_RANGE, "name"),
    CASE(name_endless, STRING_RANGE, "name"),
    CASE(name_unterminated, STRING_NUL, "name"),
    CASE(name_not_utf8, STRING_UTF8, "name"),
    CASE(vector_endless, VECTOR_RANGE, "f64"),
    CASE(vector_wraps, VECTOR_RANGE, "f64"),
    CASE(strings_endless, VECTOR_RANGE, "texts"),
    CASE(tables_endless, VECTOR_RANGE, "children"),
    CASE(vector_misaligned, ALIGNMENT, "f64"),
    CASE(union_without_value, UNION_VALUE, "shape"),
    CASE(union_without_type, UNION_TYPE, "shape"),
    CASE(union_of_none, UNION_TYPE, "shape"),
    CASE(leaf_without_text, REQUIRED, "text"),
#undef CASE
};

static void verify_names_each_fault(void **state) {
    (void)state;
    for (size_t i = 0; i < TH_COUNT(spoiled); i++) {
        const struct spoiled *c = &spoiled[i];
        th_flat_fault fault;
        th_error err;
        buffer b = make_sample();
        assert_int_equal(th_flat_check(b.bytes, b.len, &theta_sample_schema, theta_sample_schema.root, NULL, &fault),
                         0);
        c->spoil(b.bytes, th_flat_root(b.bytes));
        th_flat_check(b.bytes, b.len, &theta_sample_schema, theta_sample_schema.root, NULL, &fault);
        if (fault.reason != c->reason) {
            fail_msg("%s: refused for \"%s\", not for \"%s\"", c->what, th_flat_reason_text(fault.reason),
                     th_flat_reason_text(c->reason));
        }
        assert_true(fault.at < b.len);
        assert_true((c->field == NULL) == (fault.field == NULL));
        if (c->field && strcmp(c->field, fault.field) != 0) fail_msg("%s: at the field %s", c->what, fault.field);
        assert_int_equal(th_flat_verify(b.bytes, b.len, &theta_sample_schema, NULL, &err), TH_E_FORMAT);
        assert_non_null(strstr(err.message, "sample buffer: byte "));
        th_mem_free(&mem, b.bytes, b.len);
    }
}

static void verify_tells_where(void **state) {
    (void)state;
    th_error err;
    buffer b = make_sample();
    th_flat_table root = th_flat_root(b.bytes);
    char expected[128];
    name_not_utf8(b.bytes, root);
    snprintf(expected, sizeof expected,
             "malformed sample buffer: byte %zu: the string is not UTF-8 (field name of "
             "theta.sample.Sample)",
             (size_t)(target_of(root, NAME_SLOT) + 6 - b.bytes));
    assert_int_equal(th_flat_verify(b.bytes, b.len, &theta_sample_schema, NULL, &err), TH_E_FORMAT);
    assert_string_equal(err.message, expected);
    th_flat_limits limits = {.skip_utf8 = true};
    assert_int_equal(th_flat_verify(b.bytes, b.len, &theta_sample_schema, &limits, &err), TH_OK);
    th_mem_free(&mem, b.bytes, b.len);
}

static th_flat_reason check(const void *bytes, size_t len, const th_flat_limits *limits) {
    return th_flat_check(bytes, len, &theta_sample_schema, theta_sample_schema.root, limits, NULL);
}

static void verify_refuses_what_is_no_buffer(void **state) {
    (void)state;
    buffer b = make_sample();
    uint64_t words[2] = {0, 0};
    th_flat_limits prefixed = {.size_prefixed = true};
    assert_int_equal(check("", 0, NULL), TH_FLAT_R_TOO_SMALL);
    assert_int_equal(check(words, 3, NULL), TH_FLAT_R_TOO_SMALL);
    assert_int_equal(check(words, 7, NULL), TH_FLAT_R_TOO_SMALL);
    assert_int_equal(check(words, 16, &prefixed), TH_FLAT_R_SIZE_PREFIX);
    assert_int_equal(check(b.bytes + 4, b.len - 4, NULL), TH_FLAT_R_BASE_ALIGNMENT);
    assert_int_equal(check(b.bytes, (size_t)1 << 31, NULL), TH_FLAT_R_TOO_LARGE);
    assert_int_equal(check(b.bytes, SIZE_MAX, NULL), TH_FLAT_R_TOO_LARGE);
    th_mem_free(&mem, b.bytes, b.len);
}

static void verify_ignores_a_union_type_from_the_future(void **state) {
    (void)state;
    buffer b = make_sample();
    th_buf out;
    th_error err;
    th_buf_init(&out, &mem);
    *field_of(th_flat_root(b.bytes), theta_sample_Sample_slot_shape_type) = 99;
    set_u32(field_of(th_flat_root(b.bytes), theta_sample_Sample_slot_shape), 0x7fffffff);
    assert_int_equal(check(b.bytes, b.len, NULL), TH_FLAT_R_OK);
    assert_int_equal(
        th_flat_to_json(b.bytes, b.len, &theta_sample_schema, theta_sample_schema.root, NULL, 0, &out, &err), TH_OK);
    assert_non_null(strstr(out.data, "\"shape_type\":99,\"children\""));
    th_buf_clear(&out);
    th_mem_free(&mem, b.bytes, b.len);
}

/* ---- Limits ------------------------------------------------------------------------------------------------- */

/* A chain of children, each the `width`-fold child of the one before: width^depth tables in a few bytes. */
static buffer make_chain(unsigned depth, unsigned width) {
    th_flat_builder b;
    buffer out;
    th_flat_ref refs[16], child = 0;
    th_flat_builder_init(&b, &mem);
    for (unsigned i = 0; i < depth; i++) {
        for (unsigned k = 0; k < width; k++) refs[k] = child;
        th_flat_ref name = th_flat_put_string(&b, "n", 1), children = child ? th_flat_put_refs(&b, refs, width) : 0;
        theta_sample_Sample_start_table(&b);
        theta_sample_Sample_add_name(&b, name);
        theta_sample_Sample_add_children(&b, children);
        child = th_flat_end(&b);
    }
    assert_int_equal(th_flat_finish(&b, child, theta_sample_ident, &out.bytes, &out.len), TH_OK);
    return out;
}

static void verify_limits_depth(void **state) {
    (void)state;
    buffer deep = make_chain(64, 1), deeper = make_chain(65, 1), deepest = make_chain(TH_FLAT_DEPTH_CAP, 1);
    buffer beyond = make_chain(TH_FLAT_DEPTH_CAP + 1, 1);
    th_flat_limits all = {.max_depth = UINT32_MAX}, three = {.max_depth = 3};
    assert_int_equal(check(deep.bytes, deep.len, NULL), TH_FLAT_R_OK);
    assert_int_equal(check(deep.bytes, deep.len, &three), TH_FLAT_R_DEPTH);
    assert_int_equal(check(deeper.bytes, deeper.len, NULL), TH_FLAT_R_DEPTH);
    assert_int_equal(check(deepest.bytes, deepest.len, &all), TH_FLAT_R_OK);
    assert_int_equal(check(beyond.bytes, beyond.len, &all), TH_FLAT_R_DEPTH);
    th_error err;
    assert_int_equal(th_flat_verify(beyond.bytes, beyond.len, &theta_sample_schema, &all, &err), TH_E_LIMIT);
    th_buf out;
    th_buf_init(&out, &mem);
    assert_int_equal(th_flat_to_json(deepest.bytes, deepest.len, &theta_sample_schema, theta_sample_schema.root, &all,
                                     1, &out, &err),
                     TH_OK);
    th_buf_clear(&out);
    th_mem_free(&mem, deep.bytes, deep.len);
    th_mem_free(&mem, deeper.bytes, deeper.len);
    th_mem_free(&mem, deepest.bytes, deepest.len);
    th_mem_free(&mem, beyond.bytes, beyond.len);
}

static void verify_stops_at_tables_shared_without_end(void **state) {
    (void)state;
    buffer bomb = make_chain(60, 16); /* 16^59 visits if it did not stop */
    assert_true(bomb.len < 10000);
    assert_int_equal(check(bomb.bytes, bomb.len, NULL), TH_FLAT_R_TABLES);
    th_mem_free(&mem, bomb.bytes, bomb.len);
}

static void verify_stops_at_strings_shared_without_end(void **state) {
    (void)state;
    th_flat_builder b;
    buffer out;
    size_t n = 20000;
    char *text = th_mem_zeroed(&mem, n);
    th_flat_ref *refs = th_mem_new(&mem, n * sizeof *refs);
    memset(text, 'x', n);
    th_flat_builder_init(&b, &mem);
    th_flat_ref one = th_flat_put_string(&b, text, n);
    for (size_t i = 0; i < n; i++) refs[i] = one;
    th_flat_ref texts = th_flat_put_refs(&b, refs, n);
    theta_sample_Vectors_start_table(&b);
    theta_sample_Vectors_add_texts(&b, texts);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), NULL, &out.bytes, &out.len), TH_OK);
    th_flat_limits generous = {.max_apparent_bytes = UINT64_MAX, .skip_utf8 = true};
    uint16_t root = theta_sample_object_theta_sample_Vectors;
    assert_int_equal(th_flat_check(out.bytes, out.len, &theta_sample_schema, root, NULL, NULL), TH_FLAT_R_APPARENT);
    assert_int_equal(th_flat_check(out.bytes, out.len, &theta_sample_schema, root, &generous, NULL), TH_FLAT_R_OK);
    th_mem_free(&mem, out.bytes, out.len);
    th_mem_free(&mem, text, n);
    th_mem_free(&mem, refs, n * sizeof *refs);
}

/* ---- Hostile bytes: refused, or safe to walk ---------------------------------------------------------------- */

/* Walks everything the verifier let pass. */
static bool walk(const uint8_t *bytes, size_t len, const th_flat_schema *schema, uint16_t root, th_buf *out) {
    th_error err;
    out->len = 0;
    th_status status = th_flat_to_json(bytes, len, schema, root, NULL, 0, out, &err);
    assert_true(status == TH_OK || status == TH_E_FORMAT || status == TH_E_LIMIT);
    return status == TH_OK;
}

static void verify_every_truncation_is_refused(void **state) {
    (void)state;
    buffer b = make_sample();
    th_buf out;
    th_buf_init(&out, &mem);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* exactly n bytes, so that ASan sees the first one read beyond */
        assert_non_null(cut);
        memcpy(cut, b.bytes, n);
        bool sound = walk(cut, n, &theta_sample_schema, theta_sample_schema.root, &out);
        /* Nothing but the padding behind the last part may be missing. */
        if (sound && b.len - n >= 8) fail_msg("%zu of %zu bytes passed", n, b.len);
        free(cut);
    }
    th_buf_clear(&out);
    th_mem_free(&mem, b.bytes, b.len);
}

static void verify_every_changed_byte_is_refused_or_safe(void **state) {
    (void)state;
    buffer b = make_sample();
    th_buf out;
    size_t refused = 0, passed = 0;
    uint8_t *block = malloc(b.len);
    assert_non_null(block);
    memcpy(block, b.bytes, b.len);
    th_buf_init(&out, &mem);
    for (size_t i = 0; i < b.len; i++) {
        for (unsigned delta = 1; delta < 256; delta++) {
            block[i] = (uint8_t)(b.bytes[i] + delta);
            bool sound = walk(block, b.len, &theta_sample_schema, theta_sample_schema.root, &out);
            passed += sound;
            refused += !sound;
        }
        block[i] = b.bytes[i];
    }
    assert_true(refused > 1000 && passed > 1000); /* the walk was put to use */
    th_buf_clear(&out);
    free(block);
    th_mem_free(&mem, b.bytes, b.len);
}

static void verify_many_changed_bytes_are_refused_or_safe(void **state) {
    (void)state;
    static const uint8_t favoured[] = {0, 1, 2, 4, 8, 0x7f, 0x80, 0xfc, 0xff};
    buffer b = make_sample();
    uint64_t seed = 42;
    uint8_t *block = malloc(b.len);
    assert_non_null(block);
    th_buf out;
    th_buf_init(&out, &mem);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(block, b.bytes, b.len);
        for (unsigned k = 0; k < 1 + round % 7; k++) {
            seed = th_hash_word(seed + round + 1);
            block[seed % b.len] = favoured[(seed >> 32) % TH_COUNT(favoured)];
        }
        walk(block, b.len, &theta_sample_schema, theta_sample_schema.root, &out);
        walk(block, b.len, &theta_arrow_schema, theta_arrow_schema.root, &out);
    }
    free(block);
    th_buf_clear(&out);
    th_mem_free(&mem, b.bytes, b.len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_mem, close_mem)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(verify_names_each_fault),
        TEST(verify_tells_where),
        TEST(verify_refuses_what_is_no_buffer),
        TEST(verify_ignores_a_union_type_from_the_future),
        TEST(verify_limits_depth),
        TEST(verify_stops_at_tables_shared_without_end),
        TEST(verify_stops_at_strings_shared_without_end),
        TEST(verify_every_truncation_is_refused),
        TEST(verify_every_changed_byte_is_refused_or_safe),
        TEST(verify_many_changed_bytes_are_refused_or_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
