/// One file in memory with any content, for readers that take a path.
#pragma once
#include <stddef.h>

/// Local. The path, the same for every call; the file goes when the process ends.
const char *scratch_file(const void *data, size_t bytes);
