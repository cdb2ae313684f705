#include "base/mem.h"
#include "cli/commands.h"
#include "store/inspect.h"
#include "train/checkpoint_folder.h"

#include <stdio.h>

typedef struct {
    bool validate;
} InspectFlags;

static const Option flags[] = {
    { FIELD(InspectFlags, validate), .def = "false",
      .help = "check the schema, every checksum and that weights are numbers" },
    { 0 }
};

static Status inspect_run(const Invocation *invocation)
{
    const InspectFlags *given = invocation->flags;
    Status status = OK;
    char *path = NULL;
    Text text = { 0 };
    TRY(checkpoint_or_itself(&path, invocation->arguments[0]));
    status = inspect_file(&text, path, given->validate);
    fputs(text_chars(&text), stdout); // what was found up to an error too
done:
    text_release(&text);
    mem_free(path);
    return status;
}

const Command command_inspect = {
    .name = "inspect",
    .run = inspect_run,
    .arguments = { "FILE" },
    .flags = flags,
    .flags_bytes = sizeof(InspectFlags),
    .summary = "what a file holds",
    .description = "FILE is a model, data set or checkpoint of this program, a safetensors or a "
                   "GGUF file, or a "
                   "run\nfolder, which stands for its checkpoint. With --validate the exit code is "
                   "1 if anything "
                   "is damaged\nor against the schema.",
    .example = "temper inspect models/minilm-l6.h5\n"
               "temper inspect runs/sms-spam/checkpoints/step-0000000280.h5 --validate",
};
