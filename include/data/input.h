/// Bytes to read in any order: a file, or memory.
#pragma once
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name; ///< for messages, borrowed
    int file;         ///< open descriptor, or -1
    const char *memory;
    int64_t bytes;
    int64_t first; ///< where the records begin: behind a byte order mark and the header
} Input;

/// Local. Opens a regular file; FAILED if it cannot be read. `path` is borrowed.
Status input_open(Input *out, const char *path);
/// Local. `data` is borrowed.
Input input_of_memory(const char *name, const char *data, size_t bytes);
void input_close(Input *input);
/// Local. Reads up to `bytes` at offset `at`; *got is less only at the end of the input.
Status input_read(const Input *input, int64_t at, void *out, size_t bytes, size_t *got);
/// Local. Sets `first` behind a UTF-8 byte order mark. FAILED for UTF-16.
Status input_skip_mark(Input *input);
