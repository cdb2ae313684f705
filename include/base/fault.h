/// Named fault points for tests. `TEMPER_FAULT=name[:rank[:nth]]` makes the nth passage (default
/// the first, 0: every one) of that point fail on that rank (default every rank).
#pragma once
#include <stdbool.h>

/// Local. The rank that `name:rank` refers to; set once at start.
void fault_start(int rank);
/// Local. True if this passage must fail.
bool fault_at(const char *name);
/// Local. As `fault_at`, but the process dies at once (SIGKILL), as a node would.
void fault_kill_at(const char *name);
