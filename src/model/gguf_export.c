#include "base/mem.h"
#include "model/gguf_map.h"
#include "token/gguf_vocab.h"

#include <string.h>

static const struct {
    const char *type;
    uint32_t file_type; ///< ggml's number for files that are mostly of it
    bool quantised;
} file_types[] = { { "F32", 0, false }, { "F16", 1, false }, { "Q8_0", 7, true } };
enum { FILE_TYPES = sizeof file_types / sizeof *file_types, QUANTISATION_VERSION = 2 };

typedef struct {
    const GgufArch *arch;
    const Json *config;
    const OriginTensor **tensors; ///< (count), owned: NULL for the factors of rotations
    GgufInfo *infos;              ///< (count), owned with their names
    GgufLayout *layouts;          ///< (count), owned
    int count;
    float *given, *whole; ///< owned: the tensor being written, in both layouts
    GgufExportRead read;
    void *context;
} Export;

static Status put_type(GgufHeader *header, const char *type)
{
    for (int i = 0; i < FILE_TYPES; i++) {
        if (strcmp(file_types[i].type, type)) continue;
        gguf_put_u32(header, "general.file_type", file_types[i].file_type);
        if (file_types[i].quantised)
            gguf_put_u32(header, "general.quantization_version", QUANTISATION_VERSION);
        return OK;
    }
    return status_fail(USAGE, "the type '%s' is not written to GGUF, only F32, F16 and Q8_0", type);
}

/// llama.cpp reads vectors and positions as F32 alone.
static const char *type_of(const GgufInfo *info, const char *wanted)
{
    if (info->rank < 2 || !strcmp(info->name, "position_embd.weight")) return "F32";
    return !strcmp(wanted, "Q8_0") && info->dims[info->rank - 1] % 32 ? "F16" : wanted;
}

static Status add_tensor(Export *export, const OriginTensor *tensor, const char *type)
{
    char name[GGUF_NAME_ROOM];
    GgufLayout *layout = &export->layouts[export->count];
    GgufInfo *info = &export->infos[export->count];
    if (!gguf_name_from_hf(name, layout, export->arch, tensor->name) ||
        tensor->rank > GGUF_MAX_RANK)
        return status_fail(FAILED, "%s has no name in a GGUF file of a %s", tensor->name,
                           export->arch->name);
    *info = (GgufInfo){ .name = mem_copy_text(name),
                        .rank = tensor->rank,
                        .elements = tensor->elements };
    memcpy(info->dims, tensor->dims, sizeof info->dims);
    if (*layout == GGUF_TRANSPOSED) {
        info->dims[0] = tensor->dims[1];
        info->dims[1] = tensor->dims[0];
    }
    info->type = type_of(info, type);
    export->tensors[export->count++] = tensor;
    return OK;
}

static void add_factors(Export *export)
{
    float factors[GGUF_MAX_ROTATIONS];
    int count = gguf_rope_factors(factors, export->config);
    if (!count) return;
    export->infos[export->count++] = (GgufInfo){ .name = mem_copy_text(gguf_rope_tensor),
                                                 .type = "F32",
                                                 .rank = 1,
                                                 .dims = { count },
                                                 .elements = count };
}

/// A tied output matrix is the embedding, which is there already.
static Status add_tensors(Export *export, const OriginTensor *tensors, int count, const char *type)
{
    Status status = OK;
    bool tied = json_bool(json_get(export->config, "tie_word_embeddings"), export->arch->tied);
    int64_t most = GGUF_MAX_ROTATIONS;
    export->tensors = MEM_NEW(const OriginTensor *, count + 1);
    export->infos = MEM_NEW(GgufInfo, count + 1);
    export->layouts = MEM_NEW(GgufLayout, count + 1);
    for (int i = 0; i < count; i++) {
        if (tied && !strcmp(tensors[i].name, "lm_head.weight")) continue;
        TRY(add_tensor(export, &tensors[i], type));
        if (tensors[i].elements > most) most = tensors[i].elements;
    }
    add_factors(export);
    export->given = MEM_NEW(float, most);
    export->whole = MEM_NEW(float, most);
done:
    return status;
}

static Status read_whole(Export *export, int index)
{
    Status status = OK;
    const OriginTensor *tensor = export->tensors[index];
    GgufLayout layout = export->layouts[index];
    if (!tensor) {
        gguf_rope_factors(export->whole, export->config);
        goto done;
    }
    int64_t rows = tensor->rank ? tensor->dims[0] : 1;
    TRY(export->read(export->given, tensor, export->context));
    if (tensor->elements)
        gguf_to_layout(export->whole, export->given, layout,
                       gguf_layout_heads(layout, export->config), rows, tensor->elements / rows);
done:
    return status;
}

static Status pull(float *out, const GgufInfo *info, int64_t first, int64_t count, void *context)
{
    Export *export = context;
    Status status = first ? OK : read_whole(export, (int)(info - export->infos));
    if (status == OK) memcpy(out, export->whole + first, (size_t)count * sizeof *out);
    return status;
}

Status gguf_export(const char *path, const char *type, const Json *config,
                   const char *tokenizer_json, const char *chat_template,
                   const OriginTensor *tensors, int count, GgufExportRead read, void *context)
{
    Status status = OK;
    GgufHeader header = { 0 };
    Export export = { .config = config, .read = read, .context = context };
    TRY(gguf_put_config(&header, config, "config.json"));
    export.arch = gguf_arch_find(json_text(json_get(config, "model_type"), ""));
    TRY(put_type(&header, type));
    TRY(tokenizer_json_to_gguf(&header, tokenizer_json, strlen(tokenizer_json),
                               json_int(json_get(config, "vocab_size"), 0), "tokenizer.json"));
    if (chat_template && *chat_template)
        gguf_put_text(&header, "tokenizer.chat_template", chat_template);
    TRY(add_tensors(&export, tensors, count, type));
    TRY(gguf_write(path, &header, export.infos, export.count, pull, &export));
done:
    for (int i = 0; i < export.count; i++) mem_free((char *)export.infos[i].name);
    mem_free(export.whole);
    mem_free(export.given);
    mem_free(export.layouts);
    mem_free(export.infos);
    mem_free(export.tensors);
    gguf_header_release(&header);
    return status;
}
