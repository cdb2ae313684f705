/// What the parts of a plan have in common: memory (plan_memory.c), messages (plan_messages.c,
/// plan_group.c), and what a probe takes (probe_plan.c).
#pragma once
#include "train/plan.h"

/// What one rank of a group has of the model.
typedef struct {
    double elements, dense_elements, table_rows, table_cols;
    bool grouped;   ///< it is a part, or its products are made as those of parts
    int64_t slices; ///< of all parts
} Part;

/// What is planned for: a layout on a machine.
typedef struct {
    const PlanInput *input;
    const Machine *machine;
    Layout layout;
    Part part;
    double copies, cols; ///< of the model; ranks that have one between them
    double flop_s;       ///< of a rank, in a step
    int64_t leaves;      ///< of a step, on all rows
    double rank_leaves;  ///< of the busiest rank
    int64_t most_tokens; ///< of a leaf
    double tokens;       ///< of a step
    double attention;    ///< what a token takes more than the products of layers, relative to them
    double inside;       ///< share of a leaf's tokens that GEMM_INSIDE makes of own ones, the
                         ///< least of a group
} Planning;

/// Local. Ranks of a layer's factors. *wide is what a token's four messages of a layer have between
/// them: the width of a product each, or the rank of its factors.
double plan_layer_ranks(double *wide, const Model *model);
/// Local. Of a leaf of so many tokens, the share that GEMM_INSIDE makes of own ones, on the rank of
/// the group where that is least.
double plan_inside(int64_t tokens, int64_t cols);
/// Local. True if the ranks of a node share weights.
bool plan_shares(const Planning *p);
/// Local. The memory of a plan of training.
void plan_memory(Plan *out, const Planning *p);
/// Local. Floats of a token where nothing goes back: of a layer at a time.
double plan_forward_floats(const Planning *p);
/// Local. Of a bucket of gradients.
double plan_bucket_bytes(const Planning *p);
/// Local. Flops of a pass forward over `tokens`, but for the head.
double plan_forward_flops(const Planning *p, double tokens);
/// Local. Messages of a step of training, and what shows of them; compute_s is known.
void plan_messages(Plan *out, const Planning *p);
/// Local. Adds those between the ranks of a group, of so many leaves and tokens in each.
void plan_group_messages(Plan *out, const Planning *p, double leaves, double leaf_tokens,
                         bool trains);
/// Local. Makes the plan that of the recipe's probe, where its memory was that of training. FAILED
/// as `plan_make` says.
Status probe_plan(Plan *plan, const Planning *p);
