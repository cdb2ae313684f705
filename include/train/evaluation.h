/// What an evaluation found, whatever the task.
#pragma once
#include "base/text.h"
#include "store/json.h"

#include <stdbool.h>

/// Of the targets of a row of a language model, or of several.
typedef struct {
    double loss; ///< summed
    int64_t right, targets;
} TokenSums;

typedef struct {
    Json *values;    ///< owned: the named values that are defined
    Json *whole;     ///< owned: these, "rows", and what else the task tells
    Text line;       ///< "loss 0.0385  accuracy 0.9928": a line of progress
    Text table;      ///< for a person
    float *logits;   ///< (rows, labels) of classifications, owned; NULL of others
    TokenSums *sums; ///< (rows) of language models, owned; NULL of others
} Evaluation;
void evaluation_release(Evaluation *evaluation);
/// Local. NaN if undefined.
double evaluation_value(const Evaluation *evaluation, const char *name);

/// Names of all tasks' values, ended by NULL; and which way is better.
extern const char *const evaluation_names[];
bool evaluation_higher_is_better(const char *name);
