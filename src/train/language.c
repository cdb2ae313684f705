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

/// The loss of the leaf's targets; each (targets->count), unless NULL, is that of every one.
static VocabularyLoss targets_loss(TargetLoss *each, const Model *model, Weight *weights,
                                   Tape *tape, const Targets *targets, double smoothing,
                                   double divisor)
{
    Var *x = select_rows(tape, model_hidden(model, weights, tape), targets->rows, targets->count);
    Output out = model_head(model, weights, tape, x);
    return vocabulary_loss(tape, each, out.x, out.weight, out.bias, targets->ids, smoothing,
                           divisor);
}

double language_loss(Trainer *t, double divisor)
{
    const TrainOptions *train = &t->recipe->train;
    TargetRule rule = rule_of(train, &t->kinds, (uint32_t)t->step);
    targets_take(&t->targets, &rule, &t->buffers, tape_packing(t->tape));
    return targets_loss(NULL, t->model, t->weights, t->tape, &t->targets,
                        train->label_smoothing_factor, divisor)
        .sum;
}

typedef struct {
    TargetRule rule;
    Targets targets;
    TargetLoss *each; ///< (targets.capacity), owned
} Evaluator;

/// Of each row.
static void score_leaf(void *results, const InferredLeaf *leaf, void *context)
{
    Evaluator *evaluator = context;
    Targets *targets = &evaluator->targets;
    const int32_t *cu_seqlens = tape_packing(leaf->tape)->cu_seqlens;
    TokenSums *sums = results;
    targets_take(targets, &evaluator->rule, leaf->buffers, tape_packing(leaf->tape));
    evaluator->each =
        mem_resize(evaluator->each, (size_t)targets->count + 1, sizeof *evaluator->each);
    targets_loss(evaluator->each, leaf->model, leaf->weights, leaf->tape, targets, 0, 1);
    for (int64_t row = 0, i = 0; row < leaf->rows; row++) {
        sums[row] = (TokenSums){ 0 };
        for (; i < targets->count && targets->rows[i] < cu_seqlens[row + 1]; i++) {
            sums[row].loss += evaluator->each[i].loss;
            sums[row].right += evaluator->each[i].correct;
            sums[row].targets++;
        }
    }
}

/// Of halves of the rows.
static TokenSums add_up(const TokenSums *sums, int64_t n)
{
    if (n == 1) return sums[0];
    TokenSums a = add_up(sums, n / 2), b = add_up(sums + n / 2, n - n / 2);
    return (TokenSums){ a.loss + b.loss, a.right + b.right, a.targets + b.targets };
}

static void set_values(Json *values, const TokenSums *sums)
{
    if (!sums->targets) return;
    double loss = sums->loss / (double)sums->targets;
    json_set_number(values, "loss", loss);
    if (isfinite(exp(loss))) json_set_number(values, "perplexity", exp(loss));
    json_set_number(values, "token_accuracy", (double)sums->right / (double)sums->targets);
}

static void describe(Evaluation *out, const TokenSums *sums, int64_t count)
{
    TokenSums all = add_up(sums, count);
    double targets = all.targets ? (double)all.targets : 1;
    set_values(out->values, &all);
    out->whole = json_clone(out->values);
    json_set_int(out->whole, "rows", count);
    json_set_int(out->whole, "targets", all.targets);
    text_printf(&out->line, "loss %.4f  perplexity %.4g  token accuracy %.4f", all.loss / targets,
                exp(all.loss / targets), (double)all.right / targets);
    text_printf(&out->table, "%" PRId64 " rows, %" PRId64 " targets  %s\n", count, all.targets,
                out->line.data);
}

void language_evaluate(const Comm *comm, Evaluation *out, const TrainOptions *train,
                       const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                       const int64_t *rows, int64_t count, Watch *watch)
{
    TokenKinds kinds = { 0 };
    out->sums = MEM_NEW(TokenSums, count);
    if (!model->arch->causal) CHECK(token_kinds_init(&kinds, tokenizer, "") == OK, "no mask token");
    Evaluator evaluator = { .rule = rule_of(train, &kinds, TARGETS_FIXED) };
    Inference inference = { sizeof *out->sums, score_leaf, &evaluator, watch };
    infer_rows(comm, out->sums, &inference, model, data, rows, count);
    if (!watch || !watch->stopped) describe(out, out->sums, count);
    mem_free(evaluator.each);
    targets_release(&evaluator.targets);
    token_kinds_release(&kinds);
}

/// The rows of one text stand together.
static int64_t text_end(const Dataset *data, const int64_t *rows, int64_t at, int64_t count)
{
    int64_t end = at + 1;
    while (end < count && data->row_numbers[rows[end]] == data->row_numbers[rows[at]]) end++;
    return end;
}

/// The line of a text whose rows are [at, end).
static void print_text(FILE *out, const Dataset *data, const int64_t *rows, const TokenSums *sums,
                       int64_t at, int64_t end)
{
    Text line = { 0 };
    Json *values = json_new_object();
    TokenSums all = add_up(sums + at, end - at);
    int64_t tokens = 0;
    for (int64_t i = at; i < end; i++) tokens += dataset_length(data, rows[i]);
    json_set_int(values, "tokens", tokens);
    json_set_int(values, "targets", all.targets);
    set_values(values, &all);
    json_print(&line, values, 0);
    fprintf(out, "%s\n", line.data);
    json_free(values);
    text_release(&line);
}

void language_predict(const Comm *comm, FILE *out, const Model *model, const Dataset *data,
                      const int64_t *rows, int64_t count, bool logits)
{
    TokenSums *sums = MEM_NEW(TokenSums, count);
    Evaluator evaluator = { 0 };
    (void)logits;
    Inference inference = { sizeof *sums, score_leaf, &evaluator, NULL };
    infer_rows(comm, sums, &inference, model, data, rows, count);
    for (int64_t at = 0, end; at < count && comm->rank == 0; at = end) {
        end = text_end(data, rows, at, count);
        print_text(out, data, rows, sums, at, end);
    }
    mem_free(evaluator.each);
    targets_release(&evaluator.targets);
    mem_free(sums);
}
