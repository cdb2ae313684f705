/// The batch script of a run, from the recipe's slurm section.
#pragma once
#include "train/recipe.h"

/// Local. USAGE for values of the slurm section that are not what sbatch takes, all at once.
Status job_check(const SlurmOptions *slurm);
/// Local. Appends `text` in quotes, so that a shell takes it as one word whatever is in it.
void job_quote(Text *out, const char *text);
/// Local. Appends the script: lines for sbatch, the words of `train`, and what slurm/train.sbatch
/// does with them. `program` is the path of this one. Of the recipe only what `job_check` lets pass
/// stands unquoted, and the run folder, whose name must be plain: else USAGE.
Status job_script(Text *out, const Recipe *recipe, const char *recipe_path,
                  const Settings *overrides, const char *program);
