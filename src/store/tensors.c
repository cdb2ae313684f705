#include "store/tensor_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "store/h5.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// False for data sets that are no tensor.
static bool element_type(ElementType *out, SetType type)
{
    static const ElementType types[] = { [SET_F32] = ELEMENT_F32,
                                         [SET_F64] = ELEMENT_F64,
                                         [SET_I32] = ELEMENT_I32,
                                         [SET_I64] = ELEMENT_I64,
                                         [SET_U8] = ELEMENT_U8 };
    if ((size_t)type >= sizeof types / sizeof *types) return false;
    *out = types[type];
    return true;
}

int64_t tensors_blocks(const TensorFile *file)
{
    return file->blocks;
}

typedef struct {
    int64_t first, end;
} Extent;

static int by_first(const void *left, const void *right)
{
    const Extent *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

static Status add_to_sha(Sha256 *sha, char *piece, const TensorFile *file, int64_t at, int64_t end)
{
    for (int64_t bytes; at < end; at += bytes) {
        bytes = end - at < BLOCK_BYTES ? end - at : BLOCK_BYTES;
        if (file_read_at(piece, (size_t)bytes, file->file, at, file->path) != OK) return FAILED;
        sha256_add(sha, piece, (size_t)bytes);
    }
    return OK;
}

Status tensors_frame_sha256(char hex[65], const TensorFile *file)
{
    Status status = OK;
    Sha256 sha;
    Extent *elements = MEM_NEW(Extent, file->count);
    char *piece = MEM_NEW(char, BLOCK_BYTES);
    int64_t at = 0;
    for (int i = 0; i < file->count; i++) {
        const Tensor *tensor = &file->tensors[i];
        elements[i] = (Extent){ tensor->offset_bytes, tensor->offset_bytes + tensor->bytes };
    }
    qsort(elements, (size_t)file->count, sizeof *elements, by_first);
    sha256_init(&sha);
    for (int i = 0; i < file->count; i++) {
        TRY(add_to_sha(&sha, piece, file, at, elements[i].first));
        if (elements[i].end > at) at = elements[i].end;
    }
    TRY(add_to_sha(&sha, piece, file, at, file->file_bytes));
    sha256_finish(hex, &sha);
done:
    mem_free(piece);
    mem_free(elements);
    return status;
}

static Status check_signature(const TensorFile *file)
{
    static const char signature[8] = "\211HDF\r\n\032\n";
    char head[sizeof signature] = { 0 };
    if (file->file_bytes < (int64_t)sizeof head)
        return status_fail(FAILED, "%s: not an HDF5 file: it has %" PRId64 " bytes", file->path,
                           file->file_bytes);
    if (file_read_at(head, sizeof head, file->file, 0, file->path) != OK) return FAILED;
    if (memcmp(head, signature, sizeof head))
        return status_fail(FAILED, "%s: not an HDF5 file", file->path);
    return OK;
}

/// The commit record against itself and the file's size.
static Status read_commit(CommitRecord *record, const TensorFile *file, H5File *h5)
{
    Status status = OK;
    H5Set set;
    TRY(h5_find(h5, COMMIT_RECORD, &set, file->file_bytes));
    if (set.type != SET_COMMIT || set.bytes != sizeof *record)
        FAIL(FAILED, "%s: the commit record has a wrong shape", file->path);
    TRY(file_read_at(record, sizeof *record, file->file, set.offset_bytes, file->path));
    if (record->complete != 1)
        FAIL(FAILED, "%s: unfinished: its writer did not commit it", file->path);
    if (record->record_crc != integrity_record_crc(record))
        FAIL(FAILED, "%s: the commit record is damaged", file->path);
    if (record->file_bytes != file->file_bytes)
        FAIL(FAILED, "%s: has %" PRId64 " bytes but was written with %" PRId64, file->path,
             file->file_bytes, record->file_bytes);
    if (record->block_bytes != BLOCK_BYTES)
        FAIL(FAILED, "%s: has checksums of %" PRId64 " bytes each, %d is known", file->path,
             record->block_bytes, BLOCK_BYTES);
done:
    return status;
}

/// The sums and the index: *rows is owned by the caller, `file->count` is their number.
static Status read_table(TensorFile *file, H5File *h5, IntegrityRow **rows)
{
    Status status = OK;
    CommitRecord record;
    H5Set sums, index;
    TRY(read_commit(&record, file, h5));
    file->blocks = record.blocks;
    file->table_crc = (uint32_t)record.table_crc;
    TRY(h5_find(h5, INTEGRITY_SUMS, &sums, file->file_bytes));
    TRY(h5_find(h5, INTEGRITY_INDEX, &index, file->file_bytes));
    if (sums.type != SET_U32 || sums.rank != 1 || sums.dims[0] != file->blocks ||
        index.type != SET_INDEX || index.rank != 1 || index.dims[0] > INT32_MAX)
        FAIL(FAILED, "%s: the table of checksums has a wrong shape", file->path);
    file->sums = MEM_NEW(uint32_t, file->blocks);
    file->table = MEM_NEW(char, index.bytes);
    file->sound = MEM_NEW(bool, file->blocks);
    TRY(file_read_at(file->sums, (size_t)sums.bytes, file->file, sums.offset_bytes, file->path));
    TRY(file_read_at(file->table, (size_t)index.bytes, file->file, index.offset_bytes, file->path));
    if (record.table_crc != integrity_table_crc(file->sums, file->blocks, file->table, index.bytes))
        FAIL(FAILED, "%s: the table of checksums is damaged", file->path);
    *rows = MEM_NEW(IntegrityRow, index.dims[0]);
    file->count = (int)index.dims[0];
    if (!integrity_decode(*rows, file->count, file->table, index.text_bytes, file->blocks))
        FAIL(FAILED, "%s: the index of checksums is inconsistent", file->path);
done:
    return status;
}

static Status read_text(TensorFile *file, const Tensor *tensor, const char *name)
{
    Status status = OK;
    char *text = MEM_NEW(char, tensor->bytes + 1);
    TRY(tensor_read_bytes(file, tensor, 0, tensor->bytes, text));
    file->values = mem_resize(file->values, (size_t)file->value_count + 1, sizeof *file->values);
    file->values[file->value_count++] =
        (Value){ .name = mem_copy_text(name), .kind = VALUE_TEXT, .text = text };
    text = NULL;
done:
    mem_free(text);
    return status;
}

/// Finds every row of the index among the data sets: tensors are listed, texts are read.
static Status list_sets(TensorFile *file, H5File *h5, const IntegrityRow *rows)
{
    Status status = OK;
    int count = file->count;
    file->count = 0;
    file->tensors = MEM_NEW(Tensor, count);
    for (int i = 0; i < count; i++) {
        H5Set set;
        TRY(h5_find(h5, rows[i].path, &set, file->file_bytes));
        if (set.bytes != rows[i].bytes)
            FAIL(FAILED, "%s: %s has %" PRId64 " bytes, its index says %" PRId64, file->path,
                 rows[i].path, set.bytes, rows[i].bytes);
        Tensor *tensor = &file->tensors[file->count];
        *tensor = (Tensor){ { .path = rows[i].path, .rank = set.rank },
                            set.bytes,
                            set.offset_bytes,
                            rows[i].block_first,
                            NULL };
        memcpy(tensor->info.dims, set.dims, sizeof set.dims);
        if (set.type == SET_TEXT && set.rank == 0) {
            TRY(read_text(file, tensor, rows[i].path));
        } else if (element_type(&tensor->info.type, set.type)) {
            tensor->info.elements = set.bytes / (int64_t)element_bytes(tensor->info.type);
            file->count++;
        } else {
            FAIL(FAILED, "%s: %s is no tensor and no text", file->path, rows[i].path);
        }
    }
done:
    return status;
}

static Status check_schema(const TensorFile *file, const char *schema)
{
    const char *found = tensors_text(file, "schema", NULL);
    const char *version = tensors_text(file, "schema_version", "");
    if (!found) return status_fail(FAILED, "%s: no file of temper's: it has no schema", file->path);
    if (schema && strcmp(found, schema))
        return status_fail(FAILED, "%s: is a %s file, a %s file is needed", file->path, found,
                           schema);
    if (strncmp(version, "1.", 2))
        return status_fail(FAILED, "%s: schema version '%s' is not known, 1.x is", file->path,
                           version);
    return OK;
}

static Status open_checked(TensorFile *file, const char *schema)
{
    Status status = OK;
    H5File *h5 = NULL;
    IntegrityRow *rows = NULL;
    TRY(file_open(&file->file, &file->file_bytes, file->path));
    TRY(check_signature(file));
    TRY(h5_open(&h5, file->path));
    TRY(h5_read_values(&file->values, &file->value_count, h5));
    TRY(check_schema(file, schema));
    TRY(read_table(file, h5, &rows));
    TRY(list_sets(file, h5, rows));
done:
    mem_free(rows);
    h5_close(h5);
    return status;
}

Status tensors_open(TensorFile **out, const char *path, const char *schema)
{
    TensorFile *file = MEM_NEW(TensorFile, 1);
    file->file = -1;
    file->path = mem_copy_text(path);
    Status status = open_checked(file, schema);
    if (status != OK) {
        tensors_close(file);
        file = NULL;
    }
    *out = file;
    return status;
}

Status tensors_open_any(TensorFile **out, const char *path)
{
    return tensors_open(out, path, NULL);
}

void tensors_close(TensorFile *file)
{
    if (!file) return;
    for (int i = 0; i < file->count && file->tensors; i++) mem_free(file->tensors[i].copy);
    file_unmap(file->map, file->file_bytes);
    if (file->file >= 0) close(file->file);
    mem_free(file->block);
    mem_free(file->sound);
    mem_free(file->sums);
    mem_free(file->tensors);
    mem_free(file->table);
    h5_free_values(file->values, file->value_count);
    mem_free(file->path);
    mem_free(file);
}

const char *tensors_schema(const TensorFile *file)
{
    return tensors_text(file, "schema", "");
}

const char *tensors_file_path(const TensorFile *file)
{
    return file->path;
}

uint32_t tensors_table_crc(const TensorFile *file)
{
    return file->table_crc;
}

int tensors_count(const TensorFile *file)
{
    return file->count;
}

const TensorInfo *tensors_at(const TensorFile *file, int index)
{
    return &file->tensors[index].info;
}

const TensorInfo *tensors_find(const TensorFile *file, const char *path)
{
    for (int i = 0; i < file->count; i++)
        if (!strcmp(file->tensors[i].info.path, path)) return &file->tensors[i].info;
    return NULL;
}

int tensors_value_count(const TensorFile *file)
{
    return file->value_count;
}

const Value *tensors_value_at(const TensorFile *file, int index)
{
    return &file->values[index];
}

static const Value *find_value(const TensorFile *file, const char *name, int kind)
{
    for (int i = 0; i < file->value_count; i++)
        if ((int)file->values[i].kind == kind && !strcmp(file->values[i].name, name))
            return &file->values[i];
    return NULL;
}

const char *tensors_text(const TensorFile *file, const char *name, const char *fallback)
{
    const Value *value = find_value(file, name, VALUE_TEXT);
    return value ? value->text : fallback;
}

int64_t tensors_int(const TensorFile *file, const char *name, int64_t fallback)
{
    const Value *value = find_value(file, name, VALUE_INT);
    return value ? value->integer : fallback;
}

double tensors_real(const TensorFile *file, const char *name, double fallback)
{
    const Value *value = find_value(file, name, VALUE_REAL);
    return value ? value->real : fallback;
}
