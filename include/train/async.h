/// Whether checkpoints are written while training goes on (output.checkpoint_async), from what and
/// on which CPUs.
#pragma once
#include "base/mem.h"
#include "comm/comm.h"
#include "store/tensors.h"
#include "train/optimizer.h"

#include <pthread.h>
#include <sched.h>

typedef struct {
    float *copy;     ///< (3, own elements), owned: weights and moments; NULL: saves are synchronous
    Late late;       ///< of its rows of tables
    Arena memory;    ///< which it lies in
    cpu_set_t cpus;  ///< of the node's ranks
    pthread_t chore; ///< a thread that nothing waits for but the next one
    bool has_chore;
} Async;

/// Local. Whether a checkpoint may come before the last one, with which nothing goes on.
bool async_has_use(const Recipe *recipe, const Dataset *data);
/// Collective. Agrees on what `wanted` ("auto", "true", "false") means here. auto: on where on
/// every node the ranks have more CPUs between them than threads, and `fits` is true on every rank:
/// there is memory for the copy.
COLLECTIVE
bool async_choose(Async *out, const Comm *comm, const char *wanted, bool fits);
/// Local. Memory for the copy of what this rank owns, which a thread takes from the system.
void async_reserve(Async *async, const Optimizer *optimizer);
void async_release(Async *async);
/// Local. Copies weights and moments as they are, late rows of tables too.
void async_copy(Async *async, const Optimizer *optimizer);
/// Local, by the thread that writes it. Makes the copy's rows of tables fresh.
void async_catch_up(Async *async);
/// Local. A `CloseFile`: where saves are asynchronous in a thread, as a large file that was removed
/// goes with its last handle, which takes time.
void async_close(void *async, TensorFile *file);
/// Local. Lets this thread run on all CPUs that the node's ranks have: the one that started it may
/// be bound to one.
void async_take_place(const Async *async);
