/// Exact reads and writes at offsets, mappings, reserved space, folders made and synced.
#pragma once
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/// Kinds of what has a path; they add up.
enum { FILE_REGULAR = 1, FILE_FOLDER = 2, FILE_STREAM = 4, FILE_ANY = 7 };
/// Local. For every path that the user gives to read from: USAGE if nothing of these kinds is
/// there, FAILED if the system does not let us see. `role` is what the path is given as
/// ("data.path"; "" for an argument). What the contents are worth is for whoever reads them:
/// FAILED.
Status file_named(const char *path, int kinds, const char *role);
/// Local. Opens for reading; *bytes is its size. FAILED unless it is a readable regular file.
Status file_open(int *out, int64_t *bytes, const char *path);
/// Local. Opens for lines at its end a file that is made unless it is there. FAILED where a link or
/// anything else but a regular file is.
Status file_append(int *out, const char *path);
/// Local. All of `bytes` or FAILED with `path` and the reason (a file that ends early is one).
Status file_read_at(void *out, size_t bytes, int file, int64_t offset_bytes, const char *path);
Status file_write_at(int file, int64_t offset_bytes, const void *data, size_t bytes,
                     const char *path);
/// Local. Makes sure that the first `bytes` of the file have space on the disk; where the file
/// system cannot reserve, or in no less time than a write takes, that so much is free now.
Status file_reserve(int file, int64_t bytes, const char *path);
/// Local. What was written is on the disk, or FAILED with `path` and the reason.
Status file_sync(int file, const char *path);
/// Local. The first `bytes` of the file (at least one), read-only: pages come when they are touched
/// and go when memory is short. The file may be closed. A file that another program shortens or a
/// disk that fails ends the process (SIGBUS) when such a page is touched. `file_unmap` ends it.
Status file_map(const void **out, int file, int64_t bytes, const char *path);
void file_unmap(const void *map, int64_t bytes); ///< NULL-safe
/// Local. Makes a folder and those that it lies in, unless they are there. USAGE where the path
/// cannot be one, FAILED where the system refuses.
Status file_make_folders(const char *folder);
/// Local. Removes a folder with all that is in it.
Status file_remove_folder(const char *folder);
/// Local. Makes a rename in the folder of `path` last.
Status file_sync_folder(const char *path);
