/// How sure the metrics of a test split are, and whether two runs differ on it.
#pragma once
#include "train/metrics.h"
#include "train/outcomes.h"

enum { RESAMPLES = 2000 };

typedef struct {
    double low, high; ///< NaN where the metric is undefined
} Interval;

/// Local. Of every named metric, in the order of `metric_names`: the interval that holds 95 % of
/// its values over RESAMPLES draws of as many rows with replacement (percentile bootstrap; Efron
/// and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). The same rows are drawn for
/// outcomes of as many rows. `count` intervals.
void bootstrap_intervals(Interval *out, int count, const Outcomes *outcomes);

/// Values of token sums, ended by NULL: "loss", "perplexity", "token_accuracy".
extern const char *const token_names[];
enum { TOKEN_VALUES = 3 };
/// Local. By the order of `token_names`: ratios of sums; NaN where there are no targets.
void token_values(double out[TOKEN_VALUES], const TokenSums *sums);
/// Local. The sums of all rows.
TokenSums token_total(const Outcomes *outcomes);
/// Local. As `bootstrap_intervals`, of ratios of the drawn rows' sums (Efron and Tibshirani,
/// chapter 13), of outcomes of language models. `second` not NULL: of what its values have more
/// than those of `outcomes`, the same rows of both being drawn.
void bootstrap_tokens(Interval out[TOKEN_VALUES], const Outcomes *outcomes, const Outcomes *second);

typedef struct {
    int64_t first_alone, second_alone; ///< rows that one has right and the other wrong
    double p; ///< of as uneven a division or a more uneven one, both being equally likely
} McNemar;

/// Local. McNemar's exact test (Psychometrika 12, 1947; binomial, two-sided): the same rows of
/// both.
McNemar mcnemar_exact(const Outcomes *first, const Outcomes *second);
