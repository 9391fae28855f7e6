/*
** asm.c - fuzz target: any text to the assembler. What assembles is loaded; what loads reads back to the same bytes.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "program/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static void check_round_trip(th_mem *mem, const th_program *p, const uint8_t *bytes, size_t len) {
    th_buf text;
    uint8_t *again;
    size_t again_len;
    th_buf_init(&text, mem);
    must(th_program_print(p, &text) == TH_OK);
    must(th_program_assemble(mem, th_view_of("again"), (th_view){text.data, text.len}, &again, &again_len, NULL) ==
         TH_OK);
    must(len == again_len && memcmp(bytes, again, len) == 0);
    th_mem_free(mem, again, again_len);
    th_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_program *p = NULL;
    th_error err = {0};
    uint8_t *bytes;
    size_t len;
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    th_view text = {(const char *)data, size};
    if (th_program_assemble(&mem, th_view_of("fuzz"), text, &bytes, &len, &err) == TH_OK) {
        if (th_program_load(&mem, bytes, len, &p, &err) == TH_OK) {
            check_round_trip(&mem, p, bytes, len);
            th_program_release(p);
        } else {
            must(err.message[0] != 0);
        }
        th_mem_free(&mem, bytes, len);
    } else {
        must(err.message[0] != 0);
    }
    must(mem.used_bytes == 0);
    return 0;
}
