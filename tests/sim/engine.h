/// A training step as src/train/step.c makes it, with the program's own exchange, and delays in the
/// place of forward and backward passes.
#pragma once
#include "comm/grid.h"
#include "nn/group.h"
#include "sim/cost.h"
#include "sim/shape.h"
#include "train/optimizer.h"
#include "train/vote.h"

enum { PHASES = 5 };
extern const char *const phase_names[PHASES];

typedef struct {
    Grid grid;
    const Comm *comm; ///< its replicas
    const Shape *shape;
    Model model;
    size_t shared_bytes; ///< of the model's values, that the ranks of a node share
    Moves *moves;        ///< (param_count), owned
    Tape *tape;          ///< of the group's messages
    Packing packing;     ///< a leaf
    int64_t leaves, leaf_tokens;
    int64_t *cuts; ///< (ranks + 1), owned
    Blocks blocks;
    Gradients *gradients;
    Optimizer optimizer;
    Vote vote;
    Verdict verdict;
    TrainOptions options;
    Weight *weights; ///< (param_count), owned
    bool *seen;      ///< (vocab), owned
    int32_t *ids;    ///< (vocab), owned by rank 0: distinct ids of the next step
    int64_t id_count;
    int64_t step;
    bool computes;         ///< gradients and weights are real numbers
    double laps_s[PHASES]; ///< of the last step
} Engine;

/// Collective. A step takes `tokens` tokens, in so many leaves, or if 0 in the number that the
/// program chooses; groups of `cols` ranks have a model between them.
COLLECTIVE
void engine_init(Engine *engine, const Comm *comm, const Shape *shape, int cols, int64_t tokens,
                 int64_t leaves, bool computes);
COLLECTIVE
void engine_release(Engine *engine);
/// Collective. One step.
COLLECTIVE
void engine_step(Engine *engine);
