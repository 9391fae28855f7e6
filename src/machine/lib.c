/*
** lib.c - what the standard builtins share (lib.h).
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include "machine/regex.h"

/* ---- Results ------------------------------------------------------------------------------------------------ */

th_step th_lib_done_view(th_machine *m, th_call *call, th_view text) {
    return done_ptr(call, th_new_str_of(m, text.data, text.len));
}

th_step th_lib_done_buf(th_machine *m, th_call *call, th_buf *buf) {
    th_step step = buf->failed ? th_trap_memory(m) : th_lib_done_view(m, call, (th_view){buf->data, buf->len});
    th_buf_clear(buf);
    return step;
}

th_step th_lib_done_some(th_machine *m, th_call *call, th_type_id of, uint64_t word) {
    if (type_of(m, of)->kind == TH_KIND_OPTION) return done(call, word);
    uint64_t option;
    return th_new_option(m, result_type(m, call), word, &option) ? done(call, option) : TH_STEP_ERROR;
}

/* ---- Messages ----------------------------------------------------------------------------------------------- */

th_excerpt th_lib_excerpt(th_view text) {
    enum { SHOWN = 60 };
    th_excerpt out;
    size_t n = 0;
    out.text[n++] = '\'';
    for (size_t i = 0; i < text.len;) {
        uint32_t code;
        size_t used = th_utf8_decode(text.data, text.len, i, &code);
        if (i + used > SHOWN) {
            memcpy(out.text + n, "...", 3);
            n += 3;
            break;
        }
        bool bad = code < 32 || code == 127 || (used == 1 && code >= 128);
        if (bad)
            out.text[n++] = '?';
        else
            memcpy(out.text + n, text.data + i, used), n += used;
        i += used;
    }
    out.text[n++] = '\'';
    out.text[n] = 0;
    return out;
}

/* ---- Lists, names ------------------------------------------------------------------------------------------- */

th_list *th_lib_new_list(th_machine *m, th_type_id type, size_t n) {
    th_list *list = th_new_list(m, type, n);
    if (list) list->len = n;
    return list;
}

void th_lib_list_copy(th_machine *m, th_list *list, size_t to, const th_list *source, size_t from, size_t n) {
    size_t width = type_of(m, type_arg(m, list->object.type, 0))->bytes;
    if (n == 0) return;
    memmove(list->bytes + to * width, source->bytes + from * width, n * width);
    th_list_written(m, list);
}

bool th_lib_is_name(th_view text) {
    if (text.len == 0 || (text.data[0] >= '0' && text.data[0] <= '9')) return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!good) return false;
    }
    return true;
}

/* ---- State -------------------------------------------------------------------------------------------------- */

static void release_state(void *pointer) {
    th_lib_state *state = pointer;
    th_mem *mem = state->mem;
    for (size_t i = 0; i < TH_COUNT(state->regexes); i++) {
        th_str *pattern = state->regexes[i].pattern;
        if (pattern) th_mem_free(mem, pattern, sizeof *pattern + pattern->len);
        th_regex_free(state->regexes[i].regex);
    }
    th_buf_clear(&state->input);
    th_mem_free(mem, state, sizeof *state);
}

static th_lib_state *new_state(th_machine *m) {
    th_lib_state *state = th_mem_zeroed(th_machine_mem(m), sizeof *state);
    if (!state) return NULL;
    state->mem = th_machine_mem(m);
    th_buf_init(&state->input, state->mem);
    return state;
}

/* Patterns are compiled again when wanted; input that was read ahead is kept. */
static th_status save_state(th_machine *m, void *pointer, th_buf *out, th_error *err) {
    (void)m;
    (void)err;
    const th_lib_state *state = pointer;
    th_buf_char(out, (char)state->input_ended);
    if (state->input.len) th_buf_put(out, state->input.data + state->input_from, state->input.len - state->input_from);
    return th_buf_status(out);
}

static th_status restore_state(th_machine *m, const void *bytes, size_t len, void **pointer, th_error *err) {
    if (len < 1 || *(const char *)bytes < 0 || *(const char *)bytes > 1)
        return th_fail(err, TH_E_FORMAT, "the saved state of the library is malformed");
    th_lib_state *state = new_state(m);
    if (!state) return th_fail(err, TH_E_NOMEM, "out of memory");
    state->input_ended = *(const char *)bytes != 0;
    th_buf_put(&state->input, (const char *)bytes + 1, len - 1);
    if (state->input.failed) {
        release_state(state);
        return th_fail(err, TH_E_NOMEM, "out of memory");
    }
    *pointer = state;
    return TH_OK;
}

/* The opaque type of its objects is called as the last part of its name, which snapshots check. */
static const th_native_class state_class = {"theta.library", release_state, save_state, restore_state};

th_status th_lib_register(th_engine *engine, th_error *err) {
    th_type_id type;
    th_status status = th_engine_add_native(engine, &state_class);
    if (status == TH_OK) status = th_engine_add_native(engine, &th_random_class);
    if (status == TH_OK)
        status = th_types_add(&engine->types, TH_KIND_OPAQUE, th_view_of("Random"), NULL, 0, NULL, 0, &type);
    return status == TH_OK ? TH_OK : th_fail(err, status, "out of memory");
}

static th_lib_state *make_state(th_machine *m, th_view name) {
    th_type_id type;
    th_lib_state *state = NULL;
    th_status status =
        th_types_add(th_machine_types(m), TH_KIND_OPAQUE, th_view_of("library"), NULL, 0, NULL, 0, &type);
    if (status == TH_OK) state = new_state(m);
    if (!state) {
        (void)th_trap_memory(m);
        return NULL;
    }
    th_native *native = th_new_native(m, type, &state_class, state); /* takes the state */
    if (!native) return NULL;
    if (th_machine_bind(m, name, type, th_ptr_word(native)) == TH_OK) return state;
    (void)th_trap_memory(m);
    return NULL;
}

th_lib_state *th_lib_state_get(th_machine *m) {
    th_view name = th_view_of("(library)"); /* no name a program could have */
    th_type_id type;
    uint64_t word;
    if (!th_machine_lookup(m, name, &type, &word)) return make_state(m, name);
    return ((th_native *)th_word_ptr(word))->pointer;
}
