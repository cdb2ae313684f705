// Usage: sim SHAPE TOKENS STEPS COLS LEAVES [alone]: simulates steps on the platform that smpirun
// was given, on a grid of so many columns, in so many leaves (0: as the program chooses), and
// `alone` one more that takes no time but in messages. sim check: real sums.
#include "comm/node.h"
#include "sim/check_sums.h"
#include "sim/engine.h"
#include "sim/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Collective. The greatest of the ranks' values.
COLLECTIVE
static double greatest(const Comm *comm, double seconds)
{
    int64_t ns = (int64_t)(seconds * 1e9);
    comm_max_int64(comm, &ns, 1);
    return (double)ns * 1e-9;
}

COLLECTIVE
static void report(Engine *e, const Comm *world, const char *name)
{
    Cost cost = cost_so_far();
    double sum_s = 0, laps_s[PHASES];
    for (int i = 0; i < PHASES; i++) sum_s += e->laps_s[i];
    for (int i = 0; i < PHASES; i++) laps_s[i] = greatest(world, e->laps_s[i]);
    double step_s = greatest(world, sum_s), compute_s = greatest(world, cost.compute_s);
    int64_t most[] = { cost.received_bytes, cost.messages };
    comm_max_int64(world, most, 2);
    if (world->rank) return;
    int nodes = world->node ? world->node->count : 1;
    printf("%s nodes=%d ranks=%d step_s=%.6f compute_s=%.6f exposed_s=%.6f received_MB=%.3f "
           "messages=%lld",
           name, nodes, world->size, step_s, compute_s, step_s - compute_s, (double)most[0] * 1e-6,
           (long long)most[1]);
    for (int i = 0; i < PHASES; i++) printf(" %s_s=%.6f", phase_names[i], laps_s[i]);
    printf("\n");
    fflush(stdout);
}

COLLECTIVE
static void simulate(const Comm *world, const Shape *shape, int64_t tokens, int steps, int cols,
                     int64_t leaves, bool alone)
{
    Engine engine;
    engine_init(&engine, world, shape, cols, tokens, leaves, false);
    engine_step(&engine); // whose new weights the first one of those that count waits for
    for (int step = 0; step < steps + alone; step++) {
        cost_compute_free(step == steps);
        cost_start();
        engine_step(&engine);
        report(&engine, world, step == steps ? "alone" : "step");
    }
    engine_release(&engine);
}

__attribute__((visibility("default"))) int main(int argc, char **argv)
{
    Comm world;
    int code = OK;
    if (comm_start(&world) != OK) return USAGE;
    wire_start();
    const Shape *shape = argc > 5 ? shape_find(argv[1]) : NULL;
    if (argc == 2 && !strcmp(argv[1], "check")) {
        code = check_sums(&world);
    } else if (shape) {
        simulate(&world, shape, atoll(argv[2]), atoi(argv[3]), atoi(argv[4]), atoll(argv[5]),
                 argc > 6);
    } else {
        if (!world.rank)
            fprintf(stderr,
                    "usage: sim check | sim SHAPE TOKENS STEPS COLS LEAVES [alone]\nSHAPE: %s\n",
                    shape_names());
        code = USAGE;
    }
    comm_stop(&world);
    return code;
}
