#include "store/safetensors.h"
#include "base/file.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX_BYTES = 100000000, SCRATCH_BYTES = 1 << 18 };

typedef void Convert(float *out, const void *in, int64_t count);

/// An element type of the format. `convert` is NULL where this program does not read it.
typedef struct {
    const char *name;
    int bits;
    Convert *convert;
} Dtype;

typedef struct {
    SafetensorsInfo info; ///< first: an info leads back to its tensor
    const Dtype *dtype;
    int shard;
    int64_t begin, end; ///< bytes in the shard's file
} Stored;

typedef struct {
    char *path;   ///< owned
    Json *header; ///< owned: names point into it
    int file;
} Shard;

struct Safetensors {
    Shard *shards; ///< owned
    int shard_count;
    Stored *tensors; ///< owned
    int count;
    Json *index; ///< owned, NULL for a single file
};

static void convert_f32(float *out, const void *in, int64_t count)
{
    memcpy(out, in, (size_t)count * sizeof *out);
}

static void convert_f64(float *out, const void *in, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, (const char *)in + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

static const Dtype dtypes[] = {
    { "F32", 32, convert_f32 },
    { "F16", 16, half_read_f16 },
    { "BF16", 16, half_read_bf16 },
    { "F64", 64, convert_f64 },
    { "BOOL", 8, NULL },
    { "U8", 8, NULL },
    { "I8", 8, NULL },
    { "F8_E5M2", 8, NULL },
    { "F8_E4M3", 8, NULL },
    { "F8_E8M0", 8, NULL },
    { "F8_E4M3FNUZ", 8, NULL },
    { "F8_E5M2FNUZ", 8, NULL },
    { "I16", 16, NULL },
    { "U16", 16, NULL },
    { "I32", 32, NULL },
    { "U32", 32, NULL },
    { "I64", 64, NULL },
    { "U64", 64, NULL },
    { "C64", 64, NULL },
    { "F4", 4, NULL },
    { "F6_E2M3", 6, NULL },
    { "F6_E3M2", 6, NULL },
};

static const Dtype *find_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, name)) return &dtypes[i];
    return NULL;
}

/// "shape" into the info; false if it is none.
static bool read_shape(SafetensorsInfo *info, const Json *shape)
{
    if (!json_is_array(shape) || json_size(shape) > SAFETENSORS_MAX_RANK) return false;
    info->rank = (int)json_size(shape);
    bool empty = false;
    for (int d = 0; d < info->rank; d++) {
        info->dims[d] = json_int(json_at(shape, d), -1);
        if (info->dims[d] < 0) return false;
        if (info->dims[d] == 0) empty = true;
    }
    info->elements = empty ? 0 : 1;
    for (int d = 0; d < info->rank && !empty; d++) {
        if (info->dims[d] > INT64_MAX / 64 / info->elements) return false;
        info->elements *= info->dims[d];
    }
    return true;
}

/// One entry of a header; `data_start` and `file_bytes` bound it.
static Status read_entry(Stored *out, const char *name, const Json *entry, const char *path,
                         int64_t data_start, int64_t file_bytes)
{
    const Json *offsets = json_get(entry, "data_offsets");
    const char *dtype = json_text(json_get(entry, "dtype"), "");
    out->info.name = name;
    out->dtype = find_dtype(dtype);
    if (!out->dtype)
        return status_fail(FAILED, "%s: tensor %s has the unknown type '%s'", path, name, dtype);
    out->info.dtype = out->dtype->name;
    if (!read_shape(&out->info, json_get(entry, "shape")))
        return status_fail(FAILED, "%s: tensor %s has no valid shape", path, name);
    int64_t begin = json_int(json_at(offsets, 0), -1), end = json_int(json_at(offsets, 1), -1);
    if (json_size(offsets) != 2 || begin < 0 || end < begin)
        return status_fail(FAILED, "%s: tensor %s has no valid data_offsets", path, name);
    if (end > file_bytes - data_start)
        return status_fail(FAILED,
                           "%s: tensor %s ends at byte %" PRId64 " of the data but the file has "
                           "only %" PRId64 ": it may be truncated",
                           path, name, end, file_bytes - data_start);
    int64_t bits = out->info.elements * out->dtype->bits; // below 2^63: see read_shape
    if (bits % 8 || bits / 8 != end - begin)
        return status_fail(FAILED,
                           "%s: tensor %s at byte %" PRId64 " of the data has %" PRId64
                           " bytes but its shape of %s needs %" PRId64,
                           path, name, begin, end - begin, dtype, bits / 8);
    out->begin = data_start + begin;
    out->end = data_start + end;
    return OK;
}

static int by_begin(const void *left, const void *right)
{
    const Stored *a = *(Stored *const *)left, *b = *(Stored *const *)right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/// The tensors of one file must follow one another without holes or overlaps up to its end.
static Status check_cover(Stored *tensors, int count, const char *path, int64_t data_start,
                          int64_t file_bytes)
{
    Status status = OK;
    int64_t at = data_start;
    Stored **order = MEM_NEW(Stored *, count);
    for (int i = 0; i < count; i++) order[i] = &tensors[i];
    qsort(order, (size_t)count, sizeof *order, by_begin);
    for (int i = 0; i < count; i++) {
        if (order[i]->begin != at)
            FAIL(FAILED, "%s: tensor %s at byte %" PRId64 " of the data %s", path,
                 order[i]->info.name, order[i]->begin - data_start,
                 order[i]->begin < at ? "overlaps the one before it" : "leaves a hole before it");
        at = order[i]->end;
    }
    if (at != file_bytes)
        FAIL(FAILED, "%s: %" PRId64 " bytes after the last tensor belong to none", path,
             file_bytes - at);
done:
    mem_free(order);
    return status;
}

/// Length, JSON and first character of the header; *data_start is where the data begin.
static Status read_header(Shard *shard, int64_t file_bytes, int64_t *data_start)
{
    Status status = OK;
    unsigned char head[8];
    uint64_t length = 0;
    char *text = NULL;
    if (file_bytes < 8)
        FAIL(FAILED, "%s: not a safetensors file: it has %" PRId64 " bytes", shard->path,
             file_bytes);
    TRY(file_read_at(head, sizeof head, shard->file, 0, shard->path));
    for (int i = 7; i >= 0; i--) length = length << 8 | head[i];
    if (length > HEADER_MAX_BYTES)
        FAIL(FAILED, "%s: not a safetensors file: its header would have %" PRIu64 " bytes",
             shard->path, length);
    if ((int64_t)length > file_bytes - 8)
        FAIL(FAILED,
             "%s: the header needs %" PRIu64 " bytes but the file ends after %" PRId64
             ": it may be truncated",
             shard->path, length, file_bytes - 8);
    text = MEM_NEW(char, length + 1);
    TRY(file_read_at(text, length, shard->file, 8, shard->path));
    if (text[0] != '{') FAIL(FAILED, "%s: the header at byte 8 is no JSON object", shard->path);
    TRY(json_parse(&shard->header, text, length, shard->path));
    *data_start = 8 + (int64_t)length;
done:
    mem_free(text);
    return status;
}

static bool is_metadata(const char *key)
{
    return !strcmp(key, "__metadata__");
}

/// Appends the tensors of one file.
static Status add_shard(Safetensors *file, const char *path)
{
    Status status = OK;
    void *iterator = NULL;
    const char *key;
    Json *value;
    int64_t file_bytes, data_start = 0;
    file->shards = mem_resize(file->shards, (size_t)file->shard_count + 1, sizeof *file->shards);
    Shard *shard = &file->shards[file->shard_count++];
    *shard = (Shard){ .path = mem_copy_text(path), .file = -1 };
    TRY(file_open(&shard->file, &file_bytes, path));
    TRY(read_header(shard, file_bytes, &data_start));
    int first = file->count, most = first + (int)json_size(shard->header);
    file->tensors = mem_resize(file->tensors, (size_t)most, sizeof *file->tensors);
    while (json_next(shard->header, &iterator, &key, &value)) {
        if (is_metadata(key)) continue;
        Stored *stored = &file->tensors[file->count++];
        *stored = (Stored){ .shard = file->shard_count - 1 };
        TRY(read_entry(stored, key, value, path, data_start, file_bytes));
    }
    TRY(check_cover(file->tensors + first, file->count - first, path, data_start, file_bytes));
done:
    return status;
}

static int find_shard(const Safetensors *file, const char *name)
{
    for (int i = 0; i < file->shard_count; i++) {
        const char *slash = strrchr(file->shards[i].path, '/');
        if (!strcmp(slash ? slash + 1 : file->shards[i].path, name)) return i;
    }
    return -1;
}

static int by_name(const void *left, const void *right)
{
    const Stored *a = left, *b = right;
    int order = strcmp(a->info.name, b->info.name);
    return order ? order : a->shard - b->shard;
}

/// The map of the index must name each tensor once, in the shard that holds it.
static Status check_map(const Safetensors *file, const Json *map, const char *path)
{
    void *iterator = NULL;
    const char *name;
    Json *value;
    while (json_next(map, &iterator, &name, &value)) {
        const SafetensorsInfo *info = safetensors_find(file, name);
        if (!info || ((const Stored *)info)->shard != find_shard(file, json_text(value, "")))
            return status_fail(FAILED, "%s: tensor %s is not in %s", path, name,
                               json_text(value, ""));
    }
    for (int i = 0; i < file->count; i++) {
        const Stored *stored = &file->tensors[i];
        if (!json_get(map, stored->info.name))
            return status_fail(FAILED, "%s: tensor %s of %s is not listed", path, stored->info.name,
                               file->shards[stored->shard].path);
        if (i && !strcmp(stored->info.name, stored[-1].info.name))
            return status_fail(FAILED, "%s: tensor %s is in two shards", path, stored->info.name);
    }
    return OK;
}

static Status add_shards(Safetensors *file, const char *folder, const char *index_path)
{
    Status status = OK;
    Text path = { 0 };
    void *iterator = NULL;
    const char *name;
    Json *value;
    TRY(json_parse_file(&file->index, index_path));
    const Json *map = json_get(file->index, "weight_map");
    if (!json_is_object(map) || !json_size(map)) FAIL(FAILED, "%s: has no weight_map", index_path);
    while (json_next(map, &iterator, &name, &value)) {
        const char *shard = json_text(value, "");
        if (!*shard || strchr(shard, '/'))
            FAIL(FAILED, "%s: the file of tensor %s is no file name", index_path, name);
        if (find_shard(file, shard) >= 0) continue;
        text_clear(&path);
        text_printf(&path, "%s/%s", folder, shard);
        TRY(add_shard(file, path.data));
    }
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
    TRY(check_map(file, map, index_path));
done:
    text_release(&path);
    return status;
}

static Status add_folder(Safetensors *file, const char *folder)
{
    Status status = OK;
    Text single = { 0 }, index = { 0 };
    text_printf(&single, "%s/model.safetensors", folder);
    text_printf(&index, "%s/model.safetensors.index.json", folder);
    if (access(single.data, F_OK) == 0)
        TRY(add_shard(file, single.data));
    else if (access(index.data, F_OK) == 0)
        TRY(add_shards(file, folder, index.data));
    else
        FAIL(FAILED, "%s: neither model.safetensors nor model.safetensors.index.json is there",
             folder);
done:
    text_release(&index);
    text_release(&single);
    return status;
}

Status safetensors_open(Safetensors **out, const char *path)
{
    struct stat info;
    Safetensors *file = MEM_NEW(Safetensors, 1);
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    Status status = folder ? add_folder(file, path) : add_shard(file, path);
    if (status == OK && !file->index)
        qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
    if (status != OK) {
        safetensors_close(file);
        file = NULL;
    }
    *out = file;
    return status;
}

void safetensors_close(Safetensors *file)
{
    if (!file) return;
    for (int i = 0; i < file->shard_count; i++) {
        if (file->shards[i].file >= 0) close(file->shards[i].file);
        json_free(file->shards[i].header);
        mem_free(file->shards[i].path);
    }
    json_free(file->index);
    mem_free(file->tensors);
    mem_free(file->shards);
    mem_free(file);
}

int safetensors_count(const Safetensors *file)
{
    return file->count;
}

const SafetensorsInfo *safetensors_at(const Safetensors *file, int index)
{
    return &file->tensors[index].info;
}

const SafetensorsInfo *safetensors_find(const Safetensors *file, const char *name)
{
    int low = 0, high = file->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (strcmp(file->tensors[middle].info.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == file->count || strcmp(file->tensors[low].info.name, name)) return NULL;
    return &file->tensors[low].info;
}

int64_t safetensors_bytes(const SafetensorsInfo *info)
{
    const Stored *stored = (const Stored *)info;
    return stored->end - stored->begin;
}

const char *safetensors_metadata(const Safetensors *file, const char *key)
{
    if (!file->shard_count) return NULL;
    return json_text(json_get(json_get(file->shards[0].header, "__metadata__"), key), NULL);
}

int safetensors_file_count(const Safetensors *file)
{
    return file->shard_count;
}

const char *safetensors_file_path(const Safetensors *file, int index)
{
    return file->shards[index].path;
}

Status safetensors_read(float *out, const Safetensors *file, const SafetensorsInfo *info,
                        int64_t first, int64_t count)
{
    Status status = OK;
    const Stored *stored = (const Stored *)info;
    const Shard *shard = &file->shards[stored->shard];
    int64_t size = stored->dtype->bits / 8;
    char *scratch = NULL;
    if (!stored->dtype->convert)
        FAIL(FAILED, "%s: tensor %s has type %s; F32, F16, BF16 and F64 can be read", shard->path,
             info->name, info->dtype);
    if (first < 0 || count < 0 || first > info->elements || count > info->elements - first)
        FAIL(FAILED,
             "%s: tensor %s has %" PRId64 " elements, %" PRId64 " from %" PRId64 " on "
             "were asked for",
             shard->path, info->name, info->elements, count, first);
    scratch = MEM_NEW(char, SCRATCH_BYTES);
    for (int64_t at = 0; at < count;) {
        int64_t piece = count - at < SCRATCH_BYTES / size ? count - at : SCRATCH_BYTES / size;
        TRY(file_read_at(scratch, (size_t)(piece * size), shard->file,
                         stored->begin + (first + at) * size, shard->path));
        stored->dtype->convert(out + at, scratch, piece);
        at += piece;
    }
done:
    mem_free(scratch);
    return status;
}
