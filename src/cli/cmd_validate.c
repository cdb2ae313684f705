#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "model/model.h"
#include "train/checkpoint_folder.h"
#include "train/classification.h"
#include "train/prepare.h"
#include "train/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
    struct stat info;
    char *at = existing_part(path);
    if (access(at, W_OK))
        FAIL(USAGE, "output.folder %s: %s cannot be written: %s", path, at, strerror(errno));
    if (!stat(at, &info) && !S_ISDIR(info.st_mode))
        FAIL(USAGE, "output.folder %s: %s is not a folder", path, at);
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

/// Bytes that this node can still give; 0 where the system does not say.
static double available_bytes(void)
{
    char line[256];
    double kilobytes = 0;
    if (fault_at("memory-none")) return 1;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lf", &kilobytes) == 1) break;
    if (file) fclose(file);
    return kilobytes * 1024;
}

static void print_lengths(const Dataset *data)
{
    int64_t *counts = dataset_label_counts(data), *count = counts;
    printf("rows %" PRId64 "  tokens %" PRId64 "  mean length %.1f  longest %" PRId64
           "  truncated %" PRId64 "  empty %" PRId64 "  ill-formed %" PRId64 "\n",
           data->rows, data->tokens, (double)data->tokens / (double)(data->rows ? data->rows : 1),
           dataset_longest(data), data->truncated, data->empty_texts, data->ill_formed);
    for (int split = 0; split < SPLIT_COUNT && data->label_count; split++) {
        printf("%s", split_names[split]);
        for (int64_t label = 0; label < data->label_count; label++)
            printf("  %s %" PRId64, data->label_names[label], *count++);
        printf("\n");
    }
    mem_free(counts);
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

static void print_memory(const Model *model, const Batches *batches, int64_t leaves)
{
    double available = available_bytes();
    bool warned = available == 0;
    for (int64_t ranks = 1; ranks <= leaves; ranks *= 2) {
        double each = rank_bytes(model, batches, leaves, ranks), all = each * (double)ranks;
        printf("memory %" PRId64 " ranks  about %.2f GB a rank\n", ranks, each / 1e9);
        if (warned || all <= available) continue;
        log_warn("%" PRId64 " rank%s on one node: about %.2f GB, this node has %.2f GB left", ranks,
                 ranks == 1 ? "" : "s", all / 1e9, available / 1e9);
        warned = true;
    }
}

static Status print_plan(const Recipe *recipe, const Model *model, const Dataset *data)
{
    Status status = OK;
    Batches batches = { 0 };
    double *weights = NULL;
    int64_t leaves, leaf_tokens;
    TRY(classification_weights(&weights, recipe, data));
    TRY(batches_init(&batches, data, &recipe->train));
    TRY(batches_leaves(&leaves, &leaf_tokens, &batches, model));
    printf("steps %" PRId64 "  horizon %" PRId64 "  warm-up %" PRId64 "  tokens a step %.0f\n",
           batches.last, batches.horizon, schedule_warmup(&recipe->train, batches.horizon),
           batches.mean_tokens);
    printf("leaves %" PRId64 "\n", leaves);
    print_memory(model, &batches, leaves);
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

/// Collective. The data as the recipe cuts it, and what training on it takes.
COLLECTIVE
static void check_training(Findings *errors, const Comm *comm, const Recipe *recipe,
                           const Model *model, bool has_folder)
{
    Tokenizer *tokenizer = NULL;
    Dataset *data = NULL;
    if (note(errors, prepare_data(comm, &data, &tokenizer, recipe, model->tokenizer_json,
                                  model->spec.vocab_size))) {
        print_lengths(data);
        note(errors, prepare_check_data(recipe, data));
        note(errors, print_plan(recipe, model, data));
        if (has_folder) warn_of_disk(recipe, model);
        if (has_folder) note(errors, print_resume(recipe));
    }
    dataset_free(data);
    tokenizer_free(tokenizer);
}

COLLECTIVE
static Status validate_run(const Invocation *invocation)
{
    Findings errors = { 0 };
    const Comm *self = invocation->world;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Model *model = NULL;
    // what a recipe with errors names is looked for all the same
    bool read =
        note(&errors, recipe_read(self, recipe, invocation->arguments[0], &invocation->overrides));
    const char *folder = recipe->output.folder, *data = recipe->data.path;
    bool has_folder = *folder && note(&errors, check_folder(folder));
    bool loaded = *recipe->model.path && note(&errors, prepare_model(self, &model, recipe));
    if (read && loaded) {
        note(&errors, prepare_check_model(recipe, model));
        check_training(&errors, self, recipe, model, has_folder);
    } else if (*data && access(data, R_OK)) {
        note(&errors, status_fail(USAGE, "data.path %s: %s", data, strerror(errno)));
    }
    if (errors.status != OK) status_fail(errors.status, "%s", errors.lines.data);
    text_release(&errors.lines);
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
