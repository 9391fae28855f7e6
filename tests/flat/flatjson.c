/*
** flatjson.c - src/flat at the command line, for the comparison with flatc (flatc.py).
**
**     flatjson json   SCHEMA IN.bin             writes the buffer as JSON to standard output
**     flatjson binary SCHEMA IN.json OUT.bin    writes the buffer that the JSON describes
**     flatjson random SCHEMA SEED OUT.bin       writes a buffer of random content, made with the builder alone
**
** SCHEMA is a schema's name, or NAME:ROOT with the full name of another root object.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#include <stdio.h>
#include <stdlib.h>

#include "arrow_flat.h"
#include "exec_flat.h"
#include "flow_flat.h"
#include "program_flat.h"
#include "sample_flat.h"
#include "state_flat.h"
#include "table_flat.h"
#include "types_flat.h"
#include "values_flat.h"
#include "writer_flat.h"

static const th_flat_schema *const schemas[] = {
    &theta_arrow_schema,  &theta_flow_schema,  &theta_program_schema, &theta_sample_schema, &theta_exec_schema,
    &theta_writer_schema, &theta_state_schema, &theta_table_schema,   &theta_types_schema,  &theta_values_schema};

typedef struct job {
    th_mem mem;
    const th_flat_schema *schema;
    uint16_t root;
    uint64_t random;
    th_flat_builder builder;
} job;

static void die(const char *what, const char *why) __attribute__((noreturn));
static void die(const char *what, const char *why) {
    fprintf(stderr, "flatjson: %s: %s\n", what, why);
    exit(1);
}

static void find_schema(job *j, const char *name) {
    const char *colon = strchr(name, ':');
    th_view wanted = {name, colon ? (size_t)(colon - name) : strlen(name)};
    for (size_t i = 0; i < TH_COUNT(schemas); i++) {
        if (!th_view_is(wanted, schemas[i]->name)) continue;
        j->schema = schemas[i];
        j->root = colon ? th_flat_find_object(schemas[i], th_view_of(colon + 1)) : schemas[i]->root;
    }
    if (!j->schema || j->root == TH_FLAT_NO_INDEX) die(name, "no such schema or root");
}

static uint8_t *read_file(job *j, const char *path, size_t *len) {
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) die(path, "cannot read");
    *len = (size_t)ftell(in);
    rewind(in);
    uint8_t *bytes = th_mem_new(&j->mem, *len + 1);
    if (!bytes || fread(bytes, 1, *len, in) != *len) die(path, "cannot read");
    fclose(in);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t len) {
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(bytes, 1, len, out) != len || fclose(out) != 0) die(path, "cannot write");
}

/* ---- Random buffers ----------------------------------------------------------------------------------------- */

static uint64_t next_random(job *j) { return th_hash_word(j->random += 0x9e3779b97f4a7c15u); }
static uint32_t below(job *j, uint32_t n) { return (uint32_t)(next_random(j) >> 33) % n; }

static th_flat_ref random_string(job *j) {
    static const uint32_t codes[] = {'a', 'Z', ' ', '"', '\\', '/', '\n', 1, 0x7f, 0xe9, 0x20ac, 0xffff, 0x1f600, '{'};
    char text[64];
    size_t len = 0;
    for (uint32_t n = below(j, 9); n > 0; n--) len += th_utf8_encode(codes[below(j, TH_COUNT(codes))], text + len);
    return th_flat_put_string(&j->builder, text, len);
}

/* 8 bytes of room at `out`. */
static void random_scalar(job *j, const th_flat_field_info *field, uint8_t *out) {
    uint64_t bits = next_random(j);
    if (field->index != TH_FLAT_NO_INDEX && below(j, 4)) {
        const th_flat_enum_info *info = &j->schema->enums[field->index];
        bits = info->values[below(j, info->nvalues)].bits;
    } else if (field->base == TH_FLAT_BOOL) {
        bits &= 1;
    } else if (field->base == TH_FLAT_F32) {
        float x = ((float)below(j, 2000001) - 1e6f) / 64.0f;
        memcpy(&bits, &x, 4);
    } else if (field->base == TH_FLAT_F64) {
        /* No -0.0: flatc takes it for the default 0 and leaves it out. */
        static const double some[] = {0.0, 0.1, 1e15, -123456.789, __builtin_inf(), -__builtin_inf()};
        double x = below(j, 2) ? some[below(j, TH_COUNT(some))] : ((double)below(j, 2000001) - 1e6) / 1024.0;
        memcpy(&bits, &x, 8);
    } else if (below(j, 2)) {
        bits = below(j, 200);
    }
    memcpy(out, &bits, 8);
}

static void random_struct(job *j, uint16_t index, uint8_t *out) {
    const th_flat_object_info *object = &j->schema->objects[index];
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        bool is_struct = field->base == TH_FLAT_STRUCT;
        uint32_t bytes = is_struct ? j->schema->objects[field->index].bytes : th_flat_base_bytes(field->base);
        uint32_t count = field->flags & TH_FLAT_ARRAY ? field->count : 1;
        for (uint32_t k = 0; k < count; k++) {
            uint8_t scalar[8];
            if (is_struct) {
                random_struct(j, field->index, out + field->at + k * bytes);
            } else {
                random_scalar(j, field, scalar);
                memcpy(out + field->at + k * bytes, scalar, bytes);
            }
        }
    }
}

static th_flat_ref random_table(job *j, uint16_t index, unsigned depth);

static th_flat_ref random_vector(job *j, const th_flat_field_info *field, unsigned depth) {
    uint32_t count = below(j, 4);
    bool is_struct = field->base == TH_FLAT_STRUCT;
    if (field->base == TH_FLAT_STRING || field->base == TH_FLAT_TABLE) {
        th_flat_ref refs[4];
        if (depth == 0) count = 0;
        for (uint32_t i = 0; i < count; i++) {
            refs[i] = field->base == TH_FLAT_STRING ? random_string(j) : random_table(j, field->index, depth - 1);
        }
        return th_flat_put_refs(&j->builder, refs, count);
    }
    const th_flat_object_info *object = is_struct ? &j->schema->objects[field->index] : NULL;
    uint32_t bytes = is_struct ? object->bytes : th_flat_base_bytes(field->base);
    void *space;
    th_flat_ref ref = th_flat_put_space(&j->builder, count, bytes, is_struct ? object->align : bytes, &space);
    for (uint32_t i = 0; ref && i < count; i++) {
        uint8_t scalar[8];
        if (is_struct) {
            random_struct(j, field->index, (uint8_t *)space + i * bytes);
        } else {
            random_scalar(j, field, scalar);
            memcpy((uint8_t *)space + i * bytes, scalar, bytes);
        }
    }
    return ref;
}

static void add_random_inline(job *j, const th_flat_field_info *field) {
    uint8_t bytes[256] = {0};
    if (field->base == TH_FLAT_STRUCT) {
        const th_flat_object_info *object = &j->schema->objects[field->index];
        random_struct(j, field->index, bytes);
        th_flat_add_bytes(&j->builder, field->at, bytes, object->bytes, object->align);
    } else {
        random_scalar(j, field, bytes);
        uint32_t size = th_flat_base_bytes(field->base);
        th_flat_add_bytes(&j->builder, field->at, bytes, size, size);
    }
}

static th_flat_ref random_table(job *j, uint16_t index, unsigned depth) {
    const th_flat_object_info *object = &j->schema->objects[index];
    th_flat_ref refs[64] = {0};
    uint8_t types[64] = {0};
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        bool wanted = field->flags & TH_FLAT_REQUIRED || (depth && below(j, 3));
        if (field->flags & TH_FLAT_DEPRECATED || !wanted) continue;
        if (field->flags & TH_FLAT_VECTOR) {
            refs[i] = random_vector(j, field, depth);
        } else if (field->base == TH_FLAT_STRING) {
            refs[i] = random_string(j);
        } else if (field->base == TH_FLAT_TABLE) {
            refs[i] = random_table(j, field->index, depth ? depth - 1 : 0);
        } else if (field->base == TH_FLAT_UNION) {
            const th_flat_enum_info *members = &j->schema->enums[field->index];
            const th_flat_enum_value *member = &members->values[1 + below(j, members->nvalues - 1u)];
            types[i - 1] = (uint8_t)member->bits;
            refs[i] = random_table(j, member->object, depth ? depth - 1 : 0);
        }
    }
    th_flat_start(&j->builder, object->nfields ? object->fields[object->nfields - 1].at + 1u : 0);
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        if (field->flags & TH_FLAT_DEPRECATED) continue;
        if (field->flags & TH_FLAT_UNION_TYPE) {
            th_flat_add_u8(&j->builder, field->at, types[i], 0);
        } else if (refs[i]) {
            th_flat_add_ref(&j->builder, field->at, refs[i]);
        } else if ((field->base <= TH_FLAT_F64 || field->base == TH_FLAT_STRUCT) && !(field->flags & TH_FLAT_VECTOR) &&
                   (field->flags & TH_FLAT_REQUIRED || below(j, 2))) {
            add_random_inline(j, field);
        }
    }
    return th_flat_end(&j->builder);
}

/* ---- Running ------------------------------------------------------------------------------------------------ */

static void run_json(job *j, const char *path) {
    size_t len;
    th_error err;
    uint8_t *bytes = read_file(j, path, &len);
    th_buf out;
    th_buf_init(&out, &j->mem);
    if (th_flat_to_json(bytes, len, j->schema, j->root, NULL, 2, &out, &err) != TH_OK) die(path, err.message);
    fwrite(out.data, 1, out.len, stdout);
    th_buf_clear(&out);
    th_mem_free(&j->mem, bytes, len + 1);
}

static void run_binary(job *j, const char *path, const char *to) {
    size_t len, out_len;
    th_error err;
    uint8_t *text = read_file(j, path, &len), *out;
    th_view source = {(const char *)text, len};
    if (th_flat_from_json(&j->mem, source, j->schema, j->root, &out, &out_len, &err) != TH_OK) {
        fprintf(stderr, "flatjson: %s:%u:%u: %s\n", path, err.span.line, err.span.column, err.message);
        exit(1);
    }
    write_file(to, out, out_len);
    th_mem_free(&j->mem, out, out_len);
    th_mem_free(&j->mem, text, len + 1);
}

static void run_random(job *j, const char *seed, const char *to) {
    uint8_t *out;
    size_t len;
    j->random = strtoull(seed, NULL, 10);
    th_flat_builder_init(&j->builder, &j->mem);
    th_flat_ref root = random_table(j, j->root, 5);
    const char *ident = j->root == j->schema->root && *j->schema->ident ? j->schema->ident : NULL;
    if (th_flat_finish(&j->builder, root, ident, &out, &len) != TH_OK) die(seed, "cannot build");
    write_file(to, out, len);
    th_mem_free(&j->mem, out, len);
}

int main(int argc, char **argv) {
    static job j;
    th_mem_init(&j.mem, NULL, NULL, NULL, 0);
    if (argc < 4) die("usage", "flatjson json|binary|random SCHEMA[:ROOT] IN|SEED [OUT]");
    find_schema(&j, argv[2]);
    if (strcmp(argv[1], "json") == 0) {
        run_json(&j, argv[3]);
    } else if (argc == 5 && strcmp(argv[1], "binary") == 0) {
        run_binary(&j, argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "random") == 0) {
        run_random(&j, argv[3], argv[4]);
    } else {
        die(argv[1], "no such command");
    }
    return 0;
}
