#include "base/mem.h"
#include "support/scratch.h"
#include "train/outcomes.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// RUN/test.jsonl in a folder whose file is the scratch file.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char folder[128], link_path[256];
    Outcomes out;
    const char *path = scratch_file(data, bytes);
    snprintf(folder, sizeof folder, "%s.run", path);
    snprintf(link_path, sizeof link_path, "%s/test.jsonl", folder);
    mkdir(folder, 0700);
    if (symlink(path, link_path)) CHECK(!access(link_path, F_OK), "cannot make %s", link_path);
    if (outcomes_read(&out, folder) == OK)
        for (int64_t i = 0; i < out.rows; i++)
            CHECK(out.sums ? out.sums[i].right <= out.sums[i].targets
                           : out.labels[i] >= 0 && out.labels[i] < out.label_count,
                  "an unknown label, or too many right");
    outcomes_release(&out);
    unlink(link_path);
    rmdir(folder);
    return 0;
}
