#include "support/folder.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder;

const char *folder_make(const Comm *comm)
{
    if (comm->rank == 0) {
        const char *base = getenv("TMPDIR");
        char name[512];
        snprintf(name, sizeof name, "%s/temper-test-XXXXXX", base ? base : "/tmp");
        CHECK(mkdtemp(name), "cannot make %s", name);
        folder = mem_copy_text(name);
    }
    comm_broadcast_text(comm, &folder, 0);
    return folder;
}

const char *folder_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/// Calls `visit` (or only counts) on the entries whose name contains `part`.
static int each(const char *part, int (*visit)(const char *))
{
    DIR *stream = opendir(folder);
    int count = 0;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.' || !strstr(entry->d_name, part)) continue;
        count++;
        if (visit) visit(folder_path(entry->d_name));
    }
    if (stream) closedir(stream);
    return count;
}

int folder_count(const char *part)
{
    return each(part, NULL);
}

void folder_remove(const Comm *comm)
{
    comm_barrier(comm);
    if (comm->rank == 0) {
        each("", remove);
        rmdir(folder);
    }
    mem_free(folder);
    folder = NULL;
}
