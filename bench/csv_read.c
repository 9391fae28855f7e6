/*
** csv_read.c - how fast the CSV reader reads: writes a file of ten columns of mixed types (or takes yours), reads it
** with all columns and with three, sums a column, and prints megabytes a second, by the clock and of processor time.
** Usage: csv_read [FILE | MEGABYTES]
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "table/table.h"

static uint64_t state = 88172645463325252u;
static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void write_file(FILE *f, size_t bytes) {
    static const char *const cities[] = {"Berlin", "Paris", "New York", "Sao Paulo", "Tokyo", "Reykjavik", "Lagos"};
    static const char *const words[] = {"card", "cash", "voucher", "\"bank, transfer\""};
    fputs("id,city,fare,km,passengers,paid_by,tip,day,picked_up,shared\n", f);
    for (size_t i = 0; (size_t)ftell(f) < bytes; i++) {
        uint64_t a = draw(), b = draw();
        fprintf(f, "%zu,%s,%u.%02u,%.3f,%u,%s,", i, cities[a % 7], (unsigned)(a >> 8) % 200, (unsigned)(a >> 16) % 100,
                (double)(b % 50000) / 1000, (unsigned)(a >> 24) % 6, words[(a >> 28) % 4]);
        if (a >> 32 & 3) fprintf(f, "%u.%u", (unsigned)(b >> 20) % 20, (unsigned)(b >> 30) % 10);
        fprintf(f, ",2024-%02u-%02u,2024-%02u-%02u %02u:%02u:%02u,%s\n", (unsigned)(b % 12) + 1, (unsigned)(a % 28) + 1,
                (unsigned)(b % 12) + 1, (unsigned)(a % 28) + 1, (unsigned)(b >> 5) % 24, (unsigned)(b >> 10) % 60,
                (unsigned)(b >> 16) % 60, b >> 40 & 1 ? "true" : "false");
    }
}

static double sum_column(const th_column *c) {
    double sum = 0;
    const double *x = TH_COLUMN_AT(c, double);
    for (size_t i = 0; i < c->len; i++) sum += x[i];
    return sum;
}

static int run(const char *what, const char *path, const th_csv_options *options, size_t bytes) {
    th_mem mem;
    th_error err;
    th_stream *in;
    double sum = 0;
    size_t rows = 0;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    int64_t start = th_clock_monotonic_ns();
    clock_t cpu = clock();
    if (th_csv_open(&mem, path, options, &in, &err) != TH_OK) return fprintf(stderr, "%s\n", err.message), 1;
    for (;;) {
        th_batch *batch;
        if (in->next(in, &batch, &err) != TH_OK) return fprintf(stderr, "%u: %s\n", err.span.line, err.message), 1;
        if (!batch) break;
        rows += batch->nrows;
        for (size_t i = 0; i < in->schema->nfields; i++)
            if (in->schema->fields[i].type == TH_COLUMN_F64) sum += sum_column(&batch->columns[i]);
        th_batch_release(batch);
    }
    in->close(in);
    double seconds = (double)(th_clock_monotonic_ns() - start) / 1e9;
    double busy = (double)(clock() - cpu) / CLOCKS_PER_SEC; /* tells what a busy machine would hide */
    printf("%-14s %9zu rows  %7.3f s  %7.1f MB/s (%7.1f MB/s of processor time)  peak %.1f MiB  (sum %.2f)\n", what,
           rows, seconds, (double)bytes / 1e6 / seconds, (double)bytes / 1e6 / busy, (double)mem.peak_bytes / 1048576,
           sum);
    return 0;
}

int main(int argc, char **argv) {
    size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
    char made[] = "/tmp/theta_bench_XXXXXX";
    const char *path = argc > 1 && !megabytes ? argv[1] : made;
    if (path == made) {
        int fd = mkstemp(made);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
        if (!f) return perror("csv_read"), 1;
        write_file(f, megabytes * 1000000);
        if (fclose(f) != 0) return perror("csv_read"), 1;
    }
    struct stat info;
    if (stat(path, &info) != 0) return perror(path), 1;
    th_field three[] = {{"city", TH_COLUMN_STRING, true}, {"fare", TH_COLUMN_F64, true}, {"km", TH_COLUMN_F64, true}};
    th_csv_options few = {.declared = three, .ndeclared = 3, .only_declared = true}, all = {0};
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++) {
        failed = run("all columns", path, &all, (size_t)info.st_size);
        if (!failed && path == made) failed = run("three columns", path, &few, (size_t)info.st_size);
    }
    if (path == made) unlink(made);
    return failed;
}
