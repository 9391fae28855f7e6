/*
** schema.c - look-ups in the generated tables, and the texts of reasons.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

const char *th_flat_reason_text(th_flat_reason reason) {
    static const char *const texts[] = {
#define X(name, text) text,
        TH_FLAT_REASONS(X)
#undef X
    };
    return (unsigned)reason < TH_COUNT(texts) ? texts[reason] : "unknown reason";
}

uint16_t th_flat_find_object(const th_flat_schema *schema, th_view name) {
    for (uint16_t i = 0; i < schema->nobjects; i++) {
        if (th_view_is(name, schema->objects[i].name)) return i;
    }
    return TH_FLAT_NO_INDEX;
}

const char *th_flat_enum_text(const th_flat_schema *schema, uint16_t enum_index, int64_t value) {
    if (enum_index >= schema->nenums) return NULL;
    const th_flat_enum_info *info = &schema->enums[enum_index];
    for (uint16_t i = 0; i < info->nvalues; i++) {
        if (info->values[i].bits == (uint64_t)value) return info->values[i].name;
    }
    return NULL;
}
