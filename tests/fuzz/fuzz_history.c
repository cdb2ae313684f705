#include "base/mem.h"
#include "report/history.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// Any metrics.jsonl becomes a picture all of whose places are numbers.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const bad[] = { "nan,", "nan ", "\"nan", "\"-nan",
                                       "inf,", "inf ", "\"inf", "\"-inf" };
    static char folder[128], path[192];
    const char *scratch = scratch_file(data, bytes);
    snprintf(folder, sizeof folder, "%s.run", scratch);
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    mkdir(folder, 0700);
    CHECK(!symlink(scratch, path) || !access(path, F_OK), "no %s", path);
    History history = { 0 };
    Text svg = { 0 };
    CHECK(history_read(&history, folder) == OK, "%s", status_message());
    const Curve curves[] = { { "loss", "#000000", CURVE_FAINT, &history.loss },
                             { "mean", "#000000", CURVE_BOLD, &history.smooth },
                             { "split", "#000000", CURVE_MARKED, &history.splits[0].loss } };
    const Curve rate = { "rate", "#000000", CURVE_BOLD, &history.rate };
    const Panel panels[] = { { "loss", 300, curves, 3 }, { "rate", 110, &rate, 1 } };
    svg_plot(&svg, panels, 2, "step");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!strstr(svg.data, bad[i]), "%s in %s", bad[i], svg.data);
    text_release(&svg);
    history_release(&history);
    unlink(path);
    rmdir(folder);
    return 0;
}
