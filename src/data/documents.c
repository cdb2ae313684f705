#include "data/documents.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/chat.h"

#include <string.h>

/// The template's tokens around a text: those that stand for no bytes at either end.
static void find_frame(const Encoding *encoding, int64_t *before, int64_t *after)
{
    int64_t count = encoding->count;
    *before = *after = 0;
    while (*before < count && encoding->ends[*before] == 0) ++*before;
    while (*after < count - *before && encoding->ends[count - 1 - *after] == 0) ++*after;
}

/// A long text goes on in further rows, each with the template's tokens around it.
static Status append_pieces(Rows *rows, const Encoding *encoding, const Record *record,
                            int64_t max_length)
{
    Status status = OK;
    int64_t before, after;
    find_frame(encoding, &before, &after);
    int64_t inner = encoding->count - before - after, room = max_length - before - after;
    int32_t *piece = MEM_NEW(int32_t, max_length);
    size_t id_bytes = sizeof *piece;
    if (room < 1) room = 1;
    for (int64_t at = 0; at == 0 || at < inner; at += room) {
        int64_t count = inner - at < room ? inner - at : room;
        memcpy(piece, encoding->ids, (size_t)before * id_bytes);
        memcpy(piece + before, encoding->ids + before + at, (size_t)count * id_bytes);
        memcpy(piece + before + count, encoding->ids + before + inner, (size_t)after * id_bytes);
        TRY(rows_append(rows, piece, before + count + after, before + count + after, -1,
                        record->row));
    }
done:
    mem_free(piece);
    return status;
}

/// Marks what is said; a token belongs to where its first byte lies.
static Status append_wanted(Rows *rows, const Encoding *encoding, const Rendered *rendered)
{
    Status status = OK;
    int spoken = 0;
    bool any = false;
    for (int64_t i = 0; i < encoding->count; i++) {
        size_t start = (size_t)encoding->starts[i];
        bool special = encoding->ends[i] == 0;
        while (spoken < rendered->count && rendered->spoken[spoken].end <= start) spoken++;
        uint8_t wanted =
            !special && spoken < rendered->count && rendered->spoken[spoken].first <= start;
        any |= wanted && i > 0;
        TRY(spool_append(&rows->arrays[ARRAY_WANTED], &wanted, 1));
    }
    rows->silent += !any;
done:
    return status;
}

/// A prompt with its completion, or messages: one row, cut at its end.
static Status add_spoken(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer,
                         const Record *record, const DataOptions *options, const char *where)
{
    Status status = OK;
    Rendered rendered = { 0 };
    const Field *fields = record->fields;
    const char *template_name = options->chat_template;
    if (*options->messages)
        TRY(chat_render(&rendered, template_name, json_get(record->document, options->messages),
                        false, where));
    else
        chat_render_pair(&rendered, template_name, options->system, fields[COLUMN_PROMPT].data,
                         fields[COLUMN_PROMPT].bytes, fields[COLUMN_COMPLETION].data,
                         fields[COLUMN_COMPLETION].bytes);
    if (!*chat_end(template_name) && rendered.count) { // nothing else ends the completion
        text_append(&rendered.text, rows->end_token);
        rendered.spoken[rendered.count - 1].end = rendered.text.length_bytes;
    }
    tokenizer_encode(tokenizer, encoding, rendered.text.data, rendered.text.length_bytes, NULL, 0,
                     options->max_length);
    rows->truncated += encoding->truncated;
    rows->ill_formed += record->ill_formed + encoding->ill_formed;
    TRY(rows_append(rows, encoding->ids, encoding->count, encoding->count, -1, record->row));
    TRY(append_wanted(rows, encoding, &rendered));
done:
    rendered_release(&rendered);
    return status;
}

Status documents_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer,
                     const Record *record, const DataOptions *options, const char *where)
{
    Status status = OK;
    Field text = record->fields[COLUMN_TEXT];
    Text joined = { 0 };
    if (*options->messages || *options->completion)
        return add_spoken(rows, encoding, tokenizer, record, options, where);
    if (rows->joined && *rows->separator) {
        text_append_bytes(&joined, text.data, text.bytes);
        text_append(&joined, rows->separator);
        text = (Field){ joined.data, joined.length_bytes };
    }
    tokenizer_encode(tokenizer, encoding, text.data, text.bytes, NULL, 0, 0);
    rows->ill_formed += record->ill_formed + encoding->ill_formed;
    rows->empty_texts += record->fields[COLUMN_TEXT].bytes == 0;
    if (rows->joined)
        TRY(rows_append(rows, encoding->ids, encoding->count, encoding->count, -1, record->row));
    else
        TRY(append_pieces(rows, encoding, record, options->max_length));
done:
    text_release(&joined);
    return status;
}

static const char *separator_of(const Source *source, const char *end_token)
{
    const char *how = source->options->separator;
    bool lines = source->files[0].format.kind == FORMAT_LINES;
    if (!strcmp(how, "newline") || (!strcmp(how, "auto") && lines)) return "\n";
    return strcmp(how, "none") ? end_token : "";
}

Status documents_init(Rows *rows, const Source *source, const Tokenizer *tokenizer)
{
    const DataOptions *options = source->options;
    const char *end_token = options->end_token;
    int32_t end = tokenizer_role(tokenizer, TOKEN_END);
    if (!*end_token) end_token = end < 0 ? "" : tokenizer_token(tokenizer, end);
    if (*end_token && tokenizer_id(tokenizer, end_token) < 0)
        return status_fail(USAGE, "data.end_token: '%s' is no token of the model", end_token);
    bool spoken = *options->messages || *options->completion;
    rows->end_token = end_token;
    rows->joined = !spoken && (!strcmp(options->join, "true") ||
                               (!strcmp(options->join, "auto") && options->form == FORM_STREAM));
    rows->separator = separator_of(source, end_token);
    return OK;
}

/// What becomes of the rows of one file when their tokens are cut anew.
typedef struct {
    int64_t base;        ///< tokens of the files before, over all ranks
    int64_t before, all; ///< tokens of this file on the ranks below; on all
    int64_t first, end;  ///< rows of this file here
} Span;

/// Appends the rows of max_length that begin in the span.
static Status cut_span(Rows *out, const Rows *rows, const Span *span, int64_t max_length)
{
    Status status = OK;
    const int32_t *lengths = rows->lengths.data;
    const int64_t *numbers = rows->arrays[ARRAY_ROW_NUMBERS].data;
    int64_t at = span->before, next = (at + max_length - 1) / max_length * max_length;
    for (int64_t i = span->first; i < span->end; at += lengths[i++]) {
        for (; next < at + lengths[i]; next += max_length) {
            int64_t start = span->base + next, left = span->all - next;
            int32_t length = (int32_t)(left < max_length ? left : max_length);
            TRY(spool_append(&out->arrays[ARRAY_OFFSETS], &start, sizeof start));
            TRY(spool_append(&out->arrays[ARRAY_ROW_NUMBERS], &numbers[i], sizeof *numbers));
            TRY(spool_append(&out->arrays[ARRAY_TYPE_STARTS], &length, sizeof length));
            out->count++;
        }
    }
done:
    return status;
}

/// Collective. spans[source->count]: where this rank's rows of each file stand in the whole.
COLLECTIVE
static void place_spans(const Comm *comm, Span *spans, const Rows *rows, const Source *source)
{
    const int32_t *lengths = rows->lengths.data;
    int64_t base = 0;
    for (int64_t file = 0; file < source->count; file++) {
        int64_t tokens = 0, first = file ? rows->file_ends[file - 1] : 0;
        for (int64_t i = first; i < rows->file_ends[file]; i++) tokens += lengths[i];
        int64_t before = comm_offset(comm, tokens);
        comm_sum_int64(comm, &tokens, 1);
        spans[file] = (Span){ base, before, tokens, first, rows->file_ends[file] };
        base += tokens;
    }
}

/// The arrays of rows in the place of those of documents; the tokens stay.
static Status cut_rows(Rows *rows, const Span *spans, const Source *source)
{
    static const Array remade[] = { ARRAY_OFFSETS, ARRAY_ROW_NUMBERS, ARRAY_TYPE_STARTS };
    Status status = OK;
    Rows cut;
    rows_init(&cut, rows->lengths.folder);
    for (int64_t file = 0; file < source->count; file++) {
        TRY(cut_span(&cut, rows, &spans[file], source->options->max_length));
        rows->file_ends[file] = cut.count;
    }
    rows->count = cut.count;
    for (int i = 0; i < 3; i++) {
        Spool *spool = &cut.arrays[remade[i]], old = rows->arrays[remade[i]];
        if (i > 0) TRY(spool_finish(spool));
        rows->arrays[remade[i]] = *spool;
        *spool = old;
    }
done:
    rows_release(&cut);
    return status;
}

Status documents_cut(const Comm *comm, Rows *rows, const Source *source)
{
    Status status = OK;
    Span *spans = MEM_NEW(Span, source->count);
    place_spans(comm, spans, rows, source);
    TRY_ALL(comm, cut_rows(rows, spans, source));
done:
    mem_free(spans);
    return status;
}
