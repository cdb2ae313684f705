/// Files that are being written: they stand beside their target, which they become by a rename.
#pragma once
#include "base/status.h"

/// Local. Makes one to write, by the umask, under a name that nobody can know before: *path, which
/// the caller owns, is TARGET.partial-SPACE-PID-RANDOM; NULL after failure, which names `target`.
/// What processes of this machine left of the same target when they died is removed.
Status partial_create(int *out, char **path, const char *target);
