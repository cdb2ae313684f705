/* TEST labels=train timeout=20 */
#include "base/pulse.h"
#include "support/check.h"
#include "train/phases.h"
#include "train/stall.h"

enum { RANKS = 4 };
static Pulse board[RANKS];
static Sight sights[RANKS];
static const char hosts[RANKS][HOST_BYTES] = { "a", "a", "b", "b" };

/// Ranks 0 and 1 are here; all wait in step 7.
static Stall start(void)
{
    memset(sights, 0, sizeof sights);
    for (int rank = 0; rank < RANKS; rank++) {
        board[rank].progress = board[rank].beats = 1;
        board[rank].step = 7;
        board[rank].activity = PHASE_REDUCTION;
        board[rank].state = PULSE_WAITS;
    }
    Stall stall = {
        .board = board, .sights = sights, .hosts = hosts[0], .ranks = RANKS, .end = 2, .hang_s = 16
    };
    stall_look(&stall, 1);
    return stall;
}

/// So many seconds, in which the ranks of `living` (a bit each) give signs of life and those of
/// `moving` make progress.
static void pass(Stall *stall, int seconds, unsigned living, unsigned moving)
{
    for (int s = 0; s < seconds; s++) {
        for (int rank = 0; rank < RANKS; rank++) {
            board[rank].beats += living >> rank & 1;
            board[rank].progress += moving >> rank & 1;
        }
        stall_look(stall, 1);
    }
}

static void check_text(const Stall *stall, const char *expected)
{
    char text[1024];
    stall_text(text, sizeof text, stall);
    if (strncmp(text, expected, strlen(expected))) fprintf(stderr, "%s\n", text);
    CHECK_TRUE(!strncmp(text, expected, strlen(expected)));
}

static void a_rank_that_is_busy_is_named(void)
{
    Stall stall = start();
    board[2].state = PULSE_BUSY;
    board[2].activity = PHASE_CHECKPOINT;
    pass(&stall, 15, 0xf, 0);
    CHECK_TRUE(!stall_found(&stall));
    CHECK_TRUE(stall_nears(&stall));
    pass(&stall, 1, 0xf, 0);
    CHECK_TRUE(stall_found(&stall));
    CHECK_EQ(stall_speaker(&stall), 0);
    check_text(&stall, "step 7: no progress for 16 s: rank 2 on b does not get on with checkpoint, "
                       "3 ranks wait for it; ");
    CHECK_TRUE(stall.elapsed_s > 0);
    pass(&stall, 1, 0xf, 4); // the control: it goes on after all
    CHECK_TRUE(!stall_found(&stall));
    CHECK_TRUE(stall.elapsed_s == 0);
}

static void a_rank_that_is_stopped_is_named_though_it_waited(void)
{
    Stall stall = start();
    pass(&stall, 16, 0xe, 0);
    CHECK_TRUE(stall_found(&stall));
    CHECK_EQ(stall_speaker(&stall), 1);
    CHECK_EQ(stall_courier(&stall), 1);
    check_text(&stall, "step 7: no progress for 16 s: rank 0 on a gives no sign of life since "
                       "reduction, 3 ranks wait for it; ");
}

static void who_works_keeps_the_others_waiting(void)
{
    for (unsigned rank = 0; rank < RANKS; rank++) {
        Stall stall = start();
        for (int i = 0; i < 20; i++) {
            pass(&stall, rank < 2 ? 15 : 7, 0xf, 0); // of others the half is known late
            pass(&stall, 1, 0xf, 1u << rank);
            CHECK_TRUE(!stall_found(&stall));
        }
        pass(&stall, 16, 0xf, 0);
        CHECK_TRUE(stall_found(&stall));
    }
}

static void a_library_may_take_its_time(void)
{
    Stall stall = start();
    for (int rank = 0; rank < RANKS; rank++) board[rank].state = PULSE_OPAQUE;
    pass(&stall, 100, 0xf, 0);
    CHECK_TRUE(!stall_found(&stall));
    pass(&stall, 16, 0xd, 0); // unless a rank in it dies
    check_text(&stall, "step 7: no progress for 16 s: rank 1 on a gives no sign of life since "
                       "reduction, 3 ranks wait for it; ");
}

static void a_library_does_not_take_forever(void)
{
    Stall stall = start();
    board[0].state = board[2].state = PULSE_OPAQUE;
    pass(&stall, 16 * STALL_OPAQUE_TIMES - 1, 0xf, 0);
    CHECK_TRUE(!stall_found(&stall));
    pass(&stall, 1, 0xf, 1);
    CHECK_TRUE(!stall_found(&stall));
    pass(&stall, 16 * STALL_OPAQUE_TIMES, 0xf, 0);
    CHECK_TRUE(stall_found(&stall));
    CHECK_EQ(stall_speaker(&stall), 1);
    check_text(&stall, "step 7: no progress for 128 s: rank 0 on a does not get on with reduction, "
                       "rank 2 on b does not get on with reduction, 2 ranks wait for it; ");
}

static void others_are_named_as_far_as_they_are_known(void)
{
    Stall stall = start();
    pass(&stall, 16, 0x3, 0);
    check_text(&stall, "step 7: no progress for 16 s: rank 2 on b gives no sign of life since "
                       "reduction, rank 3 on b gives no sign of life since reduction, 2 ranks "
                       "wait for it; ");
    stall = start();
    pass(&stall, 16, 0xf, 0);
    check_text(&stall,
               "step 7: no progress for 16 s: all ranks wait for each other in reduction; ");
    stall = start();
    board[3].beats = board[2].beats = BEATS_DONE;
    pass(&stall, 16, 0x2, 0);
    check_text(&stall, "step 7: no progress for 16 s: rank 0 on a gives no sign of life since "
                       "reduction, 1 rank waits for it; ");
    char shorter[20];
    stall_text(shorter, sizeof shorter, &stall);
    CHECK_EQ(strlen(shorter), sizeof shorter - 1);
}

static const Case cases[] = {
    { "a rank that is busy is named", a_rank_that_is_busy_is_named },
    { "a rank that is stopped is named", a_rank_that_is_stopped_is_named_though_it_waited },
    { "who works keeps the others waiting", who_works_keeps_the_others_waiting },
    { "a library may take its time", a_library_may_take_its_time },
    { "a library does not take forever", a_library_does_not_take_forever },
    { "others are named as far as they are known", others_are_named_as_far_as_they_are_known },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
