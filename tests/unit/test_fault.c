/* TEST labels=base timeout=20 */
#include "base/fault.h"
#include "support/check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/// In a process of its own: passages are counted once in a life. The exit code, or -signal.
static int try(const char *fault, int rank, const char *point, int passages)
{
    int result;
    pid_t child = fork();
    if (child == 0) {
        int error = 0;
        setenv("TEMPER_FAULT", fault, 1);
        if (fault_start(rank) != OK) _exit(200);
        for (int i = 0; i < passages; i++) error = fault_at(point);
        _exit(error);
    }
    waitpid(child, &result, 0);
    return WIFSIGNALED(result) ? -WTERMSIG(result) : WEXITSTATUS(result);
}

static void names_point_rank_passage_and_error(void)
{
    CHECK_EQ(try("write-payload", 2, "write-payload", 1), EIO);
    CHECK_EQ(try("write-payload", 2, "write-payload", 2), 0);
    CHECK_EQ(try("write-payload", 2, "write-fsync", 1), 0);
    CHECK_EQ(try("write-payload:1", 2, "write-payload", 1), 0);
    CHECK_EQ(try("write-payload:2:3", 2, "write-payload", 3), EIO);
    CHECK_EQ(try("write-payload:2:3", 2, "write-payload", 4), 0);
    CHECK_EQ(try("write-payload:-1:0", 2, "write-payload", 4), EIO);
    CHECK_EQ(try("write-payload:2:1:ENOSPC", 2, "write-payload", 1), ENOSPC);
    CHECK_EQ(try("write-payload:2:1:EDQUOT", 2, "write-payload", 1), EDQUOT);
    CHECK_EQ(try("", 2, "write-payload", 1), 0);
    CHECK_EQ(try("write-payload", 2, "no-such-point", 1), -SIGABRT);
}

static void refuses_what_is_no_fault(void)
{
    static const char *const wrong[] = { ":",
                                         "write",
                                         "write-payload ",
                                         "write-payload:x",
                                         "write-payload:1:2:EPERM",
                                         "write-payload:1:2:EIO:3" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_EQ(try(wrong[i], 0, "write-payload", 1), 200);
}

/// Each point of the table, at its errno; what kills and what hangs besides.
static void every_point_works(void)
{
    int points = 0;
    for (const FaultPoint *point = fault_points; point->name; point++, points++) {
        CHECK_EQ(try(point->name, 0, point->name, 1), point->error ? point->error : EIO);
        CHECK_TRUE(point->what[0]);
        for (const FaultPoint *other = fault_points; other < point; other++)
            CHECK_TRUE(strcmp(other->name, point->name));
    }
    CHECK_TRUE(points > 20);
}

static const Case cases[] = {
    { "names point, rank, passage and error", names_point_rank_passage_and_error },
    { "refuses what is no fault", refuses_what_is_no_fault },
    { "every point works", every_point_works },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
