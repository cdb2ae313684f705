#include "base/mem.h"
#include "data/source.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *key;
    size_t offset_bytes;
} columns[COLUMN_COUNT] = {
    [COLUMN_TEXT] = { "data.text", offsetof(DataOptions, text) },
    [COLUMN_PAIR] = { "data.text_pair", offsetof(DataOptions, text_pair) },
    [COLUMN_LABEL] = { "data.label", offsetof(DataOptions, label) },
    [COLUMN_PROMPT] = { "data.prompt", offsetof(DataOptions, prompt) },
    [COLUMN_COMPLETION] = { "data.completion", offsetof(DataOptions, completion) },
    [COLUMN_MESSAGES] = { "data.messages", offsetof(DataOptions, messages) },
};

ColumnNeed column_need(const Source *source, Column column)
{
    const DataOptions *options = source->options;
    bool labelled = options->form == FORM_LABELLED, chat = !labelled && *options->messages;
    bool completion = !labelled && !chat && *options->completion;
    bool needed[COLUMN_COUNT] = { [COLUMN_TEXT] = !chat && !completion,
                                  [COLUMN_PAIR] = labelled && *options->text_pair,
                                  [COLUMN_PROMPT] = completion,
                                  [COLUMN_COMPLETION] = completion,
                                  [COLUMN_MESSAGES] = chat,
                                  [COLUMN_LABEL] = labelled };
    if (!needed[column]) return COLUMN_UNUSED;
    return column == COLUMN_LABEL && source->use == SOURCE_TEXTS ? COLUMN_OPTIONAL : COLUMN_NEEDED;
}

const char *column_key(Column column)
{
    return columns[column].key;
}

const char *column_name(const DataOptions *options, Column column)
{
    return (const char *)options + columns[column].offset_bytes;
}

void column_suggest(Text *out, const char *name, const char *const *names, int64_t count)
{
    const int64_t shown = count < 20 ? count : 20;
    for (int64_t i = 0; i < shown; i++)
        text_printf(out, "%s%s", i ? ", " : "; its columns are: ", names[i]);
    if (shown < count) text_printf(out, " and %lld more", (long long)(count - shown));
    const char *near = text_nearest(name, names, (int)(count < INT32_MAX ? count : INT32_MAX));
    if (near) text_printf(out, "; did you mean '%s'?", near);
}

void record_release(Record *record)
{
    json_free(record->document);
    text_release(&record->line);
    for (Column column = 0; column < COLUMN_COUNT; column++) text_release(&record->values[column]);
    *record = (Record){ 0 };
}

/// Copies a field with U+FFFD for each ill-formed part; returns how many there were.
static int64_t repair(Text *out, Field field)
{
    const unsigned char *s = (const unsigned char *)field.data;
    int64_t ill_formed = 0;
    size_t good = 0, at = 0;
    text_clear(out);
    while (at < field.bytes) {
        int length;
        bool sound = utf8_decode(&length, s + at, field.bytes - at) != UTF8_ILL_FORMED;
        at += (size_t)length;
        if (sound) continue;
        text_append_bytes(out, s + good, at - (size_t)length - good);
        text_append(out, "\xEF\xBF\xBD");
        good = at;
        ill_formed++;
    }
    text_append_bytes(out, s + good, at - good);
    return ill_formed;
}

static Status pick_fields(Record *record, const Reader *reader, const SourceFile *file)
{
    int64_t count = reader_field_count(reader);
    if (count != file->field_count)
        return status_fail(FAILED, "%s: row %lld has %lld column%s where the %s has %lld",
                           file->path, (long long)record->row, (long long)count,
                           count == 1 ? "" : "s", file->format.header ? "header" : "first row",
                           (long long)file->field_count);
    for (Column column = 0; column < COLUMN_COUNT; column++)
        if (file->columns[column] >= 0)
            record->fields[column] = reader_field(reader, file->columns[column]);
    return OK;
}

static Status refuse_member(const Record *record, Column column, const char *name,
                            const SourceFile *file)
{
    Text hint = { 0 };
    const char *names[20];
    int64_t count = 0;
    Json *value;
    void *iterator = NULL;
    while (count < 20 && json_next(record->document, &iterator, &names[count], &value)) count++;
    column_suggest(&hint, name, names, count);
    Status status =
        status_fail(FAILED, "%s:%lld: the object has no member '%s' (%s)%s", file->path,
                    (long long)record->row, name, column_key(column), text_chars(&hint));
    text_release(&hint);
    return status;
}

/// A member as text: texts as they are, numbers and booleans as JSON writes them, null is empty.
static Status pick_member(Record *record, Column column, const Source *source,
                          const SourceFile *file)
{
    const char *name = column_name(source->options, column);
    const Json *value = json_get(record->document, name);
    Text *text = &record->values[column];
    ColumnNeed need = column_need(source, column);
    if (need == COLUMN_UNUSED || (!value && need == COLUMN_OPTIONAL)) return OK;
    if (!value) return refuse_member(record, column, name, file);
    if (column == COLUMN_MESSAGES) return OK; // read from the document
    if (json_is_object(value) || json_is_array(value))
        return status_fail(FAILED, "%s:%lld: member '%s' (%s) is no text", file->path,
                           (long long)record->row, name, column_key(column));
    text_clear(text);
    text_append(text, "");
    if (json_is_text(value))
        text_append_bytes(text, json_text(value, ""), json_text_bytes(value));
    else if (!json_is_null(value))
        json_print(text, value, 0);
    record->fields[column] = (Field){ text->data, text->length_bytes };
    return OK;
}

/// The UTF-16 unit of an escape \uXXXX at `at`, -1 if there is none.
static long unit_at(const Text *line, size_t at)
{
    char digits[5] = { 0 };
    if (at + 6 > line->length_bytes || memcmp(line->data + at, "\\u", 2)) return -1;
    memcpy(digits, line->data + at + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/// Appends the escape at `at`, a lone surrogate as U+FFFD; returns its bytes.
static size_t mend_escape(Text *out, int64_t *ill_formed, const Text *line, size_t at)
{
    long unit = unit_at(line, at), next = unit_at(line, at + 6);
    bool high = unit >= 0xD800 && unit < 0xDC00, low = unit >= 0xDC00 && unit < 0xE000;
    bool pair = high && next >= 0xDC00 && next < 0xE000;
    size_t bytes = pair ? 12 : unit >= 0 ? 6 : 2, left = line->length_bytes - at;
    if (bytes > left) bytes = left;
    if (low || (high && !pair)) {
        text_append(out, "\\ufffd");
        ++*ill_formed;
    } else {
        text_append_bytes(out, line->data + at, bytes);
    }
    return bytes;
}

/// Appends the number at `at`, one beyond int64 as a text of its digits; returns its bytes.
static size_t mend_number(Text *out, const Text *line, size_t at)
{
    const char *start = line->data + at;
    size_t bytes = strspn(start, "+-.0123456789eE");
    char *end;
    errno = 0;
    strtoll(start, &end, 10);
    bool large = errno == ERANGE && end == start + bytes && start[*start == '-'] != '0' &&
                 end[strspn(end, " \t")] != ':';
    text_append(out, large ? "\"" : "");
    text_append_bytes(out, start, bytes);
    text_append(out, large ? "\"" : "");
    return bytes;
}

/// The line in words that the parser takes where JSON allows more: numbers beyond int64 and lone
/// surrogates. Returns how many of these there were.
static int64_t mend_line(Text *out, const Text *line)
{
    int64_t ill_formed = 0;
    bool in_text = false;
    for (size_t at = 0, bytes; at < line->length_bytes; at += bytes) {
        char c = line->data[at];
        bytes = 1;
        if (in_text && c == '\\')
            bytes = mend_escape(out, &ill_formed, line, at);
        else if (!in_text && (c == '-' || isdigit((unsigned char)c)))
            bytes = mend_number(out, line, at);
        else
            text_append_bytes(out, &c, 1);
        if (c == '"') in_text = !in_text;
    }
    return ill_formed;
}

static Status parse_line(Record *record, const char *where)
{
    Text mended = { 0 };
    if (json_parse(&record->document, record->line.data, record->line.length_bytes, where) == OK)
        return OK;
    status_clear();
    text_append(&mended, "");
    record->ill_formed += mend_line(&mended, &record->line);
    text_release(&record->line);
    record->line = mended;
    return json_parse(&record->document, record->line.data, record->line.length_bytes, where);
}

static Status pick_members(Record *record, const Reader *reader, const Source *source,
                           const SourceFile *file)
{
    Status status = OK;
    Text where = { 0 };
    record->ill_formed += repair(&record->line, reader_field(reader, 0));
    text_printf(&where, "%s:%lld", file->path, (long long)record->row);
    TRY(parse_line(record, where.data));
    if (!json_is_object(record->document))
        FAIL(FAILED, "%s: not an object: each line must be one, as {\"text\": ...}", where.data);
    for (Column column = 0; column < COLUMN_COUNT; column++)
        TRY(pick_member(record, column, source, file));
done:
    text_release(&where);
    return status;
}

/// Labels name classes in files and messages: well-formed, and without a NUL.
static Status check_label(Record *record, const SourceFile *file)
{
    Field *label = &record->fields[COLUMN_LABEL];
    if (!label->data) return OK;
    if (memchr(label->data, '\0', label->bytes))
        return status_fail(FAILED, "%s: the label of row %lld holds a NUL byte", file->path,
                           (long long)record->row);
    Text repaired = { 0 };
    int64_t ill_formed = repair(&repaired, *label);
    if (ill_formed) {
        text_release(&record->values[COLUMN_LABEL]);
        record->values[COLUMN_LABEL] = repaired;
        *label = (Field){ repaired.data, repaired.length_bytes };
        record->ill_formed += ill_formed;
    } else {
        text_release(&repaired);
    }
    return OK;
}

Status record_read(Record *record, bool *more, Reader *reader, const Source *source,
                   const SourceFile *file)
{
    Status status = OK;
    json_free(record->document);
    record->document = NULL;
    record->ill_formed = 0;
    for (Column column = 0; column < COLUMN_COUNT; column++) record->fields[column] = (Field){ 0 };
    status = reader_next(reader, more);
    if (status != OK) *more = false;
    if (!*more) goto done;
    record->row = reader_row(reader);
    if (file->format.kind == FORMAT_JSONL)
        TRY(pick_members(record, reader, source, file));
    else
        TRY(pick_fields(record, reader, file));
    TRY(check_label(record, file));
done:
    return status;
}
