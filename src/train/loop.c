#include "train/loop.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/ahead.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/evaluate.h"
#include "train/method.h"
#include "train/state.h"

#include <inttypes.h>
#include <math.h>

/// After so many steps, of which the last may end an epoch.
static bool evaluation_due(const Trainer *t, int64_t step, bool epoch_ends)
{
    int64_t every = t->recipe->train.eval_steps;
    if (step == t->batches.horizon) return true;
    return every ? step % every == 0 : epoch_ends;
}

typedef struct {
    Trainer *trainer;
    Record *record;
    Best candidate;  ///< the last evaluation that is better than what is kept
    Best before;     ///< what was kept before the save that is on its way
    double waited_s; ///< seconds that training waited for its start
    bool warned;     ///< of an undefined metric
    bool asked;      ///< to stop, on some rank
} Loop;

static bool is_better(double value, const Best *best, const char *name)
{
    bool higher = evaluation_higher_is_better(name);
    return !best->step || (higher ? value > best->metric : value < best->metric);
}

/// Counts gains for early stopping. An undefined metric is neither a gain nor the lack of one.
static void judge(Loop *loop, const Evaluation *evaluation)
{
    Trainer *t = loop->trainer;
    const char *name = t->recipe->train.metric_for_best_model;
    Best now = { t->step, evaluation_value(evaluation, name) };
    if (isnan(now.metric)) {
        if (!loop->warned)
            log_warn("step %" PRId64 ": %s is undefined on these validation rows: such evaluations "
                     "decide nothing",
                     t->step, name);
        loop->warned = true;
        return;
    }
    if (is_better(now.metric, &t->kept, name)) loop->candidate = now;
    t->evaluations_without_gain++;
    if (!is_better(now.metric, &t->judged, name)) return;
    t->judged = now;
    t->evaluations_without_gain = 0;
}

/// What a save took, whoever waited for it.
static void count_save(Trainer *t, Status saved, double seconds)
{
    deadline_spent(&t->deadline, WORK_SAVE, seconds);
    if (saved != OK) return;
    t->phases.saves++;
    t->phases.save_s += seconds;
}

/// Collective. The checkpoint of a step that is better than the one kept so far takes its place.
/// `later`: it is started, and `settle_save` ends it.
COLLECTIVE
static Status save(Loop *loop, bool later)
{
    Trainer *t = loop->trainer;
    loop->before = t->kept;
    phases_start(&t->phases, PHASE_CHECKPOINT);
    if (loop->candidate.step == t->step) t->kept = loop->candidate;
    Status status = later ? checkpoint_start(t) : checkpoint_save(t); // agreed: by all ranks
    loop->waited_s = phases_lap(&t->phases, PHASE_DATA);
    if (status != OK) t->kept = loop->before;
    if (later && status == OK) return OK;
    count_save(t, status, loop->waited_s);
    if (status == OK) t->saved_step = t->step;
    return status;
}

static void warn_of_save(void)
{
    log_warn("%s; training goes on", status_message());
    status_clear();
}

/// Collective. Ends the save that is on its way, if there is one. It may fail, as in
/// `save_or_warn`.
COLLECTIVE
static Status settle_save(Loop *loop)
{
    Trainer *t = loop->trainer;
    double seconds;
    if (!t->saving) return OK; // agreed: it is on its way on all ranks
    phases_start(&t->phases, PHASE_CHECKPOINT);
    Status may = agree(t->comm, t->comm->rank ? OK : lock_check(t->lock));
    Status saved = checkpoint_finish(t, may, &seconds);
    phases_lap(&t->phases, PHASE_DATA);
    count_save(t, saved, loop->waited_s + seconds);
    if (saved != OK) t->kept = loop->before;
    if (may != OK) return may; // agreed: above
    if (saved != OK) warn_of_save();
    return OK;
}

/// Collective. A save may fail (a full disk): training goes on and the next one tries again. FAILED
/// if the folder is another job's by now.
COLLECTIVE
static Status save_or_warn(Loop *loop)
{
    Status status = OK;
    Trainer *t = loop->trainer;
    TRY(settle_save(loop)); // one at a time
    TRY_ROOT(t->comm, lock_check(t->lock));
    if (save(loop, t->async.copy) != OK) warn_of_save();
done:
    return status;
}

static bool save_due(const Trainer *t, int64_t step)
{
    int64_t every = t->recipe->output.save_steps;
    return every && step % every == 0;
}

/// What comes after the step to make and, if that is not the last, after the next one: the final
/// checkpoint too. An evaluation may be the best, which is kept as a checkpoint.
static void plan_ahead(Trainer *t)
{
    const Batches *b = &t->batches;
    int64_t step = t->step + 1, epoch_end = b->epoch_first + b->epoch_steps;
    bool now = evaluation_due(t, step, t->next.epoch_ends);
    bool then = evaluation_due(t, step + 1, step + 1 == epoch_end || b->epoch_steps == 1);
    // the one that is on its way is waited for
    int64_t saves = 1 + (now || save_due(t, step)) + (t->saving != NULL);
    deadline_plan(&t->deadline, step < b->last, now + then, saves);
}

static bool presses(void *deadline)
{
    return deadline_presses(deadline);
}

/// Collective. Whether a rank has to stop, between two votes.
COLLECTIVE
static bool has_to_stop(Trainer *t)
{
    int64_t reason = deadline_reached(&t->deadline);
    comm_max_int64(t->comm, &reason, 1);
    return reason;
}

/// Collective. The evaluation that is due; one that is left is owed.
COLLECTIVE
static Status evaluate_step(Loop *loop)
{
    Status status = OK;
    Trainer *t = loop->trainer;
    Evaluation found;
    Watch watch = { presses, &t->deadline, false };
    phases_start(&t->phases, PHASE_EVALUATION);
    optimizer_refresh_all(&t->optimizer);
    bool any = evaluate_split(t->comm, &found, &t->recipe->train, t->model, t->tokenizer, t->data,
                              SPLIT_VALIDATION, &watch);
    t->owes_evaluation = watch.stopped;
    if (watch.stopped) loop->asked = true;
    if (!any && !watch.stopped) return OK;
    double seconds = phases_lap(&t->phases, PHASE_DATA);
    if (!any) return OK; // agreed: stopped on all ranks
    deadline_evaluated(&t->deadline, seconds);
    record_evaluation(loop->record, SPLIT_VALIDATION, &found);
    TRY(settle_save(loop)); // what is kept is known then
    judge(loop, &found);
    if (has_to_stop(t)) loop->asked = true; // it may have taken long
done:
    evaluation_release(&found);
    return status;
}

static bool lost_patience(const Trainer *t)
{
    int64_t patience = t->recipe->train.early_stopping_patience;
    return patience && t->evaluations_without_gain >= patience;
}

bool loop_is_done(const Trainer *t)
{
    return !t->owes_evaluation && (t->step >= t->batches.last || lost_patience(t));
}

static bool stops_early(const Trainer *t)
{
    if (!lost_patience(t)) return false;
    log_info("step %" PRId64 ": no better %s for %" PRId64 " evaluations: stopping", t->step,
             t->recipe->train.metric_for_best_model, t->recipe->train.early_stopping_patience);
    return true;
}

static Status diverged(const Trainer *t, const StepRecord *record)
{
    char *newest;
    Text loss = { 0 }, norm = { 0 };
    text_real(&loss, record->loss);
    text_real(&norm, record->grad_norm);
    checkpoint_newest(&newest, t->recipe->output.folder, 0);
    Status status =
        status_fail(FAILED,
                    "step %" PRId64
                    ": loss %s, gradient norm %s: training diverged; the last good checkpoint is "
                    "%s; try a lower train.learning_rate or train.max_grad_norm",
                    record->step, loss.data, norm.data, newest ? newest : "none");
    text_release(&norm);
    text_release(&loss);
    mem_free(newest);
    return status;
}

/// How many steps have as many rows as the split.
static double split_steps(const Trainer *t, Split split)
{
    int64_t *rows, count = dataset_split_rows(t->data, split, &rows);
    mem_free(rows);
    return (double)count / t->batches.mean_rows;
}

/// What there is to watch, on rank 0; state.json says from here on that the run goes on.
static void start_deadline(Trainer *t)
{
    if (t->comm->rank) return;
    double validation = split_steps(t, SPLIT_VALIDATION), test = split_steps(t, SPLIT_TEST);
    deadline_start(&t->deadline, t->recipe, trainer_checkpoint_bytes(t), validation,
                   validation + test);
    t->begun = true;
    state_write(t, STATE_RUNNING);
}

/// Collective. The save that is due after a step; what ends the run is saved at its end, where a
/// failure ends it too.
COLLECTIVE
static Status save_step(Loop *loop)
{
    const Trainer *t = loop->trainer;
    bool due = save_due(t, t->step) || loop->candidate.step == t->step;
    bool ends = loop->asked || t->step == t->batches.last || lost_patience(t);
    return due && !ends ? save_or_warn(loop) : OK; // agreed: the same on all ranks
}

/// Collective. What the life before left goes first, and what it saved is saved anew with it.
COLLECTIVE
static Status evaluate_owed(Loop *loop)
{
    Status status = OK;
    Trainer *t = loop->trainer;
    if (!t->owes_evaluation) return OK; // agreed: so says the checkpoint
    deadline_plan(&t->deadline, t->step < t->batches.last, 1, 1);
    t->deadline.owes = true;
    TRY(evaluate_step(loop));
    t->deadline.owes = false;
    if (t->owes_evaluation) return OK; // agreed: left on all ranks
    t->saved_step = -1;
    TRY(save_step(loop));
done:
    return status;
}

Status loop_run(Trainer *t, Record *record)
{
    Status status = OK;
    // what was judged and not kept may still be saved if it is of this step
    Loop loop = { .trainer = t, .record = record, .candidate = t->judged };
    const Method *method = method_find(t->recipe->train.method);
    if (t->step > 0) batches_take(&t->batches, &t->done, t->step - 1); // a save tells its place
    ahead_take(t);
    start_deadline(t);
    t->phases.start_s = clock_now_s();
    TRY(evaluate_owed(&loop));
    while (!loop.asked && !stops_early(t) && t->step < t->batches.last) {
        StepRecord step;
        plan_ahead(t);
        TRY(method->step(t, &step)); // agreed: every method's step is collective
        if (!step.writes || step.diverged) TRY(settle_save(&loop));
        if (step.diverged) TRY_ALL(t->comm, diverged(t, &step));
        deadline_spent(&t->deadline, WORK_STEP, step.seconds);
        t->phases.steps++;
        t->phases.tokens += step.tokens;
        t->phases.flops += step.flops;
        record_step(record, &step);
        loop.asked = step.stop;
        if (evaluation_due(t, t->step, step.epoch_ends)) TRY(evaluate_step(&loop));
        TRY(save_step(&loop));
    }
    TRY(settle_save(&loop));
    if (t->saved_step != t->step) {
        TRY_ROOT(t->comm, lock_check(t->lock));
        TRY(save(&loop, false));
    }
    if (t->owes_evaluation || (loop.asked && t->step < t->batches.last))
        status = deadline_obey(&t->deadline, t->step); // agreed: the same on all ranks
done:
    t->phases.end_s = clock_now_s();
    return status;
}
