#include "train/lock.h"
#include "base/clock.h"
#include "base/log.h"

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

/// Who holds a lock.
typedef struct {
    char host[256], job[64];
    long pid, start; ///< start time of the process in clock ticks since boot: pids come again
} Holder;

/// Field 22 of /proc/PID/stat; 0 if there is no such process, or only its remains.
static long process_start(long pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = '\0';
    char *at = strrchr(text, ')'); // the name may hold anything
    if (at && (at[2] == 'Z' || at[2] == 'X')) return 0;
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at ? atol(at + 1) : 0;
}

static Holder myself(void)
{
    Holder me = { .pid = (long)getpid() };
    const char *job = getenv("SLURM_JOB_ID");
    gethostname(me.host, sizeof me.host - 1);
    snprintf(me.job, sizeof me.job, "%s", job ? job : "-");
    me.start = process_start(me.pid);
    return me;
}

/// False if there is no lock, or not one that was written whole.
static bool read_holder(Holder *out, const char *path)
{
    FILE *file = fopen(path, "r");
    *out = (Holder){ .host = "?", .job = "?" };
    if (!file) return false;
    int fields = fscanf(file, "host %255s pid %ld start %ld job %63s", out->host, &out->pid,
                        &out->start, out->job);
    fclose(file);
    return fields == 4;
}

static bool is_same(const Holder *a, const Holder *b)
{
    return !strcmp(a->host, b->host) && a->pid == b->pid && a->start == b->start;
}

typedef enum { JOB_UNKNOWN, JOB_THERE, JOB_GONE } JobState;

/// What Slurm says of a job; nothing where there is no Slurm or it does not answer.
static JobState ask_slurm(const char *job)
{
    char command[160], answer[512];
    if (strspn(job, "0123456789_") != strlen(job) || !getenv("SLURM_JOB_ID")) return JOB_UNKNOWN;
    snprintf(command, sizeof command, "squeue -h -j %s -o %%t 2>&1", job);
    FILE *pipe = popen(command, "r");
    if (!pipe) return JOB_UNKNOWN;
    size_t got = fread(answer, 1, sizeof answer - 1, pipe);
    answer[got] = '\0';
    int code = pclose(pipe);
    if (strstr(answer, "Invalid job id")) return JOB_GONE;
    if (code != 0) return JOB_UNKNOWN;
    return got ? JOB_THERE : JOB_GONE;
}

static bool is_stale(const Holder *holder, const Holder *me, time_t last_beat)
{
    if (!strcmp(holder->host, me->host)) return process_start(holder->pid) != holder->start;
    JobState job = ask_slurm(holder->job);
    if (job != JOB_UNKNOWN) return job == JOB_GONE;
    return difftime(time(NULL), last_beat) > stale_s;
}

/// The lock appears whole: link(2) fails if it is there. `mine`: a name that only we use.
static Status try_link(bool *taken, const char *path, const char *mine, const Holder *me)
{
    Status status = OK;
    FILE *file = fopen(mine, "w");
    if (!file) FAIL(FAILED, "%s: cannot be written: %s", mine, strerror(errno));
    fprintf(file, "host %s pid %ld start %ld job %s\n", me->host, me->pid, me->start, me->job);
    if (fclose(file)) FAIL(FAILED, "%s: cannot be written: %s", mine, strerror(errno));
    *taken = link(mine, path) == 0;
    if (!*taken && errno != EEXIST) FAIL(FAILED, "%s: %s", path, strerror(errno));
done:
    unlink(mine);
    return status;
}

/// Takes a stale lock out of the way. Others may do so at once and be faster: what was moved is
/// put back if it is not the stale one.
static Status remove_stale(const char *path, const char *mine, const Holder *stale)
{
    Status status = OK;
    Holder moved;
    if (rename(path, mine)) {
        if (errno != ENOENT) FAIL(FAILED, "%s: cannot be replaced: %s", path, strerror(errno));
        goto done;
    }
    if (read_holder(&moved, mine) && !is_same(&moved, stale) && link(mine, path) && errno != EEXIST)
        FAIL(FAILED, "%s: %s", path, strerror(errno));
done:
    if (unlink(mine) && errno != ENOENT && status == OK)
        status = status_fail(FAILED, "%s: cannot be removed: %s", mine, strerror(errno));
    return status;
}

/// Who holds the lock at `path`, if anybody still does: then *held.
static Status judge(bool *held, Holder *holder, const char *path, const char *mine,
                    const Holder *me)
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
    *held = !is_stale(holder, me, info.st_mtime);
    if (!*held) TRY(remove_stale(path, mine, holder));
done:
    return status;
}

static void *beat(void *path)
{
    for (;;) {
        sleep(BEAT_S);
        utimensat(AT_FDCWD, path, NULL, 0);
    }
    return NULL;
}

Status lock_take(Lock *lock, const char *run)
{
    Status status = OK;
    Holder me = myself(), holder;
    double start_s = clock_now_s();
    char path[sizeof lock->path], mine[sizeof path + sizeof me.host + 32];
    *lock = (Lock){ 0 };
    snprintf(path, sizeof path, "%s/lock", run);
    snprintf(mine, sizeof mine, "%s.%s.%ld", path, me.host, me.pid);
    for (bool taken = false, held, waits = false;;) {
        TRY(try_link(&taken, path, mine, &me));
        if (taken) break;
        TRY(judge(&held, &holder, path, mine, &me));
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
    lock->beats = pthread_create(&lock->thread, NULL, beat, lock->path) == 0;
done:
    return status;
}

void lock_release(Lock *lock)
{
    Holder me = myself(), holder;
    if (lock->beats) {
        pthread_cancel(lock->thread);
        pthread_join(lock->thread, NULL);
    }
    // a job elsewhere may have taken it over while this one was frozen
    if (lock->path[0] && read_holder(&holder, lock->path) && is_same(&holder, &me))
        unlink(lock->path);
    *lock = (Lock){ 0 };
}
