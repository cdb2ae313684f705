#include "train/plan.h"
#include "base/mem.h"
#include "data/leaves.h"
#include "linalg/gemm.h"
#include "model/factors.h"
#include "nn/group.h"
#include "train/method.h"
#include "train/plan_parts.h"

#include <math.h>

enum { STEPS_LOOKED_AT = 64, TOKENS_LOOKED_AT = 1 << 24 };
// Share of the products' rate that a step reaches (tests/bench/compare_plan).
static const double STEP_SHARE = 0.8;

/// Marks the tokens of a row; returns those that are new.
static int64_t mark_tokens(bool *seen, const Dataset *data, int64_t row)
{
    int64_t fresh = 0;
    for (int64_t k = data->offsets[row]; k < data->offsets[row + 1]; k++) {
        fresh += !seen[data->ids[k]];
        seen[data->ids[k]] = true;
    }
    return fresh;
}

/// Of all tokens those that are predicted, by the first ones.
static double target_share(const Recipe *recipe, const Model *model, const Dataset *data)
{
    int64_t tokens = data->tokens < TOKENS_LOOKED_AT ? data->tokens : TOKENS_LOOKED_AT, wanted = 0;
    if (!model->head->vocabulary) return 0;
    if (!model->arch->causal) return recipe->train.mlm_probability;
    if (!data->wanted || !tokens) return 1;
    for (int64_t i = 0; i < tokens; i++) wanted += data->wanted[i];
    return (double)wanted / (double)tokens;
}

void plan_input_init(PlanInput *input, const Recipe *recipe, const Model *model, Batches *batches,
                     int64_t leaves)
{
    const Dataset *data = batches->data;
    bool *seen = MEM_NEW(bool, model->spec.vocab_size);
    *input = (PlanInput){ .recipe = recipe, .model = model, .batches = batches, .leaves = leaves };
    input->targets = target_share(recipe, model, data);
    for (int64_t step = 0; step < batches->last && batches->last <= STEPS_LOOKED_AT; step++) {
        Batch batch;
        batches_take(batches, &batch, step);
        for (int64_t i = 0; i < batch.count; i++)
            input->words += mark_tokens(seen, data, batch.rows[i]);
    }
    bool all = batches->last > STEPS_LOOKED_AT; // of the training rows, if they are few
    for (int64_t i = 0; i < batches->count && all && batches->tokens <= TOKENS_LOOKED_AT; i++)
        input->words += mark_tokens(seen, data, batches->rows[i]);
    if (!input->words) input->words = model->spec.vocab_size;
    mem_free(seen);
}

double plan_inside(int64_t tokens, int64_t cols)
{
    int64_t fewest = tokens;
    for (int rank = 0; rank < cols && fewest; rank++) {
        Span own = group_token_span(tokens, (int)cols, rank);
        int64_t inside = gemm_rows_inside(tokens, own.first, own.first + own.count);
        if (inside < fewest) fewest = inside;
    }
    return tokens ? (double)fewest / (double)tokens : 0;
}

/// Adds up leaves of some steps.
typedef struct {
    double tokens, costs, inside;
    int64_t steps;
} Seen;

static void look_at_step(Planning *p, Seen *seen, LeafPlan *plan, double *costs, int64_t step)
{
    const PlanInput *input = p->input;
    const Dataset *data = input->batches->data;
    Batch batch;
    batches_take(input->batches, &batch, step);
    for (int64_t i = 0; i < batch.count; i++)
        costs[i] = input->model->arch->sequence_cost(&input->model->spec,
                                                     dataset_length(data, batch.rows[i]));
    leaves_assign(plan, costs, batch.count, p->leaves);
    for (int64_t leaf = 0; leaf < p->leaves; leaf++) {
        int64_t sum = 0;
        for (int64_t m = plan->starts[leaf]; m < plan->starts[leaf + 1]; m++)
            sum += dataset_length(data, batch.rows[plan->members[m]]);
        seen->tokens += (double)sum;
        seen->costs += plan->costs[leaf];
        seen->inside += (double)sum * plan_inside(sum, p->layout.cols);
        if (sum > p->most_tokens) p->most_tokens = sum;
    }
    seen->steps++;
}

static void look_at_leaves(Planning *p)
{
    Batches *b = p->input->batches;
    LeafPlan plan = { 0 };
    Seen seen = { 0 };
    int64_t steps = b->last < STEPS_LOOKED_AT ? b->last : STEPS_LOOKED_AT;
    double *costs = MEM_NEW(double, b->most_sequences);
    p->most_tokens = 1;
    for (int64_t step = 0; step < steps; step++) look_at_step(p, &seen, &plan, costs, step);
    p->tokens = seen.tokens / (double)seen.steps;
    if (seen.tokens > 0) {
        p->attention = seen.costs / seen.tokens - 1;
        p->inside = seen.inside / seen.tokens;
    }
    leaf_plan_release(&plan);
    mem_free(costs);
}

static int64_t leaves_of(const PlanInput *input, int64_t rows)
{
    return recipe_leaves(&input->recipe->grid, input->leaves, rows);
}

static Status take_part(Part *out, const Model *whole, int64_t cols, bool strict, const char *where)
{
    Status status = OK;
    Model *model = NULL;
    Comm group = { .size = (int)cols, .strict = strict };
    *out = (Part){ 0 };
    TRY(model_new(&model, whole->config, whole->head->task, whole->spec.num_labels, &group, where));
    out->grouped = model->group;
    out->slices = model->slices;
    out->elements = (double)model->elements;
    out->dense_elements = (double)model->dense_elements;
    for (int i = 0; i < model->param_count; i++) {
        if (!model->params[i].table) continue;
        out->table_rows = (double)model->params[i].rows;
        out->table_cols = (double)model->params[i].cols;
    }
done:
    model_free(model);
    return status;
}

double plan_layer_ranks(double *wide, const Model *model)
{
    int products;
    double layers = (double)model->spec.num_hidden_layers;
    double ranks = (double)model_factor_floats(&products, model) / layers;
    *wide = (4 - products / layers) * (double)model->spec.hidden_size + ranks;
    return ranks;
}

double plan_forward_flops(const Planning *p, double tokens)
{
    return model_forward_flops(p->input->model, (int64_t)tokens) * (1 + p->attention);
}

static double step_flops(const Planning *p)
{
    const PlanInput *input = p->input;
    const ModelSpec *spec = &input->model->spec;
    double h = (double)spec->hidden_size, layers = (double)spec->num_hidden_layers;
    double products = p->tokens * layers * 4 * h * (double)(spec->query_size + spec->key_size);
    double forward = plan_forward_flops(p, p->tokens), again[] = {
        [RECOMPUTE_NONE] = 0,
        [RECOMPUTE_ATTENTION] =
            products + model_forward_flops(input->model, (int64_t)p->tokens) * p->attention,
        [RECOMPUTE_LAYER] = forward,
    };
    double flops = 3 * forward + again[recipe_recompute(&input->recipe->train)];
    return flops + 6 * input->targets * p->tokens * h * (double)spec->vocab_size;
}

Status plan_make(Plan *out, const PlanInput *input, Layout layout, const Machine *machine)
{
    Status status = OK;
    const Recipe *recipe = input->recipe;
    Planning p = { .input = input,
                   .machine = machine,
                   .layout = layout,
                   .copies = (double)(layout.data * layout.rows),
                   .cols = (double)layout.cols,
                   .leaves = leaves_of(input, layout.rows),
                   .flop_s = machine->gflops * 1e9 * (double)machine->threads * STEP_SHARE };
    *out = (Plan){ .layout = layout };
    if (layout.data * layout.rows > p.leaves)
        FAIL(USAGE, "%lld copies of the model are more than the %lld leaves of a step",
             (long long)(layout.data * layout.rows), (long long)p.leaves);
    p.rank_leaves = ceil((double)p.leaves / p.copies);
    TRY(take_part(&p.part, input->model, layout.cols, recipe_strict(&recipe->grid),
                  recipe->model.path));
    look_at_leaves(&p);
    plan_memory(out, &p);
    if (method_find(recipe->train.method)->once) {
        TRY(probe_plan(out, &p));
        goto done;
    }
    double busiest = p.rank_leaves * p.copies / (double)p.leaves;
    out->compute_s = step_flops(&p) / (p.copies * p.cols) * busiest / p.flop_s;
    plan_messages(out, &p);
done:
    return status;
}

double plan_rank_bytes(const Plan *plan)
{
    return plan->weights_bytes + plan->gradients_bytes + plan->state_bytes +
           plan->activations_bytes + plan->buffers_bytes + plan->base_bytes;
}

double plan_step_s(const Plan *plan)
{
    return plan->compute_s + plan->exchange_s + plan->group_s + plan->solve_s;
}
