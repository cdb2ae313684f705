#include "sim/cost.h"
#include "comm/node.h"
#include "linalg/vecmath.h"
#include "sim/wire.h"
#include "train/touched.h"

#include <mpi.h>
#include <smpi/smpi.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// CPU time of a call, as of a network whose hardware moves the bytes
static const double send_s = 0.5e-6, receive_s = 0.3e-6, test_s = 0.2e-6;
static const double least_delay_s = 20e-6; // a shorter one is not worth an event

enum { FOLD_BYTES = 16 << 20 };
static const size_t most_of_a_message_bytes = (size_t)2 << 30;

static char *fold;   ///< NULL: nothing is folded
static char *shared; ///< what MPI gets in the place of folded memory: it copies nothing there
static size_t fold_bytes;
static int ranks_here = 1;
static double owed_s;
static bool compute_is_free;
static Cost cost;

static void pay(void)
{
    if (owed_s > 0) smpi_execute_benched(owed_s);
    owed_s = 0;
}

static void spend(double seconds)
{
    owed_s += seconds;
    if (owed_s >= least_delay_s) pay();
}

void cost_compute(double node_s)
{
    double seconds = node_s * ranks_here;
    if (compute_is_free) return;
    cost.compute_s += seconds;
    spend(seconds);
}

void cost_compute_free(bool is_free)
{
    compute_is_free = is_free;
}

void cost_start(void)
{
    cost = (Cost){ 0 };
}

Cost cost_so_far(void)
{
    return cost;
}

double cost_now_s(void)
{
    pay();
    return MPI_Wtime();
}

/// Address space of which all parts are the same pages.
static char *map_fold(size_t bytes)
{
    int file = memfd_create("fold", 0);
    CHECK(file >= 0 && !ftruncate(file, FOLD_BYTES), "no memory file");
    char *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(base != MAP_FAILED, "no %zu bytes of address space", bytes);
    for (size_t at = 0; at < bytes; at += FOLD_BYTES) {
        size_t piece = bytes - at < FOLD_BYTES ? bytes - at : FOLD_BYTES;
        void *part =
            mmap(base + at, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
        CHECK(part != MAP_FAILED, "cannot map %zu bytes", piece);
    }
    close(file);
    return base;
}

void cost_fold(const Comm *comm, size_t largest_bytes)
{
    // the ranks are threads of one process: an address is valid for all
    char *places[] = { NULL, NULL };
    if (!comm->rank) {
        places[0] = map_fold(largest_bytes);
        bool is_small = largest_bytes < most_of_a_message_bytes;
        places[1] = SMPI_SHARED_MALLOC(is_small ? largest_bytes : most_of_a_message_bytes);
    }
    comm_broadcast(comm, places, sizeof places, 0);
    ranks_here = node_ranks(comm->node);
    fold = places[0];
    fold_bytes = largest_bytes;
    shared = places[1];
}

static bool is_folded(const void *block)
{
    const char *place = block;
    return fold && place >= fold && place < fold + fold_bytes;
}

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

// Memory. Arenas reserve the worst case of every rank, which is more address space than there is.

enum { LARGE_BYTES = 256 << 10, MOST_OF_AN_ARENA = 1 << 30 };

WRAP(void, arena_init, Arena *arena, size_t capacity_bytes)
{
    if (fold && capacity_bytes > MOST_OF_AN_ARENA) capacity_bytes = MOST_OF_AN_ARENA;
    __real_arena_init(arena, capacity_bytes);
}

WRAP(void *, arena_take, Arena *arena, size_t bytes)
{
    if (!fold || bytes < LARGE_BYTES) return __real_arena_take(arena, bytes);
    CHECK(bytes <= fold_bytes, "%zu bytes are more than the %zu folded ones", bytes, fold_bytes);
    return fold;
}

/// Ids steer the merges and stay real.
WRAP(void, touched_init, TouchedRows *rows, Arena *arena, int64_t capacity, int64_t cols)
{
    if (!fold) {
        __real_touched_init(rows, arena, capacity, cols);
        return;
    }
    *rows = (TouchedRows){ .capacity = capacity, .cols = cols, .rows = (float *)fold };
    rows->ids = __real_arena_take(arena, (size_t)capacity * sizeof(int32_t));
}

/// Floats that grow are rows in transit.
WRAP(void *, mem_resize, void *block, size_t count, size_t size_bytes)
{
    bool large = size_bytes == sizeof(float) && count * size_bytes >= LARGE_BYTES;
    if (!fold || !large) return __real_mem_resize(block, count, size_bytes);
    mem_free(block);
    return fold;
}

WRAP(void, mem_free, void *block)
{
    if (!is_folded(block)) __real_mem_free(block);
}

/// The ranks are threads of one process: its memory is theirs.
WRAP(void *, node_share, const Node *node, size_t bytes)
{
    void *memory = NULL;
    if (!node_shares(node)) return NULL;
    if (node_leads(node)) memory = calloc(1, node_shared_bytes(bytes));
    comm_broadcast(&node->ranks, &memory, sizeof memory, 0);
    return memory;
}

WRAP(void, node_unshare, void *memory, size_t bytes)
{
    (void)memory; // which rank is the last one to use it nobody knows
    (void)bytes;
}

// Kernels, bound by memory.

static void move(double bytes)
{
    cost_compute(bytes / node_memory_bytes_s);
}

WRAP(void, vec_add, float *y, const float *x, int64_t n)
{
    if (fold)
        move(12 * (double)n);
    else
        __real_vec_add(y, x, n);
}

WRAP(void, vec_scale, float *y, float factor, int64_t n)
{
    if (fold)
        move(8 * (double)n);
    else
        __real_vec_scale(y, factor, n);
}

WRAP(void, vec_add_squares, SquareSum *sum, const float *x, int64_t n)
{
    if (!fold) {
        __real_vec_add_squares(sum, x, n);
        return;
    }
    move(4 * (double)n);
    sum->levels[1] += 1;
}

WRAP(void, vec_adam, float *p, float *m, float *v, const float *g, int64_t n, const AdamStep *step)
{
    if (fold)
        move(28 * (double)n);
    else
        __real_vec_adam(p, m, v, g, n, step);
}

// MPI.

static void *shared_if_folded(const void *data)
{
    return is_folded(data) ? shared : (void *)data;
}

WRAP(int, MPI_Comm_split, MPI_Comm comm, int color, int key, MPI_Comm *part)
{
    __real_MPI_Comm_split(comm, color, key, part);
    if (*part != MPI_COMM_NULL) wire_join(*part);
    return MPI_SUCCESS;
}

static void *unless_folded(const void *data)
{
    return is_folded(data) ? NULL : (void *)data;
}

WRAP(int, MPI_Isend, const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
     MPI_Request *request)
{
    (void)type; // bytes
    spend(send_s);
    cost.messages++;
    wire_send(unless_folded(data), count, to, tag, comm, request);
    return MPI_SUCCESS;
}

WRAP(int, MPI_Irecv, void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
     MPI_Request *request)
{
    (void)type; // bytes
    spend(receive_s);
    cost.received_bytes += count;
    wire_receive(unless_folded(data), count, from, tag, comm, request);
    return MPI_SUCCESS;
}

/// The same answer from fewer questions: simulated messages move without being asked for.
WRAP(int, MPI_Testall, int count, MPI_Request *requests, int *all, MPI_Status *statuses)
{
    (void)statuses;
    spend(test_s);
    *all = 1;
    for (int i = 0; i < count && *all; i++) *all = wire_test(&requests[i]);
    return MPI_SUCCESS;
}

WRAP(int, MPI_Waitall, int count, MPI_Request *requests, MPI_Status *statuses)
{
    (void)statuses;
    pay();
    for (int i = 0; i < count; i++) wire_wait(&requests[i]);
    return MPI_SUCCESS;
}

WRAP(int, MPI_Allgatherv, const void *mine, int count, MPI_Datatype type, void *all,
     const int *counts, const int *places, MPI_Datatype all_type, MPI_Comm comm)
{
    int ranks;
    pay();
    MPI_Comm_size(comm, &ranks);
    for (int rank = 0; rank < ranks; rank++) cost.received_bytes += counts[rank];
    cost.received_bytes -= count;
    return __real_MPI_Allgatherv(shared_if_folded(mine), count, type, shared_if_folded(all), counts,
                                 places, all_type, comm);
}

WRAP(int, MPI_Alltoall, const void *mine, int count, MPI_Datatype type, void *theirs,
     int their_count, MPI_Datatype their_type, MPI_Comm comm)
{
    pay();
    return __real_MPI_Alltoall(mine, count, type, theirs, their_count, their_type, comm);
}

WRAP(int, MPI_Bcast, void *data, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    int rank;
    pay();
    MPI_Comm_rank(comm, &rank);
    if (rank != root) cost.received_bytes += count;
    return __real_MPI_Bcast(shared_if_folded(data), count, type, root, comm);
}
