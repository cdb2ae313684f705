/* TEST labels=model timeout=120 */
#include "base/mem.h"
#include "model/model.h"
#include "support/check.h"
#include "support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const families[] = { "gpt2", "llama", "qwen2", "roberta", "distilbert" };
enum { FAMILIES = sizeof families / sizeof *families };

static Model *open_family(const char *family, const char *task)
{
    char path[] = "/tmp/temper-family-XXXXXX", folder[512];
    Comm self = comm_self();
    Model *model = NULL;
    int file = mkstemp(path);
    if (file >= 0) close(file);
    snprintf(folder, sizeof folder, "%s/tiny-%s", TEST_FOLDER, family);
    Status status = model_import(path, folder);
    if (status == OK) status = model_load(&self, &model, path, task);
    if (status != OK) check_failed(__FILE__, __LINE__, "%s: %s", family, status_message());
    unlink(path);
    if (model) model->spec.dropout = 0;
    return model;
}

static Golden *open_expected(const char *family)
{
    char name[64];
    snprintf(name, sizeof name, "tiny-%s/expected.safetensors", family);
    return golden_open(name);
}

/// A pass over the sequences of a golden file.
typedef struct {
    Golden *golden;
    Model *model;
    Weight *weights;
    float *gradients; ///< (elements)
    Packing packing;
    Tape *tape;
} Run;

/// Tables get dense gradients too: the lookup is the same.
static void run_init(Run *run, const char *family, const char *task)
{
    int64_t tokens, fences;
    *run = (Run){ .golden = open_expected(family), .model = open_family(family, task) };
    run->weights = MEM_NEW(Weight, run->model->param_count);
    run->gradients = MEM_NEW(float, run->model->elements);
    model_bind(run->model, run->weights);
    for (int i = 0; i < run->model->param_count; i++)
        run->weights[i].gradient = run->gradients + run->model->params[i].offset;
    run->packing.ids = golden_ints(run->golden, "ids", &tokens);
    run->packing.cu_seqlens = golden_ints(run->golden, "cu_seqlens", &fences);
    run->packing.tokens = tokens;
    run->packing.sequences = fences - 1;
    run->packing.longest = packing_end(&run->packing);
    run->packing.samples = MEM_NEW(int64_t, fences);
    run->tape = tape_new(model_arena_bytes(run->model, tokens, fences, run->packing.longest));
}

static void run_release(Run *run)
{
    tape_free(run->tape);
    mem_free((void *)(uintptr_t)run->packing.samples);
    mem_free(run->gradients);
    mem_free(run->weights);
    model_free(run->model);
    golden_close(run->golden);
}

static void check_values(const char *family, const char *what, const float *found,
                         const double *expected, int64_t count, double tolerance)
{
    double most = 0, apart = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(expected[i]));
        apart = fmax(apart, fabs((double)found[i] - expected[i]));
    }
    if (!(apart <= tolerance * most))
        check_failed(__FILE__, __LINE__, "%s: %s is %.3g of its largest value apart", family, what,
                     apart / most);
}

/// Error / max(norm, 1e-3 x global norm), for every parameter.
static void check_gradients(const Run *run, const char *family)
{
    double global = 0, worst = 0;
    for (int64_t i = 0; i < run->model->elements; i++)
        global += (double)run->gradients[i] * run->gradients[i];
    for (int i = 0; i < run->model->param_count; i++) {
        const Param *param = &run->model->params[i];
        char name[160];
        int64_t count;
        double apart = 0, norm = 0;
        snprintf(name, sizeof name, "lm_gradient/%s", param->name);
        const double *expected = golden_reals(run->golden, name, &count);
        CHECK_EQ(count, param->rows * param->cols);
        for (int64_t k = 0; k < count; k++) {
            int64_t row = k / param->cols, col = k % param->cols;
            double wanted = expected[param->transposed ? col * param->rows + row : k];
            double found = run->gradients[param->offset + k];
            apart += (found - wanted) * (found - wanted);
            norm += wanted * wanted;
        }
        double error = sqrt(apart) / fmax(sqrt(norm), 1e-3 * sqrt(global));
        worst = fmax(worst, error);
        if (!(error <= 1e-4))
            check_failed(__FILE__, __LINE__, "%s: the gradient of %s has the error %.3g", family,
                         param->name, error);
    }
    printf("%s: worst gradient %.3g\n", family, worst);
}

static void check_language(const char *family, const char *task)
{
    Run run;
    int64_t count, logit_count;
    run_init(&run, family, task);
    const int32_t *rows = golden_ints(run.golden, "rows", &count);
    const int32_t *targets = golden_ints(run.golden, "targets", NULL);
    const double *logits = golden_reals(run.golden, "lm_logits", &logit_count);
    tape_start(run.tape, &(Pass){ .training = true }, &run.packing);
    Var *x = run.model->arch->hidden(run.model, run.weights, run.tape);
    Output out =
        model_head(run.model, run.weights, run.tape, select_rows(run.tape, x, rows, count));
    double loss =
        vocabulary_loss(run.tape, NULL, out.x, out.weight, out.bias, targets, 0, (double)count).sum;
    tape_backward(run.tape);
    double expected = *golden_reals(run.golden, "lm_loss", NULL);
    if (fabs(loss - expected) > 1e-6 * expected)
        check_failed(__FILE__, __LINE__, "%s: the loss is %.9g, not %.9g", family, loss, expected);
    check_gradients(&run, family);
    tape_start(run.tape, &(Pass){ .training = false }, &run.packing);
    out = model_head(run.model, run.weights, run.tape,
                     run.model->arch->hidden(run.model, run.weights, run.tape));
    Var *all = linear(run.tape, out.x, out.weight, out.bias);
    CHECK_EQ(all->rows * all->cols, logit_count);
    check_values(family, "logits", all->value, logits, logit_count, 1e-5);
    run_release(&run);
}

static void test_language_models(void)
{
    for (int i = 0; i < FAMILIES; i++)
        check_language(families[i], i < 3 ? "causal_lm" : "masked_lm");
    CHECK_EQ(mem_live_blocks(), 0);
}

static void check_classifier(const char *family)
{
    Run run;
    int64_t count;
    run_init(&run, family, "text_classification");
    const double *expected = golden_reals(run.golden, "class_logits", &count);
    tape_start(run.tape, &(Pass){ .training = true }, &run.packing);
    Output out = model_output(run.model, run.weights, run.tape);
    Var *logits = linear(run.tape, out.x, out.weight, out.bias);
    CHECK_EQ(logits->rows * logits->cols, count);
    check_values(family, "class logits", logits->value, expected, count, 1e-5);
    cross_entropy(run.tape, logits, golden_ints(run.golden, "classes", NULL), NULL, 0,
                  (double)run.packing.sequences);
    tape_backward(run.tape);
    // the norm over all parameters: which are there, differs
    const double *norms = golden_reals(run.golden, "class_gradient_norms", &count);
    double found = 0, wanted = 0;
    for (int64_t i = 0; i < count; i++) wanted += norms[i] * norms[i];
    for (int i = 0; i < run.model->param_count; i++)
        for (int64_t k = 0; k < run.model->params[i].rows * run.model->params[i].cols; k++) {
            double g =
                run.weights[i].written ? (double)run.gradients[run.model->params[i].offset + k] : 0;
            found += g * g;
        }
    CHECK_NEAR(sqrt(found) / sqrt(wanted), 1, 1e-5);
    run_release(&run);
}

static void test_classifiers(void)
{
    for (int i = 0; i < FAMILIES; i++) check_classifier(families[i]);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// What is exported is what was imported.
static void test_export(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        char folder[] = "/tmp/temper-families-XXXXXX", file[] = "/tmp/temper-family-XXXXXX";
        Comm self = comm_self();
        Model *model = open_family(families[i], NULL), *again = NULL;
        if (!model || !mkdtemp(folder)) return;
        CHECK_EQ(model_export(model, folder), OK);
        close(mkstemp(file));
        CHECK_EQ(model_import(file, folder), OK);
        CHECK_EQ(model_load(&self, &again, file, NULL), OK);
        CHECK_EQ(again->elements, model->elements);
        CHECK_EQ(memcmp(again->values, model->values, (size_t)model->elements * sizeof(float)), 0);
        model_free(again);
        model_free(model);
        unlink(file);
        char command[128];
        snprintf(command, sizeof command, "rm -r %s", folder);
        CHECK_EQ(system(command), 0);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "language models", test_language_models },
    { "classifiers", test_classifiers },
    { "export", test_export },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
