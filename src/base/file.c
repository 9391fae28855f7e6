/*
** file.c - writing files: all of some bytes, and files that are replaced as a whole, so that another program sees the old
** content or the new one.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int th_write_all(int fd, const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- Replacing ---------------------------------------------------------------------------------------------- */

static char *copy_of(th_mem *mem, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = th_mem_new(mem, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static void free_text(th_mem *mem, char *text) {
    if (text) th_mem_free(mem, text, strlen(text) + 1);
}

/* A new file beside the target, of a name that nobody has; the start of a long name is enough. 0, or errno. */
static int create_beside(th_replacement *r) {
    const char *slash = strrchr(r->target, '/');
    size_t folder = slash ? (size_t)(slash - r->target) + 1 : 0, room = folder + 160;
    char *name = th_mem_new(r->mem, room);
    int number = name ? EEXIST : ENOMEM;
    for (unsigned attempt = 0; number == EEXIST && attempt < 100; attempt++) {
        memcpy(name, r->target, folder);
        snprintf(name + folder, room - folder, ".%.100s.%lld.%u.tmp", r->target + folder,
                 (long long)th_clock_monotonic_ns(), attempt);
        r->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        number = r->fd < 0 ? errno : 0;
    }
    if (number == 0 && !(r->temporary = copy_of(r->mem, name))) {
        (void)unlink(name);
        number = ENOMEM;
    }
    if (name) th_mem_free(r->mem, name, room);
    return number;
}

/* Devices and pipes cannot be replaced; a link stays one. */
static int open_target(th_replacement *r, const char *path) {
    char resolved[PATH_MAX];
    struct stat old;
    bool there = stat(path, &old) == 0;
    if (there && !S_ISREG(old.st_mode)) {
        r->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return r->fd < 0 ? errno : 0;
    }
    r->target = copy_of(r->mem, there && realpath(path, resolved) ? resolved : path);
    int number = r->target ? create_beside(r) : ENOMEM;
    if (number == 0 && there) (void)fchmod(r->fd, old.st_mode & 07777); /* not allowed? the content counts more */
    return number;
}

int th_replacement_open(th_mem *mem, const char *path, th_replacement *out) {
    *out = (th_replacement){.mem = mem, .fd = -1};
    int number = *path ? open_target(out, path) : ENOENT;
    if (number) th_replacement_drop(out);
    return number;
}

int th_replacement_finish(th_replacement *r) {
    int number = r->temporary && fsync(r->fd) < 0 && errno != EINVAL ? errno : 0;
    int fd = r->fd;
    r->fd = -1;
    if (close(fd) < 0 && number == 0) number = errno;
    if (number == 0 && r->temporary && rename(r->temporary, r->target) < 0) number = errno;
    if (number == 0) { /* there is nothing to remove */
        free_text(r->mem, r->temporary);
        r->temporary = NULL;
    }
    th_replacement_drop(r);
    return number;
}

void th_replacement_drop(th_replacement *r) {
    if (r->fd >= 0) (void)close(r->fd);
    if (r->temporary) (void)unlink(r->temporary);
    free_text(r->mem, r->temporary);
    free_text(r->mem, r->target);
    *r = (th_replacement){.mem = r->mem, .fd = -1};
}
