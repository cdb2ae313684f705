/// One HDF5 file of named tensors and named values, written by all ranks and checked by every
/// reader. Canonical: full logical shapes, whatever the rank count. Rank 0 makes the structure with
/// the serial driver and reserves the space; ranks write their ranges independently at the data
/// sets' offsets, looping on short writes, with a CRC-32C per 4 MiB block of each tensor; rank 0
/// writes the integrity table and the commit record, closes, syncs, renames, syncs the folder. The
/// rename is the commit: a file is whole under its name or not there.
#pragma once
#include "comm/comm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { ELEMENT_F32, ELEMENT_F64, ELEMENT_I32, ELEMENT_I64, ELEMENT_U8 } ElementType;
size_t element_bytes(ElementType type);

/// Which elements of a whole a part has: its element e is element first + e / run * stride + e %
/// run (MPI_Type_vector). run 0: all of the whole.
typedef struct {
    int64_t first, run, stride;
} TensorLayout;
/// Local. The place in the whole of a part's element.
int64_t layout_place(const TensorLayout *layout, int64_t element);
/// Local. Of a layout in bytes: how many bytes from byte `at` of a part on, before `end`, are of
/// one run and one block of checksums; *place is where they begin in the whole.
int64_t layout_piece(int64_t *place, const TensorLayout *layout, int64_t at, int64_t end);

/// Elements [first, first + count) of a part.
typedef struct {
    int64_t first, count;
    const void *data; ///< borrowed
} TensorRange;

/// A tensor to write: this rank holds elements [first, first + count) of what the layout takes of
/// the row-major whole, and `more` ranges of it. Over all ranks they cover the tensor exactly once
/// (a rank may hold none).
typedef struct {
    const char *path; ///< "model/bert.pooler.dense.weight", "optim/exp_avg/...", "tokens"
    ElementType type;
    int rank;        ///< dimensions, 0 to 4
    int64_t dims[4]; ///< same on all ranks
    TensorLayout layout;
    int64_t first, count;
    const void *data;        ///< borrowed: the `count` elements
    const TensorRange *more; ///< (more_count), borrowed
    int more_count;
} TensorPart;

/// A named value: an attribute of the root group, or a scalar text data set if it holds a '/' or
/// is longer than 4 KiB.
typedef struct {
    const char *name;
    enum { VALUE_TEXT, VALUE_INT, VALUE_REAL } kind;
    const char *text;
    int64_t integer;
    double real;
} Value;

/// Collective. Writes PATH for schema NAME ("model", "dataset", "checkpoint"). Everything but the
/// parts' ranges and data is rank 0's. On failure the target and older files are as before, and
/// every rank has the message.
COLLECTIVE
Status tensors_write(const Comm *comm, const char *path, const char *schema, const Value *values,
                     int value_count, const TensorPart *parts, int part_count);

/// `tensors_write` in three parts, so that steps of a training go on during the second.
typedef struct TensorWriter TensorWriter;
/// Collective. Makes the file's structure under a temporary name. Ranges and data of the parts are
/// borrowed until the commit; texts that are long until `tensors_put` is done.
COLLECTIVE
Status tensors_begin(TensorWriter **out, const Comm *comm, const char *path, const char *schema,
                     const Value *values, int value_count, const TensorPart *parts, int part_count);
/// Local. Writes this rank's ranges and syncs them. Sends no message and calls no HDF5: another
/// thread may do it, whose message a failure leaves.
Status tensors_put(TensorWriter *writer);
/// Collective. Commits the file if `put` (what `tensors_put` returned) is OK on all ranks; removes
/// it if not. The writer is freed.
COLLECTIVE
Status tensors_commit(TensorWriter *writer, Status put);

/// An open file.
typedef struct TensorFile TensorFile;

typedef struct {
    const char *path; ///< borrowed from the file
    ElementType type;
    int rank;
    int64_t dims[4];
    int64_t elements;
} TensorInfo;

/// Local. Opens with the serial driver and checks schema, version, commit record and the table of
/// checksums. FAILED if the file is unreadable, foreign, damaged or unfinished.
Status tensors_open(TensorFile **out, const char *path, const char *schema);
/// Local. Any schema.
Status tensors_open_any(TensorFile **out, const char *path);
void tensors_close(TensorFile *file); ///< NULL-safe
const char *tensors_schema(const TensorFile *file);
const char *tensors_file_path(const TensorFile *file);
uint32_t tensors_table_crc(const TensorFile *file); ///< of the checksums of all that it holds

int tensors_count(const TensorFile *file);
const TensorInfo *tensors_at(const TensorFile *file, int index);
/// Local. NULL if there is none of that path.
const TensorInfo *tensors_find(const TensorFile *file, const char *path);
/// Local. Reads elements [first, first + count) into `out` and verifies every block it touches.
/// FAILED with file, tensor, block and byte range on damage.
Status tensors_read(TensorFile *file, const TensorInfo *info, int64_t first, int64_t count,
                    void *out);
/// Local. As `tensors_read` of elements [first, first + count) of a part.
Status tensors_read_part(TensorFile *file, const TensorInfo *info, const TensorLayout *layout,
                         int64_t first, int64_t count, void *out);
/// A tensor to read: this rank takes these ranges of it, into their data. Over all ranks they cover
/// it exactly once.
typedef struct {
    const TensorInfo *info;
    const TensorRange *ranges; ///< (count), borrowed
    int count;
} TensorShare;
/// Collective. Reads the shares of the same tensors on all ranks, each byte once, and verifies
/// them: sums of the ranks' pieces join to those of blocks. FAILED as `tensors_read`.
COLLECTIVE
Status tensors_read_shares(const Comm *comm, TensorFile *file, const TensorShare *shares,
                           int count);
/// Local. *out: all elements, read-only, until the file is closed. Pages come from the file when
/// they are touched and go when memory is short, one copy for all processes of a node (a tensor
/// that does not lie aligned in the file, as small ones may, is read). Nothing is verified: see
/// `tensors_verify`. The file may be replaced or removed meanwhile, but not shortened (`file_map`).
/// FAILED where it cannot be mapped.
Status tensors_map(TensorFile *file, const TensorInfo *info, const void **out);
/// Local. Blocks of all tensors and texts, in the order of the file.
int64_t tensors_blocks(const TensorFile *file);
/// Local. Verifies blocks [first, end) of the tensors, so that ranks can share the file: texts were
/// verified when it was opened. FAILED as `tensors_read`.
Status tensors_verify(TensorFile *file, int64_t first, int64_t end);

/// Local. The SHA-256 of all bytes of the file but the tensors' elements. It stands for the file
/// where `tensors_verify` finds every block sound: their checksums are among these bytes.
Status tensors_frame_sha256(char hex[65], const TensorFile *file);

int tensors_value_count(const TensorFile *file);
const Value *tensors_value_at(const TensorFile *file, int index);
/// Local. By name; the fallback if absent or of another kind. Borrowed from the file.
const char *tensors_text(const TensorFile *file, const char *name, const char *fallback);
int64_t tensors_int(const TensorFile *file, const char *name, int64_t fallback);
double tensors_real(const TensorFile *file, const char *name, double fallback);
