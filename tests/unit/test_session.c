/* TEST labels=comm timeout=30 */
#include "comm/session.h"
#include "support/check.h"
#include "support/folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 6, ROUNDS = 150 };
static const char variable[] = "OMPI_MCA_orte_tmpdir_base";

/// Makes a folder, which must stay while others come and go, and leaves every third.
static bool keeps_its_folder(int round)
{
    struct stat info;
    unsetenv(variable);
    session_start();
    const char *folder = getenv(variable);
    if (!folder || stat(folder, &info)) return false;
    usleep(200);
    if (stat(folder, &info)) return false;
    if (round % 3) session_end();
    return true;
}

/// A process whose lives but one in three end well; its last one is killed by its end.
static int live(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = round % 3 ? 0 : fork();
        if (child) {
            int result = 0;
            waitpid(child, &result, 0);
            if (result) return 1;
            continue;
        }
        if (!keeps_its_folder(round)) _exit(1);
        if (round % 3 == 0) _exit(0);
    }
    return 0;
}

static void nobody_loses_a_folder(void)
{
    pid_t processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        processes[i] = fork();
        if (!processes[i]) _exit(live());
    }
    for (int i = 0; i < PROCESSES; i++) {
        int result = 1;
        waitpid(processes[i], &result, 0);
        CHECK_EQ(result, 0);
    }
    unsetenv(variable);
    session_start();
    CHECK_EQ(folder_count("temper-session-"), 1); // its own
    session_end();
    CHECK_EQ(folder_count("temper-session-"), 0);
}

/// The control: one that is killed leaves its folder to the next.
static void the_dead_leave_theirs(void)
{
    pid_t child = fork();
    unsetenv(variable);
    if (!child) {
        session_start();
        _exit(0);
    }
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(folder_count("temper-session-"), 1);
    session_start();
    CHECK_EQ(folder_count("temper-session-"), 1);
    session_end();
}

static const Case cases[] = { { "nobody loses a folder", nobody_loses_a_folder },
                              { "the dead leave theirs", the_dead_leave_theirs } };

int main(int argc, char **argv)
{
    const Comm self = comm_self();
    setenv("TMPDIR", folder_make(&self), 1);
    int code = check_main(argc, argv, cases, 2);
    folder_remove(&self);
    return code;
}
