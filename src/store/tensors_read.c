#include "store/tensor_file.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "comm/agree.h"

#include <inttypes.h>
#include <string.h>

size_t element_bytes(ElementType type)
{
    static const size_t bytes[] = {
        [ELEMENT_F32] = 4, [ELEMENT_F64] = 8, [ELEMENT_I32] = 4, [ELEMENT_I64] = 8, [ELEMENT_U8] = 1
    };
    return bytes[type];
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

Status tensor_read_bytes(TensorFile *file, const Tensor *tensor, int64_t begin, int64_t end,
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
    return tensor_read_bytes(file, (const Tensor *)info, first * size, (first + count) * size, out);
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
        TRY(tensor_read_bytes(file, tensor, 0, tensor->bytes, tensor->copy));
        *out = tensor->copy;
        goto done;
    }
    if (!file->map) TRY(file_map(&file->map, file->file, file->file_bytes, file->path));
    *out = (const char *)file->map + tensor->offset_bytes;
done:
    return status;
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
