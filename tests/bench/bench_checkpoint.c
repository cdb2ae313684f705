// Usage: mpirun -n RANKS bench_checkpoint PAIRS STEPS RECIPE [key=value ...]
//
// Checkpoints of a run against what the same ranks write and read of the same bytes without a
// format, in turn, for tests/bench/compare_checkpoint. Prints "name number" a line, seconds of the
// slowest rank; lines of one turn have one name each. STEPS 0: no training.
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "linalg/gemm.h"
#include "train/ahead.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/platform.h"
#include "train/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLAB_BYTES = 64 << 20 };

typedef struct {
    const Comm *comm;
    Text checkpoint, plain;
    char *slab; ///< (SLAB_BYTES)
    int64_t bytes;
} Bench;

static void say(const Bench *b, const char *name, double seconds)
{
    int64_t longest_us = (int64_t)(1e6 * seconds);
    comm_max_int64(b->comm, &longest_us, 1);
    if (b->comm->rank == 0) printf("%s %.6f\n", name, 1e-6 * (double)longest_us);
}

/// All ranks begin together, and what other turns have written is not in the way.
static double begin(const Bench *b)
{
    comm_barrier(b->comm);
    return clock_now_s();
}

static Status make_plain(const Bench *b, bool reserve)
{
    Status status = OK;
    int file = open(b->plain.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || ftruncate(file, b->bytes)) FAIL(FAILED, "%s", strerror(errno));
    if (reserve) TRY(file_reserve(file, b->bytes, b->plain.data));
done:
    if (file >= 0) close(file);
    return status;
}

/// This rank's range of the shared file, slab after slab.
static Status transfer(const Bench *b, int flags, char *fresh)
{
    Status status = OK;
    const char *path = b->plain.data;
    int64_t first = b->bytes / b->comm->size * b->comm->rank;
    int64_t end = b->comm->rank + 1 == b->comm->size ? b->bytes : first + b->bytes / b->comm->size;
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0) FAIL(FAILED, "%s: %s", path, strerror(errno));
    for (int64_t at = first; at < end; at += SLAB_BYTES) {
        size_t bytes = (size_t)(end - at < SLAB_BYTES ? end - at : SLAB_BYTES);
        if (flags == O_WRONLY)
            TRY(file_write_at(file, at, b->slab, bytes, path));
        else
            TRY(file_read_at(fresh + (at - first), bytes, file, at, path));
    }
    if (flags == O_WRONLY) TRY(file_sync(file, path));
done:
    if (file >= 0) close(file);
    return status;
}

COLLECTIVE
static Status write_plain(const Bench *b, const char *name, bool reserved)
{
    Status status = OK;
    double start_s = 0;
    if (b->comm->rank == 0) unlink(b->plain.data);
    if (reserved) TRY_ROOT(b->comm, make_plain(b, true)); // agreed: the same on all ranks
    start_s = begin(b);
    if (!reserved) TRY_ROOT(b->comm, make_plain(b, false)); // agreed: the same on all ranks
    TRY_ALL(b->comm, transfer(b, O_WRONLY, NULL));
    say(b, name, clock_now_s() - start_s);
done:
    return status;
}

/// Into memory that is as fresh as that of a run which starts.
COLLECTIVE
static Status read_plain(const Bench *b)
{
    Status status = OK;
    char *fresh = MEM_NEW(char, b->bytes / b->comm->size + b->bytes % b->comm->size);
    double start_s = begin(b);
    TRY_ALL(b->comm, transfer(b, O_RDONLY, fresh));
    say(b, "read_plain", clock_now_s() - start_s);
done:
    mem_free(fresh);
    return status;
}

/// What a save syncs: a file on each rank, its end, its folder.
COLLECTIVE
static Status sync_plain(const Bench *b)
{
    Status status = OK;
    double start_s = begin(b);
    int file = open(b->plain.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    TRY_ALL(b->comm, file_sync(file, b->plain.data));
    TRY_ROOT(b->comm, file_sync(file, b->plain.data));
    TRY_ROOT(b->comm, file_sync_folder(b->plain.data));
    say(b, "syncs", clock_now_s() - start_s);
done:
    if (file >= 0) close(file);
    return status;
}

/// The checksums of what this rank writes, alone.
COLLECTIVE
static void sum_plain(const Bench *b, const Trainer *t)
{
    const float *const own[] = { t->optimizer.exp_avg, t->optimizer.exp_avg_sq, t->model->values };
    double start_s = begin(b);
    uint32_t sum = 0;
    int64_t piece = SLAB_BYTES / 64;
    for (int i = 0; i < 3; i++)
        for (int64_t at = 0; at < t->blocks.own_elements; at += piece) {
            int64_t left = t->blocks.own_elements - at, count = left < piece ? left : piece;
            sum ^= crc32c(0, own[i] + at, (size_t)count * sizeof(float));
        }
    say(b, sum ? "checksums" : "checksums_of_zeros", clock_now_s() - start_s);
}

static int64_t bytes_of(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : info.st_size;
}

COLLECTIVE
static Status save(Bench *b, Trainer *t)
{
    Status status = OK;
    if (b->comm->rank == 0) unlink(b->checkpoint.data);
    double start_s = begin(b);
    TRY(checkpoint_save(t));
    say(b, "save", clock_now_s() - start_s);
    b->bytes = bytes_of(b->checkpoint.data);
done:
    return status;
}

COLLECTIVE
static Status load(const Bench *b, Trainer *t)
{
    Status status = OK;
    Optimizer *o = &t->optimizer;
    mem_free(o->exp_avg); // memory as fresh as at a start
    mem_free(o->exp_avg_sq);
    o->exp_avg = MEM_NEW(float, t->blocks.own_elements);
    o->exp_avg_sq = MEM_NEW(float, t->blocks.own_elements);
    double start_s = begin(b);
    TRY(checkpoint_load(t, b->checkpoint.data));
    say(b, "load", clock_now_s() - start_s);
done:
    return status;
}

/// Moments as training leaves them; every rank owns others.
static void fill_moments(Trainer *t)
{
    uint32_t state = 1 + (uint32_t)t->comm->rank;
    for (int64_t i = 0; i < t->blocks.own_elements; i++) {
        state = state * 1664525 + 1013904223;
        t->optimizer.exp_avg[i] = (float)(int32_t)state * 1e-12F;
        t->optimizer.exp_avg_sq[i] = (float)state * 1e-15F;
    }
}

COLLECTIVE
static Status take_turns(Bench *b, Trainer *t, int pairs)
{
    Status status = OK;
    TRY(save(b, t)); // the first takes memory that later ones find
    if (b->comm->rank == 0) printf("bytes %lld\n", (long long)b->bytes);
    for (int i = 0; i < pairs; i++) {
        TRY(write_plain(b, "write_plain", false));
        TRY(save(b, t));
        TRY(write_plain(b, "write_reserved", true));
        TRY(read_plain(b));
        TRY(load(b, t));
        sum_plain(b, t);
        TRY(sync_plain(b));
        if (b->comm->rank == 0) unlink(b->plain.data);
    }
done:
    return status;
}

/// The median of `count` seconds, which are sorted.
static double median(double *seconds, int count)
{
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && seconds[k - 1] > seconds[k]; k--) {
            double larger = seconds[k - 1];
            seconds[k - 1] = seconds[k];
            seconds[k] = larger;
        }
    return seconds[count / 2];
}

/// A save while steps go on: what of it training waits for, and how long steps are until it is
/// written.
COLLECTIVE
static Status save_meanwhile(Bench *b, Trainer *t, int steps)
{
    Status status = OK;
    StepRecord step = { .writes = true };
    double *quiet = MEM_NEW(double, steps), *busy = MEM_NEW(double, steps), thread_s;
    int count = 0;
    for (int i = 0; i < steps; i++) {
        train_step(t, &step);
        quiet[i] = step.seconds;
    }
    double start_s = begin(b);
    TRY(checkpoint_start(t));
    double blocked_s = clock_now_s() - start_s;
    for (step.writes = true; step.writes && count < steps;) {
        train_step(t, &step);
        if (step.writes) busy[count++] = step.seconds; // all of it
    }
    start_s = clock_now_s();
    TRY(checkpoint_finish(t, OK, &thread_s));
    blocked_s += clock_now_s() - start_s;
    say(b, "blocked", blocked_s);
    say(b, "thread", thread_s);
    if (count) {
        say(b, "quiet_step", median(quiet, steps));
        say(b, "busy_step", median(busy, count));
    }
done:
    mem_free(quiet);
    mem_free(busy);
    return status;
}

COLLECTIVE
static Status train_on(Bench *b, Trainer *t, int pairs, int steps)
{
    Status status = OK;
    StepRecord step;
    ahead_take(t);
    for (int i = 0; i < 3; i++) train_step(t, &step);
    for (int i = 0; i < pairs; i++) {
        text_clear(&b->checkpoint);
        checkpoint_path(&b->checkpoint, t->recipe->output.folder, t->step);
        TRY(save(b, t));
        TRY(save_meanwhile(b, t, steps));
    }
done:
    return status;
}

COLLECTIVE
static Status run(const Comm *world, int pairs, int steps, char **words, int count)
{
    Status status = OK;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Trainer trainer = { 0 };
    Settings settings = { 0 };
    Bench b = { .comm = world, .slab = MEM_NEW(char, SLAB_BYTES) };
    memset(b.slab, 1, SLAB_BYTES);
    for (int i = 1; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (!value) continue;
        *value++ = '\0';
        settings_add(&settings, words[i], value, "the command line");
    }
    TRY(recipe_read(world, recipe, words[0], &settings));
    TRY(trainer_init(&trainer, world, recipe));
    fill_moments(&trainer);
    checkpoint_path(&b.checkpoint, recipe->output.folder, 0);
    text_printf(&b.plain, "%s/plain", recipe->output.folder);
    TRY_ROOT(world, file_make_folders(recipe->output.folder));
    TRY_ROOT(world, checkpoint_folder_open(recipe->output.folder));
    if (steps) // agreed: the same words on all ranks
        TRY(train_on(&b, &trainer, pairs, steps));
    else
        TRY(take_turns(&b, &trainer, pairs));
done:
    text_release(&b.checkpoint);
    text_release(&b.plain);
    mem_free(b.slab);
    settings_release(&settings);
    trainer_release(&trainer);
    mem_free(recipe);
    return status;
}

int main(int argc, char **argv)
{
    Comm world = comm_self();
    if (argc < 4) return USAGE;
    gemm_choose_core(argv);
    Status status = comm_start(&world);
    log_start(world.rank);
    gemm_start();
    platform_start();
    threads_start(&world);
    status = run(&world, atoi(argv[1]), atoi(argv[2]), argv + 3, argc - 3);
    if (status != OK && world.rank == 0) log_error("%s", status_message());
    comm_stop(&world);
    return (int)status;
}
