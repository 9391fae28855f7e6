/*
** flat_numbers.c - the numbers in the schemas are those of the tables and enums they stand for.
** Mostly settled while compiling; what the program itself checks is that the schemas name nothing beyond them.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "flow/flow.h"
#include "program/types.h"

#include "flow_flat.h"
#include "state_flat.h"
#include "table_flat.h"
#include "types_flat.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " and " #b " differ")

#define TH_KIND(name, number, cls, text, bytes) SAME(theta_types_Kind_##name, number);
#include "program/types.def"
#undef TH_KIND

#define X(name, number, bytes, format) SAME(theta_table_ColumnType_##name, number);
TH_COLUMN_TYPES(X)
#undef X

/* clang-format off */
#define VERBS(X)                                                                                                       \
    X(READ_CSV) X(READ_ARROW) X(ROWS) X(WHERE) X(DERIVE) X(SELECT) X(DROP) X(RENAME) X(AGGREGATE) X(SORT) X(TAKE)      \
    X(SKIP) X(DISTINCT) X(JOIN) X(UNION)
#define OPS(X)                                                                                                         \
    X(COLUMN) X(LITERAL) X(PARAM) X(NEG) X(NOT) X(BNOT) X(ADD) X(SUB) X(MUL) X(DIV) X(REM) X(POW) X(BAND) X(BOR)       \
    X(BXOR) X(SHL) X(SHR) X(EQ) X(NE) X(LT) X(LE) X(GT) X(GE) X(AND) X(OR) X(IF) X(IS_NULL) X(COALESCE) X(CAST)        \
    X(CALL) X(AGG)
#define AGGS(X)                                                                                                        \
    X(COUNT) X(SUM) X(MEAN) X(MIN) X(MAX) X(FIRST) X(LAST) X(COUNT_DISTINCT) X(STDDEV) X(VARIANCE) X(MEDIAN) X(ANY)    \
    X(ALL)
#define RUN_STATES(X) X(IDLE) X(READY) X(DONE) X(FAILED) X(SUSPENDED)
/* clang-format on */

#define X(name) SAME(theta_flow_Verb_##name, TH_VERB_##name);
VERBS(X)
#undef X
#define X(name) SAME(theta_flow_Op_##name, TH_EXPR_##name);
OPS(X)
#undef X
#define X(name) SAME(theta_flow_Agg_##name, TH_AGG_##name);
AGGS(X)
#undef X
#define X(name) SAME(theta_state_RunState_##name, TH_RUN_##name);
RUN_STATES(X)
#undef X
SAME(theta_flow_Join_INNER, TH_JOIN_INNER);
SAME(theta_flow_Join_LEFT, TH_JOIN_LEFT);
SAME(theta_flow_BadCell_ERROR, TH_BAD_ERROR);
SAME(theta_flow_BadCell_NULL, TH_BAD_NULL);
SAME(theta_flow_BadCell_SKIP, TH_BAD_SKIP);

static const th_flat_enum_info *find_enum(const th_flat_schema *schema, const char *name) {
    for (uint16_t i = 0; i < schema->nenums; i++) {
        if (strcmp(schema->enums[i].name, name) == 0) return &schema->enums[i];
    }
    fail_msg("no enum %s", name);
    return NULL;
}

#define ONE(name) +1
static void schemas_name_no_more_values_than_the_code_has(void **state) {
    (void)state;
    assert_int_equal(find_enum(&theta_types_schema, "theta.types.Kind")->nvalues, TH_KIND_COUNT);
    assert_int_equal(find_enum(&theta_table_schema, "theta.table.ColumnType")->nvalues, TH_COLUMN_TYPE_COUNT);
    assert_int_equal(find_enum(&theta_flow_schema, "theta.flow.Verb")->nvalues, 0 VERBS(ONE));
    assert_int_equal(find_enum(&theta_flow_schema, "theta.flow.Op")->nvalues, 0 OPS(ONE));
    assert_int_equal(find_enum(&theta_flow_schema, "theta.flow.Agg")->nvalues, 0 AGGS(ONE));
    assert_int_equal(find_enum(&theta_state_schema, "theta.state.RunState")->nvalues, 0 RUN_STATES(ONE));
}

static void every_kept_file_has_its_own_identifier(void **state) {
    (void)state;
    assert_string_equal(theta_types_schema.ident, "THTY");
    assert_string_equal(theta_table_schema.ident, "THTB");
    assert_string_equal(theta_flow_schema.ident, "THFL");
    assert_string_equal(theta_state_schema.ident, "THST");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_name_no_more_values_than_the_code_has),
        cmocka_unit_test(every_kept_file_has_its_own_identifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
