#include "train/deadline.h"
#include "base/clock.h"
#include "base/log.h"
#include "train/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const stop_names[] = { "", "signal", "max_seconds", "job_end", "stop_file" };

static const double careful_bytes_per_s = 200e6, safety = 2;
static const double closing_s = 1; // files, MPI
static const double margin_s = 10; // clocks of nodes differ, and the job's script has work to do
static const double look_every_s = 1;

/// By clock_now_s; INFINITY if there is none to come: a value of the past is another job's.
static double job_end_s(void)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    struct timespec now;
    int64_t end;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!text || !text_to_int64(&end, text) || end <= 0) return INFINITY;
    double left_s = (double)(end - now.tv_sec) - 1e-9 * (double)now.tv_nsec;
    if (left_s > 0) return clock_now_s() + left_s;
    log_warn("SLURM_JOB_END_TIME=%s is past: the end of the job is not known", text);
    return INFINITY;
}

void deadline_init(Deadline *d)
{
    *d = (Deadline){ .max_end_s = INFINITY, .job_end_s = INFINITY };
}

void deadline_start(Deadline *d, const Recipe *recipe, double checkpoint_bytes,
                    double evaluation_steps, double finish_steps)
{
    double most_s = recipe->train.max_seconds;
    deadline_init(d);
    d->job_end_s = job_end_s();
    if (most_s > 0) d->max_end_s = clock_now_s() - clock_age_s() + most_s;
    deadline_save_bytes(d, checkpoint_bytes);
    d->evaluation_steps = evaluation_steps;
    d->finish_steps = finish_steps;
    snprintf(d->file, sizeof d->file, "%s/STOP", recipe->output.folder);
}

void deadline_save_bytes(Deadline *d, double bytes)
{
    d->save_estimate_s = fmax(d->save_estimate_s, safety * bytes / careful_bytes_per_s);
}

void deadline_step_rows(Deadline *d, double times)
{
    d->evaluation_steps /= times;
    d->finish_steps /= times;
}

void deadline_plan(Deadline *d, bool follows, int64_t evaluations, int64_t saves)
{
    d->ahead[WORK_STEP] = follows;
    d->ahead[WORK_EVALUATION] = evaluations;
    d->ahead[WORK_SAVE] = saves;
    d->turn_s = clock_now_s();
}

void deadline_spent(Deadline *d, Work work, double seconds)
{
    d->longest_s[work] = fmax(d->longest_s[work], seconds);
}

void deadline_evaluated(Deadline *d, double seconds)
{
    deadline_spent(d, WORK_EVALUATION, seconds);
    d->ahead[WORK_EVALUATION]--;
    d->turn_s = clock_now_s();
}

void deadline_finish(Deadline *d)
{
    double step_s = d->longest_s[WORK_STEP], evaluation_s = d->longest_s[WORK_EVALUATION];
    if (evaluation_s > 0 && d->evaluation_steps > 0) step_s = evaluation_s / d->evaluation_steps;
    d->finish_s = step_s * d->finish_steps;
    if (step_s == 0) d->max_end_s = INFINITY;
    d->finishes = true;
    d->turn_s = clock_now_s();
}

static double save_s(const Deadline *d)
{
    return d->longest_s[WORK_SAVE] > 0 ? d->longest_s[WORK_SAVE] : d->save_estimate_s;
}

double deadline_reserve_s(const Deadline *d, double now_s)
{
    if (d->finishes) return fmax(d->turn_s + d->finish_s - now_s, 0) + closing_s;
    double step_s = fmax(d->longest_s[WORK_STEP], now_s - d->turn_s);
    double evaluation_s = d->longest_s[WORK_EVALUATION];
    if (evaluation_s == 0) evaluation_s = d->evaluation_steps * step_s;
    return (double)d->ahead[WORK_STEP] * step_s + (double)d->ahead[WORK_EVALUATION] * evaluation_s +
           (double)d->ahead[WORK_SAVE] * save_s(d) + closing_s;
}

/// A link is not followed, and is nobody's wish.
static bool file_is_there(Deadline *d, double now_s)
{
    struct stat info;
    if (!*d->file || now_s - d->looked_s < look_every_s) return false;
    d->looked_s = now_s;
    return !lstat(d->file, &info) && S_ISREG(info.st_mode);
}

static StopReason find_reason(Deadline *d, double now_s, double reserve_s)
{
    if (signals_stop_requested()) return STOP_SIGNAL;
    if (now_s + reserve_s + margin_s > d->job_end_s) return STOP_JOB_END;
    if (now_s + reserve_s > d->max_end_s && !d->owes) return STOP_MAX_SECONDS;
    return file_is_there(d, now_s) ? STOP_FILE : STOP_NONE;
}

static void say_why(const Deadline *d, double now_s)
{
    Text left = { 0 }, save = { 0 };
    const char *what = d->finishes     ? "the last evaluation"
                       : d->then_s > 0 ? "what is left of the step"
                                       : "a checkpoint";
    double left_s = (d->reason == STOP_JOB_END ? d->job_end_s : d->max_end_s) - now_s;
    text_duration(&left, fabs(left_s));
    text_duration(&save, d->finishes ? d->finish_s : d->then_s > 0 ? d->then_s : save_s(d));
    const char *when = left_s < 0 ? "after" : "before";
    if (d->reason == STOP_FILE)
        log_info("stopping: %s is there", d->file);
    else if (d->reason != STOP_SIGNAL)
        log_info("stopping: %s %s %s, %s takes %s", left.data, when,
                 d->reason == STOP_JOB_END ? "the job's end" : "train.max_seconds", what,
                 save.data);
    text_release(&save);
    text_release(&left);
}

bool deadline_reached(Deadline *d)
{
    double now_s = clock_now_s();
    if (d->reason || !(d->ahead[WORK_STEP] || d->finishes)) return d->reason;
    d->reason = find_reason(d, now_s, deadline_reserve_s(d, now_s));
    if (d->reason) say_why(d, now_s);
    return d->reason;
}

bool deadline_presses(Deadline *d)
{
    double now_s = clock_now_s(), rest_s = (double)d->ahead[WORK_SAVE] * save_s(d) + d->then_s;
    if (d->reason == STOP_SIGNAL || d->reason == STOP_FILE) return true;
    StopReason found = find_reason(d, now_s, rest_s + closing_s);
    if (!found || d->reason) return found;
    d->reason = found;
    say_why(d, now_s);
    return true;
}

Status deadline_obey(const Deadline *d, int64_t step)
{
    bool signal = d->reason <= STOP_SIGNAL; // it may have come to another rank
    if (d->reason == STOP_FILE && unlink(d->file) && errno != ENOENT)
        log_warn("%s cannot be removed: %s: the next start will stop again", d->file,
                 strerror(errno));
    Text kept = { 0 };
    if (step) text_printf(&kept, "step %" PRId64 " is saved", step);
    log_info("%s: %s; run the same command to go on", signal ? "asked to stop" : "stopped",
             step ? kept.data : "what was done is kept");
    text_release(&kept);
    status_clear(); // of what was dealt with
    return STOPPED;
}
