#include "train/prepare.h"
#include "base/hash.h"
#include "comm/agree.h"

#include <string.h>

/// Folder of `path`: "runs" for "runs/sms-spam", "." for "run".
static void append_parent(Text *out, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    while (length && path[length - 1] != '/') length--;
    while (length > 1 && path[length - 1] == '/') length--;
    text_append_bytes(out, length ? path : ".", length ? length : 1);
}

Status prepare_check_model(const Recipe *recipe, const Model *model)
{
    const DataOptions *data = &recipe->data;
    if (data->max_length > model->spec.max_position_embeddings)
        return status_fail(USAGE, "data.max_length %lld exceeds the %lld positions of the model",
                           (long long)data->max_length,
                           (long long)model->spec.max_position_embeddings);
    if (*data->text_pair && model->spec.type_vocab_size < 2)
        return status_fail(USAGE, "data.text_pair: the model knows no second text");
    return OK;
}

Status prepare_data(const Comm *comm, Dataset **data, Tokenizer **tokenizer, const Recipe *recipe,
                    const char *tokenizer_json)
{
    Status status = OK;
    Text folder = { 0 };
    char key[HASH_TEXT_BYTES];
    size_t bytes = strlen(tokenizer_json);
    Hash hash = hash_bytes(tokenizer_json, bytes);
    hash_text(key, &hash);
    append_parent(&folder, recipe->output.folder);
    TRY_ALL(comm, tokenizer_new(tokenizer, tokenizer_json, bytes, recipe->model.path));
    TRY(dataset_prepare(comm, data, &recipe->data, *tokenizer, key, text_chars(&folder)));
done:
    text_release(&folder);
    return status;
}
