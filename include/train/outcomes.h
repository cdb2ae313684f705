/// What a run answered to each test row: RUN/test.jsonl, for comparisons of runs.
#pragma once
#include "data/dataset.h"
#include "model/model.h"

/// The first line of the file names the labels, every other is a row.
typedef struct {
    int64_t rows;
    int label_count;
    int64_t *numbers; ///< (rows): record in its file from 1
    int32_t *labels;  ///< (rows): what is true
    float *logits;    ///< (rows, label_count)
    char *names;      ///< of the labels: a JSON list
} Outcomes;

/// Local. Of the rows of the test split: logits (rows, labels).
Status outcomes_write(const char *run, const Model *model, const Dataset *data,
                      const float *logits);
/// Local. No rows where the run has none: of a language model. FAILED if the file is damaged.
/// `outcomes_release` also after failure.
Status outcomes_read(Outcomes *out, const char *run);
void outcomes_release(Outcomes *outcomes);
