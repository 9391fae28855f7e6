/*
** flow_int.h - what the files of the flow room share.
** A spec is read into C structures once (spec.c). Opening a plan (plan.c) walks the nodes from the root, decides which columns
** each needs, and makes one operator for each verb, its expressions bound to the columns of its input. exec.c drives the
** operators; each is a small state machine (ops.c, agg.c, sort.c, join.c), and can be written down between two steps
** (state.c). sink.c feeds what comes out to a sink. Expressions are evaluated a batch at a time
** (expr.c) into vectors that live in the executor's scratch arena until the next batch.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_FLOW_INT_H
#define TH_FLOW_INT_H

#include "exec_flat.h"
#include "flat/flat.h"
#include <sys/stat.h>

#include "flow/flow.h"

/* ---- Specs, read (spec.c) ----------------------------------------------------------------------------------- */

#define TH_EXPR_MAX_DEPTH 1200

typedef struct th_expr {
    th_expr_op op;
    th_column_type type;
    uint32_t index;
    th_view text;
    int64_t ival;
    double fval;
    bool null;
    uint32_t nkids;
    struct th_expr **kids;
} th_expr;

typedef struct th_item {
    th_view name;
    th_expr *expr;
    bool descending;
} th_item;

typedef struct th_spec {
    th_mem *mem;
    th_arena arena;
    uint8_t *bytes; /* owned; texts borrow from it */
    size_t len;
    th_verb verb;
    uint32_t ninputs, nkeys;
    th_join join;
    th_item *items;
    uint32_t nitems;
    th_view *names;
    uint32_t nnames;
    th_csv_options csv;
} th_spec;

th_status th_spec_read(th_mem *mem, const void *bytes, size_t len, th_spec **out, th_error *err) TH_CHECKED;
void th_spec_release(th_spec *spec);

/* ---- Nodes (node.c) ----------------------------------------------------------------------------------------- */

typedef enum th_node_kind { TH_NODE_SPEC, TH_NODE_STREAM, TH_NODE_BATCHES } th_node_kind;

typedef struct th_node { /* the C part of a node; owned by its native */
    th_mem *mem;
    th_node_kind kind;
    th_spec *spec;     /* SPEC */
    th_stream *stream; /* STREAM; NULL once an executor took it */
    th_schema *schema; /* STREAM, BATCHES: shared */
    th_batch **batches;
    size_t nbatches, capacity;
} th_node;

extern const th_native_class th_node_class;
/* The node of a value, and its parameters: a tuple whose slot i has type args[i]. */
th_node *th_flow_node_of(uint64_t word);
typedef struct th_params {
    const th_type *tuple;
    const th_record *record;
} th_params;
th_params th_node_params(th_machine *machine, uint64_t word);
th_status th_node_make(th_machine *machine, th_type_id table_type, const void *spec, size_t len, const uint64_t *words,
                       const th_type_id *types, size_t n, uint64_t *out, th_error *err) TH_CHECKED;
/* Whether a node has the parameters that its verb needs; one out of a snapshot may not. */
th_status th_node_check(th_machine *machine, uint64_t word, th_error *err) TH_CHECKED;
bool th_column_of_type(th_machine *machine, th_type_id type, th_column_type *out, bool *nullable);

/* ---- Vectors and bound expressions (expr.c) ----------------------------------------------------------------- */

typedef enum th_family { TH_FAMILY_INT, TH_FAMILY_FLOAT, TH_FAMILY_BOOL, TH_FAMILY_TEXT, TH_FAMILY_NULL } th_family;
th_family th_family_of(th_column_type type);

typedef struct th_vector {
    th_family family;
    union {
        const int64_t *ints;
        const double *floats;
        const uint8_t *bools; /* 0 or 1 */
        const th_view *texts;
    };
    const uint8_t *valid; /* 0 or 1 each; NULL: all are */
} th_vector;

/* An expression bound to the columns of an input. COLUMN: index is the column, or ncolumns + the number of a call. */
typedef struct th_bound {
    th_expr_op op;
    th_column_type type;
    bool nullable;
    uint32_t index;
    int64_t ival;
    double fval;
    th_view text;
    bool null;
    uint32_t nkids;
    struct th_bound **kids;
} th_bound;

typedef struct th_call_step { /* a user function called row by row before the expressions of an operator */
    uint32_t param;           /* of the node: the closure */
    th_bound **args;
    uint32_t nargs;
    const th_bound *guard; /* called only where this is true; NULL: everywhere */
    bool guard_negated;    /* ... or where it is not true */
    th_column_type type;   /* of the result column */
    bool nullable;
    th_type_id function; /* in the machine's types */
} th_call_step;

typedef struct th_binder { /* binds the expressions of one operator */
    th_machine *machine;
    th_arena *arena;
    const th_schema *input;
    const char *input_name; /* for messages: the file, or NULL */
    th_params params;
    th_call_step *calls;
    size_t ncalls, calls_capacity; /* in arena: fixed room */
    th_error *err;
} th_binder;
th_status th_bind(th_binder *binder, const th_expr *expr, th_bound **out) TH_CHECKED;

typedef struct th_eval { /* one batch under evaluation */
    th_arena *scratch;
    const th_batch *batch;
    const th_column *calls; /* columns of the call steps done so far */
    size_t nrows;
    th_error *err;
} th_eval;
/* `active`: rows whose failures count (NULL: all). Vectors live in the scratch arena or in the batch. */
th_status th_eval_expr(const th_eval *eval, const th_bound *expr, const uint8_t *active, th_vector *out) TH_CHECKED;
/* A column as a vector of `nrows`. */
th_status th_vector_of_column(th_arena *scratch, const th_column *column, th_vector *out) TH_CHECKED;
/* A vector as a column of `type`; null_count exact. */
th_status th_vector_column(th_mem *mem, const th_vector *vector, size_t nrows, th_column_type type,
                           th_column *out) TH_CHECKED;
/* Like evaluating and th_vector_column, but a plain column is shared instead of copied. */
th_status th_eval_column(const th_eval *eval, th_mem *mem, const th_bound *expr, th_column *out) TH_CHECKED;
/* Rows picks[0 .. n-1] of a column; TH_PICK_NULL gives a null. */
#define TH_PICK_NULL UINT64_MAX
th_status th_column_gather(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n,
                           th_column *out) TH_CHECKED;
void th_bound_print(const th_bound *expr, const th_schema *input, const th_call_step *calls, th_buf *out);

/* ---- Operators ---------------------------------------------------------------------------------------------- */

typedef struct th_operator th_operator;
typedef enum th_op_step { TH_OP_WANT, TH_OP_EMIT, TH_OP_END, TH_OP_AGAIN, TH_OP_FAILED } th_op_step;

typedef struct th_operator_class {
    const char *name;
    /* WANT: op->want says which input; EMIT: exec->out is set; FAILED: exec->err is set. */
    th_op_step (*step)(th_exec *exec, th_operator *op);
    void (*clear)(th_exec *exec, th_operator *op); /* frees op->state; NULL: nothing */
    /* What the operator holds but for what all have (schema/exec.fbs), and back into one that has not begun. What comes
    ** back may be hostile. *out stays 0 when there is nothing. NULL: there never is. */
    th_status (*save)(th_exec *exec, th_operator *op, th_flat_builder *b, th_flat_ref *out, th_error *err);
    th_status (*restore)(th_exec *exec, th_operator *op, th_flat_table in, th_error *err);
    uint8_t kind; /* of what is saved: theta_exec_State_... */
} th_operator_class;

typedef enum th_source_kind { TH_SOURCE_OTHER, TH_SOURCE_CSV, TH_SOURCE_ARROW, TH_SOURCE_ROWS } th_source_kind;

struct th_operator {
    const th_operator_class *cls;
    th_operator *inputs[2];
    uint64_t node; /* the word; does not move while the executor lives */
    th_spec *spec; /* borrowed from the node, NULL for streams and batches */
    th_schema *schema;
    th_bound **exprs; /* of the spec's items, in order */
    th_call_step *calls;
    size_t ncalls;
    char *note;   /* for explain: what the operator does */
    size_t level; /* for explain: depth below the root */
    /* run */
    int want;
    th_batch *batch;   /* what the wanted input gave; owned */
    bool ended[2];     /* the input has no more */
    th_column *called; /* ncalls columns, for `batch` */
    size_t calls_done;
    size_t row; /* of the call step under way */
    th_column_builder builder;
    const uint8_t *call_active;
    th_vector *call_args;
    bool calling;
    void *state;
    size_t state_bytes;
    uint64_t count; /* TAKE, SKIP: left */
    /* sources */
    th_source_kind source;
    const char *path;
    th_stream_place place; /* where `pending` begins */
    th_batch *pending;     /* given piece by piece, so that a step stays short however large a batch is */
    size_t given;          /* rows of it */
};

struct th_exec {
    th_machine *machine;
    th_mem *mem;
    th_arena arena;   /* the plan */
    th_arena scratch; /* vectors of the batch under way; cleared when an operator gets a new one */
    th_operator *root;
    th_operator **all; /* every operator, inputs first */
    size_t nall;
    th_operator **stack;
    size_t depth;
    th_batch *out;
    th_error err;
    /* a call for the machine */
    th_closure *closure;
    uint64_t args[64];
    size_t nargs;
    th_type_id result; /* what it gives */
    bool waiting;      /* for its result */
};

th_op_step th_exec_fail(th_exec *exec, th_status status); /* fills exec->err when it is empty */
th_eval th_op_eval(th_exec *exec, const th_operator *op);
static inline th_op_step th_op_want(th_operator *op, int which) {
    op->want = which;
    return TH_OP_WANT;
}
void th_op_drop_batch(th_operator *op); /* the batch is done with */
/* Evaluates what the call under way needs, from the first row on. */
bool th_op_begin_call(th_exec *exec, th_operator *op);
/* The most rows of so many columns that one step works on: a step is to cost well less than what a builtin may owe. */
static inline size_t th_piece_rows(size_t ncolumns) {
    size_t n = ((size_t)1 << 22) / (ncolumns + 1);
    return n > 65536 ? 65536 : n ? n : 1;
}

/* ---- State (state.c) ---------------------------------------------------------------------------------------- */

/* The operators of an executor between two steps, and back into one that was made of the same nodes. */
th_status th_exec_save(th_exec *exec, th_flat_builder *b, th_flat_ref *operators, th_error *err) TH_CHECKED;
th_status th_exec_restore(th_exec *exec, th_flat_table in, th_error *err) TH_CHECKED; /* theta.exec.Exec */

th_status th_malformed(th_error *err, const char *what) TH_CHECKED;
th_status th_put_batches(th_mem *mem, th_flat_builder *b, const th_schema *schema, th_batch *const *batches, size_t n,
                         th_flat_ref *out, th_error *err) TH_CHECKED; /* 0: there are no rows */
/* At most one batch; NULL when there are no rows. */
th_status th_take_batch(th_mem *mem, const th_schema *schema, const uint8_t *bytes, uint32_t len, th_batch **out,
                        th_error *err) TH_CHECKED;
/* A schema without names, for columns that are no table's. */
th_status th_plain_schema(th_mem *mem, const th_column_type *types, size_t n, th_schema **out) TH_CHECKED;
/* Texts as their lengths and their bytes. */
typedef struct th_text_refs {
    th_flat_ref lens, bytes;
} th_text_refs;
typedef th_view (*th_text_at)(const void *user, size_t i);
th_text_refs th_put_texts(th_flat_builder *b, th_text_at at, const void *user, size_t n);
/* Whether n lengths fit the bytes that there are. */
bool th_texts_fit(const uint32_t *lens, size_t n, size_t bytes);

/* ---- Sinks (sink.c, sink_file.c) ---------------------------------------------------------------------------- */

typedef enum th_sink_kind {
    TH_SINK_PRINT,
    TH_SINK_COUNT,
    TH_SINK_COLLECT,
    TH_SINK_ROWS,
    TH_SINK_COLUMN,
    TH_SINK_CSV,
    TH_SINK_JSON,
    TH_SINK_NDJSON,
    TH_SINK_ARROW,
    TH_SINK_MARKDOWN,
    TH_SINK_PULL
} th_sink_kind;

/* The file that a sink writes: beside its place, and moved there when it is whole. */
typedef struct th_file_sink {
    th_mem *mem;
    int fd;
    char *path, *target, *temporary; /* temporary NULL: standard output, or `direct`: a device or a pipe */
    bool direct, there;
    struct stat old; /* what stood in its place, when something was `there` */
    bool done;
    bool kept; /* a saved state refers to what was written: it stays when the sink goes */
} th_file_sink;
th_status th_file_sink_open(th_mem *mem, const th_str *path, th_file_sink **out, th_error *err) TH_CHECKED;
/* Goes on with a part of `written` bytes; `tail`: what the file's name has behind the path. */
th_status th_file_sink_reopen(th_mem *mem, const th_str *path, th_view tail, uint64_t written, th_file_sink **out,
                              th_error *err) TH_CHECKED;
th_status th_file_sink_finish(th_file_sink *file, th_error *err) TH_CHECKED;
th_status th_file_sink_keep(th_file_sink *file, uint64_t *written, th_error *err) TH_CHECKED;
th_view th_file_sink_tail(const th_file_sink *file);
void th_file_sink_free(th_file_sink *file);
th_sink th_file_sink_of(th_file_sink *file);

typedef struct th_kept { /* batches that a sink holds */
    th_batch **items;
    size_t n, capacity;
} th_kept;

/* Every sink is one state machine: an executor in its first slot, stepped until the end, user functions called through
** the machine in between, each batch handed to the sink. */
typedef struct th_table_sink {
    th_mem *mem;
    th_sink_kind kind;
    th_exec *exec; /* NULL while `saved` waits to be opened */
    uint8_t *saved;
    size_t saved_len;
    th_table_writer *writer;
    th_file_sink *file;
    th_kept kept;
    bool building;     /* the plan has ended, and what is kept becomes the result, */
    size_t batch, row; /* which is made up to here */
    th_batch *pulled;  /* by the host */
    size_t calls;      /* since the scratch region was reset */
    bool scratch;
} th_table_sink;
extern const th_native_class th_table_sink_class;
/* A sink that no run is in yet, for the host. */
th_status th_table_sink_new(th_machine *m, uint64_t node, th_sink_kind kind, th_table_sink **out,
                            th_error *err) TH_CHECKED;
/* One entry of a sink in its slot: TH_STEP_DONE means that a batch is in *batch, or none when the plan has ended. */
th_step th_table_sink_step(th_machine *m, th_call *call, th_batch **batch);
void th_table_sink_close_scratch(th_machine *m, th_table_sink *sink);
void th_table_sink_close(th_machine *m, th_call *call);
bool th_table_sink_keep(th_machine *m, th_table_sink *sink, th_batch *batch); /* takes; false: a trap is recorded */
th_table_sink *th_table_sink_of(const th_call *call);                         /* NULL: the slot holds none */
th_type_id th_table_sink_type(th_machine *m);                                 /* 0: a trap is recorded */
/* Enters a sink of this kind: one that begins (*begins is set; `open` makes what it writes to), is under way, or comes out of
** a saved state. NULL: a trap is recorded. */
th_table_sink *th_table_sink_enter(th_machine *m, th_call *call, th_sink_kind kind, bool *begins);
enum { TH_SLOT_SINK, TH_SLOT_TYPE, TH_SLOT_VALUE }; /* "xt", and a count or a list */

th_step th_table_print(th_machine *m, th_call *call);
th_step th_table_count(th_machine *m, th_call *call);
th_step th_table_collect(th_machine *m, th_call *call);
th_step th_table_rows(th_machine *m, th_call *call);
th_step th_table_column(th_machine *m, th_call *call);
th_step th_csv_sink(th_machine *m, th_call *call);
th_step th_json_sink(th_machine *m, th_call *call);
th_step th_ndjson_sink(th_machine *m, th_call *call);
th_step th_arrow_sink(th_machine *m, th_call *call);
th_step th_markdown_sink(th_machine *m, th_call *call);

extern const th_operator_class th_op_source, th_op_stream, th_op_batches, th_op_where, th_op_project, th_op_take,
    th_op_skip, th_op_sort, th_op_aggregate, th_op_distinct, th_op_join, th_op_union;

/* join.c: whether column `i` of the right input is in the result (an equally named key is not). */
bool th_join_keeps(const th_operator *op, const th_schema *right, size_t i);
th_status th_plan_open(th_exec *exec, uint64_t root, th_error *err) TH_CHECKED;

/* ---- Keys (keys.c): groups of equal rows -------------------------------------------------------------------- */

typedef enum th_groups_kind { TH_GROUPS_OPEN, TH_GROUPS_WORDS, TH_GROUPS_TEXTS, TH_GROUPS_ROWS } th_groups_kind;

/* Numbers distinct key rows in order of first appearance. Null keys are equal to each other, NaN to NaN, -0.0 to 0.0. One
** key that is a number or a text is kept as that; several are kept as bytes, a row each. */
typedef struct th_groups {
    th_mem *mem;
    th_arena arena; /* bytes of texts and rows */
    th_groups_kind kind;
    size_t len;
    uint64_t *words; /* WORDS: the key of each group */
    th_view *texts;  /* TEXTS, ROWS */
    size_t words_capacity, texts_capacity;
    struct th_group_slot *index;
    size_t index_capacity; /* a power of two */
    uint32_t null_group;   /* of a single key's nulls, or TH_GROUP_NONE */
    uint64_t seed;
    th_buf row;
} th_groups;
void th_groups_init(th_groups *groups, th_mem *mem);
void th_groups_clear(th_groups *groups);
#define TH_GROUP_NONE UINT32_MAX
/* ids[i] is the group of row i; a group not seen before is numbered len, len + 1, ... in the order of rows. `add` false:
** TH_GROUP_NONE for keys not seen. `null_is_none`: rows with a null key get none. No keys: all rows are group 0. */
th_status th_groups_of(th_groups *groups, const th_vector *keys, size_t nkeys, size_t nrows, bool add,
                       bool null_is_none, uint32_t *ids) TH_CHECKED;
/* Key `key` of groups from .. from+n-1 as a column; types: of all the keys. TH_E_LIMIT: more text than a column holds. */
th_status th_groups_column(const th_groups *groups, const th_column_type *types, size_t key, size_t nkeys, size_t from,
                           size_t n, th_column *out) TH_CHECKED;
/* All of them, and back into groups that are empty: the keys are numbered anew, which gives the same numbers. */
th_status th_groups_save(const th_groups *groups, const th_column_type *types, size_t nkeys, th_flat_builder *b,
                         th_flat_ref *out, th_error *err) TH_CHECKED;
th_status th_groups_restore(th_groups *groups, const th_column_type *types, size_t nkeys, th_flat_table in,
                            th_error *err) TH_CHECKED;

/* ---- Kept rows (rows.c): batches kept whole, their rows named by batch and row -------------------------------- */

typedef struct th_rows {
    th_mem *mem;
    th_batch **batches; /* shared */
    uint64_t *starts;   /* the number of each batch's first row, counted through all batches */
    size_t len, capacity, starts_capacity;
    uint64_t nrows;
} th_rows;
#define TH_ROW(batch, row) ((uint64_t)(batch) << 32 | (uint64_t)(row))
void th_rows_init(th_rows *rows, th_mem *mem);
void th_rows_clear(th_rows *rows);
th_status th_rows_add(th_rows *rows, th_batch *batch) TH_CHECKED; /* shares */
th_status th_rows_read(th_rows *rows, const th_schema *schema, const uint8_t *bytes, uint32_t len,
                       th_error *err) TH_CHECKED; /* adds those of th_put_batches */
static inline uint64_t th_rows_number(const th_rows *rows, uint64_t row) {
    return rows->starts[row >> 32] + (uint32_t)row;
}
/* Rows picks[0 .. n-1] (TH_ROW, or TH_PICK_NULL) of a column. TH_E_LIMIT: more text than a column holds. */
th_status th_rows_gather(const th_rows *rows, size_t column, th_column_type type, const uint64_t *picks, size_t n,
                         th_column *out) TH_CHECKED;
/* A batch of `schema` whose columns `make` makes one by one. */
typedef th_status (*th_make_column)(void *user, size_t column, th_column *out);
th_status th_batch_make(th_mem *mem, th_schema *schema, size_t nrows, th_make_column make, void *user,
                        th_batch **out) TH_CHECKED;

#endif
