/*
** compile.c - fuzz target: any bytes as a program. It compiles or is refused; what compiles runs within small limits, ends,
** and leaves the machine usable. The first byte says how the rest is read.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>
#include <string.h>

#include "theta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static theta_status drop(void *user, const char *bytes, size_t len) {
    (void)user, (void)bytes, (void)len;
    return THETA_OK;
}

static void run(theta_engine *engine, theta_program *program) {
    theta_machine_config config;
    theta_machine_config_init(&config);
    config.fuel = 20000;
    config.memory_bytes = 4 << 20;
    config.timeout_s = 5;
    config.write = drop;
    theta_machine *machine;
    theta_error err;
    theta_value value;
    must(theta_machine_new(engine, &config, &machine, &err) == THETA_OK);
    if (theta_machine_add(machine, program, &err) == THETA_OK) {
        theta_status status = theta_call(machine, "main", NULL, 0, &value, &err);
        must(status != THETA_E_TIMEOUT);
        theta_text text;
        if (status == THETA_OK && theta_value_text(machine, value, THETA_TEXT_QUOTED, &text, &err) == THETA_OK)
            theta_text_free(&text);
        must(theta_machine_reset(machine) == THETA_OK);
    }
    theta_machine_free(machine);
}

/* A second compilation of the same text gives the same bytes. */
static void compare(theta_engine *engine, const theta_program *program, const char *text, size_t len,
                    const theta_compile_config *config) {
    theta_program *again;
    size_t a_len, b_len;
    must(theta_compile(engine, "fuzz", text, len, config, &again, NULL, NULL) == THETA_OK);
    const void *a = theta_program_bytes(program, &a_len), *b = theta_program_bytes(again, &b_len);
    must(a_len == b_len && memcmp(a, b, a_len) == 0);
    theta_program_release(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const languages[] = {"theta", "theta", "tha", "thb"};
    if (size == 0) return 0;
    theta_engine_config limits;
    theta_engine_config_init(&limits);
    limits.memory_bytes = 256 << 20;
    theta_compile_config config;
    theta_compile_config_init(&config);
    config.language = languages[data[0] & 3];
    config.expression = (data[0] & 3) == 1;
    config.read_files = false;
    theta_engine *engine;
    theta_error err;
    theta_text diagnostics;
    theta_program *program = NULL;
    const char *text = (const char *)data + 1;
    must(theta_engine_new(&limits, &engine, &err) == THETA_OK);
    theta_status status = theta_compile(engine, "fuzz", text, size - 1, &config, &program, &diagnostics, &err);
    theta_text_free(&diagnostics);
    if (status == THETA_OK) {
        compare(engine, program, text, size - 1, &config);
        run(engine, program);
        theta_program_release(program);
    } else {
        must(err.code == status && err.message[0]);
    }
    theta_engine_free(engine);
    return 0;
}
