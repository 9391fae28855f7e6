/*
** csv_scan.c - finds the delimiters and newlines of a CSV text that are outside quotes, 64 bytes at a time.
** A block's special bytes become three bit masks. Without quotes the answer is their union. With quotes, a prefix sum
** of the quote bits tells inside from outside, which holds as long as quotes open only where a cell begins (or where
** one has just closed, a doubled quote); a block where that is not so is walked bit by bit, because RFC 4180 gives a
** quote inside an unquoted cell no meaning: there it is a character like any other.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/csv_int.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define BLOCK  64u
#define STRIDE 4096u /* blocks are scanned this many bytes at a time between checks of the arrays' room */

typedef struct masks {
    uint64_t delimiters, newlines, quotes;
} masks;

#if defined(__SSE2__)
static inline __attribute__((always_inline)) masks find(const uint8_t *p, char delimiter) {
    const __m128i d = _mm_set1_epi8(delimiter), n = _mm_set1_epi8('\n'), q = _mm_set1_epi8('"');
    masks m = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        m.delimiters |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, d)) << i;
        m.newlines |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, n)) << i;
        m.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, q)) << i;
    }
    return m;
}
#else
/* Bit i: byte i of the word is zero. The products gather the top bits of the bytes into one. */
static inline uint64_t zero_bytes(uint64_t x) {
    const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
    uint64_t zeros = ~(((x & low) + low) | x | low);
    return (zeros >> 7) * 0x0102040810204080u >> 56;
}

static inline masks find(const uint8_t *p, char delimiter) {
    const uint64_t ones = 0x0101010101010101u;
    masks m = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i += 8) {
        uint64_t bytes;
        memcpy(&bytes, p + i, 8);
        m.delimiters |= zero_bytes(bytes ^ ones * (uint8_t)delimiter) << i;
        m.newlines |= zero_bytes(bytes ^ ones * '\n') << i;
        m.quotes |= zero_bytes(bytes ^ ones * '"') << i;
    }
    return m;
}
#endif

/* Bit i of the result is the parity of the bits up to i. */
static inline uint64_t prefix_parity(uint64_t x) {
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

/* Where the cell that is open now begins. */
static inline uint32_t cell_start(const th_csv_scan *scan) { return scan->ends[scan->nends - 1] + 1; }

/* One special byte after the other. */
static TH_NOINLINE uint64_t walk_quotes(th_csv_scan *scan, masks m, uint32_t base) {
    uint64_t special = m.delimiters | m.newlines | m.quotes, outside = 0;
    uint32_t start = cell_start(scan);
    for (; special; special &= special - 1) {
        uint64_t bit = special & -special;
        uint32_t at = base + (uint32_t)__builtin_ctzll(bit);
        if (!(m.quotes & bit)) {
            if (scan->quoted) continue;
            outside |= bit;
            start = at + 1;
        } else if (scan->quoted) {
            scan->quoted = false;
            scan->closed_at = at;
        } else {
            scan->quoted = at == start || at == scan->closed_at + 1;
        }
    }
    return outside;
}

static inline uint64_t outside_quotes(th_csv_scan *scan, masks m, uint32_t base) {
    uint64_t inside = prefix_parity(m.quotes) ^ (scan->quoted ? UINT64_MAX : 0); /* an opening quote is inside */
    uint64_t outside = (m.delimiters | m.newlines) & ~inside;
    uint64_t opening = m.quotes & inside, closing = m.quotes & ~inside;
    bool boundary = cell_start(scan) == base || scan->closed_at + 1 == base;
    uint64_t may_open = (outside | closing) << 1 | boundary;
    if (TH_UNLIKELY(opening & ~may_open)) return walk_quotes(scan, m, base);
    scan->quoted = inside >> 63;
    if (closing) scan->closed_at = base + 63 - (uint32_t)__builtin_clzll(closing);
    return outside;
}

/* Appends the positions of the bits and, for newlines, their places in the index. Room for 64 more was made. */
static inline __attribute__((always_inline)) void append(th_csv_scan *scan, uint64_t outside, uint64_t newlines,
                                                         uint32_t base) {
    size_t n = scan->nends;
    for (newlines &= outside; newlines; newlines &= newlines - 1) {
        uint64_t before = (newlines & -newlines) - 1;
        scan->lines[scan->nlines++] = (uint32_t)(n + (size_t)__builtin_popcountll(outside & before));
    }
    scan->nends = n + (size_t)__builtin_popcountll(outside);
    uint32_t *out = scan->ends + n;
    while (outside) { /* eight at a time whether they are there or not: fewer branches to guess */
        for (unsigned i = 0; i < 8; i++) {
            *out++ = base + (uint32_t)__builtin_ctzll(outside | UINT64_C(1) << 63);
            outside &= outside - 1;
        }
    }
}

static inline __attribute__((always_inline)) void scan_block(th_csv_scan *scan, masks m, uint32_t base) {
    uint64_t outside;
    if (TH_LIKELY(!m.quotes))
        outside = scan->quoted ? 0 : m.delimiters | m.newlines;
    else
        outside = outside_quotes(scan, m, base);
    if (TH_UNLIKELY(m.newlines & ~outside)) scan->inner_newlines += (size_t)__builtin_popcountll(m.newlines & ~outside);
    append(scan, outside, m.newlines, base);
}

static inline __attribute__((always_inline)) void scan_blocks(th_csv_scan *scan, const uint8_t *window, size_t end) {
    th_csv_scan local = *scan; /* a copy whose address does not escape stays in registers */
    for (; local.at + BLOCK <= end; local.at += BLOCK) {
        scan_block(&local, find(window + local.at, local.delimiter), (uint32_t)local.at);
    }
    *scan = local;
}

#if defined(__SSE2__) && defined(__x86_64__)
/* The same code with the bit instructions of processors since 2013. */
__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt"))) static void scan_blocks_v3(th_csv_scan *scan,
                                                                                 const uint8_t *window, size_t end) {
    scan_blocks(scan, window, end);
}
static bool have_v3(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"); }
#else
static void scan_blocks_v3(th_csv_scan *scan, const uint8_t *window, size_t end) { scan_blocks(scan, window, end); }
static bool have_v3(void) { return false; }
#endif

static void scan_blocks_plain(th_csv_scan *scan, const uint8_t *window, size_t end) { scan_blocks(scan, window, end); }

static th_status reserve(th_mem *mem, th_csv_scan *scan, size_t more) {
    if (TH_UNLIKELY(scan->nends + more > scan->ends_capacity))
        TH_TRY(th_mem_grow(mem, (void **)&scan->ends, &scan->ends_capacity, scan->nends + more, sizeof(uint32_t)));
    if (TH_UNLIKELY(scan->nlines + more > scan->lines_capacity))
        TH_TRY(th_mem_grow(mem, (void **)&scan->lines, &scan->lines_capacity, scan->nlines + more, sizeof(uint32_t)));
    return TH_OK;
}

th_status th_csv_scan_restart(th_mem *mem, th_csv_scan *scan) {
    scan->nends = scan->nlines = scan->at = 0;
    scan->quoted = false;
    scan->inner_newlines = 0;
    scan->closed_at = UINT32_MAX - 1;
    TH_TRY(reserve(mem, scan, BLOCK));
    scan->ends[scan->nends++] = UINT32_MAX;
    return TH_OK;
}

/* The bytes that do not fill a block. */
static void scan_rest(th_csv_scan *scan, const uint8_t *window, size_t len) {
    masks m = find(window + scan->at, scan->delimiter);
    uint64_t there = (UINT64_C(1) << (len - scan->at)) - 1;
    m = (masks){m.delimiters & there, m.newlines & there, m.quotes & there};
    scan_block(scan, m, (uint32_t)scan->at);
    scan->at = len;
}

th_status th_csv_scan_run(th_mem *mem, th_csv_scan *scan, const uint8_t *window, size_t len, bool final) {
    bool v3 = have_v3();
    while (scan->at + BLOCK <= len) {
        TH_TRY(reserve(mem, scan, STRIDE + BLOCK));
        size_t end = len - scan->at > STRIDE ? scan->at + STRIDE : len;
        if (v3)
            scan_blocks_v3(scan, window, end);
        else
            scan_blocks_plain(scan, window, end);
    }
    if (final && scan->at < len) {
        TH_TRY(reserve(mem, scan, 2 * BLOCK));
        scan_rest(scan, window, len);
    }
    return TH_OK;
}

void th_csv_scan_clear(th_mem *mem, th_csv_scan *scan) {
    th_mem_free(mem, scan->ends, scan->ends_capacity * sizeof(uint32_t));
    th_mem_free(mem, scan->lines, scan->lines_capacity * sizeof(uint32_t));
    *scan = (th_csv_scan){.delimiter = scan->delimiter};
}
