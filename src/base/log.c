#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double progress_interval_s = 30;

static struct {
    int rank;
    FILE *copy;
    bool line_open; ///< a progress line stands on the terminal, not yet ended
    double last_progress_s;
} state = { .last_progress_s = -1e9 };

void log_start(int rank)
{
    state.rank = rank;
    setvbuf(stdout, NULL, _IOLBF, 0); // a rank's stdout is a pipe: without this lines come late
}

void log_copy_to(FILE *file)
{
    state.copy = file;
}

bool log_has_terminal(void)
{
    static int known = -1;
    if (known < 0) {
        const char *term = getenv("TERM");
        known = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
    }
    return known;
}

static void close_line(void)
{
    if (state.line_open) fputc('\n', stderr);
    state.line_open = false;
}

static void print_line(const char *prefix, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    close_line();
    fputs(prefix, stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    if (state.copy) {
        fputs(prefix, state.copy);
        vfprintf(state.copy, format, again);
        fputc('\n', state.copy);
        fflush(state.copy);
    }
    va_end(again);
}

void log_info(const char *format, ...)
{
    if (state.rank) return;
    va_list args;
    va_start(args, format);
    print_line("", format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    if (state.rank) return;
    va_list args;
    va_start(args, format);
    print_line("warning: ", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("temper: ", format, args);
    va_end(args);
}

void log_progress(bool force, const char *format, ...)
{
    if (state.rank) return;
    va_list args;
    va_start(args, format);
    if (log_has_terminal()) {
        fputs("\r", stderr);
        vfprintf(stderr, format, args);
        fputs("\033[K", stderr);
        state.line_open = true;
        if (force) close_line();
    } else if (force || clock_now_s() - state.last_progress_s >= progress_interval_s) {
        state.last_progress_s = clock_now_s();
        print_line("", format, args);
    }
    va_end(args);
}
