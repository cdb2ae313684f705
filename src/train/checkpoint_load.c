#include "train/checkpoint.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/checkpoint_parts.h"
#include "train/platform.h"
#include "train/resume.h"

#include <string.h>

/// A group's tensor of a parameter.
static Status find_tensor(const TensorInfo **out, TensorFile *file, const char *group,
                          const Param *p)
{
    Text path = { 0 };
    text_printf(&path, "%s/%s", group, p->name);
    const TensorInfo *info = *out = tensors_find(file, path.data);
    Status status = OK;
    if (!info || info->elements != param_elements(p))
        status = status_fail(FAILED, "%s: %s is missing or has another shape than the model",
                             tensors_file_path(file), path.data);
    text_release(&path);
    return status;
}

/// Reads what this rank owns of one group's tensors into `moment`.
static Status read_group(TensorFile *file, const Trainer *t, const char *group, float *moment)
{
    Status status = OK;
    TensorRange *ranges = MEM_NEW(TensorRange, t->blocks.segment_count);
    for (int i = 0; i < t->model->param_count; i++) {
        const Param *p = &t->model->params[i];
        const TensorInfo *info;
        int count = checkpoint_ranges(ranges, t, i, moment, false);
        TRY(find_tensor(&info, file, group, p));
        for (int k = 0; k < count; k++)
            TRY(tensors_read_part(file, info, &p->layout, ranges[k].first, ranges[k].count,
                                  (float *)ranges[k].data));
    }
done:
    mem_free(ranges);
    return status;
}

static Status read_moments(TensorFile *file, const Trainer *t)
{
    Status status = OK;
    if (checkpoint_group_count(t) < CHECKPOINT_GROUPS) return OK;
    TRY(read_group(file, t, checkpoint_groups[1], t->optimizer.exp_avg));
    TRY(read_group(file, t, checkpoint_groups[2], t->optimizer.exp_avg_sq));
done:
    return status;
}

/// Collective. Ranks that hold parts of the model: moments each by itself; weights once a job, then
/// broadcast.
COLLECTIVE
static Status load_parts(Trainer *t, TensorFile *file)
{
    Status status = OK;
    Model *stored = NULL;
    TRY_ALL(t->comm, read_moments(file, t));
    TRY(model_load(t->comm, &stored, tensors_file_path(file), t->recipe->model.task));
    if (stored->elements != t->model->elements)
        TRY_ALL(t->comm, status_fail(FAILED, "%s holds another model than %s",
                                     tensors_file_path(file), t->recipe->model.path));
    if (node_leads(t->model->node))
        memcpy(t->model->values, stored->values, (size_t)stored->elements * sizeof(float));
    node_settle(t->model->node);
    optimizer_restored(&t->optimizer, t->step);
done:
    model_free(stored);
    return status;
}

static Status list_shares(TensorShare *shares, TensorRange *ranges, const Trainer *t,
                          TensorFile *file)
{
    Status status = OK;
    int params = t->model->param_count;
    float *live[] = { t->model->values, t->optimizer.exp_avg, t->optimizer.exp_avg_sq };
    for (int k = 0; k < checkpoint_group_count(t) * params; k++) {
        int group = k / params;
        TensorShare *share = &shares[k];
        share->ranges = ranges;
        share->count = checkpoint_ranges(ranges, t, k % params, live[group], !group);
        ranges += share->count;
        TRY(find_tensor(&share->info, file, checkpoint_groups[group],
                        &t->model->params[k % params]));
    }
done:
    return status;
}

/// Collective. Ranks that hold the whole model: each reads what it owns, as it was written.
COLLECTIVE
static Status load_whole(Trainer *t, TensorFile *file)
{
    Status status = OK;
    int count = checkpoint_group_count(t) * t->model->param_count;
    TensorShare *shares = MEM_NEW(TensorShare, count);
    TensorRange *ranges = MEM_NEW(TensorRange, checkpoint_group_count(t) * t->blocks.segment_count);
    TRY_ALL(t->comm, list_shares(shares, ranges, t, file));
    TRY(tensors_read_shares(t->comm, file, shares, count));
    optimizer_restored(&t->optimizer, t->step);
    optimizer_deliver(&t->optimizer);
done:
    mem_free(ranges);
    mem_free(shares);
    return status;
}

static Status read_state(Trainer *t, TensorFile *file)
{
    Status status = OK;
    TRY(resume_check(file, t->recipe, t->model, t->data, t->row_leaves));
    platform_compare(file);
    t->step = tensors_int(file, "step", 0);
    t->kept.step = tensors_int(file, "best_step", 0);
    t->kept.metric = tensors_real(file, "best_metric", 0);
    t->judged.step = tensors_int(file, "judged_step", t->kept.step);
    t->judged.metric = tensors_real(file, "judged_metric", t->kept.metric);
    t->evaluations_without_gain = tensors_int(file, "evaluations_without_gain", 0);
    t->owes_evaluation = tensors_int(file, "owes_evaluation", 0);
done:
    return status;
}

Status checkpoint_load(Trainer *t, const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY_ALL(t->comm, tensors_open(&file, path, "checkpoint"));
    TRY_ALL(t->comm, read_state(t, file));
    TRY(t->model->group ? load_parts(t, file) : load_whole(t, file)); // agreed: as the grid is
done:
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
