#include "base/mem.h"
#include "report/crate.h"
#include "train/run_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// A record.json that passes for one of a run that is done becomes a crate, whatever it lacks.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const CrateOptions options = { "/crates/a", "/crates/a/run", "", "", "" };
    Json *record = NULL;
    if (json_parse(&record, (const char *)data, bytes, "fuzz") == OK &&
        run_record_check(record, "fuzz") == OK)
        json_free(crate_json(record, &options));
    json_free(record);
    return 0;
}
