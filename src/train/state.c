#include "train/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/json.h"
#include "train/checkpoint_folder.h"

#include <stdlib.h>

static const char *name_of(int exit_code)
{
    if (exit_code == STATE_RUNNING) return "running";
    if (exit_code == STOPPED) return "stopped";
    return exit_code == OK ? "finished" : "failed";
}

static void add_job(Json *object)
{
    const char *job = getenv("SLURM_JOB_ID"), *restarts = getenv("SLURM_RESTART_COUNT");
    json_set_text(object, "job", job ? job : "");
    json_set_int(object, "restarts", job && restarts ? atol(restarts) : 0);
}

static Json *describe(const Trainer *t, int exit_code, const char *message)
{
    Json *object = json_new_object();
    char *newest = NULL, now[21];
    StopReason reason = t->deadline.reason ? t->deadline.reason : STOP_SIGNAL; // of another rank
    bool failed = exit_code == FAILED || exit_code == USAGE;
    checkpoint_newest(&newest, t->recipe->output.folder, 0);
    clock_utc(now);
    json_set_text(object, "state", name_of(exit_code));
    json_set_text(object, "reason", exit_code == STOPPED ? stop_names[reason] : "");
    json_set_text(object, "message", failed ? message : "");
    json_set_int(object, "step", t->step);
    json_set_int(object, "steps", t->batches.last);
    json_set_text(object, "checkpoint", newest ? newest : "");
    if (exit_code != STATE_RUNNING) json_set_int(object, "exit_code", exit_code);
    add_job(object);
    json_set_text(object, "updated_utc", now);
    mem_free(newest);
    return object;
}

void state_write(const Trainer *t, int exit_code)
{
    Text path = { 0 }, text = { 0 };
    char *message = mem_copy_text(status_message());
    Json *object = describe(t, exit_code, message);
    json_print(&text, object, 1);
    text_append(&text, "\n");
    text_printf(&path, "%s/state.json", t->recipe->output.folder);
    if (lock_check(t->lock) == OK && text_write_file(path.data, text.data, text.length_bytes) != OK)
        log_warn("%s", status_message());
    status_clear();
    if (*message) status_fail(FAILED, "%s", message);
    json_free(object);
    text_release(&text);
    text_release(&path);
    mem_free(message);
}
