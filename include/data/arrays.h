/// The arrays of a data set: their names and types in the file, their places in memory.
#pragma once
#include "data/dataset.h"

typedef enum {
    ARRAY_TOKENS,
    ARRAY_OFFSETS,
    ARRAY_TYPE_STARTS,
    ARRAY_LABELS,
    ARRAY_SPLITS,
    ARRAY_ROW_NUMBERS,
    ARRAY_WANTED,
    ARRAY_COUNT
} Array;

/// Local. The tensor's path in the file.
const char *array_path(Array array);
ElementType array_type(Array array);
/// Local. True for arrays that not every data set has.
bool array_is_optional(Array array);
/// Local. Elements of an array of the data set, by its rows and tokens.
int64_t array_elements(const Dataset *dataset, Array array);
/// Local. Makes the data set's pointer to an array point to `data`, and what it points to.
void array_set(Dataset *dataset, Array array, const void *data);
const void *array_data(const Dataset *dataset, Array array);
