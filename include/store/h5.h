/// The HDF5 calls of the program: names, types, shapes, attributes and addresses, by the serial
/// driver. Payload never passes through HDF5: data sets are contiguous and allocated when they are
/// made, so their bytes are written and read at their addresses.
#pragma once
#include "store/tensors.h"

typedef struct H5File H5File;

typedef enum {
    SET_F32,
    SET_F64,
    SET_I32,
    SET_I64,
    SET_U8,
    SET_U32,
    SET_TEXT,
    SET_INDEX,
    SET_COMMIT
} SetType;

/// A data set. SET_TEXT: a UTF-8 string of `text_bytes` with its NUL. SET_INDEX: rows of {path:
/// string of `text_bytes`; block_first, blocks, bytes: i64}, packed. SET_COMMIT: a `CommitRecord`.
typedef struct {
    SetType type;
    int64_t text_bytes;
    int rank;
    int64_t dims[4];
    int64_t bytes, offset_bytes; ///< set by h5_make and h5_find; offset 0 if there are no bytes
} H5Set;

/// Local. Makes a new file in place of `path`, which must be in memory: HDF5 does not survive a
/// disk that fills (it ends the process when the library is closed).
Status h5_create(H5File **out, const char *path);
/// Local. Read-only. FAILED with HDF5's innermost reason if this is no sound HDF5 file.
Status h5_open(H5File **out, const char *path);
/// Local. NULL-safe. The status matters after writing; the file is closed in any case.
Status h5_close(H5File *file);

/// Local. Makes a data set and the groups on its path.
Status h5_make(H5File *file, const char *path, H5Set *set);
/// Local. FAILED if there is none, its type is none of ours, or its bytes are not wholly inside
/// `file_bytes`.
Status h5_find(H5File *file, const char *path, H5Set *set, int64_t file_bytes);

/// Local. Adds an attribute to the root group.
Status h5_add_value(H5File *file, const Value *value);
/// Local. The attributes of the root group, ordered by name: the caller owns *out and its texts
/// (`h5_free_values`).
Status h5_read_values(Value **out, int *count, H5File *file);
void h5_free_values(Value *values, int count); ///< NULL-safe

/// Local. The version of the library in use, as "1.10.8".
void h5_library(char out[32]);
