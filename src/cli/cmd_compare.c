#include "base/mem.h"
#include "cli/commands.h"
#include "store/inspect.h"
#include "train/checkpoint_folder.h"

#include <stdio.h>

typedef struct {
    double tolerance;
    bool all;
} CompareFlags;

enum { MOST_LINES = 20 };

static const Option flags[] = {
    { FIELD(CompareFlags, tolerance), .def = "-1", .min = 0, .max = 1,
      .help = "compare the model alone, up to this share of the largest value" },
    { FIELD(CompareFlags, all), .def = "false", .help = "tell every difference, not the first 20" },
    { 0 }
};

static Status compare_run(const Invocation *invocation)
{
    Status status = OK;
    const CompareFlags *given = invocation->flags;
    char *a = NULL, *b = NULL;
    Text text = { 0 };
    bool different = false;
    TRY(checkpoint_of_run(&a, invocation->arguments[0], true));
    TRY(checkpoint_of_run(&b, invocation->arguments[1], true));
    TRY(compare_files(&text, &different, a, b, given->tolerance, given->all ? 0 : MOST_LINES));
    fputs(text_chars(&text), stdout);
done:
    if (status != OK)
        status = USAGE; // 1 says that they differ
    else if (different)
        status = FAILED;
    if (status == FAILED) status_clear(); // the findings say it all
    text_release(&text);
    mem_free(a);
    mem_free(b);
    return status;
}

const Command command_compare = {
    .name = "compare",
    .run = compare_run,
    .arguments = { "A", "B" },
    .flags = flags,
    .flags_bytes = sizeof(CompareFlags),
    .summary = "whether two models or checkpoints are equal",
    .description =
        "A and B are files, or run folders, which stand for their best checkpoint or else the "
        "last.\nModel, optimizer state and data position count, every bit; provenance, times and "
        "metrics do\nnot. With --tolerance R only the model counts: max |a - b| <= R max |a| over "
        "all matrices\nand over all vectors; the state is reported. A model and a checkpoint are "
        "compared\nby their models. Exit code 0: equal, 1: different, 2: unreadable.",
    .example = "temper compare runs/one-rank runs/four-ranks\n"
               "temper compare --tolerance 1e-5 a.h5 b.h5",
};
