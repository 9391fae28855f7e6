/*
** machine_int.h - what the files of the machine room share and nobody else may see.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_MACHINE_INT_H
#define TH_MACHINE_INT_H

#include "machine/machine.h"
#include "machine/memory.h"

/* ---- Engine ---- */

typedef struct th_entry { /* a registered builtin */
    const th_builtin *builtin;
    void *user;
    th_signature signature;
    uint32_t next; /* index + 1 of the next entry of the same name */
} th_entry;

struct th_engine {
    th_mem *mem;
    th_arena arena;
    th_types types; /* of the signatures */
    th_entry *entries;
    size_t nentries, entries_capacity;
    uint32_t *names; /* open addressing by name: index + 1 of the newest entry of a name */
    size_t names_capacity;
    const th_native_class **natives;
    size_t nnatives, natives_capacity;
};

/* ---- Units ---- */

typedef struct th_binding { /* an import of a unit, bound */
    const th_builtin *builtin;
    void *user;
    th_type_id type; /* machine's types */
    uint32_t nargs;
    bool special; /* stateful or not permitted: the machine's loop enters it */
} th_binding;

struct th_fn {
    const uint32_t *code;
    const uint64_t *constants;
    const uint64_t *magics;  /* of the unit: for each constant that DIVK and REMK may use, see th_magic */
    const struct th_fn *fns; /* of the unit */
    th_unit *unit;
    const th_function *info;
    uint32_t nregs;
    th_type_id type; /* machine's types */
};

struct th_unit {
    th_program *program; /* shared */
    th_machine *machine;
    uint32_t index;
    bool started;      /* the start function ran or runs */
    th_type_id *types; /* program's id -> machine's id */
    th_fn *fns;
    uint64_t *magics;
    uint64_t *globals;
    bool *globals_set;
    th_binding *imports;
};

/* ---- Contexts ---- */

/* FORCE and WAIT belong to lazy values; their numbers are kept for the snapshots. */
typedef enum th_context_kind {
    TH_CONTEXT_ENTRY = 0,   /* the bottom: below it is the embedder */
    TH_CONTEXT_CODE = 1,    /* a function's activation */
    TH_CONTEXT_FORCE = 2,   /* a thunk under evaluation */
    TH_CONTEXT_WAIT = 3,    /* a forced result still to be transformed */
    TH_CONTEXT_BUILTIN = 4, /* a stateful builtin */
    TH_CONTEXT_HOST = 5,    /* a builtin that waits for the embedder */
} th_context_kind;

typedef struct th_context {
    const th_fn *fn;    /* CODE */
    const uint32_t *pc; /* CODE: where to go on; all others: th_exit_code */
    union {
        th_closure *closure;       /* CODE: the running closure; stale in a function without captures */
        const th_binding *binding; /* BUILTIN, HOST */
    };
    uint32_t delta;      /* this window starts so many registers above the one below */
    uint32_t kind : 8;   /* th_context_kind */
    uint32_t state : 24; /* BUILTIN */
} th_context;

typedef struct th_named_value {
    char *name;
    size_t len;
    th_type_id type;
    uint64_t word;
} th_named_value;

typedef struct th_held {
    th_type_id type;
    bool used;
    uint64_t word;
} th_held;

/* An open string builder: the string at `str` is the last reference's and has room for `capacity` bytes. */
typedef struct th_open_builder {
    th_str *str;
    size_t capacity;
} th_open_builder;
#define TH_OPEN_BUILDERS 4

typedef enum th_exit {                   /* why the interpreter came back */
                       TH_EXIT_RETURNED, /* into a context that is no CODE */
                       TH_EXIT_TRAP,     /* m->error is set */
                       TH_EXIT_BUILTIN,  /* a stateful builtin was pushed */
                       TH_EXIT_STOP,     /* suspended: m->stop tells why */
} th_exit;

struct th_machine {
    /* what the interpreter touches */
    uint64_t *base;      /* window of the top context, when outside the loop */
    th_context *context; /* top */
    int64_t fuel;        /* left of this slice */
    uint64_t *stack, *stack_end;
    th_context *contexts, *contexts_end;
    th_memory memory;
    th_exit exit;
    uint32_t dict_hint;        /* number of the entry that a dict was last read at */
    uint64_t small_magic[128]; /* th_magic of 2 .. 127 */
    th_open_builder builders[TH_OPEN_BUILDERS];
    uint32_t next_builder;
    /* limits */
    int64_t slice;      /* fuel handed to this slice */
    int64_t fuel_spent; /* before this slice */
    int64_t fuel_limit; /* < 0: none */
    int64_t timeout_ns, deadline_ns;
    uint32_t capabilities;
    _Atomic bool cancelled, interrupted;
    bool resumable;
    th_status stop; /* why SUSPENDED: E_FUEL, E_SUSPENDED, or TH_OK: waits for the host */
    /* the run */
    th_run_state state;
    const th_fn *main_fn;
    th_error error;
    bool trapped; /* an error was recorded and not yet handled */
    const uint32_t *trap_pc;
    th_buf trace;
    uint64_t result;
    th_type_id result_type;
    /* what it holds */
    th_engine *engine;
    void *user, *flow_user;
    void (*release_flow_user)(void *user);
    th_mem mem;
    th_types types;
    th_unit **units;
    size_t nunits, units_capacity;
    th_named_value *bindings;
    size_t nbindings, bindings_capacity;
    th_held *holds;
    size_t nholds, holds_capacity;
    th_binding own_binding; /* of th_machine_begin_builtin */
    /* callback being prepared by th_call_closure */
    th_closure *call_closure;
    const uint64_t *call_args;
    size_t call_nargs;
    uint64_t call_words[16];
    uint64_t *call_big;
    /* output */
    th_write_fn write;
    void *write_user;
    th_buf output;
    th_status output_status;
    const char *const *args;
    size_t nargs;
};

/* Division of x < 2^32 by a known d >= 2 as multiplications (Lemire, Kaser, Kurz, "Faster remainder by direct computation",
** 2019): with M = ceil(2^64 / d), x / d is the high half of M * x, and x % d the high half of (low half of M * x) * d. */
static inline uint64_t th_magic(uint64_t d) { return UINT64_MAX / d + 1; }
static inline uint64_t th_magic_div(uint64_t magic, uint64_t x) {
    return (uint64_t)(((unsigned __int128)magic * x) >> 64);
}
static inline uint64_t th_magic_rem(uint64_t magic, uint64_t x, uint64_t d) {
    return (uint64_t)(((unsigned __int128)(magic * x) * d) >> 64);
}

#define TH_FUEL_SLICE ((int64_t)1 << 18)
extern const uint32_t th_exit_code[1];

/* interp.c: runs the top CODE context until the machine must decide something. */
th_exit th_interpret(th_machine *m);

/* machine.c */
uint64_t *th_stack_grow(th_machine *m, uint64_t *window,
                        size_t needed); /* the window, moved; NULL: a trap is recorded */
bool th_contexts_grow(th_machine *m);
th_status th_refill(th_machine *m); /* the slice is spent: TH_OK with a new one, or why to stop */
void th_machine_record(th_machine *m, th_status code, const char *message);
th_step th_trap_memory(th_machine *m); /* records E_NOMEM or E_MEMORY_LIMIT */
uint32_t th_context_pc(const th_machine *m, const th_context *context);

/* object.c */
size_t th_record_slots(const th_types *types, th_type_id type);
th_str *th_string_append(th_machine *m, th_str *s, const th_str *more); /* SAPPEND; NULL: trap recorded */
bool th_list_push_slow(th_machine *m, th_list *list, uint64_t word);
void th_builders_forget(th_machine *m);
static inline bool th_type_pointers(const th_machine *m, th_type_id type) { return m->types.items[type].pointers; }

#endif
