/// Linear models solved exactly, over all ranks: ridge regression and multinomial logistic
/// regression, as scikit-learn defines them (Ridge, RidgeCV; LogisticRegression with C = 1 /
/// lambda), with an intercept that is not penalised or without one. In double. Every rank has its
/// rows alone. The results are the same on all ranks, and up to SYSTEM_ALONE unknowns
/// (linalg/system.h) have the same bits on any number of them and of threads; so have all sums over
/// rows.
#pragma once
#include "base/status.h"
#include "linalg/row_blocks.h"

/// Rows are dealt as `row_blocks_init` says.
typedef struct {
    const Comm *comm;
    int64_t all_rows, features;
    const float *x;        ///< (rows, features) of this rank
    const int32_t *labels; ///< (rows), in [0, classes)
    int classes;
    bool intercept; ///< false: fit_intercept=False
} Samples;

/// How logistic regression leaves rows out: by solving again without each, by one step of Newton's
/// from the solution with it, or by the first as far as `solve_refit_flops` is at most
/// SOLVE_REFIT_FLOPS.
typedef enum { LEAVE_OUT_AUTO, LEAVE_OUT_EXACT, LEAVE_OUT_STEP } LeaveOut;
#define SOLVE_REFIT_FLOPS 1e13
/// What there is to choose from.
typedef struct {
    const double *lambdas; ///< (count), ascending, above 0
    int count;
    LeaveOut leave_out; ///< of logistic regression; ridge's is always exact
} Penalties;

typedef struct {
    double *weights;  ///< (classes, features), owned, on all ranks
    double *bias;     ///< (classes), owned; NULL: without an intercept
    double lambda;    ///< of the solution
    double error;     ///< mean of every row when it is left out: ridge's squared error, logistic's
                      ///< cross entropy
    double *left_out; ///< (rows of this rank), owned: logistic's of each, NAN where there is none;
                      ///< NULL: ridge
    bool exact;       ///< rows were left out by solving without them, not by a step
    int tried;        ///< penalties, from the greatest down
    bool tied;        ///< lambda is the greatest, and the one below is as good
    // logistic, for all penalties
    int steps;      ///< Newton's, with all rows
    int64_t trials; ///< gradients of rows left out
    int64_t alone;  ///< of these rows, such as Newton's method solved alone
} LinearFit;
void linear_fit_release(LinearFit *fit); ///< of an empty one too
/// Local. For solvers, which try penalties from the greatest to the least: whether this one has
/// less error than those before, by more than rounding and whatever is no number; then it is the
/// fit's.
bool linear_fit_takes(LinearFit *fit, double lambda, double error);

/// Collective. Ridge regression of 1 for a row's class and -1 for others; of the penalties the one
/// whose exact leave-one-out error is least, of several the greatest: from the eigenvectors of the
/// Gram matrix (Golub et al. 1979), the solution from its Cholesky factor. FAILED where it has
/// none.
COLLECTIVE
Status solve_ridge(LinearFit *out, const Samples *samples, const Penalties *penalties);
/// Collective. Least sum of cross entropies + lambda / 2 |weights|^2, by Newton's method; of two
/// classes with one vector of weights, as scikit-learn has them, half of it for each class. Of the
/// penalties the one whose leave-one-out cross entropy is least, each solved from the solution of
/// the one above. FAILED if the greatest penalty does not converge; lower ones that do not are not
/// taken.
///
/// With C = X_i H^-1 X_i', A = diag(p) - p p' and g = p - y of a row at the solution, a step
/// without it makes its scores z + C (I - A C)^-1 g: approximate leave-one-out (Beirami et al.
/// 2017; Rad & Maleki 2020), here for several classes. Exact leave-one-out goes on from there:
/// descents of many rows at once, with L-BFGS beyond the Hessian of that step, to within 1e-7 of
/// each row's loss in that Hessian's norm; rows that have not come there after many steps are
/// solved alone by Newton's method. With an intercept, a row that is alone in its class is in
/// neither: nothing would hold that class's intercept.
COLLECTIVE
Status solve_logistic(LinearFit *out, const Samples *samples, const Penalties *penalties);
/// Collective. Mean cross entropy of the rows.
COLLECTIVE
double solve_loss(const LinearFit *fit, const Samples *samples);

/// What there is to solve.
typedef struct {
    int64_t all_rows, features, classes;
    bool intercept;
    int ranks, penalties;
    LeaveOut leave_out;
} SolveShape;
/// What it takes at most, but for the features.
typedef struct {
    int64_t unknowns;
    double matrix_elements; ///< of a matrix, on the rank that has most of it
    double rank_bytes;      ///< of a rank
    double first_bytes;     ///< of the first rank, beyond that
} SolveNeed;
/// Local.
void solve_ridge_need(SolveNeed *out, const SolveShape *shape);
void solve_logistic_need(SolveNeed *out, const SolveShape *shape);
/// Local. Floating-point operations of exact leave-one-out by logistic regression, of n rows and p
/// unknowns (in whole tiles for each class, one class of two): 24 n^2 p + 14 n p^2 a penalty, which
/// is six gradients a row.
double solve_refit_flops(const SolveShape *shape);
/// Local. Whether rows are to be left out exactly.
bool solve_refits(const SolveShape *shape);

/// Local. out (block->count, count), row-major = columns [first, first + count) of the block's rows
/// less `mean` (features; NULL: 0): behind the features one of `after`, then 0.
void samples_columns(double *out, const Samples *samples, RowBlock block, int64_t first,
                     int64_t count, const double *mean, double after);
