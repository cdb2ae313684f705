#include "comm/exchange.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/handle.h"

#include <string.h>

struct Exchange {
    MPI_Comm comm;
    MPI_Request *requests; ///< (capacity)
    int count, capacity;
};

Exchange *exchange_new(const Comm *comm, int messages)
{
    Exchange *exchange = MEM_NEW(Exchange, 1);
    exchange->comm = mpi_comm(comm); // unused by a rank alone
    exchange->capacity = messages;
    exchange->requests = MEM_NEW(MPI_Request, messages);
    return exchange;
}

void exchange_free(Exchange *exchange)
{
    if (!exchange) return;
    mem_free(exchange->requests);
    mem_free(exchange);
}

static MPI_Request *next_request(Exchange *exchange)
{
    if (exchange->count == exchange->capacity) {
        exchange->capacity = 2 * exchange->capacity + 1;
        exchange->requests =
            mem_resize(exchange->requests, (size_t)exchange->capacity, sizeof *exchange->requests);
    }
    return &exchange->requests[exchange->count++];
}

void exchange_send(Exchange *exchange, const void *data, size_t bytes, int to, int tag)
{
    for (size_t at = 0; at < bytes; at += comm_piece_bytes)
        MPI_Isend((const char *)data + at, comm_piece(bytes, at), MPI_BYTE, to, tag, exchange->comm,
                  next_request(exchange));
}

void exchange_receive(Exchange *exchange, void *data, size_t bytes, int from, int tag)
{
    for (size_t at = 0; at < bytes; at += comm_piece_bytes)
        MPI_Irecv((char *)data + at, comm_piece(bytes, at), MPI_BYTE, from, tag, exchange->comm,
                  next_request(exchange));
}

bool exchange_test(Exchange *exchange)
{
    int arrived = 1;
    if (exchange->count)
        MPI_Testall(exchange->count, exchange->requests, &arrived, MPI_STATUSES_IGNORE);
    if (arrived) exchange->count = 0;
    return arrived;
}

void exchange_finish(Exchange *exchange)
{
    exchange_await(exchange);
}

void exchange_await(Exchange *exchange)
{
    if (exchange->count)
        PULSE_WAIT(MPI_Waitall(exchange->count, exchange->requests, MPI_STATUSES_IGNORE));
    exchange->count = 0;
}

void exchange_counts(const Comm *comm, int64_t *theirs, const int64_t *mine, int count)
{
    if (comm->size == 1)
        memcpy(theirs, mine, (size_t)count * sizeof *mine);
    else
        PULSE_WAIT(
            MPI_Alltoall(mine, count, MPI_INT64_T, theirs, count, MPI_INT64_T, mpi_comm(comm)));
}
