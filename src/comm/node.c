#include "comm/node.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/handle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/// The first rank on this one's node.
static int first_on_node(const Comm *comm)
{
    const char *text = getenv("TEMPER_RANKS_PER_NODE");
    int wanted = text ? atoi(text) : 0, first = comm->rank;
    if (wanted > 0) return comm->rank / wanted * wanted;
    if (wanted < 0) return comm->rank % -wanted;
    MPI_Comm here;
    PULSE_WAIT(MPI_Comm_split_type(mpi_comm(comm), MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL,
                                   &here));
    PULSE_WAIT(MPI_Bcast(&first, 1, MPI_INT, 0, here));
    PULSE_WAIT(MPI_Comm_free(&here));
    return first;
}

/// From the first rank on the node of each rank; false unless nodes are runs of ranks.
static bool find_runs(Node *node, const int64_t *first_of, int ranks)
{
    node->count = 0;
    for (int rank = 0; rank < ranks; rank++) {
        if (first_of[rank] == rank)
            node->firsts[node->count++] = rank;
        else if (!rank || first_of[rank] != first_of[rank - 1])
            return false;
    }
    node->firsts[node->count] = ranks;
    return true;
}

/// Lives as long as its communicator: no block that somebody forgot to free.
static void *take(size_t bytes)
{
    void *memory = calloc(1, bytes);
    CHECK(memory, "out of memory: %zu bytes", bytes);
    return memory;
}

/// Nothing is shared: each rank its own node.
static Node *node_new(const Comm *comm)
{
    Node *node = take(sizeof *node);
    *node = (Node){ .all = *comm, .ranks = comm_self(), .here = 1, .count = comm->size };
    node->alone = node;
    node->firsts = take(((size_t)comm->size + 1) * sizeof *node->firsts);
    for (int rank = 0; rank <= comm->size; rank++) node->firsts[rank] = rank;
    node->islands = take(((size_t)comm->size + 1) * sizeof *node->islands);
    return node;
}

static void node_free(Node *node)
{
    free(node->islands);
    free(node->firsts);
    free(node);
}

void node_start(Comm *comm)
{
    if (comm->size == 1) return;
    Node *alone = node_new(comm), *node = node_new(comm);
    alone->leaders = comm_split(comm, 0);
    int64_t *first_of = MEM_NEW(int64_t, comm->size), first = first_on_node(comm);
    comm_gather_int64(comm, first_of, first);
    bool runs = find_runs(node, first_of, comm->size); // agreed: all ranks see the same
    if (runs && node_shares(node)) {                   // agreed: likewise
        node->alone = alone;
        node->ranks = comm_split(comm, (int)first);
        node->leaders = comm_split(comm, first == comm->rank ? 0 : -1);
    } else {
        node_free(node);
        node = alone;
        node->dealt = !runs;
    }
    int here = 0;
    for (int rank = 0; rank < comm->size; rank++) here += first_of[rank] == first;
    node->here = alone->here = here;
    node_find_islands(node);
    comm->node = node;
    mem_free(first_of);
}

void node_stop(Comm *comm)
{
    Node *node = (Node *)comm->node;
    comm->node = NULL;
    if (!node) return;
    Node *alone = (Node *)node->alone;
    if (node->alone != node) {
        comm_release(&node->leaders);
        comm_release(&node->ranks);
        node_free(node);
    }
    comm_release(&alone->leaders);
    node_free(alone);
}

/// A file in memory, to others under /proc.
typedef struct {
    int64_t process, descriptor, inode; ///< descriptor -1: none
} MemoryFile;

static MemoryFile make_file(size_t bytes)
{
    struct stat about;
    MemoryFile file = { getpid(), -1, 0 };
    int descriptor = fault_at("share") ? -1 : memfd_create("temper", MFD_CLOEXEC);
    if (descriptor < 0) return file;
    if (ftruncate(descriptor, (off_t)bytes) || fstat(descriptor, &about)) {
        close(descriptor);
        return file;
    }
    file.descriptor = descriptor;
    file.inode = (int64_t)about.st_ino;
    return file;
}

/// Another rank's file; -1 if it cannot be had.
static int open_file(const MemoryFile *file)
{
    char path[64];
    struct stat about;
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)file->process,
             (long long)file->descriptor);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return -1;
    if (!fstat(descriptor, &about) && (int64_t)about.st_ino == file->inode) return descriptor;
    close(descriptor); // the process id of another container
    return -1;
}

int node_ranks(const Node *node)
{
    return node ? node->ranks.size : 1;
}

int node_ranks_here(const Node *node)
{
    return node ? node->here : 1;
}

bool node_shares(const Node *node)
{
    return node && node->count < node->all.size;
}

static size_t counter_place(size_t bytes)
{
    enum { LINE = 64 };
    return (bytes + LINE - 1) / LINE * LINE;
}

size_t node_shared_bytes(size_t bytes)
{
    return counter_place(bytes) + sizeof(_Atomic int64_t);
}

_Atomic int64_t *node_counter(void *memory, size_t bytes)
{
    return (_Atomic int64_t *)((char *)memory + counter_place(bytes));
}

void *node_share(const Node *node, size_t bytes)
{
    if (!node_shares(node)) return NULL;
    bytes = node_shared_bytes(bytes);
    bool leads = node_leads(node);
    MemoryFile file = { 0 };
    if (leads) file = make_file(bytes);
    comm_broadcast(&node->ranks, &file, sizeof file, 0);
    int descriptor = leads ? (int)file.descriptor : file.descriptor < 0 ? -1 : open_file(&file);
    void *memory = MAP_FAILED;
    if (descriptor >= 0)
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    int64_t failed = memory == MAP_FAILED;
    comm_max_int64(&node->all, &failed, 1); // and all have opened the file
    if (descriptor >= 0) close(descriptor);
    if (failed && memory != MAP_FAILED) munmap(memory, bytes);
    return failed ? NULL : memory;
}

void node_unshare(void *memory, size_t bytes)
{
    if (memory) munmap(memory, node_shared_bytes(bytes));
}

bool node_leads(const Node *node)
{
    return !node || node->ranks.rank == 0;
}

void node_settle(const Node *node)
{
    if (node) comm_barrier(&node->ranks);
}

void node_broadcast(const Node *node, void *data, size_t bytes)
{
    if (!node) return;
    if (node_leads(node)) comm_broadcast(&node->leaders, data, bytes, 0);
    node_settle(node);
}
