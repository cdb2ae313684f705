#include "train/checkpoint.h"
#include "base/fault.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/checkpoint_folder.h"
#include "train/platform.h"
#include "train/resume.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS = 3 };
static const char *const groups[GROUPS] = { "model", "optim/exp_avg", "optim/exp_avg_sq" };

/// What a checkpoint is written from.
typedef struct {
    Text *paths;         ///< (GROUPS, params)
    TensorPart *parts;   ///< (GROUPS, params)
    TensorRange *ranges; ///< (GROUPS, segments)
} Parts;

/// What this rank owns of a parameter: of the weights at their places, of a moment as it lies.
static int list_ranges(TensorRange *out, const Trainer *t, int param, const float *whole,
                       const float *moment)
{
    const Blocks *blocks = &t->blocks;
    int count = 0;
    for (int i = 0; i < blocks->segment_count; i++) {
        const Segment *s = &blocks->segments[i];
        if (s->param == param)
            out[count++] = (TensorRange){ s->first - t->model->params[param].offset, s->count,
                                          whole ? whole + s->first : moment + s->at };
    }
    return count;
}

/// One part per parameter and group; those that another rank speaks for are empty.
static void make_parts(Parts *out, const Trainer *t)
{
    int params = t->model->param_count;
    const float *moments[GROUPS] = { NULL, t->optimizer.exp_avg, t->optimizer.exp_avg_sq };
    *out = (Parts){ .paths = MEM_NEW(Text, GROUPS * params),
                    .parts = MEM_NEW(TensorPart, GROUPS * params),
                    .ranges = MEM_NEW(TensorRange, GROUPS * t->blocks.segment_count) };
    TensorRange *ranges = out->ranges;
    for (int k = 0; k < GROUPS * params; k++) {
        const float *moment = moments[k / params];
        const Param *p = &t->model->params[k % params];
        text_printf(&out->paths[k], "%s/%s", groups[k / params], p->name);
        TensorPart part = { .path = out->paths[k].data,
                            .type = ELEMENT_F32,
                            .rank = p->rank,
                            .dims = { p->dims[0], p->dims[1] },
                            .layout = p->layout,
                            .more = ranges };
        if (param_leads(t->model, p))
            part.more_count =
                list_ranges(ranges, t, k % params, moment ? NULL : t->model->values, moment);
        ranges += part.more_count;
        out->parts[k] = part;
    }
}

static void release_parts(Parts *parts, int count)
{
    for (int i = 0; i < count; i++) text_release(&parts->paths[i]);
    mem_free(parts->paths);
    mem_free(parts->parts);
    mem_free(parts->ranges);
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
    values[count++] = int_value("leaves", t->row_leaves);
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
    Text path = { 0 }, storage[2] = { { 0 } };
    Value values[STATE_VALUES];
    Parts parts;
    int part_count = GROUPS * t->model->param_count;
    int value_count = make_values(values, storage, t);
    make_parts(&parts, t);
    optimizer_refresh_all(&t->optimizer);
    checkpoint_path(&path, run, t->step);
    if (fault_at("save-slow")) sleep(3);
    TRY(tensors_write(t->comm, path.data, "checkpoint", values, value_count, parts.parts,
                      part_count));
    fault_kill_at("kill-before-rotate");
    if (t->comm->rank == 0)
        checkpoint_rotate(run, t->recipe->output.save_total_limit, t->step, t->kept.step);
done:
    release_parts(&parts, part_count);
    text_release(&storage[0]);
    text_release(&storage[1]);
    text_release(&path);
    return status;
}

/// Reads what this rank owns of one group's tensors into `moment`.
static Status read_group(TensorFile *file, const Trainer *t, const char *group, float *moment)
{
    Status status = OK;
    Text path = { 0 };
    TensorRange *ranges = MEM_NEW(TensorRange, t->blocks.segment_count);
    for (int i = 0; i < t->model->param_count; i++) {
        const Param *p = &t->model->params[i];
        int count = list_ranges(ranges, t, i, NULL, moment);
        text_clear(&path);
        text_printf(&path, "%s/%s", group, p->name);
        const TensorInfo *info = tensors_find(file, path.data);
        if (!info || info->elements != param_elements(p))
            FAIL(FAILED, "%s: %s is missing or has another shape than the model",
                 tensors_file_path(file), path.data);
        for (int k = 0; k < count; k++)
            TRY(tensors_read_part(file, info, &p->layout, ranges[k].first, ranges[k].count,
                                  (float *)ranges[k].data));
    }
done:
    mem_free(ranges);
    text_release(&path);
    return status;
}

static Status read_state(Trainer *t, TensorFile *file)
{
    Status status = OK;
    TRY(resume_check(file, t->recipe, t->model, t->data, t->row_leaves));
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
