#include "train/evaluate.h"
#include "base/fault.h"
#include "base/mem.h"
#include "train/metrics.h"

#include <math.h>
#include <string.h>

#define NAME(name, higher) #name,
const char *const evaluation_names[] = { METRICS(NAME) "perplexity", "token_accuracy", NULL };

bool evaluation_higher_is_better(const char *name)
{
    return strcmp(name, "loss") && strcmp(name, "perplexity");
}

void evaluation_release(Evaluation *evaluation)
{
    json_free(evaluation->values);
    json_free(evaluation->whole);
    text_release(&evaluation->line);
    text_release(&evaluation->table);
    mem_free(evaluation->logits);
    mem_free(evaluation->sums);
    *evaluation = (Evaluation){ 0 };
}

double evaluation_value(const Evaluation *evaluation, const char *name)
{
    return json_number(json_get(evaluation->values, name), NAN);
}

bool evaluate_split(const Comm *comm, Evaluation *out, const TrainOptions *train,
                    const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                    Split split, Watch *watch)
{
    int64_t *rows, count = dataset_split_rows(data, split, &rows);
    *out = (Evaluation){ .values = json_new_object() };
    fault_hang_at("hang-evaluation");
    if (count > 0)
        objective_find(model->head->task)
            ->evaluate(comm, out, train, model, tokenizer, data, rows, count, watch);
    bool found = count > 0 && !(watch && watch->stopped);
    if (!found) evaluation_release(out);
    mem_free(rows);
    return found;
}
