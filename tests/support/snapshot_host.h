/*
** snapshot_host.h - host functions of the states that are saved and restored in tests: tests/unit/machine_snapshot.c makes
** the corpus that fuzz/state.c reads.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef SNAPSHOT_HOST_H
#define SNAPSHOT_HOST_H

#include "machine/machine.h"

static inline th_step snapshot_ask(th_machine *m, th_call *call) {
    (void)m;
    (void)call;
    return TH_STEP_SUSPEND;
}

/* Calls its argument with 0 .. 3 and adds up what it gives. */
static inline th_step snapshot_sum(th_machine *m, th_call *call) {
    if (call->state > 0) call->slots[1] += call->callback;
    if (call->slots[0] == 4) {
        call->result[0] = call->slots[1];
        return TH_STEP_DONE;
    }
    uint64_t arg = call->slots[0]++;
    return th_call_closure(m, call, th_word_ptr(call->args[0]), &arg, 1, 1);
}

#define SNAPSHOT_ASK {"Host.ask", "a: i64, b: String -> i64", "", snapshot_ask, TH_BUILTIN_STATEFUL, 0, ""}
#define SNAPSHOT_SUM {"Host.sum", "f: Function<i64, i64> -> i64", "", snapshot_sum, TH_BUILTIN_STATEFUL, 2, "ii"}

#endif
