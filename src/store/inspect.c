#include "store/inspect.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/gguf.h"
#include "store/safetensors.h"
#include "store/schema.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { SLAB_BYTES = 4 << 20, SHOWN_BYTES = 60 };

static const char *const type_names[] = { [ELEMENT_F32] = "F32",
                                          [ELEMENT_F64] = "F64",
                                          [ELEMENT_I32] = "I32",
                                          [ELEMENT_I64] = "I64",
                                          [ELEMENT_U8] = "U8" };

static void print_size(Text *out, int64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    double size = (double)bytes;
    int unit = 0;
    for (; size >= 1000 && unit < 4; unit++) size /= 1000;
    text_printf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void print_tensor(Text *out, int width, const char *name, const char *type, int rank,
                         const int64_t *dims, int64_t bytes)
{
    Text shape = { 0 };
    for (int d = 0; d < rank; d++) text_printf(&shape, "%s%" PRId64, d ? " x " : "", dims[d]);
    text_printf(out, "  %-*s  %-4s  %-16s  ", width, name, type, rank ? shape.data : "scalar");
    print_size(out, bytes);
    text_append(out, "\n");
    text_release(&shape);
}

/// The first line of a text, shortened.
static void print_text(Text *out, const char *text)
{
    size_t shown = strcspn(text, "\r\n"), length = strlen(text);
    if (shown > SHOWN_BYTES) {
        shown = SHOWN_BYTES;
        while (shown && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--; // whole characters
    }
    text_append_bytes(out, text, shown);
    if (shown < length) text_printf(out, " ... (%zu bytes)", length);
}

static void print_values(Text *out, const TensorFile *file)
{
    int width = 0;
    for (int i = 0; i < tensors_value_count(file); i++) {
        int length = (int)strlen(tensors_value_at(file, i)->name);
        if (length > width) width = length;
    }
    for (int i = 0; i < tensors_value_count(file); i++) {
        const Value *value = tensors_value_at(file, i);
        text_printf(out, "  %-*s  ", width, value->name);
        if (value->kind == VALUE_TEXT)
            print_text(out, value->text);
        else if (value->kind == VALUE_INT)
            text_printf(out, "%" PRId64, value->integer);
        else
            text_real(out, value->real);
        text_append(out, "\n");
    }
}

static int64_t bytes_of(const TensorInfo *info)
{
    return info->elements * (int64_t)element_bytes(info->type);
}

static void print_file(Text *out, const TensorFile *file)
{
    int width = 0;
    int64_t elements = 0, bytes = 0;
    for (int i = 0; i < tensors_count(file); i++) {
        const TensorInfo *info = tensors_at(file, i);
        if ((int)strlen(info->path) > width) width = (int)strlen(info->path);
        elements += info->elements;
        bytes += bytes_of(info);
    }
    text_printf(out, "%s: %s, schema version %s\n\nvalues\n", tensors_file_path(file),
                tensors_schema(file), tensors_text(file, "schema_version", "?"));
    print_values(out, file);
    text_printf(out, "\ntensors: %d, %" PRId64 " elements, ", tensors_count(file), elements);
    print_size(out, bytes);
    text_append(out, "\n");
    for (int i = 0; i < tensors_count(file); i++) {
        const TensorInfo *info = tensors_at(file, i);
        print_tensor(out, width, info->path, type_names[info->type], info->rank, info->dims,
                     bytes_of(info));
    }
}

/// The first of `values` that is no finite number; -1 if there is none.
static int64_t find_strange(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return i;
    return -1;
}

/// Reads every tensor: one finding per damaged tensor.
static int check_contents(Text *out, TensorFile *file)
{
    int damaged = 0;
    char *slab = MEM_NEW(char, SLAB_BYTES);
    for (int i = 0; i < tensors_count(file); i++) {
        const TensorInfo *info = tensors_at(file, i);
        int64_t step = SLAB_BYTES / (int64_t)element_bytes(info->type);
        for (int64_t first = 0; first < info->elements; first += step) {
            int64_t count = info->elements - first < step ? info->elements - first : step;
            bool read = tensors_read(file, info, first, count, slab) == OK;
            int64_t strange =
                read && info->type == ELEMENT_F32 ? find_strange((float *)slab, count) : -1;
            if (read && strange < 0) continue;
            if (read)
                text_printf(out, "VALUE error %s element %" PRId64 " is no finite number\n",
                            info->path, first + strange);
            else
                text_printf(out, "CHECKSUM error %s %s\n", info->path, status_message());
            damaged++;
            break;
        }
    }
    mem_free(slab);
    return damaged;
}

static Status validate_file(Text *out, TensorFile *file)
{
    Status status = OK;
    Text findings = { 0 };
    int errors = 0;
    TRY(schema_check(&findings, &errors, file));
    errors += check_contents(&findings, file);
    text_printf(out, "\nvalidation: %s\n%s",
                errors ? "failed" : "schema, checksums and values are sound",
                text_chars(&findings));
    if (errors)
        FAIL(FAILED, "%s: %d error%s found", tensors_file_path(file), errors,
             errors == 1 ? " was" : "s were");
done:
    text_release(&findings);
    return status;
}

static void print_safetensors(Text *out, const char *path, const Safetensors *file)
{
    int width = 0;
    const char *format = safetensors_metadata(file, "format");
    text_printf(out, "%s: safetensors", path);
    if (safetensors_file_count(file) > 1)
        text_printf(out, " in %d files", safetensors_file_count(file));
    if (format) text_printf(out, ", format %s", format);
    text_printf(out, "\n\ntensors: %d\n", safetensors_count(file));
    for (int i = 0; i < safetensors_count(file); i++) {
        int length = (int)strlen(safetensors_at(file, i)->name);
        if (length > width) width = length;
    }
    for (int i = 0; i < safetensors_count(file); i++) {
        const SafetensorsInfo *info = safetensors_at(file, i);
        print_tensor(out, width, info->name, info->dtype, info->rank, info->dims,
                     safetensors_bytes(info));
    }
}

static Status inspect_safetensors(Text *out, const char *path, bool validate)
{
    Status status = OK;
    Safetensors *file = NULL;
    TRY(safetensors_open(&file, path));
    print_safetensors(out, path, file);
    if (validate)
        text_append(out, "\nvalidation: header and offsets are sound; the format has no "
                         "checksums\n");
done:
    safetensors_close(file);
    return status;
}

static void print_gguf_value(Text *out, const GgufValue *value, int64_t index)
{
    if (value->kind == GGUF_TEXT)
        print_text(out, gguf_text_at(value, index));
    else if (value->kind == GGUF_REAL)
        text_real(out, gguf_real_at(value, index));
    else if (value->kind == GGUF_BOOL)
        text_append(out, gguf_int_at(value, index) ? "true" : "false");
    else
        text_printf(out, "%" PRId64, gguf_int_at(value, index));
}

static void print_gguf_values(Text *out, const Gguf *file)
{
    enum { SHOWN = 4 };
    int width = 0;
    for (int i = 0; i < gguf_value_count(file); i++) {
        int length = (int)strlen(gguf_value_at(file, i)->key);
        if (length > width) width = length;
    }
    for (int i = 0; i < gguf_value_count(file); i++) {
        const GgufValue *value = gguf_value_at(file, i);
        text_printf(out, "  %-*s  ", width, value->key);
        for (int64_t k = 0; k < value->count && k < SHOWN; k++) {
            if (k) text_append(out, ", ");
            print_gguf_value(out, value, k);
        }
        if (value->count > SHOWN) text_append(out, ", ...");
        if (value->array) text_printf(out, " (%" PRId64 ")", value->count);
        text_append(out, "\n");
    }
}

static void print_gguf(Text *out, const char *path, const Gguf *file)
{
    int width = 0;
    int64_t elements = 0, bytes = 0;
    for (int i = 0; i < gguf_count(file); i++) {
        const GgufInfo *info = gguf_at(file, i);
        if ((int)strlen(info->name) > width) width = (int)strlen(info->name);
        elements += info->elements;
        bytes += gguf_bytes(info);
    }
    text_printf(out, "%s: GGUF\n\nvalues\n", path);
    print_gguf_values(out, file);
    text_printf(out, "\ntensors: %d, %" PRId64 " elements, ", gguf_count(file), elements);
    print_size(out, bytes);
    text_append(out, "\n");
    for (int i = 0; i < gguf_count(file); i++) {
        const GgufInfo *info = gguf_at(file, i);
        print_tensor(out, width, info->name, info->type, info->rank, info->dims, gguf_bytes(info));
    }
}

static Status inspect_gguf(Text *out, const char *path, bool validate)
{
    Status status = OK;
    Gguf *file = NULL;
    TRY(gguf_open(&file, path));
    print_gguf(out, path, file);
    if (validate)
        text_append(out, "\nvalidation: header and offsets are sound; the format has no "
                         "checksums\n");
done:
    gguf_close(file);
    return status;
}

static Status inspect_hdf5(Text *out, const char *path, bool validate)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(tensors_open_any(&file, path));
    print_file(out, file);
    if (validate) TRY(validate_file(out, file));
done:
    tensors_close(file);
    return status;
}

enum { SIGNATURE_BYTES = 4 };

typedef struct {
    const char *ending; ///< of the name
    char signature[SIGNATURE_BYTES + 1];
    Status (*inspect)(Text *out, const char *path, bool validate);
} Format;

static const Format formats[] = { { ".h5", "\211HDF", inspect_hdf5 },
                                  { ".gguf", "GGUF", inspect_gguf },
                                  { ".safetensors", "", inspect_safetensors } };
enum { FORMATS = sizeof formats / sizeof *formats };

static bool has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path), bytes = strlen(ending);
    return length >= bytes && !strcmp(path + length - bytes, ending);
}

/// By its name, which damage leaves alone, or else by its first bytes; folders and all else are
/// read as safetensors.
static Status find_format(const Format **out, const char *path)
{
    Status status = OK;
    char head[SIGNATURE_BYTES] = { 0 };
    int64_t bytes;
    int file = -1;
    *out = &formats[FORMATS - 1];
    TRY(file_named(path, FILE_REGULAR | FILE_FOLDER, ""));
    for (int i = 0; i < FORMATS; i++) {
        if (!has_ending(path, formats[i].ending)) continue;
        *out = &formats[i];
        goto done;
    }
    if (file_named(path, FILE_FOLDER, "") == OK) goto done;
    status_clear();
    TRY(file_open(&file, &bytes, path));
    if (bytes >= SIGNATURE_BYTES) TRY(file_read_at(head, sizeof head, file, 0, path));
    for (int i = 0; i + 1 < FORMATS; i++)
        if (!memcmp(head, formats[i].signature, SIGNATURE_BYTES)) *out = &formats[i];
done:
    if (file >= 0) close(file);
    return status;
}

Status inspect_file(Text *out, const char *path, bool validate)
{
    const Format *format;
    Status status = find_format(&format, path);
    return status == OK ? format->inspect(out, path, validate) : status;
}
