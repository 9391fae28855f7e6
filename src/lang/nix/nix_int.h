/*
** nix_int.h - what the files of the library of Nix share: the tables of builtins, the state on a machine, text contexts.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_INT_H
#define TH_NIX_INT_H

#include "lang/nix/nix.h"

/* ---- Tables (one a file); nix_register adds them all. Names "nix.NAME" are builtins.NAME, "Nix.name" internal ---- */

extern const th_builtin nix_lib_ops[], nix_lib_types[], nix_lib_list[], nix_lib_set[], nix_lib_string[],
    nix_lib_regex[], nix_lib_convert[], nix_lib_file[], nix_lib_drv[], nix_lib_error[], nix_lib_print[];
extern const size_t nix_lib_ops_count, nix_lib_types_count, nix_lib_list_count, nix_lib_set_count, nix_lib_string_count,
    nix_lib_regex_count, nix_lib_convert_count, nix_lib_file_count, nix_lib_drv_count, nix_lib_error_count,
    nix_lib_print_count;

/* For the compiler: the builtin of that name ("map", "__map" without the underscores), NULL: none. `global`: visible without
** `builtins.` (map, import, toString ...; all are under their "__name"). */
const th_builtin *nix_builtin_find(const th_engine *engine, th_view name, bool *global);
/* Members of `builtins` that are no functions: true, false, null, nixVersion, langVersion, storeDir, currentSystem, currentTime,
** nixPath, builtins: "Nix.constant" makes them by name. */
bool nix_constant_known(th_view name, bool *global);

/* ---- State ---- */

typedef struct nix_state nix_state;
nix_state *nix_state_of(th_machine *machine); /* NULL: a trap is recorded (not attached) */
const nix_settings *nix_settings_of(const nix_state *state);
/* The value of an internal builtin or of builtins.NAME; static, never moves. */
bool nix_builtin_value(th_machine *machine, const char *name, th_value *out) TH_CHECKED;
bool nix_builtins_set(th_machine *machine, th_value *out) TH_CHECKED; /* `builtins` */
/* Imported files: absolute path -> value (a thunk at first). */
bool nix_import_find(nix_state *state, th_view path, th_value *out);
bool nix_import_add(th_machine *machine, nix_state *state, th_view path, th_value value) TH_CHECKED;

/* ---- Texts and their contexts ---- */

/* A context is an array of texts, sorted and unique, each as current C++ Nix encodes it: "PATH", "!OUTPUT!DRVPATH", "=DRVPATH". */
bool nix_text(th_machine *machine, th_view text, th_value *out) TH_CHECKED;
bool nix_text_with(th_machine *machine, th_view text, th_value context, th_value *out) TH_CHECKED;
bool nix_path(th_machine *machine, th_view text, th_value *out) TH_CHECKED; /* canonicalised already */
bool nix_context_join(th_machine *machine, th_value a, th_value b,
                      th_value *out) TH_CHECKED; /* either may be TH_V_NULL */
/* "/a/./b//../c" -> "/a/c". */
void nix_canon_path(th_view path, th_buf *out);

/* ---- Records by name ---- */
th_value nix_get(th_machine *machine, th_value record, const char *name); /* or TH_V_ABSENT */
/* Builds small records: pairs of names and values. */
bool nix_record(th_machine *machine, const char *const *names, const th_value *values, size_t n,
                th_value *out) TH_CHECKED;

/* ---- Calls of other builtins from a state machine: their result is call->callback at the next entry ---- */
th_step nix_coerce(th_machine *machine, th_call *call, th_value v, uint32_t flags, uint32_t next_state) TH_CHECKED;
th_step nix_equal(th_machine *machine, th_call *call, th_value a, th_value b, uint32_t next_state) TH_CHECKED;
th_step nix_deep_force(th_machine *machine, th_call *call, th_value v, uint32_t next_state) TH_CHECKED;

/* ---- Pure parts, without a machine ---- */

/* POSIX extended expressions as std::regex(extended) matches them, leftmost, in linear time where it can be (regex.c). */
typedef struct nix_regex nix_regex;
th_status nix_regex_new(th_mem *mem, th_view pattern, nix_regex **out, th_error *err) TH_CHECKED;
void nix_regex_free(th_mem *mem, nix_regex *regex);
size_t nix_regex_groups(const nix_regex *regex);
/* A text made ready to be searched, any number of times. */
typedef struct nix_subject {
    th_view text; /* borrowed */
    th_buf wide;  /* the text with its high bytes as code points, when it has any */
    bool plain;
    size_t at, wide_at; /* two offsets that belong together: where the last one was translated */
} nix_subject;
th_status nix_subject_init(th_mem *mem, th_view text, nix_subject *out) TH_CHECKED;
void nix_subject_clear(nix_subject *subject);
/* `whole`: the match must be all of the text from `at`. spans: 2 * (groups + 1) offsets, -1 for a group that took no part.
** *cost: work done, for fuel. */
th_status nix_regex_match(th_mem *mem, nix_regex *regex, nix_subject *subject, size_t at, bool whole, int64_t *spans,
                          bool *matched, int64_t *cost) TH_CHECKED;

typedef enum nix_hash { NIX_MD5, NIX_SHA1, NIX_SHA256, NIX_SHA512 } nix_hash;
bool nix_hash_of(th_view name, nix_hash *out);
const char *nix_hash_name(nix_hash hash);
size_t nix_hash_bytes(nix_hash hash, th_view data, uint8_t out[64]); /* length */
void nix_base16(const uint8_t *bytes, size_t n, th_buf *out);
void nix_base32(const uint8_t *bytes, size_t n, th_buf *out); /* Nix's own alphabet and order */
int nix_base32_digit(char c);                                 /* -1: it is none */
void nix_base64(const uint8_t *bytes, size_t n, th_buf *out);
/* Any of the encodings, or SRI "sha256-...", or "sha256:..."; false: malformed. */
bool nix_hash_parse(th_view text, nix_hash *hash, bool known, uint8_t out[64], size_t *n);
int nix_compare_versions(th_view a, th_view b);
/* The next component of a version; false at the end. */
bool nix_version_next(th_view *rest, th_view *component);
void nix_print_float(double x, bool json, th_buf *out); /* %g as C++ Nix prints it; JSON's shortest form */
void nix_print_text(th_view text, th_buf *out);         /* a string literal, escaped */
bool nix_is_identifier(th_view name);                   /* can be written without quotes */

#endif
