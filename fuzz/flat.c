/*
** flat.c - any bytes: verified by each schema, what passes is walked and its JSON read back; and any bytes as JSON.
** What passes and is written as JSON must read back to a buffer with the same JSON, unless it has a union of a type
** that the schema does not know, whose value cannot be told.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "flat/flat.h"

#include "arrow_flat.h"
#include "flow_flat.h"
#include "program_flat.h"
#include "state_flat.h"
#include "table_flat.h"
#include "types_flat.h"
#include "values_flat.h"

static const th_flat_schema *const schemas[] = {&theta_arrow_schema, &theta_flow_schema,  &theta_program_schema,
                                                &theta_state_schema, &theta_table_schema, &theta_types_schema,
                                                &theta_values_schema};

static void insist(bool condition) {
    if (!condition) abort();
}

/* The JSON of the buffer, read back and written again; false when it was refused. */
static bool again(th_mem *mem, const th_flat_schema *schema, uint16_t root, th_view text, th_buf *out) {
    uint8_t *bytes;
    size_t len;
    if (th_flat_from_json(mem, text, schema, root, &bytes, &len, NULL) != TH_OK) return false;
    th_flat_limits limits = {.max_depth = TH_FLAT_DEPTH_CAP};
    insist(th_flat_to_json(bytes, len, schema, root, &limits, 0, out, NULL) == TH_OK);
    th_mem_free(mem, bytes, len);
    return true;
}

static void try_buffer(th_mem *mem, const uint8_t *bytes, size_t len, const th_flat_schema *schema, uint16_t root) {
    th_buf text, second;
    th_error err;
    th_buf_init(&text, mem);
    th_buf_init(&second, mem);
    if (th_flat_to_json(bytes, len, schema, root, NULL, 0, &text, &err) == TH_OK) {
        if (again(mem, schema, root, (th_view){text.data, text.len}, &second)) {
            insist(text.len == second.len && memcmp(text.data, second.data, text.len) == 0);
        }
    }
    th_buf_clear(&text);
    th_buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    if (size && (data[0] == '{' || data[0] == '[')) {
        for (size_t i = 0; i < TH_COUNT(schemas); i++) {
            th_buf out;
            th_buf_init(&out, &mem);
            again(&mem, schemas[i], schemas[i]->root, (th_view){(const char *)data, size}, &out);
            th_buf_clear(&out);
        }
    }
    uint8_t *bytes = malloc(size ? size : 1); /* aligned, and as long as the input is */
    if (!bytes) return 0;
    if (size) memcpy(bytes, data, size);
    for (size_t i = 0; i < TH_COUNT(schemas); i++) try_buffer(&mem, bytes, size, schemas[i], schemas[i]->root);
    try_buffer(&mem, bytes, size, &theta_arrow_schema, theta_arrow_object_arrow_Footer);
    free(bytes);
    insist(mem.used_bytes == 0);
    return 0;
}
