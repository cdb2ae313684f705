#include "train/stall.h"
#include "train/phases.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/// Others' pulses are known late: what is seen of them may be so old.
static double limit_s(const Stall *s, int rank)
{
    return rank >= s->first && rank < s->end ? s->hang_s : s->hang_s / 2;
}

static bool is_done(const Stall *s, int rank)
{
    return s->board[rank].beats == BEATS_DONE;
}

static bool is_alive(const Stall *s, int rank)
{
    return !is_done(s, rank) && s->sights[rank].quiet_s < s->hang_s / 2;
}

static bool is_opaque(const Stall *s, int rank)
{
    return is_alive(s, rank) && s->board[rank].state == PULSE_OPAQUE;
}

/// Longer in a library than it may take.
static bool is_lost(const Stall *s, int rank)
{
    double limit = (STALL_OPAQUE_TIMES - 1) * s->hang_s + limit_s(s, rank);
    return is_opaque(s, rank) && s->sights[rank].silent_s >= limit;
}

static bool is_missing(const Stall *s, int rank)
{
    if (is_done(s, rank)) return false;
    return !is_alive(s, rank) || s->board[rank].state == PULSE_BUSY || is_lost(s, rank);
}

void stall_look(Stall *s, double elapsed_s)
{
    for (int rank = 0; rank < s->ranks; rank++) {
        const Pulse *now = &s->board[rank];
        Sight *before = &s->sights[rank];
        int64_t progress = now->progress, beats = now->beats;
        before->silent_s = progress == before->progress ? before->silent_s + elapsed_s : 0;
        before->quiet_s = beats == before->beats ? before->quiet_s + elapsed_s : 0;
        before->progress = progress;
        before->beats = beats;
    }
    s->elapsed_s = stall_found(s) ? s->elapsed_s + elapsed_s : 0;
}

bool stall_found(const Stall *s)
{
    bool opaque = false, dead = false;
    for (int rank = 0; rank < s->ranks; rank++) {
        if (is_done(s, rank)) continue;
        double limit = limit_s(s, rank);
        if (s->sights[rank].silent_s < limit) return false;
        opaque |= is_opaque(s, rank) && !is_lost(s, rank);
        dead |= s->sights[rank].quiet_s >= limit;
    }
    return !opaque || dead;
}

bool stall_nears(const Stall *s)
{
    for (int rank = s->first; rank < s->end; rank++)
        if (s->sights[rank].silent_s < s->hang_s / 4) return false;
    return true;
}

int stall_speaker(const Stall *s)
{
    int alive = s->ranks;
    for (int rank = s->ranks - 1; rank >= 0; rank--)
        if (is_alive(s, rank)) alive = rank;
    for (int rank = 0; rank < s->ranks; rank++)
        if (is_alive(s, rank) && !is_missing(s, rank)) return rank;
    return alive;
}

int stall_courier(const Stall *s)
{
    for (int rank = s->first; rank < s->end; rank++)
        if (is_alive(s, rank)) return rank;
    return s->end;
}

typedef struct {
    char *at;
    size_t left;
} Room;

static void add(Room *room, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(Room *room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(room->at, room->left, format, args);
    va_end(args);
    size_t taken = (size_t)length < room->left ? (size_t)length : room->left - 1;
    room->at += taken;
    room->left -= taken;
}

static const char *phase_of(const Stall *s, int rank)
{
    int phase = s->board[rank].activity;
    return phase >= 0 && phase < PHASE_NAMES ? phase_names[phase] : "an unknown phase";
}

static void add_rank(Room *room, const Stall *s, int rank)
{
    const char *host = s->hosts + (size_t)rank * HOST_BYTES, *phase = phase_of(s, rank);
    if (is_alive(s, rank))
        add(room, "rank %d on %s does not get on with %s", rank, host, phase);
    else
        add(room, "rank %d on %s gives no sign of life since %s", rank, host, phase);
}

void stall_text(char *out, size_t bytes, const Stall *s)
{
    enum { NAMED = 8 };
    Room room = { out, bytes };
    int missing = 0, waiting = 0, times = 1, speaker = stall_speaker(s);
    for (int rank = 0; rank < s->ranks; rank++) {
        if (is_lost(s, rank)) times = STALL_OPAQUE_TIMES;
        missing += is_missing(s, rank);
        waiting += !is_done(s, rank) && !is_missing(s, rank);
    }
    // what it knows of others may be old
    int64_t step = speaker < s->ranks ? s->board[speaker].step : 0;
    add(&room, "step %" PRId64 ": no progress for %g s: ", step, times * s->hang_s);
    for (int rank = 0, named = 0; rank < s->ranks && named < NAMED; rank++) {
        if (!is_missing(s, rank)) continue;
        if (named++) add(&room, ", ");
        add_rank(&room, s, rank);
    }
    if (missing > NAMED) add(&room, ", %d more ranks too", missing - NAMED);
    if (missing && waiting)
        add(&room, ", %d rank%s for it", waiting, waiting == 1 ? " waits" : "s wait");
    if (!missing) add(&room, "all ranks wait for each other in %s", phase_of(s, speaker));
    add(&room,
        "; the job ends here: look at %s, then run the same command again to go on from the "
        "newest checkpoint (train.hang_seconds says how long to wait)",
        missing ? "that node and its disks" : "the network");
}
