/// RUN/record.json: what somebody else needs to repeat a run and to check what it wrote. A run that
/// goes on appends a part. The fields are the table of run_fields.c.
#pragma once
#include "base/energy.h"
#include "store/json.h"
#include "train/threads.h"
#include "train/trainer.h"

typedef struct {
    const Trainer *trainer; ///< NULL: not started
    Json *record, *part;    ///< on rank 0, the record owned
    Placement *places;      ///< (ranks), owned
    int64_t *threads;       ///< (ranks), owned
    int64_t from_step;
    Status ended;
    double energy_j; ///< of all nodes; -1: they do not tell
    Energy energy;   ///< of this node, on its first rank
} RunRecord;

/// Collective. Writes the record as the run starts, or goes on, at trainer->step. `record` must not
/// move.
COLLECTIVE
Status run_record_start(RunRecord *record, const Trainer *trainer);
/// Collective. Completes the part of a run that ended so; of one that is done, with the SHA-256 of
/// every file. A record that was not started stays so. Returns `ended`, or what failed in its
/// place.
COLLECTIVE
Status run_record_end(RunRecord *record, Status ended);

/// Local. The record of a run: USAGE if there is none. The caller owns *out.
Status run_record_read(Json **out, const char *run);
/// Local. FAILED unless its last part is done: files are hashed then.
Status run_record_check(const Json *record, const char *run);
/// Local. Adds files (count) that were exported from a run to `output`, under its lock. FAILED as
/// `run_record_check`.
Status run_record_export(const char *run, const char *output, const char *const *paths, int count);
