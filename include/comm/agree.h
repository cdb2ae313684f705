/// A local failure never leaves a collective function alone: ranks agree first.
#pragma once
#include "comm/comm.h"

/// Collective. One status for all: that of the lowest failing rank, whose message every rank gets.
COLLECTIVE
Status agree(const Comm *comm, Status local);

/// Every rank calls the local function; all leave or none.
#define TRY_ALL(comm, call)                                                                        \
    do {                                                                                           \
        status = agree(comm, (call));                                                              \
        if (status != OK) goto done;                                                               \
    } while (0)

/// Only rank 0 calls the local function; all leave or none.
#define TRY_ROOT(comm, call)                                                                       \
    do {                                                                                           \
        status = agree(comm, (comm)->rank == 0 ? (call) : OK);                                     \
        if (status != OK) goto done;                                                               \
    } while (0)
