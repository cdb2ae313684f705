#include "data/dataset.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/prepared.h"
#include "data/rows.h"
#include "data/split.h"

#include <string.h>

void dataset_free(Dataset *dataset)
{
    if (!dataset) return;
    for (int64_t i = 0; i < dataset->label_count; i++) mem_free(dataset->label_names[i]);
    mem_free(dataset->label_names);
    mem_free(dataset->offsets);
    mem_free(dataset->ids);
    mem_free(dataset->type_starts);
    mem_free(dataset->labels);
    mem_free(dataset->splits);
    mem_free(dataset->row_numbers);
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
}

static Status check_classes(char *const *names, int64_t count, const Source *source)
{
    if (count > 1) return OK;
    return status_fail(FAILED, "%s: all rows have the same label '%s': there is nothing to learn",
                       source->options->path, names[0]);
}

/// The rows of training, validation and test with label ids and splits.
COLLECTIVE
static Status read_rows(const Comm *comm, Dataset **out, const Source *source,
                        const Tokenizer *tokenizer)
{
    Status status = OK;
    Rows rows = { 0 };
    char **names = NULL;
    int64_t count = 0, of_path = 0;
    TRY(rows_read(comm, &rows, source, tokenizer));
    labels_gather(comm, &names, &count, &rows, source);
    TRY_ALL(comm, check_classes(names, count, source));
    TRY_ALL(comm, labels_assign(&rows, names, count, source));
    rows_gather(comm, out, &rows, source);
    while (of_path < (*out)->rows && (*out)->splits[of_path] == SPLIT_TRAIN) of_path++;
    split_stratified((*out)->splits, (*out)->labels, of_path, count,
                     source->fractions[SPLIT_VALIDATION], source->fractions[SPLIT_TEST],
                     (uint64_t)source->options->split.seed);
    (*out)->label_names = names;
    (*out)->label_count = count;
    names = NULL;
done:
    for (int64_t i = 0; names && i < count; i++) mem_free(names[i]);
    mem_free(names);
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
    TRY(source_open(comm, &source, options, SOURCE_TRAINING));
    TRY(prepared_key(comm, &key, &source, tokenizer_key));
    text_printf(&path, "%s/prepared-%.16s.h5", folder, key);
    TRY(prepared_read(comm, &dataset, path.data, key, tokenizer_size(tokenizer)));
    bool found = dataset != NULL;
    if (!found) TRY(read_rows(comm, &dataset, &source, tokenizer));
    dataset->path = mem_copy_text(path.data);
    dataset->content_key = key;
    key = NULL;
    if (!found) { // agreed: read on rank 0
        TRY(source_sha256(comm, &dataset->data_sha256, &source));
        TRY_ROOT(comm, file_make_folders(folder));
        TRY(prepared_write(comm, dataset, &source, tokenizer_key));
        report_texts(dataset, options->path);
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

Status dataset_read(const Comm *comm, Dataset **out, const DataOptions *options,
                    const Tokenizer *tokenizer, char *const *label_names, int64_t label_count,
                    bool need_labels)
{
    Status status = OK;
    Source source = { 0 };
    Rows rows = { 0 };
    TRY(source_open(comm, &source, options, need_labels ? SOURCE_LABELLED : SOURCE_TEXTS));
    TRY(rows_read(comm, &rows, &source, tokenizer));
    TRY_ALL(comm, labels_assign(&rows, label_names, label_count, &source));
    rows_gather(comm, out, &rows, &source);
    memset((*out)->splits, SPLIT_TEST, (size_t)(*out)->rows);
    (*out)->label_names = MEM_NEW(char *, label_count);
    (*out)->label_count = label_count;
    for (int64_t i = 0; i < label_count; i++)
        (*out)->label_names[i] = mem_copy_text(label_names[i]);
    report_texts(*out, source.memory ? source.files[0].path : options->path);
done:
    rows_release(&rows);
    source_release(&source);
    return status;
}

void dataset_from_text(Dataset **out, const Tokenizer *tokenizer, const char *text,
                       int64_t max_length)
{
    Rows rows = { 0 };
    Encoding encoding = { 0 };
    Record record = { .row = 1, .fields[COLUMN_TEXT] = { text, strlen(text) } };
    rows_add(&rows, &encoding, tokenizer, &record, max_length);
    Dataset *dataset = dataset_new(1, rows.tokens);
    memcpy(dataset->ids, rows.ids, (size_t)rows.tokens * sizeof *rows.ids);
    dataset->offsets[1] = rows.tokens;
    dataset->type_starts[0] = rows.type_starts[0];
    dataset->labels[0] = -1;
    dataset->splits[0] = SPLIT_TEST;
    dataset->row_numbers[0] = 1;
    dataset->empty_texts = rows.empty_texts;
    dataset->ill_formed = rows.ill_formed;
    dataset->truncated = rows.truncated;
    *out = dataset;
    encoding_release(&encoding);
    rows_release(&rows);
}
