/// The tokenised data set of a recipe.
#pragma once
#include "train/recipe.h"

/// Collective. The tokenizer of `tokenizer_json` and the data set prepared with it, beside the run
/// folder, so that runs share it. The caller owns both.
COLLECTIVE
Status prepare_data(const Comm *comm, Dataset **data, Tokenizer **tokenizer, const Recipe *recipe,
                    const char *tokenizer_json);
