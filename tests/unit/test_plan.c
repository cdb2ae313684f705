/* TEST labels=train timeout=60 */
#include "train/plan.h"
#include "base/mem.h"
#include "base/rng.h"
#include "linalg/solve_work.h"
#include "support/check.h"

#include <stdlib.h>

// What tests/sim/run says of these steps (docs/SCALING.md), on a fat tree of nodes of one rank.

static const char bert_base[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 768, \"num_hidden_layers\": 12,"
    " \"num_attention_heads\": 12, \"intermediate_size\": 3072, \"vocab_size\": 30522,"
    " \"max_position_embeddings\": 512, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12,"
    " \"hidden_act\": \"gelu\"}";
static const char llama_quarter[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 4096, \"num_hidden_layers\": 8,"
    " \"num_attention_heads\": 32, \"num_key_value_heads\": 32, \"intermediate_size\": 11008,"
    " \"vocab_size\": 32000, \"max_position_embeddings\": 2048, \"rms_norm_eps\": 1e-5,"
    " \"hidden_act\": \"silu\", \"tie_word_embeddings\": false}";

/// The simulated cluster. Products reach 0.65 of sgemm there, steps 0.8 of it in plans, sums of
/// leaves' gradients included: at this rate one node takes for 64 Ki tokens what it takes there.
static Machine cluster(int64_t nodes, int64_t ranks)
{
    return (Machine){ .nodes = nodes,
                      .ranks_per_node = ranks,
                      .threads = 32 / ranks,
                      .memory_bytes = 1e12,
                      .gflops = 3300.0 / 32 * 0.596 / 0.8,
                      .latency_s = 2e-6,
                      .bytes_per_s = 0.97 * 12.5e9,
                      .near_latency_s = 1e-6,
                      .near_bytes_per_s = 4e9 };
}

/// A recipe whose step is so many tokens in rows of one length; the k-th word is 1 / k times as
/// frequent as the first.
typedef struct {
    Recipe recipe;
    Json *config;
    Model *model;
    Dataset data;
    Batches batches;
    PlanInput input;
} Source;

static void source_open(Source *s, const char *config, const char *task, int64_t tokens,
                        int64_t row_tokens, int64_t leaves)
{
    int64_t rows = tokens / row_tokens, leaf_tokens, *offsets = MEM_NEW(int64_t, rows + 1);
    int32_t *ids = MEM_NEW(int32_t, tokens);
    *s = (Source){ .recipe = { .train = { .epochs = 1, .batch_size = rows, .leaves = leaves } } };
    strcpy(s->recipe.train.method, "full");
    strcpy(s->recipe.train.recompute, "none");
    strcpy(s->recipe.train.probe, "ridge");
    strcpy(s->recipe.grid.backend, "auto");
    strcpy(s->recipe.grid.shared_weights, "auto");
    strcpy(s->recipe.grid.reproducible, "data");
    s->recipe.train.mlm_probability = 0.15;
    CHECK_EQ(json_parse(&s->config, config, strlen(config), "here"), OK);
    CHECK_EQ(model_new(&s->model, s->config, task, 2, NULL, "here"), OK);
    for (int64_t i = 0; i < rows; i++) offsets[i + 1] = offsets[i] + row_tokens;
    for (int64_t i = 0; i < tokens; i++)
        ids[i] = (int32_t)(pow((double)s->model->spec.vocab_size,
                               rng_uniform(1, RNG_SHUFFLE, 0, (uint64_t)i)) -
                           1);
    s->data = (Dataset){ .rows = rows, .tokens = tokens, .path = "here", .label_count = 2 };
    s->data.offsets = offsets;
    s->data.ids = ids;
    s->data.splits = MEM_NEW(uint8_t, rows);
    CHECK_EQ(batches_init(&s->batches, &s->data, &s->recipe.train), OK);
    CHECK_EQ(batches_leaves(&leaves, &leaf_tokens, &s->batches, s->model), OK);
    plan_input_init(&s->input, &s->recipe, s->model, &s->batches, leaves);
}

static void source_close(Source *s)
{
    batches_release(&s->batches);
    mem_free((void *)(uintptr_t)s->data.offsets);
    mem_free((void *)(uintptr_t)s->data.ids);
    mem_free((void *)(uintptr_t)s->data.splits);
    model_free(s->model);
    json_free(s->config);
}

static Plan plan_of(const Source *s, Layout layout, Machine machine)
{
    Plan plan;
    CHECK_EQ(plan_make(&plan, &s->input, layout, &machine), OK);
    return plan;
}

/// Simulated: a step, and what shows of a group's messages where there is one group alone (of more
/// the exchange of weights shows too), which has as many leaves.
typedef struct {
    const char *model;
    int64_t nodes, tokens, leaves, cols;
    double step_ms, group_ms;
} Simulated;

static const Simulated simulated[] = {
    // leaves of 256 tokens
    { bert_base, 4, 65536, 0, 2, 4728.6, 290.2 },
    { bert_base, 4, 65536, 0, 4, 5442.3, 872.0 },
    { bert_base, 16, 65536, 0, 2, 1197.0, 72.5 },
    { bert_base, 16, 65536, 0, 4, 1367.6, 217.9 },
    { bert_base, 32, 65536, 0, 2, 611.1, 36.2 },
    { bert_base, 32, 65536, 0, 4, 690.2, 109.0 },
    // of 512: every rank of two has no whole tile yet
    { bert_base, 4, 65536, 128, 2, 4560.0, 287.0 },
    { bert_base, 4, 65536, 128, 4, 5361.2, 962.3 },
    // of 2048
    { bert_base, 4, 65536, 32, 2, 4157.0, 13.2 },
    { bert_base, 4, 65536, 32, 4, 4721.3, 451.2 },
    { llama_quarter, 4, 16384, 0, 2, 22247.7, 21.8 },
    { llama_quarter, 4, 16384, 0, 4, 22149.0, 67.1 },
    { llama_quarter, 4, 8192, 0, 2, 11251.0, 10.9 },
    { llama_quarter, 4, 8192, 0, 4, 11096.6, 33.5 },
};

static bool is_near(double planned_ms, double simulated_ms)
{
    double off_ms = fabs(planned_ms - simulated_ms);
    return off_ms <= 0.3 * simulated_ms || off_ms <= 5;
}

static void a_node_alone_is_as_fast_as_the_simulated_one(void)
{
    Source s;
    source_open(&s, bert_base, "text_classification", 65536, 128, 0);
    Plan plan = plan_of(&s, (Layout){ 1, 1, 1 }, cluster(1, 1));
    CHECK_NEAR(plan_step_s(&plan), 17.4465, 0.1);
    CHECK_TRUE(plan.group_s == 0 && plan.exchange_s == 0 && plan.messages == 0);
    source_close(&s);
}

static void source_of(Source *s, const Simulated *row)
{
    if (row->model == bert_base)
        source_open(s, bert_base, "text_classification", row->tokens, 128, row->leaves);
    else
        source_open(s, llama_quarter, "causal_lm", row->tokens, 2048, row->leaves);
}

static void a_group_shows_what_it_does_in_simulation(void)
{
    int waited_for = 0, count = sizeof simulated / sizeof *simulated;
    for (int i = 0; i < count; i++) {
        const Simulated *row = &simulated[i];
        Source s;
        source_of(&s, row);
        Machine machine = cluster(row->nodes, 1);
        Plan plan = plan_of(&s, (Layout){ row->nodes / row->cols, 1, row->cols }, machine);
        double step_ms = 1e3 * plan_step_s(&plan), group_ms = 1e3 * plan.group_s;
        printf("%-5s %2lld nodes, %5lld tokens in %3lld leaves, %lld columns: step %7.1f ms, "
               "simulated %7.1f; shows %6.1f, simulated %6.1f\n",
               row->model == bert_base ? "BERT" : "LLaMA", (long long)row->nodes,
               (long long)row->tokens, (long long)s.input.leaves, (long long)row->cols, step_ms,
               row->step_ms, group_ms, row->group_ms);
        CHECK_NEAR(step_ms / row->step_ms, 1, 0.1);
        CHECK_TRUE(is_near(group_ms, row->group_ms));
        // as if every message were waited for: nothing is computed meanwhile
        double all_ms = 1e3 * plan.group_bytes / machine.bytes_per_s;
        waited_for += is_near(all_ms, row->group_ms);
        source_close(&s);
    }
    CHECK_TRUE(waited_for <= 1); // of 512 tokens on four, where a quarter hides and that is all
}

static Plan grouped(Source *s, int64_t cols)
{
    return plan_of(s, (Layout){ 4 / cols, 1, cols }, cluster(4, 1));
}

static void what_hides_depends_on_the_recipe(void)
{
    Source s;
    GridOptions *grid = &s.recipe.grid;
    source_open(&s, bert_base, "text_classification", 65536, 128, 32);
    Plan native = grouped(&s, 2);
    strcpy(grid->backend, "scalapack"); // which waits for all that it sends, once more and back
    Plan scalapack = grouped(&s, 2);
    CHECK_NEAR(scalapack.group_s, scalapack.group_bytes / cluster(4, 1).bytes_per_s, 0.03);
    CHECK_TRUE(scalapack.group_bytes > native.group_bytes);
    CHECK_TRUE(scalapack.group_s > 0.3 && native.group_s < 0.02);
    strcpy(grid->backend, "auto");
    strcpy(grid->reproducible, "strict"); // 12 slices: of six come two sums, of none alone
    Plan strict = grouped(&s, 2);
    CHECK_TRUE(strict.group_s > 0.1 && strict.group_bytes > 1.2 * native.group_bytes);
    strcpy(grid->reproducible, "data");
    strcpy(s.recipe.train.recompute, "layer"); // the way there twice
    Plan layer = grouped(&s, 2);
    strcpy(s.recipe.train.recompute, "attention");
    Plan attention = grouped(&s, 2);
    double layers = 8 * 12 * 16;
    CHECK_NEAR(layer.messages - native.messages, layers / 2, 1e-6);
    CHECK_NEAR(attention.messages - native.messages, layers / 4, 1e-6);
    CHECK_NEAR(layer.compute_s / native.compute_s, 4.0 / 3, 1e-6);
    source_close(&s);
}

static void within_a_node_a_message_is_a_copy(void)
{
    Source s;
    source_open(&s, bert_base, "text_classification", 65536, 128, 32);
    Machine machine = cluster(4, 2);
    Plan within = plan_of(&s, (Layout){ 4, 1, 2 }, machine);
    CHECK_NEAR(within.group_s, within.group_bytes / machine.near_bytes_per_s, 0.01);
    machine.near_bytes_per_s *= 2;
    CHECK_NEAR(plan_of(&s, (Layout){ 4, 1, 2 }, machine).group_s, within.group_s / 2, 0.01);
    // three ranks a node: some groups of two are of two nodes
    machine = cluster(4, 3);
    Plan apart = plan_of(&s, (Layout){ 6, 1, 2 }, machine);
    machine.near_bytes_per_s *= 2;
    CHECK_NEAR(plan_of(&s, (Layout){ 6, 1, 2 }, machine).group_s, apart.group_s, 1e-9);
    source_close(&s);
}

static void long_rows_and_targets_take_their_time(void)
{
    Source s;
    Machine machine = cluster(1, 1);
    source_open(&s, bert_base, "masked_lm", 65536, 512, 0);
    double flops = 3 * model_forward_flops(s.model, 65536), words = 6 * 768.0 * 30522;
    flops *= 1 + 512 / (6 * 768.0); // scores and mixes
    flops += 0.15 * 65536 * words;  // of a token that is to be predicted alone
    double rate = machine.gflops * 1e9 * 32 * 0.8;
    CHECK_NEAR(plan_of(&s, (Layout){ 1, 1, 1 }, machine).compute_s * rate / flops, 1, 1e-9);
    source_close(&s);
}

static void of_completions_their_tokens_are_predicted(void)
{
    enum { TOKENS = 4096 };
    Source s;
    Machine machine = cluster(1, 1);
    source_open(&s, llama_quarter, "causal_lm", TOKENS, 2048, 0);
    double all_s = plan_of(&s, (Layout){ 1, 1, 1 }, machine).compute_s;
    uint8_t *wanted = MEM_NEW(uint8_t, TOKENS);
    memset(wanted, 1, TOKENS / 4);
    s.data.wanted = wanted;
    plan_input_init(&s.input, &s.recipe, s.model, &s.batches, s.input.leaves);
    double flops = 0.75 * TOKENS * 6 * 4096.0 * 32000;
    double rate = machine.gflops * 1e9 * 32 * 0.8;
    CHECK_NEAR((all_s - plan_of(&s, (Layout){ 1, 1, 1 }, machine).compute_s) * rate / flops, 1,
               1e-6);
    mem_free(wanted);
    source_close(&s);
}

static void new_weights_travel_with_several_ranks_on_a_node(void)
{
    Source s;
    source_open(&s, bert_base, "text_classification", 65536, 128, 0);
    Plan plan = plan_of(&s, (Layout){ 32, 1, 1 }, cluster(8, 4));
    CHECK_NEAR(plan_step_s(&plan) / 2.1877, 1, 0.1); // simulated, 6 ms of it shown
    CHECK_TRUE(plan.exchange_s < 0.012);
    strcpy(s.recipe.grid.shared_weights, "never"); // every rank receives all
    CHECK_TRUE(plan_of(&s, (Layout){ 32, 1, 1 }, cluster(8, 4)).sent_bytes >
               1.09 * plan.sent_bytes);
    source_close(&s);
}

static void a_probe_is_one_pass_and_a_solver(void)
{
    enum { ROWS = 512, TOKENS = ROWS * 128, LAYERS = 12 };
    Source s;
    Machine machine = cluster(2, 1);
    source_open(&s, bert_base, "text_classification", TOKENS, 128, 0);
    strcpy(s.recipe.train.method, "linear_probe");
    strcpy(s.recipe.train.probe, "ridge");
    strcpy(s.recipe.train.leave_one_out, "auto");
    Plan plan = plan_of(&s, (Layout){ 2, 1, 1 }, machine);
    double flops = model_forward_flops(s.model, TOKENS) * (1 + 128 / (6 * 768.0));
    CHECK_NEAR(plan.compute_s * machine.gflops * 1e9 * 32 * 0.8 / (flops / 2), 1, 1e-9);
    // of the Gram matrix half of 12 x 12 tiles, of one subtree of rows
    CHECK_EQ(plan.messages, 12 * 13 / 2);
    CHECK_EQ(plan.sent_bytes, plan.messages * 64 * 64 * 8);
    CHECK_TRUE(plan.exchange_s == 0 && plan.group_s == 0);
    // 64 leaves of 1024 tokens; four messages a layer, rows looked up, hidden values
    Plan group = plan_of(&s, (Layout){ 1, 1, 2 }, machine);
    CHECK_EQ(group.messages - plan.messages, 64 * (4 * LAYERS + 2));
    CHECK_TRUE(group.group_s > 0);
    strcpy(s.recipe.train.method, "full");
    CHECK_TRUE(plan_of(&s, (Layout){ 2, 1, 1 }, machine).messages > 2 * plan.messages);
    source_close(&s);
}

static void solvers_take_what_their_sums_and_matrices_do(void)
{
    SolveWork work;
    SolveShape shape = { .all_rows = 1000, .features = 128, .classes = 2, .ranks = 1 };
    shape.penalties = 3;
    solve_ridge_work(&work, &shape);
    double n = 128, rows = 1000;
    CHECK_NEAR(work.row_flops, rows * (n * 192 + 8 * n + 2 * n * n + 3 * n * 8), 1);
    CHECK_NEAR(work.matrix_flops, n * n * n * 28 / 3 + 4 * n * n, 1);
    CHECK_EQ(work.messages, 0);
    shape.classes = 3;
    shape.intercept = true; // 192 columns for each of three classes
    shape.leave_out = LEAVE_OUT_STEP;
    solve_logistic_work(&work, &shape);
    n = 3 * 192;
    double left_out = n * n * 4 / 3 + 18;
    CHECK_NEAR(work.row_flops, rows * (15 * (n * (n + 64) + 4 * n) + 3 * left_out), 1);
    CHECK_NEAR(work.matrix_flops, 15 * (n * n * n / 3 + 2 * n * n) + 2 * n * n * n, 1);
    shape.leave_out = LEAVE_OUT_EXACT;
    double steps = work.row_flops - rows * 3 * left_out;
    solve_logistic_work(&work, &shape);
    CHECK_NEAR(work.row_flops, steps + 3 * (24 * rows * rows * n + 14 * rows * n * n), 1);
    CHECK_NEAR(work.matrix_flops, 15 * (n * n * n / 3 + 2 * n * n), 1);
}

int main(int argc, char **argv)
{
    const Case cases[] = {
        { "alone", a_node_alone_is_as_fast_as_the_simulated_one },
        { "group_simulated", a_group_shows_what_it_does_in_simulation },
        { "hides", what_hides_depends_on_the_recipe },
        { "node", within_a_node_a_message_is_a_copy },
        { "flops", long_rows_and_targets_take_their_time },
        { "completions", of_completions_their_tokens_are_predicted },
        { "delivery", new_weights_travel_with_several_ranks_on_a_node },
        { "probe", a_probe_is_one_pass_and_a_solver },
        { "solvers", solvers_take_what_their_sums_and_matrices_do },
    };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
