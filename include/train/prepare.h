/// The tokenised data set of a recipe.
#pragma once
#include "model/model.h"
#include "train/recipe.h"

/// Local. USAGE where sequences of the recipe can be longer than the model's positions, or of two
/// texts for a model of one.
Status prepare_check_model(const Recipe *recipe, const Model *model);

/// Collective. The tokenizer of `tokenizer_json` and the data set prepared with it, beside the run
/// folder, so that runs share it. The caller owns both.
COLLECTIVE
Status prepare_data(const Comm *comm, Dataset **data, Tokenizer **tokenizer, const Recipe *recipe,
                    const char *tokenizer_json);
