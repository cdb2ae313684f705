/// What operators that make y = x w' + b have in common, whoever makes the product.
#pragma once
#include "nn/tape.h"

/// Local. Checks that x (rows, k), w (n, k) and b (1, n; may be NULL) fit and have dense gradients;
/// true if the result needs one.
bool product_start(const char *name, const Var *x, const Weight *w, const Weight *b);
/// Local. The operator that records next has made so many rows of it.
void product_uses(Tape *tape, Weight *w, Weight *b, int64_t rows);
/// Local. y += b (1, cols) in every row; NULL: nothing.
void product_add_bias(Var *y, const Weight *b);
