#include "store/provenance.h"
#include "build_info.h"
#include "store/h5.h"

#include <stdlib.h>
#include <unistd.h>

static Value facts[PROVENANCE_MOST_FACTS];
static int fact_count;

void provenance_add(const char *name, const char *text)
{
    CHECK(fact_count < PROVENANCE_MOST_FACTS, "no room for %s", name);
    facts[fact_count++] = (Value){ .name = name, .text = text };
}

int provenance_numbers(Value values[PROVENANCE_NUMBERS])
{
    int count = 0;
    values[count++] = (Value){ .name = "creator_version", .text = TEMPER_VERSION };
    values[count++] = (Value){ .name = "commit", .text = TEMPER_COMMIT };
    for (int i = 0; i < fact_count; i++) values[count++] = facts[i];
    return count;
}

int provenance_values(Value values[PROVENANCE_VALUES], ProvenanceTexts *texts)
{
    const char *job = getenv("SLURM_JOB_ID");
    int count = provenance_numbers(values);
    *texts = (ProvenanceTexts){ 0 };
    gethostname(texts->host, sizeof texts->host - 1);
    h5_library(texts->hdf5);
    values[count++] = (Value){ .name = "compiler", .text = TEMPER_COMPILER " " TEMPER_FLAGS };
    values[count++] = (Value){ .name = "mpi_library", .text = comm_library() };
    values[count++] = (Value){ .name = "hdf5_library", .text = texts->hdf5 };
    values[count++] = (Value){ .name = "host", .text = texts->host };
    if (job) values[count++] = (Value){ .name = "job", .text = job };
    return count;
}
