#include "train/threads.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/node.h"

#include <inttypes.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/// The kernel's identity: host names may repeat, and virtual nodes share the CPUs of one kernel.
static int64_t node_key(void)
{
    uint64_t key = 0;
    char text[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file || !fgets(text, sizeof text, file)) gethostname(text, sizeof text - 1);
    if (file) fclose(file);
    for (const char *c = text; *c; c++) key = key * 1099511628211U + (unsigned char)*c;
    return (int64_t)key;
}

/// With OMP_PROC_BIND this thread is bound to one place already: the mask is that of all places.
static void add_places(cpu_set_t *cpus)
{
    for (int place = 0; place < omp_get_num_places(); place++) {
        int count = omp_get_place_num_procs(place), *ids = MEM_NEW(int, count);
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++) CPU_SET((size_t)ids[i], cpus);
        mem_free(ids);
    }
}

static Placement place_here(void)
{
    Placement here = { .node = node_key() };
    gethostname(here.host, sizeof here.host - 1);
    if (sched_getaffinity(0, sizeof here.cpus, &here.cpus)) { // more CPUs than a cpu_set_t holds
        CPU_ZERO(&here.cpus);
        for (int cpu = 0; cpu < get_nprocs() && cpu < CPU_SETSIZE; cpu++)
            CPU_SET((size_t)cpu, &here.cpus);
    }
    add_places(&here.cpus);
    return here;
}

void placements_gather(const Comm *comm, Placement **all)
{
    Placement here = place_here();
    int64_t *counts_bytes = MEM_NEW(int64_t, comm->size);
    for (int rank = 0; rank < comm->size; rank++) counts_bytes[rank] = sizeof here;
    *all = MEM_NEW(Placement, comm->size);
    comm_gather_all(comm, *all, &here, counts_bytes);
    mem_free(counts_bytes);
}

int placements_threads(const Placement *all, int count, int rank)
{
    double share = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int users = 0;
        if (!CPU_ISSET(cpu, &all[rank].cpus)) continue;
        for (int i = 0; i < count; i++)
            users += all[i].node == all[rank].node && CPU_ISSET(cpu, &all[i].cpus);
        share += 1.0 / users;
    }
    return share < 1 ? 1 : (int)(share + 1e-6); // 3 x 1/3 is a whole CPU
}

void placement_cpus(Text *out, const cpu_set_t *cpus)
{
    const char *comma = "";
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, cpus)) continue;
        size_t last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus)) last++;
        text_printf(out, "%s%zu", comma, cpu);
        if (last > cpu) text_printf(out, "-%zu", last);
        comma = ",";
        cpu = last;
    }
}

int placements_on_node(const Placement *all, int count, int rank, int *first)
{
    int ranks = 0;
    *first = -1;
    for (int i = 0; i < count; i++) {
        if (all[i].node != all[rank].node) continue;
        if (*first < 0) *first = i;
        ranks++;
    }
    return ranks;
}

bool placements_share(const Placement *all, int count, int *one, int *other)
{
    for (int a = 0; a < count; a++)
        for (int b = 0; b < a; b++) {
            cpu_set_t both;
            CPU_AND(&both, &all[a].cpus, &all[b].cpus);
            if (all[a].node != all[b].node || !CPU_COUNT(&both)) continue;
            *one = b;
            *other = a;
            return true;
        }
    return false;
}

static void append_range(Text *out, const char *what, int64_t least, int64_t most)
{
    text_printf(out, "%s%" PRId64, what, least);
    if (most > least) text_printf(out, " to %" PRId64, most);
}

static void append_trouble(Text *out, const Placement *all, const int64_t *threads, int count)
{
    int one, other, rank = 0;
    while (rank < count && threads[rank] <= CPU_COUNT(&all[rank].cpus)) rank++;
    if (rank < count)
        text_printf(out,
                    "rank %d has %" PRId64 " threads but may use %d of the CPUs of %s: give "
                    "--cpus-per-task to srun, which does not take it from sbatch, or lower "
                    "OMP_NUM_THREADS\n",
                    rank, threads[rank], CPU_COUNT(&all[rank].cpus), all[rank].host);
    if (placements_share(all, count, &one, &other))
        text_printf(out,
                    "ranks %d and %d have CPUs of %s in common: give --cpus-per-task and "
                    "--cpu-bind=cores to srun\n",
                    one, other, all[one].host);
}

void placements_describe(Text *out, Text *trouble, const Placement *all, const int64_t *threads,
                         int count)
{
    int64_t nodes = 0, ranks[2] = { INT64_MAX, 0 }, cpus[2] = { INT64_MAX, 0 };
    int64_t used[2] = { INT64_MAX, 0 };
    for (int rank = 0; rank < count; rank++) {
        int first;
        int64_t here[] = { placements_on_node(all, count, rank, &first), CPU_COUNT(&all[rank].cpus),
                           threads[rank] };
        int64_t *ranges[] = { ranks, cpus, used };
        nodes += first == rank;
        for (int i = 0; i < 3; i++) {
            if (here[i] < ranges[i][0]) ranges[i][0] = here[i];
            if (here[i] > ranges[i][1]) ranges[i][1] = here[i];
        }
    }
    append_range(out, "nodes ", nodes, nodes);
    append_range(out, ", ranks on each ", ranks[0], ranks[1]);
    append_range(out, ", CPUs of a rank ", cpus[0], cpus[1]);
    append_range(out, ", threads of a rank ", used[0], used[1]);
    append_trouble(trouble, all, threads, count);
}

void threads_announce(const Comm *comm)
{
    Placement *all = NULL;
    int64_t *threads = MEM_NEW(int64_t, comm->size);
    Text facts = { 0 }, trouble = { 0 };
    placements_gather(comm, &all);
    comm_gather_int64(comm, threads, threads_count());
    if (comm->rank == 0 && getenv("SLURM_JOB_ID")) {
        placements_describe(&facts, &trouble, all, threads, comm->size);
        log_info("%s", facts.data);
        char *rest = trouble.data;
        for (char *line; (line = strsep(&rest, "\n")) && *line;) log_warn("%s", line);
    }
    if (comm->node && comm->node->dealt)
        log_warn("ranks are dealt around the nodes, not in runs: they share no memory, each keeps "
                 "its own copy of the weights, and groups of the grid cross nodes: %s",
                 NODE_RUNS);
    text_release(&trouble);
    text_release(&facts);
    mem_free(threads);
    mem_free(all);
}

void threads_start(const Comm *comm)
{
    const char *wanted = getenv("OMP_NUM_THREADS");
    Placement *all = NULL;
    placements_gather(comm, &all);
    if (!wanted || !*wanted) omp_set_num_threads(placements_threads(all, comm->size, comm->rank));
    mem_free(all);
}

int threads_count(void)
{
    return omp_get_max_threads();
}
