/// The files that a run's record names: {"path", "bytes", "sha256"}, or "frame_sha256" instead,
/// which is known without reading what may be large (`tensors_frame_sha256`).
#pragma once
#include "data/dataset.h"
#include "store/json.h"

/// Local. Hashes a file, which the record calls `path`. The caller owns *out.
Status run_file_describe(Json **out, const char *file, const char *path);
/// Local. Likewise by the "frame_sha256" of a file of ours.
Status run_file_describe_frame(Json **out, const char *file, const char *path);
/// Local. The files of the data, by the "hash  file" lines of their data set, each with the "key"
/// of the recipe that names it. The caller owns it.
Json *run_files_data(const DataOptions *options, const char *sums);
/// Local. What a run wrote that is in its folder: reports and checkpoints, by their names in it;
/// `in_haste` those that may be large by their "frame_sha256". The caller owns *out, also after
/// failure.
Status run_files_written(Json **out, const char *run, bool in_haste);
/// Local. The folder of the run that a file of this path, without links, would be one of: a file
/// among its checkpoints, whatever its name, or one that it writes beside them. NULL: of none. The
/// caller owns it.
char *run_of_file(const char *path);
