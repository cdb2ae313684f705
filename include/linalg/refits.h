/// Rows left out one at a time by logistic regression without each (refits.c, refit_steps.c): many
/// rows at once, whose losses descend together with two products a step over all rows.
#pragma once
#include "linalg/logistic.h"
#include "linalg/secants.h"

/// A row on its way: the loss of all others, from the solution with it, or that of none.
typedef struct {
    int64_t row; ///< of all; -1: none
    int trials;
    bool turns;     ///< wants a direction
    bool fails;     ///< is to be solved alone
    double fall;    ///< along the direction, at x
    double size;    ///< of the step that is tried
    double reach;   ///< trace of X_i M^-1 X_i', M the Hessian less the row's part
    double *record; ///< (padded + 2 outputs): features, probabilities and errors at the solution
    double *turned; ///< (outputs, n): H^-1 X_i'
    double *shift;  ///< (outputs, outputs): (I - A C)^-1 A; M^-1 = H^-1 + turned' shift turned
    double *x, *gradient, *direction; ///< (n)
    double *trial, *found;            ///< (n): what is tried, and the gradient there
    Secants secants;
} Refit;

typedef struct {
    Logistic *logistic;
    RefitShape shape;
    int64_t n, slots;                 ///< unknowns; rows at once
    int64_t active, next;             ///< those that are on their way; the next row
    Refit *refits;                    ///< (slots)
    double *memory;                   ///< (slots, shape.row_doubles)
    double *trials, *sides, *results; ///< (slots, n)
    double *found;                    ///< (slots, n)
    int64_t *list;                    ///< (slots): of some of them
    int64_t *alone;                   ///< (rows)
    int64_t alone_count, made;        ///< trials, of those that have left
} Refits;

/// Local. Takes a row's record; its features' image under H^-1 is there.
void refit_start(Refit *out, const Logistic *l, const double *record, int64_t row);
/// Collective. New directions and what is tried along them; those that are within the tolerance of
/// their end have it in `trial`, and `turns` stays set, as of those that fail.
COLLECTIVE
void refits_turn(Refits *refits);
/// Collective. Gradients at what is tried: it is taken, or something nearer is tried next.
COLLECTIVE
void refits_try(Refits *refits);
