#include "base/file.h"
#include "cli/commands.h"
#include "report/crate.h"
#include "train/run_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char format[16], output[4096], license[512], agent[256], orcid[64];
} RecordFlags;

static const char *const formats[] = { "ro-crate", NULL };

static const Option flags[] = {
    { FIELD(RecordFlags, format), .def = "ro-crate", .choices = formats,
      .help = "RO-Crate 1.1, profile Process Run Crate 0.5" },
    { FIELD(RecordFlags, output), .def = "", .letter = 'o',
      .help = "folder for ro-crate-metadata.json, made if it is not there; default: RUN" },
    { FIELD(RecordFlags, license), .def = "", .help = "URL of the licence of what the run wrote" },
    { FIELD(RecordFlags, agent), .def = "", .help = "name of who started the run" },
    { FIELD(RecordFlags, orcid), .def = "", .help = "and their https://orcid.org/..." },
    { 0 }
};

static Status find_folder(char out[PATH_MAX], const char *path)
{
    if (realpath(path, out)) return OK;
    return status_fail(FAILED, "%s: %s", path, strerror(errno));
}

static Status record_run(const Invocation *invocation)
{
    Status status = OK;
    const RecordFlags *given = invocation->flags;
    const char *run = invocation->arguments[0];
    char run_path[PATH_MAX], folder[PATH_MAX];
    Json *record = NULL, *crate = NULL;
    TRY(run_record_read(&record, run));
    TRY(run_record_check(record, run));
    if (*given->output) TRY(file_make_folders(given->output));
    TRY(find_folder(run_path, run));
    TRY(find_folder(folder, *given->output ? given->output : run));
    CrateOptions options = { .folder = folder,
                             .run = run_path,
                             .license = given->license,
                             .agent = given->agent,
                             .orcid = given->orcid };
    crate = crate_json(record, &options);
    const char *output = *given->output ? given->output : run, *name = "ro-crate-metadata.json";
    TRY(json_write_file(output, name, crate));
    printf("%s/%s\n", output, name);
done:
    json_free(crate);
    json_free(record);
    return status;
}

const Command command_record = {
    .name = "record",
    .run = record_run,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(RecordFlags),
    .summary = "the record of a run in the form that archives read",
    .description =
        "Writes RUN/record.json as ro-crate-metadata.json: the run as an action of this program\n"
        "with its start and end, on data, model and recipe, with checkpoints and reports as the\n"
        "result, each with size and SHA-256. Files outside the folder are named by file URIs.\n"
        "An archive asks for a licence, and who made it: --license, --agent, --orcid.",
    .example = "temper record runs/sms-spam --license https://spdx.org/licenses/CC-BY-4.0",
};
