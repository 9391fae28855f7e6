/*
** check.h - the middle of the Theta compiler, private to check_*.c and lang.c: names, types, instances, typed trees.
**
** How it goes. Declarations of all capsules are collected first; bodies are checked when something needs them. A
** `func` is a definition (user's, prelude's or builtin); an `inst` is a func at concrete types and owns one
** th_tir_function. A function whose signature mentions type variables, Number or nothing at all for a parameter is a
** template with one instance per distinct types. While a body is checked a type may be a HOLE that later uses fill
** (the element of `[]`, an unwritten parameter of a lambda); `finish` replaces all by the program's types, an
** unfilled hole by i64.
**
** Memory: everything is in the compilation's arena. A refused allocation leaves by longjmp to tc_check, the one
** exception to the house rule of plain returns: only frames of these files are crossed, and they own nothing but
** arena memory, the specs of checker.verb and checker.schema, which tc_check releases.
** Recursion: as deep as the parser's limit on nesting, times the chain of functions that infer their results from one
** another; both are counted in checker.depth and refused beyond TC_MAX_DEPTH.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_CHECK_H
#define TH_THETA_CHECK_H

#include <setjmp.h>

#include "flow/flow.h"
#include "lang/theta/ast.h"
#include "lang/theta/lang.h"
#include "lang/theta/tir.h"

#define TC_MAX_DEPTH 2600
#define TC_MAX_ARGS  250

/* ---- Types (check_type.c) ----------------------------------------------------------------------------------- */

typedef uint32_t ty; /* index into checker.types; the scalars have the ids of types.h */
enum {
    T_BAD = TH_TYPE_FIRST_FREE, /* an error was told; matches everything */
    T_NEVER,                    /* control does not come out */
    T_NULL,                     /* of a bare `null` */
    T_NONE,                     /* no expectation */
    T_FIRST
};
enum { K_BAD = 64, K_NEVER, K_NULL, K_NONE, K_HOLE, K_VAR, K_GROUPED };
#define NO_TYPE UINT32_MAX

typedef struct tdecl tdecl;
typedef struct ctype {
    uint8_t kind; /* th_kind or K_ */
    uint8_t depth;
    bool open;    /* holds holes */
    bool generic; /* holds variables */
    bool numeric; /* HOLE, VAR: i64 or f64 only */
    uint32_t nargs;
    const ty *args;
    tdecl *decl;      /* STRUCT, ENUM */
    th_view name;     /* OPAQUE, VAR */
    ty bound;         /* HOLE: what fills it, or NO_TYPE */
    th_type_id final; /* in the program's types, or NO_TYPE */
    bool finalising;
} ctype;

typedef struct file {
    const th_source *source;
    th_lines lines;
    const th_ast *ast;
    bool standard; /* prelude */
} file;

typedef struct field {
    th_view name;
    ty type;
    const th_ast *ast;     /* FIELD; NULL for rows */
    const th_ast *initial; /* default value, or NULL */
} field;

struct tdecl {
    th_view name;
    const th_ast *ast;
    file *file;
    struct scope *scope;
    bool is_enum, resolved, resolving;
    field *fields; /* of an enum: names only */
    uint32_t nfields;
    ty type;
};

/* ---- Names -------------------------------------------------------------------------------------------------- */

typedef enum sym_kind { SYM_LOCAL, SYM_FUNCS, SYM_GLOBAL, SYM_TYPE } sym_kind;
typedef struct sym {
    th_view name;
    uint64_t hash;
    struct sym *next; /* in the scope, newest first */
    uint8_t kind;
    bool merged;       /* builtin overloads of the name were added */
    const th_ast *ast; /* where it is defined; NULL for the machine's own */
    file *file;
    struct var *var;
    struct func *funcs; /* overloads, latest first */
    struct global *global;
    ty type;
    tdecl *decl;
} sym;

typedef struct scope {
    struct scope *outer;
    struct capsule *capsule;
    sym *syms;
    sym **table; /* hashed, once there are many */
    uint32_t count, table_size;
} scope;

typedef struct capsule {
    th_view name;                       /* in full: Outer.Inner */
    th_view short_name;                 /* as it is written: Inner */
    struct capsule *outer;              /* the one it stands in, or NULL */
    struct capsule *inner, *next_inner; /* those that stand in it */
    file *file;                         /* NULL: builtins alone */
    const th_ast *ast;
    scope *scope;
    bool standard;
    bool builtins; /* names not found in the scope may be "name.x" builtins */
    struct capsule *next;
} capsule;

/* A local variable. Each function that sees it has its own th_local for it. */
typedef struct var {
    th_view name;
    ty type;
    struct inst *owner;
    th_local *local; /* in the owner */
    const th_ast *ast;
    file *file;
    bool variable; /* C form: may be assigned and changed in place */
    bool unset;    /* declared without a value */
    bool captured_set;
    struct func *known;   /* is this function and nothing else */
    struct inst *direct;  /* a parameter of an instance made for this very function */
    struct var *alias_of; /* read-only root that the value was taken from */
    bool changed;         /* something was changed through it */
    uint32_t param;       /* index + 1 */
    struct loop *loop;    /* innermost around its definition */
} var;

typedef struct global {
    th_view name;
    capsule *capsule;
    file *file;
    const th_ast *ast;
    ty type;
    uint8_t state; /* 0 unseen, 1 under way, 2 done */
    bool variable;
    th_tir *value;
    th_tir *constant;  /* literal: used in place of the global */
    uint32_t index;    /* in the program; UINT32_MAX when it is a constant */
    struct inst *init; /* a function whose body is the value */
    uint8_t mark;
    struct global *next;
} global;

typedef struct param {
    th_view name;
    ty type;           /* may hold variables */
    const th_ast *ast; /* PARAM or NULL */
    const th_ast *initial;
    bool variable;
} param;

typedef struct func {
    th_view name;
    th_view full_name;
    capsule *capsule;
    file *file;
    const th_ast *ast; /* LAMBDA or FUNCTION; NULL for a builtin */
    const th_ast *def; /* BINDING or FUNCTION: where the name stands */
    const th_ast *annotation;
    scope *scope;
    struct inst *outer; /* for a local one: the function it stands in */
    param *params;
    uint32_t nparams, nrequired;
    ty result;      /* T_NONE: to be inferred */
    ty *vars;       /* type variables of the signature */
    uint32_t nvars; /* of the parameters; nresult_vars more are of the result alone */
    uint32_t nresult_vars;
    bool signed_, bad, template_, rest; /* rest: a builtin with `...` */
    bool exported;
    const th_builtin *builtin;
    struct inst *insts;
    struct func *next; /* overload */
    var *var;          /* local: the variable that holds the closure */
    struct func *next_all;
} func;

typedef struct fact {
    struct fact *next;
    var *var;
    ty narrowed; /* NO_TYPE: an assignment fact; T_NONE: narrowing is void */
    uint32_t depth;
} fact;

typedef struct loop {
    struct loop *outer;
    fact *break_state;
    bool has_break;
    bool artificial; /* made for a `finally`; not seen by the user's break */
    bool passes;     /* left because an outer `finally` is on its way out */
    var *exit;       /* artificial: how the block was left, EXIT_ */
    var *slot;       /* artificial: the value to be returned */
    bool exits_return, exits_break, exits_continue;
} loop;

typedef struct capture {
    var *var;
    th_local *local;
} capture;
typedef struct site {
    th_tir *node;
    struct inst *in;
} site;

typedef struct inst {
    func *func;
    struct inst *outer;
    struct inst *next, *next_queued;
    ty *types;            /* of func->vars */
    struct inst **direct; /* per parameter: the function that is given for it, or NULL */
    th_tir_function *tir;
    uint32_t index;
    file *file;
    scope *scope;
    ty *params;
    var **param_vars;
    ty result;
    file *at_file; /* the use that asked for it first */
    const th_ast *at;
    bool inferred; /* result not declared: joined from the returns */
    uint8_t state; /* 0 made, 1 under way, 2 done */
    bool standard;
    bool needs_capture; /* refers to a function still under way, so that captures may be added */
    th_local **locals;
    uint32_t nlocals, locals_cap;
    capture *captures;
    uint32_t ncaptures, captures_cap;
    site *sites;
    uint32_t nsites, sites_cap;
    th_tir **returns;
    uint32_t nreturns, returns_cap;
    const th_ast **return_asts;
    uint32_t nreturn_asts, return_asts_cap;
    struct inst **calls;
    uint32_t ncalls, calls_cap;
    global **uses;
    uint32_t nuses, uses_cap;
    loop *loop;
    uint32_t mark_index; /* in the program */
    bool reached;
    bool arguments; /* a main whose parameter was found to be the program's arguments */
    uint8_t mark;
} inst;

/* When something is changed through `from` (a variable, or a parameter of `callee`), it is a change of `to` too. */
typedef struct flow_edge {
    var *from;
    inst *callee;
    uint32_t param;
    var *to;
    global *to_global;
    file *file;
    const th_ast *ast;
    bool done;
} flow_edge;

typedef struct checker {
    th_mem *mem;
    th_arena *arena;
    const th_theta_options *options;
    th_diags *diags;
    th_builder *builder;
    th_types *program_types;
    jmp_buf no_memory;
    th_status status;
    ctype *types;
    uint32_t ntypes, types_cap;
    uint32_t *type_index;
    uint32_t type_index_size;
    ty *trail;
    uint32_t ntrail, trail_cap;
    capsule *capsules;
    file **files;
    uint32_t nfiles, files_cap;
    const th_ast **failed_links;
    uint32_t nfailed_links, failed_links_cap;
    func *funcs;
    global *globals;
    uint32_t nglobals;
    global **global_list;
    uint32_t global_list_cap;
    global **used_globals;
    uint32_t nused_globals, used_globals_cap;
    inst **insts;
    uint32_t ninsts, insts_cap;
    inst *queue, **queue_end;
    th_tir_function **functions;
    uint32_t nfunctions, functions_cap;
    uint64_t *reported; /* what was told, as hashes; open addressing, 0 is free */
    uint32_t nreported, reported_size;
    flow_edge *edges;
    uint32_t nedges, edges_cap;
    tdecl **rows;
    uint32_t nrows, rows_cap;
    /* builtins by full name: chains through next_builtin */
    uint32_t *builtin_heads;
    uint32_t builtin_heads_size;
    uint32_t *builtin_next;
    /* where we are */
    inst *cur;
    file *file;
    scope *scope;
    const th_ast *block; /* whose statements are being checked */
    fact *facts;         /* &tc_dead: not reached */
    uint32_t depth;
    const inst *told_in; /* of the last error: a note on the instance is still to be told */
    bool too_deep;
    uint32_t printed;     /* parts of the type being told */
    uint32_t steps;       /* of the walk over a type under way: shared parts may make a small type a huge tree */
    uint32_t in_variadic; /* resolving the alternatives of one: Number is i64 there */
    struct verb *verb;    /* verbs being put together, innermost first */
    th_schema *schema;    /* released when the check ends early */
} checker;

extern fact tc_dead;

/* -- check.c: memory, messages, nodes -- */
void *tc_new(checker *c, size_t bytes); /* zeroed */
void *tc_copy(checker *c, const void *bytes, size_t len);
void tc_grow(checker *c, void *array_pointer, uint32_t *capacity, uint32_t needed, size_t item_bytes);
#define TC_PUSH(c, array, count, cap, item)                                                                            \
    do {                                                                                                               \
        if ((count) == (cap)) tc_grow((c), &(array), &(cap), (count) + 1, sizeof *(array));                            \
        (array)[(count)++] = (item);                                                                                   \
    } while (0)
const char *tc_printf(checker *c, const char *format, ...) TH_PRINTF(2, 3);
void tc_no_memory(checker *c) __attribute__((noreturn));
#define V(view) (int)(view).len, (view).data /* for "%.*s" */

th_span tc_span(const file *f, const th_ast *ast);
/* Tells an error once per place and code. False when it was told before (then no hint must be added). */
bool tc_error(checker *c, th_status code, const th_ast *ast, const char *format, ...) TH_PRINTF(4, 5);
bool tc_error_in(checker *c, th_status code, file *f, const th_ast *ast, const char *format, ...) TH_PRINTF(5, 6);
bool tc_told(checker *c, uint64_t key); /* was this told before? now it is */
void tc_hint(checker *c, const char *format, ...) TH_PRINTF(2, 3);
void tc_note(checker *c, file *f, const th_ast *ast, const char *format, ...) TH_PRINTF(4, 5);
/* Whether the one error told since there were `before` is that this very expression has another type than expected. */
bool tc_mismatched(checker *c, size_t before, const th_ast *ast);
bool tc_warn(checker *c, const th_ast *ast, const char *format, ...) TH_PRINTF(3, 4); /* false: told before */

void tc_sort_messages(checker *c, size_t first); /* those from `first` on, by place */

static inline const th_ast *tc_kid(const th_ast *ast, uint32_t i) { return i < ast->nkids ? ast->kids[i] : NULL; }
th_tir *tc_node(checker *c, th_tir_kind kind, ty type, const th_ast *ast, uint32_t nkids, ...);
th_tir *tc_node_list(checker *c, th_tir_kind kind, ty type, const th_ast *ast, th_tir **kids, uint32_t nkids);
th_tir *tc_node_copy(checker *c, const th_tir *node);
bool tc_finish_once(th_tir *node); /* true the first time */
th_tir *tc_bad(checker *c, const th_ast *ast);
th_tir *tc_int(checker *c, ty type, int64_t value, const th_ast *ast);
th_tir *tc_bool(checker *c, bool value, const th_ast *ast);
th_tir *tc_string(checker *c, th_view text, const th_ast *ast);
th_tir *tc_void(checker *c, const th_ast *ast);
th_tir *tc_op(checker *c, th_tir_kind kind, th_tir_op op, ty type, const th_ast *ast, th_tir *a, th_tir *b);
th_tir *tc_seq(checker *c, th_tir *a, th_tir *b, const th_ast *ast); /* a BLOCK with b's value */

/* -- check_type.c -- */
void tc_types_init(checker *c);
ty tc_intern(checker *c, uint8_t kind, const ty *args, uint32_t nargs, tdecl *decl, th_view name);
ty tc_list(checker *c, ty element);
ty tc_dict(checker *c, ty key, ty value);
ty tc_option(checker *c, ty of);
ty tc_function(checker *c, const ty *params, uint32_t nparams, ty result);
ty tc_tuple(checker *c, const ty *members, uint32_t n);
ty tc_variant(checker *c, const ty *alternatives, uint32_t n); /* flat, sorted, each once; one alone is itself */
ty tc_table_of(checker *c, ty row);
ty tc_hole(checker *c, bool numeric);
ty tc_variable(checker *c, th_view name, bool numeric);
ty tc_row(checker *c, const field *fields, uint32_t n); /* an anonymous struct, one per field list */
ty tc_shallow(checker *c, ty t);                        /* through filled holes */
ty tc_zonk(checker *c, ty t);                           /* all holes that are filled, everywhere */
ty tc_force(checker *c, ty t);                          /* shallow; a numeric hole becomes i64 */
ty tc_subst(checker *c, ty t, const ty *vars, const ty *to, uint32_t n);
bool tc_unify(checker *c, ty a, ty b); /* on failure nothing is filled */
uint32_t tc_mark(checker *c);
void tc_undo(checker *c, uint32_t mark);
static inline ctype *tc_get(checker *c, ty t) { return &c->types[t]; }
static inline uint8_t tc_kind(checker *c, ty t) { return c->types[tc_shallow(c, t)].kind; }
ty tc_arg(checker *c, ty t, uint32_t i);
bool tc_is_int(ty t);
bool tc_is_float(ty t);
bool tc_is_number(ty t);
const char *tc_text(checker *c, ty t);
ty tc_join(checker *c, ty a, ty b); /* NO_TYPE: only as a Variadic */
th_type_id tc_final(checker *c, ty t);
void tc_fields(checker *c, tdecl *decl); /* resolves the field types */
int64_t tc_field_index(const tdecl *decl, th_view name);
/* Collects type variables when `vars` is given; otherwise Number is a hole and T must be in scope. */
typedef struct tvars {
    ty *items;
    uint32_t count, cap;
} tvars;
ty tc_resolve(checker *c, const th_ast *ast, tvars *vars);
bool tc_names_type(checker *c, th_view name); /* without arguments */
/* A type in a builtin's signature. */
ty tc_parse_type(checker *c, th_view text, tvars *vars);

/* -- check_scope.c -- */
scope *tc_scope_new(checker *c, scope *outer);
sym *tc_scope_find(scope *s, th_view name); /* this one only */
sym *tc_lookup(checker *c, th_view name);   /* outwards */
sym *tc_scope_add(checker *c, scope *s, sym_kind kind, th_view name, const th_ast *ast, file *f);
/* Adds a name to the present scope; tells a second definition. */
sym *tc_define(checker *c, sym_kind kind, th_view name, const th_ast *ast);
void tc_push_scope(checker *c);
void tc_pop_scope(checker *c);
capsule *tc_capsule(checker *c, th_view name);      /* user's, linked, prelude or builtins; NULL */
capsule *tc_capsule_here(checker *c, th_view name); /* likewise, those inside the present ones first */
bool tc_capsule_prefix(checker *c, th_view prefix);
sym *tc_member(checker *c, capsule *cap, th_view name);
func *tc_builtin_funcs(checker *c, th_view full_name); /* NULL: none */
void tc_index_builtins(checker *c);
file *tc_add_file(checker *c, const th_source *source, bool standard);
void tc_declare_capsule(checker *c, const th_ast *ast, file *f);
typedef enum ref_kind { REF_NONE, REF_SYM, REF_CAPSULE, REF_PREFIX, REF_MEMBER_OF_ENUM, REF_TOLD } ref_kind;
typedef struct ref {
    ref_kind kind;
    sym *sym;
    capsule *capsule;
    th_view text;   /* dotted so far */
    int64_t member; /* of an enum */
    ty type;
} ref;
/* What a NAME or a chain of MEMBERs names; REF_NONE: it is an expression (or nothing). */
ref tc_resolve_ref(checker *c, const th_ast *ast);
th_ast tc_tail(const th_ast *ast); /* of a MEMBER: its name alone, for messages */

/* -- check_hint.c: names that mean nothing here -- */
void tc_suggest_name(checker *c, th_suggest *s); /* all visible names */
void tc_unknown(checker *c, const th_ast *ast, th_view name);
void tc_unknown_target(checker *c, const th_ast *ast); /* of an assignment such as `x += 1` */
/* A value is needed, and `ast` gives none. want: its type, or T_NONE. */
void tc_no_value(checker *c, const th_ast *ast, ty want);
/* Is this the first time that the name is told to be unknown in the present function? */
bool tc_first_unknown(checker *c, th_view name);
/* What is called; first: the type of the first argument, which says where to look. T_NONE, T_BAD: not known. */
void tc_unknown_call(checker *c, const th_ast *callee, th_view name, ty first);
/* What a point follows, when it is a name that means nothing: tells it. */
bool tc_unknown_object(checker *c, const th_ast *ast);
/* `x => ... x ...` with an unknown x: tells that it is meant as a function. */
bool tc_meant_lambda(checker *c, const th_ast *pipe);
bool tc_is_unknown(checker *c, const th_ast *name);
bool tc_mentions(const th_ast *ast, th_view name);
void tc_no_member(checker *c, const th_ast *ast, capsule *cap);
void tc_link_hint(checker *c, th_view name);
bool tc_link_failed(checker *c, th_view name); /* a dotted name that such a capsule might have */
void tc_no_capsule(checker *c, const th_ast *ast, th_view name);
/* After an error: how a name that may be given another value is declared. */
void tc_variable_hint(checker *c, th_view name, const th_ast *def, ty type);
/* Is a function or verb of this name anywhere, for arguments of whatever type? */
bool tc_known_anywhere(checker *c, th_view name);
/* Tells the functions called in an argument of `aggregate` that there are not. */
bool tc_unknown_aggregates(checker *c, const th_ast *ast);

/* -- check_flow.c -- */
void tc_assume(checker *c, var *v, ty narrowed);
void tc_assigned(checker *c, var *v);
bool tc_is_assigned(checker *c, const var *v);
ty tc_narrowed(checker *c, const var *v); /* T_NONE: as declared */
fact *tc_merge(checker *c, fact *a, fact *b);
void tc_forget(checker *c, const th_ast *ast); /* narrowings of what is assigned somewhere below */

/* -- check_expr.c -- */
/* want: T_VOID: the value is not used; T_NONE: any value; else the type it must have (the node returned has it). */
th_tir *tc_expr(checker *c, const th_ast *ast, ty want);
th_tir *tc_value(checker *c, const th_ast *ast); /* any value; not void */
th_tir *tc_coerce(checker *c, th_tir *node, ty want, const th_ast *ast);
bool tc_fits(checker *c, const th_tir *node, ty node_type, ty want, int *cost); /* would tc_coerce do? fills holes */
th_tir *tc_condition(checker *c, const th_ast *ast, fact **if_true, fact **if_false);
th_tir *tc_to_string(checker *c, th_tir *node, const th_ast *ast);
th_tir *tc_equal(checker *c, th_tir *a, th_tir *b, bool negate, const th_ast *ast);
th_tir *tc_if_null(checker *c, const th_ast *ast, ty want);
th_tir *tc_convert(checker *c, th_tir *node, ty to, const th_ast *ast);
th_tir *tc_binary_nodes(checker *c, const th_ast *ast, uint8_t token, th_tir *a, th_tir *b);
th_tir *tc_member_of(checker *c, const th_ast *ast, th_tir *object, th_view name);
th_tir *tc_index_of(checker *c, const th_ast *ast, th_tir *object, th_tir *index);
th_tir *tc_local_read(checker *c, var *v, const th_ast *ast);
/* Brings all to one type. Where they have several: a Variadic of them when `variadic`, else false (nothing is told). */
bool tc_join_nodes(checker *c, th_tir **nodes, const th_ast **asts, uint32_t n, ty *type, bool variadic);
bool tc_parse_int(th_view text, uint64_t *out);

/* -- check_call.c -- */
typedef struct arg {
    const th_ast *ast;   /* NULL: none, the node alone */
    th_tir *node;        /* when it is checked already */
    th_view name;        /* NAMED */
    const th_ast *named; /* the NAMED node */
} arg;
th_tir *tc_call(checker *c, const th_ast *ast, ty want);
th_tir *tc_pipe(checker *c, const th_ast *ast, ty want);
th_tir *tc_call_args(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs, ty want);
th_tir *tc_call_funcs(checker *c, const th_ast *ast, func *funcs, arg *args, uint32_t nargs, ty want);
th_tir *tc_call_builtin(checker *c, const char *name, ty result, const th_ast *ast, uint32_t nargs, ...);
/* By overload resolution. */
th_tir *tc_call_named(checker *c, const char *name, const th_ast *ast, uint32_t nargs, ...);
th_tir *tc_call_value(checker *c, const th_ast *ast, th_tir *callee, arg *args, uint32_t nargs);
th_tir *tc_func_value(checker *c, func *funcs, ty want, const th_ast *ast);
const char *tc_signature_text(checker *c, const func *f);
/* The capsule whose functions are for values of a type; NULL: none. */
const char *tc_home(checker *c, ty t);
bool tc_outer(checker *c, th_view name); /* a value from outside, as in a session */
/* The type of an argument without an expectation; checks it. */
th_tir *tc_arg_node(checker *c, arg *a);

/* -- check_intrinsic.c -- */
typedef th_tir *(*intrinsic)(checker *c, const th_ast *ast, arg *args, uint32_t nargs, ty want);
intrinsic tc_intrinsic(th_view name);
const char *tc_intrinsic_name(size_t i); /* NULL: past the last */
th_tir *tc_intrinsic_value(checker *c, th_view name, ty want, const th_ast *ast);

/* -- check_change.c: what may be changed in place -- */
/* `node` is changed in place: tells it when its root is a binding. */
void tc_changes(checker *c, const th_tir *node, const th_ast *ast);
/* `v` becomes another name for what `node` is part of. */
void tc_alias(checker *c, var *v, const th_tir *node, const th_ast *ast);
void tc_argument_alias(checker *c, inst *callee, uint32_t param, const th_tir *node, const th_ast *ast);
void tc_check_changes(checker *c);

/* -- check_func.c -- */
func *tc_func_new(checker *c, th_view name, const th_ast *def, const th_ast *ast, const th_ast *annotation);
void tc_sign(checker *c, func *f);
inst *tc_instance(checker *c, func *f, const ty *types, const th_ast *at);
/* Likewise, for these functions as arguments: calls of its parameters are calls of them. */
inst *tc_instance_for(checker *c, func *f, const ty *types, inst **direct, const th_ast *at);
ty tc_instance_type(checker *c, inst *i);
th_tir *tc_closure(checker *c, inst *i, const th_ast *ast);
th_tir *tc_call_instance(checker *c, inst *i, const th_ast *ast, th_tir **args, uint32_t nargs);
th_tir *tc_lambda(checker *c, const th_ast *ast, ty want, const th_ast *annotation);
void tc_check_instance(checker *c, inst *i);
const th_ast *tc_body(const func *f);
th_tir *tc_wrapper(checker *c, ty type, const th_ast *ast, th_view name, inst **out); /* opens an instance */
var *tc_var_new(checker *c, th_view name, ty type, const th_ast *ast);
var *tc_var_of(const th_local *local);
th_local *tc_local_of(checker *c, var *v); /* in the present function; captures it when it must */
th_tir *tc_let(checker *c, var *v, th_tir *value, const th_ast *ast);
inst *tc_inst_new(checker *c, func *f, file *file, th_view name);
void tc_uses(checker *c, global *g);
void tc_global(checker *c, global *g); /* types it */
th_tir *tc_global_read(checker *c, global *g, const th_ast *ast);
void tc_check_global_value(checker *c, global *g);

/* -- check_stmt.c -- */
th_tir *tc_block(checker *c, const th_ast *ast, ty want, bool own_scope);
th_tir *tc_statement(checker *c, const th_ast *ast, ty want);
var *tc_bind(checker *c, th_view name, ty type, const th_ast *ast, bool variable); /* defines it in the scope */

void tc_declare_type(checker *c, const th_ast *ast);

/* -- check_match.c -- */
th_tir *tc_match(checker *c, const th_ast *ast, ty want);
/* Takes `value` apart into new names; a value of another shape traps. */
th_tir *tc_destructure(checker *c, const th_ast *pattern, th_tir *value);

/* -- check_table.c, check_column.c -- */
bool tc_is_verb(th_view name);
const char *tc_verb_name(size_t i); /* NULL: past the last */
bool tc_is_aggregate(const th_ast *ast, th_agg *out);
void tc_drop_verbs(checker *c); /* frees what unfinished ones hold */
th_tir *tc_verb(checker *c, const th_ast *ast, th_view name, th_tir *table, arg *args, uint32_t nargs);
th_tir *tc_reader(checker *c, const th_ast *ast, th_view name, arg *args, uint32_t nargs, ty want);

/* -- check_program.c -- */
/* Checks everything and gives the typed program; the status of a failure that is no diagnostic. */
th_status tc_check(checker *c, const th_source *source, const th_ast *ast, th_tir_program *out);
bool tc_finish(checker *c, func *main_func, th_tir_program *program); /* check_finish.c */

/* -- std.c: the prelude's texts -- */
typedef struct th_std_file {
    const char *name;
    const char *text;
    size_t len;
} th_std_file;
extern const th_std_file th_theta_std[];
extern const size_t th_theta_std_count;

#endif
