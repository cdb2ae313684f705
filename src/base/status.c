#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[STATUS_BYTES];
static void (*abort_hook)(void);

Status status_fail(Status code, const char *format, ...)
{
    char text[sizeof message]; // the arguments may hold the old message
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return code;
}

const char *status_message(void)
{
    return message;
}

void status_clear(void)
{
    message[0] = '\0';
}

void status_on_abort(void (*hook)(void))
{
    abort_hook = hook;
}

_Noreturn void status_abort(const char *file, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "temper: %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    if (abort_hook) abort_hook();
    abort();
}
