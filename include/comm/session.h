/// The folder of MPI of a process without a launcher. Two such processes of a user would have Open
/// MPI's in common, and the one that ends removes it while the other begins.
#pragma once

/// Local. Before MPI starts. Makes TMPDIR/temper-session-HOST-XXXXXX, which Open MPI uses unless
/// the user set another, and removes those that processes of this host and user left when they were
/// killed: a living one holds the lock of its folder. Where none can be made there is none.
void session_start(void);
/// Local. After MPI has ended.
void session_end(void);
