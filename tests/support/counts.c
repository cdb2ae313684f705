#include "support/counts.h"
#include "base/mem.h"
#include "comm/exchange.h"

static const Comm *comm;
static size_t bytes;

/// No period that a piece could be displaced by.
static char byte_at(int rank, size_t at)
{
    return (char)((at * 2654435761u >> 11) + (at >> 20) + 59 * (size_t)rank);
}

void bytes_of_rank(char *out, int rank, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = byte_at(rank, first + i);
}

bool is_bytes_of_rank(const char *data, int rank, size_t first, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) wrong += data[i] != byte_at(rank, first + i);
    return wrong == 0;
}

/// The last rank's contents, from everyone who is not it.
static void broadcasts(void)
{
    int root = comm->size - 1;
    char *data = MEM_NEW(char, bytes);
    if (comm->rank == root) bytes_of_rank(data, root, 0, bytes);
    CHECK_EQ(is_bytes_of_rank(data, root, 0, bytes), comm->rank == root);
    comm_broadcast(comm, data, bytes, root);
    CHECK_TRUE(is_bytes_of_rank(data, root, 0, bytes));
    mem_free(data);
}

/// From rank 0 to the last one.
static void exchanges(void)
{
    int last = comm->size - 1;
    if (!last) return;
    Exchange *exchange = exchange_new(comm, 1);
    char *data = comm->rank && comm->rank != last ? NULL : MEM_NEW(char, bytes);
    if (comm->rank == 0) {
        bytes_of_rank(data, 0, 0, bytes);
        exchange_send(exchange, data, bytes, last, 7);
    } else if (comm->rank == last) {
        exchange_receive(exchange, data, bytes, 0, 7);
    }
    exchange_finish(exchange);
    if (data) CHECK_TRUE(is_bytes_of_rank(data, 0, 0, bytes));
    mem_free(data);
    exchange_free(exchange);
}

/// Rank 0's half is short, the others have the rest between them.
static void gathers(void)
{
    int64_t *counts = MEM_NEW(int64_t, comm->size), at = 0;
    for (int rank = 0; rank < comm->size; rank++) counts[rank] = (int64_t)bytes / comm->size;
    counts[comm->size - 1] += (int64_t)bytes % comm->size;
    char *all = MEM_NEW(char, bytes), *mine = MEM_NEW(char, counts[comm->rank]);
    bytes_of_rank(mine, comm->rank, 0, (size_t)counts[comm->rank]);
    comm_gather_all(comm, all, mine, counts);
    for (int rank = 0; rank < comm->size; at += counts[rank++])
        CHECK_TRUE(is_bytes_of_rank(all + at, rank, 0, (size_t)counts[rank]));
    mem_free(mine);
    mem_free(all);
    mem_free(counts);
}

/// All of the last rank's, a byte of each other one.
static void gathers_on_the_root(void)
{
    int last = comm->size - 1;
    size_t own = comm->rank == last ? bytes : 1, all_bytes;
    char *mine = MEM_NEW(char, own), *all;
    bytes_of_rank(mine, comm->rank, 0, own);
    comm_gather_root(comm, &all, &all_bytes, mine, own);
    mem_free(mine);
    if (comm->rank == 0) {
        CHECK_EQ(all_bytes, bytes + (size_t)last);
        for (int rank = 0; rank < last; rank++)
            CHECK_TRUE(is_bytes_of_rank(all + rank, rank, 0, 1));
        CHECK_TRUE(is_bytes_of_rank(all + last, last, 0, bytes));
    }
    mem_free(all);
}

const Case *counts_cases(const Comm *ranks, size_t length_bytes)
{
    static const Case cases[COUNTS_CASES] = {
        { "broadcasts", broadcasts },
        { "exchanges", exchanges },
        { "gathers", gathers },
        { "gathers on the root", gathers_on_the_root },
    };
    comm = ranks;
    bytes = length_bytes;
    return cases;
}
