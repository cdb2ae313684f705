/* TEST ranks=1,2 labels=model,train timeout=600 */
#include "base/mem.h"
#include "support/check.h"
#include "support/folder.h"
#include "support/golden.h"
#include "train/ahead.h"

#include <stdlib.h>
#include <unistd.h>

static Comm world;

/// The header and the first `rows` rows of the messages, as the golden values take them.
static Status write_rows(const char *path, int64_t rows)
{
    Status status = OK;
    Text source = { 0 };
    char *data = NULL;
    text_printf(&source, "%s/jobs/data/sms-spam.tsv", getenv("TEMPER_SOURCE"));
    TRY(text_read_file(&data, NULL, source.data));
    size_t bytes = 0;
    for (int64_t line = 0; line <= rows; line++)
        bytes = (size_t)(strchr(data + bytes, '\n') - data) + 1;
    TRY(text_write_file(path, data, bytes));
done:
    mem_free(data);
    text_release(&source);
    return status;
}

static void fill_recipe(Recipe *recipe, const Golden *golden)
{
    static const Recipe empty;
    const char *const set[][2] = {
        { "model.path", folder_path("model.h5") },
        { "data.path", folder_path("rows.tsv") },
        { "data.text", "SMS" },
        { "data.label", "Label" },
        { "train.epochs", "1" },
        { "train.batch_size", golden_text(golden, "batch_size") },
        { "train.learning_rate", "5e-5" },
        { "train.warmup_ratio", "0.1" },
        { "train.weight_decay", golden_text(golden, "weight_decay") },
        { "train.max_grad_norm", golden_text(golden, "max_grad_norm") },
        { "train.dropout", "0" },
        { "train.shuffle", "false" },
        { "output.folder", folder_path("run") },
    };
    Settings settings = { 0 };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        settings_add(&settings, set[i][0], set[i][1], "test");
    *recipe = empty;
    CHECK_EQ(options_read(recipe, recipe_options, &settings), OK);
    settings_release(&settings);
}

static void set_head(Model *model)
{
    const Param *head = &model->params[model_find_param(model, "classifier.weight")];
    for (int64_t i = 0; i < head->rows * head->cols; i++)
        model->values[head->offset + i] = (float)(0.02 * sin(1 + 0.37 * (double)i));
}

/// The rows of the data set are those that the reference was trained on.
static void check_rows(const Dataset *data, Golden *golden)
{
    int64_t tokens;
    const int32_t *ids = golden_ints(golden, "ids", &tokens);
    CHECK_EQ(data->tokens, tokens);
    if (data->tokens == tokens) CHECK_EQ(memcmp(data->ids, ids, (size_t)tokens * sizeof *ids), 0);
    const int32_t *labels = golden_ints(golden, "labels", NULL);
    CHECK_EQ(memcmp(data->labels, labels, (size_t)data->rows * sizeof *labels), 0);
}

/// Losses and norms of every step: at most twice as far as PyTorch's float32 ever is.
static void check_steps(Trainer *trainer, Golden *golden)
{
    int64_t steps;
    const double *losses = golden_reals(golden, "losses", &steps);
    const double *torch_losses = golden_reals(golden, "torch_losses", NULL);
    const double *norms = golden_reals(golden, "gradient_norms", NULL);
    const double *torch_norms = golden_reals(golden, "torch_gradient_norms", NULL);
    const double *rates = golden_reals(golden, "learning_rates", NULL);
    double torch_loss = 0, torch_norm = 0, worst_loss = 0, worst_norm = 0;
    for (int64_t i = 0; i < steps; i++) {
        torch_loss = fmax(torch_loss, fabs(torch_losses[i] - losses[i]));
        torch_norm = fmax(torch_norm, fabs(torch_norms[i] / norms[i] - 1));
    }
    CHECK_EQ(trainer->batches.last, steps);
    for (int64_t i = 0; i < steps; i++) {
        StepRecord step;
        train_step(trainer, &step);
        CHECK_NEAR(step.loss, losses[i], 2 * torch_loss);
        CHECK_NEAR(step.grad_norm / norms[i], 1, 2 * torch_norm);
        CHECK_NEAR(step.learning_rate, rates[i], 1e-15 * rates[i]);
        worst_loss = fmax(worst_loss, fabs(step.loss - losses[i]));
        worst_norm = fmax(worst_norm, fabs(step.grad_norm / norms[i] - 1));
    }
    printf("losses: off by %.2g, PyTorch by %.2g; norms: %.2g, %.2g\n", worst_loss, torch_loss,
           worst_norm, torch_norm);
}

/// How far the weights are from float64, by projections, against PyTorch's distance.
static void check_weights(const Model *model, const float *start, Golden *golden)
{
    const double *torch = golden_reals(golden, "torch_distances", NULL);
    double square = 0, worst = 0, whole = *golden_reals(golden, "torch_distance", NULL);
    CHECK_EQ(golden_digest_count(golden), model->param_count);
    for (int i = 0; i < golden_digest_count(golden); i++) {
        const Digest *digest = golden_digest(golden, i);
        int at = model_find_param(model, digest->name);
        CHECK_TRUE(at >= 0);
        if (at < 0) continue;
        double projections[GOLDEN_PROJECTIONS];
        const Param *param = &model->params[at];
        golden_project(projections, model->values + param->offset, start + param->offset,
                       digest->elements);
        double distance = golden_distance(projections, digest->projections);
        square += distance * distance;
        if (strstr(digest->name, "key.bias")) continue; // noise divided by its own size
        if (!(distance <= 2 * torch[i]))
            check_failed(__FILE__, __LINE__, "%s: %.3g from float64, PyTorch %.3g", digest->name,
                         distance, torch[i]);
        worst = fmax(worst, distance / torch[i]);
    }
    CHECK_TRUE(sqrt(square) <= 2 * whole);
    printf("weights: %.3g from float64, %.2f of PyTorch's distance; a parameter at most %.2f\n",
           sqrt(square), sqrt(square) / whole, worst);
}

static void train(const char *source, Golden *golden)
{
    Recipe recipe;
    Trainer trainer;
    int64_t status = OK;
    fill_recipe(&recipe, golden);
    if (world.rank == 0) {
        int64_t rows;
        golden_ints(golden, "labels", &rows);
        status = model_import(recipe.model.path, source);
        if (status == OK) status = write_rows(recipe.data.path, rows);
    }
    comm_max_int64(&world, &status, 1);
    if (status == OK) status = trainer_init(&trainer, &world, &recipe);
    if (status != OK) {
        check_failed(__FILE__, __LINE__, "%s", status_message());
        return;
    }
    Model *model = trainer.model;
    set_head(model);
    float *start = mem_copy(model->values, (size_t)model->elements * sizeof(float));
    check_rows(trainer.data, golden);
    ahead_take(&trainer);
    check_steps(&trainer, golden);
    optimizer_refresh_all(&trainer.optimizer);
    check_weights(model, start, golden);
    mem_free(start);
    trainer_release(&trainer);
}

/// 20 steps of the program's own trainer end as near to float64 as PyTorch's float32 does.
static void minilm_learns_as_pytorch(void)
{
    char source[1100];
    const char *models = getenv("TEMPER_MODELS");
    snprintf(source, sizeof source, "%s/minilm-l6", models ? models : "");
    if (!models || access(source, R_OK)) {
        check_skip("no folder minilm-l6 in TEMPER_MODELS");
        return;
    }
    Golden *golden = golden_open("minilm-training.safetensors");
    folder_make(&world);
    train(source, golden);
    folder_remove(&world);
    golden_close(golden);
}

static const Case cases[] = { { "MiniLM learns as with PyTorch", minilm_learns_as_pytorch } };

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    int code = check_main(argc, argv, cases, 1);
    CHECK_EQ(mem_live_blocks(), 0);
    comm_stop(&world);
    return code;
}
