#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "train/objective.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char text[65536], text_pair[65536], input[4096], checkpoint[4096];
    bool logits;
} PredictFlags;

static const Option flags[] = {
    { FIELD(PredictFlags, text), .def = "", .help = "one text, for a run with labels" },
    { FIELD(PredictFlags, text_pair), .def = "",
      .help = "the second text, for a run of pairs (data.text_pair)" },
    { FIELD(PredictFlags, input), .def = "",
      .help = "a file, or - for standard input: CSV, TSV and JSONL by extension with the recipe's "
              "columns; anything else is one text a line" },
    { FIELD(PredictFlags, checkpoint), .def = "",
      .help = "predict with this checkpoint instead of the best or newest" },
    { FIELD(PredictFlags, logits), .def = "false", .help = "also print the logits" },
    { 0 }
};

/// What was given is what the run takes.
static Status check_given(const Invocation *invocation, const DataOptions *options)
{
    const PredictFlags *given = invocation->flags;
    bool has_text = arguments_has(invocation, "text");
    bool has_pair = arguments_has(invocation, "text_pair");
    if (options->form != FORM_LABELLED && (has_text || given->logits))
        return status_fail(USAGE,
                           "%s is a language model, it has no labels: --input FILE gives the loss "
                           "of every text",
                           invocation->arguments[0]);
    if (has_text == arguments_has(invocation, "input"))
        return status_fail(USAGE, "predict needs one of --text and --input");
    if (has_pair && !has_text)
        return status_fail(USAGE, "--text-pair belongs to --text; a file holds both columns");
    if (has_text && has_pair && !*options->text_pair)
        return status_fail(USAGE, "--text-pair: the run was trained on single texts");
    if (has_text && !has_pair && *options->text_pair)
        return status_fail(USAGE,
                           "the run was trained on pairs of texts (data.text_pair=%s): give "
                           "--text-pair too",
                           options->text_pair);
    if (strlen(given->input) >= sizeof options->path)
        return status_fail(USAGE, "--input: the path is too long");
    return OK;
}

/// Collective. The texts to predict on.
COLLECTIVE
static Status load_rows(const Invocation *invocation, Dataset **data, const Trained *trained)
{
    Status status = OK;
    const Comm *comm = invocation->world;
    const PredictFlags *given = invocation->flags;
    DataOptions options = trained->recipe->data;
    TRY_ALL(comm, check_given(invocation, &options));
    if (arguments_has(invocation, "text")) { // agreed: all ranks have the same arguments
        dataset_from_text(data, trained->tokenizer, given->text,
                          *options.text_pair ? given->text_pair : NULL, options.max_length);
        goto done;
    }
    strcpy(options.path, given->input);
    strcpy(options.join, "false"); // a text is a row, or some
    TRY(dataset_read(comm, data, &options, trained->tokenizer, trained->model->label_names,
                     trained->model->spec.num_labels, false));
done:
    return status;
}

COLLECTIVE
static Status predict_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const PredictFlags *given = invocation->flags;
    Trained trained = { 0 };
    Dataset *data = NULL;
    int64_t *rows = NULL;
    TRY(trained_load(&trained, world, invocation->arguments[0], given->checkpoint,
                     &invocation->overrides));
    const Objective *objective = objective_find(trained.model->head->task);
    if (!objective->predict) // agreed: all ranks have the same model
        TRY_ALL(world, status_fail(USAGE,
                                   "%s: model.task %s predicts nothing of a text: see "
                                   "temper evaluate",
                                   invocation->arguments[0], objective->task));
    TRY(load_rows(invocation, &data, &trained));
    int64_t count = dataset_split_rows(data, SPLIT_TEST, &rows);
    objective->predict(&trained.comm, stdout, trained.model, data, rows, count, given->logits);
done:
    mem_free(rows);
    dataset_free(data);
    trained_release(&trained);
    return status;
}

const Command command_predict = {
    .name = "predict",
    .run = predict_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(PredictFlags),
    .keys = recipe_options,
    .key_sections = { "data.", "grid." },
    .summary = "prints label and probabilities, or loss, of texts, one JSON line each",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, or a checkpoint. Lines come in input order, arrays in "
        "label-id order; the work is\nspread over all ranks. A text's numbers are "
        "the same for any number of ranks and threads; their\nlast digits may depend on the "
        "texts beside it in a file.\n\n"
        "A causal language model gives the mean loss of a text's tokens, each predicted from "
        "those\n"
        "before it, or of the completion's alone where it learnt from prompts or chats.",
    .example =
        "temper predict runs/sms-spam --text \"You have won a prize. Text CLAIM to 80082 now\"\n"
        "mpirun -n 2 temper predict runs/sms-spam --input messages.txt",
};
