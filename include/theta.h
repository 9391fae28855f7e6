/*
** theta.h - the public C interface of libtheta: the only header an embedder includes.
**
** Caveats first.
** - An engine may be shared by threads once its host functions are registered. A program is immutable and may be shared.
**   A machine belongs to one thread at a time; only theta_machine_cancel and theta_machine_interrupt may be called from
**   others (and from signal handlers).
** - A theta_value is BORROWED from its machine: it is valid until the next theta_call, theta_start, theta_run or
**   theta_machine_reset of that machine. theta_value_keep makes it last. Texts and bytes read out of a value live as long as it.
** - Functions that can fail return a theta_status and hand results back through last-placed pointers, which are left as they were
**   on failure. `err` may be NULL. Nothing here exits, aborts, prints or uses global state.
** - Misuse (NULL where it is not allowed, a value of another machine) is undefined.
**
** Words: owns, borrows (valid until), takes (the caller's is empty afterwards), shares (count raised), copies.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef THETA_H
#define THETA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define THETA_API __attribute__((visibility("default")))
#define THETA_CHECKED THETA_API __attribute__((warn_unused_result))
#else
#define THETA_API
#define THETA_CHECKED
#endif

/* ---- Version ------------------------------------------------------------------------------------------------ */

/* The ABI is that of the major version: within it functions and struct fields are only added. Bindings compare
** THETA_VERSION_MAJOR with theta_version() / 1000000 at load. */
#define THETA_VERSION_MAJOR 0
#define THETA_VERSION_MINOR 1
#define THETA_VERSION_PATCH 0
#define THETA_VERSION (THETA_VERSION_MAJOR * 1000000 + THETA_VERSION_MINOR * 1000 + THETA_VERSION_PATCH)
THETA_API int32_t theta_version(void); /* THETA_VERSION of the library as built */

/* ---- Status and errors -------------------------------------------------------------------------------------- */

typedef enum theta_status {
    THETA_OK = 0,
    THETA_E_NOMEM = 1,
    THETA_E_FUEL = 2,
    THETA_E_MEMORY_LIMIT = 3,
    THETA_E_TIMEOUT = 4,
    THETA_E_CANCELLED = 5,
    THETA_E_DENIED = 6,        /* a capability that was not granted */
    THETA_E_IO = 7,
    THETA_E_SYNTAX = 8,
    THETA_E_TYPE = 9,
    THETA_E_REFERENCE = 10,
    THETA_E_REASSIGNMENT = 11,
    THETA_E_VERIFY = 12,       /* bytecode that was refused */
    THETA_E_FORMAT = 13,       /* a malformed file */
    THETA_E_VERSION = 14,      /* a file of an unknown major version */
    THETA_E_TRAP = 15,         /* the program failed */
    THETA_E_ARGUMENT = 16,     /* a call that does not fit */
    THETA_E_NOT_FOUND = 17,
    THETA_E_SUSPENDED = 18,
    THETA_E_BUSY = 19,         /* a run is under way */
    THETA_E_UNSUPPORTED = 20,
    THETA_E_ASSERT = 21,
    THETA_E_INDEX = 22,
    THETA_E_DIVISION = 23,
    THETA_E_CONVERSION = 24,
    THETA_E_NULL = 25,
    THETA_E_HOST = 26,         /* a host function failed */
    THETA_E_LIMIT = 27,        /* a size limit of a format */
    THETA_E_THROW = 28,        /* the program threw (Nix: throw) */
    THETA_E_ABORT = 29,        /* the program gave up (Nix: abort) */
    THETA_E_RECURSION = 30     /* a value needs itself */
} theta_status;
THETA_API const char *theta_status_text(theta_status status); /* "out of fuel"; never NULL; static */

/* Caller-owned; filled on failure, without allocation. */
typedef struct theta_error {
    theta_status code;
    uint32_t line, column, end_line, end_column; /* from 1; 0 unknown */
    char file[256];                              /* "" unknown */
    char message[1024];
} theta_error;

/* A text the library made: release with theta_text_free. `data` is NUL-terminated. */
typedef struct theta_text { char *data; size_t len; void *owner; } theta_text;
THETA_API void theta_text_free(theta_text *text); /* twice is harmless */

/* ---- Engine ------------------------------------------------------------------------------------------------- */

typedef struct theta_engine theta_engine;
typedef struct theta_program theta_program;
typedef struct theta_machine theta_machine;

/* Like realloc, told the old size; new_bytes 0 frees and returns NULL. */
typedef void *(*theta_alloc_fn)(void *user, void *block, size_t old_bytes, size_t new_bytes);

typedef struct theta_engine_config {
    size_t size;             /* sizeof (theta_engine_config), set by init */
    theta_alloc_fn alloc;    /* NULL: the C library's */
    void *alloc_user;
    size_t memory_bytes;     /* budget of everything the engine and its machines hold; 0: none */
} theta_engine_config;
THETA_API void theta_engine_config_init(theta_engine_config *config);
THETA_CHECKED theta_status theta_engine_new(const theta_engine_config *config, theta_engine **out, theta_error *err); /* config NULL: defaults */
THETA_API void theta_engine_free(theta_engine *engine); /* after its machines and programs; NULL is allowed */
THETA_API size_t theta_engine_memory_used(const theta_engine *engine); /* bytes held now, by everything of the engine */

/* ---- Programs ----------------------------------------------------------------------------------------------- */

typedef struct theta_compile_config {
    size_t size;
    const char *language;   /* "theta", "nix"; NULL: by the name's extension (.theta .th .nix .thb .tha), else theta */
    bool expression;        /* bare definitions and expressions (eval, query): the last expression becomes `main` */
    bool parse_only, check_only; /* *out is NULL on success */
    bool color;             /* of the rendered diagnostics */
    bool read_files;        /* linked capsules beside the file and schemas of data files with constant paths may be read; set by init */
} theta_compile_config;
THETA_API void theta_compile_config_init(theta_compile_config *config);
/* Compiles a source text. `name` is what errors call it (and where links start from; of Nix it is made absolute, and relative
** paths in the text are relative to its folder). A Nix expression becomes a program with one export, `main`, which gives its
** value. On failure `err` has the first error and
** `diagnostics` (may be NULL; on success: warnings or empty) all of them rendered for a person; free it in both cases. */
THETA_CHECKED theta_status theta_compile(theta_engine *engine, const char *name, const char *text, size_t len,
                                         const theta_compile_config *config, theta_program **out, theta_text *diagnostics, theta_error *err);
THETA_CHECKED theta_status theta_compile_file(theta_engine *engine, const char *path, const theta_compile_config *config,
                                              theta_program **out, theta_text *diagnostics, theta_error *err);
/* Bytecode (.thb) in and out: verified at load; `bytes` are copied. */
THETA_CHECKED theta_status theta_program_load(theta_engine *engine, const void *bytes, size_t len, theta_program **out, theta_error *err);
THETA_API const void *theta_program_bytes(const theta_program *program, size_t *len); /* borrowed from the program */
THETA_CHECKED theta_status theta_program_disassemble(const theta_program *program, theta_text *out, theta_error *err);
THETA_CHECKED theta_status theta_assemble(theta_engine *engine, const char *name, const char *text, size_t len, theta_program **out, theta_error *err);
THETA_API theta_program *theta_program_retain(theta_program *program);
THETA_API void theta_program_release(theta_program *program); /* NULL is allowed */
/* Exported functions: name and type ("Function<i64, i64>"), borrowed from the program; false past the last. */
THETA_API bool theta_program_export(const theta_program *program, size_t i, const char **name, theta_text *type);
/* Likewise what it imports, and all its functions, for tools. `info->size` is set by the caller. */
typedef struct theta_function_info { size_t size; const char *name; uint32_t words, registers; } theta_function_info;
THETA_API bool theta_program_import(const theta_program *program, size_t i, const char **name, theta_text *type);
THETA_API bool theta_program_function(const theta_program *program, size_t i, theta_function_info *info, theta_text *type);

/* ---- Machines ----------------------------------------------------------------------------------------------- */

enum { THETA_ALLOW_FS = 4, THETA_ALLOW_NET = 8, THETA_ALLOW_CLOCK = 16 };

/* Receives what print writes. Anything but THETA_OK fails the run with THETA_E_IO. */
typedef theta_status (*theta_write_fn)(void *user, const char *bytes, size_t len);

typedef struct theta_machine_config {
    size_t size;
    int64_t fuel;         /* instructions; -1 (set by init): unlimited */
    size_t memory_bytes;  /* 0: unlimited */
    double timeout_s;     /* wall clock of a run; 0: none */
    uint32_t allow;       /* THETA_ALLOW_ flags; init: none */
    bool resumable;       /* out of fuel suspends instead of failing */
    theta_write_fn write; /* NULL: standard output */
    void *write_user;
    const char *const *args; /* for IO.args; borrowed for the machine's life */
    size_t nargs;
} theta_machine_config;
THETA_API void theta_machine_config_init(theta_machine_config *config);
THETA_CHECKED theta_status theta_machine_new(theta_engine *engine, const theta_machine_config *config, theta_machine **out, theta_error *err);
THETA_API void theta_machine_free(theta_machine *machine); /* NULL is allowed */
/* Shares the program. Functions are then called by exported name; of equal names the program added last wins. */
THETA_CHECKED theta_status theta_machine_add(theta_machine *machine, theta_program *program, theta_error *err);
THETA_CHECKED theta_status theta_machine_reset(theta_machine *machine); /* drops all values; programs stay */
THETA_API void theta_machine_add_fuel(theta_machine *machine, int64_t fuel);
THETA_API int64_t theta_machine_fuel_used(const theta_machine *machine);
THETA_API size_t theta_machine_memory_used(const theta_machine *machine);
THETA_API size_t theta_machine_memory_peak(const theta_machine *machine);
/* Sticky: a run under way or begun later fails with THETA_E_CANCELLED at its next check, until it is cleared. */
THETA_API void theta_machine_cancel(theta_machine *machine);
THETA_API void theta_machine_clear_cancel(theta_machine *machine);
/* A run suspends at its next safe point (THETA_E_SUSPENDED). */
THETA_API void theta_machine_interrupt(theta_machine *machine);
THETA_CHECKED theta_status theta_machine_flush(theta_machine *machine); /* what print has buffered */
/* The contexts of the last failure or of the suspended run, innermost first, a line each. */
THETA_CHECKED theta_status theta_machine_trace(const theta_machine *machine, theta_text *out);

/* The text of a source, by the name errors give it, when one of the machine's programs holds it; borrowed. */
THETA_API bool theta_machine_source(const theta_machine *machine, const char *name, const char **text, size_t *len);
/* An error as a person reads it: `file:line:col: error: message`, and with the source's text (NULL: unknown) the line and a
** mark under the place. */
THETA_CHECKED theta_status theta_error_render(theta_engine *engine, const theta_error *error, const char *source, size_t len,
                                              bool color, theta_text *out);

/* ---- Values ------------------------------------------------------------------------------------------------- */

typedef enum theta_kind {
    THETA_VOID, THETA_BOOL, THETA_INT, THETA_FLOAT, THETA_STRING, THETA_SYMBOL, THETA_LIST, THETA_DICT, THETA_TUPLE,
    THETA_STRUCT, THETA_ENUM, THETA_FUNCTION, THETA_NULL, THETA_TABLE, THETA_ERROR_VALUE, THETA_OTHER,
    THETA_PATH,  /* a file's path (Nix); theta_value_string reads it */
    THETA_SET,   /* names and values (Nix: an attribute set) */
    THETA_THUNK  /* not evaluated yet, or its evaluation failed: theta_value_force */
} theta_kind;

/* A typed word. Pass it by value; make it with the functions below. */
typedef struct theta_value { uint64_t word; uint32_t type; uint32_t hold; } theta_value;

THETA_API theta_kind theta_value_kind(theta_machine *machine, theta_value value); /* of an option: NULL or what it holds; of a Variadic: what it holds */
THETA_CHECKED theta_status theta_value_type(theta_machine *machine, theta_value value, theta_text *out); /* "List<i64>" */
/* Reading. THETA_E_TYPE when the value is of another kind, THETA_E_INDEX outside, THETA_E_NOT_FOUND for an unknown field or key. */
THETA_CHECKED theta_status theta_value_bool(theta_machine *machine, theta_value value, bool *out);
THETA_CHECKED theta_status theta_value_int(theta_machine *machine, theta_value value, int64_t *out);   /* every integer type, enums */
THETA_CHECKED theta_status theta_value_float(theta_machine *machine, theta_value value, double *out);  /* f32 and f64 */
THETA_CHECKED theta_status theta_value_string(theta_machine *machine, theta_value value, const char **data, size_t *len); /* String, Symbol, the member name of an enum; borrowed */
THETA_CHECKED theta_status theta_value_len(theta_machine *machine, theta_value value, size_t *out);    /* list, dict, tuple, struct, set */
THETA_CHECKED theta_status theta_value_at(theta_machine *machine, theta_value value, size_t i, theta_value *out); /* list, tuple, struct by place; set by name order */
THETA_CHECKED theta_status theta_value_field(theta_machine *machine, theta_value value, const char *name, theta_value *out); /* struct field, dict entry, attribute */
/* The name of what theta_value_at(i) gives, of a struct or set; borrowed. The names of a set are in the order of their bytes. */
THETA_CHECKED theta_status theta_value_name(theta_machine *machine, theta_value value, size_t i, const char **name, size_t *len);
THETA_CHECKED theta_status theta_value_entry(theta_machine *machine, theta_value value, size_t *cursor, theta_value *key, theta_value *item); /* dict, from *cursor 0; NOT_FOUND at the end */
enum {
    THETA_TEXT_PLAIN = 0, THETA_TEXT_QUOTED = 1, THETA_TEXT_JSON = 2, THETA_TEXT_PRETTY = 4,
    /* of dynamic values alone: */
    THETA_TEXT_XML = 8,        /* as `nix-instantiate --eval --xml` */
    THETA_TEXT_LOCATIONS = 16, /* XML: with the places where attributes and functions are written */
    THETA_TEXT_LAZY = 32       /* evaluates nothing: what is not evaluated yet is shown as <CODE>; not of JSON */
};
/* Of a dynamic value (below) all of it is evaluated first, and printed as its language prints it; it is a run of its own. */
THETA_CHECKED theta_status theta_value_text(theta_machine *machine, theta_value value, uint32_t flags, theta_text *out, theta_error *err);

/* Making, between runs or inside a host function. Aggregates are made from JSON: `type` as programs write it, structs and enums
** by the name they have in a program of the machine. */
THETA_API theta_value theta_int(int64_t x);   /* fits any integer parameter it fits in */
THETA_API theta_value theta_float(double x);  /* f64, or an f32 parameter, rounded */
THETA_API theta_value theta_bool(bool x);
THETA_CHECKED theta_status theta_string(theta_machine *machine, const char *data, size_t len, theta_value *out); /* copies; UTF-8 is checked */
THETA_CHECKED theta_status theta_from_json(theta_machine *machine, const char *type, const char *json, size_t len, theta_value *out, theta_error *err);

/* ---- Dynamic values ----------------------------------------------------------------------------------------- */

/* Values of dynamically typed, lazy languages (Nix) have the type `value`. A list, a set or a captured variable may hold thunks,
** which are evaluated when they are wanted: theta_value_kind says THETA_THUNK, and theta_value_force gives the value in head
** form (its items are again as they are). So a big result is walked without evaluating what is not looked at.
** All functions above read them: booleans, integers, floats, strings (with their length; they may hold any bytes), paths, lists,
** sets. A `value` is also what every other value becomes where a parameter is of that type: null, booleans, numbers, strings;
** lists, dicts, tuples and structs by way of JSON. And an evaluated one becomes a bool, number or String where that is wanted.
** Forcing, calling and printing are runs: they end what is borrowed, obey all limits, may be suspended, and fail with
** THETA_E_BUSY while another run is under way (so also inside host functions: see theta_frame_force). */

/* Evaluates to head form. An evaluated value comes back at once, without a run. THETA_E_SUSPENDED: theta_run and theta_result go on. */
THETA_CHECKED theta_status theta_value_force(theta_machine *machine, theta_value value, theta_value *out, theta_error *err);
/* The same in steps: then theta_run until it is over, and theta_result. */
THETA_CHECKED theta_status theta_start_force(theta_machine *machine, theta_value value, theta_error *err);
/* Applies a function value (or a set with __functor) to arguments, one after the other; theta_call_value does it in one go. */
THETA_CHECKED theta_status theta_start_value(theta_machine *machine, theta_value function, const theta_value *args, size_t nargs,
                                             theta_error *err);
/* theta_value_text in steps; the result is a string. */
THETA_CHECKED theta_status theta_start_text(theta_machine *machine, theta_value value, uint32_t flags, theta_error *err);

/* Making: between runs or inside a host function. Names and texts are copied, values shared. THETA_E_ARGUMENT: a name twice, a value
** that cannot be a dynamic one (a table, a function of Theta). Items may be thunks. */
THETA_API theta_value theta_null(void);
THETA_CHECKED theta_status theta_path(theta_machine *machine, const char *path, size_t len, theta_value *out); /* absolute */
THETA_CHECKED theta_status theta_bytes(theta_machine *machine, const char *data, size_t len, theta_value *out); /* a string of any bytes */
THETA_CHECKED theta_status theta_list(theta_machine *machine, const theta_value *items, size_t n, theta_value *out, theta_error *err);
THETA_CHECKED theta_status theta_set(theta_machine *machine, const char *const *names, const theta_value *values, size_t n,
                                     theta_value *out, theta_error *err);

/* A kept value stays valid over runs and collections until it is dropped, or the machine is reset or freed. */
THETA_CHECKED theta_status theta_value_keep(theta_machine *machine, theta_value value, theta_value *out);
THETA_API void theta_value_drop(theta_machine *machine, theta_value *value); /* afterwards it is void; not kept: nothing happens */

/* ---- Running ------------------------------------------------------------------------------------------------ */

typedef enum theta_state { THETA_IDLE, THETA_READY, THETA_DONE, THETA_FAILED, THETA_SUSPENDED } theta_state;

/* Calls an exported function ("Trips.gcd", or "gcd" when that is not ambiguous) and runs it to its end. Arguments are
** checked against its signature (THETA_E_ARGUMENT says which). Status: THETA_OK; the program's error, with its place; or
** THETA_E_SUSPENDED when the run was suspended (theta_run goes on). `result` may be NULL. */
THETA_CHECKED theta_status theta_call(theta_machine *machine, const char *function, const theta_value *args, size_t nargs,
                                      theta_value *result, theta_error *err);
/* Likewise for a value of kind FUNCTION. */
THETA_CHECKED theta_status theta_call_value(theta_machine *machine, theta_value function, const theta_value *args, size_t nargs,
                                            theta_value *result, theta_error *err);
/* The same in steps: start, then run until it is DONE, FAILED or SUSPENDED. */
THETA_CHECKED theta_status theta_start(theta_machine *machine, const char *function, const theta_value *args, size_t nargs, theta_error *err);
THETA_API theta_state theta_run(theta_machine *machine);
THETA_API theta_state theta_machine_state(const theta_machine *machine);
THETA_CHECKED theta_status theta_result(theta_machine *machine, theta_value *out, theta_error *err); /* after DONE; the error after FAILED */
/* Why it is suspended: THETA_E_FUEL (add fuel), THETA_E_SUSPENDED (interrupted), THETA_OK (a host function waits). */
THETA_API theta_status theta_suspended_for(const theta_machine *machine);
THETA_API void theta_abandon(theta_machine *machine); /* drops the run under way */

/* Snapshots: a suspended machine, its programs included, as bytes; into a fresh machine of an engine with the same host functions. */
THETA_CHECKED theta_status theta_save(theta_machine *machine, theta_text *out, theta_error *err);
THETA_CHECKED theta_status theta_restore(theta_machine *machine, const void *bytes, size_t len, theta_error *err);

/* ---- Host functions ----------------------------------------------------------------------------------------- */

typedef struct theta_call_frame theta_call_frame; /* borrowed during the call */
typedef enum theta_step {
    THETA_STEP_DONE,    /* the result was set (or the function is void) */
    THETA_STEP_ERROR,   /* theta_frame_fail was called */
    THETA_STEP_SUSPEND, /* the run is suspended; the embedder gives the result later with theta_resume */
    THETA_STEP_AGAIN    /* theta_frame_force was called */
} theta_step;
typedef theta_step (*theta_host_fn)(theta_machine *machine, theta_call_frame *frame, void *user);

typedef struct theta_host_function {
    size_t size;             /* sizeof (theta_host_function) */
    const char *name;        /* "Host.lookup": called by that name */
    const char *signature;   /* "key: String, default: i64 -> i64"; "-> void" has no result; T, U .. are type variables */
    const char *doc;
    theta_host_fn call;
    void *user;
    bool may_suspend;        /* needed for THETA_STEP_SUSPEND */
    bool pure;               /* no effect but its result: may be reordered or left out */
    uint32_t needs;          /* THETA_ALLOW_ flags the machine must have been granted */
    /* Over dynamic values ("key: value, default: value -> value") it is the builtin `builtins.NAME` of Nix. Its arguments come as
    ** they are, perhaps thunks, but for what `strict` says, a letter for each: . as it is, v evaluated, i an integer, n an
    ** integer or float, s a string, t a string or path, l a list, r a set, b a boolean, f what can be called. A wrong kind is
    ** an error that tells the place of the call. NULL: all as they are. */
    const char *strict;
} theta_host_function;
/* Copies. Before programs that use it are compiled or loaded, and before threads share the engine. */
THETA_CHECKED theta_status theta_engine_register(theta_engine *engine, const theta_host_function *function, theta_error *err);

THETA_API size_t theta_frame_nargs(const theta_call_frame *frame);
THETA_API theta_value theta_frame_arg(const theta_call_frame *frame, size_t i);
THETA_CHECKED theta_status theta_frame_return(theta_call_frame *frame, theta_value value); /* THETA_E_TYPE: not the result type */
THETA_API theta_step theta_frame_fail(theta_call_frame *frame, theta_status code, const char *message); /* returns THETA_STEP_ERROR */
THETA_API bool theta_frame_charge(theta_call_frame *frame, int64_t fuel); /* false: return THETA_STEP_ERROR */
/* For functions over dynamic values: evaluates one (deeply: all of it), after which the function is entered again with that state
** (from 1; at first it is 0) and finds the value. `return theta_frame_force(frame, value, false, 1);` What it needs besides it
** reads again from its arguments. */
THETA_API theta_step theta_frame_force(theta_call_frame *frame, theta_value value, bool deeply, uint32_t state);
THETA_API uint32_t theta_frame_state(const theta_call_frame *frame);
THETA_API theta_value theta_frame_forced(const theta_call_frame *frame); /* null in state 0 */

/* A suspended run that waits for a host function: which, with what; then its result, or its failure. */
THETA_API const char *theta_waiting(const theta_machine *machine, size_t *nargs); /* name, NULL when it waits for none; borrowed */
THETA_CHECKED theta_status theta_waiting_arg(theta_machine *machine, size_t i, theta_value *out);
THETA_CHECKED theta_status theta_resume(theta_machine *machine, theta_value value, theta_error *err); /* then theta_run */
THETA_CHECKED theta_status theta_resume_error(theta_machine *machine, theta_status code, const char *message);

/* ---- Tables ------------------------------------------------------------------------------------------------- */

struct ArrowArrayStream; /* the Arrow C stream interface, as its specification lays it out */

/* A table over the host's stream, read when rows are asked for (once). Takes the stream, whatever the outcome. */
THETA_CHECKED theta_status theta_table_import(theta_machine *machine, struct ArrowArrayStream *stream, theta_value *out, theta_error *err);
/* A stream that computes the table's rows as they are pulled. The machine must outlive it and be idle while it is pulled;
** its limits hold for each pull. The consumer releases it. */
THETA_CHECKED theta_status theta_table_export(theta_machine *machine, theta_value table, struct ArrowArrayStream *out, theta_error *err);
/* Runs the plan and writes it all: format "grid", "csv", "json", "ndjson", "markdown" or "arrow". `width`: of the terminal, for grid; 0:
** no limit; `max_rows` 0: 40 for grid, all for others. */
THETA_CHECKED theta_status theta_table_write(theta_machine *machine, theta_value table, const char *format, size_t width,
                                             size_t max_rows, theta_write_fn write, void *user, theta_error *err);
THETA_CHECKED theta_status theta_table_explain(theta_machine *machine, theta_value table, theta_text *out, theta_error *err);
/* Begins a run that computes the table and writes it to the machine's output, in the format of theta_machine_set_format; then
** theta_run. It is a run like any other: it may be suspended, saved, and go on elsewhere. Its result is void. */
THETA_CHECKED theta_status theta_start_print(theta_machine *machine, theta_value table, theta_error *err);
/* How Table.print writes for this machine (default csv). */
THETA_CHECKED theta_status theta_machine_set_format(theta_machine *machine, const char *format, size_t width, size_t max_rows, bool color);

/* A dynamic list of sets as a table: a column for each name, in the order of the names; integers, floats (also where both
** occur), booleans, strings (and paths). Where a set has no such name, or null, the cell is null. Evaluates the list, its sets
** and their fields, as a run of its own. THETA_E_TYPE tells the row and the name of what fits in no column. */
THETA_CHECKED theta_status theta_table_of_value(theta_machine *machine, theta_value list, theta_value *out, theta_error *err);
/* And back: computes the table (as runs of its own) into a list of sets. Dates and timestamps become strings. */
THETA_CHECKED theta_status theta_value_of_table(theta_machine *machine, theta_value table, theta_value *out, theta_error *err);

/* ---- Nix ---------------------------------------------------------------------------------------------------- */

/* The Nix expression language: theta_compile compiles it, a machine evaluates it, builtins are there but for what needs a store
** or the network. Files are read when the machine was granted THETA_ALLOW_FS. Nothing is ever written: paths of derivations
** and sources are computed. */
typedef struct theta_nix_search { const char *prefix, *path; } theta_nix_search; /* <prefix/...>; "" or NULL: any */
typedef struct theta_nix_config {
    size_t size;                    /* set by init */
    const theta_nix_search *search; /* as -I and NIX_PATH give it: the first that has the file wins */
    size_t nsearch;
    const char *store_dir;          /* NULL: "/nix/store" */
    const char *system;             /* builtins.currentSystem; NULL: this machine's */
    const char *home;               /* for ~/ paths; NULL: they are refused */
    int64_t current_time;           /* builtins.currentTime; 0: by the clock, when THETA_ALLOW_CLOCK is granted */
    bool restricted;                /* only files under the search path are read */
    bool pure;                      /* no currentTime, currentSystem, getEnv, search path; and as restricted */
    void *user;
    /* What trace and warn say: a text without a newline at its end. NULL: nowhere. */
    void (*message)(void *user, const char *text, size_t len);
    const char *(*get_env)(void *user, const char *name); /* builtins.getEnv; NULL: "" always. Borrowed until the next call */
} theta_nix_config;
THETA_API void theta_nix_config_init(theta_nix_config *config);
/* Settings of a machine, before it evaluates anything of Nix; without it (or NULL) the defaults hold. Copies all but `user`; reset
** keeps them. */
THETA_CHECKED theta_status theta_machine_nix(theta_machine *machine, const theta_nix_config *config, theta_error *err);
/* Compiles an expression into the machine, unevaluated: a thunk. `name` as in theta_compile. `scope`: a set whose names the expression may
** use (as scopedImport does), or NULL. The code stays in the machine. */
THETA_CHECKED theta_status theta_nix_load(theta_machine *machine, const char *name, const char *text, size_t len,
                                          const theta_value *scope, theta_value *out, theta_error *err);
/* Functions beside `builtins` over dynamic values, as runs. Arguments in the order given. */
typedef enum theta_nix_function {
    THETA_NIX_DEEP,      /* v -> v, all of it evaluated */
    THETA_NIX_AUTO_CALL, /* v, set -> a function with a set pattern called with what it names of the set (--arg); others as they are */
    THETA_NIX_SELECT,    /* v, "a.b.0", set -> what -A selects; functions on the way are called with the set */
    THETA_NIX_IMPORT,    /* path -> the value of the file, cached */
    THETA_NIX_TO_STRING, /* v -> as builtins.toString */
    THETA_NIX_EQUAL, THETA_NIX_LESS, /* a, b -> a bool */
    THETA_NIX_SHOW       /* v, depth -> a string, on several lines, as a REPL shows it; depth 0: all of it */
} theta_nix_function;
THETA_CHECKED theta_status theta_start_nix(theta_machine *machine, theta_nix_function function, const theta_value *args, size_t nargs,
                                           theta_error *err);
THETA_CHECKED theta_status theta_nix(theta_machine *machine, theta_nix_function function, const theta_value *args, size_t nargs,
                                     theta_value *out, theta_error *err);
/* Whether an evaluated value is a function with a set pattern all of whose names without a default are in the set. */
THETA_API bool theta_nix_callable(theta_machine *machine, theta_value value, theta_value set);
/* The syntax tree of an expression as `nix-instantiate --parse` prints it. */
THETA_CHECKED theta_status theta_nix_parse(theta_engine *engine, const char *name, const char *text, size_t len, theta_text *out,
                                           theta_error *err);
/* The names that are visible everywhere and start with the prefix (map, builtins, true ...): `found` is called with each. */
THETA_API void theta_nix_complete(theta_engine *engine, const char *prefix, void (*found)(void *user, const char *name), void *user);

/* ---- Sessions (for a REPL) ---------------------------------------------------------------------------------- */

/* Compiles and runs one input on a machine whose earlier inputs' definitions and results stay in scope. `result`: value of the
** last expression, void when there is none. *incomplete (may be NULL): the input ends inside an open construct; nothing was run. */
typedef struct theta_session theta_session;
THETA_CHECKED theta_status theta_session_new(theta_machine *machine, theta_session **out, theta_error *err); /* borrows the machine */
THETA_API void theta_session_free(theta_session *session);
/* Positions in errors are lines of the session: inputs follow each other like the lines of one file, from line 1. This says
** where the next one begins when lines lie between (never earlier than it would). */
THETA_API void theta_session_at(theta_session *session, uint32_t line);
THETA_CHECKED theta_status theta_session_eval(theta_session *session, const char *text, size_t len, bool color, bool *incomplete,
                                              theta_value *result, theta_text *diagnostics, theta_error *err);
/* Type of an expression, not run. */
THETA_CHECKED theta_status theta_session_type(theta_session *session, const char *text, size_t len, bool color, theta_text *type,
                                              theta_text *diagnostics, theta_error *err);
/* Names that start with the prefix: `found` is called with each. */
THETA_API void theta_session_complete(theta_session *session, const char *prefix, void (*found)(void *user, const char *name), void *user);

/* ---- Documentation ------------------------------------------------------------------------------------------ */

/* Every function of the standard library and every host function as Markdown. */
THETA_CHECKED theta_status theta_library_markdown(theta_engine *engine, theta_text *out);

#ifdef __cplusplus
}
#endif

#endif
