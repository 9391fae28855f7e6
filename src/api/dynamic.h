/*
** dynamic.h - what the files of the api room share about dynamic values and the Nix language.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_API_DYNAMIC_H
#define TH_API_DYNAMIC_H

#include "api/api_int.h"
#include "lang/nix/builtin.h"

/* ---- Dynamic values (dynamic.c); words of type TH_TYPE_VALUE ------------------------------------------------- */

theta_kind th_api_dynamic_kind(th_value v);
theta_status th_api_dynamic_len(theta_machine *m, th_value v, size_t *out);
theta_status th_api_dynamic_at(theta_machine *m, th_value v, size_t i, theta_value *out);
theta_status th_api_dynamic_name(theta_machine *m, th_value v, size_t i, const char **name, size_t *len);
theta_status th_api_dynamic_field(theta_machine *m, th_value v, const char *name, theta_value *out);

static inline theta_value th_api_value_of(th_value v) { return (theta_value){v, TH_TYPE_VALUE, 0}; }
static inline bool th_api_is_dynamic(theta_value value) { return value.type == TH_TYPE_VALUE; }

/* A value of another type as a dynamic one; and a dynamic one, evaluated, as a scalar or string of type `type`. */
theta_status th_api_to_dynamic(theta_machine *m, theta_value value, th_value *out, theta_error *err, const char *what);
theta_status th_api_from_dynamic(theta_machine *m, theta_value value, th_type_id type, uint64_t *word, theta_error *err,
                                 const char *what);
/* What was recorded outside a run, or `status`. */
theta_status th_api_take_trap(theta_machine *m, th_status status, theta_error *err);

/* Begins a run that evaluates `fn` (no arguments) or applies it; arguments are converted. What the last run left is released
** first, but what is passed here is kept over that. */
theta_status th_api_begin(theta_machine *m, theta_value fn, const theta_value *args, size_t nargs, theta_error *err);

/* ---- The language on a machine (nix.c) ----------------------------------------------------------------------- */

/* What a machine keeps of the settings, so that a reset machine has them again. */
typedef struct th_api_nix {
    th_arena arena;
    nix_settings settings;
    bool attached;
} th_api_nix;

theta_status th_api_nix_ready(theta_machine *m,
                              theta_error *err); /* attaches, with the defaults when nothing was set */
theta_status th_api_nix_add(theta_machine *m, const th_program *program, theta_error *err); /* when it needs Nix */
void th_api_nix_reset(theta_machine *m);
void th_api_nix_free(theta_machine *m);
theta_status th_api_nix_compile(theta_engine *engine, const char *name, const char *text, size_t len,
                                const theta_compile_config *config, theta_program **out, theta_text *diagnostics,
                                theta_error *err);
theta_status th_api_nix_text(theta_machine *m, theta_value value, uint32_t flags, theta_text *out, theta_error *err);

/* rows.c: Nix.rows, which evaluates the cells of a list of sets */
extern const th_builtin th_api_nix_rows;

#endif
