/*
** regex.c - searching with compiled regular expressions, in time linear in the text.
** A deterministic automaton over bytes, built as it is needed, finds where the leftmost match ends; the same for the
** reversed expression finds where it starts; a backtracker that visits each (instruction, position) once finds the
*groups
** inside. When the automaton would need too many states, or the match is too long for the backtracker, the
** nondeterministic automaton is simulated with all threads in step (Pike's algorithm).
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/regex_int.h"

enum {
    DFA_BYTES = 1 << 20, /* of states and transitions, then start anew */
    DFA_RESETS = 8,      /* in one search, when each served few bytes: then simulate */
    DFA_BYTES_PER_STATE = 10,
    VISITED_BITS = 1 << 20, /* of the backtracker */
    PAY_FIRST = 32,         /* bytes */
    PAY_UNITS = 1 << 16,
};

typedef struct th_rx_job { /* of the backtracker and of closures: go on at inst and position, or restore a slot */
    uint32_t inst;         /* RESTORE + slot */
    size_t at;
} th_rx_job;
#define RESTORE 0x80000000u

/* A search under way. */
typedef struct run {
    th_regex *regex;
    th_view text;
    const th_regex_meter *meter;
    size_t paid; /* bytes of text up to here are paid for */
    size_t step; /* bytes to the next payment; doubles, so that a short search pays for little */
} run;

/* Pays for reading up to `at`, some way ahead. False: refused. */
static bool pay(run *r, size_t at) {
    if (at < r->paid) return true;
    size_t to = at + r->step;
    if (to > r->text.len) to = r->text.len + 1;
    int64_t units = (int64_t)(to - r->paid) * r->regex->rate;
    r->paid = to;
    if (units < PAY_UNITS / 2) r->step *= 2;
    return r->meter == NULL || r->meter->charge(r->meter->user, units);
}

/* ---- Places ------------------------------------------------------------------------------------------------- */

/* What stands beside a position. */
enum { SIDE_EDGE = 1, SIDE_NEWLINE = 2, SIDE_WORD = 4, SIDES = 7 };

static bool is_word(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static uint32_t side_of(uint8_t c) { return c == '\n' ? SIDE_NEWLINE : is_word(c) ? SIDE_WORD : 0; }

static uint32_t side_before(th_view text, size_t at) {
    return at == 0 ? SIDE_EDGE : side_of((uint8_t)text.data[at - 1]);
}
static uint32_t side_after(th_view text, size_t at) {
    return at >= text.len ? SIDE_EDGE : side_of((uint8_t)text.data[at]);
}

static bool holds(th_rx_place place, uint32_t before, uint32_t after) {
    switch (place) {
    case TH_RX_TEXT_START: return before == SIDE_EDGE;
    case TH_RX_TEXT_END: return after == SIDE_EDGE;
    case TH_RX_LINE_START: return (before & (SIDE_EDGE | SIDE_NEWLINE)) != 0;
    case TH_RX_LINE_END: return (after & (SIDE_EDGE | SIDE_NEWLINE)) != 0;
    case TH_RX_WORD_EDGE: return (before == SIDE_WORD) != (after == SIDE_WORD);
    default: return (before == SIDE_WORD) == (after == SIDE_WORD);
    }
}

static bool reads(const th_rx_program *program, const th_rx_inst *inst, uint8_t byte) {
    if (inst->op == TH_RX_BYTE) return byte >= inst->lo && byte <= inst->hi;
    return inst->op == TH_RX_SET && th_rx_in(&program->sets[inst->arg], byte);
}

/* ---- Sets of instructions ----------------------------------------------------------------------------------- */

static bool list_has(const th_rx_list *list, uint32_t inst) {
    uint32_t i = list->sparse[inst];
    return i < list->count && list->dense[i] == inst;
}

static void list_add(th_rx_list *list, uint32_t inst) {
    list->sparse[inst] = list->count;
    list->dense[list->count++] = inst;
}

/* Scratch: two lists (dense and sparse each), a stack of twice the length, and two plain arrays. */
enum { WORDS_PER_INST = 8 };

static bool make_work(th_regex *regex) {
    if (regex->work) return true;
    size_t n = regex->forward.len > regex->backward.len ? regex->forward.len : regex->backward.len;
    regex->work = th_mem_zeroed(regex->mem, n * WORDS_PER_INST * sizeof *regex->work);
    regex->work_words = n * WORDS_PER_INST;
    return regex->work != NULL;
}

static th_rx_list work_list(const th_regex *regex, size_t which) {
    size_t n = regex->work_words / WORDS_PER_INST;
    return (th_rx_list){regex->work + which * 2 * n, regex->work + (which * 2 + 1) * n, 0};
}
static uint32_t *work_stack(const th_regex *regex) { return regex->work + 4 * (regex->work_words / WORDS_PER_INST); }
static uint32_t *work_array(const th_regex *regex, size_t which) {
    return regex->work + (6 + which) * (regex->work_words / WORDS_PER_INST);
}

/* ---- The deterministic automaton ---------------------------------------------------------------------------- */

enum { STATE_MATCH = 8 }; /* besides SIDE_ */
enum { DEAD = 0 };        /* the first state: nothing can match any more */

static void dfa_clear(th_rx_dfa *dfa, th_mem *mem) {
    th_arena_clear(&dfa->arena);
    th_mem_free(mem, dfa->states, dfa->states_capacity * sizeof *dfa->states);
    th_mem_free(mem, dfa->next, dfa->next_capacity * sizeof *dfa->next);
    th_mem_free(mem, dfa->index, dfa->index_capacity * sizeof *dfa->index);
    const th_rx_program *program = dfa->program;
    bool longest = dfa->longest;
    *dfa = (th_rx_dfa){.program = program, .longest = longest};
    th_arena_init(&dfa->arena, mem);
}

/* Follows what reads nothing from `inst` on and adds all it meets to `seen`; what reads or matches is appended to
 * `kept`. */
static uint32_t closure(const th_rx_program *program, th_rx_list *seen, uint32_t *stack, uint32_t inst, uint32_t before,
                        uint32_t after, uint32_t *kept, uint32_t count) {
    size_t n = 0;
    stack[n++] = inst;
    while (n > 0) {
        inst = stack[--n];
        if (list_has(seen, inst)) continue;
        list_add(seen, inst);
        const th_rx_inst *i = &program->insts[inst];
        switch ((th_rx_op)i->op) {
        case TH_RX_SPLIT:
            stack[n++] = i->arg;
            stack[n++] = i->out;
            break;
        case TH_RX_SAVE: stack[n++] = i->out; break;
        case TH_RX_ASSERT:
            if (holds((th_rx_place)i->arg, before, after)) stack[n++] = i->out;
            break;
        default: kept[count++] = inst;
        }
    }
    return count;
}

static uint32_t state_hash(const uint32_t *insts, uint32_t count, uint32_t flags) {
    return (uint32_t)th_hash_bytes(insts, count * sizeof *insts, flags);
}

static bool index_grow(th_rx_dfa *dfa, th_mem *mem) {
    size_t capacity = dfa->index_capacity ? dfa->index_capacity * 2 : 64;
    uint32_t *index = th_mem_zeroed(mem, capacity * sizeof *index);
    if (!index) return false;
    for (size_t s = 0; s < dfa->nstates; s++) {
        size_t i = dfa->states[s].hash & (capacity - 1);
        while (index[i]) i = (i + 1) & (capacity - 1);
        index[i] = (uint32_t)s + 1;
    }
    th_mem_free(mem, dfa->index, dfa->index_capacity * sizeof *index);
    dfa->index = index;
    dfa->index_capacity = capacity;
    return true;
}

/* Finds or makes a state; -1: no memory. */
static int64_t dfa_state(th_regex *regex, th_rx_dfa *dfa, const uint32_t *insts, uint32_t count, uint32_t flags) {
    if (dfa->nstates * 2 >= dfa->index_capacity && !index_grow(dfa, regex->mem)) return -1;
    uint32_t hash = state_hash(insts, count, flags);
    size_t slot = hash & (dfa->index_capacity - 1);
    for (; dfa->index[slot]; slot = (slot + 1) & (dfa->index_capacity - 1)) {
        const th_rx_state *s = &dfa->states[dfa->index[slot] - 1];
        if (s->hash == hash && s->count == count && s->flags == flags &&
            memcmp(s->insts, insts, count * sizeof *insts) == 0)
            return dfa->index[slot] - 1;
    }
    size_t stride = regex->nclasses + 1;
    uint32_t *copy = th_arena_copy(&dfa->arena, insts, count ? count * sizeof *insts : 1);
    if (!copy ||
        th_mem_grow(regex->mem, (void **)&dfa->states, &dfa->states_capacity, dfa->nstates + 1, sizeof *dfa->states) ||
        th_mem_grow(regex->mem, (void **)&dfa->next, &dfa->next_capacity, (dfa->nstates + 1) * stride,
                    sizeof *dfa->next))
        return -1;
    memset(dfa->next + dfa->nstates * stride, 0, stride * sizeof *dfa->next);
    dfa->states[dfa->nstates] = (th_rx_state){copy, count, flags, hash};
    dfa->bytes += count * sizeof *insts + stride * sizeof *dfa->next + sizeof *dfa->states;
    dfa->index[slot] = (uint32_t)++dfa->nstates;
    return (int64_t)dfa->nstates - 1;
}

static bool dfa_begin(th_regex *regex, th_rx_dfa *dfa) {
    if (dfa->nstates > 0) return true;
    return dfa_state(regex, dfa, work_array(regex, 0), 0, 0) == DEAD;
}

/* A transition as it is kept: odd for an ordinary state, even when the loop must look. */
static uint32_t coded(const th_rx_dfa *dfa, int64_t state) {
    bool look = state == DEAD || (dfa->states[state].flags & STATE_MATCH);
    return (uint32_t)state * 2 + 2 + !look;
}
static uint32_t state_of(uint32_t code) { return code / 2 - 1; }

/* The state from which a search starts, with `side` before it. -1: no memory. */
static int64_t dfa_start(th_regex *regex, th_rx_dfa *dfa, uint32_t entry, uint32_t side) {
    if (dfa->starts[side]) return dfa->starts[side];
    th_rx_list seen = work_list(regex, 0);
    uint32_t *kept = work_array(regex, 0), count = 1, flags = 0;
    kept[0] = entry;
    if (dfa->program->places)
        flags = side;
    else
        count = closure(dfa->program, &seen, work_stack(regex), entry, 0, 0, kept, 0);
    int64_t state = dfa_state(regex, dfa, kept, count, flags);
    if (state > 0) dfa->starts[side] = (uint32_t)state;
    return state;
}

/* What a state means once the byte after it is known: the instructions that read or match, in order of priority. */
static const uint32_t *decide(th_regex *regex, const th_rx_program *program, th_rx_state s, uint32_t side,
                              uint32_t *count) {
    *count = s.count;
    if (!program->places) return s.insts;
    th_rx_list seen = work_list(regex, 0);
    uint32_t *decided = work_array(regex, 0), n = 0;
    for (uint32_t i = 0; i < s.count; i++)
        n = closure(program, &seen, work_stack(regex), s.insts[i], s.flags & SIDES, side, decided, n);
    *count = n;
    return decided;
}

/* The state after reading `byte` (or the edge, 256) in `from`. A match that ends before the byte marks the new state.
** Without places a state lists what reads or matches; with places, which only the next byte decides, it lists where the
** threads stand, and which side is before them. */
static int64_t dfa_step(th_regex *regex, th_rx_dfa *dfa, uint32_t from, unsigned byte) {
    const th_rx_program *program = dfa->program;
    uint32_t side = byte == 256 ? SIDE_EDGE : side_of((uint8_t)byte), count, out = 0;
    const uint32_t *insts = decide(regex, program, dfa->states[from], side, &count);
    th_rx_list reached = work_list(regex, 1);
    uint32_t *kept = work_array(regex, 1);
    bool match = false;
    for (uint32_t i = 0; i < count; i++) {
        const th_rx_inst *inst = &program->insts[insts[i]];
        if (inst->op == TH_RX_MATCH) {
            match = true;
            if (!dfa->longest) break; /* what follows is of lower priority */
        } else if (byte < 256 && reads(program, inst, (uint8_t)byte)) {
            if (!program->places) {
                out = closure(program, &reached, work_stack(regex), inst->out, 0, 0, kept, out);
            } else if (!list_has(&reached, inst->out)) {
                list_add(&reached, inst->out);
                kept[out++] = inst->out;
            }
        }
    }
    if (out == 0 && !match) return DEAD;
    uint32_t flags = (match ? STATE_MATCH : 0) | (program->places && out > 0 ? side : 0);
    return dfa_state(regex, dfa, kept, out, flags);
}

/* One direction of a search with the automaton. */
typedef struct scan {
    run *run;
    th_rx_dfa *dfa;
    uint32_t state;
    uint32_t resets;
    size_t since; /* bytes read since the last reset */
} scan;

typedef enum outcome { OUT_OK, OUT_FUEL, OUT_GIVE_UP } outcome;

/* Too large: throw all states away but the current one. */
static bool scan_reset(scan *s) {
    th_regex *regex = s->run->regex;
    th_rx_dfa *dfa = s->dfa;
    if (++s->resets > DFA_RESETS && s->since < dfa->nstates * DFA_BYTES_PER_STATE) return false;
    s->since = 0;
    th_rx_state keep = dfa->states[s->state];
    uint32_t *insts = work_array(regex, 0);
    memcpy(insts, keep.insts, keep.count * sizeof *insts);
    dfa_clear(dfa, regex->mem);
    /* The dead state must be the first; its list is empty, so the array above is not touched. */
    if (!dfa_begin(regex, dfa)) return false;
    int64_t state = keep.count || keep.flags ? dfa_state(regex, dfa, insts, keep.count, keep.flags) : DEAD;
    s->state = (uint32_t)state;
    return state >= 0;
}

/* Reads one byte the slow way. */
static bool scan_step(scan *s, unsigned byte) {
    th_regex *regex = s->run->regex;
    if (s->dfa->bytes > DFA_BYTES && !scan_reset(s)) return false;
    int64_t to = dfa_step(regex, s->dfa, s->state, byte);
    if (to < 0) return false;
    size_t cls = byte == 256 ? regex->nclasses : regex->classes[byte];
    s->dfa->next[s->state * (regex->nclasses + 1) + cls] = coded(s->dfa, to);
    s->state = (uint32_t)to;
    return true;
}

static bool is_match(const scan *s) { return (s->dfa->states[s->state].flags & STATE_MATCH) != 0; }

static bool scan_start(scan *s, uint32_t entry, uint32_t side) {
    th_regex *regex = s->run->regex;
    if (!dfa_begin(regex, s->dfa)) return false;
    int64_t state = dfa_start(regex, s->dfa, entry, side);
    s->state = (uint32_t)state;
    return state >= 0;
}

/* Where the leftmost match that starts at or after `from` ends. */
static outcome scan_forward(run *r, size_t from, bool any, bool *found, size_t *end) {
    th_regex *regex = r->regex;
    scan s = {.run = r, .dfa = &regex->dfa};
    if (!scan_start(&s, regex->forward.search, side_before(r->text, from))) return OUT_GIVE_UP;
    const uint8_t *bytes = (const uint8_t *)r->text.data, *classes = regex->classes;
    size_t stride = regex->nclasses + 1, at = from;
    while (at < r->text.len) {
        if (!pay(r, at)) return OUT_FUEL;
        size_t block = r->paid < r->text.len ? r->paid : r->text.len, began = at;
        const uint32_t *next = s.dfa->next;
        while (at < block) {
            uint32_t code = next[s.state * stride + classes[bytes[at]]];
            if (TH_LIKELY(code & 1)) {
                s.state = state_of(code);
                at++;
                continue;
            }
            if (code == 0) {
                s.since += at - began;
                began = at;
                if (!scan_step(&s, bytes[at])) return OUT_GIVE_UP;
                next = s.dfa->next;
            } else {
                s.state = state_of(code);
            }
            if (s.state == DEAD) return OUT_OK;
            if (is_match(&s)) {
                *found = true;
                *end = at;
                if (any) return OUT_OK;
            }
            at++;
        }
        s.since += at - began;
    }
    if (!scan_step(&s, 256)) return OUT_GIVE_UP;
    if (s.state != DEAD && is_match(&s)) {
        *found = true;
        *end = r->text.len;
    }
    return OUT_OK;
}

/* Where the leftmost match that ends at `end` starts, not before `from`. */
static outcome scan_backward(run *r, size_t from, size_t end, size_t *start) {
    th_regex *regex = r->regex;
    scan s = {.run = r, .dfa = &regex->reverse};
    if (!scan_start(&s, regex->backward.start, side_after(r->text, end))) return OUT_GIVE_UP;
    size_t stride = regex->nclasses + 1, at = end;
    *start = end;
    for (;;) {
        unsigned byte = at > 0 ? (uint8_t)r->text.data[at - 1] : 256;
        uint32_t code = s.dfa->next[s.state * stride + (byte == 256 ? regex->nclasses : regex->classes[byte])];
        if (code == 0) {
            if (!scan_step(&s, byte)) return OUT_GIVE_UP;
        } else {
            s.state = state_of(code);
        }
        s.since++;
        if (s.state == DEAD) return OUT_OK;
        if (is_match(&s)) *start = at;
        if (at == from) return OUT_OK;
        at--;
    }
}

/* ---- Backtracking, each place once -------------------------------------------------------------------------- */

static bool push_job(th_regex *regex, size_t *n, uint32_t inst, size_t at) {
    if (th_mem_grow(regex->mem, (void **)&regex->jobs, &regex->jobs_capacity, *n + 1, sizeof *regex->jobs))
        return false;
    regex->jobs[(*n)++] = (th_rx_job){inst, at};
    return true;
}

/* Runs from one job until the thread fails (false) or matches. */
static bool follow(run *r, th_rx_job job, size_t start, size_t end, size_t *spans, size_t nslots, size_t *njobs,
                   bool *nomem) {
    th_regex *regex = r->regex;
    const th_rx_program *program = &regex->forward;
    size_t width = end - start + 1;
    for (;;) {
        size_t bit = job.inst * width + (job.at - start);
        if (regex->visited[bit / 64] >> (bit % 64) & 1) return false;
        regex->visited[bit / 64] |= (uint64_t)1 << (bit % 64);
        const th_rx_inst *i = &program->insts[job.inst];
        switch ((th_rx_op)i->op) {
        case TH_RX_MATCH: return true;
        case TH_RX_SPLIT: *nomem = *nomem || !push_job(regex, njobs, i->arg, job.at); break;
        case TH_RX_SAVE:
            if (i->arg < nslots) {
                *nomem = *nomem || !push_job(regex, njobs, RESTORE + i->arg, spans[i->arg]);
                spans[i->arg] = job.at;
            }
            break;
        case TH_RX_ASSERT:
            if (!holds((th_rx_place)i->arg, side_before(r->text, job.at), side_after(r->text, job.at))) return false;
            break;
        default:
            if (job.at == end || !reads(program, i, (uint8_t)r->text.data[job.at])) return false;
            job.at++;
        }
        if (*nomem) return false;
        job.inst = i->out;
    }
}

/* The groups of the match start..end, which is known to be there. */
static th_status backtrack(run *r, size_t start, size_t end, size_t *spans, size_t nspans) {
    th_regex *regex = r->regex;
    size_t words = (regex->forward.len * (end - start + 1) + 63) / 64, njobs = 0;
    if (th_mem_grow(regex->mem, (void **)&regex->visited, &regex->visited_capacity, words, sizeof *regex->visited))
        return TH_E_NOMEM;
    memset(regex->visited, 0, words * sizeof *regex->visited);
    for (size_t i = 2; i < nspans * 2; i++) spans[i] = TH_REGEX_UNSET;
    bool nomem = !push_job(regex, &njobs, regex->forward.start, start);
    while (njobs > 0 && !nomem) {
        th_rx_job job = regex->jobs[--njobs];
        if (job.inst >= RESTORE)
            spans[job.inst - RESTORE] = job.at;
        else if (follow(r, job, start, end, spans, nspans * 2, &njobs, &nomem))
            break;
    }
    spans[0] = start;
    spans[1] = end;
    return nomem ? TH_E_NOMEM : TH_OK;
}

/* ---- Simulation of all threads ------------------------------------------------------------------------------ */

typedef struct threads {
    th_rx_list list;
    size_t *saves; /* nslots for each instruction */
} threads;

typedef struct simulation {
    run *run;
    size_t nslots;
    size_t njobs;
    size_t *current; /* slots of the thread being followed */
    size_t end;      /* where the match must end; SIZE_MAX: wherever */
    bool any;        /* whether there is a match is all that is asked */
    bool nomem;
} simulation;

/* Adds the thread at `inst` and all it leads to without reading. The slots of sim->current are as they were afterwards.
 */
static void spawn(simulation *sim, threads *to, uint32_t inst, size_t at) {
    run *r = sim->run;
    th_regex *regex = r->regex;
    const th_rx_program *program = &regex->forward;
    uint32_t before = side_before(r->text, at), after = side_after(r->text, at);
    sim->njobs = 0;
    sim->nomem = sim->nomem || !push_job(regex, &sim->njobs, inst, 0);
    while (sim->njobs > 0 && !sim->nomem) {
        th_rx_job job = regex->jobs[--sim->njobs];
        if (job.inst >= RESTORE) {
            sim->current[job.inst - RESTORE] = job.at;
            continue;
        }
        if (list_has(&to->list, job.inst)) continue;
        list_add(&to->list, job.inst);
        const th_rx_inst *i = &program->insts[job.inst];
        bool ok = true;
        if (i->op == TH_RX_SPLIT) {
            ok = push_job(regex, &sim->njobs, i->arg, 0) && push_job(regex, &sim->njobs, i->out, 0);
        } else if (i->op == TH_RX_SAVE) {
            if (i->arg < sim->nslots) {
                ok = push_job(regex, &sim->njobs, RESTORE + i->arg, sim->current[i->arg]);
                sim->current[i->arg] = at;
            }
            ok = ok && push_job(regex, &sim->njobs, i->out, 0);
        } else if (i->op == TH_RX_ASSERT) {
            if (holds((th_rx_place)i->arg, before, after)) ok = push_job(regex, &sim->njobs, i->out, 0);
        } else {
            memcpy(to->saves + job.inst * sim->nslots, sim->current, sim->nslots * sizeof *sim->current);
        }
        sim->nomem = !ok;
    }
}

/* Moves every thread over the byte at `at`. True: one matched here; what is of lower priority is dropped. */
static bool advance(simulation *sim, const threads *from, threads *to, size_t at, size_t *spans) {
    run *r = sim->run;
    const th_rx_program *program = &r->regex->forward;
    for (uint32_t k = 0; k < from->list.count && !sim->nomem; k++) {
        uint32_t inst = from->list.dense[k];
        const th_rx_inst *i = &program->insts[inst];
        if (i->op == TH_RX_MATCH) {
            if (sim->end != SIZE_MAX && at != sim->end) continue;
            memcpy(spans, from->saves + inst * sim->nslots, sim->nslots * sizeof *spans);
            spans[1] = at;
            return true;
        }
        if (at == r->text.len || !reads(program, i, (uint8_t)r->text.data[at])) continue;
        memcpy(sim->current, from->saves + inst * sim->nslots, sim->nslots * sizeof *sim->current);
        spawn(sim, to, i->out, at + 1);
    }
    return false;
}

/* Instructions that only lead on were added to the lists too, without slots: they neither read nor match. */
static th_status simulate_from(simulation *sim, size_t from, bool anchored, threads lists[2], size_t *spans,
                               bool *found) {
    run *r = sim->run;
    for (size_t at = from;; at++) {
        if (!pay(r, at)) return TH_E_FUEL;
        if (!*found && (!anchored || at == from)) {
            for (size_t i = 0; i < sim->nslots; i++) sim->current[i] = TH_REGEX_UNSET;
            sim->current[0] = at;
            spawn(sim, &lists[0], r->regex->forward.start, at);
        }
        if (lists[0].list.count == 0 && (*found || anchored)) return TH_OK;
        lists[1].list.count = 0;
        if (advance(sim, &lists[0], &lists[1], at, spans)) *found = true;
        if (sim->nomem) return TH_E_NOMEM;
        if (at == r->text.len || (sim->any && *found)) return TH_OK;
        threads swap = lists[0];
        lists[0] = lists[1];
        lists[1] = swap;
    }
}

static th_status simulate(run *r, size_t from, bool anchored, size_t end, size_t *spans, size_t nspans, bool *found) {
    th_regex *regex = r->regex;
    simulation sim = {.run = r, .nslots = (nspans ? nspans : 1) * 2, .end = end, .any = nspans == 0};
    size_t each = regex->forward.len * sim.nslots, needed = 2 * each + 2 * sim.nslots;
    if (regex->saves_count < needed) {
        size_t *saves =
            th_mem_resize(regex->mem, regex->saves, regex->saves_count * sizeof *saves, needed * sizeof *saves);
        if (!saves) return TH_E_NOMEM;
        regex->saves = saves;
        regex->saves_count = needed;
    }
    threads lists[2] = {{work_list(regex, 0), regex->saves}, {work_list(regex, 1), regex->saves + each}};
    sim.current = regex->saves + 2 * each;
    size_t *best = sim.current + sim.nslots;
    TH_TRY(simulate_from(&sim, from, anchored, lists, best, found));
    if (*found) memcpy(spans, best, nspans * 2 * sizeof *spans);
    return TH_OK;
}

/* ---- Searching ---------------------------------------------------------------------------------------------- */

/* The groups of a match whose ends are known. */
static th_status find_groups(run *r, size_t start, size_t end, size_t *spans, size_t nspans) {
    if (nspans > 0) {
        spans[0] = start;
        spans[1] = end;
    }
    if (nspans < 2) return TH_OK;
    if (end - start < VISITED_BITS / r->regex->forward.len) return backtrack(r, start, end, spans, nspans);
    bool found = false;
    size_t paid = r->paid;
    r->paid = start; /* it reads the match again, whatever its length: paid again */
    th_status status = simulate(r, start, true, end, spans, nspans, &found);
    if (r->paid < paid) r->paid = paid;
    return status;
}

static th_status search_literal(run *r, size_t from, size_t *spans, size_t nspans, bool *found) {
    const th_regex *regex = r->regex;
    const char *text = r->text.data;
    for (size_t at = from; at + regex->prefix_len <= r->text.len;) {
        if (!pay(r, at)) return TH_E_FUEL;
        size_t end = r->paid + regex->prefix_len < r->text.len ? r->paid + regex->prefix_len : r->text.len;
        const char *hit = memmem(text + at, end - at, regex->prefix, regex->prefix_len);
        if (hit) {
            *found = true;
            if (nspans > 0) {
                spans[0] = (size_t)(hit - text);
                spans[1] = spans[0] + regex->prefix_len;
            }
            return TH_OK;
        }
        at = end - regex->prefix_len + 1;
    }
    return TH_OK;
}

/* Skips to the first place where the prefix stands. False: nowhere, or not paid for. */
static bool skip_to_prefix(run *r, size_t *from, th_status *status) {
    bool found = false;
    size_t span[2] = {*from, 0};
    if (r->regex->prefix_len == 0) return true;
    *status = search_literal(r, *from, span, 1, &found);
    *from = span[0];
    return found;
}

static th_status search_once(run *r, size_t from, size_t *spans, size_t nspans, bool *found) {
    th_regex *regex = r->regex;
    th_status status = TH_OK;
    size_t start = from, end = 0;
    if (regex->literal) return search_literal(r, from, spans, nspans, found);
    if (regex->anchored && from > 0) return TH_OK;
    if (!skip_to_prefix(r, &start, &status)) return status;
    if (!make_work(regex)) return TH_E_NOMEM;
    outcome out = scan_forward(r, start, nspans == 0, found, &end);
    if (out == OUT_FUEL) return TH_E_FUEL;
    if (out == OUT_OK && !*found) return TH_OK;
    if (out == OUT_OK && nspans == 0) return TH_OK;
    size_t first = start;
    if (out == OUT_OK && !regex->anchored) out = scan_backward(r, start, end, &first);
    if (out == OUT_OK) return find_groups(r, first, end, spans, nspans);
    *found = false;
    return simulate(r, start, regex->anchored, SIZE_MAX, spans, nspans, found);
}

static bool is_inside_code(th_view text, size_t at) {
    if (at == 0 || at >= text.len || ((uint8_t)text.data[at] & 0xc0) != 0x80) return false;
    size_t back = 1;
    while (back < 3 && back < at && ((uint8_t)text.data[at - back] & 0xc0) == 0x80) back++;
    uint32_t code;
    return th_utf8_decode(text.data, text.len, at - back, &code) > back;
}

th_status th_regex_search(th_regex *regex, th_view text, size_t from, const th_regex_meter *meter, size_t *spans,
                          size_t nspans, bool *found) {
    run r = {.regex = regex, .text = text, .meter = meter, .paid = from, .step = PAY_FIRST};
    size_t whole[2];
    *found = false;
    size_t groups = nspans < regex->ngroups ? nspans : regex->ngroups;
    for (size_t i = groups * 2; i < nspans * 2; i++) spans[i] = TH_REGEX_UNSET;
    if (nspans == 0 && !regex->forward.places) return search_once(&r, from, whole, 0, found);
    if (nspans == 0) spans = whole, groups = 1; /* a place may be inside a code point, see below */
    while (from <= text.len) {
        TH_TRY(search_once(&r, from, spans, groups, found));
        if (!*found || spans[0] != spans[1] || !is_inside_code(text, spans[0])) break;
        *found = false; /* an empty match between the bytes of a code point is none */
        from = spans[0] + 1;
    }
    return TH_OK;
}

/* ---- Making ------------------------------------------------------------------------------------------------- */

th_status th_regex_new(th_mem *mem, th_view pattern, uint32_t flags, th_regex **out, th_error *err) {
    th_regex *regex = th_mem_zeroed(mem, sizeof *regex);
    if (!regex) return th_fail(err, TH_E_NOMEM, "out of memory");
    regex->mem = mem;
    th_arena_init(&regex->arena, mem);
    regex->dfa = (th_rx_dfa){.program = &regex->forward, .longest = (flags & TH_REGEX_LONGEST) != 0};
    regex->reverse = (th_rx_dfa){.program = &regex->backward, .longest = true};
    th_arena_init(&regex->dfa.arena, mem);
    th_arena_init(&regex->reverse.arena, mem);
    th_status status = th_rx_compile(regex, pattern, flags, err);
    if (status != TH_OK) {
        th_regex_free(regex);
        return status;
    }
    *out = regex;
    return TH_OK;
}

static void free_program(th_mem *mem, th_rx_program *program) {
    th_mem_free(mem, program->insts, program->capacity * sizeof *program->insts);
    th_mem_free(mem, program->sets, program->sets_capacity * sizeof *program->sets);
}

void th_regex_free(th_regex *regex) {
    if (!regex) return;
    th_mem *mem = regex->mem;
    dfa_clear(&regex->dfa, mem);
    dfa_clear(&regex->reverse, mem);
    free_program(mem, &regex->forward);
    free_program(mem, &regex->backward);
    th_mem_free(mem, regex->work, regex->work_words * sizeof *regex->work);
    th_mem_free(mem, regex->saves, regex->saves_count * sizeof *regex->saves);
    th_mem_free(mem, regex->jobs, regex->jobs_capacity * sizeof *regex->jobs);
    th_mem_free(mem, regex->visited, regex->visited_capacity * sizeof *regex->visited);
    th_arena_clear(&regex->arena);
    th_mem_free(mem, regex, sizeof *regex);
}

size_t th_regex_group_count(const th_regex *regex) { return regex->ngroups - 1; }

th_view th_regex_group_name(const th_regex *regex, size_t group) {
    return group < regex->ngroups ? regex->names[group] : (th_view){"", 0};
}
