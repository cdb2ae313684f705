#include "comm/agree.h"

Status agree(const Comm *comm, Status local)
{
    if (comm->size == 1) return local;
    // lowest failing rank wins: order by (rank, status) in one maximum
    int64_t verdict = local == OK ? 0 : (int64_t)(comm->size - comm->rank) * 256 + (int64_t)local;
    comm_max_int64(comm, &verdict, 1);
    if (!verdict) return OK;
    int culprit = comm->size - (int)(verdict / 256);
    char message[STATUS_BYTES] = "";
    if (comm->rank == culprit) {
        const char *mine = status_message();
        size_t i = 0;
        for (; mine[i] && i + 1 < sizeof message; i++) message[i] = mine[i];
        message[i] = '\0';
    }
    comm_broadcast(comm, message, sizeof message, culprit);
    return status_fail((Status)(verdict % 256), "%s", message);
}
