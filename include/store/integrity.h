/// The checksums of a file: one CRC-32C per 4 MiB block of every data set. Ranks sum the pieces of
/// blocks that they hold; pieces that follow one another join to the sum of the block.
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { BLOCK_BYTES = 4 << 20 };

#define INTEGRITY_SUMS  "integrity/crc32c"
#define INTEGRITY_INDEX "integrity/index"

#define COMMIT_RECORD "commit"

/// Written last: a file without it, or with another size, is not whole.
typedef struct {
    int64_t complete, file_bytes, block_bytes, blocks, table_crc, ranks;
    int64_t record_crc; ///< of the fields before it
} CommitRecord;

/// A row of the index: blocks [block_first, block_first + blocks) are those of one data set.
typedef struct {
    const char *path; ///< borrowed
    int64_t block_first, blocks, bytes;
} IntegrityRow;

/// Part of one block of row `row`, all on one rank.
typedef struct {
    int64_t row, first_byte, bytes, crc;
} Piece;

/// Local. Fills block_first and blocks of the rows from their bytes; returns the number of blocks.
int64_t integrity_number(IntegrityRow *rows, int count);
/// Local. The sums (of all blocks) from pieces in any order, which are sorted. FAILED with the path
/// and byte where they overlap or leave a hole.
Status integrity_join(uint32_t *sums, Piece *pieces, int64_t piece_count, const IntegrityRow *rows,
                      int row_count);

/// Local. Bytes of the text field that holds the longest path; and of a row in the file.
int64_t integrity_path_bytes(const IntegrityRow *rows, int count);
int64_t integrity_row_bytes(int64_t path_bytes);
/// Local. To and from the form in the file (`SET_INDEX`); the rows borrow their paths from `table`.
/// False if a path does not end or the blocks are not numbered in order.
void integrity_encode(char *table, int64_t path_bytes, const IntegrityRow *rows, int count);
bool integrity_decode(IntegrityRow *rows, int count, const char *table, int64_t path_bytes,
                      int64_t blocks);
/// Local. The sum over sums and index that stands in the commit record.
uint32_t integrity_table_crc(const uint32_t *sums, int64_t blocks, const char *table,
                             int64_t table_bytes);
uint32_t integrity_record_crc(const CommitRecord *record);
