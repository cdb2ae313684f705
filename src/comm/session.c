#include "comm/session.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 8 };
static const char pattern[] = "XXXXXX";
static char folder[PATH_MAX]; ///< "": none
static int lock = -1;         ///< of the folder

static const char *parent(void)
{
    const char *given = getenv("TMPDIR");
    return given && *given ? given : "/tmp";
}

/// temper-session-HOST-: locks of other hosts are not seen everywhere.
static void name_stem(char *out, size_t bytes)
{
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    snprintf(out, bytes, "temper-session-%s-", host);
}

/// Opens a folder of this user and locks it; -1 where a process holds it, or it is none of ours.
/// *unlockable: the file system has no locks.
static int take(const char *path, bool *unlockable)
{
    struct stat info, now;
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *unlockable = false;
    if (handle < 0) return -1;
    bool mine = !fstat(handle, &info) && info.st_uid == geteuid();
    if (mine && flock(handle, LOCK_EX | LOCK_NB)) {
        *unlockable = errno != EWOULDBLOCK;
        mine = false;
    }
    // who was faster may have removed it before the lock was ours
    if (mine && !lstat(path, &now) && now.st_ino == info.st_ino && now.st_dev == info.st_dev)
        return handle;
    close(handle);
    return -1;
}

/// Nothing but what Open MPI puts there.
static bool is_of_mpi(const char *path)
{
    DIR *dir = opendir(path);
    bool is = dir != NULL;
    for (struct dirent *entry; is && (entry = readdir(dir));)
        is = *entry->d_name == '.' || !strncmp(entry->d_name, "ompi.", 5);
    if (dir) closedir(dir);
    return is;
}

static void remove_stale(const char *stem)
{
    DIR *dir = opendir(parent());
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[PATH_MAX];
        bool unlockable;
        size_t length = strlen(stem);
        bool is_name = !strncmp(entry->d_name, stem, length) &&
                       strlen(entry->d_name) == length + strlen(pattern);
        int bytes = snprintf(path, sizeof path, "%s/%s", parent(), entry->d_name);
        if (!is_name || bytes >= (int)sizeof path) continue;
        int handle = take(path, &unlockable);
        if (handle < 0) continue;
        if (is_of_mpi(path) && file_remove_folder(path) != OK) status_clear();
        close(handle);
    }
    if (dir) closedir(dir);
}

void session_start(void)
{
    char stem[96];
    name_stem(stem, sizeof stem);
    remove_stale(stem);
    for (int i = 0; i < ATTEMPTS && !*folder; i++) {
        bool unlockable;
        int bytes = snprintf(folder, sizeof folder, "%s/%s%s", parent(), stem, pattern);
        if (bytes >= (int)sizeof folder || !mkdtemp(folder)) break;
        lock = take(folder, &unlockable);
        if (lock >= 0 || unlockable) {
            setenv("OMPI_MCA_orte_tmpdir_base", folder, 0);
            return;
        }
        *folder = '\0'; // taken for stale, and gone
    }
    *folder = '\0';
}

void session_end(void)
{
    if (*folder) rmdir(folder);
    if (lock >= 0) close(lock);
    lock = -1;
    *folder = '\0';
}
