#include "base/file.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "model/model.h"
#include "store/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/// Its folder is there, and what stands under the name is not lost unless it is a file of ours.
static Status check_target(const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    const char *slash = strrchr(path, '/');
    char *folder = mem_copy_text(slash ? path : ".");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    TRY(file_named(folder, FILE_FOLDER, "--output"));
    if (access(path, F_OK)) goto done;
    if (tensors_open_any(&file, path) != OK)
        status = status_fail(USAGE,
                             "--output %s: is there, and is no sound file of temper's: remove it, "
                             "or choose another name",
                             path);
done:
    tensors_close(file);
    mem_free(folder);
    return status;
}

static Status import_run(const Invocation *invocation)
{
    Status status = OK;
    const ImportFlags *given = invocation->flags;
    TRY(check_target(given->output));
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
