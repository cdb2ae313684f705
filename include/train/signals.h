/// Asked to stop: USR1, or TERM, sets a flag that the step's vote carries to all ranks.
#pragma once
#include <stdbool.h>

/// Local. Installs the handlers.
void signals_start(void);
/// Local. True once a signal came.
bool signals_stop_requested(void);
