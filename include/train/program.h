/// What this program is: what `temper version` prints, and the record of a run keeps.
#pragma once

typedef struct {
    const char *name;    ///< "blas_core"
    const char *meaning; ///< "the BLAS core"
    const char *value;   ///< "": there is none
} ProgramFact;

/// Local. Build, libraries and kernels of this process, the version first; ended by a row without a
/// name. Valid for good.
const ProgramFact *program_facts(void);
