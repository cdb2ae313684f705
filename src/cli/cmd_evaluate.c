#include "base/log.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "store/provenance.h"
#include "train/checkpoint.h"
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

static bool has_path(const Settings *overrides)
{
    for (int i = 0; i < overrides->count; i++)
        if (!strcmp(overrides->items[i].key, "data.path")) return true;
    return false;
}

/// Local (rank 0). The rows of the run stay where training dealt them: USAGE for a key that would
/// put rows into a split that were trained on. What is made of a row may be another.
static Status check_split(const Trained *trained, const Settings *overrides)
{
    static const char *const free_keys[] = { "data.text", "data.text_pair", "data.max_length" };
    Status status = OK;
    Recipe *before = MEM_NEW(Recipe, 1);
    Text was = { 0 }, is = { 0 };
    if (has_path(overrides)) goto done;
    TRY(checkpoint_recipe(before, trained->path));
    for (const Option *row = recipe_options; row->key; row++) {
        bool may_change = strncmp(row->key, "data.", 5) != 0;
        for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
            may_change |= !strcmp(row->key, free_keys[i]);
        text_clear(&was);
        text_clear(&is);
        options_value(&was, before, row);
        options_value(&is, trained->recipe, row);
        if (may_change || !strcmp(text_chars(&was), text_chars(&is))) continue;
        FAIL(USAGE,
             "%s=%s deals the rows anew (the run was trained with '%s'): its test rows would be "
             "rows that were trained on; give data.path for other rows",
             row->key, text_chars(&is), text_chars(&was));
    }
done:
    text_release(&is);
    text_release(&was);
    mem_free(before);
    return status;
}

/// Collective. The rows to evaluate: those of the run, or a file of its own.
COLLECTIVE
static Status load_rows(const Comm *comm, Trained *trained, Dataset **data,
                        const Settings *overrides, Split *split)
{
    const Model *model = trained->model;
    if (has_path(overrides)) { // agreed: all ranks have the same words
        *split = SPLIT_TEST;
        return dataset_read(comm, data, &trained->recipe->data, trained->tokenizer,
                            model->label_names, model->spec.num_labels, true);
    }
    tokenizer_free(trained->tokenizer);
    trained->tokenizer = NULL;
    return prepare_data(comm, data, &trained->tokenizer, trained->recipe, model->tokenizer_json,
                        model->spec.vocab_size);
}

/// A file that changed since is dealt anew too.
static Status check_contents(const Trained *trained, const Dataset *data)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(tensors_open(&file, trained->path, "checkpoint"));
    const char *then = tensors_text(file, "data_sha256", ""), *now = data->data_sha256;
    if (*then && now && strcmp(then, now))
        log_warn(
            "%s is not what it was when the run was trained: rows of '%s' may be rows that were "
            "trained on",
            trained->recipe->data.path, split_names[SPLIT_TEST]);
done:
    tensors_close(file);
    return status;
}

/// The metrics, and what they were computed with.
static Json *results_json(const Evaluation *found)
{
    Json *json = json_clone(found->whole), *provenance = json_new_object();
    Value facts[PROVENANCE_NUMBERS];
    int count = provenance_numbers(facts);
    for (int i = 0; i < count; i++) json_set_text(provenance, facts[i].name, facts[i].text);
    json_set(json, "provenance", provenance);
    return json;
}

static void print_evaluation(const Evaluation *found, bool as_json)
{
    Text out = { 0 };
    if (as_json) {
        Json *json = results_json(found);
        json_print(&out, json, 0);
        json_free(json);
        text_append(&out, "\n");
    } else {
        text_append(&out, text_chars(&found->table));
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
    Evaluation found = { 0 };
    Split split = split_by_name(given->split);
    TRY(trained_load(&trained, world, invocation->arguments[0], given->checkpoint,
                     &invocation->overrides));
    TRY_ROOT(world, check_split(&trained, &invocation->overrides));
    TRY(load_rows(world, &trained, &data, &invocation->overrides, &split));
    if (!has_path(&invocation->overrides))
        TRY_ROOT(world, check_contents(&trained, data)); // agreed: all ranks have the same words
    bool any = evaluate_split(&trained.comm, &found, &trained.recipe->train, trained.model,
                              trained.tokenizer, data, split, NULL);
    if (!any)
        TRY_ALL(world, status_fail(USAGE, "%s has no rows of the split '%s'",
                                   trained.recipe->data.path, given->split));
    if (world->rank == 0) print_evaluation(&found, given->json);
done:
    evaluation_release(&found);
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
    .key_sections = { "data.", "grid." },
    .summary = "prints the metrics of a run on any split or file",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, or a checkpoint. The recipe is the run's; data.* keys "
        "may be set anew;\nthose that decide which rows are for test only together with "
        "data.path.",
    .example = "temper evaluate runs/sms-spam --split validation\n"
               "temper evaluate runs/sms-spam data.path=new.tsv",
};
