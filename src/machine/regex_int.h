/*
** regex_int.h - what the compiler (regex_compile.c) and the matchers (regex.c) of regular expressions share.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_REGEX_INT_H
#define TH_REGEX_INT_H

#include "machine/regex.h"

/* Instructions of the nondeterministic automaton. It reads bytes: classes of code points are spelt out as UTF-8. */
typedef enum th_rx_op {
    TH_RX_BYTE,   /* a byte lo..hi, then out */
    TH_RX_SET,    /* a byte of sets[arg], then out */
    TH_RX_SPLIT,  /* out, or else arg */
    TH_RX_SAVE,   /* the position goes to slot arg; out */
    TH_RX_ASSERT, /* arg is a th_rx_place that must hold here; out */
    TH_RX_MATCH,
} th_rx_op;

typedef enum th_rx_place {
    TH_RX_TEXT_START,
    TH_RX_TEXT_END,
    TH_RX_LINE_START,
    TH_RX_LINE_END,
    TH_RX_WORD_EDGE,
    TH_RX_NO_WORD_EDGE,
} th_rx_place;

typedef struct th_rx_inst {
    uint8_t op, lo, hi;
    uint32_t out, arg;
} th_rx_inst;

typedef struct th_rx_set {
    uint64_t bits[4];
} th_rx_set;
static inline bool th_rx_in(const th_rx_set *set, uint8_t byte) { return set->bits[byte >> 6] >> (byte & 63) & 1; }

typedef struct th_rx_program {
    th_rx_inst *insts;
    size_t len, capacity;
    th_rx_set *sets;
    size_t nsets, sets_capacity;
    uint32_t start;  /* of an anchored search */
    uint32_t search; /* of a search from anywhere: start, or a byte skipped and again */
    bool places;     /* has TH_RX_ASSERT */
} th_rx_program;

typedef struct th_rx_state { /* of the deterministic automaton: a list of instructions and what stands before */
    uint32_t *insts;
    uint32_t count;
    uint32_t flags;
    uint32_t hash;
} th_rx_state;

/* The deterministic automaton, built while searching and thrown away when it grows too large. */
typedef struct th_rx_dfa {
    const th_rx_program *program;
    th_arena arena;
    th_rx_state *states;
    size_t nstates, states_capacity;
    uint32_t *next; /* by state and byte class: state * 2 + 1, or state * 2 when it needs a look, or 0: not built */
    size_t next_capacity;
    uint32_t *index; /* open addressing over states, + 1 */
    size_t index_capacity;
    size_t bytes;
    uint32_t starts[8]; /* by what stands before; 0: not built */
    bool longest;
} th_rx_dfa;

typedef struct th_rx_list { /* a sparse set of instructions, in order of insertion */
    uint32_t *dense, *sparse;
    uint32_t count;
} th_rx_list;

struct th_regex {
    th_mem *mem;
    th_arena arena; /* names */
    th_rx_program forward, backward;
    size_t ngroups; /* the whole match included */
    th_view *names;
    bool anchored; /* begins with \A */
    bool literal;  /* the prefix is all there is */
    char *prefix;  /* every match begins with these bytes */
    size_t prefix_len;
    uint8_t classes[256]; /* bytes that no instruction tells apart are one class */
    size_t nclasses;
    int64_t rate; /* charge for a byte of text */
    /* Scratch of the matchers, kept between searches. */
    th_rx_dfa dfa, reverse;
    uint32_t *work; /* for lists and stacks: 8 words for each instruction of the longer program */
    size_t work_words;
    size_t *saves; /* slots of the threads of the simulation */
    size_t saves_count;
    struct th_rx_job *jobs;
    size_t jobs_capacity;
    uint64_t *visited;
    size_t visited_capacity;
};

/* Parses and compiles; on failure what was made is left for th_regex_free. */
th_status th_rx_compile(th_regex *regex, th_view pattern, uint32_t flags, th_error *err) TH_CHECKED;

#endif
