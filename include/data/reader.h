/// Records of CSV (RFC 4180), TSV and plain lines, read in byte ranges that ranks choose freely: a
/// record belongs to the range that holds its first byte, so the union of adjacent ranges is the
/// file, each record once and whole. A newline ends a record unless it is quoted, so whoever starts
/// in the middle must know whether a quote is open there: `reader_scan` tells what a range does to
/// the state of the reader for each state in which it may be entered, and `place_pass` chains
/// ranges.
///
/// Quoting is read as Python's csv does: a quote opens a field only at its start, a doubled quote
/// inside is one, text after the closing quote is taken as it is. Lines end with LF or CR LF.
#pragma once
#include "data/input.h"

typedef enum { FORMAT_DELIMITED, FORMAT_JSONL, FORMAT_LINES } FormatKind;

/// How bytes become records. JSONL and plain lines have one field a record: the line.
typedef struct {
    FormatKind kind;
    char delimiter, quote; ///< '\0': none
    bool header;           ///< the first record names the columns
} Format;

enum { READER_STATES = 4 };

/// Where a range begins: the state there, and the records that ended before it. `(Place){0}` is the
/// place of the first record of the file; with a header that was read, records is 1.
typedef struct {
    int64_t state, records;
} Place;

/// What a range does, by the state it is entered in.
typedef struct {
    int64_t state[READER_STATES], records[READER_STATES];
} Passage;

/// Local. Scans bytes [first, end).
Status reader_scan(Passage *out, const Input *input, const Format *format, int64_t first,
                   int64_t end);
/// Local. Moves a place over a range.
void place_pass(Place *place, const Passage *passage);

/// Bytes of a field, followed by a NUL that does not count.
typedef struct {
    const char *data;
    size_t bytes;
} Field;

typedef struct Reader Reader;

/// Local. Reads the records that begin in bytes [first, end) of the input; `place` is that of
/// `first`. Input and format are borrowed. The caller owns the reader.
Reader *reader_new(const Input *input, const Format *format, int64_t first, int64_t end,
                   Place place);
void reader_free(Reader *reader); ///< NULL-safe
/// Local. The next record; *more is false behind the last one. Blank lines are no records of CSV,
/// TSV and JSONL, but they are numbered. FAILED with the row for a quote that is not closed or a
/// record of more than 256 MiB.
Status reader_next(Reader *reader, bool *more);
/// Local. Of the record just read, until the next one is.
int64_t reader_field_count(const Reader *reader);
Field reader_field(const Reader *reader, int64_t index);
/// Local. Its number from 1, as a spreadsheet counts: header and blank lines too.
int64_t reader_row(const Reader *reader);
/// Local. The byte behind it.
int64_t reader_offset(const Reader *reader);
