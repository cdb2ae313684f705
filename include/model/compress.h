/// Makes a model with large products as two smaller ones (model/factors.h) of one without.
#pragma once
#include "linalg/svd.h"
#include "model/factors.h"

/// What became of a product, or of joined ones.
typedef struct {
    const char *name; ///< of the (first) dense weight
    int64_t rows, cols, rank;
    bool factored; ///< else its factors would be no smaller
    double energy; ///< share of the squares that the rank keeps
} FactorReport;
typedef void (*FactorVisit)(void *context, const FactorReport *report);

/// Elements of a model before and after, without heads that its file has not.
typedef struct {
    int64_t before, after;
} FactorSizes;

/// Collective. Writes a model like `model`, which has no group, to the file `to`, with the large
/// products of its layers factored where that makes them smaller, one after the other: a rank reads
/// its blocks of each, has its rows of all factors, and writes these. `visit` is told of each.
/// FAILED for values that are no numbers, USAGE where the model has factors already, or none gets
/// smaller; as `tensors_write`.
COLLECTIVE
Status model_factor(const Comm *comm, const char *to, FactorSizes *sizes, const Model *model,
                    SvdCut cut, FactorVisit visit, void *context, const char *where);
