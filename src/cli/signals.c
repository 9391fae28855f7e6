/*
** signals.c - signals that reach a run: Ctrl-C and termination, and the profile's clock.
** The handlers do nothing but what theta.h allows in them: raise a flag of the machine.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

static _Atomic(theta_machine *) watched, sampled;
static volatile sig_atomic_t seen, suspends, sample_due;

static void on_stop(int number) {
    theta_machine *machine = atomic_load(&watched);
    seen = number;
    if (!machine) return;
    if (suspends)
        theta_machine_interrupt(machine);
    else
        theta_machine_cancel(machine);
}

static void on_sample(int number) {
    theta_machine *machine = atomic_load(&sampled);
    (void)number;
    if (!machine) return;
    sample_due = 1;
    theta_machine_interrupt(machine);
}

void signals_watch(theta_machine *machine, bool suspend) {
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND}; /* the second one kills */
    if (machine) seen = 0;
    suspends = suspend;
    atomic_store(&watched, machine);
    sigemptyset(&action.sa_mask);
    if (!machine) action.sa_handler = SIG_DFL;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void signals_ignore_pipe(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
}

int signals_seen(void) { return seen; }

void signals_forget(void) { seen = 0; }

void signals_sample(theta_machine *machine) {
    struct itimerval each = {{0, machine ? 1000 : 0}, {0, machine ? 1000 : 0}};
    struct sigaction action = {.sa_handler = machine ? on_sample : SIG_IGN, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    atomic_store(&sampled, machine);
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &each, NULL);
}

bool signals_sampled(void) {
    bool due = sample_due;
    sample_due = 0;
    return due;
}
