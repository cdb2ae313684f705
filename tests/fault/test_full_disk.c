/* TEST labels=store timeout=120 */
#include "base/mem.h"
#include "base/text.h"
#include "store/tensors.h"
#include "support/check.h"
#include "support/folder.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ELEMENTS = 50000, PAGE_KIB = 4 };

/// A mount namespace of our own, so that small file systems can be mounted and vanish with us.
static bool own_mounts(void)
{
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/// A fresh file system for each trial: deleted files that are still open take space.
static bool mount_disk(const char *folder, int kib)
{
    char options[64];
    snprintf(options, sizeof options, "size=%dk,mode=0777", kib);
    return mount("tmpfs", folder, "tmpfs", 0, options) == 0;
}

static Status write_file(const char *path, float first, int elements)
{
    Comm self = comm_self();
    float *data = MEM_NEW(float, elements);
    data[0] = first;
    const TensorPart part = {
        .path = "model/w", .rank = 1, .dims = { elements }, .count = elements, .data = data
    };
    const Value value = { .name = "notes/long", .text = "a text in a data set" };
    Status status = tensors_write(&self, path, "model", &value, 1, &part, 1);
    mem_free(data);
    return status;
}

static bool holds(const char *path, float first)
{
    TensorFile *file;
    float found = -1;
    if (tensors_open(&file, path, "model") == OK)
        tensors_read(file, tensors_at(file, 0), 0, 1, &found);
    tensors_close(file);
    return found == first;
}

/// Disks from nothing to enough, a page at a time: every write is clean and whole, or fails and
/// leaves the older file. Returns how many failed.
static int try_all_sizes(const char *disk, const char *fault)
{
    int failed = 0, written = 0;
    char path[600];
    snprintf(path, sizeof path, "%s/x.h5", disk);
    for (int kib = PAGE_KIB; written < 3 && kib < 4096; kib += PAGE_KIB) {
        struct stat info;
        CHECK_TRUE(mount_disk(disk, kib));
        Status older = write_file(path, 1, 2);
        if (fault) setenv("TEMPER_FAULT", fault, 1);
        Status status = write_file(path, 2, ELEMENTS);
        unsetenv("TEMPER_FAULT");
        if (status == OK) {
            written++;
            CHECK_TRUE(holds(path, 2));
        } else {
            failed++;
            if (!strstr(status_message(), "No space left"))
                check_failed(__FILE__, __LINE__, "at %d KiB: %s", kib, status_message());
            if (older == OK) CHECK_TRUE(holds(path, 1));
            CHECK_TRUE(older == OK || stat(path, &info));
        }
        CHECK_EQ(folder_count("partial"), 0);
        CHECK_EQ(umount(disk), 0); // fails if a handle was left open
    }
    CHECK_EQ(written, 3); // the control: with room it works
    return failed;
}

static void fails_cleanly_at_every_size(void)
{
    Comm self = comm_self();
    const char *disk = folder_make(&self);
    if (own_mounts() && mount_disk(disk, 64)) {
        CHECK_EQ(umount(disk), 0);
        CHECK_TRUE(try_all_sizes(disk, NULL) > 20);
        CHECK_TRUE(try_all_sizes(disk, "reserve-unsupported:0:0") > 20);
        CHECK_TRUE(try_all_sizes(disk, "reserve-nothing:0:0") > 20); // found when writing
    } else {
        check_skip("no small file system can be mounted here: %s", strerror(errno));
    }
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "fails cleanly at every size", fails_cleanly_at_every_size },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
