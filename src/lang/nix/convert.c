/*
** convert.c - Nix: the builtins that turn values into text and text into values; hashes of strings.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "lang/nix/convert.h"

/* ---- Reading ------------------------------------------------------------------------------------------------ */

typedef th_status parse_fn(const nix_work *work, th_view text, th_value *out, th_error *err);

static th_step parse(th_machine *m, th_call *call, parse_fn *fn) {
    th_view text;
    th_value v;
    th_error err = {0};
    if (!th_machine_heap(m) || !nix_want_plain(m, call->args[0], &text)) return TH_STEP_ERROR;
    nix_work work = nix_work_of(m);
    th_status status = fn(&work, text, &v, &err);
    return status == TH_OK ? nix_done(call, v) : nix_work_failed(m, status, &err);
}

static th_step from_json(th_machine *m, th_call *call) { return parse(m, call, nix_json_parse); }
static th_step from_toml(th_machine *m, th_call *call) { return parse(m, call, nix_toml_parse); }

static th_step to_xml(th_machine *m, th_call *call) {
    th_value args[2] = {call->args[0], th_of_int(NIX_PRINT_STRICT)};
    return nix_tail(m, call, NIX_I_TO_XML, args, 2);
}

/* ---- Hashes ------------------------------------------------------------------------------------------------- */

static int shown(th_view text) { return (int)(text.len < 300 ? text.len : 300); }

static bool want_algorithm(th_machine *m, th_view name, nix_hash *out) {
    if (nix_hash_of(name, out)) return true;
    (void)th_machine_trap(m, TH_E_ARGUMENT,
                          "unknown hash algorithm '%.*s', expect 'md5', 'sha1', 'sha256', or 'sha512'", shown(name),
                          name.data);
    return false;
}

static th_step hash_string(th_machine *m, th_call *call) {
    th_view name, text = th_string_view(call->args[1]);
    nix_hash algo;
    uint8_t digest[64];
    th_buf out;
    th_value v;
    if (!nix_want_plain(m, call->args[0], &name) || !want_algorithm(m, name, &algo)) return TH_STEP_ERROR;
    NIX_CHARGE(m, text.len / 4 + 16);
    size_t n = nix_hash_bytes(algo, text, digest);
    th_buf_init(&out, th_machine_mem(m));
    nix_base16(digest, n, &out);
    return nix_text_of_buf(m, &out, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

static bool write_hash(nix_hash algo, const uint8_t *digest, size_t n, th_view format, th_buf *out) {
    if (th_view_is(format, "base16")) return nix_base16(digest, n, out), true;
    if (th_view_is(format, "nix32") || th_view_is(format, "base32")) return nix_base32(digest, n, out), true;
    if (th_view_is(format, "base64")) return nix_base64(digest, n, out), true;
    if (!th_view_is(format, "sri")) return false;
    th_buf_printf(out, "%s-", nix_hash_name(algo));
    nix_base64(digest, n, out);
    return true;
}

static th_step convert(th_machine *m, th_call *call, th_value hash, th_value algorithm, th_value format) {
    th_view text, name, kind;
    nix_hash algo = NIX_SHA256;
    bool known = algorithm != TH_V_ABSENT;
    uint8_t digest[64];
    size_t n;
    th_buf out;
    th_value v;
    if (!nix_want_plain(m, hash, &text) || (known && !nix_want_plain(m, algorithm, &name)) ||
        !nix_want_plain(m, format, &kind))
        return TH_STEP_ERROR;
    if (known && !want_algorithm(m, name, &algo)) return TH_STEP_ERROR;
    if (!nix_hash_parse(text, &algo, known, digest, &n)) {
        if (!known && !memchr(text.data, ':', text.len) && !memchr(text.data, '-', text.len))
            return th_machine_trap(m, TH_E_ARGUMENT,
                                   "hash '%.*s' does not include a type, nor is the type otherwise known from context",
                                   shown(text), text.data);
        return th_machine_trap(m, TH_E_ARGUMENT, "'%.*s' is not a hash%s%s", shown(text), text.data,
                               known ? " of algorithm " : "", known ? nix_hash_name(algo) : "");
    }
    th_buf_init(&out, th_machine_mem(m));
    if (write_hash(algo, digest, n, kind, &out))
        return nix_text_of_buf(m, &out, &v) ? nix_done(call, v) : TH_STEP_ERROR;
    th_buf_clear(&out);
    return th_machine_trap(m, TH_E_ARGUMENT,
                           "unknown hash format '%.*s', expect 'base16', 'base32', 'base64', 'nix32', or 'sri'",
                           shown(kind), kind.data);
}

static th_step convert_hash(th_machine *m, th_call *call) {
    static const char *const fields[] = {"hash", "hashAlgo", "toHashFormat"};
    th_value values[3];
    for (size_t i = 0; i < 3; i++) {
        values[i] = nix_get(m, call->args[0], fields[i]);
        if (values[i] == TH_V_ABSENT) {
            if (i != 1) return nix_missing(m, call->args[0], th_view_of(fields[i]));
        } else if (!th_evaluated(&values[i])) {
            return th_call_force(m, call, values[i], 0); /* and all over again */
        }
    }
    return convert(m, call, values[0], values[1], values[2]);
}

#define STATEFUL TH_BUILTIN_STATEFUL

const th_builtin nix_lib_convert[] = {
    {"nix.toJSON", "e: value -> value",
     "A value as JSON: sets as objects in the order of their names, derivations and sets with outPath or __toString as "
     "that string, "
     "paths as the path they have in the store. Functions are refused.",
     nix_to_json, STATEFUL | TH_BUILTIN_CATCHES, 4, "vivi", "."},
    {"nix.fromJSON", "e: value -> value",
     "The value of a text in JSON. Numbers with a point or an exponent are floats.", from_json, 0, 0, NULL, "s"},
    {"nix.fromTOML", "e: value -> value", "The value of a text in TOML 1.0. Dates and times are refused.", from_toml, 0,
     0, NULL, "s"},
    {"nix.toXML", "e: value -> value", "A value as XML, evaluated deeply. Functions show their parameters.", to_xml, 0,
     0, NULL, "."},
    {"Nix.to_xml", "v: value, flags: value -> value",
     "A value as XML; what is not evaluated stays so, unless the flags say otherwise.", nix_to_xml, STATEFUL, 7,
     "vivvvii", "vi"},
    {"nix.hashString", "type: value, s: value -> value",
     "The hash of a string in base 16; type is md5, sha1, sha256 or sha512.", hash_string, 0, 0, NULL, "ss"},
    {"nix.convertHash", "args: value -> value",
     "The hash of the set { hash, hashAlgo, toHashFormat } in another notation: base16, nix32, base64 or sri. hashAlgo "
     "may be left "
     "out when the hash names it.",
     convert_hash, STATEFUL, 0, "", "d"},
};
const size_t nix_lib_convert_count = TH_COUNT(nix_lib_convert);
