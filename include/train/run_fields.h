/// The fields of a run's record, as one table.
#pragma once
#include "train/run_record.h"

typedef enum { RECORD_START, RECORD_END } RecordMoment;

/// Local (rank 0). Sets the fields of that moment in record->part; what is not known is left out.
Status run_fields_add(const RunRecord *record, RecordMoment moment);
/// Local. Appends docs/RECORD.md.
void run_fields_markdown(Text *out);
