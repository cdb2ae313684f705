#include "train/run_fields.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "train/program.h"
#include "train/run_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// What the threads of a rank and its kernels follow from.
static const char *const variables[] = { "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES",
                                         "OMP_WAIT_POLICY", "OPENBLAS_CORETYPE" };

static Status time_now(Json **out, const RunRecord *r)
{
    char now[21];
    (void)r;
    clock_utc(now);
    *out = json_new_text(now);
    return OK;
}

static Status command(Json **out, const RunRecord *r)
{
    char *word = NULL;
    size_t capacity = 0;
    FILE *words = fopen("/proc/self/cmdline", "re");
    (void)r;
    if (!words) return OK;
    *out = json_new_array();
    while (getdelim(&word, &capacity, '\0', words) > 0) json_append(*out, json_new_text(word));
    free(word);
    fclose(words);
    return OK;
}

static Status folder(Json **out, const RunRecord *r)
{
    char path[PATH_MAX];
    (void)r;
    if (getcwd(path, sizeof path)) *out = json_new_text(path);
    return OK;
}

static Status recipe(Json **out, const RunRecord *r)
{
    *out = recipe_json(r->trainer->recipe);
    return OK;
}

static Status program(Json **out, const RunRecord *r)
{
    (void)r;
    *out = json_new_object();
    for (const ProgramFact *fact = program_facts(); fact->name; fact++)
        if (*fact->value) json_set_text(*out, fact->name, fact->value);
    return OK;
}

static Status environment(Json **out, const RunRecord *r)
{
    (void)r;
    *out = json_new_object();
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value) json_set_text(*out, variables[i], value);
    }
    return OK;
}

static Status job(Json **out, const RunRecord *r)
{
    const char *id = getenv("SLURM_JOB_ID");
    (void)r;
    if (id) *out = json_new_text(id);
    return OK;
}

static Status grid(Json **out, const RunRecord *r)
{
    const Grid *g = &r->trainer->grid;
    *out = json_new_object();
    json_set_int(*out, "data", g->data);
    json_set_int(*out, "rows", g->rows);
    json_set_int(*out, "cols", g->cols);
    json_set_int(*out, "leaves", r->trainer->leaves);
    return OK;
}

static Status seeds(Json **out, const RunRecord *r)
{
    *out = json_new_object();
    json_set_int(*out, "train.seed", r->trainer->recipe->train.seed);
    json_set_int(*out, "data.split.seed", r->trainer->recipe->data.split.seed);
    return OK;
}

static Status from_step(Json **out, const RunRecord *r)
{
    *out = json_new_int(r->from_step);
    return OK;
}

/// Hashed when it was prepared.
static Status data(Json **out, const RunRecord *r)
{
    const char *sums = r->trainer->data->data_sha256;
    *out = run_files_data(&r->trainer->recipe->data, sums ? sums : "");
    return OK;
}

static Status tokenizer(Json **out, const RunRecord *r)
{
    const char *text = r->trainer->model->tokenizer_json;
    char hex[65];
    Sha256 sha;
    sha256_init(&sha);
    sha256_add(&sha, text, strlen(text));
    sha256_finish(hex, &sha);
    *out = json_new_object();
    json_set_text(*out, "sha256", hex);
    return OK;
}

static Status model(Json **out, const RunRecord *r)
{
    const char *path = r->trainer->recipe->model.path;
    if (r->ended == STOPPED) return run_file_describe_frame(out, path, path);
    return r->ended == OK ? run_file_describe(out, path, path) : OK;
}

static Status to_step(Json **out, const RunRecord *r)
{
    *out = json_new_int(r->trainer->step);
    return OK;
}

static Status state(Json **out, const RunRecord *r)
{
    *out = json_new_text(r->ended == OK ? "done" : r->ended == STOPPED ? "stopped" : "failed");
    return OK;
}

static Status energy(Json **out, const RunRecord *r)
{
    if (r->energy_j >= 0) *out = json_new_number(r->energy_j);
    return OK;
}

static Json *describe_rank(const RunRecord *r, int rank)
{
    Json *out = json_new_object();
    Text cpus = { 0 };
    placement_cpus(&cpus, &r->places[rank].cpus);
    json_set_int(out, "rank", rank);
    json_set_int(out, "threads", r->threads[rank]);
    json_set_text(out, "cpus", text_chars(&cpus));
    text_release(&cpus);
    return out;
}

/// Each with its ranks.
static Status nodes(Json **out, const RunRecord *r)
{
    int ranks = r->trainer->comm->size;
    *out = json_new_array();
    for (int first = 0, leader; first < ranks; first++) {
        placements_on_node(r->places, ranks, first, &leader);
        if (leader < first) continue;
        Json *node = json_new_object(), *list = json_new_array();
        json_set_text(node, "host", r->places[first].host);
        for (int rank = first; rank < ranks; rank++)
            if (r->places[rank].node == r->places[first].node)
                json_append(list, describe_rank(r, rank));
        json_set(node, "ranks", list);
        json_append(*out, node);
    }
    return OK;
}

static Status ranks(Json **out, const RunRecord *r)
{
    *out = json_new_int(r->trainer->comm->size);
    return OK;
}

/// Time may be short when a run is stopped.
static Status list_outputs(Json **out, const RunRecord *r)
{
    if (r->ended != OK && r->ended != STOPPED) return OK;
    return run_files_written(out, r->trainer->recipe->output.folder, r->ended == STOPPED);
}

/// A value that stays NULL is left out.
static const struct {
    RecordMoment moment;
    const char *name;
    Status (*value)(Json **out, const RunRecord *r);
    const char *meaning;
} fields[] = {
    { RECORD_START, "started_utc", time_now, "when the part began, UTC" },
    { RECORD_START, "command", command, "words of the command line of rank 0" },
    { RECORD_START, "folder", folder, "working folder, which relative paths are against" },
    { RECORD_START, "recipe", recipe, "the recipe in effect: every key with its value as text" },
    { RECORD_START, "program", program,
      "what `temper version --json` says: version, commit, hash of `git diff --binary HEAD` where "
      "that is not all, compiler, flags, kernel variant, libraries, BLAS core" },
    { RECORD_START, "environment", environment,
      "environment variables that threads and kernels follow from, where they are set" },
    { RECORD_START, "job", job, "the Slurm job" },
    { RECORD_START, "ranks", ranks, "ranks" },
    { RECORD_START, "nodes", nodes,
      "each host with its ranks: threads, and the CPUs that it may use" },
    { RECORD_START, "grid", grid, "ranks as data x rows x cols, and leaves of a step" },
    { RECORD_START, "seeds", seeds, "seeds of all random numbers" },
    { RECORD_START, "from_step", from_step, "steps done before this part; 0: the run began" },
    { RECORD_START, "data", data,
      "files that the data was prepared of, with the key of the recipe that names them" },
    { RECORD_START, "tokenizer", tokenizer, "SHA-256 of the tokenizer.json in the model" },
    { RECORD_END, "state", state, "`done`, `stopped` (on request) or `failed`" },
    { RECORD_END, "to_step", to_step, "steps done at its end" },
    { RECORD_END, "ended_utc", time_now, "when it ended, UTC" },
    { RECORD_END, "energy_j", energy,
      "joules of the processors of all nodes that tell (RAPL), whoever used them" },
    { RECORD_END, "model", model, "the model file; of a part that is done or stopped" },
    { RECORD_END, "outputs", list_outputs,
      "what the run folder holds of the run; of a part that is done or stopped" },
};

Status run_fields_add(const RunRecord *r, RecordMoment moment)
{
    Status status = OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        Json *value = NULL;
        if (fields[i].moment != moment) continue;
        status = fields[i].value(&value, r);
        if (value) json_set(r->part, fields[i].name, value);
        if (status != OK) break;
    }
    return status;
}

void run_fields_markdown(Text *out)
{
    text_append(
        out,
        "# The record of a run\n\n"
        "`RUN/record.json` is an object with `record_version`, 1, and `parts`, a list: "
        "one for each time\nthat `train` was started on the run, in their order. A part "
        "that has no `state` is under way, or died.\nFiles are objects of `path`, `bytes` "
        "and `sha256`; those of the run are named from its folder.\nOf a part that is stopped, "
        "when time may be short, the model and what ends in .h5 have `frame_sha256` instead: "
        "that of all\nbytes but the tensors' elements, whose checksums are among these.\n"
        "`exports` lists what "
        "`temper export` wrote of it: `exported_utc`, `folder` (the working folder),\n"
        "`output` and `files`.\n\n"
        "| field of a part | written | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        text_printf(out, "| `%s` | at its %s | %s |\n", fields[i].name,
                    fields[i].moment == RECORD_START ? "start" : "end", fields[i].meaning);
}
