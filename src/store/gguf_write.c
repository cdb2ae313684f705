#include "base/file.h"
#include "base/mem.h"
#include "base/partial.h"
#include "store/gguf.h"
#include "store/gguf_blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLAB_ELEMENTS = 1 << 18, ALIGNMENT = 32, VERSION = 3 };
enum { TYPE_U32 = 4, TYPE_I32 = 5, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_TEXT = 8, TYPE_ARRAY = 9 };

static void put_number(Text *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)(value >> (8 * i));
        text_append_bytes(out, &byte, 1);
    }
}

static void put_real(Text *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(out, bits, 4);
}

static void put_text(Text *out, const char *text)
{
    put_number(out, strlen(text), 8);
    text_append(out, text);
}

static Text *start(GgufHeader *header, const char *key, uint32_t type)
{
    header->count++;
    put_text(&header->bytes, key);
    put_number(&header->bytes, type, 4);
    return &header->bytes;
}

static Text *start_array(GgufHeader *header, const char *key, uint32_t type, int64_t count)
{
    Text *out = start(header, key, TYPE_ARRAY);
    put_number(out, type, 4);
    put_number(out, (uint64_t)count, 8);
    return out;
}

void gguf_put_text(GgufHeader *header, const char *key, const char *value)
{
    put_text(start(header, key, TYPE_TEXT), value);
}

void gguf_put_u32(GgufHeader *header, const char *key, uint32_t value)
{
    put_number(start(header, key, TYPE_U32), value, 4);
}

void gguf_put_f32(GgufHeader *header, const char *key, float value)
{
    put_real(start(header, key, TYPE_F32), value);
}

void gguf_put_bool(GgufHeader *header, const char *key, bool value)
{
    put_number(start(header, key, TYPE_BOOL), value, 1);
}

void gguf_put_texts(GgufHeader *header, const char *key, const char *const *values, int64_t count)
{
    Text *out = start_array(header, key, TYPE_TEXT, count);
    for (int64_t i = 0; i < count; i++) put_text(out, values[i]);
}

void gguf_put_i32s(GgufHeader *header, const char *key, const int32_t *values, int64_t count)
{
    Text *out = start_array(header, key, TYPE_I32, count);
    for (int64_t i = 0; i < count; i++) put_number(out, (uint32_t)values[i], 4);
}

void gguf_put_f32s(GgufHeader *header, const char *key, const float *values, int64_t count)
{
    Text *out = start_array(header, key, TYPE_F32, count);
    for (int64_t i = 0; i < count; i++) put_real(out, values[i]);
}

void gguf_header_release(GgufHeader *header)
{
    text_release(&header->bytes);
    *header = (GgufHeader){ 0 };
}

static int64_t stored_bytes(const GgufInfo *info, const GgufType *type)
{
    return info->elements / type->elements * type->bytes;
}

static int64_t aligned(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void check_info(const GgufInfo *info, const GgufType *type)
{
    CHECK(type && type->quantise, "%s: the type %s is not written", info->name, info->type);
    int64_t row = info->rank ? info->dims[info->rank - 1] : 1;
    CHECK(row % type->elements == 0, "%s: rows of %" PRId64 " do not fill blocks of %s", info->name,
          row, info->type);
}

/// The whole file up to the data.
static void make_start(Text *out, const GgufHeader *header, const GgufInfo *infos, int count)
{
    int64_t offset = 0;
    text_append(out, "GGUF");
    put_number(out, VERSION, 4);
    put_number(out, (uint64_t)count, 8);
    put_number(out, (uint64_t)header->count, 8);
    text_append_bytes(out, text_chars(&header->bytes), header->bytes.length_bytes);
    for (int i = 0; i < count; i++) {
        const GgufInfo *info = &infos[i];
        const GgufType *type = gguf_type_named(info->type);
        check_info(info, type);
        put_text(out, info->name);
        put_number(out, (uint64_t)info->rank, 4);
        for (int d = info->rank - 1; d >= 0; d--) put_number(out, (uint64_t)info->dims[d], 8);
        put_number(out, type->id, 4);
        put_number(out, (uint64_t)offset, 8);
        offset += aligned(stored_bytes(info, type));
    }
    while (out->length_bytes % ALIGNMENT) text_append_bytes(out, "", 1);
}

typedef struct {
    const char *path;
    int file;
    int64_t at;    ///< bytes written
    float *slab;   ///< (SLAB_ELEMENTS)
    char *encoded; ///< of the slab: no type takes more than F32
} Writer;

static Status write_tensor(Writer *writer, const GgufInfo *info, GgufPull pull, void *context)
{
    static const char zeros[ALIGNMENT];
    Status status = OK;
    const GgufType *type = gguf_type_named(info->type);
    for (int64_t first = 0; first < info->elements;) {
        int64_t piece = info->elements - first;
        if (piece > SLAB_ELEMENTS) piece = SLAB_ELEMENTS;
        size_t bytes = (size_t)(piece / type->elements * type->bytes);
        TRY(pull(writer->slab, info, first, piece, context));
        if (!type->quantise(writer->encoded, writer->slab, piece))
            FAIL(FAILED, "%s: %s has a value that %s cannot hold: write it as F32", writer->path,
                 info->name, info->type);
        TRY(file_write_at(writer->file, writer->at, writer->encoded, bytes, writer->path));
        writer->at += (int64_t)bytes;
        first += piece;
    }
    int64_t padding = aligned(writer->at) - writer->at;
    TRY(file_write_at(writer->file, writer->at, zeros, (size_t)padding, writer->path));
    writer->at += padding;
done:
    return status;
}

Status gguf_write(const char *path, const GgufHeader *header, const GgufInfo *infos, int count,
                  GgufPull pull, void *context)
{
    Status status = OK;
    char *partial = NULL;
    Text head = { 0 };
    Writer writer = { .path = path, .file = -1 };
    make_start(&head, header, infos, count);
    TRY(partial_create(&writer.file, &partial, path));
    TRY(file_write_at(writer.file, 0, head.data, head.length_bytes, path));
    writer.at = (int64_t)head.length_bytes;
    writer.slab = MEM_NEW(float, SLAB_ELEMENTS);
    writer.encoded = MEM_NEW(char, SLAB_ELEMENTS * sizeof(float));
    for (int i = 0; i < count; i++) TRY(write_tensor(&writer, &infos[i], pull, context));
    if (fsync(writer.file)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    if (rename(partial, path)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    TRY(file_sync_folder(path));
done:
    if (status != OK && writer.file >= 0) unlink(partial);
    if (writer.file >= 0) close(writer.file);
    mem_free(writer.encoded);
    mem_free(writer.slab);
    text_release(&head);
    mem_free(partial);
    return status;
}
