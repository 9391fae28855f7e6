/*
** api_threads.c - threads that share one engine and one program, each with a machine of its own: compiling, running,
** builtins, tables, saved states; and cancelling a run from another thread. Made to be run under ThreadSanitizer too.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "theta.h"

enum { THREADS = 4, ROUNDS = 6 };

/* Seconds: the command promises 0.1; sanitizers, and other tests on the same machine, make everything slower. */
#define SOON 1.0

/* What all threads run, with a number of their own. */
static const char source[] =
    "capsule Work {\n"
    "    struct Row { id<i64> kind<String> price<f64> }\n"
    "    kinds = ['tea', 'cup', 'pot']\n"
    "    i64 fib(i64 n) { return if (n < 2) { n } else { fib(n - 1) + fib(n - 2) } }\n"
    "    String texts(i64 seed) {\n"
    "        String all = ''\n"
    "        Dict<i64> seen = {}\n"
    "        for (i in 0..200) {\n"
    "            word = Regex.replace('word-${(i * seed) % 17}', '[0-9]', 'n')\n"
    "            seen[word] = (seen[word] ?? 0) + 1\n"
    "            all = all + String.upper(word)\n"
    "        }\n"
    "        return Json.text(seen) + ' ' + String(len(all))\n"
    "    }\n"
    "    i64 sorted(i64 seed) {\n"
    "        xs = List.range(0, 2000) => map(i -> (i * seed * 7919) % 1009)\n"
    "        return List.sorted(xs)[1000]\n"
    "    }\n"
    "    String table(i64 seed) {\n"
    "        rows = List.range(0, 500) => map(i -> @Row { id: i, kind: kinds[i % 3], price: f64(i * seed) })\n"
    "        sums = Table.of(rows) => where(id >= 3) => derive(half: price / 2.0) => group(kind) => aggregate(total: "
    "sum(half)) => sort(kind)\n"
    "        return String(sums => column(total))\n"
    "    }\n"
    "    String file(String path, i64 seed) {\n"
    "        t<Table<Row>> = Csv.read(path)\n"
    "        return String(t => where(id % 7 == seed) => len())\n"
    "    }\n"
    "    void forever() { i64 n = 0; while (true) { n += 1 } }\n"
    "    String all(i64 seed, String path) {\n"
    "        return '${fib(15)} ${texts(seed)} ${sorted(seed)} ${table(seed)} ${file(path, seed)}'\n"
    "    }\n"
    "}\n";

/* A thread's own program: of another text each, so that nothing is told apart by luck. */
static const char own_source[] =
    "capsule Own%d { f = (n<i64>) -> n * %d + List.sum(List.map([1, 2, 3], x -> x * n)) }\n";

static char data_path[64];

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        theta_status status_ = (call);                                                                                 \
        if (status_ != THETA_OK) {                                                                                     \
            fprintf(stderr, "line %d: status %d: %s\n", __LINE__, (int)status_, err.message);                          \
            return NULL;                                                                                               \
        }                                                                                                              \
    } while (0)

typedef struct worker {
    theta_engine *engine;
    theta_program *program; /* shared */
    int number;
    char text[256];
    bool done;
} worker;

static theta_machine *open_machine(theta_engine *engine, theta_program *program) {
    theta_machine_config config;
    theta_machine *machine = NULL;
    theta_machine_config_init(&config);
    config.allow = THETA_ALLOW_FS;
    config.resumable = true;
    if (theta_machine_new(engine, &config, &machine, NULL) != THETA_OK) return NULL;
    if (theta_machine_add(machine, program, NULL) == THETA_OK) return machine;
    theta_machine_free(machine);
    return NULL;
}

/* Compiles, runs, and takes apart again, as a server would for each request. */
static const char *own_program(worker *w) {
    theta_error err = {0};
    char text[256];
    theta_program *program;
    theta_value arg = theta_int(10), result;
    int64_t number;
    int len = snprintf(text, sizeof text, own_source, w->number, w->number + 100);
    MUST(theta_compile(w->engine, "own.theta", text, (size_t)len, NULL, &program, NULL, &err));
    theta_machine *machine = open_machine(w->engine, program);
    theta_program_release(program);
    if (!machine) return NULL;
    MUST(theta_call(machine, "f", &arg, 1, &result, &err));
    MUST(theta_value_int(machine, result, &number));
    theta_machine_free(machine);
    return number == 10 * (w->number + 100) + 60 ? "" : NULL;
}

static const char *shared_program(worker *w, char *text, size_t room) {
    theta_error err = {0};
    theta_value args[2] = {theta_int(w->number + 2)}, result;
    const char *bytes;
    size_t len;
    theta_machine *machine = open_machine(w->engine, w->program);
    if (!machine) return NULL;
    MUST(theta_string(machine, data_path, strlen(data_path), &args[1]));
    MUST(theta_call(machine, "all", args, 2, &result, &err));
    MUST(theta_value_string(machine, result, &bytes, &len));
    snprintf(text, room, "%s", bytes);
    theta_machine_free(machine);
    return "";
}

/* Interrupted, saved, and gone on with in another machine. */
static const char *moved_run(worker *w) {
    theta_error err = {0};
    theta_value arg = theta_int(15), result;
    theta_text state = {0};
    int64_t number;
    theta_machine *machine = open_machine(w->engine, w->program), *other;
    if (!machine) return NULL;
    MUST(theta_start(machine, "fib", &arg, 1, &err));
    theta_machine_interrupt(machine);
    if (theta_run(machine) != THETA_SUSPENDED) return NULL;
    MUST(theta_save(machine, &state, &err));
    theta_machine_free(machine);
    theta_machine_config config;
    theta_machine_config_init(&config);
    MUST(theta_machine_new(w->engine, &config, &other, &err));
    MUST(theta_restore(other, state.data, state.len, &err));
    theta_text_free(&state);
    if (theta_run(other) != THETA_DONE) return NULL;
    MUST(theta_result(other, &result, &err));
    MUST(theta_value_int(other, result, &number));
    theta_machine_free(other);
    return number == 610 ? "" : NULL;
}

static void *work(void *argument) {
    worker *w = argument;
    for (int round = 0; round < ROUNDS; round++) {
        char text[sizeof w->text];
        if (!own_program(w) || !shared_program(w, text, sizeof text) || !moved_run(w)) return NULL;
        if (round > 0 && strcmp(text, w->text) != 0) return NULL;
        memcpy(w->text, text, sizeof text);
    }
    w->done = true;
    return NULL;
}

/* Each worker on a thread of its own, until all are done. */
static void run_threads(worker workers[THREADS], void *(*body)(void *)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, body, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) assert_true(workers[i].done);
}

static void open_engine(theta_engine **engine, theta_program **program) {
    theta_error err = {0};
    assert_int_equal(theta_engine_new(NULL, engine, &err), THETA_OK);
    theta_status status = theta_compile(*engine, "work.theta", source, strlen(source), NULL, program, NULL, &err);
    if (status != THETA_OK) fail_msg("%u:%u %s", err.line, err.column, err.message);
}

static void threads_share_an_engine_and_a_program(void **state) {
    (void)state;
    theta_engine *engine;
    theta_program *program;
    worker workers[THREADS];
    open_engine(&engine, &program);
    size_t held = theta_engine_memory_used(engine);
    for (int i = 0; i < THREADS; i++) workers[i] = (worker){.engine = engine, .program = program, .number = i};
    run_threads(workers, work);
    for (int i = 0; i < THREADS; i++) {
        char alone[sizeof workers[i].text];
        assert_non_null(shared_program(&workers[i], alone, sizeof alone));
        assert_string_equal(workers[i].text, alone); /* as when nobody else ran */
    }
    assert_string_equal(workers[1].text,
                        "610 {\"word-n\": 118, \"word-nn\": 82} 1282 505 [62623.5, 62122.5, 62374.5] 429");
    assert_int_equal(theta_engine_memory_used(engine), held);
    theta_program_release(program);
    theta_engine_free(engine);
}

/* ---- The last one to leave ---------------------------------------------------------------------------------- */

static void *use_and_release(void *argument) {
    worker *w = argument;
    theta_value arg = theta_int(10), result;
    int64_t number = 0;
    theta_machine *machine = open_machine(w->engine, w->program);
    theta_program_release(w->program); /* the machine shares it now */
    if (!machine) return NULL;
    w->done = theta_call(machine, "fib", &arg, 1, &result, NULL) == THETA_OK &&
              theta_value_int(machine, result, &number) == THETA_OK && number == 55;
    theta_machine_free(machine);
    return NULL;
}

static void whoever_releases_a_program_last_frees_it(void **state) {
    (void)state;
    theta_engine *engine;
    theta_program *program;
    worker workers[THREADS];
    open_engine(&engine, &program);
    for (int i = 0; i < THREADS; i++) workers[i] = (worker){.engine = engine, .program = theta_program_retain(program)};
    theta_program_release(program);
    run_threads(workers, use_and_release);
    theta_engine_free(engine);
}

/* ---- One budget --------------------------------------------------------------------------------------------- */

static void *eat(void *argument) {
    worker *w = argument;
    theta_value arg = theta_int(9), result;
    theta_machine *machine = open_machine(w->engine, w->program);
    theta_status status =
        machine ? theta_call(machine, "eat", NULL, 0, NULL, NULL) : THETA_E_NOMEM; /* until the engine says no */
    w->done = status == THETA_E_NOMEM || status == THETA_E_MEMORY_LIMIT;
    /* The machine is usable when the others have let go. */
    while (w->done && machine && theta_call(machine, "fib", &arg, 1, &result, NULL) != THETA_OK) usleep(1000);
    theta_machine_free(machine);
    return NULL;
}

static void an_engine_s_budget_holds_over_all_threads(void **state) {
    (void)state;
    static const char text[] =
        "capsule Eat {\n"
        "    i64 fib(i64 n) { return if (n < 2) { n } else { fib(n - 1) + fib(n - 2) } }\n"
        "    void eat() { List<String> xs = ['x']; while (true) { push(xs, String.repeat('x', 10000)) } }\n"
        "}\n";
    theta_engine_config config;
    theta_engine *engine;
    theta_program *program;
    theta_error err;
    worker workers[THREADS];
    theta_engine_config_init(&config);
    config.memory_bytes = 24u << 20;
    assert_int_equal(theta_engine_new(&config, &engine, &err), THETA_OK);
    assert_int_equal(theta_compile(engine, "eat.theta", text, strlen(text), NULL, &program, NULL, &err), THETA_OK);
    size_t held = theta_engine_memory_used(engine);
    for (int i = 0; i < THREADS; i++) workers[i] = (worker){.engine = engine, .program = program};
    run_threads(workers, eat);
    assert_int_equal(theta_engine_memory_used(engine), held);
    theta_program_release(program);
    theta_engine_free(engine);
}

/* ---- Cancelling from another thread ------------------------------------------------------------------------- */

typedef struct canceller {
    theta_machine *machine;
    _Atomic bool running;
    struct timespec at;
} canceller;

static void *cancel_soon(void *argument) {
    canceller *c = argument;
    while (!atomic_load(&c->running)) usleep(100);
    usleep(50000);
    clock_gettime(CLOCK_MONOTONIC, &c->at);
    theta_machine_cancel(c->machine);
    return NULL;
}

static double seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

/* Work that would take very long, in loops and inside builtins. Limits of memory do not come first. */
static const struct {
    const char *what, *body;
} endless[] = {
    {"a loop", "i64 n = 0; while (true) { n += 1 }"},
    {"calls", "i64 f(i64 n) { return if (n < 2) { n } else { f(n - 1) + f(n - 2) } }; print(f(90))"},
    {"sorting",
     "xs = List.map(List.range(0, 2000000), i -> (i * 7919) % 1000003); while (true) { ys = List.sorted(xs) }"},
    {"a regular expression",
     "s = String.repeat('a', 3000000); while (true) { if (Regex.matches(s, '(a*)*(a|aa)+(a*)*b')) { print('?') } }"},
    {"a table", "rows = List.map(List.range(0, 200000), i -> @Row { id: i % 1000, price: f64(i) });"
                "print(Table.of(rows) => join(Table.of(rows), id) => group(id) => aggregate(n: count()) => len())"},
    {"text", "String s = ''; while (true) { s = String.upper(String.repeat('x', 1000000)) }"},
};

static void cancelling_from_another_thread_ends_every_kind_of_work_soon(void **state) {
    (void)state;
    theta_engine *engine;
    theta_error err = {0};
    assert_int_equal(theta_engine_new(NULL, &engine, &err), THETA_OK);
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        char text[1024];
        theta_program *program;
        canceller c = {.machine = NULL};
        pthread_t thread;
        snprintf(text, sizeof text, "capsule E {\nstruct Row { id<i64> price<f64> }\nvoid main() {\n%s\n}\n}\n",
                 endless[i].body);
        theta_status status = theta_compile(engine, "e.theta", text, strlen(text), NULL, &program, NULL, &err);
        if (status != THETA_OK) fail_msg("%s: %u:%u %s", endless[i].what, err.line, err.column, err.message);
        c.machine = open_machine(engine, program);
        assert_non_null(c.machine);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &c), 0);
        atomic_store(&c.running, true);
        status = theta_call(c.machine, "main", NULL, 0, NULL, &err);
        assert_int_equal(pthread_join(thread, NULL), 0);
        double took = seconds_since(&c.at);
        if (status != THETA_E_CANCELLED) fail_msg("%s: status %d, %s", endless[i].what, (int)status, err.message);
        if (took > SOON) fail_msg("%s: ended %.3f s after it was cancelled", endless[i].what, took);
        /* It holds until it is cleared; then the machine works again. */
        assert_int_equal(theta_call(c.machine, "main", NULL, 0, NULL, &err), THETA_E_CANCELLED);
        theta_machine_free(c.machine);
        theta_program_release(program);
    }
    theta_engine_free(engine);
}

static int make_data(void **state) {
    (void)state;
    snprintf(data_path, sizeof data_path, "/tmp/theta_threads_XXXXXX");
    int fd = mkstemp(data_path);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!f) return 1;
    fputs("id,kind,price\n", f);
    for (int i = 0; i < 3000; i++) fprintf(f, "%d,\"name, of %d\",%d.5\n", i, i % 7, i);
    return fclose(f);
}

static int drop_data(void **state) {
    (void)state;
    return remove(data_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_an_engine_and_a_program),
        cmocka_unit_test(whoever_releases_a_program_last_frees_it),
        cmocka_unit_test(an_engine_s_budget_holds_over_all_threads),
        cmocka_unit_test(cancelling_from_another_thread_ends_every_kind_of_work_soon),
    };
    return cmocka_run_group_tests(tests, make_data, drop_data);
}
