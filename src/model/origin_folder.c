#include "base/file.h"
#include "base/mem.h"
#include "model/origin.h"
#include "store/safetensors.h"
#include "token/tokenizer.h"

#include <string.h>
#include <unistd.h>

static const char *path_of(Origin *origin, const char *name)
{
    text_clear(&origin->where);
    text_printf(&origin->where, "%s/%s", origin->path, name);
    return origin->where.data;
}

static bool has_file(Origin *origin, const char *name)
{
    return access(path_of(origin, name), F_OK) == 0;
}

static bool takes(const char *path)
{
    (void)path;
    return true;
}

static Status read_config(Origin *origin)
{
    Status status = OK;
    if (!has_file(origin, "config.json"))
        FAIL(FAILED,
             "%s: no config.json; a Hugging Face folder holds config.json, model.safetensors and "
             "tokenizer.json or vocab.txt",
             origin->path);
    TRY(json_parse_file(&origin->config, origin->where.data));
    TRY(origin_add_hash(origin, origin->where.data));
done:
    return status;
}

static Status open_weights(Origin *origin)
{
    Status status = OK;
    Safetensors *weights = NULL;
    if (!has_file(origin, "model.safetensors") &&
        !has_file(origin, "model.safetensors.index.json") && has_file(origin, "pytorch_model.bin"))
        FAIL(FAILED,
             "%s: only pickled weights, which are not read; convert them with transformers: "
             "model.save_pretrained(folder, safe_serialization=True)",
             origin->where.data);
    TRY(safetensors_open(&weights, origin->path));
    origin->weights = weights;
    for (int i = 0; i < safetensors_file_count(weights); i++)
        TRY(origin_add_hash(origin, safetensors_file_path(weights, i)));
    for (int i = 0; i < safetensors_count(weights); i++) {
        const SafetensorsInfo *info = safetensors_at(weights, i);
        OriginTensor *tensor = origin_add(origin, info->name);
        tensor->rank = info->rank;
        memcpy(tensor->dims, info->dims, sizeof tensor->dims);
        tensor->elements = info->elements;
        tensor->stored = info;
    }
done:
    return status;
}

/// In a file of its own, or in tokenizer_config.json.
static Status read_chat_template(Origin *origin)
{
    Status status = OK;
    Json *config = NULL;
    char *text = NULL;
    if (has_file(origin, "chat_template.jinja"))
        TRY(text_read_file(&text, NULL, origin->where.data));
    else if (has_file(origin, "tokenizer_config.json"))
        TRY(json_parse_file(&config, origin->where.data));
    text_append(&origin->chat_template,
                text ? text : json_text(json_get(config, "chat_template"), ""));
done:
    mem_free(text);
    json_free(config);
    return status;
}

static Status open_folder(Origin *origin)
{
    Status status = OK;
    TRY(file_named(origin->path, FILE_FOLDER, ""));
    TRY(read_config(origin));
    if (!origin->config_only) TRY(open_weights(origin));
    TRY(read_chat_template(origin));
    path_of(origin, "config.json");
done:
    return status;
}

static Status add_hash(void *origin, const char *path)
{
    return origin_add_hash(origin, path);
}

static Status read_tokenizer(char **json, Origin *origin)
{
    return tokenizer_json_from_folder(json, &origin->where, origin->path, add_hash, origin);
}

static Status read_tensor(float *out, const Origin *origin, const OriginTensor *tensor)
{
    return safetensors_read(out, origin->weights, tensor->stored, 0, tensor->elements);
}

static void close_folder(Origin *origin)
{
    safetensors_close(origin->weights);
}

const OriginKind origin_folder = { takes, open_folder, read_tokenizer, read_tensor, close_folder };
