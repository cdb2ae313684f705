/// Rows of text with labels, tokenised once into an HDF5 data set that comes out identical for
/// every rank count.
#pragma once
#include "base/options.h"
#include "comm/comm.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

/// What a row is.
typedef enum {
    FORM_LABELLED,  ///< a text, or two, with a label
    FORM_DOCUMENTS, ///< a document, or a part of one that is long
    FORM_STREAM     ///< a part of all documents laid end to end
} DataForm;

/// `data:` of a recipe. Relative paths are against the working directory.
typedef struct {
    DataForm form;   ///< set by the task: no key of the recipe
    char path[1024]; ///< CSV, TSV or JSONL file, or a folder of them (read in byte order of names)
    // column names, or numbers from 1 without a header; of documents one of text, prompt with
    // completion, and messages
    char text[256], text_pair[256], label[256], prompt[256], completion[256], messages[256];
    char join[8]; ///< "true": FORM_STREAM, "false": FORM_DOCUMENTS, "auto": as the task has it
    char separator[16];     ///< between joined documents: "end", "newline", "none" or "auto"
    char end_token[128];    ///< "": the tokenizer's
    char chat_template[32]; ///< how prompts and messages are written; "none": as they are
    char system[1024];      ///< what a system says before a prompt; "": the template's words
    int64_t max_length;
    struct {
        char validation[1024], test[1024]; ///< a fraction ("0.1"), a file, or "" for none
        int64_t seed;
    } split;
    char delimiter[8], quote[8], header[8]; ///< "auto" or an override
} DataOptions;

typedef enum { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLIT_COUNT } Split;
extern const char *const split_names[SPLIT_COUNT]; ///< "train", "validation", "test"

/// A tokenised data set, read-only. A prepared one is a mapping of its file: one copy for all ranks
/// of a node, whose pages come when they are touched and go when memory is short. Any other is
/// whole in every rank's memory.
typedef struct {
    int64_t rows, tokens;
    const int64_t *offsets;     ///< (rows + 1): row i is tokens [offsets[i], offsets[i + 1])
    const int32_t *ids;         ///< (tokens)
    const int32_t *type_starts; ///< (rows): token where type 1 begins; the length if none does
    const int32_t *labels;      ///< (rows): ids by byte order of the labels; -1: no label
    const uint8_t *splits;      ///< (rows): a Split
    const uint8_t *wanted;      ///< (tokens): 1 for those to be predicted; NULL: all are
    const int64_t *row_numbers; ///< (rows): record in its file from 1, header and blanks counted
    TensorFile *file;           ///< owned: what the arrays point into; NULL: the arrays are owned
    char **label_names;         ///< (label_count)
    int64_t label_count;
    char *path;        ///< the prepared file
    char *content_key; ///< hash of (file contents, tokenizer, options): names the file
    char *data_sha256; ///< "hash  file" lines of the files that it was made of; NULL: unknown
    int64_t empty_texts, ill_formed, truncated, silent; ///< counted while preparing
} Dataset;

/// Collective. The prepared set of these options: opened if FOLDER/prepared-<key>.h5 is there and
/// whole, else made on all ranks and then opened. The caller owns *out (`dataset_free`).
/// `tokenizer_key` is a hash of the tokenizer. USAGE for a missing file or column; FAILED for one
/// class only, a label only outside training, a row with too few columns (file and row number), an
/// empty file, a disk that fills.
///
/// Memory of a rank does not grow with the text: what is read goes through buffers (a MiB of text,
/// 256 KiB of each array) to scratch files without names in FOLDER, which need as much room as the
/// prepared file and 8 bytes a row, until that is written. What remains in memory: the longest
/// record a few times, every distinct label, 16 bytes a MiB of text.
COLLECTIVE
Status dataset_prepare(const Comm *comm, Dataset **out, const DataOptions *options,
                       const Tokenizer *tokenizer, const char *tokenizer_key, const char *folder);
/// Collective. Rows of a file to evaluate or predict on, every row SPLIT_TEST. All of them are in
/// the memory of every rank, about 4 bytes a token and 29 a row: a scratch file would not be seen
/// from all nodes. Labels are matched against `label_names`: FAILED with row number for an unknown
/// one; with `need_labels` false an unknown, empty or absent label is -1. Files by extension; any
/// other or no extension: one text a line, empty lines kept. path "-": standard input of rank 0.
COLLECTIVE
Status dataset_read(const Comm *comm, Dataset **out, const DataOptions *options,
                    const Tokenizer *tokenizer, char *const *label_names, int64_t label_count,
                    bool need_labels);
/// Local. One text, or a pair of texts where `pair` is not NULL.
void dataset_from_text(Dataset **out, const Tokenizer *tokenizer, const char *text,
                       const char *pair, int64_t max_length);
void dataset_free(Dataset *dataset); ///< NULL-safe
/// Local. Tokens of a row.
static inline int64_t dataset_length(const Dataset *dataset, int64_t row)
{
    return dataset->offsets[row + 1] - dataset->offsets[row];
}
/// Local. Tokens of the longest row, at least 1.
int64_t dataset_longest(const Dataset *dataset);
enum { DATASET_LABELS_SHOWN = 20 }; ///< in lists that people read
/// Local. Rows by split and label, (SPLIT_COUNT, label_count); rows without a label count nowhere.
/// The caller owns it.
int64_t *dataset_label_counts(const Dataset *dataset);
/// Local. Rows of one split, ascending: *rows is owned by the caller.
int64_t dataset_split_rows(const Dataset *dataset, Split split, int64_t **rows);
