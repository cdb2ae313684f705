#include "base/fault.h"
#include "base/mem.h"
#include "base/memory_left.h"
#include "base/text.h"
#include "cli/doctor.h"
#include "comm/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

void doctor_launcher(Doctor *doctor)
{
    const char *tasks = getenv("SLURM_NTASKS");
    int ranks = doctor->world->size;
    Text value = { 0 };
    text_printf(&value, "%d rank%s", ranks, ranks == 1 ? "" : "s");
    // a launcher that MPI did not reach was refused at start
    if (ranks == 1 && tasks && atoi(tasks) > 1) {
        text_printf(&value, ", but the Slurm job has %s tasks", tasks);
        doctor_say(doctor, DOCTOR_WARN, "launcher", value.data, "start it with srun or mpirun");
    } else {
        text_append(&value, ranks == 1 ? " (a launcher starts more)" : ", all seen by MPI");
        doctor_say(doctor, DOCTOR_OK, "launcher", value.data, "");
    }
    text_release(&value);
}

void doctor_nodes(Doctor *doctor)
{
    int nodes = 0, least = doctor->world->size, most = 0;
    for (int rank = 0; rank < doctor->world->size; rank++) {
        int first, count = placements_on_node(doctor->places, doctor->world->size, rank, &first);
        if (first != rank) continue;
        nodes++;
        if (count < least) least = count;
        if (count > most) most = count;
    }
    Text value = { 0 };
    text_printf(&value, "%d, ranks on each: ", nodes);
    text_printf(&value, least == most ? "%d" : "%d to %d", least, most);
    const Node *node = doctor->world->node;
    if (node && node->island_count > 1 && node->island_count < node->count)
        text_printf(&value, ", in %d islands of Slurm's topology", node->island_count);
    bool dealt = node && node->dealt;
    if (dealt) text_append(&value, ", dealt around them: none shares memory with another");
    doctor_say(doctor, least == most && !dealt ? DOCTOR_OK : DOCTOR_WARN, "nodes", value.data,
               dealt ? NODE_RUNS
                     : "give every node the same number of ranks (--ntasks-per-node, --map-by "
                       "ppr:n:node)");
    text_release(&value);
}

/// The CPUs of all ranks on the node of `rank`.
static cpu_set_t node_set(const Doctor *doctor, int rank)
{
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int i = 0; i < doctor->world->size; i++)
        if (doctor->places[i].node == doctor->places[rank].node)
            CPU_OR(&all, &all, &doctor->places[i].cpus);
    return all;
}

static int node_cpus(const Doctor *doctor, int rank)
{
    cpu_set_t all = node_set(doctor, rank);
    return CPU_COUNT(&all);
}

/// The first hardware thread of a CPU's core; the CPU itself where the kernel does not tell.
static size_t core_of(size_t cpu)
{
    size_t first = cpu;
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/thread_siblings_list",
             cpu);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%zu", &first) != 1) first = cpu;
    if (file) fclose(file);
    if (fault_at("cores-of-two")) first = cpu - cpu % 2;
    return first < CPU_SETSIZE ? first : cpu;
}

/// Cores that the ranks of this node have a hardware thread of.
static int own_cores(const Doctor *doctor)
{
    cpu_set_t cpus = node_set(doctor, doctor->world->rank), cores;
    CPU_ZERO(&cores);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &cpus)) CPU_SET(core_of(cpu), &cores);
    return CPU_COUNT(&cores);
}

/// The CPUs that this process could have: the kernel cuts a mask of all to the job's.
static int allowed_cpus(void)
{
    cpu_set_t before, all, allowed;
    CPU_ZERO(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, &all);
    if (sched_getaffinity(0, sizeof before, &before)) return 0;
    allowed = before;
    if (!sched_setaffinity(0, sizeof all, &all)) sched_getaffinity(0, sizeof allowed, &allowed);
    sched_setaffinity(0, sizeof before, &before);
    return CPU_COUNT(&allowed);
}

void doctor_cpus(Doctor *doctor)
{
    enum { LISTED = 8 };
    int ranks = doctor->world->size, one, other;
    bool shared = placements_share(doctor->places, ranks, &one, &other);
    Text value = { 0 };
    for (int rank = 0; rank < ranks && rank < LISTED; rank++) {
        const Placement *place = &doctor->places[rank];
        text_printf(&value, "%srank %d: ", rank ? "; " : "", rank);
        placement_cpus(&value, &place->cpus);
        if (place->node != doctor->places[0].node) text_printf(&value, " of %s", place->host);
    }
    if (ranks > LISTED) text_append(&value, "; ...");
    int64_t idle = allowed_cpus() - node_cpus(doctor, doctor->world->rank);
    comm_max_int64(doctor->world, &idle, 1);
    if (idle > 0) text_printf(&value, "; CPUs unused on a node: %" PRId64, idle);
    const char *remedy = shared
                             ? "give each rank its own CPUs: mpirun --map-by slot:PE=n --bind-to "
                               "core, or srun --cpus-per-task=n"
                             : "more ranks, or more CPUs a rank: mpirun --bind-to none or "
                               "--map-by slot:PE=n, or srun --cpus-per-task=n";
    doctor_say(doctor, shared || idle > 0 ? DOCTOR_WARN : DOCTOR_OK, "cpus", value.data, remedy);
    text_release(&value);
}

void doctor_threads(Doctor *doctor)
{
    int ranks = doctor->world->size;
    int64_t *threads = MEM_NEW(int64_t, ranks), least = INT64_MAX, most = 0, excess = 0;
    int64_t paired = -own_cores(doctor);
    comm_gather_int64(doctor->world, threads, threads_count());
    for (int rank = 0; rank < ranks; rank++) {
        int64_t on_node = 0;
        for (int i = 0; i < ranks; i++)
            if (doctor->places[i].node == doctor->places[rank].node) on_node += threads[i];
        if (rank == doctor->world->rank) paired += on_node;
        if (on_node - node_cpus(doctor, rank) > excess) excess = on_node - node_cpus(doctor, rank);
        if (threads[rank] < least) least = threads[rank];
        if (threads[rank] > most) most = threads[rank];
    }
    comm_max_int64(doctor->world, &paired, 1);
    Text value = { 0 };
    text_printf(&value, least == most ? "%" PRId64 " a rank" : "%" PRId64 " to %" PRId64 " a rank",
                least, most);
    if (excess > 0)
        text_printf(&value, ", %" PRId64 " more than CPUs on a node", excess);
    else if (paired > 0)
        text_printf(&value, ", %" PRId64 " more than cores on a node", paired);
    else if (least != most)
        text_append(&value, ", so that some ranks wait");
    bool well = excess <= 0 && paired <= 0 && least == most;
    doctor_say(doctor, well ? DOCTOR_OK : DOCTOR_WARN, "threads", value.data,
               excess > 0   ? "unset OMP_NUM_THREADS or lower it"
               : paired > 0 ? "one thread a core: hardware threads of a core share its units "
                              "(OMP_NUM_THREADS, srun --hint=nomultithread)"
                            : "give every rank as many CPUs, or set OMP_NUM_THREADS");
    text_release(&value);
    mem_free(threads);
}

void doctor_shared_memory(Doctor *doctor)
{
    enum { RANK_MEGABYTES = 64 }; // Open MPI's segments, with room
    struct statvfs info;
    int first, count = placements_on_node(doctor->places, doctor->world->size, doctor->world->rank,
                                          &first);
    int64_t free_megabytes = 0, short_megabytes;
    if (!statvfs("/dev/shm", &info))
        free_megabytes = (int64_t)(info.f_bavail * info.f_frsize / 1000000);
    short_megabytes = (int64_t)RANK_MEGABYTES * count - free_megabytes;
    int64_t worst[2] = { short_megabytes, -free_megabytes };
    comm_max_int64(doctor->world, worst, 2);
    Text value = { 0 };
    text_printf(&value, "%" PRId64 " MB free in /dev/shm", -worst[1]);
    doctor_say(doctor, worst[0] > 0 ? DOCTOR_WARN : DOCTOR_OK, "shared memory", value.data,
               "make /dev/shm larger (docker run --shm-size=1g) or clear it: ranks of a node talk "
               "through it");
    text_release(&value);
}

void doctor_memory(Doctor *doctor)
{
    static const double RANK_BYTES = 0.25e9; // a small model, its gradients and its state
    int first, count = placements_on_node(doctor->places, doctor->world->size, doctor->world->rank,
                                          &first);
    double left = memory_left_bytes();
    int64_t worst[2] = { (int64_t)(count * RANK_BYTES - left), -(int64_t)left };
    comm_max_int64(doctor->world, worst, 2);
    Text value = { 0 };
    text_printf(&value, "%.2f GB left on a node", (double)-worst[1] / 1e9);
    doctor_say(
        doctor, worst[0] > 0 ? DOCTOR_WARN : DOCTOR_OK, "memory", value.data,
        "ask for more (sbatch --mem), or start fewer ranks on a node: temper plan tells what "
        "a run takes");
    text_release(&value);
}
