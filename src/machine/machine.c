/*
** machine.c - a machine's life: loading units, the loop over contexts, traps and handlers, limits, output.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "machine/machine_int.h"

/* What non-CODE contexts "run": one word that hands control back to the loop below. */
const th_fn th_exit_fn = {.code = th_exit_code, .nregs = 2};

/* ---- Life --------------------------------------------------------------------------------------------------- */

static th_status write_stdout(void *user, const char *bytes, size_t len) {
    (void)user;
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return TH_E_IO;
        bytes += n;
        len -= (size_t)n;
    }
    return TH_OK;
}

#define FIRST_REGISTERS 4096
#define FIRST_CONTEXTS  256

static th_status set_up(th_machine *m) {
    TH_TRY(th_values_init(m));
    TH_TRY(th_types_init(&m->types, &m->mem));
    m->stack = th_mem_new(&m->mem, FIRST_REGISTERS * sizeof *m->stack);
    if (!m->stack) return TH_E_NOMEM;
    m->stack_end = m->stack + FIRST_REGISTERS;
    m->contexts = th_mem_new(&m->mem, FIRST_CONTEXTS * sizeof *m->contexts);
    if (!m->contexts) return TH_E_NOMEM;
    m->contexts_end = m->contexts + FIRST_CONTEXTS;
    m->contexts[0] = (th_context){.fn = &th_exit_fn, .pc = th_exit_code, .kind = TH_CONTEXT_ENTRY};
    m->context = m->contexts;
    m->base = m->stack;
    for (uint64_t d = 2; d < TH_COUNT(m->small_magic); d++) m->small_magic[d] = th_magic(d);
    return TH_OK;
}

th_status th_machine_new(th_engine *engine, const th_limits *limits, th_machine **out) {
    th_machine *m = th_mem_zeroed(engine->mem, sizeof *m);
    if (!m) return TH_E_NOMEM;
    m->engine = engine;
    th_mem_init(&m->mem, NULL, NULL, engine->mem, limits->memory_bytes);
    th_memory_init(&m->memory, &m->mem);
    th_buf_init(&m->trace, engine->mem); /* bounded, and wanted most when the machine has no memory left */
    th_buf_init(&m->output, &m->mem);
    m->fuel_limit = limits->fuel;
    m->timeout_ns = limits->timeout_ns;
    m->capabilities = limits->capabilities;
    m->write = write_stdout;
    th_status status = set_up(m);
    if (status != TH_OK) {
        th_machine_free(m);
        return status;
    }
    *out = m;
    return TH_OK;
}

static void unit_free(th_machine *m, th_unit *unit) {
    const th_program *p = unit->program;
    th_mem *mem = &m->mem;
    th_unit_values_free(unit);
    th_mem_free(mem, unit->types, p->types.len * sizeof *unit->types);
    th_mem_free(mem, unit->fns, p->nfunctions * sizeof *unit->fns);
    th_mem_free(mem, unit->magics, p->nconstants * sizeof *unit->magics);
    th_mem_free(mem, unit->globals, p->nglobals * sizeof *unit->globals);
    th_mem_free(mem, unit->globals_set, p->nglobals * sizeof *unit->globals_set);
    th_mem_free(mem, unit->imports, p->nimports * sizeof *unit->imports);
    th_program_release(unit->program);
    th_mem_free(mem, unit, sizeof *unit);
}

static void bindings_clear(th_machine *m) {
    for (size_t i = 0; i < m->nbindings; i++) th_mem_free(&m->mem, m->bindings[i].name, m->bindings[i].len + 1);
    m->nbindings = 0;
}

void th_machine_free(th_machine *m) {
    if (!m) return;
    TH_IGNORE(th_machine_flush(m));
    th_memory_clear(&m->memory);
    th_machine_set_flow_user(m, NULL, NULL);
    th_values_free(m);
    for (size_t i = 0; i < m->nunits; i++) unit_free(m, m->units[i]);
    th_mem_free(&m->mem, m->units, m->units_capacity * sizeof *m->units);
    bindings_clear(m);
    th_mem_free(&m->mem, m->bindings, m->bindings_capacity * sizeof *m->bindings);
    th_mem_free(&m->mem, m->holds, m->holds_capacity * sizeof *m->holds);
    if (m->call_big) th_mem_free(&m->mem, m->call_big, m->call_nargs * sizeof *m->call_big);
    th_mem_free(&m->mem, m->stack, (size_t)(m->stack_end - m->stack) * sizeof *m->stack);
    th_mem_free(&m->mem, m->contexts, (size_t)(m->contexts_end - m->contexts) * sizeof *m->contexts);
    th_types_clear(&m->types);
    th_buf_clear(&m->trace);
    th_buf_clear(&m->output);
    th_mem_free(m->engine->mem, m, sizeof *m);
}

th_mem *th_machine_mem(th_machine *m) { return &m->mem; }
th_engine *th_machine_engine(th_machine *m) { return m->engine; }
th_types *th_machine_types(th_machine *m) { return &m->types; }
void th_machine_set_user(th_machine *m, void *user) { m->user = user; }
void *th_machine_user(const th_machine *m) { return m->user; }
void *th_machine_flow_user(const th_machine *m) { return m->flow_user; }
void th_machine_set_flow_user(th_machine *m, void *user, void (*release)(void *user)) {
    if (m->release_flow_user) m->release_flow_user(m->flow_user);
    m->flow_user = user;
    m->release_flow_user = release;
}
bool th_machine_allows(const th_machine *m, uint32_t capability) {
    return (m->capabilities & capability) == capability;
}
th_status th_machine_stopped_for(const th_machine *m) { return m->stop; }

/* ---- Units -------------------------------------------------------------------------------------------------- */

/* Nominal types first by name, so that recursive ones can be given their fields once all are known. */
static th_status map_types(th_unit *unit) {
    th_types *to = &unit->machine->types;
    return th_types_import(to, &unit->program->types, unit->types);
}

#define CAPABILITIES (TH_BUILTIN_FS | TH_BUILTIN_NET | TH_BUILTIN_CLOCK)

static uint32_t denied(const th_machine *m, const th_builtin *builtin) {
    return builtin->flags & CAPABILITIES & ~m->capabilities;
}

static th_status bind_import(th_unit *unit, uint32_t i, th_error *err) {
    th_machine *m = unit->machine;
    const th_named_type *import = &unit->program->imports[i];
    th_binding *binding = &unit->imports[i];
    binding->type = unit->types[import->type];
    binding->nargs = (uint32_t)th_types_nparams(&m->types, binding->type);
    binding->builtin = th_engine_match(m->engine, th_view_str(import->name), &m->types, binding->type, &binding->user);
    if (binding->builtin) {
        binding->special = (binding->builtin->flags & TH_BUILTIN_STATEFUL) || denied(m, binding->builtin);
        binding->slow = binding->special; /* th_unit_values adds to it */
        return TH_OK;
    }
    th_buf text;
    th_buf_init(&text, &m->mem);
    th_type_print(&m->types, binding->type, &text);
    th_status status = th_fail(err, TH_E_NOT_FOUND, "the program needs %.*s of type %s, which is not registered",
                               (int)import->name->len, import->name->bytes, text.data ? text.data : "?");
    th_buf_clear(&text);
    return status;
}

static void fill_magics(th_unit *unit) {
    const th_program *p = unit->program;
    for (uint32_t i = 0; i < p->nconstants; i++)
        if (p->constant_classes[i] == TH_CLASS_I64 && p->constants[i] >= 2 && p->constants[i] <= INT32_MAX)
            unit->magics[i] = th_magic(p->constants[i]);
}

static th_status fill_unit(th_unit *unit, th_error *err) {
    const th_program *p = unit->program;
    fill_magics(unit);
    TH_TRY(map_types(unit));
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        const th_function *f = &p->functions[i];
        unit->fns[i] = (th_fn){.code = f->code,
                               .constants = p->constants,
                               .magics = unit->magics,
                               .fns = unit->fns,
                               .unit = unit,
                               .info = f,
                               .nregs = f->nregs,
                               .type = unit->types[f->type]};
    }
    for (uint32_t i = 0; i < p->nimports; i++) TH_TRY(bind_import(unit, i, err));
    return TH_OK;
}

th_status th_machine_load(th_machine *m, th_program *program, th_unit **out, th_error *err) {
    th_mem *mem = &m->mem;
    TH_TRY(th_mem_grow(mem, (void **)&m->units, &m->units_capacity, m->nunits + 1, sizeof *m->units));
    th_unit *unit = th_mem_zeroed(mem, sizeof *unit);
    if (!unit) return th_fail(err, TH_E_NOMEM, "out of memory");
    unit->program = th_program_retain(program);
    unit->machine = m;
    unit->index = (uint32_t)m->nunits;
    unit->started = program->start == 0;
    unit->types = th_mem_new(mem, program->types.len * sizeof *unit->types);
    unit->fns = th_mem_zeroed(mem, program->nfunctions * sizeof *unit->fns);
    unit->magics = th_mem_zeroed(mem, program->nconstants * sizeof *unit->magics);
    unit->globals = th_mem_zeroed(mem, program->nglobals * sizeof *unit->globals);
    unit->globals_set = th_mem_zeroed(mem, program->nglobals * sizeof *unit->globals_set);
    unit->imports = th_mem_zeroed(mem, program->nimports * sizeof *unit->imports);
    bool ok = unit->types && (unit->magics || !program->nconstants) && (unit->fns || !program->nfunctions) &&
              ((unit->globals && unit->globals_set) || !program->nglobals) && (unit->imports || !program->nimports);
    th_status status = ok ? fill_unit(unit, err) : th_fail(err, TH_E_NOMEM, "out of memory");
    if (status == TH_OK) status = th_unit_values(unit, err);
    if (status != TH_OK) {
        unit_free(m, unit);
        return status;
    }
    m->units[m->nunits++] = unit;
    *out = unit;
    return TH_OK;
}

const th_program *th_unit_program(const th_unit *unit) { return unit->program; }
const th_fn *th_unit_fn(const th_unit *unit, uint32_t function) { return &unit->fns[function]; }
const th_function *th_fn_info(const th_fn *fn) { return fn->info; }
th_type_id th_fn_type(const th_fn *fn) { return fn->type; }

/* ---- Stacks ------------------------------------------------------------------------------------------------- */

uint64_t *th_stack_grow(th_machine *m, uint64_t *window, size_t needed) {
    size_t at = (size_t)(window - m->stack), base = (size_t)(m->base - m->stack);
    size_t capacity = (size_t)(m->stack_end - m->stack);
    if (at + needed + 2 <= capacity) return window;
    if (th_mem_grow(&m->mem, (void **)&m->stack, &capacity, at + needed + 2, sizeof *m->stack) != TH_OK) {
        (void)th_trap_memory(m);
        return NULL;
    }
    m->stack_end = m->stack + capacity;
    m->base = m->stack + base;
    return m->stack + at;
}

bool th_contexts_grow(th_machine *m) {
    size_t at = (size_t)(m->context - m->contexts), capacity = (size_t)(m->contexts_end - m->contexts);
    if (th_mem_grow(&m->mem, (void **)&m->contexts, &capacity, capacity + 16, sizeof *m->contexts) != TH_OK) {
        (void)th_trap_memory(m);
        return false;
    }
    m->contexts_end = m->contexts + capacity;
    m->context = m->contexts + at;
    return true;
}

/* The window starts `delta` registers above the current one and has `nregs` registers. */
bool th_push_context(th_machine *m, const th_context *context, size_t nregs) {
    uint64_t *window = m->base + context->delta;
    if (m->context + 2 >= m->contexts_end && !th_contexts_grow(m)) return false;
    window = th_stack_grow(m, window, nregs);
    if (!window) return false;
    *++m->context = *context;
    m->base = window;
    window[0] = 0;
    return true;
}

/* ---- Limits ------------------------------------------------------------------------------------------------- */

th_status th_refill(th_machine *m) {
    m->fuel_spent += m->slice - m->fuel;
    m->slice = m->fuel = 0;
    if (atomic_load_explicit(&m->cancelled, memory_order_relaxed)) {
        (void)th_machine_trap(m, TH_E_CANCELLED, "the run was cancelled");
        return TH_E_CANCELLED;
    }
    /* Between runs there is work too (loading), and no deadline but the last run's. */
    if (m->deadline_ns && m->state == TH_RUN_READY && th_clock_monotonic_ns() >= m->deadline_ns) {
        (void)th_machine_trap(m, TH_E_TIMEOUT, "the time limit of %.3g s is reached", (double)m->timeout_ns / 1e9);
        return TH_E_TIMEOUT;
    }
    if (atomic_exchange_explicit(&m->interrupted, false, memory_order_relaxed)) {
        m->stop = TH_E_SUSPENDED;
        return TH_E_SUSPENDED;
    }
    int64_t left = m->fuel_limit < 0 ? TH_FUEL_SLICE : m->fuel_limit - m->fuel_spent;
    if (left < 0 && m->resumable) {
        m->stop = TH_E_FUEL;
        return TH_E_FUEL;
    }
    if (left < 0) {
        (void)th_machine_trap(m, TH_E_FUEL, "the fuel of %lld is used up", (long long)m->fuel_limit);
        return TH_E_FUEL;
    }
    m->slice = m->fuel = left < TH_FUEL_SLICE ? left : TH_FUEL_SLICE;
    return TH_OK;
}

/* A builtin cannot stop half-way and be resumed, so where a run is to be resumable it may go into this much debt, which
** the next fuel pays. */
#define DEBT ((int64_t)1 << 24)

bool th_machine_charge(th_machine *m, int64_t units) {
    m->fuel -= units;
    if (TH_LIKELY(m->fuel >= 0)) return true;
    int64_t fuel = m->fuel, slice = m->slice;
    th_status status = th_refill(m);
    if (status == TH_OK) return m->fuel >= 0 || th_machine_charge(m, 0);
    if (m->trapped) return false;
    if (status == TH_E_SUSPENDED) { /* not here: at the next safe point */
        atomic_store_explicit(&m->interrupted, true, memory_order_relaxed);
        m->fuel_spent -= slice - fuel;
        m->slice = slice;
        m->fuel = fuel;
        return true;
    }
    if (m->fuel_limit - m->fuel_spent >= -DEBT) {
        m->fuel = -1; /* the next safe point stops */
        m->slice = -1;
        return true;
    }
    (void)th_machine_trap(m, TH_E_FUEL, "a builtin needs more than the fuel that is left");
    return false;
}

bool th_machine_due(const th_machine *m) { return m->fuel < 0; }

void th_machine_add_fuel(th_machine *m, int64_t fuel) {
    if (m->fuel_limit >= 0) m->fuel_limit += fuel;
}

int64_t th_machine_fuel_used(const th_machine *m) { return m->fuel_spent + (m->slice - m->fuel); }
void th_machine_cancel(th_machine *m) { atomic_store_explicit(&m->cancelled, true, memory_order_relaxed); }
void th_machine_uncancel(th_machine *m) { atomic_store_explicit(&m->cancelled, false, memory_order_relaxed); }
void th_machine_interrupt(th_machine *m) { atomic_store_explicit(&m->interrupted, true, memory_order_relaxed); }
void th_machine_set_resumable(th_machine *m, bool resumable) { m->resumable = resumable; }

/* ---- Traps -------------------------------------------------------------------------------------------------- */

/* The instruction a CODE or FORCE context is at: of the top one the next to run, of others the one they wait for. */
uint32_t th_context_pc(const th_machine *m, const th_context *context) {
    const uint32_t *at = th_true_pc(m, context);
    if (at == th_update_code) return context->state;
    size_t pc = (size_t)(at - context->fn->code);
    return (uint32_t)(context == m->context || pc == 0 || context[1].again ? pc : pc - 1);
}

bool th_locate(const th_machine *m, const th_context *context, th_error *err) {
    const th_function *f = context->fn->info;
    err->span = th_function_span(f, th_context_pc(m, context));
    err->file[0] = 0;
    if (f->source == 0) return context->fn->unit != NULL;
    const th_str *name = context->fn->unit->program->source_names[f->source - 1];
    snprintf(err->file, sizeof err->file, "%.*s", (int)name->len, name->bytes);
    return true;
}

static bool runs_code(const th_context *c) { return c->kind == TH_CONTEXT_CODE || c->kind == TH_CONTEXT_FORCE; }

void th_machine_record(th_machine *m, th_status code, const char *message) {
    if (m->trapped) return; /* the first cause is the one to tell */
    m->trapped = true;
    m->error.code = code;
    m->error.span = (th_span){0};
    m->error.file[0] = 0;
    snprintf(m->error.message, sizeof m->error.message, "%s", message);
    for (const th_context *c = m->context; c > m->contexts; c--)
        if (runs_code(c) && th_locate(m, c, &m->error)) break;
}

th_step th_machine_trap(th_machine *m, th_status code, const char *format, ...) {
    char message[sizeof m->error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    th_machine_record(m, code, message);
    return TH_STEP_ERROR;
}

th_step th_machine_trap_error(th_machine *m, const th_error *err) {
    bool first = !m->trapped;
    th_machine_record(m, err->code, err->message);
    if (first && err->file[0]) {
        memcpy(m->error.file, err->file, sizeof m->error.file);
        m->error.span = err->span;
    }
    return TH_STEP_ERROR;
}

bool th_machine_take_trap(th_machine *m, th_error *out) {
    if (!m->trapped) return false;
    m->trapped = false;
    if (out) *out = m->error;
    return true;
}

/* False: nothing to be shown of it. */
static bool trace_line(const th_machine *m, const th_context *c, th_buf *out) {
    if (c->kind == TH_CONTEXT_BUILTIN || c->kind == TH_CONTEXT_HOST) {
        th_buf_printf(out, "  in %s\n", c->binding->builtin->name);
        return true;
    }
    th_error at;
    if (!runs_code(c) || !th_locate(m, c, &at)) return false;
    const th_str *name = c->fn->info->name;
    th_buf_printf(out, "  at %.*s", (int)name->len, name->bytes);
    if (at.file[0] && at.span.line) th_buf_printf(out, " (%s:%u:%u)", at.file, at.span.line, at.span.column);
    th_buf_char(out, '\n');
    return true;
}

#define TRACE_ENDS 16   /* lines shown at each end of a deep stack */
#define TRACE_FOLD 4096 /* contexts looked at for the first of them, equal ones being told once */

static void tell_repeats(th_buf *out, size_t repeats) {
    if (repeats > 0) th_buf_printf(out, "  ... the same %zu more time%s ...\n", repeats, repeats == 1 ? "" : "s");
}

/* Contexts from `from` down to (not) `to`, at most `lines` lines; where it stopped. */
static const th_context *write_lines(const th_machine *m, const th_context *from, const th_context *to, size_t lines,
                                     th_buf *out) {
    size_t last = out->len, last_len = 0, repeats = 0; /* the line before */
    const th_context *c = from;
    for (size_t looked = 0; c > to && looked < TRACE_FOLD; c--, looked++) {
        size_t start = out->len;
        if (!trace_line(m, c, out) || out->failed) continue;
        size_t len = out->len - start;
        if (len == last_len && memcmp(out->data + last, out->data + start, len) == 0) {
            out->len = start;
            repeats++;
            continue;
        }
        if (lines == 0) {
            out->len = start;
            break;
        }
        if (repeats > 0) { /* told between the two lines */
            out->len = start;
            tell_repeats(out, repeats);
            repeats = 0;
            start = out->len;
            (void)trace_line(m, c, out);
            if (out->failed) return c;
        }
        last = start;
        last_len = len;
        lines--;
    }
    tell_repeats(out, repeats);
    return c;
}

static void write_trace(const th_machine *m, th_buf *out) {
    const th_context *rest = write_lines(m, m->context, m->contexts, TRACE_ENDS, out), *end = m->contexts + TRACE_ENDS;
    if (rest <= m->contexts) return;
    if (rest > end) {
        th_buf_printf(out, "  ... %zu more ...\n", (size_t)(rest - end));
        rest = end;
    }
    (void)write_lines(m, rest, m->contexts, 2 * TRACE_ENDS, out);
}

void th_machine_trace(const th_machine *m, th_buf *out) {
    if (m->state == TH_RUN_SUSPENDED)
        write_trace(m, out);
    else if (m->trace.len)
        th_buf_put(out, m->trace.data, m->trace.len);
}

static bool catchable(th_status code) {
    return code != TH_E_FUEL && code != TH_E_NOMEM && code != TH_E_MEMORY_LIMIT && code != TH_E_TIMEOUT &&
           code != TH_E_CANCELLED;
}

static const th_handler *find_handler(const th_machine *m, const th_context *c) {
    if (!runs_code(c)) return NULL;
    const th_function *f = c->fn->info;
    uint32_t pc = th_context_pc(m, c);
    for (uint32_t i = 0; i < f->nhandlers; i++)
        if (pc >= f->handlers[i].start && pc < f->handlers[i].end) return &f->handlers[i];
    return NULL;
}

static bool make_error(th_machine *m, uint64_t *out) {
    const char *kind = th_status_text(m->error.code);
    uint64_t slots[TH_ERROR_SLOTS];
    const char *texts[4] = {kind, m->error.message, m->error.file, m->trace.data ? m->trace.data : ""};
    const uint32_t places[4] = {TH_ERROR_KIND, TH_ERROR_MESSAGE, TH_ERROR_FILE, TH_ERROR_TRACE};
    for (size_t i = 0; i < 4; i++) {
        th_str *s = th_new_str_of(m, texts[i], strlen(texts[i]));
        if (!s) return false;
        slots[places[i]] = th_ptr_word(s);
    }
    slots[TH_ERROR_LINE] = m->error.span.line;
    slots[TH_ERROR_COLUMN] = m->error.span.column;
    th_record *record = th_new_record(m, TH_TYPE_ERROR, TH_ERROR_SLOTS);
    if (!record) return false;
    memcpy(record->slots, slots, sizeof slots);
    *out = th_ptr_word(record);
    return true;
}

static void go_down_to(th_machine *m, const th_context *c, uint64_t *base, size_t regions) {
    size_t index = (size_t)(c - m->contexts);
    m->context = m->contexts + index;
    m->base = base;
    th_mark_below(m, index);
    th_memory_unwind(&m->memory, index, regions);
}

static bool go_on_in_handler(th_machine *m, const th_context *c, uint64_t *base, const th_handler *handler) {
    uint64_t error;
    m->trapped = false;
    if (!make_error(m, &error)) return false;
    go_down_to(m, c, base, handler->depth);
    m->context->pc = m->context->fn->code + handler->target;
    base[handler->reg] = error;
    return true;
}

static bool catches(const th_machine *m, const th_context *c) {
    return c->kind == TH_CONTEXT_BUILTIN && c->entered && (c != m->context || m->calling) &&
           (c->binding->builtin->flags & TH_BUILTIN_CATCHES);
}

static void go_on_in_builtin(th_machine *m, const th_context *c, uint64_t *base) {
    m->trapped = false;
    m->caught = m->error;
    go_down_to(m, c, base, SIZE_MAX);
    m->context->caught = 1;
    m->base[th_callee_delta(m) + 1] = TH_V_NULL;
}

/* Memory has run out: what the run held must not stand in the way of the next one. */
static void give_back(th_machine *m) {
    size_t registers = (size_t)(m->stack_end - m->stack), contexts = (size_t)(m->contexts_end - m->contexts);
    uint64_t *stack = registers > FIRST_REGISTERS
                          ? th_mem_resize(&m->mem, m->stack, registers * sizeof *stack, FIRST_REGISTERS * sizeof *stack)
                          : NULL;
    if (stack) {
        m->stack = m->base = stack;
        m->stack_end = stack + FIRST_REGISTERS;
    }
    th_context *few = contexts > FIRST_CONTEXTS
                          ? th_mem_resize(&m->mem, m->contexts, contexts * sizeof *few, FIRST_CONTEXTS * sizeof *few)
                          : NULL;
    if (few) {
        m->contexts = m->context = few;
        m->contexts_end = few + FIRST_CONTEXTS;
    }
    if (m->heap && !th_collect(m, true)) m->trapped = false; /* not even for that: what there is stays */
}

/* An error was recorded: go on in the nearest handler or builtin that catches. False: there is none, and the contexts
** are gone. Thunks under evaluation keep the error, or can be evaluated again. */
static bool unwind(th_machine *m) {
    m->trace.len = 0;
    write_trace(m, &m->trace);
    bool caught = catchable(m->error.code);
    th_value error = TH_V_ABSENT;
    uint64_t *base = m->base;
    for (const th_context *c = m->context; c > m->contexts; base -= c->delta, c--) {
        const th_handler *handler = caught ? find_handler(m, c) : NULL;
        if (handler && go_on_in_handler(m, c, base, handler)) {
            m->calling = false;
            return true;
        }
        if (handler) caught = false; /* no memory for the error */
        if (caught && catches(m, c)) {
            m->calling = false;
            go_on_in_builtin(m, c, base);
            return true;
        }
        if (c->kind == TH_CONTEXT_FORCE) th_unwind_force(m, c, caught, &error);
    }
    m->calling = m->trapped = false;
    m->context = m->contexts;
    th_machine_abandon(m);
    if (m->error.code == TH_E_MEMORY_LIMIT || m->error.code == TH_E_NOMEM) give_back(m);
    m->state = TH_RUN_FAILED;
    return false;
}

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

static uint32_t callee_delta(const th_binding *binding) { return 2 + binding->nargs + binding->builtin->nslots; }

/* Above its stack of values. */
uint32_t th_callee_delta(const th_machine *m) { return callee_delta(m->context->binding) + (uint32_t)m->base[0]; }

static bool trap_denied(th_machine *m, const th_builtin *builtin, uint32_t missing) {
    const char *name = missing & TH_BUILTIN_FS ? "fs" : missing & TH_BUILTIN_NET ? "net" : "clock";
    (void)th_machine_trap(m, TH_E_DENIED, "%s needs the capability '%s', which is not granted", builtin->name, name);
    return false;
}

bool th_push_builtin(th_machine *m, const th_binding *binding, uint32_t delta, uint32_t dest, bool evaluate) {
    uint32_t missing = denied(m, binding->builtin);
    if (missing) return trap_denied(m, binding->builtin, missing);
    m->fuel -= 8;
    th_context context = {.fn = &th_exit_fn, .pc = th_exit_code, .binding = binding, .delta = delta};
    context.facts = TH_FACTS(TH_CONTEXT_BUILTIN, 0, dest);
    context.evaluate = evaluate;
    if (!th_push_context(m, &context, callee_delta(binding) + 2)) return false;
    memset(m->base + 2 + binding->nargs, 0, (binding->builtin->nslots + 2) * sizeof *m->base);
    return true;
}

/* The top context is CODE at a CALLB of a stateful builtin. */
static bool push_builtin(th_machine *m) {
    uint32_t w = *m->context->pc;
    const th_binding *binding = &m->context->fn->unit->imports[TH_INSN_IMM(w)];
    if (!th_push_builtin(m, binding, TH_INSN_A(w), 0, false)) return false;
    m->context[-1].pc++;
    return true;
}

th_step th_call_closure(th_machine *m, th_call *call, th_closure *closure, const uint64_t *args, size_t nargs,
                        uint32_t next_state) {
    call->state = next_state;
    m->call_kind = TH_CALL_TYPED;
    m->call_closure = closure;
    m->call_nargs = nargs;
    m->call_args = m->call_words;
    if (nargs > TH_COUNT(m->call_words)) {
        m->call_big = th_mem_new(&m->mem, nargs * sizeof *args);
        if (!m->call_big) return th_trap_memory(m);
        m->call_args = m->call_big;
    }
    if (nargs) memcpy((uint64_t *)(uintptr_t)m->call_args, args, nargs * sizeof *args);
    return TH_STEP_CALL;
}

static bool push_closure(th_machine *m, uint32_t delta, th_closure *closure, const uint64_t *args, size_t nargs) {
    th_context context = {.fn = closure->fn, .pc = closure->fn->code, .closure = closure, .delta = delta};
    context.facts = TH_FACTS(TH_CONTEXT_CODE, 0, 0);
    size_t nregs = closure->fn->nregs < nargs + 2 ? nargs + 2 : closure->fn->nregs;
    if (!th_push_context(m, &context, nregs)) return false;
    if (nargs) memcpy(m->base + 2, args, nargs * sizeof *args);
    m->fuel -= 8;
    return true;
}

static bool make_call(th_machine *m, uint32_t delta) {
    bool ok = m->call_kind == TH_CALL_TYPED ? push_closure(m, delta, m->call_closure, m->call_args, m->call_nargs)
                                            : th_make_value_call(m, delta);
    if (m->call_big) {
        th_mem_free(&m->mem, m->call_big, m->call_nargs * sizeof *m->call_big);
        m->call_big = NULL;
    }
    return ok;
}

void th_pop_context(th_machine *m) {
    m->base -= m->context->delta;
    m->context--;
    if (m->context->pc == th_mark_code) th_mark_reached(m);
}

bool th_finish_builtin(th_machine *m) {
    const th_context *c = m->context;
    if (c->evaluate) {
        m->base[1] = th_deref(m->base[1]);
        if (th_is_thunkish(m->base[1])) return th_force_in_place(m, m->base[1]);
    }
    if (c->dest) (m->base - c->delta)[c->dest] = m->base[1];
    th_pop_context(m);
    return true;
}

/* Before the first entry: what `strict` asks of the arguments. *ready: the builtin may be entered. */
static th_exit prepare_builtin(th_machine *m, bool *ready) {
    uint32_t which = 0;
    *ready = false;
    switch (th_strict(m, m->context->binding, m->base + 2, &which)) {
    case TH_READY: break;
    case TH_NOT_READY:
        return th_push_force(m, m->base[2 + which], th_callee_delta(m), 2 + which, true) ? TH_EXIT_RETURNED
                                                                                         : TH_EXIT_TRAP;
    case TH_READY_TRAP: return TH_EXIT_TRAP;
    }
    m->context->entered = 1;
    *ready = true;
    return TH_EXIT_RETURNED;
}

static th_exit step_builtin(th_machine *m) {
    const th_binding *binding = m->context->binding;
    bool ready = m->context->entered;
    if (!ready) {
        th_exit exit = prepare_builtin(m, &ready);
        if (!ready) return exit;
    }
    uint64_t *window = m->base;
    th_call call = {.args = window + 2,
                    .result = window + 1,
                    .slots = window + 2 + binding->nargs,
                    .callback = window[th_callee_delta(m) + 1],
                    .state = m->context->state | (uint32_t)(window[0] >> 48) << 16,
                    .type = binding->type,
                    .user = binding->user,
                    .caught = m->context->caught ? &m->caught : NULL};
    th_step step = binding->builtin->fn(m, &call);
    m->context->state = (uint16_t)call.state;
    m->base[0] = (m->base[0] & UINT32_MAX) | (uint64_t)(call.state >> 16) << 48;
    m->context->caught = 0;
    if (m->trapped) step = TH_STEP_ERROR;
    switch (step) {
    case TH_STEP_DONE: return th_finish_builtin(m) ? TH_EXIT_RETURNED : TH_EXIT_TRAP;
    case TH_STEP_CALL:
        m->calling = true; /* what fails from here on is the callee's, until something runs */
        if (!make_call(m, th_callee_delta(m))) return TH_EXIT_TRAP;
        m->calling = false;
        return TH_EXIT_RETURNED;
    case TH_STEP_AGAIN:
        m->base[th_callee_delta(m) + 1] = 0; /* no callee's result: a collection looks there */
        if (m->fuel >= 0) return TH_EXIT_RETURNED;
        if (th_refill(m) == TH_OK) return TH_EXIT_RETURNED;
        return m->trapped ? TH_EXIT_TRAP : TH_EXIT_STOP;
    case TH_STEP_SUSPEND:
        m->base[th_callee_delta(m) + 1] = 0;
        m->context->kind = TH_CONTEXT_HOST;
        m->stop = TH_OK;
        return TH_EXIT_STOP;
    case TH_STEP_ERROR: break;
    }
    return TH_EXIT_TRAP;
}

bool th_scratch_open(th_machine *m) {
    if (th_memory_enter(&m->memory, (size_t)(m->context - m->contexts)) == TH_OK) return true;
    (void)th_trap_memory(m);
    return false;
}

void th_scratch_reset(th_machine *m) {
    th_region *region = &m->memory.regions[m->memory.nregions - 1];
    size_t context = region->context;
    if (m->memory.nslots > region->slots || region->globals) {
        th_memory_collect(m, NULL, NULL, 0, NULL, false);
        return;
    }
    th_memory_leave(m, NULL, NULL, 0, NULL);
    if (th_memory_enter(&m->memory, context) != TH_OK) (void)th_trap_memory(m);
}

void th_scratch_close(th_machine *m) { th_memory_leave(m, NULL, NULL, 0, NULL); }

const th_builtin *th_machine_waiting(const th_machine *m, const uint64_t **args, th_type_id *type) {
    if (m->state != TH_RUN_SUSPENDED || m->context->kind != TH_CONTEXT_HOST) return NULL;
    if (args) *args = m->base + 2;
    if (type) *type = m->context->binding->type;
    return m->context->binding->builtin;
}

th_status th_machine_resume_value(th_machine *m, uint64_t word) {
    if (m->state != TH_RUN_SUSPENDED || m->context->kind != TH_CONTEXT_HOST) return TH_E_ARGUMENT;
    m->base[1] = word;
    m->state = TH_RUN_READY;
    TH_IGNORE(th_finish_builtin(m)); /* a trap is told by the run */
    return TH_OK;
}

th_status th_machine_resume_error(th_machine *m, th_status code, const char *message) {
    if (m->state != TH_RUN_SUSPENDED || m->context->kind != TH_CONTEXT_HOST) return TH_E_ARGUMENT;
    th_machine_record(m, code, message);
    m->state = TH_RUN_READY;
    return TH_OK;
}

/* ---- Runs --------------------------------------------------------------------------------------------------- */

th_status th_machine_tidy(th_machine *m) {
    if (m->state == TH_RUN_READY || m->state == TH_RUN_SUSPENDED) return TH_E_BUSY;
    if (m->state == TH_RUN_DONE && m->result_type == TH_TYPE_VALUE) m->state = TH_RUN_IDLE; /* no root any more */
    if (m->heap && th_heap_due(m->heap) && !th_collect(m, false)) m->trapped = false;
    th_memory *memory = &m->memory;
    th_builders_forget(m);
    if (memory->nregions == 0) return th_memory_enter(memory, 0);
    bool escaped = memory->regions[0].globals || memory->nslots > 0 || m->nbindings > 0 || m->nholds > 0;
    if (escaped) {
        th_memory_collect(m, NULL, NULL, 0, NULL, false);
        return TH_OK;
    }
    th_memory_leave(m, NULL, NULL, 0, NULL);
    return th_memory_enter(memory, 0);
}

static th_status begin(th_machine *m, const th_fn *fn, th_closure *closure, const uint64_t *args, size_t nargs) {
    if (m->state == TH_RUN_READY || m->state == TH_RUN_SUSPENDED) return TH_E_BUSY;
    m->trapped = false;
    m->trace.len = 0;
    m->context = m->contexts;
    m->base = m->stack;
    if (m->memory.nregions == 0) TH_TRY(th_memory_enter(&m->memory, 0));
    th_closure plain = {.fn = fn};
    if (!push_closure(m, 0, closure ? closure : &plain, args, nargs)) {
        m->trapped = false;
        return TH_E_NOMEM;
    }
    m->context->closure = closure;
    m->main_fn = fn;
    m->result_type = th_types_result(&m->types, fn->type);
    m->deadline_ns = 0;
    m->state = TH_RUN_READY;
    return TH_OK;
}

/* The unit's globals are set by a run of its start function, stacked upon the one that is begun. */
static bool push_start(th_machine *m, th_unit *unit) {
    unit->started = true;
    th_closure start = {.fn = &unit->fns[unit->program->start - 1]};
    uint32_t above = m->context->fn->nregs < 2 ? 2 : m->context->fn->nregs;
    if (!push_closure(m, above, &start, NULL, 0)) return false;
    m->context->closure = NULL;
    return true;
}

bool th_push_starts(th_machine *m) {
    for (size_t i = m->nunits; i > 0; i--) {
        th_unit *unit = m->units[i - 1];
        if (unit->started) continue;
        if (push_start(m, unit)) continue;
        unit->started = false;
        for (const th_context *c = m->context; c > m->contexts; c--) /* those that were pushed will not run */
            if (c->fn->unit && c->fn->info->index + 1 == c->fn->unit->program->start) c->fn->unit->started = false;
        return false;
    }
    return true;
}

static th_status begin_in(th_machine *m, const th_fn *fn, th_closure *closure, const uint64_t *args, size_t nargs) {
    TH_TRY(begin(m, fn, closure, args, nargs));
    if (!fn->unit->started && !push_start(m, fn->unit)) {
        fn->unit->started = false;
        m->trapped = false;
        th_machine_abandon(m);
        return TH_E_NOMEM;
    }
    return TH_OK;
}

th_status th_machine_begin(th_machine *m, const th_fn *fn, const uint64_t *args, size_t nargs) {
    if (nargs != fn->info->nparams || fn->info->ncaptures > 0) return TH_E_ARGUMENT;
    return begin_in(m, fn, NULL, args, nargs);
}

th_status th_machine_begin_closure(th_machine *m, th_closure *closure, const uint64_t *args, size_t nargs) {
    if (nargs != closure->fn->info->nparams) return TH_E_ARGUMENT;
    return begin_in(m, closure->fn, closure, args, nargs);
}

th_status th_machine_begin_builtin(th_machine *m, const th_builtin *builtin, void *user, th_type_id type,
                                   const uint64_t *args, size_t nargs) {
    if (m->state == TH_RUN_READY || m->state == TH_RUN_SUSPENDED) return TH_E_BUSY;
    if (nargs != th_types_nparams(&m->types, type)) return TH_E_ARGUMENT;
    m->trapped = false;
    m->trace.len = 0;
    m->context = m->contexts;
    m->base = m->stack;
    if (m->memory.nregions == 0) TH_TRY(th_memory_enter(&m->memory, 0));
    m->own_binding = (th_binding){.builtin = builtin, .user = user, .type = type, .nargs = (uint32_t)nargs};
    m->own_binding.values = th_types_result(&m->types, type) == TH_TYPE_VALUE;
    for (size_t i = 0; i < nargs; i++) m->own_binding.values |= th_types_param(&m->types, type, i) == TH_TYPE_VALUE;
    th_context context = {.fn = &th_exit_fn, .pc = th_exit_code, .binding = &m->own_binding};
    context.facts = TH_FACTS(TH_CONTEXT_BUILTIN, 0, 0);
    context.evaluate = th_types_result(&m->types, type) == TH_TYPE_VALUE;
    if (!th_push_context(m, &context, callee_delta(&m->own_binding) + 2)) {
        m->trapped = false;
        return TH_E_NOMEM;
    }
    memset(m->base + 1, 0, (callee_delta(&m->own_binding) + 1) * sizeof *m->base);
    if (nargs) memcpy(m->base + 2, args, nargs * sizeof *args);
    m->main_fn = NULL;
    m->result_type = th_types_result(&m->types, type);
    m->deadline_ns = 0;
    m->state = TH_RUN_READY;
    return TH_OK;
}

static th_run_state suspend(th_machine *m) { return m->state = TH_RUN_SUSPENDED; }

static th_run_state finish(th_machine *m) {
    m->result = m->base[1];
    m->fuel_spent += m->slice - m->fuel;
    m->slice = m->fuel = 0;
    m->deadline_ns = 0;
    return m->state = TH_RUN_DONE;
}

static th_exit step(th_machine *m) {
    if (m->trapped) return TH_EXIT_TRAP;
    switch ((th_context_kind)m->context->kind) {
    case TH_CONTEXT_CODE:
    case TH_CONTEXT_FORCE:
    case TH_CONTEXT_WAIT: return th_interpret(m);
    case TH_CONTEXT_BUILTIN: return step_builtin(m);
    default: return TH_EXIT_STOP;
    }
}

th_run_state th_machine_run(th_machine *m) {
    if (m->state == TH_RUN_SUSPENDED && m->context->kind != TH_CONTEXT_HOST) m->state = TH_RUN_READY;
    if (m->state != TH_RUN_READY) return m->state;
    if (m->timeout_ns > 0) m->deadline_ns = th_clock_monotonic_ns() + m->timeout_ns;
    if (!m->trapped && th_refill(m) != TH_OK && !m->trapped) return suspend(m);
    while (m->context->kind != TH_CONTEXT_ENTRY) {
        bool collect = m->heap && !m->trapped && (th_heap_due(m->heap) || th_stress_due(m));
        switch (collect && !th_collect(m, false) ? TH_EXIT_TRAP : step(m)) {
        case TH_EXIT_RETURNED: break;
        case TH_EXIT_BUILTIN:
            if (push_builtin(m)) break;
            /* fallthrough */
        case TH_EXIT_TRAP:
            if (!unwind(m)) return m->state;
            break;
        case TH_EXIT_STOP: return suspend(m);
        }
    }
    return finish(m);
}

th_run_state th_machine_state(const th_machine *m) { return m->state; }
uint64_t th_machine_result(th_machine *m) { return m->result; }
th_type_id th_machine_result_type(const th_machine *m) { return m->result_type; }
const th_error *th_machine_error(const th_machine *m) { return &m->error; }

void th_machine_abandon(th_machine *m) {
    th_value none = TH_V_NULL;
    for (const th_context *c = m->context; c > m->contexts; c--)
        if (c->kind == TH_CONTEXT_FORCE) th_unwind_force(m, c, false, &none);
    m->context = m->contexts;
    th_mark_below(m, 0);
    m->base = m->stack;
    th_memory_unwind(&m->memory, 0, 1);
    m->fuel_spent += m->slice - m->fuel;
    m->slice = m->fuel = 0;
    m->trapped = false;
    m->state = TH_RUN_IDLE;
}

th_status th_machine_reset(th_machine *m) {
    if (m->state == TH_RUN_READY || m->state == TH_RUN_SUSPENDED) return TH_E_BUSY;
    th_memory_clear(&m->memory);
    th_builders_forget(m);
    bindings_clear(m);
    m->nholds = 0;
    m->state = TH_RUN_IDLE;
    for (size_t i = 0; i < m->nunits; i++) {
        th_unit *unit = m->units[i];
        unit->started = unit->program->start == 0;
        for (uint32_t g = 0; g < unit->program->nglobals; g++) unit->globals_set[g] = false;
    }
    th_values_reset(m);
    return TH_OK;
}

/* ---- Bindings ----------------------------------------------------------------------------------------------- */

th_status th_machine_bind(th_machine *m, th_view name, th_type_id type, uint64_t word) {
    for (size_t i = 0; i < m->nbindings; i++) {
        th_named_value *value = &m->bindings[i];
        if (!th_view_eq((th_view){value->name, value->len}, name)) continue;
        value->type = type;
        value->word = word;
        return TH_OK;
    }
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->bindings, &m->bindings_capacity, m->nbindings + 1, sizeof *m->bindings));
    char *text = th_mem_new(&m->mem, name.len + 1);
    if (!text) return TH_E_NOMEM;
    memcpy(text, name.data, name.len);
    text[name.len] = 0;
    m->bindings[m->nbindings++] = (th_named_value){text, name.len, type, word};
    return TH_OK;
}

bool th_machine_lookup(const th_machine *m, th_view name, th_type_id *type, uint64_t *word) {
    for (size_t i = 0; i < m->nbindings; i++) {
        const th_named_value *value = &m->bindings[i];
        if (!th_view_eq((th_view){value->name, value->len}, name)) continue;
        if (type) *type = value->type;
        if (word) *word = value->word;
        return true;
    }
    return false;
}

void th_machine_each_binding(const th_machine *m, th_view prefix, void (*found)(void *user, th_view name), void *user) {
    for (size_t i = 0; i < m->nbindings; i++) {
        th_view name = {m->bindings[i].name, m->bindings[i].len};
        if (name.len >= prefix.len && memcmp(name.data, prefix.data, prefix.len) == 0) found(user, name);
    }
}

th_status th_machine_hold(th_machine *m, th_type_id type, uint64_t word, uint32_t *hold) {
    size_t i = 0;
    while (i < m->nholds && m->holds[i].used) i++;
    if (i == m->nholds) {
        TH_TRY(th_mem_grow(&m->mem, (void **)&m->holds, &m->holds_capacity, m->nholds + 1, sizeof *m->holds));
        m->nholds++;
    }
    m->holds[i] = (th_held){type, true, word};
    *hold = (uint32_t)i + 1;
    return TH_OK;
}

uint64_t th_machine_held(const th_machine *m, uint32_t hold, th_type_id *type) {
    if (type) *type = m->holds[hold - 1].type;
    return m->holds[hold - 1].word;
}

void th_machine_drop(th_machine *m, uint32_t hold) {
    if (hold == 0) return;
    m->holds[hold - 1].used = false;
    while (m->nholds > 0 && !m->holds[m->nholds - 1].used) m->nholds--;
}

/* ---- Output ------------------------------------------------------------------------------------------------- */

#define OUTPUT_BYTES ((size_t)64 << 10)

void th_machine_set_output(th_machine *m, th_write_fn write, void *user) {
    TH_IGNORE(th_machine_flush(m));
    m->write = write ? write : write_stdout;
    m->write_user = user;
    m->output_status = TH_OK;
}

th_status th_machine_flush(th_machine *m) {
    if (m->output_status == TH_OK && m->output.len > 0)
        m->output_status = m->write(m->write_user, m->output.data, m->output.len);
    m->output.len = 0;
    return m->output_status;
}

th_status th_machine_write(th_machine *m, const char *bytes, size_t len) {
    if (m->output_status != TH_OK) return m->output_status;
    if (m->output.len + len > OUTPUT_BYTES) TH_TRY(th_machine_flush(m));
    if (len > OUTPUT_BYTES) return m->output_status = m->write(m->write_user, bytes, len);
    th_buf_put(&m->output, bytes, len);
    if (!m->output.failed) return TH_OK;
    m->output.failed = false;
    return m->output_status = m->write(m->write_user, bytes, len);
}

void th_machine_set_args(th_machine *m, const char *const *args, size_t count) {
    m->args = args;
    m->nargs = count;
}
