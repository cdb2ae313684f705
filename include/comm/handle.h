/// Between a `Comm` and MPI's communicator, which is a pointer or an int: by the implementation.
#pragma once
#include "comm/comm.h"

#include <mpi.h>

/// Local. Only of one with a handle.
static inline MPI_Comm mpi_comm(const Comm *comm)
{
    return (MPI_Comm)(intptr_t)comm->handle;
}

static inline void *comm_handle(MPI_Comm comm)
{
    return (void *)(intptr_t)comm;
}
