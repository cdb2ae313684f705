#include "cli/target.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/tensors.h"

#include <string.h>
#include <unistd.h>

Status target_check(const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    const char *slash = strrchr(path, '/');
    char *folder = mem_copy_text(slash ? path : ".");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    TRY(file_named(folder, FILE_FOLDER, "--output"));
    if (access(path, F_OK)) goto done;
    if (tensors_open_any(&file, path) != OK)
        status = status_fail(USAGE,
                             "--output %s: is there, and is no sound file of temper's: remove it, "
                             "or choose another name",
                             path);
done:
    tensors_close(file);
    mem_free(folder);
    return status;
}
