/// All that a training run holds, built once from a recipe.
#pragma once
#include "base/profile.h"
#include "data/leaves.h"
#include "train/async.h"
#include "train/batches.h"
#include "train/deadline.h"
#include "train/lock.h"
#include "train/optimizer.h"
#include "train/phases.h"
#include "train/targets.h"
#include "train/vote.h"

typedef struct Objective Objective;
typedef struct Saving Saving;

/// The best evaluation of some.
typedef struct {
    int64_t step; ///< 0: none
    double metric;
} Best;

typedef struct {
    Grid grid;
    Comm own; ///< the communicator, with the grid
    const Comm *comm;
    const Comm *replicas; ///< of the grid: they have different leaves
    const Recipe *recipe;
    const Objective *objective;
    Model *model;
    Tokenizer *tokenizer;
    Dataset *data;
    Batches batches;
    int64_t leaves;     ///< of a step on this grid
    int64_t row_leaves; ///< on one with one row
    int64_t warmup;
    int64_t *cuts;         ///< (replicas + 1): replica r owns leaves [cuts[r], cuts[r + 1])
    double *class_weights; ///< (labels), or NULL: ones
    Blocks blocks;
    Gradients *gradients;
    Optimizer optimizer;
    Vote vote;
    Weight *weights; ///< (param_count)
    Tape *tape;
    LeafPlan plan;        ///< sequences of the step's leaves
    Batch next, done;     ///< of the step to come; of the last one
    int32_t *ids;         ///< (vocabulary): distinct token ids of the step to come
    int64_t *id_stamps;   ///< (vocabulary): the step that last saw an id, from 1
    double *costs;        ///< (sequences of a step)
    int64_t *leaf_rows;   ///< (sequences of a step): rows of the leaf in hand
    LeafBuffers buffers;  ///< the packed leaf
    TokenKinds kinds;     ///< of a masked language model
    Targets targets;      ///< of the packed leaf, for language models
    int64_t step;         ///< updates done
    Deadline deadline;    ///< when to stop; on ranks but the first for signals alone
    Phases phases;        ///< of this process's life
    double limit_gflops;  ///< product rate of all ranks, measured
    double planned_bytes; ///< memory of a rank, by the plan
    Profile *profile;     ///< owned; NULL unless train.profile

    bool begun;         ///< rank 0 has told so in state.json
    const Lock *lock;   ///< of the run folder, borrowed; held on rank 0; NULL: it is only read
    Async async;        ///< how checkpoints are written
    Saving *saving;     ///< the one that is on its way, on all ranks; NULL: none
    bool resumed_here;  ///< rank 0: from a checkpoint of this folder
    int64_t saved_step; ///< of this run's last checkpoint in its folder; -1: none
    Best judged, kept;  ///< of all evaluations; of those whose checkpoint is in the run folder
    int64_t evaluations_without_gain;
    bool owes_evaluation; ///< of the last step: it was left
} Trainer;

/// One step as `metrics.jsonl` keeps it.
typedef struct {
    int64_t step; ///< from 1
    double epoch, loss, learning_rate, grad_norm;
    int64_t tokens;
    double flops; ///< of the model's products that were computed
    double seconds;
    bool epoch_ends;
    bool stop;     ///< a rank was asked to stop
    bool writes;   ///< a rank's thread is writing a checkpoint
    bool diverged; ///< loss or gradient is not finite: nothing was updated
} StepRecord;

/// Collective. Model, data and buffers of the recipe; no checkpoint yet. On failure everything is
/// released.
COLLECTIVE
Status trainer_init(Trainer *trainer, const Comm *comm, const Recipe *recipe);
COLLECTIVE
void trainer_release(Trainer *trainer);
/// Local. About the size of a checkpoint.
double trainer_checkpoint_bytes(const Trainer *trainer);
/// Local. Gives back activations, gradients and optimizer state: after the last step.
void trainer_release_engine(Trainer *trainer);

/// Collective. One optimizer step on the global batch (train/step.c). Cannot fail.
COLLECTIVE
void train_step(Trainer *trainer, StepRecord *out);
