#include "train/loop.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/ahead.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/evaluate.h"

#include <inttypes.h>
#include <math.h>

static bool evaluation_due(const Trainer *t, const StepRecord *step)
{
    int64_t every = t->recipe->train.eval_steps;
    if (t->step == t->batches.horizon) return true;
    return every ? t->step % every == 0 : step->epoch_ends;
}

/// Counts gains for early stopping; true if this is the best evaluation so far.
static bool judge(Trainer *t, const Metrics *metrics)
{
    const MetricRow *row = metrics_find(t->recipe->train.metric_for_best_model);
    double value = metrics_value(metrics, row);
    bool better =
        !t->best_step || (row->higher_is_better ? value > t->best_metric : value < t->best_metric);
    if (isnan(value)) better = false;
    if (better) {
        t->best_step = t->step;
        t->best_metric = value;
        t->evaluations_without_gain = 0;
    } else {
        t->evaluations_without_gain++;
    }
    return better;
}

/// Collective. A periodic save may fail (a full disk): training goes on and the next one tries
/// again.
COLLECTIVE
static void save_or_warn(Trainer *t, int64_t *saved_step)
{
    if (checkpoint_save(t) == OK) {
        *saved_step = t->step;
        return;
    }
    log_warn("%s; training goes on", status_message());
    status_clear();
}

/// Collective. The evaluation that is due; the best one is kept as a checkpoint.
COLLECTIVE
static void evaluate_step(Trainer *t, Record *record, int64_t *saved_step)
{
    Metrics metrics;
    optimizer_refresh_all(&t->optimizer);
    if (!evaluate_split(t->comm, &metrics, t->model, t->data, SPLIT_VALIDATION)) return;
    record_evaluation(record, SPLIT_VALIDATION, &metrics);
    if (judge(t, &metrics)) save_or_warn(t, saved_step);
    metrics_release(&metrics);
}

static bool stops_early(const Trainer *t)
{
    int64_t patience = t->recipe->train.early_stopping_patience;
    if (!patience || t->evaluations_without_gain < patience) return false;
    log_info("step %" PRId64 ": no better %s for %" PRId64 " evaluations: stopping", t->step,
             t->recipe->train.metric_for_best_model, patience);
    return true;
}

static Status diverged(const Trainer *t, const StepRecord *record)
{
    char *newest;
    checkpoint_newest(&newest, t->recipe->output.folder, 0);
    Status status =
        status_fail(FAILED,
                    "step %" PRId64
                    ": loss %g, gradient norm %g: training diverged; the last good checkpoint is "
                    "%s; try a lower train.learning_rate or train.max_grad_norm",
                    record->step, record->loss, record->grad_norm, newest ? newest : "none");
    mem_free(newest);
    return status;
}

Status loop_run(Trainer *t, Record *record)
{
    Status status = OK;
    int64_t saved_step = t->step > 0 ? t->step : -1; // resumed from it
    bool stop = stops_early(t), asked = false;
    ahead_take(t);
    while (!stop && t->step < t->batches.last) {
        StepRecord step;
        train_step(t, &step);
        if (step.diverged) TRY_ALL(t->comm, diverged(t, &step));
        record_step(record, &step);
        if (evaluation_due(t, &step)) evaluate_step(t, record, &saved_step);
        asked = step.stop;
        stop = asked || stops_early(t);
        int64_t every = t->recipe->output.save_steps;
        if (!stop && every && t->step % every == 0 && saved_step != t->step)
            save_or_warn(t, &saved_step);
    }
    if (saved_step != t->step) TRY(checkpoint_save(t));
    if (asked && t->step < t->batches.last) {
        log_info("asked to stop: step %" PRId64 " is saved; run the same command to go on",
                 t->step);
        status = STOPPED;
    }
done:
    return status;
}
