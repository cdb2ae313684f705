#include "model/decoder.h"
#include "model/encoder.h"

#include <string.h>

static const Arch *const archs[] = { &bert_arch, &roberta_arch, &distilbert_arch,
                                     &gpt2_arch, &llama_arch,   &qwen2_arch };
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

const Head *arch_head(const Arch *arch, const char *task)
{
    for (const Head *head = arch->heads; head->task; head++)
        if (!strcmp(head->task, task)) return head;
    return NULL;
}
