#include "base/mem.h"
#include "cli/commands.h"
#include "model/factors.h"
#include "train/checkpoint_folder.h"

#include <stdio.h>
#include <string.h>

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

static Status export_run(const Invocation *invocation)
{
    Status status = OK;
    const ExportFlags *given = invocation->flags;
    char *path = NULL;
    Model *model = NULL;
    TRY(checkpoint_of_run(&path, invocation->arguments[0], false));
    TRY(model_open(&model, path));
    TRY(write_model(model, given));
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
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nlast, or a checkpoint, or a model file. transformers loads the "
        "folder unchanged: config.json\nwith the labels' names, model.safetensors, "
        "tokenizer.json. What `compress` made factors of is\nmultiplied out.",
    .example = "temper export runs/sms-spam -o exported/sms-spam\n"
               "temper export runs/smollm2-chat -o judge.gguf --format gguf-q8_0",
};
