/// What Newton's method (logistic.c) and leaving rows out (left_out.c) have in common.
#pragma once
#include "linalg/solve.h"
#include "linalg/system.h"

/// Vectors of weights: of two classes one, for the second.
static inline int64_t logistic_outputs(int64_t classes)
{
    return classes == 2 ? 1 : classes;
}

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
    double *left_out;      ///< (rows): the loss of each, left out
    int64_t *members;      ///< (classes): their rows, of all ranks
    int64_t skipped;       ///< of this rank's rows, in no sum; -1: none
} Logistic;

static inline double logistic_target(const Logistic *l, int64_t row, int64_t k)
{
    return l->samples->labels[row] == (l->outputs == 1 ? 1 : k);
}
/// No model without this row knows of its class.
static inline bool logistic_lone(const Logistic *l, int64_t row)
{
    return l->samples->intercept && l->members[l->samples->labels[row]] == 1;
}
/// Local. Probabilities (outputs) of a row's scores z, maybe in their place; returns its loss.
double logistic_row(const Logistic *l, double *probabilities, const double *z, int64_t row);
/// Local. Whether a parameter is penalised; those that only fill tiles are 0 and may be.
bool logistic_penalised(const Logistic *l, int64_t e);
/// Local. a (outputs, outputs) = I - A C, A = diag(p) - p p'.
void logistic_downdate(double *a, const double *p, const double *c, int64_t outputs);
/// Local. u = a^-1 u by elimination, a (n, n), u (n, sides); a is destroyed. False if a is
/// singular.
bool logistic_eliminate(double *a, double *u, int64_t n, int64_t sides);

/// Both: l->left_out of all rows, from the solution; `hessian` is the factor that solved the last
/// step, and is destroyed.
///
/// Collective. By one step of Newton's. Infinite where a row decides alone.
COLLECTIVE
void logistic_step_out(Logistic *l);
/// Collective. By solving without each, many at once (refits.c). Adds gradients, and rows that had
/// to be solved alone.
COLLECTIVE
void logistic_refit(Logistic *l, int64_t *trials, int64_t *alone);
/// Collective. Of a row of all, by Newton's method; only x of l stays. Infinite if it does not
/// converge.
COLLECTIVE
void logistic_refit_alone(Logistic *l, int64_t row);

enum { REFIT_TRIALS = 40 }; ///< gradients of a row before it is solved alone
/// What REFIT_TRIALS is to be instead, for tests. The same on all ranks.
extern int refit_trials;

/// Rows that are refitted at once, in parts that threads take.
typedef struct {
    int64_t rows, parts;
    int64_t row_doubles; ///< kept of a row
} RefitShape;
/// Local. Follows from the problem alone. n: unknowns.
RefitShape refit_shape(int64_t all_rows, int64_t outputs, int64_t n);
