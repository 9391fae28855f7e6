/*
** buf.c - growable bytes that remember failure.
** Invariant: when data is not NULL, len < capacity and data[len] is NUL.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <stdio.h>

void th_buf_init(th_buf *buf, th_mem *mem) { *buf = (th_buf){.mem = mem}; }

void th_buf_clear(th_buf *buf) {
    th_mem_free(buf->mem, buf->data, buf->capacity);
    th_buf_init(buf, buf->mem);
}

static TH_NOINLINE bool grow(th_buf *buf, size_t more) {
    void *data = buf->data;
    if (buf->failed || more >= SIZE_MAX - buf->len ||
        th_mem_grow(buf->mem, &data, &buf->capacity, buf->len + more + 1, 1) != TH_OK) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->data[buf->len] = 0;
    return true;
}

bool th_buf_reserve(th_buf *buf, size_t more) {
    if (TH_LIKELY(!buf->failed && buf->capacity - buf->len > more)) return true;
    return grow(buf, more);
}

void th_buf_put(th_buf *buf, const void *bytes, size_t len) {
    if (!th_buf_reserve(buf, len)) return;
    if (len) memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = 0;
}

void th_buf_text(th_buf *buf, const char *text) { th_buf_put(buf, text, strlen(text)); }

void th_buf_char(th_buf *buf, char c) {
    if (!th_buf_reserve(buf, 1)) return;
    buf->data[buf->len++] = c;
    buf->data[buf->len] = 0;
}

void th_buf_vprintf(th_buf *buf, const char *format, va_list args) {
    if (!th_buf_reserve(buf, 64)) return;
    va_list again;
    va_copy(again, args);
    size_t room = buf->capacity - buf->len;
    int len = vsnprintf(buf->data + buf->len, room, format, args);
    if (len >= 0 && (size_t)len >= room) {
        buf->data[buf->len] = 0; /* what was written was cut */
        if (th_buf_reserve(buf, (size_t)len)) vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
    }
    va_end(again);
    if (len < 0) buf->failed = true;
    if (!buf->failed) buf->len += (size_t)len;
    buf->data[buf->len] = 0;
}

void th_buf_printf(th_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    th_buf_vprintf(buf, format, args);
    va_end(args);
}

th_status th_buf_status(const th_buf *buf) { return buf->failed ? TH_E_NOMEM : TH_OK; }
