/* TEST ranks=1,2,3 labels=train timeout=60 */
#include "support/check.h"
#include "train/async.h"
#include "train/threads.h"

#include <omp.h>

static Comm world;

static bool chosen(const char *wanted, bool fits)
{
    Async async;
    return async_choose(&async, &world, wanted, fits);
}

/// CPUs that the ranks of this node have, as one process sees them.
static int node_cpus(void)
{
    Async async;
    async_choose(&async, &world, "auto", true);
    return CPU_COUNT(&async.cpus);
}

static void who_says_so_is_obeyed(void)
{
    CHECK_TRUE(chosen("true", false));
    CHECK_TRUE(!chosen("false", true));
}

static void auto_needs_a_spare_cpu(void)
{
    int cpus = node_cpus(), before = threads_count();
    omp_set_num_threads(1);
    CHECK_EQ(chosen("auto", true), cpus > world.size);
    omp_set_num_threads(cpus); // every rank has as many threads as there are CPUs
    CHECK_TRUE(!chosen("auto", true));
    omp_set_num_threads(before);
}

static void auto_needs_memory_on_every_rank(void)
{
    int before = threads_count();
    omp_set_num_threads(1);
    CHECK_TRUE(!chosen("auto", world.rank != world.size - 1));
    omp_set_num_threads(before);
}

static const Case cases[] = {
    { "who says so is obeyed", who_says_so_is_obeyed },
    { "auto needs a spare CPU", auto_needs_a_spare_cpu },
    { "auto needs memory on every rank", auto_needs_memory_on_every_rank },
};

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return mem_live_blocks() ? 1 : code;
}
