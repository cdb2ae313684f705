#include "base/mem.h"
#include "base/text.h"
#include "store/safetensors.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// The index of a folder with the shards `a` and `b`: nothing beside them is ever opened.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char shard[] =
        "{\"x\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}";
    static const char *const names[] = { "a", "b", "model.safetensors.index.json" };
    static char folder[128], paths[3][192];
    char file[8 + sizeof shard - 1 + 4] = { (char)(sizeof shard - 1) };
    Safetensors *out;
    const char *scratch = scratch_file(data, bytes);
    snprintf(folder, sizeof folder, "%s.model", scratch);
    mkdir(folder, 0700);
    memcpy(file + 8, shard, sizeof shard - 1);
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
        if (i == 1) file[8 + 2] = 'y';
        if (i < 2)
            CHECK(text_write_file(paths[i], file, sizeof file) == OK, "%s", status_message());
        else
            CHECK(!symlink(scratch, paths[i]) || !access(paths[i], F_OK), "no %s", paths[i]);
    }
    Status status = safetensors_open(&out, folder);
    for (int i = 0; status == OK && i < safetensors_file_count(out); i++) {
        const char *path = safetensors_file_path(out, i);
        CHECK(!strcmp(path, paths[0]) || !strcmp(path, paths[1]), "%s was opened", path);
    }
    safetensors_close(out);
    for (int i = 0; i < 3; i++) unlink(paths[i]);
    rmdir(folder);
    return 0;
}
