/* TEST labels=nn timeout=60 */
#include "base/mem.h"
#include "support/check.h"
#include "nn/ops.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHAIN = 10, ROWS = 7, COLS = 33 };
static const int32_t ends[] = { 0, ROWS };
static const int64_t samples[] = { 5 };
static const Packing packing = {
    .sequences = 1, .tokens = ROWS, .cu_seqlens = ends, .samples = samples
};
static const Pass training = { .seed = 1, .training = true };

/// y = x + number; remembers which gradient buffers were used.
typedef struct {
    Var *y, *x;
    int number;
} Step;

static const void *buffers[CHAIN + 1];
static int ran[CHAIN + 1], ran_count;

static void step_backward(Tape *tape, void *context)
{
    Step *step = context;
    const float *dy = tape_gradient(tape, step->y);
    bool first;
    float *dx = tape_gradient_for(tape, step->x, &first);
    ran[ran_count++] = step->number;
    buffers[step->number] = dy;
    if (!dx) return;
    CHECK_TRUE(dx != dy); // the output's buffer is free only after its record
    for (int64_t i = 0; i < ROWS * COLS; i++) dx[i] = dy[i] + (first ? 0 : dx[i]);
}

static Var *step(Tape *tape, Var *x, int number)
{
    Var *y = tape_var(tape, x->rows, x->cols, x->needs_gradient);
    for (int64_t i = 0; i < x->rows * x->cols; i++) y->value[i] = x->value[i] + (float)number;
    if (tape_records(tape, y)) {
        Step *made = tape_take(tape, sizeof *made);
        *made = (Step){ y, x, number };
        tape_record(tape, y, step_backward, made);
    }
    return y;
}

static Var *start(Tape *tape, const Pass *pass, bool needs_gradient)
{
    tape_start(tape, pass, &packing);
    Var *x = tape_var(tape, ROWS, COLS, needs_gradient);
    for (int64_t i = 0; i < ROWS * COLS; i++) x->value[i] = 0;
    ran_count = 0;
    return x;
}

static void seed_gradient(Tape *tape, Var *y)
{
    bool first;
    float *dy = tape_gradient_for(tape, y, &first);
    CHECK_TRUE(first);
    for (int64_t i = 0; i < ROWS * COLS; i++) dy[i] = 1;
}

static void gradients_are_reused(void)
{
    Tape *tape = tape_new(1 << 20);
    size_t peak_bytes = 0;
    for (int pass = 0; pass < 3; pass++) {
        Var *x = start(tape, &training, true), *y = x;
        for (int i = 1; i <= CHAIN; i++) y = step(tape, y, i);
        seed_gradient(tape, y);
        tape_backward(tape);
        CHECK_EQ(ran_count, CHAIN);
        CHECK_EQ(ran[0], CHAIN);
        CHECK_EQ(ran[CHAIN - 1], 1);
        for (int i = 1; i + 2 <= CHAIN; i++) CHECK_TRUE(buffers[i] == buffers[i + 2]);
        for (int64_t i = 0; i < ROWS * COLS; i++) CHECK_TRUE(x->gradient[i] == 1);
        CHECK_TRUE(!y->gradient);
        if (pass) CHECK_EQ(tape_peak_bytes(tape), peak_bytes);
        peak_bytes = tape_peak_bytes(tape);
    }
    tape_free(tape);
}

static void consumers_add_up(void)
{
    Tape *tape = tape_new(1 << 20);
    Var *x = start(tape, &training, true);
    Var *a = step(tape, x, 1), *b = step(tape, x, 2), *unused = step(tape, x, 3);
    bool first;
    seed_gradient(tape, a);
    seed_gradient(tape, b);
    tape_backward(tape);
    CHECK_EQ(ran_count, 2); // nothing flows through what nobody read
    CHECK_TRUE(!unused->gradient);
    CHECK_TRUE(x->gradient[5] == 2);
    CHECK_TRUE(tape_gradient_for(tape, x, &first) == x->gradient && !first);
    tape_free(tape);
}

static void nothing_to_train_is_not_recorded(void)
{
    const Pass inference = { .training = false };
    Tape *tape = tape_new(1 << 20);
    Var *x = start(tape, &training, false), *y = step(tape, x, 1);
    CHECK_TRUE(!tape_records(tape, y));
    bool first = true;
    CHECK_TRUE(!tape_gradient_for(tape, y, &first) && !first);
    y = step(tape, start(tape, &inference, true), 1);
    CHECK_TRUE(!tape_records(tape, y));
    tape_backward(tape);
    CHECK_EQ(ran_count, 0);
    tape_free(tape);
}

static void scratch_is_given_back(void)
{
    Tape *tape = tape_new(1 << 20);
    start(tape, &training, true);
    size_t outer = tape_scratch_begin(tape);
    char *a = tape_take(tape, 1000);
    size_t inner = tape_scratch_begin(tape);
    char *b = tape_take(tape, 1000);
    tape_scratch_end(tape, inner);
    CHECK_TRUE(tape_take(tape, 10) == b);
    tape_scratch_end(tape, outer);
    CHECK_TRUE(tape_take(tape, 10) == a);
    CHECK_EQ((uintptr_t)a % 64, 0);
    CHECK_EQ(tape_site(tape), 0);
    CHECK_EQ(tape_site(tape), 1);
    start(tape, &training, true);
    CHECK_EQ(tape_site(tape), 0);
    tape_free(tape);
}

static void weights_store_once_then_add(void)
{
    float gradient[4];
    bool first;
    Weight parts[2] = { { .rows = 1, .cols = 2, .awaited = true },
                        { .rows = 1, .cols = 2, .awaited = true } };
    Weight weight = { .rows = 1, .cols = 4, .gradient = gradient, .parts = parts, .part_count = 2 };
    Weight frozen = { .rows = 1, .cols = 4 };
    CHECK_TRUE(weight_gradient_for(&weight, &first) == gradient && first);
    CHECK_TRUE(weight_gradient_for(&weight, &first) == gradient && !first);
    CHECK_TRUE(parts[0].written && parts[1].written);
    CHECK_TRUE(!weight_gradient_for(&frozen, &first) && !frozen.written);
}

static void empty_values(void)
{
    Tape *tape = tape_new(1 << 20);
    bool first;
    start(tape, &training, true);
    Var *x = tape_var(tape, 0, COLS, true), *y = tape_var(tape, 0, COLS, true);
    CHECK_TRUE(tape_gradient_for(tape, x, &first) && first);
    CHECK_TRUE(tape_gradient_for(tape, y, &first) != x->gradient);
    tape_free(tape);
    tape_free(NULL);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void use_table(bool as_gain)
{
    static const float values[COLS * COLS];
    TouchedRows touched = { .cols = COLS };
    Weight plain = { .rows = 1, .cols = COLS, .value = values };
    Weight table = {
        .rows = as_gain ? 1 : COLS, .cols = COLS, .value = values, .touched = &touched
    };
    Tape *tape = tape_new(1 << 20);
    start(tape, &training, true);
    Var *x = tape_var(tape, 0, COLS, true);
    if (as_gain)
        layer_norm(tape, NULL, x, &table, &plain, 1e-3, 0);
    else
        linear(tape, x, &table, NULL);
    tape_free(tape);
}

// Each gradient is announced once, when nothing that is left adds to it.

enum { SINGLE, TIED, UNUSED, FROZEN, UNREAD, LEFT, RIGHT, WATCHED };

typedef struct {
    int told, after; ///< how often; how many steps of the chain had run by then
    float gradient;  ///< what it was then
} Heard;

static Heard heard[WATCHED];

static void hear(void *context, int index)
{
    const Weight *weights = context;
    heard[index].told++;
    heard[index].after = ran_count;
    if (weights[index].gradient) heard[index].gradient = weights[index].gradient[COLS + 1];
}

static float watched_values[WATCHED][COLS * COLS], watched_gradients[WATCHED][COLS * COLS];

/// A chain of steps with weights between them; records of UNREAD lead nowhere.
static void run_watched(Tape *tape, Weight *weights)
{
    memset(heard, 0, sizeof heard);
    for (int i = 0; i < WATCHED; i++) weights[i].written = false;
    Var *x = start(tape, &training, true);
    Weight joined = weights[LEFT];
    joined.rows *= 2;
    joined.parts = &weights[LEFT];
    joined.part_count = 2;
    x = step(tape, x, 1);
    x = step(tape, linear(tape, x, &weights[SINGLE], NULL), 2);
    x = step(tape, linear(tape, x, &weights[TIED], NULL), 3);
    linear(tape, x, &weights[UNREAD], NULL);
    x = step(tape, linear(tape, x, &weights[FROZEN], NULL), 4);
    x = step(tape, linear(tape, x, &weights[TIED], NULL), 5);
    Var *last = linear(tape, x, &joined, NULL);
    bool first;
    float *dy = tape_gradient_for(tape, last, &first);
    for (int64_t i = 0; i < last->rows * last->cols; i++) dy[i] = 1;
    tape_backward(tape);
}

static void gradients_are_announced_once(void)
{
    static const int after[WATCHED] = { [SINGLE] = 4, [TIED] = 3, [FROZEN] = 2, [UNREAD] = 2 };
    static Weight weights[WATCHED];
    for (int i = 0; i < WATCHED; i++) {
        for (int k = 0; k < COLS * COLS; k++) watched_values[i][k] = 0.01f * (float)(k % 7 - 2);
        weights[i] = (Weight){
            .rows = COLS, .cols = COLS, .value = watched_values[i], .gradient = watched_gradients[i]
        };
    }
    weights[FROZEN].gradient = NULL;
    Tape *tape = tape_new(1 << 20);
    tape_watch(tape, weights, WATCHED, hear, weights);
    for (int pass = 0; pass < 3; pass++) {
        run_watched(tape, weights);
        CHECK_EQ(ran_count, 5);
        for (int i = 0; i < WATCHED; i++) {
            CHECK_EQ(heard[i].told, 1);
            CHECK_EQ(heard[i].after, after[i]);
            CHECK_TRUE(!weights[i].awaited);
            CHECK_TRUE(weights[i].written == (i != UNUSED && i != FROZEN && i != UNREAD));
            if (weights[i].written)
                CHECK_TRUE(heard[i].gradient != 0 &&
                           heard[i].gradient == weights[i].gradient[COLS + 1]);
        }
    }
    tape_free(tape);
}

/// In a process of its own: it must not go on.
static void tables_are_no_matrices(void)
{
    for (int as_gain = 0; as_gain < 2; as_gain++) {
        int result = 0;
        pid_t child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(0);
            use_table(as_gain);
            _exit(0);
        }
        waitpid(child, &result, 0);
        CHECK_TRUE(!WIFEXITED(result) || WEXITSTATUS(result) != 0);
    }
}

enum { LAYERS = 12 };

static Var *dense_layer(Tape *tape, const void *context, Weight *w, Var *x)
{
    x = activation(tape, linear(tape, x, &w[0], &w[1]), *(const ActivationKind *)context);
    return dropout(tape, x, 0.3);
}

static int layers_ready;

static void count_ready(void *context, int index)
{
    (void)context, (void)index;
    layers_ready++;
}

/// Gradients of x and of all weights; returns the most memory that the tape took.
static size_t layers_backward(float *gradients, float *values, Recompute recompute)
{
    static const ActivationKind kind = GELU;
    enum { MATRIX = COLS * COLS, BOTH = MATRIX + COLS };
    Weight weights[2 * LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        float *value = values + i * BOTH, *gradient = gradients + ROWS * COLS + i * BOTH;
        weights[2 * i] =
            (Weight){ .rows = COLS, .cols = COLS, .value = value, .gradient = gradient };
        weights[2 * i + 1] = (Weight){
            .rows = 1, .cols = COLS, .value = value + MATRIX, .gradient = gradient + MATRIX
        };
    }
    Tape *tape = tape_new(1 << 22);
    tape_watch(tape, weights, 2 * LAYERS, count_ready, NULL);
    layers_ready = 0;
    Pass pass = training;
    pass.recompute = recompute;
    Var *x = start(tape, &pass, true), *y = x;
    for (int64_t i = 0; i < ROWS * COLS; i++) x->value[i] = (float)(i % 17) / 8 - 1;
    for (int i = 0; i < LAYERS; i++) {
        Layer layer = { dense_layer, &kind, weights + 2 * i, 2 };
        y = recompute == RECOMPUTE_ATTENTION ? tape_attention(tape, &layer, y)
                                             : tape_layer(tape, 0, &layer, y);
    }
    seed_gradient(tape, y);
    tape_backward(tape);
    memcpy(gradients, x->gradient, ROWS * COLS * sizeof(float));
    CHECK_EQ(layers_ready, 2 * LAYERS);
    size_t peak = tape_peak_bytes(tape);
    tape_free(tape);
    return peak;
}

/// The same bits of every gradient, in less memory.
static void layers_run_again(void)
{
    enum { WEIGHTS = LAYERS * (COLS * COLS + COLS), ALL = ROWS * COLS + WEIGHTS };
    float *values = MEM_NEW(float, WEIGHTS), *once = MEM_NEW(float, ALL);
    float *twice = MEM_NEW(float, ALL);
    for (int64_t i = 0; i < WEIGHTS; i++) values[i] = (float)(i * 7 % 31 - 15) / 64;
    size_t kept = layers_backward(once, values, RECOMPUTE_NONE);
    CHECK_TRUE(once[0] != 0 && once[ALL - 1] != 0);
    for (Recompute what = RECOMPUTE_ATTENTION; what <= RECOMPUTE_LAYER; what++) {
        size_t less = layers_backward(twice, values, what);
        CHECK_TRUE(!memcmp(once, twice, ALL * sizeof(float)));
        CHECK_TRUE(less < 2 * kept / 3);
    }
    mem_free(twice);
    mem_free(once);
    mem_free(values);
}

static const Case cases[] = {
    { "gradients_are_reused", gradients_are_reused },
    { "consumers_add_up", consumers_add_up },
    { "nothing_to_train_is_not_recorded", nothing_to_train_is_not_recorded },
    { "scratch_is_given_back", scratch_is_given_back },
    { "weights_store_once_then_add", weights_store_once_then_add },
    { "empty_values", empty_values },
    { "gradients_are_announced_once", gradients_are_announced_once },
    { "tables_are_no_matrices", tables_are_no_matrices },
    { "layers_run_again", layers_run_again },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
