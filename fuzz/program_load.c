/*
** program_load.c - fuzz target: any bytes as a program. What loads is printed, its text assembles and loads again, and
** the states that snapshots ask for, and the roots that a collector does, can be had everywhere.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "program/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static void check_states(th_mem *mem, const th_program *p) {
    th_type_id types[256];
    uint64_t live[8];
    uint32_t depth;
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        const th_function *f = &p->functions[i];
        uint32_t asked = 0;
        for (uint32_t pc = 0; pc < f->ncode && asked < 50; pc += th_insn_words(&f->code[pc]), asked++) {
            uint32_t pcs[2] = {pc, pc | TH_LIVE_WAITING};
            must(th_verify_state_at(mem, p, i, pc, types, &depth) == TH_OK);
            must(th_program_live(mem, p, i, pcs, 2, live) == TH_OK);
            for (uint32_t r = 0; r < 256; r++) /* what is live holds a value, where the place is reached */
                if (live[r >> 6] >> (r & 63) & 1)
                    must(r < f->nregs && (types[0] != TH_TYPE_I64 || types[r] == TH_TYPE_VALUE));
        }
    }
}

/* The print of a program assembles to one that prints the same. */
static void check_text(th_mem *mem, const th_program *p) {
    th_buf text, again;
    uint8_t *bytes;
    size_t len;
    th_program *q;
    th_buf_init(&text, mem);
    th_buf_init(&again, mem);
    must(th_program_print(p, &text) == TH_OK);
    th_status status = th_program_assemble(mem, th_view_of("fuzz"), (th_view){text.data, text.len}, &bytes, &len, NULL);
    /* Names and imports may repeat in a file that no builder wrote; the text cannot say that. */
    must(status == TH_OK || status == TH_E_ARGUMENT || status == TH_E_SYNTAX);
    if (status == TH_OK) {
        must(th_program_load(mem, bytes, len, &q, NULL) == TH_OK);
        must(th_program_print(q, &again) == TH_OK);
        th_program_release(q);
        th_mem_free(mem, bytes, len);
    }
    th_buf_clear(&text);
    th_buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_program *p = NULL;
    th_error err = {0};
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    if (th_program_load(&mem, data, size, &p, &err) == TH_OK) {
        check_states(&mem, p);
        check_text(&mem, p);
        th_program_release(p);
    } else {
        must(err.message[0] != 0 && p == NULL);
    }
    must(mem.used_bytes == 0);
    return 0;
}
