/// What each kind of file must hold: hdf5_schemas/*.json, compiled into the program.
#pragma once
#include "base/text.h"
#include "store/tensors.h"

#include <stdbool.h>

/// Local. Appends one line "RULE SEVERITY PATH MESSAGE" per finding; *errors counts those of
/// severity "error" (the others are "warning"). FAILED only if the schema itself cannot be read.
Status schema_check(Text *findings, int *errors, const TensorFile *file);

/// Local. True if the tensor or value of that name is state (what a run continues from and
/// `compare` compares), false for provenance, times and histories. Names unknown to the schema are
/// state if they are tensors.
bool schema_is_state(const char *schema, const char *name, bool is_tensor);

/// Local. Appends docs/FILES.md.
void schema_markdown(Text *out);
