/*
** embed_table.c - tables of the program's own go in and out as Arrow streams, without a copy; a host function that has to
** wait suspends the run, which goes on when its answer is there.
** SPDX-License-Identifier: Apache-2.0
*/
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <theta.h>

/* ---- The Arrow C stream interface, as its specification gives it (an Arrow library has it in a header) --------- */

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

/* ---- The program's data: two columns in static memory, so that nothing has to be freed --------------------------- */

static const int64_t shop[] = {1, 2, 1, 3, 2, 1};
static const double amount[] = {10.0, 20.5, 5.25, 8.0, 1.5, 100.0};
static bool given; /* the stream has one batch */

static void release_schema(struct ArrowSchema *s) { s->release = NULL; }
static void release_array(struct ArrowArray *a) { a->release = NULL; }
static void release_stream(struct ArrowArrayStream *s) { s->release = NULL; }

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    static struct ArrowSchema columns[2];
    static struct ArrowSchema *children[2] = {&columns[0], &columns[1]};
    (void)stream;
    columns[0] = (struct ArrowSchema){.format = "l", .name = "shop", .release = release_schema};
    columns[1] = (struct ArrowSchema){.format = "g", .name = "amount", .release = release_schema};
    *out = (struct ArrowSchema){
        .format = "+s", .name = "", .n_children = 2, .children = children, .release = release_schema};
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    static const void *buffers[3][2] = {{NULL, shop}, {NULL, amount}, {NULL, NULL}};
    static struct ArrowArray columns[2];
    static struct ArrowArray *children[2] = {&columns[0], &columns[1]};
    (void)stream;
    memset(out, 0, sizeof *out);
    if (given) return 0; /* released: the end */
    given = true;
    for (int i = 0; i < 2; i++)
        columns[i] = (struct ArrowArray){.length = 6, .n_buffers = 2, .buffers = buffers[i], .release = release_array};
    *out = (struct ArrowArray){.length = 6,
                               .n_buffers = 1,
                               .n_children = 2,
                               .buffers = buffers[2],
                               .children = children,
                               .release = release_array};
    return 0;
}

static const char *no_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return NULL;
}

/* ---- A host function that cannot answer at once ------------------------------------------------------------------- */

static theta_step ask(theta_machine *machine, theta_call_frame *frame, void *user) {
    (void)machine, (void)frame, (void)user;
    return THETA_STEP_SUSPEND;
}

static const char report[] =
    "capsule Report {\n"
    "    struct Sale { shop<i64> amount<f64> }\n"
    "    Table totals(Table<Sale> sales) {\n"
    "        f64 least = Host.threshold('EUR')\n"
    "        return sales => where(amount >= least) => group(shop) => aggregate(total: sum(amount)) => sort(shop)\n"
    "    }\n"
    "}\n";

/* Runs what was started; whenever it waits for the host, the answer is given and it goes on. */
static theta_status run(theta_machine *machine, theta_value *result, theta_error *err) {
    size_t nargs;
    while (theta_run(machine) == THETA_SUSPENDED) {
        const char *currency;
        size_t len;
        theta_value arg;
        const char *name = theta_waiting(machine, &nargs);
        if (!name || theta_waiting_arg(machine, 0, &arg) != THETA_OK) break;
        if (theta_value_string(machine, arg, &currency, &len) != THETA_OK) break;
        printf("%s('%.*s') is asked for\n", name, (int)len, currency);
        theta_status status = theta_resume(machine, theta_float(8.0), err); /* here: from wherever it comes */
        if (status != THETA_OK) return status;
    }
    return theta_result(machine, result, err);
}

static int print_totals(struct ArrowArrayStream *stream) {
    for (;;) {
        struct ArrowArray batch = {0};
        if (stream->get_next(stream, &batch) != 0) {
            fprintf(stderr, "%s\n", stream->get_last_error(stream));
            return 1;
        }
        if (!batch.release) return 0;
        const int64_t *shops = batch.children[0]->buffers[1];
        const double *totals = batch.children[1]->buffers[1];
        for (int64_t i = 0; i < batch.length; i++)
            printf("shop %" PRId64 ": %.2f\n", shops[batch.children[0]->offset + i],
                   totals[batch.children[1]->offset + i]);
        batch.release(&batch);
    }
}

static theta_status totals(theta_machine *machine, struct ArrowArrayStream *out, theta_error *err) {
    struct ArrowArrayStream in = {get_schema, get_next, no_error, release_stream, NULL};
    theta_value sales, table;
    theta_status status = theta_table_import(machine, &in, &sales, err);
    if (status == THETA_OK) status = theta_start(machine, "Report.totals", &sales, 1, err);
    if (status == THETA_OK) status = run(machine, &table, err);
    return status == THETA_OK ? theta_table_export(machine, table, out, err) : status;
}

int main(void) {
    theta_engine *engine = NULL;
    theta_program *program = NULL;
    theta_machine *machine = NULL;
    theta_error err;
    struct ArrowArrayStream out = {0};
    const theta_host_function threshold = {.size = sizeof threshold,
                                           .name = "Host.threshold",
                                           .signature = "currency: String -> f64",
                                           .doc = "The least amount worth reporting.",
                                           .call = ask,
                                           .may_suspend = true};
    int status = 1;
    if (theta_engine_new(NULL, &engine, &err) == THETA_OK &&
        theta_engine_register(engine, &threshold, &err) == THETA_OK &&
        theta_compile(engine, "report.theta", report, strlen(report), NULL, &program, NULL, &err) == THETA_OK &&
        theta_machine_new(engine, NULL, &machine, &err) == THETA_OK &&
        theta_machine_add(machine, program, &err) == THETA_OK && totals(machine, &out, &err) == THETA_OK) {
        status = print_totals(&out);
        out.release(&out);
    } else {
        fprintf(stderr, "%s:%u:%u: %s\n", err.file, err.line, err.column, err.message);
    }
    theta_machine_free(machine);
    theta_program_release(program);
    theta_engine_free(engine);
    return status;
}
