/*
** check_table.c - table verbs.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

bool tc_is_verb(th_view name) {
    (void)name;
    return false;
}

th_tir *tc_verb(checker *c, const th_ast *ast, th_view name, th_tir *table, arg *args, uint32_t nargs) {
    (void)name, (void)table, (void)args, (void)nargs;
    return tc_bad(c, ast);
}

th_tir *tc_reader(checker *c, const th_ast *ast, th_view name, arg *args, uint32_t nargs, ty want) {
    (void)name, (void)want, (void)args, (void)nargs;
    return tc_bad(c, ast);
}
