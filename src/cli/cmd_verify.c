#include "cli/commands.h"
#include "comm/agree.h"
#include "train/verify.h"

#include <stdio.h>

typedef struct {
    int64_t rerun;
    char scratch[4096];
} VerifyFlags;

static const Option flags[] = {
    { FIELD(VerifyFlags, rerun), .def = "0", .min = 0, .max = 4e9, .unit = "steps",
      .help = "also repeat so many, from the checkpoint before the newest or from the start, and "
              "compare every bit; 0: none" },
    { FIELD(VerifyFlags, scratch), .def = "",
      .help = "folder, seen from all nodes, in which they are repeated; default: that of RUN" },
    { 0 }
};

COLLECTIVE
static Status verify_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const VerifyFlags *given = invocation->flags;
    Repetition what = { .run = invocation->arguments[0],
                        .steps = given->rerun,
                        .scratch = given->scratch,
                        .overrides = &invocation->overrides };
    Text text = { 0 };
    int64_t wrong = 0;
    TRY_ROOT(world, verify_files(&text, &wrong, what.run));
    comm_broadcast(world, &wrong, sizeof wrong, 0);
    if (wrong && what.steps) text_append(&text, "nothing is repeated from files that changed\n");
    if (!wrong && what.steps) // agreed: the same words and files on all ranks
        TRY(verify_again(world, &text, &wrong, &what));
    comm_broadcast(world, &wrong, sizeof wrong, 0);
done:
    if (world->rank == 0) fputs(text_chars(&text), stdout);
    text_release(&text);
    if (status == OK && wrong) {
        status_clear(); // the findings say it all
        status = FAILED;
    }
    return status;
}

const Command command_verify = {
    .name = "verify",
    .run = verify_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(VerifyFlags),
    .keys = recipe_options,
    .key_sections = { "grid." },
    .summary = "whether a run is what its record says, and can be repeated",
    .description =
        "Checks the SHA-256 of every file that RUN/record.json names: data, model, checkpoints,\n"
        "reports. A line for each that changed or is missing. Of a run that is stopped,\n"
        "checkpoints and model are checked by their own checksums and the SHA-256 of all else\n"
        "in them. With --rerun N also does N steps\n"
        "once more, on the ranks it is started on, in a folder that goes away, and compares\n"
        "metrics and, if the newest checkpoint is reached, weights and optimizer state, every\n"
        "bit; it tells what is not as the record says: BLAS core, libraries, compiler, kernels,\n"
        "grid. Start it where train was started: paths are those of the recipe. Exit code 0: all\n"
        "is equal, 1: something differs, 2: there is no record.",
    .example = "temper verify runs/sms-spam\n"
               "mpirun -n 2 temper verify runs/sms-spam --rerun 100",
};
