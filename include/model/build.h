/// How a model comes to its parameters, for src/model alone.
#pragma once
#include "model/model.h"

/// Local. The most slices that every product of the model can be cut into.
int64_t model_most_slices(const ModelSpec *spec);
/// Local. Fills the table of parameters for the sizes and the head at hand: the body, the head, and
/// the word embedding, which is a lookup table unless the head multiplies with it. Then its values
/// lie before all others: it is the first that a forward pass reads, and its gradient the last that
/// is complete.
void model_build(Model *model);
/// Local. FAILED for factors that the configuration names and the table has not.
Status model_check_factors(const Model *model, const char *where);
/// Local.
void model_release_values(Model *model);
