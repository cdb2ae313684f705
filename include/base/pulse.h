/// What a thread is at, told to a watchdog that looks on from another thread or process: a few
/// plain stores. The main thread's is the process's; others have to move theirs, or it is lost.
/// Nobody has to look on.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

typedef enum {
    PULSE_BUSY,
    PULSE_WAITS, ///< for other ranks
    PULSE_OPAQUE ///< in a library that may take long and tells nothing
} PulseState;

typedef struct {
    atomic_int_least64_t progress; ///< another number after every piece of work
    atomic_int_least64_t beats;    ///< another number while the process lives; the watchdog's
    atomic_int_least64_t step;
    atomic_int activity; ///< a number that the watchdog has names for
    atomic_int state;    ///< PulseState
    char apart[32];      ///< a cache line for each
} Pulse;

extern _Thread_local Pulse *pulse;

/// Local. This thread's pulses go there from here on; NULL: to nobody.
void pulse_move(Pulse *place);

/// Local. A piece of work is done: at least one in every few minutes of any work.
static inline void pulse_progress(void)
{
    int64_t count = atomic_load_explicit(&pulse->progress, memory_order_relaxed);
    atomic_store_explicit(&pulse->progress, count + 1, memory_order_relaxed);
}

static inline void pulse_step(int64_t step)
{
    atomic_store_explicit(&pulse->step, step, memory_order_relaxed);
}

static inline void pulse_activity(int activity)
{
    atomic_store_explicit(&pulse->activity, activity, memory_order_relaxed);
    pulse_progress();
}

static inline void pulse_state(PulseState state)
{
    atomic_store_explicit(&pulse->state, (int)state, memory_order_relaxed);
    pulse_progress();
}

#define PULSE_IN(state, call)                                                                      \
    do {                                                                                           \
        pulse_state(state);                                                                        \
        (call);                                                                                    \
        pulse_state(PULSE_BUSY);                                                                   \
    } while (0)
/// A call that waits for other ranks.
#define PULSE_WAIT(call) PULSE_IN(PULSE_WAITS, call)
