/*
** failure.c - errors as values: what a thunk keeps when an error unwinds it, and raises again when it is forced again.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "machine/dynamic.h"
#include "machine/machine_int.h"

enum { /* fields of the ERROR objects made here */
       ERROR_CODE,
       ERROR_MESSAGE,
       ERROR_FILE,
       ERROR_LINE,
       ERROR_COLUMN,
       ERROR_END_LINE,
       ERROR_END_COLUMN,
       ERROR_TRACE,
       ERROR_FIELDS
};

static bool text_field(th_machine *m, const char *text, th_value *out) {
    return th_new_string(m->heap, 0, text, strlen(text), TH_V_NULL, out);
}

bool th_error_value(th_machine *m, const th_error *error, th_value *out) {
    th_value fields[ERROR_FIELDS] = {
        [ERROR_CODE] = th_of_int(error->code),
        [ERROR_LINE] = th_of_int(error->span.line),
        [ERROR_COLUMN] = th_of_int(error->span.column),
        [ERROR_END_LINE] = th_of_int(error->span.end_line),
        [ERROR_END_COLUMN] = th_of_int(error->span.end_column),
    };
    return text_field(m, error->message, &fields[ERROR_MESSAGE]) && text_field(m, error->file, &fields[ERROR_FILE]) &&
           text_field(m, m->trace.data ? m->trace.data : "", &fields[ERROR_TRACE]) &&
           th_new_error(m->heap, fields, ERROR_FIELDS, out);
}

static uint32_t number_field(th_value v) { return th_is_int(v) ? (uint32_t)th_int(v) : 0; }

/* An ERROR object made by th_error_value: thunks hold no other. */
void th_raise_error_value(th_machine *m, th_value value) {
    const th_value *fields = th_obj(value) + 1;
    th_error error = {.code = (th_status)number_field(fields[ERROR_CODE])};
    error.span = (th_span){number_field(fields[ERROR_LINE]), number_field(fields[ERROR_COLUMN]),
                           number_field(fields[ERROR_END_LINE]), number_field(fields[ERROR_END_COLUMN])};
    snprintf(error.file, sizeof error.file, "%s", th_string_bytes(fields[ERROR_FILE]));
    snprintf(error.message, sizeof error.message, "%s", th_string_bytes(fields[ERROR_MESSAGE]));
    (void)th_machine_trap_error(m, &error);
}

/* `context` is a FORCE that an error unwinds. Its thunk keeps the error, one object for all of them, or can be tried
** again: after limits and cancellation, and when there is no memory to say more. */
void th_unwind_force(th_machine *m, const th_context *context, bool keep, th_value *error) {
    uint64_t *thunk = context->object, header = *thunk;
    if (th_header_kind(header) != TH_OBJ_BUSY) return;
    if (keep && *error == TH_V_ABSENT && !th_error_value(m, &m->error, error)) {
        *error = TH_V_NULL;
        atomic_store_explicit(&m->mem.refused, false, memory_order_relaxed);
    }
    if (!keep || *error == TH_V_NULL) {
        *thunk = header ^ (uint64_t)(TH_OBJ_THUNK ^ TH_OBJ_BUSY) << 3;
        return;
    }
    uint64_t size = th_header_captures(header);
    *thunk = TH_HEADER(TH_OBJ_FAILED, 0, size + (size == 0));
    th_heap_set(m->heap, thunk, thunk + 1, *error);
}
