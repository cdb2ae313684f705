#include "base/partial.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { RANDOM = 8 };
static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; // of 5 bits

static void append_random(Text *out)
{
    uint8_t bytes[RANDOM];
    ssize_t got;
    do got = getrandom(bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    CHECK(got == RANDOM, "no random bytes: %s", strerror(errno));
    for (int i = 0; i < RANDOM; i++) text_append_bytes(out, &letters[bytes[i] % 32], 1);
}

/// A number of where this process's pid means something: this boot of a machine, this namespace.
static uint32_t pid_space(void)
{
    char text[128] = "";
    size_t bytes = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) bytes = fread(text, 1, 64, file);
    if (file) fclose(file);
    ssize_t more = readlink("/proc/self/ns/pid", text + bytes, sizeof text - bytes);
    return crc32c(0, text, bytes + (more > 0 ? (size_t)more : 0));
}

/// TARGET.partial-SPACE-
static void append_stem(Text *out, const char *target)
{
    text_printf(out, "%s.partial-%08x-", target, pid_space());
}

/// Of a name that begins with the stem: its process has died.
static bool is_left(const char *name, size_t stem_length)
{
    char *end;
    long process = strtol(name + stem_length, &end, 10);
    bool is_ours = process > 0 && *end == '-' && strspn(end + 1, letters) == RANDOM &&
                   strlen(end + 1) == RANDOM;
    return is_ours && kill((pid_t)process, 0) && errno == ESRCH;
}

static void remove_leftovers(const char *target)
{
    Text stem = { 0 }, path = { 0 };
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    text_append_bytes(&path, target, (size_t)(name - target));
    append_stem(&stem, name);
    DIR *folder = opendir(slash ? path.data : ".");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strncmp(entry->d_name, stem.data, stem.length_bytes)) continue;
        if (is_left(entry->d_name, stem.length_bytes)) unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder) closedir(folder);
    text_release(&path);
    text_release(&stem);
}

Status partial_create(int *out, char **path, const char *target)
{
    Text name = { 0 };
    remove_leftovers(target);
    append_stem(&name, target);
    text_printf(&name, "%d-", (int)getpid());
    append_random(&name);
    *path = NULL;
    *out = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*out >= 0) {
        *path = name.data;
        return OK;
    }
    text_release(&name);
    return status_fail(FAILED, "%s: cannot be written: %s", target, strerror(errno));
}
