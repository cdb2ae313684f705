/// Large products of a model kept as two smaller ones: y = (x right') left' for y = x weight',
/// where left right is near the weight. The configuration's "factor_ranks" names the rank of each,
/// by the dense weight's name, of joined ones by the first's: these have one right factor. In the
/// table the left factor stands in the weight's row ("NAME.left"), right factors behind the body
/// ("NAME.right").
#pragma once
#include "linalg/svd.h"
#include "model/model.h"

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

/// Local. The rank at which the configuration keeps a product; 0: whole.
int64_t model_factor_rank(const Model *model, const char *name);
/// Local. FAILED for factors that the configuration names and the table has not.
Status model_check_factors(const Model *model, const char *where);
/// Local. The right factor of a product, NULL if it is whole.
static inline const Param *model_right(const Model *model, const Param *param)
{
    return param->right ? &model->params[param->right] : NULL;
}
/// Local. Floats between the factors of a token, in all layers; and how many products there are.
int64_t model_factor_floats(int *products, const Model *model);
/// Local. A parameter's name in a model whose products are whole; room as for Param.name.
void model_whole_name(char *out, const Param *param);
/// Local. out (rows, cols) = left right, of a factored product.
void model_multiply_out(float *out, const Model *model, const Param *left);
