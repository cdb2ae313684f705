/// What the program asks of the launcher before MPI is up, and of the network (doctor).
#pragma once
#include "comm/comm.h"

/// Local. This process's rank by the launcher's environment; -1 without a launcher.
int probe_launcher_rank(void);

typedef struct {
    double latency_s;         ///< half a round trip of 8 bytes, the median
    double bandwidth_bytes_s; ///< of messages of PROBE_BYTES, one direction at a time
} Link;
enum { PROBE_BYTES = 4 << 20 };

/// Collective. Rank 0 measures its link to `peer` (another rank); all ranks get the result.
COLLECTIVE
Link probe_link(const Comm *comm, int peer);
