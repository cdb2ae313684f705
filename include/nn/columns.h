/// Sums over rows (tokens) with bits that do not depend on threads: rows go by blocks of 64, each
/// summed in order, and the sums of blocks are added pairwise.
#pragma once
#include "nn/tape.h"

enum { COLUMN_BLOCK = 64 };

/// Local. Number of blocks of `rows`; at least 1.
int64_t column_blocks(int64_t rows);

/// Local. sums (blocks, cols) = the sum of each block of x (rows, cols).
void columns_block_sums(float *sums, const float *x, int64_t rows, int64_t cols);

/// Local. out (cols) = or += the sum of sums (blocks, cols), which is destroyed.
void columns_add_up(float *out, float *sums, int64_t blocks, int64_t cols, bool first);

/// Local. out (cols) = or += the sum of the rows of x (rows, cols).
void columns_sum(Tape *tape, float *out, const float *x, int64_t rows, int64_t cols, bool first);
