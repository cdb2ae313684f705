/// A run for archives: RO-Crate 1.1 with the profile Process Run Crate 0.5
/// (https://w3id.org/ro/wfrun/process/0.5).
#pragma once
#include "store/json.h"

/// What a record does not know.
typedef struct {
    const char *folder;  ///< of the crate, absolute: files in it have relative names
    const char *run;     ///< the run folder, absolute
    const char *license; ///< URL of the licence of what the run wrote; "": not stated
    const char *agent;   ///< name of who started the run; "": not known
    const char *orcid;   ///< https://orcid.org/...; "": not known
} CrateOptions;

/// Local. The document ro-crate-metadata.json of a record (train/run_record.h) whose last part is
/// done: each part an action, its program the instrument; the last part's inputs and outputs. The
/// caller owns the result.
Json *crate_json(const Json *record, const CrateOptions *options);
