/*
** flatgen.c - turns flatc's binary schema (.bfbs) into NAME_flat.h (accessors) and NAME_flat.c (a th_flat_schema).
**
**     flatgen NAME [--prefix some.namespace=short] IN.bfbs OUT.h OUT.c
**
** Runs at build time, before the flat room can have generated files of its own: so the schema of schemas
*(reflection.fbs)
** is written out below by hand, with the slots this program reads, and the .bfbs is verified by it like any other
*buffer.
** What is declared in an included .fbs gets table entries here, but its accessors come from that file's own header.
** Refused, with a message: vectors of unions, unions of what is no table, alignments above 8, names that would clash.
** A default of a ulong above 2^63 - 1 cannot be told: flatc itself writes it to the .bfbs as 0. A nested_flatbuffer field
** is bytes here: who reads them verifies them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- The schema of schemas ---------------------------------------------------------------------------------- */

enum { TYPE, ENUM_VALUE, ENUM, FIELD, OBJECT, SCHEMA, KEY_VALUE };
#define REQUIRED TH_FLAT_REQUIRED
#define VECTOR   TH_FLAT_VECTOR
#define NONE     TH_FLAT_NO_INDEX

enum { TYPE_BASE, TYPE_ELEMENT, TYPE_INDEX, TYPE_FIXED_LENGTH };
static const th_flat_field_info type_fields[] = {
    {"base_type", TH_FLAT_I8, 0, TYPE_BASE, NONE, 0, 0},
    {"element", TH_FLAT_I8, 0, TYPE_ELEMENT, NONE, 0, 0},
    {"index", TH_FLAT_I32, 0, TYPE_INDEX, NONE, 0, UINT64_MAX},
    {"fixed_length", TH_FLAT_U16, 0, TYPE_FIXED_LENGTH, NONE, 0, 0},
};
enum { VALUE_NAME, VALUE_VALUE, VALUE_UNION_TYPE = 3 };
static const th_flat_field_info value_fields[] = {
    {"name", TH_FLAT_STRING, REQUIRED, VALUE_NAME, NONE, 0, 0},
    {"value", TH_FLAT_I64, 0, VALUE_VALUE, NONE, 0, 0},
    {"union_type", TH_FLAT_TABLE, 0, VALUE_UNION_TYPE, TYPE, 0, 0},
};
enum { ENUM_NAME, ENUM_VALUES, ENUM_IS_UNION, ENUM_UNDERLYING, ENUM_ATTRIBUTES, ENUM_FILE = 6 };
static const th_flat_field_info enum_fields[] = {
    {"name", TH_FLAT_STRING, REQUIRED, ENUM_NAME, NONE, 0, 0},
    {"values", TH_FLAT_TABLE, REQUIRED | VECTOR, ENUM_VALUES, ENUM_VALUE, 0, 0},
    {"is_union", TH_FLAT_BOOL, 0, ENUM_IS_UNION, NONE, 0, 0},
    {"underlying_type", TH_FLAT_TABLE, REQUIRED, ENUM_UNDERLYING, TYPE, 0, 0},
    {"attributes", TH_FLAT_TABLE, VECTOR, ENUM_ATTRIBUTES, KEY_VALUE, 0, 0},
    {"declaration_file", TH_FLAT_STRING, 0, ENUM_FILE, NONE, 0, 0},
};
enum {
    FIELD_NAME,
    FIELD_TYPE,
    FIELD_ID,
    FIELD_OFFSET,
    FIELD_INTEGER,
    FIELD_REAL,
    FIELD_DEPRECATED,
    FIELD_REQUIRED,
    FIELD_OPTIONAL = 11
};
static const th_flat_field_info field_fields[] = {
    {"name", TH_FLAT_STRING, REQUIRED, FIELD_NAME, NONE, 0, 0},
    {"type", TH_FLAT_TABLE, REQUIRED, FIELD_TYPE, TYPE, 0, 0},
    {"id", TH_FLAT_U16, 0, FIELD_ID, NONE, 0, 0},
    {"offset", TH_FLAT_U16, 0, FIELD_OFFSET, NONE, 0, 0},
    {"default_integer", TH_FLAT_I64, 0, FIELD_INTEGER, NONE, 0, 0},
    {"default_real", TH_FLAT_F64, 0, FIELD_REAL, NONE, 0, 0},
    {"deprecated", TH_FLAT_BOOL, 0, FIELD_DEPRECATED, NONE, 0, 0},
    {"required", TH_FLAT_BOOL, 0, FIELD_REQUIRED, NONE, 0, 0},
    {"optional", TH_FLAT_BOOL, 0, FIELD_OPTIONAL, NONE, 0, 0},
};
enum { OBJECT_NAME, OBJECT_FIELDS, OBJECT_IS_STRUCT, OBJECT_ALIGN, OBJECT_BYTES, OBJECT_FILE = 7 };
static const th_flat_field_info object_fields[] = {
    {"name", TH_FLAT_STRING, REQUIRED, OBJECT_NAME, NONE, 0, 0},
    {"fields", TH_FLAT_TABLE, REQUIRED | VECTOR, OBJECT_FIELDS, FIELD, 0, 0},
    {"is_struct", TH_FLAT_BOOL, 0, OBJECT_IS_STRUCT, NONE, 0, 0},
    {"minalign", TH_FLAT_I32, 0, OBJECT_ALIGN, NONE, 0, 0},
    {"bytesize", TH_FLAT_I32, 0, OBJECT_BYTES, NONE, 0, 0},
    {"declaration_file", TH_FLAT_STRING, 0, OBJECT_FILE, NONE, 0, 0},
};
enum { SCHEMA_OBJECTS, SCHEMA_ENUMS, SCHEMA_IDENT, SCHEMA_EXTENSION, SCHEMA_ROOT };
static const th_flat_field_info schema_fields[] = {
    {"objects", TH_FLAT_TABLE, REQUIRED | VECTOR, SCHEMA_OBJECTS, OBJECT, 0, 0},
    {"enums", TH_FLAT_TABLE, REQUIRED | VECTOR, SCHEMA_ENUMS, ENUM, 0, 0},
    {"file_ident", TH_FLAT_STRING, 0, SCHEMA_IDENT, NONE, 0, 0},
    {"file_ext", TH_FLAT_STRING, 0, SCHEMA_EXTENSION, NONE, 0, 0},
    {"root_table", TH_FLAT_TABLE, 0, SCHEMA_ROOT, OBJECT, 0, 0},
};
enum { KEY_VALUE_KEY };
static const th_flat_field_info key_value_fields[] = {
    {"key", TH_FLAT_STRING, REQUIRED, KEY_VALUE_KEY, NONE, 0, 0},
};
#define TABLE(name, fields) {name, fields, TH_COUNT(fields), false, 0, 0}
static const th_flat_object_info reflection_objects[] = {
    [TYPE] = TABLE("Type", type_fields),
    [ENUM_VALUE] = TABLE("EnumVal", value_fields),
    [ENUM] = TABLE("Enum", enum_fields),
    [FIELD] = TABLE("Field", field_fields),
    [OBJECT] = TABLE("Object", object_fields),
    [SCHEMA] = TABLE("Schema", schema_fields),
    [KEY_VALUE] = TABLE("KeyValue", key_value_fields),
};
static const th_flat_schema reflection = {
    "reflection", reflection_objects, NULL, TH_COUNT(reflection_objects), 0, SCHEMA, "BFBS", "bfbs"};

/* Numbers of reflection.BaseType. */
enum { B_NONE, B_UTYPE, B_BOOL, B_BYTE, B_DOUBLE = 12, B_STRING, B_VECTOR, B_OBJECT, B_UNION, B_ARRAY };

/* ---- What the schema says, in the order it is written ------------------------------------------------------- */

typedef struct field {
    th_flat_table at;
    const char *name;
    unsigned base, flags, slot, index, count;
    int64_t integer;
    double real;
} field;

typedef struct object {
    th_flat_table at;
    const char *name, *ident; /* "theta.program.Function", "theta_program_Function" */
    bool is_struct, ours;
    unsigned align, bytes, nfields;
    field *fields; /* by slot or offset */
} object;

typedef struct gen {
    th_mem mem;
    th_arena arena;
    const char *name, *prefix_from, *prefix_to;
    th_flat_table root;
    object *objects;
    char **enum_idents;
    unsigned nobjects, nenums;
    FILE *h, *c;
} gen;

static const char *const ctypes[] = {"bool",     "int8_t",  "uint8_t",  "int16_t", "uint16_t", "int32_t",
                                     "uint32_t", "int64_t", "uint64_t", "float",   "double"};
static const char *const shorts[] = {"bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64"};
static const char *const bases[] = {"TH_FLAT_BOOL",   "TH_FLAT_I8",    "TH_FLAT_U8",   "TH_FLAT_I16",
                                    "TH_FLAT_U16",    "TH_FLAT_I32",   "TH_FLAT_U32",  "TH_FLAT_I64",
                                    "TH_FLAT_U64",    "TH_FLAT_F32",   "TH_FLAT_F64",  "TH_FLAT_STRING",
                                    "TH_FLAT_STRUCT", "TH_FLAT_TABLE", "TH_FLAT_UNION"};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("flatgen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *need(void *block) {
    if (!block) die("out of memory");
    return block;
}

/* "a.b.C" as a C name, with the prefix replaced. */
static char *ident_of(gen *g, const char *name) {
    size_t skip = g->prefix_from ? strlen(g->prefix_from) : 0;
    char *ident;
    if (skip && strncmp(name, g->prefix_from, skip) == 0 && name[skip] == '.') {
        ident = need(th_arena_printf(&g->arena, "%s%s", g->prefix_to, name + skip));
    } else {
        ident = need(th_arena_text(&g->arena, name, strlen(name)));
    }
    for (char *p = ident; *p; p++) {
        if (*p == '.') *p = '_';
    }
    return ident;
}

/* Whether the name is a word of C, which cannot name a struct's member. */
static bool is_keyword(const char *name) {
    static const char *const words[] = {
        "auto", "bool",     "break",    "case",     "char",  "const",    "continue", "default", "do",     "double",
        "else", "enum",     "extern",   "false",    "float", "for",      "goto",     "if",      "inline", "int",
        "long", "register", "restrict", "return",   "short", "signed",   "sizeof",   "static",  "struct", "switch",
        "true", "typedef",  "union",    "unsigned", "void",  "volatile", "while"};
    for (size_t i = 0; i < TH_COUNT(words); i++) {
        if (strcmp(name, words[i]) == 0) return true;
    }
    return false;
}

static unsigned check_index(const gen *g, int32_t index, unsigned count, const char *what) {
    if (index < 0 || (unsigned)index >= count || count >= NONE)
        die("%s: a type's index is out of range in %s", g->name, what);
    return (unsigned)index;
}

/* Sets base, flags, index and count of a field from its reflection.Type. */
static void read_type(gen *g, field *f, const char *owner) {
    th_flat_table type = th_flat_child(f->at, FIELD_TYPE);
    int base = th_flat_i8(type, TYPE_BASE, 0), element = th_flat_i8(type, TYPE_ELEMENT, 0);
    int32_t index = th_flat_i32(type, TYPE_INDEX, -1);
    f->index = NONE;
    if (base == B_VECTOR || base == B_ARRAY) {
        f->flags |= base == B_VECTOR ? TH_FLAT_VECTOR : TH_FLAT_ARRAY;
        f->count = base == B_ARRAY ? th_flat_u16(type, TYPE_FIXED_LENGTH, 0) : 0;
        base = element;
        if (base == B_UNION || base == B_UTYPE) die("%s.%s: vectors of unions are not supported", owner, f->name);
    }
    if (base == B_UTYPE) f->flags |= TH_FLAT_UNION_TYPE;
    if (base == B_UTYPE || base == B_UNION) f->index = check_index(g, index, g->nenums, owner);
    if (base == B_UTYPE) {
        f->base = TH_FLAT_U8;
    } else if (base == B_UNION) {
        f->base = TH_FLAT_UNION;
    } else if (base >= B_BOOL && base <= B_DOUBLE) {
        f->base = (unsigned)(base - B_BOOL + TH_FLAT_BOOL);
        if (index >= 0) f->index = check_index(g, index, g->nenums, owner);
    } else if (base == B_STRING) {
        f->base = TH_FLAT_STRING;
    } else if (base == B_OBJECT) {
        f->index = check_index(g, index, g->nobjects, owner);
        f->base = g->objects[f->index].is_struct ? TH_FLAT_STRUCT : TH_FLAT_TABLE;
    } else {
        die("%s.%s: a type that is not supported", owner, f->name);
    }
}

static int by_slot(const void *a, const void *b) {
    const field *x = a, *y = b;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static void read_fields(gen *g, object *o) {
    th_flat_vector fields = th_flat_vec(o->at, OBJECT_FIELDS);
    o->nfields = fields.len;
    o->fields = need(th_arena_zeroed(&g->arena, (fields.len + 1) * sizeof *o->fields));
    for (uint32_t i = 0; i < fields.len; i++) {
        field *f = &o->fields[i];
        f->at = th_flat_vec_table(fields, i);
        f->name = th_flat_str(f->at, FIELD_NAME)->bytes;
        f->slot = o->is_struct ? th_flat_u16(f->at, FIELD_OFFSET, 0) : th_flat_u16(f->at, FIELD_ID, 0);
        f->integer = th_flat_i64(f->at, FIELD_INTEGER, 0);
        f->real = th_flat_f64(f->at, FIELD_REAL, 0);
        read_type(g, f, o->name);
        if (th_flat_bool(f->at, FIELD_DEPRECATED, false)) f->flags |= TH_FLAT_DEPRECATED;
        if (th_flat_bool(f->at, FIELD_REQUIRED, false)) f->flags |= TH_FLAT_REQUIRED;
        if (th_flat_bool(f->at, FIELD_OPTIONAL, false) && f->base <= TH_FLAT_F64 && !(f->flags & TH_FLAT_VECTOR)) {
            f->flags |= TH_FLAT_OPTIONAL;
        }
    }
    qsort(o->fields, o->nfields, sizeof *o->fields, by_slot);
}

/* Whether a declaration comes from the schema file itself and not from one it includes. */
static bool is_ours(const gen *g, const th_str *file) {
    if (!file) return true;
    const char *base = strrchr(file->bytes, '/');
    base = base ? base + 1 : file->bytes;
    size_t len = strlen(g->name);
    return strncmp(base, g->name, len) == 0 && strcmp(base + len, ".fbs") == 0;
}

static void read_schema(gen *g) {
    th_flat_vector objects = th_flat_vec(g->root, SCHEMA_OBJECTS), enums = th_flat_vec(g->root, SCHEMA_ENUMS);
    g->nobjects = objects.len;
    g->nenums = enums.len;
    g->objects = need(th_arena_zeroed(&g->arena, (objects.len + 1) * sizeof *g->objects));
    g->enum_idents = need(th_arena_zeroed(&g->arena, (enums.len + 1) * sizeof *g->enum_idents));
    for (unsigned i = 0; i < g->nobjects; i++) {
        object *o = &g->objects[i];
        o->at = th_flat_vec_table(objects, i);
        o->name = th_flat_str(o->at, OBJECT_NAME)->bytes;
        o->ident = ident_of(g, o->name);
        o->is_struct = th_flat_bool(o->at, OBJECT_IS_STRUCT, false);
        o->align = (unsigned)th_flat_i32(o->at, OBJECT_ALIGN, 1);
        o->bytes = (unsigned)th_flat_i32(o->at, OBJECT_BYTES, 0);
        o->ours = is_ours(g, th_flat_str(o->at, OBJECT_FILE));
        if (o->is_struct && o->align > 8) die("%s: alignments above 8 are not supported", o->name);
    }
    for (unsigned i = 0; i < g->nenums; i++) {
        g->enum_idents[i] = ident_of(g, th_flat_str(th_flat_vec_table(enums, i), ENUM_NAME)->bytes);
    }
    for (unsigned i = 0; i < g->nobjects; i++) read_fields(g, &g->objects[i]);
}

/* ---- The header --------------------------------------------------------------------------------------------- */

/* Headers of the included files; flatc names each declaration's file. */
static void write_includes(gen *g) {
    const char *done[64];
    size_t ndone = 0;
    for (unsigned i = 0; i < g->nobjects + g->nenums; i++) {
        bool is_object = i < g->nobjects;
        th_flat_table at =
            is_object ? g->objects[i].at : th_flat_vec_table(th_flat_vec(g->root, SCHEMA_ENUMS), i - g->nobjects);
        const th_str *file = th_flat_str(at, is_object ? OBJECT_FILE : ENUM_FILE);
        if (is_ours(g, file)) continue;
        const char *base = strrchr(file->bytes, '/');
        base = base ? base + 1 : file->bytes;
        size_t len = strcspn(base, "."), known = 0;
        while (known < ndone && (strncmp(done[known], base, len) != 0 || done[known][len] != '.')) known++;
        if (known < ndone) continue;
        if (ndone == TH_COUNT(done)) die("%s: too many included files", g->name);
        done[ndone++] = base;
        fprintf(g->h, "#include \"%.*s_flat.h\"\n", (int)len, base);
    }
}

static void write_enum_constants(gen *g, unsigned index) {
    th_flat_table at = th_flat_vec_table(th_flat_vec(g->root, SCHEMA_ENUMS), index);
    if (!is_ours(g, th_flat_str(at, ENUM_FILE))) return;
    th_flat_vector values = th_flat_vec(at, ENUM_VALUES);
    fprintf(g->h, "\n/* %s */\n", th_flat_str(at, ENUM_NAME)->bytes);
    for (uint32_t i = 0; i < values.len; i++) {
        th_flat_table value = th_flat_vec_table(values, i);
        int64_t number = th_flat_i64(value, VALUE_VALUE, 0);
        const char *name = th_flat_str(value, VALUE_NAME)->bytes;
        if (number >= INT32_MIN && number <= INT32_MAX) {
            fprintf(g->h, "enum { %s_%s = %" PRId64 " };\n", g->enum_idents[index], name, number);
        } else {
            fprintf(g->h, "#define %s_%s UINT64_C(0x%" PRIx64 ")\n", g->enum_idents[index], name, (uint64_t)number);
        }
    }
}

static unsigned field_bytes(const gen *g, const field *f) {
    unsigned bytes = f->base == TH_FLAT_STRUCT ? g->objects[f->index].bytes : th_flat_base_bytes((uint8_t)f->base);
    return f->flags & TH_FLAT_ARRAY ? bytes * f->count : bytes;
}

/* A C struct of the same layout, with the padding spelled out so that an initialiser zeroes it. */
static void write_struct(gen *g, const object *o) {
    unsigned at = 0, paddings = 0;
    fprintf(g->h, "\ntypedef struct %s {\n", o->ident);
    for (unsigned i = 0; i < o->nfields; i++) {
        const field *f = &o->fields[i];
        if (f->slot > at) fprintf(g->h, "    uint8_t padding%u[%u];\n", paddings++, f->slot - at);
        fprintf(g->h, "    %s %s%s", f->base == TH_FLAT_STRUCT ? g->objects[f->index].ident : ctypes[f->base], f->name,
                is_keyword(f->name) ? "_" : "");
        if (f->flags & TH_FLAT_ARRAY) fprintf(g->h, "[%u]", f->count);
        fputs(";\n", g->h);
        at = f->slot + field_bytes(g, f);
    }
    if (o->bytes > at) fprintf(g->h, "    uint8_t padding%u[%u];\n", paddings++, o->bytes - at);
    fprintf(g->h, "} %s;\n_Static_assert(sizeof(%s) == %u, \"layout\");\n", o->ident, o->ident, o->bytes);
    for (unsigned i = 0; i < o->nfields; i++) {
        const field *f = &o->fields[i];
        fprintf(g->h, "_Static_assert(offsetof(%s, %s%s) == %u, \"layout\");\n", o->ident, f->name,
                is_keyword(f->name) ? "_" : "", f->slot);
    }
}

/* Structs in an order in which each comes after those it holds. */
static void write_structs(gen *g) {
    bool *done = need(th_arena_zeroed(&g->arena, g->nobjects + 1));
    for (bool progress = true; progress;) {
        progress = false;
        for (unsigned i = 0; i < g->nobjects; i++) {
            const object *o = &g->objects[i];
            bool ready = o->is_struct && o->ours && !done[i];
            for (unsigned k = 0; ready && k < o->nfields; k++) {
                const field *f = &o->fields[k];
                if (f->base == TH_FLAT_STRUCT && g->objects[f->index].ours && !done[f->index]) ready = false;
            }
            if (!ready) continue;
            write_struct(g, o);
            done[i] = progress = true;
        }
    }
}

/* A field's default as an expression of its type. */
static const char *default_text(const field *f, char *out, size_t size) {
    if (f->base == TH_FLAT_BOOL) {
        snprintf(out, size, "%s", f->integer ? "true" : "false");
    } else if (f->base >= TH_FLAT_F32) {
        const char *suffix = f->base == TH_FLAT_F32 ? "f" : "";
        if (isnan(f->real)) {
            snprintf(out, size, "__builtin_nan%s(\"\")", suffix);
        } else if (isinf(f->real)) {
            snprintf(out, size, "%s__builtin_inf%s()", f->real < 0 ? "-" : "", suffix);
        } else {
            snprintf(out, size, "%a%s", f->base == TH_FLAT_F32 ? (double)(float)f->real : f->real, suffix);
        }
    } else if (f->base == TH_FLAT_I64 || f->base == TH_FLAT_U64) {
        snprintf(out, size, "(%s)UINT64_C(0x%" PRIx64 ")", ctypes[f->base], (uint64_t)f->integer);
    } else if (f->base == TH_FLAT_U32) {
        snprintf(out, size, "%" PRIu32 "u", (uint32_t)f->integer);
    } else {
        snprintf(out, size, "(%s)%" PRId64, ctypes[f->base], f->integer);
    }
    return out;
}

static void write_vector_reader(gen *g, const object *o, const field *f) {
    const char *p = o->ident, *n = f->name;
    fprintf(g->h, "static inline uint32_t %s_%s_len(th_flat_table t) { return th_flat_vec(t, %u).len; }\n", p, n,
            f->slot);
    if (f->base == TH_FLAT_STRING || f->base == TH_FLAT_TABLE) {
        bool text = f->base == TH_FLAT_STRING;
        fprintf(g->h, "static inline th_flat_vector %s_%s(th_flat_table t) { return th_flat_vec(t, %u); }\n", p, n,
                f->slot);
        fprintf(
            g->h,
            "static inline %s%s_%s_at(th_flat_table t, uint32_t i) { return th_flat_vec_%s(th_flat_vec(t, %u), i); }\n",
            text ? "const th_str *" : "th_flat_table ", p, n, text ? "str" : "table", f->slot);
        return;
    }
    /* Bools stay bytes in place: a byte other than 0 and 1 must not be read as a bool. */
    const char *type = f->base == TH_FLAT_STRUCT ? g->objects[f->index].ident
                       : f->base == TH_FLAT_BOOL ? "uint8_t"
                                                 : ctypes[f->base];
    fprintf(
        g->h,
        "static inline const %s *%s_%s(th_flat_table t) { return (const %s *)(const void *)th_flat_vec(t, %u).at; }\n",
        type, p, n, type, f->slot);
}

static void write_reader(gen *g, const object *o, const field *f) {
    const char *p = o->ident, *n = f->name;
    char absent[64];
    if (f->flags & TH_FLAT_VECTOR) {
        write_vector_reader(g, o, f);
        return;
    }
    switch (f->base) {
    case TH_FLAT_STRING:
        fprintf(g->h, "static inline const th_str *%s_%s(th_flat_table t) { return th_flat_str(t, %u); }\n", p, n,
                f->slot);
        break;
    case TH_FLAT_TABLE:
    case TH_FLAT_UNION:
        fprintf(g->h, "static inline th_flat_table %s_%s(th_flat_table t) { return th_flat_child(t, %u); }\n", p, n,
                f->slot);
        break;
    case TH_FLAT_STRUCT: {
        const char *type = g->objects[f->index].ident;
        fprintf(g->h, "static inline const %s *%s_%s(th_flat_table t) { return (const %s *)th_flat_struct(t, %u); }\n",
                type, p, n, type, f->slot);
        break;
    }
    default:
        fprintf(g->h, "static inline %s %s_%s(th_flat_table t) { return th_flat_%s(t, %u, %s); }\n", ctypes[f->base], p,
                n, shorts[f->base], f->slot, default_text(f, absent, sizeof absent));
        if (f->flags & TH_FLAT_OPTIONAL) {
            fprintf(g->h, "static inline bool %s_%s_has(th_flat_table t) { return th_flat_has(t, %u); }\n", p, n,
                    f->slot);
        }
    }
}

static void write_adder(gen *g, const object *o, const field *f) {
    const char *p = o->ident, *n = f->name;
    char absent[64];
    if (f->flags & TH_FLAT_VECTOR && (f->base == TH_FLAT_STRUCT || f->base <= TH_FLAT_F64)) {
        const char *type = f->base == TH_FLAT_STRUCT ? g->objects[f->index].ident
                           : f->base == TH_FLAT_BOOL ? "uint8_t"
                                                     : ctypes[f->base];
        unsigned align = f->base == TH_FLAT_STRUCT ? g->objects[f->index].align : th_flat_base_bytes((uint8_t)f->base);
        fprintf(g->h,
                "static inline th_flat_ref %s_put_%s(th_flat_builder *b, const %s *items, size_t count) {\n"
                "    return th_flat_put_vector(b, items, count, sizeof *items, %u);\n}\n",
                p, n, type, align);
    }
    if (f->flags & TH_FLAT_VECTOR || f->base == TH_FLAT_STRING || f->base == TH_FLAT_TABLE ||
        f->base == TH_FLAT_UNION) {
        fprintf(g->h,
                "static inline void %s_add_%s(th_flat_builder *b, th_flat_ref ref) { th_flat_add_ref(b, %u, ref); }\n",
                p, n, f->slot);
    } else if (f->base == TH_FLAT_STRUCT) {
        const object *s = &g->objects[f->index];
        fprintf(g->h,
                "static inline void %s_add_%s(th_flat_builder *b, const %s *value) {\n"
                "    th_flat_add_bytes(b, %u, value, %u, %u);\n}\n",
                p, n, s->ident, f->slot, s->bytes, s->align);
    } else if (f->flags & TH_FLAT_OPTIONAL) {
        fprintf(g->h,
                "static inline void %s_add_%s(th_flat_builder *b, %s value) {\n"
                "    th_flat_add_bytes(b, %u, &value, sizeof value, sizeof value);\n}\n",
                p, n, ctypes[f->base], f->slot);
    } else {
        fprintf(g->h,
                "static inline void %s_add_%s(th_flat_builder *b, %s value) {\n"
                "    th_flat_add_%s(b, %u, value, %s);\n}\n",
                p, n, ctypes[f->base], shorts[f->base], f->slot, default_text(f, absent, sizeof absent));
    }
}

/* The names made from a field: what may follow the table's name. */
static const char *const patterns[] = {"%s", "%s_len", "%s_at", "%s_has", "add_%s", "put_%s"};

/* Two fields must not lead to one accessor, as "a_len" beside a vector "a" would; said here, and not by the compiler of
** whoever includes the header. Names that a field has no use for are taken all the same. */
static void check_names(const object *o) {
    char name[256], other[256];
    for (unsigned i = 0; i < o->nfields * TH_COUNT(patterns); i++) {
        const char *field_name = o->fields[i / TH_COUNT(patterns)].name;
        snprintf(name, sizeof name, patterns[i % TH_COUNT(patterns)], field_name);
        bool taken = strcmp(name, "start_table") == 0 || strcmp(name, "nslots") == 0;
        for (unsigned k = 0; k < i && !taken; k++) {
            snprintf(other, sizeof other, patterns[k % TH_COUNT(patterns)], o->fields[k / TH_COUNT(patterns)].name);
            taken = strcmp(name, other) == 0;
        }
        if (taken)
            die("%s: the accessor %s of field %s has a name that is taken: rename the field", o->name, name,
                field_name);
    }
}

static void write_table(gen *g, const object *o) {
    check_names(o);
    unsigned nslots = o->nfields ? o->fields[o->nfields - 1].slot + 1 : 0;
    fprintf(g->h, "\n/* table %s */\nenum {\n", o->name);
    for (unsigned i = 0; i < o->nfields; i++) {
        fprintf(g->h, "    %s_slot_%s = %u,\n", o->ident, o->fields[i].name, o->fields[i].slot);
    }
    fprintf(g->h, "    %s_nslots = %u\n};\n", o->ident, nslots);
    for (unsigned i = 0; i < o->nfields; i++) {
        if (!(o->fields[i].flags & TH_FLAT_DEPRECATED)) write_reader(g, o, &o->fields[i]);
    }
    fprintf(g->h, "static inline void %s_start_table(th_flat_builder *b) { th_flat_start(b, %u); }\n", o->ident,
            nslots);
    for (unsigned i = 0; i < o->nfields; i++) {
        if (!(o->fields[i].flags & TH_FLAT_DEPRECATED)) write_adder(g, o, &o->fields[i]);
    }
}

static void write_header(gen *g) {
    fprintf(g->h,
            "/*\n** %s_flat.h - accessors of schema/%s.fbs. Generated by flatgen: change the schema instead.\n"
            "** How to use them is told in flat/flat.h.\n"
            "** SPDX-License-Identifier: Apache-2.0\n*/\n#ifndef TH_%s_FLAT_H\n#define TH_%s_FLAT_H\n\n"
            "#include \"flat/flat.h\"\n",
            g->name, g->name, g->name, g->name);
    write_includes(g);
    fprintf(g->h, "\nextern const th_flat_schema theta_%s_schema;\n", g->name);
    const th_str *ident = th_flat_str(g->root, SCHEMA_IDENT);
    if (ident) fprintf(g->h, "#define theta_%s_ident \"%s\"\n", g->name, ident->bytes);
    fprintf(g->h, "/* Indices in theta_%s_schema.objects. */\nenum {\n", g->name);
    for (unsigned i = 0; i < g->nobjects; i++) {
        fprintf(g->h, "    theta_%s_object_%s = %u,\n", g->name, g->objects[i].ident, i);
    }
    fprintf(g->h, "    theta_%s_nobjects = %u\n};\n", g->name, g->nobjects);
    for (unsigned i = 0; i < g->nenums; i++) write_enum_constants(g, i);
    write_structs(g);
    for (unsigned i = 0; i < g->nobjects; i++) {
        if (!g->objects[i].is_struct && g->objects[i].ours) write_table(g, &g->objects[i]);
    }
    fputs("\n#endif\n", g->h);
}

/* ---- The tables --------------------------------------------------------------------------------------------- */

static uint64_t default_bits(const field *f) {
    if (f->base != TH_FLAT_F32 && f->base != TH_FLAT_F64) return (uint64_t)f->integer;
    uint64_t bits;
    memcpy(&bits, &f->real, 8);
    return bits;
}

static void write_object_fields(gen *g, unsigned index) {
    const object *o = &g->objects[index];
    if (o->nfields == 0) return;
    fprintf(g->c, "\nstatic const th_flat_field_info fields_%u[] = { /* %s */\n", index, o->name);
    for (unsigned i = 0; i < o->nfields; i++) {
        const field *f = &o->fields[i];
        fprintf(g->c, "    {\"%s\", %s, 0x%x, %u, %u, %u, UINT64_C(0x%" PRIx64 ")},\n", f->name, bases[f->base],
                f->flags, f->slot, f->index, f->count, default_bits(f));
    }
    fputs("};\n", g->c);
}

static bool has_attribute(th_flat_table at, uint32_t slot, const char *name) {
    th_flat_vector attributes = th_flat_vec(at, slot);
    for (uint32_t i = 0; i < attributes.len; i++) {
        if (th_view_is(th_view_str(th_flat_str(th_flat_vec_table(attributes, i), KEY_VALUE_KEY)), name)) return true;
    }
    return false;
}

static void write_enum_values(gen *g, unsigned index) {
    th_flat_table at = th_flat_vec_table(th_flat_vec(g->root, SCHEMA_ENUMS), index);
    th_flat_vector values = th_flat_vec(at, ENUM_VALUES);
    const char *name = th_flat_str(at, ENUM_NAME)->bytes;
    fprintf(g->c, "\nstatic const th_flat_enum_value values_%u[] = { /* %s */\n", index, name);
    for (uint32_t i = 0; i < values.len; i++) {
        th_flat_table value = th_flat_vec_table(values, i), type = th_flat_child(value, VALUE_UNION_TYPE);
        unsigned member = NONE;
        int base = th_flat_i8(type, TYPE_BASE, 0);
        if (base != B_NONE) {
            if (base == B_OBJECT) member = check_index(g, th_flat_i32(type, TYPE_INDEX, -1), g->nobjects, name);
            if (member == NONE || g->objects[member].is_struct) die("union %s: only tables can be members", name);
        }
        fprintf(g->c, "    {\"%s\", UINT64_C(0x%" PRIx64 "), %u},\n", th_flat_str(value, VALUE_NAME)->bytes,
                (uint64_t)th_flat_i64(value, VALUE_VALUE, 0), member);
    }
    fputs("};\n", g->c);
}

static void write_objects(gen *g) {
    fputs("\nstatic const th_flat_object_info objects[] = {\n", g->c);
    for (unsigned i = 0; i < g->nobjects; i++) {
        const object *o = &g->objects[i];
        fprintf(g->c, "    {\"%s\", ", o->name);
        if (o->nfields) {
            fprintf(g->c, "fields_%u", i);
        } else {
            fputs("NULL", g->c);
        }
        fprintf(g->c, ", %u, %s, %u, %u},\n", o->nfields, o->is_struct ? "true" : "false", o->align, o->bytes);
    }
    fputs("    {NULL, NULL, 0, false, 0, 0}\n};\n", g->c);
}

static void write_enums(gen *g) {
    fputs("\nstatic const th_flat_enum_info enums[] = {\n", g->c);
    for (unsigned i = 0; i < g->nenums; i++) {
        th_flat_table at = th_flat_vec_table(th_flat_vec(g->root, SCHEMA_ENUMS), i);
        fprintf(g->c, "    {\"%s\", values_%u, TH_COUNT(values_%u), %s, %s},\n", th_flat_str(at, ENUM_NAME)->bytes, i,
                i, th_flat_bool(at, ENUM_IS_UNION, false) ? "true" : "false",
                has_attribute(at, ENUM_ATTRIBUTES, "bit_flags") ? "true" : "false");
    }
    fputs("    {NULL, NULL, 0, false, false}\n};\n", g->c);
}

static unsigned root_index(const gen *g) {
    th_flat_table root = th_flat_child(g->root, SCHEMA_ROOT);
    if (!th_flat_present(root)) return NONE;
    for (unsigned i = 0; i < g->nobjects; i++) {
        if (strcmp(g->objects[i].name, th_flat_str(root, OBJECT_NAME)->bytes) == 0) return i;
    }
    die("%s: the root is not among the objects", g->name);
}

static void write_tables(gen *g) {
    fprintf(g->c,
            "/*\n** %s_flat.c - schema/%s.fbs as tables. Generated by flatgen: change the schema instead.\n"
            "** SPDX-License-Identifier: Apache-2.0\n*/\n#include \"%s_flat.h\"\n",
            g->name, g->name, g->name);
    for (unsigned i = 0; i < g->nobjects; i++) write_object_fields(g, i);
    for (unsigned i = 0; i < g->nenums; i++) write_enum_values(g, i);
    write_objects(g);
    write_enums(g);
    const th_str *ident = th_flat_str(g->root, SCHEMA_IDENT), *extension = th_flat_str(g->root, SCHEMA_EXTENSION);
    fprintf(g->c, "\nconst th_flat_schema theta_%s_schema = {\"%s\", objects, enums, %u, %u, %u, \"%s\", \"%s\"};\n",
            g->name, g->name, g->nobjects, g->nenums, root_index(g), ident ? ident->bytes : "",
            extension ? extension->bytes : "");
}

/* ---- Running ------------------------------------------------------------------------------------------------ */

static uint8_t *read_file(gen *g, const char *path, size_t *len) {
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) die("cannot read %s", path);
    long size = ftell(in);
    if (size < 0 || fseek(in, 0, SEEK_SET) != 0) die("cannot read %s", path);
    uint8_t *bytes = need(th_arena_new(&g->arena, (size_t)size + 1));
    if (fread(bytes, 1, (size_t)size, in) != (size_t)size) die("cannot read %s", path);
    fclose(in);
    *len = (size_t)size;
    return bytes;
}

static FILE *open_output(const char *path) {
    FILE *out = fopen(path, "w");
    if (!out) die("cannot write %s", path);
    return out;
}

static void close_output(FILE *out, const char *path) {
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) die("cannot write %s", path);
}

static char *duplicate(gen *g, const char *text) { return need(th_arena_text(&g->arena, text, strlen(text))); }

int main(int argc, char **argv) {
    static gen g;
    th_mem_init(&g.mem, NULL, NULL, NULL, 0);
    th_arena_init(&g.arena, &g.mem);
    int next = 1;
    if (next < argc) g.name = argv[next++];
    if (next + 1 < argc && strcmp(argv[next], "--prefix") == 0) {
        char *from = duplicate(&g, argv[next + 1]), *equals = strchr(from, '=');
        if (!equals) die("--prefix needs NAMESPACE=SHORT");
        *equals = 0;
        g.prefix_from = from;
        g.prefix_to = equals + 1;
        next += 2;
    }
    if (argc - next != 3) die("usage: flatgen NAME [--prefix NAMESPACE=SHORT] IN.bfbs OUT.h OUT.c");
    size_t len;
    uint8_t *bytes = read_file(&g, argv[next], &len);
    th_error err;
    if (th_flat_verify(bytes, len, &reflection, NULL, &err) != TH_OK) die("%s: %s", argv[next], err.message);
    g.root = th_flat_root(bytes);
    read_schema(&g);
    g.h = open_output(argv[next + 1]);
    g.c = open_output(argv[next + 2]);
    write_header(&g);
    write_tables(&g);
    close_output(g.h, argv[next + 1]);
    close_output(g.c, argv[next + 2]);
    th_arena_clear(&g.arena);
    return 0;
}
