/// Point to point messages straight on SimGrid's flows, in the place of SMPI's: these look through
/// all of a rank's pending messages at the end of each, which took five sixths of the time.
///
/// As in SMPI with the settings of tests/sim/run, a message moves once both sides have started it,
/// by the same model of the network; one below `wire_eager_bytes` leaves its sender at once.
#pragma once
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { wire_eager_bytes = 65536 };

/// Collective over the world, before any message. (In C++, hence no comm/comm.h.)
void wire_start(void);
/// Collective over a communicator, before messages on it.
void wire_join(MPI_Comm comm);

/// Local. As MPI_Isend and MPI_Irecv of bytes. data or place NULL: no bytes are copied.
void wire_send(const void *data, int bytes, int to, int tag, MPI_Comm comm, MPI_Request *request);
void wire_receive(void *place, int bytes, int from, int tag, MPI_Comm comm, MPI_Request *request);

/// Local. True if the message is over; *request is then MPI_REQUEST_NULL, as after wire_wait.
int wire_test(MPI_Request *request);
void wire_wait(MPI_Request *request);

#ifdef __cplusplus
}
#endif
