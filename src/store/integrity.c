#include "store/integrity.h"
#include "base/crc32c.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int64_t block_count(int64_t bytes)
{
    return bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

int64_t integrity_number(IntegrityRow *rows, int count)
{
    int64_t next = 0;
    for (int i = 0; i < count; i++) {
        rows[i].block_first = next;
        rows[i].blocks = block_count(rows[i].bytes);
        next += rows[i].blocks;
    }
    return next;
}

static int by_place(const void *left, const void *right)
{
    const Piece *a = left, *b = right;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return (a->first_byte > b->first_byte) - (a->first_byte < b->first_byte);
}

Status integrity_join(uint32_t *sums, Piece *pieces, int64_t piece_count, const IntegrityRow *rows,
                      int row_count)
{
    int64_t p = 0;
    qsort(pieces, (size_t)piece_count, sizeof *pieces, by_place);
    for (int row = 0; row < row_count; row++) {
        int64_t at = 0;
        for (; p < piece_count && pieces[p].row == row; p++) {
            if (pieces[p].first_byte != at) break;
            uint32_t *sum = &sums[rows[row].block_first + at / BLOCK_BYTES];
            uint32_t crc = (uint32_t)pieces[p].crc;
            *sum = at % BLOCK_BYTES ? crc32c_combine(*sum, crc, (uint64_t)pieces[p].bytes) : crc;
            at += pieces[p].bytes;
        }
        if (at != rows[row].bytes || (p < piece_count && pieces[p].row == row))
            return status_fail(FAILED,
                               "%s: the ranks' parts do not join at byte %" PRId64 " of %" PRId64,
                               rows[row].path, at, rows[row].bytes);
    }
    return OK;
}

int64_t integrity_path_bytes(const IntegrityRow *rows, int count)
{
    size_t longest = 0;
    for (int i = 0; i < count; i++)
        if (strlen(rows[i].path) > longest) longest = strlen(rows[i].path);
    return (int64_t)(longest + 8) / 8 * 8;
}

int64_t integrity_row_bytes(int64_t path_bytes)
{
    return path_bytes + 3 * (int64_t)sizeof(int64_t);
}

void integrity_encode(char *table, int64_t path_bytes, const IntegrityRow *rows, int count)
{
    memset(table, 0, (size_t)(count * integrity_row_bytes(path_bytes)));
    for (int i = 0; i < count; i++) {
        char *row = table + i * integrity_row_bytes(path_bytes);
        const int64_t numbers[] = { rows[i].block_first, rows[i].blocks, rows[i].bytes };
        memcpy(row, rows[i].path, strlen(rows[i].path));
        memcpy(row + path_bytes, numbers, sizeof numbers);
    }
}

bool integrity_decode(IntegrityRow *rows, int count, const char *table, int64_t path_bytes,
                      int64_t blocks)
{
    int64_t next = 0;
    for (int i = 0; i < count; i++) {
        const char *row = table + i * integrity_row_bytes(path_bytes);
        int64_t numbers[3];
        memcpy(numbers, row + path_bytes, sizeof numbers);
        rows[i] = (IntegrityRow){ row, numbers[0], numbers[1], numbers[2] };
        if (!row[0] || !memchr(row, '\0', (size_t)path_bytes)) return false;
        if (rows[i].bytes < 0 || rows[i].block_first != next) return false;
        if (rows[i].blocks != block_count(rows[i].bytes) || rows[i].blocks > blocks - next)
            return false;
        next += rows[i].blocks;
    }
    return next == blocks;
}

uint32_t integrity_table_crc(const uint32_t *sums, int64_t blocks, const char *table,
                             int64_t table_bytes)
{
    uint32_t crc = crc32c(0, sums, (size_t)blocks * sizeof *sums);
    return crc32c(crc, table, (size_t)table_bytes);
}

uint32_t integrity_record_crc(const CommitRecord *record)
{
    return crc32c(0, record, offsetof(CommitRecord, record_crc));
}
