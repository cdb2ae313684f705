#include "base/memory_left.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/// A version of control groups: how its mounts are told, and a group's files.
typedef struct {
    const char *type, *controller; ///< of the mount; "": it has all controllers
    const char *limit, *used;
    const char *cache[2]; ///< lines of memory.stat
} Version;
static const Version versions[] = {
    { "cgroup2", "", "memory.max", "memory.current", { "inactive_file %lf", "active_file %lf" } },
    { "cgroup",
      "memory",
      "memory.limit_in_bytes",
      "memory.usage_in_bytes",
      { "total_inactive_file %lf", "total_active_file %lf" } },
};
/// Version 1 has no word for no limit: it is the largest number of whole pages.
static const double NO_LIMIT = 0x1p62;

/// The number of the first line of that format; 0 where there is none, or a word as "max".
static double read_number(const char *folder, const char *name, const char *format)
{
    char line[256];
    double number = 0;
    Text path = { 0 };
    text_printf(&path, "%s/%s", folder, name);
    FILE *file = fopen(path.data, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, format, &number) == 1) break;
    if (file) fclose(file);
    text_release(&path);
    return number;
}

static double lesser(double a, double b)
{
    return b > 0 && (a == 0 || b < a) ? b : a;
}

/// What the limit of one group leaves; 0 where it has none.
static double group_left(const Version *version, const char *folder)
{
    double limit = read_number(folder, version->limit, "%lf");
    if (limit <= 0 || limit >= NO_LIMIT) return 0;
    double used = read_number(folder, version->used, "%lf");
    for (int i = 0; i < 2; i++) used -= read_number(folder, "memory.stat", version->cache[i]);
    if (used < 0) used = 0; // the files are not of one moment
    return limit - used > 1 ? limit - used : 1;
}

/// True if one of the words between commas is that one.
static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
        if (!strncmp(at, word, length) && (!at[length] || at[length] == ',')) return true;
    return false;
}

/// The process's group of that version, from the root of its name space.
static bool find_group(char group[PATH_BYTES], const Version *version, const char *root)
{
    char *line = NULL; // getline's own
    size_t capacity = 0;
    bool found = false;
    Text path = { 0 };
    text_printf(&path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path.data, "re");
    while (file && !found && getline(&line, &capacity, file) > 0) {
        char *controllers = strchr(line, ':'), *at = controllers;
        if (at) at = strchr(at + 1, ':');
        if (!at) continue;
        *at++ = '\0';
        at[strcspn(at, "\n")] = '\0';
        bool same =
            *version->controller ? lists(controllers + 1, version->controller) : !controllers[1];
        found = same && snprintf(group, PATH_BYTES, "%s", at) < PATH_BYTES;
    }
    free(line);
    if (file) fclose(file);
    text_release(&path);
    return found;
}

/// The part of a group's path that lies below the mount of `top`; "" where the mount shows other
/// groups: what is known then is the mount's own limit.
static const char *below(const char *group, const char *top)
{
    size_t length = strcmp(top, "/") ? strlen(top) : 0;
    if (strstr(group, "/..")) return ""; // outside of the name space
    if (strncmp(group, top, length) || (group[length] && group[length] != '/')) return "";
    return group + length;
}

/// The least of what a group and those that it lies in leave, up to the mount.
static double branch_left(const Version *version, const char *mount, const char *group)
{
    double left = 0;
    Text path = { 0 };
    text_append(&path, mount);
    size_t top = path.length_bytes;
    text_append(&path, group);
    for (;;) {
        left = lesser(left, group_left(version, path.data));
        if (strlen(path.data) <= top) break;
        *strrchr(path.data + top, '/') = '\0';
    }
    text_release(&path);
    return left;
}

/// A line of mountinfo, if it is a mount of that version: the group at its top, and its folder.
static bool read_mount(char top[PATH_BYTES], char folder[PATH_BYTES], const Version *version,
                       const char *line)
{
    char type[16], options[256];
    const char *end = strstr(line, " - ");
    return end && sscanf(line, "%*s %*s %*s %4095s %4095s", top, folder) == 2 &&
           sscanf(end, " - %15s %*s %255s", type, options) == 2 && !strcmp(type, version->type) &&
           (!*version->controller || lists(options, version->controller));
}

static double version_left(const Version *version, const char *root)
{
    char *line = NULL; // getline's own
    size_t capacity = 0;
    double left = 0;
    Text path = { 0 };
    char(*texts)[PATH_BYTES] = mem_new(3, sizeof *texts);
    text_printf(&path, "%s/proc/self/mountinfo", root);
    FILE *file = find_group(texts[0], version, root) ? fopen(path.data, "re") : NULL;
    while (file && getline(&line, &capacity, file) > 0) {
        if (!read_mount(texts[1], texts[2], version, line)) continue;
        text_clear(&path);
        text_printf(&path, "%s%s", root, texts[2]);
        left = lesser(left, branch_left(version, path.data, below(texts[0], texts[1])));
    }
    free(line);
    if (file) fclose(file);
    mem_free(texts);
    text_release(&path);
    return left;
}

static double groups_left(const char *root)
{
    double left = 0;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        left = lesser(left, version_left(&versions[i], root));
    return left;
}

double memory_left_below(const char *root, double wanted_bytes)
{
    enum { LOOKS = 12, PAUSE_US = 250000 };
    double node = 1024 * read_number(root, "proc/meminfo", "MemAvailable: %lf");
    double groups = groups_left(root);
    bool may_do = node == 0 || node >= wanted_bytes;
    for (int i = 0; i < LOOKS && may_do && groups > 0 && groups < wanted_bytes; i++) {
        usleep(PAUSE_US);
        groups = groups_left(root);
    }
    return lesser(node, groups);
}

double memory_left_for(double wanted_bytes)
{
    return fault_at("memory-none") ? 1 : memory_left_below("", wanted_bytes);
}

double memory_left_bytes(void)
{
    return memory_left_for(0);
}
