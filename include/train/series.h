/// The steps of a run as number series in one HDF5 file, for tools that read those.
#pragma once
#include "train/recipe.h"

/// Local (rank 0). Writes FOLDER/metrics.h5 of the step lines of FOLDER/metrics.jsonl: series/step,
/// series/loss, ... in the order of the steps.
Status series_write(const Recipe *recipe);
