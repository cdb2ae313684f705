/* TEST labels=model timeout=120 */
#include "base/mem.h"
#include "model/model.h"
#include "support/check.h"
#include "support/golden.h"

#include <omp.h>
#include <stdlib.h>
#include <unistd.h>

/// One leaf of a golden batch, forward and backward.
typedef struct {
    Model *model;
    Weight *weights; ///< (param_count)
    float *dense;    ///< (dense_elements): gradients
    TouchedRows words;
    float *logits; ///< (sequences, num_labels)
    double loss;
    size_t peak_bytes, arena_bytes;
} Run;

static Model *open_folder(const char *folder)
{
    char path[] = "/tmp/temper-bert-XXXXXX";
    Comm self = comm_self();
    Model *model = NULL;
    int file = mkstemp(path);
    if (file >= 0) close(file);
    Status status = model_import(path, folder);
    if (status == OK) status = model_load(&self, &model, path, "text_classification");
    if (status != OK) check_failed(__FILE__, __LINE__, "%s", status_message());
    unlink(path);
    return model;
}

static void bind(Run *run, int64_t tokens)
{
    Model *model = run->model;
    run->weights = MEM_NEW(Weight, model->param_count);
    run->dense = MEM_NEW(float, model->dense_elements);
    // what an operator stores must not depend on what was there
    for (int64_t i = 0; i < model->dense_elements; i++) run->dense[i] = NAN;
    model_bind(model, run->weights);
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (param->kind == PARAM_FROZEN) continue;
        if (!param->table) {
            run->weights[i].gradient = run->dense + param->offset;
            continue;
        }
        run->words = (TouchedRows){ .capacity = tokens,
                                    .cols = param->cols,
                                    .ids = MEM_NEW(int32_t, tokens),
                                    .rows = MEM_NEW(float, tokens * param->cols) };
        run->weights[i].touched = &run->words;
    }
}

static Packing read_batch(Golden *golden)
{
    int64_t tokens, fences;
    Packing packing = { .ids = golden_ints(golden, "ids", &tokens),
                        .cu_seqlens = golden_ints(golden, "cu_seqlens", &fences) };
    if (golden_has(golden, "types")) packing.types = golden_ints(golden, "types", NULL);
    packing.tokens = tokens;
    packing.sequences = fences - 1;
    for (int64_t i = 0; i + 1 < fences; i++) {
        int64_t length = packing.cu_seqlens[i + 1] - packing.cu_seqlens[i];
        if (length > packing.longest) packing.longest = length;
    }
    return packing;
}

static void run_leaf(Run *run, Model *model, Packing packing, const int32_t *labels, double divisor)
{
    *run = (Run){ .model = model };
    model->spec.dropout = 0;
    bind(run, packing.tokens);
    run->arena_bytes = model_arena_bytes(model, packing.tokens, packing.sequences, packing.longest);
    Tape *tape = tape_new(run->arena_bytes);
    int64_t *samples = MEM_NEW(int64_t, packing.sequences);
    packing.samples = samples;
    tape_start(tape, &(Pass){ .training = true }, &packing);
    Output out = model_output(model, run->weights, tape);
    Var *logits = linear(tape, out.x, out.weight, out.bias);
    CHECK_EQ(logits->rows, packing.sequences);
    CHECK_EQ(logits->cols, model->spec.num_labels);
    run->logits = mem_copy(logits->value, (size_t)(logits->rows * logits->cols) * sizeof(float));
    run->loss = cross_entropy(tape, logits, labels, NULL, 0, divisor);
    tape_backward(tape);
    run->peak_bytes = tape_peak_bytes(tape);
    CHECK_TRUE(run->peak_bytes <= run->arena_bytes);
    mem_free(samples);
    tape_free(tape);
}

static void run_release(Run *run)
{
    mem_free(run->weights);
    mem_free(run->dense);
    mem_free(run->words.ids);
    mem_free(run->words.rows);
    mem_free(run->logits);
}

/// The gradient of a parameter in full; the caller owns it.
static float *gradient_of(const Run *run, const Param *param)
{
    int64_t elements = param->rows * param->cols;
    if (!param->table) return mem_copy(run->dense + param->offset, (size_t)elements * 4);
    float *full = MEM_NEW(float, elements);
    for (int64_t i = 0; i < run->words.count; i++)
        memcpy(full + run->words.ids[i] * param->cols, run->words.rows + i * param->cols,
               (size_t)param->cols * sizeof(float));
    return full;
}

static double norm_of(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static void check_logits(const Run *run, const double *expected, int64_t count)
{
    double most = 0, apart = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(expected[i]));
        apart = fmax(apart, fabs(run->logits[i] - expected[i]));
    }
    printf("logits: relative error %.3g\n", apart / most);
    CHECK_TRUE(apart <= 1e-5 * most);
}

static void check_written(const Run *run)
{
    for (int i = 0; i < run->model->param_count; i++)
        if (run->weights[i].gradient) CHECK_TRUE(run->weights[i].written);
}

static void check_full(const Run *run, Golden *golden)
{
    double global = 0, worst = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < run->model->param_count; i++) {
            const Param *param = &run->model->params[i];
            char name[160];
            int64_t count;
            snprintf(name, sizeof name, "gradient.%s", param->name);
            const double *expected = golden_reals(golden, name, &count);
            float *got = gradient_of(run, param);
            double square = 0, apart = 0;
            CHECK_EQ(count, param->rows * param->cols);
            for (int64_t k = 0; k < count; k++) {
                square += expected[k] * expected[k];
                apart += (got[k] - expected[k]) * (got[k] - expected[k]);
            }
            mem_free(got);
            if (!pass) {
                global += square;
                continue;
            }
            double error = sqrt(apart) / fmax(sqrt(square), 1e-3 * sqrt(global));
            if (!(error <= 1e-4))
                check_failed(__FILE__, __LINE__, "%s: gradient off by %g", param->name, error);
            worst = fmax(worst, error);
        }
    printf("gradients: worst error %.3g\n", worst);
}

/// Error of one gradient against its digest, relative to `scale`: by norm, projections, samples.
static double digest_error(const Run *run, const Param *param, const Digest *digest, double scale)
{
    double projections[GOLDEN_PROJECTIONS], apart = 0;
    float *got = gradient_of(run, param);
    CHECK_EQ(digest->elements, param->rows * param->cols);
    golden_project(projections, got, NULL, digest->elements);
    double error = golden_distance(projections, digest->projections);
    error = fmax(error, fabs(norm_of(got, digest->elements) - digest->norm));
    for (int64_t k = 0; k < digest->sample_count; k++) {
        double d = got[digest->indices[k]] - digest->samples[k];
        apart += d * d;
    }
    // samples of a table are of touched rows
    double population = (double)(param->table ? run->words.count * param->cols : digest->elements);
    if (digest->sample_count)
        error = fmax(error, sqrt(apart / (double)digest->sample_count * population));
    mem_free(got);
    return error / scale;
}

static void check_digests(const Run *run, Golden *golden)
{
    double global = *golden_reals(golden, "global_norm", NULL), worst = 0;
    CHECK_EQ(golden_digest_count(golden), run->model->param_count);
    for (int i = 0; i < run->model->param_count; i++) {
        const Param *param = &run->model->params[i];
        const Digest *digest = golden_digest_find(golden, param->name);
        CHECK_TRUE(digest != NULL);
        if (!digest) continue;
        double error = digest_error(run, param, digest, fmax(digest->norm, 1e-3 * global));
        if (!(error <= 1e-4))
            check_failed(__FILE__, __LINE__, "%s: gradient off by %g", param->name, error);
        worst = fmax(worst, error);
    }
    printf("gradients: worst error %.3g\n", worst);
}

/// Loss and gradient of golden logits: `loss` and the gradient stored under these names.
static void check_loss(Golden *golden, const char *loss, const char *gradient,
                       const double *class_weights, double smoothing)
{
    int64_t elements, rows;
    const double *logits = golden_reals(golden, "logits", &elements);
    const double *expected = golden_reals(golden, gradient, NULL);
    const int32_t *labels = golden_ints(golden, "labels", &rows);
    double divisor = 0, most = 0, apart = 0;
    for (int64_t i = 0; i < rows; i++) divisor += class_weights ? class_weights[labels[i]] : 1;
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &(Pass){ .training = true }, &(Packing){ .sequences = rows });
    Var *z = tape_var(tape, rows, elements / rows, true);
    for (int64_t i = 0; i < elements; i++) z->value[i] = (float)logits[i];
    CHECK_NEAR(cross_entropy(tape, z, labels, class_weights, smoothing, divisor),
               *golden_reals(golden, loss, NULL), 1e-6);
    const float *got = tape_gradient(tape, z);
    for (int64_t i = 0; i < elements; i++) {
        most = fmax(most, fabs(expected[i]));
        apart = fmax(apart, fabs(got[i] - expected[i]));
    }
    printf("%s: relative error %.3g\n", gradient, apart / most);
    CHECK_TRUE(apart <= 1e-5 * most);
    tape_free(tape);
}

static void check_losses(Golden *golden)
{
    check_loss(golden, "loss", "logits_gradient", NULL, 0);
    if (golden_has(golden, "smoothed_loss"))
        check_loss(golden, "smoothed_loss", "smoothed_logits_gradient",
                   golden_reals(golden, "class_weights", NULL), 0.1);
}

static void compare(Model *model, const char *file, bool full)
{
    Golden *golden = golden_open(file);
    Packing packing = read_batch(golden);
    int64_t count;
    Run run;
    run_leaf(&run, model, packing, golden_ints(golden, "labels", NULL), (double)packing.sequences);
    const double *logits = golden_reals(golden, "logits", &count);
    check_logits(&run, logits, count);
    CHECK_NEAR(run.loss, *golden_reals(golden, "loss", NULL), 1e-6);
    check_losses(golden);
    check_written(&run);
    if (full)
        check_full(&run, golden);
    else
        check_digests(&run, golden);
    printf("arena: %zu of %zu bytes\n", run.peak_bytes, run.arena_bytes);
    run_release(&run);
    golden_close(golden);
}

static void test_tiny(void)
{
    Model *model = open_folder(TEST_FOLDER "/tiny-bert");
    if (!model) return;
    compare(model, "tiny-bert/expected.safetensors", true);
    model->spec.hidden_act = GELU_TANH;
    Golden *golden = golden_open("tiny-bert/expected.safetensors");
    Packing packing = read_batch(golden);
    int64_t count;
    Run run;
    run_leaf(&run, model, packing, golden_ints(golden, "labels", NULL), 1);
    const double *logits = golden_reals(golden, "tanh_logits", &count);
    check_logits(&run, logits, count);
    run_release(&run);
    golden_close(golden);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_empty_leaf(void)
{
    Model *model = open_folder(TEST_FOLDER "/tiny-bert");
    if (!model) return;
    static const int32_t fences[] = { 0 };
    Run run;
    run_leaf(&run, model, (Packing){ .cu_seqlens = fences }, NULL, 8);
    CHECK_NEAR(run.loss, 0, 0);
    CHECK_EQ(run.words.count, 0);
    for (int i = 0; i < model->param_count; i++)
        if (run.weights[i].gradient && run.weights[i].written)
            CHECK_NEAR(
                norm_of(run.weights[i].gradient, model->params[i].rows * model->params[i].cols), 0,
                0);
    run_release(&run);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Without gradients for the input and the first layer: the others keep every bit.
static void test_frozen(void)
{
    Model *model = open_folder(TEST_FOLDER "/tiny-bert");
    if (!model) return;
    Golden *golden = golden_open("tiny-bert/expected.safetensors");
    Packing packing = read_batch(golden);
    const int32_t *labels = golden_ints(golden, "labels", NULL);
    Run all, some;
    run_leaf(&all, model, packing, labels, 8);
    for (int i = 0; i < model->param_count; i++)
        if (strstr(model->params[i].name, "embeddings") || strstr(model->params[i].name, "layer.0"))
            model->params[i].kind = PARAM_FROZEN;
    run_leaf(&some, model, packing, labels, 8);
    CHECK_TRUE(some.peak_bytes < all.peak_bytes);
    CHECK_EQ(some.words.count, 0);
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        CHECK_EQ(some.weights[i].written, param->kind == PARAM_TRAINED);
        if (param->kind == PARAM_TRAINED)
            CHECK_EQ(memcmp(some.dense + param->offset, all.dense + param->offset,
                            (size_t)(param->rows * param->cols) * sizeof(float)),
                     0);
    }
    run_release(&some);
    run_release(&all);
    golden_close(golden);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Dropout of the recipe: on in training passes alone.
static void test_dropout(void)
{
    Model *model = open_folder(TEST_FOLDER "/tiny-bert");
    if (!model) return;
    Golden *golden = golden_open("tiny-bert/expected.safetensors");
    Packing packing = read_batch(golden);
    int64_t samples[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, count;
    packing.samples = samples;
    Run run = { .model = model };
    bind(&run, packing.tokens);
    model->spec.dropout = 0.5;
    Tape *tape =
        tape_new(model_arena_bytes(model, packing.tokens, packing.sequences, packing.longest));
    const double *expected = golden_reals(golden, "logits", &count);
    for (int training = 0; training < 2; training++) {
        tape_start(tape, &(Pass){ .training = training }, &packing);
        Output out = model_output(model, run.weights, tape);
        Var *logits = linear(tape, out.x, out.weight, out.bias);
        double apart = 0;
        for (int64_t i = 0; i < count; i++) apart += fabs(logits->value[i] - expected[i]);
        CHECK_EQ(apart > 0.1, training);
    }
    tape_free(tape);
    run_release(&run);
    golden_close(golden);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// A forward and backward pass of a model of these sizes takes no more than foreseen.
static void check_arena(int64_t hidden, int64_t heads, int64_t feed, int64_t labels,
                        int64_t sequences, int64_t length)
{
    Json *config = NULL;
    Model *model = NULL;
    CHECK_EQ(json_parse_file(&config, TEST_FOLDER "/tiny-bert/config.json"), OK);
    json_set_int(config, "hidden_size", hidden);
    json_set_int(config, "num_attention_heads", heads);
    json_set_int(config, "intermediate_size", feed);
    json_set_int(config, "max_position_embeddings", length);
    CHECK_EQ(model_new(&model, config, "text_classification", labels, NULL, "config"), OK);
    model_allocate(model);
    int64_t tokens = sequences * length;
    int32_t *ids = MEM_NEW(int32_t, tokens), *fences = MEM_NEW(int32_t, sequences + 1);
    int32_t *classes = MEM_NEW(int32_t, sequences);
    for (int64_t i = 0; i < tokens; i++) ids[i] = (int32_t)(i % model->spec.vocab_size);
    for (int64_t i = 0; i <= sequences; i++) fences[i] = (int32_t)(i * length);
    Packing packing = { .sequences = sequences,
                        .tokens = tokens,
                        .longest = length,
                        .cu_seqlens = fences,
                        .ids = ids };
    Run run;
    run_leaf(&run, model, packing, classes, 1); // checks the peak
    run_release(&run);
    mem_free(classes);
    mem_free(fences);
    mem_free(ids);
    model_free(model);
    json_free(config);
}

static void test_arena(void)
{
    int threads = omp_get_max_threads();
    for (int many = 0; many < 2; many++) {
        omp_set_num_threads(many ? 40 : 1);
        check_arena(32, 4, 64, 3, 1, 1);
        check_arena(20, 20, 8, 2, 3, 700);   // a head is one column
        check_arena(64, 1, 16, 5000, 40, 2); // most of it after the encoder
        check_arena(256, 2, 1024, 2, 8, 96);
    }
    omp_set_num_threads(threads);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// The head that the golden values were made with.
static void set_head(Model *model)
{
    static char *const names[] = { "ham", "spam" };
    model_set_labels(model, names, 2, 0);
    const Param *head = &model->params[model_find_param(model, "classifier.weight")];
    for (int64_t i = 0; i < head->rows * head->cols; i++)
        model->values[head->offset + i] = (float)(0.02 * sin(1 + 0.37 * (double)i));
}

static void test_minilm(void)
{
    char folder[1100];
    const char *models = getenv("TEMPER_MODELS");
    snprintf(folder, sizeof folder, "%s/minilm-l6", models ? models : "");
    if (!models || access(folder, R_OK)) {
        check_skip("no folder minilm-l6 in TEMPER_MODELS");
        return;
    }
    Model *model = open_folder(folder);
    if (!model) return;
    set_head(model);
    compare(model, "minilm-parity.safetensors", false);
    model->spec.hidden_act = GELU_TANH;
    compare(model, "minilm-parity-tanh.safetensors", false);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "tiny", test_tiny },       { "empty leaf", test_empty_leaf }, { "frozen", test_frozen },
    { "dropout", test_dropout }, { "arena", test_arena },           { "MiniLM", test_minilm },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
