/*
** machine.h - the machine: contexts, the loop, builtins, limits, suspension. One thread at a time uses a machine.
**
** An engine holds what machines share: the memory budget and the registry of builtins. A machine owns its memory, its
** stacks and its types, and runs functions of programs loaded into it. Nothing recurses on the C stack: the state of a
** run is the stack of contexts, and th_machine_run steps the top one until the run is over or suspended.
**
** Builtins are C functions. A plain one computes and returns. One that calls back, waits or may run long is a state
** machine: it returns TH_STEP_CALL or TH_STEP_AGAIN with its state number and slots kept in its BUILTIN context, and is
** entered again later. No builtin keeps a pointer into machine memory in C across such a return, except in its slots.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_MACHINE_H
#define TH_MACHINE_H

#include "base/base.h"
#include "machine/object.h"
#include "program/program.h"

typedef struct th_engine th_engine;
typedef struct th_machine th_machine;
typedef struct th_fn th_fn;
typedef struct th_call th_call;

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

typedef enum th_step {
    TH_STEP_DONE,    /* the result, if any, is in call->result[0] */
    TH_STEP_ERROR,   /* th_machine_trap was called */
    TH_STEP_CALL,    /* th_call_closure was called: run it, then enter again */
    TH_STEP_AGAIN,   /* a safe point: check limits, then enter again */
    TH_STEP_SUSPEND, /* give control to the embedder (HOST); enter again on resume, or take the resumed value as result */
} th_step;

/* What a builtin sees of its activation. Borrowed, valid during this entry; args and slots may have moved at the next. */
struct th_call {
    uint64_t *args;    /* the arguments */
    uint64_t *result;  /* one word */
    uint64_t *slots;   /* nslots words, zero at first; NULL for a plain builtin */
    uint64_t callback; /* on entry after TH_STEP_CALL: the callee's result */
    uint32_t state;    /* 0 at first; the builtin sets the state to be entered with next */
    th_type_id type;   /* FUNCTION type of this call without variables, in the machine's types */
    void *user;        /* of the registration */
    const th_error *caught; /* TH_BUILTIN_CATCHES, when something it called failed (dynamic.h); else NULL */
};

typedef th_step (*th_builtin_fn)(th_machine *machine, th_call *call);

enum {
    TH_BUILTIN_PLAIN = 0,
    TH_BUILTIN_STATEFUL = 1, /* has a BUILTIN context of its own; needed for every th_step but DONE and ERROR */
    TH_BUILTIN_PURE = 2,     /* no effect but its result: may be folded, reordered, memoised */
    TH_BUILTIN_FS = 4, TH_BUILTIN_NET = 8, TH_BUILTIN_CLOCK = 16, /* capabilities: refused with E_DENIED when not granted */
    TH_BUILTIN_RETAINS = 32, /* may keep an argument pointer in another object or the result */
    TH_BUILTIN_CATCHES = 256, /* is entered again when something it called fails (dynamic.h) */
    TH_BUILTIN_MUTATES = 64, /* changes its first argument in place: not for one that was bound immutably */
    TH_BUILTIN_CHECKS = 128, /* stateful; a snapshot keeps it at its state, with its slots and what it has called. It trusts
                                neither: they may come out of a hostile file. Natives in its slots are nobody else's. */
};

/* Signatures read "text: String, separator: String -> List<String>"; type variables are single capitals (T, U, K);
** a last parameter `...` takes any further arguments of any types; "-> void" has no result. Several entries may share a
** name (overloads). Tables of these are static and outlive the engine. */
typedef struct th_builtin {
    const char *name;      /* "String.split" */
    const char *signature;
    const char *doc;       /* one or two sentences, then optionally a line "e.g. EXPRESSION == RESULT" */
    th_builtin_fn fn;
    uint32_t flags;
    uint32_t nslots;
    const char *slots;     /* class of each slot for snapshots: i plain bits, p object, s string, x native (see th_native), t a
                               type: what the closure that it calls gives (of a builtin that CHECKS; at most one), v value:
                               seen by the collector */
    const char *strict;    /* over values: what each parameter must be (dynamic.h); NULL: nothing is asked */
} th_builtin;

/* ---- Engine ------------------------------------------------------------------------------------------------- */

th_status th_engine_new(th_mem *mem, th_engine **out) TH_CHECKED; /* `mem` is borrowed for its life */
void th_engine_free(th_engine *engine);                           /* after its machines */
th_mem *th_engine_mem(th_engine *engine);
/* Adds `count` builtins. E_ARGUMENT when a signature cannot be read or is there already. Before machines run. */
th_status th_engine_add(th_engine *engine, const th_builtin *builtins, size_t count, void *user, th_error *err) TH_CHECKED;
size_t th_engine_builtin_count(const th_engine *engine);
const th_builtin *th_engine_builtin(const th_engine *engine, size_t i);
/* Its signature, read: types are ids in th_engine_types, with TYPE_VARIABLE kinds for single capitals. Borrowed. */
typedef struct th_signature {
    const th_type_id *params;
    const th_view *names; /* nparams, "" where the signature gives none */
    uint32_t nparams;
    bool variadic;
    th_type_id result;
} th_signature;
const th_signature *th_engine_signature(const th_engine *engine, size_t i);
const th_types *th_engine_types(const th_engine *engine);
/* The builtin that an import means: `type` is its concrete FUNCTION type in `types`. NULL: none. */
const th_builtin *th_engine_match(const th_engine *engine, th_view name, const th_types *types, th_type_id type, void **user);

/* The standard builtins, one table per capsule (lib_*.c). */
extern const th_builtin th_lib_core[], th_lib_string[], th_lib_math[], th_lib_list[], th_lib_dict[], th_lib_time[],
    th_lib_random[], th_lib_json[], th_lib_io[], th_lib_regex[];
extern const size_t th_lib_core_count, th_lib_string_count, th_lib_math_count, th_lib_list_count, th_lib_dict_count,
    th_lib_time_count, th_lib_random_count, th_lib_json_count, th_lib_io_count, th_lib_regex_count;
th_status th_engine_add_standard(th_engine *engine, th_error *err) TH_CHECKED; /* all of the above */

/* ---- Machines ----------------------------------------------------------------------------------------------- */

typedef struct th_limits {
    int64_t fuel;          /* instructions; < 0: unlimited */
    size_t memory_bytes;   /* 0: unlimited */
    int64_t timeout_ns;    /* wall clock from the start of a run; <= 0: none */
    uint32_t capabilities; /* TH_BUILTIN_FS | ... */
} th_limits;

th_status th_machine_new(th_engine *engine, const th_limits *limits, th_machine **out) TH_CHECKED;
void th_machine_free(th_machine *machine);
th_mem *th_machine_mem(th_machine *machine);
th_engine *th_machine_engine(th_machine *machine);
th_types *th_machine_types(th_machine *machine);
void th_machine_set_user(th_machine *machine, void *user); /* the owner's pointer, not looked at */
void *th_machine_user(const th_machine *machine);
/* A second such pointer, for the flow room; `release` runs when it is replaced or the machine freed. */
void th_machine_set_flow_user(th_machine *machine, void *user, void (*release)(void *user));
void *th_machine_flow_user(const th_machine *machine);
bool th_machine_allows(const th_machine *machine, uint32_t capability); /* TH_BUILTIN_FS ... */
th_status th_machine_stopped_for(const th_machine *machine); /* SUSPENDED: E_FUEL, E_SUSPENDED, or TH_OK: waits for the host */

typedef struct th_unit th_unit; /* a program loaded into a machine: its functions, globals and bound imports */
/* Loads and binds imports (E_NOT_FOUND names the first missing). Shares the program. Units live as long as the machine.
** Does not run the start function: th_machine_begin does, before the first function of the unit. */
th_status th_machine_load(th_machine *machine, th_program *program, th_unit **out, th_error *err) TH_CHECKED;
const th_program *th_unit_program(const th_unit *unit);
const th_fn *th_unit_fn(const th_unit *unit, uint32_t function);
const th_function *th_fn_info(const th_fn *fn);
th_type_id th_fn_type(const th_fn *fn); /* in the machine's types */

typedef enum th_run_state {
    TH_RUN_IDLE,      /* nothing begun, or the result was taken */
    TH_RUN_READY,     /* begun or resumed, can run */
    TH_RUN_DONE,      /* the result is there */
    TH_RUN_FAILED,    /* th_machine_error tells; the contexts are gone, the trace is kept */
    TH_RUN_SUSPENDED, /* out of fuel (resumable), asked by th_machine_interrupt, or a builtin waits for the host */
} th_run_state;

/* Begins a run of `fn` with argument words (copied; types as in its signature, checked by the caller). E_BUSY when one
** is under way. */
th_status th_machine_begin(th_machine *machine, const th_fn *fn, const uint64_t *args, size_t nargs) TH_CHECKED;
th_status th_machine_begin_closure(th_machine *machine, th_closure *closure, const uint64_t *args, size_t nargs) TH_CHECKED;
/* Steps until it is over or suspended. Running out of fuel suspends with status E_FUEL when `resumable`, else fails. */
th_run_state th_machine_run(th_machine *machine);
th_run_state th_machine_state(const th_machine *machine);
void th_machine_set_resumable(th_machine *machine, bool resumable); /* default false */
uint64_t th_machine_result(th_machine *machine);                    /* after DONE; the pointer lives until the next begin */
th_type_id th_machine_result_type(const th_machine *machine);
const th_error *th_machine_error(const th_machine *machine);        /* after FAILED */
/* The context trace of the failure or of the suspended state, a line per context, innermost first. */
void th_machine_trace(const th_machine *machine, th_buf *out);
void th_machine_abandon(th_machine *machine); /* drops the run under way */

void th_machine_add_fuel(th_machine *machine, int64_t fuel);
int64_t th_machine_fuel_used(const th_machine *machine);
/* Sticky; from any thread or signal handler. The run fails with E_CANCELLED at its next check, also when it has not
** begun yet; th_machine_uncancel clears it. */
void th_machine_cancel(th_machine *machine);
void th_machine_uncancel(th_machine *machine);
/* Asks a run to suspend at the next safe point (E_SUSPENDED); from any thread. */
void th_machine_interrupt(th_machine *machine);

/* A builtin returned TH_STEP_SUSPEND: which one, and its arguments (borrowed until resumed). */
const th_builtin *th_machine_waiting(const th_machine *machine, const uint64_t **args, th_type_id *type);
th_status th_machine_resume_value(th_machine *machine, uint64_t word) TH_CHECKED; /* becomes the builtin's result */
th_status th_machine_resume_error(th_machine *machine, th_status code, const char *message) TH_CHECKED;

/* Named roots that outlive runs (the REPL's results, an embedder's values). The value is kept through every collection. */
th_status th_machine_bind(th_machine *machine, th_view name, th_type_id type, uint64_t word) TH_CHECKED;
bool th_machine_lookup(const th_machine *machine, th_view name, th_type_id *type, uint64_t *word);

void th_machine_each_binding(const th_machine *machine, th_view prefix, void (*found)(void *user, th_view name), void *user);
/* The same without a name: a held word is kept, and found again by its number (never 0) after collections moved it. */
th_status th_machine_hold(th_machine *machine, th_type_id type, uint64_t word, uint32_t *hold) TH_CHECKED;
uint64_t th_machine_held(const th_machine *machine, uint32_t hold, th_type_id *type);
void th_machine_drop(th_machine *machine, uint32_t hold); /* 0 is allowed */

/* Between runs: releases what the last run left, but for what globals, bindings and holds reach. Words change: ask for
** held ones again. Call it before a begin that needs nothing of earlier runs but what is held. */
th_status th_machine_tidy(th_machine *machine) TH_CHECKED;
/* Begins a run of a builtin alone. `type`: its concrete FUNCTION type in the machine's types. */
th_status th_machine_begin_builtin(th_machine *machine, const th_builtin *builtin, void *user, th_type_id type,
                                   const uint64_t *args, size_t nargs) TH_CHECKED;

/* Frees what runs allocated, results and bindings included; programs stay. Not during a run. */
th_status th_machine_reset(th_machine *machine) TH_CHECKED;

/* Where print writes; default standard output. Returns TH_OK or E_IO (a closed pipe, a full disk). Called with len 0 to flush. */
typedef th_status (*th_write_fn)(void *user, const char *bytes, size_t len);
void th_machine_set_output(th_machine *machine, th_write_fn write, void *user);
th_status th_machine_write(th_machine *machine, const char *bytes, size_t len) TH_CHECKED; /* buffered; E_IO is sticky */
th_status th_machine_flush(th_machine *machine) TH_CHECKED;
/* Command line arguments for IO.args; borrowed for the machine's life. */
void th_machine_set_args(th_machine *machine, const char *const *args, size_t count);

/* ---- For builtins ------------------------------------------------------------------------------------------- */

/* Records an error at the running instruction and returns TH_STEP_ERROR. */
th_step th_machine_trap(th_machine *machine, th_status code, const char *format, ...) TH_PRINTF(3, 4);
/* Outside a run: the trap that a th_ function recorded, if any; afterwards there is none. */
bool th_machine_take_trap(th_machine *machine, th_error *out);
th_step th_machine_trap_error(th_machine *machine, const th_error *err);
/* Charges fuel for work done: about one unit per simple operation, one per 8 bytes moved. False: stop now and return
** TH_STEP_ERROR (out of fuel, cancelled, timed out; the trap is recorded). Long builtins call it at least every 2^16 units. */
bool th_machine_charge(th_machine *machine, int64_t units) TH_CHECKED;
/* Whether the next safe point will look at the limits: a builtin that does work in a loop returns TH_STEP_AGAIN soon. */
bool th_machine_due(const th_machine *machine);
/* Calls `closure` with `nargs` words. Return TH_STEP_CALL after it; on the next entry call->callback is its result. */
th_step th_call_closure(th_machine *machine, th_call *call, th_closure *closure, const uint64_t *args, size_t nargs,
                        uint32_t next_state);

/* A stateful builtin that calls back often or makes many temporaries opens a scratch region: reset releases what was
** allocated since open (but for what escaped into older objects). At most one a builtin; closed for it when it fails. */
bool th_scratch_open(th_machine *machine) TH_CHECKED;
void th_scratch_reset(th_machine *machine);
void th_scratch_close(th_machine *machine);

/* Allocation in machine memory. NULL: refused, and a trap is recorded: return TH_STEP_ERROR. New records have NULL slots
** until set: fill them before the next allocation or return. Nothing moves during a builtin's entry. */
void *th_new_bytes(th_machine *machine, size_t bytes);                  /* 8-byte aligned, not zeroed */
th_str *th_new_str(th_machine *machine, size_t len);                    /* NUL set, bytes not */
th_str *th_new_str_of(th_machine *machine, const char *bytes, size_t len);
th_record *th_new_record(th_machine *machine, th_type_id type, size_t nslots);
th_list *th_new_list(th_machine *machine, th_type_id type, size_t capacity);
th_dict *th_new_dict(th_machine *machine, th_type_id type, size_t capacity);
/* A scalar as an option of type `type`; for pointers the word itself is the option. */
bool th_new_option(th_machine *machine, th_type_id type, uint64_t word, uint64_t *out) TH_CHECKED;

uint64_t th_list_get(const th_machine *machine, const th_list *list, size_t i);  /* i < len */
void th_list_set(th_machine *machine, th_list *list, size_t i, uint64_t word);   /* tells the regions */
bool th_list_push(th_machine *machine, th_list *list, uint64_t word) TH_CHECKED;
bool th_list_reserve(th_machine *machine, th_list *list, size_t capacity) TH_CHECKED;
/* After writing pointers straight into list->words, or moving them about. */
void th_list_written(th_machine *machine, th_list *list);
const uint64_t *th_dict_find(const th_dict *dict, uint64_t key); /* the value's slot, or NULL */
bool th_dict_set(th_machine *machine, th_dict *dict, uint64_t key, uint64_t value) TH_CHECKED;
bool th_dict_remove(th_machine *machine, th_dict *dict, uint64_t key); /* false: it was not there */
/* Next live entry at or after *i; advances *i past it; NULL at the end. */
const th_dict_entry *th_dict_next(const th_dict *dict, size_t *i);
void th_record_set(th_machine *machine, th_record *record, size_t slot, uint64_t word); /* tells the regions */

/* Objects of other rooms (flow nodes, executors, the host's) as values. A class with `save` can be written to a
** snapshot; one without is rewound (in an 'x' slot) or makes the snapshot fail (reachable as a value). */
typedef struct th_native_class {
    const char *name; /* stable: stored in snapshots */
    void (*release)(void *pointer); /* may be NULL; called once, when the memory that holds it is dropped or the machine freed */
    th_status (*save)(th_machine *machine, void *pointer, th_buf *out, th_error *err);
    th_status (*restore)(th_machine *machine, const void *bytes, size_t len, void **pointer, th_error *err);
} th_native_class;

typedef struct th_native {
    th_object object;
    const th_native_class *cls;
    void *pointer; /* NULL once released */
    uint64_t attached; /* an object (a tuple of parameters, say) that lives as long as this one, or 0; see th_native_attach */
} th_native;
/* Takes `pointer` also when it fails. */
th_native *th_new_native(th_machine *machine, th_type_id type, const th_native_class *cls, void *pointer);
/* Machine objects a native needs are attached, never kept in its C memory: a collection may move them. */
bool th_native_attach(th_machine *machine, th_native *native, uint64_t object) TH_CHECKED;
/* So that snapshots find a class by its name. Objects of it have the OPAQUE type whose name, after the last point, is the
** class's, after its last point and but for case ("Random": "theta.random"); tables are of class "theta.flow.node". */
th_status th_engine_add_native(th_engine *engine, const th_native_class *cls) TH_CHECKED;
const th_native_class *th_engine_native(const th_engine *engine, th_view name); /* NULL: none */

/* ---- Values as text, deep operations (value.c): iterative, any depth ---------------------------------------- */

enum { TH_PRINT_PLAIN = 0, TH_PRINT_QUOTED = 1, TH_PRINT_JSON = 2, TH_PRINT_PRETTY = 4 };
/* Writes a value of `type`. PLAIN: a string at the top has no quotes, inside containers it has. JSON: strict JSON
** (E_UNSUPPORTED for functions; NaN and infinities are null). Charges fuel. On failure a trap is recorded. */
th_status th_value_print(th_machine *machine, th_type_id type, uint64_t word, uint32_t flags, th_buf *out) TH_CHECKED;
/* Deep structural equality and ordering (strings by code points, lists and tuples by elements, null first). *out -1 0 1. */
th_status th_value_compare(th_machine *machine, th_type_id type, uint64_t a, uint64_t b, int *out) TH_CHECKED;
th_status th_value_equal(th_machine *machine, th_type_id type, uint64_t a, uint64_t b, bool *out) TH_CHECKED;
th_status th_value_hash(th_machine *machine, th_type_id type, uint64_t word, uint64_t *out) TH_CHECKED;
/* A deep copy (sharing inside the value is kept). */
th_status th_value_copy(th_machine *machine, th_type_id type, uint64_t word, uint64_t *out) TH_CHECKED;

/* Reads JSON as a value of `type` (lib_json.c): what Json.decode does. On failure a trap is recorded. */
th_status th_value_from_json(th_machine *machine, th_type_id type, th_view json, uint64_t *out) TH_CHECKED;

/* ---- Snapshots (snapshot_save.c, snapshot_restore.c) -------------------------------------------------------- */

/* Writes the state of a machine that is SUSPENDED or READY, its programs included, as a FlatBuffer (schema/state.fbs,
** "THST"). The machine stays as it is and may go on; what it has printed is flushed. A stateful builtin with slots that is
** under way is written as it was when it was called, without what it had called: it starts again. Those that say
** TH_BUILTIN_CHECKS (tables' sinks) and List.sort_by go on where they were. E_UNSUPPORTED when something that cannot be saved
** is reached: a native without `save`, a run that th_machine_begin_builtin began of a builtin that is not registered. The caller owns the bytes: th_mem_free(th_machine_mem(machine), *bytes, *len). */
th_status th_machine_save(th_machine *machine, uint8_t **bytes, size_t *len, th_error *err) TH_CHECKED;
/* Into a fresh machine of an engine with the same builtins; th_machine_run or th_machine_resume_value goes on. Everything
** is verified first: E_FORMAT, E_VERSION, E_NOT_FOUND (a builtin), E_DENIED (a builtin under way needs a capability that
** this machine does not have). Capabilities, memory and time are the new machine's; time starts anew. The fuel used so far
** is kept. A machine made with a fuel limit has that much from here on, else the saved limit holds. Holds keep their
** numbers. After a failure the machine can only be freed. */
th_status th_machine_restore(th_machine *machine, const void *bytes, size_t len, th_error *err) TH_CHECKED;

#endif
