/// Whether the exchange gives the bits of one rank on the simulated cluster.
#pragma once
#include "comm/comm.h"

/// Collective. Two steps of a small model with real numbers, on all ranks and on rank 0 alone.
/// FAILED, said on standard error, if gradients, norms or weights differ.
COLLECTIVE
Status check_sums(const Comm *world);
