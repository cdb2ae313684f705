#include "cli/commands.h"
#include "cli/target.h"
#include "report/side_by_side.h"
#include "train/compare_runs.h"

#include <stdio.h>

typedef struct {
    char output[4096];
} ReportFlags;

static const Option flags[] = { { FIELD(ReportFlags, output), .def = "runs.html", .letter = 'o',
                                  .help = "the page to write" },
                                { 0 } };

static Status report_run(const Invocation *invocation)
{
    Status status = OK;
    const ReportFlags *given = invocation->flags;
    Json *results = NULL;
    Text text = { 0 }, page = { 0 };
    int count = 0;
    while (count < WORDS_MAX && invocation->arguments[count]) count++;
    for (int i = 0; i < count; i++) TRY(target_check_page(given->output, invocation->arguments[i]));
    TRY(compare_runs(&results, invocation->arguments, count));
    TRY(side_by_side_page(&page, results));
    TRY(text_write_file(given->output, page.data, page.length_bytes));
    side_by_side_text(&text, results);
    printf("%s%s\n", text_chars(&text), given->output);
done:
    text_release(&page);
    text_release(&text);
    json_free(results);
    return status;
}

const Command command_report = {
    .name = "report",
    .run = report_run,
    .arguments = { "RUN", "[RUN ...]" },
    .flags = flags,
    .flags_bytes = sizeof(ReportFlags),
    .summary = "runs side by side: metrics with intervals, tests, curves",
    .description =
        "Metrics of the test split with 95 % intervals (percentile bootstrap, 2000 resamples of\n"
        "the rows, the same in every call), McNemar's exact test of each run against the first\n"
        "where both answered the same test rows, the curves in one figure, and what differs in\n"
        "the recipes: as text, and as one page without script or network. The answers to the\n"
        "test rows are in RUN/test.jsonl. Of language models these are sums over the targets of\n"
        "each row: the intervals are of ratios of sums, and two runs are compared by the interval\n"
        "of their difference on the same resamples (paired bootstrap).",
    .example = "temper report runs/seed-1 runs/seed-2 -o seeds.html",
};
