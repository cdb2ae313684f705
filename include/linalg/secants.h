/// What the last steps of a descent tell of an inverse Hessian, beyond an approximation of it that
/// is there from the start: L-BFGS (Nocedal 1980).
#pragma once
#include <stdint.h>

enum { SECANTS = 6, SECANTS_DOUBLES = 2 * SECANTS }; ///< steps kept; doubles for each unknown

typedef struct {
    int64_t n, count;      ///< unknowns, a multiple of 4; all steps so far
    double *steps, *turns; ///< (SECANTS, n): of x and of the gradient; borrowed
    double curvature[SECANTS], share[SECANTS];
} Secants;
/// Local. Without a step; memory (SECANTS_DOUBLES * n) is the caller's.
void secants_start(Secants *out, double *memory, int64_t n);
/// Local. A step from x to x1, where the gradient was g and is g1; without a trace where the
/// gradient does not rise.
void secants_add(Secants *secants, const double *x1, const double *x, const double *g1,
                 const double *g);
/// Local. y (n) becomes the inverse Hessian times y; between these two, the approximation times y.
void secants_before(Secants *secants, double *y);
void secants_after(const Secants *secants, double *y);

/// Local. n a multiple of 4.
double secants_dot(const double *a, const double *b, int64_t n);
