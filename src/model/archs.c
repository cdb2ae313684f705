#include "model/bert.h"

#include <string.h>

static const Arch *const archs[] = { &bert_arch };
enum { ARCH_COUNT = sizeof archs / sizeof *archs };

const Arch *arch_find(const char *model_type)
{
    for (int i = 0; i < ARCH_COUNT; i++)
        if (!strcmp(archs[i]->model_type, model_type)) return archs[i];
    return NULL;
}

void arch_names(Text *out)
{
    for (int i = 0; i < ARCH_COUNT; i++)
        text_printf(out, "%s%s", i ? ", " : "", archs[i]->model_type);
}
