/*
** codec.c - the compressions of Arrow IPC buffers: LZ4 (frame format) and ZSTD.
** Relies on liblz4 and libzstd where the build found them; what they allocate goes through th_mem. The lengths are claims
** of a file and are believed only as far as the codec could make them true.
** Sources: the Arrow columnar format specification, "Compression"; the LZ4 frame format; RFC 8878 for ZSTD.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table_int.h"

#ifdef THETA_HAVE_LZ4
#define LZ4F_STATIC_LINKING_ONLY /* for contexts with an allocator of ours; Debian's library exports them */
#include <lz4frame.h>
#endif
#ifdef THETA_HAVE_ZSTD
#define ZSTD_STATIC_LINKING_ONLY /* likewise */
#include <zstd.h>
#endif

const char *th_codec_text(th_codec codec) {
    switch (codec) {
    case TH_CODEC_LZ4: return "LZ4";
    case TH_CODEC_ZSTD: return "ZSTD";
    }
    return NULL;
}

/* LZ4 needs a byte for each 255; a block of ZSTD takes at least four bytes and makes at most 128 KiB. */
size_t th_codec_most(th_codec codec, size_t len) {
    size_t most;
    if (codec == TH_CODEC_LZ4) return __builtin_mul_overflow(len, (size_t)255, &most) ? SIZE_MAX : most;
    return __builtin_mul_overflow(len / 4 + 1, (size_t)128 << 10, &most) ? SIZE_MAX : most;
}

#if defined(THETA_HAVE_LZ4) || defined(THETA_HAVE_ZSTD)

/* ---- Memory of the libraries -------------------------------------------------------------------------------- */

/* They free without telling a size, so each block begins with its own. */
enum { BLOCK_HEAD = 16 };

typedef struct allocator {
    th_mem *mem;
    bool refused;
} allocator;

static void *take(void *user, size_t bytes) {
    allocator *a = user;
    size_t *block = bytes < SIZE_MAX - BLOCK_HEAD ? th_mem_new(a->mem, bytes + BLOCK_HEAD) : NULL;
    a->refused = a->refused || !block;
    if (!block) return NULL;
    *block = bytes + BLOCK_HEAD;
    return (char *)block + BLOCK_HEAD;
}

static void give_back(void *user, void *bytes) {
    if (!bytes) return;
    size_t *block = (size_t *)(void *)((char *)bytes - BLOCK_HEAD);
    th_mem_free(((allocator *)user)->mem, block, *block);
}

#endif

/* ---- LZ4 ---------------------------------------------------------------------------------------------------- */

#ifdef THETA_HAVE_LZ4

/* One frame, which ends where the input does and fills the output. */
static bool lz4_frame(LZ4F_dctx *context, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    const LZ4F_decompressOptions_t options = {.stableDst = 1};
    for (;;) {
        size_t used = len, made = out_len;
        size_t wanted = LZ4F_decompress(context, out, &made, in, &used, &options);
        if (LZ4F_isError(wanted)) return false;
        in += used, len -= used;
        out += made, out_len -= made;
        if (wanted == 0) return len == 0 && out_len == 0;
        if (used == 0 && made == 0) return false;
    }
}

static th_status expand_lz4(th_mem *mem, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    allocator a = {.mem = mem};
    const LZ4F_CustomMem functions = {.customAlloc = take, .customFree = give_back, .opaqueState = &a};
    LZ4F_dctx *context = LZ4F_createDecompressionContext_advanced(functions, LZ4F_VERSION);
    if (!context) return TH_E_NOMEM;
    bool done = lz4_frame(context, in, len, out, out_len);
    LZ4F_freeDecompressionContext(context);
    return done ? TH_OK : a.refused ? TH_E_NOMEM : TH_E_FORMAT;
}

#else

static th_status expand_lz4(th_mem *mem, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    (void)mem, (void)in, (void)len, (void)out, (void)out_len;
    return TH_E_UNSUPPORTED;
}

#endif

/* ---- ZSTD --------------------------------------------------------------------------------------------------- */

#ifdef THETA_HAVE_ZSTD

/* One frame of today's format: the library may also have decoders of its first drafts, which are none of ours. */
static bool is_zstd_frame(const uint8_t *in, size_t len) {
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    return len >= sizeof magic && memcmp(in, magic, sizeof magic) == 0 && ZSTD_findFrameCompressedSize(in, len) == len;
}

static th_status expand_zstd(th_mem *mem, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    if (!is_zstd_frame(in, len)) return TH_E_FORMAT;
    allocator a = {.mem = mem};
    ZSTD_DCtx *context = ZSTD_createDCtx_advanced((ZSTD_customMem){take, give_back, &a});
    if (!context) return TH_E_NOMEM;
    size_t made = ZSTD_decompressDCtx(context, out, out_len, in, len);
    ZSTD_freeDCtx(context);
    return made == out_len ? TH_OK : a.refused ? TH_E_NOMEM : TH_E_FORMAT;
}

#else

static th_status expand_zstd(th_mem *mem, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    (void)mem, (void)in, (void)len, (void)out, (void)out_len;
    return TH_E_UNSUPPORTED;
}

#endif

th_status th_codec_expand(th_mem *mem, th_codec codec, const uint8_t *in, size_t len, uint8_t *out, size_t out_len) {
    return codec == TH_CODEC_LZ4 ? expand_lz4(mem, in, len, out, out_len) : expand_zstd(mem, in, len, out, out_len);
}

bool th_codec_here(th_codec codec) {
#ifdef THETA_HAVE_LZ4
    if (codec == TH_CODEC_LZ4) return true;
#endif
#ifdef THETA_HAVE_ZSTD
    if (codec == TH_CODEC_ZSTD) return true;
#endif
    return false && codec;
}
