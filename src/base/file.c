#include "base/file.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    SLAB_BYTES = 256 << 20, ///< Linux moves less than 2 GiB a call
    RESERVED_BYTES = 16 << 20
};

/// Of a path that the user gave: there is nothing of the name, or the system refuses.
static Status code_of(int error)
{
    bool wrong = error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
    return wrong ? USAGE : FAILED;
}

Status file_named(const char *path, int kinds, const char *role)
{
    struct stat info;
    const char *space = *role ? " " : "";
    if (stat(path, &info))
        return status_fail(code_of(errno), "%s%s%s: %s", role, space, path, strerror(errno));
    int kind = S_ISREG(info.st_mode)   ? FILE_REGULAR
               : S_ISDIR(info.st_mode) ? FILE_FOLDER
                                       : FILE_STREAM;
    if (kind & kinds) return OK;
    return status_fail(USAGE, "%s%s%s: not a %s", role, space, path,
                       kinds & FILE_REGULAR ? "regular file" : "folder");
}

Status file_open(int *out, int64_t *bytes, const char *path)
{
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would wait for a writer
    *out = -1;
    if (file < 0) return status_fail(FAILED, "%s: %s", path, strerror(errno));
    if (fstat(file, &info) || !S_ISREG(info.st_mode)) {
        close(file);
        return status_fail(FAILED, "%s: not a regular file", path);
    }
    *out = file;
    *bytes = info.st_size;
    return OK;
}

Status file_append(int *out, const char *path)
{
    struct stat info;
    int file =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    *out = -1;
    if (file < 0 && errno == ELOOP)
        return status_fail(FAILED, "%s is a link, which is not written through: remove it", path);
    if (file < 0) return status_fail(FAILED, "%s: cannot be written: %s", path, strerror(errno));
    if (fstat(file, &info) || !S_ISREG(info.st_mode)) {
        close(file);
        return status_fail(FAILED, "%s: not a regular file", path);
    }
    *out = file;
    return OK;
}

Status file_read_at(void *out, size_t bytes, int file, int64_t offset_bytes, const char *path)
{
    for (size_t at = 0; at < bytes;) {
        size_t slab = bytes - at < SLAB_BYTES ? bytes - at : SLAB_BYTES;
        ssize_t got = pread(file, (char *)out + at, slab, offset_bytes + (int64_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return status_fail(FAILED, "%s: %s", path, strerror(errno));
        if (got == 0)
            return status_fail(FAILED, "%s: ends at byte %" PRId64 " but %zu more are needed", path,
                               offset_bytes + (int64_t)at, bytes - at);
        at += (size_t)got;
        pulse_progress();
    }
    return OK;
}

Status file_write_at(int file, int64_t offset_bytes, const void *data, size_t bytes,
                     const char *path)
{
    for (size_t at = 0; at < bytes;) {
        size_t slab = bytes - at < SLAB_BYTES ? bytes - at : SLAB_BYTES;
        ssize_t put = pwrite(file, (const char *)data + at, slab, offset_bytes + (int64_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return status_fail(FAILED, "%s: %s", path, strerror(errno));
        at += (size_t)put;
        pulse_progress();
    }
    return OK;
}

/// The folder of `path`, owned by the caller.
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return mem_copy_text(".");
    char *folder = mem_copy_text(path);
    folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

static Status has_room(int64_t bytes, const char *path)
{
    Status status = OK;
    struct statvfs disk;
    char *folder = folder_of(path);
    if (statvfs(folder, &disk)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    if ((double)disk.f_bavail * (double)disk.f_frsize < (double)bytes)
        FAIL(FAILED, "%s: %s: %.1f MB are needed but %.1f are free", path, strerror(ENOSPC),
             (double)bytes / 1e6, (double)disk.f_bavail * (double)disk.f_frsize / 1e6);
done:
    mem_free(folder);
    return status;
}

/// In memory, to reserve much takes as long as to write it, and a write says at once that there is
/// no room for it.
static bool is_slow_to_reserve(int file, int64_t bytes)
{
    struct statfs kind;
    return bytes > RESERVED_BYTES && !fstatfs(file, &kind) && kind.f_type == TMPFS_MAGIC;
}

Status file_reserve(int file, int64_t bytes, const char *path)
{
    if (fault_at("reserve-nothing")) return OK;
    if (is_slow_to_reserve(file, bytes)) return has_room(bytes, path);
    // not posix_fallocate: where the file system cannot, that writes to every block
    int failed = fault_at("reserve-unsupported");
    while (!failed && fallocate(file, 0, 0, bytes))
        if (errno != EINTR) failed = errno;
    if (failed == EOPNOTSUPP || failed == ENOSYS) return has_room(bytes, path);
    if (failed) return status_fail(FAILED, "%s: %s", path, strerror(failed));
    return OK;
}

Status file_sync(int file, const char *path)
{
    while (fsync(file))
        if (errno != EINTR) return status_fail(FAILED, "%s: %s", path, strerror(errno));
    return OK;
}

Status file_map(const void **out, int file, int64_t bytes, const char *path)
{
    void *map = MAP_FAILED;
    int failed = fault_at("map");
    if (!failed) map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED && !failed) failed = errno;
    *out = NULL;
    if (map == MAP_FAILED)
        return status_fail(FAILED,
                           "%s: its %" PRId64 " bytes cannot be mapped into memory: %s (ulimit -v "
                           "may limit it)",
                           path, bytes, strerror(failed));
    *out = map;
    return OK;
}

void file_unmap(const void *map, int64_t bytes)
{
    if (map) munmap((void *)map, (size_t)bytes);
}

Status file_make_folders(const char *folder)
{
    Status status = OK;
    struct stat info;
    char *path = mem_copy_text(folder);
    for (char *end = path; end && *end;) {
        end = strchr(end + 1, '/');
        if (end) *end = '\0';
        mkdir(path, 0777); // the last one tells
        if (end) *end = '/';
    }
    if ((mkdir(path, 0777) && errno != EEXIST) || stat(path, &info))
        FAIL(code_of(errno), "%s: cannot be made: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode)) FAIL(USAGE, "%s: not a folder", folder);
done:
    mem_free(path);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

Status file_remove_folder(const char *folder)
{
    if (!nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS)) return OK;
    return status_fail(FAILED, "%s: cannot be removed: %s", folder, strerror(errno));
}

Status file_sync_folder(const char *path)
{
    Status status = OK;
    char *folder = folder_of(path);
    int handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = handle < 0 ? errno : 0;
    while (!failed && fsync(handle))
        if (errno != EINTR) failed = errno;
    // some file systems do not sync folders; a rename is all they promise
    if (handle < 0 || (failed && failed != EINVAL && failed != EROFS))
        FAIL(FAILED, "%s: cannot be synced: %s", folder, strerror(failed));
done:
    if (handle >= 0) close(handle);
    mem_free(folder);
    return status;
}
