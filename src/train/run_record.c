#include "train/run_record.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/run_fields.h"
#include "train/run_files.h"

#include <limits.h>
#include <omp.h>
#include <string.h>
#include <unistd.h>

static const char name[] = "record.json";

static void record_path(Text *out, const char *run)
{
    text_printf(out, "%s/%s", run, name);
}

/// The record that goes on, or a new one.
static void open_record(RunRecord *r)
{
    Text path = { 0 };
    record_path(&path, r->trainer->recipe->output.folder);
    if (r->from_step && !access(path.data, F_OK) && json_parse_file(&r->record, path.data) != OK) {
        log_warn("%s; the record begins anew", status_message());
        status_clear();
    }
    if (!json_is_array(json_get(r->record, "parts"))) {
        json_free(r->record);
        r->record = json_new_object();
        json_set_int(r->record, "record_version", 1);
        json_set(r->record, "parts", json_new_array());
    }
    r->part = json_new_object();
    json_append(json_get(r->record, "parts"), r->part);
    text_release(&path);
}

static Status start(RunRecord *r)
{
    Status status = OK;
    open_record(r);
    TRY(run_fields_add(r, RECORD_START));
    TRY(json_write_file(r->trainer->recipe->output.folder, name, r->record));
done:
    return status;
}

Status run_record_start(RunRecord *r, const Trainer *trainer)
{
    Status status = OK;
    const Comm *comm = trainer->comm;
    *r = (RunRecord){ .trainer = trainer,
                      .from_step = trainer->step,
                      .threads = MEM_NEW(int64_t, comm->size) };
    placements_gather(comm, &r->places);
    comm_gather_int64(comm, r->threads, omp_get_max_threads());
    int leader;
    placements_on_node(r->places, comm->size, comm->rank, &leader);
    if (leader == comm->rank) energy_start(&r->energy, ENERGY_FOLDER);
    TRY_ROOT(comm, start(r));
done:
    return status;
}

static Status end(RunRecord *r)
{
    Status status = OK;
    TRY(lock_check(r->trainer->lock));
    TRY(run_fields_add(r, RECORD_END));
    TRY(json_write_file(r->trainer->recipe->output.folder, name, r->record));
done:
    return status;
}

Status run_record_end(RunRecord *r, Status ended)
{
    if (!r->trainer) return ended; // agreed: started on all ranks or on none
    const Comm *comm = r->trainer->comm;
    char *message = mem_copy_text(status_message());
    double used_j = energy_stop(&r->energy), sums[] = { used_j > 0 ? used_j : 0, used_j >= 0 };
    comm_sum_doubles(comm, sums, 2);
    r->ended = ended;
    r->energy_j = sums[1] > 0 ? sums[0] : -1;
    Status status = agree(comm, comm->rank == 0 ? end(r) : OK);
    json_free(r->record);
    mem_free(r->places);
    mem_free(r->threads);
    if (ended != OK && status != OK) log_warn("%s", status_message());
    if (ended != OK) status_fail(ended, "%s", message);
    mem_free(message);
    *r = (RunRecord){ 0 };
    return ended != OK ? ended : status;
}

Status run_record_read(Json **out, const char *run)
{
    Status status = OK;
    Text path = { 0 };
    *out = NULL;
    record_path(&path, run);
    TRY(file_named(run, FILE_FOLDER, ""));
    TRY(file_named(path.data, FILE_REGULAR, ""));
    TRY(json_parse_file(out, path.data));
    if (!json_size(json_get(*out, "parts")))
        FAIL(FAILED, "%s holds no part of a run: is it a record that temper wrote?", path.data);
done:
    text_release(&path);
    return status;
}

Status run_record_check(const Json *record, const char *run)
{
    const Json *parts = json_get(record, "parts"), *part = json_at(parts, json_size(parts) - 1);
    if (!strcmp(json_text(json_get(part, "state"), ""), "done")) return OK;
    return status_fail(FAILED,
                       "%s: the last part of the run, from step %lld, is %s, and files are hashed "
                       "when a run is done: run the command of the run again",
                       run, (long long)json_int(json_get(part, "from_step"), 0),
                       json_text(json_get(part, "state"), "not ended"));
}

static Json *describe_export(const char *output)
{
    char now[21], folder[PATH_MAX];
    Json *out = json_new_object();
    clock_utc(now);
    json_set_text(out, "exported_utc", now);
    if (getcwd(folder, sizeof folder)) json_set_text(out, "folder", folder);
    json_set_text(out, "output", output);
    return out;
}

/// What was exported to the same place before is no more.
static Json *exports_without(const Json *record, const char *output)
{
    const Json *before = json_get(record, "exports");
    Json *out = json_new_array();
    for (int64_t i = 0; i < json_size(before); i++)
        if (strcmp(json_text(json_get(json_at(before, i), "output"), ""), output))
            json_append(out, json_clone(json_at(before, i)));
    return out;
}

static Status add_export(const char *run, const char *output, const char *const *paths, int count)
{
    Status status = OK;
    Json *record = NULL, *files = json_new_array(), *export = describe_export(output), *list;
    json_set(export, "files", files); // which owns it from here on
    TRY(run_record_read(&record, run));
    TRY(run_record_check(record, run));
    for (int i = 0; i < count; i++) {
        Json *file;
        TRY(run_file_describe(&file, paths[i], paths[i]));
        json_append(files, file);
    }
    list = exports_without(record, output);
    json_append(list, export);
    json_set(record, "exports", list);
    export = NULL;
    TRY(json_write_file(run, name, record));
done:
    json_free(export);
    json_free(record);
    return status;
}

Status run_record_export(const char *run, const char *output, const char *const *paths, int count)
{
    Status status = OK;
    Json *record = NULL;
    Lock lock = { 0 };
    TRY(run_record_read(&record, run));
    TRY(run_record_check(record, run)); // before waiting for a job that holds the lock
    TRY(lock_take(&lock, run));
    TRY(add_export(run, output, paths, count));
done:
    lock_release(&lock);
    json_free(record);
    return status;
}
