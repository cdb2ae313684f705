/// The process grid that a run chooses for itself.
#pragma once
#include "train/plan.h"

/// What a recipe is planned with: its model without weights, its data, its batches.
typedef struct {
    Model *model;
    Tokenizer *tokenizer;
    Dataset *data;
    Batches batches;
    int64_t leaves;      ///< of a step, without the grid's rows
    int64_t leaf_tokens; ///< a bound of those of one leaf
    PlanInput input;     ///< of the above and the recipe, borrowed
} PlanSource;

/// Collective. The caller owns *source (`plan_source_close`, of one that was not opened too).
COLLECTIVE
Status plan_source_open(const Comm *comm, PlanSource *source, const Recipe *recipe);
void plan_source_close(PlanSource *source);

/// Local. The nodes of these ranks, of whom so many are on each; memory and rates are the caller's.
Machine layout_machine(const Comm *comm, int64_t ranks_per_node);
/// Collective. Does nothing where the recipe says the columns. Else its grid becomes that of the
/// checkpoint which the run goes on from, so that bits stay, or, where that is not of these ranks
/// or does not fit, of the fastest plan that fits into what the nodes have left, at rates measured
/// here. FAILED where none fits.
COLLECTIVE
Status layout_choose(const Comm *comm, Recipe *recipe);
/// Collective. USAGE where the grid is none of these ranks, with those that the model takes: that
/// of `recipe`, or if it is NULL the one in the file `path`.
COLLECTIVE
Status layout_check_grid(const Comm *comm, const GridOptions *grid, const Recipe *recipe,
                         const char *path);

/// What a rank will take on a layout.
typedef struct {
    double bytes, copy_bytes; ///< in all; more with a copy for checkpoints, unless bytes has it
    bool copy_fits;           ///< on this node
} LayoutNeed;

/// Local. Before weights are made or read, with the data there. FAILED where this node has less
/// memory left than its ranks of `comm` will take, with the fewest nodes that would do. A tenth of
/// what are no weights is left for the plan to be wrong in.
Status layout_check(LayoutNeed *out, const PlanInput *input, Layout layout, const Comm *comm);
/// Local. The grid of a run that was, with the keys of it in `overrides` over it, for this many
/// ranks: as many copies as they are enough for, and one row or column where they cannot be cut
/// into so many and `overrides` do not ask for them.
void layout_keep(GridOptions *grid, int ranks, const Settings *overrides);
