/// The communicator and its typed collectives: this folder holds all MPI calls of the program.
/// On a communicator of one rank nothing calls MPI, so commands that need no MPI share all code.
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Marks prototypes of functions that every rank of the communicator must call (read by a lint).
#define COLLECTIVE

typedef struct {
    int rank, size;
    void *handle;            ///< the MPI communicator; NULL: this process alone, without MPI
    const struct Node *node; ///< comm/node.h; NULL: one rank
    const struct Grid *grid; ///< comm/grid.h; NULL: its ranks are replicas
    bool strict;             ///< of a group: its results have the bits of any other
} Comm;

/// Collective. Starts MPI (funneled threads). USAGE if the launcher started several tasks but MPI
/// sees a world of one (a wrong `srun --mpi=`).
COLLECTIVE
Status comm_start(Comm *world);
/// Collective.
COLLECTIVE
void comm_stop(Comm *world);
/// Local. This process alone.
Comm comm_self(void);

/// Collective. The ranks that give the same color, in their order; `comm_release` frees it. A color
/// below 0 is in none: of size 0.
COLLECTIVE
Comm comm_split(const Comm *comm, int color);
/// Local. What Fortran calls the communicator: for libraries that send messages of their own.
int comm_fortran_handle(const Comm *comm);
COLLECTIVE
void comm_release(Comm *part); ///< of one of size 0, or without MPI, too

/// Most bytes of one call of MPI, whose counts are int: what is longer is cut. Only tests change
/// it, alike on all ranks.
extern size_t comm_piece_bytes;
/// Local. Bytes of the piece that begins `at` bytes into so many.
int comm_piece(size_t bytes, size_t at);

COLLECTIVE
void comm_barrier(const Comm *comm);
/// Local. Lets messages move: for a rank that waits for something else than a message.
void comm_progress(const Comm *comm);
/// Collective. `bytes` may exceed 2 GiB and must be the same on all ranks.
COLLECTIVE
void comm_broadcast(const Comm *comm, void *data, size_t bytes, int root);
/// Collective. A text that only the root knows: the others get their own copy (`mem_free`).
COLLECTIVE
void comm_broadcast_text(const Comm *comm, char **text, int root);
COLLECTIVE
void comm_sum_int64(const Comm *comm, int64_t *values, int count);
/// Collective. Of a few values, in the order of the ranks: the same bits on all of them. Allocates
/// nothing once it has had as many.
COLLECTIVE
void comm_sum_doubles(const Comm *comm, double *values, int count);
COLLECTIVE
void comm_max_int64(const Comm *comm, int64_t *values, int count);
/// Collective. The sum of `value` over the ranks below this one: its offset into the whole.
COLLECTIVE
int64_t comm_offset(const Comm *comm, int64_t value);
/// Collective. Concatenates every rank's bytes in rank order on all ranks: rank r gives counts[r]
/// bytes (`counts` is the same everywhere). `mine` may be NULL where it gives none, and may not
/// overlap `all`.
COLLECTIVE
void comm_gather_all(const Comm *comm, void *all, const void *mine, const int64_t *counts_bytes);
/// Collective. As `comm_gather_all`, where every rank's bytes are in their place in `all` already.
COLLECTIVE
void comm_gather_in_place(const Comm *comm, void *all, const int64_t *counts_bytes);
/// Collective. One int64 of each rank, on all ranks: all[size].
COLLECTIVE
void comm_gather_int64(const Comm *comm, int64_t *all, int64_t mine);
/// Collective. Variable bytes of each rank, concatenated in rank order on rank 0: *all is owned by
/// the caller there (`mem_free`), NULL elsewhere.
COLLECTIVE
void comm_gather_root(const Comm *comm, char **all, size_t *all_bytes, const void *mine,
                      size_t mine_bytes);

/// Local. "Open MPI v4.1.4, ..." of the library in use.
const char *comm_library(void);
/// Local. "Open MPI v4.1.4" of it.
const char *comm_library_name(void);
