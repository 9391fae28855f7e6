/*
** regex_compile.c - regular expressions: pattern to tree, tree to automaton.
** The parser and the compiler recurse over groups, whose depth is limited; the compiler counts its steps, so that
*nested
** counted repetitions are refused instead of unrolled. Classes become UTF-8 byte sequences with shared tails, as in Ken
*Thompson's
** grep and RE2.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/regex_int.h"

#include "base/unicode.h"

enum {
    MAX_DEPTH = 200,   /* groups in groups */
    MAX_REPEAT = 1000, /* of x{n} */
    MAX_INSTS = 50000,
    MAX_STEPS = 400000, /* of the compiler */
    MAX_GROUPS = 200,
    MAX_SCANNED = 1 << 23, /* code points looked at one by one, for cases and properties */
    MAX_CODE = 0x10ffff,
    FOREVER = 0x7fffffff,
};

typedef struct range {
    uint32_t lo, hi;
} range;

typedef enum node_kind { N_EMPTY, N_CLASS, N_SEQUENCE, N_CHOICE, N_REPEAT, N_GROUP, N_PLACE } node_kind;

typedef struct node {
    uint8_t kind;
    bool lazy;
    uint32_t min, max;  /* N_REPEAT */
    uint32_t value;     /* N_GROUP: number, 0: none; N_PLACE: th_rx_place */
    range *ranges;      /* N_CLASS: sorted, disjoint */
    size_t count;       /* of ranges */
    struct node *first; /* child */
    struct node *next;  /* sibling */
    struct node *last;  /* child */
} node;

/* ---- Parser ------------------------------------------------------------------------------------------------- */

typedef struct parser {
    th_regex *regex;
    th_arena arena;
    th_view text;
    size_t at;
    uint32_t flags;
    uint32_t depth;
    size_t scanned;
    range *set; /* the class being read */
    size_t set_len, set_capacity;
    size_t floor; /* ranges below it belong to another set and are not extended */
    th_error *err;
    th_status status;
} parser;

static node *fail_at(parser *p, size_t at, th_status code, const char *message) {
    if (p->status != TH_OK) return NULL;
    uint32_t column = (uint32_t)th_utf8_count(p->text.data, at) + 1;
    p->status = code;
    (void)th_fail_at(p->err, code, "", (th_span){1, column, 1, column + 1}, "%s at position %u of the pattern", message,
                     column);
    return NULL;
}

static node *no_memory(parser *p) {
    if (p->status == TH_OK) p->status = th_fail(p->err, TH_E_NOMEM, "out of memory");
    return NULL;
}

static bool more(const parser *p) { return p->at < p->text.len; }
static char peek(const parser *p) { return more(p) ? p->text.data[p->at] : 0; }
static bool is_next(const parser *p, const char *token) {
    size_t len = strlen(token);
    return p->text.len - p->at >= len && memcmp(p->text.data + p->at, token, len) == 0;
}
static bool take(parser *p, const char *token) {
    if (!is_next(p, token)) return false;
    p->at += strlen(token);
    return true;
}

static node *new_node(parser *p, node_kind kind) {
    node *n = th_arena_zeroed(&p->arena, sizeof *n);
    if (!n) return no_memory(p);
    n->kind = (uint8_t)kind;
    return n;
}

static void append(node *parent, node *child) {
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

/* -- sets of code points -- */

static size_t set_begin(parser *p) { return p->floor = p->set_len; }

static void set_add(parser *p, uint32_t lo, uint32_t hi) {
    if (p->set_len > p->floor && p->set[p->set_len - 1].hi + 1 == lo) {
        p->set[p->set_len - 1].hi = hi;
        return;
    }
    if (th_mem_grow(p->regex->mem, (void **)&p->set, &p->set_capacity, p->set_len + 1, sizeof *p->set)) {
        (void)no_memory(p);
        return;
    }
    p->set[p->set_len++] = (range){lo, hi};
}

static void sift(range *set, size_t i, size_t n) {
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && set[child + 1].lo > set[child].lo) child++;
        if (set[i].lo >= set[child].lo) return;
        range swap = set[i];
        set[i] = set[child];
        set[child] = swap;
    }
}

/* Sorts and joins the ranges from `from` on. */
static void set_normalize(parser *p, size_t from) {
    size_t n = p->set_len - from;
    if (n < 2) return;
    range *set = p->set + from;
    for (size_t i = n / 2; i-- > 0;) sift(set, i, n);
    for (size_t end = n; end-- > 1;) {
        range swap = set[0];
        set[0] = set[end];
        set[end] = swap;
        sift(set, 0, end);
    }
    size_t out = 0;
    for (size_t i = 1; i < n; i++) {
        if (set[i].lo <= set[out].hi + 1)
            set[out].hi = set[i].hi > set[out].hi ? set[i].hi : set[out].hi;
        else
            set[++out] = set[i];
    }
    p->set_len = from + out + 1;
}

static void set_negate(parser *p, size_t from) {
    set_normalize(p, from);
    size_t n = p->set_len - from;
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) { /* in place: range i becomes the gap before it */
        range r = p->set[from + i];
        p->set[from + i] = (range){next, r.lo - 1};
        next = r.hi + 1;
    }
    size_t out = from;
    for (size_t i = from; i < from + n; i++)
        if (p->set[i].lo <= p->set[i].hi && p->set[i].hi != UINT32_MAX) p->set[out++] = p->set[i];
    p->set_len = out;
    if (next <= MAX_CODE) {
        if (th_mem_grow(p->regex->mem, (void **)&p->set, &p->set_capacity, p->set_len + 1, sizeof *p->set))
            (void)no_memory(p);
        else
            p->set[p->set_len++] = (range){next, MAX_CODE};
    }
}

static bool scan_budget(parser *p, size_t codes) {
    p->scanned += codes;
    if (p->scanned <= MAX_SCANNED) return true;
    (void)fail_at(p, p->at, TH_E_LIMIT, "the pattern has too many large classes");
    return false;
}

/* Adds the other cases of what is in the set. */
static void set_fold(parser *p, size_t from) {
    size_t end = p->set_len;
    for (size_t i = from; i < end && p->status == TH_OK; i++) {
        range r = p->set[i];
        if (r.lo > TH_UNICODE_LAST_CASED) continue;
        if (r.hi > TH_UNICODE_LAST_CASED) r.hi = TH_UNICODE_LAST_CASED;
        if (!scan_budget(p, r.hi - r.lo + 1)) return;
        for (uint32_t c = r.lo; c <= r.hi; c++) {
            uint32_t upper = th_unicode_upper(c), lower = th_unicode_lower(c), both = th_unicode_lower(upper);
            if (upper != c) set_add(p, upper, upper);
            if (lower != c) set_add(p, lower, lower);
            if (both != c && both != lower) set_add(p, both, both);
        }
    }
}

static node *class_node(parser *p, size_t from) {
    if (p->status != TH_OK) return NULL;
    set_normalize(p, from);
    node *n = new_node(p, N_CLASS);
    if (!n) return NULL;
    n->count = p->set_len - from;
    if (n->count) n->ranges = th_arena_copy(&p->arena, p->set + from, n->count * sizeof *n->ranges);
    p->set_len = from;
    return n->ranges || n->count == 0 ? n : no_memory(p);
}

static node *code_node(parser *p, uint32_t code) {
    size_t from = set_begin(p);
    set_add(p, code, code);
    if (p->flags & TH_REGEX_IGNORE_CASE) set_fold(p, from);
    return class_node(p, from);
}

static const struct {
    const char *name;
    const char *ranges;
} posix_classes[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", "\x01\x7f"}, {"blank", "\t\t  "},  {"cntrl", "\x01\x1f\x7f\x7f"},
    {"digit", "09"},     {"graph", "!~"},   {"lower", "az"},       {"print", " ~"},      {"punct", "!/:@[`{~"},
    {"space", "\t\r  "}, {"upper", "AZ"},   {"word", "09AZ__az"},  {"xdigit", "09AFaf"},
};

static bool add_posix(parser *p, th_view name) {
    for (size_t i = 0; i < TH_COUNT(posix_classes); i++) {
        if (!th_view_is(name, posix_classes[i].name)) continue;
        for (const char *r = posix_classes[i].ranges; *r; r += 2) set_add(p, (uint8_t)r[0], (uint8_t)r[1]);
        if (i == 2 || i == 4) set_add(p, 0, 0); /* ascii and cntrl have NUL, which the table cannot hold */
        return true;
    }
    return false;
}

/* \d \w \s and their complements; false: the letter is none of them. */
static bool add_perl(parser *p, char letter) {
    const char *name = (letter | 32) == 'd'   ? "digit"
                       : (letter | 32) == 'w' ? "word"
                       : (letter | 32) == 's' ? "space"
                                              : NULL;
    if (!name) return false;
    size_t from = set_begin(p);
    (void)add_posix(p, th_view_of(name));
    if (letter < 'a') set_negate(p, from);
    return true;
}

/* After \p or \P: a category of one or two letters. */
static void add_property(parser *p, bool negated, size_t start) {
    th_view name = {p->text.data + p->at, 1};
    if (take(p, "{")) {
        const char *close = memchr(p->text.data + p->at, '}', p->text.len - p->at);
        name = (th_view){p->text.data + p->at, close ? (size_t)(close - p->text.data) - p->at : 0};
        p->at += name.len + (close != NULL);
    } else if (more(p)) {
        p->at++;
    } else {
        name.len = 0;
    }
    if (name.len && name.data[0] == '^') negated = !negated, name.data++, name.len--;
    bool known = false;
    size_t from = set_begin(p);
    if (name.len < 1 || name.len > 2 || !scan_budget(p, MAX_CODE)) {
        (void)fail_at(p, start, TH_E_SYNTAX, "unknown character property");
        return;
    }
    for (uint32_t c = 0; c <= MAX_CODE; c++) {
        const char *category = th_unicode_category(c);
        if (memcmp(category, name.data, name.len) != 0) continue;
        known = true;
        set_add(p, c, c);
    }
    if (!known) (void)fail_at(p, start, TH_E_SYNTAX, "unknown character property");
    if (negated) set_negate(p, from);
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH, \uHHHH, \x{H..}: `digits` of them without braces. */
static uint32_t hex_escape(parser *p, size_t digits, size_t start) {
    uint32_t code = 0;
    size_t n = 0;
    bool braces = take(p, "{");
    while (more(p) && hex_value(peek(p)) >= 0 && (braces ? n < 8 : n < digits)) {
        code = code * 16 + (uint32_t)hex_value(p->text.data[p->at++]);
        n++;
    }
    bool good = braces ? n >= 1 && n <= 6 && take(p, "}") : n == digits;
    if (!good || code > MAX_CODE || (code >= 0xd800 && code <= 0xdfff))
        (void)fail_at(p, start, TH_E_SYNTAX, "invalid character escape");
    return code;
}

/* An escape that stands for one code point; the backslash was taken. */
static uint32_t escape_code(parser *p, size_t start) {
    static const char letters[] = "ntrfvae0", values[] = "\n\t\r\f\v\a\x1b";
    uint32_t code;
    p->at += th_utf8_decode(p->text.data, p->text.len, p->at, &code);
    const char *known = code && code < 128 ? strchr(letters, (int)code) : NULL;
    if (known) return (uint8_t)values[known - letters];
    if (code == 'x') return hex_escape(p, 2, start);
    if (code == 'u') return hex_escape(p, 4, start);
    if (code >= '1' && code <= '9')
        (void)fail_at(p, start, TH_E_UNSUPPORTED, "back-references are not supported");
    else if (th_unicode_is_letter(code) || th_unicode_is_digit(code))
        (void)fail_at(p, start, TH_E_SYNTAX, "unknown escape");
    return code;
}

/* -- [classes] -- */

static bool class_posix(parser *p) {
    size_t start = p->at;
    if (!is_next(p, "[:")) return false;
    const char *rest = p->text.data + p->at + 2;
    const char *end = memmem(rest, p->text.len - p->at - 2, ":]", 2);
    if (!end) return false;
    th_view name = {rest, (size_t)(end - rest)};
    bool negated = name.len && name.data[0] == '^';
    if (negated) name.data++, name.len--;
    size_t from = set_begin(p);
    p->at = (size_t)(end + 2 - p->text.data);
    if (!add_posix(p, name))
        (void)fail_at(p, start, TH_E_SYNTAX, "unknown class name");
    else if (negated)
        set_negate(p, from);
    return true;
}

/* One code point, or an escape for many, which is added at once (false). */
static bool class_item(parser *p, uint32_t *code) {
    size_t start = p->at;
    if (take(p, "\\")) {
        if (!more(p)) {
            (void)fail_at(p, start, TH_E_SYNTAX, "a backslash ends the pattern");
            return false;
        }
        char c = peek(p);
        if (add_perl(p, c)) {
            p->at++;
            return false;
        }
        if (c == 'p' || c == 'P') {
            p->at++;
            add_property(p, c == 'P', start);
            return false;
        }
        if (c == 'b') { /* as everywhere: a backspace inside a class */
            p->at++;
            *code = 8;
            return true;
        }
        *code = escape_code(p, start);
        return true;
    }
    p->at += th_utf8_decode(p->text.data, p->text.len, p->at, code);
    return true;
}

static void class_range(parser *p) {
    size_t start = p->at;
    uint32_t lo, hi;
    if (!class_item(p, &lo)) return;
    hi = lo;
    if (is_next(p, "-") && !is_next(p, "-]") && p->at + 1 < p->text.len) {
        p->at++;
        if (!class_item(p, &hi) || hi < lo) {
            (void)fail_at(p, start, TH_E_SYNTAX, "a range that is no range");
            return;
        }
    }
    set_add(p, lo, hi);
}

static node *parse_class(parser *p) {
    size_t start = p->at++, from = set_begin(p);
    bool negated = take(p, "^"), first = true;
    while (p->status == TH_OK && (first || peek(p) != ']')) {
        if (!more(p)) return fail_at(p, start, TH_E_SYNTAX, "'[' is not closed");
        first = false;
        if (!class_posix(p)) class_range(p);
    }
    p->at++;
    if (p->flags & TH_REGEX_IGNORE_CASE) {
        set_normalize(p, from);
        set_fold(p, from);
    }
    if (negated) set_negate(p, from);
    return class_node(p, from);
}

/* -- atoms -- */

static node *place_node(parser *p, th_rx_place place) {
    node *n = new_node(p, N_PLACE);
    if (n) n->value = place;
    return n;
}

static node *parse_escape(parser *p) {
    size_t start = p->at++, from = set_begin(p);
    if (!more(p)) return fail_at(p, start, TH_E_SYNTAX, "a backslash ends the pattern");
    static const struct {
        char letter;
        uint8_t place;
    } places[] = {{'A', TH_RX_TEXT_START}, {'z', TH_RX_TEXT_END}, {'b', TH_RX_WORD_EDGE}, {'B', TH_RX_NO_WORD_EDGE}};
    for (size_t i = 0; i < TH_COUNT(places); i++)
        if (peek(p) == places[i].letter) {
            p->at++;
            return place_node(p, (th_rx_place)places[i].place);
        }
    char c = peek(p);
    if (add_perl(p, c)) {
        p->at++;
        return class_node(p, from);
    }
    if (c == 'p' || c == 'P') {
        p->at++;
        add_property(p, c == 'P', start);
        if (p->flags & TH_REGEX_IGNORE_CASE) set_fold(p, from);
        return class_node(p, from);
    }
    uint32_t code = escape_code(p, start);
    return p->status == TH_OK ? code_node(p, code) : NULL;
}

static node *parse_dot(parser *p) {
    size_t from = set_begin(p);
    p->at++;
    if (p->flags & TH_REGEX_DOT_ALL) {
        set_add(p, 0, MAX_CODE);
    } else {
        set_add(p, 0, '\n' - 1);
        set_add(p, '\n' + 1, MAX_CODE);
    }
    return class_node(p, from);
}

static node *parse_choice(parser *p);

/* The flags of (?ims-ims) up to the closing sign, which is left. */
static bool parse_flags(parser *p) {
    bool set = true;
    for (; more(p); p->at++) {
        char c = peek(p);
        uint32_t flag = c == 'i'   ? (uint32_t)TH_REGEX_IGNORE_CASE
                        : c == 'm' ? (uint32_t)TH_REGEX_MULTILINE
                        : c == 's' ? (uint32_t)TH_REGEX_DOT_ALL
                                   : 0;
        if (c == '-' && set)
            set = false;
        else if (c == ':' || c == ')')
            return true;
        else if (!flag)
            return false;
        else
            p->flags = set ? p->flags | flag : p->flags & ~flag;
    }
    return false;
}

static bool group_name(parser *p, size_t start, size_t number) {
    size_t from = p->at;
    while (more(p) &&
           (peek(p) == '_' || (peek(p) >= '0' && peek(p) <= '9') || ((peek(p) | 32) >= 'a' && (peek(p) | 32) <= 'z')))
        p->at++;
    th_view name = {p->text.data + from, p->at - from};
    if (name.len == 0 || (name.data[0] >= '0' && name.data[0] <= '9') || !take(p, ">")) {
        (void)fail_at(p, start, TH_E_SYNTAX, "invalid group name");
        return false;
    }
    th_view *names = p->regex->names;
    for (size_t i = 1; i < number; i++)
        if (th_view_eq(names[i], name)) {
            (void)fail_at(p, start, TH_E_SYNTAX, "a second group of the same name");
            return false;
        }
    char *text = th_arena_text(&p->regex->arena, name.data, name.len);
    if (!text) {
        (void)no_memory(p);
        return false;
    }
    names[number] = (th_view){text, name.len};
    return true;
}

/* What follows "(": sets the number of a capturing group. False: an error, or flags for the rest of the outer group. */
static bool group_open(parser *p, size_t start, uint32_t *number, bool *flags_only) {
    static const char *const refused[] = {"?=", "?!", "?<=", "?<!", "?>"};
    for (size_t i = 0; i < TH_COUNT(refused); i++)
        if (is_next(p, refused[i])) {
            (void)fail_at(p, start, TH_E_UNSUPPORTED,
                          i == 4 ? "atomic groups are not supported" : "look-around is not supported");
            return false;
        }
    bool named = take(p, "?P<") || take(p, "?<");
    if (!named && take(p, "?")) {
        if (!parse_flags(p)) {
            (void)fail_at(p, p->at, TH_E_SYNTAX, "unknown kind of group");
            return false;
        }
        *flags_only = p->text.data[p->at++] == ')';
        return !*flags_only;
    }
    if (p->regex->ngroups > MAX_GROUPS) {
        (void)fail_at(p, start, TH_E_LIMIT, "the pattern has too many groups");
        return false;
    }
    *number = (uint32_t)p->regex->ngroups++;
    return !named || group_name(p, start, *number);
}

static node *parse_group(parser *p) {
    size_t start = p->at++;
    uint32_t number = 0, outer = p->flags;
    bool flags_only = false;
    if (!group_open(p, start, &number, &flags_only)) return flags_only ? new_node(p, N_EMPTY) : NULL;
    if (++p->depth > MAX_DEPTH) return fail_at(p, start, TH_E_LIMIT, "groups are nested too deeply");
    node *body = parse_choice(p);
    p->depth--;
    p->flags = outer;
    if (!body) return NULL;
    if (!take(p, ")")) return fail_at(p, start, TH_E_SYNTAX, "'(' is not closed");
    if (!number) return body;
    node *group = new_node(p, N_GROUP);
    if (!group) return NULL;
    group->value = number;
    append(group, body);
    return group;
}

static node *parse_atom(parser *p) {
    bool lines = (p->flags & TH_REGEX_MULTILINE) != 0;
    uint32_t code;
    switch (peek(p)) {
    case '(': return parse_group(p);
    case '[': return parse_class(p);
    case '.': return parse_dot(p);
    case '\\': return parse_escape(p);
    case '^': p->at++; return place_node(p, lines ? TH_RX_LINE_START : TH_RX_TEXT_START);
    case '$': p->at++; return place_node(p, lines ? TH_RX_LINE_END : TH_RX_TEXT_END);
    case '*':
    case '+':
    case '?': return fail_at(p, p->at, TH_E_SYNTAX, "there is nothing to repeat");
    default: p->at += th_utf8_decode(p->text.data, p->text.len, p->at, &code); return code_node(p, code);
    }
}

/* -- repetition -- */

static bool parse_count(parser *p, uint32_t *out) {
    size_t from = p->at;
    uint32_t n = 0;
    while (more(p) && peek(p) >= '0' && peek(p) <= '9') {
        if (n <= MAX_REPEAT) n = n * 10 + (uint32_t)(peek(p) - '0');
        p->at++;
    }
    *out = n;
    return p->at > from;
}

/* {n}, {n,}, {n,m}; anything else in braces is plain text. */
static bool parse_braces(parser *p, uint32_t *min, uint32_t *max) {
    size_t start = p->at++;
    bool good = parse_count(p, min);
    *max = *min;
    if (good && take(p, ",") && !parse_count(p, max)) *max = FOREVER;
    if (!good || !take(p, "}")) {
        p->at = start;
        return false;
    }
    if (*min > MAX_REPEAT || (*max != FOREVER && *max > MAX_REPEAT))
        (void)fail_at(p, start, TH_E_LIMIT, "a repetition of more than 1000");
    else if (*max < *min)
        (void)fail_at(p, start, TH_E_SYNTAX, "a repetition from more to less");
    return true;
}

static bool parse_quantifier(parser *p, uint32_t *min, uint32_t *max) {
    *min = 0;
    *max = FOREVER;
    switch (peek(p)) {
    case '*': p->at++; return true;
    case '+':
        p->at++;
        *min = 1;
        return true;
    case '?':
        p->at++;
        *max = 1;
        return true;
    case '{': return parse_braces(p, min, max);
    default: return false;
    }
}

static node *parse_repeat(parser *p) {
    node *atom = parse_atom(p);
    uint32_t min, max;
    if (!atom || !parse_quantifier(p, &min, &max)) return atom;
    node *repeat = new_node(p, N_REPEAT);
    if (!repeat || p->status != TH_OK) return NULL;
    repeat->min = min;
    repeat->max = max;
    repeat->lazy = take(p, "?");
    append(repeat, atom);
    if (is_next(p, "+")) return fail_at(p, p->at, TH_E_UNSUPPORTED, "possessive repetition is not supported");
    char c = peek(p);
    if (c == '*' || c == '+' || c == '?') return fail_at(p, p->at, TH_E_SYNTAX, "a repetition of a repetition");
    return repeat;
}

static node *parse_sequence(parser *p) {
    node *sequence = new_node(p, N_SEQUENCE);
    while (sequence && more(p) && peek(p) != '|' && peek(p) != ')') {
        node *part = parse_repeat(p);
        if (!part || p->status != TH_OK) return NULL;
        append(sequence, part);
    }
    return sequence;
}

static node *parse_choice(parser *p) {
    node *first = parse_sequence(p);
    if (!first || peek(p) != '|') return first;
    node *choice = new_node(p, N_CHOICE);
    if (!choice) return NULL;
    append(choice, first);
    while (take(p, "|")) {
        node *other = parse_sequence(p);
        if (!other) return NULL;
        append(choice, other);
    }
    return choice;
}

/* ---- Compiler ----------------------------------------------------------------------------------------------- */

typedef struct compiler {
    th_regex *regex;
    th_rx_program *program;
    bool backward;
    size_t steps;
    uint32_t *heads; /* first instructions of a class's alternatives */
    size_t heads_len, heads_capacity;
    struct {
        uint32_t key_out, inst;
        uint8_t lo, hi;
        bool set;
    } tails[512]; /* byte instructions, for sharing */
    th_status status;
} compiler;

#define NONE UINT32_MAX

static uint32_t emit(compiler *c, th_rx_inst inst) {
    th_rx_program *program = c->program;
    if (c->status != TH_OK) return 0;
    if (program->len >= MAX_INSTS) {
        c->status = TH_E_LIMIT;
        return 0;
    }
    if (th_mem_grow(c->regex->mem, (void **)&program->insts, &program->capacity, program->len + 1, sizeof inst)) {
        c->status = TH_E_NOMEM;
        return 0;
    }
    program->insts[program->len] = inst;
    return (uint32_t)program->len++;
}

static uint32_t emit_byte(compiler *c, uint8_t lo, uint8_t hi, uint32_t out) {
    size_t slot = (lo * 31u + hi * 7u + out * 131u) % TH_COUNT(c->tails);
    if (c->tails[slot].set && c->tails[slot].key_out == out && c->tails[slot].lo == lo && c->tails[slot].hi == hi)
        return c->tails[slot].inst;
    uint32_t inst = emit(c, (th_rx_inst){TH_RX_BYTE, lo, hi, out, 0});
    c->tails[slot].set = true;
    c->tails[slot].key_out = out;
    c->tails[slot].lo = lo;
    c->tails[slot].hi = hi;
    c->tails[slot].inst = inst;
    return inst;
}

static uint32_t emit_set(compiler *c, const th_rx_set *set, uint32_t out) {
    th_rx_program *program = c->program;
    size_t i = 0;
    while (i < program->nsets && memcmp(&program->sets[i], set, sizeof *set) != 0) i++;
    if (i == program->nsets) {
        if (th_mem_grow(c->regex->mem, (void **)&program->sets, &program->sets_capacity, i + 1, sizeof *set)) {
            c->status = TH_E_NOMEM;
            return 0;
        }
        program->sets[program->nsets++] = *set;
    }
    return emit(c, (th_rx_inst){TH_RX_SET, 0, 0, out, (uint32_t)i});
}

static void add_head(compiler *c, uint32_t inst) {
    for (size_t i = c->heads_len; i-- > 0 && i + 8 > c->heads_len;)
        if (c->heads[i] == inst) return;
    if (th_mem_grow(c->regex->mem, (void **)&c->heads, &c->heads_capacity, c->heads_len + 1, sizeof inst))
        c->status = TH_E_NOMEM;
    else
        c->heads[c->heads_len++] = inst;
}

/* All code points of a range have UTF-8 of the same length, and their trailing bytes range freely or are equal. */
static void emit_sequence(compiler *c, range r, uint32_t out) {
    char lo[4], hi[4];
    size_t n = th_utf8_encode(r.lo, lo);
    (void)th_utf8_encode(r.hi, hi);
    for (size_t i = 0; i < n; i++) {
        size_t at = c->backward ? i : n - 1 - i;
        out = emit_byte(c, (uint8_t)lo[at], (uint8_t)hi[at], out);
    }
    add_head(c, out);
}

/* Where a range must be cut so that its ends have UTF-8 of one shape; 0: nowhere. The cut is the first of the second
 * part. */
static uint32_t cut_of(range r) {
    static const uint32_t edges[] = {0x80, 0x800, 0xd800, 0xe000, 0x10000};
    for (size_t i = 0; i < TH_COUNT(edges); i++)
        if (r.lo < edges[i] && r.hi >= edges[i]) return edges[i];
    if (r.hi < 0x80) return 0;
    for (uint32_t shift = 6; shift <= 18; shift += 6) {
        uint32_t mask = (1u << shift) - 1;
        if ((r.lo & ~mask) == (r.hi & ~mask)) break;
        if (r.lo & mask) return (r.lo | mask) + 1;
        if ((r.hi & mask) != mask) return r.hi & ~mask;
    }
    return 0;
}

static void emit_range(compiler *c, range r, uint32_t out) {
    range todo[32];
    size_t n = 0;
    todo[n++] = r;
    while (n > 0 && c->status == TH_OK) {
        r = todo[--n];
        uint32_t cut = cut_of(r);
        if (cut && n + 2 <= TH_COUNT(todo)) {
            todo[n++] = (range){cut, r.hi};
            todo[n++] = (range){r.lo, cut - 1};
        } else if (!(r.lo >= 0xd800 && r.hi <= 0xdfff)) {
            emit_sequence(c, r, out);
        }
    }
}

static uint32_t compile_class(compiler *c, const node *n, uint32_t out) {
    th_rx_set ascii = {{0}};
    size_t count = 0, ranges = 0;
    uint32_t lo = 0, hi = 0;
    c->heads_len = 0;
    for (size_t i = 0; i < n->count; i++) {
        range r = n->ranges[i];
        if (r.lo < 0x80) {
            lo = r.lo;
            hi = r.hi < 0x7f ? r.hi : 0x7f;
            ranges++;
            for (uint32_t b = lo; b <= hi; b++) ascii.bits[b >> 6] |= (uint64_t)1 << (b & 63), count++;
        }
        if (r.hi >= 0x80) emit_range(c, (range){r.lo < 0x80 ? 0x80 : r.lo, r.hi}, out);
    }
    if (ranges == 1)
        add_head(c, emit_byte(c, (uint8_t)lo, (uint8_t)hi, out));
    else if (count > 0)
        add_head(c, emit_set(c, &ascii, out));
    if (c->status != TH_OK) return 0;
    if (c->heads_len == 0) { /* an empty class matches nothing */
        th_rx_set nothing = {{0}};
        return emit_set(c, &nothing, out);
    }
    uint32_t entry = c->heads[0];
    for (size_t i = 1; i < c->heads_len; i++) entry = emit(c, (th_rx_inst){TH_RX_SPLIT, 0, 0, c->heads[i], entry});
    return entry;
}

static bool nullable(const node *n) {
    switch ((node_kind)n->kind) {
    case N_CLASS: return false;
    case N_REPEAT: return n->min == 0 || nullable(n->first);
    case N_GROUP: return nullable(n->first);
    case N_SEQUENCE:
        for (const node *k = n->first; k; k = k->next)
            if (!nullable(k)) return false;
        return true;
    case N_CHOICE:
        for (const node *k = n->first; k; k = k->next)
            if (nullable(k)) return true;
        return false;
    default: return true;
    }
}

static uint32_t compile(compiler *c, const node *n, uint32_t out);

static uint32_t emit_split(compiler *c, bool lazy, uint32_t body, uint32_t out) {
    return emit(c, lazy ? (th_rx_inst){TH_RX_SPLIT, 0, 0, out, body} : (th_rx_inst){TH_RX_SPLIT, 0, 0, body, out});
}

/* x+: returns the entry of x; *loop is the instruction that decides on a further turn. */
static uint32_t compile_loop(compiler *c, const node *n, uint32_t out, uint32_t *loop) {
    *loop = emit_split(c, n->lazy, 0, out);
    uint32_t body = compile(c, n->first, *loop);
    if (c->status != TH_OK) return 0;
    if (n->lazy)
        c->program->insts[*loop].arg = body;
    else
        c->program->insts[*loop].out = body;
    return body;
}

static uint32_t compile_repeat(compiler *c, const node *n, uint32_t out) {
    uint32_t entry = out, copies = n->min;
    if (n->max == FOREVER) {
        uint32_t loop;
        uint32_t body = compile_loop(c, n, out, &loop);
        if (n->min > 0)
            entry = body, copies = n->min - 1;
        else
            entry = nullable(n->first) ? emit_split(c, n->lazy, body, out) : loop;
    } else {
        for (uint32_t i = n->min; i < n->max && c->status == TH_OK; i++)
            entry = emit_split(c, n->lazy, compile(c, n->first, entry), out);
    }
    for (uint32_t i = 0; i < copies && c->status == TH_OK; i++) entry = compile(c, n->first, entry);
    return entry;
}

static uint32_t compile_sequence(compiler *c, const node *n, uint32_t out) {
    if (c->backward) {
        for (const node *k = n->first; k && c->status == TH_OK; k = k->next) out = compile(c, k, out);
        return out;
    }
    size_t count = 0;
    for (const node *k = n->first; k; k = k->next) count++;
    const node **kids = th_mem_new(c->regex->mem, (count + 1) * sizeof *kids);
    if (!kids) {
        c->status = TH_E_NOMEM;
        return 0;
    }
    size_t i = 0;
    for (const node *k = n->first; k; k = k->next) kids[i++] = k;
    while (i > 0 && c->status == TH_OK) out = compile(c, kids[--i], out);
    th_mem_free(c->regex->mem, kids, (count + 1) * sizeof *kids);
    return out;
}

static uint32_t compile_choice(compiler *c, const node *n, uint32_t out) {
    uint32_t entry = NONE, last = NONE; /* a chain of splits, in order of the alternatives */
    for (const node *k = n->first; k && c->status == TH_OK; k = k->next) {
        uint32_t body = compile(c, k, out);
        uint32_t link = k->next ? emit(c, (th_rx_inst){TH_RX_SPLIT, 0, 0, body, 0}) : body;
        if (c->status != TH_OK) return 0;
        if (last != NONE)
            c->program->insts[last].arg = link;
        else
            entry = link;
        last = link;
    }
    return entry;
}

static uint32_t compile_place(compiler *c, const node *n, uint32_t out) {
    static const uint8_t mirrored[] = {TH_RX_TEXT_END,   TH_RX_TEXT_START, TH_RX_LINE_END,
                                       TH_RX_LINE_START, TH_RX_WORD_EDGE,  TH_RX_NO_WORD_EDGE};
    c->program->places = true;
    return emit(c, (th_rx_inst){TH_RX_ASSERT, 0, 0, out, c->backward ? mirrored[n->value] : n->value});
}

static uint32_t compile_group(compiler *c, const node *n, uint32_t out) {
    if (c->backward) return compile(c, n->first, out);
    uint32_t end = emit(c, (th_rx_inst){TH_RX_SAVE, 0, 0, out, n->value * 2 + 1});
    uint32_t body = compile(c, n->first, end);
    return emit(c, (th_rx_inst){TH_RX_SAVE, 0, 0, body, n->value * 2});
}

/* The entry of code that matches `n` and goes on at `out`. */
static uint32_t compile(compiler *c, const node *n, uint32_t out) {
    if (++c->steps > MAX_STEPS && c->status == TH_OK) c->status = TH_E_LIMIT;
    if (c->status != TH_OK) return 0;
    switch ((node_kind)n->kind) {
    case N_EMPTY: return out;
    case N_CLASS: return compile_class(c, n, out);
    case N_SEQUENCE: return compile_sequence(c, n, out);
    case N_CHOICE: return compile_choice(c, n, out);
    case N_REPEAT: return compile_repeat(c, n, out);
    case N_GROUP: return compile_group(c, n, out);
    case N_PLACE: return compile_place(c, n, out);
    }
    return out;
}

static th_status compile_program(th_regex *regex, const node *root, th_rx_program *program, bool backward) {
    compiler *c = th_mem_zeroed(regex->mem, sizeof *c);
    if (!c) return TH_E_NOMEM;
    c->regex = regex;
    c->program = program;
    c->backward = backward;
    uint32_t match = emit(c, (th_rx_inst){TH_RX_MATCH, 0, 0, 0, 0});
    program->start = compile(c, root, match);
    /* search: start, or else skip a byte and search again */
    program->search = program->start;
    if (!backward && !regex->anchored) {
        program->search = emit(c, (th_rx_inst){TH_RX_SPLIT, 0, 0, program->start, 0});
        uint32_t skip = emit(c, (th_rx_inst){TH_RX_BYTE, 0, 255, program->search, 0});
        if (c->status == TH_OK) program->insts[program->search].arg = skip;
    }
    th_status status = c->status;
    th_mem_free(regex->mem, c->heads, c->heads_capacity * sizeof *c->heads);
    th_mem_free(regex->mem, c, sizeof *c);
    return status;
}

/* ---- What is known beforehand ------------------------------------------------------------------------------- */

/* Two bytes are of one class when no instruction tells them apart. */
static void find_classes(th_regex *regex) {
    bool edge[257] = {false};
    bool places = false;
    const th_rx_program *programs[] = {&regex->forward, &regex->backward};
    for (size_t k = 0; k < TH_COUNT(programs); k++) {
        const th_rx_program *program = programs[k];
        places = places || program->places;
        for (size_t i = 0; i < program->len; i++)
            if (program->insts[i].op == TH_RX_BYTE) edge[program->insts[i].lo] = edge[program->insts[i].hi + 1] = true;
        for (size_t i = 0; i < program->nsets; i++)
            for (unsigned b = 1; b < 256; b++)
                if (th_rx_in(&program->sets[i], (uint8_t)b) != th_rx_in(&program->sets[i], (uint8_t)(b - 1)))
                    edge[b] = true;
    }
    static const uint8_t told[] = {'\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1};
    for (size_t i = 0; places && i < TH_COUNT(told); i++) edge[told[i]] = true;
    uint8_t cls = 0;
    for (unsigned b = 0; b < 256; b++) {
        if (b > 0 && edge[b]) cls++;
        regex->classes[b] = cls;
    }
    regex->nclasses = (size_t)cls + 1;
}

static bool is_single(const node *n) {
    return n->kind == N_CLASS && n->count == 1 && n->ranges[0].lo == n->ranges[0].hi &&
           !(n->ranges[0].lo >= 0xd800 && n->ranges[0].lo <= 0xdfff);
}

static th_status find_prefix(th_regex *regex, const node *root) {
    if (root->kind != N_SEQUENCE) return TH_OK;
    char prefix[64];
    size_t len = 0;
    const node *k = root->first;
    for (; k && is_single(k) && len + 4 <= sizeof prefix; k = k->next)
        len += th_utf8_encode(k->ranges[0].lo, prefix + len);
    regex->literal = !k && len > 0;
    regex->prefix = th_arena_text(&regex->arena, prefix, len);
    regex->prefix_len = len;
    return regex->prefix ? TH_OK : TH_E_NOMEM;
}

static node *wrap_whole(parser *p, node *root) {
    node *sequence = new_node(p, N_SEQUENCE), *start = place_node(p, TH_RX_TEXT_START);
    node *end = place_node(p, TH_RX_TEXT_END);
    if (!sequence || !start || !end) return NULL;
    append(sequence, start);
    append(sequence, root);
    append(sequence, end);
    return sequence;
}

static th_status compile_tree(parser *p, node *root) {
    th_regex *regex = p->regex;
    regex->anchored = root->kind == N_SEQUENCE && root->first && root->first->kind == N_PLACE &&
                      root->first->value == TH_RX_TEXT_START;
    th_status status = find_prefix(regex, root);
    if (status == TH_OK) status = compile_program(regex, root, &regex->forward, false);
    if (status == TH_OK) status = compile_program(regex, root, &regex->backward, true);
    if (status == TH_E_LIMIT) return th_fail(p->err, status, "the pattern is too large");
    if (status != TH_OK) return th_fail(p->err, status, "out of memory");
    find_classes(regex);
    regex->rate = 1 + (int64_t)(regex->forward.len / 16);
    return TH_OK;
}

th_status th_rx_compile(th_regex *regex, th_view pattern, uint32_t flags, th_error *err) {
    parser p = {.regex = regex, .text = pattern, .flags = flags, .err = err};
    th_arena_init(&p.arena, regex->mem);
    regex->ngroups = 1;
    regex->names = th_arena_zeroed(&regex->arena, (MAX_GROUPS + 2) * sizeof *regex->names);
    node *root = regex->names ? parse_choice(&p) : no_memory(&p);
    if (root && more(&p)) root = fail_at(&p, p.at, TH_E_SYNTAX, "')' without '('");
    if (root && (flags & TH_REGEX_WHOLE)) root = wrap_whole(&p, root);
    th_status status = p.status;
    if (root && status == TH_OK)
        status = compile_tree(&p, root);
    else if (status == TH_OK)
        status = th_fail(err, TH_E_NOMEM, "out of memory");
    th_mem_free(regex->mem, p.set, p.set_capacity * sizeof *p.set);
    th_arena_clear(&p.arena);
    return status;
}
