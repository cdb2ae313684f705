#include "cli/target.h"
#include "base/file.h"
#include "base/mem.h"
#include "report/html.h"
#include "store/tensors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static Status check_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_copy_text(slash ? path : ".");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    Status status = file_named(folder, FILE_FOLDER, "--output");
    mem_free(folder);
    return status;
}

static Status refuse(const char *path)
{
    return status_fail(USAGE,
                       "--output %s: is there, and is no sound file of temper's: remove it, or "
                       "choose another name",
                       path);
}

Status target_check(const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(check_folder(path));
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

Status target_check_page(const char *path)
{
    Status status = OK;
    TRY(check_folder(path));
    if (!access(path, F_OK) && !is_page(path)) status = refuse(path);
done:
    return status;
}
