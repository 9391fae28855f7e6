/*
** std.c - the prelude: library functions written in Theta itself (the .th files in std), embedded by the build.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include "theta_std.inc"

const th_std_file th_theta_std[] = {
#define STD(name) {#name, (const char *)std_##name, sizeof std_##name - 1},
    THETA_STD_FILES(STD)
#undef STD
};
const size_t th_theta_std_count = TH_COUNT(th_theta_std);
