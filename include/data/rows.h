/// The rows of a source, tokenised: each rank reads its share of the bytes, and the shares in rank
/// order are the rows in file order.
#pragma once
#include "comm/comm.h"
#include "data/source.h"

/// This rank's rows.
typedef struct {
    int64_t count, capacity, tokens, token_capacity;
    int32_t *ids;          ///< (tokens), owned
    int32_t *lengths;      ///< (count), owned: tokens of each row
    int32_t *type_starts;  ///< (count), owned
    int32_t *labels;       ///< (count), owned: set by `labels_assign`
    int32_t *files;        ///< (count), owned: file of the source
    int64_t *row_numbers;  ///< (count), owned
    int64_t *label_starts; ///< (count), owned: of the label's text in label_chars; -1: no label
    Text label_chars;      ///< texts, each with a NUL
    int64_t empty_texts, ill_formed, truncated;
} Rows;
void rows_release(Rows *rows);

/// Collective. FAILED for a bad record (`record_read`), an empty label where labels are needed, or
/// no rows in data.path or a file of data.split.
COLLECTIVE
Status rows_read(const Comm *comm, Rows *out, const Source *source, const Tokenizer *tokenizer);
/// Local. Tokenises one more row; `pair` and `label` may be absent.
void rows_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer, const Record *record,
              int64_t max_length);
/// Local. The label's text, NULL if there is none.
const char *rows_label(const Rows *rows, int64_t row);

/// Collective. All labels of the rows of data.path in byte order, the same on all ranks. The caller
/// owns *names and its texts.
COLLECTIVE
void labels_gather(const Comm *comm, char ***names, int64_t *count, const Rows *rows,
                   const Source *source);
/// Local. Sets labels to their places in `names`, in whatever order those are. A label that is none
/// of `names` is FAILED with file and row, or -1 where labels may be absent.
Status labels_assign(Rows *rows, char *const *names, int64_t count, const Source *source);

/// Collective. The rows of all ranks on every rank, each in the split of its file; without label
/// names. The caller owns *out (`dataset_free`).
COLLECTIVE
void rows_gather(const Comm *comm, Dataset **out, const Rows *rows, const Source *source);
/// Local. Room for so many rows and tokens; offsets[0] is 0. The caller owns it (`dataset_free`).
Dataset *dataset_new(int64_t rows, int64_t tokens);
