/// Growing strings, numbers from text, and the nearest name.
#pragma once
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/// A NUL-terminated string that grows. `(Text){0}` is the empty text; `text_release` frees it.
typedef struct {
    char *data; ///< NULL while nothing was appended
    size_t length_bytes, capacity_bytes;
} Text;

void text_append(Text *text, const char *more);
void text_append_bytes(Text *text, const void *more, size_t bytes);
void text_printf(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Local. The fewest digits that `text_to_double` reads back exactly: 0.1, 5e-05, 1.
void text_real(Text *text, double value);
void text_duration(Text *text, double seconds); ///< "12.3 s", "3 min 20 s", "2 h 5 min"
/// Local. The characters, "" for an empty text.
const char *text_chars(const Text *text);
void text_clear(Text *text);
void text_release(Text *text);

/// Local. The whole of `text` as a number; false if it is anything else or out of range.
bool text_to_int64(int64_t *out, const char *text);
bool text_to_double(double *out, const char *text);
bool text_to_bool(bool *out, const char *text); ///< true/false, yes/no, on/off, 1/0

/// Local. The entry of `names` (count) nearest to `name` by edit distance; NULL if none is near.
const char *text_nearest(const char *name, const char *const *names, int count);

/// Local. The whole file; the caller owns *out (NUL-terminated, `mem_free`).
/// FAILED if it cannot be read, with the path and the system's reason, or is longer than 1 GiB.
Status text_read_file(char **out, size_t *bytes, const char *path);
/// Local. Writes through a temporary name, fsync and rename, so that `path` is whole or absent, and
/// stays.
Status text_write_file(const char *path, const char *data, size_t bytes);
