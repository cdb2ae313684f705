#include "model/model.h"
#include "base/memory_left.h"
#include "comm/agree.h"
#include "comm/grid.h"
#include "model/config.h"

#include <stdio.h>
#include <string.h>

/// Texts of a model file, in the order of `text_names`.
enum { CONFIG, TOKENIZER, SOURCE, SOURCE_SHA256, LABEL_NAMES, TASK, TEXTS };
static const char *const text_names[TEXTS] = { "config",        "tokenizer",   "source",
                                               "source_sha256", "label_names", "task" };

/// Local. Opens the file on the rank that reads, with copies of its texts ("" if absent).
static Status open_file(TensorFile **file, char *texts[TEXTS], const char *path)
{
    Status status = OK;
    TRY(tensors_open_any(file, path));
    const char *schema = tensors_schema(*file);
    if (strcmp(schema, "model") && strcmp(schema, "checkpoint"))
        FAIL(FAILED, "%s: a %s file holds no model; temper import makes a model file", path,
             schema);
    for (int i = 0; i < TEXTS; i++)
        texts[i] = mem_copy_text(tensors_text(*file, text_names[i], ""));
    for (int i = CONFIG; i <= TOKENIZER; i++)
        if (!*texts[i]) FAIL(FAILED, "%s: the value '%s' is missing", path, text_names[i]);
done:
    return status;
}

/// Sizes that a user may choose for a model that starts anew.
static const struct {
    const char *name;
    size_t place;
} free_sizes[] = {
    { "hidden_size", SIZE(hidden_size) },
    { "num_hidden_layers", SIZE(num_hidden_layers) },
    { "num_attention_heads", SIZE(num_attention_heads) },
    { "num_key_value_heads", SIZE(num_key_value_heads) },
    { "intermediate_size", SIZE(intermediate_size) },
};

static Status set_size(Json *config, const char *name, size_t place, int64_t value)
{
    const char *type = json_text(json_get(config, "model_type"), "");
    const Arch *arch = arch_find(type);
    for (int i = 0; arch && i < arch->size_count; i++) {
        if (arch->sizes[i].place != place) continue;
        json_set_int(config, arch->sizes[i].key, value);
        return OK;
    }
    return status_fail(USAGE, "model.%s: a %s model has no such size", name, type);
}

static Status set_sizes(Json *config, const ModelSpec *sizes)
{
    Status status = OK;
    for (size_t i = 0; sizes && i < sizeof free_sizes / sizeof *free_sizes; i++) {
        int64_t value = *(const int64_t *)((const char *)sizes + free_sizes[i].place);
        if (!value) continue;
        json_remove(config, "factor_ranks"); // of other sizes
        TRY(set_size(config, free_sizes[i].name, free_sizes[i].place, value));
    }
done:
    return status;
}

/// Local. The same on every rank: the table, and what the texts say.
static Status build_model(Model **out, char *texts[TEXTS], const char *path, const char *task,
                          const ModelSpec *sizes, const Comm *group)
{
    Status status = OK;
    Json *config = NULL, *labels = NULL;
    Model *model = NULL;
    TRY(json_parse(&config, texts[CONFIG], strlen(texts[CONFIG]), path));
    if (*texts[LABEL_NAMES])
        TRY(json_parse(&labels, texts[LABEL_NAMES], strlen(texts[LABEL_NAMES]), path));
    TRY(set_sizes(config, sizes));
    if (task && !*task) task = *texts[TASK] ? texts[TASK] : NULL;
    TRY(model_new(&model, config, task, json_size(labels), group, path));
    if (json_size(labels)) model->label_names = MEM_NEW(char *, model->spec.num_labels);
    for (int64_t i = 0; i < json_size(labels); i++)
        model->label_names[i] = mem_copy_text(json_text(json_at(labels, i), ""));
    model->tokenizer_json = mem_copy_text(texts[TOKENIZER]);
    model->source = mem_copy_text(texts[SOURCE]);
    model->source_sha256 = mem_copy_text(texts[SOURCE_SHA256]);
    *out = model;
    model = NULL;
done:
    model_free(model);
    json_free(labels);
    json_free(config);
    return status;
}

static const TensorInfo *find_tensor(const TensorFile *file, const Param *param)
{
    char path[sizeof param->name + 8];
    snprintf(path, sizeof path, "model/%s", param->name);
    return tensors_find(file, path);
}

/// Local. Compares the file with the table; rows of the head may be absent.
static Status match_tensors(Model *model, const TensorFile *file, const char *path)
{
    Status status = OK;
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        const TensorInfo *info = find_tensor(file, param);
        param->absent = !info;
        if (!info && !param->head) FAIL(FAILED, "%s: the tensor %s is missing", path, param->name);
        if (!info) continue;
        int64_t rows = info->rank == 2 ? info->dims[0] : 1;
        int64_t cols = info->rank ? info->dims[info->rank - 1] : 1;
        if (info->type != ELEMENT_F32 || info->rank != param->rank ||
            rows != (param->rank == 2 ? param->dims[0] : 1) || cols != param->dims[1])
            FAIL(FAILED,
                 "%s: the tensor %s must have the shape (%lld, %lld) in F32 by the configuration, "
                 "the file has rank %d and (%lld, %lld)",
                 path, param->name, (long long)(param->rank == 2 ? param->dims[0] : 1),
                 (long long)param->dims[1], info->rank, (long long)rows, (long long)cols);
    }
done:
    return status;
}

/// Local. This rank's part, on the first of its replicas; the file is open on rank 0.
static Status read_values(Model *model, TensorFile **open, const char *path)
{
    Status status = OK;
    if (!*open) TRY(tensors_open_any(open, path));
    TensorFile *file = *open;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->absent) continue;
        const TensorInfo *info = find_tensor(file, param);
        TRY(tensors_read_part(file, info, &param->layout, 0, param->rows * param->cols,
                              model->values + param->offset));
    }
done:
    return status;
}

/// Collective. The table and texts of a file, which stays open on rank 0.
COLLECTIVE
static Status load_table(const Comm *comm, Model **out, TensorFile **file, const char *path,
                         const char *task, const ModelSpec *sizes)
{
    Status status = OK;
    char *texts[TEXTS] = { NULL };
    TRY_ROOT(comm, open_file(file, texts, path));
    uint32_t crc = *file ? tensors_table_crc(*file) : 0;
    comm_broadcast(comm, &crc, sizeof crc, 0);
    for (int i = 0; i < TEXTS; i++) comm_broadcast_text(comm, &texts[i], 0);
    TRY_ALL(comm, build_model(out, texts, path, task, sizes, comm_group(comm)));
    (*out)->file_crc = crc;
done:
    for (int i = 0; i < TEXTS; i++) mem_free(texts[i]);
    return status;
}

/// Which parameters the file has, from rank 0.
COLLECTIVE
static void share_absent(const Comm *comm, Model *model)
{
    bool *absent = MEM_NEW(bool, model->param_count);
    for (int i = 0; i < model->param_count; i++) absent[i] = model->params[i].absent;
    comm_broadcast(comm, absent, (size_t)model->param_count * sizeof *absent, 0);
    for (int i = 0; i < model->param_count; i++) model->params[i].absent = absent[i];
    mem_free(absent);
}

/// Local. FAILED on a node that cannot hold its copies of the weights.
static Status check_memory(const Comm *comm, const Model *model, const char *path)
{
    double ranks = (double)node_ranks_here(comm->node);
    double copies = ranks / node_ranks(comm_replicas(comm)->node);
    double needed = copies * (double)model->elements * sizeof(float);
    double left = memory_left_for(needed);
    if (left == 0 || needed <= left) return OK;
    return status_fail(FAILED,
                       "%s: the weights take %.2f GB on a node with %.0f rank%s, which has %.2f GB "
                       "left: start on more nodes, with grid.cols so that they have the model "
                       "between them",
                       path, needed / 1e9, ranks, ranks > 1 ? "s" : "", left / 1e9);
}

Status model_load(const Comm *comm, Model **out, const char *path, const char *task)
{
    Status status = OK;
    TensorFile *file = NULL;
    Model *model = NULL;
    TRY(load_table(comm, &model, &file, path, task, NULL));
    TRY_ROOT(comm, match_tensors(model, file, path));
    share_absent(comm, model);
    TRY_ALL(comm, check_memory(comm, model, path));
    model_allocate_shared(model, comm_replicas(comm)->node);
    TRY_ALL(comm, comm_replicas(comm)->rank == 0 ? read_values(model, &file, path) : OK);
    node_broadcast(model->node, model->values, (size_t)model->elements * sizeof(float));
    *out = model;
    model = NULL;
done:
    model_free(model);
    tensors_close(file);
    return status;
}

/// Local. The file is open on rank 0.
static Status map_values(Model *model, TensorFile **open, const char *path)
{
    Status status = OK;
    if (!*open) TRY(tensors_open_any(open, path));
    TRY(match_tensors(model, *open, path));
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        const void *values;
        if (param->absent) continue;
        TRY(tensors_map(*open, find_tensor(*open, param), &values));
        param->mapped = values;
    }
done:
    return status;
}

static Status verify_share(const Comm *comm, TensorFile *file)
{
    int64_t blocks = tensors_blocks(file);
    return tensors_verify(file, blocks * comm->rank / comm->size,
                          blocks * (comm->rank + 1) / comm->size);
}

Status model_open(const Comm *comm, Model **out, const char *path, const char *task)
{
    Status status = OK;
    Comm ranks = *comm;
    TensorFile *file = NULL;
    Model *model = NULL;
    ranks.grid = NULL;
    TRY(load_table(&ranks, &model, &file, path, task, NULL));
    TRY_ALL(comm, map_values(model, &file, path));
    TRY_ALL(comm, verify_share(comm, file));
    model->file = file;
    file = NULL;
    *out = model;
    model = NULL;
done:
    model_free(model);
    tensors_close(file);
    return status;
}

Status model_load_untrained(const Comm *comm, Model **out, const char *path, const char *task,
                            const ModelSpec *sizes)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(load_table(comm, out, &file, path, task, sizes));
done:
    tensors_close(file);
    return status;
}

int model_values(Value values[MODEL_VALUES], Text *storage, const Model *model)
{
    text_clear(storage);
    json_print(storage, model->config, 0);
    size_t labels_at = storage->length_bytes + 1;
    text_append_bytes(storage, "", 1);
    if (model->label_names) json_quote_list(storage, model->label_names, model->spec.num_labels);
    const char *texts[TEXTS] = {
        [CONFIG] = storage->data,
        [TOKENIZER] = model->tokenizer_json,
        [SOURCE] = model->source,
        [SOURCE_SHA256] = model->source_sha256,
        [TASK] = model->head ? model->head->task : NULL,
    };
    if (model->label_names) {
        texts[CONFIG] = storage->data;
        texts[LABEL_NAMES] = storage->data + labels_at;
    }
    int count = 0;
    values[count++] =
        (Value){ .name = "arch", .kind = VALUE_TEXT, .text = model->arch->model_type };
    for (int i = 0; i < TEXTS; i++)
        if (texts[i])
            values[count++] =
                (Value){ .name = text_names[i], .kind = VALUE_TEXT, .text = texts[i] };
    return count;
}

Status model_write(const Comm *comm, const Model *model, const char *path, ModelRange range,
                   const void *context)
{
    Text storage = { 0 }, names = { 0 };
    Value values[MODEL_VALUES];
    TensorPart *parts = MEM_NEW(TensorPart, model->param_count);
    size_t *places = MEM_NEW(size_t, model->param_count);
    int count = 0;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->absent) continue;
        places[count] = names.length_bytes;
        text_printf(&names, "model/%s", param->name);
        text_append_bytes(&names, "", 1);
        TensorRange own = range(context, i);
        parts[count++] = (TensorPart){
            .type = ELEMENT_F32,
            .rank = param->rank,
            .dims = { param->rank == 2 ? param->rows : param->cols, param->cols },
            .first = own.first,
            .count = own.count,
            .data = own.data,
        };
    }
    for (int i = 0; i < count; i++) parts[i].path = names.data + places[i];
    int value_count = model_values(values, &storage, model);
    Status status = tensors_write(comm, path, "model", values, value_count, parts, count);
    mem_free(places);
    mem_free(parts);
    text_release(&names);
    text_release(&storage);
    return status;
}

static TensorRange whole_param(const void *context, int index)
{
    const Model *model = context;
    const Param *param = &model->params[index];
    return (TensorRange){ 0, param->rows * param->cols, model->values + param->offset };
}

Status model_save(const Model *model, const char *path)
{
    Comm self = comm_self();
    return model_write(&self, model, path, whole_param, model);
}
