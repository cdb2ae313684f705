#include "store/yaml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Settings settings = { 0 };
    yaml_parse(&settings, (const char *)data, bytes, "fuzz");
    settings_release(&settings);
    return 0;
}
