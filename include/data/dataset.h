/// Rows of text with labels, tokenised once into an HDF5 data set that comes out identical for
/// every rank count.
#pragma once
#include "base/options.h"
#include "comm/comm.h"
#include "token/tokenizer.h"

/// `data:` of a recipe. Relative paths are against the working directory.
typedef struct {
    char path[1024]; ///< CSV, TSV or JSONL file, or a folder of them (read in byte order of names)
    char text[256], text_pair[256],
        label[256]; ///< column names, or numbers from 1 without a header
    int64_t max_length;
    struct {
        char validation[1024], test[1024]; ///< a fraction ("0.1"), a file, or "" for none
        int64_t seed;
    } split;
    char delimiter[8], quote[8], header[8]; ///< "auto" or an override
} DataOptions;

typedef enum { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLIT_COUNT } Split;
extern const char *const split_names[SPLIT_COUNT]; ///< "train", "validation", "test"

/// A tokenised data set, whole in this rank's memory.
typedef struct {
    int64_t rows, tokens;
    int64_t *offsets;     ///< (rows + 1): row i is tokens [offsets[i], offsets[i + 1])
    int32_t *ids;         ///< (tokens)
    int32_t *type_starts; ///< (rows): token of the row where type 1 begins; its length if none does
    int32_t *labels;      ///< (rows): ids by byte order of the labels; -1: no label in the file
    uint8_t *splits;      ///< (rows): a Split
    int64_t *row_numbers; ///< (rows): record in the source file, from 1, header and blanks counted
    char **label_names;   ///< (label_count)
    int64_t label_count;
    char *path;        ///< the prepared file
    char *content_key; ///< hash of (file contents, tokenizer, options): names the file
    char *data_sha256; ///< "hash  file" lines of the files that it was made of; NULL: unknown
    int64_t empty_texts, ill_formed, truncated; ///< counted while preparing
} Dataset;

/// Collective. The prepared set of these options: opened if FOLDER/prepared-<key>.h5 is there and
/// whole, else made on all ranks. The caller owns *out (`dataset_free`). `tokenizer_key` is a hash
/// of the tokenizer. USAGE for a missing file or column; FAILED for one class only, a label only
/// outside training, a row with too few columns (file and row number), an empty file.
COLLECTIVE
Status dataset_prepare(const Comm *comm, Dataset **out, const DataOptions *options,
                       const Tokenizer *tokenizer, const char *tokenizer_key, const char *folder);
/// Collective. Rows of a file to evaluate or predict on: tokenised in memory, every row SPLIT_TEST.
/// Labels are matched against `label_names`: FAILED with row number for an unknown one; with
/// `need_labels` false an unknown, empty or absent label is -1. Files by extension; any other or no
/// extension: one text a line, empty lines kept. path "-": standard input of rank 0.
COLLECTIVE
Status dataset_read(const Comm *comm, Dataset **out, const DataOptions *options,
                    const Tokenizer *tokenizer, char *const *label_names, int64_t label_count,
                    bool need_labels);
/// Local. One text.
void dataset_from_text(Dataset **out, const Tokenizer *tokenizer, const char *text,
                       int64_t max_length);
void dataset_free(Dataset *dataset); ///< NULL-safe
/// Local. Tokens of a row.
static inline int64_t dataset_length(const Dataset *dataset, int64_t row)
{
    return dataset->offsets[row + 1] - dataset->offsets[row];
}
/// Local. Tokens of the longest row, at least 1.
int64_t dataset_longest(const Dataset *dataset);
/// Local. Rows by split and label, (SPLIT_COUNT, label_count); rows without a label count nowhere.
/// The caller owns it.
int64_t *dataset_label_counts(const Dataset *dataset);
/// Local. Rows of one split, ascending: *rows is owned by the caller.
int64_t dataset_split_rows(const Dataset *dataset, Split split, int64_t **rows);
