// Usage: mpirun -n RANKS bench_checkpoint PAIRS STEPS RECIPE [key=value ...]
//
// Checkpoints of a run against what the same ranks write and read of the same bytes without a
// format, in turn, for tests/bench/compare_checkpoint. Prints "name number" a line, seconds of the
// slowest rank; every turn has one line of each name. STEPS 0: no training. The recipe must set
// output.checkpoint_async=true.
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
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLAB_BYTES = 64 << 20, PIECE_BYTES = 1 << 20, PAGE_BYTES = 4096 };

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

/// All ranks begin together, when what other turns have written and removed is on the disk.
COLLECTIVE
static double begin_together(const Bench *b)
{
    if (b->comm->rank == 0) sync();
    comm_barrier(b->comm);
    return clock_now_s();
}

/// A new file in the place of the last one.
static Status make_plain(const Bench *b)
{
    Status status = OK;
    int file = open(b->plain.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 || ftruncate(file, b->bytes)) FAIL(FAILED, "%s", strerror(errno));
done:
    if (file >= 0) close(file);
    return status;
}

/// How a rank moves its range of the shared file.
typedef struct {
    const char *name;
    int flags;
    size_t bytes_at_once;
    bool sums; ///< each piece, as a checkpoint does
} Way;

static Status transfer(const Bench *b, const Way *way, char *fresh)
{
    Status status = OK;
    const char *path = b->plain.data;
    int64_t share = b->bytes / b->comm->size, first = share * b->comm->rank;
    int64_t end = b->comm->rank + 1 == b->comm->size ? b->bytes : first + share;
    static volatile uint32_t sum; // so that it is made
    int file = open(path, way->flags | O_CLOEXEC);
    if (file < 0) FAIL(FAILED, "%s: %s", path, strerror(errno));
    for (int64_t at = first; at < end;) {
        size_t bytes = way->bytes_at_once;
        if ((int64_t)bytes > end - at) bytes = (size_t)(end - at);
        char *data = fresh ? fresh + (at - first) : b->slab + (at - first) % SLAB_BYTES;
        if (way->sums) sum = sum + crc32c(0, data, bytes);
        TRY(fresh ? file_read_at(data, bytes, file, at, path)
                  : file_write_at(file, at, data, bytes, path));
        at += (int64_t)bytes;
    }
    if (!fresh) TRY(file_sync(file, path));
done:
    if (file >= 0) close(file);
    return status;
}

COLLECTIVE
static Status write_plain(const Bench *b, const Way *way)
{
    Status status = OK;
    if (b->comm->rank == 0) unlink(b->plain.data);
    double start_s = begin_together(b);
    TRY_ROOT(b->comm, make_plain(b));
    TRY_ALL(b->comm, transfer(b, way, NULL));
    say(b, way->name, clock_now_s() - start_s);
done:
    return status;
}

/// Out of the page cache, where it is not all that there is.
static void forget(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
}

/// Into memory that is as fresh as that of a run which starts.
COLLECTIVE
static Status read_plain(const Bench *b)
{
    Status status = OK;
    const Way way = { "read_plain", O_RDONLY, SLAB_BYTES, false };
    char *fresh = MEM_NEW(char, b->bytes / b->comm->size + b->comm->size);
    if (b->comm->rank == 0) forget(b->plain.data);
    double start_s = begin_together(b);
    TRY_ALL(b->comm, transfer(b, &way, fresh));
    say(b, way.name, clock_now_s() - start_s);
done:
    mem_free(fresh);
    return status;
}

static Status sync_page(const Bench *b, int file, int64_t page)
{
    Status status = OK;
    TRY(file_write_at(file, page * PAGE_BYTES, b->slab, PAGE_BYTES, b->plain.data));
    TRY(file_sync(file, b->plain.data));
done:
    return status;
}

/// What a save syncs: a file on each rank, its end, its folder after a rename.
COLLECTIVE
static Status sync_plain(const Bench *b)
{
    Status status = OK;
    Text renamed = { 0 };
    text_printf(&renamed, "%s.renamed", b->plain.data);
    double start_s = begin_together(b);
    int file = open(b->plain.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    TRY_ALL(b->comm, sync_page(b, file, b->comm->rank));
    TRY_ROOT(b->comm, sync_page(b, file, b->comm->size));
    if (b->comm->rank == 0) rename(b->plain.data, renamed.data);
    TRY_ROOT(b->comm, file_sync_folder(b->plain.data));
    say(b, "syncs", clock_now_s() - start_s);
    if (b->comm->rank == 0) unlink(renamed.data);
done:
    if (file >= 0) close(file);
    text_release(&renamed);
    return status;
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
    double start_s = begin_together(b);
    TRY(checkpoint_save(t));
    say(b, "save", clock_now_s() - start_s);
    b->bytes = bytes_of(b->checkpoint.data);
done:
    return status;
}

/// The payload of a save alone, as threads write it that nothing keeps from it.
COLLECTIVE
static Status save_payload(const Bench *b, Trainer *t)
{
    Status status = OK;
    double seconds;
    if (b->comm->rank == 0) unlink(b->checkpoint.data);
    begin_together(b);
    TRY(checkpoint_start(t));
    double start_s = clock_now_s();
    while (checkpoint_writes(t)) usleep(100);
    say(b, "payload", clock_now_s() - start_s);
    TRY(checkpoint_finish(t, OK, &seconds));
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
    if (b->comm->rank == 0) forget(b->checkpoint.data);
    double start_s = begin_together(b);
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
    const Way slabs = { "write_plain", O_WRONLY, SLAB_BYTES, false };
    const Way pieces = { "write_pieces", O_WRONLY, PIECE_BYTES, false };
    const Way summed = { "write_summed", O_WRONLY, PIECE_BYTES, true };
    TRY(save(b, t)); // the first takes memory that later ones find
    TRY(save_payload(b, t));
    if (b->comm->rank == 0) printf("bytes %lld\nwarm 0\n", (long long)b->bytes);
    for (int i = 0; i < pairs; i++) {
        TRY(write_plain(b, &slabs));
        TRY(save(b, t));
        TRY(save_payload(b, t));
        TRY(read_plain(b));
        TRY(load(b, t));
        TRY(write_plain(b, &pieces));
        TRY(write_plain(b, &summed));
        if (b->comm->rank == 0) unlink(b->plain.data);
        TRY(sync_plain(b));
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

/// A plain write in a thread, of what a rank of one writes.
typedef struct {
    const Bench *bench;
    const Async *async;
    Status status;
    atomic_bool done;
} PlainThread;

static void *write_in_thread(void *context)
{
    const Way slabs = { "plain", O_WRONLY, SLAB_BYTES, false };
    PlainThread *plain = context;
    async_take_place(plain->async);
    plain->status = transfer(plain->bench, &slabs, NULL);
    atomic_store(&plain->done, true);
    return NULL;
}

/// How long steps are while a plain write of the same bytes goes on beside them.
COLLECTIVE
static Status step_beside_plain(const Bench *b, Trainer *t, double *seconds, int steps)
{
    Status status = OK;
    StepRecord step;
    PlainThread plain = { .bench = b, .async = &t->async };
    pthread_t thread;
    int count = 0;
    if (b->comm->rank == 0) unlink(b->plain.data);
    begin_together(b);
    TRY_ROOT(b->comm, make_plain(b));
    bool runs = !pthread_create(&thread, NULL, write_in_thread, &plain);
    while (runs && count < steps && b->comm->size == 1) { // agreed: ranks would end at other steps
        train_step(t, &step);
        if (atomic_load(&plain.done)) break;
        seconds[count++] = step.seconds;
    }
    if (runs) pthread_join(thread, NULL);
    TRY_ALL(b->comm, plain.status);
    if (count) say(b, "beside_step", median(seconds, count));
done:
    return status;
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
    double start_s = begin_together(b);
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
    TRY(step_beside_plain(b, t, busy, steps));
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
