#include "train/layout.h"
#include "base/mem.h"
#include "base/memory_left.h"
#include "comm/agree.h"
#include "comm/grid.h"
#include "comm/probe.h"
#include "linalg/gemm.h"
#include "train/checkpoint.h"
#include "train/method.h"
#include "train/prepare.h"
#include "train/resume.h"

#include <math.h>
#include <omp.h>
#include <string.h>

Status plan_source_open(const Comm *comm, PlanSource *source, const Recipe *recipe)
{
    Status status = OK;
    *source = (PlanSource){ 0 };
    TRY(prepare_model_table(comm, &source->model, recipe));
    TRY_ALL(comm, prepare_check_model(recipe, source->model));
    TRY(prepare_data(comm, &source->data, &source->tokenizer, recipe, source->model->tokenizer_json,
                     source->model->spec.vocab_size));
    TRY_ALL(comm, batches_init(&source->batches, source->data, &recipe->train));
    TRY_ALL(comm,
            batches_leaves(&source->leaves, &source->leaf_tokens, &source->batches, source->model));
    plan_input_init(&source->input, recipe, source->model, &source->batches,
                    method_copies(recipe, source->leaves));
done:
    return status;
}

void plan_source_close(PlanSource *source)
{
    batches_release(&source->batches);
    dataset_free(source->data);
    tokenizer_free(source->tokenizer);
    model_free(source->model);
    *source = (PlanSource){ 0 };
}

Machine layout_machine(const Comm *comm, int64_t ranks_per_node)
{
    return (Machine){ .nodes = (comm->size + ranks_per_node - 1) / ranks_per_node,
                      .ranks_per_node = ranks_per_node,
                      .dealt = comm->node && comm->node->dealt };
}

/// The nodes that these ranks are on, as rank 0 finds them; the least memory of all.
COLLECTIVE
static void measure_nodes(Machine *out, const Comm *comm)
{
    int64_t here = node_ranks_here(comm->node);
    int near_ranks = comm->node ? comm->node->firsts[1] : 1; // the same on all ranks, as below
    double left = memory_left_bytes();
    int64_t less = left > 0 ? -(int64_t)left : INT64_MIN;
    Link near = { 0, INFINITY }, link = { 0, INFINITY };
    comm_max_int64(comm, &less, 1);
    comm_broadcast(comm, &here, sizeof here, 0);                      // of the first node
    if (comm->size > near_ranks) link = probe_link(comm, near_ranks); // agreed: as above
    if (near_ranks > 1) near = probe_link(comm, 1);                   // agreed: as above
    *out = layout_machine(comm, here);
    if (out->dealt) near = link; // neighbours are apart
    out->threads = omp_get_max_threads();
    out->memory_bytes = less == INT64_MIN ? INFINITY : -(double)less;
    out->gflops = gemm_measure_gflops() / omp_get_max_threads();
    out->latency_s = link.latency_s;
    out->bytes_per_s = link.bandwidth_bytes_s;
    out->near_latency_s = near.latency_s;
    out->near_bytes_per_s = near.bandwidth_bytes_s;
}

/// The grid of the checkpoint that the run goes on from, if these ranks can have it and it fits.
static Status find_former(Plan *out, const PlanInput *input, const Machine *machine, int64_t ranks)
{
    Status status = OK;
    char *path = NULL;
    Recipe *former = MEM_NEW(Recipe, 1);
    const GridOptions *grid = &former->grid;
    TRY(resume_find(&path, input->recipe));
    if (!path) goto done;
    TRY(checkpoint_recipe(former, path));
    int64_t group = grid->rows * grid->cols;
    if (!group || ranks % group) goto done;
    Status planned =
        plan_make(out, input, (Layout){ ranks / group, grid->rows, grid->cols }, machine);
    if (planned != OK) status_clear();
    if (planned != OK || !plan_fits(out, machine)) out->layout.data = 0;
done:
    mem_free(former);
    mem_free(path);
    return status;
}

static Status choose(GridOptions *out, const PlanInput *input, const Machine *machine, int ranks)
{
    Status status = OK;
    Plan best = { 0 };
    TRY(find_former(&best, input, machine, ranks));
    if (!best.layout.data) TRY(plan_best(&best, input, machine, NULL, NULL));
    if (!best.layout.data) return plan_none_fits(input, machine);
    out->data = best.layout.data;
    out->rows = best.layout.rows;
    out->cols = best.layout.cols;
done:
    return status;
}

typedef struct {
    const ModelSpec *spec;
    bool strict;
} Columns;

static bool takes(const void *context, int cols)
{
    const Columns *columns = context;
    bool does = model_check_group(columns->spec, cols, columns->strict, "") == OK;
    status_clear();
    return does;
}

Status layout_check_grid(const Comm *comm, const GridOptions *grid, const Recipe *recipe,
                         const char *path)
{
    Status status = OK;
    Model *model = NULL;
    if (!grid->cols || grid_divides(comm->size, grid->data, grid->rows, grid->cols))
        return OK; // agreed: the same options on all ranks
    if (recipe)    // agreed: likewise
        TRY(prepare_model_table(comm, &model, recipe));
    else
        TRY(model_open(comm, &model, path, ""));
    Columns columns = { &model->spec, recipe_strict(grid) };
    TRY_ALL(comm, grid_refuse(comm->size, grid->data, grid->rows, grid->cols, takes, &columns));
done:
    model_free(model);
    return status;
}

Status layout_choose(const Comm *comm, Recipe *recipe)
{
    Status status = OK;
    PlanSource source = { 0 };
    Machine machine;
    if (recipe->grid.cols) // agreed: the same recipe on all ranks
        return layout_check_grid(comm, &recipe->grid, recipe, NULL);
    TRY(plan_source_open(comm, &source, recipe));
    measure_nodes(&machine, comm);
    TRY_ROOT(comm, choose(&recipe->grid, &source.input, &machine, comm->size));
    comm_broadcast(comm, &recipe->grid, sizeof recipe->grid, 0);
done:
    plan_source_close(&source);
    return status;
}

Status layout_check(LayoutNeed *out, const PlanInput *input, Layout layout, const Comm *comm)
{
    Status status = OK;
    int64_t ranks_here = node_ranks_here(comm->node);
    double left, here = (double)ranks_here;
    Machine least, machine = layout_machine(comm, ranks_here);
    machine.threads = 1;
    machine.gflops = 1;
    Plan plan;
    TRY(plan_make(&plan, input, layout, &machine));
    double more = plan_rank_bytes(&plan) - plan.base_bytes; // which is taken already
    double tenth = 0.1 * (more - plan.weights_bytes);
    left = memory_left_for(here * (more - tenth));
    *out = (LayoutNeed){ .bytes = plan_rank_bytes(&plan), .copy_bytes = plan.copy_bytes };
    out->copy_fits = left == 0 || here * (more - tenth + 0.9 * plan.copy_bytes) <= left;
    if (left == 0 || here * (more - tenth) <= left) goto done;
    machine.memory_bytes = left + here * plan.base_bytes;
    const char *plural = ranks_here == 1 ? "" : "s";
    if (plan_least_nodes(&least, input, &machine) && least.nodes > machine.nodes)
        FAIL(
            FAILED,
            "training takes about %.2f GB more on a node with %lld rank%s, which has %.2f GB left: "
            "%lld such nodes with %lld rank%s each would do, see temper plan",
            here * more / 1e9, (long long)ranks_here, plural, left / 1e9, (long long)least.nodes,
            (long long)least.ranks_per_node, least.ranks_per_node == 1 ? "" : "s");
    FAIL(FAILED,
         "training takes about %.2f GB more on a node with %lld rank%s, which has %.2f GB left: "
         "start fewer ranks on a node, choose another grid (temper plan lists them), set "
         "train.recompute=layer or lower train.batch_size",
         here * more / 1e9, (long long)ranks_here, plural, left / 1e9);
done:
    return status;
}

void layout_keep(GridOptions *grid, int ranks, const Settings *overrides)
{
    bool data = settings_have(overrides, "grid.data"), rows = settings_have(overrides, "grid.rows");
    if (!data) grid->data = 0;
    int64_t room = grid->data ? ranks / grid->data : ranks;
    if (!grid->cols) return; // no grid of a run
    bool fits = room % ((rows ? grid->rows : 1) * grid->cols) == 0;
    if (!fits && !settings_have(overrides, "grid.cols")) grid->cols = 1;
    if (!rows && room % (grid->rows * grid->cols)) grid->rows = 1;
}
