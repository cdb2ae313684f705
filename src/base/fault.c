#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const FaultPoint fault_points[] = {
    { "write-create", FAULT_ERROR, EIO, "a file of tensors is made" },
    { "write-payload", FAULT_ERROR, EIO, "a piece of a tensor is written" },
    { "write-fsync", FAULT_ERROR, EIO, "a file of tensors is synced" },
    { "write-close", FAULT_ERROR, EIO, "a file of tensors is closed" },
    { "write-rename", FAULT_ERROR, EIO, "a file of tensors gets its name" },
    { "map", FAULT_ERROR, ENODEV, "a file is mapped" },
    { "share", FAULT_ERROR, ENOSYS, "memory of a node is made" },
    { "reserve-unsupported", FAULT_ERROR, EOPNOTSUPP, "room on the disk is reserved" },
    { "reserve-nothing", FAULT_OTHER, ENOSPC,
      "room on the disk is said to be reserved and is not" },
    { "kill-after-create", FAULT_KILL, 0, "the partial file is there" },
    { "kill-payload", FAULT_KILL, 0, "a piece of a tensor is written" },
    { "kill-after-close", FAULT_KILL, 0, "the partial file is whole and closed" },
    { "kill-before-rename", FAULT_KILL, 0, "the partial file gets its name next" },
    { "kill-after-rename", FAULT_KILL, 0, "the file has its name, the folder is not synced" },
    { "kill-before-rotate", FAULT_KILL, 0, "the older checkpoints are removed next" },
    { "hang-step", FAULT_HANG, 0, "a leaf of a step" },
    { "hang-save", FAULT_HANG, 0, "tensors are written" },
    { "hang-evaluation", FAULT_HANG, 0, "an evaluation begins" },
    { "loss-nan", FAULT_OTHER, EDOM, "the loss of a leaf is no number" },
    { "leaf-slow", FAULT_OTHER, EAGAIN, "a leaf takes 10 ms more" },
    { "infer-slow", FAULT_OTHER, EAGAIN, "a leaf of an evaluation takes 250 ms more" },
    { "features-keep", FAULT_OTHER, EAGAIN, "features of a linear probe are kept at every chance" },
    { "save-slow", FAULT_OTHER, EAGAIN, "a save takes 3 s more" },
    { "delivery-late", FAULT_OTHER, EAGAIN, "weights come as late as they may" },
    { "spool-in-memory", FAULT_OTHER, ENOSPC, "rows in preparation stay in memory" },
    { "memory-none", FAULT_OTHER, ENOMEM, "a node has one byte of memory left" },
    { "disk-none", FAULT_OTHER, ENOSPC, "a disk has no room left" },
    { "cores-of-two", FAULT_OTHER, EBUSY, "every two CPUs are hardware threads of one core" },
    { 0 }
};

static const struct {
    const char *name;
    int error;
} errors[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT } };

typedef struct {
    char name[32];
    int rank, nth, error; ///< error 0: the point's
} Wanted;

static int this_rank;

/// NULL: no fault is wanted.
static const char *wanted_text(void)
{
    const char *text = getenv("TEMPER_FAULT");
    return text && *text ? text : NULL;
}

static const FaultPoint *find(const char *name)
{
    for (const FaultPoint *point = fault_points; point->name; point++)
        if (!strcmp(point->name, name)) return point;
    return NULL;
}

/// False if the text is not well written.
static bool parse(Wanted *out, const char *text)
{
    char error[16] = "", rest;
    *out = (Wanted){ .rank = -1, .nth = 1 };
    int fields =
        sscanf(text, "%31[^:]:%d:%d:%15[A-Z]%c", out->name, &out->rank, &out->nth, error, &rest);
    int colons = 0;
    for (const char *at = text; *at; at++) colons += *at == ':';
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(errors[i].name, error)) out->error = errors[i].error;
    return fields == colons + 1 && fields <= 4 && (!*error || out->error);
}

Status fault_start(int rank)
{
    const char *text = wanted_text();
    Wanted wanted;
    this_rank = rank;
    if (!text || (parse(&wanted, text) && find(wanted.name))) return OK;
    return status_fail(USAGE,
                       "TEMPER_FAULT=%s: not point[:rank[:nth[:errno]]] with a point of 'temper "
                       "help --faults': unset it",
                       text);
}

int fault_at(const char *name)
{
    static int passages;
    const char *text = wanted_text();
    Wanted wanted;
    if (!text) return 0;
    const FaultPoint *point = find(name);
    CHECK(point, "%s is no fault point", name);
    if (!parse(&wanted, text) || strcmp(wanted.name, name)) return 0;
    if (wanted.rank >= 0 && wanted.rank != this_rank) return 0;
    if (++passages != wanted.nth && wanted.nth) return 0;
    return wanted.error ? wanted.error : point->error ? point->error : EIO;
}

void fault_kill_at(const char *name)
{
    if (fault_at(name)) raise(SIGKILL);
}

void fault_hang_at(const char *name)
{
    if (!fault_at(name)) return;
    for (;;) pause();
}
