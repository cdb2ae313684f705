#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "infer/logits.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char text[65536], text_pair[65536], input[4096], checkpoint[4096];
    bool logits;
} PredictFlags;

static const Option flags[] = {
    { FIELD(PredictFlags, text), .def = "", .help = "one text" },
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

static void print_rows(const Model *model, const float *logits, int64_t rows, bool with_logits)
{
    int64_t labels = model->spec.num_labels;
    double *probabilities = MEM_NEW(double, labels);
    Text line = { 0 };
    for (int64_t row = 0; row < rows; row++, logits += labels) {
        const char *name = model->label_names[softmax_row(probabilities, NULL, logits, labels)];
        text_clear(&line);
        text_append(&line, "{\"label\": ");
        json_quote(&line, name, strlen(name));
        text_append(&line, ", \"probabilities\": [");
        for (int64_t k = 0; k < labels; k++)
            text_printf(&line, "%s%.9g", k ? ", " : "", probabilities[k]);
        if (with_logits) {
            text_append(&line, "], \"logits\": [");
            for (int64_t k = 0; k < labels; k++)
                text_printf(&line, "%s%.9g", k ? ", " : "", (double)logits[k]);
        }
        text_append(&line, "]}\n");
        fputs(line.data, stdout);
    }
    text_release(&line);
    mem_free(probabilities);
}

/// What was given is what the run takes.
static Status check_given(const Invocation *invocation, const DataOptions *options)
{
    const PredictFlags *given = invocation->flags;
    bool has_text = arguments_has(invocation, "text");
    bool has_pair = arguments_has(invocation, "text_pair");
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
    float *logits = NULL;
    TRY(trained_load(&trained, world, invocation->arguments[0], given->checkpoint,
                     &invocation->overrides));
    if (!trained.model->head->reads) // agreed: all ranks have the same model
        TRY_ALL(world, status_fail(USAGE,
                                   "%s: a language model has no labels to predict: see "
                                   "temper generate and temper evaluate",
                                   invocation->arguments[0]));
    TRY(load_rows(invocation, &data, &trained));
    int64_t count = dataset_split_rows(data, SPLIT_TEST, &rows);
    logits = MEM_NEW(float, count *trained.model->spec.num_labels);
    infer_logits(world, logits, trained.model, data, rows, count);
    if (world->rank == 0) print_rows(trained.model, logits, count, given->logits);
done:
    mem_free(logits);
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
    .key_section = "data.",
    .summary = "prints label and probabilities of texts, one JSON line each",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, or a checkpoint. Lines come in input order, arrays in "
        "label-id order; the work is\nspread over all ranks. A text's numbers are "
        "the same for any number of ranks and threads; their\nlast digits may depend on the "
        "texts beside it in a file.",
    .example =
        "temper predict runs/sms-spam --text \"You have won a prize. Text CLAIM to 80082 now\"\n"
        "mpirun -n 2 temper predict runs/sms-spam --input messages.txt",
};
