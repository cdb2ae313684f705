#include "train/threads.h"
#include "base/mem.h"

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

bool placement_leads(const Placement *all, int rank)
{
    for (int i = 0; i < rank; i++)
        if (all[i].node == all[rank].node) return false;
    return true;
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
