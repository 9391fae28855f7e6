/*
** flow.h - lazy dataflow: specs (what a verb does), nodes (a verb over its inputs), executors (batches on demand).
**
** A language describes each use of a verb once, as a spec: a small FlatBuffer (schema/flow.fbs) built with th_spec_*
** and kept in the program as a string constant. At run time the builtin `Flow.apply` makes a node from a spec and its
** parameters: input tables, and the values and functions its expressions refer to. Nodes are immutable and shared. Rows
** are computed only when a sink builtin or the host pulls, through an executor: a stack of operators stepped one at a
** time, so that depth is bounded by memory, limits hold, and user functions run on the machine between steps.
** Nulls follow SQL's three-valued logic.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_FLOW_H
#define TH_FLOW_H

#include "machine/machine.h"
#include "table/table.h"

/* ---- Specs -------------------------------------------------------------------------------------------------- */

typedef enum th_verb {
    TH_VERB_READ_CSV, TH_VERB_READ_ARROW, /* path is expression 0 (literal or parameter) */
    TH_VERB_ROWS,      /* parameter 0: a List of structs */
    TH_VERB_WHERE,     /* expression 0: bool */
    TH_VERB_DERIVE,    /* named expressions: replace or append columns */
    TH_VERB_SELECT,    /* named expressions are all the columns there are */
    TH_VERB_DROP,      /* names */
    TH_VERB_RENAME,    /* named COLUMN expressions: new name of each */
    TH_VERB_AGGREGATE, /* keys: the first `nkeys` named expressions; the others are AGG expressions */
    TH_VERB_SORT,      /* expressions, flags TH_SORT_DESC each; nulls last; stable */
    TH_VERB_TAKE, TH_VERB_SKIP, /* expression 0: i64, literal or parameter */
    TH_VERB_DISTINCT,  /* of the named expressions, or of whole rows when there are none */
    TH_VERB_JOIN,      /* two inputs; keys: pairs of expressions, left then right; `join` kind; equal right key columns are dropped,
                          other clashing right names get the suffix "_right" */
    TH_VERB_UNION,     /* two inputs, same columns */
} th_verb;
typedef enum th_join { TH_JOIN_INNER, TH_JOIN_LEFT } th_join;

/* Expression operators over columns. Numeric operands of one operator have one type (languages convert explicitly). */
typedef enum th_expr_op {
    TH_EXPR_COLUMN,  /* text: name */
    TH_EXPR_LITERAL, /* type and value, or null */
    TH_EXPR_PARAM,   /* index: parameter of the node (a scalar, string or option) */
    TH_EXPR_NEG, TH_EXPR_NOT, TH_EXPR_BNOT,
    TH_EXPR_ADD, TH_EXPR_SUB, TH_EXPR_MUL, TH_EXPR_DIV, TH_EXPR_REM, TH_EXPR_POW, /* ADD also joins strings */
    TH_EXPR_BAND, TH_EXPR_BOR, TH_EXPR_BXOR, TH_EXPR_SHL, TH_EXPR_SHR,
    TH_EXPR_EQ, TH_EXPR_NE, TH_EXPR_LT, TH_EXPR_LE, TH_EXPR_GT, TH_EXPR_GE,
    TH_EXPR_AND, TH_EXPR_OR, /* three-valued */
    TH_EXPR_IF,      /* condition, then, else; a null condition is false */
    TH_EXPR_IS_NULL, /* never null */
    TH_EXPR_COALESCE,
    TH_EXPR_CAST,    /* to `type`; traps (with the value) when it does not fit */
    TH_EXPR_CALL,    /* index: a parameter that is a Function (user function or builtin wrapper); arguments: children. A null
                        argument for a parameter type that is no option gives null without a call. */
    TH_EXPR_AGG,     /* index: th_agg; child: its argument (none for count()) */
} th_expr_op;

typedef enum th_agg {
    TH_AGG_COUNT,    /* rows, or non-null values of the argument */
    TH_AGG_SUM, TH_AGG_MEAN, TH_AGG_MIN, TH_AGG_MAX, TH_AGG_FIRST, TH_AGG_LAST,
    TH_AGG_COUNT_DISTINCT, TH_AGG_STDDEV, TH_AGG_VARIANCE, TH_AGG_MEDIAN, TH_AGG_ANY, TH_AGG_ALL
} th_agg;
bool th_agg_of(th_view name, th_agg *out); /* "count", "sum", "mean", "min", "max", "first", "last", "count_distinct", ... */
/* Result type of an aggregate over a column type; false when it has none. *nullable: may be null (empty or all-null input). */
bool th_agg_type(th_agg agg, th_column_type argument, th_column_type *out, bool *nullable);

typedef struct th_spec_builder th_spec_builder;
typedef uint32_t th_expr_ref;
th_status th_spec_new(th_mem *mem, th_verb verb, th_spec_builder **out) TH_CHECKED;
void th_spec_free(th_spec_builder *b);
th_expr_ref th_spec_column(th_spec_builder *b, th_view name);
th_expr_ref th_spec_i64(th_spec_builder *b, th_column_type type, int64_t value); /* integers, bool, date, timestamp */
th_expr_ref th_spec_f64(th_spec_builder *b, th_column_type type, double value);
th_expr_ref th_spec_text(th_spec_builder *b, th_view value);
th_expr_ref th_spec_null(th_spec_builder *b, th_column_type type);
th_expr_ref th_spec_param(th_spec_builder *b, uint32_t index, th_column_type type);
/* Any other operator; `index` and `type` where the operator has them (type: the result's, always given). */
th_expr_ref th_spec_op(th_spec_builder *b, th_expr_op op, th_column_type type, uint32_t index, const th_expr_ref *children, size_t n);
void th_spec_add(th_spec_builder *b, th_view name, th_expr_ref expr, bool descending); /* next expression of the verb; name may be empty */
void th_spec_name(th_spec_builder *b, th_view name);                                   /* DROP */
void th_spec_keys(th_spec_builder *b, uint32_t nkeys);
void th_spec_join(th_spec_builder *b, th_join kind);
void th_spec_csv(th_spec_builder *b, const th_csv_options *options); /* copies declared fields */
void th_spec_inputs(th_spec_builder *b, uint32_t ninputs); /* the first parameters that are tables; default 0 for reads, 1, or 2 */
th_status th_spec_finish(th_spec_builder *b, uint8_t **bytes, size_t *len) TH_CHECKED; /* th_mem_free by the caller */

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

/* A node is a value of a TABLE type: a th_native in machine memory whose C part holds what does not move (the read spec,
** a host's stream, kept batches) and whose attached tuple holds the parameters: input nodes, scalars, strings, closures.
** So collections see and move everything a plan refers to, and a plan needs no reference counts. C code keeps a node as a
** word only while nothing can collect: a builtin's arguments and slots do not move while it runs (machine.h, memory.h I1);
** between runs it is held with th_machine_hold. */

/* Over a stream of the host (taken, also on failure; can be pulled once) or ready batches (shared). */
bool th_node_of_stream(th_machine *machine, th_type_id table_type, th_stream *stream, uint64_t *node) TH_CHECKED;
bool th_node_of_batches(th_machine *machine, th_type_id table_type, th_schema *schema, th_batch *const *batches, size_t n,
                        uint64_t *node) TH_CHECKED;
/* The schema a node will produce; reads headers (and infers) when it must. */
th_status th_node_schema(th_machine *machine, uint64_t node, th_schema **out, th_error *err) TH_CHECKED; /* shares */
/* The optimised plan as indented text, one operator a line, with what was pushed down (columns read, filters). */
th_status th_node_explain(th_machine *machine, uint64_t node, th_buf *out, th_error *err) TH_CHECKED;
/* The TABLE type of a schema in the machine's types, with a STRUCT row named as languages name it; nullable columns are options. */
th_status th_table_type(th_machine *machine, const th_schema *schema, th_type_id *out) TH_CHECKED;

/* ---- Executors ---------------------------------------------------------------------------------------------- */

typedef enum th_exec_step {
    TH_EXEC_BATCH, /* a batch is in *out, the caller owns it */
    TH_EXEC_DONE,
    TH_EXEC_CALL,  /* the machine must run a user function: th_exec_call tells which; hand the result to th_exec_result */
    TH_EXEC_AGAIN, /* a slice of work was done and charged; step again */
    TH_EXEC_ERROR
} th_exec_step;
typedef struct th_exec th_exec;
/* The node must not move while the executor lives: it is an argument of the builtin that runs it. */
th_status th_exec_new(th_machine *machine, uint64_t node, th_exec **out, th_error *err) TH_CHECKED;
void th_exec_free(th_exec *exec);
const th_schema *th_exec_schema(const th_exec *exec);
th_exec_step th_exec_step_once(th_exec *exec, th_batch **out, th_error *err);
void th_exec_call(th_exec *exec, th_closure **closure, const uint64_t **args, size_t *nargs);
void th_exec_result(th_exec *exec, uint64_t word);

/* ---- Builtins (builtins.c) ---------------------------------------------------------------------------------- */

/* Flow.apply: spec: String, ... -> Table      a node; the parameters follow the spec, input tables first
** Table.rows: t: Table<T> -> List<T>          runs it; each row a struct of the table's static row type
** Table.column: t: Table, name: String -> List<T>
** Table.count: t: Table -> i64                Table.explain: t: Table -> String
** Table.print: t: Table -> void               as the machine's table format says (grid on a terminal, else CSV)
** Table.collect: t: Table -> Table            runs it once and keeps the batches (a node of TABLE with ready batches)
** Csv.write, Arrow.write, Json.write: t: Table, path: String -> void  (the path is written whole or not at all)
** and what else users of such a library expect. */
extern const th_builtin th_lib_table[];
extern const size_t th_lib_table_count;
th_status th_flow_register(th_engine *engine, th_error *err) TH_CHECKED; /* builtins and native classes */
/* Begins a run that writes a table to the machine's output, as Table.print does. It is a run like any other: it can be
** suspended, saved, and go on elsewhere. Machine memory is tidied first: words change. */
th_status th_flow_start_print(th_machine *machine, th_type_id type, uint64_t word, th_error *err) TH_CHECKED;
/* Pulls batches from outside a run: begin makes an executor over a held node; each step is a run of its own (limits and
** cancellation hold). *out NULL: the end. On failure the machine's error tells. A plan that is pulled cannot be saved. */
typedef struct th_puller th_puller;
th_status th_flow_pull_new(th_machine *machine, uint32_t held_node, th_puller **out, th_error *err) TH_CHECKED;
const th_schema *th_flow_pull_schema(const th_puller *puller);
th_status th_flow_pull(th_puller *puller, th_batch **out, th_error *err) TH_CHECKED;
void th_flow_pull_free(th_puller *puller);
/* How Table.print and th_flow_print write for this machine. */
typedef struct th_show_options { th_table_format format; size_t width, max_rows; } th_show_options;
void th_flow_set_show(th_machine *machine, const th_show_options *options);

#endif
