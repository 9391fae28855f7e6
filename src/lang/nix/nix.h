/*
** nix.h - the Nix expression language as a room: expressions in, verified programs out; and the library they run on.
**
** A file is compiled to a program with one exported function "main" of type () -> value, or (value) -> value when it is
** compiled within a scope (scopedImport, the REPL): the parameter is the record of the scope. Thunks and functions of the
** language are functions of the program over captured values (machine/dynamic.h). What a program needs of the library it
** imports by name: "nix.map" is builtins.map, "Nix.add" is the slow path of an operator, not visible to users.
** State on a machine (search path, cache of imported files, settings) hangs on it by th_machine_attach.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_H
#define TH_NIX_H

#include "base/diag.h"
#include "machine/dynamic.h"

th_status nix_register(th_engine *engine, th_error *err) TH_CHECKED; /* all builtins of the language */

typedef struct nix_search { const char *prefix, *path; } nix_search; /* "nixpkgs" or "" ; a directory or file */

/* Zero is a valid default. Everything is copied. */
typedef struct nix_settings {
    size_t size;                 /* sizeof (nix_settings) */
    const nix_search *search;    /* as -I and NIX_PATH give it, first match wins */
    size_t nsearch;
    const char *store_dir;       /* NULL: "/nix/store" */
    const char *system;          /* builtins.currentSystem; NULL: this machine's */
    const char *home;            /* for ~/ paths; NULL: they are refused */
    int64_t current_time;        /* builtins.currentTime; 0: by the clock, when that is granted */
    bool restricted;             /* only files under the search path may be read */
    bool pure;                   /* no currentTime, currentSystem, getEnv, search path */
    bool show_trace;
    void *user;
    /* trace and warn; NULL: standard error through the machine's owner is not written at all. */
    void (*message)(void *user, const char *text, size_t len);
    /* Fetchers: NULL: refused with a clear error. */
    const char *(*get_env)(void *user, const char *name); /* NULL: "" always */
} nix_settings;
th_status nix_attach(th_machine *machine, const nix_settings *settings, th_error *err) TH_CHECKED;

/* Compiles an expression. `base_dir` (absolute) resolves relative paths; `file` names the source in errors and is what
** __curPos tells. `scope` (may be NULL): names that are fields of main's parameter. On success the caller owns the bytes:
** th_mem_free(mem, *bytes, *out_len). */
typedef struct nix_scope { const th_view *names; size_t count; } nix_scope;
th_status nix_compile(th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len, th_view base_dir,
                      const nix_scope *scope, const th_engine *engine, th_diags *diags, uint8_t **bytes, size_t *out_len) TH_CHECKED;

/* Compiles and loads into the machine: a thunk of the file's value (or, within a scope, a function over the record). */
bool nix_load_text(th_machine *machine, const char *file, const char *text, size_t len, th_view base_dir,
                   const nix_scope *scope, th_value *out) TH_CHECKED; /* false: a trap is recorded */

/* Functions to run on values from outside (th_machine_begin_apply): number of an internal builtin as a value. */
typedef enum nix_function {
    NIX_FN_DEEP_FORCE, /* v -> v, all of it evaluated */
    NIX_FN_PRINT,      /* v, flags -> text: as `nix-instantiate --eval` prints it; evaluates nothing more unless NIX_PRINT_STRICT */
    NIX_FN_TO_JSON,    /* v -> text: as --json */
    NIX_FN_TO_XML,     /* v, flags -> text: as --xml */
    NIX_FN_COERCE,     /* v, NIX_COERCE_ flags -> text */
    NIX_FN_EQUAL, NIX_FN_LESS, /* a, b -> bool */
    NIX_FN_AUTO_CALL,  /* function, record of arguments -> its result; other values as they are (--arg, --argstr) */
    NIX_FN_SELECT_PATH,/* v, text "a.b.0.c" -> v: what -A does */
    NIX_FN_REPR,       /* v, depth -> text: as the REPL shows it (:p with depth 0: no limit) */
    NIX_FN_IMPORT,     /* path -> v */
    NIX_FN_ADD, NIX_FN_CONCAT_STRINGS,
    NIX_FN_COUNT
} nix_function;
bool nix_function_value(th_machine *machine, nix_function fn, th_value *out) TH_CHECKED;

enum { NIX_PRINT_STRICT = 1 /* evaluate deeply first */, NIX_PRINT_XML_LOCATIONS = 2 };
enum { NIX_COERCE_MORE = 1 /* numbers, booleans, null, lists: toString */, NIX_COERCE_COPY = 2 /* paths go to the store: "${}" */,
       NIX_COERCE_PATH = 4 /* to an absolute path's text */ };
enum { NIX_SORT_TEXT = 0, NIX_SORT_PATH = 1 }; /* sorts of TH_OBJ_STRING */

/* What the language's users see as the type: "a string", "a list", "a set", "a function" ... and printing in errors. */
extern const th_dynamic_words nix_words;

#endif
