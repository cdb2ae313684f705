#include "base/file.h"
#include "base/mem.h"
#include "store/gguf_parts.h"

#include <inttypes.h>
#include <string.h>

enum {
    HEADER_MAX_BYTES = 128 << 20,
    FIRST_BYTES = 1 << 20, ///< read at once, then twice as much each time
    NAME_MAX_BYTES = 255,  ///< of tensors; ggml takes 63
    VALUE_MIN_BYTES = 13,  ///< key's length, type, value
    TENSOR_MIN_BYTES = 24,
};

enum { TYPE_ARRAY = 9 };
static const GgufValueType value_types[] = {
    [0] = { 1, GGUF_INT, false },  [1] = { 1, GGUF_INT, true },   [2] = { 2, GGUF_INT, false },
    [3] = { 2, GGUF_INT, true },   [4] = { 4, GGUF_INT, false },  [5] = { 4, GGUF_INT, true },
    [6] = { 4, GGUF_REAL, true },  [7] = { 1, GGUF_BOOL, false }, [8] = { 0, GGUF_TEXT, false },
    [10] = { 8, GGUF_INT, false }, [11] = { 8, GGUF_INT, true },  [12] = { 8, GGUF_REAL, true },
};
enum { VALUE_TYPES = sizeof value_types / sizeof *value_types };

typedef GgufSpan Span;
typedef GgufEntry Entry;
typedef GgufStored Stored;

/// The bytes that the rest of the header can have.
static uint64_t room(const Gguf *file)
{
    int64_t most = file->file_bytes < HEADER_MAX_BYTES ? file->file_bytes : HEADER_MAX_BYTES;
    return (uint64_t)most - file->at;
}

/// Makes the next `count` items of at least `size` bytes readable, or says that they cannot be.
static Status need(Gguf *file, uint64_t count, uint64_t size, const char *what)
{
    if (count > room(file) / size)
        return status_fail(FAILED,
                           "%s: %" PRIu64 " bytes or more at byte %zu (%s) do not fit into the "
                           "%" PRId64 " bytes of the file or the %d of a header: it may be "
                           "truncated",
                           file->path, count > UINT64_MAX / size ? UINT64_MAX : count * size,
                           file->at, what, file->file_bytes, HEADER_MAX_BYTES);
    size_t end = file->at + (size_t)(count * size), most = file->at + (size_t)room(file);
    if (end <= file->have) return OK;
    size_t want = 2 * file->have > end ? 2 * file->have : end;
    if (want < FIRST_BYTES) want = FIRST_BYTES;
    if (want > most) want = most;
    file->header = mem_resize(file->header, want + 1, 1); // a NUL ends the last text
    Status status = file_read_at(file->header + file->have, want - file->have, file->file,
                                 (int64_t)file->have, file->path);
    if (status == OK) file->have = want;
    return status;
}

uint64_t gguf_number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

static Status read_u32(uint32_t *out, Gguf *file, const char *what)
{
    Status status = need(file, 1, 4, what);
    if (status != OK) return status;
    *out = (uint32_t)gguf_number(file->header + file->at, 4);
    file->at += 4;
    return OK;
}

static Status read_u64(uint64_t *out, Gguf *file, const char *what)
{
    Status status = need(file, 1, 8, what);
    if (status != OK) return status;
    *out = gguf_number(file->header + file->at, 8);
    file->at += 8;
    return OK;
}

static Status read_span(Span *out, Gguf *file, const char *what)
{
    Status status = OK;
    uint64_t bytes;
    TRY(read_u64(&bytes, file, what));
    TRY(need(file, bytes, 1, what));
    *out = (Span){ file->at, (size_t)bytes };
    file->at += (size_t)bytes;
done:
    return status;
}

/// A text that serves as a C string.
static Status read_name(Span *out, Gguf *file, const char *what)
{
    Status status = OK;
    TRY(read_span(out, file, what));
    if (!out->bytes || memchr(file->header + out->at, 0, out->bytes))
        FAIL(FAILED, "%s: %s at byte %zu is empty or holds a NUL", file->path, what, out->at);
done:
    return status;
}

static Status read_texts(Entry *entry, Gguf *file)
{
    Status status = OK;
    TRY(need(file, (uint64_t)entry->value.count, 8, "texts of the metadata"));
    entry->texts = MEM_NEW(Span, entry->value.count);
    for (int64_t i = 0; i < entry->value.count; i++)
        TRY(read_span(&entry->texts[i], file, "a text of the metadata"));
done:
    return status;
}

static Status check_bools(const Entry *entry, const Gguf *file)
{
    for (int64_t i = 0; i < entry->value.count; i++)
        if (file->header[entry->at + (size_t)i] > 1)
            return status_fail(FAILED, "%s: %.*s: the truth value at byte %zu is %d", file->path,
                               (int)entry->key.bytes, file->header + entry->key.at,
                               entry->at + (size_t)i, file->header[entry->at + (size_t)i]);
    return OK;
}

static Status read_value_type(Entry *entry, Gguf *file)
{
    Status status = OK;
    uint32_t type;
    uint64_t count = 1;
    size_t where = file->at;
    TRY(read_u32(&type, file, "a type of the metadata"));
    if (type == TYPE_ARRAY) {
        entry->value.array = true;
        where = file->at;
        TRY(read_u32(&type, file, "a type of the metadata"));
        TRY(read_u64(&count, file, "the length of an array"));
        TRY(need(file, count, 1, "an array of the metadata"));
    }
    if (type >= VALUE_TYPES || type == TYPE_ARRAY)
        FAIL(FAILED, "%s: %.*s: the type %" PRIu32 " at byte %zu is %s", file->path,
             (int)entry->key.bytes, file->header + entry->key.at, type, where,
             type == TYPE_ARRAY ? "an array in an array, which is not read" : "unknown");
    entry->type = &value_types[type];
    entry->value.kind = entry->type->kind;
    entry->value.count = (int64_t)count;
done:
    return status;
}

static Status read_entry(Entry *entry, Gguf *file)
{
    Status status = OK;
    TRY(read_name(&entry->key, file, "a key of the metadata"));
    TRY(read_value_type(entry, file));
    if (entry->value.kind == GGUF_TEXT) {
        TRY(read_texts(entry, file));
        goto done;
    }
    uint64_t count = (uint64_t)entry->value.count, size = (uint64_t)entry->type->bytes;
    TRY(need(file, count, size, "a value of the metadata"));
    entry->at = file->at;
    file->at += (size_t)(count * size);
    if (entry->value.kind == GGUF_BOOL) TRY(check_bools(entry, file));
done:
    return status;
}

/// The sizes, fastest first in the file, and their product.
static Status read_shape(Stored *tensor, Gguf *file)
{
    Status status = OK;
    GgufInfo *info = &tensor->info;
    uint32_t rank;
    uint64_t size;
    size_t where = file->at;
    bool empty = false;
    TRY(read_u32(&rank, file, "the rank of a tensor"));
    if (rank > GGUF_MAX_RANK) goto invalid;
    info->rank = (int)rank;
    for (int d = info->rank - 1; d >= 0; d--) {
        TRY(read_u64(&size, file, "a size of a tensor"));
        if (size > INT64_MAX) goto invalid;
        info->dims[d] = (int64_t)size;
        if (!size) empty = true;
    }
    info->elements = empty ? 0 : 1;
    for (int d = 0; d < info->rank && !empty; d++) {
        if (info->dims[d] > INT64_MAX / 64 / info->elements) goto invalid;
        info->elements *= info->dims[d];
    }
done:
    return status;
invalid:
    return status_fail(FAILED, "%s: tensor %.*s has no valid shape at byte %zu", file->path,
                       (int)tensor->name.bytes, file->header + tensor->name.at, where);
}

static Status read_tensor(Stored *tensor, Gguf *file)
{
    Status status = OK;
    uint32_t type;
    size_t where;
    TRY(read_name(&tensor->name, file, "the name of a tensor"));
    if (tensor->name.bytes > NAME_MAX_BYTES)
        FAIL(FAILED, "%s: the name of a tensor at byte %zu has %zu bytes, more than %d", file->path,
             tensor->name.at, tensor->name.bytes, NAME_MAX_BYTES);
    TRY(read_shape(tensor, file));
    where = file->at;
    TRY(read_u32(&type, file, "the type of a tensor"));
    TRY(read_u64(&tensor->offset, file, "the offset of a tensor"));
    int name_bytes = (int)tensor->name.bytes;
    const unsigned char *name = file->header + tensor->name.at;
    tensor->type = gguf_type(type);
    if (!tensor->type)
        FAIL(FAILED, "%s: tensor %.*s has the unknown type %" PRIu32 " at byte %zu", file->path,
             name_bytes, name, type, where);
    int64_t row = tensor->info.rank ? tensor->info.dims[tensor->info.rank - 1] : 1;
    if (row % tensor->type->elements)
        FAIL(FAILED,
             "%s: tensor %.*s at byte %zu has rows of %" PRId64 " elements, but %s comes in "
             "blocks of %d",
             file->path, name_bytes, name, where, row, tensor->type->name, tensor->type->elements);
    tensor->info.type = tensor->type->name;
    tensor->bytes = tensor->info.elements / tensor->type->elements * tensor->type->bytes;
done:
    return status;
}

static Status read_start(Gguf *file, uint64_t *tensors, uint64_t *entries)
{
    Status status = OK;
    uint32_t version;
    if (file->file_bytes < 8) FAIL(FAILED, "%s: not a GGUF file: it is too short", file->path);
    TRY(need(file, 1, 4, "the signature"));
    if (memcmp(file->header, "GGUF", 4))
        FAIL(FAILED, "%s: not a GGUF file: it does not begin with GGUF", file->path);
    file->at = 4;
    TRY(read_u32(&version, file, "the version"));
    if (version >> 16)
        FAIL(FAILED, "%s: a big-endian GGUF file, which is not read; convert it again", file->path);
    if (version != 2 && version != 3)
        FAIL(FAILED, "%s: GGUF version %" PRIu32 " is not read, only 2 and 3; convert it again",
             file->path, version);
    TRY(read_u64(tensors, file, "the number of tensors"));
    TRY(read_u64(entries, file, "the length of the metadata"));
    TRY(need(file, *entries, VALUE_MIN_BYTES, "the metadata"));
done:
    return status;
}

Status gguf_parse_header(Gguf *file)
{
    Status status = OK;
    uint64_t tensors = 0, entries = 0;
    TRY(read_start(file, &tensors, &entries));
    file->entries = MEM_NEW(Entry, entries);
    while (file->entry_count < (int64_t)entries)
        TRY(read_entry(&file->entries[file->entry_count++], file));
    TRY(need(file, tensors, TENSOR_MIN_BYTES, "the list of tensors"));
    file->tensors = MEM_NEW(Stored, tensors);
    while (file->tensor_count < (int64_t)tensors)
        TRY(read_tensor(&file->tensors[file->tensor_count++], file));
done:
    return status;
}
