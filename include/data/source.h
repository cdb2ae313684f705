/// The files of a data set: which there are, how their bytes are read, and which columns matter.
#pragma once
#include "data/dataset.h"
#include "data/reader.h"

typedef enum {
    COLUMN_TEXT,
    COLUMN_PAIR,
    COLUMN_LABEL,
    COLUMN_PROMPT,
    COLUMN_COMPLETION,
    COLUMN_MESSAGES,
    COLUMN_COUNT
} Column;

typedef struct {
    char path[1400];
    int64_t bytes, first; ///< first: where the records begin
    Format format;
    Split split;                   ///< SPLIT_TRAIN: of data.path, whatever the fractions say
    int64_t header_rows;           ///< rows before `first`
    int64_t field_count;           ///< of every record; JSONL: 0
    int64_t columns[COLUMN_COUNT]; ///< field of the record, -1: absent; not for JSONL
} SourceFile;

/// What the rows are for.
typedef enum {
    SOURCE_TRAINING, ///< labels are needed, and files named by data.split belong to it
    SOURCE_LABELLED, ///< labels are needed
    SOURCE_TEXTS     ///< labels may be absent; unknown extensions are plain lines
} SourceUse;

typedef struct {
    SourceFile *files; ///< (count), owned: those of data.path, then validation's, then test's
    int64_t count;
    const DataOptions *options; ///< borrowed
    SourceUse use;
    double fractions[SPLIT_COUNT]; ///< of data.path for validation and test; 0: none, or a file
    char *memory; ///< owned: the bytes of the only file where it is a stream, else NULL
} Source;

/// Collective. Rank 0 lists the files and reads their headers. A folder stands for its CSV, TSV or
/// JSONL files in byte order of names, all of one kind; "-" for standard input. USAGE for a file or
/// column that is not there, an unknown format, bad delimiters; FAILED for an empty file. `options`
/// is borrowed.
COLLECTIVE
Status source_open(const Comm *comm, Source *out, const DataOptions *options, SourceUse use);
void source_release(Source *source); ///< NULL-safe
/// Local. What the extension of a path says, NULL if nothing.
const Format *format_of_name(const char *path);
/// Local. Fills in all but path and split of a file: extension, overrides, header. USAGE as above.
Status source_describe(SourceFile *file, const Source *source);
/// Local. Opens a file of the source; the caller closes it (`input_close`).
Status source_input(Input *out, const Source *source, int64_t file);
/// Local. Where a rank's share begins when `count` things are shared evenly and in order.
int64_t share_cut(int64_t count, int64_t ranks, int64_t rank);
/// Local. The place of a file's first record.
Place source_first_place(const SourceFile *file);

/// The columns of one record, reused from record to record. `(Record){0}` is empty.
typedef struct {
    Field fields[COLUMN_COUNT]; ///< data NULL: absent
    int64_t row;
    int64_t ill_formed; ///< UTF-8 errors replaced here: in labels and lines of JSON, not in texts
    Json *document;     ///< owned, as the texts below: what fields point to
    Text line, values[COLUMN_COUNT];
} Record;
void record_release(Record *record);

/// Local. The next record of `reader` (over `file`) that is not blank; *more is false at the end,
/// and where none can follow one that failed. FAILED with file and row for a record with too few or
/// too many fields, a missing member, bad JSON.
Status record_read(Record *record, bool *more, Reader *reader, const Source *source,
                   const SourceFile *file);
/// Local. The option that names a column: "data.text".
const char *column_key(Column column);
/// Local. What a source needs of a column.
typedef enum { COLUMN_UNUSED, COLUMN_OPTIONAL, COLUMN_NEEDED } ColumnNeed;
ColumnNeed column_need(const Source *source, Column column);
/// Local. Its value.
const char *column_name(const DataOptions *options, Column column);
/// Local. Appends "; its columns are: A, B; did you mean 'A'?".
void column_suggest(Text *out, const char *name, const char *const *names, int64_t count);
