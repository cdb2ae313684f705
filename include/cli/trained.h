/// What `evaluate` and `predict` start from: the recipe, model and tokenizer of a run.
#pragma once
#include "model/model.h"
#include "train/recipe.h"

typedef struct {
    char *path; ///< the checkpoint
    Recipe *recipe;
    Grid grid;
    Comm comm; ///< the ranks, with the grid
    Model *model;
    Tokenizer *tokenizer;
} Trained;

/// Collective. Of `run`, or of `checkpoint` if it is not "". `overrides`, of data.* and grid.*
/// alone, go over the run's recipe; its grid is used where the ranks can be cut so. *out must not
/// move; `trained_release` also after failure.
COLLECTIVE
Status trained_load(Trained *out, const Comm *comm, const char *run, const char *checkpoint,
                    const Settings *overrides);
/// Local. What `run` stands for: a checkpoint, or a model file (*is_model). The caller owns *path.
Status trained_path(char **path, int64_t *is_model, const char *run);
/// Collective. A model file, for a task, without a recipe: `overrides` of grid.* alone.
COLLECTIVE
Status trained_load_model(Trained *out, const Comm *comm, const char *path, const char *task,
                          const Settings *overrides);
COLLECTIVE
void trained_release(Trained *trained);
