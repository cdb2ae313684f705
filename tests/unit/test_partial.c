/* TEST labels=base timeout=20 */
#include "base/mem.h"
#include "base/partial.h"
#include "base/text.h"
#include "support/check.h"
#include "support/folder.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES = 400, RANDOM = 8 };

/// The random part of a partial file's name, which goes away.
static void take_name(char out[RANDOM + 1], const char *target)
{
    char *path = NULL;
    int file = -1;
    CHECK_EQ(partial_create(&file, &path, target), OK);
    CHECK_EQ(strncmp(path, target, strlen(target)), 0);
    const char *last = strrchr(path, '-');
    CHECK_EQ(strlen(last + 1), RANDOM);
    strcpy(out, last + 1);
    CHECK_EQ(close(file), 0);
    CHECK_EQ(unlink(path), 0);
    mem_free(path);
}

static void nobody_knows_the_name(void)
{
    static char names[NAMES][RANDOM + 1];
    const char *target = folder_path("target");
    for (int i = 0; i < NAMES; i++) take_name(names[i], target);
    for (int i = 0; i < NAMES; i++)
        for (int k = 0; k < i; k++) CHECK_TRUE(strcmp(names[i], names[k]));
    // every place takes most of 32 letters
    for (int place = 0; place < RANDOM; place++) {
        char seen[NAMES + 1] = "";
        for (int i = 0; i < NAMES; i++)
            if (!strchr(seen, names[i][place])) strncat(seen, &names[i][place], 1);
        CHECK_TRUE(strlen(seen) >= 28);
    }
}

/// A process that made a partial file and stays, until it is killed.
static pid_t begin_writer(const char *target)
{
    int ready[2];
    char byte = 0;
    CHECK_EQ(pipe(ready), 0);
    pid_t process = fork();
    if (process == 0) {
        char *path;
        int file;
        if (partial_create(&file, &path, target) != OK || write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return process;
}

static void end_writer(pid_t process)
{
    CHECK_EQ(kill(process, SIGKILL), 0);
    CHECK_EQ(waitpid(process, NULL, 0), process);
}

static void the_dead_leave_nothing(void)
{
    const char *target = folder_path("state.json"), *other = folder_path("state");
    const char *far = folder_path("state.json.partial-00000000-1-aaaaaaaa");
    const char *mine = folder_path("state.json.partial-notes");
    CHECK_EQ(text_write_file(far, "x", 1), OK);
    CHECK_EQ(text_write_file(mine, "x", 1), OK);
    pid_t living = begin_writer(target), dead = begin_writer(target), aside = begin_writer(other);
    end_writer(dead);
    end_writer(aside);
    CHECK_EQ(folder_count("state.json.partial-"), 4);
    CHECK_EQ(text_write_file(target, "x", 1), OK);
    // the living one's, and those of whom nobody here knows; of other targets too
    CHECK_EQ(folder_count("state.json.partial-"), 3);
    CHECK_EQ(folder_count("state.partial-"), 1);
    CHECK_TRUE(!access(far, F_OK) && !access(mine, F_OK));
    end_writer(living);
    CHECK_EQ(text_write_file(target, "x", 1), OK);
    CHECK_EQ(folder_count("state.json.partial-"), 2);
    CHECK_EQ(text_write_file(other, "x", 1), OK);
    CHECK_EQ(folder_count("state.partial-"), 0);
}

static const Case cases[] = { { "nobody knows the name", nobody_knows_the_name },
                              { "the dead leave nothing", the_dead_leave_nothing } };

int main(int argc, char **argv)
{
    const Comm self = comm_self();
    folder_make(&self);
    int code = check_main(argc, argv, cases, 2);
    folder_remove(&self);
    return code;
}
