#include "store/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#undef json_is_object
#undef json_is_array
#undef json_is_null

static const size_t parse_flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;

Status json_parse(Json **out, const char *text, size_t bytes, const char *where)
{
    json_error_t error;
    *out = json_loadb(text, bytes, parse_flags, &error);
    if (*out) return OK;
    if (!memchr(text, '\n', bytes)) // of one line `where` says all there is to say
        return status_fail(FAILED, "%s: column %d: %s", where, error.column, error.text);
    return status_fail(FAILED, "%s: line %d, column %d: %s", where, error.line, error.column,
                       error.text);
}

Status json_parse_file(Json **out, const char *path)
{
    Status status = OK;
    char *text = NULL;
    size_t bytes;
    *out = NULL;
    TRY(text_read_file(&text, &bytes, path));
    TRY(json_parse(out, text, bytes, path));
done:
    mem_free(text);
    return status;
}

Status json_write_file(const char *folder, const char *name, const Json *value)
{
    Text path = { 0 }, text = { 0 };
    text_printf(&path, "%s/%s", folder, name);
    json_print(&text, value, 2);
    text_append(&text, "\n");
    Status status = text_write_file(path.data, text.data, text.length_bytes);
    text_release(&text);
    text_release(&path);
    return status;
}

void json_free(Json *document)
{
    json_decref(document);
}

Json *json_get(const Json *value, const char *key)
{
    return json_object_get(value, key);
}

Json *json_at(const Json *value, int64_t index)
{
    return index < 0 ? NULL : json_array_get(value, (size_t)index);
}

int64_t json_size(const Json *value)
{
    return (int64_t)(json_is_array(value) ? json_array_size(value) : json_object_size(value));
}

const char *json_text(const Json *value, const char *fallback)
{
    const char *text = json_string_value(value);
    return text ? text : fallback;
}

size_t json_text_bytes(const Json *value)
{
    return json_string_length(value);
}

int64_t json_int(const Json *value, int64_t fallback)
{
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double json_number(const Json *value, double fallback)
{
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_bool(const Json *value, bool fallback)
{
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

bool json_is_text(const Json *value)
{
    return json_is_string(value);
}

bool json_is_int(const Json *value)
{
    return json_is_integer(value);
}

bool json_is_bool(const Json *value)
{
    return json_is_boolean(value);
}

bool json_is_object(const Json *value)
{
    return value && json_typeof(value) == JSON_OBJECT;
}

bool json_is_array(const Json *value)
{
    return value && json_typeof(value) == JSON_ARRAY;
}

bool json_is_null(const Json *value)
{
    return !value || json_typeof(value) == JSON_NULL;
}

bool json_next(const Json *object, void **iterator, const char **key, Json **value)
{
    json_t *walked = (json_t *)object; // jansson's iterators take no const
    *iterator = *iterator ? json_object_iter_next(walked, *iterator) : json_object_iter(walked);
    if (!*iterator) return false;
    *key = json_object_iter_key(*iterator);
    *value = json_object_iter_value(*iterator);
    return true;
}

/// Also what YAML takes for a line's end or for no text: a quoted text is YAML too.
static bool is_escaped(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

void json_quote(Text *out, const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    int length;
    text_append(out, "\"");
    for (size_t i = 0; i < bytes; i += (size_t)length) {
        uint32_t code = utf8_decode(&length, s + i, bytes - i);
        if (code == '"' || code == '\\')
            text_printf(out, "\\%c", (int)code);
        else if (code == '\n')
            text_append(out, "\\n");
        else if (code == UTF8_ILL_FORMED)
            text_append(out, "\xEF\xBF\xBD");
        else if (is_escaped(code))
            text_printf(out, "\\u%04x", (unsigned)code);
        else
            text_append_bytes(out, s + i, (size_t)length);
    }
    text_append(out, "\"");
}

void json_quote_list(Text *out, char *const *texts, int64_t count)
{
    text_append(out, "[");
    for (int64_t i = 0; i < count; i++) {
        if (i) text_append(out, ", ");
        json_quote(out, texts[i], strlen(texts[i]));
    }
    text_append(out, "]");
}

/// A whole number keeps a fraction, so that it is read back as a real.
static void print_real(Text *out, double value)
{
    size_t start = out->length_bytes;
    text_real(out, value);
    if (!strpbrk(out->data + start, ".e")) text_append(out, ".0");
}

static void start_line(Text *out, int indent, int depth)
{
    if (indent) text_printf(out, "\n%*s", indent * depth, "");
}

static void start_item(Text *out, bool first, int indent, int depth)
{
    if (!first) text_append(out, indent ? "," : ", ");
    start_line(out, indent, depth);
}

static void print_value(Text *out, const Json *value, int indent, int depth);

static void print_object(Text *out, const Json *object, int indent, int depth)
{
    void *iterator = NULL;
    const char *key;
    Json *member;
    text_append(out, "{");
    for (bool first = true; json_next(object, &iterator, &key, &member); first = false) {
        start_item(out, first, indent, depth + 1);
        json_quote(out, key, strlen(key));
        text_append(out, ": ");
        print_value(out, member, indent, depth + 1);
    }
    if (json_size(object)) start_line(out, indent, depth);
    text_append(out, "}");
}

static void print_array(Text *out, const Json *array, int indent, int depth)
{
    text_append(out, "[");
    for (int64_t i = 0; i < json_size(array); i++) {
        start_item(out, i == 0, indent, depth + 1);
        print_value(out, json_at(array, i), indent, depth + 1);
    }
    if (json_size(array)) start_line(out, indent, depth);
    text_append(out, "]");
}

static void print_value(Text *out, const Json *value, int indent, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(out, value, indent, depth);
        break;
    case JSON_ARRAY:
        print_array(out, value, indent, depth);
        break;
    case JSON_STRING:
        json_quote(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        text_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        print_real(out, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        text_append(out, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        text_append(out, "null");
        break;
    }
}

// jansson's own printer gives 0.1 as 0.10000000000000001, or drops digits
void json_print(Text *out, const Json *value, int indent)
{
    print_value(out, value, indent, 0);
}

Json *json_new_object(void)
{
    return json_object();
}

Json *json_new_array(void)
{
    return json_array();
}

void json_set_text(Json *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

void json_set_int(Json *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

void json_set_number(Json *object, const char *key, double value)
{
    json_object_set_new(object, key, json_real(value));
}

void json_set_bool(Json *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

void json_set(Json *object, const char *key, Json *value)
{
    json_object_set_new(object, key, value);
}

void json_append(Json *array, Json *value)
{
    json_array_append_new(array, value);
}

Json *json_new_text(const char *value)
{
    return json_string(value);
}

Json *json_new_int(int64_t value)
{
    return json_integer(value);
}

Json *json_new_number(double value)
{
    return json_real(value);
}

Json *json_clone(const Json *value)
{
    return json_deep_copy(value);
}

void json_remove(Json *object, const char *key)
{
    json_object_del(object, key);
}

const char *json_library(void)
{
    return jansson_version_str();
}
