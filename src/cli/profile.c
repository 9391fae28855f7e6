/*
** profile.c - where a run's time went: totals, and how often each function was the innermost when the clock ticked.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FUNCTIONS 512

typedef struct sample {
    char name[96];
    uint64_t count;
} sample;

struct profile {
    double began, compiled;
    size_t nfunctions;
    uint64_t samples;
    sample functions[MAX_FUNCTIONS];
};

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

profile *profile_new(void) {
    profile *p = calloc(1, sizeof *p);
    if (p) p->began = p->compiled = clock_seconds();
    return p;
}

void profile_free(profile *p) { free(p); }

void profile_compiled(profile *p) {
    if (p) p->compiled = clock_seconds();
}

static void count(profile *p, const char *name, size_t len) {
    p->samples++;
    if (len >= sizeof p->functions->name) len = sizeof p->functions->name - 1;
    size_t i = 0;
    while (i < p->nfunctions && (strncmp(p->functions[i].name, name, len) != 0 || p->functions[i].name[len])) i++;
    if (i == MAX_FUNCTIONS) return;
    if (i == p->nfunctions) memcpy(p->functions[p->nfunctions++].name, name, len);
    p->functions[i].count++;
}

/* The first line of a trace is "  at NAME (FILE:LINE:COLUMN)" or "  in NAME". */
void profile_sample(profile *p, const theta_machine *machine) {
    theta_text trace;
    if (theta_machine_trace(machine, &trace) != THETA_OK) return;
    const char *name = trace.data + strspn(trace.data, " ");
    if (strncmp(name, "at ", 3) == 0 || strncmp(name, "in ", 3) == 0) name += 3;
    size_t len = strcspn(name, "\n");
    const char *place = strstr(name, " (");
    if (place && (size_t)(place - name) < len) len = (size_t)(place - name);
    if (len > 0) count(p, name, len);
    theta_text_free(&trace);
}

static int by_count(const void *a, const void *b) {
    const sample *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->name, y->name);
}

void profile_report(profile *p, const theta_machine *machine) {
    double ran = clock_seconds() - p->compiled;
    int64_t fuel = theta_machine_fuel_used(machine);
    fprintf(stderr, "profile: compiled in %.1f ms, ran %.1f ms, %lld instructions (%.0f million a second), ",
            (p->compiled - p->began) * 1e3, ran * 1e3, (long long)fuel, ran > 0 ? (double)fuel / ran / 1e6 : 0.0);
    fprintf(stderr, "%.1f MiB at most\n", (double)theta_machine_memory_peak(machine) / (1 << 20));
    qsort(p->functions, p->nfunctions, sizeof *p->functions, by_count);
    for (size_t i = 0; i < p->nfunctions && i < 20; i++)
        fprintf(stderr, "%7.1f %%  %s\n", 100.0 * (double)p->functions[i].count / (double)p->samples,
                p->functions[i].name);
}
