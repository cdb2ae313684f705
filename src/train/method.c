#include "train/method.h"

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
