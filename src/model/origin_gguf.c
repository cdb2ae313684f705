#include "base/file.h"
#include "base/mem.h"
#include "model/gguf_map.h"
#include "model/origin.h"
#include "token/gguf_vocab.h"

#include <string.h>
#include <unistd.h>

static bool takes(const char *path)
{
    const char *ending = strrchr(path, '.');
    char head[4] = { 0 };
    int64_t bytes;
    int file;
    if (ending && !strcmp(ending, ".gguf")) return true;
    bool taken = file_open(&file, &bytes, path) == OK && bytes >= (int64_t)sizeof head &&
                 file_read_at(head, sizeof head, file, 0, path) == OK && !memcmp(head, "GGUF", 4);
    if (file >= 0) close(file);
    status_clear();
    return taken;
}

static const GgufArch *arch_of(const Origin *origin)
{
    return gguf_arch_find(json_text(json_get(origin->config, "model_type"), ""));
}

static Status add_tensor(Origin *origin, const GgufInfo *info)
{
    char name[GGUF_NAME_ROOM];
    GgufLayout layout = GGUF_SAME;
    bool known = gguf_name_to_hf(name, &layout, arch_of(origin), info->name);
    OriginTensor *tensor = origin_add(origin, known ? name : info->name);
    tensor->stored = info;
    tensor->rank = info->rank;
    memcpy(tensor->dims, info->dims, sizeof info->dims);
    tensor->elements = info->elements;
    if (layout == GGUF_TRANSPOSED && info->rank != 2)
        return status_fail(FAILED, "%s: tensor %s is no matrix", origin->path, info->name);
    if (layout == GGUF_TRANSPOSED) {
        tensor->dims[0] = info->dims[1];
        tensor->dims[1] = info->dims[0];
    }
    int64_t heads = gguf_layout_heads(layout, origin->config);
    if (heads && (!info->rank || info->dims[0] % (2 * heads)))
        return status_fail(FAILED,
                           "%s: tensor %s has not an even number of rows for each of %lld heads",
                           origin->path, info->name, (long long)heads);
    return OK;
}

static Status open_gguf(Origin *origin)
{
    Status status = OK;
    Gguf *file;
    text_append(&origin->where, origin->path);
    TRY(gguf_open(&file, origin->path));
    origin->weights = file;
    TRY(gguf_read_config(&origin->config, file));
    text_append(&origin->chat_template, gguf_text(file, "tokenizer.chat_template", ""));
    for (int i = 0; i < gguf_count(file); i++) // factors of rotations are in the configuration
        if (strcmp(gguf_at(file, i)->name, gguf_rope_tensor))
            TRY(add_tensor(origin, gguf_at(file, i)));
    TRY(origin_add_hash(origin, origin->path));
done:
    return status;
}

static Status read_tokenizer(char **json, Origin *origin)
{
    return tokenizer_json_from_gguf(json, origin->weights);
}

static Status read_tensor(float *out, const Origin *origin, const OriginTensor *tensor)
{
    Status status = OK;
    char name[GGUF_NAME_ROOM];
    GgufLayout layout = GGUF_SAME;
    const GgufInfo *info = tensor->stored;
    gguf_name_to_hf(name, &layout, arch_of(origin), info->name);
    int64_t rows = tensor->rank ? tensor->dims[0] : 1;
    float *stored = layout == GGUF_SAME ? out : MEM_NEW(float, tensor->elements);
    TRY(gguf_read(stored, origin->weights, info, 0, tensor->elements));
    if (stored != out && tensor->elements)
        gguf_from_layout(out, stored, layout, gguf_layout_heads(layout, origin->config), rows,
                         tensor->elements / rows);
done:
    if (stored != out) mem_free(stored);
    return status;
}

static void close_gguf(Origin *origin)
{
    gguf_close(origin->weights);
}

const OriginKind origin_gguf = { takes, open_gguf, read_tokenizer, read_tensor, close_gguf };
