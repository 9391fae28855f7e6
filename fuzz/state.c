/*
** state.c - fuzz target: any bytes as a saved state. What is restored runs within small limits, and what is suspended again
** can be saved and restored once more.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "../tests/support/snapshot_host.h"
#include "flow/flow.h"
#include "machine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

/* What the states of the corpus call (tests/unit/machine_snapshot.c). */
static const th_builtin host[] = {
    SNAPSHOT_ASK,
    SNAPSHOT_SUM,
};

static th_status drop_output(void *user, const char *bytes, size_t len) {
    (void)user;
    (void)bytes;
    (void)len;
    return TH_OK;
}

static th_machine *new_machine(th_engine *engine) {
    th_machine *m;
    must(th_machine_new(engine, &(th_limits){.fuel = 20000, .memory_bytes = 16u << 20}, &m) == TH_OK);
    th_machine_set_output(m, drop_output, NULL);
    return m;
}

static void run(th_machine *m) {
    for (int i = 0; i < 10 && th_machine_run(m) == TH_RUN_SUSPENDED; i++)
        if (th_machine_waiting(m, NULL, NULL)) must(th_machine_resume_value(m, 1) == TH_OK);
}

static void move(th_engine *engine, th_machine *m) {
    uint8_t *bytes;
    size_t len;
    th_error err = {0};
    th_status status = th_machine_save(m, &bytes, &len, &err);
    if (status != TH_OK) return must(err.message[0] != 0);
    th_machine *next = new_machine(engine);
    if (th_machine_restore(next, bytes, len, &err) == TH_OK)
        run(next);
    else
        must(err.code == TH_E_MEMORY_LIMIT); /* there is nothing else to find fault with */
    th_mem_free(th_machine_mem(m), bytes, len);
    th_machine_free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_engine *engine;
    th_error err = {0};
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    must(th_engine_new(&mem, &engine) == TH_OK && th_engine_add_standard(engine, &err) == TH_OK);
    must(th_engine_add(engine, host, 2, NULL, &err) == TH_OK && th_flow_register(engine, &err) == TH_OK);
    th_machine *m = new_machine(engine);
    if (th_machine_restore(m, data, size, &err) == TH_OK) {
        move(engine, m);
        run(m);
    } else {
        must(err.message[0] != 0 && th_machine_state(m) == TH_RUN_IDLE);
    }
    th_machine_free(m);
    th_engine_free(engine);
    must(mem.used_bytes == 0);
    return 0;
}
