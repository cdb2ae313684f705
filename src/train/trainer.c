#include "train/trainer.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "nn/group.h"
#include "train/classification.h"
#include "train/evaluate.h"
#include "train/layout.h"
#include "train/method.h"
#include "train/prepare.h"
#include "train/schedule.h"

#include <stdlib.h>
#include <string.h>

/// Collective. All but the model, of which the source has the table.
COLLECTIVE
static Status load_data(Trainer *t, PlanSource *source, const Comm *comm, const Recipe *recipe)
{
    Status status = OK;
    TRY(recipe_grid(&t->own, &t->grid, comm, &recipe->grid));
    t->comm = &t->own;
    t->replicas = comm_replicas(t->comm);
    t->recipe = recipe;
    t->objective = objective_find(recipe->model.task);
    TRY(plan_source_open(t->comm, source, recipe));
    TRY_ALL(comm, prepare_check_data(recipe, source->data));
    if (!strcmp(recipe->model.task, "masked_lm")) // agreed: the same recipe on all ranks
        TRY_ALL(comm, token_kinds_init(&t->kinds, source->tokenizer, recipe->model.path));
    TRY_ALL(comm, classification_weights(&t->class_weights, recipe, source->data));
done:
    return status;
}

/// The source keeps the table of the model alone.
static void take_data(Trainer *t, PlanSource *source)
{
    t->data = source->data;
    t->tokenizer = source->tokenizer;
    t->batches = source->batches;
    source->data = NULL;
    source->tokenizer = NULL;
    source->batches = (Batches){ 0 };
}

COLLECTIVE
static Status load_model(Trainer *t)
{
    Status status = OK;
    const Recipe *recipe = t->recipe;
    TRY(prepare_model(t->comm, &t->model, recipe));
    if (t->data->label_count)
        model_set_labels(t->model, t->data->label_names, t->data->label_count,
                         (uint64_t)recipe->train.seed);
    else
        model_init_absent(t->model, (uint64_t)recipe->train.seed);
done:
    return status;
}

static Status choose_leaves(Trainer *t, const PlanSource *source)
{
    Status status = OK;
    t->row_leaves = source->leaves;
    t->leaves = recipe_leaves(&t->recipe->grid, t->row_leaves, t->grid.rows);
    int64_t most = t->leaves * t->grid.cols;
    if (t->replicas->size > method_copies(t->recipe, t->leaves))
        FAIL(USAGE,
             "%d %s are more than the %lld %s of a step: start at most %lld %s, give the cores "
             "to threads (OMP_NUM_THREADS) or to grid.rows or grid.cols, or raise "
             "train.batch_size or train.leaves",
             t->replicas->size, t->grid.cols > 1 ? "copies of the model" : "ranks",
             (long long)t->leaves, t->leaves == 1 ? "leaf" : "leaves", (long long)most,
             most == 1 ? "rank" : "ranks");
done:
    return status;
}

/// Of the leaf in hand: first the group's sum, then the replicas'.
static void gradient_ready(void *trainer, int param)
{
    Trainer *t = trainer;
    model_sum_gradient(t->model, t->weights, t->tape, param);
    gradients_ready(t->gradients, param);
}

static void weight_needed(void *trainer, const float *value, int64_t count)
{
    Trainer *t = trainer;
    delivery_await(t->optimizer.delivery, value, count);
}

/// Collective. Decides on asynchronous checkpoints.
COLLECTIVE
static void choose_async(Trainer *t, const LayoutNeed *need)
{
    const char *wanted = t->recipe->output.checkpoint_async;
    t->planned_bytes = need->bytes;
    if (!async_has_use(t->recipe, t->data)) return; // agreed: the same rows on all ranks
    if (!async_choose(&t->async, t->comm, wanted, need->copy_fits)) return; // agreed: by all ranks
    async_reserve(&t->async, &t->optimizer);
    if (!strcmp(wanted, "auto")) t->planned_bytes += need->copy_bytes;
}

COLLECTIVE
static void build_engine(Trainer *t, int64_t leaf_tokens)
{
    t->cuts = MEM_NEW(int64_t, t->replicas->size + 1);
    leaves_cut(t->cuts, t->leaves, t->replicas->size);
    t->warmup = schedule_warmup(&t->recipe->train, t->batches.horizon);
    t->model->spec.dropout = t->recipe->train.dropout;
    blocks_init(&t->blocks, t->model, t->replicas);
    t->gradients = gradients_new(t->replicas, t->model, &t->blocks, t->cuts, leaf_tokens);
    optimizer_init(&t->optimizer, t->replicas, t->model, &t->blocks, &t->recipe->train);
    vote_init(&t->vote, t->replicas, comm_group(t->comm), t->cuts);
    t->weights = MEM_NEW(Weight, t->model->param_count);
    model_bind(t->model, t->weights);
    if (t->recipe->train.profile) t->profile = MEM_NEW(Profile, 1);
    t->ids = MEM_NEW(int32_t, t->model->spec.vocab_size);
    t->id_stamps = MEM_NEW(int64_t, t->model->spec.vocab_size);
    targets_reserve(&t->targets, leaf_tokens);
    t->costs = MEM_NEW(double, t->batches.most_sequences);
    t->leaf_rows = MEM_NEW(int64_t, t->batches.most_sequences);
    t->tape = tape_new(model_arena_bytes(t->model, leaf_tokens, t->batches.most_sequences,
                                         dataset_longest(t->data)));
    tape_set_profile(t->tape, t->profile);
    tape_set_group(t->tape, t->model->group, t->model->slices, comm_matrix_grid(t->comm));
    tape_set_needs(t->tape, weight_needed, t);
    tape_watch(t->tape, t->weights, t->model->param_count, gradient_ready, t);
}

Status trainer_init(Trainer *t, const Comm *comm, const Recipe *recipe)
{
    Status status = OK;
    PlanSource source = { 0 };
    LayoutNeed need;
    *t = (Trainer){ .saved_step = -1 };
    deadline_init(&t->deadline);
    TRY(load_data(t, &source, comm, recipe));
    TRY_ALL(comm, choose_leaves(t, &source));
    TRY_ALL(comm, layout_check(&need, &source.input,
                               (Layout){ t->grid.data, t->grid.rows, t->grid.cols }, comm));
    take_data(t, &source);
    TRY(load_model(t));
    build_engine(t, source.leaf_tokens);
    choose_async(t, &need);
done:
    plan_source_close(&source);
    if (status != OK) trainer_release(t);
    return status;
}

double trainer_checkpoint_bytes(const Trainer *t)
{
    double tensors = method_find(t->recipe->train.method)->once ? 1 : 3; // weights, two moments
    return tensors * sizeof(float) * (double)model_parameters(t->model);
}

void trainer_release_engine(Trainer *t)
{
    tape_free(t->tape);
    t->tape = NULL;
    gradients_free(t->gradients);
    t->gradients = NULL;
    if (t->optimizer.comm) optimizer_release(&t->optimizer);
    async_release(&t->async);
}

void trainer_release(Trainer *t)
{
    trainer_release_engine(t);
    mem_free(t->profile);
    leaf_plan_release(&t->plan);
    leaf_buffers_release(&t->buffers);
    token_kinds_release(&t->kinds);
    targets_release(&t->targets);
    mem_free(t->ids);
    mem_free(t->id_stamps);
    mem_free(t->costs);
    mem_free(t->leaf_rows);
    mem_free(t->weights);
    vote_release(&t->vote);
    blocks_release(&t->blocks);
    mem_free(t->cuts);
    mem_free(t->class_weights);
    batches_release(&t->batches);
    dataset_free(t->data);
    tokenizer_free(t->tokenizer);
    model_free(t->model);
    recipe_grid_stop(&t->grid);
    *t = (Trainer){ 0 };
}
