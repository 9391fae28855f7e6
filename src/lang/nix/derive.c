/*
** derive.c - Nix: derivations. The attributes are evaluated one after the other in the order of their names (a state
** machine); then all is known, and the term, its hash and the paths are computed in one go.
**
** The term of a derivation is text: Derive([outputs],[input
** derivations],[sources],system,builder,[arguments],[environment]). The paths of its outputs come from the hash of that
** text with the outputs left empty and each input derivation replaced by a hash that stands for what it makes; so a
** change that leaves the hash of an input alone changes nothing.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "lang/nix/convert.h"

typedef struct input {
    th_view key; /* base, or the hash that stands for it, in base 16 */
    th_view output;
} input;

typedef struct variable {
    th_view key, value;
    uint32_t output; /* 1 + its number: the value is that output's path; else 0 */
} variable;

typedef struct output {
    th_view name;
    th_view path;  /* all of it, or "" */
    th_view shown; /* the text that stands for it: the path, or a placeholder */
} output;

typedef enum how_addressed { BY_INPUT, FIXED, FLOATING, IMPURE } how_addressed;

typedef struct derivation {
    th_machine *m;
    th_arena arena;
    th_view store_dir, name, system, builder;
    th_view *args;
    variable *env;
    output *outputs;
    input *inputs;    /* derivations: sorted, unique */
    input *modulo;    /* the same, by their hashes */
    th_view *sources; /* bases: sorted, unique */
    size_t nargs, nenv, noutputs, ninputs, nmodulo, nsources, inputs_room, sources_room, env_room;
    how_addressed how;
    bool deferred; /* an input's outputs are known only once it is built */
    bool nar;
    nix_hash algo;
    uint8_t hash[64]; /* FIXED */
    uint8_t own[32];  /* what stands for it in others */
} derivation;

static bool no_memory(derivation *d) { return (void)nix_no_memory(d->m), false; }

/* A trap that names the derivation. */
static bool refuse(derivation *d, const char *format, ...) TH_PRINTF(2, 3);
static bool refuse(derivation *d, const char *format, ...) {
    char message[800];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)th_machine_trap(d->m, TH_E_ARGUMENT, "%s\n  … while evaluating derivation '%.*s'", message, (int)d->name.len,
                          d->name.data);
    return false;
}

static bool fail(derivation *d, const char *what, th_view about) {
    return refuse(d, "%s '%.*s'", what, (int)(about.len < 400 ? about.len : 400), about.data);
}

static bool failed(derivation *d, th_status status, const th_error *err) {
    return (void)nix_work_failed(d->m, status, err), false;
}

static bool keep_buf(derivation *d, th_buf *buf, th_view *out) {
    char *copy = buf->failed ? NULL : th_arena_text(&d->arena, buf->data ? buf->data : "", buf->len);
    *out = (th_view){copy, buf->len};
    th_buf_clear(buf);
    return copy || no_memory(d);
}

/* ---- Inputs ------------------------------------------------------------------------------------------------- */

static int by_input(const void *a, const void *b) {
    const input *x = a, *y = b;
    int order = th_view_compare(x->key, y->key);
    return order ? order : th_view_compare(x->output, y->output);
}

static int by_view(const void *a, const void *b) { return th_view_compare(*(const th_view *)a, *(const th_view *)b); }

static void sort_inputs(input *inputs, size_t *n) {
    size_t kept = 0;
    if (*n) qsort(inputs, *n, sizeof *inputs, by_input);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || by_input(&inputs[kept - 1], &inputs[i]) != 0) inputs[kept++] = inputs[i];
    *n = kept;
}

static void sort_views(th_view *views, size_t *n) {
    size_t kept = 0;
    if (*n) qsort(views, *n, sizeof *views, by_view);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || !th_view_eq(views[kept - 1], views[i])) views[kept++] = views[i];
    *n = kept;
}

static bool add_source(derivation *d, th_view base) {
    if (th_mem_grow(d->arena.mem, (void **)&d->sources, &d->sources_room, d->nsources + 1, sizeof *d->sources) != TH_OK)
        return no_memory(d);
    d->sources[d->nsources++] = base;
    return true;
}

static bool add_input(derivation *d, th_view base, th_view output) {
    if (th_mem_grow(d->arena.mem, (void **)&d->inputs, &d->inputs_room, d->ninputs + 1, sizeof *d->inputs) != TH_OK)
        return no_memory(d);
    d->inputs[d->ninputs++] = (input){base, output};
    return true;
}

static bool is_derivation_base(th_view base) {
    return base.len > 4 && memcmp(base.data + base.len - 4, ".drv", 4) == 0;
}

static bool unknown(derivation *d, th_view base) {
    return fail(d, "a derivation is needed that was not made in this evaluation:", base);
}

static th_view base_of(const nix_known *k) { return (th_view){k->base, k->len}; }

/* Of a derivation as a whole: all that it and what it needs is made of, and all outputs of theirs. */
static bool add_closure(derivation *d, th_view base) {
    size_t from = d->nsources, next = from;
    if (!add_source(d, base)) return false;
    for (; next < d->nsources; next++) {
        th_view at = d->sources[next];
        if (!th_machine_charge(d->m, 16)) return false;
        const nix_known *k = nix_known_find(d->m, at);
        if (!k && is_derivation_base(at)) return unknown(d, at);
        for (size_t i = 0; k && i < k->noutputs; i++)
            if (!add_input(d, base_of(k), th_view_of(k->outputs[i]))) return false;
        for (size_t i = 0; k && i < k->nrefs; i++) {
            th_view ref = th_view_of(k->refs[i]);
            size_t j = from;
            while (j < d->nsources && !th_view_eq(d->sources[j], ref)) j++;
            if (!th_machine_charge(d->m, (int64_t)(j - from) / 4 + 1)) return false;
            if (j == d->nsources && !add_source(d, ref)) return false;
        }
    }
    return true;
}

/* The elements of a context: "BASE", "!OUTPUT!BASE", "=BASE". */
static bool read_context(derivation *d, th_value context) {
    size_t n = context == TH_V_NULL ? 0 : th_array_len(context);
    for (size_t i = 0; i < n; i++) {
        th_view e = th_string_view(th_deref(th_array_items(context)[i]));
        if (!th_machine_charge(d->m, 16)) return false;
        const char *mark = e.len && e.data[0] == '!' ? memchr(e.data + 1, '!', e.len - 1) : NULL;
        if (e.len && e.data[0] == '=') {
            if (!add_closure(d, (th_view){e.data + 1, e.len - 1})) return false;
        } else if (mark) {
            th_view name = {e.data + 1, (size_t)(mark - e.data) - 1},
                    base = {mark + 1, e.len - (size_t)(mark - e.data) - 1};
            if (!add_input(d, base, name)) return false;
        } else if (!add_source(d, e)) {
            return false;
        }
    }
    sort_inputs(d->inputs, &d->ninputs);
    sort_views(d->sources, &d->nsources);
    return true;
}

/* Each input derivation by the hash that stands for it. */
static bool find_modulo(derivation *d) {
    d->modulo = th_arena_new(&d->arena, (d->ninputs + 1) * sizeof *d->modulo);
    if (!d->modulo) return no_memory(d);
    for (size_t i = 0; i < d->ninputs; i++) {
        const nix_known *k = nix_known_find(d->m, d->inputs[i].key);
        th_view name = d->inputs[i].output;
        if (!k || k->kind == NIX_DRV_NONE) return unknown(d, d->inputs[i].key);
        if (k->kind == NIX_DRV_DEFERRED) d->deferred = true;
        if (k->kind == NIX_DRV_FIXED && !th_view_is(name, "out"))
            return fail(d, "a fixed-output derivation has no output", name);
        th_buf hex;
        th_buf_init(&hex, d->arena.mem);
        nix_base16(k->hash, 32, &hex);
        if (!keep_buf(d, &hex, &d->modulo[i].key)) return false;
        d->modulo[i].output = name;
    }
    d->nmodulo = d->ninputs;
    sort_inputs(d->modulo, &d->nmodulo);
    return true;
}

/* ---- The term ----------------------------------------------------------------------------------------------- */

static void put_raw(th_buf *out, th_view text) {
    th_buf_char(out, '"');
    th_buf_put(out, text.data, text.len);
    th_buf_char(out, '"');
}

static void put_text(th_buf *out, th_view text) {
    static const char special[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    size_t from = 0;
    th_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.data[i] ? strchr(special, text.data[i]) : NULL;
        if (!found) continue;
        th_buf_put(out, text.data + from, i - from);
        th_buf_char(out, '\\');
        th_buf_char(out, letters[found - special]);
        from = i + 1;
    }
    th_buf_put(out, text.data + from, text.len - from);
    th_buf_char(out, '"');
}

static void put_outputs(const derivation *d, bool masked, th_buf *out) {
    for (size_t i = 0; i < d->noutputs; i++) {
        th_buf_text(out, i ? ",(" : "(");
        put_raw(out, d->outputs[i].name);
        th_buf_char(out, ',');
        put_raw(out, masked ? (th_view){"", 0} : d->outputs[i].path);
        th_buf_text(out, ",\"");
        if (d->how != BY_INPUT) th_buf_printf(out, "%s%s", d->nar ? "r:" : "", nix_hash_name(d->algo));
        th_buf_text(out, "\",\"");
        if (d->how == FIXED)
            nix_base16(d->hash,
                       d->algo == NIX_MD5      ? 16
                       : d->algo == NIX_SHA1   ? 20
                       : d->algo == NIX_SHA256 ? 32
                                               : 64,
                       out);
        if (d->how == IMPURE) th_buf_text(out, "impure");
        th_buf_text(out, "\")");
    }
}

static void put_inputs(const derivation *d, const input *inputs, size_t n, bool paths, th_buf *out) {
    for (size_t i = 0; i < n; i++) {
        bool same = i && th_view_eq(inputs[i - 1].key, inputs[i].key);
        if (!same) {
            th_buf_text(out, i ? "]),(\"" : "(\"");
            if (paths) {
                th_buf_put(out, d->store_dir.data, d->store_dir.len);
                th_buf_char(out, '/');
            }
            th_buf_put(out, inputs[i].key.data, inputs[i].key.len);
            th_buf_text(out, "\",[");
        } else {
            th_buf_char(out, ',');
        }
        put_raw(out, inputs[i].output);
    }
    if (n) th_buf_text(out, "])");
}

/* `masked`: without the outputs' paths. `modulo`: with hashes in place of the input derivations. */
static void put_term(const derivation *d, bool masked, bool modulo, th_buf *out) {
    th_buf_text(out, "Derive([");
    put_outputs(d, masked, out);
    th_buf_text(out, "],[");
    put_inputs(d, modulo ? d->modulo : d->inputs, modulo ? d->nmodulo : d->ninputs, !modulo, out);
    th_buf_text(out, "],[");
    for (size_t i = 0; i < d->nsources; i++) {
        th_buf_text(out, i ? ",\"" : "\"");
        th_buf_put(out, d->store_dir.data, d->store_dir.len);
        th_buf_char(out, '/');
        th_buf_put(out, d->sources[i].data, d->sources[i].len);
        th_buf_char(out, '"');
    }
    th_buf_text(out, "],");
    put_raw(out, d->system);
    th_buf_char(out, ',');
    put_text(out, d->builder);
    th_buf_text(out, ",[");
    for (size_t i = 0; i < d->nargs; i++) {
        if (i) th_buf_char(out, ',');
        put_text(out, d->args[i]);
    }
    th_buf_text(out, "],[");
    for (size_t i = 0; i < d->nenv; i++) {
        th_buf_text(out, i ? ",(" : "(");
        put_text(out, d->env[i].key);
        th_buf_char(out, ',');
        put_text(out, d->env[i].output && masked ? (th_view){"", 0} : d->env[i].value);
        th_buf_char(out, ')');
    }
    th_buf_text(out, "])");
}

static bool hash_term(derivation *d, bool masked, uint8_t out[32]) {
    uint8_t digest[TH_CHECKSUM_MAX];
    th_buf term;
    th_buf_init(&term, d->arena.mem);
    put_term(d, masked, true, &term);
    bool good = !term.failed;
    if (good) (void)nix_hash_bytes(NIX_SHA256, (th_view){term.data, term.len}, digest);
    if (good) memcpy(out, digest, 32);
    good = good ? th_machine_charge(d->m, (int64_t)(term.len / 4)) : no_memory(d);
    th_buf_clear(&term);
    return good;
}

/* ---- Outputs ------------------------------------------------------------------------------------------------ */

static th_view output_file_name(derivation *d, th_view name) {
    if (th_view_is(name, "out")) return d->name;
    char *text = th_arena_printf(&d->arena, "%.*s-%.*s", (int)d->name.len, d->name.data, (int)name.len, name.data);
    return text ? th_view_of(text) : (th_view){NULL, 0};
}

/* "DIR/BASE" for the base in the buffer, which is cleared. */
static bool whole_path(derivation *d, th_buf *base, th_view *out) {
    char *text = base->failed ? NULL : th_arena_printf(&d->arena, "%s/%s", d->store_dir.data, base->data);
    th_buf_clear(base);
    if (!text) return no_memory(d);
    *out = th_view_of(text);
    return true;
}

static bool output_path(derivation *d, const uint8_t own[32], output *o) {
    th_view name = output_file_name(d, o->name);
    char *type = th_arena_printf(&d->arena, "output:%.*s", (int)o->name.len, o->name.data);
    th_error err = {0};
    th_buf base;
    if (!name.data || !type) return no_memory(d);
    th_buf_init(&base, d->arena.mem);
    th_status status = nix_store_make(d->store_dir, th_view_of(type), NIX_SHA256, own, name, &base, &err);
    if (status == TH_OK) return whole_path(d, &base, &o->path);
    th_buf_clear(&base);
    return failed(d, status, &err);
}

static bool by_input_paths(derivation *d) {
    uint8_t own[32];
    if (!find_modulo(d)) return false;
    if (d->deferred) return true;
    if (!hash_term(d, true, own)) return false;
    for (size_t i = 0; i < d->noutputs; i++)
        if (!output_path(d, own, &d->outputs[i])) return false;
    for (size_t i = 0; i < d->nenv; i++)
        if (d->env[i].output) d->env[i].value = d->outputs[d->env[i].output - 1].path;
    return hash_term(d, false, d->own);
}

static variable *output_variable(derivation *d, size_t number) {
    for (size_t i = 0; i < d->nenv; i++)
        if (d->env[i].output == number + 1) return &d->env[i];
    return NULL; /* every output has one */
}

static bool fixed_path(derivation *d) {
    th_error err = {0};
    th_buf base, text;
    uint8_t digest[TH_CHECKSUM_MAX];
    size_t n = d->algo == NIX_MD5 ? 16 : d->algo == NIX_SHA1 ? 20 : d->algo == NIX_SHA256 ? 32 : 64;
    th_buf_init(&base, d->arena.mem);
    th_status status = nix_store_fixed(d->store_dir, d->nar, d->algo, d->hash, d->name, &base, &err);
    if (status != TH_OK) {
        th_buf_clear(&base);
        return failed(d, status, &err);
    }
    output *o = &d->outputs[0];
    if (!whole_path(d, &base, &o->path)) return false;
    output_variable(d, 0)->value = o->path;
    th_buf_init(&text, d->arena.mem);
    th_buf_printf(&text, "fixed:out:%s%s:", d->nar ? "r:" : "", nix_hash_name(d->algo));
    nix_base16(d->hash, n, &text);
    th_buf_char(&text, ':');
    th_buf_put(&text, o->path.data, o->path.len);
    bool good = !text.failed;
    if (good) (void)nix_hash_bytes(NIX_SHA256, (th_view){text.data, text.len}, digest);
    if (good) memcpy(d->own, digest, 32);
    th_buf_clear(&text);
    return good || no_memory(d);
}

static bool floating_placeholders(derivation *d) {
    d->deferred = true;
    for (size_t i = 0; i < d->noutputs; i++) {
        th_buf text;
        th_buf_init(&text, d->arena.mem);
        nix_store_placeholder(d->outputs[i].name, &text);
        if (!keep_buf(d, &text, &output_variable(d, i)->value)) return false;
    }
    return true;
}

/* ---- The store path of the term ----------------------------------------------------------------------------- */

/* Bases of all that the term mentions. */
static bool references(derivation *d, th_view **out, size_t *n) {
    *out = th_arena_new(&d->arena, (d->nsources + d->ninputs + 1) * sizeof **out);
    *n = 0;
    if (!*out) return no_memory(d);
    for (size_t i = 0; i < d->nsources; i++) (*out)[(*n)++] = d->sources[i];
    for (size_t i = 0; i < d->ninputs; i++) (*out)[(*n)++] = d->inputs[i].key;
    sort_views(*out, n);
    return true;
}

static const char **texts_of(derivation *d, const th_view *views, size_t n) {
    const char **texts = th_arena_new(&d->arena, (n + 1) * sizeof *texts);
    for (size_t i = 0; texts && i < n; i++)
        if (!(texts[i] = th_arena_text(&d->arena, views[i].data, views[i].len))) return NULL;
    return texts;
}

static bool remember(derivation *d, th_view base, const th_view *refs, size_t nrefs) {
    th_view *names = th_arena_new(&d->arena, (d->noutputs + 1) * sizeof *names);
    for (size_t i = 0; names && i < d->noutputs; i++) names[i] = d->outputs[i].name;
    nix_known known = {.base = base.data, .len = base.len, .nrefs = nrefs, .noutputs = d->noutputs};
    known.kind = d->deferred ? NIX_DRV_DEFERRED : d->how == FIXED ? NIX_DRV_FIXED : NIX_DRV_INPUT;
    memcpy(known.hash, d->own, 32);
    known.refs = texts_of(d, refs, nrefs);
    known.outputs = names ? texts_of(d, names, d->noutputs) : NULL;
    if (!known.refs || !known.outputs) return no_memory(d);
    return nix_known_add(d->m, &known);
}

static bool store_term(derivation *d, th_view *base) {
    th_view *refs;
    size_t nrefs;
    th_error err = {0};
    th_buf term, out;
    char *name = th_arena_printf(&d->arena, "%.*s.drv", (int)d->name.len, d->name.data);
    if (!name) return no_memory(d);
    if (!references(d, &refs, &nrefs)) return false;
    th_buf_init(&term, d->arena.mem);
    th_buf_init(&out, d->arena.mem);
    put_term(d, false, false, &term);
    th_status status = term.failed ? TH_E_NOMEM
                                   : nix_store_text(d->store_dir, (th_view){term.data, term.len}, refs, nrefs,
                                                    th_view_of(name), &out, &err);
    size_t len = term.len;
    th_buf_clear(&term);
    if (status != TH_OK) {
        th_buf_clear(&out);
        return failed(d, status, &err);
    }
    return keep_buf(d, &out, base) && th_machine_charge(d->m, (int64_t)(len / 4)) && remember(d, *base, refs, nrefs);
}

static bool shown_outputs(derivation *d, th_view base) {
    for (size_t i = 0; i < d->noutputs; i++) {
        output *o = &d->outputs[i];
        o->shown = o->path;
        if (o->path.len) continue;
        th_buf text;
        th_buf_init(&text, d->arena.mem);
        nix_store_downstream(base, o->name, &text);
        if (!keep_buf(d, &text, &o->shown)) return false;
    }
    return true;
}

static bool result_set(derivation *d, th_view base, th_value *out) {
    size_t n = d->noutputs + 1;
    th_symbol *keys = th_arena_new(&d->arena, n * sizeof *keys);
    th_value *values = th_arena_new(&d->arena, n * sizeof *values), context;
    if (!keys || !values) return no_memory(d);
    if (!nix_symbol(d->m, th_view_of("drvPath"), &keys[0]) || !nix_context_of(d->m, "=", base, &context) ||
        !nix_store_text_of(d->m, base, context, &values[0]))
        return false;
    for (size_t i = 0; i < d->noutputs; i++) {
        const output *o = &d->outputs[i];
        char *mark = th_arena_printf(&d->arena, "!%.*s!", (int)o->name.len, o->name.data);
        if (!mark) return no_memory(d);
        if (!nix_symbol(d->m, o->name, &keys[i + 1]) || !nix_context_of(d->m, mark, base, &context) ||
            !nix_text_with(d->m, o->shown, context, &values[i + 1]))
            return false;
    }
    return th_record_build(th_machine_heap(d->m), keys, values, NULL, n, out) || no_memory(d);
}

/* ---- What the attributes say -------------------------------------------------------------------------------- */

enum { D_AT, D_TEXTS, D_ARGS, D_OUTPUTS, D_CONTEXT, D_SPECIAL, D_FLAGS };
enum { S_START, S_LOOK, S_TEXT, S_JSON, S_PLAIN_JSON, S_ARGS };
enum { F_STRUCTURED = 1, F_IGNORE_NULLS = 2, F_FLOATING = 4, F_IMPURE = 8 };
enum { P_BUILDER, P_SYSTEM, P_HASH, P_HASH_ALGO, P_HASH_MODE, P_COUNT };

static const char *const special_names[P_COUNT] = {"builder", "system", "outputHash", "outputHashAlgo",
                                                   "outputHashMode"};

static int special_of(th_view name) {
    for (int i = 0; i < P_COUNT; i++)
        if (th_view_is(name, special_names[i])) return i;
    return -1;
}

static th_view special_text(const th_call *call, int which) {
    th_value v = th_array_items(call->slots[D_SPECIAL])[which];
    return v == TH_V_ABSENT ? (th_view){"", 0} : th_string_view(v);
}

static bool add_output(derivation *d, size_t *room, th_view name) {
    for (size_t i = 0; i < d->noutputs; i++)
        if (th_view_eq(d->outputs[i].name, name)) return fail(d, "duplicate derivation output", name);
    if (th_view_is(name, "drvPath")) return fail(d, "invalid derivation output name", name);
    if (!th_machine_charge(d->m, (int64_t)d->noutputs + 1)) return false;
    if (d->noutputs == *room) {
        size_t more = *room ? *room * 2 : 8;
        output *grown = th_arena_new(&d->arena, more * sizeof *grown);
        if (!grown) return no_memory(d);
        if (d->noutputs) memcpy(grown, d->outputs, d->noutputs * sizeof *grown);
        d->outputs = grown;
        *room = more;
    }
    d->outputs[d->noutputs++] = (output){.name = name, .path = {"", 0}};
    return true;
}

static int by_output(const void *a, const void *b) {
    return th_view_compare(((const output *)a)->name, ((const output *)b)->name);
}

/* `text`: names between white space; else the list in the slots; else just "out". */
static bool read_outputs(derivation *d, const th_call *call, const th_view *text) {
    size_t room = 0;
    if (text) {
        for (size_t i = 0; i < text->len;) {
            size_t from = i;
            while (i < text->len && !strchr(" \t\n\r", text->data[i])) i++;
            if (i > from && !add_output(d, &room, (th_view){text->data + from, i - from})) return false;
            i += i < text->len;
        }
    } else if (call->slots[D_OUTPUTS] != TH_V_NULL) {
        th_value list = call->slots[D_OUTPUTS];
        th_view name;
        for (size_t i = 0; i < th_array_len(list); i++)
            if (!nix_want_plain(d->m, th_array_items(list)[i], &name) || !add_output(d, &room, name)) return false;
    } else {
        return add_output(d, &room, th_view_of("out"));
    }
    if (d->noutputs == 0) return refuse(d, "derivation cannot have an empty set of outputs");
    qsort(d->outputs, d->noutputs, sizeof *d->outputs, by_output);
    return true;
}

/* It was checked when it was read. */
static bool is_nar(th_view mode, bool by_default) { return mode.data ? !th_view_is(mode, "flat") : by_default; }

static bool read_hash(derivation *d, th_view hash, bool known) {
    size_t n;
    if (hash.len == 0) {
        if (!known) return fail(d, "empty hash requires explicit hash algorithm", hash);
        memset(d->hash, 0, sizeof d->hash);
        return true;
    }
    bool typed = known || memchr(hash.data, ':', hash.len) || memchr(hash.data, '-', hash.len);
    if (!typed) return fail(d, "the hash does not include a type, nor is the type otherwise known from context:", hash);
    return nix_hash_parse(hash, &d->algo, known, d->hash, &n) ||
           fail(d, "this is not a hash of the expected algorithm and length:", hash);
}

static bool read_address(derivation *d, const th_call *call) {
    const th_value *special = th_array_items(call->slots[D_SPECIAL]);
    uint64_t flags = call->slots[D_FLAGS];
    th_view mode = special[P_HASH_MODE] == TH_V_ABSENT ? (th_view){NULL, 0} : special_text(call, P_HASH_MODE);
    bool known = nix_hash_of(special_text(call, P_HASH_ALGO), &d->algo);
    if (special[P_HASH] != TH_V_ABSENT) {
        d->how = FIXED;
        if (d->noutputs != 1 || !th_view_is(d->outputs[0].name, "out"))
            return refuse(d, "multiple outputs are not supported in fixed-output derivations");
        d->nar = is_nar(mode, false);
        return read_hash(d, special_text(call, P_HASH), known);
    }
    if ((flags & F_FLOATING) && (flags & F_IMPURE))
        return refuse(d, "derivation cannot be both content-addressed and impure");
    d->how = flags & F_FLOATING ? FLOATING : flags & F_IMPURE ? IMPURE : BY_INPUT;
    if (!known) d->algo = NIX_SHA256;
    d->nar = is_nar(mode, true);
    return true;
}

/* Adds a variable, or replaces it: each output has one. */
static bool set_variable(derivation *d, th_view key, th_view value, uint32_t output) {
    if (output && !th_machine_charge(d->m, (int64_t)(d->nenv / 8) + 1)) return false;
    for (size_t i = 0; output && i < d->nenv; i++) {
        if (!th_view_eq(d->env[i].key, key)) continue;
        d->env[i] = (variable){key, value, output};
        return true;
    }
    if (th_mem_grow(d->arena.mem, (void **)&d->env, &d->env_room, d->nenv + 1, sizeof *d->env) != TH_OK)
        return no_memory(d);
    d->env[d->nenv++] = (variable){key, value, output};
    return true;
}

static int by_variable(const void *a, const void *b) {
    return th_view_compare(((const variable *)a)->key, ((const variable *)b)->key);
}

/* All attributes as one object: what a builder finds in __json. */
static bool structured(derivation *d, const th_call *call, const th_shape *shape, const uint32_t *order) {
    th_heap *heap = th_machine_heap(d->m);
    const th_value *texts = th_array_items(call->slots[D_TEXTS]);
    th_buf json;
    th_view text;
    size_t bad, written = 0;
    th_buf_init(&json, d->arena.mem);
    th_buf_char(&json, '{');
    for (uint32_t i = 0; i < shape->count; i++) {
        if (texts[i] == TH_V_ABSENT) continue;
        th_view name = th_symbol_text(heap, shape->keys[order[i]]);
        if (written++) th_buf_char(&json, ',');
        if (!nix_json_string(name, &json, &bad)) {
            th_buf_clear(&json);
            return fail(d, "JSON serialization error: the name of an attribute is not UTF-8:", name);
        }
        th_buf_char(&json, ':');
        th_buf_put(&json, th_string_bytes(texts[i]), th_string_len(texts[i]));
    }
    th_buf_char(&json, '}');
    return keep_buf(d, &json, &text) && set_variable(d, th_view_of("__json"), text, 0);
}

static bool read_attributes(derivation *d, th_call *call) {
    th_heap *heap = th_machine_heap(d->m);
    const th_shape *shape = th_record_shape(heap, call->args[0]);
    const uint32_t *order = th_shape_order(heap, shape);
    const th_value *texts = th_array_items(call->slots[D_TEXTS]);
    bool as_json = call->slots[D_FLAGS] & F_STRUCTURED;
    th_view outputs = {NULL, 0};
    if (!order) return no_memory(d);
    for (uint32_t i = 0; !as_json && i < shape->count; i++) {
        if (texts[i] == TH_V_ABSENT) continue;
        th_view name = th_symbol_text(heap, shape->keys[order[i]]), text = th_string_view(texts[i]);
        if (th_view_is(name, "outputs")) outputs = text;
        if (!set_variable(d, name, text, 0)) return false;
    }
    if (as_json && !structured(d, call, shape, order)) return false;
    if (!read_outputs(d, call, outputs.data ? &outputs : NULL)) return false;
    for (size_t i = 0; i < d->noutputs; i++)
        if (!set_variable(d, d->outputs[i].name, (th_view){"", 0}, (uint32_t)i + 1)) return false;
    qsort(d->env, d->nenv, sizeof *d->env, by_variable);
    return th_machine_charge(d->m, (int64_t)d->nenv * 8);
}

static bool read_arguments(derivation *d, const th_call *call) {
    th_value list = call->slots[D_ARGS];
    d->nargs = list == TH_V_NULL ? 0 : th_array_len(list);
    d->args = th_arena_new(&d->arena, (d->nargs + 1) * sizeof *d->args);
    if (!d->args) return no_memory(d);
    for (size_t i = 0; i < d->nargs; i++) d->args[i] = th_string_view(th_deref(th_array_items(list)[i]));
    return true;
}

static bool check_required(derivation *d) {
    const char *missing = d->builder.len == 0 ? "builder" : d->system.len == 0 ? "system" : NULL;
    if (missing) return refuse(d, "required attribute '%s' missing", missing);
    if (!is_derivation_base(d->name)) return true;
    return refuse(d, "derivation names are allowed to end in '.drv' only if they produce a single derivation file");
}

static bool compute(derivation *d, th_call *call, th_value *out) {
    th_view base;
    d->builder = special_text(call, P_BUILDER);
    d->system = special_text(call, P_SYSTEM);
    if (!read_context(d, call->slots[D_CONTEXT]) || !read_attributes(d, call) || !read_arguments(d, call)) return false;
    if (!check_required(d) || !read_address(d, call)) return false;
    bool good = d->how == BY_INPUT ? by_input_paths(d) : d->how == FIXED ? fixed_path(d) : floating_placeholders(d);
    return good && store_term(d, &base) && shown_outputs(d, base) && result_set(d, base, out);
}

static th_step finish(th_machine *m, th_call *call, th_view name) {
    derivation d = {.m = m, .name = name, .store_dir = th_view_of(nix_settings_of(nix_state_of(m))->store_dir)};
    th_mem *mem = th_machine_mem(m);
    th_value out;
    th_arena_init(&d.arena, mem);
    bool good = compute(&d, call, &out);
    th_mem_free(mem, d.inputs, d.inputs_room * sizeof *d.inputs);
    th_mem_free(mem, d.sources, d.sources_room * sizeof *d.sources);
    th_mem_free(mem, d.env, d.env_room * sizeof *d.env);
    th_arena_clear(&d.arena);
    return good ? nix_done(call, out) : TH_STEP_ERROR;
}

/* ---- Evaluating the attributes ------------------------------------------------------------------------------ */

typedef struct reading {
    th_machine *m;
    th_call *call;
    th_heap *heap;
    const th_shape *shape;
    const uint32_t *order;
    th_view key; /* of the attribute in hand */
    th_step step;
} reading;

static bool stop(reading *r, th_step step) {
    r->step = step;
    return false;
}

static th_value *text_slot(const reading *r) { return &th_array_items(r->call->slots[D_TEXTS])[r->call->slots[D_AT]]; }

static bool join(reading *r, th_value text) {
    th_value context = th_string_context(text);
    uint64_t *slots = r->call->slots;
    return context == TH_V_NULL || nix_context_join(r->m, slots[D_CONTEXT], context, &slots[D_CONTEXT]) ||
           stop(r, TH_STEP_ERROR);
}

static bool keep_text(reading *r, th_value text) {
    th_heap_set(r->heap, th_obj(r->call->slots[D_TEXTS]), text_slot(r), th_shared(text));
    return join(r, text);
}

static void keep_special(reading *r, int which, th_value text) {
    th_value list = r->call->slots[D_SPECIAL];
    th_heap_set(r->heap, th_obj(list), &th_array_items(list)[which], th_shared(text));
}

static bool check_mode(reading *r, th_view mode) {
    static const char *const modes[] = {"flat", "recursive", "nar"};
    for (size_t i = 0; i < TH_COUNT(modes); i++)
        if (th_view_is(mode, modes[i])) return true;
    bool known = th_view_is(mode, "text") || th_view_is(mode, "git");
    return stop(r, th_machine_trap(r->m, TH_E_ARGUMENT, "%s '%.*s' for 'outputHashMode' attribute",
                                   known ? "this needs an experimental feature of Nix: value" : "invalid value",
                                   (int)(mode.len < 200 ? mode.len : 200), mode.data));
}

/* An attribute's text is there. */
static bool got_text(reading *r, th_value text) {
    int which = special_of(r->key);
    if (which >= 0) keep_special(r, which, text);
    if (which == P_HASH_MODE && !check_mode(r, th_string_view(text))) return false;
    if (!th_view_is(r->key, "__json")) return keep_text(r, text);
    th_value parsed;
    th_error err = {0};
    nix_work work = nix_work_of(r->m);
    th_status status = nix_json_parse(&work, th_string_view(text), &parsed, &err);
    if (status != TH_OK) return stop(r, nix_work_failed(r->m, status, &err));
    th_value fn = nix_internal_value(nix_state_of(r->m), NIX_I_TO_JSON);
    return join(r, text) && stop(r, th_call_apply(r->m, r->call, fn, &parsed, 1, S_PLAIN_JSON));
}

/* An attribute's JSON is there, and so all of it is evaluated. */
static bool got_json(reading *r, th_value json, th_value v) {
    th_view text;
    int which = special_of(r->key);
    v = th_deref(v);
    if (!keep_text(r, json)) return false;
    if (which >= 0) {
        bool good = which == P_BUILDER ? nix_want_text(r->m, v, &text) : nix_want_plain(r->m, v, &text);
        if (!good) return stop(r, TH_STEP_ERROR);
        keep_special(r, which, v);
        if (which == P_HASH_MODE && !check_mode(r, text)) return false;
        return join(r, v);
    }
    if (!th_view_is(r->key, "outputs")) return true;
    if (!nix_is_list(v)) return stop(r, nix_expected(r->m, "a list", v));
    r->call->slots[D_OUTPUTS] = th_shared(v);
    return true;
}

static bool flag(reading *r, th_value v, uint64_t which) {
    bool on;
    if (!th_evaluated(&v)) return stop(r, th_call_force(r->m, r->call, v, S_LOOK));
    if (!nix_want_bool(r->m, v, &on)) return stop(r, TH_STEP_ERROR);
    if (on) r->call->slots[D_FLAGS] |= which;
    return true;
}

static bool apply(reading *r, nix_internal fn, const th_value *args, size_t n, uint32_t next_state) {
    return stop(r, th_call_apply(r->m, r->call, nix_internal_value(nix_state_of(r->m), fn), args, n, next_state));
}

/* False: r->step is to be returned; true: the attribute is done with. */
static bool look(reading *r, th_value v) {
    uint64_t flags = r->call->slots[D_FLAGS];
    const th_value args[2] = {v, th_of_int(NIX_COERCE_MORE | NIX_COERCE_COPY)};
    if (th_view_is(r->key, "__ignoreNulls")) return true;
    if (flags & F_IGNORE_NULLS) {
        if (!th_evaluated(&v)) return stop(r, th_call_force(r->m, r->call, v, S_LOOK));
        if (v == TH_V_NULL) return true;
    }
    if (th_view_is(r->key, "__contentAddressed")) return flag(r, v, F_FLOATING);
    if (th_view_is(r->key, "__impure")) return flag(r, v, F_IMPURE);
    if (th_view_is(r->key, "args")) return apply(r, NIX_I_COERCE_ITEMS, args, 2, S_ARGS);
    if (flags & F_STRUCTURED)
        return th_view_is(r->key, "__structuredAttrs") || apply(r, NIX_I_TO_JSON, args, 1, S_JSON);
    if (th_evaluated(&v) && nix_is_text(v)) return got_text(r, v);
    return apply(r, NIX_I_COERCE, args, 2, S_TEXT);
}

static bool got_args(reading *r, th_value list) {
    r->call->slots[D_ARGS] = list;
    for (size_t i = 0; i < th_array_len(list); i++)
        if (!join(r, th_deref(th_array_items(list)[i]))) return false;
    return true;
}

static bool resume(reading *r, uint32_t state, th_value v) {
    if (state == S_LOOK) return look(r, v);
    th_value result = th_deref(r->call->callback);
    switch (state) {
    case S_TEXT: return got_text(r, result);
    case S_JSON: return got_json(r, result, v);
    case S_PLAIN_JSON: return keep_text(r, result);
    default: return got_args(r, result); /* S_ARGS */
    }
}

/* The name and the two flags that say how the rest is read are evaluated first. */
static bool begin(reading *r) {
    static const char *const first[] = {"name", "__structuredAttrs", "__ignoreNulls"};
    static const uint64_t flags[] = {0, F_STRUCTURED, F_IGNORE_NULLS};
    uint64_t *slots = r->call->slots, found = 0;
    th_view name;
    th_error err = {0};
    for (size_t i = 0; i < 3; i++) {
        th_value v = nix_get(r->m, r->call->args[0], first[i]);
        bool on = false;
        if (v == TH_V_ABSENT) {
            if (i == 0) return stop(r, nix_missing(r->m, r->call->args[0], th_view_of("name")));
            continue;
        }
        if (!th_evaluated(&v)) return stop(r, th_call_force(r->m, r->call, v, S_START));
        if (i == 0 ? !nix_want_plain(r->m, v, &name) : !nix_want_bool(r->m, v, &on)) return stop(r, TH_STEP_ERROR);
        if (on) found |= flags[i];
    }
    if (nix_store_check_name(name, &err) != TH_OK)
        return stop(r, th_machine_trap(r->m, TH_E_ARGUMENT,
                                       "invalid derivation name: %s. Please pass a different 'name'.", err.message));
    th_value *items;
    if (!th_new_array(r->heap, r->shape->count, TH_V_ABSENT, &items, &slots[D_TEXTS]) ||
        !th_new_array(r->heap, P_COUNT, TH_V_ABSENT, &items, &slots[D_SPECIAL]))
        return stop(r, nix_no_memory(r->m));
    slots[D_FLAGS] = found;
    slots[D_AT] = 0;
    return true;
}

static th_step with_place(th_machine *m, const reading *r, const th_error *caught, bool begun) {
    th_error e = *caught;
    th_value name = nix_get(m, r->call->args[0], "name");
    name = name == TH_V_ABSENT ? name : th_deref(name);
    size_t len = strlen(e.message);
    char line[400], attribute[160] = "";
    bool named = name != TH_V_ABSENT && nix_is_text(name);
    if (begun && r->call->slots[D_AT] < r->shape->count) {
        th_view key = th_symbol_text(r->heap, r->shape->keys[r->order[r->call->slots[D_AT]]]);
        snprintf(attribute, sizeof attribute, "attribute '%.*s' of ", (int)(key.len < 120 ? key.len : 120), key.data);
    }
    snprintf(line, sizeof line, "\n  … while evaluating %sderivation '%.*s'", attribute,
             named ? (int)(th_string_len(name) < 200 ? th_string_len(name) : 200) : 1,
             named ? th_string_bytes(name) : "?");
    if (len + strlen(line) < sizeof e.message) memcpy(e.message + len, line, strlen(line) + 1);
    return th_machine_trap_error(m, &e);
}

th_step nix_derivation_strict(th_machine *m, th_call *call) {
    reading r = {.m = m, .call = call, .heap = th_machine_heap(m), .step = TH_STEP_ERROR};
    if (!r.heap || !nix_state_of(m)) return TH_STEP_ERROR;
    r.shape = th_record_shape(r.heap, call->args[0]);
    r.order = th_shape_order(r.heap, r.shape);
    if (!r.order) return nix_no_memory(m);
    uint32_t state = call->state;
    if (call->caught) return with_place(m, &r, call->caught, state != S_START);
    if (state == S_START) {
        uint64_t *slots = call->slots;
        slots[D_TEXTS] = slots[D_ARGS] = slots[D_OUTPUTS] = slots[D_CONTEXT] = slots[D_SPECIAL] = TH_V_NULL;
        if (!begin(&r)) return r.step;
        state = S_LOOK;
    }
    for (; call->slots[D_AT] < r.shape->count; call->slots[D_AT]++, state = S_LOOK) {
        uint32_t at = r.order[call->slots[D_AT]];
        r.key = th_symbol_text(r.heap, r.shape->keys[at]);
        NIX_CHARGE(m, 8);
        if (!resume(&r, state, th_record_values(call->args[0])[at])) return r.step;
    }
    th_view name;
    if (!nix_want_plain(m, nix_get(m, call->args[0], "name"), &name)) return TH_STEP_ERROR;
    return finish(m, call, name);
}

/* ---- The set that users see --------------------------------------------------------------------------------- */

typedef struct wrapper {
    th_machine *m;
    th_heap *heap;
    th_value attrs, strict, list; /* the argument; derivationStrict of it, later; names of the outputs */
    size_t n;
    th_symbol *names; /* of the outputs */
    th_value *sets;   /* one for each */
} wrapper;

static bool attribute_later(wrapper *w, th_view name, th_value *out) {
    th_value args[2];
    args[1] = th_shared(w->strict);
    return nix_text(w->m, name, &args[0]) && nix_later(w->m, NIX_I_GET_ATTR, args, 2, out);
}

/* The set of output i, in which the sets of the outputs are still missing. */
static bool output_set(wrapper *w, size_t i, th_value all) {
    static const char *const own[] = {"outPath", "drvPath", "type", "outputName", "all", "drvAttrs"};
    enum { OWN = 6 };
    size_t most = w->n + OWN;
    th_symbol *keys = nix_scratch(w->m, most, sizeof *keys);
    th_value *values = nix_scratch(w->m, most, sizeof *values), over, set;
    bool good = keys && values;
    for (size_t k = 0; good && k < OWN; k++) good = nix_symbol(w->m, th_view_of(own[k]), &keys[k]);
    th_value name = th_deref(th_array_items(w->list)[i]);
    good = good && attribute_later(w, th_string_view(name), &values[0]) &&
           attribute_later(w, th_view_of("drvPath"), &values[1]) &&
           nix_text(w->m, th_view_of("derivation"), &values[2]);
    if (good) {
        values[3] = th_shared(name);
        values[4] = th_shared(all);
        values[5] = th_shared(w->attrs);
        for (size_t k = 0; k < w->n; k++) {
            keys[OWN + k] = w->names[k];
            values[OWN + k] = TH_V_NULL;
        }
        good = th_record_build(w->heap, keys, values, NULL, most, &over) &&
               th_record_update(w->heap, th_shared(w->attrs), over, &set) && th_record_flat(w->heap, set, &w->sets[i]);
        if (!good) (void)nix_no_memory(w->m);
    }
    nix_scratch_free(w->m, keys, most, sizeof *keys);
    nix_scratch_free(w->m, values, most, sizeof *values);
    return good;
}

static bool is_own_name(th_view name) {
    static const char *const own[] = {"outPath", "drvPath", "type", "outputName", "all", "drvAttrs"};
    for (size_t i = 0; i < TH_COUNT(own); i++)
        if (th_view_is(name, own[i])) return true;
    return false;
}

/* Each set has a field for each output: the output's set. The first of two outputs of one name counts. */
static void link_outputs(wrapper *w) {
    for (size_t i = 0; i < w->n; i++) {
        const th_shape *shape = th_record_shape(w->heap, w->sets[i]);
        for (size_t k = w->n; k-- > 0;) {
            if (is_own_name(th_symbol_text(w->heap, w->names[k]))) continue;
            int64_t at = th_shape_find(shape, w->names[k]);
            if (at >= 0)
                th_heap_set(w->heap, th_obj(w->sets[i]), &th_record_values(w->sets[i])[at], th_shared(w->sets[k]));
        }
    }
}

static bool make_sets(wrapper *w, th_value *out) {
    th_value all, *items;
    if (!nix_later(w->m, NIX_I_DERIVATION_STRICT, &w->attrs, 1, &w->strict)) return false;
    if (!th_new_array(w->heap, w->n, TH_V_NULL, &items, &all)) return (void)nix_no_memory(w->m), false;
    for (size_t i = 0; i < w->n; i++)
        if (!output_set(w, i, all)) return false;
    for (size_t i = 0; i < w->n; i++) th_heap_set(w->heap, th_obj(all), &items[i], th_shared(w->sets[i]));
    link_outputs(w);
    *out = th_shared(w->sets[0]);
    return true;
}

static bool output_names(wrapper *w) {
    th_view name;
    for (size_t i = 0; i < w->n; i++)
        if (!nix_want_plain(w->m, th_array_items(w->list)[i], &name) || !nix_symbol(w->m, name, &w->names[i]))
            return false;
    return true;
}

th_step nix_derivation(th_machine *m, th_call *call) {
    wrapper w = {.m = m, .heap = th_machine_heap(m), .attrs = call->args[0]};
    th_value list = nix_get(m, w.attrs, "outputs"), *items, out;
    if (!w.heap) return TH_STEP_ERROR;
    if (list == TH_V_ABSENT) {
        th_value name;
        if (!nix_text(m, th_view_of("out"), &name)) return TH_STEP_ERROR;
        if (!th_new_array(w.heap, 1, name, &items, &list)) return nix_no_memory(m);
    }
    if (!th_evaluated(&list)) return th_call_force(m, call, list, 0);
    if (!nix_is_list(list)) return nix_expected(m, "a list", list);
    w.list = list;
    w.n = th_array_len(list);
    if (w.n == 0) return th_machine_trap(m, TH_E_INDEX, "a derivation needs an output, but 'outputs' is an empty list");
    NIX_CHARGE(m, w.n * w.n + 8);
    for (size_t i = 0; i < w.n; i++) {
        th_value name = th_array_items(list)[i];
        if (!th_evaluated(&name)) return th_call_force(m, call, name, 0);
    }
    w.names = nix_scratch(m, w.n, sizeof *w.names);
    w.sets = w.names ? nix_scratch(m, w.n, sizeof *w.sets) : NULL;
    bool good = w.sets && output_names(&w) && make_sets(&w, &out);
    nix_scratch_free(m, w.names, w.n, sizeof *w.names);
    nix_scratch_free(m, w.sets, w.n, sizeof *w.sets);
    return good ? nix_done(call, out) : TH_STEP_ERROR;
}
