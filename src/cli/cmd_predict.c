#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "infer/logits.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char text[65536], input[4096], checkpoint[4096];
    bool logits;
} PredictFlags;

static const Option flags[] = {
    { FIELD(PredictFlags, text), .def = "", .help = "one text" },
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

/// Collective. The texts to predict on.
COLLECTIVE
static Status load_rows(const Invocation *invocation, Dataset **data, const Trained *trained)
{
    Status status = OK;
    const Comm *comm = invocation->world;
    const PredictFlags *given = invocation->flags;
    bool has_text = arguments_has(invocation, "text");
    DataOptions options = trained->recipe->data;
    if (has_text == arguments_has(invocation, "input"))
        TRY_ALL(comm, status_fail(USAGE, "predict needs one of --text and --input"));
    if (has_text) { // agreed: all ranks have the same arguments
        dataset_from_text(data, trained->tokenizer, given->text, options.max_length);
        goto done;
    }
    if (strlen(given->input) >= sizeof options.path)
        TRY_ALL(comm, status_fail(USAGE, "--input: the path is too long"));
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
    .summary = "prints label and probabilities of texts, one JSON line each",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, or a checkpoint. Lines come in input order, arrays in "
        "label-id order; the work is\nspread over all ranks.",
    .example = "temper predict runs/sms-spam --text \"You have won a prize, call now\"\n"
               "mpirun -n 2 temper predict runs/sms-spam --input messages.txt",
};
