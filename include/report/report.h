/// What a person keeps of a run: report.json, loss.svg and a self-contained report.html.
#pragma once
#include "base/status.h"
#include "store/json.h"

/// Local. Writes the three files into the run folder from `folder`/metrics.jsonl and `results`. Of
/// metrics.jsonl, a line with "split" is an evaluation ("step", "loss"), any other a step ("step",
/// "epoch", "loss", "learning_rate", "tokens", "seconds"); lines that are no JSON (a torn last one)
/// are left out, a missing file has no lines. `results` holds, all optional, shown in this order:
///   "title"    text
///   "summary"  object of texts and numbers: model, data, ranks ...; a row each
///   "splits"   object: name of the split to `metrics_json` (train/metrics.h)
///   "efficiency"  object (train/efficiency.h), not shown
///   "recipe"   object of texts, numbers and truth values by dotted key
/// report.json is `results` with "training": steps, epochs, tokens, seconds, tokens_per_second and
/// last_loss of metrics.jsonl. FAILED if a file cannot be read or written.
Status report_write(const char *folder, const Json *results);
