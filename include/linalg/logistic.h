/// What Newton's method (logistic.c) and leaving rows out (left_out.c) have in common.
#pragma once
#include "linalg/solve.h"
#include "linalg/system.h"

/// Parameters are a vector of `padded` for each of `outputs` classes: features, the intercept if
/// there is one, zeros. Of two classes there is one vector, for the second.
typedef struct {
    const Samples *samples;
    RowBlocks rows;
    System system; ///< (outputs * padded) unknowns
    Spread hessian;
    int64_t width, padded, outputs;
    double lambda;
    double *x;             ///< (outputs, padded)
    double *gradient;      ///< (1 + outputs * padded): the loss, then its gradient
    double *scores;        ///< (rows, outputs), at x
    double *probabilities; ///< (rows, outputs)
} Logistic;

static inline double logistic_target(const Logistic *l, int64_t row, int64_t k)
{
    return l->samples->labels[row] == (l->outputs == 1 ? 1 : k);
}
/// Local. Probabilities (outputs) of a row's scores z; returns its loss.
double logistic_row(const Logistic *l, double *probabilities, const double *z, int64_t row);
/// Collective. The mean loss of rows that are left out, each by one step of Newton's from the
/// solution; `hessian` is the factor that solved the last step, and is destroyed. Infinite where a
/// row decides alone.
COLLECTIVE
double logistic_left_out(Logistic *l);
