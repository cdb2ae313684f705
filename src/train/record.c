#include "train/record.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void folder_file(Text *out, const Trainer *t, const char *name)
{
    text_printf(out, "%s/%s", t->recipe->output.folder, name);
}

/// Of what the run has not done, as far as the checkpoint knows that it goes on from.
static bool is_to_come(const Json *line, const Trainer *t)
{
    int64_t step = json_int(json_get(line, "step"), 0);
    return step > t->step || (step == t->step && t->owes_evaluation && json_get(line, "split"));
}

/// Drops the lines of what is to come, and a torn last line.
static Status cut_metrics(const char *path, const Trainer *t)
{
    Status status = OK;
    char *text = NULL, *rest;
    Text kept = { 0 };
    Json *line_json = NULL;
    if (access(path, F_OK)) return OK;
    TRY(text_read_file(&text, NULL, path));
    rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        json_free(line_json);
        line_json = NULL;
        if (json_parse(&line_json, line, strlen(line), path) != OK) continue;
        if (is_to_come(line_json, t)) continue;
        text_append(&kept, line);
        text_append(&kept, "\n");
    }
    TRY(text_write_file(path, text_chars(&kept), kept.length_bytes));
done:
    json_free(line_json);
    text_release(&kept);
    mem_free(text);
    return status;
}

static Status open_append(FILE **out, const char *path)
{
    int file;
    *out = NULL;
    if (file_append(&file, path) != OK) return FAILED;
    *out = fdopen(file, "a");
    CHECK(*out, "%s: %s", path, strerror(errno));
    return OK;
}

Status record_open_log(FILE **log, const char *run)
{
    Text path = { 0 };
    text_printf(&path, "%s/run.log", run);
    Status status = open_append(log, path.data);
    if (status == OK) log_copy_to(*log);
    text_release(&path);
    return status;
}

void record_close_log(FILE *log, Status status)
{
    log_copy_to(NULL);
    if (!log) return;
    if (status != OK && *status_message()) fprintf(log, "temper: %s\n", status_message());
    fclose(log);
}

Status record_start(Record *r, const Trainer *trainer)
{
    Status status = OK;
    Text path = { 0 };
    *r = (Record){ .trainer = trainer };
    if (trainer->comm->rank) return OK;
    folder_file(&path, trainer, "metrics.jsonl");
    TRY(cut_metrics(path.data, trainer));
    TRY(open_append(&r->metrics, path.data));
done:
    text_release(&path);
    return status;
}

static void show_progress(Record *r, const StepRecord *step)
{
    const Trainer *t = r->trainer;
    const Batches *b = &t->batches;
    Text *line = &r->line;
    double rate = (double)r->tokens / r->seconds;
    double gflops = r->flops / r->seconds / 1e9;
    text_clear(line);
    text_printf(line, "step %" PRId64 "/%" PRId64 "  epoch %.2f  loss %.4f  lr %.2e  %.0f tok/s",
                step->step, b->last, step->epoch, step->loss, step->learning_rate, rate);
    text_printf(line, "  %.0f GFLOP/s (%.0f %% of sgemm)  ETA ", gflops,
                100 * gflops / t->limit_gflops);
    text_duration(line, (double)(b->last - step->step) * r->seconds / (double)r->steps);
    log_progress(step->step == b->last, "%s", line->data);
}

/// Writes what is there to write. What a full disk does not take is tried again with the next line.
static Status write_lines(Record *r)
{
    Status status = OK;
    Text *lines = &r->unwritten;
    while (lines->length_bytes) {
        ssize_t put = write(fileno(r->metrics), lines->data, lines->length_bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0)
            FAIL(FAILED, "%s/metrics.jsonl: %s", r->trainer->recipe->output.folder,
                 strerror(errno));
        lines->length_bytes -= (size_t)put;
        memmove(lines->data, lines->data + put, lines->length_bytes + 1);
    }
done:
    return status;
}

static void add_line(Record *r, const Text *line)
{
    text_append(&r->unwritten, line->data);
    if (write_lines(r) == OK) return;
    bool goes_on = r->trainer->step < r->trainer->batches.last;
    if (!r->warned) log_warn("%s%s", status_message(), goes_on ? "; training goes on" : "");
    r->warned = true;
    status_clear();
}

void record_step(Record *r, const StepRecord *step)
{
    if (!r->metrics) return;
    Text *line = &r->line;
    text_clear(line);
    text_printf(line, "{\"step\": %" PRId64 ", \"epoch\": %.9g, \"loss\": ", step->step,
                step->epoch);
    text_real(line, step->loss);
    text_append(line, ", \"learning_rate\": ");
    text_real(line, step->learning_rate);
    text_append(line, ", \"grad_norm\": ");
    text_real(line, step->grad_norm);
    text_printf(line, ", \"tokens\": %" PRId64 ", \"seconds\": %.6f}\n", step->tokens,
                step->seconds);
    add_line(r, line);
    r->steps++;
    r->tokens += step->tokens;
    r->seconds += step->seconds;
    r->flops += step->flops;
    if (step->step % r->trainer->recipe->output.logging_steps == 0) show_progress(r, step);
}

void record_evaluation(Record *r, Split split, const Evaluation *evaluation)
{
    if (!r->metrics) return;
    Text line = { 0 };
    Json *object = json_new_object(), *value;
    void *at = NULL;
    const char *name;
    json_set_int(object, "step", r->trainer->step);
    json_set_text(object, "split", split_names[split]);
    while (json_next(evaluation->values, &at, &name, &value))
        json_set(object, name, json_clone(value));
    json_print(&line, object, 0);
    text_append(&line, "\n");
    add_line(r, &line);
    log_info("step %" PRId64 "  %s: %s", r->trainer->step, split_names[split],
             text_chars(&evaluation->line));
    json_free(object);
    text_release(&line);
}

Status record_stop(Record *r)
{
    Status status = r->metrics ? write_lines(r) : OK;
    if (r->metrics) fclose(r->metrics);
    text_release(&r->unwritten);
    text_release(&r->line);
    r->metrics = NULL;
    return status;
}
