/*
** header.cpp - theta.h is a C++ header too: it compiles without a warning, and its functions link as C.
** SPDX-License-Identifier: Apache-2.0
*/
#include <cstdio>
#include <theta.h>

int main() {
    theta_machine_config config;
    theta_machine_config_init(&config);
    theta_value value = theta_int(42);
    (void)value;
    bool same = theta_version() == THETA_VERSION && config.size == sizeof config && config.fuel == -1;
    std::printf("%d.%d.%d\n", THETA_VERSION_MAJOR, THETA_VERSION_MINOR, THETA_VERSION_PATCH);
    return same ? 0 : 1;
}
