#include "comm/comm.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/handle.h"
#include "comm/node.h"
#include "comm/probe.h"
#include "comm/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t comm_piece_bytes = (size_t)1 << 30;

int comm_piece(size_t bytes, size_t at)
{
    return (int)(bytes - at < comm_piece_bytes ? bytes - at : comm_piece_bytes);
}

static void abort_job(void)
{
    MPI_Abort(MPI_COMM_WORLD, FAILED);
}

#ifdef OPEN_MPI
enum { IS_OPEN_MPI = 1 };
#else
enum { IS_OPEN_MPI = 0 };
#endif

/// Open MPI's settings that this program wants, unless the user set them.
static void set_defaults(void)
{
    if (!IS_OPEN_MPI || probe_launcher_rank() >= 0) return;
    // a program without a launcher needs no daemon beside it
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    session_start();
}

static int launched_tasks(void)
{
    static const char *const names[] = { "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE",
                                         "PMI_SIZE" };
    int most = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && atoi(value) > most) most = atoi(value);
    }
    return most;
}

static int world_size;

Status comm_start(Comm *world)
{
    int granted;
    set_defaults();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &granted);
    status_on_abort(abort_job);
    *world = (Comm){ .handle = comm_handle(MPI_COMM_WORLD) };
    MPI_Comm_rank(MPI_COMM_WORLD, &world->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world->size);
    world_size = world->size;
    if (world->size == 1 && launched_tasks() > 1)
        return status_fail(
            USAGE,
            "the launcher started %d tasks but MPI sees only one: %s was not reached "
            "by the launcher; try its own mpirun, or 'srun --mpi=pmix' (MPICH: pmi2)",
            launched_tasks(), comm_library_name());
    node_start(world);
    return OK;
}

/// (2 x ranks of the world) kept from call to call, so that steps allocate nothing.
static int *gather_counts;
/// Likewise: values of all ranks, to be summed.
static struct {
    double *values;
    int64_t capacity;
} summands;

void comm_stop(Comm *world)
{
    if (!world->handle) return;
    node_stop(world);
    if (gather_counts) MPI_Free_mem(gather_counts);
    gather_counts = NULL;
    if (summands.values) MPI_Free_mem(summands.values);
    summands.values = NULL;
    summands.capacity = 0;
    status_on_abort(NULL);
    MPI_Finalize();
    session_end();
    *world = comm_self();
}

Comm comm_self(void)
{
    return (Comm){ .rank = 0, .size = 1, .handle = NULL };
}

Comm comm_split(const Comm *comm, int color)
{
    if (!comm->handle) return comm_self();
    MPI_Comm part;
    Comm out = { 0 };
    PULSE_WAIT(
        MPI_Comm_split(mpi_comm(comm), color < 0 ? MPI_UNDEFINED : color, comm->rank, &part));
    if (part == MPI_COMM_NULL) return out;
    out.handle = comm_handle(part);
    MPI_Comm_rank(part, &out.rank);
    MPI_Comm_size(part, &out.size);
    return out;
}

int comm_fortran_handle(const Comm *comm)
{
    return (int)MPI_Comm_c2f(mpi_comm(comm));
}

void comm_release(Comm *part)
{
    if (part->handle) {
        MPI_Comm comm = mpi_comm(part);
        PULSE_WAIT(MPI_Comm_free(&comm));
    }
    *part = (Comm){ 0 };
}

void comm_barrier(const Comm *comm)
{
    if (comm->size > 1) PULSE_WAIT(MPI_Barrier(mpi_comm(comm)));
}

void comm_progress(const Comm *comm)
{
    int is_there;
    if (comm->size > 1)
        MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, mpi_comm(comm), &is_there, MPI_STATUS_IGNORE);
}

void comm_broadcast(const Comm *comm, void *data, size_t bytes, int root)
{
    if (comm->size == 1) return;
    for (size_t at = 0; at < bytes; at += comm_piece_bytes)
        PULSE_WAIT(
            MPI_Bcast((char *)data + at, comm_piece(bytes, at), MPI_BYTE, root, mpi_comm(comm)));
}

void comm_broadcast_text(const Comm *comm, char **text, int root)
{
    if (comm->size == 1) return;
    uint64_t bytes = comm->rank == root ? strlen(*text) + 1 : 0;
    comm_broadcast(comm, &bytes, sizeof bytes, root);
    if (comm->rank != root) *text = mem_new(bytes, 1);
    comm_broadcast(comm, *text, bytes, root);
}

static void reduce(const Comm *comm, void *values, int count, MPI_Datatype type, MPI_Op op)
{
    if (comm->size > 1)
        PULSE_WAIT(MPI_Allreduce(MPI_IN_PLACE, values, count, type, op, mpi_comm(comm)));
}

void comm_sum_int64(const Comm *comm, int64_t *values, int count)
{
    reduce(comm, values, count, MPI_INT64_T, MPI_SUM);
}

void comm_sum_doubles(const Comm *comm, double *values, int count)
{
    int64_t all = (int64_t)count * comm->size;
    if (comm->size == 1) return;
    if (all > summands.capacity) {
        if (summands.values) MPI_Free_mem(summands.values);
        MPI_Alloc_mem(all * (MPI_Aint)sizeof(double), MPI_INFO_NULL, &summands.values);
        summands.capacity = all;
    }
    PULSE_WAIT(MPI_Allgather(values, count, MPI_DOUBLE, summands.values, count, MPI_DOUBLE,
                             mpi_comm(comm)));
    memset(values, 0, (size_t)count * sizeof *values);
    for (int rank = 0; rank < comm->size; rank++)
        for (int i = 0; i < count; i++) values[i] += summands.values[(int64_t)rank * count + i];
}

void comm_max_int64(const Comm *comm, int64_t *values, int count)
{
    reduce(comm, values, count, MPI_INT64_T, MPI_MAX);
}

int64_t comm_offset(const Comm *comm, int64_t value)
{
    int64_t sum = value;
    if (comm->size == 1) return 0;
    PULSE_WAIT(MPI_Scan(&value, &sum, 1, MPI_INT64_T, MPI_SUM, mpi_comm(comm)));
    return sum - value;
}

/// One call where MPI's int counts allow it. `mine` may be MPI_IN_PLACE, on all ranks.
static void gather_small(const Comm *comm, void *all, const void *mine, const int64_t *counts_bytes)
{
    MPI_Aint bytes = 2 * world_size * (MPI_Aint)sizeof(int);
    if (!gather_counts) MPI_Alloc_mem(bytes, MPI_INFO_NULL, &gather_counts);
    int *counts = gather_counts, *places = counts + comm->size;
    for (int rank = 0, at = 0; rank < comm->size; rank++) {
        counts[rank] = (int)counts_bytes[rank];
        places[rank] = at;
        at += counts[rank];
    }
    PULSE_WAIT(MPI_Allgatherv(mine, counts[comm->rank], MPI_BYTE, all, counts, places, MPI_BYTE,
                              mpi_comm(comm)));
}

static int64_t sum_counts(const int64_t *counts, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++) sum += counts[i];
    return sum;
}

void comm_gather_all(const Comm *comm, void *all, const void *mine, const int64_t *counts_bytes)
{
    int64_t own = counts_bytes[comm->rank], at = sum_counts(counts_bytes, comm->rank);
    CHECK(mine || !own, "%lld bytes without an address", (long long)own);
    if (comm->size > 1 && sum_counts(counts_bytes, comm->size) <= (int64_t)comm_piece_bytes) {
        gather_small(comm, all, mine, counts_bytes);
        return;
    }
    if (own) memcpy((char *)all + at, mine, (size_t)own);
    comm_gather_in_place(comm, all, counts_bytes);
}

void comm_gather_in_place(const Comm *comm, void *all, const int64_t *counts_bytes)
{
    if (comm->size == 1) return;
    if (sum_counts(counts_bytes, comm->size) <= (int64_t)comm_piece_bytes) {
        gather_small(comm, all, MPI_IN_PLACE, counts_bytes);
        return;
    }
    char *place = all;
    for (int rank = 0; rank < comm->size; place += counts_bytes[rank++])
        comm_broadcast(comm, place, (size_t)counts_bytes[rank], rank);
}

void comm_gather_int64(const Comm *comm, int64_t *all, int64_t mine)
{
    if (comm->size == 1)
        all[0] = mine;
    else
        PULSE_WAIT(MPI_Allgather(&mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, mpi_comm(comm)));
}

void comm_gather_root(const Comm *comm, char **all, size_t *all_bytes, const void *mine,
                      size_t mine_bytes)
{
    int64_t *counts = MEM_NEW(int64_t, comm->size);
    comm_gather_int64(comm, counts, (int64_t)mine_bytes);
    size_t total = 0;
    for (int rank = 0; rank < comm->size; rank++) total += (size_t)counts[rank];
    *all = NULL;
    *all_bytes = comm->rank ? 0 : total;
    if (comm->rank) {
        for (size_t at = 0; at < mine_bytes; at += comm_piece_bytes)
            PULSE_WAIT(MPI_Send((const char *)mine + at, comm_piece(mine_bytes, at), MPI_BYTE, 0, 0,
                                mpi_comm(comm)));
    } else {
        *all = mem_new(total + 1, 1);
        if (mine_bytes) memcpy(*all, mine, mine_bytes);
        size_t place = mine_bytes;
        for (int rank = 1; rank < comm->size; rank++) {
            size_t bytes = (size_t)counts[rank];
            for (size_t at = 0; at < bytes; at += comm_piece_bytes)
                PULSE_WAIT(MPI_Recv(*all + place + at, comm_piece(bytes, at), MPI_BYTE, rank, 0,
                                    mpi_comm(comm), MPI_STATUS_IGNORE));
            place += bytes;
        }
    }
    mem_free(counts);
}

const char *comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    return text;
}

const char *comm_library_name(void)
{
    static char name[64];
    size_t length = 0;
    // MPICH sets its words apart by tabs
    for (const char *at = comm_library(); *at && !strchr(",\n", *at); at++)
        if (length + 1 < sizeof name && !(strchr(" \t", *at) && strchr(" \t", at[1])))
            name[length++] = *at == '\t' ? ' ' : *at;
    name[length] = '\0';
    return name;
}
