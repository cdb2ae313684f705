/// Which rows are for training, validation and test.
#pragma once
#include "comm/comm.h"
#include "data/dataset.h"

#include <stdint.h>

/// Local. What `data.split.validation` or `.test` says: a fraction in [0, 1) ("" is 0), or a file:
/// then *fraction is 0 and *is_file true. USAGE for a number outside; `key` is for the message.
Status split_parse(double *fraction, bool *is_file, const char *text, const char *key);

/// A row's draw: its random number, then, where these are equal, the row itself.
typedef struct {
    uint64_t key, row;
} Draw;

/// Where the rows of a label are cut. `(SplitPlan){0}` is empty.
typedef struct {
    uint64_t seed;
    Draw *cuts[SPLIT_COUNT]; ///< (label_count), owned: draws below that of SPLIT_TEST are for test,
                             ///< others below that of SPLIT_VALIDATION for validation
} SplitPlan;
void split_plan_release(SplitPlan *plan);

/// Collective. Plans a split by fractions, stratified by label: each split takes round(fraction x
/// rows) rows, shared among the labels by largest remainder (ties: lower label). Of a label, the
/// rows with the smallest random number of (seed, label, row) are for test, the next ones for
/// validation; at least one row of each label stays for training. This rank gives rows [first,
/// first + count) of the whole; the plan is the same on all ranks, whatever their rows. Memory
/// grows with the labels alone.
COLLECTIVE
void split_plan(const Comm *comm, SplitPlan *out, const int32_t *labels /* (count), >= 0 */,
                int64_t first, int64_t count, int64_t label_count, double validation, double test,
                uint64_t seed);
/// Local. The split of a row of that label.
Split split_of(const SplitPlan *plan, int32_t label, int64_t row);
