#include "train/run.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/agree.h"
#include "linalg/gemm.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/efficiency.h"
#include "train/finish.h"
#include "train/layout.h"
#include "train/lock.h"
#include "train/loop.h"
#include "train/platform.h"
#include "train/resume.h"
#include "train/run_record.h"
#include "train/signals.h"
#include "train/state.h"
#include "train/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <omp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// The folder of a run that nobody may write into: its results can be shown all the same.
static bool is_closed(const char *folder)
{
    char *newest = NULL;
    if (!access(folder, W_OK) || (errno != EACCES && errno != EROFS)) return false;
    bool closed = checkpoint_newest(&newest, folder, 0) == OK && newest;
    status_clear();
    mem_free(newest);
    return closed;
}

/// Without a lock where the folder is closed.
static Status open_folder(Lock *lock, FILE **log, const Recipe *recipe)
{
    Status status = OK;
    const char *folder = recipe->output.folder;
    if (is_closed(folder)) goto done;
    status = file_make_folders(folder);
    if (status != OK) FAIL(status, "output.folder %s", status_message());
    TRY(lock_take(lock, folder));
    TRY(record_open_log(log, folder));
done:
    return status;
}

static Status write_recipe(const Recipe *recipe)
{
    Text path = { 0 }, text = { 0 };
    text_printf(&path, "%s/recipe.yaml", recipe->output.folder);
    recipe_print(&text, recipe);
    Status status = text_write_file(path.data, text.data, text.length_bytes);
    text_release(&path);
    text_release(&text);
    return status;
}

/// Where the run goes on, "" for the start.
static Status find_checkpoint(char **path, const Recipe *recipe)
{
    Status status = OK;
    TRY(checkpoint_folder_open(recipe->output.folder));
    TRY(resume_find(path, recipe));
    if (!*path) *path = mem_copy_text("");
done:
    return status;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/// What the run folder holds of the run that goes on from `path`, which may lie elsewhere: then its
/// step is yet to be saved here, and what is best is not kept here.
static Status adopt_folder(Trainer *t, const char *path)
{
    Text own = { 0 }, best = { 0 };
    const char *folder = t->recipe->output.folder;
    checkpoint_path(&own, folder, t->step);
    checkpoint_path(&best, folder, t->kept.step);
    bool is_here = is_same_file(path, own.data);
    if (is_here) t->saved_step = t->step;
    t->resumed_here = is_here;
    if (!is_here || access(best.data, F_OK)) t->kept = (Best){ 0 };
    text_release(&own);
    text_release(&best);
    return checkpoint_set_aside(folder, t->step, is_here);
}

/// Collective. Goes on from what train.resume says.
COLLECTIVE
static Status resume(Trainer *t)
{
    Status status = OK;
    char *path = NULL;
    TRY_ROOT(t->comm, find_checkpoint(&path, t->recipe));
    comm_broadcast_text(t->comm, &path, 0);
    if (*path) {
        status = checkpoint_load(t, path);
        if (status == FAILED) TRY_ROOT(t->comm, resume_advise(t->recipe));
        if (status != OK) goto done;
        log_info("resumed from %s (step %" PRId64 ")", path, t->step);
    }
    TRY_ROOT(t->comm, adopt_folder(t, path));
    comm_broadcast(t->comm, &t->saved_step, sizeof t->saved_step, 0);
    comm_broadcast(t->comm, &t->kept, sizeof t->kept, 0);
done:
    mem_free(path);
    return status;
}

/// Collective. Product rate of all ranks together, in GFLOP/s.
COLLECTIVE
static double measure_limit(const Comm *comm)
{
    int64_t mflops = (int64_t)(1e3 * gemm_measure_gflops());
    comm_sum_int64(comm, &mflops, 1);
    return (double)mflops / 1e3;
}

static void announce(const Trainer *t)
{
    const Batches *b = &t->batches;
    log_info("model %s: %s, %.1f M parameters; data %s: %" PRId64 " training rows, %.0f tokens a "
             "step",
             t->recipe->model.path, t->model->arch->model_type,
             (double)model_parameters(t->model) / 1e6, t->data->path, b->count, b->mean_tokens);
    if (t->grid.rows * t->grid.cols > 1)
        log_info("grid %d x %d x %d (data, rows, cols)", t->grid.data, t->grid.rows, t->grid.cols);
    const Node *node = t->replicas->node;
    if (node && node->island_count > 1 && node->island_count < node->count)
        log_info("islands %d, of %d nodes", node->island_count, node->count);
    log_info("steps %" PRId64 " (horizon %" PRId64 ", warm-up %" PRId64 "); leaves %" PRId64
             ", ranks %d, threads a rank %d",
             b->last, b->horizon, t->warmup, t->leaves, t->comm->size, omp_get_max_threads());
    // a run that goes on has the head of its checkpoint
    if (!t->step && t->model->labels_note) log_info("%s", t->model->labels_note);
}

static void print_profile(const Profile *profile)
{
    Text table = { 0 };
    profile_print(&table, profile);
    log_info("time of rank 0 in its steps\n%s", table.data);
    text_release(&table);
}

/// Nothing is left to do in a closed folder, or nothing can be done.
static Status check_closed(const Trainer *t)
{
    const char *folder = t->recipe->output.folder;
    if (!loop_is_done(t))
        return status_fail(FAILED,
                           "output.folder %s cannot be written, and step %" PRId64
                           " is not the last: choose another folder, or open this one",
                           folder, t->step);
    log_warn("output.folder %s cannot be written: its results are shown alone", folder);
    return OK;
}

/// Collective. Training proper, with the folder's files open; `life` NULL: without a record.
COLLECTIVE
static Status train(Json **efficiency, Trainer *t, RunRecord *life)
{
    Status status = OK;
    Record record = { 0 };
    TRY(resume(t));
    if (!t->lock) return agree(t->comm, check_closed(t)); // agreed: the same on all ranks
    TRY_ROOT(t->comm, write_recipe(t->recipe));
    if (life) TRY(run_record_start(life, t)); // agreed: the same call on all ranks
    t->limit_gflops = measure_limit(t->comm);
    TRY_ALL(t->comm, record_start(&record, t));
    announce(t);
    status = loop_run(t, &record);
    if (status == OK || status == STOPPED) // agreed: loop_run is collective
        *efficiency = efficiency_report(t);
    if (status == OK && t->profile) print_profile(t->profile);
done:
    if (status == FAILED) text_clear(&record.unwritten); // the next job does these steps again
    Status stopped = record_stop(&record);
    return agree(t->comm, stopped == OK ? status : stopped);
}

/// Collective. To the end of the run, which is reported, or to step `last`.
COLLECTIVE
static Status run(const Comm *comm, Recipe *recipe, const int64_t *last)
{
    Status status = OK;
    Trainer trainer = { 0 };
    Lock lock = { 0 };
    RunRecord life = { 0 };
    FILE *log = NULL;
    Json *efficiency = NULL;
    Watchdog *watchdog = NULL;
    signals_start();
    pulse_activity(PHASE_START);
    TRY(platform_agree(comm));
    TRY_ROOT(comm, open_folder(&lock, &log, recipe));
    platform_announce();
    int64_t locked = lock.path[0] != '\0';
    comm_broadcast(comm, &locked, sizeof locked, 0);
    watchdog = watchdog_start(comm, recipe, locked);
    TRY(layout_choose(comm, recipe));
    TRY(trainer_init(&trainer, comm, recipe));
    trainer.lock = locked ? &lock : NULL;
    if (last) trainer.batches.last = *last;
    TRY(train(&efficiency, &trainer, last ? NULL : &life));
    pulse_activity(PHASE_FINISH);
    if (!last) TRY(finish_run(&trainer, efficiency)); // agreed: the same call on all ranks
done:
    if (trainer.begun) state_write(&trainer, (int)status);
    record_close_log(log, status);
    status = run_record_end(&life, status); // the last file of the run
    watchdog_stop(watchdog);
    json_free(efficiency);
    trainer_release(&trainer);
    lock_release(&lock);
    return status;
}

Status run_train(const Comm *comm, Recipe *recipe)
{
    return run(comm, recipe, NULL);
}

Status run_again(const Comm *comm, Recipe *recipe, int64_t last)
{
    return run(comm, recipe, &last);
}
