#include "data/reader.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "base/text.h"

#include <string.h>

static const int64_t buffer_limit_bytes = 1 << 20;
static const size_t record_limit_bytes = (size_t)256 << 20;

/// Where the reader stands: at the start of a field, inside a plain one, inside a quoted one, or
/// behind a quote that closes it unless another follows.
enum { STATE_START, STATE_PLAIN, STATE_QUOTED, STATE_CLOSING };
enum { BYTE_OTHER, BYTE_DELIMITER, BYTE_QUOTE, BYTE_NEWLINE, BYTE_KINDS };

static const uint8_t next_state[READER_STATES][BYTE_KINDS] = {
    //                 other         delimiter     quote          newline
    [STATE_START] = { STATE_PLAIN, STATE_START, STATE_QUOTED, STATE_START },
    [STATE_PLAIN] = { STATE_PLAIN, STATE_START, STATE_PLAIN, STATE_START },
    [STATE_QUOTED] = { STATE_QUOTED, STATE_QUOTED, STATE_CLOSING, STATE_QUOTED },
    [STATE_CLOSING] = { STATE_PLAIN, STATE_START, STATE_QUOTED, STATE_START },
};

struct Reader {
    const Input *input;
    const Format *format;
    uint8_t kinds[256];
    int64_t first, end;
    Place place;
    bool started, has_quotes; ///< has_quotes: of the record
    char *buffer;             ///< bytes [buffer_first, buffer_first + buffered) of the input
    int64_t buffer_first;
    size_t capacity, buffered, at; ///< at: next byte to take, within the buffer
    Text values;                   ///< fields of the record, each with a NUL
    size_t *ends;                  ///< (field_count): of each field in `values`
    size_t field_count, field_capacity;
};

static size_t buffer_bytes(const Input *input)
{
    return (size_t)(input->bytes < buffer_limit_bytes ? input->bytes : buffer_limit_bytes);
}

static void sort_bytes(uint8_t kinds[256], const Format *format)
{
    memset(kinds, BYTE_OTHER, 256);
    kinds['\n'] = BYTE_NEWLINE;
    if (format->delimiter) kinds[(unsigned char)format->delimiter] = BYTE_DELIMITER;
    if (format->quote) kinds[(unsigned char)format->quote] = BYTE_QUOTE;
}

Status reader_scan(Passage *out, const Input *input, const Format *format, int64_t first,
                   int64_t end)
{
    Status status = OK;
    uint8_t kinds[256];
    uint8_t now[READER_STATES] = { 0, 1, 2, 3 }, last = BYTE_NEWLINE;
    size_t capacity = buffer_bytes(input);
    unsigned char *buffer = mem_new(capacity, 1);
    *out = (Passage){ 0 };
    sort_bytes(kinds, format);
    while (first < end) {
        size_t want = end - first < (int64_t)capacity ? (size_t)(end - first) : capacity;
        size_t got;
        TRY(input_read(input, first, buffer, want, &got));
        CHECK(got == want, "range behind the end of %s", input->name);
        for (size_t i = 0; i < got; i++) {
            uint8_t kind = kinds[buffer[i]];
            if (kind == BYTE_OTHER && last == BYTE_OTHER) continue; // changes nothing twice
            last = kind;
            for (int s = 0; s < READER_STATES; s++) {
                out->records[s] += kind == BYTE_NEWLINE && now[s] != STATE_QUOTED;
                now[s] = next_state[now[s]][kind];
            }
        }
        first += (int64_t)got;
    }
    for (int s = 0; s < READER_STATES; s++) out->state[s] = now[s];
done:
    mem_free(buffer);
    return status;
}

void place_pass(Place *place, const Passage *passage)
{
    place->records += passage->records[place->state];
    place->state = passage->state[place->state];
}

Reader *reader_new(const Input *input, const Format *format, int64_t first, int64_t end,
                   Place place)
{
    Reader *reader = MEM_NEW(Reader, 1);
    *reader = (Reader){ .input = input, .format = format, .first = first, .end = end };
    reader->place = place;
    reader->capacity = buffer_bytes(input);
    reader->buffer = mem_new(reader->capacity, 1);
    reader->buffer_first = first;
    sort_bytes(reader->kinds, format);
    return reader;
}

void reader_free(Reader *reader)
{
    if (!reader) return;
    mem_free(reader->ends);
    text_release(&reader->values);
    mem_free(reader->buffer);
    mem_free(reader);
}

int64_t reader_offset(const Reader *reader)
{
    return reader->buffer_first + (int64_t)reader->at;
}

int64_t reader_row(const Reader *reader)
{
    return reader->place.records;
}

int64_t reader_field_count(const Reader *reader)
{
    return (int64_t)reader->field_count;
}

Field reader_field(const Reader *reader, int64_t index)
{
    size_t start = index ? reader->ends[index - 1] + 1 : 0;
    return (Field){ reader->values.data + start, reader->ends[index] - start };
}

/// Makes the next byte available; *more is false at the end of the input.
static Status fill(Reader *reader, bool *more)
{
    *more = reader->at < reader->buffered;
    if (*more) return OK;
    reader->buffer_first += (int64_t)reader->at;
    reader->at = 0;
    Status status = input_read(reader->input, reader->buffer_first, reader->buffer,
                               reader->capacity, &reader->buffered);
    *more = status == OK && reader->buffered > 0;
    return status;
}

/// Goes to the first record that begins in the range. The byte before tells whether one begins
/// right at its start: if no quote is open, a newline there ended a record.
static Status find_record(Reader *reader)
{
    Status status = OK;
    bool more;
    reader->started = true;
    if (reader->first <= reader->input->first) return OK;
    int64_t state = reader->place.state;
    reader->buffer_first = reader->first - 1;
    TRY(fill(reader, &more));
    if (more && reader->buffer[reader->at++] == '\n' && state == STATE_START) return OK;
    while (reader_offset(reader) < reader->end) {
        TRY(fill(reader, &more));
        if (!more) break;
        uint8_t kind = reader->kinds[(unsigned char)reader->buffer[reader->at++]];
        if (kind == BYTE_NEWLINE && state != STATE_QUOTED) {
            reader->place.records++;
            break;
        }
        state = next_state[state][kind];
    }
done:
    return status;
}

static void end_field(Reader *reader)
{
    if (reader->field_count == reader->field_capacity) {
        reader->field_capacity = reader->field_capacity ? 2 * reader->field_capacity : 16;
        reader->ends = mem_resize(reader->ends, reader->field_capacity, sizeof *reader->ends);
    }
    reader->ends[reader->field_count++] = reader->values.length_bytes;
    text_append_bytes(&reader->values, "", 1);
}

static size_t field_start(const Reader *reader)
{
    return reader->field_count ? reader->ends[reader->field_count - 1] + 1 : 0;
}

/// A carriage return before the newline belongs to the line's end.
static void drop_return(Reader *reader)
{
    Text *values = &reader->values;
    if (values->length_bytes > field_start(reader) &&
        values->data[values->length_bytes - 1] == '\r')
        values->data[--values->length_bytes] = '\0';
}

/// Takes the bytes up to the next one that may mean something, and at least one.
static void take_run(Reader *reader)
{
    size_t start = reader->at++;
    while (reader->at < reader->buffered &&
           reader->kinds[(unsigned char)reader->buffer[reader->at]] == BYTE_OTHER)
        reader->at++;
    text_append_bytes(&reader->values, reader->buffer + start, reader->at - start);
}

/// One record from its first byte.
static Status read_record(Reader *reader)
{
    Status status = OK;
    bool more;
    uint8_t state = STATE_START;
    text_clear(&reader->values);
    reader->field_count = 0;
    reader->place.records++;
    reader->has_quotes = false;
    for (;;) {
        TRY(fill(reader, &more));
        if (!more) break;
        uint8_t kind = reader->kinds[(unsigned char)reader->buffer[reader->at]];
        bool quoted = state == STATE_QUOTED;
        if (kind == BYTE_NEWLINE && !quoted) {
            if (state == STATE_PLAIN) drop_return(reader);
            reader->at++;
            break;
        }
        if (kind == BYTE_DELIMITER && !quoted) {
            end_field(reader);
            reader->at++;
        } else if (kind == BYTE_QUOTE && (quoted || state == STATE_START)) {
            reader->has_quotes = true;
            reader->at++;
        } else {
            take_run(reader);
        }
        state = next_state[state][kind];
        if (reader->values.length_bytes > record_limit_bytes)
            FAIL(FAILED, "%s: row %lld is longer than 256 MiB: is a quote not closed?",
                 reader->input->name, (long long)reader->place.records);
    }
    if (state == STATE_QUOTED)
        FAIL(
            FAILED,
            "%s: a quote opened in row %lld is not closed: double the quotes inside quoted fields, "
            "or set data.quote=none",
            reader->input->name, (long long)reader->place.records);
    end_field(reader);
done:
    return status;
}

static bool is_blank(const Reader *reader)
{
    if (reader->format->kind == FORMAT_LINES || reader->field_count != 1) return false;
    if (reader->format->kind == FORMAT_JSONL)
        return strspn(reader->values.data, " \t\r") == reader->ends[0];
    return reader->ends[0] == 0 && !reader->has_quotes;
}

Status reader_next(Reader *reader, bool *more)
{
    Status status = OK;
    *more = false;
    if (!reader->started) TRY(find_record(reader));
    while (!*more && reader_offset(reader) < reader->end) {
        TRY(read_record(reader));
        *more = !is_blank(reader);
        pulse_progress();
    }
done:
    return status;
}
