/*
** lines.c - lines from a person (libedit: editing, history, completion) or from a pipe.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#ifdef THETA_HAVE_LIBEDIT
#include <histedit.h>
#endif

#define HISTORY_ENTRIES 2000

struct lines {
    bool interactive, interrupted;
    line_names names;
    char *line; /* of getline */
    size_t capacity;
    const char *prompt;
#ifdef THETA_HAVE_LIBEDIT
    EditLine *edit;
    History *history;
    char *history_path; /* NULL: kept in memory alone */
    mbstate_t state;
#endif
};

/* ---- Plain reading ------------------------------------------------------------------------------------------ */

static line_result plain_next(lines *l, const char *prompt, const char **line, size_t *len) {
    if (l->interactive) {
        put(prompt);
        (void)out_direct(NULL, "", 0);
    }
    errno = 0;
    ssize_t n = getline(&l->line, &l->capacity, stdin);
    if (n < 0 && signals_seen()) {
        clearerr(stdin);
        return LINE_INTERRUPTED;
    }
    if (n < 0) return LINE_END;
    while (n > 0 && (l->line[n - 1] == '\n' || l->line[n - 1] == '\r')) n--;
    l->line[n] = 0;
    *line = l->line;
    *len = (size_t)n;
    return LINE_READ;
}

#ifdef THETA_HAVE_LIBEDIT

/* ---- History ------------------------------------------------------------------------------------------------ */

static void make_folders(char *path) {
    for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = 0;
        (void)mkdir(path, 0700); /* most are there; what fails shows when the file is written */
        *p = '/';
    }
}

/* $THETA_HISTORY, or theta/history below $XDG_STATE_HOME or ~/.local/state. An empty $THETA_HISTORY: no file. */
static char *history_path(void) {
    const char *given = getenv("THETA_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (given) return *given ? strdup(given) : NULL;
    const char *base = state && *state ? state : home;
    const char *below = state && *state ? "/theta/history" : "/.local/state/theta/history";
    if (!base || !*base) return NULL;
    size_t size = strlen(base) + strlen(below) + 1;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s", base, below);
    return path;
}

static bool open_history(lines *l) {
    HistEvent event;
    l->history = history_init();
    if (!l->history) return false;
    history(l->history, &event, H_SETSIZE, HISTORY_ENTRIES);
    history(l->history, &event, H_SETUNIQUE, 1);
    l->history_path = history_path();
    if (l->history_path) history(l->history, &event, H_LOAD, l->history_path);
    return true;
}

static void save_history(lines *l) {
    HistEvent event;
    if (!l->history_path) return;
    make_folders(l->history_path);
    history(l->history, &event, H_SAVE, l->history_path);
}

/* ---- Completion --------------------------------------------------------------------------------------------- */

#define MAX_NAMES 200

typedef struct found {
    char *names[MAX_NAMES];
    size_t count;
} found;

static void take_name(void *to, const char *name) {
    found *f = to;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->names[i], name) == 0) return;
    if (f->count < MAX_NAMES && (f->names[f->count] = strdup(name)) != NULL) f->count++;
}

static size_t common_start(const found *f) {
    size_t len = f->count ? strlen(f->names[0]) : 0;
    for (size_t i = 1; i < f->count; i++) {
        size_t k = 0;
        while (k < len && f->names[i][k] == f->names[0][k]) k++;
        len = k;
    }
    return len;
}

static bool is_name_byte(const lines *l, char c) {
    if (c && l->names.also && strchr(l->names.also, c)) return true;
    return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c & 0x80);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void show_names(found *f) {
    qsort(f->names, f->count, sizeof *f->names, by_name);
    put("\n");
    for (size_t i = 0; i < f->count; i++) putf("%s%s", i ? "  " : "", f->names[i]);
    put("\n");
    (void)out_direct(NULL, "", 0);
}

static unsigned char complete(EditLine *edit, int key) {
    (void)key;
    lines *l;
    el_get(edit, EL_CLIENTDATA, &l);
    const LineInfo *info = el_line(edit);
    const char *start = info->cursor;
    while (start > info->buffer && is_name_byte(l, start[-1])) start--;
    size_t len = (size_t)(info->cursor - start);
    char *prefix = strndup(start, len);
    if (!prefix || len == 0) {
        free(prefix);
        return len == 0 && el_insertstr(edit, "    ") == 0 ? CC_REFRESH : CC_ERROR;
    }
    found f = {.count = 0};
    l->names.each(l->names.user, prefix, take_name, &f);
    size_t common = common_start(&f);
    unsigned char result = CC_ERROR;
    if (common > len) {
        f.names[0][common] = 0; /* shared by all: the list is not shown */
        result = el_insertstr(edit, f.names[0] + len) == 0 ? CC_REFRESH : CC_ERROR;
    } else if (f.count > 1) {
        show_names(&f);
        result = CC_REDISPLAY;
    }
    for (size_t i = 0; i < f.count; i++) free(f.names[i]);
    free(prefix);
    return result;
}

/* ---- Editing ------------------------------------------------------------------------------------------------ */

static char *show_prompt(EditLine *edit) {
    lines *l;
    el_get(edit, EL_CLIENTDATA, &l);
    return (char *)(uintptr_t)l->prompt;
}

/* One character. A signal ends the line, which libedit's own reading does not tell. */
static int read_char(EditLine *edit, wchar_t *out) {
    lines *l;
    el_get(edit, EL_CLIENTDATA, &l);
    for (;;) {
        char byte;
        if (signals_seen()) {
            l->interrupted = true;
            return -1;
        }
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return (int)n;
        if (byte == 0) continue; /* a Ctrl-D typed while nothing was read arrives so */
        size_t used = mbrtowc(out, &byte, 1, &l->state);
        if (used == (size_t)-2) continue;
        if (used == (size_t)-1) {
            memset(&l->state, 0, sizeof l->state);
            continue;
        }
        return 1;
    }
}

static bool open_editor(lines *l) {
    l->edit = el_init("theta", stdin, stdout, stderr);
    if (!l->edit) return false;
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, show_prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_SIGNAL, 0);
    el_set(l->edit, EL_GETCFN, read_char);
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_ADDFN, "theta-complete", "complete a name", complete);
    el_set(l->edit, EL_BIND, "^I", "theta-complete", NULL);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(l->edit, NULL); /* ~/.editrc has the last word */
    return true;
}

static line_result edited_next(lines *l, const char *prompt, const char **line, size_t *len) {
    int count = 0;
    l->prompt = prompt;
    l->interrupted = false;
    const char *text = el_gets(l->edit, &count);
    if (l->interrupted) {
        el_reset(l->edit);
        return LINE_INTERRUPTED;
    }
    if (!text || count <= 0) return LINE_END;
    while (count > 0 && (text[count - 1] == '\n' || text[count - 1] == '\r')) count--;
    *line = text;
    *len = (size_t)count;
    return LINE_READ;
}

#endif

/* ---- Both --------------------------------------------------------------------------------------------------- */

lines *lines_new(bool interactive, line_names names) {
    lines *l = calloc(1, sizeof *l);
    if (!l) {
        complain("out of memory");
        return NULL;
    }
    l->interactive = interactive;
    l->names = names;
#ifdef THETA_HAVE_LIBEDIT
    setlocale(LC_CTYPE, ""); /* of what is typed; numbers stay as they are */
    if (interactive && (!open_history(l) || !open_editor(l))) {
        complain("line editing cannot be set up");
        lines_free(l);
        return NULL;
    }
#endif
    return l;
}

void lines_free(lines *l) {
    if (!l) return;
#ifdef THETA_HAVE_LIBEDIT
    if (l->edit) el_end(l->edit);
    if (l->history) history_end(l->history);
    free(l->history_path);
#endif
    free(l->line);
    free(l);
}

line_result lines_next(lines *l, const char *prompt, const char **line, size_t *len) {
#ifdef THETA_HAVE_LIBEDIT
    if (l->edit) return edited_next(l, prompt, line, len);
#endif
    return plain_next(l, prompt, line, len);
}

void lines_remember(lines *l, const char *input) {
#ifdef THETA_HAVE_LIBEDIT
    HistEvent event;
    if (!l->history) return;
    history(l->history, &event, H_ENTER, input);
    save_history(l);
#else
    (void)l, (void)input;
#endif
}
