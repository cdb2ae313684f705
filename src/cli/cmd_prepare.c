#include "base/mem.h"
#include "cli/commands.h"
#include "cli/tokenizer_text.h"
#include "comm/agree.h"
#include "train/prepare.h"

#include <inttypes.h>
#include <stdio.h>

static void print_summary(const Dataset *dataset)
{
    printf("%s: %" PRId64 " rows, %" PRId64 " tokens, %.1f a row\n", dataset->path, dataset->rows,
           dataset->tokens, (double)dataset->tokens / (double)(dataset->rows ? dataset->rows : 1));
    int64_t *counts = dataset_label_counts(dataset), labels = dataset->label_count;
    for (int split = 0; split < SPLIT_COUNT; split++) {
        int64_t rows = 0;
        for (int64_t label = 0; label < labels; label++) rows += counts[split * labels + label];
        printf("  %-12s %10" PRId64 " rows\n", split_names[split], rows);
    }
    for (int64_t label = 0; label < labels && label < DATASET_LABELS_SHOWN; label++) {
        int64_t rows = 0;
        for (int split = 0; split < SPLIT_COUNT; split++) rows += counts[split * labels + label];
        printf("  label %-6" PRId64 " %10" PRId64 " rows  %s\n", label, rows,
               dataset->label_names[label]);
    }
    if (labels > DATASET_LABELS_SHOWN)
        printf("  and %" PRId64 " more labels\n", labels - DATASET_LABELS_SHOWN);
    printf("  truncated    %10" PRId64 " rows\n  empty        %10" PRId64
           " texts\n  ill-formed   %10" PRId64 " UTF-8 sequences, read as U+FFFD\n",
           dataset->truncated, dataset->empty_texts, dataset->ill_formed);
    mem_free(counts);
}

COLLECTIVE
static Status prepare_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Tokenizer *tokenizer = NULL;
    Dataset *dataset = NULL;
    char *tokenizer_json = NULL;
    TRY(recipe_read(world, recipe, invocation->arguments[0], &invocation->overrides));
    // the model's weights are not read
    TRY_ROOT(world, tokenizer_text_read(&tokenizer_json, recipe->model.path));
    comm_broadcast_text(world, &tokenizer_json, 0);
    TRY(prepare_data(world, &dataset, &tokenizer, recipe, tokenizer_json, 0));
    if (world->rank == 0) print_summary(dataset);
done:
    dataset_free(dataset);
    tokenizer_free(tokenizer);
    mem_free(tokenizer_json);
    mem_free(recipe);
    return status;
}

const Command command_prepare = {
    .name = "prepare",
    .run = prepare_run,
    .needs_mpi = true,
    .arguments = { "RECIPE" },
    .keys = recipe_options,
    .summary = "tokenises the recipe's data into one file",
    .description =
        "Reads CSV, TSV or JSONL on all ranks. The file lies beside the run folder under "
        "a name of the\nhash of the data, the tokenizer and the options; train makes it "
        "too, and finds it there.",
    .example = "mpirun -n 4 temper prepare jobs/sms-spam.yaml data.max_length=256",
};
