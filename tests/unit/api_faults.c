/*
** api_faults.c - the public interface when memory is refused: every call ends with a status, and nothing is lost; and
** cancellation before, during and after a run.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "../support/faulty.h"
#include "theta.h"

static const char source[] = "capsule Rules {\n"
                             "    struct Item { name<String> price<f64> }\n"
                             "    String label(List<Item> items, String prefix) {\n"
                             "        String all = prefix\n"
                             "        Dict<i64> seen = {}\n"
                             "        for (item in items) {\n"
                             "            seen[item.name] = (seen[item.name] ?? 0) + 1\n"
                             "            all = all + item.name + String(item.price)\n"
                             "        }\n"
                             "        return all + String(len(seen))\n"
                             "    }\n"
                             "    i64 forever() { i64 n = 0; while (true) { n += 1 } return n }\n"
                             "}\n";
static const char items[] = "[{\"name\": \"tea\", \"price\": 2.5}, {\"name\": \"cup\", \"price\": 4.0}]";

typedef struct session {
    theta_engine *engine;
    theta_program *program;
    theta_machine *machine;
} session;

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        theta_status status_ = (call);                                                                                 \
        if (status_ != THETA_OK) return status_;                                                                       \
    } while (0)

static theta_status use(session *s, faulty *allocator, theta_error *err) {
    theta_engine_config config;
    theta_engine_config_init(&config);
    config.alloc = faulty_alloc;
    config.alloc_user = allocator;
    TRY(theta_engine_new(&config, &s->engine, err));
    TRY(theta_compile(s->engine, "rules.theta", source, strlen(source), NULL, &s->program, NULL, err));
    TRY(theta_machine_new(s->engine, NULL, &s->machine, err));
    TRY(theta_machine_add(s->machine, s->program, err));
    theta_value args[2], result;
    TRY(theta_from_json(s->machine, "List<Item>", items, strlen(items), &args[0], err));
    TRY(theta_string(s->machine, "> ", 2, &args[1]));
    TRY(theta_call(s->machine, "Rules.label", args, 2, &result, err));
    TRY(theta_value_keep(s->machine, result, &result));
    theta_text text;
    TRY(theta_value_text(s->machine, result, THETA_TEXT_JSON, &text, err));
    assert_string_equal(text.data, "\"> tea2.5cup4.02\"");
    theta_text_free(&text);
    return THETA_OK;
}

static void close_session(session *s) {
    theta_machine_free(s->machine);
    theta_program_release(s->program);
    theta_engine_free(s->engine);
}

static void every_refused_allocation_is_a_status_fault(void **state) {
    (void)state;
    theta_status status = THETA_E_NOMEM;
    size_t fail_at = 1;
    for (; status != THETA_OK; fail_at++) {
        faulty allocator = {.fail_at = fail_at};
        session s = {0};
        theta_error err = {0};
        status = use(&s, &allocator, &err);
        if (status != THETA_OK && status != THETA_E_NOMEM)
            fail_msg("request %zu refused: status %d, %s", fail_at, (int)status, err.message);
        close_session(&s);
        if (allocator.held != 0) fail_msg("request %zu refused: %zu bytes are lost", fail_at, allocator.held);
        assert_true(fail_at < 100000);
    }
    assert_true(fail_at > 100);
}

static void cancelling_holds_before_and_after_until_it_is_cleared(void **state) {
    (void)state;
    faulty allocator = {0};
    session s = {0};
    theta_error err = {0};
    assert_int_equal(use(&s, &allocator, &err), THETA_OK);
    theta_machine_cancel(s.machine);
    assert_int_equal(theta_call(s.machine, "forever", NULL, 0, NULL, &err), THETA_E_CANCELLED);
    assert_int_equal(theta_call(s.machine, "forever", NULL, 0, NULL, &err), THETA_E_CANCELLED);
    theta_machine_clear_cancel(s.machine);
    theta_value args[2], result;
    assert_int_equal(theta_from_json(s.machine, "List<Item>", "[]", 2, &args[0], &err), THETA_OK);
    assert_int_equal(theta_string(s.machine, "none", 4, &args[1]), THETA_OK);
    assert_int_equal(theta_call(s.machine, "label", args, 2, &result, &err), THETA_OK);
    close_session(&s);
    assert_int_equal(allocator.held, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refused_allocation_is_a_status_fault),
        cmocka_unit_test(cancelling_holds_before_and_after_until_it_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
