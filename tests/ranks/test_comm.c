/* TEST ranks=1,2,3,4 labels=comm timeout=20 */
#include "base/mem.h"
#include "comm/agree.h"
#include "support/check.h"

static Comm world;

/// Rank r gives r % 3 bytes, each its number: rank 0 and 3 none, from no address.
static int64_t *counts_of_ranks(int64_t *total)
{
    int64_t *counts = MEM_NEW(int64_t, world.size);
    *total = 0;
    for (int rank = 0; rank < world.size; rank++) *total += counts[rank] = rank % 3;
    return counts;
}

static void check_all(const char *all)
{
    for (int rank = 0; rank < world.size; rank++)
        for (int i = 0; i < rank % 3; i++) CHECK_EQ(*all++, rank + 1);
    CHECK_EQ(*all, 99);
}

static void gathers_from_ranks_without_any(void)
{
    int64_t total, *counts = counts_of_ranks(&total);
    char *all = MEM_NEW(char, total + 1), mine[2];
    memset(mine, world.rank + 1, sizeof mine);
    all[total] = 99;
    comm_gather_all(&world, all, world.rank % 3 ? mine : NULL, counts);
    check_all(all);
    mem_free(all);
    mem_free(counts);
}

static void gathers_in_place(void)
{
    int64_t total, *counts = counts_of_ranks(&total), at = 0;
    char *all = MEM_NEW(char, total + 1);
    for (int rank = 0; rank < world.rank; rank++) at += counts[rank];
    memset(all + at, world.rank + 1, (size_t)counts[world.rank]);
    all[total] = 99;
    comm_gather_in_place(&world, all, counts);
    check_all(all);
    mem_free(all);
    mem_free(counts);
}

static const Case cases[] = {
    { "gathers from ranks without any", gathers_from_ranks_without_any },
    { "gathers in place", gathers_in_place },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return 1;
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
