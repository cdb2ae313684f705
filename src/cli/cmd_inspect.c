#include "cli/commands.h"
#include "store/inspect.h"

#include <stdio.h>

typedef struct {
    bool validate;
} InspectFlags;

static const Option flags[] = { { FIELD(InspectFlags, validate), .def = "false",
                                  .help = "check the schema and every checksum" },
                                { 0 } };

static Status inspect_run(const Invocation *invocation)
{
    const InspectFlags *given = invocation->flags;
    Text text = { 0 };
    Status status = inspect_file(&text, invocation->arguments[0], given->validate);
    fputs(text_chars(&text), stdout); // what was found up to an error too
    text_release(&text);
    return status;
}

const Command command_inspect = {
    .name = "inspect",
    .run = inspect_run,
    .arguments = { "FILE" },
    .flags = flags,
    .flags_bytes = sizeof(InspectFlags),
    .summary = "what a file holds",
    .description =
        "FILE is a model, data set or checkpoint of this program, a safetensors or a GGUF "
        "file. With\n--validate the exit code is 1 if anything is damaged or against the "
        "schema.",
    .example = "temper inspect models/minilm-l6.h5\n"
               "temper inspect runs/sms-spam/checkpoints/step-0000000280.h5 --validate",
};
