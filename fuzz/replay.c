/*
** replay.c - the main of a fuzz target in an ordinary build: runs it over files, and over every file in folders, named.
** Each input is handed over in a block of exactly its size, so that a sanitizer sees a read past its end. A folder
*without
** a file is an error: a corpus that got lost must not look like a corpus that passed.
** SPDX-License-Identifier: Apache-2.0
*/
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        perror(path);
        if (file) fclose(file);
        return -1;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        fclose(file);
        return -1;
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last line printed names the input that crashed */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* Number of files run, or -1. */
static int run_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        perror(path);
        return -1;
    }
    int total = 0;
    const struct dirent *entry;
    while (total >= 0 && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.') continue;
        size_t room = strlen(path) + strlen(entry->d_name) + 2;
        char *name = malloc(room);
        int n = -1;
        if (name) {
            snprintf(name, room, "%s/%s", path, entry->d_name);
            n = run_file(name);
        }
        free(name);
        total = n < 0 ? -1 : total + n;
    }
    closedir(folder);
    if (total == 0) fprintf(stderr, "%s: no file\n", path);
    return total > 0 ? total : -1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
        return 2;
    }
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        int n = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
        if (n < 0) return 1;
        total += n;
    }
    printf("%d inputs\n", total);
    return 0;
}
