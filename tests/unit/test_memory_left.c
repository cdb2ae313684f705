/* TEST labels=base,memory timeout=20 */
#include "base/file.h"
#include "base/memory_left.h"
#include "support/check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/temper-memory-XXXXXX";
static const double MB = 1 << 20;

static void put(const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", root, path);
    *strrchr(name, '/') = '\0';
    CHECK_EQ(file_make_folders(name), OK);
    name[strlen(name)] = '/';
    FILE *file = fopen(name, "w");
    CHECK_TRUE(file != NULL);
    if (!file) return;
    fputs(text, file);
    fclose(file);
}

/// A group's numbers in MB; limit 0: none, `cache` is half of it active.
static void put_group(const char *folder, int version, int limit, int used, int cache)
{
    static const char *const names[][2] = { { "memory.limit_in_bytes", "memory.usage_in_bytes" },
                                            { "memory.max", "memory.current" } };
    static const char *const none[] = { "9223372036854771712", "max" };
    char path[256], text[256], number[32];
    const char *prefix = version == 1 ? "total_" : "";
    snprintf(number, sizeof number, "%lld", (long long)limit << 20);
    snprintf(path, sizeof path, "sys/fs/cgroup/%s/%s", folder, names[version - 1][0]);
    put(path, limit ? number : none[version - 1]);
    snprintf(path, sizeof path, "sys/fs/cgroup/%s/%s", folder, names[version - 1][1]);
    snprintf(number, sizeof number, "%lld\n", (long long)used << 20);
    put(path, number);
    snprintf(path, sizeof path, "sys/fs/cgroup/%s/memory.stat", folder);
    // of version 1 the group's own numbers, without those below it, count for nothing
    snprintf(text, sizeof text,
             "anon 1\ninactive_file %lld\n%sinactive_file %lld\n%sactive_file %lld\n",
             version == 1 ? 0LL : (long long)cache << 19, prefix, (long long)cache << 19, prefix,
             (long long)cache << 19);
    put(path, text);
}

static const char plain[] = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
static const char v1[] =
    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
static const char v2[] = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

/// What is left, in MB, by these two files.
static double left(const char *groups, const char *mounts)
{
    put("proc/self/cgroup", groups);
    put("proc/self/mountinfo", mounts);
    return memory_left_below(root, 0) / MB;
}

static void the_node_alone(void)
{
    CHECK_TRUE(mkdtemp(root) != NULL);
    CHECK_NEAR(memory_left_below(root, 0), 0, 0);
    put("proc/meminfo", "MemTotal:       99999999 kB\nMemAvailable:    8192000 kB\n");
    CHECK_NEAR(memory_left_below(root, 0), 8192000.0 * 1024, 0);
    CHECK_NEAR(left("0::/\n", plain), 8000, 0);
    CHECK_NEAR(left("nonsense\n", "nonsense - \n - cgroup2 x\n"), 8000, 0);
}

static void version_1(void)
{
    put_group("memory", 1, 0, 9000, 0);
    put_group("memory/slurm", 1, 0, 8000, 0);
    put_group("memory/slurm/job_5", 1, 1000, 700, 500);
    put_group("memory/slurm/job_5/step_0", 1, 900, 100, 0);
    CHECK_NEAR(left("4:memory:/\n0::/slurm/job_5\n", v1), 8000, 0);
    CHECK_NEAR(left("4:memory:/slurm\n", v1), 8000, 0);
    CHECK_NEAR(left("9:pids:/x\n4:cpu,memory:/slurm/job_5\n", v1), 800, 0);
    CHECK_NEAR(left("4:memory:/slurm/job_5/step_0\n", v1), 800, 0); // of both the least
    put_group("memory/slurm/job_5/step_0", 1, 400, 100, 0);
    CHECK_NEAR(left("4:memory:/slurm/job_5/step_0\n", v1), 300, 0);
    CHECK_NEAR(left("4:memory:/slurm/job_5/step_0/gone\n", v1), 300, 0);
    CHECK_NEAR(left("4:memoryless:/slurm/job_5\n", v1), 8000, 0);
}

static void version_2(void)
{
    put_group("user.slice", 2, 2000, 500, 300);
    put_group("user.slice/app", 2, 0, 400, 0);
    put_group("user.slice/app/job", 2, 3000, 100, 0);
    CHECK_NEAR(left("0::/user.slice/app/job\n", v2), 1800, 0);
    CHECK_NEAR(left("0::/user.slice/app\n", v2), 1800, 0);
    CHECK_NEAR(left("0::/user.slice/app/job\n", plain), 8000, 0); // not mounted
    put_group("user.slice", 2, 2000, 2100, 0);
    CHECK_NEAR(left("0::/user.slice\n", v2) * MB, 1, 0); // nothing, which is not unknown
    put_group("user.slice", 2, 2000, 500, 300);
}

/// Memory by version 1, and version 2 mounted without it.
static void hybrid(void)
{
    char mounts[1024];
    snprintf(mounts, sizeof mounts, "%s%s%s", plain, v1,
             "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/unified/slurm/job_5/cgroup.procs", "");
    CHECK_NEAR(left("4:memory:/slurm/job_5/step_0\n0::/slurm/job_5\n", mounts), 300, 0);
}

/// A container's mount shows its own groups, and may be named as the host does.
static void name_spaces(void)
{
    static const char bound[] = "31 23 0:28 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    put_group("", 2, 1500, 1000, 700); // the container's own, at the top of its mount
    put_group("inner", 2, 1300, 100, 0);
    CHECK_NEAR(left("0::/\n", v2), 1200, 0);
    CHECK_NEAR(left("0::/inner\n", v2), 1200, 0);
    put_group("inner", 2, 600, 100, 0);
    CHECK_NEAR(left("0::/inner\n", v2), 500, 0);
    CHECK_NEAR(left("0::/docker/ab\n", v2), 1200, 0);
    CHECK_NEAR(left("0::/docker/ab\n", bound), 1200, 0);
    CHECK_NEAR(left("0::/docker/ab/inner\n", bound), 500, 0);
    CHECK_NEAR(left("0::/docker/abc/inner\n", bound), 1200, 0);
    CHECK_NEAR(left("0::/../..\n", v2), 1200, 0);
    CHECK_NEAR(left("0::/../other/inner\n", v2), 1200, 0);
    CHECK_NEAR(left("0::/\n", "31 23 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), 1200,
               0);
}

/// The kernel's count of page cache comes late.
static void late_count(void)
{
    put_group("user.slice", 2, 2000, 1900, 100);
    CHECK_NEAR(left("0::/user.slice\n", v2), 200, 0);
    CHECK_NEAR(memory_left_below(root, 1e15) / MB, 200, 0); // nor has the node so much: at once
    pid_t kernel = fork();
    if (!kernel) {
        usleep(600000);
        put("sys/fs/cgroup/user.slice/memory.stat", "inactive_file 1048576000\n");
        _exit(0);
    }
    CHECK_NEAR(memory_left_below(root, 1000 * MB) / MB, 1100, 0);
    CHECK_EQ(waitpid(kernel, NULL, 0), kernel);
}

static void clear_up(void)
{
    CHECK_EQ(file_remove_folder(root), OK);
}

int main(int argc, char **argv)
{
    static const Case cases[] = { { "the_node_alone", the_node_alone },
                                  { "version_1", version_1 },
                                  { "version_2", version_2 },
                                  { "hybrid", hybrid },
                                  { "name_spaces", name_spaces },
                                  { "late_count", late_count },
                                  { "clear_up", clear_up } };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
