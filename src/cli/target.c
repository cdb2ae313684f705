#include "cli/target.h"
#include "base/file.h"
#include "base/mem.h"
#include "report/html.h"
#include "store/tensors.h"
#include "train/run_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// The folder of a path, "." where it names none; owned by the caller.
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_copy_text(slash ? path : ".");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

static Status check_folder(const char *path)
{
    char *folder = folder_of(path);
    Status status = file_named(folder, FILE_FOLDER, "--output");
    mem_free(folder);
    return status;
}

/// Without links, whether the file itself is there or not; false where its folder is not.
static bool resolve(char out[PATH_MAX], const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, out)) return true;
    const char *slash = strrchr(path, '/');
    char *folder = folder_of(path);
    bool found = realpath(folder, real) &&
                 snprintf(out, PATH_MAX, "%s/%s", real, slash ? slash + 1 : path) < PATH_MAX;
    mem_free(folder);
    return found;
}

Status target_spares(const char *path, const char *input)
{
    char target[PATH_MAX], source[PATH_MAX];
    Status status = OK;
    char *run = NULL;
    if (!resolve(target, path)) goto done; // it cannot be written either
    run = run_of_file(target);
    if (run)
        FAIL(USAGE, "--output %s: is among the files of the run %s: choose a name elsewhere", path,
             run);
    if (realpath(input, source) && !strcmp(source, target))
        FAIL(USAGE, "--output %s: is %s itself: choose another name", path, input);
done:
    mem_free(run);
    return status;
}

static Status refuse(const char *path)
{
    return status_fail(USAGE,
                       "--output %s: is there, and is no sound file of temper's: remove it, or "
                       "choose another name",
                       path);
}

Status target_check(const char *path, const char *input)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(check_folder(path));
    TRY(target_spares(path, input));
    if (!access(path, F_OK) && tensors_open_any(&file, path) != OK) status = refuse(path);
done:
    tensors_close(file);
    return status;
}

static bool is_page(const char *path)
{
    size_t bytes = strlen(html_head);
    char *head = MEM_NEW(char, bytes);
    FILE *file = file_named(path, FILE_REGULAR, "") == OK ? fopen(path, "re") : NULL;
    bool same = file && fread(head, 1, bytes, file) == bytes && !memcmp(head, html_head, bytes);
    if (file) fclose(file);
    mem_free(head);
    return same;
}

Status target_check_page(const char *path, const char *input)
{
    Status status = OK;
    TRY(check_folder(path));
    TRY(target_spares(path, input));
    if (!access(path, F_OK) && !is_page(path)) status = refuse(path);
done:
    return status;
}
