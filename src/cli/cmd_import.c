#include "cli/commands.h"
#include "cli/target.h"
#include "model/model.h"
#include "store/tensors.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct {
    char output[4096];
    bool config_only;
} ImportFlags;

static const Option flags[] = { { FIELD(ImportFlags, output), .required = true, .letter = 'o',
                                  .help = "the model file to write" },
                                { FIELD(ImportFlags, config_only), .def = "false",
                                  .help = "leave the weights out, for model.init random" },
                                { 0 } };

static Status print_summary(const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    int64_t elements = 0;
    TRY(tensors_open(&file, path, "model"));
    for (int i = 0; i < tensors_count(file); i++) elements += tensors_at(file, i)->elements;
    printf("%s: %" PRId64 " parameters in %d tensors\n", path, elements, tensors_count(file));
done:
    tensors_close(file);
    return status;
}

static Status import_run(const Invocation *invocation)
{
    Status status = OK;
    const ImportFlags *given = invocation->flags;
    TRY(target_check(given->output, invocation->arguments[0]));
    TRY((given->config_only ? model_import_config : model_import)(given->output,
                                                                  invocation->arguments[0]));
    TRY(print_summary(given->output));
done:
    return status;
}

const Command command_import = {
    .name = "import",
    .run = import_run,
    .arguments = { "SRC" },
    .flags = flags,
    .flags_bytes = sizeof(ImportFlags),
    .summary = "makes a model file of a Hugging Face folder or a GGUF file",
    .description =
        "SRC is a GGUF file, or a folder that holds config.json, model.safetensors (or shards "
        "with their\nindex) and tokenizer.json, vocab.txt, or vocab.json with merges.txt. The "
        "model file holds\nweights, configuration, tokenizer and the hashes of the source.",
    .example = "temper import downloads/all-MiniLM-L6-v2 -o models/minilm-l6.h5",
};
