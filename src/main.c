#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "train/threads.h"
#include "comm/agree.h"
#include "comm/probe.h"
#include "linalg/gemm.h"
#include "train/platform.h"
#include "build_info.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/// Results on a full disk must not look like success.
static Status check_stdout(void)
{
    if (fflush(stdout) || ferror(stdout))
        return status_fail(FAILED, "standard output: %s", strerror(errno));
    return OK;
}

static Status run_help(const Command *command)
{
    Text text = { 0 };
    help_command(&text, command);
    fputs(text.data, stdout);
    text_release(&text);
    return check_stdout();
}

COLLECTIVE
static Status run(Invocation *invocation, Comm *world)
{
    Status status = OK;
    if (invocation->command->needs_mpi) TRY(comm_start(world));
    log_start(world->rank);
    TRY_ALL(world, fault_start(world->rank));
    gemm_start();
    platform_start();
    threads_start(world);
    invocation->world = world;
    TRY_ALL(world, invocation->command->run(invocation));
    TRY_ALL(world, check_stdout());
done:
    return status;
}

static void print_failure(void)
{
    char *rest = mem_copy_text(status_message()), *lines = rest;
    for (char *line; *status_message() && (line = strsep(&rest, "\n"));) log_error("%s", line);
    mem_free(lines);
}

int main(int argc, char **argv)
{
    Status status = OK;
    const Command *command = &command_help;
    Invocation invocation = { 0 };
    Comm world = comm_self();
    bool speaks = probe_launcher_rank() <= 0;
    platform_choose_core(argv);
    if (argc < 2) FAIL(USAGE, "which command? 'temper --help' lists them");
    TRY(command_find(&command, argv[1]));
    TRY(arguments_read(&invocation, command, argc - 2, argv + 2));
    // one process answers where ranks have nothing to share
    if (!speaks && (invocation.help || !command->needs_mpi)) goto done;
    TRY(invocation.help ? run_help(command) : run(&invocation, &world));
done:
    if (status != OK && speaks) print_failure();
    if (!speaks && world.size == 1) status = OK; // a launcher kills rank 0 when another one fails
    arguments_release(&invocation);
    comm_stop(&world);
    if (mem_live_blocks() && strcmp(TEMPER_BUILD, "Release"))
        log_warn("%lld blocks were not freed", (long long)mem_live_blocks());
    return (int)status;
}
