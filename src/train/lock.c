#include "train/lock.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BEAT_S = 20 };
static const double wait_s = 30, stale_s = 120;

/// Who holds a lock. Containers may share names, so a host is known by its boot and a pid by the
/// namespace that it counts in.
typedef struct {
    char host[256], boot[64];
    char job[64];  ///< as squeue knows it: the number of an array's last task is also the array's
    long restarts; ///< of the job, which keeps its number when Slurm queues it again
    long pid, space;
    long start; ///< start time of the process in clock ticks since boot: pids come again
} Holder;

static void name_job(Holder *me)
{
    const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID");
    const char *task = getenv("SLURM_ARRAY_TASK_ID"), *restarts = getenv("SLURM_RESTART_COUNT");
    if (job && array && task)
        snprintf(me->job, sizeof me->job, "%s_%s", array, task);
    else
        snprintf(me->job, sizeof me->job, "%s", job ? job : "-");
    me->restarts = job && restarts ? atol(restarts) : 0;
}

static Holder myself(void)
{
    Holder me = { .pid = (long)getpid(), .boot = "-" };
    char space[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    gethostname(me.host, sizeof me.host - 1);
    name_job(&me);
    if (file) {
        if (fscanf(file, "%63s", me.boot) != 1) strcpy(me.boot, "-");
        fclose(file);
    }
    if (readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0)
        sscanf(space, "pid:[%ld]", &me.space);
    me.start = clock_process_ticks(me.pid);
    return me;
}

/// False if there is no lock, or not one that was written whole.
static bool read_holder(Holder *out, const char *path)
{
    int handle = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); // a pipe would wait for a writer
    FILE *file = handle < 0 ? NULL : fdopen(handle, "r");
    *out = (Holder){ .host = "?", .job = "?" };
    if (!file) return false;
    int fields =
        fscanf(file, "host %255s pid %ld start %ld job %63s restarts %ld boot %63s pids %ld",
               out->host, &out->pid, &out->start, out->job, &out->restarts, out->boot, &out->space);
    fclose(file);
    return fields == 7;
}

/// True if the pids of one mean something to the other.
static bool is_near(const Holder *a, const Holder *b)
{
    return strcmp(a->boot, "-") && !strcmp(a->boot, b->boot) && a->space == b->space;
}

static bool is_same(const Holder *a, const Holder *b)
{
    return !strcmp(a->host, b->host) && !strcmp(a->boot, b->boot) && a->space == b->space &&
           a->pid == b->pid && a->start == b->start;
}

/// What Slurm says of a job: false too where there is no Slurm or it does not answer. One that is
/// pending was queued again: nothing of it runs.
static bool job_is_gone(const char *job)
{
    char command[160], answer[512];
    if (strspn(job, "0123456789_") != strlen(job) || !getenv("SLURM_JOB_ID")) return false;
    snprintf(command, sizeof command, "squeue -h -j %s -o %%t 2>&1", job);
    FILE *pipe = popen(command, "r");
    if (!pipe) return false;
    size_t got = fread(answer, 1, sizeof answer - 1, pipe);
    answer[got] = '\0';
    int code = pclose(pipe);
    return strstr(answer, "Invalid job id") ||
           (code == 0 && (got == 0 || !strncmp(answer, "PD", 2)));
}

/// `age_s`: seconds since the last beat. Slurm starts a job again when its life before is over.
static bool is_stale(const Holder *holder, const Holder *me, double age_s)
{
    if (is_near(holder, me)) return clock_process_ticks(holder->pid) != holder->start;
    bool lived_before = !strcmp(holder->job, me->job) && holder->restarts < me->restarts;
    return age_s > stale_s || lived_before || job_is_gone(holder->job);
}

/// Writes *mine, a name that only we use; *now is its time, by the clock of the file server.
static Status write_mine(double *now, char **mine, const char *path, const Holder *me)
{
    Status status = OK;
    struct stat info;
    FILE *file;
    int handle;
    TRY(partial_create(&handle, mine, path));
    file = fdopen(handle, "w");
    CHECK(file, "%s: %s", *mine, strerror(errno));
    fprintf(file, "host %s pid %ld start %ld job %s restarts %ld boot %s pids %ld\n", me->host,
            me->pid, me->start, me->job, me->restarts, me->boot, me->space);
    if (fclose(file) || stat(*mine, &info))
        FAIL(FAILED, "%s: cannot be written: %s", path, strerror(errno));
    *now = (double)info.st_mtime;
done:
    return status;
}

/// Removes a stale lock. Others may judge it stale at the same time: only one at once removes, and
/// only what is still the stale one, so that nobody removes the lock of one who was faster.
static Status remove_stale(const char *path, const char *mine, const Holder *stale, double now)
{
    Status status = OK;
    Holder holder;
    struct stat info;
    char guard[1200];
    snprintf(guard, sizeof guard, "%s.removal", path);
    if (link(mine, guard)) {
        if (errno != EEXIST) FAIL(FAILED, "%s: %s", guard, strerror(errno));
        if (!stat(guard, &info) && now - (double)info.st_mtime > stale_s)
            unlink(guard); // of one that died in here
        usleep(10000);
        return OK;
    }
    bool there = !access(path, F_OK);
    read_holder(&holder, path);
    if (there && is_same(&holder, stale) && unlink(path) && errno != ENOENT)
        status = status_fail(FAILED, "%s: cannot be removed: %s", path, strerror(errno));
    unlink(guard);
done:
    return status;
}

/// Who holds the lock at `path`, if anybody still does: then *held.
static Status judge(bool *held, Holder *holder, const char *path, const char *mine,
                    const Holder *me, double now)
{
    Status status = OK;
    struct stat info;
    *held = false;
    if (stat(path, &info)) {
        if (errno != ENOENT) FAIL(FAILED, "%s: %s", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(info.st_mode)) FAIL(FAILED, "%s is no lock of temper's: move it away", path);
    read_holder(holder, path); // one that is not whole is of another host
    *held = !is_stale(holder, me, now - (double)info.st_mtime);
    if (!*held) TRY(remove_stale(path, mine, holder, now));
done:
    return status;
}

/// One attempt. The lock appears whole: link(2) fails if it is there.
static Status try_take(bool *taken, bool *held, Holder *holder, const char *path, const Holder *me)
{
    Status status = OK;
    char *mine = NULL;
    double now = 0;
    TRY(write_mine(&now, &mine, path, me));
    *held = false;
    if (link(mine, path) && errno != EEXIST) FAIL(FAILED, "%s: %s", path, strerror(errno));
    *taken = read_holder(holder, path) && is_same(holder, me); // link's own word may be lost
    if (!*taken) TRY(judge(held, holder, path, mine, me, now));
done:
    if (mine) unlink(mine);
    mem_free(mine);
    return status;
}

static bool is_ours(const Lock *lock, Holder *holder)
{
    Holder me = myself();
    return read_holder(holder, lock->path) && is_same(holder, &me);
}

/// Until the next beat is due; false if the lock is released before.
static bool rest(Lock *lock)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_sec += BEAT_S;
    while (sem_timedwait(&lock->released, &due))
        if (errno != EINTR) return true;
    return false;
}

/// The heartbeat. Never that of a lock that another job has taken over.
static void *beat(void *context)
{
    Lock *lock = context;
    Holder holder;
    while (rest(lock) && is_ours(lock, &holder)) utimensat(AT_FDCWD, lock->path, NULL, 0);
    return NULL;
}

Status lock_take(Lock *lock, const char *run)
{
    Status status = OK;
    Holder me = myself(), holder;
    double start_s = clock_now_s();
    char path[sizeof lock->path];
    *lock = (Lock){ 0 };
    snprintf(path, sizeof path, "%s/lock", run);
    for (bool taken = false, held, waits = false;;) {
        TRY(try_take(&taken, &held, &holder, path, &me));
        if (taken) break;
        if (!held) continue;
        if (clock_now_s() - start_s > wait_s)
            FAIL(FAILED,
                 "%s is in use by process %ld on %s (job %s): wait for it, or choose another "
                 "output.folder",
                 run, holder.pid, holder.host, holder.job);
        if (!waits)
            log_info("%s is in use by process %ld on %s: waiting", run, holder.pid, holder.host);
        waits = true;
        usleep(500000);
    }
    strcpy(lock->path, path);
    sem_init(&lock->released, 0, 0);
    lock->beats = pthread_create(&lock->thread, NULL, beat, lock) == 0;
done:
    return status;
}

Status lock_check(const Lock *lock)
{
    Holder holder;
    if (is_ours(lock, &holder)) return OK;
    if (access(lock->path, F_OK) && errno == ENOENT)
        return status_fail(FAILED,
                           "%s is gone: another job may use the folder; nothing more is "
                           "written into it",
                           lock->path);
    return status_fail(FAILED,
                       "%s was taken over by process %ld on %s (job %s): nothing more is written "
                       "into its folder",
                       lock->path, holder.pid, holder.host, holder.job);
}

void lock_release(Lock *lock)
{
    Holder holder;
    if (lock->beats) {
        sem_post(&lock->released);
        pthread_join(lock->thread, NULL);
    }
    // a job elsewhere may have taken it over while this one was frozen
    if (lock->path[0] && is_ours(lock, &holder)) unlink(lock->path);
    *lock = (Lock){ 0 };
}
