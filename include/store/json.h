/// JSON in and out: the only jansson calls. Values are borrowed from the document that owns them.
#pragma once
#include "base/status.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

typedef struct json_t Json;

/// Local. Parses a whole document; FAILED with `where`, line (of a text of several) and column. The
/// caller owns *out (`json_free`). Duplicate keys are refused, nesting is bounded.
Status json_parse(Json **out, const char *text, size_t bytes, const char *where);
/// Local. As `json_parse` on a file.
Status json_parse_file(Json **out, const char *path);
void json_free(Json *document); ///< NULL-safe

/// Local. A member of an object by name, NULL if absent (or `value` is NULL or no object).
Json *json_get(const Json *value, const char *key);
/// Local. An element of an array; NULL outside.
Json *json_at(const Json *value, int64_t index);
/// Local. Members of an object or elements of an array; 0 for anything else.
int64_t json_size(const Json *value);

/// Local. The value if it has that type, else the fallback.
const char *json_text(const Json *value, const char *fallback);
size_t json_text_bytes(const Json *value); ///< of a text, which may hold NULs; else 0
int64_t json_int(const Json *value, int64_t fallback);
double json_number(const Json *value, double fallback); ///< integers too
bool json_bool(const Json *value, bool fallback);
bool json_is_text(const Json *value);
bool json_is_int(const Json *value);
bool json_is_bool(const Json *value);
bool json_is_object(const Json *value);
bool json_is_array(const Json *value);
bool json_is_null(const Json *value); ///< absent or null

/// Local. Walks an object in file order: start with *iterator = NULL; false at the end.
bool json_next(const Json *object, void **iterator, const char **key, Json **value);

/// Local. Appends `text` as a JSON string with its quotes, which YAML reads alike; ill-formed UTF-8
/// becomes U+FFFD.
void json_quote(Text *out, const char *text, size_t bytes);
/// Local. Appends an array of texts on one line.
void json_quote_list(Text *out, char *const *texts, int64_t count);
/// Local. Appends the document; indent 0 writes one line.
void json_print(Text *out, const Json *value, int indent);
/// Local. Writes the document to folder/name, indented by two. FAILED if it cannot be written.
Status json_write_file(const char *folder, const char *name, const Json *value);

/// Local. Building: containers own what is put into them.
Json *json_new_object(void);
Json *json_new_array(void);
void json_set_text(Json *object, const char *key, const char *value);
void json_set_int(Json *object, const char *key, int64_t value);
void json_set_number(Json *object, const char *key, double value);
void json_set_bool(Json *object, const char *key, bool value);
void json_set(Json *object, const char *key, Json *value); ///< takes `value` over
void json_append(Json *array, Json *value);                ///< takes `value` over
Json *json_new_text(const char *value);
Json *json_new_int(int64_t value);
Json *json_new_number(double value);
Json *json_clone(const Json *value); ///< deep; the caller owns it
void json_remove(Json *object, const char *key);
/// Local. The version of the library in use.
const char *json_library(void);
