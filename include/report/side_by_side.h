/// Runs side by side, for a person: `results` is what train/compare_runs.h makes.
#pragma once
#include "base/text.h"
#include "store/json.h"

/// Local. Appends tables for a terminal.
void side_by_side_text(Text *out, const Json *results);
/// Local. Appends a self-contained page with the curves of the runs' folders, which are their
/// names. No script, nothing from the network; every text is escaped.
Status side_by_side_page(Text *out, const Json *results);
