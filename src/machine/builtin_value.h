/*
** builtin_value.h - builtins as function values, for libraries that hand them out by name.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_BUILTIN_VALUE_H
#define TH_BUILTIN_VALUE_H

#include "machine/dynamic.h"

/* A builtin of the engine, whose parameters and result are values, as a function value: static, it never moves. Each call makes
** another one, so the caller keeps it. E_ARGUMENT: not over values, or without parameters. */
th_status th_builtin_value_new(th_machine *machine, size_t builtin /* its place in the engine */,
                               th_value *out) TH_CHECKED;
/* The builtin that a function value is, or that a partial application applies; NULL: none. */
const th_builtin *th_builtin_of_value(const th_machine *machine, th_value fn);

#endif
