/*
** json.c - fuzz target: any text to Json.decode, as several types. What is read is written, read again, and equal; what is
** read is valid; what is refused has a message; nothing is lost.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "machine/machine_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

/* Calls a builtin of one parameter. */
static th_step call_one(th_machine *m, const char *name, th_type_id from, th_type_id to, uint64_t arg,
                        uint64_t *result) {
    th_type_id type;
    void *user;
    if (th_types_function(th_machine_types(m), &from, 1, to, &type) != TH_OK) return TH_STEP_ERROR;
    const th_builtin *builtin = th_engine_match(m->engine, th_view_of(name), th_machine_types(m), type, &user);
    must(builtin != NULL);
    th_call call = {.args = &arg, .result = result, .type = type, .user = user};
    return builtin->fn(m, &call);
}

static void drop_trap(th_machine *m) {
    th_error err;
    must(th_machine_take_trap(m, &err) && err.message[0] != 0);
}

/* Numbers that JSON lacks become null, and do not come back. */
static void check_round_trip(th_machine *m, th_type_id type, uint64_t word) {
    uint64_t text, again;
    bool equal;
    if (call_one(m, "Json.text", type, TH_TYPE_STRING, word, &text) != TH_STEP_DONE) {
        drop_trap(m);
        return;
    }
    if (call_one(m, "Json.decode", TH_TYPE_STRING, type, text, &again) != TH_STEP_DONE) {
        drop_trap(m);
        const th_str *s = th_word_ptr(text);
        must(memmem(s->bytes, s->len, "null", 4) != NULL || th_machine_fuel_used(m) > 0);
        return;
    }
    if (th_value_equal(m, type, word, again, &equal) != TH_OK) drop_trap(m);
}

static void read_as(th_machine *m, const char *name, uint64_t text) {
    th_type_id type;
    uint64_t word, valid;
    must(th_type_parse(th_machine_types(m), th_view_of(name), &type, NULL) == TH_OK);
    if (call_one(m, "Json.decode", TH_TYPE_STRING, type, text, &word) != TH_STEP_DONE) {
        drop_trap(m);
        return;
    }
    if (call_one(m, "Json.is_valid", TH_TYPE_STRING, TH_TYPE_BOOL, text, &valid) != TH_STEP_DONE)
        drop_trap(m);
    else
        must(valid == 1);
    check_round_trip(m, type, word);
}

static void add_types(th_types *types) {
    th_type_id node, option, list, fields[3], member;
    th_view names[] = {th_view_of("value"), th_view_of("next"), th_view_of("kids")};
    th_view members[] = {th_view_of("LOW"), th_view_of("HIGH")};
    must(th_types_add(types, TH_KIND_ENUM, th_view_of("Level"), NULL, 0, members, 2, &member) == TH_OK);
    must(th_types_declare(types, TH_KIND_STRUCT, th_view_of("Node"), &node) == TH_OK);
    must(th_types_option(types, node, &option) == TH_OK);
    must(th_types_list(types, node, &list) == TH_OK);
    fields[0] = TH_TYPE_I64;
    fields[1] = option;
    fields[2] = list;
    must(th_types_define(types, node, fields, 3, names, 3) == TH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const types[] = {"i64",
                                        "f64",
                                        "i8?",
                                        "String",
                                        "Level",
                                        "Node",
                                        "List<i64>",
                                        "Dict<String, f64?>",
                                        "List<List<List<Variadic<i64, f64, String, bool>>>>",
                                        "Dict<i64, Level>",
                                        "Tuple<i64, String, bool?>"};
    th_mem mem;
    th_engine *engine;
    th_machine *machine;
    th_limits limits = {.fuel = 1 << 22, .memory_bytes = 64u << 20};
    th_error err;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    must(th_engine_new(&mem, &engine) == TH_OK);
    must(th_engine_add_standard(engine, &err) == TH_OK);
    must(th_machine_new(engine, &limits, &machine) == TH_OK);
    add_types(th_machine_types(machine));
    th_str *text = th_new_str_of(machine, (const char *)data, size);
    for (size_t i = 0; text && i < TH_COUNT(types); i++) read_as(machine, types[i], th_ptr_word(text));
    th_machine_free(machine);
    th_engine_free(engine);
    must(mem.used_bytes == 0);
    return 0;
}
