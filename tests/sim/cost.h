/// What the simulated program does not really do: compute, and hold large buffers.
///
/// The linker puts functions of cost.c in the place of MPI's, to count and time them, and of the
/// memory's and the flat kernels (`--wrap`, see tests/sim/build). After `cost_fold` a kernel takes
/// simulated time instead of computing, and all large buffers of all ranks are the same few pages,
/// which MPI does not copy. Before it all are themselves.
#pragma once
#include "comm/comm.h"

/// A node: 32 cores that reach 3.3 TFLOP/s in sgemm, of which a step reaches 0.65.
static const double node_flop_s = 3.3e12 * 0.65;
static const double node_memory_bytes_s = 200e9;

/// Collective. From now on compute is a delay, of an equal share of its node's rates on each of the
/// ranks there, and no buffer is larger than `largest_bytes`.
COLLECTIVE
void cost_fold(const Comm *comm, size_t largest_bytes);

/// Local. Passes simulated time in computing what takes a whole node so long. Delays below 20 us
/// are saved up.
void cost_compute(double node_s);
/// Local. Computing takes no time from here on (false: it does again), messages alone do.
void cost_compute_free(bool is_free);

/// Since `cost_start`, on this rank.
typedef struct {
    double compute_s;
    int64_t received_bytes, messages; ///< messages: point to point, sent
} Cost;

/// Local.
void cost_start(void);
Cost cost_so_far(void);
/// Local. Simulated time, everything saved up included.
double cost_now_s(void);
