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

Status prepare_model(const Comm *comm, Model **out, const Recipe *recipe)
{
    Status status = OK;
    const ModelOptions *options = &recipe->model;
    ModelSpec sizes = { .hidden_size = options->hidden_size,
                        .num_hidden_layers = options->num_hidden_layers,
                        .num_attention_heads = options->num_attention_heads,
                        .num_key_value_heads = options->num_key_value_heads,
                        .intermediate_size = options->intermediate_size };
    bool anew = !strcmp(options->init, "random");
    if (!anew && memcmp(&sizes, &(ModelSpec){ 0 }, sizeof sizes)) // agreed: by the recipe
        TRY_ALL(comm, status_fail(USAGE, "model sizes are for model.init random: a pretrained "
                                         "model has those of its weights"));
    if (anew) // agreed: by the recipe
        TRY(model_load_untrained(comm, out, options->path, options->task, &sizes));
    else
        TRY(model_load(comm, out, options->path, options->task));
done:
    return status;
}

Status prepare_check_model(const Recipe *recipe, const Model *model)
{
    const DataOptions *data = &recipe->data;
    int64_t positions = model_positions(&model->spec);
    if (data->max_length > positions)
        return status_fail(USAGE, "data.max_length %lld exceeds the %lld positions of the model",
                           (long long)data->max_length, (long long)positions);
    if (*data->text_pair && model->spec.type_vocab_size < 2)
        return status_fail(USAGE, "data.text_pair: the model knows no second text");
    return OK;
}

Status prepare_tokenizer(Tokenizer **out, const char *json, int64_t vocabulary, const char *path)
{
    Status status = OK;
    Tokenizer *tokenizer = NULL;
    TRY(tokenizer_new(&tokenizer, json, strlen(json), path));
    int64_t size = tokenizer_size(tokenizer);
    if (vocabulary && size > vocabulary)
        FAIL(FAILED, "%s: %lld tokens but the model has %lld: the tokenizer of another model", path,
             (long long)size, (long long)vocabulary);
    *out = tokenizer;
    tokenizer = NULL;
done:
    tokenizer_free(tokenizer);
    return status;
}

Status prepare_check_data(const Recipe *recipe, const Dataset *data)
{
    if (!recipe->train.early_stopping_patience) return OK;
    for (int64_t row = 0; row < data->rows; row++)
        if (data->splits[row] == SPLIT_VALIDATION) return OK;
    return status_fail(USAGE,
                       "train.early_stopping_patience: %s has no validation rows to evaluate: set "
                       "data.split.validation",
                       recipe->data.path);
}

Status prepare_data(const Comm *comm, Dataset **data, Tokenizer **tokenizer, const Recipe *recipe,
                    const char *tokenizer_json, int64_t vocabulary)
{
    Status status = OK;
    Text folder = { 0 };
    char key[HASH_TEXT_BYTES];
    Hash hash = hash_bytes(tokenizer_json, strlen(tokenizer_json));
    hash_text(key, &hash);
    append_parent(&folder, recipe->output.folder);
    TRY_ALL(comm, prepare_tokenizer(tokenizer, tokenizer_json, vocabulary, recipe->model.path));
    TRY(dataset_prepare(comm, data, &recipe->data, *tokenizer, key, text_chars(&folder)));
done:
    text_release(&folder);
    return status;
}
