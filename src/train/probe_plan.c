#include "infer/rows.h"
#include "train/method.h"
#include "train/plan.h"

#include <math.h>
#include <stdint.h>

/// Of a leaf without a backward pass.
static double leaf_tokens(const Dataset *data)
{
    double most = (double)(INFER_LEAF_SEQUENCES * dataset_longest(data));
    return most < INFER_LEAF_TOKENS ? most : INFER_LEAF_TOKENS;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/// FAILED where ScaLAPACK does not count so many elements, or this node has not as much.
static Status check_need(const SolveNeed *need, int64_t labels, double bytes, double node_bytes)
{
    double available = plan_available_bytes();
    if (need->matrix_elements <= INT32_MAX && (available == 0 || node_bytes <= available))
        return OK;
    return status_fail(FAILED,
                       "linear probe: %lld labels are %lld unknowns, and solving for them takes "
                       "%.2f GB a rank, which this node or ScaLAPACK does not have: set "
                       "train.probe=ridge, or start more ranks on more nodes",
                       (long long)labels, (long long)need->unknowns, bytes / 1e9);
}

Status probe_plan(Plan *plan, const PlanInput *input, const Machine *machine, double token_floats)
{
    const Layout *l = &plan->layout;
    const Dataset *data = input->batches->data;
    double node = (double)machine->ranks_per_node, ranks = (double)(l->data * l->rows * l->cols);
    int64_t width, labels = data->label_count;
    SolveNeed need;
    probe_need(
        &need, &width, input->recipe, input->model,
        (SolveShape){ .all_rows = input->batches->count, .classes = labels, .ranks = (int)ranks });
    double solver = need.rank_bytes + need.first_bytes / node;
    double leaf = 4 * leaf_tokens(data) * token_floats;
    plan->gradients_bytes = 0;
    plan->buffers_bytes = 0;
    plan->state_bytes = 4 * ceil((double)input->batches->count / ranks) * (double)width;
    plan->activations_bytes = larger(leaf, solver);
    plan->solver_elements = need.matrix_elements;
    return machine->memory_bytes > 0
               ? OK
               : check_need(&need, labels, need.rank_bytes + need.first_bytes, solver * node);
}
