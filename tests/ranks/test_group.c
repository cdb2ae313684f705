/* TEST ranks=1,2,3,4,6 labels=model timeout=120 */
#include "base/log.h"
#include "base/mem.h"
#include "model/model.h"
#include "nn/group.h"
#include "support/check.h"
#include "support/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Every rank has a part of a model, and all of a twin: losses and gradients must agree, whoever
// makes the products of layers.

static Comm world;
static MatrixGrid matrix_grid;

enum { TOKENS = 300, SEQUENCES = 5, LABELS = 3, TARGETS = 40, VOCABULARY = 101 };
static const int32_t cu_seqlens[] = { 0, 1, 120, 121, 210, TOKENS };
static const int64_t samples[] = { 7, 3, 11, 0, 5 };
static int32_t ids[TOKENS], types[TOKENS], target_rows[TARGETS], target_ids[TARGETS];
static const int32_t labels[] = { 0, 2, 1, 1, 0 };

typedef struct {
    Model *model;
    Weight *weights;
    float *gradients; ///< like the values
    Tape *tape;
    int *told; ///< (param_count): how often a gradient was said to be complete
    bool sums;
} Twin;

static void ready(void *context, int param)
{
    Twin *twin = context;
    twin->told[param]++;
    if (twin->sums) model_sum_gradient(twin->model, twin->weights, twin->tape, param);
}

static TouchedRows *touched_rows(const Param *param)
{
    TouchedRows *touched = MEM_NEW(TouchedRows, 1);
    *touched = (TouchedRows){ .capacity = TOKENS, .cols = param->cols };
    touched->ids = MEM_NEW(int32_t, TOKENS);
    touched->rows = MEM_NEW(float, TOKENS * param->cols);
    return touched;
}

/// New models have no biases, and a product that forgets its own would not be seen.
static void fill_biases(Model *model)
{
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        for (int64_t e = 0; param->rank == 1 && !param->gain && e < param->cols; e++)
            model->values[param->offset + e] = 1e-6f * noise(i, layout_place(&param->layout, e));
    }
}

static void twin_init(Twin *twin, const char *text, const char *task, const Comm *group,
                      const MatrixGrid *grid)
{
    Json *config;
    *twin = (Twin){ .sums = true };
    CHECK_EQ(json_parse(&config, text, strlen(text), "test"), OK);
    CHECK_EQ(model_new(&twin->model, config, task, LABELS, group, "test"), OK);
    json_free(config);
    Model *model = twin->model;
    model_allocate(model);
    model_init_absent(model, 5);
    fill_biases(model);
    twin->weights = MEM_NEW(Weight, model->param_count);
    twin->gradients = MEM_NEW(float, model->elements);
    twin->told = MEM_NEW(int, model->param_count);
    model_bind(model, twin->weights);
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->table)
            twin->weights[i].touched = touched_rows(param);
        else
            twin->weights[i].gradient = twin->gradients + param->offset;
    }
    twin->tape = tape_new(model_arena_bytes(model, TOKENS, SEQUENCES, TOKENS) + (64 << 20));
    tape_set_group(twin->tape, twin->model->group, twin->model->slices, grid);
    tape_watch(twin->tape, twin->weights, model->param_count, ready, twin);
}

static void twin_release(Twin *twin)
{
    for (int i = 0; i < twin->model->param_count; i++) {
        TouchedRows *touched = twin->weights[i].touched;
        if (touched) mem_free(touched->ids), mem_free(touched->rows);
        mem_free(touched);
    }
    tape_free(twin->tape);
    mem_free(twin->weights);
    mem_free(twin->gradients);
    mem_free(twin->told);
    model_free(twin->model);
}

static double run(Twin *twin, Recompute recompute)
{
    const Model *model = twin->model;
    const Packing packing = { .sequences = SEQUENCES,
                              .tokens = TOKENS,
                              .longest = 119,
                              .cu_seqlens = cu_seqlens,
                              .samples = samples,
                              .ids = ids,
                              .types = model->spec.type_vocab_size ? types : NULL };
    const Pass pass = { .seed = 3, .step = 2, .training = true, .recompute = recompute };
    double loss;
    memset(twin->gradients, 0, (size_t)model->elements * sizeof(float));
    for (int i = 0; i < model->param_count; i++) {
        twin->weights[i].written = false;
        twin->told[i] = 0;
        if (twin->weights[i].touched) twin->weights[i].touched->count = 0;
    }
    tape_start(twin->tape, &pass, &packing);
    if (model->head->vocabulary) {
        Var *x = select_rows(twin->tape, model_hidden(model, twin->weights, twin->tape),
                             target_rows, TARGETS);
        Output out = model_head(model, twin->weights, twin->tape, x);
        loss =
            vocabulary_loss(twin->tape, NULL, out.x, out.weight, out.bias, target_ids, 0.1, 17).sum;
    } else {
        Output out = model_output(model, twin->weights, twin->tape);
        Var *logits = linear(twin->tape, out.x, out.weight, out.bias);
        loss = cross_entropy(twin->tape, logits, labels, NULL, 0, 5);
    }
    tape_backward(twin->tape);
    for (int i = 0; i < model->param_count; i++) {
        const TouchedRows *touched = twin->weights[i].touched;
        CHECK_EQ(twin->told[i], 1);
        float *table = twin->gradients + model->params[i].offset;
        for (int64_t r = 0; touched && r < touched->count; r++)
            memcpy(table + touched->ids[r] * touched->cols, touched->rows + r * touched->cols,
                   (size_t)touched->cols * sizeof(float));
    }
    return loss;
}

static double norm(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/// The greatest error of a parameter's gradient, as a share of its norm.
static double gradient_error(const Twin *part, const Twin *whole)
{
    double worst = 0, all = norm(whole->gradients, whole->model->elements);
    for (int i = 0; i < whole->model->param_count; i++) {
        const Param *p = &part->model->params[i], *w = &whole->model->params[i];
        const float *mine = part->gradients + p->offset, *theirs = whole->gradients + w->offset;
        double error = 0, size = norm(theirs, w->rows * w->cols);
        for (int64_t e = 0; e < p->rows * p->cols; e++) {
            double d = (double)mine[e] - (double)theirs[layout_place(&p->layout, e)];
            error += d * d;
        }
        error = sqrt(error) / (size > 1e-3 * all ? size : 1e-3 * all);
        if (error > worst) worst = error;
    }
    return worst;
}

static bool has_summed(const Model *model)
{
    bool found = false;
    for (int i = 0; i < model->param_count; i++) found = found || model->params[i].summed;
    return found;
}

/// What is frozen gets no gradient, and the others get theirs all the same.
static void compare_frozen(Twin *twin, const float *kept)
{
    for (int i = 0; i < twin->model->param_count; i++)
        if (strstr(twin->model->params[i].name, ".0.")) twin->weights[i].gradient = NULL;
    run(twin, RECOMPUTE_NONE);
    for (int i = 0; i < twin->model->param_count; i++) {
        const Param *param = &twin->model->params[i];
        int64_t count = param->rows * param->cols;
        const float *found = twin->gradients + param->offset;
        if (param->table || twin->weights[i].gradient)
            CHECK_EQ(memcmp(found, kept + param->offset, (size_t)count * sizeof(float)), 0);
        else
            CHECK_TRUE(norm(found, count) == 0);
    }
}

static void compare_on(const MatrixGrid *grid, const char *config, const char *task)
{
    Comm self = comm_self();
    Twin part, whole;
    twin_init(&part, config, task, &world, grid);
    twin_init(&whole, config, task, &self, NULL);
    double expected = run(&whole, RECOMPUTE_NONE), loss = run(&part, RECOMPUTE_NONE);
    CHECK_TRUE(fabs(loss - expected) <= 1e-6 * fabs(expected));
    CHECK_TRUE(gradient_error(&part, &whole) <= 1e-5);
    if (world.size == 1) CHECK_TRUE(gradient_error(&part, &whole) == 0);
    size_t bytes = (size_t)part.model->elements * sizeof(float);
    float *kept = MEM_NEW(float, part.model->elements);
    memcpy(kept, part.gradients, bytes);
    for (Recompute what = RECOMPUTE_ATTENTION; what <= RECOMPUTE_LAYER; what++) {
        CHECK_TRUE(run(&part, what) == loss);
        CHECK_EQ(memcmp(kept, part.gradients, bytes), 0);
    }
    part.sums = false; // the control: a summand alone is another gradient
    run(&part, RECOMPUTE_NONE);
    if (has_summed(part.model)) CHECK_TRUE(gradient_error(&part, &whole) > 1e-3);
    part.sums = true;
    compare_frozen(&part, kept);
    mem_free(kept);
    twin_release(&part);
    twin_release(&whole);
}

/// Elements of the part's gradients that are not the whole's, bit for bit.
static int64_t differing(const Twin *part, const Twin *whole)
{
    int64_t count = 0;
    for (int i = 0; i < whole->model->param_count; i++) {
        const Param *p = &part->model->params[i], *w = &whole->model->params[i];
        const float *mine = part->gradients + p->offset, *theirs = whole->gradients + w->offset;
        for (int64_t e = 0; e < p->rows * p->cols; e++)
            count += memcmp(&mine[e], &theirs[layout_place(&p->layout, e)], sizeof *mine) != 0;
    }
    return count;
}

/// The same bits as a rank alone, if both are strict; else others.
static void compare_bits(const char *config, const char *task, bool strict)
{
    Comm self = comm_self(), all = world;
    Twin part, whole;
    self.strict = all.strict = strict;
    twin_init(&part, config, task, &all, NULL);
    twin_init(&whole, config, task, &self, NULL);
    for (Recompute what = RECOMPUTE_NONE; what <= RECOMPUTE_LAYER; what++) {
        double expected = run(&whole, RECOMPUTE_NONE), loss = run(&part, what);
        int64_t others = differing(&part, &whole);
        if (strict) CHECK_TRUE(loss == expected);
        if (strict || world.size == 1)
            CHECK_EQ(others, 0);
        else
            CHECK_TRUE(others > 0);
    }
    twin_release(&part);
    twin_release(&whole);
}

static void compare(const char *config, const char *task)
{
    compare_on(NULL, config, task);
    if (world.size > 1) compare_on(&matrix_grid, config, task);
}

#define BERT                                                                                       \
    "{\"model_type\": \"bert\", \"hidden_size\": 48, \"num_hidden_layers\": 2, "                   \
    "\"num_attention_heads\": 12, \"intermediate_size\": 96, \"vocab_size\": 101, "                \
    "\"max_position_embeddings\": 128, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12, "        \
    "\"hidden_act\": \"gelu\""
#define DISTILBERT                                                                                 \
    "{\"model_type\": \"distilbert\", \"dim\": 48, \"n_layers\": 2, \"n_heads\": 12, "             \
    "\"hidden_dim\": 96, \"vocab_size\": 101, \"max_position_embeddings\": 128, "                  \
    "\"activation\": \"gelu\""
#define GPT2                                                                                       \
    "{\"model_type\": \"gpt2\", \"n_embd\": 48, \"n_layer\": 2, \"n_head\": 12, "                  \
    "\"vocab_size\": 101, \"n_positions\": 128, \"activation_function\": \"gelu_new\", "           \
    "\"layer_norm_epsilon\": 1e-5"
#define LLAMA(hidden, kv_heads, more)                                                              \
    "{\"model_type\": \"llama\", \"hidden_size\": " hidden ", \"num_hidden_layers\": 2, "          \
    "\"num_attention_heads\": 12, \"num_key_value_heads\": " kv_heads                              \
    ", \"intermediate_size\": 96, \"vocab_size\": 101, \"max_position_embeddings\": 128, "         \
    "\"hidden_act\": \"silu\", \"rms_norm_eps\": 1e-5, " more

/// Products that are two factors: all of the first layer, of the second some.
#define RANK(product, rank) "\"" product ".weight\": " #rank
static const char *const factors[] = {
    RANK("bert.encoder.layer.0.attention.self.query", 9),
    RANK("bert.encoder.layer.0.attention.output.dense", 7),
    RANK("bert.encoder.layer.0.intermediate.dense", 1),
    RANK("bert.encoder.layer.0.output.dense", 17),
    RANK("bert.encoder.layer.1.output.dense", 5),
    RANK("transformer.h.0.attn.c_attn", 9),
    RANK("transformer.h.0.attn.c_proj", 3),
    RANK("transformer.h.1.mlp.c_fc", 8),
    RANK("transformer.h.1.mlp.c_proj", 80),
    RANK("model.layers.0.self_attn.q_proj", 5),
    RANK("model.layers.0.self_attn.o_proj", 5),
    RANK("model.layers.1.mlp.gate_proj", 12),
    RANK("model.layers.1.mlp.down_proj", 7),
};

/// The configuration `open` (without its last brace), dense and factored.
static void compare_both(const char *open, const char *prefix, const char *task)
{
    Text text = { 0 };
    const char *between = "";
    text_printf(&text, "%s}", open);
    compare(text.data, task);
    text_clear(&text);
    text_printf(&text, "%s, \"factor_ranks\": {", open);
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        if (strncmp(factors[i] + 1, prefix, strlen(prefix))) continue;
        text_printf(&text, "%s%s", between, factors[i]);
        between = ", ";
    }
    text_append(&text, "}}");
    compare(text.data, task);
    text_release(&text);
}

static void encoders(void)
{
    compare_both(BERT, "bert.", "text_classification");
    compare_both(BERT, "bert.", "masked_lm");
    compare(DISTILBERT "}", "text_classification");
}

static void decoders(void)
{
    bool thirds = world.size % 3 == 0; // fewer heads of keys than ranks: several have the same
    compare_both(GPT2, "transformer.", "causal_lm");
    compare_both(GPT2, "transformer.", "text_classification");
    compare_both(thirds ? LLAMA("48", "3", "\"tie_word_embeddings\": true")
                        : LLAMA("48", "2", "\"tie_word_embeddings\": true"),
                 "model.", "causal_lm");
    compare_both(thirds ? LLAMA("48", "3", "\"attention_bias\": true")
                        : LLAMA("48", "2", "\"attention_bias\": true"),
                 "model.", "causal_lm");
    compare_both(LLAMA("48", "12", "\"tie_word_embeddings\": true"), "model.",
                 "text_classification");
    compare(LLAMA("53", "12", "\"head_dim\": 4") "}", "causal_lm"); // a width that no group divides
}

static void strict_groups(void)
{
    const char *grouped = world.size % 3 ? LLAMA("48", "4", "\"attention_bias\": true") "}"
                                         : LLAMA("48", "6", "\"attention_bias\": true") "}";
    compare_bits(BERT "}", "text_classification", true);
    compare_bits(BERT "}", "masked_lm", true);
    compare_bits(DISTILBERT "}", "text_classification", true);
    compare_bits(GPT2 "}", "causal_lm", true);
    compare_bits(GPT2 "}", "text_classification", true);
    compare_bits(grouped, "causal_lm", true);
    compare_bits(LLAMA("48", "12", "\"tie_word_embeddings\": true") "}", "causal_lm", true);
    compare_bits(BERT "}", "text_classification", false);
    compare_bits(LLAMA("48", "12", "\"tie_word_embeddings\": true") "}", "causal_lm", false);
}

static void refuses_what_does_not_divide(void)
{
    Json *config;
    Model *model = NULL;
    const Comm five = { .size = 5 };
    CHECK_EQ(json_parse(&config, BERT "}", strlen(BERT "}"), "test"), OK);
    CHECK_EQ(model_new(&model, config, "masked_lm", 0, &five, "m.h5"), USAGE);
    CHECK_TRUE(strstr(status_message(), "it can be 1, 2, 3, 4, 6, 12") != NULL);
    json_free(config);
    const Comm four = { .size = 4, .strict = true };
    CHECK_EQ(json_parse(&config, LLAMA("48", "2", "\"attention_bias\": true") "}",
                        strlen(LLAMA("48", "2", "\"attention_bias\": true") "}"), "test"),
             OK);
    CHECK_EQ(model_new(&model, config, "causal_lm", 0, &four, "m.h5"), USAGE);
    CHECK_TRUE(strstr(status_message(), "as grid.reproducible=strict needs it: it can be 1, 2"));
    json_free(config);
}

static void refuses_factors_of_nothing(void)
{
    static const char *const wrong[] = {
        RANK("bert.encoder.layer.0.attention.self.query", 49),
        RANK("bert.encoder.layer.0.attention.self.query", 0),
        RANK("bert.encoder.layer.0.attention.self.key", 5), // joined: the query's
        RANK("bert.encoder.layer.2.output.dense", 5),
        RANK("bert.embeddings.word_embeddings", 5),
        RANK("bert.pooler.dense", 5),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Json *config;
        Model *model = NULL;
        Text text = { 0 };
        text_printf(&text, "%s, \"factor_ranks\": {%s}}", BERT, wrong[i]);
        CHECK_EQ(json_parse(&config, text.data, text.length_bytes, "test"), OK);
        CHECK_EQ(model_new(&model, config, NULL, 0, NULL, "m.h5"), FAILED);
        CHECK_TRUE(strstr(status_message(), "m.h5: factor_ranks: 'bert.") != NULL);
        json_free(config);
        text_release(&text);
    }
}

static const Case cases[] = {
    { "encoders", encoders },
    { "refuses factors of nothing", refuses_factors_of_nothing },
    { "decoders", decoders },
    { "strict groups", strict_groups },
    { "refuses what does not divide", refuses_what_does_not_divide },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    matrix_grid_start(&matrix_grid, &world, 1, world.size);
    for (int i = 0; i < TOKENS; i++) {
        ids[i] = (i * 37 + i / 7) % VOCABULARY;
        types[i] = i % 5 == 0;
    }
    for (int i = 0; i < TARGETS; i++) {
        target_rows[i] = 7 * i;
        target_ids[i] = (i * 29) % VOCABULARY;
    }
    log_start(1); // says nothing
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    matrix_grid_stop(&matrix_grid);
    comm_stop(&world);
    return result;
}
