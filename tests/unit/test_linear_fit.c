/* TEST labels=linalg timeout=20 */
#include "linalg/solve.h"
#include "support/check.h"

#include <math.h>

enum { PENALTIES = 4 };

/// What is chosen of penalties 4, 3, 2, 1 with these errors.
static LinearFit choose(const double errors[PENALTIES])
{
    LinearFit fit = { 0 };
    for (int i = 0; i < PENALTIES; i++) linear_fit_takes(&fit, PENALTIES - i, errors[i]);
    return fit;
}

static void check(double lambda, bool tied, const double errors[PENALTIES])
{
    LinearFit fit = choose(errors);
    CHECK_TRUE(fit.lambda == lambda && fit.tied == tied);
}

static void takes_the_least_error(void)
{
    check(2, false, (double[]){ 3, 2, 1, 2 });
    check(1, false, (double[]){ 3, 2, 1, 0.5 });
    check(4, false, (double[]){ 1, 2, 3, 4 });
}

static void takes_the_greatest_of_equals(void)
{
    check(4, true, (double[]){ 1, 1, 1, 1 });
    check(4, true, (double[]){ 1, 1 - 1e-15, 1 - 2e-15, 1 - 3e-15 }); // but for rounding
    check(4, true, (double[]){ 0, 0, 0, 0 });
    check(4, true, (double[]){ 1, 1, 2, 3 });
    check(4, false, (double[]){ 1, 1.001, 1, 1 }); // not the one beside it
    check(2, false, (double[]){ 1, 1, 0.5, 0.5 });
    check(1, false, (double[]){ 1, 1, 1, 0.999 });
}

static void takes_numbers(void)
{
    check(3, false, (double[]){ NAN, 1, 2, NAN });
    check(2, false, (double[]){ 2, NAN, 1, NAN });
    check(4, false, (double[]){ 1, NAN, NAN, NAN });
    check(3, false, (double[]){ INFINITY, 1, 2, 3 });
    check(4, false, (double[]){ 1, INFINITY, 1, 1 });
    LinearFit none = choose((double[]){ NAN, NAN, NAN, NAN });
    CHECK_TRUE(none.lambda == 4 && isnan(none.error) && !none.tied);
}

static const Case cases[] = { { "takes the least error", takes_the_least_error },
                              { "takes the greatest of equals", takes_the_greatest_of_equals },
                              { "takes numbers", takes_numbers } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
