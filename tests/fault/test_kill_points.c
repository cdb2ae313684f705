/* TEST labels=store timeout=120 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/tensors.h"
#include "support/check.h"
#include "support/folder.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ELEMENTS = 5 << 20, TRIALS = 20 };

static Status write_file(const char *path, float mark)
{
    Comm self = comm_self();
    float *data = MEM_NEW(float, ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++) data[i] = mark;
    const TensorPart part = {
        .path = "model/w", .rank = 1, .dims = { ELEMENTS }, .count = ELEMENTS, .data = data
    };
    Status status = tensors_write(&self, path, "model", NULL, 0, &part, 1);
    mem_free(data);
    return status;
}

/// The number that every element of a sound file has; -1 if the file is not sound.
static float mark_of(const char *path)
{
    TensorFile *file;
    float *data = MEM_NEW(float, ELEMENTS), mark = -1;
    if (tensors_open(&file, path, "model") == OK &&
        tensors_read(file, tensors_at(file, 0), 0, ELEMENTS, data) == OK) {
        mark = data[0];
        for (int i = 0; i < ELEMENTS; i++)
            if (data[i] != mark) mark = -1;
    }
    tensors_close(file);
    mem_free(data);
    return mark;
}

/// Writes in a process of its own that dies at the fault point, or after `delay_us` of writing file
/// after file with growing marks. Returns the signal that ended it, 0 if none did.
static int write_and_die(const char *path, float mark, const char *fault, useconds_t delay_us)
{
    int result = 0;
    pid_t child = fork();
    if (child == 0) {
        if (fault) setenv("TEMPER_FAULT", fault, 1);
        do {
            if (write_file(path, mark++) != OK) _exit(1);
        } while (delay_us);
        _exit(0);
    }
    if (delay_us) {
        usleep(delay_us);
        kill(child, SIGKILL);
    }
    waitpid(child, &result, 0);
    return WIFSIGNALED(result) ? WTERMSIG(result) : 0;
}

static void death_leaves_the_old_file_or_the_new(void)
{
    static const struct {
        const char *point;
        bool renamed;
    } points[] = { { "kill-after-create", false },  { "kill-payload", false },
                   { "kill-payload:0:3", false },   { "kill-after-close", false },
                   { "kill-before-rename", false }, { "kill-after-rename", true } };
    const char *path = folder_path("x.h5");
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        CHECK_EQ(write_file(path, 1), OK);
        CHECK_EQ(write_and_die(path, 2, points[i].point, 0), SIGKILL);
        CHECK_TRUE(mark_of(path) == (points[i].renamed ? 2 : 1));
        CHECK_EQ(folder_count("partial"), !points[i].renamed); // under its own name, never read
        CHECK_EQ(write_and_die(path, 3, NULL, 0), 0);          // the control, who clears up
        CHECK_TRUE(mark_of(path) == 3);
        CHECK_EQ(folder_count("partial"), 0);
    }
}

static void death_at_any_time_leaves_a_whole_file(void)
{
    const char *path = folder_path("y.h5");
    float newest = 1;
    double start_s = clock_now_s();
    CHECK_EQ(write_file(path, newest), OK);
    int partials = 0;
    double range_us = 3e6 * (clock_now_s() - start_s); // death comes in the first to third write
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        useconds_t delay_us = 1000 + (useconds_t)(range_us * (trial * 7 % TRIALS) / TRIALS);
        CHECK_EQ(write_and_die(path, newest + 1, NULL, delay_us), SIGKILL);
        float found = mark_of(path);
        CHECK_TRUE(found >= newest);
        newest = found;
        partials += folder_count("y.h5.partial");
    }
    CHECK_TRUE(partials > 0); // some died before the end
    CHECK_EQ(write_and_die(path, newest + 1, NULL, (useconds_t)(5 * range_us)), SIGKILL);
    CHECK_TRUE(mark_of(path) > newest); // the control: who lives long enough commits
}

static void frees_all_blocks(void)
{
    Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "death leaves the old file or the new", death_leaves_the_old_file_or_the_new },
    { "death at any time leaves a whole file", death_at_any_time_leaves_a_whole_file },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    Comm self = comm_self();
    folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
