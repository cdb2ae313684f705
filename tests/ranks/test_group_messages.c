/* TEST ranks=2,3,4 labels=model timeout=60 */
#include "base/mem.h"
#include "comm/exchange.h"
#include "nn/group.h"
#include "nn/ops.h"
#include "support/check.h"
#include "support/noise.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

// Messages of a group travel while products are made: memory that one still needs must not be
// touched meanwhile, nor read, however late it comes.

static Comm world;

// MPI at its latest: what is received lies elsewhere until somebody waits, and until then a pattern
// in its place; what is sent is compared with what it was.

enum { MOST_MESSAGES = 256, PATTERN = 0xa5 };
typedef struct {
    void *data, *other; ///< other: (bytes), what it was at the start, or what is received
    size_t bytes;
    bool received;
} Message;
static Message messages[MOST_MESSAGES];
static int message_count;
static bool is_late;
static int64_t touched,
    polls; ///< messages whose memory was not left alone; tests with some on their way

static void *note_message(void *data, int count, bool received)
{
    size_t bytes = (size_t)count;
    void *other = malloc(bytes);
    if (message_count == MOST_MESSAGES) abort();
    memcpy(other, data, bytes);
    if (received) memset(data, PATTERN, bytes);
    messages[message_count++] = (Message){ data, other, bytes, received };
    return other;
}

int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    const void *from = is_late ? note_message((void *)(uintptr_t)data, count, false) : data;
    return PMPI_Isend(from, count, type, to, tag, comm, request);
}

int MPI_Irecv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    void *to = is_late ? note_message(data, count, true) : data;
    return PMPI_Irecv(to, count, type, from, tag, comm, request);
}

int MPI_Testall(int count, MPI_Request *requests, int *all, MPI_Status *statuses)
{
    if (!is_late) return PMPI_Testall(count, requests, all, statuses);
    polls++;
    *all = 0;
    return MPI_SUCCESS;
}

static void deliver(const Message *message)
{
    const unsigned char *now = message->data, *sent = message->other;
    bool differs = false;
    for (size_t i = 0; i < message->bytes; i++)
        differs |= now[i] != (message->received ? PATTERN : sent[i]);
    touched += differs;
    if (message->received) memcpy(message->data, message->other, message->bytes);
    free(message->other);
}

int MPI_Waitall(int count, MPI_Request *requests, MPI_Status *statuses)
{
    int result = PMPI_Waitall(count, requests, statuses);
    for (int i = 0; i < message_count; i++) deliver(&messages[i]);
    message_count = 0;
    return result;
}

// A product of each kind, there and back.

enum { TOKENS = 2100, WIDTH = 96, PART = 40, WORDS = 24, SEQUENCES = 1, PARAMS = 5 };
static const int32_t cu_seqlens[] = { 0, TOKENS };
static const int64_t samples[] = { 3 };
static const Packing packing = { .sequences = SEQUENCES,
                                 .tokens = TOKENS,
                                 .longest = TOKENS,
                                 .cu_seqlens = cu_seqlens,
                                 .samples = samples };
static int32_t targets[TOKENS];
static Tape *tape;

typedef enum { UP, UP_BIAS, DOWN, VOCABULARY, VOCABULARY_BIAS } Name;
typedef struct {
    Weight weights[PARAMS];
    float *x; ///< (own tokens, WIDTH)
    int64_t x_count;
    double loss;
    int64_t early[2]; ///< polls up to the first and second product: tiles of own tokens meanwhile
} Run;

static float *numbers(int64_t stream, int64_t count)
{
    float *x = MEM_NEW(float, count);
    for (int64_t i = 0; i < count; i++) x[i] = 1e-6f * noise(stream, i);
    return x;
}

static void run_init(Run *run)
{
    static const int64_t shapes[PARAMS][2] = {
        { PART, WIDTH }, { 1, PART }, { WIDTH, PART }, { WORDS, WIDTH }, { 1, WORDS }
    };
    *run = (Run){ 0 };
    for (int i = 0; i < PARAMS; i++) {
        Weight *weight = &run->weights[i];
        *weight = (Weight){ .rows = shapes[i][0], .cols = shapes[i][1] };
        weight->value = numbers(PARAMS * world.rank + i, weight->rows * weight->cols);
        weight->gradient = MEM_NEW(float, weight->rows * weight->cols);
    }
    run->weights[VOCABULARY].first_row = WORDS * world.rank;
    run->weights[VOCABULARY].all_rows = WORDS * world.size;
}

static void run_release(Run *run)
{
    for (int i = 0; i < PARAMS; i++) {
        mem_free((void *)(uintptr_t)run->weights[i].value);
        mem_free(run->weights[i].gradient);
    }
    mem_free(run->x);
}

/// Keeps the gradient of a value: it is given back when the pass has it.
static void keep_gradient(Run *run, const Var *x)
{
    size_t bytes = (size_t)(x->rows * x->cols) * sizeof(float);
    run->x_count = x->rows * x->cols;
    run->x = mem_copy(x->gradient, bytes);
}

static void run_pass(Run *run)
{
    const Pass pass = { .training = true };
    Weight *w = run->weights;
    run_init(run);
    tape_start(tape, &pass, &packing);
    Span own = tape_tokens_of(tape, world.rank);
    Var *x = tape_var(tape, own.count, WIDTH, true);
    x->own = true;
    for (int64_t i = 0; i < own.count * WIDTH; i++)
        x->value[i] = 1e-6f * noise(-1, own.first * WIDTH + i);
    Var *y = column_parallel(tape, x, &w[UP], &w[UP_BIAS]);
    run->early[0] = polls;
    y = row_parallel(tape, y, &w[DOWN], NULL);
    run->early[1] = polls;
    y = gather_tokens(tape, y);
    run->loss =
        vocabulary_loss(tape, NULL, y, &w[VOCABULARY], &w[VOCABULARY_BIAS], targets, 0.1, TOKENS)
            .sum;
    tape_backward(tape);
    keep_gradient(run, x);
}

static void late_is_the_same(void)
{
    Run soon, late;
    run_pass(&soon);
    touched = polls = 0;
    is_late = true;
    run_pass(&late);
    is_late = false;
    CHECK_EQ(touched, 0);
    CHECK_EQ(message_count, 0);                  // nothing is left on its way
    CHECK_TRUE(world.rank || late.early[0] > 0); // the first rank has tiles of its own
    CHECK_TRUE(world.rank || late.early[1] > late.early[0]);
    CHECK_TRUE(polls >= late.early[1] + 2); // of the words and of the product before them
    CHECK_TRUE(soon.loss == late.loss && soon.loss > 0);
    CHECK_EQ(memcmp(soon.x, late.x, (size_t)soon.x_count * sizeof(float)), 0);
    for (int i = 0; i < PARAMS; i++)
        CHECK_EQ(memcmp(soon.weights[i].gradient, late.weights[i].gradient,
                        (size_t)(soon.weights[i].rows * soon.weights[i].cols) * sizeof(float)),
                 0);
    run_release(&soon);
    run_release(&late);
}

// The controls: sums that are used, or whose memory is, before they are finished.

static bool is_filled(const float *x, int64_t count, float with)
{
    for (int64_t i = 0; i < count; i++)
        if (x[i] != with) return false;
    return true;
}

typedef struct {
    float *out, *x;
    int64_t count;
    size_t mark;
    GroupSum sum;
} Started;

static Started start_sum(void)
{
    const Pass pass = { .training = true };
    tape_start(tape, &pass, &packing);
    Started s = { .count = tape_tokens_of(tape, world.rank).count * WIDTH };
    s.out = tape_take(tape, (size_t)s.count * sizeof(float));
    s.x = tape_take(tape, (size_t)TOKENS * WIDTH * sizeof(float));
    for (int64_t i = 0; i < s.count; i++) s.out[i] = -1;
    for (int64_t i = 0; i < TOKENS * WIDTH; i++) s.x[i] = 1;
    touched = 0;
    is_late = true;
    s.mark = tape_scratch_begin(tape);
    s.sum = group_sum_tokens(tape, s.out, s.x, WIDTH, false);
    return s;
}

static void nothing_is_there_before_the_finish(void)
{
    Started s = start_sum();
    CHECK_TRUE(is_filled(s.out, s.count, -1));
    group_sum_finish(tape, &s.sum);
    is_late = false;
    CHECK_TRUE(is_filled(s.out, s.count, (float)world.size));
    CHECK_EQ(touched, 0);
    tape_scratch_end(tape, s.mark);
}

static void sees_scratch_that_is_used_again(void)
{
    Started s = start_sum();
    tape_scratch_end(tape, s.mark); // too early
    size_t bytes = (size_t)TOKENS * WIDTH * sizeof(float);
    memset(tape_take(tape, bytes), 0, bytes);
    exchange_finish(tape_exchange(tape));
    is_late = false;
    CHECK_EQ(touched, world.size - 1);
}

static void sees_summands_that_change(void)
{
    Started s = start_sum();
    memset(s.x, 0, (size_t)TOKENS * WIDTH * sizeof(float));
    exchange_finish(tape_exchange(tape));
    is_late = false;
    CHECK_EQ(touched, world.size - 1);
    tape_scratch_end(tape, s.mark);
}

static const Case cases[] = {
    { "late is the same", late_is_the_same },
    { "nothing is there before the finish", nothing_is_there_before_the_finish },
    { "sees scratch that is used again", sees_scratch_that_is_used_again },
    { "sees summands that change", sees_summands_that_change },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    for (int i = 0; i < TOKENS; i++) targets[i] = i * 29 % (WORDS * world.size);
    tape = tape_new(64 << 20);
    tape_set_group(tape, &world, world.size, NULL);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    tape_free(tape);
    comm_stop(&world);
    return result;
}
