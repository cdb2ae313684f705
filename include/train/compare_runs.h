/// Runs side by side: what `temper report` shows.
#pragma once
#include "store/json.h"

/// Local. Of the test split of each run, for report/side_by_side.h:
///   "runs"     list of {"name", "rows", "metrics": {name: {"value", "low", "high"}}} and, of each
///              but the first, "mcnemar": {"first_alone", "second_alone", "p"} or "refused", why
///              there is none
///   "options"  object of lists: keys of the recipe that differ, with the value of each run
/// Intervals are known where answers to the rows are kept. FAILED if a run has no report. The
/// caller owns *out.
Status compare_runs(Json **out, const char *const *runs, int count);
