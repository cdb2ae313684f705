#include "base/mem.h"
#include "cli/commands.h"
#include "data/leaves.h"
#include "model/model.h"
#include "train/checkpoint_folder.h"
#include "train/objective.h"
#include "train/prepare.h"
#include "train/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// What was found so far: one line a failed check, and the status of the first.
typedef struct {
    Text lines;
    Status status;
} Findings;

/// Takes the message of a failed check and goes on with the next.
static bool note(Findings *errors, Status status)
{
    if (status == OK) return true;
    if (errors->status == OK) errors->status = status;
    text_printf(&errors->lines, "%s%s", errors->lines.length_bytes ? "\n" : "", status_message());
    status_clear();
    return false;
}

/// The nearest folder of `path` that exists must be writable.
static Status check_folder(const char *path)
{
    Status status = OK;
    char *at = mem_copy_text(path);
    struct stat info;
    while (stat(at, &info)) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at) {
            strcpy(at, slash ? "/" : ".");
            break;
        }
        *slash = '\0';
    }
    if (access(at, W_OK))
        FAIL(USAGE, "output.folder %s: %s cannot be written: %s", path, at, strerror(errno));
    if (!stat(at, &info) && !S_ISDIR(info.st_mode))
        FAIL(USAGE, "output.folder %s: %s is not a folder", path, at);
done:
    mem_free(at);
    return status;
}

static void print_lengths(const Dataset *data)
{
    int64_t longest = 0;
    for (int64_t row = 0; row < data->rows; row++)
        if (data->offsets[row + 1] - data->offsets[row] > longest)
            longest = data->offsets[row + 1] - data->offsets[row];
    printf("rows %" PRId64 "  tokens %" PRId64 "  mean length %.1f  longest %" PRId64
           "  truncated %" PRId64 "  empty %" PRId64 "  ill-formed %" PRId64 "\n",
           data->rows, data->tokens, (double)data->tokens / (double)(data->rows ? data->rows : 1),
           longest, data->truncated, data->empty_texts, data->ill_formed);
    for (int split = 0; split < SPLIT_COUNT; split++) {
        printf("%s", split_names[split]);
        for (int64_t label = 0; label < data->label_count; label++) {
            int64_t rows = 0;
            for (int64_t row = 0; row < data->rows; row++)
                rows += data->splits[row] == split && data->labels[row] == label;
            printf("  %s %" PRId64, data->label_names[label], rows);
        }
        printf("\n");
    }
}

/// Bytes of one rank: weights, gradient pieces and what is received, moments, activations.
static double rank_bytes(const Model *model, const Batches *batches, int64_t leaves, int64_t ranks)
{
    double dense = 4 * (double)model->dense_elements, all = 4 * (double)model->elements;
    double pieces = 1, tokens = batches->mean_tokens / (double)leaves;
    for (int64_t n = (leaves + ranks - 1) / ranks; n > 1; n /= 2) pieces++;
    double width = (double)(12 * model->spec.hidden_size + 2 * model->spec.intermediate_size);
    double activations = 4 * tokens * width * (double)model->spec.num_hidden_layers;
    return all + dense * (pieces + (ranks > 1 ? 1 : 0)) + 2 * all / (double)ranks + activations;
}

static Status print_plan(const Recipe *recipe, const Model *model, const Dataset *data)
{
    Status status = OK;
    Batches batches = { 0 };
    double *weights = NULL;
    TRY(objective_class_weights(&weights, recipe, data));
    TRY(batches_init(&batches, data, &recipe->train));
    int64_t leaves = recipe->train.leaves
                         ? recipe->train.leaves
                         : leaves_choose(batches.most_sequences, batches.mean_tokens);
    printf("steps %" PRId64 "  horizon %" PRId64 "  warm-up %" PRId64 "  tokens a step %.0f\n",
           batches.last, batches.horizon, schedule_warmup(&recipe->train, batches.horizon),
           batches.mean_tokens);
    printf("leaves %" PRId64 "\n", leaves);
    for (int64_t ranks = 1; ranks <= leaves; ranks *= 2)
        printf("memory %" PRId64 " ranks  about %.2f GB a rank\n", ranks,
               rank_bytes(model, &batches, leaves, ranks) / 1e9);
done:
    mem_free(weights);
    batches_release(&batches);
    return status;
}

static Status print_resume(const Recipe *recipe)
{
    char *newest;
    Status status = checkpoint_newest(&newest, recipe->output.folder, 0);
    if (newest) printf("resumes from %s\n", newest);
    mem_free(newest);
    return status;
}

COLLECTIVE
static Status validate_run(const Invocation *invocation)
{
    Findings errors = { 0 };
    const Comm *self = invocation->world;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Model *model = NULL;
    Tokenizer *tokenizer = NULL;
    Dataset *data = NULL;
    if (note(&errors,
             recipe_read(self, recipe, invocation->arguments[0], &invocation->overrides))) {
        bool has_folder = note(&errors, check_folder(recipe->output.folder));
        bool loaded = note(&errors, model_load(self, &model, recipe->model.path));
        if (loaded) note(&errors, prepare_check_model(recipe, model));
        if (loaded &&
            note(&errors, prepare_data(self, &data, &tokenizer, recipe, model->tokenizer_json))) {
            print_lengths(data);
            note(&errors, print_plan(recipe, model, data));
            if (has_folder) note(&errors, print_resume(recipe));
        } else if (!loaded && access(recipe->data.path, R_OK)) {
            note(&errors,
                 status_fail(USAGE, "data.path %s: %s", recipe->data.path, strerror(errno)));
        }
    }
    if (errors.status != OK) status_fail(errors.status, "%s", errors.lines.data);
    text_release(&errors.lines);
    dataset_free(data);
    tokenizer_free(tokenizer);
    model_free(model);
    mem_free(recipe);
    return errors.status;
}

const Command command_validate = {
    .name = "validate",
    .run = validate_run,
    .arguments = { "RECIPE" },
    .keys = recipe_options,
    .summary = "checks a recipe before it is queued: every error at once",
    .description =
        "Checks keys, model, data files, columns, labels and folder, and prints lengths, "
        "steps, the number\nof leaves (the most ranks that train can use) and the memory "
        "of a rank. The data is prepared\non the way, so that the job starts at once.",
    .example = "temper validate jobs/sms-spam.yaml train.batch_size=64",
};
