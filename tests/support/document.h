/// Documents that the program makes of its own tables, committed.
#pragma once
#include "base/text.h"

/// Checks that docs/NAME is `expected`, which `source` says; with TEMPER_WRITE_DOCS in the
/// environment writes it first.
void check_document(const char *name, const Text *expected, const char *source);
