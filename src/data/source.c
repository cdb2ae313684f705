#include "data/source.h"
#include "base/file.h"
#include "base/findings.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/split.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Status add_file(Source *source, const char *folder, const char *name, Split split)
{
    source->files = mem_resize(source->files, (size_t)source->count + 1, sizeof *source->files);
    SourceFile *file = &source->files[source->count++];
    memset(file, 0, sizeof *file);
    file->split = split;
    int length =
        snprintf(file->path, sizeof file->path, "%s%s%s", folder, *folder ? "/" : "", name);
    CHECK(length < (int)sizeof file->path, "path '%s/%s' is too long", folder, name);
    return source_describe(file, source);
}

static int is_data_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && format_of_name(entry->d_name);
}

/// A folder of documents may hold plain text.
static int is_document_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return is_data_file(entry) || (entry->d_name[0] != '.' && dot && !strcmp(dot, ".txt"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static Status add_folder(Source *source, const char *folder, Split split)
{
    Status status = OK;
    struct dirent **entries = NULL;
    bool documents = source->options->form != FORM_LABELLED;
    int count = scandir(folder, &entries, documents ? is_document_file : is_data_file, by_bytes);
    if (count < 0) FAIL(FAILED, "cannot read %s: %s", folder, strerror(errno));
    if (count == 0)
        FAIL(USAGE, "%s holds no file that ends in .csv, .tsv%s or .jsonl", folder,
             documents ? ", .txt" : "");
    const Format *first = format_of_name(entries[0]->d_name);
    for (int i = 0; i < count; i++) {
        const Format *format = format_of_name(entries[i]->d_name);
        if (!format != !first ||
            (first && (format->kind != first->kind || format->delimiter != first->delimiter)))
            FAIL(USAGE, "%s holds files of two kinds, %s and %s: keep one kind in a folder", folder,
                 entries[0]->d_name, entries[i]->d_name);
        TRY(add_file(source, folder, entries[i]->d_name, split));
    }
done:
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return status;
}

/// Standard input, a pipe: read to its end.
static Status add_stream(Source *source, const char *path, Split split)
{
    Status status = OK;
    Text text = { 0 };
    char *piece = mem_new(1 << 16, 1);
    bool standard = !strcmp(path, "-");
    text_append(&text, ""); // nothing to read is a text too
    int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) FAIL(FAILED, "cannot read %s: %s", path, strerror(errno));
    for (ssize_t got = 1; got;) {
        got = read(file, piece, 1 << 16);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) FAIL(FAILED, "cannot read %s: %s", path, strerror(errno));
        text_append_bytes(&text, piece, (size_t)got);
    }
    source->memory = text.data;
    source->files = MEM_NEW(SourceFile, 1);
    source->count = 1;
    source->files[0].bytes = (int64_t)text.length_bytes;
    source->files[0].split = split;
    strcpy(source->files[0].path, standard ? "standard input" : path);
    text = (Text){ 0 };
    TRY(source_describe(source->files, source));
done:
    if (file >= 0 && !standard) close(file);
    mem_free(piece);
    text_release(&text);
    return status;
}

static Status add_path(Source *source, const char *path, Split split, const char *key)
{
    Status status = OK;
    bool texts = source->use == SOURCE_TEXTS;
    if (texts && !strcmp(path, "-")) return add_stream(source, path, split);
    // of a pipe there is no second look, as training takes
    TRY(file_named(path, texts ? FILE_ANY : FILE_REGULAR | FILE_FOLDER, texts ? "" : key));
    if (file_named(path, FILE_FOLDER, "") == OK)
        status = add_folder(source, path, split);
    else if (file_named(path, FILE_REGULAR, "") == OK)
        status = add_file(source, "", path, split);
    else
        status = add_stream(source, path, split);
done:
    return status;
}

static Status list_files(Source *source)
{
    Findings errors = { 0 };
    const char *named[SPLIT_COUNT] = { source->options->path, source->options->split.validation,
                                       source->options->split.test };
    static const char *const keys[] = { "data.path", "data.split.validation", "data.split.test" };
    findings_add(&errors, add_path(source, named[SPLIT_TRAIN], SPLIT_TRAIN, keys[SPLIT_TRAIN]));
    for (Split split = SPLIT_VALIDATION; split < SPLIT_COUNT; split++) {
        double *fraction = &source->fractions[split];
        bool is_file;
        if (source->use != SOURCE_TRAINING) break;
        if (findings_add(&errors, split_parse(fraction, &is_file, named[split], keys[split])) &&
            is_file)
            findings_add(&errors, add_path(source, named[split], split, keys[split]));
    }
    if (source->fractions[SPLIT_VALIDATION] + source->fractions[SPLIT_TEST] >= 1)
        findings_add(&errors, status_fail(USAGE, "data.split.validation and data.split.test leave "
                                                 "no row for training"));
    return findings_end(&errors);
}

Status source_open(const Comm *comm, Source *out, const DataOptions *options, SourceUse use)
{
    Status status = OK;
    *out = (Source){ .options = options, .use = use };
    TRY_ROOT(comm, list_files(out));
    int64_t sizes[2] = { out->count, out->memory ? out->files[0].bytes : -1 };
    comm_broadcast(comm, sizes, sizeof sizes, 0);
    if (comm->rank) {
        out->count = sizes[0];
        out->files = MEM_NEW(SourceFile, out->count);
        if (sizes[1] >= 0) out->memory = mem_new((size_t)sizes[1] + 1, 1);
    }
    comm_broadcast(comm, out->fractions, sizeof out->fractions, 0);
    comm_broadcast(comm, out->files, (size_t)out->count * sizeof *out->files, 0);
    if (sizes[1] > 0) comm_broadcast(comm, out->memory, (size_t)sizes[1], 0);
done:
    if (status != OK) source_release(out);
    return status;
}

void source_release(Source *source)
{
    mem_free(source->files);
    mem_free(source->memory);
    source->files = NULL;
    source->memory = NULL;
    source->count = 0;
}

Status source_input(Input *out, const Source *source, int64_t file)
{
    const SourceFile *described = &source->files[file];
    Status status = OK;
    if (source->memory)
        *out = input_of_memory(described->path, source->memory, (size_t)described->bytes);
    else
        status = input_open(out, described->path);
    out->first = described->first;
    if (status == OK && out->bytes != described->bytes) {
        status = status_fail(FAILED, "%s changed while it was read", described->path);
        input_close(out);
    }
    return status;
}

Place source_first_place(const SourceFile *file)
{
    return (Place){ .records = file->header_rows };
}

int64_t share_cut(int64_t count, int64_t ranks, int64_t rank)
{
    int64_t rest = count % ranks;
    return count / ranks * rank + (rank < rest ? rank : rest);
}
