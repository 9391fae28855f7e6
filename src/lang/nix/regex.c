/*
** regex.c - POSIX extended regular expressions, as Nix has them from C++: on bytes, leftmost, longest. They are translated to the
** linear-time engine of the machine room; bytes beyond ASCII become code points of their own on both sides, which keeps
** the meaning of `.` and of brackets: one byte.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/regex.h"
#include "lang/nix/nix_int.h"

struct nix_regex {
    th_regex *whole;   /* the text must match as a whole */
    th_regex *first;   /* where the leftmost match begins; made at the first need */
    th_regex *longest; /* and where it ends, when there is a choice */
    char *pattern;     /* translated, for these */
    size_t len;
    bool choice;
};

/* ---- Translation ------------------------------------------------------------------------------------------------ */

typedef struct translator {
    th_view text;
    size_t at;
    th_buf out;
    size_t atom; /* where the atom that a quantifier would apply to begins in `out` */
    bool has_atom, quantified;
    size_t *groups; /* of the open groups: where each begins */
    size_t ngroups, capacity;
    bool choice;
    th_status status;
    th_error *err;
} translator;

static void fail(translator *t, const char *what) {
    if (t->status == TH_OK)
        t->status = th_fail(t->err, TH_E_SYNTAX, "invalid regular expression '%.*s': %s",
                            (int)(t->text.len < 200 ? t->text.len : 200), t->text.data, what);
}

/* A byte as the code point of its number. */
static void put_byte(th_buf *out, uint8_t byte) {
    char utf8[4];
    th_buf_put(out, utf8, th_utf8_encode(byte, utf8));
}

static void put_literal(th_buf *out, uint8_t byte) {
    if (byte == 0)
        th_buf_text(out, "\\x00");
    else {
        if (byte < 0x80 && !(byte >= '0' && byte <= '9') && !(byte >= 'a' && byte <= 'z') &&
            !(byte >= 'A' && byte <= 'Z') && byte > ' ' && byte != 0x7f)
            th_buf_char(out, '\\');
        put_byte(out, byte);
    }
}

static void begin_atom(translator *t) {
    t->atom = t->out.len;
    t->has_atom = true;
    t->quantified = false;
}

/* [:alpha:] as it is; [.x.] and [=x=] stand for the character. True: it was one of them, a single character in *byte or none (-1). */
static bool named_class(translator *t, int *byte) {
    if (t->at + 1 >= t->text.len || t->text.data[t->at] != '[') return false;
    char mark = t->text.data[t->at + 1];
    if (mark != ':' && mark != '.' && mark != '=') return false;
    size_t from = t->at + 2, to = from;
    while (to + 1 < t->text.len && !(t->text.data[to] == mark && t->text.data[to + 1] == ']')) to++;
    if (to + 1 >= t->text.len) return fail(t, "a [: :] without end"), true;
    *byte = -1;
    if (mark == ':')
        th_buf_put(&t->out, t->text.data + t->at, to + 2 - t->at);
    else if (to - from == 1)
        *byte = (uint8_t)t->text.data[from];
    else
        fail(t, "a collating element of more than one character");
    t->at = to + 2;
    return true;
}

static void bracket(translator *t) {
    begin_atom(t);
    th_buf_char(&t->out, '[');
    t->at++;
    if (t->at < t->text.len && t->text.data[t->at] == '^') {
        th_buf_char(&t->out, '^');
        t->at++;
    }
    bool first = true, range = false, may_range = false;
    uint8_t last = 0;
    for (;; first = false) {
        if (t->status != TH_OK) return;
        if (t->at >= t->text.len) return fail(t, "'[' without ']'");
        uint8_t c = (uint8_t)t->text.data[t->at];
        int byte = -1;
        if (c == ']' && !first) break;
        if (named_class(t, &byte)) {
            if (byte < 0) {
                if (range) return fail(t, "a range that ends in a class");
                may_range = false;
                continue;
            }
            c = (uint8_t)byte;
        } else if (c == '-' && may_range && t->at + 1 < t->text.len && t->text.data[t->at + 1] != ']') {
            th_buf_char(&t->out, '-');
            t->at++;
            range = true;
            may_range = false;
            continue;
        } else {
            t->at++;
        }
        if (range && c < last) return fail(t, "a range in wrong order");
        put_literal(&t->out, c);
        may_range = !range;
        range = false;
        last = c;
    }
    t->at++;
    th_buf_char(&t->out, ']');
}

/* A quantifier after another applies to what both make. */
static void wrap(translator *t) {
    size_t len = t->out.len - t->atom;
    th_buf_text(&t->out, "(?:)");
    if (t->out.failed) return;
    memmove(t->out.data + t->atom + 3, t->out.data + t->atom, len);
    memcpy(t->out.data + t->atom, "(?:", 3);
    t->out.data[t->out.len - 1] = ')';
}

static void quantifier(translator *t) {
    if (!t->has_atom) return fail(t, "nothing to repeat");
    if (t->quantified) wrap(t);
    char c = t->text.data[t->at++];
    th_buf_char(&t->out, c);
    if (c == '{') {
        while (t->at < t->text.len && t->text.data[t->at] != '}') {
            c = t->text.data[t->at++];
            if ((c < '0' || c > '9') && c != ',') return fail(t, "a repetition that is no number");
            th_buf_char(&t->out, c);
        }
        if (t->at == t->text.len) return fail(t, "'{' without '}'");
        th_buf_char(&t->out, '}');
        t->at++;
    }
    t->quantified = true;
}

static void open_group(translator *t, th_mem *mem) {
    if (th_mem_grow(mem, (void **)&t->groups, &t->capacity, t->ngroups + 1, sizeof *t->groups) != TH_OK) {
        t->status = th_fail(t->err, TH_E_NOMEM, "out of memory");
        return;
    }
    t->groups[t->ngroups++] = t->out.len;
    th_buf_char(&t->out, '(');
    t->at++;
    t->has_atom = false;
}

static void close_group(translator *t) {
    if (t->ngroups == 0) return fail(t, "')' without '('");
    th_buf_char(&t->out, ')');
    t->at++;
    t->atom = t->groups[--t->ngroups];
    t->has_atom = true;
    t->quantified = false;
}

static void step(translator *t, th_mem *mem) {
    char c = t->text.data[t->at];
    switch (c) {
    case '(': open_group(t, mem); break;
    case ')': close_group(t); break;
    case '[': bracket(t); break;
    case '*':
    case '+':
    case '?':
    case '{': quantifier(t); break;
    case '|':
        t->choice = true;
        th_buf_char(&t->out, '|');
        t->at++;
        t->has_atom = false;
        break;
    case '^':
    case '$':
        th_buf_text(&t->out, c == '^' ? "\\A" : "\\z");
        t->at++;
        t->has_atom = false;
        break;
    case '.':
        begin_atom(t);
        th_buf_char(&t->out, '.');
        t->at++;
        break;
    case '\\':
        if (++t->at == t->text.len) return fail(t, "a backslash at the end");
        /* fallthrough */
    default: begin_atom(t); put_literal(&t->out, (uint8_t)t->text.data[t->at++]);
    }
}

static th_status translate(th_mem *mem, th_view pattern, nix_regex *regex, th_error *err) {
    translator t = {.text = pattern, .err = err};
    th_buf_init(&t.out, mem);
    while (t.at < pattern.len && t.status == TH_OK) step(&t, mem);
    if (t.ngroups > 0) fail(&t, "'(' without ')'");
    th_mem_free(mem, t.groups, t.capacity * sizeof *t.groups);
    if (t.status == TH_OK && t.out.failed) t.status = th_fail(err, TH_E_NOMEM, "out of memory");
    regex->choice = t.choice;
    regex->len = t.out.len;
    regex->pattern = t.status == TH_OK ? th_mem_new(mem, t.out.len + 1) : NULL;
    if (regex->pattern && t.out.len) memcpy(regex->pattern, t.out.data, t.out.len);
    if (t.status == TH_OK && !regex->pattern) t.status = th_fail(err, TH_E_NOMEM, "out of memory");
    th_buf_clear(&t.out);
    return t.status;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

th_status nix_regex_new(th_mem *mem, th_view pattern, nix_regex **out, th_error *err) {
    nix_regex *regex = th_mem_zeroed(mem, sizeof *regex);
    if (!regex) return th_fail(err, TH_E_NOMEM, "out of memory");
    th_status status = translate(mem, pattern, regex, err);
    if (status == TH_OK)
        status = th_regex_new(mem, (th_view){regex->pattern, regex->len}, TH_REGEX_DOT_ALL | TH_REGEX_WHOLE,
                              &regex->whole, err);
    if (status != TH_OK) {
        nix_regex_free(mem, regex);
        return status;
    }
    *out = regex;
    return TH_OK;
}

void nix_regex_free(th_mem *mem, nix_regex *regex) {
    if (!regex) return;
    th_regex_free(regex->whole);
    th_regex_free(regex->first);
    th_regex_free(regex->longest);
    th_mem_free(mem, regex->pattern, regex->pattern ? regex->len + 1 : 0);
    th_mem_free(mem, regex, sizeof *regex);
}

size_t nix_regex_groups(const nix_regex *regex) { return th_regex_group_count(regex->whole); }

/* ---- Matching ----------------------------------------------------------------------------------------------------- */

static bool is_ascii(th_view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.data[i] >= 0x80) return false;
    return true;
}

th_status nix_subject_init(th_mem *mem, th_view text, nix_subject *out) {
    *out = (nix_subject){.text = text, .plain = is_ascii(text)};
    th_buf_init(&out->wide, mem);
    for (size_t i = 0; !out->plain && i < text.len; i++) put_byte(&out->wide, (uint8_t)text.data[i]);
    return th_buf_status(&out->wide);
}

void nix_subject_clear(nix_subject *subject) { th_buf_clear(&subject->wide); }

static bool count_work(void *user, int64_t units) {
    *(int64_t *)user += units;
    return true;
}

static size_t width(const nix_subject *s, size_t at) { return (uint8_t)s->text.data[at] >= 0x80 ? 2 : 1; }

/* Offsets of the text and of its wide form. Steps from the last ones asked for: they come in about ascending order. */
static size_t widened(nix_subject *s, size_t offset) {
    if (s->plain) return offset;
    for (; s->at < offset; s->at++) s->wide_at += width(s, s->at);
    for (; s->at > offset; s->at--) s->wide_at -= width(s, s->at - 1);
    return s->wide_at;
}

static size_t narrowed(nix_subject *s, size_t offset) {
    if (s->plain) return offset;
    for (; s->wide_at < offset; s->at++) s->wide_at += width(s, s->at);
    for (; s->wide_at > offset; s->at--) s->wide_at -= width(s, s->at - 1);
    return s->at;
}

static th_status more(th_mem *mem, const nix_regex *constant, const char *head, uint32_t flags, th_regex **out) {
    if (*out) return TH_OK;
    th_buf text;
    th_buf_init(&text, mem);
    th_buf_text(&text, head);
    th_buf_put(&text, constant->pattern, constant->len);
    if (*head) th_buf_char(&text, ')');
    th_status status = th_buf_status(&text);
    if (status == TH_OK) status = th_regex_new(mem, (th_view){text.data ? text.data : "", text.len}, flags, out, NULL);
    th_buf_clear(&text);
    return status;
}

static th_status search(th_mem *mem, nix_regex *regex, th_view text, size_t at, bool whole, size_t *spans, size_t n,
                        bool *found, const th_regex_meter *meter) {
    if (whole) {
        th_view rest = {text.data + at, text.len - at};
        TH_TRY(th_regex_search(regex->whole, rest, 0, meter, spans, n, found));
        for (size_t i = 0; *found && i < 2 * n; i++)
            if (spans[i] != TH_REGEX_UNSET) spans[i] += at;
        return TH_OK;
    }
    TH_TRY(more(mem, regex, "", TH_REGEX_DOT_ALL, &regex->first));
    TH_TRY(th_regex_search(regex->first, text, at, meter, spans, regex->choice ? 1 : n, found));
    if (!*found || !regex->choice) return TH_OK;
    TH_TRY(more(mem, regex, "\\A(?:", TH_REGEX_DOT_ALL | TH_REGEX_LONGEST, &regex->longest));
    size_t start = spans[0];
    TH_TRY(th_regex_search(regex->longest, (th_view){text.data + start, text.len - start}, 0, meter, spans, n, found));
    for (size_t i = 0; *found && i < 2 * n; i++)
        if (spans[i] != TH_REGEX_UNSET) spans[i] += start;
    return TH_OK;
}

th_status nix_regex_match(th_mem *mem, nix_regex *regex, nix_subject *subject, size_t at, bool whole, int64_t *spans,
                          bool *matched, int64_t *cost) {
    size_t n = nix_regex_groups(regex) + 1;
    size_t few[32], *found = n <= 16 ? few : th_mem_new(mem, n * 2 * sizeof *found);
    if (!found) return TH_E_NOMEM;
    th_regex_meter meter = {count_work, cost};
    th_view text = subject->plain ? subject->text : (th_view){subject->wide.data, subject->wide.len};
    th_status status = search(mem, regex, text, widened(subject, at), whole, found, n, matched, &meter);
    for (size_t i = 0; status == TH_OK && *matched && i < 2 * n; i++)
        spans[i] = found[i] == TH_REGEX_UNSET ? -1 : (int64_t)narrowed(subject, found[i]);
    if (n > 16) th_mem_free(mem, found, n * 2 * sizeof *found);
    return status;
}
