/// Large products of a model kept as two smaller ones: y = (x right') left' for y = x weight',
/// where left right is near the weight. The configuration's "factor_ranks" names the rank of each,
/// by the dense weight's name, of joined ones by the first's: these have one right factor. In the
/// table the left factor stands in the weight's row ("NAME.left"), right factors behind the body
/// ("NAME.right").
#pragma once
#include "model/model.h"

/// Local. The rank at which the configuration keeps a product; 0: whole.
int64_t model_factor_rank(const Model *model, const char *name);
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
