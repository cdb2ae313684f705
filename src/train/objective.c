#include "train/objective.h"
#include "train/classification.h"
#include "train/language.h"

#include <string.h>

#define CLASSIFICATION classification_divisor, classification_loss, classification_evaluate
#define LANGUAGE       language_divisor, language_loss, language_evaluate

static const Objective objectives[] = {
    { "text_classification", FORM_LABELLED, CLASSIFICATION, classification_predict },
    { "causal_lm", FORM_STREAM, LANGUAGE, language_predict },
    { "masked_lm", FORM_DOCUMENTS, LANGUAGE, NULL },
};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };
const char *const objective_tasks[] = { "text_classification", "causal_lm", "masked_lm", NULL };

const Objective *objective_find(const char *task)
{
    for (int i = 0; i < OBJECTIVES; i++)
        if (!strcmp(objectives[i].task, task)) return &objectives[i];
    return NULL;
}
