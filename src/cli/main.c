/*
** main.c - the command `theta`: which commands there are, and what each says of itself.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMON = OPTION_COLOR | OPTION_HELP,
    LIMITS = OPTION_FUEL | OPTION_MEMORY | OPTION_TIMEOUT | OPTION_ALLOW,
    RUNS = COMMON | LIMITS | OPTION_FORMAT | OPTION_JSON | OPTION_PROFILE | OPTION_TRACE | OPTIONS_OF_NIX,
};

#define MANY SIZE_MAX

static const command commands[] = {
    {"run", "[OPTION...] FILE [ARG...]", "run a program",
     "FILE is source (.theta, .th), bytecode (.thb) or assembly (.tha); - is source on standard input.\n"
     "The value of main is printed unless it is void: strings without quotes, a table as a grid on a terminal and as\n"
     "CSV otherwise. What follows FILE is the program's: IO.args, and main's List<String> if it takes one.\n"
     "A Nix expression (.nix, a folder with a default.nix, -l nix) is evaluated and printed as `nix-instantiate "
     "--eval\n"
     "--strict` does; options may follow it. A function whose arguments all have defaults, or are given with --arg, "
     "is\n"
     "called.\n",
     RUNS | OPTION_SAVE | OPTION_LANGUAGE, 1, MANY, true, run_command},
    {"resume", "[OPTION...] STATE [ARG...]", "go on with a suspended run",
     "STATE was written by --save. --fuel gives further instructions; without it there is no limit.\n",
     (RUNS & ~(uint32_t)OPTIONS_OF_NIX) | OPTION_SAVE, 1, MANY, false, resume_command},
    {"eval", "[OPTION...] EXPR | -f FILE", "evaluate an expression and print its value",
     "Definitions may precede the expression.\n", RUNS | OPTION_SAVE | OPTION_LANGUAGE | OPTION_FILE, 0, 1, false,
     eval_command},
    {"query", "[OPTION...] 'PIPELINE'", "run a one-line dataflow over files",
     "A path in front of the first => is read by its extension (.csv, .tsv, .arrow); - is standard input.\n"
     "A .nix file is evaluated: a list of sets is a table of their attributes:\n"
     "  theta query 'trips.csv => group(city) => aggregate(rides: count()) => sort(desc(rides))'\n",
     RUNS | OPTION_SAVE | OPTION_EXPLAIN, 1, 1, false, query_command},
    {"check", "[OPTION...] FILE...", "parse, check the types and verify; run nothing", "",
     COMMON | OPTION_PARSE_ONLY | OPTION_PRINT_AST | OPTION_LANGUAGE, 1, MANY, false, check_command},
    {"build", "FILE [-o OUT.thb]", "compile a program to bytecode",
     "Without -o the output is beside FILE, with the extension .thb; -o - is standard output.\n",
     COMMON | OPTION_OUTPUT | OPTION_LANGUAGE, 1, 1, false, build_command},
    {"asm", "FILE.tha [-o OUT.thb]", "assemble bytecode from its text form", "", COMMON | OPTION_OUTPUT, 1, 1, false,
     asm_command},
    {"dis", "FILE [-o OUT.tha]", "print a program's bytecode in the form that asm reads",
     "FILE may be bytecode or source.\n", COMMON | OPTION_OUTPUT | OPTION_LANGUAGE, 1, 1, false, dis_command},
    {"repl", "[OPTION...] [FILE...]", "read, evaluate and print, line by line", ":help inside tells the rest.\n",
     COMMON | LIMITS | OPTION_FORMAT | OPTION_LANGUAGE | OPTIONS_OF_NIX, 0, MANY, false, repl_command},
    {"inspect", "FILE", "say what is in a .thb, .arrow or .state file", "", COMMON, 1, 1, false, inspect_command},
    {"doc", "[-o OUT.md]", "print the library's documentation as Markdown", "", COMMON | OPTION_OUTPUT, 0, 0, false,
     doc_command},
    {"store", "...", "the durable store (not in this build)", "", COMMON, 0, MANY, false, store_command},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

int store_command(const options *o) {
    (void)o;
    complain("store: the durable store is not in this build");
    return STATUS_USAGE;
}

static int print_help(void) {
    put("usage: theta COMMAND [OPTION...] ...\n\n");
    for (size_t i = 0; i < NCOMMANDS; i++) putf("  %-9s %s\n", commands[i].name, commands[i].summary);
    put("\n  theta COMMAND --help   more on one of them\n  theta --version        the version\n\n");
    put("exit status: 0 success, 1 the program failed, 2 the command was used wrongly, 3 the run was suspended and "
        "saved,\n"
        "128 and the signal's number when a signal stopped it\n");
    return STATUS_OK;
}

static int print_command_help(const command *c) {
    putf("usage: theta %s %s\n\n%s\n%s", c->name, c->usage, c->summary, c->help);
    options_help(c);
    return STATUS_OK;
}

static const char *nth_command(const void *user, size_t i) {
    (void)user;
    return i < NCOMMANDS ? commands[i].name : NULL;
}

static const command *find_command(const char *name) {
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const char *meant = suggest(name, nth_command, NULL);
    const char *dot = strrchr(name, '.');
    if (meant)
        complain("there is no command '%s'; did you mean '%s'?", name, meant);
    else if (dot && strchr(dot, 't'))
        complain("there is no command '%s'; did you mean 'theta run %s'?", name, name);
    else
        complain("there is no command '%s'; see theta --help", name);
    return STATUS_USAGE;
}

static int print_version(void) {
    int32_t v = theta_version();
    putf("theta %d.%d.%d\n", (int)(v / 1000000), (int)(v / 1000 % 1000), (int)(v % 1000));
    return STATUS_OK;
}

static int help_command(int argc, char **argv) {
    if (argc == 0) return print_help();
    const command *c = find_command(argv[0]);
    return c ? print_command_help(c) : unknown_command(argv[0]);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        complain("wanted a command; see theta --help");
        return STATUS_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) return print_version();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help_command(argc - 2, argv + 2);
    const command *c = find_command(name);
    if (!c) return unknown_command(name);
    const char **words = calloc((size_t)argc, sizeof *words);
    options o;
    int status = STATUS_USAGE;
    if (!words)
        complain("out of memory");
    else if (options_read(&o, c, argc - 2, argv + 2, words))
        status = o.given & OPTION_HELP ? print_command_help(c) : c->run(&o);
    free(words);
    return status;
}

int main(int argc, char **argv) {
    signals_ignore_pipe();
    return out_finish(dispatch(argc, argv));
}
