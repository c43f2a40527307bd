/* LD_PRELOAD: writes down what a process writes to the files that begin with $POWERCUT_FILE, and when it was synced.
 *
 * Each record is {op, file, size, offset} and, of a write, its bytes; `file` is 0 for the database, 1 for its WAL, 2 for
 * its rollback journal. What is shared memory, and never outlives a power cut, is left out. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 4096
enum { WRITE = 1, TRUNCATE, SYNC, UNLINK };

struct record { uint32_t op, file; uint64_t size, offset; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kind[MOST_FILES]; /* 1 + `file`, 0 for others */
static int out = -1;

static int kind_of(const char *path) {
    const char *wanted = getenv("POWERCUT_FILE"), *rest;
    if (!wanted || !path || strncmp(path, wanted, strlen(wanted))) return 0;
    rest = path + strlen(wanted);
    return !*rest ? 1 : !strcmp(rest, "-wal") ? 2 : !strcmp(rest, "-journal") ? 3 : 0;
}

static void note(int op, int which, uint64_t offset, const void *bytes, uint64_t size) {
    struct record r = {op, which - 1, size, offset};
    struct iovec parts[2] = {{&r, sizeof r}, {(void *)bytes, bytes ? size : 0}};
    int before = errno;
    pthread_mutex_lock(&lock);
    if (out < 0) out = open(getenv("POWERCUT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (writev(out, parts, bytes ? 2 : 1) < 0) abort();
    pthread_mutex_unlock(&lock);
    errno = before;
}

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < MOST_FILES) kind[fd] = (char)kind_of(path);
    return fd;
}

static int tracked(int fd) { return fd >= 0 && fd < MOST_FILES ? kind[fd] : 0; }

#define REAL(called) \
    static __typeof__(called) *real; \
    if (!real) real = (__typeof__(called) *)dlsym(RTLD_NEXT, #called)
#define OPEN(called) \
    int called(const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        REAL(called); \
        return opened(real(path, flags, mode), path); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close);
    if (tracked(fd)) kind[fd] = 0;
    return real(fd);
}

#define PWRITE(called) \
    ssize_t called(int fd, const void *bytes, size_t size, off_t offset) { \
        REAL(called); \
        if (tracked(fd)) note(WRITE, tracked(fd), (uint64_t)offset, bytes, size); \
        return real(fd, bytes, size, offset); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATES(called) \
    int called(int fd, off_t size) { \
        REAL(called); \
        if (tracked(fd)) note(TRUNCATE, tracked(fd), (uint64_t)size, 0, 0); \
        return real(fd, size); \
    }
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define SYNCS(called) \
    int called(int fd) { \
        REAL(called); \
        int done = real(fd); \
        if (!done && tracked(fd)) note(SYNC, tracked(fd), 0, 0, 0); \
        return done; \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    REAL(unlink);
    if (kind_of(path)) note(UNLINK, kind_of(path), 0, 0, 0);
    return real(path);
}
