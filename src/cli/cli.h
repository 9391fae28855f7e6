/*
** cli.h - what the files of the command share: options, output, signals, jobs.
** The command uses theta.h alone: what it can do, an embedder can.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_CLI_H
#define TH_CLI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "theta.h"

/* ---- Exit statuses (docs/theta.1 lists them) ---------------------------------------------------------------- */

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_SUSPENDED = 3, STATUS_SIGNAL = 128 };

/* ---- Options (options.c) ------------------------------------------------------------------------------------ */

enum {
    OPTION_FUEL = 1 << 0,
    OPTION_MEMORY = 1 << 1,
    OPTION_TIMEOUT = 1 << 2,
    OPTION_ALLOW = 1 << 3,
    OPTION_FORMAT = 1 << 4,
    OPTION_JSON = 1 << 5,
    OPTION_PROFILE = 1 << 6,
    OPTION_TRACE = 1 << 7,
    OPTION_COLOR = 1 << 8,
    OPTION_SAVE = 1 << 9,
    OPTION_LANGUAGE = 1 << 10,
    OPTION_OUTPUT = 1 << 11,
    OPTION_FILE = 1 << 12,
    OPTION_PARSE_ONLY = 1 << 13,
    OPTION_EXPLAIN = 1 << 14,
    OPTION_HELP = 1 << 15,
    /* of Nix */
    OPTION_ARG = 1 << 16,
    OPTION_ARGSTR = 1 << 17,
    OPTION_ATTR = 1 << 18,
    OPTION_INCLUDE = 1 << 19,
    OPTION_XML = 1 << 20,
    OPTION_NO_LOCATION = 1 << 21,
    OPTION_STRICT = 1 << 22,
    OPTION_LAZY = 1 << 23,
    OPTION_RAW = 1 << 24,
    OPTION_SHOW_TRACE = 1 << 25,
    OPTION_PURE = 1 << 26,
    OPTION_RESTRICT = 1 << 27,
    OPTION_PRINT_AST = 1 << 28,
    OPTIONS_OF_NIX = OPTION_ARG | OPTION_ARGSTR | OPTION_ATTR | OPTION_INCLUDE | OPTION_XML | OPTION_NO_LOCATION |
                     OPTION_STRICT | OPTION_LAZY | OPTION_RAW | OPTION_SHOW_TRACE | OPTION_PURE | OPTION_RESTRICT,
};

typedef struct nix_argument { /* --arg NAME EXPR, --argstr NAME TEXT; borrowed from argv */
    const char *name, *text;
    bool is_text;
} nix_argument;

enum { NIX_MANY = 64 }; /* the most of each option of Nix that may be given several times */
typedef struct nix_options {
    nix_argument args[NIX_MANY];
    const char *attrs[NIX_MANY], *includes[NIX_MANY];
    size_t nargs, nattrs, nincludes;
} nix_options;

typedef struct options {
    uint32_t given;       /* OPTION_ flags */
    int64_t fuel;         /* -1: unlimited */
    size_t memory_bytes;  /* 0: unlimited */
    double timeout_s;     /* 0: none */
    uint32_t allow;       /* THETA_ALLOW_ flags */
    const char *format;   /* NULL: by where the output goes */
    const char *save;     /* NULL: out of fuel is an error */
    const char *language; /* NULL: by the file's extension */
    const char *output;   /* NULL: not given */
    const char *file;     /* of eval -f */
    bool color;           /* of what goes to standard error */
    const char **words;   /* what is no option, in order; borrowed from argv */
    size_t nwords;
    nix_options nix;
} options;

typedef struct command {
    const char *name;
    const char *usage;   /* after "theta NAME" */
    const char *summary; /* one line */
    const char *help;    /* further lines, may be "" */
    uint32_t options;    /* OPTION_ flags it takes */
    size_t min_words, max_words;
    bool stops; /* options end at the first word: what follows belongs to the program */
    int (*run)(const options *o);
} command;

/* Reads the arguments after the command's name. `words` has room for all of them. False: told, usage status. */
bool options_read(options *o, const command *c, int argc, char **argv, const char **words);
void options_help(const command *c); /* the table of a command's options, to standard output */
/* The known name that a misspelt one was probably meant to be, or NULL. `next` gives candidates, NULL at the end. */
const char *suggest(const char *wanted, const char *(*next)(const void *user, size_t i), const void *user);

/* ---- The commands ------------------------------------------------------------------------------------------- */

int run_command(const options *o);
int resume_command(const options *o);
int eval_command(const options *o);
int query_command(const options *o);
int check_command(const options *o);
int build_command(const options *o);
int asm_command(const options *o);
int dis_command(const options *o);
int doc_command(const options *o);
int inspect_command(const options *o);
int repl_command(const options *o);
int store_command(const options *o);

/* ---- Nix (nix.c, nix_repl.c) -------------------------------------------------------------------------------- */

typedef struct job job;
/* Whether it is to be read as Nix: so it was said, or it is named so, or it is a folder with a default.nix. */
bool cli_nix_is_source(const options *o, const char *path);
int cli_nix_run(const options *o, const char *path); /* NULL: the expression in the first word */
bool cli_nix_is_program(const job *j);               /* a compiled one: main gives a dynamic value */
int cli_nix_run_program(job *j);                     /* which the machine has */
int cli_nix_repl(const options *o);
int cli_nix_print_ast(const options *o, const char *path);
/* Evaluates the file to a list of sets, and writes it as Arrow to a file without a name. Its descriptor; -1: told. */
int cli_nix_spool(const options *o, const char *path);
bool cli_nix_configure(job *j); /* the machine: search path and so on, from the options and the environment */
void cli_nix_show_trace(job *j, const theta_text *trace); /* with --show-trace */
bool cli_nix_args(job *j, theta_value *out);              /* the set of --arg and --argstr; kept */

/* ---- Output and files (output.c) ---------------------------------------------------------------------------- */

void complain(const char *format, ...) __attribute__((format(printf, 1, 2))); /* "theta: ..." on standard error */
/* Standard output. `put` is buffered, `out_direct` is not (what print writes comes buffered already); both have the
** form of a theta_write_fn. The first failure sticks. */
theta_status out_direct(void *user, const char *bytes, size_t len);
theta_status out_buffered(void *user, const char *bytes, size_t len);
void put(const char *text);
void putf(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool out_failed(void);
/* Flushes. A failed output makes a status of 0 a 1, and is told unless the reader has just gone away. */
int out_finish(int status);
size_t terminal_width(void); /* 0: standard output is no terminal */
bool stderr_has_color(void); /* a terminal, and NO_COLOR is not set */

/* Both tell what went wrong. `text` is freed with free. */
bool read_whole(const char *path, char **text, size_t *len);
bool read_quietly(const char *path, char **text, size_t *len);       /* on failure errno says why */
bool write_whole(const char *path, const void *bytes, size_t len);   /* replaces a file as one step */
bool has_extension(const char *path, const char *const *extensions); /* ends with NULL */

/* ---- Signals (signals.c) ------------------------------------------------------------------------------------ */

/* From here on SIGINT and SIGTERM cancel the machine's run (or suspend it: `suspend`), once; the next one kills. */
void signals_watch(theta_machine *machine, bool suspend);
void signals_ignore_pipe(void);
int signals_seen(void); /* the signal, or 0 */
void signals_forget(void);
void signals_sample(theta_machine *machine); /* interrupts a run each millisecond of processor time; NULL: no more */
bool signals_sampled(void);                  /* and forgets it */

/* ---- Jobs (job.c): an engine, a program, a machine, and how they end ---------------------------------------- */

typedef struct profile profile;

struct job {
    const options *o;
    const char *name; /* of the program, as the user gave it */
    theta_engine *engine;
    theta_program *program;
    theta_machine *machine;
    profile *profile; /* NULL: not asked for */
    char *source;     /* the text compiled, when the job read it; owned */
    size_t source_len;
    int64_t fuel_before;                                        /* used when the run began, or went on */
    double began;                                               /* clock_seconds then */
    void (*show_trace)(struct job *j, const theta_text *trace); /* NULL: as it is */
    /* The text of a source that neither the machine nor the file system has; NULL: there are none. */
    bool (*find_input)(struct job *j, const char *name, const char **text, size_t *len);
    void *user;
};

bool job_open(job *j, const options *o, const char *name); /* the engine */
bool job_machine(job *j, const char *const *args, size_t nargs);
void job_close(job *j);
/* Tells an error with its source line, and the trace of the machine's last failure. */
void job_error(job *j, const theta_error *err);
void job_diagnostics(job *j, theta_status status, theta_text *diagnostics, const theta_error *err); /* frees them */
bool job_compile_file(job *j, const char *path, bool expression);
bool job_compile_text(job *j, const char *name, const char *text, size_t len, bool expression);
/* Runs what was started to its end and prints the result; a table is computed by a run of its own, which can be suspended
** and saved like the one that gave it. The exit status. */
int job_run(job *j);
theta_state job_drive(job *j);          /* runs what was started, with --profile and --trace; no printing */
int job_fail(job *j, theta_error *err); /* how a failure is told and what it is worth as a status */
int job_print(job *j, theta_value value);

/* ---- Profile (profile.c) ------------------------------------------------------------------------------------ */

double clock_seconds(void);
profile *profile_new(void); /* NULL: no memory */
void profile_free(profile *p);
void profile_compiled(profile *p); /* compiling is over, running begins */
void profile_sample(profile *p, const theta_machine *machine);
void profile_report(profile *p, const theta_machine *machine); /* to standard error */

/* ---- Line editing (lines.c) --------------------------------------------------------------------------------- */

typedef struct lines lines;
typedef enum line_result { LINE_READ, LINE_END, LINE_INTERRUPTED } line_result;
typedef struct line_names { /* what completion asks */
    void (*each)(void *user, const char *prefix, void (*found)(void *to, const char *name), void *to);
    void *user;
    const char *also; /* bytes of names beyond letters, digits, _ and . ; NULL: none */
} line_names;
lines *lines_new(bool interactive, line_names names); /* NULL: told */
void lines_free(lines *l);
/* The next line without its end, borrowed until the next call. */
line_result lines_next(lines *l, const char *prompt, const char **line, size_t *len);
void lines_remember(lines *l, const char *input); /* one entry of the history */

#endif
