#include "train/checkpoint.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/agree.h"
#include "train/checkpoint_folder.h"
#include "train/checkpoint_parts.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    CheckpointParts parts;
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
    checkpoint_parts_release(&s->parts);
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
    int value_count = make_values(s->values, s->storage, t);
    checkpoint_parts(&s->parts, t, copy);
    checkpoint_path(&s->path, t->recipe->output.folder, t->step);
    TRY(tensors_begin(&s->writer, t->comm, s->path.data, "checkpoint", s->values, value_count,
                      s->parts.items, s->parts.count));
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
