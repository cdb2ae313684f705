// The control of the sanitized build and of Valgrind: a program with the defect that its argument
// names, beside a sound use of MPI.
#include "base/mem.h"
#include "comm/comm.h"

#include <limits.h>
#include <string.h>

enum { LENGTH = 1234 };

static void leak(char *block)
{
    memset(block, 0, LENGTH);
}

static void overrun(char *block)
{
    volatile int past_end = LENGTH;
    block[past_end] = 1;
    mem_free(block);
}

static void overflow(char *block)
{
    volatile int most = INT_MAX;
    most = most + 1;
    mem_free(block);
}

static void unset(char *block)
{
    char *never_written = mem_resize(NULL, LENGTH, 1);
    if (never_written[LENGTH / 2]) block[0] = 1;
    mem_free(never_written);
    mem_free(block);
}

static const struct {
    const char *name;
    void (*commit)(char *block);
} defects[] = {
    { "leak", leak }, { "overrun", overrun }, { "overflow", overflow }, { "unset", unset }
};

int main(int argc, char **argv)
{
    Comm world;
    Status status = comm_start(&world);
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++)
        if (argc == 2 && !strcmp(argv[1], defects[i].name)) defects[i].commit(mem_new(LENGTH, 1));
    comm_stop(&world);
    return (int)status;
}
