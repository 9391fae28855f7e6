/*
** parse.c - reads JSON and writes the buffer it describes, driven by a schema.
** Two passes: the text becomes a flat array of nodes (a loop over an explicit parent chain), then tables are built from
** them, children before parents. The second pass recurses once per level of tables, which the first bounds by
*MAX_DEPTH.
** Takes what th_flat_to_json and flatc write, the bare words nan and inf included.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#include <math.h>
#include <stdio.h>

#define MAX_DEPTH 256
#define NO_NODE   UINT32_MAX

typedef enum node_kind {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} node_kind;

typedef struct node {
    uint8_t kind; /* node_kind */
    uint32_t at;  /* in the source */
    uint32_t parent, first, last, next;
    uint32_t count; /* of children */
    uint32_t key_at;
    th_view key, text; /* decoded; `text` of a number or word: as it stands */
} node;

typedef struct reader {
    th_arena arena; /* decoded strings, vectors on the way */
    th_mem *mem;
    const th_flat_schema *schema;
    th_flat_builder builder;
    th_view source;
    size_t at;
    node *nodes;
    size_t nnodes, nodes_capacity;
    th_error *err;
    bool told; /* err is filled */
} reader;

/* ---- Errors ------------------------------------------------------------------------------------------------- */

/* The line and column of a byte offset; only ever called once, on failure. */
static th_span span_of(th_view source, size_t at) {
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++) {
        if (source.data[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    uint32_t column = (uint32_t)th_utf8_count(source.data + start, at - start) + 1;
    return (th_span){(uint32_t)line, column, (uint32_t)line, column + 1};
}

static th_status fail(reader *r, th_status code, size_t at, const char *format, ...) TH_PRINTF(4, 5);
static th_status fail(reader *r, th_status code, size_t at, const char *format, ...) {
    r->told = true;
    if (!r->err) return code;
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return th_fail_at(r->err, code, NULL, span_of(r->source, at), "%s", message);
}

static th_status no_memory(reader *r) {
    r->told = true;
    return th_fail(r->err, TH_E_NOMEM, "no memory to read the JSON text");
}

/* How much of a text an error quotes. */
#define QUOTED(view) (int)((view).len > 60 ? 60 : (view).len), (view).data

/* ---- Text to nodes ------------------------------------------------------------------------------------------ */

static void skip_space(reader *r) {
    while (r->at < r->source.len && strchr(" \t\r\n", r->source.data[r->at]) && r->source.data[r->at]) r->at++;
}

static int peek(const reader *r) { return r->at < r->source.len ? (unsigned char)r->source.data[r->at] : -1; }

static bool hex4(const reader *r, size_t at, uint32_t *out) {
    if (r->source.len - at < 4) return false;
    uint32_t code = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)r->source.data[at + i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 99;
        if (digit == 99) return false;
        code = code * 16 + digit;
    }
    *out = code;
    return true;
}

/* \uXXXX after its `u`, and its other half when it is the first of a pair. */
static th_status read_unicode(reader *r, char *out, size_t *len) {
    uint32_t code, low;
    size_t start = r->at - 2;
    if (!hex4(r, r->at, &code)) return fail(r, TH_E_SYNTAX, start, "\\u needs four hexadecimal digits");
    r->at += 4;
    if (code >= 0xd800 && code < 0xdc00 && r->source.len - r->at >= 6 && r->source.data[r->at] == '\\' &&
        r->source.data[r->at + 1] == 'u' && hex4(r, r->at + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        r->at += 6;
    }
    size_t n = th_utf8_encode(code, out + *len);
    if (n == 0) return fail(r, TH_E_SYNTAX, start, "half of a surrogate pair");
    *len += n;
    return TH_OK;
}

static th_status read_escape(reader *r, char *out, size_t *len) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    r->at++;
    if (c == 'u') return read_unicode(r, out, len);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (!found) return fail(r, TH_E_SYNTAX, r->at - 2, "unknown escape in a string");
    out[(*len)++] = to[found - from];
    return TH_OK;
}

static th_status read_string(reader *r, th_view *out) {
    size_t start = r->at++, end = r->at;
    while (end < r->source.len && r->source.data[end] != '"') end += r->source.data[end] == '\\' ? 2 : 1;
    if (end >= r->source.len) return fail(r, TH_E_SYNTAX, start, "the string is not closed");
    char *text = th_arena_new(&r->arena, end - r->at + 1); /* an escape is never shorter than what it stands for */
    if (!text) return no_memory(r);
    size_t len = 0;
    while (r->at < end) {
        unsigned char c = (unsigned char)r->source.data[r->at];
        if (c < 0x20) return fail(r, TH_E_SYNTAX, r->at, "a control character in a string must be escaped");
        r->at++;
        if (c == '\\') {
            TH_TRY(read_escape(r, text, &len));
        } else {
            text[len++] = (char)c;
        }
    }
    r->at = end + 1;
    *out = (th_view){text, len};
    if (th_utf8_valid(text, len) != len) return fail(r, TH_E_SYNTAX, start, "the string is not UTF-8");
    return TH_OK;
}

/* A number or a word: everything up to a separator. */
static th_status read_word(reader *r, node *n) {
    size_t start = r->at;
    while (r->at < r->source.len) {
        unsigned char c = (unsigned char)r->source.data[r->at];
        if (!(c == '+' || c == '-' || c == '.' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')))
            break;
        r->at++;
    }
    n->text = (th_view){r->source.data + start, r->at - start};
    n->kind = JSON_NUMBER;
    if (th_view_is(n->text, "null")) n->kind = JSON_NULL;
    if (th_view_is(n->text, "true")) n->kind = JSON_TRUE;
    if (th_view_is(n->text, "false")) n->kind = JSON_FALSE;
    double number;
    if (n->text.len == 0) return fail(r, TH_E_SYNTAX, start, "a value is missing here");
    if (n->kind == JSON_NUMBER && !th_parse_f64(n->text, &number)) {
        return fail(r, TH_E_SYNTAX, start, "\"%.*s\" is no JSON value", QUOTED(n->text));
    }
    return TH_OK;
}

static th_status add_node(reader *r, const node *n, uint32_t *index) {
    void *nodes = r->nodes;
    if (r->nnodes >= NO_NODE - 1) return fail(r, TH_E_LIMIT, n->at, "too many values");
    th_status status = th_mem_grow(r->mem, &nodes, &r->nodes_capacity, r->nnodes + 1, sizeof *r->nodes);
    r->nodes = nodes;
    if (status != TH_OK) return no_memory(r);
    *index = (uint32_t)r->nnodes;
    r->nodes[r->nnodes++] = *n;
    if (n->parent == NO_NODE) return TH_OK;
    node *parent = &r->nodes[n->parent];
    if (parent->first == NO_NODE) {
        parent->first = *index;
    } else {
        r->nodes[parent->last].next = *index;
    }
    parent->last = *index;
    parent->count++;
    return TH_OK;
}

/* One value with its key, without its children. */
static th_status read_value(reader *r, uint32_t parent, uint32_t *index) {
    node n = {.parent = parent, .first = NO_NODE, .last = NO_NODE, .next = NO_NODE};
    skip_space(r);
    if (parent != NO_NODE && r->nodes[parent].kind == JSON_OBJECT) {
        n.key_at = (uint32_t)r->at;
        if (peek(r) != '"') return fail(r, TH_E_SYNTAX, r->at, "a name in quotes is missing here");
        TH_TRY(read_string(r, &n.key));
        skip_space(r);
        if (peek(r) != ':') return fail(r, TH_E_SYNTAX, r->at, "a colon is missing after a name");
        r->at++;
        skip_space(r);
    }
    n.at = (uint32_t)r->at;
    int c = peek(r);
    if (c == '{' || c == '[') {
        n.kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        r->at++;
    } else if (c == '"') {
        n.kind = JSON_STRING;
        TH_TRY(read_string(r, &n.text));
    } else {
        TH_TRY(read_word(r, &n));
    }
    return add_node(r, &n, index);
}

/* After a value: closes what ends here. *open is the container that goes on, NO_NODE at the end of the text. */
static th_status read_separator(reader *r, uint32_t *open, uint32_t *depth) {
    while (*open != NO_NODE) {
        const node *n = &r->nodes[*open];
        skip_space(r);
        int c = peek(r), end = n->kind == JSON_OBJECT ? '}' : ']';
        if (c == ',' && n->count) {
            r->at++;
            return TH_OK;
        }
        if (c != end && n->count == 0) return TH_OK; /* the first member follows */
        if (c != end) return fail(r, TH_E_SYNTAX, r->at, "a comma or %c is missing here", end);
        r->at++;
        *open = n->parent;
        (*depth)--;
    }
    return TH_OK;
}

static th_status read_nodes(reader *r) {
    uint32_t open = NO_NODE, depth = 0, index = 0;
    do {
        TH_TRY(read_value(r, open, &index));
        if (r->nodes[index].kind >= JSON_ARRAY) {
            open = index;
            if (++depth > MAX_DEPTH) return fail(r, TH_E_LIMIT, r->nodes[index].at, "nested too deep");
        }
        TH_TRY(read_separator(r, &open, &depth));
    } while (open != NO_NODE);
    skip_space(r);
    if (r->at < r->source.len) return fail(r, TH_E_SYNTAX, r->at, "nothing may follow the value");
    return TH_OK;
}

/* ---- Scalars ------------------------------------------------------------------------------------------------ */

static const char *const base_texts[] = {"a bool",
                                         "an 8-bit integer",
                                         "an unsigned 8-bit integer",
                                         "a 16-bit integer",
                                         "an unsigned 16-bit integer",
                                         "a 32-bit integer",
                                         "an unsigned 32-bit integer",
                                         "a 64-bit integer",
                                         "an unsigned 64-bit integer",
                                         "a number",
                                         "a number",
                                         "a string",
                                         "an object",
                                         "an object",
                                         "an object"};

static th_status wrong_type(reader *r, const node *n, const th_flat_field_info *field) {
    const char *what = field->flags & (TH_FLAT_VECTOR | TH_FLAT_ARRAY) ? "an array" : base_texts[field->base];
    return fail(r, TH_E_TYPE, n->at, "%s must be %s", field->name, what);
}

/* The bits of a decimal integer that fits the base. */
static bool parse_integer(th_view text, uint8_t base, uint64_t *bits) {
    bool negative = text.len && text.data[0] == '-';
    uint64_t value = 0;
    size_t i = negative;
    if (i == text.len) return false;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    bool is_signed = base == TH_FLAT_I8 || base == TH_FLAT_I16 || base == TH_FLAT_I32 || base == TH_FLAT_I64;
    unsigned width = base == TH_FLAT_BOOL ? 1 : th_flat_base_bytes(base) * 8;
    uint64_t max = UINT64_MAX >> (64 - width);
    if (is_signed)
        max = (max >> 1) + negative;
    else if (negative && value)
        return false;
    if (value > max) return false;
    *bits = negative ? 0 - value : value;
    return true;
}

/* "Red", or for flags "Read Write". */
static th_status enum_bits(reader *r, const node *n, const th_flat_field_info *field, uint64_t *bits) {
    const th_flat_enum_info *info = &r->schema->enums[field->index];
    th_view rest = n->text;
    *bits = 0;
    do {
        const char *space = rest.len ? memchr(rest.data, ' ', rest.len) : NULL;
        th_view name = {rest.data, space ? (size_t)(space - rest.data) : rest.len};
        uint16_t i = 0;
        while (i < info->nvalues && !th_view_is(name, info->values[i].name)) i++;
        if (i == info->nvalues || (space && !info->bit_flags)) {
            return fail(r, TH_E_REFERENCE, n->at, "%s has no value \"%.*s\"", info->name, QUOTED(n->text));
        }
        *bits |= info->values[i].bits;
        if (!space) return TH_OK;
        rest = (th_view){space + 1, rest.len - name.len - 1};
    } while (true);
}

static th_status float_value(reader *r, const node *n, const th_flat_field_info *field, void *out) {
    double value;
    if ((n->kind != JSON_NUMBER && n->kind != JSON_STRING) || !th_parse_f64(n->text, &value))
        return wrong_type(r, n, field);
    if (field->base == TH_FLAT_F64) {
        memcpy(out, &value, 8);
        return TH_OK;
    }
    float narrow = (float)value;
    if (isinf(narrow) && !isinf(value))
        return fail(r, TH_E_CONVERSION, n->at, "%s is too large for 32 bits", field->name);
    memcpy(out, &narrow, 4);
    return TH_OK;
}

/* Writes the scalar's bytes to `out` (8 bytes of room). */
static th_status scalar_value(reader *r, const node *n, const th_flat_field_info *field, void *out) {
    uint64_t bits = n->kind == JSON_TRUE;
    if (field->base == TH_FLAT_F32 || field->base == TH_FLAT_F64) return float_value(r, n, field, out);
    if (n->kind == JSON_STRING && field->index != TH_FLAT_NO_INDEX) {
        TH_TRY(enum_bits(r, n, field, &bits));
    } else if (n->kind == JSON_NUMBER) {
        if (!parse_integer(n->text, field->base, &bits)) {
            return fail(r, TH_E_CONVERSION, n->at, "%s must be %s, and %.*s is none", field->name,
                        base_texts[field->base], QUOTED(n->text));
        }
    } else if (field->base != TH_FLAT_BOOL || (n->kind != JSON_TRUE && n->kind != JSON_FALSE)) {
        return wrong_type(r, n, field);
    }
    memcpy(out, &bits, th_flat_base_bytes(field->base)); /* little-endian: the low bytes */
    return TH_OK;
}

/* ---- Structs ------------------------------------------------------------------------------------------------ */

/* The member of that name: NO_NODE when there is none or it is null. */
static uint32_t find_member(const reader *r, uint32_t object, const char *name) {
    for (uint32_t i = r->nodes[object].first; i != NO_NODE; i = r->nodes[i].next) {
        if (th_view_is(r->nodes[i].key, name)) return r->nodes[i].kind == JSON_NULL ? NO_NODE : i;
    }
    return NO_NODE;
}

static const th_flat_field_info *find_field(const th_flat_object_info *object, th_view name) {
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        if (!(field->flags & TH_FLAT_DEPRECATED) && th_view_is(name, field->name)) return field;
    }
    return NULL;
}

/* Every name is a field's, and comes once. Stops at the latest when there were more names than fields. */
static th_status check_members(reader *r, uint32_t index, const th_flat_object_info *object) {
    const node *n = &r->nodes[index];
    if (n->kind != JSON_OBJECT) return fail(r, TH_E_TYPE, n->at, "a %s must be an object", object->name);
    for (uint32_t i = n->first; i != NO_NODE; i = r->nodes[i].next) {
        const node *member = &r->nodes[i];
        if (!find_field(object, member->key)) {
            return fail(r, TH_E_REFERENCE, member->key_at, "%s has no field \"%.*s\"", object->name,
                        QUOTED(member->key));
        }
        for (uint32_t k = n->first; k != i; k = r->nodes[k].next) {
            if (th_view_eq(r->nodes[k].key, member->key)) {
                return fail(r, TH_E_SYNTAX, member->key_at, "\"%.*s\" comes twice", QUOTED(member->key));
            }
        }
    }
    return TH_OK;
}

static th_status struct_value(reader *r, uint32_t index, uint16_t object_index, uint8_t *out);

static th_status struct_array(reader *r, uint32_t index, const th_flat_field_info *field, uint8_t *out) {
    bool structs = field->base == TH_FLAT_STRUCT;
    uint32_t bytes = structs ? r->schema->objects[field->index].bytes : th_flat_base_bytes(field->base);
    const node *n = &r->nodes[index];
    if (n->kind != JSON_ARRAY) return wrong_type(r, n, field);
    if (n->count != field->count) {
        return fail(r, TH_E_TYPE, n->at, "%s must have %u elements", field->name, field->count);
    }
    for (uint32_t i = n->first; i != NO_NODE; i = r->nodes[i].next, out += bytes) {
        uint8_t scalar[8];
        if (structs) {
            TH_TRY(struct_value(r, i, field->index, out));
        } else {
            TH_TRY(scalar_value(r, &r->nodes[i], field, scalar));
            memcpy(out, scalar, bytes);
        }
    }
    return TH_OK;
}

/* `out` is zeroed and has the struct's size. Recurses as deep as the schema's structs nest. */
static th_status struct_value(reader *r, uint32_t index, uint16_t object_index, uint8_t *out) {
    const th_flat_object_info *object = &r->schema->objects[object_index];
    TH_TRY(check_members(r, index, object));
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        uint32_t member = find_member(r, index, field->name);
        uint8_t scalar[8];
        if (member == NO_NODE) {
            return fail(r, TH_E_SYNTAX, r->nodes[index].at, "a %s needs its field %s", object->name, field->name);
        }
        if (field->flags & TH_FLAT_ARRAY) {
            TH_TRY(struct_array(r, member, field, out + field->at));
        } else if (field->base == TH_FLAT_STRUCT) {
            TH_TRY(struct_value(r, member, field->index, out + field->at));
        } else {
            TH_TRY(scalar_value(r, &r->nodes[member], field, scalar));
            memcpy(out + field->at, scalar, th_flat_base_bytes(field->base));
        }
    }
    return TH_OK;
}

/* ---- Vectors and tables ------------------------------------------------------------------------------------- */

static th_status build_table(reader *r, uint32_t index, uint16_t object_index, th_flat_ref *out);

static th_status build_string(reader *r, const node *n, const th_flat_field_info *field, th_flat_ref *out) {
    if (n->kind != JSON_STRING) return wrong_type(r, n, field);
    *out = th_flat_put_view(&r->builder, n->text);
    return TH_OK;
}

static th_status build_refs(reader *r, const node *n, const th_flat_field_info *field, th_flat_ref *out) {
    th_flat_ref *refs = th_arena_new(&r->arena, ((size_t)n->count + 1) * sizeof *refs);
    uint32_t first = n->first, count = n->count, k = 0;
    if (!refs) return no_memory(r);
    for (uint32_t i = first; i != NO_NODE; i = r->nodes[i].next) {
        if (field->base == TH_FLAT_STRING) {
            TH_TRY(build_string(r, &r->nodes[i], field, &refs[k++]));
        } else {
            TH_TRY(build_table(r, i, field->index, &refs[k++]));
        }
    }
    *out = th_flat_put_refs(&r->builder, refs, count);
    return TH_OK;
}

static th_status build_vector(reader *r, uint32_t index, const th_flat_field_info *field, th_flat_ref *out) {
    const node *n = &r->nodes[index];
    if (n->kind != JSON_ARRAY) return wrong_type(r, n, field);
    if (field->base == TH_FLAT_STRING || field->base == TH_FLAT_TABLE) return build_refs(r, n, field, out);
    bool structs = field->base == TH_FLAT_STRUCT;
    const th_flat_object_info *object = structs ? &r->schema->objects[field->index] : NULL;
    uint32_t bytes = structs ? object->bytes : th_flat_base_bytes(field->base);
    void *space;
    *out = th_flat_put_space(&r->builder, n->count, bytes, structs ? object->align : bytes, &space);
    TH_TRY(th_flat_builder_status(&r->builder));
    uint8_t *at = space;
    for (uint32_t i = n->first; i != NO_NODE; i = r->nodes[i].next, at += bytes) {
        uint8_t scalar[8];
        if (structs) {
            TH_TRY(struct_value(r, i, field->index, at));
        } else {
            TH_TRY(scalar_value(r, &r->nodes[i], field, scalar));
            memcpy(at, scalar, bytes);
        }
    }
    return TH_OK;
}

/* The object a union's type member names. */
static th_status union_object(reader *r, uint32_t object, const th_flat_object_info *info,
                              const th_flat_field_info *field, const node *value, uint16_t *out) {
    const th_flat_field_info *type = field - 1; /* a union follows its type */
    uint32_t member = find_member(r, object, type->name);
    uint8_t bits[8] = {0};
    if (member != NO_NODE) TH_TRY(scalar_value(r, &r->nodes[member], type, bits));
    const th_flat_enum_info *members = &r->schema->enums[field->index];
    for (uint16_t i = 0; i < members->nvalues; i++) {
        if (bits[0] && members->values[i].bits == bits[0]) {
            *out = members->values[i].object;
            return TH_OK;
        }
    }
    return fail(r, TH_E_TYPE, value->at, "the union %s of %s needs a type it knows in %s", field->name, info->name,
                type->name);
}

/* Puts what the field refers to; *out stays 0 for what lies in the table itself. */
static th_status build_child(reader *r, uint32_t object, const th_flat_object_info *info,
                             const th_flat_field_info *field, uint32_t member, th_flat_ref *out) {
    uint16_t target = field->index;
    if (field->flags & TH_FLAT_VECTOR) return build_vector(r, member, field, out);
    if (field->base == TH_FLAT_STRING) return build_string(r, &r->nodes[member], field, out);
    if (field->base == TH_FLAT_UNION) {
        TH_TRY(union_object(r, object, info, field, &r->nodes[member], &target));
    } else if (field->base != TH_FLAT_TABLE) {
        return TH_OK;
    }
    return build_table(r, member, target, out);
}

static th_status add_scalar(reader *r, const node *n, const th_flat_field_info *field) {
    uint8_t value[8], absent[8];
    uint32_t bytes = th_flat_base_bytes(field->base);
    TH_TRY(scalar_value(r, n, field, value));
    memcpy(absent, &field->bits, 8);
    if (field->base == TH_FLAT_F32) {
        float narrow = (float)th_flat_load_f64(&field->bits);
        memcpy(absent, &narrow, 4);
    }
    if (!(field->flags & TH_FLAT_OPTIONAL) && memcmp(value, absent, bytes) == 0) return TH_OK;
    th_flat_add_bytes(&r->builder, field->at, value, bytes, bytes);
    return TH_OK;
}

static th_status add_struct(reader *r, uint32_t member, const th_flat_field_info *field) {
    const th_flat_object_info *object = &r->schema->objects[field->index];
    uint8_t *bytes = th_arena_zeroed(&r->arena, object->bytes);
    if (!bytes) return no_memory(r);
    TH_TRY(struct_value(r, member, field->index, bytes));
    th_flat_add_bytes(&r->builder, field->at, bytes, object->bytes, object->align);
    return TH_OK;
}

/* A type without its value, or the other way round, is no sound buffer. */
static th_status check_pair(reader *r, uint32_t index, const th_flat_field_info *type, uint32_t type_member) {
    uint8_t bits[8] = {0};
    TH_TRY(scalar_value(r, &r->nodes[type_member], type, bits));
    if (bits[0] == 0 || find_member(r, index, type[1].name) != NO_NODE) return TH_OK;
    return fail(r, TH_E_SYNTAX, r->nodes[type_member].at, "the union's value %s is missing", type[1].name);
}

static th_status add_fields(reader *r, uint32_t index, const th_flat_object_info *object, const th_flat_ref *refs) {
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        uint32_t member = field->flags & TH_FLAT_DEPRECATED ? NO_NODE : find_member(r, index, field->name);
        if (member == NO_NODE && (field->flags & TH_FLAT_REQUIRED)) {
            return fail(r, TH_E_SYNTAX, r->nodes[index].at, "a %s needs its field %s", object->name, field->name);
        }
        if (member == NO_NODE) continue;
        if (field->flags & TH_FLAT_UNION_TYPE) TH_TRY(check_pair(r, index, field, member));
        if (refs[i]) {
            th_flat_add_ref(&r->builder, field->at, refs[i]);
        } else if (field->base == TH_FLAT_STRUCT) {
            TH_TRY(add_struct(r, member, field));
        } else if (field->base <= TH_FLAT_F64) {
            TH_TRY(add_scalar(r, &r->nodes[member], field));
        }
    }
    return TH_OK;
}

static th_status build_table(reader *r, uint32_t index, uint16_t object_index, th_flat_ref *out) {
    const th_flat_object_info *object = &r->schema->objects[object_index];
    TH_TRY(check_members(r, index, object));
    th_flat_ref *refs = th_arena_zeroed(&r->arena, ((size_t)object->nfields + 1) * sizeof *refs);
    if (!refs) return no_memory(r);
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        uint32_t member = field->flags & TH_FLAT_DEPRECATED ? NO_NODE : find_member(r, index, field->name);
        if (member != NO_NODE) TH_TRY(build_child(r, index, object, field, member, &refs[i]));
        TH_TRY(th_flat_builder_status(&r->builder)); /* so that a ref of 0 means "none" below */
    }
    th_flat_start(&r->builder, object->nfields ? object->fields[object->nfields - 1].at + 1u : 0);
    TH_TRY(add_fields(r, index, object, refs));
    *out = th_flat_end(&r->builder);
    return th_flat_builder_status(&r->builder);
}

th_status th_flat_from_json(th_mem *mem, th_view text, const th_flat_schema *schema, uint16_t root, uint8_t **bytes,
                            size_t *len, th_error *err) {
    if (text.len > TH_FLAT_MAX_BYTES) return th_fail(err, TH_E_LIMIT, "the JSON text is larger than 2^31 - 1 bytes");
    reader r = {.mem = mem, .schema = schema, .source = text, .err = err};
    th_arena_init(&r.arena, mem);
    th_flat_builder_init(&r.builder, mem);
    th_flat_ref ref = 0;
    th_status status = read_nodes(&r);
    if (status == TH_OK) status = build_table(&r, 0, root, &ref);
    if (status == TH_OK) {
        const char *ident = root == schema->root && *schema->ident ? schema->ident : NULL;
        status = th_flat_finish(&r.builder, ref, ident, bytes, len);
    }
    if (status != TH_OK && !r.told)
        status = th_fail(err, status, "cannot write the buffer: %s", th_status_text(status));
    th_flat_builder_clear(&r.builder);
    if (r.nodes) th_mem_free(mem, r.nodes, r.nodes_capacity * sizeof *r.nodes);
    th_arena_clear(&r.arena);
    return status;
}
