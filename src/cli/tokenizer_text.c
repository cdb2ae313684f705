#include "cli/tokenizer_text.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && !strcmp(path + length - tail, ending);
}

static Status read_folder(char **json, const char *folder)
{
    Text where = { 0 };
    Status status = tokenizer_json_from_folder(json, &where, folder, NULL, NULL);
    text_release(&where);
    return status;
}

static Status read_model(char **json, const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(tensors_open_any(&file, path));
    const char *text = tensors_text(file, "tokenizer", "");
    if (!*text) FAIL(FAILED, "%s: this file holds no tokenizer", path);
    *json = mem_copy_text(text);
done:
    tensors_close(file);
    return status;
}

Status tokenizer_text_read(char **json, const char *path)
{
    struct stat info;
    if (!stat(path, &info) && S_ISDIR(info.st_mode)) return read_folder(json, path);
    if (ends_with(path, ".json")) return text_read_file(json, NULL, path);
    return read_model(json, path);
}
