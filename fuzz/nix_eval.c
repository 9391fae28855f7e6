/*
** nix_eval.c - fuzz target: any text as a Nix expression: compiled, evaluated all through and printed within small limits,
** without capabilities. What fails has a message; afterwards the heap is sound, the machine goes on, and nothing is lost.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "../tests/support/nix_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUEL   200000
#define MEMORY (32u << 20)

static void must(bool holds, const th_error *err) {
    if (holds) return;
    fprintf(stderr, "status %d: %s\n", (int)err->code, err->message);
    abort();
}

/* The engine is made once: it does not change. */
static th_engine *engine_of(th_mem *mem) {
    static nix_world made;
    th_error err = {0};
    if (!made.engine) must(nix_world_engine(&made, mem, &err) == TH_OK, &err);
    return made.engine;
}

/* What the compiler makes passes the verifier, whose no would be E_VERIFY; E_HOST is nix_world.h's for a failure without an error. */
static bool told(const th_error *err) {
    return err->message[0] != 0 && err->code != TH_OK && err->code != TH_E_VERIFY && err->code != TH_E_FORMAT &&
           err->code != TH_E_HOST;
}

static void evaluate(nix_world *w, const char *text, size_t len) {
    th_view shown;
    th_value v;
    th_error err = {0};
    if (!nix_load_text(w->machine, "fuzz.nix", text, len, th_view_of("/base"), NULL, &v)) {
        must(th_machine_take_trap(w->machine, &err) && told(&err), &err);
        return;
    }
    th_status status = nix_world_show(w, v, NIX_FN_PRINT, &shown, &err);
    must(status == TH_OK || told(&err), &err);
    if (status == TH_OK) must(shown.len != 0, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static th_mem mem;
    static bool ready;
    th_error err = {0};
    th_view shown;
    if (!ready) th_mem_init(&mem, NULL, NULL, NULL, 0);
    ready = true;
    nix_world w = {.mem = &mem, .engine = engine_of(&mem)};
    size_t before = mem.used_bytes;
    th_limits limits = {.fuel = FUEL, .memory_bytes = MEMORY};
    must(nix_world_machine(&w, &limits, &err) == TH_OK, &err);
    evaluate(&w, (const char *)data, size);
    must(th_heap_verify(th_machine_heap(w.machine), &err) == TH_OK, &err);
    th_machine_add_fuel(w.machine, FUEL + (1 << 24)); /* what the last builtin may have overdrawn, too */
    must(nix_world_eval(&w, "[ (1 + 1) ]", 11, &shown, &err) == TH_OK && shown.len == 5 &&
             memcmp(shown.data, "[ 2 ]", 5) == 0,
         &err);
    th_machine_free(w.machine);
    must(mem.used_bytes == before, &err);
    return 0;
}
