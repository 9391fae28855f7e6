/*
** lib_random.c - Random: generators with a seed. The same seed gives the same numbers everywhere: xoshiro256** (Blackman
** and Vigna, 2018), seeded by splitmix64. A generator is an object that changes with each use; snapshots keep its state.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <math.h>

typedef struct generator {
    th_mem *mem;
    uint64_t state[4];
} generator;

static void release(void *pointer) {
    generator *g = pointer;
    th_mem_free(g->mem, g, sizeof *g);
}

static th_status save(th_machine *m, void *pointer, th_buf *out, th_error *err) {
    (void)m;
    (void)err;
    th_buf_put(out, ((generator *)pointer)->state, sizeof((generator *)pointer)->state);
    return th_buf_status(out);
}

static th_status restore(th_machine *m, const void *bytes, size_t len, void **pointer, th_error *err) {
    generator *g = NULL;
    uint64_t state[4];
    if (len == sizeof state) memcpy(state, bytes, len);
    if (len != sizeof state || (state[0] | state[1] | state[2] | state[3]) == 0)
        return th_fail(err, TH_E_FORMAT, "the saved state of a random generator is malformed");
    g = th_mem_new(th_machine_mem(m), sizeof *g);
    if (!g) return th_fail(err, TH_E_NOMEM, "out of memory");
    g->mem = th_machine_mem(m);
    memcpy(g->state, state, sizeof state);
    *pointer = g;
    return TH_OK;
}

const th_native_class th_random_class = {"theta.random", release, save, restore};

/* ---- The generator ------------------------------------------------------------------------------------------ */

static uint64_t rotate(uint64_t x, unsigned k) { return x << k | x >> (64 - k); }

static uint64_t next(generator *g) {
    uint64_t *s = g->state, result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

static uint64_t splitmix(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A number below n, each equally likely; n 0 means 2^64. */
static uint64_t below(generator *g, uint64_t n) {
    if (n == 0) return next(g);
    unsigned __int128 product = (unsigned __int128)next(g) * n;
    if ((uint64_t)product < n) {
        uint64_t least = (0 - n) % n;
        while ((uint64_t)product < least) product = (unsigned __int128)next(g) * n;
    }
    return (uint64_t)(product >> 64);
}

/* From 0 up to, not including, 1: 53 random bits. */
static double uniform(generator *g) { return (double)(next(g) >> 11) * 0x1p-53; }

/* Standard normal, by the polar method. */
static double normal(generator *g) {
    for (;;) {
        double u = 2 * uniform(g) - 1, v = 2 * uniform(g) - 1, s = u * u + v * v;
        if (s > 0 && s < 1) return u * sqrt(-2 * log(s) / s);
    }
}

/* The generator that argument i is. */
static generator *arg_generator(const th_call *call, size_t i) {
    return ((th_native *)th_word_ptr(call->args[i]))->pointer;
}

static th_step make(th_machine *m, th_call *call, uint64_t seed) {
    generator *g = th_mem_new(th_machine_mem(m), sizeof *g);
    if (!g) return th_trap_memory(m);
    g->mem = th_machine_mem(m);
    for (size_t i = 0; i < 4; i++) g->state[i] = splitmix(&seed);
    return done_ptr(call, th_new_native(m, result_type(m, call), &th_random_class, g));
}

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

static th_step random_new(th_machine *m, th_call *call) {
    CHARGE(m, 32);
    return make(m, call, call->args[0]);
}

static th_step random_split(th_machine *m, th_call *call) {
    CHARGE(m, 32);
    return make(m, call, next(arg_generator(call, 0)));
}

static th_step random_next(th_machine *m, th_call *call) {
    (void)m;
    return done(call, next(arg_generator(call, 0)));
}

static th_step random_integer(th_machine *m, th_call *call) {
    int64_t from = arg_i64(call, 1), to = arg_i64(call, 2);
    if (from >= to)
        return th_machine_trap(m, TH_E_ARGUMENT, "there is no number from %lld up to %lld", (long long)from,
                               (long long)to);
    return done(call, (uint64_t)from + below(arg_generator(call, 0), (uint64_t)to - (uint64_t)from));
}

static th_step random_uniform(th_machine *m, th_call *call) {
    (void)m;
    return done_f64(call, uniform(arg_generator(call, 0)));
}

static th_step random_uniform_range(th_machine *m, th_call *call) {
    double from = arg_f64(call, 1), to = arg_f64(call, 2);
    if (!(from <= to) || to - from - (to - from) != 0)
        return th_machine_trap(m, TH_E_ARGUMENT, "there is no number from %g up to %g", from, to);
    return done_f64(call, from + (to - from) * uniform(arg_generator(call, 0)));
}

static th_step random_chance(th_machine *m, th_call *call) {
    (void)m;
    return done(call, uniform(arg_generator(call, 0)) < arg_f64(call, 1));
}

static th_step random_normal(th_machine *m, th_call *call) {
    CHARGE(m, 16);
    return done_f64(call, normal(arg_generator(call, 0)));
}

static th_step random_normal_of(th_machine *m, th_call *call) {
    CHARGE(m, 16);
    if (!(arg_f64(call, 2) >= 0))
        return th_machine_trap(m, TH_E_ARGUMENT, "a standard deviation of %g", arg_f64(call, 2));
    return done_f64(call, arg_f64(call, 1) + arg_f64(call, 2) * normal(arg_generator(call, 0)));
}

static th_step random_exponential(th_machine *m, th_call *call) {
    CHARGE(m, 16);
    if (!(arg_f64(call, 1) > 0)) return th_machine_trap(m, TH_E_ARGUMENT, "a rate of %g", arg_f64(call, 1));
    return done_f64(call, -log1p(-uniform(arg_generator(call, 0))) / arg_f64(call, 1));
}

static const th_type *element_of(th_machine *m, const th_call *call) {
    return type_of(m, type_arg(m, param_type(m, call, 0), 0));
}

/* Brings `count` elements, chosen at random, to the front, in random order. */
static void shuffle(generator *g, th_list *list, const th_type *element, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t j = i + below(g, list->len - i);
        uint64_t word = list_load(list, element, i);
        list_store(list, element, i, list_load(list, element, j));
        list_store(list, element, j, word);
    }
}

static th_step random_shuffle(th_machine *m, th_call *call) {
    th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len * 2);
    shuffle(arg_generator(call, 1), list, element_of(m, call), list->len);
    th_list_written(m, list);
    return done(call, 0);
}

/* A shuffled copy, cut at `count`. */
static th_step done_shuffled(th_machine *m, th_call *call, generator *g, size_t count) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len / 4 + count * 2);
    th_list *copy = th_lib_new_list(m, result_type(m, call), list->len);
    if (!copy) return TH_STEP_ERROR;
    th_lib_list_copy(m, copy, 0, list, 0, list->len);
    shuffle(g, copy, element_of(m, call), count);
    copy->len = count;
    th_list_written(m, copy);
    return done_ptr(call, copy);
}

static th_step random_shuffled(th_machine *m, th_call *call) {
    return done_shuffled(m, call, arg_generator(call, 1), arg_list(call, 0)->len);
}

static th_step random_sample(th_machine *m, th_call *call) {
    int64_t count = arg_i64(call, 1);
    size_t len = arg_list(call, 0)->len;
    if (count < 0 || (uint64_t)count > len)
        return th_machine_trap(m, TH_E_ARGUMENT, "%lld elements of a list of %zu", (long long)count, len);
    return done_shuffled(m, call, arg_generator(call, 2), (size_t)count);
}

static th_step random_choice(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    if (list->len == 0) return done_null(call);
    size_t i = below(arg_generator(call, 1), list->len);
    return th_lib_done_some(m, call, type_arg(m, param_type(m, call, 0), 0), list_load(list, element_of(m, call), i));
}

#define KEEPS TH_BUILTIN_RETAINS

const th_builtin th_lib_random[] = {
    {"Random.new", "seed: i64 -> Random",
     "A generator; the same seed gives the same numbers everywhere.\ne.g. r = Random.new(42)", random_new, 0, 0, NULL},
    {"Random.split", "random: Random -> Random",
     "A further generator whose numbers have nothing to do with those of the first.\ne.g. s = Random.split(r)",
     random_split, 0, 0, NULL},
    {"Random.next", "random: Random -> i64",
     "Any i64, each equally likely.\ne.g. Random.next(Random.new(7)) == Random.next(Random.new(7))", random_next, 0, 0,
     NULL},
    {"Random.integer", "random: Random, from: i64, to: i64 -> i64",
     "A whole number from one up to, not including, another.\ne.g. Random.integer(Random.new(1), 5, 6) == 5",
     random_integer, 0, 0, NULL},
    {"Random.uniform", "random: Random -> f64",
     "A number from 0 up to, not including, 1.\ne.g. Random.uniform(Random.new(1)) < 1.0", random_uniform, 0, 0, NULL},
    {"Random.uniform", "random: Random, from: f64, to: f64 -> f64",
     "A number from one up to another.\ne.g. Random.uniform(r, -1.0, 1.0)", random_uniform_range, 0, 0, NULL},
    {"Random.chance", "random: Random, probability: f64 -> bool",
     "true with a probability.\ne.g. Random.chance(Random.new(1), 1.0) == true", random_chance, 0, 0, NULL},
    {"Random.normal", "random: Random -> f64", "A number of the standard normal distribution.\ne.g. Random.normal(r)",
     random_normal, 0, 0, NULL},
    {"Random.normal", "random: Random, mean: f64, deviation: f64 -> f64",
     "A number of a normal distribution.\ne.g. Random.normal(r, 100.0, 15.0)", random_normal_of, 0, 0, NULL},
    {"Random.exponential", "random: Random, rate: f64 -> f64",
     "A number of an exponential distribution.\ne.g. Random.exponential(r, 2.0)", random_exponential, 0, 0, NULL},
    {"Random.shuffle", "list: List<T>, random: Random -> void",
     "Puts the elements in random order, in place.\ne.g. Random.shuffle(xs, r)", random_shuffle,
     TH_BUILTIN_MUTATES | KEEPS, 0, NULL},
    {"Random.shuffled", "list: List<T>, random: Random -> List<T>",
     "A copy in random order.\ne.g. len(Random.shuffled([1, 2, 3], Random.new(1))) == 3", random_shuffled, KEEPS, 0,
     NULL},
    {"Random.choice", "list: List<T>, random: Random -> T?",
     "One of the elements, or null of an empty list.\ne.g. Random.choice(['a'], Random.new(1)) == 'a'", random_choice,
     KEEPS, 0, NULL},
    {"Random.sample", "list: List<T>, count: i64, random: Random -> List<T>",
     "So many different places' elements, in random order.\ne.g. len(Random.sample([1, 2, 3], 2, Random.new(1))) == 2",
     random_sample, KEEPS, 0, NULL},
};
const size_t th_lib_random_count = TH_COUNT(th_lib_random);
