/// Failures of checks that do not depend on each other: all are found before one is reported.
#pragma once
#include "base/text.h"

/// `(Findings){0}` holds none.
typedef struct {
    Text lines;    ///< one a failed check, each once
    Status status; ///< of the first
} Findings;

/// Local. Takes the message of a check that failed, so that the next one can follow; true if it did
/// not fail.
bool findings_add(Findings *findings, Status status);
/// Local. One status for all, whose message has a line for each; releases them.
Status findings_end(Findings *findings);
