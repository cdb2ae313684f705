/// Status codes, this rank's error record, and the one way out of a function.
///
/// The first function that knows the cause of a failure writes the message (`FAIL`); those above
/// only pass the status on (`TRY`). A function that fails leaves through its one `done:` label,
/// where releases are NULL-safe and in reverse order. Messages are one sentence: what, where,
/// what to do. The codes are the program's exit codes.
#pragma once
#include <stdbool.h>

enum { STATUS_BYTES = 8192 }; ///< of a message with its NUL; longer ones are cut

typedef enum {
    OK = 0,
    FAILED = 1,  ///< could not be done: bad data, unreadable or damaged files, full disk
    USAGE = 2,   ///< the command line or the recipe is wrong
    STOPPED = 85 ///< stopped on request after a checkpoint: run the same command again
} Status;

/// Local. Records the message of this failure and returns `code`. A later failure replaces it.
Status status_fail(Status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Local. The recorded message, "" if none; valid until the next failure.
const char *status_message(void);

/// Local. Forgets the recorded message (after a failure that was dealt with).
void status_clear(void);

/// Local. Called by `CHECK`: prints the message and ends the job through the hook of
/// `status_on_abort` (comm sets it to MPI_Abort), else by abort().
_Noreturn void status_abort(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void status_on_abort(void (*hook)(void));

/// A bug or a failed allocation: never compiled out, ends the job.
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) status_abort(__FILE__, __LINE__, __VA_ARGS__);                           \
    } while (0)

/// In a function with `Status status = OK;` and a label `done:`.
#define FAIL(code, ...)                                                                            \
    do {                                                                                           \
        status = status_fail(code, __VA_ARGS__);                                                   \
        goto done;                                                                                 \
    } while (0)

/// For callees whose status needs no agreement: local callees of local functions, and collective
/// callees (already the same on all ranks). Local callees of collective functions: comm/agree.h.
#define TRY(call)                                                                                  \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != OK) goto done;                                                               \
    } while (0)
