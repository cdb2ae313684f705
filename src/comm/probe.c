#include "comm/probe.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/handle.h"

#include <stdlib.h>
#include <string.h>

int probe_launcher_rank(void)
{
    // mpirun inside an srun step: the inner launcher counts
    static const char *const names[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                         "SLURM_PROCID" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        // a batch script is a task of the job, but of no step: nobody launched what it starts
        bool is_batch = !strcmp(names[i], "SLURM_PROCID") && !getenv("SLURM_STEP_ID");
        if (value && !is_batch) return atoi(value);
    }
    return -1;
}

/// Collective over ranks 0 and `peer`. Seconds of one round trip.
static double round_trip_s(const Comm *comm, int peer, char *data, int bytes)
{
    int other = comm->rank ? 0 : peer;
    double start_s = clock_now_s();
    if (comm->rank == 0) PULSE_WAIT(MPI_Send(data, bytes, MPI_BYTE, other, 0, mpi_comm(comm)));
    PULSE_WAIT(MPI_Recv(data, bytes, MPI_BYTE, other, 0, mpi_comm(comm), MPI_STATUS_IGNORE));
    if (comm->rank) PULSE_WAIT(MPI_Send(data, bytes, MPI_BYTE, other, 0, mpi_comm(comm)));
    return clock_now_s() - start_s;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/// Collective over ranks 0 and `peer`. The median of `count` round trips.
static double median_s(const Comm *comm, int peer, char *data, int bytes, int count)
{
    double *taken_s = MEM_NEW(double, count);
    for (int i = 0; i < count; i++) taken_s[i] = round_trip_s(comm, peer, data, bytes);
    qsort(taken_s, (size_t)count, sizeof *taken_s, ascending);
    double median = taken_s[count / 2];
    mem_free(taken_s);
    return median;
}

Link probe_link(const Comm *comm, int peer)
{
    Link link = { 0 };
    if (comm->rank == 0 || comm->rank == peer) {
        char *data = MEM_NEW(char, PROBE_BYTES);
        round_trip_s(comm, peer, data, PROBE_BYTES); // the first one sets up the connection
        link.latency_s = median_s(comm, peer, data, 8, 201) / 2;
        link.bandwidth_bytes_s = PROBE_BYTES / (median_s(comm, peer, data, PROBE_BYTES, 9) / 2);
        mem_free(data);
    }
    comm_broadcast(comm, &link, sizeof link, 0);
    return link;
}
