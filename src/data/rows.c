#include "data/rows.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/documents.h"

#include <string.h>

enum { ROWS_TOLD = 3 };

void rows_init(Rows *rows, const char *folder)
{
    *rows = (Rows){ .lengths.folder = folder, .label_numbers.folder = folder };
    for (Array array = 0; array < ARRAY_COUNT; array++) rows->arrays[array].folder = folder;
}

void rows_release(Rows *rows)
{
    for (Array array = 0; array < ARRAY_COUNT; array++) spool_release(&rows->arrays[array]);
    spool_release(&rows->lengths);
    spool_release(&rows->label_numbers);
    label_table_release(&rows->labels);
    mem_free(rows->file_ends);
    text_release(&rows->errors.lines);
    *rows = (Rows){ 0 };
}

Status rows_append(Rows *rows, const int32_t *ids, int64_t length, int64_t type_start,
                   int32_t label_number, int64_t row_number)
{
    Status status = OK;
    Spool *arrays = rows->arrays;
    int32_t ids_count = (int32_t)length, start = (int32_t)type_start;
    TRY(spool_append(&arrays[ARRAY_TOKENS], ids, (size_t)length * sizeof *ids));
    TRY(spool_append(&arrays[ARRAY_TYPE_STARTS], &start, sizeof start));
    TRY(spool_append(&arrays[ARRAY_ROW_NUMBERS], &row_number, sizeof row_number));
    TRY(spool_append(&rows->lengths, &ids_count, sizeof ids_count));
    TRY(spool_append(&rows->label_numbers, &label_number, sizeof label_number));
    rows->tokens += length;
    rows->count++;
done:
    return status;
}

Status rows_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer, const Record *record,
                int64_t max_length)
{
    Field text = record->fields[COLUMN_TEXT], pair = record->fields[COLUMN_PAIR];
    Field label = record->fields[COLUMN_LABEL];
    tokenizer_encode(tokenizer, encoding, text.data, text.bytes, pair.data, pair.bytes, max_length);
    rows->truncated += encoding->truncated;
    rows->ill_formed += record->ill_formed + encoding->ill_formed;
    rows->empty_texts += text.bytes + pair.bytes == 0;
    const int32_t *ids = encoding->ids;
    int64_t length = encoding->count, type_start = 0;
    while (type_start < length && encoding->types[type_start] == 0) type_start++;
    int32_t nothing = 0;
    if (length == 0) { // a model reads some token of every text
        int32_t end = tokenizer_role(tokenizer, TOKEN_END);
        if (end >= 0) nothing = end;
        ids = &nothing;
        length = type_start = 1;
    }
    int32_t number = label.data ? label_table_number(&rows->labels, label.data, label.bytes) : -1;
    return rows_append(rows, ids, length, type_start, number, record->row);
}

Status rows_end(Rows *rows)
{
    Status status = OK;
    TRY(spool_finish(&rows->arrays[ARRAY_TOKENS]));
    TRY(spool_finish(&rows->arrays[ARRAY_TYPE_STARTS]));
    TRY(spool_finish(&rows->arrays[ARRAY_ROW_NUMBERS]));
    TRY(spool_finish(&rows->lengths));
    TRY(spool_finish(&rows->label_numbers));
    TRY(spool_finish(&rows->arrays[ARRAY_WANTED]));
done:
    return status;
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

static Status add_record(Rows *out, Encoding *encoding, const Tokenizer *tokenizer,
                         const Record *record, const Source *source, const char *path)
{
    const DataOptions *options = source->options;
    if (options->form == FORM_LABELLED)
        return rows_add(out, encoding, tokenizer, record, options->max_length);
    Text where = { 0 };
    text_printf(&where, "%s:%lld", path, (long long)record->row);
    Status status = documents_add(out, encoding, tokenizer, record, options, where.data);
    text_release(&where);
    return status;
}

static Status check_label(const Record *record, const Source *source, const SourceFile *file)
{
    if (column_need(source, COLUMN_LABEL) != COLUMN_NEEDED || record->fields[COLUMN_LABEL].bytes)
        return OK;
    return status_fail(FAILED, "%s: the label of row %lld is empty (%s)", file->path,
                       (long long)record->row, column_key(COLUMN_LABEL));
}

/// The first few are told, all are counted.
static void refuse_row(Rows *rows, Status status)
{
    if (rows->refused++ < ROWS_TOLD) findings_add(&rows->errors, status);
    status_clear();
}

/// `refused`: rows of all ranks, some of them of this one or not.
static Status report_refused(Rows *rows, int64_t refused)
{
    if (!rows->refused) return OK;
    if (refused > ROWS_TOLD)
        text_printf(&rows->errors.lines, "\n%lld rows are wrong, these among them",
                    (long long)refused);
    return findings_end(&rows->errors);
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
        Status got = record_read(&record, &more, reader, source, described);
        if (got == OK && more) got = check_label(&record, source, described);
        if (got != OK && more) {
            refuse_row(out, got);
            continue;
        }
        TRY(got);
        if (!more) break;
        if (out->refused) continue; // nothing will come of the others
        TRY(add_record(out, &encoding, tokenizer, &record, source, described->path));
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
    out->file_ends = MEM_NEW(int64_t, source->count);
    for (int64_t file = 0; file < source->count; file++) {
        Place place = place_in_file(source, file, carries, rank);
        if (shares[file].first < shares[file].end)
            TRY(read_file(out, source, file, shares[file], place, tokenizer));
        out->file_ends[file] = out->count;
        if (source->files[file].split == SPLIT_TRAIN) out->path_labels = out->labels.count;
    }
    TRY(rows_end(out));
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
    TRY_ALL(comm, documents_init(out, source, tokenizer));
    share_bytes(shares, source, comm);
    TRY_ALL(comm, scan_share(&carry, shares, source));
    for (int i = 0; i < comm->size; i++) carry_bytes[i] = sizeof carry;
    comm_gather_all(comm, carries, &carry, carry_bytes);
    TRY_ALL(comm, read_share(out, source, shares, carries, comm->rank, tokenizer));
    int64_t refused = out->refused;
    comm_sum_int64(comm, &refused, 1);
    TRY_ALL(comm, report_refused(out, refused));
    for (int64_t file = 0; file < source->count; file++)
        counts[source->files[file].split] +=
            out->file_ends[file] - (file ? out->file_ends[file - 1] : 0);
    comm_sum_int64(comm, counts, SPLIT_COUNT);
    TRY_ALL(comm, check_counts(counts, source));
done:
    mem_free(carry_bytes);
    mem_free(carries);
    mem_free(shares);
    return status;
}
