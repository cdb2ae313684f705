#include "base/mem.h"
#include "nn/slices.h"
#include "train/method.h"
#include "train/plan_parts.h"

#include <math.h>

#include <stdint.h>

enum { MOST_NODES = 1024, MOST_ROWS = 4096 };

bool plan_fits(const Plan *plan, const Machine *machine)
{
    return plan->solver_elements <= INT32_MAX &&
           plan_rank_bytes(plan) * (double)machine->ranks_per_node <= machine->memory_bytes;
}

/// So many columns, and as few rows as leave each copy a leaf.
static Layout lay_out(const PlanInput *input, int64_t ranks, int64_t cols)
{
    int64_t copies = ranks / cols, rows = 1;
    while (rows < MOST_ROWS && (copies % rows || copies / rows > input->leaves)) rows++;
    if (copies % rows) rows = 1; // to be refused
    return (Layout){ copies / rows, rows, cols };
}

/// A grid, or why there is none.
static Status visit_grid(Plan *best, const PlanInput *input, const Machine *machine, int64_t cols,
                         PlanVisit visit, void *context)
{
    Plan plan;
    int64_t ranks = machine->nodes * machine->ranks_per_node;
    Status status = plan_make(&plan, input, lay_out(input, ranks, cols), machine);
    if (visit && status != FAILED) visit(context, &plan, status == OK ? NULL : status_message());
    if (status != OK || !plan_fits(&plan, machine)) return status;
    if (!best->layout.data || plan_step_s(&plan) < plan_step_s(best)) *best = plan;
    return OK;
}

Status plan_best(Plan *best, const PlanInput *input, const Machine *machine, PlanVisit visit,
                 void *context)
{
    Status status = OK;
    int64_t ranks = machine->nodes * machine->ranks_per_node;
    char *refusal = NULL; // the first one
    bool any = false;
    *best = (Plan){ 0 };
    for (int64_t cols = 1; cols <= ranks && cols <= GROUP_MOST_RANKS; cols++) {
        if (ranks % cols) continue;
        status = visit_grid(best, input, machine, cols, visit, context);
        if (status == FAILED) goto done;
        if (status == USAGE && !refusal) refusal = mem_copy_text(status_message());
        any |= status == OK;
        status_clear();
    }
    status = any ? OK : status_fail(USAGE, "%s", refusal);
done:
    mem_free(refusal);
    return status;
}

/// False where no grid of these ranks can fit, from what all of them must hold: weights, and in
/// training gradients and state.
static bool may_fit(const PlanInput *input, const Machine *machine)
{
    double nodes = (double)machine->nodes, node_ranks = (double)machine->ranks_per_node;
    double cols = fmin(nodes * node_ranks, GROUP_MOST_RANKS);
    double weights = 4 * (double)input->model->elements;
    double dense = 4 * (double)input->model->dense_elements;
    double bytes = weights / cols * fmin(node_ranks, cols);
    if (!method_find(input->recipe->train.method)->once)
        bytes += dense / cols * node_ranks + 2 * dense / nodes;
    return bytes <= machine->memory_bytes;
}

bool plan_least_nodes(Machine *least, const PlanInput *input, const Machine *machine)
{
    int64_t ranks = machine->ranks_per_node;
    *least = *machine;
    for (least->nodes = 1; least->nodes <= MOST_NODES; least->nodes++)
        for (int64_t each = ranks; each > 0; each--) {
            Plan best;
            least->ranks_per_node = each;
            least->threads = machine->threads * ranks / each;
            if (ranks % each || !may_fit(input, least)) continue;
            if (plan_best(&best, input, least, NULL, NULL) == OK && best.layout.data) return true;
            status_clear();
        }
    return false;
}

Status plan_none_fits(const PlanInput *input, const Machine *machine)
{
    Machine least;
    if (plan_least_nodes(&least, input, machine))
        return status_fail(FAILED,
                           "no grid fits into %.2f GB a node: %lld node%s with %lld rank%s of "
                           "%lld thread%s each would do",
                           machine->memory_bytes / 1e9, (long long)least.nodes,
                           least.nodes == 1 ? "" : "s", (long long)least.ranks_per_node,
                           least.ranks_per_node == 1 ? "" : "s", (long long)least.threads,
                           least.threads == 1 ? "" : "s");
    return status_fail(FAILED,
                       "no grid fits into %.2f GB a node, nor would one on more nodes: lower "
                       "train.batch_size or set train.recompute=layer",
                       machine->memory_bytes / 1e9);
}
