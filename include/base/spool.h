/// Bytes that grow on disk, so that memory stays bounded: appended through a buffer to a scratch
/// file that has no name, then read through a mapping. What fits the buffer never meets the disk.
#pragma once
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { SPOOL_BUFFER_BYTES = 256 << 10 };

/// `(Spool){ .folder = ... }` is empty; its fields are read-only.
typedef struct {
    const char *folder; ///< of the scratch file, made with it, borrowed; NULL: all stays in memory
    int64_t bytes;      ///< appended so far
    const void *data;   ///< (bytes), after `spool_finish`; NULL if there are none
    char *buffer;       ///< owned: the last `buffered` bytes
    size_t buffered, capacity;
    char *path; ///< owned: name of the scratch file, for messages; NULL: there is none
    int file;
} Spool;

/// Local. FAILED with the scratch file and the reason: a folder that cannot be written, a full
/// disk.
Status spool_append(Spool *spool, const void *data, size_t bytes);
/// Local. Ends appending: what the disk has not taken it refuses here, not when it is read. FAILED
/// as above.
Status spool_finish(Spool *spool);
void spool_release(Spool *spool); ///< for a zeroed or released one too
