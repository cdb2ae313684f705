#include "cli/tokenizer_text.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    Status status = OK;
    TRY(file_named(path, FILE_REGULAR | FILE_FOLDER, ""));
    if (file_named(path, FILE_FOLDER, "") == OK)
        status = read_folder(json, path);
    else if (ends_with(path, ".json"))
        status = text_read_file(json, NULL, path);
    else
        status = read_model(json, path);
done:
    return status;
}
