#include "base/mem.h"
#include "cli/commands.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "store/provenance.h"
#include "train/evaluate.h"
#include "train/prepare.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char split[32], checkpoint[4096];
    bool json;
} EvaluateFlags;

static const char *const splits[] = { "train", "validation", "test", NULL };

static const Option flags[] = {
    { FIELD(EvaluateFlags, split), .def = "test", .choices = splits,
      .help = "rows of the run's data to evaluate; with data.path= every row of that file" },
    { FIELD(EvaluateFlags, checkpoint), .def = "",
      .help = "evaluate this checkpoint instead of the best or newest" },
    { FIELD(EvaluateFlags, json), .def = "false", .help = "print one JSON object" },
    { 0 }
};

static Split split_by_name(const char *name)
{
    for (int split = 0; split < SPLIT_COUNT; split++)
        if (!strcmp(split_names[split], name)) return (Split)split;
    return SPLIT_TEST;
}

/// Collective. The rows to evaluate: those of the run, or a file of its own.
COLLECTIVE
static Status load_rows(const Comm *comm, Trained *trained, Dataset **data,
                        const Settings *overrides, Split *split)
{
    const Model *model = trained->model;
    for (int i = 0; i < overrides->count; i++) {
        if (strcmp(overrides->items[i].key, "data.path")) continue;
        *split = SPLIT_TEST;
        return dataset_read(comm, data, &trained->recipe->data, trained->tokenizer,
                            model->label_names, model->spec.num_labels, true);
    }
    tokenizer_free(trained->tokenizer);
    trained->tokenizer = NULL;
    return prepare_data(comm, data, &trained->tokenizer, trained->recipe, model->tokenizer_json,
                        model->spec.vocab_size);
}

/// The metrics, and what they were computed with.
static Json *results_json(const Metrics *metrics, const char *const *names)
{
    Json *json = metrics_json(metrics, names), *provenance = json_new_object();
    Value facts[PROVENANCE_NUMBERS];
    int count = provenance_numbers(facts);
    for (int i = 0; i < count; i++) json_set_text(provenance, facts[i].name, facts[i].text);
    json_set(json, "provenance", provenance);
    return json;
}

static void print_metrics(const Metrics *metrics, const Model *model, bool as_json)
{
    Text out = { 0 };
    const char *const *names = (const char *const *)model->label_names;
    if (as_json) {
        Json *json = results_json(metrics, names);
        json_print(&out, json, 0);
        text_append(&out, "\n");
        json_free(json);
    } else {
        metrics_print(&out, metrics, names);
    }
    fputs(text_chars(&out), stdout);
    text_release(&out);
}

COLLECTIVE
static Status evaluate_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const EvaluateFlags *given = invocation->flags;
    Trained trained = { 0 };
    Dataset *data = NULL;
    Metrics metrics;
    Split split = split_by_name(given->split);
    TRY(trained_load(&trained, world, invocation->arguments[0], given->checkpoint,
                     &invocation->overrides));
    TRY(load_rows(world, &trained, &data, &invocation->overrides, &split));
    bool any = evaluate_split(world, &metrics, trained.model, data, split);
    if (!any)
        TRY_ALL(world, status_fail(USAGE, "%s has no rows of the split '%s'",
                                   trained.recipe->data.path, given->split));
    if (world->rank == 0) print_metrics(&metrics, trained.model, given->json);
    metrics_release(&metrics);
done:
    dataset_free(data);
    trained_release(&trained);
    return status;
}

const Command command_evaluate = {
    .name = "evaluate",
    .run = evaluate_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(EvaluateFlags),
    .keys = recipe_options,
    .summary = "prints the metrics of a run on any split or file",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, or a checkpoint. The recipe is the run's; data.* keys "
        "may be set anew.",
    .example = "temper evaluate runs/sms-spam --split validation\n"
               "temper evaluate runs/sms-spam data.path=new.tsv",
};
