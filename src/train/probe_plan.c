#include "base/memory_left.h"
#include "infer/rows.h"
#include "linalg/gemm.h"
#include "linalg/solve_work.h"
#include "linalg/system.h"
#include "train/method.h"
#include "train/plan_parts.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// Of the rate of sgemm, what a solver reaches in double and in tiles.
static const double SOLVE_SHARE = 0.3;
// Of RUN/features.h5, from all ranks: as careful as of a checkpoint (train/deadline.c).
static const double FILE_BYTES_S = 200e6;

// What malloc keeps of the matrices that a rank has freed, about.
static const double KEPT_BYTES = 5.0 * (1 << 20);

/// Of a leaf without a backward pass.
static double leaf_tokens(const Dataset *data)
{
    double most = (double)(INFER_LEAF_SEQUENCES * dataset_longest(data));
    return most < INFER_LEAF_TOKENS ? most : INFER_LEAF_TOKENS;
}

/// FAILED where ScaLAPACK does not count so many elements, or this node has not as much.
static Status check_need(const SolveNeed *need, int64_t labels, double bytes, double node_bytes)
{
    double available = memory_left_bytes();
    if (need->matrix_elements <= INT32_MAX && (available == 0 || node_bytes <= available))
        return OK;
    return status_fail(FAILED,
                       "linear probe: %lld labels are %lld unknowns, and solving for them takes "
                       "%.2f GB a rank, which this node or ScaLAPACK does not have: set "
                       "train.probe=ridge, or start more ranks on more nodes",
                       (long long)labels, (long long)need->unknowns, bytes / 1e9);
}

/// The leaves of all rows, as `infer_own_rows` cuts them; their mean tokens.
static double count_leaves(double *mean_tokens, const PlanInput *input)
{
    const Batches *b = input->batches;
    double rows = (double)b->count, tokens = (double)b->tokens;
    double leaves = ceil(fmax(rows / INFER_LEAF_SEQUENCES, tokens / INFER_LEAF_TOKENS));
    *mean_tokens = tokens / leaves;
    return leaves;
}

/// One pass forward over all rows.
static void plan_features(Plan *plan, const Planning *p)
{
    double tokens, leaves = count_leaves(&tokens, p->input);
    double rank_leaves = ceil(leaves / p->copies);
    Planning pass = *p;
    pass.inside = plan_inside((int64_t)tokens, p->layout.cols);
    plan->compute_s = plan_forward_flops(p, tokens * rank_leaves) / p->cols / p->flop_s;
    plan_group_messages(plan, &pass, rank_leaves, tokens, false);
}

/// The file there and back, and the solver.
static void plan_solver(Plan *plan, const Planning *p, const SolveShape *shape,
                        const SolveNeed *need, const SolveWork *work)
{
    const Machine *m = p->machine;
    double thread_flop_s = m->gflops * 1e9 * SOLVE_SHARE, ranks = shape->ranks;
    double bytes_per_s =
        m->nodes > 1 ? m->bytes_per_s / (double)m->ranks_per_node : m->near_bytes_per_s;
    double file_bytes = 4 * (double)shape->all_rows * (double)shape->features;
    plan->solve_s =
        2 * file_bytes / FILE_BYTES_S +
        work->row_flops / ranks / (double)m->threads / thread_flop_s +
        work->matrix_flops / (need->unknowns > SYSTEM_ALONE ? ranks : 1) / thread_flop_s;
    if (ranks > 1) plan->solve_s += work->sent_bytes / bytes_per_s;
    plan->messages += work->messages;
    plan->sent_bytes += work->sent_bytes;
}

Status probe_plan(Plan *plan, const Planning *p)
{
    const PlanInput *input = p->input;
    const Machine *machine = p->machine;
    const Dataset *data = input->batches->data;
    double node = (double)machine->ranks_per_node, ranks = p->copies * p->cols;
    int64_t labels = data->label_count;
    SolveShape shape = { .all_rows = input->batches->count,
                         .classes = labels,
                         .ranks = (int)ranks };
    SolveNeed need;
    SolveWork work;
    probe_shape(&shape, input->recipe, input->model);
    probe_need(&need, &work, input->recipe, &shape);
    double solver = need.rank_bytes + need.first_bytes / node;
    double leaf = 4 * leaf_tokens(data) * plan_forward_floats(p);
    plan->gradients_bytes = 0;
    plan->buffers_bytes = 0;
    plan->state_bytes = 4 * ceil((double)input->batches->count / ranks) * (double)shape.features;
    plan->activations_bytes = fmax(leaf, solver) + KEPT_BYTES;
    plan->solver_elements = need.matrix_elements;
    plan_features(plan, p);
    plan_solver(plan, p, &shape, &need, &work);
    return machine->memory_bytes > 0
               ? OK
               : check_need(&need, labels, need.rank_bytes + need.first_bytes, solver * node);
}
