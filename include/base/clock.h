/// Wall time, and the age of processes.
#pragma once

/// Local. Seconds of a clock that never steps back; only differences mean something.
double clock_now_s(void);
/// Local. The date as 2026-11-23T16:28:54Z into `out` (at least 21 bytes).
void clock_utc(char out[21]);
/// Local. When a process began, in clock ticks since boot; 0: there is none, or only its remains.
long clock_process_ticks(long pid);
/// Local. Seconds since this program began.
double clock_age_s(void);
