#include "train/language.h"
#include "base/mem.h"
#include "infer/rows.h"

#include <inttypes.h>
#include <math.h>

static TargetRule rule_of(const TrainOptions *train, const TokenKinds *kinds, uint32_t step)
{
    return (TargetRule){ .kinds = kinds->kinds ? kinds : NULL,
                         .seed = (uint64_t)train->seed,
                         .step = step,
                         .probability = train->mlm_probability,
                         .whole_words = train->whole_word_mask };
}

double language_divisor(const Trainer *t, const Batch *batch)
{
    TargetRule rule = rule_of(&t->recipe->train, &t->kinds, (uint32_t)batch->step);
    int64_t targets = 0;
    for (int64_t i = 0; i < batch->count; i++)
        targets += targets_count(&rule, t->data, batch->rows[i]);
    return targets ? (double)targets : 1; // none: their loss is 0
}

/// The loss of the leaf's targets.
static VocabularyLoss leaf_loss(const Model *model, Weight *weights, Tape *tape, Targets *targets,
                                const TargetRule *rule, LeafBuffers *buffers, double smoothing,
                                double divisor)
{
    targets_take(targets, rule, buffers, tape_packing(tape));
    Var *x =
        select_rows(tape, model->arch->hidden(model, weights, tape), targets->rows, targets->count);
    Output out = model_head(model, weights, tape, x);
    return vocabulary_loss(tape, out.x, out.weight, out.bias, targets->ids, smoothing, divisor);
}

double language_loss(Trainer *t, double divisor)
{
    const TrainOptions *train = &t->recipe->train;
    TargetRule rule = rule_of(train, &t->kinds, (uint32_t)t->step);
    return leaf_loss(t->model, t->weights, t->tape, &t->targets, &rule, &t->buffers,
                     train->label_smoothing_factor, divisor)
        .sum;
}

/// Sums over targets: of a leaf, at its first row; then of halves of the rows.
typedef struct {
    double loss;
    int64_t correct, targets;
} Sums;

typedef struct {
    TargetRule rule;
    Targets targets;
} Evaluator;

static void evaluate_leaf(void *results, const InferredLeaf *leaf, void *context)
{
    Evaluator *evaluator = context;
    Sums *sums = results;
    VocabularyLoss loss = leaf_loss(leaf->model, leaf->weights, leaf->tape, &evaluator->targets,
                                    &evaluator->rule, leaf->buffers, 0, 1);
    for (int64_t i = 0; i < leaf->rows; i++) sums[i] = (Sums){ 0 };
    sums[0] = (Sums){ loss.sum, loss.correct, evaluator->targets.count };
}

static Sums add_up(const Sums *sums, int64_t n)
{
    if (n == 1) return sums[0];
    Sums a = add_up(sums, n / 2), b = add_up(sums + n / 2, n - n / 2);
    return (Sums){ a.loss + b.loss, a.correct + b.correct, a.targets + b.targets };
}

static void set_values(Json *values, const Sums *sums)
{
    if (!sums->targets) return;
    double loss = sums->loss / (double)sums->targets;
    json_set_number(values, "loss", loss);
    if (isfinite(exp(loss))) json_set_number(values, "perplexity", exp(loss));
    json_set_number(values, "token_accuracy", (double)sums->correct / (double)sums->targets);
}

void language_evaluate(const Comm *comm, Evaluation *out, const TrainOptions *train,
                       const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                       const int64_t *rows, int64_t count)
{
    TokenKinds kinds = { 0 };
    Sums *sums = MEM_NEW(Sums, count);
    if (!model->arch->causal) CHECK(token_kinds_init(&kinds, tokenizer, "") == OK, "no mask token");
    Evaluator evaluator = { .rule = rule_of(train, &kinds, TARGETS_FIXED) };
    infer_rows(comm, sums, sizeof *sums, model, data, rows, count, evaluate_leaf, &evaluator);
    Sums all = add_up(sums, count);
    double targets = all.targets ? (double)all.targets : 1;
    set_values(out->values, &all);
    out->whole = json_clone(out->values);
    json_set_int(out->whole, "rows", count);
    json_set_int(out->whole, "targets", all.targets);
    text_printf(&out->line, "loss %.4f  perplexity %.4g  token accuracy %.4f", all.loss / targets,
                exp(all.loss / targets), (double)all.correct / targets);
    text_printf(&out->table, "%" PRId64 " rows, %" PRId64 " targets  %s\n", count, all.targets,
                out->line.data);
    targets_release(&evaluator.targets);
    token_kinds_release(&kinds);
    mem_free(sums);
}
