/*
** nix_read.c - fuzz target: any text to Nix's readers of JSON (first byte even) and TOML. What is refused has a message
** with a place; the heap stays sound; nothing is lost.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "lang/nix/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static void root(void *user, th_heap *heap, bool minor) {
    (void)minor;
    th_heap_visit(heap, user);
}

static bool burn(void *user, int64_t units) {
    int64_t *fuel = user;
    return (*fuel -= units) >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_heap *heap;
    th_value v = TH_V_NULL;
    th_error err = {0};
    int64_t fuel = (int64_t)size * 64 + 1000; /* more than any text of that size can take */
    if (size == 0) return 0;
    th_mem_init(&mem, NULL, NULL, NULL, 256u << 20);
    must(th_heap_new(&mem, root, &v, &heap) == TH_OK);
    nix_work work = {&mem, heap, burn, &fuel};
    th_view text = {(const char *)data + 1, size - 1};
    th_status status = data[0] & 1 ? nix_toml_parse(&work, text, &v, &err) : nix_json_parse(&work, text, &v, &err);
    must(status == TH_OK || (status == TH_E_SYNTAX && err.message[0] != 0));
    must(th_heap_verify(heap, &err) == TH_OK && th_heap_collect(heap, true) == TH_OK);
    th_heap_free(heap);
    must(mem.used_bytes == 0);
    return 0;
}
