#include "data/dataset.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/prepared.h"
#include "data/rows.h"
#include "data/split.h"

#include <string.h>

static void free_names(char **names, int64_t count)
{
    for (int64_t i = 0; names && i < count; i++) mem_free(names[i]);
    mem_free(names);
}

void dataset_free(Dataset *dataset)
{
    if (!dataset) return;
    free_names(dataset->label_names, dataset->label_count);
    for (Array array = 0; array < ARRAY_COUNT && !dataset->file; array++)
        mem_free((void *)array_data(dataset, array));
    tensors_close(dataset->file);
    mem_free(dataset->path);
    mem_free(dataset->content_key);
    mem_free(dataset->data_sha256);
    mem_free(dataset);
}

int64_t dataset_split_rows(const Dataset *dataset, Split split, int64_t **rows)
{
    int64_t count = 0;
    *rows = MEM_NEW(int64_t, dataset->rows);
    for (int64_t i = 0; i < dataset->rows; i++)
        if (dataset->splits[i] == split) (*rows)[count++] = i;
    return count;
}

int64_t dataset_longest(const Dataset *dataset)
{
    int64_t longest = 1;
    for (int64_t row = 0; row < dataset->rows; row++)
        if (dataset_length(dataset, row) > longest) longest = dataset_length(dataset, row);
    return longest;
}

int64_t *dataset_label_counts(const Dataset *dataset)
{
    int64_t *counts = MEM_NEW(int64_t, SPLIT_COUNT * dataset->label_count);
    for (int64_t row = 0; row < dataset->rows; row++)
        if (dataset->labels[row] >= 0)
            counts[dataset->splits[row] * dataset->label_count + dataset->labels[row]]++;
    return counts;
}

static void report(const Dataset *dataset, const char *verb, const char *from)
{
    int64_t counts[SPLIT_COUNT] = { 0 };
    for (int64_t i = 0; i < dataset->rows; i++) counts[dataset->splits[i]]++;
    log_info("%s %s: %lld rows (%lld train, %lld validation, %lld test), %lld labels, %lld tokens",
             verb, from, (long long)dataset->rows, (long long)counts[SPLIT_TRAIN],
             (long long)counts[SPLIT_VALIDATION], (long long)counts[SPLIT_TEST],
             (long long)dataset->label_count, (long long)dataset->tokens);
}

/// What the user should know of the texts; once, where they are read.
static void report_texts(const Dataset *dataset, const char *path)
{
    long long rows = dataset->rows, ill_formed = dataset->ill_formed;
    if (ill_formed)
        log_warn("%s: ill-formed UTF-8, read as U+FFFD, in %lld places", path, ill_formed);
    if (dataset->empty_texts)
        log_warn("%s: %lld of %lld texts are empty; they are kept", path,
                 (long long)dataset->empty_texts, rows);
    if (dataset->truncated)
        log_info("%s: %lld of %lld texts are cut to data.max_length", path,
                 (long long)dataset->truncated, rows);
    if (dataset->silent)
        log_warn("%s: in %lld of %lld rows there is nothing to learn: what is said lies behind "
                 "data.max_length",
                 path, (long long)dataset->silent, rows);
}

static Status check_classes(char *const *names, int64_t count, const Source *source)
{
    if (count > 1) return OK;
    return status_fail(FAILED, "%s: all rows have the same label '%s': there is nothing to learn",
                       source->options->path, names[0]);
}

/// The rows of training, validation and test with label ids and splits, on disk; *out has counts
/// and names.
COLLECTIVE
static Status read_rows(const Comm *comm, Dataset **out, Rows *rows, const Source *source,
                        const Tokenizer *tokenizer)
{
    Status status = OK;
    char **names = NULL;
    int64_t count = 0;
    TRY(rows_read(comm, rows, source, tokenizer));
    if (source->options->form == FORM_LABELLED) { // agreed: by the options
        labels_gather(comm, &names, &count, rows);
        TRY_ALL(comm, check_classes(names, count, source));
        TRY_ALL(comm, labels_assign(rows, names, count, source));
    }
    TRY(rows_place(comm, rows, source, count ? count : 1));
    *out = rows_count(comm, rows);
    (*out)->label_names = names;
    (*out)->label_count = count;
    names = NULL;
done:
    free_names(names, count);
    return status;
}

COLLECTIVE
static Status make_file(const Comm *comm, const char *path, const char *key, const Source *source,
                        const Tokenizer *tokenizer, const char *tokenizer_key, const char *folder)
{
    Status status = OK;
    Dataset *made = NULL;
    Rows rows;
    rows_init(&rows, folder);
    TRY(read_rows(comm, &made, &rows, source, tokenizer));
    TRY(source_sha256(comm, &made->data_sha256, source));
    TRY_ROOT(comm, file_make_folders(folder));
    made->path = mem_copy_text(path);
    made->content_key = mem_copy_text(key);
    TRY(prepared_write(comm, made, rows.arrays, source, tokenizer_key));
    report_texts(made, source->options->path);
done:
    dataset_free(made);
    rows_release(&rows);
    return status;
}

Status dataset_prepare(const Comm *comm, Dataset **out, const DataOptions *options,
                       const Tokenizer *tokenizer, const char *tokenizer_key, const char *folder)
{
    Status status = OK;
    Source source = { 0 };
    Dataset *dataset = NULL;
    Text path = { 0 };
    char *key = NULL;
    int64_t vocabulary = tokenizer_size(tokenizer);
    TRY(source_open(comm, &source, options, SOURCE_TRAINING));
    TRY(prepared_key(comm, &key, &source, tokenizer_key));
    text_printf(&path, "%s/prepared-%.16s.h5", folder, key);
    if (prepared_open(comm, &dataset, path.data, key, vocabulary) != OK) {
        log_warn("%s; it is made again", status_message());
        status_clear();
    }
    bool found = dataset != NULL;
    if (!found) { // agreed: `prepared_open` tells all ranks the same
        TRY(make_file(comm, path.data, key, &source, tokenizer, tokenizer_key, folder));
        TRY(prepared_open(comm, &dataset, path.data, key, vocabulary));
        if (!dataset) FAIL(FAILED, "%s: was removed as soon as it was made", path.data);
    }
    report(dataset, found ? "using" : "prepared", dataset->path);
    *out = dataset;
    dataset = NULL;
done:
    mem_free(key);
    text_release(&path);
    dataset_free(dataset);
    source_release(&source);
    return status;
}

/// Copies of the names.
static void set_names(Dataset *dataset, char *const *names, int64_t count)
{
    if (!names) return; // documents
    dataset->label_names = MEM_NEW(char *, count);
    dataset->label_count = count;
    for (int64_t i = 0; i < count; i++) dataset->label_names[i] = mem_copy_text(names[i]);
}

Status dataset_read(const Comm *comm, Dataset **out, const DataOptions *options,
                    const Tokenizer *tokenizer, char *const *label_names, int64_t label_count,
                    bool need_labels)
{
    Status status = OK;
    Source source = { 0 };
    Rows rows;
    rows_init(&rows, NULL);
    TRY(source_open(comm, &source, options, need_labels ? SOURCE_LABELLED : SOURCE_TEXTS));
    TRY(rows_read(comm, &rows, &source, tokenizer));
    if (options->form == FORM_LABELLED)
        TRY_ALL(comm, labels_assign(&rows, label_names, label_count, &source));
    TRY(rows_place(comm, &rows, &source, label_count));
    *out = rows_gather(comm, &rows);
    set_names(*out, label_names, label_count);
    report_texts(*out, source.memory ? source.files[0].path : options->path);
done:
    rows_release(&rows);
    source_release(&source);
    return status;
}

void dataset_from_text(Dataset **out, const Tokenizer *tokenizer, const char *text,
                       const char *pair, int64_t max_length)
{
    const Comm self = comm_self();
    Rows rows;
    Encoding encoding = { 0 };
    Record record = { .row = 1, .fields[COLUMN_TEXT] = { text, strlen(text) } };
    if (pair) record.fields[COLUMN_PAIR] = (Field){ pair, strlen(pair) };
    const DataOptions options = { .form = FORM_LABELLED };
    const Source source = { .count = 1, .options = &options, .use = SOURCE_TEXTS };
    rows_init(&rows, NULL);
    rows.file_ends = MEM_NEW(int64_t, 1);
    rows.file_ends[0] = 1;
    bool done = rows_add(&rows, &encoding, tokenizer, &record, max_length) == OK &&
                rows_end(&rows) == OK && labels_assign(&rows, NULL, 0, &source) == OK &&
                rows_place(&self, &rows, &source, 0) == OK;
    CHECK(done, "%s", status_message()); // all in memory
    *out = rows_gather(&self, &rows);
    encoding_release(&encoding);
    rows_release(&rows);
}
