/// What a run answered to each test row: RUN/test.jsonl, for comparisons of runs.
#pragma once
#include "data/dataset.h"
#include "model/model.h"
#include "train/evaluation.h"

/// The first line of the file names the labels, or the task of a language model; every other is a
/// row.
typedef struct {
    int64_t rows;
    int label_count;  ///< 0: of a language model
    int64_t *numbers; ///< (rows): record in its file from 1
    int32_t *labels;  ///< (rows): what is true; NULL of a language model
    float *logits;    ///< (rows, label_count); likewise
    TokenSums *sums;  ///< (rows); NULL of others
    char *names;      ///< of the labels, a JSON list; or of the task
} Outcomes;

/// Local. Of the rows of the test split.
Status outcomes_write(const char *run, const Model *model, const Dataset *data,
                      const Evaluation *test);
/// Local. No rows where the run has none. FAILED if the file is damaged.
/// `outcomes_release` also after failure.
Status outcomes_read(Outcomes *out, const char *run);
void outcomes_release(Outcomes *outcomes);
