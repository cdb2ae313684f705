#include "train/async.h"
#include "train/method.h"
#include "train/threads.h"

#include <string.h>
#include <sys/mman.h>

/// The CPUs of this rank's node; true if they are more than its ranks' threads.
COLLECTIVE
static bool find_spare(cpu_set_t *cpus, const Comm *comm)
{
    Placement *all = NULL;
    int64_t *threads = MEM_NEW(int64_t, comm->size), used = 0;
    placements_gather(comm, &all);
    comm_gather_int64(comm, threads, threads_count());
    CPU_ZERO(cpus);
    for (int rank = 0; rank < comm->size; rank++) {
        if (all[rank].node != all[comm->rank].node) continue;
        CPU_OR(cpus, cpus, &all[rank].cpus);
        used += threads[rank];
    }
    mem_free(threads);
    mem_free(all);
    return CPU_COUNT(cpus) > used;
}

bool async_has_use(const Recipe *recipe, const Dataset *data)
{
    int64_t *rows, count = dataset_split_rows(data, SPLIT_VALIDATION, &rows);
    mem_free(rows);
    return !method_find(recipe->train.method)->once && (recipe->output.save_steps || count);
}

bool async_choose(Async *out, const Comm *comm, const char *wanted, bool fits)
{
    *out = (Async){ 0 };
    bool spare = find_spare(&out->cpus, comm);
    if (strcmp(wanted, "auto")) return !strcmp(wanted, "true");
    int64_t against = !spare || !fits;
    comm_max_int64(comm, &against, 1);
    return !against;
}

static void wait_for_chore(Async *async)
{
    if (async->has_chore) pthread_join(async->chore, NULL);
    async->has_chore = false;
}

/// False: there is no thread for it.
static bool start_chore(Async *async, void *(*chore)(void *), void *context)
{
    wait_for_chore(async);
    return async->has_chore = !pthread_create(&async->chore, NULL, chore, context);
}

/// The first write to a page takes longer than many copies into it.
static void *touch_pages(void *context)
{
    const Async *async = context;
    async_take_place(async);
    memset(async->copy, 0, async->memory.used_bytes);
    return NULL;
}

void async_reserve(Async *async, const Optimizer *o)
{
    size_t bytes = 3 * (size_t)o->blocks->own_elements * sizeof(float);
    arena_init(&async->memory, bytes + 64);
    async->copy = arena_take(&async->memory, bytes);
    madvise(async->copy, async->memory.capacity_bytes, MADV_HUGEPAGE);
    late_init(&async->late, o->model, o->blocks, o->comm->size);
    start_chore(async, touch_pages, async);
}

static AdamState state_of_copy(const Async *async)
{
    int64_t own = async->late.blocks->own_elements;
    return (AdamState){ async->copy, async->copy + own, async->copy + 2 * own };
}

void async_copy(Async *async, const Optimizer *o)
{
    const Blocks *blocks = o->blocks;
    AdamState copy = state_of_copy(async);
    wait_for_chore(async);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < blocks->segment_count; i++) {
        const Segment *s = &blocks->segments[i];
        size_t bytes = (size_t)s->count * sizeof(float);
        memcpy(copy.values + s->at, o->model->values + s->first, bytes);
        memcpy(copy.exp_avg + s->at, o->exp_avg + s->at, bytes);
        memcpy(copy.exp_avg_sq + s->at, o->exp_avg_sq + s->at, bytes);
    }
    late_copy(&async->late, &o->late);
}

void async_catch_up(Async *async)
{
    AdamState copy = state_of_copy(async);
    late_catch_up_all(&async->late, &copy);
}

static void *close_file(void *file)
{
    tensors_close(file);
    return NULL;
}

void async_close(void *context, TensorFile *file)
{
    Async *async = context;
    if (!async->copy || !start_chore(async, close_file, file)) tensors_close(file);
}

void async_release(Async *async)
{
    wait_for_chore(async);
    if (async->copy) late_release(&async->late);
    arena_release(&async->memory);
    async->copy = NULL;
}

void async_take_place(const Async *async)
{
    if (CPU_COUNT(&async->cpus)) sched_setaffinity(0, sizeof async->cpus, &async->cpus);
}
