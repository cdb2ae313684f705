#include "model/model.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "store/safetensors.h"
#include "token/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *folder;
    Model *model;
    Safetensors *weights;
    const SafetensorsInfo **sources; ///< (param_count): where each parameter comes from, or NULL
    Text hashes;                     ///< one line a file
    Text where;                      ///< path of the file being read
} Import;

static const char *path_of(Import *import, const char *name)
{
    text_clear(&import->where);
    text_printf(&import->where, "%s/%s", import->folder, name);
    return import->where.data;
}

static bool has_file(Import *import, const char *name)
{
    return access(path_of(import, name), F_OK) == 0;
}

static Status add_hash(Import *import, const char *path)
{
    Status status = OK;
    char hex[65];
    const char *slash = strrchr(path, '/');
    TRY(sha256_file(hex, path));
    text_printf(&import->hashes, "%s  %s\n", hex, slash ? slash + 1 : path);
done:
    return status;
}

static Status read_config(Import *import)
{
    Status status = OK;
    Json *config = NULL;
    if (!has_file(import, "config.json"))
        FAIL(FAILED,
             "%s: no config.json; a Hugging Face folder holds config.json, model.safetensors and "
             "tokenizer.json or vocab.txt",
             import->folder);
    TRY(json_parse_file(&config, import->where.data));
    TRY(model_new(&import->model, config, 0, import->where.data));
    TRY(add_hash(import, import->where.data));
done:
    json_free(config);
    return status;
}

static Status open_weights(Import *import)
{
    Status status = OK;
    if (!has_file(import, "model.safetensors") &&
        !has_file(import, "model.safetensors.index.json") && has_file(import, "pytorch_model.bin"))
        FAIL(FAILED,
             "%s: only pickled weights, which are not read; convert them with transformers: "
             "model.save_pretrained(folder, safe_serialization=True)",
             import->where.data);
    TRY(safetensors_open(&import->weights, import->folder));
    for (int i = 0; i < safetensors_file_count(import->weights); i++)
        TRY(add_hash(import, safetensors_file_path(import->weights, i)));
done:
    return status;
}

/// Replaces the end of `name` if it is `old`.
static void change_ending(char *name, size_t room, const char *old, const char *with)
{
    size_t length = strlen(name), cut = strlen(old);
    if (length < cut || strcmp(name + length - cut, old)) return;
    snprintf(name + length - cut, room - (length - cut), "%s", with);
}

/// The tensor of a parameter: with the architecture's prefix or without, by its name or the one
/// that old files gave to gains and biases of layer norms.
static const SafetensorsInfo *find_source(const Import *import, const char *name)
{
    const char *prefix = import->model->arch->prefix;
    const char *bare = strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
    const char *const names[] = { name, bare };
    for (int i = 0; i < 2; i++) {
        char old[sizeof import->model->params->name];
        snprintf(old, sizeof old, "%s", names[i]);
        change_ending(old, sizeof old, "LayerNorm.weight", "LayerNorm.gamma");
        change_ending(old, sizeof old, "LayerNorm.bias", "LayerNorm.beta");
        const SafetensorsInfo *info = safetensors_find(import->weights, names[i]);
        if (!info) info = safetensors_find(import->weights, old);
        if (info) return info;
    }
    return NULL;
}

/// Appends the first few of a list of names.
enum { NAMES_SHOWN = 8 };
static void add_name(Text *list, int *count, const char *name)
{
    if ((*count)++ < NAMES_SHOWN) text_printf(list, "%s%s", *count > 1 ? ", " : "", name);
}
static void end_names(Text *list, int count)
{
    if (count > NAMES_SHOWN) text_printf(list, " and %d more", count - NAMES_SHOWN);
}

static Status check_shape(const Import *import, const Param *param, const SafetensorsInfo *info)
{
    int64_t rows = info->rank == 2 ? info->dims[0] : 1;
    int64_t cols = info->rank ? info->dims[info->rank - 1] : 1;
    if (info->rank == param->rank && rows == param->rows && cols == param->cols) return OK;
    Text shape = { 0 };
    for (int d = 0; d < info->rank; d++)
        text_printf(&shape, "%s%lld", d ? ", " : "", (long long)info->dims[d]);
    Status status =
        param->rank == 2
            ? status_fail(FAILED, "%s: %s has the shape (%s), config.json wants (%lld, %lld)",
                          import->folder, info->name, text_chars(&shape), (long long)param->rows,
                          (long long)param->cols)
            : status_fail(FAILED, "%s: %s has the shape (%s), config.json wants (%lld)",
                          import->folder, info->name, text_chars(&shape), (long long)param->cols);
    text_release(&shape);
    return status;
}

/// Finds every parameter; those of the head may be absent.
static Status match(Import *import)
{
    Status status = OK;
    Text absent = { 0 }, missing = { 0 };
    int absent_count = 0, missing_count = 0;
    Model *model = import->model;
    import->sources = MEM_NEW(const SafetensorsInfo *, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        const SafetensorsInfo *info = find_source(import, param->name);
        import->sources[i] = info;
        param->absent = !info;
        if (info)
            TRY(check_shape(import, param, info));
        else if (param->head)
            add_name(&absent, &absent_count, param->name);
        else
            add_name(&missing, &missing_count, param->name);
    }
    end_names(&absent, absent_count);
    end_names(&missing, missing_count);
    if (missing_count)
        FAIL(FAILED, "%s: the weights lack %s", import->folder, text_chars(&missing));
    if (absent_count)
        log_info("%s has no %s: training starts them at random", import->folder,
                 text_chars(&absent));
done:
    text_release(&missing);
    text_release(&absent);
    return status;
}

/// Says what the folder holds and the model does not use: heads of other tasks, old buffers.
static void report_unused(const Import *import)
{
    Text unused = { 0 };
    int count = 0;
    for (int i = 0; i < safetensors_count(import->weights); i++) {
        const SafetensorsInfo *info = safetensors_at(import->weights, i);
        bool used = false;
        for (int k = 0; k < import->model->param_count && !used; k++)
            used = import->sources[k] == info;
        if (!used) add_name(&unused, &count, info->name);
    }
    end_names(&unused, count);
    if (count) log_info("%s: not used: %s", import->folder, text_chars(&unused));
    text_release(&unused);
}

static Status read_values(Import *import)
{
    Status status = OK;
    Model *model = import->model;
    model_allocate(model);
    for (int i = 0; i < model->param_count; i++) {
        const SafetensorsInfo *info = import->sources[i];
        if (!info) continue;
        TRY(safetensors_read(model->values + model->params[i].offset, import->weights, info, 0,
                             info->elements));
    }
done:
    return status;
}

/// A model with values that are no numbers answers with such.
static Status check_values(const Import *import)
{
    const Model *model = import->model;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        const float *value = model->values + param->offset;
        for (int64_t k = 0; k < param->rows * param->cols; k++)
            if (!isfinite(value[k]))
                return status_fail(FAILED,
                                   "%s: element %lld of %s is %s: the weights are damaged, or "
                                   "training them diverged",
                                   import->folder, (long long)k, param->name,
                                   isnan(value[k]) ? "no number (NaN)" : "infinite");
    }
    return OK;
}

static Status convert_vocab(Import *import)
{
    Status status = OK;
    Json *config = NULL;
    char *vocab = NULL;
    size_t bytes;
    if (has_file(import, "tokenizer_config.json")) {
        TRY(json_parse_file(&config, import->where.data));
        TRY(add_hash(import, import->where.data));
    }
    TRY(text_read_file(&vocab, &bytes, path_of(import, "vocab.txt")));
    TRY(add_hash(import, import->where.data));
    TRY(tokenizer_json_from_vocab(&import->model->tokenizer_json, vocab, bytes, config,
                                  import->where.data));
done:
    mem_free(vocab);
    json_free(config);
    return status;
}

static Status read_tokenizer(Import *import)
{
    Status status = OK;
    Tokenizer *tokenizer = NULL;
    char **json = &import->model->tokenizer_json;
    int64_t rows = import->model->spec.vocab_size;
    if (has_file(import, "tokenizer.json")) {
        TRY(text_read_file(json, NULL, import->where.data));
        TRY(add_hash(import, import->where.data));
    } else if (has_file(import, "vocab.txt")) {
        TRY(convert_vocab(import));
    } else {
        FAIL(FAILED, "%s: neither tokenizer.json nor vocab.txt", import->folder);
    }
    TRY(tokenizer_new(&tokenizer, *json, strlen(*json), import->where.data));
    TRY(model_check_tokenizer(tokenizer, import->where.data));
    int64_t size = tokenizer_size(tokenizer);
    if (size > rows)
        FAIL(FAILED, "%s: %lld tokens but the model has %lld: the tokenizer of another model",
             import->where.data, (long long)size, (long long)rows);
    if (size < rows)
        log_warn("%s: %lld tokens, the model has %lld: is it the tokenizer of this model?",
                 import->where.data, (long long)size, (long long)rows);
done:
    tokenizer_free(tokenizer);
    return status;
}

/// Names of the labels, where the head that knows them is whole.
static void read_labels(Model *model)
{
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].absent) return;
    const Json *names = json_get(model->config, "id2label");
    model->label_names = MEM_NEW(char *, model->spec.num_labels);
    for (int64_t i = 0; i < model->spec.num_labels; i++) {
        char id[24], fallback[32];
        snprintf(id, sizeof id, "%lld", (long long)i);
        snprintf(fallback, sizeof fallback, "LABEL_%s", id);
        model->label_names[i] = mem_copy_text(json_text(json_get(names, id), fallback));
    }
}

Status model_import(const char *model_path, const char *source_folder)
{
    Status status = OK;
    Import import = { .folder = source_folder };
    TRY(file_named(source_folder, FILE_FOLDER, ""));
    TRY(read_config(&import));
    TRY(open_weights(&import));
    TRY(match(&import));
    TRY(read_tokenizer(&import));
    TRY(read_values(&import));
    TRY(check_values(&import));
    report_unused(&import);
    read_labels(import.model);
    import.model->source = mem_copy_text(source_folder);
    import.model->source_sha256 = mem_copy_text(text_chars(&import.hashes));
    TRY(model_save(import.model, model_path));
done:
    text_release(&import.where);
    text_release(&import.hashes);
    mem_free(import.sources);
    safetensors_close(import.weights);
    model_free(import.model);
    return status;
}
