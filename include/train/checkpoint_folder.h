/// The files of RUN/checkpoints: which there are, which are kept. All are Local (rank 0), under the
/// run folder's lock where they change anything. Files of other names are never touched.
#pragma once
#include "base/text.h"
#include "store/tensors.h"

#include <stdint.h>

/// Appends RUN/checkpoints/step-0000000120.h5.
void checkpoint_path(Text *out, const char *run, int64_t step);
/// Makes the folder, and removes what processes that died while saving left in it.
Status checkpoint_folder_open(const char *run);
/// The newest checkpoint but `skip`: *path is owned by the caller, NULL if there is none. FAILED if
/// the folder cannot be read.
Status checkpoint_newest(char **path, const char *run, int skip);
/// What RUN stands for: its best checkpoint where one is kept, else the newest; a file stands for
/// itself. One that cannot be opened is passed over for the next older one with a warning, or
/// FAILED if `strict`. USAGE if there is none. The caller owns *path.
Status checkpoint_of_run(char **path, const char *run, bool strict);
/// What an argument stands for that may be a file, any folder, or a run folder (one that holds
/// checkpoints): that of the run, else itself. The caller owns *path.
Status checkpoint_or_itself(char **path, const char *given);
/// Renames checkpoints of steps after `step`, and that of `step` itself unless it is the run's
/// `own`, to *.old: the run goes on without them.
Status checkpoint_set_aside(const char *run, int64_t step, bool own);
/// Removes all but the newest `limit`, those of `step` and `best_step`, and files that are no sound
/// checkpoint: those are somebody else's, or evidence. Each file that was removed is still open,
/// and given to `close_file`.
typedef void (*CloseFile)(void *context, TensorFile *file);
void checkpoint_rotate(const char *run, int64_t limit, int64_t step, int64_t best_step,
                       CloseFile close_file, void *context);
