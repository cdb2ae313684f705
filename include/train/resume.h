/// What a run goes on from, and whether it may: the same rules for `train` and `validate`.
#pragma once
#include "model/model.h"
#include "train/recipe.h"

/// Local (rank 0). The checkpoint that train.resume means; NULL for none. USAGE if one that it
/// names is not there, FAILED if the run folder cannot be read. The caller owns *path.
Status resume_find(char **path, const Recipe *recipe);

/// Local. Whether a run of this recipe may go on from the open checkpoint: USAGE naming every key
/// that differs and may not, and another model, data set or number of leaves. What is not known yet
/// (NULL, 0 leaves) is not compared.
Status resume_check(const TensorFile *file, const Recipe *recipe, const Model *model,
                    const Dataset *data, int64_t leaves);

/// Local. Adds to the message of a newest checkpoint that cannot be read what the user can do;
/// FAILED.
Status resume_advise(const Recipe *recipe);
