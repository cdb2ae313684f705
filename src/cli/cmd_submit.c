#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "train/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct {
    bool dry_run;
} SubmitFlags;

static const Option flags[] = {
    { FIELD(SubmitFlags, dry_run), .def = "false", .help = "print the script alone" },
    { 0 },
};

/// Starts sbatch, without a shell; *answer is what it prints.
static Status start_sbatch(pid_t *process, int *answer, const char *script)
{
    char *words[] = { "sbatch", "--parsable", (char *)script, NULL };
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return status_fail(FAILED, "pipe: %s", strerror(errno));
    platform_forget_core(); // the job's nodes choose their own
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int error = posix_spawnp(process, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *answer = ends[0];
    if (!error) return OK;
    close(ends[0]);
    return status_fail(
        FAILED,
        "sbatch cannot be started: %s: submit from a machine of the cluster, or take "
        "%s there",
        strerror(error), script);
}

static void read_all(Text *out, int file)
{
    char piece[256];
    ssize_t got;
    while ((got = read(file, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0) text_append_bytes(out, piece, (size_t)got);
    close(file);
}

/// *job is the number that it got.
static Status submit(Text *job, const char *script)
{
    Status status = OK;
    pid_t process;
    int answer = -1, how = 0;
    TRY(start_sbatch(&process, &answer, script));
    read_all(job, answer);
    while (waitpid(process, &how, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(how) || WEXITSTATUS(how))
        FAIL(FAILED, "sbatch does not take %s: see what it says above", script);
    size_t digits = strspn(text_chars(job), "0123456789"); // "12;cluster"
    if (!digits) FAIL(FAILED, "sbatch gave no number of a job, but '%s'", text_chars(job));
    job->data[job->length_bytes = digits] = '\0';
done:
    return status;
}

static Status this_program(char out[4096])
{
    ssize_t length = readlink("/proc/self/exe", out, 4095);
    if (length < 0) return status_fail(FAILED, "/proc/self/exe: %s", strerror(errno));
    out[length] = '\0';
    return OK;
}

static Status write_script(Text *path, const Text *script, const char *folder)
{
    Status status = OK;
    status = file_make_folders(folder);
    if (status != OK) FAIL(status, "output.folder %s", status_message());
    text_printf(path, "%s/job.sbatch", folder);
    TRY(text_write_file(path->data, script->data, script->length_bytes));
done:
    return status;
}

static Status submit_run(const Invocation *invocation)
{
    Status status = OK;
    const SubmitFlags *given = invocation->flags;
    const char *path = invocation->arguments[0];
    Comm self = comm_self();
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Text script = { 0 }, file = { 0 }, job = { 0 };
    char program[4096];
    TRY(recipe_read(&self, recipe, path, &invocation->overrides));
    TRY(this_program(program));
    TRY(job_script(&script, recipe, path, &invocation->overrides, program));
    if (given->dry_run) {
        fputs(script.data, stdout);
        goto done;
    }
    TRY(write_script(&file, &script, recipe->output.folder));
    TRY(submit(&job, file.data));
    printf("%s\n", job.data);
    log_info("job %s: %s; its log is in %s", job.data, file.data, recipe->output.folder);
done:
    text_release(&job);
    text_release(&file);
    text_release(&script);
    mem_free(recipe);
    return status;
}

const Command command_submit = {
    .name = "submit",
    .run = submit_run,
    .arguments = { "RECIPE" },
    .flags = flags,
    .flags_bytes = sizeof(SubmitFlags),
    .keys = recipe_options,
    .summary = "queues a run on a Slurm cluster, by the recipe's slurm section",
    .description =
        "Writes RUN/job.sbatch and gives it to sbatch; prints the number of the job. The job "
        "runs\nvalidate and train on whole nodes, stops with a checkpoint before its time limit or "
        "when it is\npreempted, and queues itself again, at most TEMPER_RESTARTS times (20; 0: "
        "never). With\nslurm.array each task is a run of its own: in RUN/TASK, with the task's "
        "number as train.seed.\nWith slurm.extra=--no-kill it goes on with the nodes that are left "
        "when one fails.\nTEMPER_MPI is the kind of MPI that srun is told (pmix). Paths are "
        "as for train: of the folder\nwhere you are.",
    .example = "temper submit jobs/sms-spam.yaml --dry-run\n"
               "temper submit jobs/sms-spam.yaml slurm.nodes=4 slurm.time=02:00:00 "
               "slurm.account=project",
};
