/*
** nix_world.h - a machine that evaluates Nix expressions, for tests and fuzz targets: text in, what is printed or an error out.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef NIX_WORLD_H
#define NIX_WORLD_H

#include <string.h>

#include "lang/nix/nix.h"

typedef struct nix_world {
    th_mem *mem; /* borrowed */
    th_engine *engine;
    th_machine *machine;
} nix_world;

static inline void nix_world_close(nix_world *w) {
    if (w->machine) th_machine_free(w->machine);
    if (w->engine) th_engine_free(w->engine);
    w->machine = NULL;
    w->engine = NULL;
}

/* An engine with the library; machines are made beside it. */
static inline th_status nix_world_engine(nix_world *w, th_mem *mem, th_error *err) {
    *w = (nix_world){.mem = mem};
    th_status status = th_engine_new(mem, &w->engine);
    if (status == TH_OK) status = nix_register(w->engine, err);
    if (status != TH_OK) nix_world_close(w);
    return status;
}

static inline th_status nix_world_machine(nix_world *w, const th_limits *limits, th_error *err) {
    nix_settings settings = {.size = sizeof settings, .current_time = 1, .system = "x86_64-linux", .home = "/home"};
    th_status status = th_machine_new(w->engine, limits, &w->machine);
    if (status == TH_OK) status = nix_attach(w->machine, &settings, err);
    if (status == TH_OK) return TH_OK;
    if (w->machine) th_machine_free(w->machine);
    w->machine = NULL;
    return status;
}

/* Why something on the machine, outside a run, gave false. */
static inline th_status nix_world_trap(nix_world *w, th_error *err) {
    *err = (th_error){0};
    if (!th_machine_take_trap(w->machine, err))
        *err = (th_error){.code = TH_E_HOST, .message = "failed without an error"};
    return err->code;
}

/* Evaluates `v` all through. *out (borrowed until the next run): what `fn` (NIX_FN_PRINT, NIX_FN_TO_JSON ...) makes of it. */
static inline th_status nix_world_show(nix_world *w, th_value v, nix_function fn, th_view *out, th_error *err) {
    th_value f, args[2] = {v, th_of_int(NIX_PRINT_STRICT)};
    if (!nix_function_value(w->machine, fn, &f)) return nix_world_trap(w, err);
    th_status status = th_machine_begin_apply(w->machine, f, args, fn == NIX_FN_PRINT || fn == NIX_FN_TO_XML ? 2 : 1);
    if (status != TH_OK) {
        if (!th_machine_take_trap(w->machine, err)) th_fail(err, status, "cannot begin");
        return status;
    }
    if (th_machine_run(w->machine) != TH_RUN_DONE) {
        *err = *th_machine_error(w->machine);
        return err->code;
    }
    *out = th_string_view(th_machine_result(w->machine));
    return TH_OK;
}

static inline th_status nix_world_eval(nix_world *w, const char *text, size_t len, th_view *out, th_error *err) {
    th_value v;
    *err = (th_error){0};
    if (!nix_load_text(w->machine, "test.nix", text, len, th_view_of("/base"), NULL, &v)) return nix_world_trap(w, err);
    return nix_world_show(w, v, NIX_FN_PRINT, out, err);
}

#endif
