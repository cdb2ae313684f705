#include "data/rows.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"

#include <string.h>

void rows_release(Rows *rows)
{
    mem_free(rows->ids);
    mem_free(rows->lengths);
    mem_free(rows->type_starts);
    mem_free(rows->labels);
    mem_free(rows->files);
    mem_free(rows->row_numbers);
    mem_free(rows->label_starts);
    text_release(&rows->label_chars);
    *rows = (Rows){ 0 };
}

static void reserve(Rows *rows, int64_t tokens)
{
    if (rows->count == rows->capacity) {
        size_t n = (size_t)(rows->capacity = rows->capacity ? 2 * rows->capacity : 64);
        rows->lengths = mem_resize(rows->lengths, n, sizeof *rows->lengths);
        rows->type_starts = mem_resize(rows->type_starts, n, sizeof *rows->type_starts);
        rows->labels = mem_resize(rows->labels, n, sizeof *rows->labels);
        rows->files = mem_resize(rows->files, n, sizeof *rows->files);
        rows->row_numbers = mem_resize(rows->row_numbers, n, sizeof *rows->row_numbers);
        rows->label_starts = mem_resize(rows->label_starts, n, sizeof *rows->label_starts);
    }
    if (rows->tokens + tokens > rows->token_capacity) {
        rows->token_capacity = 2 * (rows->tokens + tokens);
        rows->ids = mem_resize(rows->ids, (size_t)rows->token_capacity, sizeof *rows->ids);
    }
}

void rows_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer, const Record *record,
              int64_t max_length)
{
    Field text = record->fields[COLUMN_TEXT], pair = record->fields[COLUMN_PAIR];
    Field label = record->fields[COLUMN_LABEL];
    tokenizer_encode(tokenizer, encoding, text.data, text.bytes, pair.data, pair.bytes, max_length);
    rows->truncated += encoding->truncated;
    rows->ill_formed += record->ill_formed + encoding->ill_formed;
    rows->empty_texts += text.bytes + pair.bytes == 0;
    reserve(rows, encoding->count);
    int64_t type_start = 0, i = rows->count++;
    while (type_start < encoding->count && encoding->types[type_start] == 0) type_start++;
    memcpy(rows->ids + rows->tokens, encoding->ids, (size_t)encoding->count * sizeof(int32_t));
    rows->tokens += encoding->count;
    rows->lengths[i] = (int32_t)encoding->count;
    rows->type_starts[i] = (int32_t)type_start;
    rows->labels[i] = -1;
    rows->files[i] = 0;
    rows->row_numbers[i] = record->row;
    rows->label_starts[i] = label.data ? (int64_t)rows->label_chars.length_bytes : -1;
    if (label.data) text_append_bytes(&rows->label_chars, label.data, label.bytes + 1);
}

const char *rows_label(const Rows *rows, int64_t row)
{
    return rows->label_starts[row] < 0 ? NULL : rows->label_chars.data + rows->label_starts[row];
}

/// A rank's share of the bytes of all files laid end to end, cut to one of them.
typedef struct {
    int64_t first, end;
} Share;

/// shares[count]: the bytes of each file that this rank reads.
static void share_bytes(Share *shares, const Source *source, const Comm *comm)
{
    int64_t total = 0, base = 0;
    for (int64_t i = 0; i < source->count; i++)
        total += source->files[i].bytes - source->files[i].first;
    int64_t from = share_cut(total, comm->size, comm->rank);
    int64_t to = share_cut(total, comm->size, comm->rank + 1);
    for (int64_t i = 0; i < source->count; i++) {
        int64_t first = source->files[i].first, bytes = source->files[i].bytes - first;
        int64_t low = from > base ? from - base : 0, high = to < base + bytes ? to - base : bytes;
        shares[i] = low < high ? (Share){ first + low, first + high } : (Share){ 0, 0 };
        base += bytes;
    }
}

/// What a rank tells those above it: the file that goes on there, and what its share does to it.
typedef struct {
    int64_t file; ///< -1: none goes on
    Passage passage;
} Carry;

static Status scan_share(Carry *carry, const Share *shares, const Source *source)
{
    Status status = OK;
    Input input = { .file = -1 };
    int64_t last = source->count - 1;
    while (last >= 0 && shares[last].first == shares[last].end) last--;
    *carry = (Carry){ .file = -1 };
    if (last < 0 || shares[last].end == source->files[last].bytes) goto done;
    TRY(source_input(&input, source, last));
    TRY(reader_scan(&carry->passage, &input, &source->files[last].format, shares[last].first,
                    shares[last].end));
    carry->file = last;
done:
    input_close(&input);
    return status;
}

/// Only the first file of a share can have begun on lower ranks.
static Place place_in_file(const Source *source, int64_t file, const Carry *carries, int rank)
{
    Place place = source_first_place(&source->files[file]);
    for (int lower = 0; lower < rank; lower++)
        if (carries[lower].file == file) place_pass(&place, &carries[lower].passage);
    return place;
}

static void report_progress(double *next_s, Share share, const Reader *reader, const char *path)
{
    if (clock_now_s() < *next_s) return;
    *next_s = clock_now_s() + 0.5;
    log_progress(false, "preparing %s: %.0f %%", path,
                 100 * (double)(reader_offset(reader) - share.first) /
                     (double)(share.end - share.first));
}

static Status read_file(Rows *out, const Source *source, int64_t file, Share share, Place place,
                        const Tokenizer *tokenizer)
{
    Status status = OK;
    const SourceFile *described = &source->files[file];
    Input input = { .file = -1 };
    Reader *reader = NULL;
    Record record = { 0 };
    Encoding encoding = { 0 };
    double next_s = clock_now_s() + 2;
    TRY(source_input(&input, source, file));
    reader = reader_new(&input, &described->format, share.first, share.end, place);
    for (bool more;;) {
        TRY(record_read(&record, &more, reader, source, described));
        if (!more) break;
        if (source->use != SOURCE_TEXTS && !record.fields[COLUMN_LABEL].bytes)
            FAIL(FAILED, "%s: the label of row %lld is empty (%s)", described->path,
                 (long long)record.row, column_key(COLUMN_LABEL));
        rows_add(out, &encoding, tokenizer, &record, source->options->max_length);
        out->files[out->count - 1] = (int32_t)file;
        if (out->count % 256 == 0) report_progress(&next_s, share, reader, described->path);
    }
done:
    encoding_release(&encoding);
    record_release(&record);
    reader_free(reader);
    input_close(&input);
    return status;
}

static Status read_share(Rows *out, const Source *source, const Share *shares, const Carry *carries,
                         int rank, const Tokenizer *tokenizer)
{
    Status status = OK;
    for (int64_t file = 0; file < source->count; file++) {
        if (shares[file].first == shares[file].end) continue;
        Place place = place_in_file(source, file, carries, rank);
        TRY(read_file(out, source, file, shares[file], place, tokenizer));
    }
done:
    return status;
}

/// `counts`: rows of data.path and of each file of data.split.
static Status check_counts(const int64_t *counts, const Source *source)
{
    const char *paths[SPLIT_COUNT] = { source->options->path, source->options->split.validation,
                                       source->options->split.test };
    bool wanted[SPLIT_COUNT] = { source->use != SOURCE_TEXTS };
    for (int64_t i = 0; i < source->count; i++)
        wanted[source->files[i].split] |= source->use != SOURCE_TEXTS;
    for (Split split = 0; split < SPLIT_COUNT; split++)
        if (wanted[split] && !counts[split])
            return status_fail(FAILED, "%s is empty: it holds no row", paths[split]);
    return OK;
}

Status rows_read(const Comm *comm, Rows *out, const Source *source, const Tokenizer *tokenizer)
{
    Status status = OK;
    int64_t counts[SPLIT_COUNT] = { 0 };
    Carry carry;
    Share *shares = MEM_NEW(Share, source->count);
    Carry *carries = MEM_NEW(Carry, comm->size);
    int64_t *carry_bytes = MEM_NEW(int64_t, comm->size);
    *out = (Rows){ 0 };
    share_bytes(shares, source, comm);
    TRY_ALL(comm, scan_share(&carry, shares, source));
    for (int i = 0; i < comm->size; i++) carry_bytes[i] = sizeof carry;
    comm_gather_all(comm, carries, &carry, carry_bytes);
    TRY_ALL(comm, read_share(out, source, shares, carries, comm->rank, tokenizer));
    for (int64_t i = 0; i < out->count; i++) counts[source->files[out->files[i]].split]++;
    comm_sum_int64(comm, counts, SPLIT_COUNT);
    TRY_ALL(comm, check_counts(counts, source));
done:
    mem_free(carry_bytes);
    mem_free(carries);
    mem_free(shares);
    if (status != OK) rows_release(out);
    return status;
}
