/* TEST labels=train timeout=20 */
#include "base/clock.h"
#include "comm/comm.h"
#include "support/check.h"
#include "support/folder.h"
#include "train/deadline.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static Recipe recipe;

static void set_job_end(double in_s)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)time(NULL) + (long long)in_s);
    setenv("SLURM_JOB_END_TIME", text, 1);
}

/// A step in hand, one more to come.
static Deadline start(double max_seconds, double checkpoint_bytes)
{
    Deadline d;
    recipe = (Recipe){ .train.max_seconds = max_seconds };
    strcpy(recipe.output.folder, folder_path("."));
    deadline_start(&d, &recipe, checkpoint_bytes, 2, 6);
    deadline_plan(&d, true, 0, 1);
    return d;
}

static void reserves_what_was_measured(void)
{
    Deadline d = start(0, 1e9); // 5 s at 200 MB/s, twice
    double now_s = d.turn_s;
    CHECK_NEAR(deadline_reserve_s(&d, now_s), 10 + 1, 1e-9);
    CHECK_NEAR(deadline_reserve_s(&d, now_s + 4), 4 + 10 + 1, 1e-9); // the step in hand counts
    deadline_spent(&d, WORK_STEP, 6);
    deadline_spent(&d, WORK_STEP, 5);
    CHECK_NEAR(deadline_reserve_s(&d, now_s), 6 + 10 + 1, 1e-9);
    deadline_spent(&d, WORK_SAVE, 2);
    deadline_spent(&d, WORK_SAVE, 3);
    CHECK_NEAR(deadline_reserve_s(&d, now_s), 6 + 3 + 1, 1e-9);
    deadline_plan(&d, true, 2, 2);
    now_s = d.turn_s;
    CHECK_NEAR(deadline_reserve_s(&d, now_s), 6 + 2 * 12 + 2 * 3 + 1, 1e-9);
    deadline_spent(&d, WORK_EVALUATION, 0.5);
    CHECK_NEAR(deadline_reserve_s(&d, now_s), 6 + 2 * 0.5 + 2 * 3 + 1, 1e-9);
}

static void keeps_time_for_the_end(void)
{
    Deadline d = start(1000, 0);
    deadline_spent(&d, WORK_STEP, 5);
    deadline_finish(&d);
    CHECK_NEAR(deadline_reserve_s(&d, d.turn_s), 6 * 5 + 1, 1e-9);
    deadline_spent(&d, WORK_EVALUATION, 4); // of 2 of the 6 steps
    deadline_finish(&d);
    CHECK_NEAR(deadline_reserve_s(&d, d.turn_s), 3 * 4 + 1, 1e-9);
    CHECK_NEAR(deadline_reserve_s(&d, d.turn_s + 10), 3 * 4 - 10 + 1, 1e-9);
    CHECK_NEAR(deadline_reserve_s(&d, d.turn_s + 20), 1, 1e-9);
    CHECK_TRUE(!deadline_reached(&d));
    deadline_spent(&d, WORK_EVALUATION, 400);
    deadline_finish(&d);
    CHECK_TRUE(deadline_reached(&d));
    CHECK_EQ(d.reason, STOP_MAX_SECONDS);
    // a step that takes four times the rows
    d = start(1000, 0);
    deadline_step_rows(&d, 4);
    CHECK_NEAR(d.evaluation_steps, 0.5, 1e-9);
    deadline_spent(&d, WORK_STEP, 5);
    deadline_finish(&d);
    CHECK_NEAR(deadline_reserve_s(&d, d.turn_s), 1.5 * 5 + 1, 1e-9);
    // where nothing is watched
    deadline_init(&d);
    deadline_spent(&d, WORK_EVALUATION, 4);
    deadline_finish(&d);
    CHECK_TRUE(d.finish_s == 0);
    // a life that has nothing else to do
    d = start(0.001, 0);
    deadline_finish(&d);
    CHECK_TRUE(!deadline_reached(&d));
}

static void leaves_an_evaluation(void)
{
    Deadline d = start(clock_age_s() + 10, 0);
    deadline_plan(&d, true, 1, 2);
    deadline_spent(&d, WORK_EVALUATION, 100); // it may be faster this time
    deadline_spent(&d, WORK_SAVE, 3);
    CHECK_TRUE(deadline_reached(&d));
    CHECK_TRUE(!deadline_presses(&d));
    d.reason = STOP_NONE;
    deadline_evaluated(&d, 1);
    CHECK_TRUE(!deadline_reached(&d));
    deadline_spent(&d, WORK_SAVE, 6);
    CHECK_TRUE(deadline_presses(&d));
    CHECK_EQ(d.reason, STOP_MAX_SECONDS);
    d.reason = STOP_NONE;
    d.owes = true;
    CHECK_TRUE(!deadline_presses(&d));
    // who asks does not want to wait
    d = start(0, 0);
    d.reason = STOP_FILE;
    CHECK_TRUE(deadline_presses(&d));
}

static void keeps_time_for_what_comes_then(void)
{
    set_job_end(60);
    Deadline d = start(0, 1e9); // 10 s for a save
    deadline_plan(&d, false, 0, 1);
    CHECK_TRUE(!deadline_presses(&d));
    d.then_s = 45;
    CHECK_TRUE(deadline_presses(&d));
    CHECK_EQ(d.reason, STOP_JOB_END);
    // the largest save, until one was measured
    d = start(0, 1e9);
    deadline_plan(&d, false, 0, 1);
    deadline_save_bytes(&d, 1e8);
    CHECK_TRUE(!deadline_presses(&d));
    deadline_save_bytes(&d, 5e9);
    CHECK_TRUE(deadline_presses(&d));
    unsetenv("SLURM_JOB_END_TIME");
}

static void ends_before_the_job(void)
{
    set_job_end(60);
    Deadline d = start(0, 0);
    CHECK_TRUE(!deadline_reached(&d));
    deadline_spent(&d, WORK_SAVE, 52);
    CHECK_TRUE(deadline_reached(&d));
    CHECK_EQ(d.reason, STOP_JOB_END);
    // nothing follows that could be stopped
    d = start(0, 0);
    deadline_spent(&d, WORK_SAVE, 52);
    deadline_plan(&d, false, 0, 1);
    CHECK_TRUE(!deadline_reached(&d));
    // what is no time to come
    static const char *const none[] = { "", "0", "-1", "1000", "N/A", "12:00", "1e300" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        setenv("SLURM_JOB_END_TIME", none[i], 1);
        d = start(0, 0);
        CHECK_TRUE(isinf(d.job_end_s));
        CHECK_TRUE(!deadline_reached(&d));
    }
    unsetenv("SLURM_JOB_END_TIME");
}

static void ends_after_max_seconds(void)
{
    Deadline d = start(clock_age_s() + 3, 0);
    CHECK_TRUE(!deadline_reached(&d));
    deadline_spent(&d, WORK_STEP, 2.5);
    CHECK_TRUE(deadline_reached(&d));
    CHECK_EQ(d.reason, STOP_MAX_SECONDS);
}

/// Whether a run stops for what lies there; once more at once it does not look.
static bool stops(void)
{
    Deadline d = start(0, 0);
    bool stop = deadline_reached(&d);
    CHECK_EQ(d.reason, stop ? STOP_FILE : STOP_NONE);
    CHECK_EQ(deadline_obey(&d, 1), STOPPED);
    return stop;
}

static void ends_for_a_file(void)
{
    const char *path = folder_path("STOP");
    CHECK_TRUE(!stops());
    CHECK_EQ(symlink("/dev/null", path), 0);
    CHECK_TRUE(!stops());
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkdir(path, 0777), 0);
    CHECK_TRUE(!stops());
    CHECK_EQ(rmdir(path), 0);
    Deadline d = start(0, 0);
    CHECK_TRUE(!deadline_reached(&d));
    CHECK_EQ(text_write_file(path, "", 0), OK);
    CHECK_TRUE(!deadline_reached(&d));
    CHECK_TRUE(stops());
    CHECK_TRUE(access(path, F_OK));
    CHECK_TRUE(!stops());
}

static const Case cases[] = { { "reserves what was measured", reserves_what_was_measured },
                              { "keeps time for the end", keeps_time_for_the_end },
                              { "leaves an evaluation", leaves_an_evaluation },
                              { "keeps time for what comes then", keeps_time_for_what_comes_then },
                              { "ends before the job", ends_before_the_job },
                              { "ends after max_seconds", ends_after_max_seconds },
                              { "ends for a file", ends_for_a_file } };

int main(int argc, char **argv)
{
    const Comm self = comm_self();
    unsetenv("SLURM_JOB_END_TIME");
    folder_make(&self);
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    folder_remove(&self);
    return code;
}
