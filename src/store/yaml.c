#include "store/yaml.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/json.h"

#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 16 };

typedef struct {
    yaml_parser_t parser;
    yaml_event_t event; ///< the current one; released before the next
    bool has_event;
    const char *text, *where;
    Settings *out;
} Reader;

static size_t line_of(yaml_mark_t mark)
{
    return mark.line + 1;
}

/// Of the parser's failure: for bytes that are no text it knows the offset alone.
static size_t problem_line(const Reader *reader)
{
    size_t line = 1;
    if (reader->parser.error != YAML_READER_ERROR) return line_of(reader->parser.problem_mark);
    for (size_t i = 0; i < reader->parser.problem_offset; i++) line += reader->text[i] == '\n';
    return line;
}

static Status next(Reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (reader->has_event) yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) != 0;
    if (reader->has_event) return OK;
    return status_fail(USAGE, "%s:%zu: %s%s%s", reader->where, problem_line(reader),
                       parser->problem ? parser->problem : "not valid YAML",
                       parser->context ? " " : "", parser->context ? parser->context : "");
}

static Status refuse(const Reader *reader, const char *what)
{
    return status_fail(USAGE, "%s:%zu: %s", reader->where, line_of(reader->event.start_mark), what);
}

/// The text of the current scalar: null is empty.
static Status take_scalar(Reader *reader, Text *out)
{
    static const char *const nulls[] = { "~", "null", "Null", "NULL" };
    const yaml_event_t *event = &reader->event;
    const char *value = (const char *)event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    if (event->data.scalar.anchor) return refuse(reader, "anchors are not supported");
    if (event->data.scalar.tag) return refuse(reader, "tags are not supported");
    if (memchr(value, '\0', bytes)) return refuse(reader, "a text may not hold a zero byte");
    text_append_bytes(out, "", 0);
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !strcmp(value, nulls[i]))
            return OK;
    text_append_bytes(out, value, bytes);
    return OK;
}

/// A list as canonical text. Items that would not read back are quoted as in JSON.
static Status take_list(Reader *reader, Text *out, int depth)
{
    Status status = OK;
    Text item = { 0 };
    if (reader->event.data.sequence_start.anchor) TRY(refuse(reader, "anchors are not supported"));
    if (reader->event.data.sequence_start.tag) TRY(refuse(reader, "tags are not supported"));
    if (depth > MAX_DEPTH) TRY(refuse(reader, "too deeply nested"));
    text_append(out, "[");
    for (int i = 0;; i++) {
        TRY(next(reader));
        if (reader->event.type == YAML_SEQUENCE_END_EVENT) break;
        if (i) text_append(out, ", ");
        if (reader->event.type == YAML_SEQUENCE_START_EVENT) {
            TRY(take_list(reader, out, depth + 1));
            continue;
        }
        if (reader->event.type != YAML_SCALAR_EVENT)
            TRY(refuse(reader, "a list may hold texts, numbers and lists"));
        text_clear(&item);
        TRY(take_scalar(reader, &item));
        if (!item.length_bytes || strpbrk(item.data, ",[]\"\n") || item.data[0] == ' ' ||
            item.data[item.length_bytes - 1] == ' ')
            json_quote(out, item.data, item.length_bytes);
        else
            text_append(out, item.data);
    }
    text_append(out, "]");
done:
    text_release(&item);
    return status;
}

static void add_setting(Reader *reader, const char *key, const char *value, size_t line)
{
    Text where = { 0 };
    text_printf(&where, "%s:%zu", reader->where, line);
    settings_add(reader->out, key, value, where.data);
    text_release(&where);
}

static Status take_map(Reader *reader, const char *prefix, int depth);

/// The value after a key, whatever it is.
static Status take_value(Reader *reader, const char *key, int depth)
{
    Status status = OK;
    Text value = { 0 };
    size_t line = line_of(reader->event.start_mark);
    TRY(next(reader));
    if (reader->event.type == YAML_MAPPING_START_EVENT) {
        TRY(take_map(reader, key, depth + 1));
        goto done;
    }
    if (reader->event.type == YAML_SEQUENCE_START_EVENT)
        TRY(take_list(reader, &value, depth + 1));
    else if (reader->event.type == YAML_SCALAR_EVENT)
        TRY(take_scalar(reader, &value));
    else
        TRY(refuse(reader, "aliases are not supported"));
    add_setting(reader, key, text_chars(&value), line);
done:
    text_release(&value);
    return status;
}

static Status take_map(Reader *reader, const char *prefix, int depth)
{
    Status status = OK;
    Text key = { 0 };
    if (reader->event.data.mapping_start.anchor) TRY(refuse(reader, "anchors are not supported"));
    if (reader->event.data.mapping_start.tag) TRY(refuse(reader, "tags are not supported"));
    if (depth > MAX_DEPTH) TRY(refuse(reader, "too deeply nested"));
    for (;;) {
        TRY(next(reader));
        if (reader->event.type == YAML_MAPPING_END_EVENT) break;
        if (reader->event.type != YAML_SCALAR_EVENT) TRY(refuse(reader, "a key must be a name"));
        text_clear(&key);
        if (*prefix) text_printf(&key, "%s.", prefix);
        size_t start = key.length_bytes;
        TRY(take_scalar(reader, &key));
        if (key.length_bytes == start) TRY(refuse(reader, "a key must be a name"));
        TRY(take_value(reader, key.data, depth));
    }
done:
    text_release(&key);
    return status;
}

static Status take_document(Reader *reader)
{
    Status status = OK;
    TRY(next(reader)); // start of the stream
    TRY(next(reader));
    if (reader->event.type == YAML_STREAM_END_EVENT) goto done;
    TRY(next(reader));
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        TRY(refuse(reader, "the file must be a map of keys and values"));
    TRY(take_map(reader, "", 0));
    TRY(next(reader)); // end of the document
    TRY(next(reader));
    if (reader->event.type != YAML_STREAM_END_EVENT)
        TRY(refuse(reader, "the file must be one document"));
done:
    return status;
}

Status yaml_parse(Settings *out, const char *text, size_t bytes, const char *where)
{
    static const char mark[] = "\xEF\xBB\xBF"; // libyaml would take it for indentation
    if (bytes >= 3 && !memcmp(text, mark, 3)) text += 3, bytes -= 3;
    Reader reader = { .text = text, .where = where, .out = out };
    CHECK(yaml_parser_initialize(&reader.parser), "out of memory: no YAML parser");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, bytes);
    Status status = take_document(&reader);
    if (reader.has_event) yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return status;
}

Status yaml_read(Settings *out, const char *path)
{
    Status status = OK;
    char *text = NULL;
    size_t bytes;
    TRY(file_named(path, FILE_REGULAR, ""));
    TRY(text_read_file(&text, &bytes, path));
    TRY(yaml_parse(out, text, bytes, path));
done:
    mem_free(text);
    return status;
}

const char *yaml_library(void)
{
    return yaml_get_version_string();
}
