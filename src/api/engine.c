/*
** engine.c - engines, statuses and texts of the public interface, and the registration of host functions.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "api/dynamic.h"

#define TH_STATUS(name, number, text) _Static_assert((int)THETA_##name == (int)TH_##name, "one number for " #name);
#include "base/status.def"
#undef TH_STATUS
_Static_assert((int)THETA_ALLOW_FS == (int)TH_BUILTIN_FS && (int)THETA_ALLOW_NET == (int)TH_BUILTIN_NET &&
                   (int)THETA_ALLOW_CLOCK == (int)TH_BUILTIN_CLOCK,
               "capabilities have one numbering");

int32_t theta_version(void) { return THETA_VERSION; }

const char *theta_status_text(theta_status status) { return th_status_text((th_status)status); }

void th_api_error(theta_error *out, const th_error *err) {
    if (!out) return;
    out->code = (theta_status)err->code;
    out->line = err->span.line;
    out->column = err->span.column;
    out->end_line = err->span.end_line;
    out->end_column = err->span.end_column;
    memcpy(out->file, err->file, sizeof out->file);
    memcpy(out->message, err->message, sizeof out->message);
}

theta_status th_api_fail(theta_error *out, th_status code, const char *format, ...) {
    if (!out) return (theta_status)code;
    *out = (theta_error){.code = (theta_status)code};
    va_list args;
    va_start(args, format);
    vsnprintf(out->message, sizeof out->message, format, args);
    va_end(args);
    return (theta_status)code;
}

/* A text remembers its budget and its allocated size in front of its bytes. */
typedef struct text_owner {
    th_mem *mem;
    size_t bytes;
} text_owner;

theta_status th_api_text(th_buf *buf, theta_text *out) {
    text_owner *owner = buf->failed ? NULL : th_mem_new(buf->mem, sizeof *owner + buf->len + 1);
    if (owner) {
        *owner = (text_owner){buf->mem, sizeof *owner + buf->len + 1};
        char *data = (char *)(owner + 1);
        if (buf->len) memcpy(data, buf->data, buf->len);
        data[buf->len] = 0;
        *out = (theta_text){data, buf->len, owner};
    }
    th_buf_clear(buf);
    return owner ? THETA_OK : THETA_E_NOMEM;
}

void theta_text_free(theta_text *text) {
    if (!text) return;
    text_owner *owner = text->owner;
    if (owner) th_mem_free(owner->mem, owner, owner->bytes);
    *text = (theta_text){0};
}

/* ---- Engines ------------------------------------------------------------------------------------------------ */

void theta_engine_config_init(theta_engine_config *config) { *config = (theta_engine_config){.size = sizeof *config}; }

static void *default_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    (void)user, (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_bytes);
}

theta_status theta_engine_new(const theta_engine_config *config, theta_engine **out, theta_error *err) {
    theta_engine_config defaults;
    theta_engine_config_init(&defaults);
    if (!config) config = &defaults;
    theta_alloc_fn alloc = config->alloc ? config->alloc : default_alloc;
    theta_engine *engine = alloc(config->alloc_user, NULL, 0, sizeof *engine);
    if (!engine) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    memset(engine, 0, sizeof *engine);
    th_mem_init(&engine->mem, alloc, config->alloc_user, NULL, config->memory_bytes);
    th_arena_init(&engine->arena, &engine->mem);
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = th_engine_new(&engine->mem, &engine->engine);
    if (status == TH_OK) status = th_engine_add_standard(engine->engine, &inner);
    if (status == TH_OK) status = th_flow_register(engine->engine, &inner);
    if (status == TH_OK) status = th_engine_add(engine->engine, &th_api_session_get, 1, NULL, &inner);
    if (status == TH_OK) status = nix_register(engine->engine, &inner);
    if (status == TH_OK) status = th_engine_add(engine->engine, &th_api_nix_rows, 1, NULL, &inner);
    if (status != TH_OK) {
        inner.code = status;
        th_api_error(err, &inner);
        theta_engine_free(engine);
        return (theta_status)status;
    }
    *out = engine;
    return THETA_OK;
}

void theta_engine_free(theta_engine *engine) {
    if (!engine) return;
    th_engine_free(engine->engine);
    th_arena_clear(&engine->arena);
    theta_alloc_fn alloc = engine->mem.alloc;
    alloc(engine->mem.user, engine, sizeof *engine, 0);
}

size_t theta_engine_memory_used(const theta_engine *engine) {
    return atomic_load_explicit(&engine->mem.used_bytes, memory_order_relaxed);
}

/* ---- Host functions ----------------------------------------------------------------------------------------- */

static th_step call_host(th_machine *m, th_call *call) {
    const th_host *host = call->user;
    theta_call_frame frame = {th_machine_user(m), call, TH_STEP_ERROR};
    switch (host->call(frame.machine, &frame, host->user)) {
    case THETA_STEP_DONE: return TH_STEP_DONE;
    case THETA_STEP_SUSPEND:
        if (host->may_suspend) return TH_STEP_SUSPEND;
        return th_machine_trap(m, TH_E_HOST, "%s was not registered as one that may suspend", host->name);
    case THETA_STEP_AGAIN: return frame.step;
    default: break;
    }
    return th_machine_trap(m, TH_E_HOST, "%s failed", host->name);
}

const char *th_api_host_name(const th_builtin *builtin) {
    const char *host = (const char *)builtin - offsetof(th_host, builtin);
    return builtin->fn == call_host ? ((const th_host *)(const void *)host)->name : builtin->name;
}

/* Over dynamic values alone: a builtin of Nix, whose name gets the prefix of those, and which may ask for evaluations. */
static bool is_over_values(const char *signature) {
    size_t values = 0, parameters = 1;
    const char *arrow = strstr(signature, "->");
    for (const char *p = signature; (p = strstr(p, "value")) != NULL; p += 5) values++;
    for (const char *p = signature; arrow && p < arrow; p++) parameters += *p == ',';
    return arrow && strstr(arrow, "value") && values == parameters + 1 && !strchr(signature, '<');
}

theta_status theta_engine_register(theta_engine *engine, const theta_host_function *function, theta_error *err) {
    th_host *host = th_arena_zeroed(&engine->arena, sizeof *host);
    if (!host) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    bool values = is_over_values(function->signature);
    const char *strict = function->size >= sizeof *function && values ? function->strict : NULL;
    if (strict && strspn(strict, ".vinstlrbf") != strlen(strict))
        return th_api_fail(err, TH_E_ARGUMENT, "%s: '%s' is not how strict arguments are written", function->name,
                           strict);
    const char *doc = function->doc ? function->doc : "";
    *host = (th_host){.call = function->call, .user = function->user};
    host->builtin = (th_builtin){
        .name = th_arena_printf(&engine->arena, "%s%s", values ? "nix." : "", function->name),
        .signature = th_arena_text(&engine->arena, function->signature, strlen(function->signature)),
        .doc = th_arena_text(&engine->arena, doc, strlen(doc)),
        .fn = call_host,
        .flags = TH_BUILTIN_RETAINS | (function->may_suspend || values ? TH_BUILTIN_STATEFUL : 0u) |
                 (function->pure ? TH_BUILTIN_PURE : 0u) | function->needs,
        .slots = "",
        .strict = strict ? th_arena_text(&engine->arena, strict, strlen(strict)) : NULL,
    };
    host->name = host->builtin.name ? host->builtin.name + (values ? strlen("nix.") : 0) : NULL;
    host->may_suspend = function->may_suspend;
    if (!host->builtin.name || !host->builtin.signature || !host->builtin.doc || (strict && !host->builtin.strict))
        return th_api_fail(err, TH_E_NOMEM, "out of memory");
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = th_engine_add(engine->engine, &host->builtin, 1, host, &inner);
    if (status != TH_OK) th_api_error(err, &inner);
    return (theta_status)status;
}

size_t theta_frame_nargs(const theta_call_frame *frame) {
    return th_types_nparams(th_machine_types(frame->machine->machine), frame->call->type);
}

theta_value theta_frame_arg(const theta_call_frame *frame, size_t i) {
    th_type_id type = th_types_param(th_machine_types(frame->machine->machine), frame->call->type, i);
    return (theta_value){frame->call->args[i], type, 0};
}

theta_status theta_frame_return(theta_call_frame *frame, theta_value value) {
    th_type_id type = th_types_result(th_machine_types(frame->machine->machine), frame->call->type);
    uint64_t word;
    theta_status status = th_api_convert(frame->machine, value, type, &word, NULL, "the result");
    if (status == THETA_OK) frame->call->result[0] = word;
    return status == THETA_E_ARGUMENT ? THETA_E_TYPE : status;
}

theta_step theta_frame_fail(theta_call_frame *frame, theta_status code, const char *message) {
    (void)th_machine_trap(frame->machine->machine, code == THETA_OK ? TH_E_HOST : (th_status)code, "%s", message);
    return THETA_STEP_ERROR;
}

bool theta_frame_charge(theta_call_frame *frame, int64_t fuel) {
    return th_machine_charge(frame->machine->machine, fuel);
}

theta_status theta_library_markdown(theta_engine *engine, theta_text *out) {
    th_buf buf;
    th_buf_init(&buf, &engine->mem);
    th_status status = th_theta_library_markdown(engine->engine, &buf);
    if (status != TH_OK) {
        th_buf_clear(&buf);
        return (theta_status)status;
    }
    return th_api_text(&buf, out);
}
