/// Human lines on stderr. Results go to stdout and are not logged.
#pragma once
#include <stdbool.h>
#include <stdio.h>

/// Local. Only the rank that speaks prints (rank 0); set once at start.
void log_start(int rank);
/// Local. Also copies every line to this file, without colour (the run's log); NULL ends that.
void log_copy_to(FILE *file);

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Local. "temper: MESSAGE"; printed on whichever rank calls.
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Local. Redraws one line in place on a terminal; elsewhere prints it as a plain line if 30 s
/// have passed since the last one, or if `force`.
void log_progress(bool force, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Local. True if stderr is a terminal and NO_COLOR is unset.
bool log_has_terminal(void);
