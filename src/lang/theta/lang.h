/*
** lang.h - the Theta language as a room: source in, verified program bytes out, or diagnostics.
** Relies on base, program, the machine's builtin registry and flow's specs; runs nothing.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_LANG_H
#define TH_THETA_LANG_H

#include "base/base.h"
#include "base/diag.h"
#include "machine/machine.h"
#include "table/table.h"

typedef enum th_theta_mode {
    TH_THETA_FILE,  /* a .theta or .th file: links and capsules; `main` is exported */
    TH_THETA_INPUT, /* eval, query, REPL: bare definitions and expressions; the last expression becomes the function `main` */
} th_theta_mode;

/* What the compiler needs from outside. Zero is a valid default: no files. */
typedef struct th_theta_options {
    size_t size; /* sizeof (th_theta_options) */
    th_theta_mode mode;
    th_engine *engine; /* whose builtins may be used; required */
    void *user;
    /* Whether the compiler may read files is the host's to say: each of the next two may be NULL, and nothing is read then.
    ** Finds the text of a linked capsule by dotted name; the standard ones (Theta.IO ..) are known without it. TH_E_NOT_FOUND:
    ** none. Texts are borrowed until the compilation ends. */
    th_status (*load_link)(void *user, th_view name, const char *from_file, const char **path, const char **text, size_t *len);
    /* Schema of a data file named by a constant path, for static row types; NULL: such tables need a declared type. Shares. */
    th_status (*file_schema)(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err);
    /* Values that exist outside, by name (the REPL's earlier results): type text as th_type_print writes it. */
    bool (*outer_type)(void *user, th_view name, th_view *type);
    /* The incomplete flag of th_theta_parse; may be NULL. */
    bool *incomplete;
    bool parse_only, check_only;
} th_theta_options;

/* Compiles. TH_OK with bytes (freed with th_mem_free(mem, *bytes, *len)), or the code of the first error in `diags`. Sources that diagnostics quote are
** kept in `arena`, which the caller clears after rendering. In check_only and parse_only modes *bytes is NULL. */
th_status th_theta_compile(th_mem *mem, th_arena *arena, const char *name, const char *text, size_t len,
                           const th_theta_options *options, th_diags *diags, uint8_t **bytes, size_t *out_len) TH_CHECKED;

/* Names visible at the end of a text, for completion: calls `found` with each that starts with `prefix`. */
void th_theta_complete(const th_theta_options *options, th_view prefix, void (*found)(void *user, th_view name), void *user);

/* The library documentation as Markdown (docs/LIBRARY.md): every builtin and prelude function by capsule. */
th_status th_theta_library_markdown(const th_engine *engine, th_buf *out) TH_CHECKED;

#endif
