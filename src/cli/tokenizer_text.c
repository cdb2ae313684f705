#include "cli/tokenizer_text.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/json.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

#include <string.h>
#include <unistd.h>

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && !strcmp(path + length - tail, ending);
}

static Status read_vocab(char **json, const char *vocab_path, const char *config_path)
{
    Status status = OK;
    char *vocab = NULL;
    size_t bytes;
    Json *config = NULL;
    TRY(text_read_file(&vocab, &bytes, vocab_path));
    if (!access(config_path, R_OK)) TRY(json_parse_file(&config, config_path));
    TRY(tokenizer_json_from_vocab(json, vocab, bytes, config, vocab_path));
done:
    json_free(config);
    mem_free(vocab);
    return status;
}

static Status read_folder(char **json, const char *folder)
{
    Status status = OK;
    Text whole = { 0 }, vocab = { 0 }, config = { 0 };
    text_printf(&whole, "%s/tokenizer.json", folder);
    text_printf(&vocab, "%s/vocab.txt", folder);
    text_printf(&config, "%s/tokenizer_config.json", folder);
    if (!access(whole.data, R_OK))
        TRY(text_read_file(json, NULL, whole.data));
    else if (!access(vocab.data, R_OK))
        TRY(read_vocab(json, vocab.data, config.data));
    else
        FAIL(FAILED, "%s: neither tokenizer.json nor vocab.txt is in this folder", folder);
done:
    text_release(&config);
    text_release(&vocab);
    text_release(&whole);
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
