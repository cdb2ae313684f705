#include "train/prepare.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/checkpoint_folder.h"

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

static Status explain_folder(const char *path)
{
    Text config = { 0 };
    char *checkpoint = NULL;
    Status status = OK;
    int length = (int)strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    text_printf(&config, "%s/config.json", path);
    if (file_named(config.data, FILE_REGULAR, "") == OK)
        status = status_fail(USAGE,
                             "model.path %s: a Hugging Face folder: make a model file of it, "
                             "'temper import %s -o %.*s.h5'",
                             path, path, length, path);
    else if (checkpoint_of_run(&checkpoint, path, false) == OK)
        status = status_fail(USAGE, "model.path %s: a run folder: give its checkpoint, %s", path,
                             checkpoint);
    else
        status = file_named(path, FILE_REGULAR, "model.path");
    mem_free(checkpoint);
    text_release(&config);
    return status;
}

Status prepare_find_model(const Recipe *recipe)
{
    const char *path = recipe->model.path;
    if (file_named(path, FILE_FOLDER, "") == OK) return explain_folder(path);
    return file_named(path, FILE_REGULAR, "model.path");
}

static ModelSpec sizes_of(const ModelOptions *options)
{
    return (ModelSpec){ .hidden_size = options->hidden_size,
                        .num_hidden_layers = options->num_hidden_layers,
                        .num_attention_heads = options->num_attention_heads,
                        .num_key_value_heads = options->num_key_value_heads,
                        .intermediate_size = options->intermediate_size };
}

/// Sizes are for models that start anew.
static Status check_sizes(const ModelOptions *options)
{
    ModelSpec sizes = sizes_of(options);
    if (!strcmp(options->init, "random") || !memcmp(&sizes, &(ModelSpec){ 0 }, sizeof sizes))
        return OK;
    return status_fail(USAGE, "model sizes are for model.init random: a pretrained model has those "
                              "of its weights");
}

typedef Status (*LoadModel)(const Comm *comm, Model **out, const char *path, const char *task);

COLLECTIVE
static Status prepare_by(LoadModel load, const Comm *comm, Model **out, const Recipe *recipe)
{
    Status status = OK;
    const ModelOptions *options = &recipe->model;
    if (!strcmp(options->init, "random")) // agreed: by the recipe
        return prepare_model_table(comm, out, recipe);
    TRY_ALL(comm, check_sizes(options));
    TRY_ROOT(comm, prepare_find_model(recipe));
    TRY(load(comm, out, options->path, options->task)); // agreed: both loaders are collective
done:
    return status;
}

Status prepare_model(const Comm *comm, Model **out, const Recipe *recipe)
{
    Status status = OK;
    TRY(prepare_by(model_load, comm, out, recipe));
    if (!(*out)->values) model_allocate_shared(*out, comm_replicas(comm)->node); // agreed: anew
done:
    return status;
}

Status prepare_model_open(const Comm *comm, Model **out, const Recipe *recipe)
{
    return prepare_by(model_open, comm, out, recipe);
}

Status prepare_model_table(const Comm *comm, Model **out, const Recipe *recipe)
{
    Status status = OK;
    const ModelOptions *options = &recipe->model;
    ModelSpec sizes = sizes_of(options);
    TRY_ALL(comm, check_sizes(options));
    TRY_ROOT(comm, prepare_find_model(recipe));
    TRY(model_load_untrained(comm, out, options->path, options->task, &sizes));
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

/// A column of texts that was taken for the labels has nearly as many labels as rows.
static void warn_of_labels(const Recipe *recipe, const Dataset *data)
{
    enum { MANY = 10 };
    int64_t *counts = dataset_label_counts(data), labels = data->label_count, once = 0;
    for (int64_t label = 0; label < labels; label++) {
        int64_t rows = 0;
        for (int split = 0; split < SPLIT_COUNT; split++) rows += counts[split * labels + label];
        once += rows == 1;
    }
    mem_free(counts);
    if (labels > MANY && 2 * once > labels)
        log_warn("%lld of %lld labels occur once: is data.label=%s the column of the label?",
                 (long long)once, (long long)labels, recipe->data.label);
}

Status prepare_check_data(const Recipe *recipe, const Dataset *data)
{
    const TrainOptions *train = &recipe->train;
    warn_of_labels(recipe, data);
    for (int64_t row = 0; row < data->rows; row++)
        if (data->splits[row] == SPLIT_VALIDATION) return OK;
    if (strcmp(train->metric_for_best_model, "loss"))
        log_warn("train.metric_for_best_model=%s decides nothing: %s has no validation rows; set "
                 "data.split.validation",
                 train->metric_for_best_model, recipe->data.path);
    if (!train->early_stopping_patience) return OK;
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
