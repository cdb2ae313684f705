#include "train/async.h"
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

bool async_choose(Async *out, const Comm *comm, const char *wanted, bool fits)
{
    *out = (Async){ 0 };
    bool spare = find_spare(&out->cpus, comm);
    if (strcmp(wanted, "auto")) return !strcmp(wanted, "true");
    int64_t against = !spare || !fits;
    comm_max_int64(comm, &against, 1);
    return !against;
}

void async_reserve(Async *async, int64_t own_elements)
{
    arena_init(&async->memory, 3 * (size_t)own_elements * sizeof(float) + 64);
    async->copy = arena_take(&async->memory, 3 * (size_t)own_elements * sizeof(float));
    madvise(async->copy, async->memory.capacity_bytes, MADV_HUGEPAGE); // fewer faults, once
}

static void join_closer(Async *async)
{
    if (async->closes) pthread_join(async->closer, NULL);
    async->closes = false;
}

static void *close_file(void *file)
{
    tensors_close(file);
    return NULL;
}

void async_close(void *context, TensorFile *file)
{
    Async *async = context;
    join_closer(async);
    if (async->copy) async->closes = !pthread_create(&async->closer, NULL, close_file, file);
    if (!async->closes) tensors_close(file);
}

void async_release(Async *async)
{
    join_closer(async);
    arena_release(&async->memory);
    async->copy = NULL;
}

void async_take_place(const Async *async)
{
    if (CPU_COUNT(&async->cpus)) sched_setaffinity(0, sizeof async->cpus, &async->cpus);
}
