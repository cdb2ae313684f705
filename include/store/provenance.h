/// Who wrote a file: facts that every file carries beside its contents.
#pragma once
#include "store/tensors.h"

enum { PROVENANCE_MOST_FACTS = 4, PROVENANCE_VALUES = 7 + PROVENANCE_MOST_FACTS };

typedef struct {
    char host[256], hdf5[32];
} ProvenanceTexts;

/// Local. A fact that the layers above know, for all that is written from now on. Both texts are
/// borrowed for good.
void provenance_add(const char *name, const char *text);

enum { PROVENANCE_NUMBERS = 2 + PROVENANCE_MOST_FACTS };

/// Local. What the numbers depend on alone, program and added facts: for files of other formats and
/// printed results. Returns their number.
int provenance_numbers(Value values[PROVENANCE_NUMBERS]);
/// Local. Program, compiler, libraries, host and job of this process and the facts that were added,
/// as values for `h5_add_value`; they borrow from `texts`. Returns their number.
int provenance_values(Value values[PROVENANCE_VALUES], ProvenanceTexts *texts);
