#include "base/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int this_rank;

void fault_start(int rank)
{
    this_rank = rank;
}

bool fault_at(const char *name)
{
    static int passages;
    const char *wanted = getenv("TEMPER_FAULT");
    if (!wanted) return false;
    size_t length = strlen(name);
    if (strncmp(wanted, name, length) || (wanted[length] && wanted[length] != ':')) return false;
    int rank = -1, nth = 1;
    if (wanted[length]) sscanf(wanted + length, ":%d:%d", &rank, &nth);
    if (rank >= 0 && rank != this_rank) return false;
    return ++passages == nth || nth == 0;
}

void fault_kill_at(const char *name)
{
    if (fault_at(name)) raise(SIGKILL);
}
