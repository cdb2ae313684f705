#include "train/checkpoint.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/agree.h"
#include "train/checkpoint_folder.h"
#include "train/method.h"
#include "train/platform.h"
#include "train/resume.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS = 3 };
static const char *const groups[GROUPS] = { "model", "optim/exp_avg", "optim/exp_avg_sq" };

/// How many of them a run has: without steps of an optimizer it has no moments.
static int group_count(const Trainer *t)
{
    return method_find(t->recipe->train.method)->once ? 1 : GROUPS;
}

/// What a checkpoint is written from.
typedef struct {
    Text *paths;         ///< (groups, params)
    TensorPart *parts;   ///< (groups, params)
    TensorRange *ranges; ///< (groups, segments)
} Parts;

/// What this rank owns of a parameter, from where its values lie: of all parameters at their
/// places, or of what is own in the order of segments. Segments that follow one another are one
/// range.
static int list_ranges(TensorRange *out, const Trainer *t, int param, const float *values,
                       bool at_places)
{
    const Blocks *blocks = &t->blocks;
    int count = 0;
    for (int i = 0; i < blocks->segment_count; i++) {
        const Segment *s = &blocks->segments[i];
        if (s->param != param) continue;
        int64_t first = s->first - t->model->params[param].offset;
        const float *data = values + (at_places ? s->first : s->at);
        TensorRange *last = count ? &out[count - 1] : NULL;
        bool follows = last && last->first + last->count == first &&
                       (const float *)last->data + last->count == data;
        if (follows)
            last->count += s->count;
        else
            out[count++] = (TensorRange){ first, s->count, data };
    }
    return count;
}

/// One part per parameter and group; those that another rank speaks for are empty. `copy` NULL: of
/// the values that training goes on with.
static void make_parts(Parts *out, const Trainer *t, const float *copy)
{
    int params = t->model->param_count, count = group_count(t) * params;
    int64_t own = t->blocks.own_elements;
    const float *live[] = { t->model->values, t->optimizer.exp_avg, t->optimizer.exp_avg_sq };
    *out = (Parts){ .paths = MEM_NEW(Text, count),
                    .parts = MEM_NEW(TensorPart, count),
                    .ranges = MEM_NEW(TensorRange, group_count(t) * t->blocks.segment_count) };
    TensorRange *ranges = out->ranges;
    for (int k = 0; k < count; k++) {
        int group = k / params;
        const Param *p = &t->model->params[k % params];
        text_printf(&out->paths[k], "%s/%s", groups[group], p->name);
        TensorPart part = { .path = out->paths[k].data,
                            .type = ELEMENT_F32,
                            .rank = p->rank,
                            .dims = { p->dims[0], p->dims[1] },
                            .layout = p->layout,
                            .more = ranges };
        if (param_leads(t->model, p))
            part.more_count = list_ranges(ranges, t, k % params,
                                          copy ? copy + group * own : live[group], !copy && !group);
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
    if (t->owes_evaluation) values[count++] = int_value("owes_evaluation", 1);
    values[count++] = int_value("ranks", t->comm->size);
    values[count++] = int_value("threads", omp_get_max_threads());
    if (t->data->data_sha256) values[count++] = text_value("data_sha256", t->data->data_sha256);
    CHECK(count <= STATE_VALUES, "%d values", count);
    return count;
}

struct Saving {
    int64_t step;
    Text path, storage[2];
    Value values[STATE_VALUES];
    Parts parts;
    int part_count;
    TensorWriter *writer;
    Async *async;
    // of the thread
    pthread_t thread;
    bool has_thread;
    Status put;
    char message[STATUS_BYTES]; ///< why it failed
    double seconds;
    Pulse pulse;
    atomic_bool written;
};

static void free_saving(Saving *s)
{
    release_parts(&s->parts, s->part_count);
    text_release(&s->storage[0]);
    text_release(&s->storage[1]);
    text_release(&s->path);
    mem_free(s);
}

/// Collective. The file of the step that is done, without its payload.
COLLECTIVE
static Status begin_save(Saving **out, Trainer *t, const float *copy)
{
    Status status = OK;
    Saving *s = MEM_NEW(Saving, 1);
    *out = NULL;
    s->step = t->step;
    s->async = &t->async;
    s->part_count = group_count(t) * t->model->param_count;
    int value_count = make_values(s->values, s->storage, t);
    make_parts(&s->parts, t, copy);
    checkpoint_path(&s->path, t->recipe->output.folder, t->step);
    TRY(tensors_begin(&s->writer, t->comm, s->path.data, "checkpoint", s->values, value_count,
                      s->parts.parts, s->part_count));
    *out = s;
    s = NULL;
done:
    if (s) free_saving(s);
    return status;
}

/// Collective. Commits what all ranks have put.
COLLECTIVE
static Status end_save(Trainer *t, Saving *s, Status put)
{
    Status status = OK;
    TRY(tensors_commit(s->writer, put));
    fault_kill_at("kill-before-rotate");
    if (t->comm->rank == 0)
        checkpoint_rotate(t->recipe->output.folder, t->recipe->output.save_total_limit, s->step,
                          t->kept.step, async_close, &t->async);
done:
    free_saving(s);
    return status;
}

Status checkpoint_save(Trainer *t)
{
    Status status = OK;
    Saving *s;
    optimizer_refresh_all(&t->optimizer);
    if (fault_at("save-slow")) sleep(3);
    TRY(begin_save(&s, t, NULL));
    TRY(end_save(t, s, tensors_put(s->writer)));
done:
    return status;
}

static void put_part(Saving *s)
{
    double start_s = clock_now_s();
    if (fault_at("save-slow")) sleep(3);
    async_catch_up(s->async);
    s->put = tensors_put(s->writer);
    if (s->put != OK) snprintf(s->message, sizeof s->message, "%s", status_message());
    s->seconds = clock_now_s() - start_s;
    atomic_store(&s->written, true);
}

static void *put_in_thread(void *saving)
{
    Saving *s = saving;
    pulse_move(&s->pulse);
    async_take_place(s->async);
    put_part(s);
    return NULL;
}

/// As long as the thread gets on, so does this one.
static void wait_for_thread(Saving *s)
{
    int64_t seen = 0;
    while (!atomic_load(&s->written)) {
        int64_t now = atomic_load(&s->pulse.progress);
        if (now != seen) pulse_progress();
        seen = now;
        usleep(1000);
    }
    pthread_join(s->thread, NULL);
}

Status checkpoint_start(Trainer *t)
{
    Status status = OK;
    Saving *s;
    CHECK(!t->saving, "a checkpoint is on its way");
    async_copy(&t->async, &t->optimizer);
    TRY(begin_save(&s, t, t->async.copy));
    t->saving = s;
    s->has_thread = !pthread_create(&s->thread, NULL, put_in_thread, s);
    if (!s->has_thread) put_part(s);
done:
    return status;
}

bool checkpoint_writes(const Trainer *t)
{
    return t->saving && !atomic_load(&t->saving->written);
}

Status checkpoint_finish(Trainer *t, Status may, double *seconds)
{
    Saving *s = t->saving;
    if (s->has_thread) wait_for_thread(s);
    if (may == OK && s->put != OK) may = status_fail(s->put, "%s", s->message);
    int64_t longest_us = (int64_t)(1e6 * s->seconds), step = s->step;
    comm_max_int64(t->comm, &longest_us, 1);
    t->saving = NULL;
    double start_s = clock_now_s();
    Status status = end_save(t, s, may);
    *seconds = 1e-6 * (double)longest_us + clock_now_s() - start_s;
    if (status == OK) t->saved_step = step;
    return status;
}

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
        int count = list_ranges(ranges, t, i, moment, false);
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
    if (group_count(t) < GROUPS) return OK;
    TRY(read_group(file, t, groups[1], t->optimizer.exp_avg));
    TRY(read_group(file, t, groups[2], t->optimizer.exp_avg_sq));
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
    for (int k = 0; k < group_count(t) * params; k++) {
        int group = k / params;
        TensorShare *share = &shares[k];
        share->ranges = ranges;
        share->count = list_ranges(ranges, t, k % params, live[group], !group);
        ranges += share->count;
        TRY(find_tensor(&share->info, file, groups[group], &t->model->params[k % params]));
    }
done:
    return status;
}

/// Collective. Ranks that hold the whole model: each reads what it owns, as it was written.
COLLECTIVE
static Status load_whole(Trainer *t, TensorFile *file)
{
    Status status = OK;
    int count = group_count(t) * t->model->param_count;
    TensorShare *shares = MEM_NEW(TensorShare, count);
    TensorRange *ranges = MEM_NEW(TensorRange, group_count(t) * t->blocks.segment_count);
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
