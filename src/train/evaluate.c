#include "train/evaluate.h"
#include "base/mem.h"
#include "infer/logits.h"

bool evaluate_split(const Comm *comm, Metrics *out, const Model *model, const Dataset *data,
                    Split split)
{
    int64_t *rows, labels = model->spec.num_labels;
    int64_t count = dataset_split_rows(data, split, &rows);
    if (count > 0) {
        float *logits = MEM_NEW(float, count *labels);
        int32_t *truth = MEM_NEW(int32_t, count);
        for (int64_t i = 0; i < count; i++) truth[i] = data->labels[rows[i]];
        infer_logits(comm, logits, model, data, rows, count);
        metrics_compute(out, truth, logits, count, (int)labels);
        mem_free(logits);
        mem_free(truth);
    }
    mem_free(rows);
    return count > 0;
}
