#include "base/log.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/target.h"
#include "model/factors.h"
#include "train/checkpoint_folder.h"
#include "train/run_record.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char output[4096], format[16];
} ExportFlags;

/// What `format` may be, and the type of a GGUF file's matrices.
static const char *const formats[] = { "folder", "gguf-f32", "gguf-f16", "gguf-q8_0", NULL };
static const char *const gguf_types[] = { NULL, "F32", "F16", "Q8_0" };

static const Option flags[] = {
    { FIELD(ExportFlags, output), .required = true, .letter = 'o',
      .help = "the folder to write, made if it is not there, or the GGUF file" },
    { FIELD(ExportFlags, format), .def = "folder", .choices = formats,
      .help = "a Hugging Face folder, or a GGUF file of a causal language model" },
    { 0 }
};

static Status write_model(const Model *model, const ExportFlags *given)
{
    for (int i = 1; formats[i]; i++)
        if (!strcmp(given->format, formats[i]))
            return model_export_gguf(model, given->output, gguf_types[i]);
    return model_export(model, given->output);
}

/// What was written goes into the record of the run, where there is one: the export stands without.
static void record_export(const char *run, const ExportFlags *given)
{
    enum { MOST = 8 };
    Text texts[MOST] = { 0 }, record = { 0 };
    const char *paths[MOST];
    bool is_folder = !strcmp(given->format, formats[0]);
    int count = 0;
    for (; is_folder && model_export_files[count]; count++)
        text_printf(&texts[count], "%s/%s", given->output, model_export_files[count]);
    if (!is_folder) text_append(&texts[count++], given->output);
    for (int i = 0; i < count; i++) paths[i] = texts[i].data;
    text_printf(&record, "%s/record.json", run);
    if (!access(record.data, F_OK) && run_record_export(run, given->output, paths, count) != OK) {
        log_warn("%s; the export is not in the record of the run", status_message());
        status_clear();
    }
    for (int i = 0; i < count; i++) text_release(&texts[i]);
    text_release(&record);
}

static Status export_run(const Invocation *invocation)
{
    Status status = OK;
    const ExportFlags *given = invocation->flags;
    char *path = NULL;
    Model *model = NULL;
    Comm self = comm_self();
    if (strcmp(given->format, formats[0]))
        TRY(target_spares(given->output, invocation->arguments[0]));
    TRY(checkpoint_of_run(&path, invocation->arguments[0], false));
    TRY(model_open(&self, &model, path, ""));
    TRY(write_model(model, given));
    record_export(invocation->arguments[0], given);
    printf("%s: %s ", given->output, model->arch->model_type);
    if (model->label_names)
        printf("with %lld label%s", (long long)model->spec.num_labels,
               model->spec.num_labels == 1 ? "" : "s");
    else
        printf("without a head for labels");
    printf(", from %s\n", path);
    int factored;
    model_factor_floats(&factored, model);
    if (factored) printf("%d products that are in factors there are whole here\n", factored);
done:
    model_free(model);
    mem_free(path);
    return status;
}

const Command command_export = {
    .name = "export",
    .run = export_run,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(ExportFlags),
    .summary = "writes a Hugging Face folder or a GGUF file",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and else for\n"
        "the last, or a checkpoint, or a model file. transformers loads the folder unchanged:\n"
        "config.json with the labels' names, model.safetensors, tokenizer.json. What `compress`\n"
        "made factors of is multiplied out. The record of a run names what was exported.",
    .example = "temper export runs/sms-spam -o exported/sms-spam\n"
               "temper export runs/smollm2-chat -o judge.gguf --format gguf-q8_0",
};
