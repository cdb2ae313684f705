#include "base/clock.h"
#include "base/fault.h"
#include "base/pulse.h"
#include "train/ahead.h"
#include "train/checkpoint.h"
#include "train/objective.h"
#include "train/schedule.h"

#include <math.h>
#include <unistd.h>

/// Ends a lap of the profile, where there is one, and of the phases.
static void lap(Trainer *t, const char *name, double bytes, Phase next)
{
    profile_lap(t->profile, name, phase_names[t->phases.now], 0, bytes);
    phases_lap(&t->phases, next);
}

/// Deals the sequences of the step to its leaves by the model's work for each; returns its tokens.
static int64_t deal_leaves(Trainer *t, const Batch *batch)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < batch->count; i++) {
        int64_t length = dataset_length(t->data, batch->rows[i]);
        t->costs[i] = t->model->arch->sequence_cost(&t->model->spec, length);
        tokens += length;
    }
    leaves_assign(&t->plan, t->costs, batch->count, t->leaves);
    return tokens;
}

/// Forward, objective and backward of one leaf into the gradients.
static double leaf_step(Trainer *t, const Batch *batch, int64_t leaf, double divisor)
{
    Packing packing;
    Pass pass = { .seed = (uint64_t)t->recipe->train.seed,
                  .step = (uint32_t)t->step,
                  .training = true,
                  .recompute = recipe_recompute(&t->recipe->train) };
    int64_t first = t->plan.starts[leaf], count = t->plan.starts[leaf + 1] - first;
    for (int64_t i = 0; i < count; i++) t->leaf_rows[i] = batch->rows[t->plan.members[first + i]];
    leaf_pack(&t->buffers, &packing, t->data, t->leaf_rows, count);
    lap(t, "leaves", 0, PHASE_FORWARD);
    gradients_leaf_start(t->gradients, t->weights);
    tape_start(t->tape, &pass, &packing);
    if (fault_at("leaf-slow")) usleep(10000);
    fault_hang_at("hang-step");
    double loss = t->objective->loss(t, divisor);
    lap(t, "loss", 0, PHASE_BACKWARD);
    tape_backward(t->tape);
    phases_lap(&t->phases, PHASE_REDUCTION);
    gradients_leaf_done(t->gradients);
    lap(t, "subtrees", 0, PHASE_DATA);
    return fault_at("loss-nan") ? NAN : loss;
}

/// PyTorch's clip_grad_norm_.
static double clip_factor(double norm, double max_norm)
{
    double factor = max_norm / (norm + 1e-6);
    return max_norm > 0 && factor < 1 ? factor : 1;
}

/// One optimizer step, the same bits for every number of ranks and threads:
///
///   data        deal_leaves         the rows taken ahead, dealt to leaves
///   forward     objective->loss     per leaf of this rank: model forward, loss and its gradient
///   backward    tape_backward       gradients of the leaf; gradients_ready sums and sends each
///   reduction   gradients_finish    the tree over leaves; what this rank owns of the sum
///   vote        vote_cast           loss, norm, stop requests and writers of all ranks
///   update      optimizer_update_…  AdamW: rows of tables, the dense part, which goes to all ranks
///   ahead       ahead_take          between them: rows of the next step, and what they look up
void train_step(Trainer *t, StepRecord *out)
{
    double start_s = clock_now_s();
    Batch batch = t->next;
    Verdict verdict;
    profile_start(t->profile);
    phases_start(&t->phases, PHASE_DATA);
    pulse_step(t->step + 1);

    int64_t tokens = deal_leaves(t, &batch);
    double divisor = t->objective->divisor(t, &batch);
    for (int64_t leaf = t->cuts[t->replicas->rank]; leaf < t->cuts[t->replicas->rank + 1]; leaf++)
        t->vote.losses[leaf] = leaf_step(t, &batch, leaf, divisor);
    delivery_await_all(t->optimizer.delivery); // for its node, where this rank has no leaf
    phases_lap(&t->phases, PHASE_REDUCTION);
    gradients_finish(t->gradients, &t->vote.squares);
    lap(t, "exchange", 0, PHASE_VOTE);
    t->vote.writes = checkpoint_writes(t);
    vote_cast(&t->vote, &verdict, deadline_reached(&t->deadline));
    lap(t, "vote", 0, PHASE_UPDATE);

    double learning_rate =
        schedule_learning_rate(&t->recipe->train, t->step, t->warmup, t->batches.horizon);
    bool diverged = !isfinite(verdict.loss) || !isfinite(verdict.grad_norm);
    if (!diverged)
        optimizer_update_rows(&t->optimizer, t->gradients, learning_rate,
                              clip_factor(verdict.grad_norm, t->recipe->train.max_grad_norm));
    t->step += !diverged;
    t->done = batch;
    lap(t, "adamw", optimizer_bytes(&t->optimizer, t->gradients), PHASE_DATA);
    ahead_take(t);
    lap(t, "ahead", 0, PHASE_UPDATE);
    if (!diverged) optimizer_update_dense(&t->optimizer, t->gradients);
    lap(t, "adamw", 0, PHASE_DATA);

    *out = (StepRecord){ .step = batch.step + 1,
                         .epoch = batch.progress,
                         .loss = verdict.loss,
                         .learning_rate = learning_rate,
                         .grad_norm = verdict.grad_norm,
                         .tokens = tokens,
                         .flops = 3 * model_forward_flops(t->model, tokens),
                         .seconds = clock_now_s() - start_s,
                         .epoch_ends = batch.epoch_ends,
                         .stop = verdict.stop,
                         .writes = verdict.writes,
                         .diverged = diverged };
}
