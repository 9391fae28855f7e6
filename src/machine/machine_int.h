/*
** machine_int.h - what the files of the machine room share and nobody else may see.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_MACHINE_INT_H
#define TH_MACHINE_INT_H

#include "heap/heap.h"
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
    bool special;    /* stateful or not permitted: the machine's loop enters it */
    bool slow;       /* special, or with arguments to be looked at first: no direct call */
    bool values;     /* its arguments, result or slots may be values: roots */
    uint32_t number; /* of a function over values: its place in th_machine.builtins */
} th_binding;

/* ---- What a unit needs for values ---- */

typedef struct th_site { /* a place that reads a field by name: an inline cache */
    uint64_t header;     /* of the records seen last, 0: none */
    th_symbol symbol;
    uint32_t index; /* of the field in them */
} th_site;

typedef struct th_unit_shape { /* a shape of the program, in the heap's order of keys */
    const th_shape *shape;
    uint64_t header;        /* of its records */
    const uint32_t *places; /* name number -> index of the field */
    uint32_t count;
} th_unit_shape;

/* The live VALUE registers at the instructions where a collection may find a function: roots. */
typedef struct th_live {
    uint32_t npcs, words; /* words of bits for each pc */
    const uint32_t *pcs;  /* ascending */
    const uint64_t *bits;
} th_live;

typedef struct th_place_range { /* numbers first .. first + count - 1: the names of one shape */
    uint32_t first, count;
    const th_program *program;
    const th_name_shape *shape;
} th_place_range;

typedef struct th_function_value { /* a builtin as a value; objects of its number refer to it */
    const th_binding *binding;
    th_value value; /* a static BUILTIN object */
} th_function_value;

typedef struct th_attached {
    const struct th_attachment *key; /* dynamic.h */
    void *state;
} th_attached;

#define TH_TEXT_SORTS 16

struct th_fn {
    const uint32_t *code;
    const uint64_t *constants;
    const uint64_t *magics;  /* of the unit: for each constant that DIVK and REMK may use, see th_magic */
    const struct th_fn *fns; /* of the unit */
    th_unit *unit;
    const th_function *info;
    uint32_t nregs;
    th_type_id type;    /* machine's types */
    uint32_t arity, id; /* id: machine-wide, in the headers of closures and thunks */
    uint32_t first_id;  /* of the unit: the id of its function 0 */
    bool values;        /* has VALUE registers: roots */
    bool captures;      /* its captures are values: the context's object is a root */
    th_site *sites;
    const th_unit_shape *shapes;
    const th_value *value_constants; /* the unit's numbers as values */
    const th_live *live;             /* NULL until a collection needs it */
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
    uint32_t value_globals; /* how many globals are values */
    th_value
        *texts[TH_TEXT_SORTS]; /* of each sort: the program's strings as values, made when first used (0: not yet) */
    th_value *value_constants;
    th_site *sites;
    th_unit_shape *shapes;
    uint32_t *shape_places;
    size_t nshape_places;
};

/* ---- Contexts ---- */

typedef enum th_context_kind {
    TH_CONTEXT_ENTRY = 0,   /* the bottom: below it is the embedder */
    TH_CONTEXT_CODE = 1,    /* a function's activation */
    TH_CONTEXT_FORCE = 2,   /* a thunk under evaluation: its function's activation, which writes the result back */
    TH_CONTEXT_WAIT = 3,    /* a function is under evaluation, to be applied to the `state` values in this window */
    TH_CONTEXT_BUILTIN = 4, /* a stateful builtin */
    TH_CONTEXT_HOST = 5,    /* a builtin that waits for the embedder */
} th_context_kind;

/* The window of a context: [0] zero, [1] the result, [2].. the arguments. A BUILTIN's goes on with its slots and its
** stack of values, and the window of what it calls, whose [1] is call->callback. Its [0] holds the depth of that
** stack in the low half, in the high half what of its state is beyond th_context.state. */
typedef struct th_context {
    const th_fn *fn;    /* CODE, FORCE */
    const uint32_t *pc; /* CODE, FORCE: where to go on; all others: th_exit_code. Read it with th_true_pc */
    union {
        th_closure *closure;       /* CODE: the running closure; stale in a function without captures */
        uint64_t *object;          /* FORCE, CODE of a value function with captures: the thunk or closure */
        const th_binding *binding; /* BUILTIN, HOST */
    };
    uint32_t delta; /* this window starts so many registers above the one below */
    union {
        struct {
            uint32_t kind : 3; /* th_context_kind */
            uint32_t
                again : 1; /* the context below is AT the instruction that asked for this one, and begins it anew */
            uint32_t evaluate : 1; /* BUILTIN: a result that is a thunk is evaluated before the context below goes on */
            uint32_t entered : 1;  /* BUILTIN: its arguments were found to be as `strict` says */
            uint32_t caught : 1;   /* BUILTIN: m->caught is to be told at the next entry */
            uint32_t spare : 1;
            uint32_t
                dest : 8; /* FORCE, BUILTIN: register of the window below that takes the result; 0: [1] of this one */
            uint32_t state : 16; /* BUILTIN: its author's; WAIT: how many values; at th_update_code: where it was */
        };
        uint32_t facts; /* all of them, to be written at once: TH_FACTS */
    };
} th_context;
#define TH_CONTEXT_STATE_MAX        0xffff
#define TH_FACTS(kind, again, dest) ((uint32_t)(kind) | (uint32_t)(again) << 3 | (uint32_t)(dest) << 8)
_Static_assert(sizeof(th_context) == 32, "deep recursion is paid in contexts");

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

typedef enum th_call_kind { TH_CALL_TYPED, TH_CALL_FORCE, TH_CALL_APPLY } th_call_kind; /* what TH_STEP_CALL is to do */

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
    th_heap *heap;                 /* NULL until values are used */
    const th_fn *const *functions; /* by id */
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
    bool calling; /* a builtin's call is being made: an error is the callee's */
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
    th_call_kind call_kind;
    th_value call_fn; /* APPLY */
    /* values */
    const th_fn **function_table;
    size_t nfunctions, functions_capacity;
    th_function_value *builtin_values; /* by number */
    size_t nbuiltin_values, builtin_values_capacity;
    uint32_t *builtin_index; /* open addressing by th_builtin: number + 1 */
    size_t builtin_index_size;
    th_place_range *places;
    size_t nplaces, places_capacity;
    uint32_t next_place;
    th_arena statics; /* static objects: strings of programs, builtins */
    th_symbol functor;
    uint64_t epoch; /* th_heap_epoch when the sites were last good */
    size_t mark;    /* index of the context with the marker pc; 0: none. It and those below hold old roots only */
    const uint32_t *mark_pc;       /* its pc */
    uint64_t collections, refused; /* how many; that number when an allocation was last refused after a full one */
    size_t stress;                 /* TH_STRESS: allocations until the next collection */
    th_error caught;               /* for TH_BUILTIN_CATCHES */
    th_attached *attached;
    size_t nattached, attached_capacity;
    const struct th_dynamic_words *words;
    void (*print_value)(th_machine *machine, th_value v, th_buf *out);
    struct {
        const uint32_t *pc;
        const th_live *live;
        uint32_t at;
    } live_cache[64];
    /* output */
    th_write_fn write;
    void *write_user;
    th_buf output;
    th_status output_status;
    const char *const *args;
    size_t nargs;
};

/* Division of x < 2^32 by a known d >= 2 as multiplications (Lemire, Kaser, Kurz, "Faster remainder by direct
** computation", 2019): with M = ceil(2^64 / d), x / d is the high half of M * x, and x % d the high half of (low half
** of M * x) * d. */
static inline uint64_t th_magic(uint64_t d) { return UINT64_MAX / d + 1; }
static inline uint64_t th_magic_div(uint64_t magic, uint64_t x) {
    return (uint64_t)(((unsigned __int128)magic * x) >> 64);
}
static inline uint64_t th_magic_rem(uint64_t magic, uint64_t x, uint64_t d) {
    return (uint64_t)(((unsigned __int128)(magic * x) * d) >> 64);
}

#define TH_FUEL_SLICE ((int64_t)1 << 18)
extern const uint32_t th_exit_code[1];   /* gives control to the machine's loop */
extern const uint32_t th_mark_code[1];   /* stands for the pc of the context at m->mark */
extern const uint32_t th_wait_code[1];   /* of WAIT contexts */
extern const uint32_t th_update_code[1]; /* v.ret r1: of a CODE or FORCE context whose tail call runs or has just run */
enum { TH_OP_WAIT_ = 0xfd, TH_OP_MARK_ = 0xfe, TH_OP_EXIT_ = 0xff };
_Static_assert((int)TH_OP_COUNT <= (int)TH_OP_WAIT_, "numbers of the interpreter's own");

/* interp.c: runs the top CODE context until the machine must decide something. */
th_exit th_interpret(th_machine *m);

/* machine.c */
uint64_t *th_stack_grow(th_machine *m, uint64_t *window,
                        size_t needed); /* the window, moved; NULL: a trap is recorded */
bool th_contexts_grow(th_machine *m);
th_status th_refill(th_machine *m); /* the slice is spent: TH_OK with a new one, or why to stop */
void th_machine_record(th_machine *m, th_status code, const char *message);
th_step th_trap_memory(th_machine *m); /* records E_NOMEM or E_MEMORY_LIMIT */
uint32_t th_context_pc(const th_machine *m,
                       const th_context *context); /* of CODE and FORCE: the instruction it is at */
bool th_push_context(th_machine *m, const th_context *context, size_t nregs); /* false: a trap is recorded */
void th_pop_context(th_machine *m);
bool th_finish_builtin(th_machine *m); /* the top BUILTIN or HOST context has its result in [1]; false: a trap */
uint32_t th_callee_delta(const th_machine *m); /* where the top BUILTIN context puts what it calls */
bool th_locate(const th_machine *m, const th_context *context, th_error *err); /* false: unknown */
extern const th_fn th_exit_fn;
bool th_push_starts(th_machine *m); /* of all units that were not started */

/* apply.c. Those that return bool record a trap when they return false. All may move the stacks. */
static inline bool th_is_thunkish(th_value v) { /* DONE, or to be evaluated */
    return th_is_object(v) && (uint32_t)th_header_kind(*th_obj(v)) - TH_OBJ_THUNK <= TH_OBJ_FAILED - TH_OBJ_THUNK;
}
/* Evaluates the THUNK, BUSY or FAILED `v` in a window `delta` above the top one. */
bool th_push_force(th_machine *m, th_value v, uint32_t delta, uint32_t dest, bool again);
bool th_force_in_place(th_machine *m, th_value v); /* the top context becomes v's evaluation */
/* Applies `f` to the n values from [2] on of the window `delta` above the top one; the result comes to its [1]. */
bool th_apply(th_machine *m, uint32_t delta, th_value f, uint32_t n);
bool th_call_builtin(th_machine *m, const th_binding *binding, uint32_t delta, uint32_t dest, bool evaluate);
bool th_push_builtin(th_machine *m, const th_binding *binding, uint32_t delta, uint32_t dest, bool evaluate);
bool th_wait_step(th_machine *m);                       /* the top context is a WAIT, whose callee returned */
bool th_make_value_call(th_machine *m, uint32_t delta); /* what th_call_force or th_call_apply prepared */
typedef enum th_ready { TH_READY, TH_NOT_READY, TH_READY_TRAP } th_ready;
/* Whether arguments are as `strict` says; NOT_READY: argument *which is to be evaluated first. */
th_ready th_strict(th_machine *m, const th_binding *binding, uint64_t *args, uint32_t *which);
/* For the interpreter, at a v.call or v.tcall with saved state. */
bool th_value_call(th_machine *m, uint32_t a, uint32_t n);
bool th_value_tail_call(th_machine *m, uint32_t a, uint32_t n);
bool th_trap_force(th_machine *m, th_value v); /* v is BUSY or FAILED; returns false */
bool th_trap_not_function(th_machine *m, th_value f);
const th_fn *th_internal_fn(uint32_t number);
enum { TH_INTERNAL_SELF, TH_INTERNAL_APPLY1, TH_INTERNAL_APPLY2, TH_INTERNAL_APPLY3, TH_INTERNAL_COUNT };

/* failure.c */
bool th_error_value(th_machine *m, const th_error *error, th_value *out); /* false: no memory; no trap */
void th_raise_error_value(th_machine *m, th_value error);
void th_unwind_force(th_machine *m, const th_context *context, bool keep, th_value *error);
bool th_trap_missing(th_machine *m, th_value record, th_symbol symbol);

/* roots.c */
void th_roots(void *machine, th_heap *heap, bool minor);
/* At a safe point; false: the trap is recorded. */
bool th_collect(th_machine *m, bool full);
/* The context at the marker goes on: its pc is its own again. */
void th_mark_reached(th_machine *m);
void th_mark_below(th_machine *m, size_t index); /* the context at `index` becomes the top */
static inline const uint32_t *th_true_pc(const th_machine *m, const th_context *c) {
    return c->pc == th_mark_code ? m->mark_pc : c->pc;
}
void th_live_free(th_machine *m, const th_live *live);
#ifdef TH_STRESS
bool th_stress_due(th_machine *m);
#else
static inline bool th_stress_due(th_machine *m) { return (void)m, false; }
#endif

/* dynamic.c */
th_status th_values_init(th_machine *m);
void th_values_free(th_machine *m);
void th_values_reset(th_machine *m);
th_status th_unit_values(th_unit *unit, th_error *err); /* sites, shapes, strings, function ids */
void th_unit_values_free(th_unit *unit);
bool th_unit_text(th_machine *m, th_unit *unit, uint32_t string, uint32_t sort, th_value *out);
bool th_trap_heap(th_machine *m); /* an allocation was refused; returns false */

/* compute.c: slow halves of instructions over evaluated operands. */
typedef enum th_done {
    TH_DONE,
    TH_REFUSED /* no memory, no trap yet */,
    TH_TRAPPED,
    TH_OTHER /* not for these operands */
} th_done;
th_done th_value_binary(th_machine *m, uint32_t op, th_value x, th_value y, th_value *out);
th_done th_value_update(th_machine *m, th_value under, th_value over, th_value *out);
th_done th_value_join(th_machine *m, th_value a, th_value b, th_value *out);
th_done th_value_only(th_machine *m, th_value record, const th_unit_shape *shape);
/* Fills the site's cache when it can. ABSENT: no such field, or no record. */
th_value th_value_select(th_machine *m, th_site *site, th_value record);
bool th_value_try(uint32_t op, th_value x, th_value y, th_value *out); /* v.tadd, v.tsub, v.tmul */
bool th_binary_import(th_machine *m); /* the top context is at a binary instruction whose import is to be called */

/* object.c */
size_t th_record_slots(const th_types *types, th_type_id type);
th_str *th_string_append(th_machine *m, th_str *s, const th_str *more); /* SAPPEND; NULL: trap recorded */
bool th_list_push_slow(th_machine *m, th_list *list, uint64_t word);
void th_builders_forget(th_machine *m);
static inline bool th_type_pointers(const th_machine *m, th_type_id type) { return m->types.items[type].pointers; }

#endif
