/*
** error.c - Nix: raising errors, catching them, and telling about them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#include <stdio.h>

/* ---- Raising ----------------------------------------------------------------------------------------------------- */

static int shown(th_view text) { return (int)(text.len < 900 ? text.len : 900); }

static th_step throw_error(th_machine *m, th_call *call) {
    th_value v = th_deref(call->args[0]);
    if (!nix_is_text(v)) return nix_after_coerce(m, call, NIX_I_THROW, 1, 0, NIX_COERCE_COPY);
    th_view text = th_string_view(v);
    return th_machine_trap(m, TH_E_THROW, "%.*s", (int)(text.len < 1020 ? text.len : 1020), text.data);
}

static th_step abort_error(th_machine *m, th_call *call) {
    th_value v = th_deref(call->args[0]);
    if (!nix_is_text(v)) return nix_after_coerce(m, call, NIX_I_ABORT, 1, 0, NIX_COERCE_COPY);
    th_view text = th_string_view(v);
    return th_machine_trap(m, TH_E_ABORT, "evaluation aborted with the following error message: '%.*s'", shown(text),
                           text.data);
}

/* ---- Catching ---------------------------------------------------------------------------------------------------- */

/* Only what the user threw or asserted is caught. */
static th_step try_eval(th_machine *m, th_call *call) {
    static const char *const names[] = {"success", "value"};
    th_value result, values[2] = {TH_V_TRUE, call->args[0]};
    if (call->state == 0) {
        if (!th_evaluated(&values[1])) return th_call_force(m, call, call->args[0], 1);
    } else if (call->caught) {
        if (call->caught->code != TH_E_THROW && call->caught->code != TH_E_ASSERT)
            return th_machine_trap_error(m, call->caught);
        values[0] = values[1] = TH_V_FALSE;
    } else {
        values[1] = call->callback;
    }
    values[1] = th_shared(values[1]);
    return nix_record(m, names, values, 2, &result) ? nix_done(call, result) : TH_STEP_ERROR;
}

/* While the context is evaluated, the error waits in the slots. */
enum { X_MESSAGE, X_FILE, X_CODE, X_FROM, X_TO };
enum { X_START, X_FORCED, X_CONTEXT };

static bool keep_error(th_machine *m, th_call *call, const th_error *e) {
    if (!nix_text(m, th_view_of(e->message), &call->slots[X_MESSAGE])) return false;
    if (!nix_text(m, th_view_of(e->file), &call->slots[X_FILE])) return false;
    call->slots[X_CODE] = (uint64_t)e->code;
    call->slots[X_FROM] = (uint64_t)e->span.line << 32 | e->span.column;
    call->slots[X_TO] = (uint64_t)e->span.end_line << 32 | e->span.end_column;
    return true;
}

static th_error kept_error(const th_call *call) {
    const uint64_t *s = call->slots;
    th_error e = {
        .code = (th_status)s[X_CODE],
        .span = {(uint32_t)(s[X_FROM] >> 32), (uint32_t)s[X_FROM], (uint32_t)(s[X_TO] >> 32), (uint32_t)s[X_TO]}};
    snprintf(e.file, sizeof e.file, "%s", th_string_bytes(s[X_FILE]));
    snprintf(e.message, sizeof e.message, "%s", th_string_bytes(s[X_MESSAGE]));
    return e;
}

static th_step raise_with(th_machine *m, th_error *e, th_view context) {
    size_t len = strlen(e->message);
    if (context.len && len + context.len + 10 < sizeof e->message)
        snprintf(e->message + len, sizeof e->message - len, "\n  … %.*s", (int)context.len, context.data);
    return th_machine_trap_error(m, e);
}

static th_step add_error_context(th_machine *m, th_call *call) {
    th_value context = call->args[0];
    th_error e;
    if (call->state == X_START) {
        call->slots[X_MESSAGE] = call->slots[X_FILE] = TH_V_NULL;
        if (th_evaluated(&call->args[1])) return nix_done(call, call->args[1]);
        return th_call_force(m, call, call->args[1], X_FORCED);
    }
    if (call->state == X_CONTEXT) {
        e = kept_error(call);
        bool told = !call->caught && nix_is_text(th_deref(call->callback)); /* else the context itself failed */
        return raise_with(m, &e, told ? th_string_view(th_deref(call->callback)) : (th_view){"", 0});
    }
    if (!call->caught) return nix_done(call, call->callback);
    if (th_evaluated(&context) && nix_is_text(context)) {
        e = *call->caught;
        return raise_with(m, &e, th_string_view(context));
    }
    if (!keep_error(m, call, call->caught)) return TH_STEP_ERROR;
    return nix_coerce(m, call, context, 0, X_CONTEXT);
}

/* ---- Telling ----------------------------------------------------------------------------------------------------- */

static void tell(const nix_state *state, const th_buf *text) {
    const nix_settings *s = nix_settings_of(state);
    if (s->message && text->data) s->message(s->user, text->data, text->len);
}

static th_step trace(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_value v = th_deref(call->args[0]);
    th_buf text;
    if (!state) return TH_STEP_ERROR;
    th_buf_init(&text, th_machine_mem(m));
    th_buf_text(&text, "trace: ");
    bool good = true;
    if (nix_is_text(v))
        th_buf_put(&text, th_string_bytes(v), th_string_len(v));
    else
        good = nix_print_trace(m, v, &text);
    th_step step = !good ? TH_STEP_ERROR : text.failed ? nix_no_memory(m) : nix_done(call, call->args[1]);
    if (step == TH_STEP_DONE) tell(state, &text);
    th_buf_clear(&text);
    return step;
}

static th_step warn(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_view view;
    th_buf text;
    if (!state || !nix_want_text(m, call->args[0], &view)) return TH_STEP_ERROR;
    th_buf_init(&text, th_machine_mem(m));
    th_buf_text(&text, "evaluation warning: ");
    th_buf_put(&text, view.data, view.len);
    th_step step = text.failed ? nix_no_memory(m) : nix_done(call, call->args[1]);
    if (step == TH_STEP_DONE) tell(state, &text);
    th_buf_clear(&text);
    return step;
}

#define CATCHES (TH_BUILTIN_STATEFUL | TH_BUILTIN_CATCHES)

const th_builtin nix_lib_error[] = {
    {"nix.throw", "s: value -> value", "Raises an error with that message, which tryEval catches.", throw_error, 0, 0,
     NULL, "v"},
    {"nix.abort", "s: value -> value", "Stops the evaluation with that message; nothing catches it.", abort_error, 0, 0,
     NULL, "v"},
    {"nix.tryEval", "e: value -> value",
     "Evaluates e (not deeply): { success = true; value = e; }, or, when e throws or asserts in vain, { success = "
     "false; value "
     "= false; }.",
     try_eval, CATCHES, 0, NULL, "."},
    {"nix.addErrorContext", "context: value, value: value -> value",
     "Gives the value; when its evaluation fails, the context is added to the error.", add_error_context, CATCHES, 5,
     "vviii", ".."},
    {"nix.trace", "e1: value, e2: value -> value", "Shows e1 as a message, then gives e2.", trace, 0, 0, NULL, "v."},
    {"nix.warn", "e1: value, e2: value -> value", "Shows the string e1 as a warning, then gives e2.", warn, 0, 0, NULL,
     "v."},
};
const size_t nix_lib_error_count = TH_COUNT(nix_lib_error);
