#include "base/file.h"
#include "base/mem.h"
#include "store/gguf_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 1 << 18, ALIGNMENT_MAX = 1 << 16 };

typedef GgufEntry Entry;
typedef GgufStored Stored;

/// Where the data begin; the offsets of all tensors count from there.
static Status place_tensors(Gguf *file)
{
    int64_t alignment = gguf_int(file, "general.alignment", 32);
    if (alignment < 1 || alignment > ALIGNMENT_MAX || alignment & (alignment - 1))
        return status_fail(FAILED, "%s: general.alignment is %" PRId64 ", not a power of two to %d",
                           file->path, alignment, ALIGNMENT_MAX);
    int64_t start = ((int64_t)file->at + alignment - 1) / alignment * alignment;
    int64_t room_bytes = file->file_bytes > start ? file->file_bytes - start : 0;
    for (int64_t i = 0; i < file->tensor_count; i++) {
        Stored *tensor = &file->tensors[i];
        if (tensor->offset % (uint64_t)alignment)
            return status_fail(FAILED,
                               "%s: tensor %s at byte %" PRIu64 " of the data is not aligned to "
                               "%" PRId64,
                               file->path, tensor->info.name, tensor->offset, alignment);
        if (tensor->bytes > room_bytes || tensor->offset > (uint64_t)(room_bytes - tensor->bytes))
            return status_fail(FAILED,
                               "%s: tensor %s at byte %" PRIu64 " of the data has %" PRId64
                               " bytes but the data have only %" PRId64 ": the file may be "
                               "truncated",
                               file->path, tensor->info.name, tensor->offset, tensor->bytes,
                               room_bytes);
        tensor->begin = start + (int64_t)tensor->offset;
    }
    return OK;
}

static int by_begin(const void *left, const void *right)
{
    const Stored *a = *(Stored *const *)left, *b = *(Stored *const *)right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static Status check_overlaps(const Gguf *file)
{
    Status status = OK;
    int64_t end = 0;
    Stored **order = MEM_NEW(Stored *, file->tensor_count);
    for (int64_t i = 0; i < file->tensor_count; i++) order[i] = &file->tensors[i];
    qsort(order, (size_t)file->tensor_count, sizeof *order, by_begin);
    for (int64_t i = 0; i < file->tensor_count; i++) {
        if (order[i]->begin < end)
            FAIL(FAILED, "%s: tensor %s at byte %" PRId64 " overlaps %s", file->path,
                 order[i]->info.name, order[i]->begin, order[i - 1]->info.name);
        end = order[i]->begin + order[i]->bytes;
    }
done:
    mem_free(order);
    return status;
}

static int by_key(const void *left, const void *right)
{
    return strcmp(((const Entry *)left)->value.key, ((const Entry *)right)->value.key);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const Stored *)left)->info.name, ((const Stored *)right)->info.name);
}

/// Texts get their final places and a NUL each, over bytes that were parsed.
static void settle(Gguf *file)
{
    file->header = mem_resize(file->header, file->at + 1, 1);
    for (int64_t i = 0; i < file->entry_count; i++) {
        Entry *entry = &file->entries[i];
        entry->header = file->header;
        entry->value.key = (const char *)file->header + entry->key.at;
        file->header[entry->key.at + entry->key.bytes] = 0;
        for (int64_t k = 0; entry->texts && k < entry->value.count; k++)
            file->header[entry->texts[k].at + entry->texts[k].bytes] = 0;
    }
    for (int64_t i = 0; i < file->tensor_count; i++) {
        Stored *tensor = &file->tensors[i];
        tensor->info.name = (const char *)file->header + tensor->name.at;
        file->header[tensor->name.at + tensor->name.bytes] = 0;
    }
    qsort(file->entries, (size_t)file->entry_count, sizeof *file->entries, by_key);
    qsort(file->tensors, (size_t)file->tensor_count, sizeof *file->tensors, by_name);
}

static Status check_unique(const Gguf *file)
{
    for (int64_t i = 1; i < file->entry_count; i++)
        if (!by_key(&file->entries[i - 1], &file->entries[i]))
            return status_fail(FAILED, "%s: the key %s at byte %zu is there twice", file->path,
                               file->entries[i].value.key, file->entries[i].key.at);
    for (int64_t i = 1; i < file->tensor_count; i++)
        if (!by_name(&file->tensors[i - 1], &file->tensors[i]))
            return status_fail(FAILED, "%s: tensor %s at byte %zu is there twice", file->path,
                               file->tensors[i].info.name, file->tensors[i].name.at);
    return OK;
}

static Status read_file(Gguf *file)
{
    Status status = OK;
    TRY(file_open(&file->file, &file->file_bytes, file->path));
    TRY(gguf_parse_header(file));
    settle(file);
    TRY(check_unique(file));
    TRY(place_tensors(file));
    TRY(check_overlaps(file));
done:
    return status;
}

Status gguf_open(Gguf **out, const char *path)
{
    Gguf *file = MEM_NEW(Gguf, 1);
    *file = (Gguf){ .path = mem_copy_text(path), .file = -1 };
    Status status = read_file(file);
    if (status != OK) {
        gguf_close(file);
        file = NULL;
    }
    *out = file;
    return status;
}

void gguf_close(Gguf *file)
{
    if (!file) return;
    for (int64_t i = 0; i < file->entry_count; i++) mem_free(file->entries[i].texts);
    mem_free(file->tensors);
    mem_free(file->entries);
    mem_free(file->header);
    if (file->file >= 0) close(file->file);
    mem_free(file->path);
    mem_free(file);
}

const char *gguf_path(const Gguf *file)
{
    return file->path;
}

int gguf_value_count(const Gguf *file)
{
    return (int)file->entry_count;
}

const GgufValue *gguf_value_at(const Gguf *file, int index)
{
    return &file->entries[index].value;
}

const GgufValue *gguf_value(const Gguf *file, const char *key)
{
    Entry sought = { .value.key = key };
    const Entry *found =
        bsearch(&sought, file->entries, (size_t)file->entry_count, sizeof *file->entries, by_key);
    return found ? &found->value : NULL;
}

const char *gguf_text(const Gguf *file, const char *key, const char *fallback)
{
    const GgufValue *value = gguf_value(file, key);
    return value && !value->array && value->kind == GGUF_TEXT ? gguf_text_at(value, 0) : fallback;
}

int64_t gguf_int(const Gguf *file, const char *key, int64_t fallback)
{
    const GgufValue *value = gguf_value(file, key);
    return value && !value->array && value->kind == GGUF_INT ? gguf_int_at(value, 0) : fallback;
}

double gguf_real(const Gguf *file, const char *key, double fallback)
{
    const GgufValue *value = gguf_value(file, key);
    bool number = value && (value->kind == GGUF_INT || value->kind == GGUF_REAL);
    return number && !value->array ? gguf_real_at(value, 0) : fallback;
}

bool gguf_bool(const Gguf *file, const char *key, bool fallback)
{
    const GgufValue *value = gguf_value(file, key);
    return value && !value->array && value->kind == GGUF_BOOL ? gguf_int_at(value, 0) : fallback;
}

const char *gguf_text_at(const GgufValue *value, int64_t index)
{
    const Entry *entry = (const Entry *)value;
    return (const char *)entry->header + entry->texts[index].at;
}

size_t gguf_text_bytes_at(const GgufValue *value, int64_t index)
{
    return ((const Entry *)value)->texts[index].bytes;
}

static uint64_t element(const Entry *entry, int64_t index)
{
    int bytes = entry->type->bytes;
    return gguf_number(entry->header + entry->at + (size_t)index * (size_t)bytes, bytes);
}

int64_t gguf_int_at(const GgufValue *value, int64_t index)
{
    const Entry *entry = (const Entry *)value;
    uint64_t bits = element(entry, index);
    int unused = 64 - 8 * entry->type->bytes;
    if (entry->type->has_sign) return (int64_t)(bits << unused) >> unused;
    return bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
}

double gguf_real_at(const GgufValue *value, int64_t index)
{
    const Entry *entry = (const Entry *)value;
    uint64_t bits = element(entry, index);
    uint32_t low = (uint32_t)bits;
    double wide;
    float narrow;
    if (value->kind != GGUF_REAL) return (double)gguf_int_at(value, index);
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    return entry->type->bytes == 8 ? wide : (double)narrow;
}

int gguf_count(const Gguf *file)
{
    return (int)file->tensor_count;
}

const GgufInfo *gguf_at(const Gguf *file, int index)
{
    return &file->tensors[index].info;
}

const GgufInfo *gguf_find(const Gguf *file, const char *name)
{
    Stored sought = { .info.name = name };
    const Stored *found =
        bsearch(&sought, file->tensors, (size_t)file->tensor_count, sizeof *file->tensors, by_name);
    return found ? &found->info : NULL;
}

int64_t gguf_bytes(const GgufInfo *info)
{
    return ((const Stored *)info)->bytes;
}

/// Whole blocks from block `first` on.
static Status read_blocks(float *out, const Gguf *file, const Stored *tensor, int64_t first,
                          int64_t count)
{
    Status status = OK;
    const GgufType *type = tensor->type;
    int64_t most = SCRATCH_BYTES / type->bytes;
    char *scratch = MEM_NEW(char, SCRATCH_BYTES);
    for (int64_t at = 0; at < count;) {
        int64_t piece = count - at < most ? count - at : most;
        TRY(file_read_at(scratch, (size_t)(piece * type->bytes), file->file,
                         tensor->begin + (first + at) * type->bytes, file->path));
        type->dequantise(out + at * type->elements, scratch, piece * type->elements);
        at += piece;
    }
done:
    mem_free(scratch);
    return status;
}

/// Elements inside one block.
static Status read_part(float *out, const Gguf *file, const Stored *tensor, int64_t first,
                        int64_t count)
{
    float block[GGUF_BLOCK_ELEMENTS];
    int64_t elements = tensor->type->elements;
    Status status = read_blocks(block, file, tensor, first / elements, 1);
    if (status == OK) memcpy(out, block + first % elements, (size_t)count * sizeof *out);
    return status;
}

Status gguf_read(float *out, const Gguf *file, const GgufInfo *info, int64_t first, int64_t count)
{
    Status status = OK;
    const Stored *tensor = (const Stored *)info;
    int64_t elements = tensor->type->elements;
    if (!tensor->type->dequantise)
        FAIL(FAILED,
             "%s: tensor %s has type %s; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K and Q6_K can be "
             "read",
             file->path, info->name, info->type);
    if (first < 0 || count < 0 || first > info->elements || count > info->elements - first)
        FAIL(FAILED,
             "%s: tensor %s has %" PRId64 " elements, %" PRId64 " from %" PRId64 " on "
             "were asked for",
             file->path, info->name, info->elements, count, first);
    int64_t before = first % elements ? elements - first % elements : 0; // in the first block
    if (before > count) before = count;
    int64_t after = (count - before) % elements; // in the last block
    if (before) TRY(read_part(out, file, tensor, first, before));
    TRY(read_blocks(out + before, file, tensor, (first + before) / elements,
                    (count - before) / elements));
    if (after) TRY(read_part(out + count - after, file, tensor, first + count - after, after));
done:
    return status;
}
