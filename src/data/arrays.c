#include "data/arrays.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *path;
    ElementType type;
    bool is_token_sized; ///< else one element a row, and `extra` more
    int64_t extra;
    size_t offset_bytes; ///< of the pointer in Dataset
} arrays[ARRAY_COUNT] = {
    [ARRAY_TOKENS] = { "tokens", ELEMENT_I32, true, 0, offsetof(Dataset, ids) },
    [ARRAY_OFFSETS] = { "offsets", ELEMENT_I64, false, 1, offsetof(Dataset, offsets) },
    [ARRAY_TYPE_STARTS] = { "type_starts", ELEMENT_I32, false, 0, offsetof(Dataset, type_starts) },
    [ARRAY_LABELS] = { "labels", ELEMENT_I32, false, 0, offsetof(Dataset, labels) },
    [ARRAY_SPLITS] = { "splits", ELEMENT_U8, false, 0, offsetof(Dataset, splits) },
    [ARRAY_ROW_NUMBERS] = { "row_numbers", ELEMENT_I64, false, 0, offsetof(Dataset, row_numbers) },
    [ARRAY_WANTED] = { "wanted", ELEMENT_U8, true, 0, offsetof(Dataset, wanted) },
};

const char *array_path(Array array)
{
    return arrays[array].path;
}

bool array_is_optional(Array array)
{
    return array == ARRAY_WANTED;
}

ElementType array_type(Array array)
{
    return arrays[array].type;
}

int64_t array_elements(const Dataset *dataset, Array array)
{
    return (arrays[array].is_token_sized ? dataset->tokens : dataset->rows) + arrays[array].extra;
}

void array_set(Dataset *dataset, Array array, const void *data)
{
    memcpy((char *)dataset + arrays[array].offset_bytes, &data, sizeof data);
}

const void *array_data(const Dataset *dataset, Array array)
{
    const void *data;
    memcpy(&data, (const char *)dataset + arrays[array].offset_bytes, sizeof data);
    return data;
}
