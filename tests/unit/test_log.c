/* TEST labels=base timeout=60 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/check.h"

#include <stdlib.h>
#include <unistd.h>

static double now_s;

/// The clock of this program, in place of the library's.
double clock_now_s(void)
{
    return now_s;
}

void clock_utc(char out[21])
{
    memset(out, 0, 21);
}

/// In a batch log a line of progress is printed at most every 30 s, but for the last.
static void progress_keeps_its_pace(void)
{
    static const struct {
        double at_s;
        bool force;
    } calls[] = { { 100, false },   { 100.1, false }, { 129.9, false }, { 130, false },
                  { 159.9, false }, { 159.95, true }, { 160.1, false }, { 189.9, false },
                  { 190, false },   { 230, false } };
    char path[] = "/tmp/temper-log-XXXXXX", *text = NULL;
    int file = mkstemp(path);
    FILE *copy = fdopen(file, "w");
    log_copy_to(copy);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        now_s = calls[i].at_s;
        log_progress(calls[i].force, "at %g", now_s);
    }
    log_copy_to(NULL);
    fclose(copy);
    CHECK_EQ(text_read_file(&text, NULL, path), OK);
    CHECK_TEXT(text, "at 100\nat 130\nat 159.95\nat 190\nat 230\n");
    mem_free(text);
    unlink(path);
}

static void other_ranks_are_silent(void)
{
    char path[] = "/tmp/temper-log-XXXXXX", *text = NULL;
    int file = mkstemp(path);
    FILE *copy = fdopen(file, "w");
    log_copy_to(copy);
    log_start(1);
    log_info("one");
    log_warn("two");
    log_progress(true, "three");
    log_error("four");
    log_start(0);
    log_copy_to(NULL);
    fclose(copy);
    CHECK_EQ(text_read_file(&text, NULL, path), OK);
    CHECK_TEXT(text, "temper: four\n");
    mem_free(text);
    unlink(path);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "progress keeps its pace", progress_keeps_its_pace },
    { "other ranks are silent", other_ranks_are_silent },
};

int main(int argc, char **argv)
{
    setenv("TERM", "dumb", 1); // a batch log, wherever this runs
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
