/* TEST ranks=1,2,3,4 labels=comm timeout=20 */
#include "base/mem.h"
#include "comm/agree.h"
#include "support/check.h"
#include "support/counts.h"

#include <mpi.h>

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

static int longest, calls;

static void count_call(int count)
{
    calls++;
    if (count > longest) longest = count;
}

/// In the place of MPI's: what one call carries.
int MPI_Bcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    count_call(count);
    return PMPI_Bcast(data, count, type, root, comm);
}

int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    count_call(count);
    return PMPI_Isend(data, count, type, to, tag, comm, request);
}

int MPI_Send(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm)
{
    count_call(count);
    return PMPI_Send(data, count, type, to, tag, comm);
}

/// Contents of several pieces, the last of them short; in one piece as a control of what is
/// counted.
static void cuts_what_is_long(void)
{
    enum { PIECE = 1000, BYTES = 7 * PIECE + 333 };
    const size_t whole = comm_piece_bytes;
    const Case *long_ones = counts_cases(&world, BYTES);
    for (int i = 0; i < COUNTS_CASES; i++) {
        int64_t most = 0;
        comm_piece_bytes = PIECE;
        longest = calls = 0;
        long_ones[i].run();
        CHECK_TRUE(longest <= PIECE);
        most = calls;
        comm_max_int64(&world, &most, 1);
        CHECK_TRUE(world.size == 1 || most >= (BYTES + PIECE - 1) / PIECE);
        comm_piece_bytes = whole;
        calls = 0;
        long_ones[i].run();
        CHECK_TRUE(calls <= 1);
    }
}

/// Of few values and then of more: other orders would have other bits.
static void sums(void)
{
    for (int count = 1; count <= 40; count += 13) {
        double values[40], expected[40] = { 0 };
        for (int i = 0; i < count; i++) {
            for (int rank = 0; rank < world.size; rank++) expected[i] += 1 / (1.0 + rank + 7 * i);
            values[i] = 1 / (1.0 + world.rank + 7 * i);
        }
        comm_sum_doubles(&world, values, count);
        for (int i = 0; i < count; i++) CHECK_TRUE(values[i] == expected[i]);
    }
}

static const Case cases[] = {
    { "sums", sums },
    { "gathers from ranks without any", gathers_from_ranks_without_any },
    { "gathers in place", gathers_in_place },
    { "cuts what is long", cuts_what_is_long },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return 1;
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
