#include "train/checkpoint.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/checkpoint_folder.h"
#include "train/platform.h"
#include "train/resume.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/// The part of one parameter-shaped tensor that this rank's slice holds, whoever speaks for it.
static TensorPart slice_part(const Trainer *t, const Param *p, const char *path, const float *slice)
{
    int64_t size = p->rows * p->cols;
    int64_t start = p->offset > t->optimizer.first ? p->offset : t->optimizer.first;
    int64_t end = p->offset + size, own_end = t->optimizer.first + t->optimizer.count;
    if (end > own_end) end = own_end;
    TensorPart part = { .path = path,
                        .type = ELEMENT_F32,
                        .rank = p->rank,
                        .dims = { p->dims[0], p->dims[1] },
                        .layout = p->layout };
    if (start < end) {
        part.first = start - p->offset;
        part.count = end - start;
        part.data = slice + (start - t->optimizer.first);
    }
    return part;
}

enum { GROUPS = 3 };
static const char *const groups[GROUPS] = { "model", "optim/exp_avg", "optim/exp_avg_sq" };

/// One part per parameter and group, with its path in `paths`; both owned by the caller.
static TensorPart *make_parts(const Trainer *t, Text **paths)
{
    int params = t->model->param_count;
    const float *slices[GROUPS] = { t->model->values + t->optimizer.first, t->optimizer.exp_avg,
                                    t->optimizer.exp_avg_sq };
    TensorPart *parts = MEM_NEW(TensorPart, GROUPS * params);
    *paths = MEM_NEW(Text, GROUPS * params);
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < params; i++) {
            Text *path = &(*paths)[g * params + i];
            text_printf(path, "%s/%s", groups[g], t->model->params[i].name);
            parts[g * params + i] = slice_part(t, &t->model->params[i], path->data, slices[g]);
            if (!param_leads(t->model, &t->model->params[i])) parts[g * params + i].count = 0;
        }
    }
    return parts;
}

static Value text_value(const char *name, const char *text)
{
    return (Value){ .name = name, .kind = VALUE_TEXT, .text = text };
}

static Value int_value(const char *name, int64_t integer)
{
    return (Value){ .name = name, .kind = VALUE_INT, .integer = integer };
}

static Value real_value(const char *name, double real)
{
    return (Value){ .name = name, .kind = VALUE_REAL, .real = real };
}

enum { STATE_VALUES = 40 };

static int make_values(Value *values, Text storage[2], Trainer *t)
{
    int count = model_values(values, &storage[0], t->model);
    recipe_print(&storage[1], t->recipe);
    values[count++] = text_value("recipe", text_chars(&storage[1]));
    values[count++] = int_value("step", t->step);
    values[count++] = int_value("epoch", t->done.epoch);
    values[count++] = int_value("rows_consumed", t->done.rows_consumed);
    values[count++] = int_value("seed", t->recipe->train.seed);
    values[count++] = int_value("leaves", t->leaves / t->grid.rows);
    values[count++] = text_value("dataset_key", t->data->content_key);
    values[count++] = int_value("best_step", t->kept.step);
    values[count++] = real_value("best_metric", t->kept.metric);
    values[count++] = int_value("judged_step", t->judged.step);
    values[count++] = real_value("judged_metric", t->judged.metric);
    values[count++] = int_value("evaluations_without_gain", t->evaluations_without_gain);
    values[count++] = int_value("ranks", t->comm->size);
    values[count++] = int_value("threads", omp_get_max_threads());
    if (t->data->data_sha256) values[count++] = text_value("data_sha256", t->data->data_sha256);
    CHECK(count <= STATE_VALUES, "%d values", count);
    return count;
}

Status checkpoint_save(Trainer *t)
{
    Status status = OK;
    const char *run = t->recipe->output.folder;
    Text path = { 0 }, storage[2] = { { 0 } }, *paths = NULL;
    Value values[STATE_VALUES];
    TensorPart *parts = make_parts(t, &paths);
    int part_count = GROUPS * t->model->param_count;
    int value_count = make_values(values, storage, t);
    optimizer_refresh_all(&t->optimizer);
    checkpoint_path(&path, run, t->step);
    TRY(tensors_write(t->comm, path.data, "checkpoint", values, value_count, parts, part_count));
    if (t->comm->rank == 0)
        checkpoint_rotate(run, t->recipe->output.save_total_limit, t->step, t->kept.step);
done:
    for (int i = 0; i < part_count; i++) text_release(&paths[i]);
    mem_free(paths);
    mem_free(parts);
    text_release(&storage[0]);
    text_release(&storage[1]);
    text_release(&path);
    return status;
}

/// Reads this rank's slice of every tensor of one group into `slice`.
static Status read_group(TensorFile *file, const Trainer *t, const char *group, float *slice)
{
    Status status = OK;
    Text path = { 0 };
    for (int i = 0; i < t->model->param_count; i++) {
        const Param *p = &t->model->params[i];
        text_clear(&path);
        text_printf(&path, "%s/%s", group, p->name);
        TensorPart part = slice_part(t, p, path.data, slice);
        const TensorInfo *info = tensors_find(file, path.data);
        if (!info || info->elements != param_elements(p))
            FAIL(FAILED, "%s: %s is missing or has another shape than the model",
                 tensors_file_path(file), path.data);
        if (part.count)
            TRY(tensors_read_part(file, info, &part.layout, part.first, part.count,
                                  (float *)part.data));
    }
done:
    text_release(&path);
    return status;
}

static Status read_state(Trainer *t, TensorFile *file)
{
    Status status = OK;
    TRY(resume_check(file, t->recipe, t->model, t->data, t->leaves / t->grid.rows));
    TRY(read_group(file, t, groups[1], t->optimizer.exp_avg));
    TRY(read_group(file, t, groups[2], t->optimizer.exp_avg_sq));
    platform_compare(file);
    t->step = t->optimizer.steps = tensors_int(file, "step", 0);
    t->kept.step = tensors_int(file, "best_step", 0);
    t->kept.metric = tensors_real(file, "best_metric", 0);
    t->judged.step = tensors_int(file, "judged_step", t->kept.step);
    t->judged.metric = tensors_real(file, "judged_metric", t->kept.metric);
    t->evaluations_without_gain = tensors_int(file, "evaluations_without_gain", 0);
done:
    return status;
}

Status checkpoint_load(Trainer *t, const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    Model *stored = NULL;
    TRY_ALL(t->comm, tensors_open(&file, path, "checkpoint"));
    TRY_ALL(t->comm, read_state(t, file));
    TRY(model_load(t->comm, &stored, path,
                   t->recipe->model.task)); // weights: read once a job, then broadcast
    if (stored->elements != t->model->elements)
        TRY_ALL(t->comm,
                status_fail(FAILED, "%s holds another model than %s", path, t->recipe->model.path));
    if (node_leads(t->model->node))
        memcpy(t->model->values, stored->values, (size_t)stored->elements * sizeof(float));
    node_settle(t->model->node);
    optimizer_restored(&t->optimizer);
done:
    model_free(stored);
    tensors_close(file);
    return status;
}

Status checkpoint_recipe(Recipe *out, const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(tensors_open(&file, path, "checkpoint"));
    TRY(recipe_parse(out, tensors_text(file, "recipe", ""), path));
done:
    tensors_close(file);
    return status;
}
