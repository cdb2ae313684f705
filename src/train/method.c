#include "train/method.h"
#include "infer/rows.h"

#include <string.h>

COLLECTIVE
static Status full_step(Trainer *trainer, StepRecord *out)
{
    train_step(trainer, out);
    return OK;
}

static const Method methods[] = {
    { "full", full_step, false },
    { "linear_probe", probe_step, true },
};
const char *const method_names[] = { "full", "linear_probe", NULL };

const Method *method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(methods[i].name, name)) return &methods[i];
    return NULL;
}

int64_t method_copies(const Recipe *recipe, int64_t leaves)
{
    enum { MOST_RANKS = 65536 }; // as train.leaves
    return method_find(recipe->train.method)->once ? MOST_RANKS : leaves;
}

int64_t method_busy(const Recipe *recipe, const Batches *batches, int64_t leaves)
{
    if (!method_find(recipe->train.method)->once) return leaves;
    return infer_leaves(batches->data, batches->rows, batches->count);
}
