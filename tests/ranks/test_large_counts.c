/* TEST labels=long,memory,comm,store ranks=2 timeout=900 */
// More bytes and elements than an int counts, through the wrappers of MPI and the store: 9 GB of
// memory on both ranks together, 2 GB of disk. The same of small pieces: test_comm.c.
#include "base/mem.h"
#include "store/tensors.h"
#include "support/check.h"
#include "support/counts.h"
#include "support/folder.h"

#include <limits.h>

static Comm world;
static const int64_t INT_BYTES = (int64_t)INT_MAX + 1, TAIL_BYTES = 4099;
static const int64_t NEEDED_BYTES = 10000000000;

static int64_t available_bytes(void)
{
    char line[128];
    long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "MemAvailable: %lld kB", &kib);
    if (file) fclose(file);
    return 1024 * (int64_t)kib;
}

static void wrappers_carry_them(void)
{
    const Case *cases = counts_cases(&world, (size_t)(INT_BYTES + TAIL_BYTES));
    for (int i = 0; i < COUNTS_CASES; i++) cases[i].run();
}

/// Rank 0 has more elements than an int counts, the last rank the others.
static Status write_large(const char *path)
{
    int64_t elements = INT_BYTES + 2 * TAIL_BYTES, first = 0, count = INT_BYTES + TAIL_BYTES;
    if (world.rank) {
        first = count;
        count = world.rank == world.size - 1 ? elements - count : 0;
    }
    char *data = MEM_NEW(char, count);
    bytes_of_rank(data, 0, (size_t)first, (size_t)count);
    TensorPart part = { .path = "model/bytes", .type = ELEMENT_U8, .rank = 1 };
    part.dims[0] = elements;
    part.first = first;
    part.count = count;
    part.data = data;
    Status status = tensors_write(&world, path, "model", NULL, 0, &part, 1);
    mem_free(data);
    return status;
}

/// All of it in one call, on all ranks at once.
static Status read_large(const char *path, bool *equal)
{
    TensorFile *file;
    size_t count = (size_t)(INT_BYTES + 2 * TAIL_BYTES);
    Status status = tensors_open(&file, path, "model");
    char *data = MEM_NEW(char, count);
    if (status == OK)
        status = tensors_read(file, tensors_find(file, "model/bytes"), 0, (int64_t)count, data);
    *equal = status == OK && is_bytes_of_rank(data, 0, 0, count);
    mem_free(data);
    tensors_close(file);
    return status;
}

/// One bit of the tensor's last bytes; the tensor is the first of the file.
static void damage(const char *path)
{
    const int64_t at = (64 << 10) + INT_BYTES + 17;
    char byte, expected;
    bytes_of_rank(&expected, 0, (size_t)INT_BYTES + 17, 1);
    FILE *stream = fopen(path, "r+b");
    fseek(stream, at, SEEK_SET);
    byte = (char)fgetc(stream);
    CHECK_EQ(byte, expected);
    fseek(stream, at, SEEK_SET);
    fputc(byte ^ 1, stream);
    fclose(stream);
}

static void files_hold_them(void)
{
    const char *path = folder_path("large.h5");
    bool equal;
    CHECK_EQ(write_large(path), OK);
    CHECK_EQ(read_large(path, &equal), OK);
    CHECK_TRUE(equal);
    comm_barrier(&world);
    if (world.rank == 0) damage(path);
    comm_barrier(&world);
    CHECK_EQ(read_large(path, &equal), FAILED);
    CHECK_TRUE(strstr(status_message(), "model/bytes is damaged in block"));
}

static void frees_all_blocks(void)
{
    folder_remove(&world);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "wrappers carry them", wrappers_carry_them },
    { "files hold them", files_hold_them },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    CHECK(comm_start(&world) == OK, "%s", status_message());
    folder_make(&world);
    int64_t lacks = available_bytes() < NEEDED_BYTES;
    comm_max_int64(&world, &lacks, 1);
    if (lacks) {
        if (world.rank == 0)
            fputs("SKIPPED test_large_counts: 10 GB of memory are needed\n", stderr);
        folder_remove(&world);
        comm_stop(&world);
        return 77;
    }
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
