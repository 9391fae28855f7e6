/*
** load.c - from text to a value on a machine: compiles, loads the program, and gives a thunk of what main gives.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/nix_int.h"

static bool compile(th_machine *m, const char *file, const char *text, size_t len, th_view base_dir,
                    const nix_scope *scope, uint8_t **bytes, size_t *size) {
    th_mem *mem = th_machine_mem(m);
    th_arena arena;
    th_diags diags;
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_status status =
        nix_compile(mem, &arena, file, text, len, base_dir, scope, th_machine_engine(m), &diags, bytes, size);
    if (status != TH_OK) {
        th_error first;
        if (th_diags_first(&diags, &first) == TH_OK) (void)th_fail(&first, status, "%s", th_status_text(status));
        (void)th_machine_trap_error(m, &first);
    }
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return status == TH_OK;
}

static bool load(th_machine *m, const uint8_t *bytes, size_t size, th_value *out) {
    th_error err = {0};
    th_program *program;
    th_unit *unit;
    th_status status = th_program_load(th_machine_mem(m), bytes, size, &program, &err);
    if (status == TH_OK) {
        status = th_machine_load(m, program, &unit, &err);
        th_program_release(program);
    }
    if (status != TH_OK) {
        if (!err.code) (void)th_fail(&err, status, "%s", th_status_text(status));
        (void)th_machine_trap_error(m, &err);
        return false;
    }
    int64_t main_function = th_program_find(th_unit_program(unit), th_view_of("main"));
    return th_unit_value(unit, (uint32_t)main_function, out);
}

bool nix_load_text(th_machine *m, const char *file, const char *text, size_t len, th_view base_dir,
                   const nix_scope *scope, th_value *out) {
    uint8_t *bytes;
    size_t size;
    if (!th_machine_charge(m, (int64_t)len) || !compile(m, file, text, len, base_dir, scope, &bytes, &size))
        return false;
    bool ok = load(m, bytes, size, out);
    th_mem_free(th_machine_mem(m), bytes, size);
    return ok;
}
