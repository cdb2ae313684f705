#include "store/tensors.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/partial.h"
#include "base/text.h"
#include "comm/agree.h"
#include "store/h5.h"
#include "store/integrity.h"
#include "store/provenance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LONG_TEXT_BYTES = 4096, DRAFT_ROOM_BYTES = 64 << 20, PIECE_BYTES = 1 << 20 };

/// One data set and this rank's ranges of it.
typedef struct {
    TensorRange range;       ///< elements of what the layout takes
    const TensorRange *more; ///< (more_count)
    int more_count;
    TensorLayout layout;                              ///< in bytes
    int64_t element_bytes, total_bytes, offset_bytes; ///< rank 0's, known to all
} Slot;

struct TensorWriter {
    const Comm *comm;
    char *path, *partial; ///< owned, rank 0's, known to all
    bool made;            ///< rank 0: the partial file is there
    Slot *slots;          ///< (slot_count), owned: one per part, then on rank 0 one per long text
    int part_count, slot_count;
    Piece *pieces; ///< owned
    int64_t piece_count, piece_capacity;
    // rank 0 alone
    H5Set *sets;        ///< (slot_count), owned
    IntegrityRow *rows; ///< (slot_count), owned
    H5Set sums, index, commit;
    int64_t file_bytes;
};

static const SetType set_types[] = { [ELEMENT_F32] = SET_F32,
                                     [ELEMENT_F64] = SET_F64,
                                     [ELEMENT_I32] = SET_I32,
                                     [ELEMENT_I64] = SET_I64,
                                     [ELEMENT_U8] = SET_U8 };

static bool is_long(const Value *value)
{
    return value->kind == VALUE_TEXT &&
           (strchr(value->name, '/') || strlen(value->text) > LONG_TEXT_BYTES);
}

/// Rank 0: what each data set will be.
static void describe_sets(TensorWriter *w, const Value *values, int value_count,
                          const TensorPart *parts)
{
    int at = w->part_count;
    for (int i = 0; i < value_count; i++) w->slot_count += is_long(&values[i]);
    w->slots = mem_resize(w->slots, (size_t)w->slot_count, sizeof *w->slots);
    w->sets = MEM_NEW(H5Set, w->slot_count);
    w->rows = MEM_NEW(IntegrityRow, w->slot_count);
    for (int i = 0; i < w->part_count; i++) {
        H5Set *set = &w->sets[i];
        set->type = set_types[parts[i].type];
        set->rank = parts[i].rank;
        memcpy(set->dims, parts[i].dims, sizeof set->dims);
        w->rows[i].path = parts[i].path;
        w->rows[i].bytes = (int64_t)element_bytes(parts[i].type);
        for (int d = 0; d < set->rank; d++) w->rows[i].bytes *= set->dims[d];
    }
    for (int i = 0; i < value_count; i++) {
        if (!is_long(&values[i])) continue;
        int64_t bytes = (int64_t)strlen(values[i].text) + 1;
        w->sets[at] = (H5Set){ .type = SET_TEXT, .text_bytes = bytes };
        w->rows[at] = (IntegrityRow){ .path = values[i].name, .bytes = bytes };
        w->slots[at++] = (Slot){ .range = { 0, bytes, values[i].text }, .element_bytes = 1 };
    }
}

static Status add_values(H5File *file, const char *schema, const Value *values, int value_count)
{
    Status status = OK;
    char now[21];
    clock_utc(now);
    const Value own[] = { { .name = "schema", .text = schema },
                          { .name = "schema_version", .text = "1.0.0" },
                          { .name = "creator", .text = "temper" },
                          { .name = "created_utc", .text = now },
                          { .name = "byte_order", .text = "LE" } };
    Value provenance[PROVENANCE_VALUES];
    ProvenanceTexts texts;
    int provenance_count = provenance_values(provenance, &texts);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) TRY(h5_add_value(file, &own[i]));
    for (int i = 0; i < provenance_count; i++) TRY(h5_add_value(file, &provenance[i]));
    for (int i = 0; i < value_count; i++)
        if (!is_long(&values[i])) TRY(h5_add_value(file, &values[i]));
done:
    return status;
}

/// The table of sums and the commit record, without their contents.
static Status add_integrity(TensorWriter *w, H5File *file)
{
    Status status = OK;
    int64_t blocks = integrity_number(w->rows, w->slot_count);
    w->sums = (H5Set){ .type = SET_U32, .rank = 1, .dims = { blocks } };
    w->index = (H5Set){ .type = SET_INDEX,
                        .text_bytes = integrity_path_bytes(w->rows, w->slot_count),
                        .rank = 1,
                        .dims = { w->slot_count } };
    w->commit = (H5Set){ .type = SET_COMMIT };
    TRY(h5_make(file, INTEGRITY_SUMS, &w->sums));
    TRY(h5_make(file, INTEGRITY_INDEX, &w->index));
    TRY(h5_make(file, COMMIT_RECORD, &w->commit));
done:
    return status;
}

static Status fill_structure(TensorWriter *w, H5File *file, const char *schema, const Value *values,
                             int value_count)
{
    Status status = OK;
    TRY(add_values(file, schema, values, value_count));
    for (int i = 0; i < w->slot_count; i++) {
        TRY(h5_make(file, w->rows[i].path, &w->sets[i]));
        CHECK(w->sets[i].bytes == w->rows[i].bytes, "%s has a wrong size", w->rows[i].path);
        w->slots[i].total_bytes = w->sets[i].bytes;
        w->slots[i].offset_bytes = w->sets[i].offset_bytes;
    }
    TRY(add_integrity(w, file));
done:
    return status;
}

/// A file on a disk with room, away from the target's: HDF5 does not survive a full disk. It is
/// gone by itself when both handles are closed.
static Status open_draft(int *draft, H5File **h5, const char *path)
{
    const char *const folders[] = { "/dev/shm", getenv("TMPDIR"), "/tmp" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char name[1024];
        struct statvfs disk;
        if (!folders[i] || statvfs(folders[i], &disk)) continue;
        if ((double)disk.f_bavail * (double)disk.f_frsize < DRAFT_ROOM_BYTES) continue;
        snprintf(name, sizeof name, "%s/temper-draft-XXXXXX", folders[i]);
        *draft = mkstemp(name);
        if (*draft < 0) continue;
        Status status = h5_create(h5, name);
        unlink(name);
        return status;
    }
    return status_fail(FAILED,
                       "%s: neither /dev/shm nor TMPDIR nor /tmp has %d MB free to draft it in",
                       path, DRAFT_ROOM_BYTES >> 20);
}

/// Copies what was written of the draft; the space of the payload is a hole in it.
static Status copy_draft(int file, int draft, const char *path)
{
    Status status = OK;
    char *piece = MEM_NEW(char, PIECE_BYTES);
    int64_t at = 0, end = 0;
    while ((at = lseek(draft, end, SEEK_DATA)) >= 0) {
        end = lseek(draft, at, SEEK_HOLE);
        while (at < end) {
            int64_t bytes = end - at < PIECE_BYTES ? end - at : PIECE_BYTES;
            TRY(file_read_at(piece, (size_t)bytes, draft, at, path));
            TRY(file_write_at(file, at, piece, (size_t)bytes, path));
            at += bytes;
        }
    }
    if (errno != ENXIO) FAIL(FAILED, "%s: cannot read the draft: %s", path, strerror(errno));
done:
    mem_free(piece);
    return status;
}

static Status fail_at(const char *point, const char *path)
{
    int error = fault_at(point);
    return error ? status_fail(FAILED, "%s: %s", path, strerror(error)) : OK;
}

static Status make_partial(TensorWriter *w, int draft)
{
    Status status = OK;
    struct stat info;
    int file;
    TRY(partial_create(&file, &w->partial, w->path));
    w->made = true;
    if (fstat(draft, &info) || ftruncate(file, info.st_size))
        FAIL(FAILED, "%s: %s", w->path, strerror(errno));
    w->file_bytes = info.st_size;
    TRY(file_reserve(file, w->file_bytes, w->path));
    TRY(copy_draft(file, draft, w->path));
    TRY(fail_at("write-create", w->path));
done:
    if (file >= 0) close(file);
    return status;
}

/// Rank 0: the whole file but for its payload, sums and commit record.
static Status make_structure(TensorWriter *w, const char *schema, const Value *values,
                             int value_count, const TensorPart *parts)
{
    Status status = OK;
    H5File *h5 = NULL;
    int draft = -1;
    describe_sets(w, values, value_count, parts);
    TRY(open_draft(&draft, &h5, w->path));
    TRY(fill_structure(w, h5, schema, values, value_count));
    status = h5_close(h5);
    h5 = NULL;
    if (status == OK) status = make_partial(w, draft);
done:
    h5_close(h5);
    if (draft >= 0) close(draft);
    return status;
}

/// All ranks: the name of the partial file and where each part goes.
COLLECTIVE
static void share_table(TensorWriter *w, const TensorPart *parts)
{
    int64_t(*table)[3] = mem_new((size_t)w->part_count, sizeof *table);
    comm_broadcast_text(w->comm, &w->path, 0);
    comm_broadcast_text(w->comm, &w->partial, 0);
    for (int i = 0; i < w->part_count && w->comm->rank == 0; i++) {
        table[i][0] = w->slots[i].total_bytes;
        table[i][1] = w->slots[i].offset_bytes;
        table[i][2] = (int64_t)element_bytes(parts[i].type);
    }
    comm_broadcast(w->comm, table, (size_t)w->part_count * sizeof *table, 0);
    for (int i = 0; i < w->part_count; i++) {
        w->slots[i] = (Slot){ .range = { parts[i].first, parts[i].count, parts[i].data },
                              .more = parts[i].more,
                              .more_count = parts[i].more_count,
                              .layout = { .first = parts[i].layout.first * table[i][2],
                                          .run = parts[i].layout.run * table[i][2],
                                          .stride = parts[i].layout.stride * table[i][2] },
                              .total_bytes = table[i][0],
                              .offset_bytes = table[i][1],
                              .element_bytes = table[i][2] };
    }
    mem_free(table);
}

static void keep_piece(TensorWriter *w, Piece piece)
{
    if (w->piece_count == w->piece_capacity) {
        w->piece_capacity = w->piece_capacity ? 2 * w->piece_capacity : 64;
        w->pieces = mem_resize(w->pieces, (size_t)w->piece_capacity, sizeof *w->pieces);
    }
    w->pieces[w->piece_count++] = piece;
}

/// Elements of one data set: each piece of a block is summed and written in one pass.
static Status write_range(TensorWriter *w, int index, const TensorRange *range, int file)
{
    Status status = OK;
    const Slot *slot = &w->slots[index];
    int64_t first = range->first * slot->element_bytes;
    int64_t end = first + range->count * slot->element_bytes;
    if (range->first < 0 || range->count < 0 ||
        (range->count && layout_place(&slot->layout, end - 1) >= slot->total_bytes))
        FAIL(FAILED, "%s: a part is outside its tensor of %" PRId64 " bytes", w->path,
             slot->total_bytes);
    for (int64_t at = first; at < end;) {
        int64_t place, bytes = layout_piece(&place, &slot->layout, at, end);
        const char *data = (const char *)range->data + (at - first);
        keep_piece(w, (Piece){ index, place, bytes, crc32c(0, data, (size_t)bytes) });
        TRY(file_write_at(file, slot->offset_bytes + place, data, (size_t)bytes, w->path));
        TRY(fail_at("write-payload", w->path));
        fault_kill_at("kill-payload");
        at += bytes;
    }
done:
    return status;
}

/// This rank's ranges of one data set.
static Status write_slot(TensorWriter *w, int index, int file)
{
    Status status = OK;
    const Slot *slot = &w->slots[index];
    TRY(write_range(w, index, &slot->range, file));
    for (int i = 0; i < slot->more_count; i++) TRY(write_range(w, index, &slot->more[i], file));
done:
    return status;
}

static Status sync_file(int file, const char *path)
{
    Status status = fail_at("write-fsync", path);
    return status == OK ? file_sync(file, path) : status;
}

Status tensors_put(TensorWriter *w)
{
    Status status = OK;
    int file = open(w->partial, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) FAIL(FAILED, "%s: %s", w->path, strerror(errno));
    fault_hang_at("hang-save");
    for (int i = 0; i < w->slot_count; i++) TRY(write_slot(w, i, file));
    TRY(sync_file(file, w->path));
done:
    if (file >= 0) close(file);
    return status;
}

/// Rank 0: the sums of all blocks, the index and, last, the commit record.
static Status write_table(const TensorWriter *w, int file, Piece *pieces, int64_t piece_count)
{
    Status status = OK;
    uint32_t *sums = MEM_NEW(uint32_t, w->sums.dims[0]);
    char *table = MEM_NEW(char, w->index.bytes);
    CommitRecord record = { .complete = 1,
                            .file_bytes = w->file_bytes,
                            .block_bytes = BLOCK_BYTES,
                            .blocks = w->sums.dims[0],
                            .ranks = w->comm->size };
    TRY(integrity_join(sums, pieces, piece_count, w->rows, w->slot_count));
    integrity_encode(table, w->index.text_bytes, w->rows, w->slot_count);
    record.table_crc = integrity_table_crc(sums, record.blocks, table, w->index.bytes);
    record.record_crc = integrity_record_crc(&record);
    TRY(file_write_at(file, w->sums.offset_bytes, sums, (size_t)w->sums.bytes, w->path));
    TRY(file_write_at(file, w->index.offset_bytes, table, (size_t)w->index.bytes, w->path));
    TRY(file_write_at(file, w->commit.offset_bytes, &record, sizeof record, w->path));
done:
    mem_free(table);
    mem_free(sums);
    return status;
}

/// Rank 0: the table, synced and closed.
static Status finish_partial(const TensorWriter *w, Piece *pieces, int64_t piece_count)
{
    Status status = OK;
    struct stat info;
    int file = open(w->partial, O_WRONLY | O_NOFOLLOW | O_CLOEXEC), closing;
    if (file < 0) FAIL(FAILED, "%s: %s", w->path, strerror(errno));
    TRY(write_table(w, file, pieces, piece_count));
    TRY(sync_file(file, w->path));
    if (fstat(file, &info) || info.st_size != w->file_bytes)
        FAIL(FAILED, "%s: another program wrote to it", w->partial);
    closing = file;
    file = -1;
    if (close(closing)) FAIL(FAILED, "%s: %s", w->path, strerror(errno));
    TRY(fail_at("write-close", w->path));
done:
    if (file >= 0) close(file);
    return status;
}

/// Rank 0: everything after the payload; the rename is the commit.
static Status commit(TensorWriter *w, Piece *pieces, int64_t piece_count)
{
    Status status = OK;
    TRY(finish_partial(w, pieces, piece_count));
    fault_kill_at("kill-after-close");
    fault_kill_at("kill-before-rename");
    TRY(fail_at("write-rename", w->path));
    if (rename(w->partial, w->path)) FAIL(FAILED, "%s: %s", w->path, strerror(errno));
    w->made = false;
    fault_kill_at("kill-after-rename");
    TRY(file_sync_folder(w->path));
done:
    return status;
}

static void free_writer(TensorWriter *w)
{
    if (w->made) unlink(w->partial);
    mem_free(w->rows);
    mem_free(w->sets);
    mem_free(w->pieces);
    mem_free(w->slots);
    mem_free(w->partial);
    mem_free(w->path);
    mem_free(w);
}

Status tensors_begin(TensorWriter **out, const Comm *comm, const char *path, const char *schema,
                     const Value *values, int value_count, const TensorPart *parts, int part_count)
{
    Status status = OK;
    TensorWriter *w = MEM_NEW(TensorWriter, 1);
    *w = (TensorWriter){ .comm = comm, .part_count = part_count, .slot_count = part_count };
    *out = NULL;
    w->slots = MEM_NEW(Slot, part_count);
    if (comm->rank == 0) w->path = mem_copy_text(path);
    TRY_ROOT(comm, make_structure(w, schema, values, value_count, parts));
    fault_kill_at("kill-after-create");
    share_table(w, parts);
    *out = w;
    w = NULL;
done:
    if (w) free_writer(w);
    return status;
}

Status tensors_commit(TensorWriter *w, Status put)
{
    Status status = OK;
    char *pieces = NULL;
    size_t piece_bytes;
    TRY_ALL(w->comm, put);
    comm_gather_root(w->comm, &pieces, &piece_bytes, w->pieces,
                     (size_t)w->piece_count * sizeof *w->pieces);
    TRY_ROOT(w->comm, commit(w, (Piece *)pieces, (int64_t)(piece_bytes / sizeof(Piece))));
done:
    mem_free(pieces);
    free_writer(w);
    return status;
}

Status tensors_write(const Comm *comm, const char *path, const char *schema, const Value *values,
                     int value_count, const TensorPart *parts, int part_count)
{
    Status status = OK;
    TensorWriter *w;
    TRY(tensors_begin(&w, comm, path, schema, values, value_count, parts, part_count));
    TRY(tensors_commit(w, tensors_put(w)));
done:
    return status;
}
