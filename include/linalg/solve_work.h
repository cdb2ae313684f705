/// What solving takes in time (linalg/solve.h), as `SolveNeed` says what it takes in memory.
#pragma once
#include "linalg/solve.h"

typedef struct {
    double row_flops;    ///< of sums over rows: every rank makes those of its own, on all threads
    double matrix_flops; ///< with the matrix alone, on one thread: of the first rank up to
                         ///< SYSTEM_ALONE unknowns, beyond of all ranks
    double messages, sent_bytes; ///< of a rank: its summands
} SolveWork;
/// Local.
void solve_ridge_work(SolveWork *out, const SolveShape *shape);
void solve_logistic_work(SolveWork *out, const SolveShape *shape);
