#include "train/watchdog.h"
#include "base/clock.h"
#include "base/mem.h"
#include "comm/node.h"
#include "train/stall.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/// Looks in `hang_s`, and letters between nodes.
static const double looks = 16, letters = 8, longest_look_s = 5;
static const double launcher_s = 10; // what a launcher may take to end all ranks

struct Watchdog {
    const Comm *comm;
    const Node *node; ///< who shares the board
    Pulse *board;     ///< (ranks)
    bool shared;      ///< with the ranks of the node
    Stall stall;
    Sight *sights; ///< (ranks), owned
    char *hosts;   ///< (ranks, HOST_BYTES), owned
    char folder[1024];
    double look_s, letter_s;
    int speaker;        ///< of this stall; -1: there is none
    atomic_int courier; ///< the rank that carries this node's letters
    atomic_bool nears;
    pthread_t looking, carrying;
    bool looks, carries; ///< the threads run
    sem_t stop_looking, stop_carrying;
};

/// False after `seconds`, true when it is time to stop.
static bool stops(sem_t *stop, double seconds)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    double whole = floor(seconds);
    due.tv_sec += (time_t)whole;
    due.tv_nsec += (long)((seconds - whole) * 1e9);
    due.tv_sec += due.tv_nsec / 1000000000;
    due.tv_nsec %= 1000000000;
    while (sem_timedwait(stop, &due))
        if (errno != EINTR) return false;
    return true;
}

/// Not through the log, whose locks a thread that stands still may hold.
static void end_job(const Watchdog *w)
{
    char text[2048] = "temper: ";
    stall_text(text + 8, sizeof text - 9, &w->stall);
    strcat(text, "\n");
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
    _exit(FAILED);
}

/// The launcher ends the other ranks, one after the other, when the one that spoke has ended badly;
/// where it does not, they end by themselves.
static void judge(Watchdog *w)
{
    const Stall *stall = &w->stall;
    if (!stall_found(stall)) {
        w->speaker = -1;
        return;
    }
    if (w->speaker < 0) w->speaker = stall_speaker(stall);
    if (w->speaker == w->comm->rank || stall->elapsed_s > fmax(launcher_s, stall->hang_s / 4))
        end_job(w);
}

static void *look_on(void *context)
{
    Watchdog *w = context;
    double last_s = clock_now_s();
    while (!stops(&w->stop_looking, w->look_s)) {
        double now_s = clock_now_s(), elapsed_s = now_s - last_s;
        last_s = now_s;
        w->board[w->comm->rank].beats++;
        // where this process was stopped itself, no time has passed for it
        stall_look(&w->stall, fmin(elapsed_s, 2 * w->look_s));
        w->courier = stall_courier(&w->stall);
        w->nears = stall_nears(&w->stall);
        judge(w);
    }
    return NULL;
}

static void name_letter(char out[1100], const Watchdog *w, int node)
{
    snprintf(out, 1100, "%s/pulse-%d", w->folder, node);
}

static void write_letter(const Watchdog *w)
{
    char path[1100];
    name_letter(path, w, node_of(w->node, w->comm->rank));
    FILE *file = fopen(path, "w");
    if (!file) return;
    for (int rank = w->stall.first; rank < w->stall.end; rank++) {
        const Pulse *p = &w->board[rank];
        fprintf(file, "%d %" PRId64 " %" PRId64 " %" PRId64 " %d %d\n", rank, (int64_t)p->progress,
                (int64_t)p->beats, (int64_t)p->step, (int)p->activity, (int)p->state);
    }
    fclose(file);
}

static void read_letter(const Watchdog *w, int node)
{
    char path[1100];
    int rank, activity, state;
    int64_t progress, beats, step;
    name_letter(path, w, node);
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fscanf(file, "%d %" SCNd64 " %" SCNd64 " %" SCNd64 " %d %d\n", &rank, &progress, &beats,
                  &step, &activity, &state) == 6) {
        if (rank < w->node->firsts[node] || rank >= w->node->firsts[node + 1]) break;
        Pulse *p = &w->board[rank];
        p->progress = progress;
        p->beats = beats;
        p->step = step;
        p->activity = activity;
        p->state = state;
    }
    fclose(file);
}

/// Those of a job that was ended.
static void remove_letters(const Watchdog *w)
{
    char path[1100];
    int node = 0;
    do name_letter(path, w, node++);
    while (!unlink(path));
}

/// A thread of its own: a disk that does not answer holds up nothing else.
static void *carry(void *context)
{
    Watchdog *w = context;
    do {
        if (w->courier != w->comm->rank) continue;
        write_letter(w);
        for (int node = 0; node < w->node->count && w->nears; node++)
            if (node != node_of(w->node, w->comm->rank)) read_letter(w, node);
    } while (!stops(&w->stop_carrying, w->letter_s));
    return NULL;
}

/// Who is on the board with this rank: the ranks of its node, where they share memory.
COLLECTIVE
static void make_board(Watchdog *w)
{
    const Comm *comm = w->comm;
    size_t bytes = (size_t)comm->size * sizeof(Pulse);
    w->board = node_share(comm->node, bytes);
    w->shared = w->board;
    w->node = w->shared || !comm->node ? comm->node : comm->node->alone;
    if (!w->shared) w->board = MEM_NEW(Pulse, comm->size);
    w->stall = (Stall){ .board = w->board,
                        .sights = w->sights = MEM_NEW(Sight, comm->size),
                        .hosts = w->hosts = MEM_NEW(char, (int64_t)comm->size *HOST_BYTES),
                        .ranks = comm->size,
                        .end = comm->size };
    if (w->node) {
        int node = node_of(w->node, comm->rank);
        w->stall.first = w->node->firsts[node];
        w->stall.end = w->node->firsts[node + 1];
    }
    char host[HOST_BYTES] = "";
    int64_t *counts = MEM_NEW(int64_t, comm->size);
    gethostname(host, sizeof host - 1);
    for (int rank = 0; rank < comm->size; rank++) counts[rank] = HOST_BYTES;
    comm_gather_all(comm, w->hosts, host, counts);
    mem_free(counts);
}

Watchdog *watchdog_start(const Comm *comm, const Recipe *recipe, bool keeps_files)
{
    double hang_s = recipe->train.hang_seconds;
    if (hang_s <= 0) return NULL;
    Watchdog *w = MEM_NEW(Watchdog, 1);
    w->comm = comm;
    make_board(w);
    w->stall.hang_s = hang_s;
    w->look_s = fmin(hang_s / looks, longest_look_s);
    w->letter_s = hang_s / letters;
    w->courier = w->stall.first;
    snprintf(w->folder, sizeof w->folder, "%s", recipe->output.folder);
    if (keeps_files && comm->rank == 0) remove_letters(w);
    sem_init(&w->stop_looking, 0, 0);
    sem_init(&w->stop_carrying, 0, 0);
    pulse_move(&w->board[comm->rank]);
    comm_barrier(comm); // all are on the board
    w->looks = !pthread_create(&w->looking, NULL, look_on, w);
    bool several = w->node && w->node->count > 1;
    if (several && keeps_files) w->carries = !pthread_create(&w->carrying, NULL, carry, w);
    return w;
}

void watchdog_stop(Watchdog *w)
{
    char path[1100];
    if (!w) return;
    comm_barrier(w->comm); // who is late is watched until here
    sem_post(&w->stop_looking);
    sem_post(&w->stop_carrying);
    if (w->looks) pthread_join(w->looking, NULL);
    if (w->carries) pthread_join(w->carrying, NULL);
    w->board[w->comm->rank].beats = BEATS_DONE;
    if (w->carries) {
        name_letter(path, w, node_of(w->node, w->comm->rank));
        unlink(path);
    }
    pulse_move(NULL);
    if (w->shared)
        node_unshare(w->board, (size_t)w->comm->size * sizeof(Pulse));
    else
        mem_free(w->board);
    mem_free(w->sights);
    mem_free(w->hosts);
    sem_destroy(&w->stop_looking);
    sem_destroy(&w->stop_carrying);
    mem_free(w);
}
