/// Fault points for tests. `TEMPER_FAULT=point[:rank[:nth[:errno]]]` makes the nth passage (default
/// the first, 0: every one) of that point fail on that rank (default or -1: every rank), with
/// that error (EIO, ENOSPC, EDQUOT: where the point is a call that fails).
#pragma once
#include "base/status.h"

typedef enum {
    FAULT_ERROR, ///< a call fails with an errno
    FAULT_KILL,  ///< the process dies at once (SIGKILL), as a node would
    FAULT_HANG,  ///< the process never goes on
    FAULT_OTHER  ///< what `what` says
} FaultKind;

typedef struct {
    const char *name;
    FaultKind kind;
    int error;        ///< errno, unless TEMPER_FAULT names another
    const char *what; ///< what fails
} FaultPoint;

extern const FaultPoint fault_points[]; ///< ended by a row without name

/// Local. The rank that `point:rank` refers to; set once at start. USAGE if TEMPER_FAULT is none
/// of the points, or badly written.
Status fault_start(int rank);
/// Local. 0, or the errno that this passage of a point of the table must fail with.
int fault_at(const char *name);
/// Local. Dies here if this passage must.
void fault_kill_at(const char *name);
/// Local. Stays here if this passage must.
void fault_hang_at(const char *name);
