/*
** output.c - standard output, standard error and whole files.
** Standard output is written with write(2), so that a closed pipe or a full disk is seen where it happens.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void complain(const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "theta: %s\n", text);
}

/* ---- Standard output ---------------------------------------------------------------------------------------- */

static struct {
    int error;
    size_t used;
    char bytes[1 << 16];
} out;

static bool write_fd(int fd, const char *bytes, size_t len, bool stoppable) {
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR && !(stoppable && signals_seen())) continue;
        if (n < 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool out_write(const char *bytes, size_t len) {
    if (out.error) return false;
    if (write_fd(STDOUT_FILENO, bytes, len, true)) return true;
    out.error = errno;
    return false;
}

static bool out_flush(void) {
    size_t n = out.used;
    out.used = 0;
    return out_write(out.bytes, n);
}

theta_status out_direct(void *user, const char *bytes, size_t len) {
    (void)user;
    if (out_flush() && out_write(bytes, len)) return THETA_OK;
    return out.error == EINTR ? THETA_E_CANCELLED : THETA_E_IO;
}

theta_status out_buffered(void *user, const char *bytes, size_t len) {
    if (len >= sizeof out.bytes) return out_direct(user, bytes, len);
    if (len > sizeof out.bytes - out.used && !out_flush()) return out_direct(user, "", 0);
    if (len) memcpy(out.bytes + out.used, bytes, len);
    out.used += len;
    return out.error ? out_direct(user, "", 0) : THETA_OK;
}

void put(const char *text) { (void)out_buffered(NULL, text, strlen(text)); }

void putf(const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(text);
}

bool out_failed(void) { return out.error != 0 && out.error != EINTR; }

int out_finish(int status) {
    (void)out_flush();
    if (!out_failed()) return status;
    if (out.error != EPIPE) complain("standard output: %s", strerror(out.error));
    return status == STATUS_OK ? STATUS_FAILED : status;
}

size_t terminal_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

bool stderr_has_color(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if ((no && *no) || (term && strcmp(term, "dumb") == 0)) return false;
    return isatty(STDERR_FILENO);
}

/* ---- Files -------------------------------------------------------------------------------------------------- */

static bool read_fd(int fd, char **text, size_t *len) {
    size_t capacity = 1 << 14, used = 0;
    char *bytes = malloc(capacity);
    while (bytes) {
        if (capacity - used < 2) {
            char *more = capacity > SIZE_MAX / 4 ? NULL : realloc(bytes, capacity * 2);
            if (!more) break;
            bytes = more;
            capacity *= 2;
        }
        ssize_t n = read(fd, bytes + used, capacity - used - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(bytes);
            return false;
        }
        if (n == 0) {
            bytes[used] = 0;
            *text = bytes;
            *len = used;
            return true;
        }
        used += (size_t)n;
    }
    free(bytes);
    errno = ENOMEM;
    return false;
}

bool read_quietly(const char *path, char **text, size_t *len) {
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && read_fd(fd, text, len);
    int error = errno;
    if (fd >= 0 && !standard) close(fd);
    errno = error;
    return done;
}

bool read_whole(const char *path, char **text, size_t *len) {
    bool done = read_quietly(path, text, len);
    if (!done) complain("cannot read '%s': %s", path, strerror(errno));
    return done;
}

/* Devices and pipes are written as they are; a file is written beside its place and moved there. */
static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

static bool write_to(const char *path, int flags, const void *bytes, size_t len) {
    int fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    bool done = write_fd(fd, bytes, len, false);
    int error = errno;
    if (close(fd) != 0 && done) return false;
    errno = error;
    return done;
}

static bool write_beside(const char *path, const void *bytes, size_t len) {
    size_t room = strlen(path) + 32;
    char *beside = malloc(room);
    if (!beside) {
        errno = ENOMEM;
        return false;
    }
    snprintf(beside, room, "%s.%ld.tmp", path, (long)getpid());
    bool done = write_to(beside, O_CREAT | O_EXCL, bytes, len) && rename(beside, path) == 0;
    int error = errno;
    if (!done) unlink(beside);
    free(beside);
    errno = error;
    return done;
}

bool write_whole(const char *path, const void *bytes, size_t len) {
    if (strcmp(path, "-") == 0) {
        (void)out_direct(NULL, bytes, len);
        return !out_failed();
    }
    bool done = is_special(path) ? write_to(path, 0, bytes, len) : write_beside(path, bytes, len);
    if (!done) complain("cannot write '%s': %s", path, strerror(errno));
    return done;
}

bool has_extension(const char *path, const char *const *extensions) {
    const char *dot = strrchr(path, '.');
    for (; dot && *extensions; extensions++)
        if (strcmp(dot + 1, *extensions) == 0) return true;
    return false;
}
