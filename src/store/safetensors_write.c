#include "store/safetensors.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/partial.h"
#include "base/text.h"
#include "store/json.h"
#include "store/provenance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLAB_ELEMENTS = 1 << 18 };

static int by_name(const void *left, const void *right)
{
    const SafetensorsInfo *a = *(const SafetensorsInfo *const *)left;
    const SafetensorsInfo *b = *(const SafetensorsInfo *const *)right;
    return strcmp(a->name, b->name);
}

/// `format` is what transformers asks for; the rest says who computed.
static void append_metadata(Text *out)
{
    Value facts[PROVENANCE_NUMBERS];
    int count = provenance_numbers(facts);
    text_append(out, "{\"__metadata__\":{\"format\":\"pt\"");
    for (int i = 0; i < count; i++) {
        text_printf(out, ",\"%s\":", facts[i].name);
        json_quote(out, facts[i].text, strlen(facts[i].text));
    }
    text_append(out, "}");
}

/// The length, the JSON and the spaces up to a multiple of 8.
static void make_header(Text *out, const SafetensorsInfo *const *order, int count)
{
    Text json = { 0 };
    int64_t at = 0;
    append_metadata(&json);
    for (int i = 0; i < count; i++) {
        int64_t bytes = order[i]->elements * (int64_t)sizeof(float);
        text_append(&json, ",");
        json_quote(&json, order[i]->name, strlen(order[i]->name));
        text_append(&json, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int d = 0; d < order[i]->rank; d++)
            text_printf(&json, "%s%" PRId64, d ? "," : "", order[i]->dims[d]);
        text_printf(&json, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes);
        at += bytes;
    }
    text_append(&json, "}");
    while (json.length_bytes % 8) text_append(&json, " ");
    for (int i = 0; i < 8; i++) {
        unsigned char byte = (unsigned char)((uint64_t)json.length_bytes >> (8 * i));
        text_append_bytes(out, &byte, 1);
    }
    text_append_bytes(out, json.data, json.length_bytes);
    text_release(&json);
}

static Status write_data(int file, int64_t at, const SafetensorsInfo *const *order, int count,
                         SafetensorsPull pull, void *context, const char *path)
{
    Status status = OK;
    float *slab = MEM_NEW(float, SLAB_ELEMENTS);
    for (int i = 0; i < count; i++) {
        for (int64_t first = 0; first < order[i]->elements;) {
            int64_t piece = order[i]->elements - first;
            if (piece > SLAB_ELEMENTS) piece = SLAB_ELEMENTS;
            TRY(pull(slab, order[i], first, piece, context));
            TRY(file_write_at(file, at, slab, (size_t)piece * sizeof *slab, path));
            at += piece * (int64_t)sizeof *slab;
            first += piece;
        }
    }
done:
    mem_free(slab);
    return status;
}

Status safetensors_write(const char *path, const SafetensorsInfo *infos, int count,
                         SafetensorsPull pull, void *context)
{
    Status status = OK;
    int file = -1;
    char *partial = NULL;
    Text header = { 0 };
    const SafetensorsInfo **order = MEM_NEW(const SafetensorsInfo *, count);
    for (int i = 0; i < count; i++) order[i] = &infos[i];
    qsort(order, (size_t)count, sizeof *order, by_name);
    make_header(&header, order, count);
    TRY(partial_create(&file, &partial, path));
    TRY(file_write_at(file, 0, header.data, header.length_bytes, path));
    TRY(write_data(file, (int64_t)header.length_bytes, order, count, pull, context, path));
    if (fsync(file)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    if (rename(partial, path)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    TRY(file_sync_folder(path));
done:
    if (status != OK && file >= 0) unlink(partial);
    if (file >= 0) close(file);
    mem_free(order);
    text_release(&header);
    mem_free(partial);
    return status;
}
