#include "model/model.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/origin.h"
#include "token/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    Origin *origin;
    const char *path; ///< of the source
    Model *model;
    const OriginTensor **tensors; ///< (param_count): where each parameter comes from, or NULL
} Import;

/// Replaces the end of `name` if it is `old`.
static void change_ending(char *name, size_t room, const char *old, const char *with)
{
    size_t length = strlen(name), cut = strlen(old);
    if (length < cut || strcmp(name + length - cut, old)) return;
    snprintf(name + length - cut, room - (length - cut), "%s", with);
}

/// The tensor of a parameter: with the architecture's prefix or without, by its name or the one
/// that old files gave to gains and biases of layer norms.
static const OriginTensor *find_source(const Import *import, const char *name)
{
    const char *prefix = import->model->arch->prefix;
    const char *bare = strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
    const char *const names[] = { name, bare };
    for (int i = 0; i < 2; i++) {
        char old[sizeof import->model->params->name];
        snprintf(old, sizeof old, "%s", names[i]);
        change_ending(old, sizeof old, "LayerNorm.weight", "LayerNorm.gamma");
        change_ending(old, sizeof old, "LayerNorm.bias", "LayerNorm.beta");
        const OriginTensor *tensor = origin_find(import->origin, names[i]);
        if (!tensor) tensor = origin_find(import->origin, old);
        if (tensor) return tensor;
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

static Status check_shape(const Import *import, const Param *param, const OriginTensor *tensor)
{
    int64_t rows = tensor->rank == 2 ? tensor->dims[0] : 1;
    int64_t cols = tensor->rank ? tensor->dims[tensor->rank - 1] : 1;
    int64_t high = param->transposed ? param->cols : param->rows;
    int64_t wide = param->transposed ? param->rows : param->cols;
    if (tensor->rank == param->rank && rows == high && cols == wide) return OK;
    Text shape = { 0 };
    for (int d = 0; d < tensor->rank; d++)
        text_printf(&shape, "%s%lld", d ? ", " : "", (long long)tensor->dims[d]);
    Status status =
        param->rank == 2
            ? status_fail(FAILED, "%s: %s has the shape (%s), config.json wants (%lld, %lld)",
                          import->path, tensor->name, text_chars(&shape), (long long)high,
                          (long long)wide)
            : status_fail(FAILED, "%s: %s has the shape (%s), config.json wants (%lld)",
                          import->path, tensor->name, text_chars(&shape), (long long)param->cols);
    text_release(&shape);
    return status;
}

/// Says what a head lacks of which the source has a part; of whole heads that are not there, the
/// training that wants one says so.
static void report_absent(const Import *import)
{
    const Model *model = import->model;
    int first = model->head_first;
    for (const Head *head = model->arch->heads; head->task; head++) {
        Text absent = { 0 };
        int rows = model_count_rows(&model->spec, head->rows, head->row_count), count = 0;
        for (int i = first; i < first + rows; i++)
            if (model->params[i].absent) add_name(&absent, &count, model->params[i].name);
        end_names(&absent, count);
        if (count && count < rows)
            log_info("%s has no %s: training starts them at random", import->path,
                     text_chars(&absent));
        text_release(&absent);
        first += rows;
    }
}

/// Finds every parameter; those of heads may be absent.
static Status match(Import *import)
{
    Status status = OK;
    Text missing = { 0 };
    int missing_count = 0;
    Model *model = import->model;
    import->tensors = MEM_NEW(const OriginTensor *, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        const OriginTensor *tensor = find_source(import, param->name);
        import->tensors[i] = tensor;
        param->absent = !tensor;
        if (tensor)
            TRY(check_shape(import, param, tensor));
        else if (!param->head)
            add_name(&missing, &missing_count, param->name);
    }
    end_names(&missing, missing_count);
    if (missing_count && !import->origin->config_only)
        FAIL(FAILED, "%s: the weights lack %s", import->path, text_chars(&missing));
    report_absent(import);
done:
    text_release(&missing);
    return status;
}

/// Says what the source holds and the model does not use: heads of other tasks, old buffers.
static void report_unused(const Import *import)
{
    Text unused = { 0 };
    int count = 0;
    for (int i = 0; i < import->origin->count; i++) {
        const OriginTensor *tensor = &import->origin->tensors[i];
        bool used = false;
        for (int k = 0; k < import->model->param_count && !used; k++)
            used = import->tensors[k] == tensor;
        if (!used) add_name(&unused, &count, tensor->name);
    }
    end_names(&unused, count);
    if (count) log_info("%s: not used: %s", import->path, text_chars(&unused));
    text_release(&unused);
}

/// What lies as (cols, rows) in `in`.
static void transpose(float *out /* (rows, cols) */, const float *in, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) out[r * cols + c] = in[c * rows + r];
}

static Status read_param(Import *import, const Param *param, const OriginTensor *tensor)
{
    float *value = import->model->values + param->offset;
    Status status = import->origin->kind->read(value, import->origin, tensor);
    if (status != OK || !param->transposed) return status;
    float *stored = mem_copy(value, (size_t)tensor->elements * sizeof(float));
    transpose(value, stored, param->rows, param->cols);
    mem_free(stored);
    return OK;
}

static Status read_values(Import *import)
{
    Status status = OK;
    Model *model = import->model;
    model_allocate(model);
    for (int i = 0; i < model->param_count; i++) {
        const OriginTensor *tensor = import->tensors[i];
        if (!tensor) continue;
        TRY(read_param(import, &model->params[i], tensor));
    }
done:
    return status;
}

static Status read_tokenizer(Import *import)
{
    Status status = OK;
    Tokenizer *tokenizer = NULL;
    char **json = &import->model->tokenizer_json;
    int64_t rows = import->model->spec.vocab_size;
    TRY(import->origin->kind->tokenizer(json, import->origin));
    const char *where = text_chars(&import->origin->where);
    TRY(tokenizer_new(&tokenizer, *json, strlen(*json), where));
    TRY(model_check_tokenizer(import->model->arch, tokenizer, where));
    int64_t size = tokenizer_size(tokenizer);
    if (size > rows)
        FAIL(FAILED, "%s: %lld tokens but the model has %lld: the tokenizer of another model",
             where, (long long)size, (long long)rows);
    if (size < rows)
        log_warn("%s: %lld tokens, the model has %lld: is it the tokenizer of this model?", where,
                 (long long)size, (long long)rows);
done:
    tokenizer_free(tokenizer);
    return status;
}

/// Names of the labels, where the head that knows them is whole.
static void read_labels(Model *model)
{
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].labels && model->params[i].absent) return;
    const Json *names = json_get(model->config, "id2label");
    model->label_names = MEM_NEW(char *, model->spec.num_labels);
    for (int64_t i = 0; i < model->spec.num_labels; i++) {
        char id[24], fallback[32];
        snprintf(id, sizeof id, "%lld", (long long)i);
        snprintf(fallback, sizeof fallback, "LABEL_%s", id);
        model->label_names[i] = mem_copy_text(json_text(json_get(names, id), fallback));
    }
}

static Status import_from(Import *import, const char *model_path)
{
    Status status = OK;
    json_remove(import->origin->config, "factor_ranks"); // ours: an origin's products are whole
    TRY(model_new(&import->model, import->origin->config, NULL, 0, NULL,
                  text_chars(&import->origin->where)));
    TRY(match(import));
    TRY(read_tokenizer(import));
    TRY(read_values(import));
    TRY(model_check_values(import->model, import->path));
    report_unused(import);
    read_labels(import->model);
    import->model->source = mem_copy_text(import->path);
    import->model->source_sha256 = mem_copy_text(text_chars(&import->origin->hashes));
    TRY(model_save(import->model, model_path));
done:
    mem_free(import->tensors);
    model_free(import->model);
    origin_close(import->origin);
    return status;
}

Status model_import(const char *model_path, const char *source_path)
{
    Import import = { .path = source_path };
    Status status = origin_open(&import.origin, source_path);
    return status == OK ? import_from(&import, model_path) : status;
}

Status model_import_config(const char *model_path, const char *source_path)
{
    Import import = { .path = source_path };
    Status status = origin_open_config(&import.origin, source_path);
    return status == OK ? import_from(&import, model_path) : status;
}
