#include "train/run_fields.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "train/checkpoint_folder.h"
#include "train/program.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// What a run writes beside its checkpoints.
static const char *const outputs[] = { "recipe.yaml", "metrics.jsonl", "metrics.h5", "run.log",
                                       "report.json", "report.html",   "loss.svg",   "test.jsonl" };

/// What the threads of a rank and its kernels follow from.
static const char *const variables[] = { "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES",
                                         "OMP_WAIT_POLICY", "OPENBLAS_CORETYPE" };

/// {path, bytes, sha256} of a file that is called `path` in the record.
static Status describe_file(Json **out, const char *file, const char *path)
{
    struct stat info;
    char hex[65];
    Status status = OK;
    TRY(sha256_file(hex, file));
    *out = json_new_object();
    json_set_text(*out, "path", path);
    json_set_int(*out, "bytes", stat(file, &info) ? 0 : info.st_size);
    json_set_text(*out, "sha256", hex);
done:
    return status;
}

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

/// That name files of data, in the order of splits.
static const char *const data_keys[SPLIT_COUNT] = { "data.path", "data.split.validation",
                                                    "data.split.test" };

/// The path of the file of this name: files of training, validation and test stand in this order,
/// those of a folder in the order of their names.
static void find_data(Text *out, int *source, const char *before, const char *name,
                      const DataOptions *options)
{
    const char *const given[] = { options->path, options->split.validation, options->split.test };
    for (; *source < SPLIT_COUNT; ++*source, before = "") {
        const char *path = given[*source], *slash = strrchr(path, '/');
        bool is_folder = *path && file_named(path, FILE_FOLDER, "") == OK;
        text_clear(out);
        text_printf(out, is_folder ? "%s/%s" : "%s", path, name);
        if (is_folder ? strcmp(before, name) < 0 && !access(out->data, R_OK)
                      : !*before && !strcmp(slash ? slash + 1 : path, name))
            break;
    }
    status_clear();
}

/// Hashed when it was prepared.
static Status data(Json **out, const RunRecord *r)
{
    const DataOptions *options = &r->trainer->recipe->data;
    const char *sums = r->trainer->data->data_sha256;
    char *lines = mem_copy_text(sums ? sums : ""), *rest = lines, *before = "";
    Text path = { 0 };
    int source = 0;
    *out = json_new_array();
    for (char *line; (line = strsep(&rest, "\n")) && strlen(line) > 66; before = line + 66) {
        struct stat info;
        Json *file = json_new_object();
        line[64] = '\0';
        find_data(&path, &source, before, line + 66, options);
        json_set_text(file, "path", text_chars(&path));
        json_set_text(file, "key", source < SPLIT_COUNT ? data_keys[source] : "");
        json_set_int(file, "bytes", stat(path.data, &info) ? 0 : info.st_size);
        json_set_text(file, "sha256", line);
        json_append(*out, file);
    }
    text_release(&path);
    mem_free(lines);
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
    return r->ended == OK ? describe_file(out, path, path) : OK;
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

static Status add_output(Json *list, const char *run, const char *path)
{
    Status status = OK;
    Json *file = NULL;
    if (access(path, F_OK)) return OK;
    TRY(describe_file(&file, path, path + strlen(run) + 1));
    json_append(list, file);
done:
    return status;
}

static Status list_outputs(Json **out, const RunRecord *r)
{
    Status status = OK;
    const char *run = r->trainer->recipe->output.folder;
    char *checkpoint = NULL;
    Text path = { 0 };
    if (r->ended != OK) return OK; // time may be short, and the next part writes them again
    *out = json_new_array();
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        text_clear(&path);
        text_printf(&path, "%s/%s", run, outputs[i]);
        TRY(add_output(*out, run, path.data));
    }
    for (int skip = 0;; skip++) {
        mem_free(checkpoint);
        TRY(checkpoint_newest(&checkpoint, run, skip));
        if (!checkpoint) break;
        TRY(add_output(*out, run, checkpoint));
    }
done:
    mem_free(checkpoint);
    text_release(&path);
    return status;
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
    for (int first = 0; first < ranks; first++) {
        if (!placement_leads(r->places, first)) continue;
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

/// A value that stays NULL is left out.
static const struct {
    RecordMoment moment;
    const char *name;
    Status (*value)(Json **out, const RunRecord *r);
} fields[] = {
    { RECORD_START, "started_utc", time_now },
    { RECORD_START, "command", command },
    { RECORD_START, "folder", folder },
    { RECORD_START, "recipe", recipe },
    { RECORD_START, "program", program },
    { RECORD_START, "environment", environment },
    { RECORD_START, "job", job },
    { RECORD_START, "ranks", ranks },
    { RECORD_START, "nodes", nodes },
    { RECORD_START, "grid", grid },
    { RECORD_START, "seeds", seeds },
    { RECORD_START, "from_step", from_step },
    { RECORD_START, "data", data },
    { RECORD_START, "tokenizer", tokenizer },
    { RECORD_END, "state", state },
    { RECORD_END, "to_step", to_step },
    { RECORD_END, "ended_utc", time_now },
    { RECORD_END, "energy_j", energy },
    { RECORD_END, "model", model },
    { RECORD_END, "outputs", list_outputs },
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
