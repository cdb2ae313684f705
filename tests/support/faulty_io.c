// A library to preload: system calls on files below checkpoints/ behave as disks and networks may.
// FAULTY_IO=short: writes take half of the bytes. interrupted: every other call ends with EINTR.
// CALL:ERROR:N: the N-th call of `write` (all forms), `reserve`, `sync` or `folder` (the sync of
// the folder itself) fails with that number, and all of that kind after it where N is negative.
// FAULTY_IO=leak: every sync loses 64 KiB and a file descriptor.
// FAULTY_CLOCK=S: time() is S seconds ahead.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool is_folder(int file)
{
    struct stat info;
    return !fstat(file, &info) && S_ISDIR(info.st_mode);
}

/// A file of the folder, or the folder itself.
static bool is_checkpoint(int file)
{
    char self[64], path[4096];
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    ssize_t length = readlink(self, path, sizeof path - 2);
    if (length < 0) return false;
    strcpy(path + length, is_folder(file) ? "/" : "");
    return strstr(path, "/checkpoints/") != NULL;
}

/// True if this call must fail: errno is set.
static bool fails(const char *call, int file)
{
    static int calls, matches;
    const char *wanted = getenv("FAULTY_IO");
    char kind[32] = "";
    int number = 0, nth = 1;
    if (!wanted || !is_checkpoint(file)) return false;
    if (!strcmp(wanted, "interrupted")) {
        errno = EINTR;
        return calls++ % 2 == 0;
    }
    if (sscanf(wanted, "%31[a-z]:%d:%d", kind, &number, &nth) < 2 || strcmp(kind, call))
        return false;
    errno = number;
    matches++;
    return nth < 0 ? matches >= -nth : matches == nth;
}

static size_t taken(int file, size_t bytes)
{
    const char *wanted = getenv("FAULTY_IO");
    bool is_short = wanted && !strcmp(wanted, "short") && bytes > 1 && is_checkpoint(file);
    return is_short ? bytes / 2 : bytes;
}

ssize_t write(int file, const void *data, size_t bytes)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "write");
    return fails("write", file) ? -1 : real(file, data, taken(file, bytes));
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    return fails("write", file) ? -1 : real(file, data, taken(file, bytes), offset);
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off_t offset)
{
    return pwrite(file, data, bytes, offset);
}

ssize_t pread(int file, void *data, size_t bytes, off_t offset)
{
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pread");
    return fails("read", file) ? -1 : real(file, data, taken(file, bytes), offset);
}

ssize_t pread64(int file, void *data, size_t bytes, off_t offset)
{
    return pread(file, data, bytes, offset);
}

int fallocate(int file, int mode, off_t offset, off_t bytes)
{
    static int (*real)(int, int, off_t, off_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fallocate");
    return fails("reserve", file) ? -1 : real(file, mode, offset, bytes);
}

int fallocate64(int file, int mode, off_t offset, off_t bytes)
{
    return fallocate(file, mode, offset, bytes);
}

/// The compiler may not see that nobody needs it.
static void *volatile lost;

static void leak(int file)
{
    enum { LOST_BYTES = 1 << 16 };
    const char *wanted = getenv("FAULTY_IO");
    if (!wanted || strcmp(wanted, "leak") || !is_checkpoint(file)) return;
    lost = malloc(LOST_BYTES);
    if (lost) memset(lost, 1, LOST_BYTES);
    if (dup(file) < 0) abort();
}

int fsync(int file)
{
    static int (*real)(int);
    leak(file);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return fails(is_folder(file) ? "folder" : "sync", file) ? -1 : real(file);
}

time_t time(time_t *out)
{
    const char *ahead = getenv("FAULTY_CLOCK");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ahead) now.tv_sec += atol(ahead);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
