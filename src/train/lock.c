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

static const double wait_s = 30, beat_s = 20, stale_s = 120;

/// Who holds a lock.
typedef struct {
    char host[256], job[64];
    long pid, start; ///< start time of the process in clock ticks since boot: pids come again
} Holder;

/// Field 22 of /proc/PID/stat; 0 if there is no such process.
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

static bool read_holder(Holder *out, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return false;
    *out = (Holder){ 0 };
    int fields = fscanf(file, "host %255s pid %ld start %ld job %63s", out->host, &out->pid,
                        &out->start, out->job);
    fclose(file);
    return fields == 4;
}

static bool job_is_gone(const char *job)
{
    char command[160];
    if (strspn(job, "0123456789_") != strlen(job) || !getenv("SLURM_JOB_ID")) return false;
    snprintf(command, sizeof command, "squeue -h -j %s -o %%t 2>/dev/null", job);
    FILE *pipe = popen(command, "r");
    if (!pipe) return false;
    int first = fgetc(pipe);
    int code = pclose(pipe);
    return code != -1 && first == EOF;
}

static bool is_stale(const Holder *holder, const Holder *me, const char *path)
{
    struct stat info;
    if (!strcmp(holder->host, me->host)) return process_start(holder->pid) != holder->start;
    if (job_is_gone(holder->job)) return true;
    return !stat(path, &info) && difftime(time(NULL), info.st_mtime) > stale_s;
}

/// The lock appears whole: link(2) fails if it is there.
static Status try_link(bool *taken, const char *path, const Holder *me)
{
    Status status = OK;
    char mine[1400];
    snprintf(mine, sizeof mine, "%s.%s.%ld", path, me->host, me->pid);
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

Status lock_take(Lock *lock, const char *run)
{
    Status status = OK;
    Holder me = myself(), holder;
    double start_s = clock_now_s();
    bool taken = false;
    char path[sizeof lock->path];
    *lock = (Lock){ 0 };
    snprintf(path, sizeof path, "%s/lock", run);
    for (;;) {
        TRY(try_link(&taken, path, &me));
        if (taken) break;
        if (!read_holder(&holder, path) || is_stale(&holder, &me, path)) {
            unlink(path);
            continue;
        }
        if (clock_now_s() - start_s > wait_s)
            FAIL(FAILED,
                 "%s is in use by process %ld on %s (job %s): wait for it, or choose another "
                 "output.folder",
                 run, holder.pid, holder.host, holder.job);
        if (clock_now_s() - start_s < 0.1)
            log_info("%s is in use by process %ld on %s: waiting", run, holder.pid, holder.host);
        usleep(500000);
    }
    strcpy(lock->path, path);
    lock->last_beat_s = clock_now_s();
done:
    return status;
}

void lock_beat(Lock *lock)
{
    if (!lock->path[0] || clock_now_s() - lock->last_beat_s < beat_s) return;
    utimensat(AT_FDCWD, lock->path, NULL, 0);
    lock->last_beat_s = clock_now_s();
}

void lock_release(Lock *lock)
{
    if (lock->path[0]) unlink(lock->path);
    lock->path[0] = '\0';
}
