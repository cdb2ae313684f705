/// The bodies of `temper inspect` and `temper compare`.
#pragma once
#include "base/text.h"

#include <stdbool.h>

/// Local. Appends what an own HDF5 file, a safetensors or a GGUF file holds. With `validate` also
/// the findings of the schema and the verdict of every checksum: FAILED if there is an error.
Status inspect_file(Text *out, const char *path, bool validate);

/// Local. Compares model, optimizer state and data position of two own files; provenance, times and
/// histories do not count. tolerance < 0: every bit. Else the model alone counts: max |a - b| <=
/// tolerance * max |a| over all matrices together and over all vectors together; differences of the
/// state are reported. Of files of two kinds the models alone are compared. At most `most_lines`
/// differences are told (0: all). FAILED if a file cannot be read.
Status compare_files(Text *out, bool *different, const char *a, const char *b, double tolerance,
                     int most_lines);
