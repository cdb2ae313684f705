/// Stands in for libFuzzer: feeds every file of the folders on the command line to the target, so
/// that what the fuzzers once found stays found.
#include "base/mem.h"
#include "support/check.h"

#include <dirent.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t bytes = 0, capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    for (size_t got; data && (got = fread(data + bytes, 1, capacity - bytes, file)) > 0;) {
        bytes += got;
        if (bytes == capacity) data = realloc(data, capacity *= 2);
    }
    fclose(file);
    if (!data) abort();
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return 1;
}

static int replay_folder(const char *folder)
{
    char path[4096];
    int count = 0;
    DIR *entries = opendir(folder);
    if (!entries) return 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count += replay_file(path);
    }
    closedir(entries);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    int64_t kept = mem_live_blocks(); // what a target makes once
    for (int i = 1; i < argc; i++) count += replay_folder(argv[i]);
    long long leaked = mem_live_blocks() - kept;
    printf("%d inputs replayed, %lld blocks leaked\n", count, leaked);
    return count && !leaked ? EXIT_SUCCESS : EXIT_FAILURE;
}
