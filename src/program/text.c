/*
** text.c - the words of the assembly text.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/text.h"

/* ---- Words -------------------------------------------------------------------------------------------------- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool th_text_is_word_char(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '.'; }

bool th_text_is_word(th_view name) {
    if (name.len == 0 || !is_letter(name.data[0])) return false;
    for (size_t i = 1; i < name.len; i++)
        if (!th_text_is_word_char(name.data[i])) return false;
    return true;
}

static const char *const kind_texts[TH_KIND_COUNT] = {
#define TH_KIND(name, number, cls, text, bytes) [number] = text,
#include "program/types.def"
#undef TH_KIND
};

int th_text_kind(th_view name) {
    for (int k = 0; k < TH_KIND_COUNT; k++) {
        if (k == TH_KIND_STRUCT || k == TH_KIND_ENUM || k == TH_KIND_OPAQUE || k == TH_KIND_TYPE_VARIABLE) continue;
        if (th_view_is(name, kind_texts[k])) return k;
    }
    return -1;
}

bool th_text_is_type_word(th_view name) {
    return th_text_kind(name) >= 0 || th_view_is(name, "struct") || th_view_is(name, "enum") ||
           th_view_is(name, "opaque") || th_view_is(name, "variable");
}

const char *th_text_of_kind(th_kind kind) { return kind_texts[kind]; }
