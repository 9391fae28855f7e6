/*
** flat_build.c - what the builder writes is what the accessors read, and what the verifier takes.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/counted_mem.h"
#include "../support/faulty.h"
#include "flat/flat.h"

#include "arrow_flat.h"
#include "program_flat.h"
#include "sample_flat.h"

typedef struct buffer {
    uint8_t *bytes;
    size_t len;
} buffer;

static void verified(const buffer *b, const th_flat_schema *schema, const th_flat_limits *limits) {
    th_error err;
    if (th_flat_verify(b->bytes, b->len, schema, limits, &err) != TH_OK) fail_msg("%s", err.message);
}

static void release(buffer *b) { th_mem_free(&mem, b->bytes, b->len); }

static th_flat_ref leaf(th_flat_builder *b, const char *text, int32_t n) {
    th_flat_ref ref = th_flat_put_view(b, th_view_of(text));
    theta_sample_Leaf_start_table(b);
    theta_sample_Leaf_add_text(b, ref);
    theta_sample_Leaf_add_n(b, n);
    return th_flat_end(b);
}

static th_flat_ref named(th_flat_builder *b, const char *name) {
    th_flat_ref ref = th_flat_put_view(b, th_view_of(name));
    theta_sample_Sample_start_table(b);
    theta_sample_Sample_add_name(b, ref);
    return th_flat_end(b);
}

/* A program with two functions, built through the generated accessors. */
static th_status build_program(th_mem *in, bool prefixed, buffer *out) {
    static const uint32_t code[] = {1, 2, 0xffffffff};
    static const uint8_t registers[] = {4, 4};
    static const theta_program_Handler handlers[] = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}};
    static const theta_program_Constant constants[] = {{.bits = UINT64_MAX, .class = 4}, {.bits = 1, .class = 6}};
    th_flat_builder b;
    th_flat_builder_init(&b, in);
    th_flat_ref functions[2];
    for (int i = 0; i < 2; i++) {
        th_flat_ref name = th_flat_put_view(&b, th_view_of(i ? "second" : "first"));
        th_flat_ref c = theta_program_Function_put_code(&b, code, 3);
        th_flat_ref r = theta_program_Function_put_registers(&b, registers, 2);
        th_flat_ref h = theta_program_Function_put_handlers(&b, handlers, 2);
        theta_program_Function_start_table(&b);
        theta_program_Function_add_name(&b, name);
        theta_program_Function_add_code(&b, c);
        theta_program_Function_add_registers(&b, r);
        theta_program_Function_add_handlers(&b, h);
        theta_program_Function_add_type(&b, 7);
        functions[i] = th_flat_end(&b);
    }
    th_flat_ref strings[] = {th_flat_put_view(&b, th_view_of("")), th_flat_put_view(&b, th_view_of("abc"))};
    th_flat_ref string_refs = th_flat_put_refs(&b, strings, 2);
    th_flat_ref function_refs = th_flat_put_refs(&b, functions, 2);
    th_flat_ref constant_refs = theta_program_Program_put_constants(&b, constants, 2);
    theta_program_Program_start_table(&b);
    theta_program_Program_add_major(&b, 1);
    theta_program_Program_add_functions(&b, function_refs);
    theta_program_Program_add_strings(&b, string_refs);
    theta_program_Program_add_constants(&b, constant_refs);
    th_flat_ref root = th_flat_end(&b);
    return prefixed ? th_flat_finish_prefixed(&b, root, theta_program_ident, &out->bytes, &out->len)
                    : th_flat_finish(&b, root, theta_program_ident, &out->bytes, &out->len);
}

static void check_program(th_flat_table p) {
    assert_int_equal(theta_program_Program_major(p), 1);
    assert_int_equal(theta_program_Program_minor(p), 0);
    assert_null(theta_program_Program_name(p));
    assert_int_equal(theta_program_Program_functions_len(p), 2);
    th_flat_table f = theta_program_Program_functions_at(p, 1);
    assert_string_equal(theta_program_Function_name(f)->bytes, "second");
    assert_int_equal(theta_program_Function_type(f), 7);
    assert_int_equal(theta_program_Function_code_len(f), 3);
    assert_int_equal(theta_program_Function_code(f)[2], 0xffffffff);
    assert_int_equal(theta_program_Function_handlers_len(f), 2);
    assert_int_equal(theta_program_Function_handlers(f)[1].register_, 9);
    assert_int_equal(theta_program_Function_positions_len(f), 0);
    assert_int_equal(theta_program_Program_strings_len(p), 2);
    assert_int_equal(theta_program_Program_strings_at(p, 0)->len, 0);
    assert_string_equal(theta_program_Program_strings_at(p, 1)->bytes, "abc");
    assert_true(theta_program_Program_constants(p)[0].bits == UINT64_MAX);
    assert_int_equal(theta_program_Program_constants(p)[1].class, 6);
}

static void build_program_reads_back(void **state) {
    (void)state;
    buffer b;
    assert_int_equal(build_program(&mem, false, &b), TH_OK);
    assert_true(th_flat_has_ident(b.bytes, b.len, "THPG"));
    verified(&b, &theta_program_schema, NULL);
    check_program(th_flat_root(b.bytes));
    release(&b);
}

static void build_size_prefixed_reads_back(void **state) {
    (void)state;
    buffer b;
    th_flat_limits limits = {.size_prefixed = true};
    assert_int_equal(build_program(&mem, true, &b), TH_OK);
    assert_int_equal(th_flat_load_u32(b.bytes), b.len - 4);
    verified(&b, &theta_program_schema, &limits);
    check_program(th_flat_root_prefixed(b.bytes));
    release(&b);
}

static void build_twice_gives_the_same_bytes(void **state) {
    (void)state;
    buffer a, b;
    assert_int_equal(build_program(&mem, false, &a), TH_OK);
    assert_int_equal(build_program(&mem, false, &b), TH_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    release(&a);
    release(&b);
}

static void build_tables_of_one_shape_share_a_vtable(void **state) {
    (void)state;
    th_flat_builder b;
    th_flat_ref refs[100];
    buffer out;
    th_flat_builder_init(&b, &mem);
    for (int i = 0; i < 100; i++) refs[i] = leaf(&b, "x", i + 100);
    th_flat_ref leaves = th_flat_put_refs(&b, refs, 100);
    th_flat_ref name = th_flat_put_view(&b, th_view_of("n"));
    theta_sample_Branch_start_table(&b);
    theta_sample_Branch_add_leaves(&b, leaves);
    th_flat_ref branch = th_flat_end(&b);
    theta_sample_Sample_start_table(&b);
    theta_sample_Sample_add_name(&b, name);
    theta_sample_Sample_add_shape_type(&b, theta_sample_Shape_Branch);
    theta_sample_Sample_add_shape(&b, branch);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), theta_sample_ident, &out.bytes, &out.len), TH_OK);
    verified(&out, &theta_sample_schema, NULL);
    th_flat_table shape = theta_sample_Sample_shape(th_flat_root(out.bytes));
    const uint8_t *first = theta_sample_Branch_leaves_at(shape, 0).at;
    for (uint32_t i = 0; i < 100; i++) {
        const uint8_t *at = theta_sample_Branch_leaves_at(shape, i).at;
        assert_ptr_equal(at - th_flat_load_i32(at), first - th_flat_load_i32(first));
        assert_int_equal(theta_sample_Leaf_n(theta_sample_Branch_leaves_at(shape, i)), (int)i + 100);
    }
    release(&out);
}

static void build_many_shapes_keeps_each_vtable(void **state) {
    (void)state;
    th_flat_builder b;
    th_flat_ref refs[512];
    buffer out;
    th_flat_builder_init(&b, &mem);
    for (uint32_t i = 0; i < 512; i++) { /* bit k of i: field k is there */
        th_flat_ref name = th_flat_put_view(&b, th_view_of("s"));
        theta_sample_Scalars_start_table(&b);
        for (uint32_t k = 0; k < 9; k++) {
            if (i >> k & 1) th_flat_add_bytes(&b, k, &i, 1, 1);
        }
        th_flat_ref scalars = th_flat_end(&b);
        theta_sample_Sample_start_table(&b);
        theta_sample_Sample_add_name(&b, name);
        theta_sample_Sample_add_scalars(&b, scalars);
        refs[i] = th_flat_end(&b);
    }
    th_flat_ref children = th_flat_put_refs(&b, refs, 512);
    theta_sample_Sample_start_table(&b);
    theta_sample_Sample_add_children(&b, children);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), NULL, &out.bytes, &out.len), TH_OK);
    th_flat_table root = th_flat_root(out.bytes);
    for (uint32_t i = 0; i < 512; i++) {
        th_flat_table scalars = theta_sample_Sample_scalars(theta_sample_Sample_children_at(root, i));
        for (uint32_t k = 0; k < 9; k++) assert_int_equal(th_flat_has(scalars, k), i >> k & 1);
    }
    release(&out);
}

static void build_structs_keep_their_layout(void **state) {
    (void)state;
    th_flat_builder b;
    buffer out;
    theta_sample_Box box = {.a = {.x = 1, .y = 2, .tag = 3}, .sides = {4, 5, 6}, .colours = {-1, 5}, .on = true};
    box.corners[1].y = 0.5;
    th_flat_builder_init(&b, &mem);
    th_flat_ref name = th_flat_put_view(&b, th_view_of("structs"));
    theta_sample_Sample_start_table(&b);
    theta_sample_Sample_add_name(&b, name);
    theta_sample_Sample_add_point(&b, &box.a);
    theta_sample_Sample_add_box(&b, &box);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), theta_sample_ident, &out.bytes, &out.len), TH_OK);
    verified(&out, &theta_sample_schema, NULL);
    th_flat_table root = th_flat_root(out.bytes);
    const theta_sample_Box *read = theta_sample_Sample_box(root);
    assert_int_equal((uintptr_t)read % 8, 0);
    assert_true(read->a.y == 2 && read->sides[2] == 6 && read->colours[0] == -1 && read->corners[1].y == 0.5 &&
                read->on);
    assert_int_equal(theta_sample_Sample_point(root)->tag, 3);
    release(&out);
}

static void read_absent_parts_gives_defaults(void **state) {
    (void)state;
    th_flat_table none = {NULL};
    assert_true(theta_sample_Scalars_b(none));
    assert_int_equal(theta_sample_Scalars_i16(none), -16);
    assert_true(theta_sample_Scalars_i64(none) == INT64_MIN);
    assert_true(theta_sample_Scalars_u64(none) == INT64_MAX);
    assert_true(theta_sample_Scalars_f32(none) == 0.1f && theta_sample_Scalars_f64(none) == 0.1);
    assert_true(theta_sample_Scalars_not(none) != theta_sample_Scalars_not(none));
    assert_true(theta_sample_Scalars_below(none) == -__builtin_inf());
    assert_int_equal(theta_sample_Scalars_colour(none), theta_sample_Colour_Blue);
    assert_true(theta_sample_Scalars_big(none) == theta_sample_Big_Huge);
    assert_true(theta_sample_Wide_High == UINT64_C(1) << 63);
    assert_false(theta_sample_Scalars_oi8_has(none));
    assert_null(theta_sample_Sample_name(none));
    assert_null(theta_sample_Sample_box(none));
    assert_int_equal(theta_sample_Vectors_f64_len(theta_sample_Sample_vectors(none)), 0);
    assert_false(th_flat_present(theta_sample_Branch_left(theta_sample_Sample_shape(none))));
}

static void build_leaves_defaults_out_unless_told(void **state) {
    (void)state;
    buffer out[2];
    for (int i = 0; i < 2; i++) {
        th_flat_builder b;
        th_flat_builder_init(&b, &mem);
        b.write_defaults = i == 1;
        th_flat_ref root = leaf(&b, "t", 7);
        assert_int_equal(th_flat_finish(&b, root, NULL, &out[i].bytes, &out[i].len), TH_OK);
        assert_int_equal(th_flat_has(th_flat_root(out[i].bytes), theta_sample_Leaf_slot_n), i);
        assert_int_equal(theta_sample_Leaf_n(th_flat_root(out[i].bytes)), 7);
        release(&out[i]);
    }
}

static void build_optional_zero_is_there(void **state) {
    (void)state;
    th_flat_builder b;
    buffer out;
    th_flat_builder_init(&b, &mem);
    theta_sample_Scalars_start_table(&b);
    theta_sample_Scalars_add_oi32(&b, 0);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), NULL, &out.bytes, &out.len), TH_OK);
    assert_true(theta_sample_Scalars_oi32_has(th_flat_root(out.bytes)));
    assert_false(theta_sample_Scalars_oi8_has(th_flat_root(out.bytes)));
    release(&out);
}

static void build_arrow_footer_is_sound_as_a_footer(void **state) {
    (void)state;
    th_flat_builder b;
    buffer out;
    th_error err;
    const arrow_Block blocks[] = {{.offset = 8, .metaDataLength = 200, .bodyLength = 64}};
    th_flat_builder_init(&b, &mem);
    th_flat_ref batches = arrow_Footer_put_recordBatches(&b, blocks, 1);
    arrow_Schema_start_table(&b);
    th_flat_ref schema = th_flat_end(&b);
    arrow_Footer_start_table(&b);
    arrow_Footer_add_version(&b, arrow_MetadataVersion_V5);
    arrow_Footer_add_schema(&b, schema);
    arrow_Footer_add_recordBatches(&b, batches);
    assert_int_equal(th_flat_finish(&b, th_flat_end(&b), NULL, &out.bytes, &out.len), TH_OK);
    assert_int_equal(
        th_flat_verify_as(out.bytes, out.len, &theta_arrow_schema, theta_arrow_object_arrow_Footer, NULL, &err), TH_OK);
    th_flat_table footer = th_flat_root(out.bytes);
    assert_int_equal(arrow_Footer_version(footer), 4);
    assert_int_equal(arrow_Footer_recordBatches(footer)[0].metaDataLength, 200);
    assert_int_equal(arrow_Footer_recordBatches(footer)[0].bodyLength, 64);
    release(&out);
}

static void build_is_used_again_after_finish(void **state) {
    (void)state;
    th_flat_builder b;
    th_flat_builder_init(&b, &mem);
    for (int i = 0; i < 3; i++) {
        buffer out;
        th_flat_ref root = named(&b, i ? "again" : "once");
        assert_int_equal(th_flat_finish(&b, root, theta_sample_ident, &out.bytes, &out.len), TH_OK);
        verified(&out, &theta_sample_schema, NULL);
        assert_string_equal(theta_sample_Sample_name(th_flat_root(out.bytes))->bytes, i ? "again" : "once");
        release(&out);
    }
}

static void build_too_large_a_vector_is_a_status(void **state) {
    (void)state;
    th_flat_builder b;
    uint8_t *bytes = NULL;
    size_t len = 0;
    th_flat_builder_init(&b, &mem);
    assert_int_equal(th_flat_put_vector(&b, "", SIZE_MAX / 2, 8, 8), 0);
    assert_int_equal(th_flat_put_string(&b, "x", (size_t)1 << 32), 0);
    assert_int_equal(th_flat_builder_status(&b), TH_E_LIMIT);
    assert_int_equal(named(&b, "after"), 0);
    assert_int_equal(th_flat_finish(&b, 0, NULL, &bytes, &len), TH_E_LIMIT);
    assert_null(bytes);
}

static void build_too_large_a_table_is_a_status(void **state) {
    (void)state;
    static const uint8_t big[9000];
    th_flat_builder b;
    th_flat_builder_init(&b, &mem);
    th_flat_start(&b, 8);
    for (uint32_t i = 0; i < 8; i++) th_flat_add_bytes(&b, i, big, sizeof big, 1);
    assert_int_equal(th_flat_end(&b), 0);
    assert_int_equal(th_flat_builder_status(&b), TH_E_LIMIT);
    th_flat_builder_clear(&b);
    th_flat_builder_clear(&b);
}

static void build_every_allocation_may_fail_fault(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        faulty f = {.fail_at = n + 1};
        th_mem poor;
        buffer out = {NULL, 0};
        th_mem_init(&poor, faulty_alloc, &f, NULL, 0);
        th_status status = build_program(&poor, false, &out);
        if (status == TH_OK) {
            check_program(th_flat_root(out.bytes));
            th_mem_free(&poor, out.bytes, out.len);
            assert_int_equal(poor.used_bytes, 0);
            assert_true(n > 3);
            return;
        }
        assert_int_equal(status, TH_E_NOMEM);
        assert_null(out.bytes);
        assert_int_equal(poor.used_bytes, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_mem, close_mem)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(build_program_reads_back),
        TEST(build_size_prefixed_reads_back),
        TEST(build_twice_gives_the_same_bytes),
        TEST(build_tables_of_one_shape_share_a_vtable),
        TEST(build_many_shapes_keeps_each_vtable),
        TEST(build_structs_keep_their_layout),
        TEST(read_absent_parts_gives_defaults),
        TEST(build_leaves_defaults_out_unless_told),
        TEST(build_optional_zero_is_there),
        TEST(build_arrow_footer_is_sound_as_a_footer),
        TEST(build_is_used_again_after_finish),
        TEST(build_too_large_a_vector_is_a_status),
        TEST(build_too_large_a_table_is_a_status),
        TEST(build_every_allocation_may_fail_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
