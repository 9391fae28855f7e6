/*
** embed.c - a rule of the user's inside a C program: compiled from a string, called with numbers, kept within limits.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <string.h>
#include <theta.h>

static const char rules[] = "capsule Rules {\n"
                            "    f64 fee(f64 fare, i64 riders) {\n"
                            "        return if (fare > 50.0) { fare * 0.01 } else { 0.5 * f64(riders) }\n"
                            "    }\n"
                            "}\n";

int main(void) {
    theta_engine *engine = NULL;
    theta_program *program = NULL;
    theta_machine *machine = NULL;
    theta_machine_config limits;
    theta_machine_config_init(&limits); /* no files, no network, no clock */
    limits.fuel = 1000000;
    limits.memory_bytes = 1 << 20;
    theta_error err;
    theta_value result, args[2] = {theta_float(80.0), theta_int(3)};
    double fee;
    bool ok = theta_engine_new(NULL, &engine, &err) == THETA_OK &&
              theta_compile(engine, "rules.theta", rules, strlen(rules), NULL, &program, NULL, &err) == THETA_OK &&
              theta_machine_new(engine, &limits, &machine, &err) == THETA_OK &&
              theta_machine_add(machine, program, &err) == THETA_OK &&
              theta_call(machine, "Rules.fee", args, 2, &result, &err) == THETA_OK &&
              theta_value_float(machine, result, &fee) == THETA_OK;
    if (ok)
        printf("the fee is %.2f\n", fee);
    else
        fprintf(stderr, "%s:%u:%u: %s\n", err.file, err.line, err.column, err.message);
    theta_machine_free(machine);
    theta_program_release(program);
    theta_engine_free(engine);
    return ok ? 0 : 1;
}
