/* TEST labels=frame timeout=60 */
#include "base/spool.h"
#include "base/mem.h"
#include "support/check.h"
#include "support/folder.h"

#include <dirent.h>
#include <stdlib.h>

static const char *folder;

static unsigned char byte_at(int64_t i)
{
    return (unsigned char)((i * 2654435761) >> 13);
}

/// Appends `bytes` in pieces of `piece`; the spool reads back as they were.
static Status fill(Spool *spool, int64_t bytes, int64_t piece)
{
    Status status = OK;
    unsigned char *data = MEM_NEW(unsigned char, piece);
    for (int64_t at = 0; at < bytes && status == OK; at += piece) {
        int64_t count = bytes - at < piece ? bytes - at : piece;
        for (int64_t i = 0; i < count; i++) data[i] = byte_at(at + i);
        status = spool_append(spool, data, (size_t)count);
    }
    mem_free(data);
    return status == OK ? spool_finish(spool) : status;
}

static void check_contents(const Spool *spool, int64_t bytes)
{
    const unsigned char *data = spool->data;
    int64_t wrong = 0;
    CHECK_EQ(spool->bytes, bytes);
    for (int64_t i = 0; i < bytes; i++) wrong += data[i] != byte_at(i);
    CHECK_EQ(wrong, 0);
}

/// Entries of the folder, hidden ones too.
static int entries(void)
{
    DIR *stream = opendir(folder);
    int count = -2; // . and ..
    while (stream && readdir(stream)) count++;
    if (stream) closedir(stream);
    return count;
}

static void reads_back_what_was_appended(void)
{
    const int64_t edge = SPOOL_BUFFER_BYTES;
    const int64_t sizes[] = { 0, 1, 255, 257, edge - 1, edge, edge + 1, 5 * edge, 7 * edge + 3 };
    const int64_t pieces[] = { 1, 4, 1000, 3 * edge + 1 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
            Spool on_disk = { .folder = folder }, in_memory = { 0 };
            CHECK_EQ(fill(&on_disk, sizes[i], pieces[k]), OK);
            CHECK_EQ(fill(&in_memory, sizes[i], pieces[k]), OK);
            CHECK_EQ(on_disk.path != NULL, sizes[i] > edge);
            CHECK_TRUE(!on_disk.path || !on_disk.buffer);
            CHECK_TRUE(!in_memory.path);
            CHECK_EQ(entries(), 0); // the scratch file has no name
            check_contents(&on_disk, sizes[i]);
            check_contents(&in_memory, sizes[i]);
            spool_release(&on_disk);
            spool_release(&in_memory);
        }
    }
}

static void folders_are_made_when_needed(void)
{
    char deep[600];
    snprintf(deep, sizeof deep, "%s/a/b", folder);
    Spool spool = { .folder = deep };
    CHECK_EQ(fill(&spool, SPOOL_BUFFER_BYTES, 4096), OK);
    CHECK_EQ(entries(), 0);
    spool_release(&spool);
    spool.folder = deep;
    CHECK_EQ(fill(&spool, SPOOL_BUFFER_BYTES + 1, 4096), OK);
    CHECK_EQ(entries(), 1);
    spool_release(&spool);
    remove(deep);
    *strrchr(deep, '/') = '\0';
    remove(deep);
}

static void failures_name_the_place(void)
{
    Spool spool = { .folder = "/proc/none" };
    CHECK_EQ(fill(&spool, SPOOL_BUFFER_BYTES, 4096), OK);
    spool_release(&spool);
    spool.folder = "/proc/none";
    CHECK_EQ(fill(&spool, SPOOL_BUFFER_BYTES + 1, 4096), USAGE);
    CHECK_TRUE(strstr(status_message(), "/proc/none"));
    spool_release(&spool);
    setenv("TEMPER_FAULT", "map", 1);
    spool.folder = folder;
    CHECK_EQ(fill(&spool, SPOOL_BUFFER_BYTES + 1, 4096), FAILED);
    unsetenv("TEMPER_FAULT");
    CHECK_TRUE(strstr(status_message(), "cannot be mapped") && strstr(status_message(), folder));
    spool_release(&spool);
    CHECK_EQ(entries(), 0);
}

static void frees_all_blocks(void)
{
    const Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "reads back what was appended", reads_back_what_was_appended },
    { "folders are made when needed", folders_are_made_when_needed },
    { "failures name the place", failures_name_the_place },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    const Comm self = comm_self();
    folder = folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
