/// What the wrappers of MPI do to contents of any length: every byte arrives in its place.
#pragma once
#include "comm/comm.h"
#include "support/check.h"

enum { COUNTS_CASES = 4 };
/// Local. Those cases, on these ranks and of so many bytes, of which `bytes_of_rank` and
/// `is_bytes_of_rank` write and check a rank's.
const Case *counts_cases(const Comm *comm, size_t bytes);

/// Local. Bytes [first, first + bytes) of the rank's contents.
void bytes_of_rank(char *out, int rank, size_t first, size_t bytes);
bool is_bytes_of_rank(const char *data, int rank, size_t first, size_t bytes);
