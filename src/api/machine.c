/*
** machine.c - machines of the public interface: limits, calls, suspension, snapshots.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "api/dynamic.h"

void theta_machine_config_init(theta_machine_config *config) {
    *config = (theta_machine_config){.size = sizeof *config, .fuel = -1};
}

static th_status forward_write(void *user, const char *bytes, size_t len) {
    theta_machine *m = user;
    return (th_status)m->write(m->write_user, bytes, len);
}

theta_status theta_machine_new(theta_engine *engine, const theta_machine_config *config, theta_machine **out,
                               theta_error *err) {
    theta_machine_config defaults;
    theta_machine_config_init(&defaults);
    if (!config) config = &defaults;
    theta_machine *m = th_mem_zeroed(&engine->mem, sizeof *m);
    if (!m) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    m->engine = engine;
    th_limits limits = {.fuel = config->fuel,
                        .memory_bytes = config->memory_bytes,
                        .timeout_ns = (int64_t)(config->timeout_s * 1e9),
                        .capabilities = config->allow};
    th_status status = th_machine_new(engine->engine, &limits, &m->machine);
    if (status != TH_OK) {
        th_mem_free(&engine->mem, m, sizeof *m);
        return th_api_fail(err, status, "%s", th_status_text(status));
    }
    th_machine_set_user(m->machine, m);
    th_machine_set_resumable(m->machine, config->resumable);
    th_machine_set_args(m->machine, config->args, config->nargs);
    if (config->write) {
        m->write = config->write;
        m->write_user = config->write_user;
        th_machine_set_output(m->machine, forward_write, m);
    }
    *out = m;
    return THETA_OK;
}

void theta_machine_free(theta_machine *m) {
    if (!m) return;
    th_mem *mem = &m->engine->mem;
    th_machine_free(m->machine);
    th_api_nix_free(m);
    th_mem_free(mem, m->units, m->units_capacity * sizeof *m->units);
    th_mem_free(mem, m, sizeof *m);
}

theta_status theta_machine_add(theta_machine *m, theta_program *program, theta_error *err) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_unit *unit;
    th_status status =
        th_mem_grow(&m->engine->mem, (void **)&m->units, &m->units_capacity, m->nunits + 1, sizeof(th_unit *));
    if (status == TH_OK) {
        theta_status ready = th_api_nix_add(m, program->program, err);
        if (ready != THETA_OK) return ready;
        status = th_machine_load(m->machine, program->program, &unit, &inner);
    }
    if (status == TH_OK)
        m->units[m->nunits++] = unit;
    else
        th_api_error(err, &inner);
    return (theta_status)status;
}

theta_status theta_machine_reset(theta_machine *m) {
    th_status status = th_machine_reset(m->machine);
    if (status == TH_OK) th_api_nix_reset(m);
    return (theta_status)status;
}
void theta_machine_add_fuel(theta_machine *m, int64_t fuel) { th_machine_add_fuel(m->machine, fuel); }
int64_t theta_machine_fuel_used(const theta_machine *m) { return th_machine_fuel_used(m->machine); }
size_t theta_machine_memory_used(const theta_machine *m) {
    return atomic_load_explicit(&th_machine_mem(m->machine)->used_bytes, memory_order_relaxed);
}
size_t theta_machine_memory_peak(const theta_machine *m) {
    return atomic_load_explicit(&th_machine_mem(m->machine)->peak_bytes, memory_order_relaxed);
}
void theta_machine_cancel(theta_machine *m) { th_machine_cancel(m->machine); }
void theta_machine_clear_cancel(theta_machine *m) { th_machine_uncancel(m->machine); }
void theta_machine_interrupt(theta_machine *m) { th_machine_interrupt(m->machine); }
theta_status theta_machine_flush(theta_machine *m) { return (theta_status)th_machine_flush(m->machine); }

theta_status theta_machine_trace(const theta_machine *m, theta_text *out) {
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_machine_trace(m->machine, &buf);
    return th_api_text(&buf, out);
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

typedef struct found {
    const th_fn *fn;
    size_t count;
} found;

/* An export `Capsule.f` answers to its whole name and to `f`; one that is exported as `f` also to its function's name. */
static bool answers(th_view export, th_view name) {
    if (th_view_eq(export, name)) return true;
    return export.len > name.len && export.data[export.len - name.len - 1] == '.' &&
           th_view_eq((th_view){export.data + export.len - name.len, name.len}, name);
}

static found find_in(th_unit *unit, th_view name) {
    const th_program *p = th_unit_program(unit);
    found result = {0};
    int64_t whole = th_program_find(p, name);
    if (whole >= 0) return (found){th_unit_fn(unit, (uint32_t)whole), 1};
    for (uint32_t i = 0; i < p->nexports; i++) {
        uint32_t function = p->exports[i].function;
        const th_fn *fn = th_unit_fn(unit, function);
        bool same = th_view_eq(th_view_str(p->functions[function].name), name);
        if (fn == result.fn || !(same || answers(th_view_str(p->exports[i].name), name))) continue;
        result.fn = fn;
        result.count++;
    }
    return result;
}

static theta_status find_function(theta_machine *m, const char *name, const th_fn **out, theta_error *err) {
    th_suggest suggest;
    th_suggest_init(&suggest, th_view_of(name));
    for (size_t i = m->nunits; i > 0; i--) {
        found result = find_in(m->units[i - 1], th_view_of(name));
        if (result.count > 1) return th_api_fail(err, TH_E_ARGUMENT, "'%s' is the name of several functions", name);
        if (result.count == 1) {
            *out = result.fn;
            return THETA_OK;
        }
        const th_program *p = th_unit_program(m->units[i - 1]);
        for (uint32_t e = 0; e < p->nexports; e++) th_suggest_try(&suggest, th_view_str(p->exports[e].name));
    }
    if (suggest.best.len == 0) return th_api_fail(err, TH_E_NOT_FOUND, "no program exports a function '%s'", name);
    return th_api_fail(err, TH_E_NOT_FOUND, "no program exports a function '%s'; did you mean '%.*s'?", name,
                       (int)suggest.best.len, suggest.best.data);
}

#define MAX_ARGUMENTS 64

/* Arguments are held while the last run's memory is released, so that they may be results of it. */
static theta_status start(theta_machine *m, th_type_id type, const th_fn *fn, const theta_value *function,
                          const theta_value *args, size_t nargs, theta_error *err) {
    th_machine *machine = m->machine;
    size_t nparams = th_types_nparams(th_machine_types(machine), type);
    if (nargs != nparams || nargs > MAX_ARGUMENTS)
        return th_api_fail(err, TH_E_ARGUMENT, "the function takes %zu argument%s, not %zu", nparams,
                           nparams == 1 ? "" : "s", nargs);
    uint64_t words[MAX_ARGUMENTS + 1];
    uint32_t holds[MAX_ARGUMENTS + 1];
    size_t held = 0;
    theta_status status = THETA_OK;
    for (; held < nargs && status == THETA_OK; held++) {
        char what[32];
        snprintf(what, sizeof what, "argument %zu", held + 1);
        th_type_id param = th_types_param(th_machine_types(machine), type, held);
        status = th_api_convert(m, args[held], param, &words[held], err, what);
        if (status == THETA_OK) status = (theta_status)th_machine_hold(machine, param, words[held], &holds[held]);
        if (status != THETA_OK) break;
    }
    uint32_t self = 0;
    if (status == THETA_OK && function)
        status = (theta_status)th_machine_hold(machine, type, th_api_word(m, *function), &self);
    if (status == THETA_OK) status = (theta_status)th_machine_tidy(machine);
    for (size_t i = 0; i < held; i++) words[i] = th_machine_held(machine, holds[i], NULL);
    if (status == THETA_OK && function) {
        th_closure *closure = th_word_ptr(th_machine_held(machine, self, NULL));
        status = (theta_status)th_machine_begin_closure(machine, closure, words, nargs);
    } else if (status == THETA_OK) {
        status = (theta_status)th_machine_begin(machine, fn, words, nargs);
    }
    th_machine_drop(machine, self);
    while (held > 0) th_machine_drop(machine, holds[--held]);
    if (status != THETA_OK && (!err || err->code != status))
        return th_api_fail(err, (th_status)status, "%s", th_status_text((th_status)status));
    return status;
}

theta_status theta_start(theta_machine *m, const char *function, const theta_value *args, size_t nargs,
                         theta_error *err) {
    const th_fn *fn = NULL;
    if (err) err->code = THETA_OK;
    theta_status status = find_function(m, function, &fn, err);
    return status == THETA_OK ? start(m, th_fn_type(fn), fn, NULL, args, nargs, err) : status;
}

/* After a failure for want of memory what the run held is given back at once: what is asked for next should succeed. */
theta_state theta_run(theta_machine *m) {
    th_run_state state = th_machine_run(m->machine);
    if (state != TH_RUN_FAILED) return (theta_state)state;
    th_status code = th_machine_error(m->machine)->code;
    if (code == TH_E_MEMORY_LIMIT || code == TH_E_NOMEM) TH_IGNORE(th_machine_tidy(m->machine));
    return (theta_state)state;
}
theta_state theta_machine_state(const theta_machine *m) { return (theta_state)th_machine_state(m->machine); }
theta_status theta_suspended_for(const theta_machine *m) { return (theta_status)th_machine_stopped_for(m->machine); }
void theta_abandon(theta_machine *m) { th_machine_abandon(m->machine); }

theta_status theta_result(theta_machine *m, theta_value *out, theta_error *err) {
    switch (th_machine_state(m->machine)) {
    case TH_RUN_DONE:
        if (out) *out = (theta_value){th_machine_result(m->machine), th_machine_result_type(m->machine), 0};
        return THETA_OK;
    case TH_RUN_FAILED:
        th_api_error(err, th_machine_error(m->machine));
        return (theta_status)th_machine_error(m->machine)->code;
    case TH_RUN_SUSPENDED: return th_api_fail(err, TH_E_SUSPENDED, "the run is suspended");
    default: return th_api_fail(err, TH_E_ARGUMENT, "there is no finished run");
    }
}

theta_status theta_call(theta_machine *m, const char *function, const theta_value *args, size_t nargs,
                        theta_value *result, theta_error *err) {
    theta_status status = theta_start(m, function, args, nargs, err);
    if (status != THETA_OK) return status;
    (void)theta_run(m);
    return theta_result(m, result, err);
}

theta_status theta_call_value(theta_machine *m, theta_value function, const theta_value *args, size_t nargs,
                              theta_value *result, theta_error *err) {
    if (err) err->code = THETA_OK;
    if (th_api_is_dynamic(function)) {
        theta_status begun = theta_start_value(m, function, args, nargs, err);
        if (begun != THETA_OK) return begun;
        (void)theta_run(m);
        return theta_result(m, result, err);
    }
    if (th_types_kind(th_machine_types(m->machine), function.type) != TH_KIND_FUNCTION)
        return th_api_fail(err, TH_E_TYPE, "the value is no function");
    theta_status status = start(m, function.type, NULL, &function, args, nargs, err);
    if (status != THETA_OK) return status;
    (void)theta_run(m);
    return theta_result(m, result, err);
}

/* ---- Suspension --------------------------------------------------------------------------------------------- */

const char *theta_waiting(const theta_machine *m, size_t *nargs) {
    th_type_id type;
    const th_builtin *builtin = th_machine_waiting(m->machine, NULL, &type);
    if (builtin && nargs) *nargs = th_types_nparams(th_machine_types(m->machine), type);
    return builtin ? th_api_host_name(builtin) : NULL;
}

theta_status theta_waiting_arg(theta_machine *m, size_t i, theta_value *out) {
    const uint64_t *args;
    th_type_id type;
    if (!th_machine_waiting(m->machine, &args, &type)) return THETA_E_ARGUMENT;
    const th_types *types = th_machine_types(m->machine);
    if (i >= th_types_nparams(types, type)) return THETA_E_INDEX;
    *out = (theta_value){args[i], th_types_param(types, type, i), 0};
    return THETA_OK;
}

theta_status theta_resume(theta_machine *m, theta_value value, theta_error *err) {
    th_type_id type;
    if (!th_machine_waiting(m->machine, NULL, &type))
        return th_api_fail(err, TH_E_ARGUMENT, "the machine does not wait for a host function");
    th_type_id result = th_types_result(th_machine_types(m->machine), type);
    uint64_t word = 0;
    if (result != TH_TYPE_VOID) {
        theta_status status = th_api_convert(m, value, result, &word, err, "the result");
        if (status != THETA_OK) return status;
    }
    return (theta_status)th_machine_resume_value(m->machine, word);
}

theta_status theta_resume_error(theta_machine *m, theta_status code, const char *message) {
    return (theta_status)th_machine_resume_error(m->machine, code == THETA_OK ? TH_E_HOST : (th_status)code, message);
}

theta_status theta_save(theta_machine *m, theta_text *out, theta_error *err) {
    uint8_t *bytes;
    size_t len;
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = th_machine_save(m->machine, &bytes, &len, &inner);
    if (status != TH_OK) {
        th_api_error(err, &inner);
        return (theta_status)status;
    }
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_buf_put(&buf, bytes, len);
    th_mem_free(th_machine_mem(m->machine), bytes, len);
    return th_api_text(&buf, out);
}

theta_status theta_restore(theta_machine *m, const void *bytes, size_t len, theta_error *err) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = th_machine_restore(m->machine, bytes, len, &inner);
    if (status != TH_OK) th_api_error(err, &inner);
    return (theta_status)status;
}
