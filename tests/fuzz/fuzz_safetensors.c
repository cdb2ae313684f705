#include "base/mem.h"
#include "store/safetensors.h"
#include "support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// Whatever opens can be read to its last element.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Safetensors *file;
    Status opened = safetensors_open(&file, scratch_file(data, bytes));
    for (int i = 0; opened == OK && i < safetensors_count(file); i++) {
        const SafetensorsInfo *info = safetensors_at(file, i);
        CHECK(safetensors_bytes(info) <= (int64_t)bytes, "%s is too large", info->name);
        CHECK(info->elements <= (int64_t)bytes * 8, "%s is too long", info->name);
        float *out = MEM_NEW(float, info->elements);
        safetensors_read(out, file, info, 0, info->elements);
        safetensors_read(out, file, info, info->elements, 1);
        mem_free(out);
    }
    safetensors_close(file);
    return 0;
}
