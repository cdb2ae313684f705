/// Linear models solved exactly, over all ranks: ridge regression and multinomial logistic
/// regression, as scikit-learn defines them (Ridge, RidgeCV; LogisticRegression with C = 1 /
/// lambda), with an intercept that is not penalised. In double, by ScaLAPACK.
#pragma once
#include "base/status.h"
#include "linalg/spread.h"

/// Rows of all ranks are one after the other: rank r has `solve_rows` of them from r * block on.
typedef struct {
    const Comm *comm;
    int64_t all_rows, features;
    const float *x;        ///< (rows, features) of this rank
    const int32_t *labels; ///< (rows), in [0, classes)
    int classes;
} Samples;
/// Local. Rows [*first, *first + *rows) of this rank.
void solve_rows(int64_t *first, int64_t *rows, const Comm *comm, int64_t all_rows);

typedef struct {
    double *weights; ///< (classes, features), owned, on all ranks
    double *bias;    ///< (classes), owned
    double lambda;   ///< of the solution
    double error;    ///< ridge: mean squared error, each row left out in turn
    int steps;       ///< logistic: Newton's
} LinearFit;
void linear_fit_release(LinearFit *fit); ///< of an empty one too

/// The two grids of a solution: rows of samples one after the other, and nearly square.
typedef struct {
    MatrixGrid line, square;
} SolveGrids;
COLLECTIVE
void solve_grids_start(SolveGrids *grids, const Comm *comm);
COLLECTIVE
void solve_grids_stop(SolveGrids *grids);
/// Collective. out (width, all rows) on the square grid = this rank's rows (rows, width). The
/// caller owns *out.
COLLECTIVE
void solve_spread_rows(Spread *out, const SolveGrids *grids, double *rows, int64_t all_rows,
                       int64_t width);

/// Collective. Ridge regression of 1 for a row's class and -1 for others; of `lambdas` (ascending,
/// above 0) the one whose exact leave-one-out error is least: from the eigenvectors of the Gram
/// matrix (Golub et al. 1979), the solution from its Cholesky factor. FAILED where it has none.
COLLECTIVE
Status solve_ridge(LinearFit *out, const Samples *samples, const double *lambdas, int count);
/// Collective. Least sum of cross entropies + lambda / 2 |weights|^2, lambda above 0, by Newton's
/// method; of two classes with one vector of weights, as scikit-learn has them, half of it for each
/// class. FAILED if it does not converge.
COLLECTIVE
Status solve_logistic(LinearFit *out, const Samples *samples, double lambda);
