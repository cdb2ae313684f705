/// Which rows are for training, validation and test.
#pragma once
#include "base/status.h"
#include "data/dataset.h"

#include <stdint.h>

/// Local. What `data.split.validation` or `.test` says: a fraction in [0, 1) ("" is 0), or a file:
/// then *fraction is 0 and *is_file true. USAGE for a number outside; `key` is for the message.
Status split_parse(double *fraction, bool *is_file, const char *text, const char *key);

/// Local. Splits rows 0 .. rows - 1 by fractions, stratified by label: each split takes
/// round(fraction x rows) rows, shared among the labels by largest remainder (ties: lower label).
/// Of a label, the rows with the smallest random number of (seed, label, row) are for test, the
/// next ones for validation; at least one row of each label stays for training. A function of the
/// arguments alone.
void split_stratified(uint8_t *splits /* (rows) */, const int32_t *labels /* (rows), >= 0 */,
                      int64_t rows, int64_t label_count, double validation, double test,
                      uint64_t seed);
