/*
** faulty_io.c - write, read, fsync, close and rename, each as faulty_calls says; see faulty_io.h.
** Asks the kernel itself, so that it needs nothing of what it stands in for.
** SPDX-License-Identifier: Apache-2.0
*/
#include "faulty_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

faulty_io faulty_calls;

enum { FILES = 1024 };
static bool written[FILES]; /* by descriptor */
static bool turn;           /* of an interrupted call */

/* Whether the change that is about to be made fails. */
static bool change_fails(void) {
    if (!faulty_calls.on) return false;
    faulty_calls.changes++;
    if (!faulty_calls.fail_change || faulty_calls.changes < faulty_calls.fail_change) return false;
    errno = faulty_calls.error;
    return true;
}

static bool interrupts(void) {
    if (!faulty_calls.on || !faulty_calls.interrupted) return false;
    turn = !turn;
    if (turn) errno = EINTR;
    return turn;
}

static size_t shortened(size_t len) {
    return faulty_calls.on && faulty_calls.most && len > faulty_calls.most ? faulty_calls.most : len;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    if (fd != STDERR_FILENO) {
        if (interrupts() || change_fails()) return -1;
        if (fd >= 0 && fd < FILES) written[fd] = true;
        len = shortened(len);
    }
    return syscall(SYS_write, fd, bytes, len);
}

ssize_t read(int fd, void *bytes, size_t len) {
    if (interrupts()) return -1;
    if (faulty_calls.on && ++faulty_calls.reads >= faulty_calls.fail_read && faulty_calls.fail_read) {
        errno = faulty_calls.error;
        return -1;
    }
    return syscall(SYS_read, fd, bytes, shortened(len));
}

int fsync(int fd) { return change_fails() ? -1 : (int)syscall(SYS_fsync, fd); }

int rename(const char *from, const char *to) { return change_fails() ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to); }

/* A descriptor is gone, whatever its close says. */
int close(int fd) {
    bool change = fd >= 0 && fd < FILES && written[fd];
    if (change) written[fd] = false;
    int done = (int)syscall(SYS_close, fd);
    return change && change_fails() ? -1 : done;
}

/* FAULTY_IO='fail_change fail_read error most interrupted', as numbers. */
__attribute__((constructor)) static void obey(void) {
    const char *text = getenv("FAULTY_IO");
    int interrupted;
    if (!text) return;
    faulty_calls.on = sscanf(text, "%ld %ld %d %zu %d", &faulty_calls.fail_change, &faulty_calls.fail_read,
                             &faulty_calls.error, &faulty_calls.most, &interrupted) == 5;
    faulty_calls.interrupted = faulty_calls.on && interrupted;
}
