/// Who wrote a file: facts that every file carries beside its contents.
#pragma once
#include "store/tensors.h"

enum { PROVENANCE_VALUES = 8 };

typedef struct {
    char host[256], hdf5[32];
} ProvenanceTexts;

/// Local. Program, compiler, libraries, host and job of this process, as values for `h5_add_value`;
/// they borrow from `texts`. Returns their number.
int provenance_values(Value values[PROVENANCE_VALUES], ProvenanceTexts *texts);
