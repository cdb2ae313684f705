#include "base/fault.h"
#include "base/file.h"
#include "base/findings.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memory_left.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "data/source.h"
#include "model/model.h"
#include "nn/group.h"
#include "train/classification.h"
#include "train/method.h"
#include "train/plan.h"
#include "train/prepare.h"
#include "train/resume.h"
#include "train/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/// What exists of `path`: itself or the nearest folder that it lies in; owned by the caller.
static char *existing_part(const char *path)
{
    struct stat info;
    char *at = mem_copy_text(path);
    while (stat(at, &info)) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at) {
            strcpy(at, slash ? "/" : ".");
            break;
        }
        *slash = '\0';
    }
    return at;
}

static Status check_folder(const char *path)
{
    Status status = OK;
    char *at = existing_part(path);
    TRY(file_named(at, FILE_FOLDER, "output.folder"));
    if (access(at, W_OK))
        FAIL(FAILED, "output.folder %s: %s cannot be written: %s", path, at, strerror(errno));
done:
    mem_free(at);
    return status;
}

/// A checkpoint holds weights and two moments; one more is kept as the best and one is in the
/// making.
static void warn_of_disk(const Recipe *recipe, const Model *model)
{
    struct statvfs disk;
    char *at = existing_part(recipe->output.folder);
    double files = (double)recipe->output.save_total_limit + 2;
    double needed = files * 12 * (double)model->elements;
    if (!statvfs(at, &disk)) {
        double left = (double)disk.f_bavail * (double)disk.f_frsize;
        if (fault_at("disk-none")) left = 0;
        if (needed > left)
            log_warn("output.folder %s: %.0f checkpoints take %.2f GB, %.2f GB are free",
                     recipe->output.folder, files, needed / 1e9, left / 1e9);
    }
    mem_free(at);
}

static void print_lengths(const Dataset *data)
{
    int64_t *counts = dataset_label_counts(data), labels = data->label_count;
    int64_t shown = labels < DATASET_LABELS_SHOWN ? labels : DATASET_LABELS_SHOWN;
    printf("rows %" PRId64 "  tokens %" PRId64 "  mean length %.1f  longest %" PRId64
           "  truncated %" PRId64 "  empty %" PRId64 "  ill-formed %" PRId64 "\n",
           data->rows, data->tokens, (double)data->tokens / (double)(data->rows ? data->rows : 1),
           dataset_longest(data), data->truncated, data->empty_texts, data->ill_formed);
    for (int split = 0; split < SPLIT_COUNT && data->label_count; split++) {
        printf("%s", split_names[split]);
        for (int64_t label = 0; label < shown; label++)
            printf("  %s %" PRId64, data->label_names[label], counts[split * labels + label]);
        if (shown < labels) printf("  and %" PRId64 " more labels", labels - shown);
        printf("\n");
    }
    mem_free(counts);
}

/// With one copy of the model, two, four ... on one node.
static Status print_memory(const Recipe *recipe, const PlanInput *input)
{
    Status status = OK;
    const GridOptions *grid = &recipe->grid;
    int64_t cols = grid->cols ? grid->cols : 1;
    double available = memory_left_bytes();
    bool warned = available == 0;
    for (int64_t copies = grid->rows; copies <= recipe_leaves(grid, input->leaves, grid->rows);
         copies *= 2) {
        int64_t ranks = copies * cols;
        const Machine machine = { .nodes = 1, .ranks_per_node = ranks, .threads = 1, .gflops = 1 };
        Plan plan;
        TRY(plan_make(&plan, input, (Layout){ copies / grid->rows, grid->rows, cols }, &machine));
        double each = plan_rank_bytes(&plan), all = each * (double)ranks;
        printf("memory %" PRId64 " rank%s  about %.2f GB a rank\n", ranks, ranks == 1 ? "" : "s",
               each / 1e9);
        if (warned || all <= available) continue;
        log_warn("%" PRId64 " rank%s on one node: about %.2f GB, this node has %.2f GB left", ranks,
                 ranks == 1 ? "" : "s", all / 1e9, available / 1e9);
        warned = true;
    }
done:
    return status;
}

static int64_t most_cols(const Recipe *recipe, const Model *model)
{
    int cols = GROUP_MOST_RANKS;
    while (model_check_group(&model->spec, cols, recipe_strict(&recipe->grid), "") != OK) cols--;
    status_clear();
    return cols;
}

/// The most ranks that a step keeps busy, the number that theirs must be a multiple of, and how
/// many of them, which talk the most, should be on one node. Where train chooses the grid, one for
/// any number up to the most; a strict one has no rows to help.
static Status print_ranks(const Recipe *recipe, const Model *model, int64_t leaves)
{
    const GridOptions *grid = &recipe->grid;
    int64_t group = 1, most = leaves;
    if (!grid->cols && !recipe_strict(grid)) most *= most_cols(recipe, model);
    if (grid->cols) {
        most = recipe_leaves(grid, leaves, grid->rows) * grid->cols;
        group = (grid->data ? grid->data : 1) * grid->rows * grid->cols;
        if (most < group)
            return status_fail(USAGE,
                               "grid: %" PRId64 " ranks at least, but %" PRId64
                               " %s of a step keep %" PRId64 " busy: raise train.leaves or lower "
                               "grid.data or grid.rows",
                               group, leaves, leaves == 1 ? "leaf" : "leaves", most);
        most = grid->data ? group : most - most % group;
    }
    printf("ranks %" PRId64 "  group %" PRId64 "  cols %" PRId64 "\n", most, group,
           grid->cols ? grid->cols : 1);
    return OK;
}

/// Of a recipe whose parts are sound: *leaves of a step, and what training takes.
static Status print_plan(int64_t *leaves, const Recipe *recipe, const Model *model,
                         const Dataset *data)
{
    Status status = OK;
    Batches batches = { 0 };
    double *weights = NULL;
    int64_t leaf_tokens, chosen;
    PlanInput input;
    TRY(classification_weights(&weights, recipe, data));
    TRY(batches_init(&batches, data, &recipe->train));
    TRY(batches_leaves(&chosen, &leaf_tokens, &batches, model));
    printf("steps %" PRId64 "  horizon %" PRId64 "  warm-up %" PRId64 "  tokens a step %.0f\n",
           batches.last, batches.horizon, schedule_warmup(&recipe->train, batches.horizon),
           batches.mean_tokens);
    int64_t busy = method_busy(recipe, &batches, chosen);
    printf("leaves %" PRId64 "\n", busy);
    TRY(print_ranks(recipe, model, busy));
    printf("folder %s\n", recipe->output.folder);
    plan_input_init(&input, recipe, model, &batches, busy);
    TRY(print_memory(recipe, &input));
    *leaves = chosen;
done:
    mem_free(weights);
    batches_release(&batches);
    return status;
}

static void check_resume(Findings *errors, const Recipe *recipe, const Model *model,
                         const Dataset *data, int64_t leaves)
{
    char *path;
    TensorFile *file = NULL;
    if (!findings_add(errors, resume_find(&path, recipe)) || !path) return;
    Status opened = tensors_open(&file, path, "checkpoint");
    if (opened == FAILED) opened = resume_advise(recipe);
    if (findings_add(errors, opened) &&
        findings_add(errors, resume_check(file, recipe, model, data, leaves)))
        printf("resumes from %s\n", path);
    tensors_close(file);
    mem_free(path);
}

/// Collective. Files, columns and formats, whatever model there is.
COLLECTIVE
static Status check_source(const Comm *comm, const Recipe *recipe)
{
    Source source;
    Status status = source_open(comm, &source, &recipe->data, SOURCE_TRAINING);
    source_release(&source);
    return status;
}

/// Collective. The data as the recipe cuts it (NULL if it cannot be), and what training on it
/// takes.
COLLECTIVE
static Dataset *check_training(Findings *errors, int64_t *leaves, const Comm *comm,
                               const Recipe *recipe, const Model *model)
{
    Tokenizer *tokenizer = NULL;
    Dataset *data = NULL;
    if (findings_add(errors, prepare_data(comm, &data, &tokenizer, recipe, model->tokenizer_json,
                                          model->spec.vocab_size))) {
        print_lengths(data);
        findings_add(errors, prepare_check_data(recipe, data));
        findings_add(errors, print_plan(leaves, recipe, model, data));
    }
    tokenizer_free(tokenizer);
    return data;
}

/// How many labels there are is not known without data, nor then how many weights there must be.
static Status check_weights(const Recipe *recipe)
{
    const char *text = recipe->train.class_weights;
    if (!*text || !strcmp(text, "balanced")) return OK;
    return status_fail(USAGE,
                       "train.class_weights: '%s' cannot be compared with the labels before the "
                       "other errors are mended",
                       text);
}

static Status check_cols(const Recipe *recipe, const Model *model)
{
    if (!recipe->grid.cols) return OK; // train chooses, on its own ranks
    return model_check_group(&model->spec, (int)recipe->grid.cols, recipe_strict(&recipe->grid),
                             recipe->model.path);
}

COLLECTIVE
static Status validate_run(const Invocation *invocation)
{
    Findings errors = { 0 };
    const Comm *self = invocation->world;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    const char *folder = recipe->output.folder, *path = recipe->model.path;
    Model *model = NULL;
    Dataset *data = NULL;
    int64_t leaves = 0;
    // what a recipe with errors names is looked for all the same
    bool read = findings_add(
        &errors, recipe_read(self, recipe, invocation->arguments[0], &invocation->overrides));
    if (read) findings_add(&errors, job_check(&recipe->slurm));
    bool has_folder = *folder && findings_add(&errors, check_folder(folder));
    bool loaded = *path && findings_add(&errors, prepare_find_model(recipe)) &&
                  findings_add(&errors, prepare_model_open(self, &model, recipe));
    bool sound = *recipe->data.path && findings_add(&errors, check_source(self, recipe));
    if (loaded) findings_add(&errors, prepare_check_model(recipe, model));
    if (loaded) findings_add(&errors, check_cols(recipe, model));
    if (read && loaded && sound)
        data = check_training(&errors, &leaves, self, recipe, model);
    else
        findings_add(&errors, check_weights(recipe));
    if (read && (has_folder || strcmp(recipe->train.resume, "auto")))
        check_resume(&errors, recipe, model, data, leaves);
    if (loaded && has_folder) warn_of_disk(recipe, model);
    dataset_free(data);
    model_free(model);
    mem_free(recipe);
    return findings_end(&errors);
}

const Command command_validate = {
    .name = "validate",
    .run = validate_run,
    .arguments = { "RECIPE" },
    .keys = recipe_options,
    .summary = "checks a recipe before it is queued: every error at once",
    .description =
        "Checks keys, model, data files, columns, labels and folder, and prints lengths, steps,\n"
        "leaves, the most ranks that train can use with the recipe's grid, the group that their\n"
        "number must be a multiple of and the columns that should be on one node, and the memory\n"
        "of a rank. The data is prepared on the way, so that the job starts at once.",
    .example = "temper validate jobs/sms-spam.yaml train.batch_size=64",
};
