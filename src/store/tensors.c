#include "store/tensors.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "store/h5.h"
#include "store/integrity.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    TensorInfo info; ///< first: an info leads back to its tensor
    int64_t bytes, offset_bytes, block_first;
    void *copy; ///< owned: the elements, where they are not aligned in the file
} Tensor;

struct TensorFile {
    char *path; ///< owned
    int file;
    int64_t file_bytes;
    const void *map; ///< (file_bytes), made on first use
    Tensor *tensors; ///< owned
    int count;
    Value *values; ///< owned with their texts
    int value_count;
    char *table; ///< owned: the index as stored; paths point into it
    uint32_t *sums;
    bool *sound; ///< (blocks): verified since the file was opened
    int64_t blocks;
    char *block; ///< (BLOCK_BYTES), owned, made on first use
};

size_t element_bytes(ElementType type)
{
    static const size_t bytes[] = {
        [ELEMENT_F32] = 4, [ELEMENT_F64] = 8, [ELEMENT_I32] = 4, [ELEMENT_I64] = 8, [ELEMENT_U8] = 1
    };
    return bytes[type];
}

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

static int64_t block_bytes(const Tensor *tensor, int64_t block)
{
    int64_t bytes = tensor->bytes - block * BLOCK_BYTES;
    return bytes < BLOCK_BYTES ? bytes : BLOCK_BYTES;
}

/// `found`: the sum of that block.
static Status check_block(const TensorFile *file, const Tensor *tensor, int64_t block,
                          uint32_t found)
{
    uint32_t wanted = file->sums[tensor->block_first + block];
    int64_t first = tensor->offset_bytes + block * BLOCK_BYTES;
    if (found == wanted) return OK;
    return status_fail(FAILED,
                       "%s: %s is damaged in block %" PRId64 " (bytes %" PRId64 " to %" PRId64
                       " of the file): its checksum is %08x, %08x was written",
                       file->path, tensor->info.path, block, first,
                       first + block_bytes(tensor, block) - 1, (unsigned)found, (unsigned)wanted);
}

/// Bytes [begin, end) of one block into `out`. The whole block is read the first time.
static Status read_block(TensorFile *file, const Tensor *tensor, int64_t block, int64_t begin,
                         int64_t end, char *out)
{
    Status status = OK;
    int64_t start = block * BLOCK_BYTES, bytes = block_bytes(tensor, block);
    bool *sound = &file->sound[tensor->block_first + block];
    bool whole = begin == start && end == start + bytes;
    int64_t from = *sound ? begin : start, count = *sound ? end - begin : bytes;
    char *place = whole || *sound ? out : file->block;
    TRY(file_read_at(place, (size_t)count, file->file, tensor->offset_bytes + from, file->path));
    if (*sound && !whole) goto done;
    TRY(check_block(file, tensor, block, crc32c(0, place, (size_t)bytes)));
    if (!whole && !*sound) memcpy(out, place + (begin - start), (size_t)(end - begin));
    *sound = true;
done:
    return status;
}

static Status read_bytes(TensorFile *file, const Tensor *tensor, int64_t begin, int64_t end,
                         char *out)
{
    Status status = OK;
    if (!file->block) file->block = MEM_NEW(char, BLOCK_BYTES);
    for (int64_t at = begin; at < end;) {
        int64_t block = at / BLOCK_BYTES, stop = (block + 1) * BLOCK_BYTES;
        if (stop > end) stop = end;
        TRY(read_block(file, tensor, block, at, stop, out + (at - begin)));
        at = stop;
    }
done:
    return status;
}

Status tensors_read(TensorFile *file, const TensorInfo *info, int64_t first, int64_t count,
                    void *out)
{
    int64_t size = (int64_t)element_bytes(info->type);
    if (first < 0 || count < 0 || first > info->elements || count > info->elements - first)
        return status_fail(FAILED,
                           "%s: %s has %" PRId64 " elements, %" PRId64 " from %" PRId64
                           " on were asked for",
                           file->path, info->path, info->elements, count, first);
    return read_bytes(file, (const Tensor *)info, first * size, (first + count) * size, out);
}

int64_t layout_place(const TensorLayout *layout, int64_t element)
{
    if (!layout->run) return element;
    return layout->first + element / layout->run * layout->stride + element % layout->run;
}

int64_t layout_piece(int64_t *place, const TensorLayout *layout, int64_t at, int64_t end)
{
    int64_t run = layout->run;
    *place = layout_place(layout, at);
    int64_t bytes = BLOCK_BYTES - *place % BLOCK_BYTES;
    if (bytes > end - at) bytes = end - at;
    return run && bytes > run - at % run ? run - at % run : bytes;
}

/// Elements [first, end) of a part whose runs are short: read with what lies between them.
static Status read_runs(TensorFile *file, const TensorInfo *info, const TensorLayout *layout,
                        int64_t first, int64_t end, char *out)
{
    Status status = OK;
    int64_t size = (int64_t)element_bytes(info->type), run = layout->run;
    int64_t at_once = (BLOCK_BYTES / size) / layout->stride + 1;
    char *buffer = MEM_NEW(char, at_once * layout->stride * size);
    while (first < end) {
        int64_t last = (first / run + at_once) * run < end ? (first / run + at_once) * run : end;
        int64_t start = layout_place(layout, first);
        TRY(tensors_read(file, info, start, layout_place(layout, last - 1) + 1 - start, buffer));
        for (int64_t next; first < last; first = next) {
            next = (first / run + 1) * run < last ? (first / run + 1) * run : last;
            size_t bytes = (size_t)((next - first) * size);
            memcpy(out, buffer + (layout_place(layout, first) - start) * size, bytes);
            out += bytes;
        }
    }
done:
    mem_free(buffer);
    return status;
}

Status tensors_read_part(TensorFile *file, const TensorInfo *info, const TensorLayout *layout,
                         int64_t first, int64_t count, void *out)
{
    Status status = OK;
    int64_t size = (int64_t)element_bytes(info->type), end = first + count;
    bool is_short = layout->run && 4 * layout->run * size < BLOCK_BYTES;
    if (is_short) return read_runs(file, info, layout, first, end, out);
    for (int64_t at = first, next; at < end; at = next) {
        next = layout->run ? (at / layout->run + 1) * layout->run : end;
        if (next > end) next = end;
        TRY(tensors_read(file, info, layout_place(layout, at), next - at,
                         (char *)out + (at - first) * size));
    }
done:
    return status;
}

typedef struct {
    Piece *items; ///< owned
    int64_t count, capacity;
} Pieces;

/// One range of a tensor, with the sums of its pieces.
static Status read_range(TensorFile *file, const TensorInfo *info, int index,
                         const TensorRange *range, Pieces *pieces)
{
    Status status = OK;
    const Tensor *tensor = (const Tensor *)info;
    const TensorLayout whole = { 0 };
    int64_t size = (int64_t)element_bytes(info->type);
    int64_t first = range->first * size, end = first + range->count * size, bytes;
    for (int64_t at = first, place; at < end; at += bytes) {
        char *data = (char *)range->data + (at - first);
        bytes = layout_piece(&place, &whole, at, end);
        if (pieces->count == pieces->capacity) {
            pieces->capacity = pieces->capacity ? 2 * pieces->capacity : 1024;
            pieces->items =
                mem_resize(pieces->items, (size_t)pieces->capacity, sizeof *pieces->items);
        }
        TRY(file_read_at(data, (size_t)bytes, file->file, tensor->offset_bytes + place,
                         file->path));
        pieces->items[pieces->count++] =
            (Piece){ index, place, bytes, crc32c(0, data, (size_t)bytes) };
    }
done:
    return status;
}

static Status read_own(TensorFile *file, const TensorShare *shares, int count, Pieces *pieces)
{
    Status status = OK;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < shares[i].count; k++)
            TRY(read_range(file, shares[i].info, i, &shares[i].ranges[k], pieces));
done:
    return status;
}

/// Rank 0: all pieces against the sums of the file.
static Status check_pieces(const TensorFile *file, const TensorShare *shares, int count,
                           Piece *pieces, int64_t piece_count)
{
    Status status = OK;
    IntegrityRow *rows = MEM_NEW(IntegrityRow, count);
    uint32_t *sums = NULL;
    for (int i = 0; i < count; i++) {
        rows[i].path = shares[i].info->path;
        rows[i].bytes = ((const Tensor *)shares[i].info)->bytes;
    }
    sums = MEM_NEW(uint32_t, integrity_number(rows, count));
    TRY(integrity_join(sums, pieces, piece_count, rows, count));
    for (int i = 0; i < count; i++)
        for (int64_t b = 0; b < rows[i].blocks; b++)
            TRY(check_block(file, (const Tensor *)shares[i].info, b,
                            sums[rows[i].block_first + b]));
done:
    mem_free(sums);
    mem_free(rows);
    return status;
}

Status tensors_read_shares(const Comm *comm, TensorFile *file, const TensorShare *shares, int count)
{
    Status status = OK;
    Pieces own = { 0 };
    char *all = NULL;
    size_t bytes;
    TRY_ALL(comm, read_own(file, shares, count, &own));
    comm_gather_root(comm, &all, &bytes, own.items, (size_t)own.count * sizeof *own.items);
    TRY_ROOT(comm,
             check_pieces(file, shares, count, (Piece *)all, (int64_t)(bytes / sizeof(Piece))));
done:
    mem_free(all);
    mem_free(own.items);
    return status;
}

Status tensors_map(TensorFile *file, const TensorInfo *info, const void **out)
{
    Status status = OK;
    Tensor *tensor = (Tensor *)info;
    *out = NULL;
    if (tensor->offset_bytes % (int64_t)element_bytes(info->type)) {
        if (!tensor->copy) tensor->copy = MEM_NEW(char, tensor->bytes);
        TRY(read_bytes(file, tensor, 0, tensor->bytes, tensor->copy));
        *out = tensor->copy;
        goto done;
    }
    if (!file->map) TRY(file_map(&file->map, file->file, file->file_bytes, file->path));
    *out = (const char *)file->map + tensor->offset_bytes;
done:
    return status;
}

int64_t tensors_blocks(const TensorFile *file)
{
    return file->blocks;
}

static Status verify_block(TensorFile *file, const Tensor *tensor, int64_t block)
{
    int64_t start = block * BLOCK_BYTES, bytes = block_bytes(tensor, block);
    if (file->sound[tensor->block_first + block]) return OK;
    if (!file->block) file->block = MEM_NEW(char, BLOCK_BYTES);
    return read_block(file, tensor, block, start, start + bytes, file->block);
}

Status tensors_verify(TensorFile *file, int64_t first, int64_t end)
{
    Status status = OK;
    for (int i = 0; i < file->count; i++) {
        const Tensor *tensor = &file->tensors[i];
        int64_t from = first - tensor->block_first, to = end - tensor->block_first;
        for (int64_t b = from > 0 ? from : 0; b < to && b * BLOCK_BYTES < tensor->bytes; b++)
            TRY(verify_block(file, tensor, b));
    }
done:
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
    TRY(read_bytes(file, tensor, 0, tensor->bytes, text));
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
