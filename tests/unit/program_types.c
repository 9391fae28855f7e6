/*
** program_types.c - the table of types: interning, what makes a type, recursion, import, text.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/faulty.h"
#include "program/types.h"

static th_mem memory;
static th_types types;

static int open_table(void **state) {
    (void)state;
    th_mem_init(&memory, NULL, NULL, NULL, 0);
    return th_types_init(&types, &memory) == TH_OK ? 0 : -1;
}

static int close_table(void **state) {
    (void)state;
    th_types_clear(&types);
    return memory.used_bytes == 0 ? 0 : -1;
}

static th_type_id parse(const char *text) {
    th_error err = {0};
    th_type_id id = 0;
    if (th_type_parse(&types, th_view_of(text), &id, &err) != TH_OK) fail_msg("%s: %s", text, err.message);
    return id;
}

static void assert_text(th_type_id id, const char *text) {
    th_buf buf;
    th_buf_init(&buf, &memory);
    th_type_print(&types, id, &buf);
    assert_string_equal(buf.data, text);
    th_buf_clear(&buf);
}

static th_status add(th_kind kind, const char *name, const th_type_id *args, size_t nargs, th_type_id *out) {
    return th_types_add(&types, kind, th_view_of(name), args, nargs, NULL, 0, out);
}

static void fixed_ids_have_their_kinds(void **state) {
    (void)state;
    assert_int_equal(types.len, TH_TYPE_FIRST_FREE);
    assert_int_equal(th_types_kind(&types, TH_TYPE_VOID), TH_KIND_VOID);
    assert_int_equal(th_types_kind(&types, TH_TYPE_I64), TH_KIND_I64);
    assert_int_equal(th_types_kind(&types, TH_TYPE_ERROR), TH_KIND_ERROR);
    assert_int_equal(th_types_class(&types, TH_TYPE_SYMBOL), TH_CLASS_STRING);
    assert_true(th_types_get(&types, TH_TYPE_STRING)->pointers);
    assert_false(th_types_get(&types, TH_TYPE_VALUE)->pointers);
}

static void equal_types_have_equal_ids(void **state) {
    (void)state;
    th_type_id list, again, option, dict;
    assert_int_equal(th_types_list(&types, TH_TYPE_I64, &list), TH_OK);
    assert_int_equal(th_types_list(&types, TH_TYPE_I64, &again), TH_OK);
    assert_int_equal(list, again);
    assert_int_equal(parse("List<i64>"), list);
    assert_int_equal(th_types_option(&types, list, &option), TH_OK);
    assert_int_not_equal(option, list);
    assert_int_equal(th_types_option(&types, option, &again), TH_OK);
    assert_int_equal(again, option);
    assert_int_equal(th_types_dict(&types, TH_TYPE_STRING, option, &dict), TH_OK);
    assert_text(dict, "Dict<String, List<i64>?>");
    for (int round = 0; round < 2; round++) /* many, so that the index grows */
        for (int i = 0; i < 500; i++) {
            th_type_id id;
            char name[20];
            snprintf(name, sizeof name, "T%d", i);
            assert_int_equal(add(TH_KIND_OPAQUE, name, NULL, 0, &id), TH_OK);
            assert_int_equal(id, dict + 1 + (th_type_id)i);
        }
}

static void options_have_the_class_of_their_word(void **state) {
    (void)state;
    assert_int_equal(th_types_class(&types, parse("String?")), TH_CLASS_STRING);
    assert_int_equal(th_types_class(&types, parse("i64?")), TH_CLASS_PTR);
    assert_int_equal(th_types_class(&types, parse("List<i8>?")), TH_CLASS_PTR);
    assert_int_equal(th_types_class(&types, parse("Table?")), TH_CLASS_NODE);
    assert_true(th_types_get(&types, parse("bool?"))->pointers);
}

static void parts_that_make_no_type_are_refused(void **state) {
    (void)state;
    th_type_id id, none = TH_TYPE_VOID, far = 4000, option = parse("i64?"), list = parse("List<i64>");
    th_type_id pair[2] = {list, TH_TYPE_I64};
    th_view names[2] = {{"a", 1}, {"b", 1}};
    assert_int_equal(add(TH_KIND_LIST, "", &none, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_LIST, "", &far, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_LIST, "", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_LIST, "named", &list, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_OPTION, "", &option, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_DICT, "", pair, 2, &id), TH_E_ARGUMENT); /* a list is no key */
    assert_int_equal(add(TH_KIND_TUPLE, "", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_VARIANT, "", &list, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_FUNCTION, "", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_TABLE, "", &list, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_ENUM, "E", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_STRUCT, "", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_STRUCT, "S", NULL, 0, &id), TH_OK);
    assert_int_equal(add(TH_KIND_I64, "", &list, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add((th_kind)200, "", NULL, 0, &id), TH_E_ARGUMENT);
    assert_int_equal(th_types_add(&types, TH_KIND_STRUCT, th_view_of("S"), pair, 2, names, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(th_types_add(&types, TH_KIND_STRUCT, th_view_of("S"), pair, 2, names, 2, &id), TH_OK);
}

/* Typed objects hold no values of dynamic type; signatures and functions may name them. */
static void objects_hold_no_values(void **state) {
    (void)state;
    static const th_kind kinds[] = {TH_KIND_LIST, TH_KIND_OPTION, TH_KIND_CELL, TH_KIND_TUPLE};
    th_type_id id, value = TH_TYPE_VALUE, pair[2] = {TH_TYPE_I64, TH_TYPE_VALUE}, function;
    th_view names[2] = {{"a", 1}, {"b", 1}};
    th_error err = {0};
    for (size_t i = 0; i < TH_COUNT(kinds); i++) assert_int_equal(add(kinds[i], "", &value, 1, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_DICT, "", pair, 2, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_TUPLE, "", pair, 2, &id), TH_E_ARGUMENT);
    assert_int_equal(add(TH_KIND_VARIANT, "", pair, 2, &id), TH_E_ARGUMENT);
    assert_int_equal(th_types_add(&types, TH_KIND_STRUCT, th_view_of("S"), pair, 2, names, 2, &id), TH_E_ARGUMENT);
    assert_int_equal(th_types_declare(&types, TH_KIND_STRUCT, th_view_of("S"), &id), TH_OK);
    assert_int_equal(th_types_define(&types, id, pair, 2, names, 2), TH_E_ARGUMENT);
    assert_int_equal(th_type_parse(&types, th_view_of("List<value?>"), &id, &err), TH_E_SYNTAX);
    assert_non_null(strstr(err.message, "at column 12: this type cannot be made optional"));
    assert_int_equal(th_type_parse(&types, th_view_of("List<value>"), &id, &err), TH_E_SYNTAX);
    assert_int_equal(th_types_function(&types, &value, 1, TH_TYPE_VALUE, &function), TH_OK);
    assert_int_equal(th_types_list(&types, function, &id), TH_OK);
    assert_int_equal(parse("Function<value, value>"), function);
}

static void nesting_is_limited(void **state) {
    (void)state;
    th_type_id id = TH_TYPE_I64;
    th_status status = TH_OK;
    int depth = 0;
    while ((status = th_types_list(&types, id, &id)) == TH_OK) depth++;
    assert_int_equal(status, TH_E_LIMIT);
    assert_int_equal(depth, TH_TYPE_DEPTH - 1);
    char text[4096] = "";
    for (int i = 0; i < 200; i++) strcat(text, "List<");
    th_error err;
    assert_int_equal(th_type_parse(&types, th_view_of(text), &id, &err), TH_E_SYNTAX);
    assert_non_null(strstr(err.message, "types nest too deeply"));
}

static void texts_stay_short(void **state) {
    (void)state;
    th_type_id id = TH_TYPE_I64;
    for (int i = 0; i < 50; i++) {
        th_type_id pair[2] = {id, id};
        assert_int_equal(add(TH_KIND_TUPLE, "", pair, 2, &id), TH_OK);
    }
    th_buf buf;
    th_buf_init(&buf, &memory);
    th_type_print(&types, id, &buf);
    assert_true(buf.len < 20000);
    assert_non_null(strstr(buf.data, "..."));
    th_buf_clear(&buf);
}

static void texts_read_back(void **state) {
    (void)state;
    static const char *const texts[] = {
        "i64",
        "void",
        "Symbol",
        "value",
        "Error",
        "List<i64>",
        "i64?",
        "Dict<String, List<f32?>>",
        "Tuple<i8, bool>",
        "Function<void>",
        "Function<f64, bool>",
        "Function<Function<i64, i64>, i64>?",
        "Cell<String?>",
        "Variadic<i64, String>",
        "Table",
        "Trip",
        "List<Trip?>",
        "Table<Trip>",
        "List<T>",
        "Function<T, U, List<T>>",
    };
    th_type_id trip;
    assert_int_equal(add(TH_KIND_STRUCT, "Trip", NULL, 0, &trip), TH_OK);
    for (size_t i = 0; i < TH_COUNT(texts); i++) assert_text(parse(texts[i]), texts[i]);
    assert_int_equal(parse(" List < i64 > ? "), parse("List<i64>?"));
    assert_int_equal(parse("Option<i64>"), parse("i64?"));
    assert_true(th_types_get(&types, parse("List<T>"))->generic);
    assert_false(th_types_get(&types, parse("List<Trip>"))->generic);
}

static void bad_texts_are_refused_with_their_column(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "at column 1: expected a type"},
        {"List<", "at column 6: expected a type"},
        {"List<i64", "expected ',' or '>'"},
        {"List<i64>>", "at column 10: unexpected text"},
        {"List", "these arguments do not fit List"},
        {"List<void>", "these arguments do not fit List"},
        {"i64??", "cannot be made optional"},
        {"void?", "cannot be made optional"},
        {"Nobody", "there is no type of this name"},
        {"struct", "there is no type of this name"},
        {"i64 x", "unexpected text"},
        {"\xff<", "there is no type of this name"},
    };
    for (size_t i = 0; i < TH_COUNT(bad); i++) {
        th_error err = {0};
        th_type_id id;
        assert_int_equal(th_type_parse(&types, th_view_of(bad[i].text), &id, &err), TH_E_SYNTAX);
        if (strstr(err.message, bad[i].message) == NULL) fail_msg("%s: %s", bad[i].text, err.message);
    }
}

static void structs_may_refer_to_themselves_and_to_later_ones(void **state) {
    (void)state;
    th_type_id tree, leaf, children, found;
    th_view names[2] = {{"children", 8}, {"leaf", 4}};
    assert_int_equal(th_types_declare(&types, TH_KIND_STRUCT, th_view_of("Tree"), &tree), TH_OK);
    assert_int_equal(th_types_declare(&types, TH_KIND_STRUCT, th_view_of("Leaf"), &leaf), TH_OK);
    assert_true(th_types_get(&types, tree)->open);
    assert_int_equal(th_types_list(&types, tree, &children), TH_OK);
    th_type_id args[2] = {children, leaf};
    assert_int_equal(th_types_define(&types, tree, args, 2, names, 2), TH_OK);
    assert_int_equal(th_types_define(&types, tree, args, 2, names, 2), TH_E_ARGUMENT); /* once */
    assert_int_equal(th_types_define(&types, leaf, NULL, 0, NULL, 0), TH_OK);
    assert_false(th_types_get(&types, tree)->open);
    assert_true(th_types_find_named(&types, th_view_of("Tree"), &found));
    assert_int_equal(found, tree);
    assert_false(th_types_find_named(&types, th_view_of("Treetop"), &found));
    assert_int_equal(th_types_add(&types, TH_KIND_STRUCT, th_view_of("Tree"), args, 2, names, 2, &found), TH_OK);
    assert_int_equal(found, tree); /* equal to the declared one */
    assert_int_equal(th_types_declare(&types, TH_KIND_LIST, th_view_of("L"), &found), TH_E_ARGUMENT);
    th_type_id variable = parse("T");
    assert_int_equal(th_types_declare(&types, TH_KIND_STRUCT, th_view_of("G"), &found), TH_OK);
    assert_int_equal(th_types_define(&types, found, &variable, 1, names, 1), TH_E_ARGUMENT);
}

/* A table with a recursive struct Node (two fields, the second of type `second`) after some other types. */
static void fill_other(th_types *other, const char *second, int before) {
    th_type_id id, node, next, field;
    th_view names[2] = {{"next", 4}, {"data", 4}};
    th_error err;
    assert_int_equal(th_types_init(other, &memory), TH_OK);
    for (int i = 0; i < before; i++) assert_int_equal(th_types_list(other, (th_type_id)i + 1, &id), TH_OK);
    assert_int_equal(th_types_declare(other, TH_KIND_STRUCT, th_view_of("Node"), &node), TH_OK);
    assert_int_equal(th_types_option(other, node, &next), TH_OK);
    assert_int_equal(th_type_parse(other, th_view_of(second), &field, &err), TH_OK);
    th_type_id args[2] = {next, field};
    assert_int_equal(th_types_define(other, node, args, 2, names, 2), TH_OK);
}

static th_type_id imported(const th_types *other, const char *name) {
    th_type_id map[64], id;
    assert_true(other->len <= 64);
    assert_int_equal(th_types_import(&types, other, map), TH_OK);
    for (size_t i = 0; i < other->len; i++) {
        assert_int_equal(th_types_get(other, i)->kind, th_types_get(&types, map[i])->kind);
        assert_false(th_types_get(&types, map[i])->open);
    }
    assert_true(th_types_find_named(other, th_view_of(name), &id));
    return map[id];
}

static void importing_twice_finds_the_same_types(void **state) {
    (void)state;
    th_types a, b, c;
    fill_other(&a, "List<Node>", 0);
    fill_other(&b, "List<Node>", 5);
    fill_other(&c, "List<i64>", 2);
    th_type_id first = imported(&a, "Node"), len = (th_type_id)types.len;
    assert_int_equal(imported(&a, "Node"), first);
    assert_int_equal(types.len, len);
    assert_int_equal(imported(&b, "Node"), first); /* another order, the same types */
    th_type_id third = imported(&c, "Node");       /* the same name, other fields */
    assert_int_not_equal(third, first);
    assert_int_equal(imported(&c, "Node"), third);
    assert_int_equal(imported(&b, "Node"), first);
    th_types_clear(&a);
    th_types_clear(&b);
    th_types_clear(&c);
}

static void every_allocation_may_fail_fault(void **state) {
    (void)state;
    th_types a;
    th_status status = TH_E_NOMEM;
    fill_other(&a, "List<Node>", 4);
    for (size_t n = 1; status != TH_OK; n++) {
        faulty f = {.fail_at = n, .once = true};
        th_mem mem;
        th_types table;
        th_type_id map[64], id;
        th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
        status = th_types_init(&table, &mem);
        if (status == TH_OK) {
            status = th_types_import(&table, &a, map);
            if (status == TH_OK) status = th_type_parse(&table, th_view_of("Dict<i64, Tuple<Node, T>>"), &id, NULL);
            th_types_clear(&table);
        }
        assert_true(status == TH_OK || status == TH_E_NOMEM);
        assert_int_equal(mem.used_bytes, 0);
        assert_true(n < 1000);
    }
    th_types_clear(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(fixed_ids_have_their_kinds),
        TEST(equal_types_have_equal_ids),
        TEST(options_have_the_class_of_their_word),
        TEST(parts_that_make_no_type_are_refused),
        TEST(objects_hold_no_values),
        TEST(nesting_is_limited),
        TEST(texts_stay_short),
        TEST(texts_read_back),
        TEST(bad_texts_are_refused_with_their_column),
        TEST(structs_may_refer_to_themselves_and_to_later_ones),
        TEST(importing_twice_finds_the_same_types),
        TEST(every_allocation_may_fail_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
