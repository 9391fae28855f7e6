/*
** table_sound.h - a sink that keeps what is written to it, and what holds of every column that a reader gives; for tests
** and fuzz targets.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TABLE_SOUND_H
#define TABLE_SOUND_H

#include "table/table.h"

/* The sink's user is a th_buf. */
static inline th_status to_buf(th_sink *sink, const void *bytes, size_t len, th_error *err) {
    th_buf_put(sink->user, bytes, len);
    return th_buf_status(sink->user) == TH_OK ? TH_OK : th_fail(err, TH_E_NOMEM, "the sink is out of memory");
}

/* Its nulls are counted, its strings are UTF-8. Touches every string. */
static inline bool column_is_sound(const th_column *c) {
    int64_t nulls = 0;
    for (size_t i = 0; i < c->len; i++) {
        bool valid = th_column_valid(c, i);
        nulls += !valid;
        if (!valid || c->type != TH_COLUMN_STRING) continue;
        th_view text = th_column_text(c, i);
        if (th_utf8_valid(text.data, text.len) != text.len) return false;
    }
    return nulls == c->null_count;
}

#endif
