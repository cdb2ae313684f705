#include "model/model.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/gguf_map.h"
#include "store/safetensors.h"

#include <stdio.h>
#include <string.h>

static Status write_json(const char *folder, const char *name, const Json *value)
{
    Text path = { 0 }, text = { 0 };
    text_printf(&path, "%s/%s", folder, name);
    json_print(&text, value, 2);
    text_append(&text, "\n");
    Status status = text_write_file(path.data, text.data, text.length_bytes);
    text_release(&text);
    text_release(&path);
    return status;
}

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
    json_set_text(config, "dtype", "float32");
    if (model->head) { // else the folder holds what was imported, for the class that it names
        Json *classes = json_new_array();
        json_append(classes, json_new_text(model->head->class_name));
        json_set(config, "architectures", classes);
    }
    if (model->label_names) set_labels(config, model);
    Status status = write_json(folder, "config.json", config);
    json_free(config);
    return status;
}

static Status pull(float *out, const SafetensorsInfo *info, int64_t first, int64_t count,
                   void *context)
{
    const Model *model = context;
    const Param *param = &model->params[model_find_param(model, info->name)];
    const float *value = model_values_of(model, param);
    if (!param->transposed) {
        memcpy(out, value + first, (size_t)count * sizeof(float));
        return OK;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t at = first + i;
        out[i] = value[at % param->rows * param->cols + at / param->rows];
    }
    return OK;
}

static Status write_weights(const Model *model, const char *folder)
{
    Text path = { 0 };
    SafetensorsInfo *infos = MEM_NEW(SafetensorsInfo, model->param_count);
    int count = 0;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->absent) continue;
        infos[count++] = (SafetensorsInfo){
            .name = param->name,
            .dtype = "F32",
            .rank = param->rank,
            .dims = { param->rank == 1 || param->transposed ? param->cols : param->rows,
                      param->transposed ? param->rows : param->cols },
            .elements = param->rows * param->cols,
        };
    }
    text_printf(&path, "%s/model.safetensors", folder);
    Status status = safetensors_write(path.data, infos, count, pull, (void *)model);
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
    TRY(write_json(folder, "tokenizer_config.json", config));
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

/// `context` is the model.
static Status give_tensor(float *out, const OriginTensor *tensor, void *context)
{
    const SafetensorsInfo info = { .name = tensor->name };
    return pull(out, &info, 0, tensor->elements, context);
}

Status model_export_gguf(const Model *model, const char *path, const char *type)
{
    OriginTensor *tensors = MEM_NEW(OriginTensor, model->param_count);
    int count = 0;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->absent) continue;
        tensors[count++] = (OriginTensor){
            .name = (char *)(uintptr_t)param->name,
            .rank = param->rank,
            .dims = { param->rank == 1 || param->transposed ? param->cols : param->rows,
                      param->transposed ? param->rows : param->cols },
            .elements = param->rows * param->cols,
        };
    }
    Status status = gguf_export(path, type, model->config, model->tokenizer_json, NULL, tensors,
                                count, give_tensor, (void *)(uintptr_t)model);
    mem_free(tensors);
    return status;
}
