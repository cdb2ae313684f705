#include "base/mem.h"
#include "cli/commands.h"
#include "train/threads.h"
#include "train/run.h"

COLLECTIVE
static Status train_run(const Invocation *invocation)
{
    Status status = OK;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    TRY(recipe_read(invocation->world, recipe, invocation->arguments[0], &invocation->overrides));
    threads_announce(invocation->world);
    TRY(run_train(invocation->world, recipe));
done:
    mem_free(recipe);
    return status;
}

const Command command_train = {
    .name = "train",
    .run = train_run,
    .needs_mpi = true,
    .arguments = { "RECIPE" },
    .keys = recipe_options,
    .summary = "fine-tunes a model: prepares the data if needed, trains, evaluates, reports",
    .description =
        "Weights, metrics and predictions are the same bits for every number of ranks and "
        "threads.\nWhere the run folder (output.folder) holds a checkpoint, training goes on "
        "from the newest one,\non any number of ranks. USR1, or TERM under srun, saves a "
        "checkpoint and ends with exit code 85:\nrun the same command again. So do "
        "train.max_seconds, the end of the job (SLURM_JOB_END_TIME,\nin seconds of the epoch) and "
        "a file STOP in the run folder; what a checkpoint or the\nlast evaluation takes is kept "
        "free: the latter is left to the "
        "next start where time is short.\nRUN/state.json says how the run stands.",
    .example = "temper train jobs/sms-spam.yaml train.epochs=3 output.folder=runs/three\n"
               "mpirun -n 2 temper train jobs/sms-spam.yaml",
};
