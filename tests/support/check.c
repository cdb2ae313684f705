#include "support/check.h"

#include <stdarg.h>
#include <stdlib.h>

static int failures;
static bool skipped;
static const char *current;

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    if (++failures > 20) return; // the first ones tell
    fprintf(stderr, "FAILED %s: %s:%d: ", current, file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void check_skip(const char *format, ...)
{
    va_list args;
    skipped = true;
    fprintf(stderr, "SKIPPED %s: ", current);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int check_main(int argc, char **argv, const Case *cases, int count)
{
    for (int i = 0; i < count && !skipped; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1])) continue;
        current = cases[i].name;
        cases[i].run();
    }
    if (failures) return EXIT_FAILURE;
    return skipped ? 77 : EXIT_SUCCESS;
}
