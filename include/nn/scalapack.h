/// Products of a group by ScaLAPACK, on the tape's matrix grid (`tape_matrix_grid`): the reference
/// that those of nn/group.h are compared with.
///
/// A product is c = a b of whole matrices, split by columns over a 1 x ranks grid (linalg/pgemm.h).
/// Tokens x are therefore split by features, in blocks as Dmat has them, which need not divide the
/// width. The order of a column parallel weight's outputs is that of the ranks, which have theirs
/// next to each other, whatever they are: joined weights are one matrix, and outputs that several
/// ranks have are there several times.
#pragma once
#include "nn/tape.h"

/// Groupwise. As `column_parallel` and `row_parallel` of nn/group.h. x of the first: own tokens.
Var *scalapack_column_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
Var *scalapack_row_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
