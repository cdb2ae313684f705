#include "base/text.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { TEXT_MOST_BYTES = 1 << 30 }; ///< of a file

static void reserve(Text *text, size_t more)
{
    size_t need = text->length_bytes + more + 1;
    if (need <= text->capacity_bytes) return;
    size_t capacity = text->capacity_bytes ? text->capacity_bytes : 64;
    while (capacity < need) capacity *= 2;
    text->data = mem_resize(text->data, capacity, 1);
    text->capacity_bytes = capacity;
}

void text_append_bytes(Text *text, const void *more, size_t bytes)
{
    reserve(text, bytes);
    if (bytes) memcpy(text->data + text->length_bytes, more, bytes);
    text->length_bytes += bytes;
    text->data[text->length_bytes] = '\0';
}

void text_append(Text *text, const char *more)
{
    text_append_bytes(text, more, strlen(more));
}

void text_printf(Text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(length >= 0, "bad format '%s'", format);
    reserve(text, (size_t)length);
    vsnprintf(text->data + text->length_bytes, (size_t)length + 1, format, again);
    va_end(again);
    text->length_bytes += (size_t)length;
}

void text_real(Text *text, double value)
{
    char digits[32];
    if (isnan(value)) { // printf may show a sign, which means nothing
        text_append(text, "nan");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    text_append(text, digits);
}

void text_duration(Text *text, double seconds)
{
    long long whole = llround(seconds);
    if (whole >= 3600)
        text_printf(text, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
    else if (whole >= 60)
        text_printf(text, "%lld min %lld s", whole / 60, whole % 60);
    else
        text_printf(text, "%.1f s", seconds);
}

const char *text_chars(const Text *text)
{
    return text->data ? text->data : "";
}

void text_clear(Text *text)
{
    text->length_bytes = 0;
    if (text->data) text->data[0] = '\0';
}

void text_release(Text *text)
{
    mem_free(text->data);
    *text = (Text){ 0 };
}

bool text_to_int64(int64_t *out, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno) return false;
    *out = value;
    return true;
}

bool text_to_double(double *out, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool text_to_bool(bool *out, const char *text)
{
    static const char *const words[][2] = {
        { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" }
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int no = 0; no < 2; no++) {
            if (strcasecmp(text, words[i][no])) continue;
            *out = !no;
            return true;
        }
    }
    return false;
}

/// Levenshtein distance, capped at 63 characters a name.
static int edit_distance(const char *a, const char *b)
{
    int row[64];
    int length = (int)strnlen(b, 63);
    for (int j = 0; j <= length; j++) row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[length];
}

const char *text_nearest(const char *name, const char *const *names, int count)
{
    const char *best = NULL;
    int least = (int)strlen(name) / 2 + 1;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(name, names[i]);
        if (distance >= least) continue;
        least = distance;
        best = names[i];
    }
    return best;
}

Status text_read_file(char **out, size_t *bytes, const char *path)
{
    Status status = OK;
    char *data = NULL;
    int64_t size;
    int file = -1;
    TRY(file_open(&file, &size, path));
    if (size > TEXT_MOST_BYTES)
        FAIL(FAILED, "%s: its %" PRId64 " bytes are more than a text of ours has", path, size);
    data = mem_new((size_t)size + 1, 1);
    TRY(file_read_at(data, (size_t)size, file, 0, path));
    *out = data;
    data = NULL;
    if (bytes) *bytes = (size_t)size;
done:
    mem_free(data);
    if (file >= 0) close(file);
    return status;
}

Status text_write_file(const char *path, const char *data, size_t bytes)
{
    Status status = OK;
    char *partial;
    int file = -1, closing;
    TRY(partial_create(&file, &partial, path));
    TRY(file_write_at(file, 0, data, bytes, path));
    if (fsync(file)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    closing = file;
    file = -1;
    if (close(closing) || rename(partial, path)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    TRY(file_sync_folder(path));
done:
    if (file >= 0) close(file);
    if (status != OK && partial) unlink(partial);
    mem_free(partial);
    return status;
}
