/*
** options.c - reads the command line: options anywhere before `--`, or before the first word where the rest is the
** program's. Everything misspelt is answered with what was probably meant.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: takes none */
    uint32_t flag;
    const char *help;
} option;

static const option all_options[] = {
    {"fuel", 0, "N", OPTION_FUEL, "stop after N instructions (1_000_000 may be written)"},
    {"memory", 0, "SIZE", OPTION_MEMORY, "fail when more memory is needed: bytes, or 64K, 64M, 2G"},
    {"timeout", 0, "SECONDS", OPTION_TIMEOUT, "fail after this much wall clock time: 1.5"},
    {"allow", 0, "LIST", OPTION_ALLOW, "what the program may use: fs, net, clock, none (default fs,clock)"},
    {"save", 0, "STATE", OPTION_SAVE, "when fuel runs out or Ctrl-C is pressed, write the suspended run there"},
    {"format", 0, "NAME", OPTION_FORMAT, "of tables: grid, csv, json, ndjson, markdown, arrow"},
    {"json", 0, NULL, OPTION_JSON, "print the value as JSON"},
    {"explain", 0, NULL, OPTION_EXPLAIN, "print the plan instead of running it"},
    {"language", 'l', "LANG", OPTION_LANGUAGE, "the language: theta or nix"},
    {"file", 'f', "FILE", OPTION_FILE, "read the expression from a file (- for standard input)"},
    {"output", 'o', "OUT", OPTION_OUTPUT, "the file to write"},
    {"parse-only", 0, NULL, OPTION_PARSE_ONLY, "check the syntax alone"},
    {"profile", 0, NULL, OPTION_PROFILE, "say afterwards where the time went"},
    {"trace", 0, NULL, OPTION_TRACE, "say which calls and loops are passed, as they are passed (slow)"},
    {"print-ast", 0, NULL, OPTION_PRINT_AST, "Nix: print the syntax tree, as nix-instantiate --parse does"},
    {"arg", 0, "NAME EXPR", OPTION_ARG, "Nix: an argument of functions that are called automatically"},
    {"argstr", 0, "NAME TEXT", OPTION_ARGSTR, "Nix: the same, a string"},
    {"attr", 'A', "PATH", OPTION_ATTR, "Nix: select an attribute or item: a.b.0 (several: print each)"},
    {"include", 'I', "PATH", OPTION_INCLUDE, "Nix: add to the search path, before NIX_PATH: DIR or NAME=PATH"},
    {"xml", 0, NULL, OPTION_XML, "Nix: print the value as XML"},
    {"no-location", 0, NULL, OPTION_NO_LOCATION, "Nix: XML without the places where things are written"},
    {"strict", 0, NULL, OPTION_STRICT, "Nix: evaluate all of the value before it is printed (the default)"},
    {"lazy", 0, NULL, OPTION_LAZY, "Nix: print as <CODE> what is not evaluated"},
    {"raw", 0, NULL, OPTION_RAW, "Nix: print the value as builtins.toString gives it, without a newline"},
    {"show-trace", 0, NULL, OPTION_SHOW_TRACE, "Nix: say with an error what was being evaluated"},
    {"pure", 0, NULL, OPTION_PURE, "Nix: no clock, environment, system or search path, no files outside of it"},
    {"restrict-eval", 0, NULL, OPTION_RESTRICT, "Nix: read no files outside the search path"},
    {"color", 0, "WHEN", OPTION_COLOR, "auto, always or never"},
    {"help", 'h', NULL, OPTION_HELP, "this text"},
};
#define NOPTIONS (sizeof all_options / sizeof *all_options)

/* ---- What was meant ----------------------------------------------------------------------------------------- */

#define LONGEST 32

/* Edits (insert, delete, replace, swap of neighbours) that lead from a to b; LONGEST when either is too long. */
static size_t distance(const char *a, const char *b) {
    size_t m = strlen(a), n = strlen(b), d[LONGEST + 1][LONGEST + 1];
    if (m >= LONGEST || n >= LONGEST) return LONGEST;
    for (size_t i = 0; i <= m; i++) d[i][0] = i;
    for (size_t j = 0; j <= n; j++) d[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        for (size_t j = 1; j <= n; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[m][n];
}

const char *suggest(const char *wanted, const char *(*next)(const void *user, size_t i), const void *user) {
    const char *best = NULL, *candidate;
    size_t len = strlen(wanted), least = len > 3 ? len / 3 + 1 : 2;
    for (size_t i = 0; (candidate = next(user, i)) != NULL; i++) {
        size_t edits = distance(wanted, candidate);
        if (len >= 3 && strncmp(wanted, candidate, len) == 0) edits = 1; /* cut short */
        if (edits < least) least = edits, best = candidate;
    }
    return best;
}

static const char *nth_option(const void *user, size_t i) {
    const command *c = user;
    for (size_t k = 0; k < NOPTIONS; k++)
        if ((c->options & all_options[k].flag) && i-- == 0) return all_options[k].name;
    return NULL;
}

static bool unknown_option(const command *c, const char *word) {
    char name[LONGEST];
    snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = 0;
    const char *meant = suggest(name, nth_option, c);
    if (meant)
        complain("%s: there is no option %s; did you mean --%s?", c->name, word, meant);
    else
        complain("%s: there is no option %s; see theta %s --help", c->name, word, c->name);
    return false;
}

/* ---- Values of options -------------------------------------------------------------------------------------- */

static bool bad_value(const option *spec, const char *value, const char *wanted) {
    complain("--%s %s: %s", spec->name, value, wanted);
    return false;
}

/* Digits, `_` between them. False: no such number, or more than `max`. */
static bool read_count(const char **text, uint64_t max, uint64_t *out) {
    uint64_t n = 0;
    const char *p = *text;
    if (!isdigit((unsigned char)*p)) return false;
    for (; isdigit((unsigned char)*p) || (*p == '_' && isdigit((unsigned char)p[1])); p++) {
        if (*p == '_') continue;
        uint64_t digit = (uint64_t)(*p - '0');
        if (n > (max - digit) / 10) return false;
        n = n * 10 + digit;
    }
    *text = p;
    *out = n;
    return true;
}

static bool read_fuel(options *o, const option *spec, const char *value) {
    const char *p = value;
    uint64_t n;
    if (!read_count(&p, INT64_MAX / 2, &n) || *p) return bad_value(spec, value, "wanted a number of instructions");
    o->fuel = (int64_t)n;
    return true;
}

static bool read_size(options *o, const option *spec, const char *value) {
    static const char units[] = "KMGT";
    const char *p = value;
    uint64_t n;
    if (!read_count(&p, (uint64_t)1 << 60, &n)) return bad_value(spec, value, "wanted a size such as 65536, 64M or 2G");
    const char *unit = *p ? strchr(units, toupper((unsigned char)*p)) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit) p++;
    if (strcasecmp(p, "b") == 0 || (unit && strcasecmp(p, "ib") == 0)) p = "";
    if (*p || n == 0 || n > (SIZE_MAX >> 1) >> shift)
        return bad_value(spec, value, "wanted a size such as 65536, 64M or 2G");
    o->memory_bytes = (size_t)n << shift;
    return true;
}

static bool read_seconds(options *o, const option *spec, const char *value) {
    char *end;
    double s = isdigit((unsigned char)*value) || *value == '.' ? strtod(value, &end) : NAN;
    if (!(s > 0) || s > 1e9) return bad_value(spec, value, "wanted seconds, more than 0: 1.5");
    if (strcmp(end, "ms") == 0)
        s /= 1000;
    else if (*end && strcmp(end, "s") != 0)
        return bad_value(spec, value, "wanted seconds, such as 1.5");
    o->timeout_s = s;
    return true;
}

static const char *nth_capability(const void *user, size_t i) {
    static const char *const names[] = {"fs", "net", "clock", "none"};
    (void)user;
    return i < 4 ? names[i] : NULL;
}

static bool read_allow(options *o, const option *spec, const char *value) {
    static const uint32_t flags[] = {THETA_ALLOW_FS, THETA_ALLOW_NET, THETA_ALLOW_CLOCK, 0};
    uint32_t allow = 0;
    for (const char *p = value;;) {
        size_t len = strcspn(p, ","), i = 0;
        const char *name;
        while ((name = nth_capability(NULL, i)) && !(strlen(name) == len && strncmp(name, p, len) == 0)) i++;
        if (!name) return bad_value(spec, value, "wanted a list of fs, net and clock, or none");
        allow |= flags[i];
        if (!p[len]) break;
        p += len + 1;
    }
    o->allow = allow;
    return true;
}

static const char *nth_format(const void *user, size_t i) {
    static const char *const names[] = {"grid", "csv", "json", "ndjson", "markdown", "arrow"};
    (void)user;
    return i < 6 ? names[i] : NULL;
}

static bool read_format(options *o, const option *spec, const char *value) {
    const char *name;
    for (size_t i = 0; (name = nth_format(NULL, i)) != NULL; i++)
        if (strcmp(name, value) == 0) o->format = name;
    if (o->format && strcmp(o->format, value) == 0) return true;
    return bad_value(spec, value, "wanted grid, csv, json, ndjson, markdown or arrow");
}

static bool read_color(options *o, const option *spec, const char *value) {
    if (strcmp(value, "always") == 0)
        o->color = true;
    else if (strcmp(value, "never") == 0)
        o->color = false;
    else if (strcmp(value, "auto") == 0)
        o->color = stderr_has_color();
    else
        return bad_value(spec, value, "wanted auto, always or never");
    return true;
}

static bool take_text(const char **field, const option *spec, const char *value) {
    if (!*value) return bad_value(spec, "''", "wanted a name");
    *field = value;
    return true;
}

/* One more of an option that may be given several times. */
static bool take_more(const char **list, size_t *n, const option *spec, const char *value) {
    if (*n == NIX_MANY) {
        complain("--%s is given more than %d times", spec->name, NIX_MANY);
        return false;
    }
    list[(*n)++] = value;
    return true;
}

static bool take_argument(options *o, const option *spec, const char *name, const char *text) {
    if (o->nix.nargs == NIX_MANY) {
        complain("--%s is given more than %d times", spec->name, NIX_MANY);
        return false;
    }
    o->given |= spec->flag;
    o->nix.args[o->nix.nargs++] = (nix_argument){name, text, spec->flag == OPTION_ARGSTR};
    return true;
}

static bool take(options *o, const option *spec, const char *value) {
    o->given |= spec->flag;
    switch (spec->flag) {
    case OPTION_FUEL: return read_fuel(o, spec, value);
    case OPTION_MEMORY: return read_size(o, spec, value);
    case OPTION_TIMEOUT: return read_seconds(o, spec, value);
    case OPTION_ALLOW: return read_allow(o, spec, value);
    case OPTION_FORMAT: return read_format(o, spec, value);
    case OPTION_COLOR: return read_color(o, spec, value);
    case OPTION_SAVE: return take_text(&o->save, spec, value);
    case OPTION_LANGUAGE: return take_text(&o->language, spec, value);
    case OPTION_OUTPUT: return take_text(&o->output, spec, value);
    case OPTION_FILE: return take_text(&o->file, spec, value);
    case OPTION_JSON: o->format = "json"; return true;
    case OPTION_ATTR: return take_more(o->nix.attrs, &o->nix.nattrs, spec, value);
    case OPTION_INCLUDE: return take_more(o->nix.includes, &o->nix.nincludes, spec, value);
    default: return true;
    }
}

/* ---- The line ----------------------------------------------------------------------------------------------- */

/* The option a word means; *value is what stands behind `=` or a letter, or NULL. */
static const option *find_option(const command *c, const char *word, const char **value) {
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    *value = is_long ? (name[len] ? name + len + 1 : NULL) : (name[1] ? name + 1 : NULL);
    for (size_t i = 0; i < NOPTIONS; i++) {
        const option *spec = &all_options[i];
        if (!(c->options & spec->flag)) continue;
        if (is_long ? strlen(spec->name) == len && strncmp(spec->name, name, len) == 0 : spec->letter == *name)
            return spec;
    }
    return NULL;
}

/* A lone `-` is standard input, and `-5` is a number. */
static bool is_option(const char *word) {
    return word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]) && word[1] != '.' && word[1] != ' ' &&
           word[1] != '(';
}

/* Takes the option at argv[*i]; moves over its value when that is the next word. */
static bool read_option(options *o, const command *c, int argc, char **argv, int *i) {
    const char *word = argv[*i], *value;
    const option *spec = find_option(c, word, &value);
    if (!spec) return unknown_option(c, word);
    if (!spec->argument && value) {
        complain("--%s takes no value", spec->name);
        return false;
    }
    if (spec->argument && !value) {
        if (*i + 1 >= argc) {
            complain("--%s wants %s: %s", spec->name, spec->argument, spec->help);
            return false;
        }
        value = argv[++*i];
    }
    if (spec->flag != OPTION_ARG && spec->flag != OPTION_ARGSTR) return take(o, spec, value);
    if (*i + 1 < argc) return take_argument(o, spec, value, argv[++*i]);
    complain("--%s %s wants two words: %s", spec->name, value, spec->argument);
    return false;
}

static bool check_words(const options *o, const command *c) {
    if (o->given & OPTION_HELP) return true;
    if (o->nwords >= c->min_words && o->nwords <= c->max_words) return true;
    if (o->nwords > c->max_words)
        complain("%s: '%s' is one argument too many", c->name, o->words[c->max_words]);
    else
        complain("%s: something is missing", c->name);
    fprintf(stderr, "usage: theta %s %s\n", c->name, c->usage);
    return false;
}

bool options_read(options *o, const command *c, int argc, char **argv, const char **words) {
    *o =
        (options){.fuel = -1, .allow = THETA_ALLOW_FS | THETA_ALLOW_CLOCK, .color = stderr_has_color(), .words = words};
    bool open = true;
    for (int i = 0; i < argc; i++) {
        if (open && strcmp(argv[i], "--") == 0) {
            open = false;
        } else if (open && is_option(argv[i])) {
            if (!read_option(o, c, argc, argv, &i)) return false;
        } else {
            words[o->nwords++] = argv[i];
            if (c->stops && !cli_nix_is_source(o, argv[i])) open = false;
        }
    }
    return check_words(o, c);
}

void options_help(const command *c) {
    put("\noptions:\n");
    for (size_t i = 0; i < NOPTIONS; i++) {
        const option *spec = &all_options[i];
        if (!(c->options & spec->flag)) continue;
        char left[64];
        const char *argument = spec->argument ? spec->argument : "";
        if (spec->letter)
            snprintf(left, sizeof left, "-%c, --%s %s", spec->letter, spec->name, argument);
        else
            snprintf(left, sizeof left, "--%s %s", spec->name, argument);
        putf("  %-24s %s\n", left, spec->help);
    }
}
