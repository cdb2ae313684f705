/* TEST labels=cli timeout=20 */
#include "train/threads.h"
#include "support/check.h"

/// A rank on node `node` with the CPUs [first, last].
static Placement place(int64_t node, size_t first, size_t last)
{
    Placement out = { .node = node };
    for (size_t cpu = first; cpu <= last; cpu++) CPU_SET(cpu, &out.cpus);
    return out;
}

static void own_masks(void)
{
    const Placement all[] = { place(1, 0, 7), place(1, 8, 9), place(2, 0, 7), place(2, 8, 8) };
    const int expected[] = { 8, 2, 8, 1 };
    for (int rank = 0; rank < 4; rank++) CHECK_EQ(placements_threads(all, 4, rank), expected[rank]);
}

static void shared_mask(void)
{
    Placement all[7];
    for (int ranks = 1; ranks <= 7; ranks++) {
        for (int i = 0; i < ranks; i++) all[i] = place(1, 0, 5);
        for (int i = 0; i < ranks; i++)
            CHECK_EQ(placements_threads(all, ranks, i), ranks <= 6 ? 6 / ranks : 1);
    }
}

static void overlapping_masks(void)
{
    // 4 CPUs alone and 4 with another rank: 4 + 4 / 2
    const Placement all[] = { place(1, 0, 7), place(1, 4, 11), place(2, 0, 11) };
    CHECK_EQ(placements_threads(all, 3, 0), 6);
    CHECK_EQ(placements_threads(all, 3, 1), 6);
    CHECK_EQ(placements_threads(all, 3, 2), 12);
}

static void describes(const char *facts, const char *trouble, const Placement *all,
                      const int64_t *threads, int count)
{
    Text out = { 0 }, wrong = { 0 };
    placements_describe(&out, &wrong, all, threads, count);
    CHECK_TEXT(text_chars(&out), facts);
    if (*trouble)
        CHECK_TRUE(strstr(text_chars(&wrong), trouble));
    else
        CHECK_TEXT(text_chars(&wrong), "");
    text_release(&out);
    text_release(&wrong);
}

static void tells_what_is_wrong(void)
{
    const Placement own[] = { place(1, 0, 3), place(1, 4, 7), place(2, 0, 3), place(2, 4, 7) };
    const Placement uneven[] = { place(1, 0, 3), place(1, 4, 6), place(2, 0, 7) };
    const Placement shared[] = { place(1, 0, 3), place(2, 4, 7), place(2, 7, 8) };
    describes("nodes 2, ranks on each 2, CPUs of a rank 4, threads of a rank 4", "", own,
              (int64_t[]){ 4, 4, 4, 4 }, 4);
    describes("nodes 2, ranks on each 1 to 2, CPUs of a rank 3 to 8, threads of a rank 3", "",
              uneven, (int64_t[]){ 3, 3, 3 }, 3);
    describes("nodes 2, ranks on each 1 to 2, CPUs of a rank 3 to 8, threads of a rank 3 to 4",
              "rank 1 has 4 threads but may use 3 of the CPUs of ", uneven, (int64_t[]){ 4, 4, 3 },
              3);
    describes("nodes 2, ranks on each 1 to 2, CPUs of a rank 2 to 4, threads of a rank 2",
              "ranks 1 and 2 have CPUs of ", shared, (int64_t[]){ 2, 2, 2 }, 3);
}

static const Case cases[] = { { "own_masks", own_masks },
                              { "shared_mask", shared_mask },
                              { "overlapping_masks", overlapping_masks },
                              { "tells what is wrong", tells_what_is_wrong } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
