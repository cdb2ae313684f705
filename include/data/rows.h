/// The rows of a source, tokenised: each rank reads its share of the bytes, and the shares in rank
/// order are the rows in file order. Tokens and what there is of each row go to disk as they come.
#pragma once
#include "base/findings.h"
#include "base/spool.h"
#include "comm/comm.h"
#include "data/arrays.h"
#include "data/source.h"

/// Distinct label texts, numbered as they come. `(LabelTable){0}` is empty.
typedef struct {
    Text chars;      ///< the texts, each with a NUL
    int64_t *starts; ///< (count), owned: of each text in chars
    int32_t *slots;  ///< (slot_count), owned: hash table of numbers from 1; 0: free
    int64_t count, capacity, slot_count;
} LabelTable;
void label_table_release(LabelTable *table);
/// Local. The number of a text, which is taken in if it is new.
int32_t label_table_number(LabelTable *table, const char *text /* with its NUL */, size_t bytes);
const char *label_table_text(const LabelTable *table, int64_t number);

/// This rank's rows.
typedef struct {
    int64_t count, tokens;
    Spool arrays[ARRAY_COUNT]; ///< owned: this rank's part of each array of the data set. Offsets,
                               ///< labels and splits come when the rows of all ranks are known
    Spool lengths;             ///< (count) of int32: tokens of each row
    Spool label_numbers;       ///< (count) of int32: of the label's text in `labels`; -1: no label
    LabelTable labels;
    int64_t path_labels; ///< labels [0, path_labels) are those of data.path
    int64_t *file_ends;  ///< (source->count), owned: rows up to the end of each file
    int64_t empty_texts, ill_formed, truncated;
    bool joined;                       ///< documents are cut anew when all are read
    const char *separator, *end_token; ///< of documents, borrowed
    int64_t silent;                    ///< rows in which there is nothing to predict
    int64_t refused;                   ///< records that are wrong
    Findings errors;                   ///< of the first few of them
} Rows;

/// Local. No rows yet; `folder` is that of scratch files (NULL: all stays in memory), borrowed.
void rows_init(Rows *rows, const char *folder);
void rows_release(Rows *rows);

/// Collective. Into initialised rows. FAILED for bad records (`record_read`: the first few,
/// with their number), an empty label where
/// labels are needed, no rows in data.path or a file of data.split, a disk that fills.
COLLECTIVE
Status rows_read(const Comm *comm, Rows *out, const Source *source, const Tokenizer *tokenizer);
/// Local. One more row of `length` tokens; segment 1 begins at `type_start`, and `label_number` is
/// -1 where there is none. Fails as `spool_append`.
Status rows_append(Rows *rows, const int32_t *ids, int64_t length, int64_t type_start,
                   int32_t label_number, int64_t row_number);
/// Local. Tokenises one more row; `pair` and `label` may be absent.
Status rows_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer, const Record *record,
                int64_t max_length);
/// Local. Ends adding. All as `spool_finish`.
Status rows_end(Rows *rows);

/// Collective. All labels of the rows of data.path in byte order, the same on all ranks. The caller
/// owns *names and its texts.
COLLECTIVE
void labels_gather(const Comm *comm, char ***names, int64_t *count, const Rows *rows);
/// Local. Makes the array of labels: places in `names`, in whatever order those are. A label that
/// is none of `names` is FAILED with file and row, or -1 where labels may be absent.
Status labels_assign(Rows *rows, char *const *names, int64_t count, const Source *source);

/// Collective. After the labels: makes the arrays of offsets and splits. The latter are those of
/// the files, stratified by label where data.split has fractions, or all SPLIT_TEST where the
/// source is not for training.
COLLECTIVE
Status rows_place(const Comm *comm, Rows *rows, const Source *source, int64_t label_count);
/// Collective. A data set without arrays and names: rows, tokens and other counts of all ranks. The
/// caller owns it (`dataset_free`).
COLLECTIVE
Dataset *rows_count(const Comm *comm, const Rows *rows);
/// Collective. The same with the arrays, whole in every rank's memory.
COLLECTIVE
Dataset *rows_gather(const Comm *comm, const Rows *rows);
