/* TEST labels=train timeout=60 */
#include "base/log.h"
#include "support/check.h"
#include "support/folder.h"
#include "train/lock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 250, JOBS = 24 };

/// One job: takes the lock when all are there, says so, and holds it until it is killed.
static _Noreturn void be_job(const char *run, int gate, int taken)
{
    Lock lock;
    char go;
    while (read(gate, &go, 1) < 0) continue;
    if (lock_take(&lock, run) == OK && write(taken, "x", 1) == 1)
        for (;;) pause();
    _exit(1);
}

/// A lock that a process which is no more left behind.
static void leave_lock(const char *run)
{
    int ended;
    pid_t job = fork();
    if (job == 0) {
        Lock lock;
        _exit(lock_take(&lock, run) != OK);
    }
    waitpid(job, &ended, 0);
    CHECK_EQ(ended, 0);
}

/// How many jobs hold a lock after they found a stale one at the same time.
static int count_owners(const char *run)
{
    int gate[2], taken[2], owners = 0;
    char byte;
    pid_t jobs[JOBS];
    CHECK_EQ(pipe(gate) + pipe(taken), 0);
    leave_lock(run);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = fork();
        if (jobs[i]) continue;
        close(gate[1]);
        be_job(run, gate[0], taken[1]);
    }
    close(gate[1]); // now all go
    close(taken[1]);
    owners += read(taken[0], &byte, 1) == 1;
    usleep(20000);
    for (int i = 0; i < JOBS; i++) kill(jobs[i], SIGKILL);
    for (int i = 0; i < JOBS; i++) waitpid(jobs[i], NULL, 0);
    while (read(taken[0], &byte, 1) == 1) owners++;
    close(gate[0]);
    close(taken[0]);
    return owners;
}

static void a_stale_lock_goes_to_one(void)
{
    Comm self = comm_self();
    log_start(1); // nothing of who waits
    for (int round = 0; round < ROUNDS; round++) {
        const char *run = folder_make(&self);
        CHECK_EQ(count_owners(run), 1);
        folder_remove(&self);
    }
}

static const Case cases[] = {
    { "a_stale_lock_goes_to_one", a_stale_lock_goes_to_one },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
