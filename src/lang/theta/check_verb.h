/*
** check_verb.h - private to check_table.c and check_column.c: a table verb while it is put together.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_CHECK_VERB_H
#define TH_THETA_CHECK_VERB_H

#include "lang/theta/check.h"

/* An aggregate inside an expression of aggregates: computed first, under a name of its own. */
typedef struct hidden {
    const th_ast *ast;
    th_view name;
} hidden;

typedef struct verb {
    struct verb *outer;
    const th_ast *ast;
    th_spec_builder *spec;
    const field *columns; /* of the input whose names are in scope */
    uint32_t ncolumns;
    th_tir **inputs;
    uint32_t ninputs;
    th_tir **params;
    uint32_t nparams, params_cap; /* behind the inputs */
    bool aggregates;              /* aggregate functions may stand here */
    const hidden *hidden;         /* their results, in the step behind it */
    uint32_t nhidden;
    bool bad;
} verb;

/* A value per row. */
typedef struct cell {
    th_expr_ref ref;
    ty type; /* without null */
    bool nullable, bad;
    th_tir *constant; /* the same for all rows, not yet in the spec: a literal or what becomes a parameter */
} cell;

verb *tc_verb_open(checker *c, th_verb kind, const th_ast *ast, th_tir *input);
/* The call of Flow.apply that makes the table. */
th_tir *tc_verb_close(checker *c, verb *v, ty row);
int64_t tc_column(const verb *v, th_view name);
/* A column as it is written: its bare name, or `col('any text')`. False: something else. */
bool tc_written_column(const th_ast *ast, th_view *name);
void tc_no_column(checker *c, const verb *v, const th_ast *ast, th_view name);
bool tc_uses_columns(const verb *v, const th_ast *ast);
cell tc_cell(checker *c, verb *v, const th_ast *ast);
/* Puts a constant into the spec too; `type` is what it stands beside (a literal adapts, null takes it). */
th_expr_ref tc_emit(checker *c, verb *v, cell *x, ty type);
ty tc_cell_type(checker *c, const cell *x); /* with null */
bool tc_column_type(checker *c, ty t, th_column_type *out);
ty tc_type_of_column(checker *c, const th_field *f);
cell tc_aggregate(checker *c, verb *v, const th_ast *ast, th_agg agg);

#endif
