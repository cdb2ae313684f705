#include "base/mem.h"
#include "base/sha256.h"
#include "train/run_record.h"
#include "train/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    Text *out;
    int64_t checked, *wrong;
} Check;

static void tell(Check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(Check *check, const char *format, ...)
{
    char line[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    text_printf(check->out, "%s\n", line);
    ++*check->wrong;
}

/// Of a file of ours: what is not in its frame has checksums there.
static void check_frame(Check *check, const char *frame, const char *path, const char *did)
{
    Status status = OK;
    char hex[65];
    TensorFile *file = NULL;
    TRY(tensors_open_any(&file, path));
    TRY(tensors_frame_sha256(hex, file));
    TRY(tensors_verify(file, 0, tensors_blocks(file)));
    if (strcmp(hex, frame))
        tell(check,
             "%s has changed since it was %s: the SHA-256 of its frame is %.16s... and was "
             "%.16s...",
             path, did, hex, frame);
done:
    if (status != OK) tell(check, "%s", status_message());
    tensors_close(file);
}

/// `did`: what the run did with the file.
static void check_file(Check *check, const Json *file, const char *path, const char *did)
{
    struct stat info;
    char hex[65];
    const char *sha256 = json_text(json_get(file, "sha256"), "");
    int64_t bytes = json_int(json_get(file, "bytes"), 0);
    check->checked++;
    const char *frame = json_text(json_get(file, "frame_sha256"), "");
    if (stat(path, &info))
        tell(check, "%s is missing: it was %s; its SHA-256 was %.16s...", path, did,
             *frame ? frame : sha256);
    else if (info.st_size != bytes)
        tell(check, "%s has changed since it was %s: it has %lld bytes and had %" PRId64, path, did,
             (long long)info.st_size, bytes);
    else if (*frame)
        check_frame(check, frame, path, did);
    else if (sha256_file(hex, path) != OK)
        tell(check, "%s", status_message());
    else if (strcmp(hex, sha256))
        tell(check, "%s has changed since it was %s: its SHA-256 is %.16s... and was %.16s...",
             path, did, hex, sha256);
}

static void check_inputs(Check *check, const Json *part)
{
    const Json *data = json_get(part, "data"), *model = json_get(part, "model");
    for (int64_t i = 0; i < json_size(data); i++) {
        const Json *file = json_at(data, i);
        check_file(check, file, json_text(json_get(file, "path"), ""), "read");
    }
    check_file(check, model, json_text(json_get(model, "path"), ""), "read");
}

/// It is part of the model file and of every checkpoint.
static void check_tokenizer(Check *check, const Json *part)
{
    TensorFile *file = NULL;
    char hex[65];
    Sha256 sha;
    const char *path = json_text(json_get(json_get(part, "model"), "path"), "");
    const char *then = json_text(json_get(json_get(part, "tokenizer"), "sha256"), "");
    if (tensors_open_any(&file, path) != OK) return; // told as the model file
    const char *text = tensors_text(file, "tokenizer", "");
    sha256_init(&sha);
    sha256_add(&sha, text, strlen(text));
    sha256_finish(hex, &sha);
    if (strcmp(hex, then))
        tell(check,
             "the tokenizer of %s is another than the run's: its SHA-256 is %.16s... and "
             "was %.16s...",
             path, hex, then);
    tensors_close(file);
}

static void check_outputs(Check *check, const Json *part, const char *run)
{
    const Json *outputs = json_get(part, "outputs");
    Text path = { 0 };
    for (int64_t i = 0; i < json_size(outputs); i++) {
        const Json *file = json_at(outputs, i);
        text_clear(&path);
        text_printf(&path, "%s/%s", run, json_text(json_get(file, "path"), ""));
        check_file(check, file, path.data, "written");
    }
    text_release(&path);
}

static void check_exports(Check *check, const Json *record)
{
    const Json *exports = json_get(record, "exports");
    for (int64_t i = 0; i < json_size(exports); i++) {
        const Json *files = json_get(json_at(exports, i), "files");
        for (int64_t k = 0; k < json_size(files); k++) {
            const Json *file = json_at(files, k);
            check_file(check, file, json_text(json_get(file, "path"), ""), "exported");
        }
    }
}

Status verify_files(Text *out, int64_t *wrong, const char *run)
{
    Status status = OK;
    Json *record = NULL;
    Check check = { .out = out, .wrong = wrong };
    TRY(run_record_read(&record, run));
    const Json *parts = json_get(record, "parts"), *part = json_at(parts, json_size(parts) - 1);
    const char *state = json_text(json_get(part, "state"), "");
    if (strcmp(state, "stopped") || !json_get(part, "outputs")) TRY(run_record_check(record, run));
    check_inputs(&check, part);
    check_tokenizer(&check, part);
    check_outputs(&check, part, run);
    check_exports(&check, record);
    if (!*wrong)
        text_printf(out, "%" PRId64 " files of %s are what they were when it was %s\n",
                    check.checked, run, state);
    status_clear(); // of files that were told
done:
    json_free(record);
    return status;
}
