#include "train/plan.h"
#include "base/fault.h"
#include "base/mem.h"
#include "data/leaves.h"
#include "linalg/tree.h"
#include "model/factors.h"
#include "nn/slices.h"
#include "train/async.h"
#include "train/blocks.h"
#include "train/method.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_LOOKED_AT = 64, TOKENS_LOOKED_AT = 1 << 24, BUCKETS_AT_ONCE = 8 };
// Of an idle rank of Open MPI with its libraries and a tokenizer: measured as the growth of all
// ranks' memory with their number, and what is there once.
static const double RANK_BYTES = 13.5 * (1 << 20), ONCE_BYTES = 14.0 * (1 << 20);
// Share of the products' rate that a step reaches (docs/BENCHMARKS.md: 0.64 to 0.80).
static const double STEP_SHARE = 0.75;

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

void plan_input_init(PlanInput *input, const Recipe *recipe, const Model *model, Batches *batches,
                     int64_t leaves)
{
    const Dataset *data = batches->data;
    bool *seen = MEM_NEW(bool, model->spec.vocab_size);
    *input = (PlanInput){ recipe, model, batches, leaves, 0 };
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

/// Tokens of the largest leaf, and of a step, over some steps.
static void look_at_leaves(int64_t *largest, double *mean, const PlanInput *input, int64_t leaves)
{
    Batches *b = input->batches;
    LeafPlan plan = { 0 };
    int64_t steps = b->last < STEPS_LOOKED_AT ? b->last : STEPS_LOOKED_AT, tokens = 0;
    double *costs = MEM_NEW(double, b->most_sequences);
    *largest = 1;
    for (int64_t step = 0; step < steps; step++) {
        Batch batch;
        batches_take(b, &batch, step);
        for (int64_t i = 0; i < batch.count; i++)
            costs[i] = input->model->arch->sequence_cost(&input->model->spec,
                                                         dataset_length(b->data, batch.rows[i]));
        leaves_assign(&plan, costs, batch.count, leaves);
        for (int64_t leaf = 0; leaf < leaves; leaf++) {
            int64_t sum = 0;
            for (int64_t m = plan.starts[leaf]; m < plan.starts[leaf + 1]; m++)
                sum += dataset_length(b->data, batch.rows[plan.members[m]]);
            tokens += sum;
            if (sum > *largest) *largest = sum;
        }
    }
    *mean = (double)tokens / (double)steps;
    leaf_plan_release(&plan);
    mem_free(costs);
}

static int64_t leaves_of(const PlanInput *input, int64_t rows)
{
    return recipe_leaves(&input->recipe->grid, input->leaves, rows);
}

/// What one rank of a group has of the model.
typedef struct {
    double elements, dense_elements, table_rows, table_cols;
    bool grouped;   ///< it is a part, or its products are made as those of parts
    int64_t slices; ///< of all parts
} Part;

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

static double least(double a, double b)
{
    return a < b ? a : b;
}

/// While a sum over slices is made, as many times its result: the subtrees here, one on each level
/// of them, and those of other ranks.
static double subtree_floats(const Part *part, double cols)
{
    Span first = group_share(part->slices, (int64_t)cols, 0);
    return (double)tree_subtrees(first.first, first.count) * (cols > 1 ? 2 : 1) +
           floor(log2((double)first.count));
}

/// Ranks of a layer's factors. *wide is what a token's four messages of a layer have between them:
/// the width of a product each, or the rank of its factors.
static double layer_ranks(double *wide, const Model *model)
{
    int products;
    double layers = (double)model->spec.num_hidden_layers;
    double ranks = (double)model_factor_floats(&products, model) / layers;
    *wide = (4 - products / layers) * (double)model->spec.hidden_size + ranks;
    return ranks;
}

/// Floats of activations, their gradients and scratch of a leaf.
static double leaf_floats(const PlanInput *input, const Part *part, double tokens, double cols)
{
    const Model *model = input->model;
    const ModelSpec *spec = &model->spec;
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double wide, ranks = layer_ranks(&wide, model);
    // between factors, and in a group tokens of all ranks before a product that splits its outputs
    double between = cols > 1 ? wide / 2 + ranks / cols : ranks;
    double layer = model->arch->layer_floats(spec) / cols + between;
    double layers = (double)spec->num_hidden_layers, kept[] = {
        [RECOMPUTE_NONE] = layer,
        [RECOMPUTE_ATTENTION] = layer - model->arch->attention_floats(spec) / cols - between / 2,
        [RECOMPUTE_LAYER] = h / cols,
    };
    double stays = kept[recipe_recompute(&input->recipe->train)];
    // on the way back: gradients of a layer's widest values, of a size one at a time
    double back = (2 * f + 4 * h) / cols + (part->grouped ? subtree_floats(part, cols) * h : h);
    // of what does not stay, one layer's is there at a time
    double floats = tokens * (layers * stays + layer - stays + back + 4 * h / cols);
    if (model->head->vocabulary)
        floats += (double)vocabulary_scratch_floats(spec->vocab_size, (int64_t)tokens,
                                                    (int64_t)cols, part->slices) +
                  3 * tokens * h;
    return floats;
}

/// Floats of a token where nothing goes back: of a layer at a time.
static double forward_floats(const PlanInput *input, const Part *part, double cols)
{
    const ModelSpec *spec = &input->model->spec;
    double layer = input->model->arch->layer_floats(spec), h = (double)spec->hidden_size;
    return (layer + 4 * h) / cols + (part->grouped ? subtree_floats(part, cols) * h : 0);
}

static double bucket_bytes(const Part *part, double copies)
{
    return 4 * (double)blocks_bucket_elements((int64_t)part->dense_elements, (int64_t)copies);
}

static void plan_memory(Plan *out, const PlanInput *input, const Part *part, const Machine *machine,
                        int64_t leaf_tokens)
{
    const Layout *l = &out->layout;
    const Dataset *data = input->batches->data;
    double copies = (double)(l->data * l->rows), cols = (double)l->cols;
    double node = (double)machine->ranks_per_node;
    double leaves = ceil((double)leaves_of(input, l->rows) / copies);
    double buffers = leaves <= 1 ? 1 : floor(log2(leaves)) + 1;
    double rows = least((double)leaf_tokens, part->table_rows);
    double words = least((double)input->words / cols, part->table_rows);
    bool shares = strcmp(input->recipe->grid.shared_weights, "never");
    double parts = least(node, cols); // kinds of parts on a node
    out->weights_bytes = 4 * part->elements * (shares ? parts / node : 1);
    out->gradients_bytes =
        4 * buffers * (part->dense_elements + least(rows, words) * part->table_cols);
    out->state_bytes = 8 * (part->dense_elements + words * part->table_cols) / copies;
    out->activations_bytes = 4 * leaf_floats(input, part, (double)leaf_tokens, cols);
    double slice =
        least(BUCKETS_AT_ONCE * bucket_bytes(part, copies), 4 * part->dense_elements / copies);
    out->buffers_bytes =
        (copies - 1) * (slice + 8 * least(rows, words) * part->table_cols / copies);
    out->copy_bytes = 12 * (part->dense_elements + part->table_rows * part->table_cols) / copies;
    if (!strcmp(input->recipe->output.checkpoint_async, "true") &&
        async_has_use(input->recipe, data))
        out->buffers_bytes += out->copy_bytes;
    double shared = ONCE_BYTES + 5 * (double)data->tokens + 24 * (double)data->rows;
    out->base_bytes = RANK_BYTES + shared / node + 16 * (double)input->batches->count;
}

/// What shows of messages that take so long behind so much computing, of which `last_s` are the
/// last ones.
static double beyond(double messages_s, double hidden_s, double last_s)
{
    double rest = messages_s - hidden_s;
    return rest > last_s ? rest : least(last_s, messages_s);
}

/// Messages of a step: subtrees to their owners, new weights, and between the ranks of a group.
static void plan_messages(Plan *out, const PlanInput *input, const Part *part,
                          const Machine *machine, double tokens)
{
    const Layout *l = &out->layout;
    const ModelSpec *spec = &input->model->spec;
    double copies = (double)(l->data * l->rows), cols = (double)l->cols;
    double leaders = (double)machine->nodes < copies ? (double)machine->nodes : copies;
    double dense = 4 * part->dense_elements, gradient = dense * (copies - 1) / copies;
    double gather = dense * (leaders - 1) / copies;
    double rank_leaves = ceil((double)leaves_of(input, l->rows) / copies);
    double layers = (double)spec->num_hidden_layers, wide;
    layer_ranks(&wide, input->model);
    // twice a layer tokens are gathered and summands scattered, and on the way back
    double group_bytes = 8 * layers * wide * (tokens / copies) * (cols - 1) / cols;
    double group_messages = 8 * layers * rank_leaves * (cols - 1);
    bool far_copies = machine->nodes > 1 && copies > 1;
    bool far_group = cols > (double)machine->ranks_per_node;
    double bytes_per_s = far_copies ? machine->bytes_per_s / (double)machine->ranks_per_node
                                    : machine->near_bytes_per_s;
    double group_per_s = far_group ? machine->bytes_per_s / (double)machine->ranks_per_node
                                   : machine->near_bytes_per_s;
    out->messages =
        (copies - 1) * ceil(dense / copies / bucket_bytes(part, copies)) + group_messages;
    out->sent_bytes = gradient + gather + group_bytes;
    // between nodes gradients travel during the backward pass of a rank's last leaf, new weights
    // of a node's only rank during the forward pass of its first; of both the last buckets show
    double leaf_s = out->compute_s / rank_leaves;
    double last_s = least(copies * bucket_bytes(part, copies), dense) / bytes_per_s;
    bool hides = far_copies && machine->ranks_per_node == 1;
    out->exchange_s = beyond(gradient / bytes_per_s, far_copies ? leaf_s * 2 / 3 : 0, last_s) +
                      beyond(gather / bytes_per_s, hides ? leaf_s / 3 : 0, last_s) +
                      group_bytes / group_per_s +
                      group_messages * (far_group ? machine->latency_s : machine->near_latency_s);
}

static double step_flops(const PlanInput *input, double tokens)
{
    const Model *model = input->model;
    const ModelSpec *spec = &model->spec;
    double h = (double)spec->hidden_size, layers = (double)spec->num_hidden_layers;
    double forward = model_forward_flops(model, (int64_t)tokens), again[] = {
        [RECOMPUTE_NONE] = 0,
        [RECOMPUTE_ATTENTION] =
            tokens * layers * 4 * h * (double)(spec->query_size + spec->key_size),
        [RECOMPUTE_LAYER] = forward,
    };
    double flops = 3 * forward + again[recipe_recompute(&input->recipe->train)];
    if (model->head->vocabulary) flops += 6 * tokens * h * (double)spec->vocab_size;
    return flops;
}

Status plan_make(Plan *out, const PlanInput *input, Layout layout, const Machine *machine)
{
    Status status = OK;
    const Model *model = input->model;
    Part part;
    int64_t leaf_tokens, leaves = leaves_of(input, layout.rows);
    double tokens, copies = (double)(layout.data * layout.rows);
    *out = (Plan){ .layout = layout };
    if (layout.data * layout.rows > leaves)
        FAIL(USAGE, "%lld copies of the model are more than the %lld leaves of a step",
             (long long)(layout.data * layout.rows), (long long)leaves);
    TRY(take_part(&part, model, layout.cols, recipe_strict(&input->recipe->grid),
                  input->recipe->model.path));
    look_at_leaves(&leaf_tokens, &tokens, input, leaves);
    plan_memory(out, input, &part, machine, leaf_tokens);
    if (method_find(input->recipe->train.method)->once)
        TRY(probe_plan(out, input, machine, forward_floats(input, &part, (double)layout.cols)));
    double busiest = ceil((double)leaves / copies) * copies / (double)leaves;
    double flops = step_flops(input, tokens);
    double rate = machine->gflops * 1e9 * (double)machine->threads * STEP_SHARE;
    out->compute_s = flops / (copies * (double)layout.cols) * busiest / rate;
    plan_messages(out, input, &part, machine, tokens);
done:
    return status;
}

bool plan_fits(const Plan *plan, const Machine *machine)
{
    return plan->solver_elements <= INT32_MAX &&
           plan_rank_bytes(plan) * (double)machine->ranks_per_node <= machine->memory_bytes;
}

/// False where these ranks cannot be so many columns. As few rows as leave each copy a leaf.
static bool lay_out(Layout *out, const PlanInput *input, int64_t ranks, int64_t cols)
{
    int64_t copies = ranks / cols;
    *out = (Layout){ .rows = 1, .cols = cols };
    bool strict = recipe_strict(&input->recipe->grid);
    bool divides =
        ranks % cols == 0 && model_check_group(&input->model->spec, (int)cols, strict, "") == OK;
    status_clear();
    while (copies % out->rows || copies / out->rows > input->leaves) out->rows++;
    out->data = copies / out->rows;
    return divides && copies <= leaves_of(input, out->rows);
}

Status plan_best(Plan *best, const PlanInput *input, const Machine *machine, PlanVisit visit,
                 void *context)
{
    Status status = OK;
    int64_t ranks = machine->nodes * machine->ranks_per_node;
    *best = (Plan){ 0 };
    for (int64_t cols = 1; cols <= ranks && cols <= GROUP_MOST_RANKS; cols++) {
        Layout layout;
        Plan plan;
        if (!lay_out(&layout, input, ranks, cols)) continue;
        TRY(plan_make(&plan, input, layout, machine));
        if (visit) visit(context, &plan);
        if (!plan_fits(&plan, machine)) continue;
        if (!best->layout.data || plan_step_s(&plan) < plan_step_s(best)) *best = plan;
    }
done:
    return status;
}

int64_t plan_least_nodes(const PlanInput *input, const Machine *machine)
{
    Machine more = *machine;
    for (more.nodes = 1; more.nodes <= 1024; more.nodes++) {
        Plan best;
        if (plan_best(&best, input, &more, NULL, NULL) == OK && best.layout.data) return more.nodes;
        status_clear();
    }
    return 0;
}

Status plan_none_fits(const PlanInput *input, const Machine *machine)
{
    int64_t nodes = plan_least_nodes(input, machine);
    if (nodes)
        return status_fail(FAILED,
                           "no grid fits into %.2f GB a node: %lld nodes with %lld ranks each "
                           "would do",
                           machine->memory_bytes / 1e9, (long long)nodes,
                           (long long)machine->ranks_per_node);
    return status_fail(FAILED,
                       "no grid fits into %.2f GB a node, nor would one on more nodes: lower "
                       "train.batch_size or set train.recompute=layer",
                       machine->memory_bytes / 1e9);
}

double plan_rank_bytes(const Plan *plan)
{
    return plan->weights_bytes + plan->gradients_bytes + plan->state_bytes +
           plan->activations_bytes + plan->buffers_bytes + plan->base_bytes;
}

double plan_step_s(const Plan *plan)
{
    return plan->compute_s + plan->exchange_s;
}

static double read_number(const char *path, const char *format)
{
    char line[256];
    double number = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, format, &number) == 1) break;
    if (file) fclose(file);
    return number;
}

double plan_available_bytes(void)
{
    if (fault_at("memory-none")) return 1;
    double node = 1024 * read_number("/proc/meminfo", "MemAvailable: %lf");
    double limit = read_number("/sys/fs/cgroup/memory.max", "%lf");
    double used = read_number("/sys/fs/cgroup/memory.current", "%lf");
    return limit > 0 && (node == 0 || limit - used < node) ? limit - used : node;
}
