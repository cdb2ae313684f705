#include "train/batches.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/leaves.h"

#include <math.h>
#include <string.h>

static const int64_t most_steps = (int64_t)1 << 32; // random numbers tell so many apart

/// Rows that the step starting at `at` of the order takes.
static int64_t step_rows(const Batches *b, int64_t at)
{
    int64_t tokens = 0, rows = 0;
    if (b->options->batch_tokens == 0) {
        rows = b->count - at;
        return rows < b->options->batch_size ? rows : b->options->batch_size;
    }
    for (; at + rows < b->count; rows++) {
        tokens += dataset_length(b->data, b->order[at + rows]);
        if (rows && tokens > b->options->batch_tokens) break;
    }
    return rows;
}

static void load_epoch(Batches *b, int64_t epoch)
{
    memcpy(b->order, b->rows, (size_t)b->count * sizeof *b->order);
    order_epoch(b->order, b->count, b->options->shuffle, (uint64_t)b->options->seed, epoch);
    b->epoch = epoch;
    b->epoch_steps = 0;
    b->starts[0] = 0;
    for (int64_t at = 0; at < b->count;) {
        at += step_rows(b, at);
        b->starts[++b->epoch_steps] = at;
    }
}

/// Makes the epoch that holds `step` the loaded one.
static void seek(Batches *b, int64_t step)
{
    if (b->epoch < 0 || step < b->epoch_first) {
        load_epoch(b, 0);
        b->epoch_first = 0;
    }
    while (step >= b->epoch_first + b->epoch_steps) {
        b->epoch_first += b->epoch_steps;
        load_epoch(b, b->epoch + 1);
    }
}

/// Steps of `epochs` epochs; with batch_tokens their number differs from epoch to epoch.
static int64_t count_steps(Batches *b, double epochs)
{
    double whole = floor(epochs);
    int64_t steps = 0;
    if (b->options->batch_tokens == 0) {
        load_epoch(b, 0);
        return (int64_t)ceil(epochs * (double)b->epoch_steps);
    }
    for (int64_t epoch = 0; (double)epoch < whole; epoch++) {
        load_epoch(b, epoch);
        steps += b->epoch_steps;
    }
    if (epochs > whole) {
        load_epoch(b, (int64_t)whole);
        steps += (int64_t)ceil((epochs - whole) * (double)b->epoch_steps);
    }
    return steps;
}

/// A row that is longer than a step may be is a step of its own.
static void warn_of_long_rows(const Batches *b)
{
    int64_t most = b->options->batch_tokens, longest = 0, longer = 0;
    for (int64_t i = 0; most && i < b->count; i++) {
        int64_t length = dataset_length(b->data, b->rows[i]);
        longer += length > most;
        if (length > longest) longest = length;
    }
    if (longer)
        log_warn(
            "train.batch_tokens=%lld: %lld training row%s longer, up to %lld tokens: each is a "
            "step of its own",
            (long long)most, (long long)longer, longer == 1 ? " is" : "s are", (long long)longest);
}

Status batches_init(Batches *b, const Dataset *data, const TrainOptions *options)
{
    Status status = OK;
    *b = (Batches){ .data = data, .options = options, .epoch = -1 };
    b->count = dataset_split_rows(data, SPLIT_TRAIN, &b->rows);
    if (!b->count) FAIL(USAGE, "%s: no rows to train on", data->path);
    b->order = MEM_NEW(int64_t, b->count);
    b->starts = MEM_NEW(int64_t, b->count + 1);
    for (int64_t i = 0; i < b->count; i++) b->tokens += dataset_length(data, b->rows[i]);
    b->horizon = options->epochs > 0 ? count_steps(b, options->epochs) : options->max_steps;
    if (b->horizon > most_steps)
        FAIL(USAGE,
             "train.epochs=%g are %lld steps, more than the %lld that can be: choose fewer epochs "
             "or a larger batch",
             options->epochs, (long long)b->horizon, (long long)most_steps);
    b->last = b->horizon;
    if (options->max_steps > 0 && options->max_steps < b->last) b->last = options->max_steps;
    int64_t most = options->batch_tokens ? options->batch_tokens : options->batch_size;
    b->most_sequences = most < b->count ? most : b->count;
    warn_of_long_rows(b);
    load_epoch(b, 0);
    b->mean_tokens = (double)b->tokens / (double)b->epoch_steps;
    b->mean_rows = (double)b->count / (double)b->epoch_steps;
    b->epoch = -1;
done:
    return status;
}

/// The most tokens of one leaf. Longest processing time first exceeds the mean cost by at most the
/// largest, and a token costs between 1 and as much as one of the longest row.
static int64_t bound_leaf(const Batches *b, const Model *model, int64_t leaves)
{
    int64_t longest = dataset_longest(b->data), step = b->options->batch_tokens;
    double token_cost = model->arch->sequence_cost(&model->spec, longest) / (double)longest;
    if (!step) step = b->most_sequences * longest;
    if (step < longest) step = longest;
    if (step > b->tokens) step = b->tokens;
    double bound = ceil(token_cost * ((double)step / (double)leaves + (double)longest));
    return bound < (double)step ? (int64_t)bound : step;
}

Status batches_leaves(int64_t *leaves, int64_t *leaf_tokens, const Batches *b, const Model *model)
{
    *leaves =
        b->options->leaves ? b->options->leaves : leaves_choose(b->most_sequences, b->mean_tokens);
    *leaf_tokens = bound_leaf(b, model, *leaves);
    if (*leaf_tokens > INT32_MAX)
        return status_fail(USAGE,
                           "a leaf of a step can have %lld tokens, more than %d: lower %s or raise "
                           "train.leaves (now %lld)",
                           (long long)*leaf_tokens, INT32_MAX,
                           b->options->batch_tokens ? "train.batch_tokens" : "train.batch_size",
                           (long long)*leaves);
    return OK;
}

void batches_release(Batches *b)
{
    mem_free(b->rows);
    mem_free(b->order);
    mem_free(b->starts);
    *b = (Batches){ 0 };
}

void batches_take(Batches *b, Batch *out, int64_t step)
{
    seek(b, step);
    int64_t i = step - b->epoch_first;
    *out = (Batch){ .step = step,
                    .epoch = b->epoch,
                    .rows = b->order + b->starts[i],
                    .count = b->starts[i + 1] - b->starts[i],
                    .rows_consumed = b->starts[i + 1],
                    .epoch_ends = i + 1 == b->epoch_steps,
                    .progress = (double)b->epoch + (double)b->starts[i + 1] / (double)b->count };
}
