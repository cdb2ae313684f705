/// The tokenised data set of a recipe.
#pragma once
#include "model/model.h"
#include "train/recipe.h"

/// Collective. The recipe's model, from its file or, with init random, with weights of 0. The
/// caller owns *out.
COLLECTIVE
Status prepare_model(const Comm *comm, Model **out, const Recipe *recipe);
/// Collective. The same with weights that stay in their file, verified: for who only looks. With
/// init random there are none.
COLLECTIVE
Status prepare_model_open(const Comm *comm, Model **out, const Recipe *recipe);
/// Collective. The same without weights, nor memory for them: what there is to plan with.
COLLECTIVE
Status prepare_model_table(const Comm *comm, Model **out, const Recipe *recipe);
/// Local (rank 0). USAGE where model.path is no file, with what to do about a folder.
Status prepare_find_model(const Recipe *recipe);

/// Local. USAGE where sequences of the recipe can be longer than the model's positions, or of two
/// texts for a model of one.
Status prepare_check_model(const Recipe *recipe, const Model *model);

/// Local. A model's tokenizer; `path` names the model in messages. FAILED if it has more tokens
/// than the model's table has rows, `vocabulary` (0: unknown). The caller owns *out.
Status prepare_tokenizer(Tokenizer **out, const char *json, int64_t vocabulary, const char *path);

/// Local. Warns of labels that look like texts, and of a metric that decides nothing. USAGE where
/// the recipe stops early by validation rows that there are not.
Status prepare_check_data(const Recipe *recipe, const Dataset *data);

/// Collective. The tokenizer as `prepare_tokenizer` makes it and the data set prepared with it,
/// beside the run folder, so that runs share it. The caller owns both.
COLLECTIVE
Status prepare_data(const Comm *comm, Dataset **data, Tokenizer **tokenizer, const Recipe *recipe,
                    const char *tokenizer_json, int64_t vocabulary);
