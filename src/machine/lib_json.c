/*
** lib_json.c - Json: any typed value to JSON, and JSON into the type that the program expects.
** The reader is directed by that type and keeps what is under way on a stack of its own, so that a text may nest as deep as
** memory allows. Errors tell line, column and the path of the value ("$.rows[3].price").
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <math.h>

typedef enum json_kind { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT, J_BAD } json_kind;

enum { LAYERS = 8 }; /* options and variants around a value */

/* How a value of one type stands in a slot of another: the types from the outside in, and the alternative at each variant. */
typedef struct layers {
    th_type_id types[LAYERS + 1];
    uint32_t alternatives[LAYERS];
    uint32_t count; /* layers around types[count] */
    bool null;      /* types[count] is an option and the value is null */
} layers;

typedef struct json_frame {
    layers layers;
    th_kind kind;
    th_object *object;
    size_t index; /* elements read; STRUCT: the field being read */
    size_t seen;  /* STRUCT: where its marks start in reader.seen */
    uint64_t key; /* DICT */
} json_frame;

typedef struct reader {
    th_machine *machine;
    const th_types *types;
    th_view text;
    size_t at;
    json_frame *frames;
    size_t depth, capacity;
    th_buf scratch; /* a string with escapes, decoded */
    th_buf seen;    /* a mark for each field of the structs under way */
    th_buf nesting; /* brackets of a value being skipped */
    size_t paid;
    bool quiet; /* tell nobody what is wrong */
} reader;

static void reader_init(reader *r, th_machine *m, th_view text) {
    *r = (reader){.machine = m, .types = th_machine_types(m), .text = text};
    th_buf_init(&r->scratch, th_machine_mem(m));
    th_buf_init(&r->seen, th_machine_mem(m));
    th_buf_init(&r->nesting, th_machine_mem(m));
}

static void reader_clear(reader *r) {
    th_mem_free(th_machine_mem(r->machine), r->frames, r->capacity * sizeof *r->frames);
    th_buf_clear(&r->scratch);
    th_buf_clear(&r->seen);
    th_buf_clear(&r->nesting);
}

/* Pays for the text up to where the reader stands. */
static bool pay(reader *r) {
    if (TH_LIKELY(r->at < r->paid)) return true;
    size_t to = r->at + 4096 < r->text.len ? r->at + 4096 : r->text.len + 1;
    bool ok = th_machine_charge(r->machine, (int64_t)(to - r->paid));
    r->paid = to;
    return ok;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static void put_path(const reader *r, th_buf *out) {
    enum { SHOWN = 12 };
    size_t from = r->depth > SHOWN ? r->depth - SHOWN : 0;
    th_buf_text(out, from ? "$..." : "$");
    for (size_t i = from; i < r->depth; i++) {
        const json_frame *f = &r->frames[i];
        const th_type *t = th_types_get(r->types, f->layers.types[f->layers.count]);
        if (f->kind == TH_KIND_STRUCT && f->index < t->nargs) {
            th_buf_printf(out, ".%s", t->names[f->index]->bytes);
        } else if (f->kind == TH_KIND_DICT && th_types_class(r->types, t->args[0]) == TH_CLASS_STRING && f->key) {
            const th_str *key = th_word_ptr(f->key);
            th_buf_printf(out, "[%s]", th_lib_excerpt(th_view_str(key)).text);
        } else if (f->kind != TH_KIND_STRUCT) {
            th_buf_printf(out, "[%zu]", f->index);
        }
    }
}

static bool fail_at(reader *r, th_status code, size_t at, const char *what, const char *detail) {
    size_t line = 1, start = 0;
    if (r->quiet) return false;
    for (size_t i = 0; i < at && i < r->text.len; i++)
        if (r->text.data[i] == '\n') line++, start = i + 1;
    size_t column = th_utf8_count(r->text.data + start, (at < r->text.len ? at : r->text.len) - start) + 1;
    th_buf path;
    th_buf_init(&path, th_machine_mem(r->machine));
    put_path(r, &path);
    (void)th_machine_trap(r->machine, code, "JSON line %zu, column %zu: %s%s at %s", line, column, what, detail,
                          path.data ? path.data : "$");
    th_buf_clear(&path);
    return false;
}

static bool bad_syntax(reader *r, const char *what) { return fail_at(r, TH_E_FORMAT, r->at, what, ""); }

static bool no_memory(reader *r) {
    (void)th_trap_memory(r->machine);
    return false;
}

static bool bad_type(reader *r, size_t at, th_type_id type, th_view found) {
    th_buf text;
    th_buf_init(&text, th_machine_mem(r->machine));
    th_type_print(r->types, type, &text);
    th_buf_printf(&text, ", found %s,", th_lib_excerpt(found).text);
    (void)fail_at(r, TH_E_CONVERSION, at, "expected ", text.data && !text.failed ? text.data : "another type");
    th_buf_clear(&text);
    return false;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------- */

static void skip_space(reader *r) {
    while (r->at < r->text.len) {
        char c = r->text.data[r->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
        r->at++;
    }
}

static char peek(reader *r) {
    skip_space(r);
    return r->at < r->text.len ? r->text.data[r->at] : 0;
}

static bool take(reader *r, char c) {
    if (peek(r) != c || r->at >= r->text.len) return false;
    r->at++;
    return true;
}

static json_kind kind_of(char c) {
    switch (c) {
    case 'n': return J_NULL;
    case 'f': return J_FALSE;
    case 't': return J_TRUE;
    case '"': return J_STRING;
    case '[': return J_ARRAY;
    case '{': return J_OBJECT;
    default: return c == '-' || (c >= '0' && c <= '9') ? J_NUMBER : J_BAD;
    }
}

static bool take_word(reader *r, const char *word) {
    size_t len = strlen(word);
    if (r->text.len - r->at < len || memcmp(r->text.data + r->at, word, len) != 0)
        return bad_syntax(r, "this is no JSON value");
    r->at += len;
    return true;
}

static bool is_digit(const reader *r) {
    return r->at < r->text.len && r->text.data[r->at] >= '0' && r->text.data[r->at] <= '9';
}

static bool take_digits(reader *r) {
    if (!is_digit(r)) return bad_syntax(r, "a digit is missing");
    while (is_digit(r)) r->at++;
    return true;
}

static bool is_char(const reader *r, char a, char b) {
    return r->at < r->text.len && (r->text.data[r->at] == a || r->text.data[r->at] == b);
}

static bool take_number(reader *r, th_view *out, bool *whole) {
    size_t start = r->at;
    *whole = true;
    if (is_char(r, '-', '-')) r->at++;
    if (is_char(r, '0', '0'))
        r->at++;
    else if (!take_digits(r))
        return false;
    if (is_char(r, '.', '.')) {
        *whole = false;
        r->at++;
        if (!take_digits(r)) return false;
    }
    if (is_char(r, 'e', 'E')) {
        *whole = false;
        r->at++;
        if (is_char(r, '+', '-')) r->at++;
        if (!take_digits(r)) return false;
    }
    *out = (th_view){r->text.data + start, r->at - start};
    return true;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_unit(reader *r, uint32_t *unit) {
    *unit = 0;
    for (size_t i = 0; i < 4; i++, r->at++) {
        int digit = r->at < r->text.len ? hex_value(r->text.data[r->at]) : -1;
        if (digit < 0) return bad_syntax(r, "four hexadecimal digits are missing");
        *unit = *unit * 16 + (uint32_t)digit;
    }
    return true;
}

/* After \u: one code point; half a surrogate pair alone becomes U+FFFD. */
static bool take_code(reader *r) {
    uint32_t code, low;
    char bytes[4];
    if (!take_unit(r, &code)) return false;
    if (code >= 0xd800 && code <= 0xdbff && r->at + 1 < r->text.len && memcmp(r->text.data + r->at, "\\u", 2) == 0) {
        size_t back = r->at;
        r->at += 2;
        if (!take_unit(r, &low)) return false;
        if (low >= 0xdc00 && low <= 0xdfff)
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        else
            r->at = back;
    }
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    th_buf_put(&r->scratch, bytes, th_utf8_encode(code, bytes));
    return true;
}

static bool take_escape(reader *r) {
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->text.len ? r->text.data[r->at] : 0;
    const char *known = c ? strchr(letters, c) : NULL;
    r->at++;
    if (c == 'u') return take_code(r);
    if (known) {
        th_buf_char(&r->scratch, values[known - letters]);
        return true;
    }
    r->at--;
    return bad_syntax(r, "an unknown escape");
}

/* A string, which lies in the text or in r->scratch until the next one. */
static bool take_string(reader *r, th_view *out) {
    size_t start = ++r->at, from = start;
    bool escaped = false;
    for (;; r->at++) {
        if (r->at >= r->text.len) return bad_syntax(r, "a string is not closed");
        unsigned char c = (unsigned char)r->text.data[r->at];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        if (c < 0x20) return bad_syntax(r, "a control character in a string");
        if (!escaped && c == '\\') r->scratch.len = 0, escaped = true;
        if (escaped) th_buf_put(&r->scratch, r->text.data + from, r->at - from);
        if (c == '"') break;
        r->at++;
        if (!take_escape(r)) return false;
        from = r->at--;
    }
    if (r->scratch.failed) return no_memory(r);
    if (escaped)
        *out = (th_view){r->scratch.data ? r->scratch.data : "", r->scratch.len};
    else
        *out = (th_view){r->text.data + start, r->at - start};
    r->at++;
    return pay(r);
}

/* ---- Skipping ----------------------------------------------------------------------------------------------- */

static bool skip_scalar(reader *r, json_kind kind) {
    th_view text;
    bool whole;
    switch (kind) {
    case J_NULL: return take_word(r, "null");
    case J_FALSE: return take_word(r, "false");
    case J_TRUE: return take_word(r, "true");
    case J_NUMBER: return take_number(r, &text, &whole);
    case J_STRING: return take_string(r, &text);
    default: return bad_syntax(r, r->at >= r->text.len ? "the text ends too early" : "this is no JSON value");
    }
}

static bool take_colon(reader *r) { return take(r, ':') ? true : bad_syntax(r, "':' is missing"); }

static bool skip_key(reader *r) {
    th_view key;
    if (peek(r) != '"') return bad_syntax(r, "a key in quotes is missing");
    return take_string(r, &key) && take_colon(r);
}

/* Reads over one value, checking it. */
static bool skip_value(reader *r) {
    r->nesting.len = 0;
    do {
        char c = peek(r);
        if (!pay(r)) return false;
        if (c == '[' || c == '{') {
            r->at++;
            if (!take(r, c == '[' ? ']' : '}')) {
                th_buf_char(&r->nesting, c);
                if (r->nesting.failed) return no_memory(r);
                if (c == '{' && !skip_key(r)) return false;
                continue;
            }
        } else if (!skip_scalar(r, kind_of(c))) {
            return false;
        }
        while (r->nesting.len > 0) { /* a value is over */
            bool object = r->nesting.data[r->nesting.len - 1] == '{';
            if (take(r, ',')) {
                if (object && !skip_key(r)) return false;
                break;
            }
            if (!take(r, object ? '}' : ']'))
                return bad_syntax(r, object ? "',' or '}' is missing" : "',' or ']' is missing");
            r->nesting.len--;
        }
    } while (r->nesting.len > 0);
    return true;
}

/* ---- Layers ------------------------------------------------------------------------------------------------- */

static bool is_integer(th_kind kind) { return kind >= TH_KIND_I8 && kind <= TH_KIND_I64; }
static bool is_float(th_kind kind) { return kind == TH_KIND_F32 || kind == TH_KIND_F64; }

static bool accepts(th_kind kind, json_kind json, bool whole, bool strict) {
    switch (json) {
    case J_NULL: return kind == TH_KIND_OPTION;
    case J_FALSE:
    case J_TRUE: return kind == TH_KIND_BOOL;
    case J_NUMBER: return strict ? (whole ? is_integer(kind) : is_float(kind)) : is_integer(kind) || is_float(kind);
    case J_STRING: return kind == TH_KIND_STRING || kind == TH_KIND_SYMBOL || (!strict && kind == TH_KIND_ENUM);
    case J_ARRAY: return kind == TH_KIND_LIST || kind == TH_KIND_TUPLE;
    case J_OBJECT: return kind == TH_KIND_STRUCT || kind == TH_KIND_DICT;
    default: return false;
    }
}

/* Whether a number at the reader is whole. */
static bool is_whole(const reader *r) {
    for (size_t i = r->at; i < r->text.len; i++) {
        char c = r->text.data[i];
        if (c == '.' || c == 'e' || c == 'E') return false;
        if (c != '-' && (c < '0' || c > '9')) return true;
    }
    return true;
}

static uint32_t choose(reader *r, const th_type *variant, json_kind json) {
    bool whole = json == J_NUMBER && is_whole(r);
    for (int strict = 1; strict >= 0; strict--)
        for (uint32_t i = 0; i < variant->nargs; i++) {
            const th_type *t = th_types_get(r->types, variant->args[i]);
            if (accepts((th_kind)t->kind, json, whole, strict)) return i;
            if (t->kind != TH_KIND_OPTION) continue;
            if (accepts(th_types_kind(r->types, t->args[0]), json, whole, strict)) return i;
        }
    return UINT32_MAX;
}

/* Looks through options and variants to the type that the value at the reader is to be read as. */
static bool open_layers(reader *r, th_type_id type, json_kind json, layers *out) {
    *out = (layers){.types = {type}};
    for (;;) {
        type = out->types[out->count];
        const th_type *t = th_types_get(r->types, type);
        if (t->kind != TH_KIND_OPTION && t->kind != TH_KIND_VARIANT) return true;
        if (t->kind == TH_KIND_OPTION && json == J_NULL) {
            out->null = true;
            return true;
        }
        if (out->count == LAYERS) return fail_at(r, TH_E_UNSUPPORTED, r->at, "the type is nested too deeply", "");
        uint32_t choice = t->kind == TH_KIND_VARIANT ? choose(r, t, json) : 0;
        if (choice == UINT32_MAX) return bad_type(r, r->at, type, (th_view){r->text.data + r->at, r->text.len - r->at});
        out->alternatives[out->count] = choice;
        out->types[++out->count] = t->args[choice];
    }
}

/* The word of the outermost layer for one of the innermost. */
static bool close_layers(reader *r, const layers *l, uint64_t *word) {
    for (uint32_t i = l->count; i-- > 0;) {
        if (th_types_kind(r->types, l->types[i]) == TH_KIND_OPTION) {
            if (!th_new_option(r->machine, l->types[i], *word, word)) return false;
            continue;
        }
        th_record *variant = th_new_record(r->machine, l->types[i], 2);
        if (!variant) return false;
        variant->slots[0] = l->alternatives[i];
        th_record_set(r->machine, variant, 1, *word);
        *word = th_ptr_word(variant);
    }
    return true;
}

/* ---- Scalars ------------------------------------------------------------------------------------------------ */

/* A whole number written with a point or an exponent counts when it is exact. */
static bool whole_value(th_view text, bool whole, int64_t *out) {
    double x;
    if (whole) return th_parse_i64(text, out);
    if (!th_parse_f64(text, &x) || x != trunc(x) || fabs(x) > 9007199254740992.0) return false;
    *out = (int64_t)x;
    return true;
}

static bool read_number(reader *r, th_type_id type, uint64_t *word) {
    static const uint8_t bits[] = {[TH_KIND_I8] = 8, [TH_KIND_I16] = 16, [TH_KIND_I32] = 32, [TH_KIND_I64] = 64};
    th_kind kind = th_types_kind(r->types, type);
    size_t start = r->at;
    th_view text;
    bool whole;
    if (!take_number(r, &text, &whole)) return false;
    if (is_float(kind)) {
        double x;
        if (!th_parse_f64(text, &x)) return bad_type(r, start, type, text);
        *word = kind == TH_KIND_F64 ? th_f64_word(x) : th_f32_word((float)x);
        return true;
    }
    int64_t n;
    if (!whole_value(text, whole, &n)) return bad_type(r, start, type, text);
    int64_t high = (int64_t)(UINT64_MAX >> 1 >> (64 - bits[kind]));
    if (n > high || n < -high - 1) return bad_type(r, start, type, text);
    *word = (uint64_t)n;
    return true;
}

static bool enum_member(reader *r, size_t start, th_type_id type, th_view text, uint64_t *word) {
    const th_type *t = th_types_get(r->types, type);
    for (uint32_t i = 0; i < t->nnames; i++)
        if (th_view_eq(th_view_str(t->names[i]), text)) {
            *word = i;
            return true;
        }
    return bad_type(r, start, type, text);
}

static bool read_string(reader *r, th_type_id type, uint64_t *word) {
    size_t start = r->at;
    th_view text;
    if (!take_string(r, &text)) return false;
    if (th_types_kind(r->types, type) == TH_KIND_ENUM) return enum_member(r, start, type, text, word);
    th_str *s = th_new_str_of(r->machine, text.data, text.len);
    *word = th_ptr_word(s);
    return s != NULL;
}

/* ---- Containers --------------------------------------------------------------------------------------------- */

static bool push_frame(reader *r, const layers *l, th_kind kind, th_object *object) {
    if (!object) return false;
    if (th_mem_grow(th_machine_mem(r->machine), (void **)&r->frames, &r->capacity, r->depth + 1, sizeof *r->frames))
        return no_memory(r);
    r->frames[r->depth++] = (json_frame){.layers = *l, .kind = kind, .object = object, .seen = r->seen.len};
    return true;
}

static bool open_container(reader *r, const layers *l, th_kind kind) {
    th_type_id type = l->types[l->count];
    const th_type *t = th_types_get(r->types, type);
    r->at++;
    if (kind == TH_KIND_LIST) return push_frame(r, l, kind, (th_object *)th_new_list(r->machine, type, 0));
    if (kind == TH_KIND_DICT) return push_frame(r, l, kind, (th_object *)th_new_dict(r->machine, type, 0));
    if (!push_frame(r, l, kind, (th_object *)th_new_record(r->machine, type, t->nargs))) return false;
    for (uint32_t i = 0; kind == TH_KIND_STRUCT && i < t->nargs; i++) th_buf_char(&r->seen, 0);
    return r->seen.failed ? no_memory(r) : true;
}

/* Starts on a value for a slot of `type`: *word is its value, or a frame was pushed (*open). */
static bool begin_value(reader *r, th_type_id type, uint64_t *word, bool *open) {
    char c = peek(r);
    json_kind json = kind_of(c);
    layers l;
    *open = false;
    if (json == J_BAD) return skip_scalar(r, json);
    if (!open_layers(r, type, json, &l)) return false;
    th_type_id inner = l.types[l.count];
    th_kind kind = th_types_kind(r->types, inner);
    if (!accepts(kind, json, true, false))
        return bad_type(r, r->at, inner, (th_view){r->text.data + r->at, r->text.len - r->at});
    if (json == J_ARRAY || json == J_OBJECT) {
        *open = true;
        return open_container(r, &l, kind);
    }
    *word = json == J_TRUE;
    if (json == J_NUMBER   ? !read_number(r, inner, word)
        : json == J_STRING ? !read_string(r, inner, word)
                           : !skip_scalar(r, json))
        return false;
    return close_layers(r, &l, word);
}

static bool store(reader *r, json_frame *f, uint64_t word) {
    switch (f->kind) {
    case TH_KIND_LIST: f->index++; return th_list_push(r->machine, (th_list *)f->object, word);
    case TH_KIND_DICT: f->index++; return th_dict_set(r->machine, (th_dict *)f->object, f->key, word);
    case TH_KIND_TUPLE: th_record_set(r->machine, (th_record *)f->object, f->index++, word); return true;
    default:
        th_record_set(r->machine, (th_record *)f->object, f->index, word);
        r->seen.data[f->seen + f->index] = 1;
        return true;
    }
}

/* ---- Keys --------------------------------------------------------------------------------------------------- */

static bool dict_key(reader *r, size_t start, th_type_id type, th_view text, uint64_t *word) {
    th_kind kind = th_types_kind(r->types, type);
    if (kind == TH_KIND_STRING || kind == TH_KIND_SYMBOL) {
        th_str *s = th_new_str_of(r->machine, text.data, text.len);
        *word = th_ptr_word(s);
        return s != NULL;
    }
    if (kind == TH_KIND_ENUM) return enum_member(r, start, type, text, word);
    if (kind == TH_KIND_BOOL) {
        *word = th_view_is(text, "true");
        return *word || th_view_is(text, "false") ? true : bad_type(r, start, type, text);
    }
    int64_t n;
    if (!th_parse_i64(text, &n)) return bad_type(r, start, type, text);
    int64_t high = INT64_MAX >> (64 - 8 * th_types_get(r->types, type)->bytes);
    if (n > high || n < -high - 1) return bad_type(r, start, type, text);
    *word = (uint64_t)n;
    return true;
}

/* The field of this name; texts mostly keep the order of the fields, so the next one is tried first. */
static uint32_t field_of(const th_type *t, th_view name, size_t after) {
    for (uint32_t i = 0; i < t->nargs; i++) {
        uint32_t field = (uint32_t)((after + i) % t->nargs);
        if (th_view_eq(th_view_str(t->names[field]), name)) return field;
    }
    return UINT32_MAX;
}

/* Reads a key of the top frame; fields that the struct does not have are read over (*skipped). */
static bool read_key(reader *r, json_frame *f, th_type_id *type, bool *skipped) {
    const th_type *t = th_types_get(r->types, f->layers.types[f->layers.count]);
    size_t start = r->at;
    th_view key;
    *skipped = false;
    if (peek(r) != '"') return bad_syntax(r, "a key in quotes is missing");
    if (!take_string(r, &key)) return false;
    if (f->kind == TH_KIND_DICT) {
        *type = t->args[1];
        return dict_key(r, start, t->args[0], key, &f->key) && take_colon(r);
    }
    uint32_t field = field_of(t, key, f->index + 1);
    *skipped = field == UINT32_MAX;
    if (!take_colon(r)) return false;
    if (*skipped) return skip_value(r);
    f->index = field;
    *type = t->args[field];
    return true;
}

/* ---- The loop ----------------------------------------------------------------------------------------------- */

static bool missing_fields(reader *r, json_frame *f) {
    const th_type *t = th_types_get(r->types, f->layers.types[f->layers.count]);
    for (uint32_t i = 0; i < t->nargs; i++) {
        if (r->seen.data[f->seen + i] || th_types_kind(r->types, t->args[i]) == TH_KIND_OPTION) continue;
        f->index = t->nargs;
        (void)fail_at(r, TH_E_CONVERSION, r->at, "missing field ", t->names[i]->bytes);
        return true;
    }
    return false;
}

/* The top frame's container is over: its word, with its layers. */
static bool close_frame(reader *r, uint64_t *word) {
    json_frame *f = &r->frames[r->depth - 1];
    const th_type *t = th_types_get(r->types, f->layers.types[f->layers.count]);
    if (f->kind == TH_KIND_STRUCT && missing_fields(r, f)) return false;
    if (f->kind == TH_KIND_TUPLE && f->index < t->nargs)
        return fail_at(r, TH_E_CONVERSION, r->at, "a tuple has too few members", "");
    r->seen.len = f->seen;
    *word = th_ptr_word(f->object);
    r->depth--;
    return close_layers(r, &f->layers, word);
}

/* Goes to the next value of the top frame: gives its type, or says that the frame is over. */
static bool next_value(reader *r, bool first, th_type_id *type, bool *over) {
    json_frame *f = &r->frames[r->depth - 1];
    bool object = f->kind == TH_KIND_DICT || f->kind == TH_KIND_STRUCT, skipped = true;
    *over = false;
    while (skipped) {
        if (take(r, object ? '}' : ']')) {
            *over = true;
            return true;
        }
        if (!first && !take(r, ',')) return bad_syntax(r, object ? "',' or '}' is missing" : "',' or ']' is missing");
        if (!first && (peek(r) == '}' || peek(r) == ']')) return bad_syntax(r, "a value is missing after ','");
        first = false;
        if (!pay(r)) return false;
        if (!object) break;
        if (!read_key(r, f, type, &skipped)) return false;
    }
    if (object) return true;
    const th_type *t = th_types_get(r->types, f->layers.types[f->layers.count]);
    if (f->kind == TH_KIND_TUPLE && f->index >= t->nargs)
        return fail_at(r, TH_E_CONVERSION, r->at, "a tuple has too many members", "");
    *type = f->kind == TH_KIND_LIST ? t->args[0] : t->args[f->index];
    return true;
}

static bool read_all(reader *r, th_type_id type, uint64_t *word) {
    bool open, over;
    if (!pay(r) || !begin_value(r, type, word, &open)) return false;
    bool first = open;
    while (r->depth > 0) {
        if (!next_value(r, first, &type, &over)) return false;
        if (over ? !close_frame(r, word) : !begin_value(r, type, word, &first)) return false;
        if (over) first = false;
        if (!first && r->depth > 0 && !store(r, &r->frames[r->depth - 1], *word)) return false;
    }
    (void)peek(r);
    return r->at == r->text.len ? true : bad_syntax(r, "there is more text after the value");
}

th_status th_value_from_json(th_machine *m, th_type_id type, th_view json, uint64_t *out) {
    reader r;
    uint64_t word = 0;
    reader_init(&r, m, json);
    bool ok = read_all(&r, type, &word);
    reader_clear(&r);
    if (!ok) return m->error.code;
    *out = word;
    return TH_OK;
}

static th_step json_decode(th_machine *m, th_call *call) {
    uint64_t word = 0;
    th_status status = th_value_from_json(m, result_type(m, call), arg_view(call, 0), &word);
    return status == TH_OK ? done(call, word) : TH_STEP_ERROR;
}

/* ---- JSON as text ------------------------------------------------------------------------------------------- */

static th_step print_json(th_machine *m, th_call *call, uint32_t flags) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (th_value_print(m, param_type(m, call, 0), call->args[0], flags, &buf) == TH_OK)
        return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return TH_STEP_ERROR;
}

static th_step json_text(th_machine *m, th_call *call) { return print_json(m, call, TH_PRINT_JSON); }
static th_step json_pretty(th_machine *m, th_call *call) {
    return print_json(m, call, TH_PRINT_JSON | TH_PRINT_PRETTY);
}

static th_step json_is_valid(th_machine *m, th_call *call) {
    reader r;
    reader_init(&r, m, arg_view(call, 0));
    CHARGE(m, r.text.len);
    r.paid = r.text.len + 1;
    r.quiet = true;
    bool ok = skip_value(&r);
    (void)peek(&r);
    bool ended = r.at == r.text.len, nomem = r.nesting.failed || r.scratch.failed;
    reader_clear(&r);
    if (nomem) return TH_STEP_ERROR;
    return done(call, ok && ended);
}

static th_step json_kind_name(th_machine *m, th_call *call) {
    static const char *const names[] = {"null", "bool", "bool", "number", "string", "array", "object"};
    reader r;
    reader_init(&r, m, arg_view(call, 0));
    json_kind kind = kind_of(peek(&r));
    CHARGE(m, 4 + r.at / 4);
    if (kind == J_BAD) return bad_syntax(&r, "this is no JSON value") ? TH_STEP_DONE : TH_STEP_ERROR;
    return th_lib_done_view(m, call, th_view_of(names[kind]));
}

/* ---- Parts of a text ---------------------------------------------------------------------------------------- */

/* One step of a path: .name, ['name'] or [number]. */
typedef struct path_step {
    th_view name;
    uint64_t index;
    bool is_index;
} path_step;

static bool read_step(th_view path, size_t *at, path_step *out) {
    size_t from = *at;
    *out = (path_step){0};
    if (path.data[from] == '[') {
        const char *close = memchr(path.data + from, ']', path.len - from);
        if (!close) return false;
        th_view inside = {path.data + from + 1, (size_t)(close - path.data) - from - 1};
        *at = (size_t)(close - path.data) + 1;
        int64_t index;
        bool quoted = inside.len >= 2 && (inside.data[0] == '\'' || inside.data[0] == '"') &&
                      inside.data[inside.len - 1] == inside.data[0];
        if (quoted)
            out->name = (th_view){inside.data + 1, inside.len - 2};
        else if (th_parse_i64(inside, &index) && index >= 0)
            out->index = (uint64_t)index, out->is_index = true;
        else
            return false;
        return true;
    }
    if (path.data[from] == '.') from++;
    size_t end = from;
    while (end < path.len && path.data[end] != '.' && path.data[end] != '[') end++;
    *at = end;
    out->name = (th_view){path.data + from, end - from};
    return end > from;
}

/* Goes to a member of the value at the reader. False: a trap, or *found is false. */
static bool enter(reader *r, const path_step *step, bool *found) {
    char c = peek(r);
    *found = false;
    if (c != (step->is_index ? '[' : '{')) return true;
    r->at++;
    if (take(r, step->is_index ? ']' : '}')) return true;
    for (uint64_t i = 0;; i++) {
        th_view key = {"", 0};
        if (!step->is_index) {
            if (peek(r) != '"') return bad_syntax(r, "a key in quotes is missing");
            if (!take_string(r, &key)) return false;
        }
        *found = step->is_index ? i == step->index : th_view_eq(key, step->name);
        if (!step->is_index && !take_colon(r)) return false;
        if (*found) return true;
        if (!skip_value(r)) return false;
        if (take(r, step->is_index ? ']' : '}')) return true;
        if (!take(r, ',')) return bad_syntax(r, "',' is missing");
    }
}

static th_step find_part(reader *r, th_call *call, th_view path) {
    size_t at = path.len > 0 && path.data[0] == '$';
    while (at < path.len) {
        path_step step;
        bool found;
        if (!read_step(path, &at, &step))
            return th_machine_trap(r->machine, TH_E_ARGUMENT, "%s is no path", th_lib_excerpt(path).text);
        if (!enter(r, &step, &found)) return TH_STEP_ERROR;
        if (!found) return done_null(call);
    }
    (void)peek(r);
    size_t start = r->at;
    if (!skip_value(r)) return TH_STEP_ERROR;
    return th_lib_done_view(r->machine, call, (th_view){r->text.data + start, r->at - start});
}

static th_step json_at(th_machine *m, th_call *call) {
    reader r;
    CHARGE(m, 4 + arg_str(call, 1)->len);
    reader_init(&r, m, arg_view(call, 0));
    th_step step = find_part(&r, call, arg_view(call, 1));
    reader_clear(&r);
    return step;
}

/* The texts of an array's elements, or the keys of an object. */
static bool collect(reader *r, th_list *list, bool keys) {
    char open = keys ? '{' : '[', close = keys ? '}' : ']';
    if (!take(r, open)) return bad_syntax(r, keys ? "this is no object" : "this is no array");
    if (take(r, close)) return true;
    for (;;) {
        th_view text = {"", 0};
        if (keys && peek(r) != '"') return bad_syntax(r, "a key in quotes is missing");
        (void)peek(r);
        size_t start = r->at;
        th_str *s = NULL;
        if (keys) {
            if (!take_string(r, &text)) return false;
            s = th_new_str_of(r->machine, text.data, text.len);
            if (!s || !take_colon(r)) return false;
        }
        if (!skip_value(r)) return false;
        if (!keys) s = th_new_str_of(r->machine, r->text.data + start, r->at - start);
        if (!s || !th_list_push(r->machine, list, th_ptr_word(s))) return false;
        if (take(r, close)) return true;
        if (!take(r, ',')) return bad_syntax(r, "',' is missing");
    }
}

static th_step collect_parts(th_machine *m, th_call *call, bool keys) {
    reader r;
    reader_init(&r, m, arg_view(call, 0));
    th_list *list = th_new_list(m, result_type(m, call), 0);
    bool ok = list && collect(&r, list, keys);
    reader_clear(&r);
    return ok ? done_ptr(call, list) : TH_STEP_ERROR;
}

static th_step json_keys(th_machine *m, th_call *call) { return collect_parts(m, call, true); }
static th_step json_items(th_machine *m, th_call *call) { return collect_parts(m, call, false); }

#define PURE TH_BUILTIN_PURE

const th_builtin th_lib_json[] = {
    {"Json.text", "value: T -> String",
     "A value as JSON: structs and dicts as objects, lists and tuples as arrays, enums by name, NaN and infinities as "
     "null.\ne.g. Json.text([1, 2]) == '[1, 2]'",
     json_text, 0, 0, NULL},
    {"Json.pretty", "value: T -> String", "A value as JSON on several lines, indented.\ne.g. Json.pretty(1) == '1'",
     json_pretty, 0, 0, NULL},
    {"Json.decode", "text: String -> T",
     "JSON as a value of the type that is expected: structs by field name (fields that are missing must be nullable, "
     "unknown ones are left out), dicts, lists, tuples, enums by name, nullable values. An error tells where the text "
     "does not fit.\ne.g. xs<List<i64>> = Json.decode('[1, 2]')",
     json_decode, 0, 0, NULL},
    {"Json.is_valid", "text: String -> bool", "Whether a text is JSON.\ne.g. Json.is_valid('[1, ]') == false",
     json_is_valid, PURE, 0, NULL},
    {"Json.kind", "text: String -> String",
     "What a JSON text starts: object, array, string, number, bool or null.\ne.g. Json.kind('[1]') == 'array'",
     json_kind_name, PURE, 0, NULL},
    {"Json.at", "text: String, path: String -> String?",
     "The JSON text of a part, or null when there is none; paths read like $.rows[3].name.\ne.g. Json.at('[10, 20]', "
     "'[1]') == '20'",
     json_at, PURE, 0, NULL},
    {"Json.keys", "text: String -> List<String>", "The keys of a JSON object, in order.\ne.g. Json.keys('{}') == []",
     json_keys, 0, 0, NULL},
    {"Json.items", "text: String -> List<String>",
     "The JSON texts of an array's elements.\ne.g. Json.items('[1, [2]]') == ['1', '[2]']", json_items, 0, 0, NULL},
};
const size_t th_lib_json_count = TH_COUNT(th_lib_json);
