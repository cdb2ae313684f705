#include "model/model.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/factors.h"
#include "model/gguf_map.h"
#include "store/safetensors.h"

#include <stdio.h>
#include <string.h>

const char *const model_export_files[] = { "model.safetensors", "tokenizer.json",
                                           "tokenizer_config.json", "config.json", NULL };

static void set_labels(Json *config, const Model *model)
{
    Json *names = json_new_object(), *ids = json_new_object();
    for (int64_t i = 0; i < model->spec.num_labels; i++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)i);
        json_set_text(names, id, model->label_names[i]);
        json_set_int(ids, model->label_names[i], i);
    }
    json_set_int(config, "num_labels", model->spec.num_labels);
    json_set(config, "id2label", names);
    json_set(config, "label2id", ids);
    json_set_text(config, "problem_type", "single_label_classification");
}

static Status write_config(const Model *model, const char *folder)
{
    Json *config = json_clone(model->config);
    json_remove(config, "torch_dtype");
    json_remove(config, "factor_ranks"); // the products are whole there
    json_set_text(config, "dtype", "float32");
    if (model->head) { // else the folder holds what was imported, for the class that it names
        Json *classes = json_new_array();
        json_append(classes, json_new_text(model->head->class_name));
        json_set(config, "architectures", classes);
    }
    if (model->label_names) set_labels(config, model);
    Status status = json_write_file(folder, "config.json", config);
    json_free(config);
    return status;
}

/// What Hugging Face has of a parameter, whose product is whole there.
typedef struct {
    char name[sizeof((Param *)0)->name];
    const Param *param; ///< of two factors the left one
    int64_t rows, cols;
} Tensor;

typedef struct {
    const Model *model;
    Tensor *tensors; ///< (count), owned
    int count;
    const Tensor *multiplied; ///< whose factors were multiplied last
    float *product;           ///< of them, owned
} Export;

static void export_init(Export *export, const Model *model)
{
    *export = (Export){ .model = model, .tensors = MEM_NEW(Tensor, model->param_count) };
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i], *right = model_right(model, param);
        if (param->absent || (param->factor_rank && !right)) continue;
        Tensor *tensor = &export->tensors[export->count++];
        *tensor = (Tensor){ .param = param,
                            .rows = param->rows,
                            .cols = right ? right->cols : param->cols };
        model_whole_name(tensor->name, param);
    }
}

static void export_release(Export *export)
{
    mem_free(export->product);
    mem_free(export->tensors);
}

/// Its values (rows, cols), until the next call.
static const float *values_of(Export *export, const Tensor *tensor)
{
    if (!tensor->param->right) return model_values_of(export->model, tensor->param);
    if (export->multiplied != tensor) {
        mem_free(export->product);
        export->product = MEM_NEW(float, tensor->rows * tensor->cols);
        model_multiply_out(export->product, export->model, tensor->param);
        export->multiplied = tensor;
    }
    return export->product;
}

static void set_shape(int64_t *dims, const Tensor *tensor)
{
    bool transposed = tensor->param->transposed;
    dims[0] = tensor->param->rank == 1 || transposed ? tensor->cols : tensor->rows;
    if (tensor->param->rank == 2) dims[1] = transposed ? tensor->rows : tensor->cols;
}

/// Elements in Hugging Face's order.
static void read_part(float *out, Export *export, const Tensor *tensor, int64_t first,
                      int64_t count)
{
    const float *value = values_of(export, tensor);
    if (!tensor->param->transposed) {
        memcpy(out, value + first, (size_t)count * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t at = first + i;
        out[i] = value[at % tensor->rows * tensor->cols + at / tensor->rows];
    }
}

static Status pull(float *out, const SafetensorsInfo *info, int64_t first, int64_t count,
                   void *context)
{
    Export *export = context;
    int index = 0;
    while (strcmp(export->tensors[index].name, info->name)) index++;
    read_part(out, export, &export->tensors[index], first, count);
    return OK;
}

static Status write_weights(const Model *model, const char *folder)
{
    Text path = { 0 };
    SafetensorsInfo *infos = MEM_NEW(SafetensorsInfo, model->param_count);
    Export export;
    export_init(&export, model);
    for (int i = 0; i < export.count; i++) {
        const Tensor *tensor = &export.tensors[i];
        infos[i] = (SafetensorsInfo){ .name = tensor->name,
                                      .dtype = "F32",
                                      .rank = tensor->param->rank,
                                      .elements = tensor->rows * tensor->cols };
        set_shape(infos[i].dims, tensor);
    }
    text_printf(&path, "%s/model.safetensors", folder);
    Status status = safetensors_write(path.data, infos, export.count, pull, &export);
    export_release(&export);
    mem_free(infos);
    text_release(&path);
    return status;
}

/// What transformers wants to know beside tokenizer.json.
static Status write_tokenizer(const Model *model, const char *folder)
{
    Status status = OK;
    Text path = { 0 };
    Json *tokenizer = NULL, *config = json_new_object();
    size_t bytes = strlen(model->tokenizer_json);
    text_printf(&path, "%s/tokenizer.json", folder);
    TRY(json_parse(&tokenizer, model->tokenizer_json, bytes, path.data));
    const Json *normalizer = json_get(tokenizer, "normalizer");
    const Json *accents = json_get(normalizer, "strip_accents");
    json_set_text(config, "tokenizer_class", model->arch->tokenizer_class);
    json_set_int(config, "model_max_length", model->spec.max_position_embeddings);
    json_set_bool(config, "do_lower_case", json_bool(json_get(normalizer, "lowercase"), false));
    if (!json_is_null(accents)) json_set_bool(config, "strip_accents", json_bool(accents, false));
    json_set_bool(config, "tokenize_chinese_chars",
                  json_bool(json_get(normalizer, "handle_chinese_chars"), true));
    TRY(text_write_file(path.data, model->tokenizer_json, bytes));
    TRY(json_write_file(folder, "tokenizer_config.json", config));
done:
    json_free(config);
    json_free(tokenizer);
    text_release(&path);
    return status;
}

Status model_export(const Model *model, const char *folder)
{
    Status status = OK;
    TRY(file_make_folders(folder));
    TRY(write_weights(model, folder));
    TRY(write_tokenizer(model, folder));
    TRY(write_config(model, folder)); // last: a folder without it is not taken for a model
done:
    return status;
}

static Status give_tensor(float *out, const OriginTensor *tensor, void *context)
{
    read_part(out, context, tensor->stored, 0, tensor->elements);
    return OK;
}

Status model_export_gguf(const Model *model, const char *path, const char *type)
{
    OriginTensor *tensors = MEM_NEW(OriginTensor, model->param_count);
    Export export;
    export_init(&export, model);
    for (int i = 0; i < export.count; i++) {
        Tensor *tensor = &export.tensors[i];
        tensors[i] = (OriginTensor){ .name = tensor->name,
                                     .rank = tensor->param->rank,
                                     .elements = tensor->rows * tensor->cols,
                                     .stored = tensor };
        set_shape(tensors[i].dims, tensor);
    }
    Status status = gguf_export(path, type, model->config, model->tokenizer_json, NULL, tensors,
                                export.count, give_tensor, &export);
    export_release(&export);
    mem_free(tensors);
    return status;
}
